#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Names with several addresses, IPv4 and IPv6 in one cluster, members with several addresses, and
# one behind a router that passes a port on.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3 n4 n5
net_behind n5
net_forward n5 7200
ip -n "$(net_ns n1)" -6 addr show dev eth0 | grep -q fd77 ||
	tap_skip_all 'NO IPv6 HERE: ADDRESSES WERE NOT TESTED'

# serve NAME COMMAND OPTION...: with no --listen of its own
serve()
{
	try_serve "$@" --slots 1 || cli_die "$1 is ready after mpnode $2"
}

# path_is WHO OF PATH
path_is()
{
	[ "$(ctl "$1" nodes --json |
		jq -r --arg of "$2" '.nodes[] | select(.name == $of) | .path')" = "$3" ]
}

serve n1 start
tap_same 'no --listen is port 7117' "$(node_host n1):7117" "$(node_address n1)"
tap_same 'on all addresses of both families' '*:7117' \
	"$(ip netns exec "$(net_ns n1)" ss -tlnH 2>/dev/null | awk '{ print $4 }')"
ctl n1 invite >"$tap_tmp/token" || cli_die 'mpctl invite'

# A name with four addresses: nobody is at the first ones.
cat >"$tap_tmp/hosts" <<END
$(node_host n2) friends
$(node_host6 n2) friends
$(node_host n3) friends
$(node_host6 n1) friends
END
mpnode_real=$mpnode
cat >"$tap_tmp/named" <<END
#!/bin/sh
mount --bind '$tap_tmp/hosts' /etc/hosts && exec '$mpnode_real' "\$@"
END
chmod +x "$tap_tmp/named"
if unshare -m mount --bind "$tap_tmp/hosts" /etc/hosts 2>/dev/null; then
	MP_UNDER='unshare -m'
	mpnode=$tap_tmp/named
	serve n4 join friends:7117 --token-file "$tap_tmp/token"
	MP_UNDER=
	mpnode=$mpnode_real
	tap_ok 'all addresses of a name are tried'
else
	tap_skip 'all addresses of a name are tried' 'NO MOUNTS OF OUR OWN HERE'
	serve n4 join "$(node_host n1):7117" --token-file "$tap_tmp/token"
fi
serve n3 join "[$(node_host6 n1)]:7117" --token-file "$tap_tmp/token" \
	--listen "[$(node_host6 n3)]:7117"
tap_same 'one with IPv6 only' "[$(node_host6 n3)]:7117" "$(node_address n3)"
serve n5 join "$(node_host n1)" --token-file "$tap_tmp/token" --listen :7117 \
	--advertise "$(node_host n5):7200"
tap_same 'one behind a router tells where others find it' "$(node_host n5):7200" \
	"$(node_address n5)"
for eye in n1 n3 n4 n5; do
	tap_check "$eye knows all" until_true 20 knows "$eye" 4
done
for pair in 'n1 n5' 'n5 n1' 'n1 n3' 'n3 n1' 'n4 n5' 'n4 n3'; do
	# shellcheck disable=SC2086
	tap_check "a datagram is answered: $pair" until_true 20 path_is $pair udp
done

# An address that leads nowhere before one that does: the second one is used soon.
node_stop n4
serve n4 start --listen :7117 --advertise "$(node_host n2):7117" \
	--advertise "$(node_host n4):7117"
tap_check 'a member with two addresses comes back' until_true 20 knows n1 4
tap_check 'it is reached by the second one' until_true 30 path_is n1 n4 udp
node_stop n4
serve n4 start
tap_same 'they are kept' "$(node_host n2):7117" "$(node_address n4)"

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
defaults: { cache: false }
modules:
  a: { run: "echo $MP_NODE >o; sleep 1", matrix: { i: [1, 2, 3, 4] }, outputs: [o] }
END
run=$(ctl n5 submit "$tap_tmp/p.yaml" --wait 2>"$tap_tmp/err")
tap_same 'a run of the one behind the router' 0 $?
tap_diag <"$tap_tmp/err"
tap_check 'runs there as well' test "$(run_field n1 "$run" \
	'[.modules[].node | select(. == "n5")] | length')" -ge 1
tap_check 'nobody was ever called dead' not grep -H ' is dead: ' "$tap_tmp"/n*.log
tap_end
