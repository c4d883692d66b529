#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node is taken out of work for a while, from another one: what runs there goes on, nothing new
# comes, what it leads goes elsewhere, and a restart does not change that.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# node_field NODE NAME .JQ: of `nodes --json`
node_field()
{
	ctl "$1" nodes --json | jq -r --arg name "$2" ".nodes[] | select(.name == \$name) | $3"
}

node_is()
{
	[ "$(node_field "$1" "$2" "$3")" = "$4" ]
}

# asked_of NODE ARG...: what mpctl says is in $tap_tmp/said
asked_of()
{
	ctl "$@" >/dev/null 2>"$tap_tmp/said"
	cli_status=$?
	tap_diag <"$tap_tmp/said"
	return $cli_status
}

leads()
{
	[ "$(run_leader "$1" "$2")" = "$3" ]
}

leads_not()
{
	cli_leader=$(run_leader "$1" "$2")
	[ -n "$cli_leader" ] && [ "$cli_leader" != "$3" ]
}

cluster alpha beta gamma delta
journal_pipeline "$tap_tmp/p.yaml" 8 4 0.5
run=$(ctl alpha submit "$tap_tmp/p.yaml")
until_true 30 busy_on alpha "$run" 3 alpha || cli_die 'modules run on alpha'
tap_same 'the opener leads' alpha "$(run_leader beta "$run")"

asked_of beta drain alpha
tap_same 'a node is drained from another one' 0 $?
tap_check 'the others know' until_true 10 node_is gamma alpha .status draining
tap_check 'it does itself' node_is alpha alpha .status draining
tap_check 'another one leads' until_true 10 leads_not beta "$run" alpha
tap_check 'it is drained in the end' until_true 20 node_is gamma alpha .drained true
tap_same 'nothing runs there' 0 "$(node_field gamma alpha .used)"
begun=$(grep -c ' alpha$' "$tap_tmp/journal")
ended=$(grep -c '^end.* alpha$' "$tap_tmp/journal")
tap_same 'what ran there has ended there' "$begun" $((2 * ended))
asked_of alpha submit "$tap_tmp/p.yaml"
tap_same 'it takes no submission' 4 $?
tap_check 'and says why' grep -q 'this node is draining' "$tap_tmp/said"

node_stop alpha
tap_same 'it stops' 0 $?
node_start alpha
tap_check 'it drains after a restart' until_true 10 node_is beta alpha .status draining
survived alpha "$run"
tap_same 'nothing began there after it was drained' "$begun" \
	"$(grep -c ' alpha$' "$tap_tmp/journal")"
second=$(ctl beta submit "$tap_tmp/p.yaml")
tap_same 'it is no elector of a new run' false \
	"$(run_field beta "$second" '.electors | contains(["alpha"])')"

asked_of alpha undrain alpha
tap_same 'it ends that itself' 0 $?
tap_check 'the others know' until_true 10 node_is gamma alpha .status available
id=$(node_field beta beta .id)
asked_of alpha drain "$(printf '%.8s' "$id")"
tap_same 'a node is named by the start of its id' 0 $?
tap_check 'it leads no more' until_true 10 leads_not gamma "$second" beta
survived gamma "$second"
tap_check 'there is work for alpha again' grep -q '^begin.* alpha$' "$tap_tmp/journal"
asked_of alpha undrain beta
tap_same 'that is ended by its name' 0 $?

asked_of alpha drain nobody
tap_same 'a node that does not exist' 2 $?
asked_of alpha drain abc
tap_same 'too few digits' 2 $?
node_kill delta
asked_of alpha drain delta
tap_same 'one that is not there' 4 $?
tap_check 'it says so' grep -q 'cannot be reached' "$tap_tmp/said"
tap_end
