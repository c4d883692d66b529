#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A resolver that never answers: it keeps no node from stopping, and from asking its other seeds.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
soon_ms=2000
net_make n1 n2 n3

# Queries go to a machine that is not there, whose silence nothing reports.
net_cut n1 n3
printf 'nameserver %s\noptions timeout:30 attempts:5\n' "$(node_host n3)" >"$tap_tmp/resolv.conf"
printf 'hosts: dns\n' >"$tap_tmp/nsswitch.conf"
cat >"$tap_tmp/silent" <<END
#!/bin/sh
mount --bind '$tap_tmp/resolv.conf' /etc/resolv.conf &&
	mount --bind '$tap_tmp/nsswitch.conf' /etc/nsswitch.conf && exec "\$@"
END
chmod +x "$tap_tmp/silent"
unshare -m "$tap_tmp/silent" true 2>"$tap_tmp/mount.log" ||
	tap_skip_all "NO MOUNTS OF OUR OWN HERE ($(tail -n 1 "$tap_tmp/mount.log")): A SILENT \
RESOLVER WAS NOT TESTED"

# begin NAME ARG...: an mpnode at n1 whose resolver is silent
begin()
{
	begin_name=$1
	shift
	: >"$tap_tmp/$begin_name.ready"
	(node_in n1 unshare -m "$tap_tmp/silent" "$mpnode" "$@" --name "$begin_name" \
		--state "$tap_tmp/$begin_name" </dev/null >"$tap_tmp/$begin_name.ready" \
		2>"$tap_tmp/$begin_name.log") &
	echo $! >"$tap_tmp/$begin_name.pid"
	cli_pids="$cli_pids $!"
}

# Its question is on its way.
asks()
{
	ip netns exec "$(net_ns n1)" ss -Hunp 2>/dev/null | grep -F "$(node_host n3):53" |
		grep -q "pid=$(node_pid "$1"),"
}

# stops WHAT NAME
stops()
{
	until_true 10 asks "$2" || {
		node_log "$2"
		cli_die "$1: it asks the resolver"
	}
	since=$(now_ms)
	node_stop "$2"
	tap_same "$1: SIGTERM ends it with 0" 0 $?
	took=$(($(now_ms) - since))
	tap_check "$1: at once" test $took -lt $soon_ms
	tap_diag "$took ms"
}

node_start n2
ctl n2 invite >"$tap_tmp/token" || cli_die 'mpctl invite'

begin alone start --listen a.example:7117
stops 'that listens on a name' alone
begin told start --listen :7117 --advertise b.example
stops 'that advertises a name' told
tap_check 'what was founded for nothing is gone' test ! -e "$tap_tmp/alone"
begin joins join c.example:7117 --token-file "$tap_tmp/token" --listen :7118
stops 'that joins by a name' joins
begin waits join d.example:7117 --listen :7119
stops 'that waits to be admitted' waits

begin many join e.example:7117 "$(node_address n2)" --token-file "$tap_tmp/token" --listen :7120
since=$(now_ms)
tap_check 'a name that hangs keeps nobody from the next seed' until_true 10 node_ready many
grep -q '^ready ' "$tap_tmp/many.ready" || node_log many
tap_diag "$(($(now_ms) - since)) ms"
node_stop many
tap_same 'and it stops' 0 $?
tap_end
