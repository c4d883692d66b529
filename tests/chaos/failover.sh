#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench-failover: $FAILOVERS (50) times the leader of a run is killed, and started again. How
# long from the kill until a module begins under the next leader? Figures, no judgement but this:
# nothing that was finished may run again.
. "${top_srcdir:=.}/tests/chaos/lib.sh"
: "${FAILOVERS:=50}"
CHAOS=long
chaos_modules=1200
chaos_width=40
chaos_ms=200

# How much of the run has to be done before the next kill, in modules.
step=40
kills=0
wrong=0

# Kills until too little of this run is left.
kill_leaders()
{
	while [ $kills -lt "$FAILOVERS" ]; do
		ended=$(awk '$1 == "end"' "$tap_tmp/journal" | wc -l)
		[ $((ended + 4 * step)) -lt $chaos_modules ] || return
		until_true 60 chaos_ended $((ended + step)) || cli_die 'the run goes on'
		until_true 30 has_leader || cli_die 'somebody leads'
		victim=$leader
		strike "$victim"
		next_dispatch "kill $((kills + 1)) of the leader"
		kills=$((kills + 1))
		revive "$victim"
	done
}

chaos_cluster
while [ $kills -lt "$FAILOVERS" ]; do
	chaos_pipeline 3 2
	opener=$(eye)
	run=$(ctl "$opener" submit "$tap_tmp/p.yaml") || cli_die 'submit'
	kill_leaders
	chaos_judge "run of $kills kills"
	wrong=$((wrong + $(grep -vc '^#' "$tap_tmp/verdict")))
done
sort -n "$tap_tmp/gaps" | awk -v wrong=$wrong '
	{ gap[NR] = $1 }
	END {
		printf "from SIGKILL of the leader to the next module, %d times: ", NR
		printf "p50 %d ms, p99 %d ms, max %d ms\n", gap[int((NR + 1) / 2)],
			gap[int(NR * 0.99 + 0.999)], gap[NR]
		printf "finished modules that ran again: %d\n", wrong
	}'
tap_end
