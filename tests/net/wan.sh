#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Machines that are far from each other: 200 ms there and back, and of 20 packets one gets lost. A
# cluster with --profile wan comes together, does its work, holds nobody dead who lives, and finds
# out that one has died.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3
net_far 100 5 || tap_skip_all "NO WIRE OF OUR OWN HERE ($(cat "$tap_tmp/wire.log")): LONG WAYS \
WERE NOT TESTED"

# far WHO OF: the round trip is what it is
far()
{
	ctl "$1" nodes --json | jq -e --arg of "$2" '.nodes[] | select(.name == $of) |
		.rtt_ms >= 190 and .rtt_ms < 2000 and .path == "udp"' >/dev/null
}

all_know()
{
	for eye in n1 n2 n3; do
		knows "$eye" 3 || return 1
	done
}

dead()
{
	[ "$(ctl "$1" nodes --json |
		jq -r --arg of "$2" '.nodes[] | select(.name == $of) | .state')" = dead ]
}

since=$(now_ms)
node_start n1 --profile wan
ctl n1 invite >"$tap_tmp/token" || cli_die 'mpctl invite'
node_join n2 "$tap_tmp/token"
node_join n3 "$tap_tmp/token"
tap_check 'all know all' until_true 30 all_know
tap_diag "after $(($(now_ms) - since)) ms"
for pair in 'n1 n2' 'n2 n3' 'n3 n1'; do
	# shellcheck disable=SC2086
	tap_check "the round trip is known: $pair" until_true 20 far $pair
done

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
defaults: { cache: false }
modules:
  make: { run: "head -c 3000000 /dev/zero >o; sleep 1", matrix: { i: [1, 2, 3, 4] }, outputs: [o] }
  sum: { run: sleep 2, matrix: { i: [1, 2, 3, 4] } }
  last: { needs: [make], run: sleep 1 }
END
since=$(now_ms)
run=$(ctl n2 submit "$tap_tmp/p.yaml" --wait 2>"$tap_tmp/err")
tap_same 'a run ends well' 0 $?
tap_diag <"$tap_tmp/err"
tap_diag "after $(($(now_ms) - since)) ms, on $(run_field n2 "$run" \
	'[.modules[].node] | unique | join(" ")')"
tap_same 'one leader led all of it' 1 "$(run_field n2 "$run" .term)"
tap_same 'nobody was ever called dead' '' "$(grep -h ' is dead: ' "$tap_tmp"/n*.log)"
since=$(now_ms)
node_kill n3
tap_check 'who is killed is dead for the others' until_true 90 dead n1 n3
tap_diag "after $(($(now_ms) - since)) ms"
node_start n3
tap_check 'and back when it is started again' until_true 60 all_know
tap_end
