# SPDX-License-Identifier: Apache-2.0
# Clusters in networks that are cut: each node has a network namespace of its own, and all hang on
# one bridge. Source it after tests/cli/lib.sh. Nodes are called n1 ... n9.
#
#   net_make NODE...          all of them; skips the test, loudly, where there can be none
#   net_cut FROM TO           what one sends to the other gets lost, not what comes back
#   net_mend FROM TO
#   deaf NODE, mute NODE      it hears none of $net_nodes; it is heard by none. heal NODE
#   net_far MS PERCENT        from now on what anybody sends takes so long, and so much gets lost
#   net_no_udp NODE           UDP neither leaves it nor gets in; net_udp NODE
#   net_behind NODE           moves it behind a router that translates addresses: the router has
#                             its address then, and the node is $net_inside
#   net_forward NODE PORT     what comes to that port of its router is passed on to port 7117
#   net_ns NODE               the name of its namespace
#   node_host, node_in        as tests/cli/lib.sh asks for
net_prefix=10.77.13
net_prefix6=fd77:13:
net_hub=mp$$hub
net_nodes=
net_routers=
# shellcheck disable=SC2034
net_inside=192.168.77.2

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
	eval "net_where=\${net_is_$1-$1}"
	net_where=$(net_ns "$net_where")
	shift
	exec ip netns exec "$net_where" "$@"
}

net_cleanup()
{
	cli_cleanup
	for net_n in $net_nodes $net_routers; do
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

# Instead of the bridge, a program has the ends of all.
net_far()
{
	for net_n in $net_nodes; do
		ip -n "$net_hub" link set "to$net_n" nomaster
		echo "to$net_n"
	done >"$tap_tmp/wire.ports"
	# shellcheck disable=SC2046
	: >"$tap_tmp/wire.out"
	ip netns exec "$net_hub" "$top_builddir/tests/net/wire" "$1" "$2" 1 \
		$(cat "$tap_tmp/wire.ports") >"$tap_tmp/wire.out" 2>"$tap_tmp/wire.log" &
	net_wire=$!
	cli_pids="$cli_pids $net_wire"
	until_true 10 grep -q ready "$tap_tmp/wire.out" && kill -0 "$net_wire"
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

net_router()
{
	ip -n "$(net_ns "$1")" link add inside type veth peer name eth0 netns "$2" &&
		ip -n "$(net_ns "$1")" addr add 192.168.77.1/24 dev inside &&
		ip -n "$(net_ns "$1")" link set inside up &&
		ip -n "$2" addr add "$net_inside/24" dev eth0 &&
		ip -n "$2" link set eth0 up &&
		ip -n "$2" link set lo up &&
		ip -n "$2" route add default via 192.168.77.1 &&
		ip netns exec "$(net_ns "$1")" sysctl -qw net.ipv4.ip_forward=1 &&
		ip netns exec "$(net_ns "$1")" nft -f - <<END
table ip nat {
	chain in { type nat hook prerouting priority dstnat; }
	chain out {
		type nat hook postrouting priority srcnat
		oifname "eth0" masquerade
	}
}
END
}

# The namespace of the node becomes that of the router, and the node gets a new one.
net_behind()
{
	command -v nft >/dev/null || tap_skip_all 'NO nft(8): ADDRESS TRANSLATION WAS NOT TESTED'
	net_routers="$net_routers $1-in"
	ip netns add "$(net_ns "$1-in")"
	net_router "$1" "$(net_ns "$1-in")" >"$tap_tmp/ip.log" 2>&1 ||
		tap_skip_all "NO ADDRESS TRANSLATION HERE ($(tail -n 1 "$tap_tmp/ip.log")): IT WAS \
NOT TESTED"
	eval "net_is_$1=$1-in"
}

net_forward()
{
	ip netns exec "$(net_ns "$1")" nft add rule ip nat in iifname eth0 \
		meta l4proto '{ tcp, udp }' th dport "$2" dnat to "$net_inside:7117"
}
