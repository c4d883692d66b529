#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Many real nodes on loopback. They join at once; some are killed while others stand still for
# twenty seconds; all come back; all are killed and come back. Nobody who is well is ever declared
# dead, by anybody, and in the end all agree. $MANY nodes: 12 in `make check`, 50 in `make many`,
# which measures them as well.
. "${top_srcdir:=.}/tests/cli/lib.sh"
: "${MANY:=12}" "${MANY_IDLE:=0}"
[ "$MANY_IDLE" -eq 0 ] || {
	. "$top_srcdir/tests/bench/lib.sh"
	alone "$top_srcdir/tests/cli/cluster_many.sh"
}
cli_needs jq
cli_slots=1
stopped_s=20

# begin NAME COMMAND ARG...: not waited for
begin()
{
	many_name=$1
	shift
	: >"$tap_tmp/$many_name.ready"
	"$mpnode" "$@" --state "$tap_tmp/$many_name" --name "$many_name" --listen 127.0.0.1:0 \
		--slots "$cli_slots" </dev/null >"$tap_tmp/$many_name.ready" \
		2>>"$tap_tmp/$many_name.log" &
	printf '%s\n' $! >"$tap_tmp/$many_name.pid"
	cli_pids="$cli_pids $!"
}

# names FROM TO
names()
{
	seq -f 'n%g' "$1" "$2"
}

all_ready()
{
	[ "$(cat "$tap_tmp"/n*.ready | grep -c '^ready ')" -eq "$MANY" ]
}

# What a node believes, one line for each member. One that stands still is not asked.
view()
{
	timeout 5 "$mpctl" --state "$tap_tmp/$1" nodes --json |
		jq -r '.nodes[] | "\(.id) \(.state)"' | sort
}

# all_see STATE COUNT NODE...: in the eyes of each
all_see()
{
	see_state=$1
	see_count=$2
	shift 2
	for see_node; do
		[ "$(view "$see_node" | grep -c " $see_state\$")" -eq "$see_count" ] || return 1
	done
}

# agreed SECONDS WHAT STATE COUNT NODE...
agreed()
{
	agreed_what=$2
	agreed_s=$1
	shift 2
	if until_true "$agreed_s" all_see "$@"; then
		tap_ok "$agreed_what"
		tap_diag "after $(($(now_ms) - since)) ms"
	else
		tap_not_ok "$agreed_what"
		for see_node in $everybody; do
			tap_diag "$see_node: $(view "$see_node" | cut -d ' ' -f 2 | sort |
				uniq -c | tr -s ' \n' ' ')"
		done
	fi
}

# Who was called dead though it was well: lines of logs.
slandered()
{
	grep -H ' is dead: ' "$tap_tmp"/n*.log | sed "s,^$tap_tmp/,," |
		grep -v -w -F "$(for s in $victims; do echo "mpnode: $s is dead"; done)"
}

measure()
{
	# shellcheck disable=SC2046
	set -- $(for m in $everybody; do node_pid "$m"; done)
	# shellcheck disable=SC2046
	set -- $(for p; do family "$p"; done)
	lasts 30 # what joining has left to do is no rest
	many_ticks=$(ticks "$@")
	many_bytes=$(loopback_bytes)
	many_since=$(now_ms)
	lasts "$MANY_IDLE"
	many_ms=$(($(now_ms) - many_since))
	tap_diag "$MANY nodes at rest, for $many_ms ms; each:"
	tap_diag "  $(rss_each "$MANY" "$@")"
	awk -v ticks=$(($(ticks "$@") - many_ticks)) -v hz="$(getconf CLK_TCK)" \
		-v ms="$many_ms" -v n="$MANY" \
		'BEGIN { printf "  %.3f %% of a core\n", ticks / hz / ms * 1e5 / n }' | tap_diag
	[ -z "$many_bytes" ] ||
		tap_diag "  $((($(loopback_bytes) - many_bytes) * 1000 / many_ms / MANY)) bytes/s"
}

dead=$((MANY / 10 + 1))
still=$((MANY / 10 + 1))
everybody=$(names 1 "$MANY")
killed=$(names 2 $((1 + dead)))
stopped=$(names $((2 + dead)) $((1 + dead + still)))
well="n1 $(names $((2 + dead + still)) "$MANY")"
victims="$killed $stopped"

begin n1 start
until_true 30 node_ready n1
ctl n1 invite >"$tap_tmp/token" || cli_die 'mpctl invite'
seed=$(node_address n1)
since=$(now_ms)
for name in $(names 2 "$MANY"); do
	begin "$name" join "$seed" --token-file "$tap_tmp/token"
done
tap_check "$MANY nodes join at once" until_true 60 all_ready
tap_diag "after $(($(now_ms) - since)) ms"
# shellcheck disable=SC2086
agreed 30 'all know all' alive "$MANY" $everybody
[ "$MANY_IDLE" -eq 0 ] || measure

since=$(now_ms)
for name in $stopped; do
	kill -STOP "$(node_pid "$name")"
done
for name in $killed; do
	node_kill "$name"
done
# shellcheck disable=SC2086
agreed 60 'all know who is gone' dead $((dead + still)) $well
lasts $stopped_s "$since"
since=$(now_ms)
for name in $stopped; do
	kill -CONT "$(node_pid "$name")"
done
# shellcheck disable=SC2086
agreed 45 'who stood still is back, everywhere' alive $((MANY - dead)) $well $stopped
since=$(now_ms)
for name in $killed; do
	begin "$name" start
done
# shellcheck disable=SC2086
agreed 45 'who was killed is back, everywhere' alive "$MANY" $everybody
tap_same 'nobody who was well was ever called dead' '' "$(slandered)"
since=$(now_ms)
for name in $everybody; do
	node_kill "$name"
done
for name in $everybody; do
	begin "$name" start
done
# shellcheck disable=SC2086
agreed 60 'all are killed and started again: all know all' alive "$MANY" $everybody
for name in $everybody; do
	view "$name" >"$tap_tmp/view.$name"
done
tap_same 'all views are equal' 1 \
	"$(for name in $everybody; do cksum <"$tap_tmp/view.$name"; done | sort -u | wc -l)"
tap_end
