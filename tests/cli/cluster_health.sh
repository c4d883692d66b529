#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl health says what is wrong, and by its exit status that something is; mpctl nodes has what it
# comes from.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# finds NODE WHAT ABOUT: health at NODE has that, as what it says is wrong; in $tap_tmp/health
finds()
{
	ctl "$1" health --json >"$tap_tmp/health"
	[ $? -eq 1 ] && jq -e --arg what "$2" --arg about "$3" 'any(.problems[];
		.what == $what and .about == $about and .level == "problem")' \
		"$tap_tmp/health" >/dev/null
}

well()
{
	ctl "$1" health >"$tap_tmp/health" 2>&1
}

notes()
{
	ctl "$1" health --json | jq -c '[.problems[].what]'
}

near()
{
	ctl "$1" nodes --json | jq -e --arg name "$2" '.nodes[] | select(.name == $name) |
		.rtt_ms >= 0 and .rtt_ms < 1000 and .silent_ms >= 0 and .path == "udp" and
		.skew_ms > -1000 and .skew_ms < 1000' >/dev/null
}

cluster alpha beta gamma
tap_check 'all is well' until_true 20 well alpha
tap_check 'it says so' grep -q '^health  *well' "$tap_tmp/health"
tap_check 'the way to another node is known' until_true 20 near alpha beta
for name in $(ctl alpha health --json | jq -r '.counters, .limits | keys[]'); do
	grep -q "^\.It Cm.*\<$name\>" "$top_srcdir/man/mpctl.1" || echo "$name"
done >"$tap_tmp/unknown"
tap_same 'mpctl(1) explains all that is counted' '' "$(cat "$tap_tmp/unknown")"
tap_same 'what strangers may take up is bounded' true "$(ctl alpha health --json | jq '.limits |
	length == 3 and all(.[]; .now <= .max and .source_max <= .max and .max > 0)')"
ctl alpha nodes >"$tap_tmp/nodes"
tap_check 'nodes has a line for each' grep -q '^beta *alive *available *0/2 ' "$tap_tmp/nodes"
ctl alpha drain alpha 2>/dev/null
tap_check 'a draining node is no problem' well alpha
tap_same 'but noted' '["draining"]' "$(notes alpha)"
ctl alpha undrain alpha

kill -STOP "$(node_pid gamma)"
tap_check 'one that does not answer' until_true 30 finds alpha suspect gamma
kill -CONT "$(node_pid gamma)"
tap_check 'it was there all the time' until_true 30 well alpha

# A run of all three, of whom two go.
printf 'meshpipe: 1\nname: slow\nmodules: { a: { run: sleep 300 } }\n' >"$tap_tmp/p.yaml"
run=$(ctl alpha submit "$tap_tmp/p.yaml")
tap_check 'it is well with a run' well beta
top_has()
{
	ctl beta top --json | jq -e --arg run "$run" '.alive == 3 and .slots == 6 and
		.open_runs == 1 and (.nodes | length) == 3 and
		any(.runs[]; .run == $run and .modules == 1 and .done == 0)' >/dev/null
}
tap_check 'top has nodes and runs' until_true 20 top_has
ctl beta top >"$tap_tmp/top"
tap_check 'without a terminal it shows them once' grep -q '^gamma *alive' "$tap_tmp/top"
node_kill alpha
node_kill gamma
lost()
{
	finds beta stalled "$run" || finds beta no_elector "$run"
}
tap_check 'the run has lost its quorum' until_true 40 lost
tap_check 'a dead node' until_true 60 finds beta dead alpha
tap_check 'with a way out' grep -q 'start it again' "$tap_tmp/health"
tap_same 'it is not healthy' false "$(jq .healthy "$tap_tmp/health")"
ctl beta health >"$tap_tmp/health"
tap_check 'in words' grep -q '^problem  gamma is ' "$tap_tmp/health"
node_start alpha
node_start gamma
tap_check 'all is well again' until_true 60 well beta
node_stop gamma
ctl gamma health 2>/dev/null
tap_same 'a node that does not run cannot tell' 4 $?
tap_end
