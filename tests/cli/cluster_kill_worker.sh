#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of a node that only works: the run succeeds, what was finished does not run again, and
# no child of the node lives on.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 6 6 0.3
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'

has_leader()
{
	[ -n "$(run_leader alpha "$run")" ]
}
until_true 20 has_leader || cli_die 'somebody leads the run'
leader=$(run_leader alpha "$run")
for victim in beta gamma; do
	[ "$victim" = "$leader" ] || break
done
survivor=alpha
until_true 30 busy_on $survivor "$run" 6 "$victim" || cli_die "modules run on $victim"
remember $survivor "$run"
node_kill "$victim"
tap_diag "$leader leads, $victim is killed"
tap_check 'no child of it is left' until_true 10 no_leftovers "$victim"
survived $survivor "$run"
tap_check 'what it was running is counted as lost' \
	test "$(run_field $survivor "$run" '[.modules[].lost] | add')" -ge 1
node_field()
{
	ctl $survivor nodes --json | jq -r ".nodes[] | select(.name == \"$victim\") | $1"
}
victim_is()
{
	[ "$(node_field .state)" = "$1" ]
}
tap_check 'it is known to be dead' until_true 30 victim_is dead
tap_same 'and takes no work' 'offline 0' "$(node_field '"\(.status) \(.used)"')"
tap_same 'the leader is the same one' "$leader" "$(run_leader $survivor "$run")"
tap_end
