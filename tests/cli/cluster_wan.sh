#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The timings for long ways: joiners have them from the cluster, they are kept, members that differ
# are told of, and a leader's death is survived, at their pace.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# kept NODE: what its state directory says of it
kept()
{
	grep -q '^profile wan$' "$tap_tmp/$1/network"
}

node_start n1 --profile wan
ctl n1 invite >"$tap_tmp/token" || cli_die 'mpctl invite'
node_join n2 "$tap_tmp/token"
node_join n3 "$tap_tmp/token" --profile lan
for name in n1 n2 n3; do
	until_true 20 knows $name 3 || cli_die "$name knows all members"
done
tap_check 'a joiner takes it from the cluster' kept n2
tap_check 'even if another one is asked for' kept n3
# all_have PROFILE: what n1 knows of all three
all_have()
{
	ctl n1 nodes --json >"$tap_tmp/nodes"
	[ "$(jq -r '.nodes[].capabilities.profile' "$tap_tmp/nodes" | grep -c "^$1\$")" = 3 ]
}
tap_check 'all know that of all' until_true 20 all_have wan
node_stop n3
node_start n3
tap_check 'it is kept' kept n3
until_true 20 knows n1 3 || cli_die 'n3 is back'

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
defaults: { cache: false }
modules:
  a: { run: sleep 5 }
  b: { needs: [a], run: echo done }
END
run=$(ctl n2 submit "$tap_tmp/p.yaml") || cli_die submit
led()
{
	leader=$(run_leader n2 "$run")
	[ -n "$leader" ] && [ "$(run_field n2 "$run" '.modules[0].state')" = running ]
}
until_true 20 led || cli_die 'somebody leads'
eye=n1
[ "$leader" != n1 ] || eye=n3
node_kill "$leader"
since=$(date +%s)
ctl $eye wait "$run" 2>/dev/null
tap_same 'the leader is killed: the run succeeds' 0 $?
tap_check 'under another one' test "$(run_leader $eye "$run")" != "$leader"
tap_check 'not before the electors stood' test $(($(date +%s) - since)) -ge 7
node_start "$leader" --profile lan
tap_check 'the other one ends it' not kept "$leader"
told()
{
	ctl $eye health >"$tap_tmp/health"
	grep -q "1 of 3 nodes .* --profile lan, .* those of wan: $leader" "$tap_tmp/health"
}
tap_check 'and that members differ is told' until_true 30 told
tap_end
