#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Nodes come back: one at its old port without a seed, all of them in the middle of a run; and a
# node that is asked to stop stops.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma

journal_pipeline "$tap_tmp/short.yaml" 3 2 0
old=$(ctl beta submit "$tap_tmp/short.yaml" --wait 2>/dev/null)
tap_same 'a run' 0 $?
address=$(node_address gamma)
node_kill gamma
node_start gamma
tap_same 'a node that was killed is back at its old port' "$address" "$(node_address gamma)"
for node in alpha beta gamma; do
	tap_check "$node knows all members" until_true 20 knows $node 3
done
tap_same 'it still shows the old run' succeeded "$(run_field gamma "$old" .state)"
ctl gamma outputs "$old" sum --to "$tap_tmp/old" >/dev/null
tap_check 'and has its outputs' cmp "$tap_tmp/sum.wanted" "$tap_tmp/old/sum/sum.txt"

journal_pipeline "$tap_tmp/p.yaml" 6 6 0.3
run=$(ctl gamma submit "$tap_tmp/p.yaml")
until_true 30 busy_on alpha "$run" 6 alpha || cli_die 'modules run on alpha'
remember alpha "$run"
for node in alpha beta gamma; do
	node_kill $node
done
for node in alpha beta gamma; do
	tap_check "no child of $node is left" until_true 10 no_leftovers $node
done
for node in alpha beta gamma; do
	node_start $node
done
tap_diag 'the whole cluster was killed and is back'
survived beta "$run"
tap_same 'the old run is still shown' succeeded "$(run_field alpha "$old" .state)"

for node in gamma beta alpha; do
	node_stop $node
	tap_same "$node ends with 0 after SIGTERM" 0 $?
done
node_start alpha
tap_same 'and starts again' succeeded "$(run_field alpha "$run" .state)"
tap_end
