#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How runs end that do not succeed: a module fails, takes too long, the run is cancelled.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma

# module NODE RUN NAME: "STATE EXIT"
module()
{
	run_field "$1" "$2" ".modules[] | select(.name == \"$3\") | \"\\(.state) \\(.exit)\""
}

cat >"$tap_tmp/fails.yaml" <<'YAML'
meshpipe: 1
modules:
  good: { run: [echo, fine] }
  bad: { run: "echo to-stdout; echo to-stderr >&2; exit 7" }
  after: { needs: [bad], run: [echo, never] }
  later: { needs: [after, good], run: [echo, never] }
  apart: { needs: [good], run: [sleep, "0.3"] }
  lost: { run: [/nonexistent/command] }
  promised: { run: ["true"], outputs: [never.txt] }
YAML
run=$(ctl alpha submit "$tap_tmp/fails.yaml" --wait 2>"$tap_tmp/err")
tap_same 'a run that failed ends submit --wait with 1' 1 $?
tap_diag <"$tap_tmp/err"
ctl beta wait "$run" >/dev/null 2>&1
tap_same 'and wait, on another node' 1 $?
tap_same 'the run failed' failed "$(run_field gamma "$run" .state)"
tap_same 'the exit code is kept' 'failed 7' "$(module gamma "$run" bad)"
tap_same 'what needs it is skipped' 'skipped null' "$(module gamma "$run" after)"
tap_same 'and what needs that' 'skipped null' "$(module gamma "$run" later)"
tap_same 'what does not need it is finished' 'succeeded 0' "$(module gamma "$run" apart)"
tap_same 'a command that is not there fails' 'failed' "$(module gamma "$run" lost | cut -d' ' -f1)"
tap_same 'a declared output that is not there fails its producer' 'failed' \
	"$(module gamma "$run" promised | cut -d' ' -f1)"
tap_same 'its stdout is in the logs' to-stdout \
	"$(ctl gamma logs "$run" bad 2>/dev/null | head -n 1)"
tap_check 'its stderr, too' sh -c "'$mpctl' --state '$tap_tmp/gamma' logs $run bad 2>&1 |
	grep -q to-stderr"

cat >"$tap_tmp/slow.yaml" <<'YAML'
meshpipe: 1
modules:
  slow: { run: "trap '' TERM; sleep 600 & wait; sleep 600", timeout: 500ms, grace: 300ms }
  after: { needs: [slow], run: [echo, never] }
YAML
run=$(ctl beta submit "$tap_tmp/slow.yaml" --wait 2>/dev/null)
tap_same 'a module that takes too long fails the run' 1 $?
tap_same 'it is shown as timed_out' timed_out "$(module alpha "$run" slow | cut -d' ' -f1)"
for node in alpha beta gamma; do
	tap_check "$node: nothing of it runs on" until_true 10 no_leftovers $node
done

cat >"$tap_tmp/long.yaml" <<'YAML'
meshpipe: 1
modules:
  one: { run: [sleep, "600"] }
  two: { needs: [one], run: [echo, never] }
YAML
run=$(ctl gamma submit "$tap_tmp/long.yaml")
running()
{
	[ "$(module alpha "$run" one)" = 'running null' ]
}
tap_check 'a module runs' until_true 20 running
ctl alpha wait "$run" --timeout 200ms >/dev/null 2>&1
tap_same 'wait --timeout ends with 7' 7 $?
tap_check 'any node cancels' ctl beta cancel "$run"
ctl alpha wait "$run" >/dev/null 2>&1
tap_same 'wait ends with 6' 6 $?
tap_same 'the run is cancelled' cancelled "$(run_field gamma "$run" .state)"
tap_same 'and so is what ran' cancelled "$(module gamma "$run" one | cut -d' ' -f1)"
for node in alpha beta gamma; do
	tap_check "$node: nothing of it runs on" until_true 10 no_leftovers $node
done

printf 'meshpipe: 1\nmodules: { a: { run: [x], colour: [b] } }\n' >"$tap_tmp/bad.yaml"
ctl alpha submit "$tap_tmp/bad.yaml" >"$tap_tmp/out" 2>"$tap_tmp/err"
tap_same 'an invalid pipeline ends with 3' 3 $?
tap_check 'its error names file, line and column' grep -qE 'bad\.yaml:2:[0-9]+:' "$tap_tmp/err"
tap_same 'and opens no run' '' "$(cat "$tap_tmp/out")"
ctl nowhere nodes >/dev/null 2>&1
tap_same 'without a node mpctl ends with 4' 4 $?
ctl alpha show 0123456789abcdef >/dev/null 2>&1
tap_same 'a run that nobody knows ends with 2' 2 $?
tap_end
