#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What fails together does not hold a run together: electors and copies are spread over zones, and
# a zone that is lost as a whole takes nothing with it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

zones_are()
{
	[ "$(ctl "$1" nodes --json | jq -r '[.nodes[].capabilities.zone] | sort | join(" ")')" = \
		"$2" ]
}

electors()
{
	run_field "$1" "$2" '.electors | sort | join(" ")'
}

node_start alpha --zone east
ctl alpha invite >"$tap_tmp/token"
node_join beta "$tap_tmp/token" --zone east
node_join gamma "$tap_tmp/token" --zone west
node_join delta "$tap_tmp/token" --zone east
for node in alpha beta gamma delta; do
	until_true 20 knows $node 4 || cli_die "$node knows all members"
done
ctl delta node set --zone north
for node in alpha beta gamma delta; do
	until_true 20 zones_are $node 'east east north west' || cli_die "$node knows all zones"
done

# Each module leaves a file of its own; whoever makes it, it is in two zones.
{
	printf 'meshpipe: 1\nname: zones\nmodules:\n'
	for i in 1 2 3 4 5 6 7 8; do
		printf '  m%d: { run: "echo %d $MP_NODE >out; sleep 0.2", outputs: [out] }\n' $i $i
	done
} >"$tap_tmp/p.yaml"
run=$(ctl alpha submit "$tap_tmp/p.yaml" --wait 2>/dev/null)
tap_same 'a run over all of them' 0 $?
tap_same 'its electors are in three zones' 'alpha delta gamma' "$(electors alpha "$run")"
second=$(ctl beta submit "$tap_tmp/p.yaml" --wait 2>/dev/null)
tap_same 'those of another opener too' 'beta delta gamma' "$(electors alpha "$second")"

node_kill alpha
node_kill beta
ctl gamma outputs "$run" --to "$tap_tmp/out" >/dev/null 2>"$tap_tmp/said"
tap_same 'without the whole of one zone there is every output' 0 $?
tap_diag <"$tap_tmp/said"
tap_same 'of all modules' 8 "$(cat "$tap_tmp"/out/m?/out | grep -c .)"
tap_same 'and the run is known' succeeded "$(run_field delta "$run" .state)"
tap_end
