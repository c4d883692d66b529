#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All that goes over the wire in a run of three nodes, from founding to the end, has nothing in
# clear of what it is about.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
if [ -z "${MP_ALONE-}" ]; then
	unshare -n ip link set lo up 2>/dev/null ||
		tap_skip_all 'NOTHING IS CAPTURED: THIS NEEDS root AND NETWORK NAMESPACES'
	rm -rf "$tap_tmp"
	export MP_ALONE=1
	# shellcheck disable=SC2016
	exec unshare -n sh -c 'ip link set lo up && exec sh "$1"' sh "$0"
fi
cli_slots=1
"$top_builddir/tests/attack/capture" "$tap_tmp/wire" >"$tap_tmp/captured" 2>&1 &
capture=$!
cli_pids="$cli_pids $capture"
until_true 10 grep -q '^ready' "$tap_tmp/captured" ||
	cli_die 'a packet socket of a network namespace'

# What must not be seen, each in its own words.
cat >"$tap_tmp/p.yaml" <<'YAML'
meshpipe: 1
name: Pipelinename-7431
params: { who: Parameter-7432 }
env: { SOME: Environmentvalue-7433 }
inputs: ["input.txt"]
defaults: { cache: false }
modules:
  one:
    matrix: { n: ["1", "2", "3", "4", "5", "6"] }
    run: |
      : Commandtext-7434 ${params.who}
      for i in 1 2 3 4 5 6 7 8 9; do echo Logline-7435; echo Errorline-7436 >&2; done
      printf 'Value-7437' >"$MP_OUTPUT"
      cat input.txt >out.txt; echo Outputbytes-7438 >>out.txt
      sleep 0.3
    outputs: [out.txt]
  Modulename-7439:
    needs: [one]
    requires: { tags: [Capability-7440] }
    run: echo done
YAML
echo 'Inputbytes-7441' >"$tap_tmp/input.txt"
node_start alpha
ctl alpha invite >"$tap_tmp/token"
node_join beta "$tap_tmp/token" --tag Capability-7440
node_join gamma "$tap_tmp/token" --tag Capability-7440 --resource Resource-7442=2
until_true 20 knows alpha 3 || cli_die 'alpha knows all members'
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'mpctl submit'
ctl beta logs "$run" --follow >"$tap_tmp/log" 2>/dev/null
ctl alpha wait "$run" >/dev/null 2>&1
tap_same 'the run succeeds' 0 $?
tap_check 'its log is read on another node' grep -q Logline-7435 "$tap_tmp/log"
tap_check 'it ran on more than one' test "$(
	run_field alpha "$run" '[.modules[].node] | unique | length')" -gt 1
ctl gamma outputs "$run" --to "$tap_tmp/out" >/dev/null 2>&1
tap_check 'its outputs are fetched elsewhere' grep -rq Outputbytes-7438 "$tap_tmp/out"

# That it would be seen, if it were there.
address=$(node_address alpha)
printf 'Inclear-7443 and some more' | "$top_builddir/tests/cli/poke" udp "${address##*:}"
seen()
{
	grep -qaF "$1" "$tap_tmp/wire"
}
kill "$capture"
wait "$capture"
tap_same 'no packet is lost to the capture' 0 $?
cli_forget "$capture"
tap_diag <"$tap_tmp/captured"
tap_check 'what is sent in clear is seen' seen Inclear-7443
tap_check 'there is much to look at' test "$(stat -c %s "$tap_tmp/wire")" -gt 50000
for word in Pipelinename-7431 Parameter-7432 Environmentvalue-7433 Commandtext-7434 Logline-7435 \
	Errorline-7436 Value-7437 Outputbytes-7438 Modulename-7439 Capability-7440 Inputbytes-7441 \
	Resource-7442; do
	tap_check "not in clear: ${word%-*}" not seen "$word"
done
# Names of nodes, run ids, and what records begin with.
for word in alpha beta gamma mp-run mp-alive mp-cert mp-invite mp-caps mp-result "$run"; do
	tap_check "not in clear: $word" not seen "$word"
done
tap_end
