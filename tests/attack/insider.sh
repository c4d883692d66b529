#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has taken the key of a node: it comes in as that one, speaks well, and lies.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin
attack_steal delta

attacked alpha lies messages_refused messages_malformed messages_fenced joins_refused -- \
	"$tap_tmp/delta" "$tap_tmp/alpha"
attacked alpha datagrams datagrams_junk datagrams_stranger datagrams_forged datagrams_replayed \
	datagrams_malformed datagrams_astray messages_refused -- "$tap_tmp/delta" "$tap_tmp/alpha"
attacked alpha blobs blobs_wrong messages_malformed -- "$tap_tmp/delta" "$tap_tmp/alpha"

# Its key is shut out while it is in.
port=$(node_address alpha)
before=$(counters alpha datagrams_revoked streams_revoked)
"$attack" revoked "${port##*:}" "$tap_tmp/enemy" "$tap_tmp/delta" "$tap_tmp/alpha" \
	>"$tap_tmp/revoked" 2>&1 &
revoked=$!
cli_pids="$cli_pids $revoked"
until_true 20 grep -q '^in' "$tap_tmp/revoked" || cli_die 'delta is in'
ctl alpha revoke delta >/dev/null 2>&1 || cli_die 'mpctl revoke'
wait $revoked
tap_same 'revoked: each attempt is refused' 0 $?
cli_forget $revoked
grep '^not refused' "$tap_tmp/revoked" | tap_diag
n=$(awk '$1 == "attempts" { print $2 }' "$tap_tmp/revoked")
attempts=$((attempts + ${n:-0}))
tap_check "revoked: $n of them, and counted" \
	grown $((before + ${n:-1} - 1)) alpha datagrams_revoked streams_revoked
tap_check 'revoked: all nodes live' same_pids

attack_end
