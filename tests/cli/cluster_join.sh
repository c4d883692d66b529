#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Joining with trouble: seeds that are down, a process that is killed, names that are taken, state
# directories of other clusters; leaving; IPv6, names and all addresses.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# begin NAME ARG...: mpnode in the background, not waited for
begin()
{
	cli_name=$1
	shift
	: >"$tap_tmp/$cli_name.ready"
	: >"$tap_tmp/$cli_name.log"
	"$mpnode" "$@" --state "$tap_tmp/$cli_name" </dev/null \
		>"$tap_tmp/$cli_name.ready" 2>"$tap_tmp/$cli_name.log" &
	printf '%s\n' $! >"$tap_tmp/$cli_name.pid"
	cli_pids="$cli_pids $!"
}

is_ready()
{
	grep -q '^ready ' "$tap_tmp/$1.ready"
}

# ended NAME: its exit status, with what it said
ended()
{
	cli_pid=$(node_pid "$1")
	wait "$cli_pid"
	cli_status=$?
	cli_forget "$cli_pid"
	tap_diag <"$tap_tmp/$1.log"
	return $cli_status
}

said()
{
	grep -q "$2" "$tap_tmp/$1.log"
}

cluster alpha
address=$(node_address alpha)
ctl alpha invite >"$tap_tmp/token"
node_stop alpha

begin beta join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/token" --name beta
tap_check 'a seed that is down: the log says so' until_true 20 said beta "$address.*refused"
tap_check 'a seed that is down: the node goes on' kill -0 "$(node_pid beta)"
begin quick join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/token" --name quick
until_true 20 said quick refused
kill "$(node_pid quick)"
ended quick
tap_same 'a joining node ends with 0 after SIGTERM' 0 $?

node_kill beta
begin beta start --listen 127.0.0.1:0
until_true 20 said beta refused
tap_check 'killed while it joins, it goes on without the token' kill -0 "$(node_pid beta)"
node_start alpha
tap_check 'and joins when the seed is back' until_true 30 is_ready beta
beta_address=$(node_address beta)
node_stop beta
tap_same 'it stops' 0 $?
begin beta join --listen 127.0.0.1:0 --token-file "$tap_tmp/nothing"
tap_check 'to join twice is to start' until_true 20 is_ready beta
tap_same 'at the old port' "$beta_address" "$(node_address beta)"
"$mpnode" join "$address" --state "$tap_tmp/beta" </dev/null >/dev/null 2>"$tap_tmp/err"
tap_same 'twice at a time is refused' 1 $?
tap_check 'it says which process to stop' \
	grep -q "in use by process $(node_pid beta); stop it" "$tap_tmp/err"
tap_check 'all know all' until_true 20 knows alpha 2

begin gamma join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/token" --name beta
ended gamma
tap_same 'a name that is taken: refused, though not for good' 1 $?
tap_check 'a name that is taken: it says what to do' said gamma 'another --name'
begin gamma join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/token" --name gamma
tap_check 'with another name it joins' until_true 20 is_ready gamma
node_stop gamma

node_start loner
loner_address=$(node_address loner)
node_stop loner
begin loner join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/token"
tap_check 'a cluster that has nobody else is replaced' until_true 20 is_ready loner
tap_same 'its port stays' "$loner_address" "$(node_address loner)"
tap_check 'all know all' until_true 20 knows loner 4
node_start other
ctl other invite >"$tap_tmp/foreign"
node_stop loner
begin loner join "$(node_address other)" --listen 127.0.0.1:0
tap_check "a member does not ask another cluster's seed" until_true 20 is_ready loner
tap_check 'it says so, and what to do' said loner 'is a member of cluster .* empty --state'
node_stop alpha
for name in alpha loner; do
	[ $name = alpha ] || node_stop loner
	begin $name join "$(node_address other)" --listen 127.0.0.1:0 \
		--token-file "$tap_tmp/foreign"
	ended $name
	tap_same "$name belongs to a cluster with others: refused" 1 $?
	tap_check "$name: both clusters are named" \
		said $name 'belongs to cluster [0-9a-f]\{16\}.*of cluster [0-9a-f]\{16\}'
done
node_start alpha

