#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node that no datagram reaches and that can send none, but for whom streams work: it stays a
# member, takes part in everything, and all know by which path it is reached.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3 n4 n5

# path_is WHO OF PATH
path_is()
{
	[ "$(ctl "$1" nodes --json |
		jq -r --arg of "$2" '.nodes[] | select(.name == $of) | .path')" = "$3" ]
}

nobody_died()
{
	! grep -H ' is dead: ' "$tap_tmp"/n*.log
}

cluster n1 n2 n3 n4 n5
tap_check 'datagrams are what is used' until_true 10 path_is n1 n3 udp
net_no_udp n3 >"$tap_tmp/ip.log" 2>&1 || tap_skip_all "NO ROUTES BY PROTOCOL HERE \
($(tail -n 1 "$tap_tmp/ip.log")): A BLOCK OF UDP WAS NOT TESTED"
for eye in n1 n2 n4 n5; do
	tap_check "$eye sees that only streams reach it" until_true 60 path_is "$eye" n3 tcp
done
tap_check 'it sees the same of others' until_true 60 path_is n3 n1 tcp
tap_check 'the others are as before' path_is n1 n2 udp
ctl n1 health >"$tap_tmp/health"
tap_same 'that is not healthy' 1 $?
tap_check 'and said in words' grep -q '^problem  datagrams between this node and n3 get lost' \
	"$tap_tmp/health"
tap_check 'with what to do' grep -q 'let UDP through' "$tap_tmp/health"

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
defaults: { cache: false }
modules:
  a: { run: "echo $MP_NODE >o", matrix: { i: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }, outputs: [o] }
END
run=$(ctl n3 submit "$tap_tmp/p.yaml" --wait 2>"$tap_tmp/err")
tap_same 'it opens a run' 0 $?
tap_diag <"$tap_tmp/err"
tap_check 'and shows it' run_state_is n3 "$run" succeeded
tap_check 'so do others' run_state_is n5 "$run" succeeded

# News reach it, and of it: somebody leaves, and it restarts.
"$mpnode" leave --state "$tap_tmp/n5" 2>/dev/null
tap_check 'who leaves is gone for it soon' until_true 5 knows n3 4
node_kill n3
node_start n3
tap_check 'it comes back' until_true 20 knows n1 4
tap_check 'and knows the others' until_true 20 knows n3 4

net_udp n3
tap_check 'when datagrams pass again they are used' until_true 30 path_is n1 n3 udp
tap_check 'by it, too' until_true 30 path_is n3 n1 udp
tap_check 'nobody was ever called dead' nobody_died
tap_end
