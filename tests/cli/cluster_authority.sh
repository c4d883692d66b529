#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A second admin, a key that was lost, and a secret that is taken off-line.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# ends STATUS ARG...: mpctl at a node; what it prints is in $tap_tmp/out, what it says in said
ends()
{
	cli_want=$1
	shift
	ctl "$@" >"$tap_tmp/out" 2>"$tap_tmp/said"
	tap_same "mpctl at $*" "$cli_want" $?
	tap_diag <"$tap_tmp/said"
}

# keys_at NODE STATE COUNT: the log has so many keys in that state
keys_at()
{
	[ "$(ctl "$1" authority show --json |
		jq --arg state "$2" '[.keys[] | select(.state == $state)] | length')" = "$3" ]
}

revoked_at()
{
	ctl "$1" authority show --json | jq -e --arg key "$2" 'any(.revoked[]; .key == $key)' \
		>/dev/null
}

cluster alpha beta gamma
first=$(ctl alpha authority show --json | jq -r '.keys[0].key')
tap_same 'the founder keeps the first key' true \
	"$(ctl alpha authority show --json | jq '.keys[0].here')"
tap_same 'the others do not' false "$(ctl beta authority show --json | jq '.keys[0].here')"

# The second admin makes a key of its own and sends its public half.
ends 0 beta authority new --to "$tap_tmp/second"
cp "$tap_tmp/out" "$tap_tmp/second.pub"
ends 2 beta authority new --to "$tap_tmp/second"
ends 5 beta authority add-key "$tap_tmp/second.pub"
ends 0 alpha authority add-key "$tap_tmp/second.pub"
ends 2 alpha authority add-key "$tap_tmp/second.pub"
tap_check 'all learn the new log' until_true 10 keys_at gamma good 2

# It signs: a revocation from its file, an invite where it is kept.
lost=$(printf '%064d' 9)
ends 0 gamma revoke "$lost" --authority "$tap_tmp/second"
tap_check 'all take its word' until_true 10 revoked_at alpha "$lost"
cp "$tap_tmp/second" "$tap_tmp/beta/authority.key"
ends 0 beta invite
cp "$tap_tmp/out" "$tap_tmp/token2"
node_join delta "$tap_tmp/token2"
tap_check 'whom it invites is let in' until_true 20 knows gamma 4

# The first key goes off-line.
ends 0 alpha authority export --to "$tap_tmp/first"
tap_check 'nothing of it is left' [ ! -e "$tap_tmp/alpha/authority.key" ]
tap_same 'its file is for its owner only' 600 "$(stat -c %a "$tap_tmp/first")"
ends 5 alpha revoke "$(printf '%064d' 8)"
ends 5 alpha invite
tap_check 'it says what to do' grep -q 'give its file with --authority' "$tap_tmp/said"
ends 0 alpha revoke "$(printf '%064d' 8)" --authority "$tap_tmp/first"

# From its file it signs at any node, and from a machine that is none.
ends 0 gamma invite --role node --expires 1h --authority "$tap_tmp/first"
tap_same 'the token stands alone' 1 "$(wc -l <"$tap_tmp/out")"
cp "$tap_tmp/out" "$tap_tmp/token3"
MP_TOKEN=$(cat "$tap_tmp/token3") cli_serve epsilon join --listen 127.0.0.1:0
tap_check 'whom it invites is let in, and knows where' until_true 20 knows gamma 5
# begins to wait, until it is listed
node_waits()
{
	: >"$tap_tmp/$1.ready"
	"$mpnode" join "$(node_address gamma)" --state "$tap_tmp/$1" --name "$1" \
		--listen 127.0.0.1:0 </dev/null >"$tap_tmp/$1.ready" 2>"$tap_tmp/$1.log" &
	printf '%s\n' $! >"$tap_tmp/$1.pid"
	cli_pids="$cli_pids $!"
	until_true 20 waits "$1"
}
waits()
{
	ctl delta --quiet pending --json |
		jq -er --arg name "$1" '.pending[] | select(.name == $name) | .fingerprint' \
			>"$tap_tmp/$1.who"
}
node_waits zeta
ends 5 delta admit "$(cat "$tap_tmp/zeta.who")"
ends 0 delta authority new --to "$tap_tmp/third"
ends 5 delta admit "$(cat "$tap_tmp/zeta.who")" --authority "$tap_tmp/third"
tap_check 'a key that is no authority signs nothing' \
	grep -q 'no authority of this cluster' "$tap_tmp/said"
