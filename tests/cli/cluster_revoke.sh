#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node is shut out while it works: the others go on without it and with all that was finished, it
# says what has happened and stays down, and a node that was away meanwhile still belongs.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# node_field NODE NAME .JQ: of `nodes --json`
node_field()
{
	ctl "$1" nodes --json | jq -r --arg name "$2" ".nodes[] | select(.name == \$name) | $3"
}

node_is()
{
	[ "$(node_field "$1" "$2" "$3")" = "$4" ]
}

# says STATUS TEXT ARG...: mpctl at a node ends so, and says that
says()
{
	cli_want=$1
	cli_text=$2
	shift 2
	ctl "$@" >/dev/null 2>"$tap_tmp/said"
	tap_same "mpctl at $*" "$cli_want" $?
	tap_diag <"$tap_tmp/said"
	tap_check "it says: $cli_text" grep -q -- "$cli_text" "$tap_tmp/said"
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

# revoked_at NODE KEY
revoked_at()
{
	ctl "$1" authority show --json | jq -e --arg key "$2" 'any(.revoked[]; .key == $key)' \
		>/dev/null
}

cluster alpha beta gamma delta
says 5 'no authority key is kept on this node' beta revoke gamma
says 2 'no node is called so' alpha revoke nobody
says 2 'that is this node itself' alpha revoke alpha

journal_pipeline "$tap_tmp/p.yaml" 8 4 0.5
run=$(ctl beta submit "$tap_tmp/p.yaml")
until_true 30 busy_on alpha "$run" 3 gamma || cli_die 'modules run on gamma'
pid=$(node_pid gamma)
remember alpha "$run"
says 0 'is shut out for ever' alpha revoke gamma --reason 'its disk was sold'
tap_check 'its process ends' until_true 10 gone "$pid"
wait "$pid"
tap_same 'with a status that systemd does not restart' 3 $?
tap_check 'it says why' grep -q 'key was revoked.*its disk was sold' "$tap_tmp/gamma.log"
tap_check 'nothing of it runs on' until_true 10 no_leftovers gamma
tap_check 'another one knows' until_true 10 node_is beta gamma .revoked true
tap_same 'its state is one that scripts know' left "$(node_field beta gamma .state)"
tap_same 'people see the word' revoked "$(ctl beta nodes | awk '$1 == "gamma" { print $2 }')"
survived beta "$run"
tap_same 'nothing of what ran there counts' 0 \
	"$(run_field beta "$run" '[.modules[] | select(.state != "succeeded")] | length')"
says 2 'revoked already' alpha revoke gamma

try_start gamma
tap_same 'it does not come back' 1 $?
tap_check 'and says so again' [ "$(grep -c 'key was revoked' "$tap_tmp/gamma.log")" -ge 2 ]

# delta is down for another revocation, of a key that is no member's, and for more new gossip keys
# than a node keeps.
node_kill delta
lost=$(printf '%064d' 7)
says 0 'is shut out' alpha revoke "$lost"
for cli_i in 1 2 3 4; do
	ctl beta keys rotate
	tap_same 'the gossip key is changed on demand' 0 $?
done
node_start delta
tap_check 'who was away comes back' until_true 20 node_is alpha delta .state alive
tap_check 'and all know all' until_true 20 knows delta 3
tap_check 'it knows who is shut out' until_true 10 node_is delta gamma .revoked true
tap_check 'and who was meanwhile' until_true 10 revoked_at delta "$lost"
: >"$tap_tmp/finished"
second=$(ctl delta submit "$tap_tmp/p.yaml")
tap_same 'who is shut out is no elector' false \
	"$(run_field delta "$second" '.electors | contains(["gamma"])')"
survived delta "$second"
tap_same 'and does no work' 0 \
	"$(run_field delta "$second" '[.modules[] | select(.node == "gamma")] | length')"

# An invite that leaked. Who waits to be let in by it when that becomes known, who comes later and
# who brings it to a node that has heard it from another one are all told; who was in stays.
ctl alpha --json invite >"$tap_tmp/leaked" 2>/dev/null
jq -r .token "$tap_tmp/leaked" >"$tap_tmp/token"
invite=$(jq -r .fingerprint "$tap_tmp/leaked")
ctl alpha invite --expires 90m >"$tap_tmp/token90" 2>"$tap_tmp/said"
tap_same 'a token is all there is on stdout' 1 "$(wc -l <"$tap_tmp/token90")"
tap_check 'how it is ended is said' \
	grep -q 'good for 1h 30m.*node,submit,observe.*mpctl revoke [0-9a-f]\{64\}$' "$tap_tmp/said"
tap_check 'when it ends is said' \
	[ "$(jq .expires_ms "$tap_tmp/leaked")" -gt "$(($(now_ms) + 23 * 3600000))" ]
node_join epsilon "$tap_tmp/token"
node_stop epsilon
# uninvited NODE: joins with that token at a node
uninvited()
{
	timeout 30 "$mpnode" join "$(node_address "$1")" --state "$tap_tmp/at-$1" --name "at-$1" \
		--listen 127.0.0.1:0 --token-file "$tap_tmp/token" >/dev/null 2>"$tap_tmp/said"
	tap_same "by a revoked invite nobody is let in at $1" 3 $?
	tap_diag <"$tap_tmp/said"
	tap_check 'it is told why, and what to do' \
		grep -q 'the invite was revoked; mpctl invite makes a new one' "$tap_tmp/said"
}
says 0 'members as before (epsilon): mpctl revoke NODE' alpha revoke "$invite"
says 2 'revoked already' alpha revoke "$invite"
tap_check 'all hear of that' until_true 10 revoked_at delta "$invite"
uninvited alpha
uninvited delta
timeout 30 "$mpnode" start --state "$tap_tmp/at-delta" >/dev/null 2>"$tap_tmp/said"
tap_same 'nor does it try for ever' 3 $?
node_start epsilon
tap_check 'whom it had let in is let in' until_true 20 node_is delta epsilon .state alive
says 0 'mpctl nodes shows it as revoked' alpha revoke epsilon

# Whoever brings that key to the door is told, and does not come in.
node_stop beta
node_start beta
tap_check 'who restarts remembers' node_is beta gamma .revoked true
ctl alpha invite >"$tap_tmp/token"
rm -f "$tap_tmp/gamma/control.db"*
timeout 30 "$mpnode" join --again "$(node_address alpha)" --state "$tap_tmp/gamma" \
	--listen 127.0.0.1:0 >/dev/null 2>"$tap_tmp/said"
tap_same 'it does not join again' 3 $?
tap_diag <"$tap_tmp/said"
tap_check 'it is told why' grep -q 'revoked' "$tap_tmp/said"
tap_end
