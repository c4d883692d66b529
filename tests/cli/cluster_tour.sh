#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A little of everything that a cluster does, patient enough for nodes under valgrind: a run with
# inputs, a wide one that fails in two ways, one that is cancelled; outputs, logs, a restart.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma

run=$(ctl alpha submit "$top_srcdir/contrib/examples/hello.yaml" --wait 2>"$tap_tmp/err")
tap_same 'hello succeeds' 0 $?
tap_diag <"$tap_tmp/err"
ctl beta outputs "$run" publish --to "$tap_tmp/hello" >/dev/null
tap_check 'its report is there' grep -q . "$tap_tmp/hello/publish/report.txt"

# Fifty modules: each column passes a file down; one module fails, one takes too long.
awk 'BEGIN {
	print "meshpipe: 1\nname: fifty\nmodules:"
	for (c = 1; c <= 8; c++) {
		for (r = 1; r <= 6; r++) {
			printf "  m-%d-%d:\n", c, r
			above = "m-" c "-" (r - 1)
			if (r > 1)
				printf "    needs: [%s]\n", above
			printf "    run: \"%s >m-%d-%d.txt; echo said\"\n",
				(r > 1 ? "cat " above ".txt" : "echo " c), c, r
			printf "    outputs: [m-%d-%d.txt]\n", c, r
		}
	}
	print "  bad: { needs: [m-1-2], run: \"echo wrong >&2; exit 3\" }"
	print "  slow: { needs: [m-2-2], run: [sleep, \"600\"], timeout: 300ms, grace: 300ms }"
}' >"$tap_tmp/fifty.yaml"
run=$(ctl beta submit "$tap_tmp/fifty.yaml" --wait 2>"$tap_tmp/err")
tap_same 'fifty modules, of which one fails and one takes too long' 1 $?
tap_diag <"$tap_tmp/err"
tap_same 'each ended as it should' 'bad failed 3
slow timed_out
48 succeeded' "$(ctl gamma show "$run" --json | jq -r '
	(.modules[] | select(.name == "bad") | "bad \(.state) \(.exit)"),
	(.modules[] | select(.name == "slow") | "slow \(.state)"),
	([.modules[] | select(.state == "succeeded")] | "\(length) succeeded")')"
ctl alpha outputs "$run" --to "$tap_tmp/fifty" >/dev/null
tap_same 'the outputs went down each column' '1 2 3 4 5 6 7 8' \
	"$(cat "$tap_tmp/fifty"/m-?-6/m-?-6.txt | sort | tr '\n' ' ' | sed 's/ $//')"
tap_same 'logs come from any node' 'wrong said' \
	"$({
		ctl gamma logs "$run" bad 2>&1
		ctl gamma logs "$run" m-8-6
	} | grep -xE 'wrong|said' | tr '\n' ' ' | sed 's/ $//')"

printf 'meshpipe: 1\nmodules: { one: { run: [sleep, "600"], grace: 300ms } }\n' \
	>"$tap_tmp/long.yaml"
run=$(ctl gamma submit "$tap_tmp/long.yaml")
running()
{
	[ "$(run_field alpha "$run" '.modules[0].state')" = running ]
}
tap_check 'a module runs' until_true 20 running
tap_check 'it is cancelled' ctl beta cancel "$run"
ctl alpha wait "$run" >/dev/null 2>&1
tap_same 'the run, too' 6 $?
for node in alpha beta gamma; do
	tap_check "$node: nothing of it runs on" until_true 10 no_leftovers $node
done

node_stop beta
tap_same 'a node stops' 0 $?
node_start beta
tap_check 'and knows all when it is back' until_true 20 knows beta 3
tap_check 'its runs, too' until_true 20 run_state_is beta "$run" cancelled
printf 'meshpipe: 1\nmodules: { one: { run: ["true"] } }\n' >"$tap_tmp/short.yaml"
tap_check 'one command runs a pipeline without a cluster' \
	timeout $((50 * ${MP_PATIENCE:-1})) ${MP_UNDER-} "$mpctl" run "$tap_tmp/short.yaml"
for node in gamma beta alpha; do
	node_stop $node
	tap_same "$node ends with 0 after SIGTERM" 0 $?
done
tap_end
