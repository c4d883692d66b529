#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network that is cut.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cut_seconds=4

# cut WHAT NODE HOW...: for a while; what it runs is not lost. A leader hands out for a second more,
# to itself too, and what it cannot log then is nobody's, as what it was about to log.
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
	lasts "$cut_seconds"
	heal "$cut_victim"
	[ $chaos_led = no ] ||
		printf 'cut %s %d %d\n' "$cut_victim" $((struck_ms - 20)) "$(now_ms)" \
			>>"$tap_tmp/faults"
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

# shellcheck disable=SC2086
net_make $chaos_nodes
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
