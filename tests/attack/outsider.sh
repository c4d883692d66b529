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

# Somebody else listens where a person and a newcomer were told that a node is.
ctl alpha identity new --out "$tap_tmp/person" >/dev/null 2>&1 &&
	ctl alpha admit --request "$tap_tmp/person.request" --role observe \
		>"$tap_tmp/given" 2>/dev/null &&
	ctl alpha identity accept "$tap_tmp/given" --identity "$tap_tmp/person" >/dev/null 2>&1 ||
	cli_die 'an identity'
person()
{
	timeout 20 "$mpctl" --node "$1" --identity "$tap_tmp/person" nodes >/dev/null
}
attack_begun alpha listen
until_true 10 grep -q '^port' "$tap_tmp/attacked" || cli_die 'the enemy listens'
trap_port=$(awk '$1 == "port" { print $2 }' "$tap_tmp/attacked")
misled=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	person "127.0.0.1:$trap_port" 2>>"$tap_tmp/said"
	misled="$misled $?"
done
tap_same 'mpctl: each answer is refused' ' 5 5 5 5 5 5 5 5 5 5 5 5' "$misled"
sort "$tap_tmp/said" | uniq -c | tap_diag
trap=127.0.0.1:$trap_port
MP_TOKEN=$(cat "$tap_tmp/token") "$mpnode" join "$trap" --state "$tap_tmp/newcomer" \
	--name newcomer --listen 127.0.0.1:0 >"$tap_tmp/newcomer.ready" 2>"$tap_tmp/newcomer.log" &
newcomer=$!
cli_pids="$cli_pids $newcomer"
attack_over listen
tap_diag <"$tap_tmp/newcomer.log"
tap_check 'mpnode join: it is not misled' not grep -q ^ready "$tap_tmp/newcomer.ready"
tap_check 'mpnode join: it lives' kill -0 "$newcomer"
kill -9 "$newcomer"
cli_forget "$newcomer"
tap_check 'the person is let in where a node listens' person "$(node_address alpha)"

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
