#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the node that took the submission, as soon as it has said so: the others finish.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 4 3 0.2
ctl gamma submit "$tap_tmp/p.yaml" --wait >"$tap_tmp/run" 2>"$tap_tmp/submit.err" &
waiting=$!
opened()
{
	grep -qE '^[0-9a-f]{32}$' "$tap_tmp/run"
}
until_true 20 opened || cli_die 'the submission is acknowledged before the run has ended'
node_kill gamma
run=$(cat "$tap_tmp/run")
wait $waiting
tap_same 'who waited at that node hears that it is gone' 4 $?
known()
{
	ctl alpha show "$run" --json >/dev/null 2>&1
}
tap_check 'the others know the run' until_true 20 known
tap_check 'no child of the node is left' until_true 10 no_leftovers gamma
survived alpha "$run"
tap_same 'nothing began more than twice' '' \
	"$(grep '^begin' "$tap_tmp/journal" | sort | awk '{ print $2 }' | uniq -c | awk '$1 > 2')"
tap_end
