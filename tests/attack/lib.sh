# SPDX-License-Identifier: Apache-2.0
# A cluster of three nodes with a run under way, and an enemy; source it instead of cli/lib.sh.
#
#   attack_begin              alpha, beta and gamma; a run that waits for attack_end; a token
#   attack_steal NODE         one more member, which then ends: its state directory is the enemy's
#   attacked NODE WHAT [ARG...]
#                             attack(1) with WHAT against NODE: each attempt is refused and counted
#                             by its reason, and all nodes are what they were; $attack_victims:
#                             state directories, with commas, of those who count, if not only NODE
#   attack_begun NODE WHAT [ARG...], attack_over WHAT
#                             the same in the background, as $attack_pid
#   attack_end                the run succeeds, nothing of it ran twice; how many attempts there
#                             were of each kind

. "${top_srcdir:=.}/tests/cli/lib.sh"
attack=$top_builddir/tests/attack/attack

counter()
{
	ctl "$1" health --json | jq ".counters.$2"
}

# same_pids: no node has ended, and been started again
same_pids()
{
	for attack_node in alpha beta gamma; do
		kill -0 "$(node_pid "$attack_node")" || return 1
	done
}

attack_begin()
{
	cli_needs jq
	cluster alpha beta gamma
	ctl alpha invite --role node >"$tap_tmp/enemy" || cli_die 'mpctl invite'
	# Each of its modules takes as long as the attacks.
	journal_pipeline "$tap_tmp/journal.yaml" 3 4 \
		"0.2; while [ ! -e '$tap_tmp/go' ]; do sleep 0.1; done"
	run=$(ctl alpha submit "$tap_tmp/journal.yaml") || cli_die 'mpctl submit'
	until_true 20 grep -q '^begin ' "$tap_tmp/journal" || cli_die 'the run is under way'
}

# It runs nothing, and is no elector of the run that is under way.
attack_steal()
{
	node_join "$1" "$tap_tmp/enemy" --slots 0
	for attack_node in alpha beta gamma; do
		until_true 20 knows "$attack_node" 4 || cli_die "$attack_node knows $1"
	done
	node_kill "$1"
}

attack_begun()
{
	attack_node=$1
	attack_what=$2
	shift 2
	attack_port=$(node_address "$attack_node")
	timeout 120 "$attack" "$attack_what" "${attack_port##*:}" \
		"${attack_victims:-$tap_tmp/$attack_node}" "$tap_tmp/enemy" "$@" \
		>"$tap_tmp/attacked" 2>"$tap_tmp/attacked.err" &
	attack_pid=$!
	cli_pids="$cli_pids $attack_pid"
}

attack_over()
{
	wait "$attack_pid"
	attack_rc=$?
	cli_forget "$attack_pid"
	tap_same "$1: each attempt is refused and counted" 0 $attack_rc
	if [ $attack_rc -ne 0 ]; then
		grep '^not refused' "$tap_tmp/attacked" | head -n 40
		grep '^kind' "$tap_tmp/attacked"
		cat "$tap_tmp/attacked.err"
	fi | tap_diag
	grep '^kind' "$tap_tmp/attacked" >>"$tap_tmp/kinds"
	tap_check "$1: all nodes live" same_pids
}

attacked()
{
	attack_begun "$@"
	attack_over "$2"
}

attack_end()
{
	tap_same 'the run is still under way' running "$(run_field beta "$run" .state)"
	: >"$tap_tmp/go"
	survived beta "$run"
	tap_same 'nothing of it ran twice' '' "$(sort "$tap_tmp/journal" | uniq -d)"
	printf '%8s %8s %8s %9s  %s\n' attempts refused counted throttled kind | tap_diag
	awk '{
		printf "%8d %8d %8d %9d ", $2, $3, $4, $5
		for (i = 6; i <= NF; i++)
			printf " %s", $i
		print ""
		for (i = 2; i <= 5; i++)
			sum[i] += $i
	}
	END { printf "%8d %8d %8d %9d  in all\n", sum[2], sum[3], sum[4], sum[5] }' \
		"$tap_tmp/kinds" | tap_diag
	tap_end
}
