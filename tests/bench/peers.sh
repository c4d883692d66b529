#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench-peers: as many agents of serf(1) as nodes of ours, side by side at the same time, each
# cluster on a loopback of its own. How long until all know all, until all agree on one that was
# killed, and what a node costs at rest. Figures, no judgement. serf comes from the distribution;
# it is given a key, for nothing of ours goes unencrypted either.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/bench/lib.sh"
: "${PEERS:=20}" "${PEERS_IDLE:=60}" "${PEERS_KILLS:=3}"
# shellcheck disable=SC2034
cli_poll=0.01 # seconds: what is measured is not much longer
peers_ns=mp$$
names=$(seq -f 'n%g' 2 "$PEERS")

skip()
{
	printf '%s: PEERS WERE NOT COMPARED\n' "$1"
	exit 0
}

peers_cleanup()
{
	cli_cleanup
	ip netns del "$peers_ns-serf" 2>/dev/null
	ip netns del "$peers_ns-mp" 2>/dev/null
}

command -v serf >/dev/null || skip 'serf IS NOT INSTALLED (apt install serf)'
trap peers_cleanup EXIT
for who in serf mp; do
	ip netns add "$peers_ns-$who" 2>/dev/null && ip -n "$peers_ns-$who" link set lo up ||
		skip 'NO NETWORK NAMESPACES HERE'
done

# begin WHO NAME COMMAND...: in the background; its log is $tap_tmp/WHO.NAME.log
begin()
{
	peers_who=$1
	peers_name=$2
	shift 2
	ip netns exec "$peers_ns-$peers_who" "$@" </dev/null \
		>"$tap_tmp/$peers_who.$peers_name.out" 2>&1 &
	printf '%s\n' $! >"$tap_tmp/$peers_who.$peers_name.pid"
	cli_pids="$cli_pids $!"
}

serf_begin()
{
	peers_port=$((7000 + ${1#n}))
	begin serf "$@" -node="$1" -bind="127.0.0.1:$peers_port" \
		-rpc-addr="127.0.0.1:$((peers_port + 1000))" -encrypt="$peers_key"
}

mp_begin()
{
	peers_node=$1
	shift
	begin mp "$peers_node" "$mpnode" "$@" --state "$tap_tmp/$peers_node" --slots 1 \
		--name "$peers_node" --listen "127.0.0.1:$((7000 + ${peers_node#n}))"
}

# Both say in their logs whom they take for alive or dead. said WHO PATTERN: lines in all logs
said()
{
	cat "$tap_tmp/$1".n*.out | grep -c "$2"
}

both_said()
{
	[ -n "$both_serf" ] || [ "$(said serf "$1")" -lt "$2" ] ||
		both_serf=$(($(now_ms) - since))
	[ -n "$both_mp" ] || [ "$(said mp "$3")" -lt "$4" ] ||
		both_mp=$(($(now_ms) - since))
	[ -n "$both_serf" ] && [ -n "$both_mp" ]
}

# both SERF-PATTERN COUNT MP-PATTERN COUNT: ms until each was said so many times, "SERF MP"
both()
{
	both_serf=
	both_mp=
	until_true 60 both_said "$@"
	echo "${both_serf:-60000} ${both_mp:-60000}"
}

row()
{
	printf '%-44s %12s %12s\n' "$1" "$2" "$3"
}

# pids WHO: of its processes
pids()
{
	for pid in $(cat "$tap_tmp/$1".n*.pid); do
		family "$pid"
	done
}

bytes()
{
	ip netns exec "$peers_ns-$1" awk '$1 == "lo:" { print $10 }' /proc/net/dev
}

# share TICKS MS: of a core, per node
share()
{
	awk -v ticks="$1" -v hz="$(getconf CLK_TCK)" -v ms="$2" -v n="$PEERS" \
		'BEGIN { printf "%.3f", ticks / hz / ms * 1e5 / n }'
}

printf '%s, %d processors, %s; %s\n' "$(uname -sr)" "$(nproc)" "$("$mpnode" --version)" \
	"serf $(serf version | head -n 1)"
printf '%d agents of each on loopback, at the same time:\n\n' "$PEERS"
row '' serf meshpipe

peers_key=$(serf keygen)
serf_begin n1 serf agent
mp_begin n1 start
until_true 30 grep -q '^ready ' "$tap_tmp/mp.n1.out" || cli_die 'the first node is ready'
until_true 30 test "$(said serf 'EventMemberJoin: n1')" -ge 1 || cli_die 'the first agent is'
"$mpctl" --state "$tap_tmp/n1" invite >"$tap_tmp/token" || cli_die 'mpctl invite'
since=$(now_ms)
for name in $names; do
	serf_begin "$name" serf agent -join=127.0.0.1:7001
	mp_begin "$name" join 127.0.0.1:7001 --token-file "$tap_tmp/token"
done
# shellcheck disable=SC2046
row "ms until all know all, $((PEERS - 1)) join at once" \
	$(both EventMemberJoin $((PEERS * PEERS)) ' is alive, at ' $((PEERS * (PEERS - 1))))

lasts 30 # what joining has left to do is no rest
serf_pids=$(pids serf)
mp_pids=$(pids mp)
# shellcheck disable=SC2086
{
	serf_ticks=$(ticks $serf_pids)
	mp_ticks=$(ticks $mp_pids)
}
serf_bytes=$(bytes serf)
mp_bytes=$(bytes mp)
since=$(now_ms)
lasts "$PEERS_IDLE"
ms=$(($(now_ms) - since))
# shellcheck disable=SC2086
{
	row '% of a core at rest, per node' "$(share $(($(ticks $serf_pids) - serf_ticks)) $ms)" \
		"$(share $(($(ticks $mp_pids) - mp_ticks)) $ms)"
	row 'bytes/s at rest, per node' $((($(bytes serf) - serf_bytes) * 1000 / ms / PEERS)) \
		$((($(bytes mp) - mp_bytes) * 1000 / ms / PEERS))
	row 'MiB resident, per node' "$(rss_each "$PEERS" $serf_pids | cut -d ' ' -f 1)" \
		"$(rss_each "$PEERS" $mp_pids | cut -d ' ' -f 1)"
	row 'MiB that no other process shares' \
		"$(rss_each "$PEERS" $serf_pids | cut -d ' ' -f 4)" \
		"$(rss_each "$PEERS" $mp_pids | cut -d ' ' -f 4)"
}

alive=$PEERS
for name in $(printf '%s\n' "$names" | tail -n "$PEERS_KILLS"); do
	alive=$((alive - 1))
	for who in serf mp; do
		peers_pid=$(cat "$tap_tmp/$who.$name.pid")
		kill -9 "$peers_pid" && wait "$peers_pid" 2>/dev/null
		rm "$tap_tmp/$who.$name.pid"
	done
	since=$(now_ms)
	# shellcheck disable=SC2046
	row "ms until all agree that $name is dead" \
		$(both "EventMemberFailed: $name " $alive " $name is dead: " $alive)
	rm "$tap_tmp/serf.$name.out" "$tap_tmp/mp.$name.out"
done
