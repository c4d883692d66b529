#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Much of it at once: connections that wait, greetings that take for ever, frames that are too
# large, and junk by the ten thousand while a run goes on.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin

attacked alpha frames
attacked alpha slow
attacked alpha crowd

# Junk for as long as it takes that the run makes progress; the kernel throws some of it away.
port=$(node_address alpha)
attack_steal delta
hint=$("$attack" hint "${port##*:}" "$tap_tmp/alpha" "$tap_tmp/enemy" "$tap_tmp/delta" |
	awk '$1 == "hint" { print $2 }')
before=$(counter alpha datagrams_junk)
attack_begun alpha junk 50000 5 "$hint"
printf 'meshpipe: 1\nmodules: { a: { run: echo under }, b: { needs: [a], run: echo fire } }\n' \
	>"$tap_tmp/under.yaml"
ctl alpha submit "$tap_tmp/under.yaml" --wait >/dev/null 2>"$tap_tmp/under.err"
tap_same 'junk: a run that begins under it succeeds' 0 $?
tap_diag <"$tap_tmp/under.err"
attack_over junk
sent=$(awk '$1 == "sent" { print $2 }' "$tap_tmp/attacked")
rate=$(awk '$1 == "sent" { print $3 }' "$tap_tmp/attacked")
dropped=$(($(counter alpha datagrams_junk) - before))
tap_diag "junk: $sent sent, $rate a second; the kernel let $dropped through, which were dropped"
tap_check 'junk: it comes at 50,000 a second' test "$rate" -gt 45000
tap_check 'junk: it is counted' test "$dropped" -gt 1000
echo "kind $dropped $dropped $dropped 0 junk datagrams, 50,000 a second" >>"$tap_tmp/kinds"

attack_end
