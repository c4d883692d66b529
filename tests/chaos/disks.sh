#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A disk that is full for a while, and one all the time; then a database with a damaged page.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
disk_mounts=

disk_cleanup()
{
	cli_kill_all
	for disk_m in $disk_mounts; do
		until_true 10 disk_umount "$disk_m" || umount -l "$disk_m"
	done
	cli_cleanup
}

# Its executor may be about to end.
disk_umount()
{
	umount "$1" 2>/dev/null
}

# Each node has a small disk of its own, where that is possible.
small_disks()
{
	for disk_n in $chaos_nodes; do
		mkdir "$tap_tmp/$disk_n"
		mount -t tmpfs -o size="$1",mode=0700 chaos "$tap_tmp/$disk_n" 2>/dev/null ||
			return 1
		disk_mounts="$disk_mounts $tap_tmp/$disk_n"
	done
}

# Full until half of the way to the next fault is done: what others can do goes on.
full()
{
	begin_fault "$2"
	dd if=/dev/zero of="$tap_tmp/$2/full" bs=64k >/dev/null 2>&1
	until_true 60 chaos_ended $((chaos_modules * (chaos_part + 12) / 100)) ||
		tap_not_ok "$1: the run goes on"
	tap_diag "$1: for $(($(now_ms) - struck_ms)) ms"
	rm "$tap_tmp/$2/full"
	if kill -0 "$(node_pid "$2")" 2>/dev/null; then
		chaos_up "$2"
	else
		tap_diag "$1: it has stopped"
		revive "$2"
	fi
	hurt "$2" "$struck_ms"
}

full_worker()
{
	until_true 30 has_worker || cli_die 'a worker runs something'
	full "a worker's disk is full" "$worker"
}

full_leader()
{
	full "the leader's disk is full" "$leader"
}

# What it was given it may give back, at any time.
no_room()
{
	printf 'hurt n5 0 %d\n' $(($(now_ms) + 600000)) >>"$tap_tmp/faults"
}

# n5 has no room before the run begins, nor later: it is alive and idle, but of no use.
play_without_room()
{
	chaos_wanted 'no room from the start' || return
	dd if=/dev/zero of="$tap_tmp/n5/full" bs=4k >/dev/null 2>&1
	play 'no room from the start' 3 2 no_room true true
	tap_same 'nothing was lost in silence' 0 "$(ctl n1 show "$run" --events |
		grep -c 'nothing was heard')"
	run=$(timeout 30 "$mpctl" --state "$tap_tmp/n5" submit "$tap_tmp/p.yaml")
	tap_same 'a run can be submitted there' 0 $?
	ctl n1 cancel "$run" 2>/dev/null
	tap_same 'and cancelled' 0 $?
	rm "$tap_tmp/n5/full"
}

# An elector that is up and does not lead.
elector()
{
	run_field "$(eye)" "$run" ".leader as \$l | .electors[] | select(. != \$l)" |
		while read -r disk_n; do
			case " $chaos_down " in
			*" $disk_n "*) ;;
			*) echo "$disk_n" ;;
			esac
		done | head -n 1
}

# Overwritten while it is down. Then it says so and does not start, or goes on without what was
# there; the others do without it.
damage_page()
{
	victim=$(elector)
	db=$tap_tmp/$victim/control.db
	strike "$victim"
	size=$(sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA page_size' | tail -n 1)
	page=$(($(wc -c <"$db") / size / 2))
	dd if=/dev/urandom of="$db" bs="$size" seek="$page" count=1 conv=notrunc 2>/dev/null
	if try_start "$victim"; then
		chaos_up "$victim"
		tap_diag "page $page of control.db is damaged: $victim serves"
	else
		tap_check "page $page of control.db is damaged: it says so" \
			grep -q 'control\.db.*damaged' "$tap_tmp/$victim.log"
		tail -n 2 "$tap_tmp/$victim.log" | tap_diag
	fi
	next_dispatch 'an elector lost its database'
}

trap disk_cleanup EXIT
if small_disks 64m; then
	chaos_cluster
	chaos_retry=', retry: { attempts: 50, backoff: 100ms, max_backoff: 500ms, on: [75] }'
	play 'disk full' 3 2 full_leader full_worker full_leader
	play_without_room
else
	tap_skip 'disk full' 'NO TMPFS CAN BE MOUNTED HERE: this was not tested'
	chaos_cluster
fi
if ! command -v sqlite3 >/dev/null; then
	tap_skip 'page damaged' 'NO sqlite3: this was not tested'
elif long; then
	play 'page damaged' 5 3 damage_page damage_page true
else
	play 'page damaged' 3 2 damage_page true true
fi
tap_end
