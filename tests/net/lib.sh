# SPDX-License-Identifier: Apache-2.0
# Clusters in networks that are cut: each node has a network namespace of its own, and all hang on
# one bridge. Source it after tests/cli/lib.sh. Nodes are called n1 ... n9.
#
#   net_make NODE...          all of them; skips the test, loudly, where there can be none
#   net_cut FROM TO           what one sends to the other gets lost, not what comes back
#   net_mend FROM TO
#   deaf NODE, mute NODE      it hears none of $net_nodes; it is heard by none. heal NODE
#   net_no_udp NODE           UDP neither leaves it nor gets in; net_udp NODE
#   net_ns NODE               the name of its namespace
#   node_host, node_in        as tests/cli/lib.sh asks for
net_prefix=10.77.13
net_prefix6=fd77:13:
net_hub=mp$$hub
net_nodes=

net_ns()
{
	echo "mp$$$1"
}

node_host()
{
	echo "$net_prefix.${1#n}"
}

node_host6()
{
	echo "$net_prefix6:${1#n}"
}

node_in()
{
	net_where=$(net_ns "$1")
	shift
	exec ip netns exec "$net_where" "$@"
}

net_cleanup()
{
	cli_cleanup
	for net_n in $net_nodes; do
		ip netns del "$(net_ns "$net_n")" 2>/dev/null
	done
	ip netns del "$net_hub" 2>/dev/null
}

net_hub()
{
	ip netns add "$net_hub" &&
		ip -n "$net_hub" link add bridge0 type bridge &&
		ip -n "$net_hub" link set bridge0 up
}

net_join()
{
	net_in=$(net_ns "$1")
	ip netns add "$net_in" &&
		ip -n "$net_hub" link add "to$1" type veth peer name eth0 netns "$net_in" &&
		ip -n "$net_hub" link set "to$1" master bridge0 up &&
		ip -n "$net_in" addr add "$(node_host "$1")/24" dev eth0 &&
		ip -n "$net_in" link set eth0 up &&
		ip -n "$net_in" link set lo up || return 1
	# Used at once: nobody else has it. Where there is no IPv6, who needs it skips.
	ip -n "$net_in" addr add "$(node_host6 "$1")/64" dev eth0 nodad 2>/dev/null || :
}

net_try()
{
	net_hub || return 1
	for net_n in $net_nodes; do
		net_join "$net_n" || return 1
	done
}

net_make()
{
	net_nodes=$*
	command -v ip >/dev/null || tap_skip_all 'NO ip(8): CUT NETWORKS WERE NOT TESTED'
	trap net_cleanup EXIT
	net_try >"$tap_tmp/ip.log" 2>&1 ||
		tap_skip_all "NO NETWORK NAMESPACES HERE ($(tail -n 1 "$tap_tmp/ip.log")): CUT \
NETWORKS WERE NOT TESTED"
}

# A neighbour that leads nowhere.
net_cut()
{
	ip -n "$(net_ns "$1")" neigh replace "$(node_host "$2")" dev eth0 \
		lladdr 02:00:00:00:00:01 nud permanent
}

net_mend()
{
	ip -n "$(net_ns "$1")" neigh del "$(node_host "$2")" dev eth0 2>/dev/null
}

net_others()
{
	for net_n in $net_nodes; do
		[ "$net_n" = "$1" ] || echo "$net_n"
	done
}

deaf()
{
	for net_o in $(net_others "$1"); do
		net_cut "$net_o" "$1"
	done
}

mute()
{
	for net_o in $(net_others "$1"); do
		net_cut "$1" "$net_o"
	done
}

heal()
{
	for net_o in $(net_others "$1"); do
		net_mend "$1" "$net_o"
		net_mend "$net_o" "$1"
	done
}

# Routes that are for UDP only lead nowhere, in both directions.
net_no_udp()
{
	ip -n "$(net_ns "$1")" rule add pref 1 ipproto udp blackhole &&
		ip -n "$(net_ns "$1")" rule add pref 2 lookup local &&
		ip -n "$(net_ns "$1")" rule del pref 0
}

net_udp()
{
	ip -n "$(net_ns "$1")" rule add pref 0 lookup local
	ip -n "$(net_ns "$1")" rule del pref 1
	ip -n "$(net_ns "$1")" rule del pref 2
}
