#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Those who may speak take all that there is of something: for all others there is enough left, at
# once, and the node stays as large as it was.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin
attack_steal delta
ctl alpha invite --role observe >"$tap_tmp/observe" || cli_die 'mpctl invite'
ctl alpha identity new --out "$tap_tmp/person" >/dev/null 2>&1 &&
	ctl alpha admit --request "$tap_tmp/person.request" --role admin \
		>"$tap_tmp/given" 2>/dev/null &&
	ctl alpha identity accept "$tap_tmp/given" --identity "$tap_tmp/person" >/dev/null 2>&1 ||
	cli_die 'an identity'

alpha_kb()
{
	awk '$1 == "VmHWM:" { print $2 }' "/proc/$(node_pid alpha)/status"
}

person()
{
	timeout 20 "$mpctl" --node "$(node_address alpha)" --identity "$tap_tmp/person" nodes \
		>/dev/null
}

local_one()
{
	ctl alpha nodes >/dev/null
}

has_counters()
{
	jq -e .counters "$tap_tmp/health" >/dev/null
}

# hoards WHAT TOKEN [ARG...]: while it does, others are served
hoards()
{
	hoard=$1
	hoard_port=$(node_address alpha)
	hoard_token=$2
	shift 2
	timeout 60 "$attack" "$hoard" "${hoard_port##*:}" "$tap_tmp/alpha" "$hoard_token" "$@" \
		>"$tap_tmp/hoard" 2>"$tap_tmp/hoard.err" &
	hoard_pid=$!
	cli_pids="$cli_pids $hoard_pid"
	until_true 30 grep -q '^in' "$tap_tmp/hoard" || cli_die "$hoard: it is in"
	began=$(now_ms)
	ctl alpha health --json >"$tap_tmp/health" 2>"$tap_tmp/health.err"
	took=$(($(now_ms) - began))
	tap_check "$hoard: health is told" has_counters
	tap_diag <"$tap_tmp/health.err"
	tap_check "$hoard: within two seconds" test $took -lt $((2000 * ${MP_PATIENCE:-1}))
	tap_check "$hoard: one who may is heard on the socket" local_one
	tap_check "$hoard: and from elsewhere" person
	wait "$hoard_pid"
	tap_same "$hoard: it has not failed" 0 $?
	cli_forget "$hoard_pid"
	tap_diag "$hoard: health in $took ms, at most $(alpha_kb) KB yet, $(cat "$tap_tmp/hoard")"
}

hoards waits "$tap_tmp/enemy" "$tap_tmp/delta"
hoards fetches "$tap_tmp/enemy" "$tap_tmp/delta"
hoards places "$tap_tmp/observe"
hoards talkers "$tap_tmp/observe"
[ -n "${MP_UNDER-}${MP_REPORTS-}" ] ||
	tap_check 'it is no larger than a node may be' test "$(alpha_kb)" -lt 100000
tap_check 'all nodes live' same_pids
tap_same 'the run is still under way' running "$(run_field beta "$run" .state)"
: >"$tap_tmp/go"
survived beta "$run"
tap_same 'nothing of it ran twice' '' "$(sort "$tap_tmp/journal" | uniq -d)"
tap_end
