#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Nodes that stop for a while: nothing of what they run is lost. And the power fails.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
chaos_cluster

# pause WHAT NODE SECONDS: SIGSTOP; its time is part of the fault
pause()
{
	begin_fault "$2"
	kill -STOP "$(node_pid "$2")"
	next_dispatch "$1"
	lasts "$3" "$struck_ms"
	kill -CONT "$(node_pid "$2")"
	chaos_up "$2"
}

stop_leader()
{
	pause 'the leader stands still for 10 s' "$leader" 10
}

stop_worker()
{
	until_true 30 has_worker || cli_die 'a worker runs something'
	pause 'a worker stands still for 8 s' "$worker" 8
}

power_cut()
{
	# shellcheck disable=SC2086
	strike $chaos_nodes
	# shellcheck disable=SC2086
	revive $chaos_nodes
	next_dispatch 'all are killed, and started again'
}

if long; then
	play 'leader stopped' 3 2 stop_leader stop_leader stop_leader
	play 'worker stopped' 3 2 stop_worker stop_worker stop_worker
	play 'power cut' 3 2 power_cut power_cut power_cut
else
	play 'leader stopped, worker stopped, power cut' 3 2 stop_leader stop_worker power_cut
fi
tap_end
