#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make bench: what a cluster of three nodes on this machine costs on top of the bare work. Figures,
# no judgement: medians of BENCH_RUNS runs (3), each a ratio to posix_spawn() in a loop with as many
# in flight, measured just before on the same machine. Nothing else should run beside it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/bench/lib.sh"
: "${BENCH_RUNS:=3}" "${BENCH_IDLE:=30}" "${BENCH_WIDE:=2000}" "${BENCH_CHAIN:=200}"
cli_needs jq
raw=$top_builddir/tests/bench/raw_spawn

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# pipeline COUNT CHAINED >FILE
pipeline()
{
	printf 'meshpipe: 1\nname: bench\ndefaults: { cache: false }\nmodules:\n'
	awk -v n="$1" -v chained="$2" 'BEGIN {
		for (i = 1; i <= n; i++) {
			needs = chained && i > 1 ? ", needs: [t" (i - 1) "]" : ""
			printf "  t%d: { run: [/bin/true]%s }\n", i, needs
		}
	}'
}

# mesh FILE: microseconds from submission to the end
mesh()
{
	mesh_since=$(date +%s%N)
	mesh_run=$(timeout 600 "$mpctl" --quiet --state "$tap_tmp/alpha" submit "$1" --wait) ||
		cli_die "the run of $1"
	mesh_until=$(date +%s%N)
	printf '%s\n' "$mesh_run" >>"$tap_tmp/runs"
	echo $(((mesh_until - mesh_since) / 1000))
}

# row WHAT FILE COUNT IN-FLIGHT
row()
{
	: >"$tap_tmp/mesh.us"
	: >"$tap_tmp/raw.us"
	i=0
	while [ $i -lt "$BENCH_RUNS" ]; do
		"$raw" "$3" "$4" >>"$tap_tmp/raw.us" || cli_die 'raw_spawn'
		mesh "$2" >>"$tap_tmp/mesh.us"
		i=$((i + 1))
	done
	paste "$tap_tmp/mesh.us" "$tap_tmp/raw.us" | awk '{ print $1 / $2 }' >"$tap_tmp/ratios"
	awk -v what="$1" -v n="$3" -v mesh="$(median <"$tap_tmp/mesh.us")" \
		-v raw="$(median <"$tap_tmp/raw.us")" -v ratio="$(median <"$tap_tmp/ratios")" \
		'BEGIN { printf "%-44s %9.0f ms %9.0f ms %8.2f x %9.0f /s\n", what, mesh / 1000,
			raw / 1000, ratio, n * 1e6 / mesh }'
}

idle()
{
	node=$(node_pid alpha)
	# shellcheck disable=SC2046
	set -- $(family "$node")
	before=$(ticks "$@")
	since=$(date +%s%N)
	lasts "$BENCH_IDLE"
	printf 'mpnode: %s\n' "$(rss_each 1 "$node")"
	printf 'with its executor (%d processes): %s\n' $# "$(rss_each 1 "$@")"
	awk -v ticks=$(($(ticks "$@") - before)) -v hz="$(getconf CLK_TCK)" \
		-v ns=$(($(date +%s%N) - since)) \
		'BEGIN { printf "processor: %.3f %% of a core\n", ticks / hz / (ns / 1e9) * 100 }'
}

cli_slots=2
cluster alpha beta gamma
printf '%s, %d processors, %s\n' "$(uname -sr)" "$(nproc)" "$("$mpctl" --version)"
printf '\nOne idle node of three, %d s:\n' "$BENCH_IDLE"
idle

pipeline "$BENCH_WIDE" 0 >"$tap_tmp/wide.yaml"
pipeline "$BENCH_CHAIN" 1 >"$tap_tmp/chain.yaml"
printf '\nThree nodes, %d slots each, medians of %d runs:\n' "$cli_slots" "$BENCH_RUNS"
printf '%-44s %12s %12s %10s %12s\n' '' meshpipe raw ratio modules
row "$BENCH_WIDE independent /bin/true, $((3 * cli_slots)) in flight" "$tap_tmp/wide.yaml" \
	"$BENCH_WIDE" $((3 * cli_slots))
row "a chain of $BENCH_CHAIN /bin/true" "$tap_tmp/chain.yaml" "$BENCH_CHAIN" 1
printf '\nThe first run, modules by node: %s\n' "$(
	run=$(head -n 1 "$tap_tmp/runs")
	run_field alpha "$run" '[.modules[].node] | group_by(.) | map("\(.[0]) \(length)") |
		join(", ")')"
printf 'One idle node afterwards:\n'
idle