# Tokens as they come out of files, clipboards and variables.
refused()
{
	refused_why=$1
	shift
	"$mpnode" join "$address" --listen 127.0.0.1:0 --state "$tap_tmp/refused" "$@" \
		</dev/null >/dev/null 2>"$tap_tmp/err"
	tap_check "refused: $refused_why" test $? -ne 0
	tap_check "refused: $refused_why: it says so" grep -q -e "$refused_why" "$tap_tmp/err"
	tap_check 'and nothing is left behind' not test -e "$tap_tmp/refused"
}
mkdir "$tap_tmp/tokens"
head -c 100 "$tap_tmp/token" >"$tap_tmp/tokens/short"
refused 'was it copied whole' --token-file "$tap_tmp/tokens/short"
sed 's/./&\
/g' "$tap_tmp/token" | awk 'NR == 200 { $0 = $0 == "A" ? "B" : "A" } { printf "%s", $0 }' \
	>"$tap_tmp/tokens/flipped"
refused 'was it copied whole' --token-file "$tap_tmp/tokens/flipped"
printf '\n\n' >"$tap_tmp/tokens/blank"
refused 'the token is empty' --token-file "$tap_tmp/tokens/blank"
fold -w 70 "$tap_tmp/token" >"$tap_tmp/tokens/folded"
refused 'must be one line' --token-file "$tap_tmp/tokens/folded"
refused 'cannot be read: No such file' --token-file "$tap_tmp/tokens/none"
if [ "$(id -u)" -ne 0 ]; then
	(umask 777 && : >"$tap_tmp/tokens/closed")
	refused 'cannot be read: Permission denied' --token-file "$tap_tmp/tokens/closed"
else
	tap_skip 'a token that may not be read' 'root may read all'
fi
refused 'a token is no argument' "$(cat "$tap_tmp/token")"
ctl alpha invite --expires 0.01 >"$tap_tmp/tokens/old"
until_true 20 [ "$(now_ms)" -gt "$(($(stat -c %Y "$tap_tmp/tokens/old") * 1000 + 1010))" ]
refused 'expired .* ago, by the clock here; mpctl invite' --token-file "$tap_tmp/tokens/old"
{
	cat "$tap_tmp/token"
	printf '\n \r\n'
} >"$tap_tmp/tokens/loose"
chmod 644 "$tap_tmp/tokens/loose"
begin loose join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/tokens/loose" --name loose
tap_check 'white space around a token does not matter' until_true 20 is_ready loose
tap_check 'that others can read it is said' said loose 'others can read it.*chmod 600'
node_stop loose
cli_name=piped
"$mpnode" join "$address" --listen 127.0.0.1:0 --token-file - --state "$tap_tmp/piped" \
	--name piped <"$tap_tmp/token" >"$tap_tmp/piped.ready" 2>"$tap_tmp/piped.log" &
printf '%s\n' $! >"$tap_tmp/piped.pid"
cli_pids="$cli_pids $!"
tap_check 'a token comes by standard input, too' until_true 20 is_ready piped
node_stop piped
begin stray join "$address" --listen 127.0.0.1:0 --token-file "$tap_tmp/foreign" --name stray
tap_check "a token of another cluster, at our seed: it says so" \
	until_true 20 said stray 'of another cluster than the invite.*mpctl invite there'
node_stop stray

"$mpnode" leave --state "$tap_tmp/beta"
tap_same 'mpnode leave' 0 $?
ended beta
tap_same 'the node that left ends with 0' 0 $?
left()
{
	[ "$(ctl alpha nodes --json |
		jq -r '.nodes[] | select(.name == "beta") | .state')" = left ]
}
tap_check 'the others know' until_true 20 left
begin beta start --listen 127.0.0.1:0
ended beta
tap_same 'it never comes back' 3 $?
"$mpnode" leave --state "$tap_tmp/beta" 2>/dev/null
tap_same 'a node that does not run cannot leave' 1 $?

# Addresses. All of it is one machine.
if getent hosts localhost >/dev/null; then
	begin delta join "localhost:${address##*:}" --listen localhost:0 \
		--token-file "$tap_tmp/token" --name delta
	tap_check 'by a name' until_true 20 is_ready delta
	node_stop delta
else
	tap_skip 'by a name' 'nothing here knows localhost'
