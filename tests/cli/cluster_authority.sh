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
ends 2 alpha invite
ends 0 alpha revoke "$(printf '%064d' 8)" --authority "$tap_tmp/first"

# And is lost.
ends 0 beta authority remove-key "$(printf '%.12s' "$first")"
tap_check 'alpha learns that' until_true 10 keys_at alpha removed 1
tap_check 'so does gamma' until_true 10 keys_at gamma removed 1
ends 5 gamma revoke "$(printf '%064d' 7)" --authority "$tap_tmp/first"
tap_check 'it says why' grep -q 'no authority, or no longer' "$tap_tmp/said"
ends 5 beta authority remove-key "$(cat "$tap_tmp/second.pub")"
tap_check 'the last one stays' grep -q 'the last one there is' "$tap_tmp/said"

node_stop gamma
node_start gamma
tap_check 'who restarts remembers all of it' keys_at gamma removed 1
tap_check 'and who was shut out' revoked_at gamma "$lost"
tap_end
