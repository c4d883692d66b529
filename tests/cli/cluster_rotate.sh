#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Five nodes with a run of two hundred modules: the gossip key is changed again and again, and two
# of the workers are shut out. Nothing that was finished is lost, what ran there runs elsewhere,
# nobody takes anybody for dead, and it is measured how long it takes until all know. MP_ROUNDS: how
# often the key is changed.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
rounds=${MP_ROUNDS:-3}

now_ms()
{
	date +%s%3N
}

# took WHAT: since $begin
took()
{
	echo "$1 after $(($(now_ms) - begin)) ms, as mpctl sees it" | tap_diag
}

# same_keys NODE...: all have the same gossip keys, of the epoch that is wanted
same_keys()
{
	for cli_node; do
		[ "$(ctl "$cli_node" health --json | jq .gossip_epoch)" = "$epoch" ] || return 1
	done
	[ "$(for cli_node; do
		ctl "$cli_node" health --json | jq -r .gossip_keys
	done | sort -u | wc -l)" -eq 1 ]
}

# shut_at NAME NODE...: each of these knows that it is shut out
shut_at()
{
	cli_who=$1
	shift
	for cli_node; do
		ctl "$cli_node" nodes --json | jq -e --arg who "$cli_who" \
			'any(.nodes[]; .name == $who and .revoked)' >/dev/null || return 1
	done
}

# none_suspected NODE...
none_suspected()
{
	for cli_node; do
		ctl "$cli_node" nodes --json |
			jq -e 'all(.nodes[]; .state == "alive" or .revoked)' >/dev/null || return 1
	done
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

cluster alpha beta gamma delta epsilon
journal_pipeline "$tap_tmp/p.yaml" 20 10 0.8
printf 'electors: 5\ncopies: 3\n' >>"$tap_tmp/p.yaml" # two are too many for three, and for two
epoch=$(ctl alpha health --json | jq .gossip_epoch)
run=$(ctl beta submit "$tap_tmp/p.yaml")
until_true 30 busy_on alpha "$run" 3 delta || cli_die 'modules run on delta'
round=0
while [ "$round" -lt "$rounds" ]; do
	begin=$(now_ms)
	ctl alpha keys rotate || cli_die 'mpctl keys rotate'
	epoch=$((epoch + 1))
	until_true 20 same_keys alpha beta gamma delta epsilon || cli_die 'all have the new key'
	took "all 5 have the gossip key"
	round=$((round + 1))
done
tap_ok "the gossip key was changed $rounds times"
tap_check 'and nobody is taken for dead' none_suspected alpha beta gamma delta epsilon

for name in delta epsilon; do
	until_true 30 busy_on alpha "$run" 3 "$name" || cli_die "modules run on $name"
	pid=$(node_pid "$name")
	remember alpha "$run"
	begin=$(now_ms)
	ctl alpha revoke "$name" 2>/dev/null || cli_die "mpctl revoke $name"
	until_true 10 shut_at "$name" alpha beta gamma || cli_die "all shut $name out"
	took "$name is shut out everywhere"
	tap_check "$name ends" until_true 10 gone "$pid"
	wait "$pid"
	tap_same 'with a status that says so' 3 $?
	tap_check 'and a line that does' grep -q 'key was revoked' "$tap_tmp/$name.log"
	tap_check 'nothing of it runs on' until_true 10 no_leftovers "$name"
	epoch=$((epoch + 1))
done
tap_check 'the key was changed with each' until_true 10 same_keys alpha beta gamma
survived gamma "$run"
tap_same 'all 201 modules succeeded' 201 "$(run_field gamma "$run" '.modules | length')"
tap_check 'nobody else was lost' none_suspected alpha beta gamma
# What was given up on those that are shut out is lost, and was run by others.
tap_same 'nothing runs any more' 0 \
	"$(run_field gamma "$run" '[.modules[] | select(.state == "running")] | length')"
for name in delta epsilon; do
	try_start "$name"
	tap_same "$name does not start again" 1 $?
	rm -f "$tap_tmp/$name/control.db"*
	timeout 30 "$mpnode" join --again "$(node_address alpha)" --state "$tap_tmp/$name" \
		--listen 127.0.0.1:0 >/dev/null 2>"$tap_tmp/said"
	tap_same 'nor with join --again' 3 $?
	tap_check 'and it is told why' grep -q revoked "$tap_tmp/said"
done
tap_end