ends 0 delta admit "$(cat "$tap_tmp/zeta.who")" --authority "$tap_tmp/first"
tap_check 'a node that waits elsewhere goes on' until_true 30 node_ready zeta
tap_check 'and is a member' until_true 20 knows alpha 6
"$mpctl" identity new --out "$tap_tmp/ada" --name ada >/dev/null 2>&1
ends 0 gamma admit --request "$tap_tmp/ada.request" --role admin --authority "$tap_tmp/first"
cp "$tap_tmp/out" "$tap_tmp/ada.token"
"$mpctl" identity accept "$tap_tmp/ada.token" --identity "$tap_tmp/ada" >/dev/null
tap_same 'a person is let in' 0 $?
# far STATUS ARG...: as that person, from a machine that is no node
far()
{
	cli_want=$1
	shift
	timeout 50 "$mpctl" --node "$(node_address gamma)" --identity "$tap_tmp/ada" "$@" \
		>"$tap_tmp/out" 2>"$tap_tmp/said"
	tap_same "mpctl from elsewhere: $*" "$cli_want" $?
	tap_diag <"$tap_tmp/said"
}
far 5 invite
far 5 revoke "$(printf '%064d' 6)"
tap_check 'the key of this machine is not meant' grep -q -e 'with --authority' "$tap_tmp/said"
far 0 revoke "$(printf '%064d' 6)" --authority "$tap_tmp/first"
tap_check 'all take its word' until_true 10 revoked_at alpha "$(printf '%064d' 6)"
far 0 keys rotate
far 0 invite --authority "$tap_tmp/first"
node_join eta "$tap_tmp/out"
tap_check 'whom it invites is let in' until_true 20 knows gamma 7
node_waits theta
far 0 admit "$(cat "$tap_tmp/theta.who")" --authority "$tap_tmp/first"
tap_check 'whom it admits, too' until_true 20 knows gamma 8
far 0 authority new --to "$tap_tmp/fourth"
cp "$tap_tmp/out" "$tap_tmp/fourth.pub"
far 0 authority add-key "$tap_tmp/fourth" --authority "$tap_tmp/first"
tap_check 'whom it names signs' until_true 10 keys_at alpha good 3
far 0 authority remove-key "$(cat "$tap_tmp/fourth.pub")" --authority "$tap_tmp/first"
tap_check 'all know that it does no more' until_true 10 keys_at beta removed 1
for name in epsilon zeta eta theta; do
	node_stop $name
done

# And is lost: with it goes what it has signed and nobody has used.
ends 0 gamma invite --authority "$tap_tmp/first"
cp "$tap_tmp/out" "$tap_tmp/token4"
ends 0 beta authority remove-key "$(printf '%.12s' "$first")"
tap_check 'alpha learns that' until_true 10 keys_at alpha removed 2
tap_check 'so does gamma' until_true 10 keys_at gamma removed 2
# Where it is still kept, nothing is made that nobody would believe.
cp "$tap_tmp/first" "$tap_tmp/alpha/authority.key"
ends 5 alpha invite
tap_check 'a removed key invites nobody' grep -q 'no authority of this cluster' "$tap_tmp/said"
tap_same 'and prints no token' 0 "$(wc -c <"$tap_tmp/out")"
ends 5 alpha admit --request "$tap_tmp/ada.request" --role observe
tap_check 'nor admits it anybody' grep -q 'no authority of this cluster' "$tap_tmp/said"
rm "$tap_tmp/alpha/authority.key"
timeout 30 "$mpnode" join --state "$tap_tmp/iota" --name iota --listen 127.0.0.1:0 \
	--token-file "$tap_tmp/token4" >/dev/null 2>"$tap_tmp/said"
tap_same 'an invite of it is good for nobody any more' 3 $?
tap_diag <"$tap_tmp/said"
tap_check 'and it says so' grep -q 'no authority any more; mpctl invite' "$tap_tmp/said"
ends 5 gamma revoke "$(printf '%064d' 7)" --authority "$tap_tmp/first"
tap_check 'it says why' grep -q 'no authority, or no longer' "$tap_tmp/said"
ends 5 beta authority remove-key "$(cat "$tap_tmp/second.pub")"
tap_check 'the last one stays' grep -q 'the last one there is' "$tap_tmp/said"

node_stop gamma
node_start gamma
tap_check 'who restarts remembers all of it' keys_at gamma removed 2
tap_check 'and who was shut out' revoked_at gamma "$lost"
tap_end
