# SPDX-License-Identifier: Apache-2.0
# A cluster of three nodes with a run under way, and an enemy; source it instead of cli/lib.sh.
#
#   attack_begin              alpha, beta and gamma; a run that waits for attack_end; a token
#   attack_steal NODE         one more member, which then ends: its state directory is the enemy's
#   attacked NODE WHAT COUNTER... [-- ARG...]
#                             attack(1) with WHAT against NODE: each attempt is refused, these
#                             counters together have grown by as many, and all nodes are what they
#                             were
#   attack_end                the run succeeds, and nothing of it ran twice

. "${top_srcdir:=.}/tests/cli/lib.sh"
attack=$top_builddir/tests/attack/attack
attempts=0

counter()
{
	ctl "$1" health --json | jq ".counters.$2"
}

# counters NODE COUNTER...: their sum
counters()
{
	counters_of=$1
	shift
	ctl "$counters_of" health --json | jq --arg names "$*" \
		'[.counters[($names | split(" "))[]]] | add'
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

# From now on the enemy's token is for people who may look.
attack_people()
{
	ctl alpha invite --role observe >"$tap_tmp/enemy" || cli_die 'mpctl invite'
}

grown()
{
	grown_least=$1
	grown_node=$2
	shift 2
	grown_now=$(counters "$grown_node" "$@")
	echo "$* are $grown_now, and should be $grown_least"
	[ "$grown_now" -ge "$grown_least" ]
}

attacked()
{
	attacked_node=$1
	attacked_what=$2
	shift 2
	attacked_counters=
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		attacked_counters="$attacked_counters $1"
		shift
	done
	[ $# -eq 0 ] || shift
	attacked_port=$(node_address "$attacked_node")
	# shellcheck disable=SC2086
	attacked_before=$(counters "$attacked_node" $attacked_counters)
	timeout 120 "$attack" "$attacked_what" "${attacked_port##*:}" "$tap_tmp/enemy" "$@" \
		>"$tap_tmp/attacked" 2>"$tap_tmp/attacked.err"
	attacked_rc=$?
	attacked_n=$(awk '$1 == "attempts" { print $2 }' "$tap_tmp/attacked")
	attempts=$((attempts + ${attacked_n:-0}))
	tap_same "$attacked_what: each of ${attacked_n:-no} attempts is refused" 0 $attacked_rc
	{
		grep '^not refused' "$tap_tmp/attacked" | head -n 40
		cat "$tap_tmp/attacked.err"
	} | tap_diag
	# shellcheck disable=SC2086
	tap_check "$attacked_what: and counted" until_true 10 \
		grown $((attacked_before + ${attacked_n:-1})) "$attacked_node" $attacked_counters
	tap_check "$attacked_what: all nodes live" same_pids
}

attack_end()
{
	tap_same 'the run is still under way' running "$(run_field beta "$run" .state)"
	: >"$tap_tmp/go"
	survived beta "$run"
	tap_same 'nothing of it ran twice' '' "$(sort "$tap_tmp/journal" | uniq -d)"
	tap_diag "$attempts attempts refused"
	tap_end
}
