#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has no business here: streams that are bent, certificates that are forged, those who were
# invited and say more than that they want to join.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin

attacked alpha bytes
attacked alpha order
attacked beta versions
attacked alpha certificates
attacked beta knocks
attacked gamma strangers
attacked gamma people "$tap_tmp/alpha"

# One more authority, by which a token is made, and then no more.
ctl alpha authority new --to "$tap_tmp/second" >"$tap_tmp/second.pub" || cli_die 'authority new'
ctl alpha authority add-key "$tap_tmp/second.pub" 2>/dev/null || cli_die 'authority add-key'
ctl alpha invite --authority "$tap_tmp/second" >"$tap_tmp/enemy" || cli_die 'mpctl invite'
ctl alpha authority remove-key "$(cat "$tap_tmp/second.pub")" 2>/dev/null ||
	cli_die 'authority remove-key'
removed()
{
	ctl "$1" authority show --json | jq -e 'any(.keys[]; .state != "good")' >/dev/null
}
until_true 10 removed beta || cli_die 'all know that it was removed'
attacked beta authority-removed "$tap_tmp/second"

# And an invite that somebody has lost.
ctl alpha invite >"$tap_tmp/enemy" || cli_die 'mpctl invite'
attack_begun beta fingerprint
wait "$attack_pid"
ctl alpha revoke "$(awk '$1 == "fingerprint" { print $2 }' "$tap_tmp/attacked")" \
	>/dev/null 2>&1 || cli_die 'mpctl revoke'
shut()
{
	ctl "$1" authority show --json | jq -e '.revoked | length == 1' >/dev/null
}
until_true 10 shut beta || cli_die 'all know that it was revoked'
attacked beta invite-revoked

attack_end
