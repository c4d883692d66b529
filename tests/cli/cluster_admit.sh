#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Joining without a token: the node waits, is listed at any member, is admitted where the authority
# key is, and goes on by itself; what it may not see before, and what it refuses.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# wait_for NAME ARG...: mpnode in the background
wait_for()
{
	cli_name=$1
	shift
	: >"$tap_tmp/$cli_name.ready"
	"$mpnode" "$@" --state "$tap_tmp/$cli_name" --listen 127.0.0.1:0 </dev/null \
		>"$tap_tmp/$cli_name.ready" 2>>"$tap_tmp/$cli_name.log" &
	printf '%s\n' $! >"$tap_tmp/$cli_name.pid"
	cli_pids="$cli_pids $!"
}

said()
{
	grep -q "$2" "$tap_tmp/$1.log"
}

is_ready()
{
	grep -q '^ready ' "$tap_tmp/$1.ready"
}

ended()
{
	cli_pid=$(node_pid "$1")
	wait "$cli_pid"
	cli_status=$?
	cli_forget "$cli_pid"
	tap_diag <"$tap_tmp/$1.log"
	return $cli_status
}

# fingerprint NAME: as the waiting node prints it
fingerprint()
{
	sed -n 's/^mpnode:   mpctl admit \([0-9a-f]\{64\}\)$/\1/p' "$tap_tmp/$1.log" | tail -n 1
}

# listed NODE NAME: one of that name waits, at that member
listed()
{
	ctl "$1" --quiet pending --json | jq -e --arg name "$2" \
		'[.pending[] | select(.name == $name)] | length == 1' >/dev/null
}

cluster alpha beta
address=$(node_address alpha)
beta_address=$(node_address beta)

wait_for gamma join "$beta_address" --name gamma
tap_check 'without a token a node waits' until_true 20 said gamma 'is of cluster'
tap_check 'it shows its fingerprint' test -n "$(fingerprint gamma)"
tap_check 'and the whole cluster id' said gamma \
	"of cluster $(ctl alpha health --json | jq -r .cluster)"
tap_check 'it is listed where it knocked' until_true 20 listed beta gamma
tap_check 'and at another member' listed alpha gamma
tap_same 'with the same fingerprint' "$(fingerprint gamma)" \
	"$(ctl alpha --quiet pending --json | jq -r '.pending[0].fingerprint')"
tap_same 'as a node' node "$(ctl alpha --quiet pending --json | jq -r '.pending[0].kind')"
tap_same 'it is no member' 2 "$(ctl alpha nodes --json | jq '.nodes | length')"
tap_check 'it has nothing of the cluster' not test -e "$tap_tmp/gamma/control.db" \
	-o -e "$tap_tmp/gamma/credential"

node_kill gamma
before=$(fingerprint gamma)
: >"$tap_tmp/gamma.log"
wait_for gamma start
until_true 20 said gamma 'mpctl admit'
tap_same 'started again it waits with the same key' "$before" "$(fingerprint gamma)"
tap_check 'by the same name' until_true 20 listed alpha gamma

ctl beta admit "$before" >/dev/null 2>"$tap_tmp/err"
tap_same 'where no authority key is, nobody is admitted' 5 $?
tap_check 'and it is said where' grep -q 'authority key' "$tap_tmp/err"
ctl alpha admit "$(printf %.12s "$before")" >/dev/null 2>"$tap_tmp/err"
tap_same 'the start of a fingerprint is not enough' 2 $?
ctl alpha admit "$(printf '%s' "$before" | tr 0-9a-f 1-9a-f0)" >/dev/null 2>"$tap_tmp/err"
tap_same 'nor is another one' 2 $?
tap_check 'that says so' grep -q 'nobody with that fingerprint' "$tap_tmp/err"
ctl alpha admit "$before" --role observe >/dev/null 2>"$tap_tmp/err"
tap_same 'a node needs the role of one' 2 $?
tap_same 'still no member' 2 "$(ctl alpha nodes --json | jq '.nodes | length')"

ctl alpha admit "$(printf %.32s "$before")" >"$tap_tmp/out" 2>"$tap_tmp/err"
tap_same 'with the half of its fingerprint it is admitted' 0 $?
tap_check 'by its name' grep -q gamma "$tap_tmp/out"
tap_check 'and goes on by itself' until_true 30 is_ready gamma
tap_check 'all know all' until_true 20 knows beta 3
tap_check 'nobody waits any more' not listed beta gamma
tap_check 'it waits no more' not test -e "$tap_tmp/gamma/waiting"
node_stop gamma
wait_for gamma start
tap_check 'it is a member as any other' until_true 20 is_ready gamma

