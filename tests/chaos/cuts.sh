#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network that is cut: each node has a namespace of its own, and all hang on one bridge. Who
# shall not be heard by another gets a neighbour entry for it that leads nowhere.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
cut_net=10.77.13
cut_hub=mp$$hub
cut_seconds=4

cut_ns()
{
	echo "mp$$$1"
}

node_host()
{
	echo "$cut_net.${1#n}"
}

node_in()
{
	cut_where=$(cut_ns "$1")
	shift
	exec ip netns exec "$cut_where" "$@"
}

cut_cleanup()
{
	cli_cleanup
	for cut_n in $chaos_nodes; do
		ip netns del "$(cut_ns "$cut_n")" 2>/dev/null
	done
	ip netns del "$cut_hub" 2>/dev/null
}

cut_hub()
{
	ip netns add "$cut_hub" &&
		ip -n "$cut_hub" link add bridge0 type bridge &&
		ip -n "$cut_hub" link set bridge0 up
}

cut_join()
{
	cut_in=$(cut_ns "$1")
	ip netns add "$cut_in" &&
		ip -n "$cut_hub" link add "to$1" type veth peer name eth0 netns "$cut_in" &&
		ip -n "$cut_hub" link set "to$1" master bridge0 up &&
		ip -n "$cut_in" addr add "$(node_host "$1")/24" dev eth0 &&
		ip -n "$cut_in" link set eth0 up &&
		ip -n "$cut_in" link set lo up
}

cut_make()
{
	cut_hub || return 1
	for cut_n in $chaos_nodes; do
		cut_join "$cut_n" || return 1
	done
}

# From one to the other, not back.
cut_path()
{
	ip -n "$(cut_ns "$1")" neigh replace "$(node_host "$2")" dev eth0 \
		lladdr 02:00:00:00:00:01 nud permanent
}

# deaf NODE: it speaks, and hears nobody. mute NODE: the other way round. heal NODE: both end.
deaf()
{
	for cut_n in $chaos_nodes; do
		[ "$cut_n" = "$1" ] || cut_path "$cut_n" "$1"
	done
}

mute()
{
	for cut_n in $chaos_nodes; do
		[ "$cut_n" = "$1" ] || cut_path "$1" "$cut_n"
	done
}

heal()
{
	for cut_n in $chaos_nodes; do
		[ "$cut_n" != "$1" ] || continue
		ip -n "$(cut_ns "$1")" neigh del "$(node_host "$cut_n")" dev eth0 2>/dev/null
		ip -n "$(cut_ns "$cut_n")" neigh del "$(node_host "$1")" dev eth0 2>/dev/null
	done
}

# cut WHAT NODE HOW...: for a while; what it runs is not lost
cut()
{
	begin_fault "$2"
	cut_what=$1
	cut_victim=$2
	shift 2
	for cut_how; do
		$cut_how "$cut_victim"
	done
	next_dispatch "$cut_what"
	until_true "$cut_seconds" false
	heal "$cut_victim"
	chaos_up "$cut_victim"
	revive
}

isolate_leader()
{
	cut 'the leader is cut off' "$leader" deaf mute
}

deafen_leader()
{
	cut 'the leader hears nobody' "$leader" deaf
}

mute_leader()
{
	cut 'nobody hears the leader' "$leader" mute
}

isolate_worker()
{
	until_true 30 has_worker || cli_die 'a worker runs something'
	cut 'a worker is cut off' "$worker" deaf mute
}

command -v ip >/dev/null || tap_skip_all 'NO ip(8): CUT NETWORKS WERE NOT TESTED'
trap cut_cleanup EXIT
cut_make >"$tap_tmp/ip.log" 2>&1 ||
	tap_skip_all "NO NETWORK NAMESPACES HERE ($(tail -n 1 "$tap_tmp/ip.log")): CUT NETWORKS \
WERE NOT TESTED"
chaos_cluster
if long; then
	cut_seconds=8
	play 'leader cut off' 3 2 isolate_leader isolate_leader isolate_leader
	play 'leader deaf' 3 2 deafen_leader deafen_leader deafen_leader
	play 'leader mute' 3 2 mute_leader mute_leader mute_leader
	play 'worker cut off' 3 2 isolate_worker isolate_worker isolate_worker
else
	play 'leader cut off, deaf, mute' 3 2 isolate_leader deafen_leader mute_leader
fi
tap_end
