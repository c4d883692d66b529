#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Much of it at once: connections that wait, greetings that take for ever, frames that are too
# large, and junk by the ten thousand while a run goes on.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin

attacked alpha frames streams_broken
attacked alpha slow streams_rejected
attacked alpha crowd streams_rejected streams_crowded streams_throttled

# Junk for as long as it takes that the run makes progress; the kernel throws some of it away.
port=$(node_address alpha)
attack_steal delta
hint=$("$attack" hint "${port##*:}" "$tap_tmp/enemy" "$tap_tmp/delta" |
	awk '$1 == "hint" { print $2 }')
before=$(counter alpha datagrams_junk)
"$attack" junk "${port##*:}" "$tap_tmp/enemy" 50000 5 "$hint" >"$tap_tmp/junk" &
junk=$!
cli_pids="$cli_pids $junk"
printf 'meshpipe: 1\nmodules: { a: { run: echo under }, b: { needs: [a], run: echo fire } }\n' \
	>"$tap_tmp/under.yaml"
ctl alpha submit "$tap_tmp/under.yaml" --wait >/dev/null 2>"$tap_tmp/under.err"
tap_same 'junk: a run that begins under it succeeds' 0 $?
tap_diag <"$tap_tmp/under.err"
wait $junk
cli_forget $junk
sent=$(awk '$1 == "attempts" { print $2 }' "$tap_tmp/junk")
dropped=$(($(counter alpha datagrams_junk) - before))
tap_diag "junk: $sent sent, $dropped of them seen and dropped"
tap_check 'junk: it comes by the ten thousand' test "$sent" -gt 100000
tap_check 'junk: it is counted' test "$dropped" -gt 1000
tap_check 'junk: all nodes live' same_pids
attempts=$((attempts + dropped))

attack_end
