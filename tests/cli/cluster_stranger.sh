#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may not join: with the token of another cluster, an expired one, a mangled one. One without a
# token waits, see cluster_admit.sh.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha
node_start other
ctl other invite >"$tap_tmp/foreign"
address=$(node_address alpha)

# refused WHAT NAME ARG...: mpnode join ends by itself, not with 0
refused()
{
	what=$1
	name=$2
	shift 2
	timeout 40 "$mpnode" join "$address" --state "$tap_tmp/$name" --name "$name" \
		--listen 127.0.0.1:0 "$@" </dev/null >"$tap_tmp/out" 2>"$tap_tmp/err" &
	pid=$!
	cli_pids="$cli_pids $pid"
	wait $pid
	rc=$?
	cli_forget $pid
	tap_diag <"$tap_tmp/err"
	tap_check "$what: it ends by itself, with an error ($rc)" test $rc -ge 1 -a $rc -le 2
	tap_same "$what: never ready" '' "$(cat "$tap_tmp/out")"
	tap_check "$what: it says why" test -s "$tap_tmp/err"
	tap_same "$what: no member" 1 "$(ctl alpha nodes --json | jq '.nodes | length')"
}

# A token names its cluster: a node with a foreign one knocks at the wrong door, for ever, as a
# seed may come back; it never becomes a member.
"$mpnode" join "$address" --state "$tap_tmp/stray" --name stray --listen 127.0.0.1:0 \
	--token-file "$tap_tmp/foreign" </dev/null >"$tap_tmp/stray.ready" 2>"$tap_tmp/stray.log" &
stray=$!
cli_pids="$cli_pids $stray"
tap_check "another cluster's token: it says why not, and what to look at" until_true 20 \
	grep -q 'another cluster than the invite .*mpctl health' "$tap_tmp/stray.log"
tap_diag <"$tap_tmp/stray.log"
tap_same "another cluster's token: never ready" '' "$(cat "$tap_tmp/stray.ready")"
tap_same "another cluster's token: no member" 1 "$(ctl alpha nodes --json | jq '.nodes | length')"
kill -9 $stray 2>/dev/null
wait $stray 2>/dev/null
cli_forget $stray

ctl alpha invite --expires 1s >"$tap_tmp/expired"
made=$(date +%s)
expired()
{
	[ "$(date +%s)" -gt $((made + 2)) ]
}
until_true 10 expired
refused 'an expired token' late --token-file "$tap_tmp/expired"
tap_check 'an expired token: since when, and what to do' \
	grep -q 'expired [0-9]* s ago.*mpctl invite' "$tap_tmp/err"

ctl alpha invite >"$tap_tmp/token"
tr 'a-y' 'b-z' <"$tap_tmp/token" >"$tap_tmp/mangled"
refused 'a mangled token' broken --token-file "$tap_tmp/mangled"
refused 'a token file that is not there' absent --token-file "$tap_tmp/nothing"

MP_TOKEN=$(cat "$tap_tmp/token")
export MP_TOKEN
: >"$tap_tmp/good.ready"
cli_serve good join "$address" --listen 127.0.0.1:0
unset MP_TOKEN
tap_check 'with a good token, in the environment, it joins' until_true 20 knows alpha 2
tap_end
