#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of whoever matters.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
chaos_cluster

kill_leader()
{
	victim=$leader
	strike "$victim"
	next_dispatch 'the leader is killed'
	revive "$victim"
}

kill_worker()
{
	until_true 30 has_worker || cli_die 'a worker runs something'
	victim=$worker
	strike "$victim"
	next_dispatch 'a worker is killed'
	revive "$victim"
}

kill_opener()
{
	victim=$opener
	strike "$victim"
	next_dispatch 'the opener is killed'
	revive "$victim"
}

kill_leader_twice()
{
	first=$leader
	strike "$first"
	next_dispatch 'the leader is killed'
	other_leads()
	{
		has_leader && [ "$leader" != "$first" ]
	}
	until_true 30 other_leads || cli_die 'another node leads'
	second=$leader
	strike "$second"
	next_dispatch 'and the next one'
	revive "$first" "$second"
}

kill_two()
{
	victim=$leader
	until_true 30 has_worker || cli_die 'a worker runs something'
	other=$worker
	strike "$victim" "$other"
	next_dispatch 'two of five are killed, the leader one of them'
	revive "$victim" "$other"
}

# With one copy of everything, what needs what is there waits until the node is back.
holder_away()
{
	until_true 30 has_worker || cli_die 'a worker runs something'
	victim=$worker
	strike "$victim"
	lasts 12
	revive "$victim"
}

if long; then
	play 'leader' 3 2 kill_leader kill_leader kill_leader
	play 'worker' 3 2 kill_worker kill_worker kill_worker
	play 'opener' 3 2 kill_opener kill_opener kill_opener
	play 'leader twice' 5 3 kill_leader_twice kill_leader_twice kill_leader_twice
	play 'two at once' 5 3 kill_two kill_two kill_two
else
	play 'leader, worker, opener' 3 2 kill_leader kill_worker kill_opener
	play 'leader twice, two at once' 5 3 kill_leader_twice kill_two true
fi
play 'the only holder is away' 3 1 holder_away true true
tap_end