fi
# A name that nobody knows yet, then one of another address, then of the right one. Its two dots
# keep resolvers from asking anybody else.
renamed()
{
	printf '127.0.0.1 localhost\n%s\n' "$1" >"$tap_tmp/hosts"
}
renamed ''
if unshare -rm mount --bind "$tap_tmp/hosts" /etc/hosts 2>/dev/null; then
	unnamed=$mpnode
	mpnode=$tap_tmp/renamed
	printf '#!/bin/sh\nmount --bind "%s" /etc/hosts\nexec "%s" "$@"\n' \
		"$tap_tmp/hosts" "$unnamed" >"$tap_tmp/inside"
	printf '#!/bin/sh\nexec unshare -rm "%s" "$@"\n' "$tap_tmp/inside" >"$mpnode"
	chmod +x "$tap_tmp/inside" "$mpnode"
	begin nu join "seed..test:${address##*:}" --listen 127.0.0.1:0 \
		--token-file "$tap_tmp/token" --name nu
	tap_check 'a name that nobody knows: it says so' until_true 20 said nu 'seed..test.*trying'
	renamed '127.0.0.2 seed..test'
	tap_check 'and asks there once it is known' until_true 40 said nu '127.0.0.2:.*refused'
	tap_same 'what was said is said once' 1 "$(grep -c 'trying again' "$tap_tmp/nu.log")"
	renamed '127.0.0.1 seed..test'
	tap_check 'and elsewhere when it changes' until_true 60 is_ready nu
	mpnode=$unnamed
	node_stop nu
else
	tap_skip 'a name that becomes known' 'no mounts of our own are to be had here'
fi
for seed in 127.0.0.1:0 127.0.0.1:99999 127.0.0.1:x :1 'no such name:1'; do
	begin epsilon join "$seed" --listen 127.0.0.1:0 --token-file "$tap_tmp/token"
	ended epsilon
	tap_check "the seed '$seed' is refused" test $? -ge 1
	rm -rf "$tap_tmp/epsilon"
done
begin any start --listen 0.0.0.0:0 --advertise 127.0.0.1:1234 --name any
tap_check 'on all addresses, with one to be reached at' until_true 20 is_ready any
tap_same 'that one is told' 127.0.0.1:1234 "$(node_address any)"
node_stop any
begin any start
tap_check 'what was said is kept' until_true 20 is_ready any
tap_same 'what is told, too' 127.0.0.1:1234 "$(node_address any)"
node_stop any
begin any start --listen 127.0.0.1:0
until_true 20 is_ready any
any_address=$(node_address any)
tap_check 'another place to listen ends it' test "$any_address" != 127.0.0.1:1234
node_stop any
begin any start
until_true 20 is_ready any
tap_same 'and is kept itself' "$any_address" "$(node_address any)"
port=$(printf '%04X' "${any_address##*:}")
tap_same 'it listens there and nowhere else' "0100007F:$port" \
	"$(cat /proc/net/tcp /proc/net/tcp6 | awk -v port=":$port" \
		'$4 == "0A" && index($2, port) { print $2 }')"
node_stop any
begin first start --listen 127.0.0.1:0
until_true 20 is_ready first
ctl first invite >"$tap_tmp/token2"
begin second join "$(node_address first)" --listen 127.0.0.1:0 --token-file "$tap_tmp/token2"
tap_check 'a second node of one machine needs no --name' until_true 20 knows first 2

# A machine that lost its state, and is back before anybody has missed it: its name is its own
# again when the one that it was is dead, and who starts it again and again has not to think of it.
joins_anew()
{
	begin phoenix join "$(node_address first)" --listen 127.0.0.1:0 --name phoenix \
		--token-file "$tap_tmp/token2"
	until_true 20 ready_or_over
}
ready_or_over()
{
	is_ready phoenix || ! kill -0 "$(node_pid phoenix)" 2>/dev/null
}
joins_anew
node_kill phoenix
rm -rf "$tap_tmp/phoenix"
joins_anew
ended phoenix
tap_same 'its name is taken at first' 1 $?
for try in $(seq 60); do
	is_ready phoenix && break
	lasts 1
	joins_anew
done
tap_check "and free when it is dead (after $try tries)" is_ready phoenix
node_stop phoenix
node_stop second
node_stop first
if grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6 2>/dev/null; then
	begin six start --listen '[::1]:0' --name six
	until_true 20 is_ready six
	ctl six invite >"$tap_tmp/token6"
	begin seven join "$(node_address six)" --listen '[::]:0' --advertise '[::1]' \
		--token-file "$tap_tmp/token6" --name seven
	until_true 20 is_ready seven
	tap_check 'over IPv6' until_true 20 knows six 2
	node_stop seven
	node_stop six
else
	tap_skip 'over IPv6' 'this machine has none'
fi
tap_end
