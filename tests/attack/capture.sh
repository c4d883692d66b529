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

# tshark where it is, for it is nobody's who could be mistaken here; else a packet socket.
if command -v tshark >/dev/null; then
	tap_diag 'captured by tshark'
	begun='Capturing on'
	tshark -q -i lo -B 64 -w "$tap_tmp/wire" >"$tap_tmp/captured" 2>&1 &
else
	tap_diag 'captured by a packet socket of our own'
	begun=^ready
	"$top_builddir/tests/attack/capture" "$tap_tmp/wire" >"$tap_tmp/captured" 2>&1 &
fi
capture=$!
cli_pids="$cli_pids $capture"
until_true 10 grep -q "$begun" "$tap_tmp/captured" || cli_die 'what is sent is captured'

# What must not be seen, each in its own words.
cat >"$tap_tmp/p.yaml" <<'YAML'
meshpipe: 1
name: Pipelinename-7431
params: { who: Parameter-7432 }
env: { SOME: Environmentvalue-7433 }
secrets: [TOKEN]
inputs: ["input.txt"]
defaults: { cache: false }
modules:
  one:
    secrets: [TOKEN]
    matrix: { n: ["1", "2", "3", "4", "5", "6"] }
    run: |
      : Commandtext-7434 ${params.who}
      for i in 1 2 3 4 5 6 7 8 9; do echo Logline-7435; echo Errorline-7436 >&2; done
      printf 'Value-7437' >"$MP_OUTPUT"
      test "${#TOKEN}" -gt 9
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
run=$(TOKEN=Secretvalue-7444 ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'mpctl submit'
ctl beta logs "$run" --follow >"$tap_tmp/log" 2>/dev/null
ctl alpha wait "$run" >/dev/null 2>&1
tap_same 'the run succeeds' 0 $?
tap_check 'its log is read on another node' grep -q Logline-7435 "$tap_tmp/log"
tap_check 'it ran on more than one' test "$(
	run_field alpha "$run" '[.modules[].node] | unique | length')" -gt 1
ctl gamma outputs "$run" --to "$tap_tmp/out" >/dev/null 2>&1
tap_check 'its outputs are fetched elsewhere' grep -rq Outputbytes-7438 "$tap_tmp/out"

# That it would be seen, if it were there: the same words, in clear. They are sent when all else has
# been looked at, or nobody could tell what was seen.
words="Pipelinename-7431 Parameter-7432 Environmentvalue-7433 Commandtext-7434 Logline-7435
	Errorline-7436 Value-7437 Outputbytes-7438 Modulename-7439 Capability-7440 Inputbytes-7441
	Resource-7442 Secretvalue-7444"
base64=$(printf %s Secretvalue-7444 | base64 | cut -c1-20)
# Names of nodes, run ids, and what records begin with.
words="$words $base64 alpha beta gamma mp-run mp-alive mp-cert mp-invite mp-caps mp-result $run"
seen()
{
	grep -qaF "$1" "$tap_tmp/wire"
}
# Whatever was sent until now is in the file when this is.
marked()
{
	printf '%s and some more' "$1" | "$top_builddir/tests/cli/poke" "$2" "$port" >/dev/null
	until_true 10 seen "$1"
}
port=$(node_address alpha)
port=${port##*:}
tap_check 'what is sent in clear is seen, in a datagram' marked Inclear-7443 udp
tap_check 'what is sent in clear is seen, in a stream' marked Inclear-7445 tcp
tap_check 'there is much to look at' test "$(stat -c %s "$tap_tmp/wire")" -gt 50000
for word in $words; do
	tap_check "not in clear: ${word%-74*}" not seen "$word"
done
for word in $words; do
	printf '%s ' "$word"
done >"$tap_tmp/words"
"$top_builddir/tests/cli/poke" tcp "$port" <"$tap_tmp/words" >/dev/null
all_seen()
{
	for seen_word in $words; do
		seen "$seen_word" || return 1
	done
}
tap_check 'and each is found once it was sent in clear' until_true 10 all_seen
kill "$capture"
wait "$capture"
tap_same 'the capture ends well' 0 $?
cli_forget "$capture"
tap_diag <"$tap_tmp/captured"
tap_check 'and has lost nothing' \
	not grep -q '[1-9][0-9]* packets\{0,1\} dropped' "$tap_tmp/captured"
tap_end