# What is given is for that key only.
wait_for delta join "$address" --name delta
until_true 20 listed alpha delta
ctl alpha --json admit "$(fingerprint delta)" >"$tap_tmp/admitted"
until_true 30 is_ready delta
jq -r .token "$tap_tmp/admitted" >"$tap_tmp/stolen"
"$mpnode" join "$address" --state "$tap_tmp/thief" --name thief --listen 127.0.0.1:0 \
	--token-file "$tap_tmp/stolen" </dev/null >/dev/null 2>"$tap_tmp/err"
tap_same 'its token is of no use to another node' 1 $?
tap_check 'that says why' grep -q "somebody else's key" "$tap_tmp/err"
node_stop delta

# The node that was knocked at is killed: before somebody is let in, and after, while who waits
# does not ask.
node_join second "$tap_tmp/token"
wait_for zeta join "$(node_address second)" --name zeta
until_true 20 listed alpha zeta
node_kill second
node_start second
tap_check 'where it knocked was killed: it is listed again' until_true 30 listed alpha zeta
kill -STOP "$(node_pid zeta)"
ctl alpha admit "$(fingerprint zeta)" >/dev/null 2>"$tap_tmp/err"
tap_same 'and admitted, at another node' 0 $?
node_kill second
node_start second
until_true 20 knows second 4
kill -CONT "$(node_pid zeta)"
tap_check 'killed again before that is fetched: it goes on by itself' until_true 30 is_ready zeta
node_stop zeta
node_stop second

# Whoever admits is killed at once, before that is fetched: the only one there is; one; all.
node_start other
wait_for eta join "$(node_address other)" --name eta
until_true 20 listed other eta
kill -STOP "$(node_pid eta)"
ctl other admit "$(fingerprint eta)" >/dev/null 2>"$tap_tmp/err"
tap_same 'the only node admits' 0 $?
node_kill other
node_start other
kill -CONT "$(node_pid eta)"
tap_check 'and is killed: who waits goes on by itself' until_true 30 is_ready eta
node_stop eta
wait_for theta join "$address" "$beta_address" --name theta
until_true 20 listed beta theta
kill -STOP "$(node_pid theta)"
ctl alpha admit "$(fingerprint theta)" >/dev/null 2>"$tap_tmp/err"
tap_same 'one of two admits' 0 $?
node_kill alpha
kill -CONT "$(node_pid theta)"
tap_check 'is killed and stays down: the other one gives it' until_true 30 is_ready theta
node_stop theta
node_stop gamma
node_start alpha
wait_for iota join "$address" --name iota
until_true 20 listed beta iota
kill -STOP "$(node_pid iota)"
ctl alpha admit "$(fingerprint iota)" >/dev/null 2>"$tap_tmp/err"
tap_same 'one of two admits again' 0 $?
node_kill beta
node_kill alpha
node_start beta
node_start alpha
kill -CONT "$(node_pid iota)"
tap_check 'all are killed: who waits goes on by itself' until_true 30 is_ready iota
node_stop iota

# Another cluster at the address that a node waits at.
wait_for epsilon join "$beta_address" --name epsilon
until_true 20 said epsilon 'is of cluster'
node_kill epsilon
wait_for epsilon join "$(node_address other)"
tap_check 'another cluster than the first is refused' until_true 20 said epsilon \
	'waits to be let into cluster [0-9a-f]\{16\}, and that is cluster [0-9a-f]\{16\}'
tap_check 'it does not wait there' not listed other epsilon
ctl other invite >"$tap_tmp/foreign"
kill "$(node_pid epsilon)"
ended epsilon
tap_same 'a waiting node ends with 0 after SIGTERM' 0 $?
wait_for epsilon join --token-file "$tap_tmp/foreign"
ended epsilon
tap_same 'a token of another cluster is refused' 1 $?
tap_check 'both are named' said epsilon 'and that is cluster'
wait_for epsilon join --token-file "$tap_tmp/token"
tap_check 'one of the cluster that it waits for does' until_true 20 is_ready epsilon
node_stop epsilon

# A founder that has nobody else may change its mind.
node_start loner
node_stop loner
wait_for loner join "$address"
tap_check 'a cluster of one waits for another one' until_true 20 listed alpha loner
ctl alpha admit "$(fingerprint loner)" >/dev/null
tap_check 'and becomes a member of it' until_true 30 is_ready loner
node_stop loner
wait_for loner join "$(node_address other)"
tap_check 'a member stays what it is' until_true 20 is_ready loner
tap_same 'in its cluster' "$(ctl alpha health --json | jq -r .cluster)" \
	"$(ctl loner health --json | jq -r .cluster)"
node_stop loner

"$mpnode" join --state "$tap_tmp/nowhere" </dev/null >/dev/null 2>"$tap_tmp/err"
tap_same 'without token and seed there is nothing to wait for' 2 $?
tap_check 'it says what is missing' grep -q 'SEED:PORT' "$tap_tmp/err"
tap_end
