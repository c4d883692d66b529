#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What 50,000 junk datagrams a second cost a run: the same pipeline with and without them, in turn,
# medians of BENCH_RUNS (5). Each module computes, as those of the demo do, so that whatever the
# junk takes is missed. It begins as datagrams of the cluster do: each costs an AEAD.
. "${top_srcdir:=.}/tests/attack/lib.sh"
: "${BENCH_RUNS:=5}" "${BENCH_JUNK:=50000}"
cli_needs jq
cluster alpha beta gamma
ctl alpha invite --role node >"$tap_tmp/enemy"
attack_steal delta
port=$(node_address alpha)
port=${port##*:}
hint=$("$attack" hint "$port" "$tap_tmp/enemy" "$tap_tmp/delta" | awk '$1 == "hint" { print $2 }')

{
	printf 'meshpipe: 1\ndefaults: { cache: false }\nmodules:\n'
	awk 'BEGIN {
		for (i = 1; i <= 12; i++) {
			printf "  m%d:\n", i
			if (i > 6)
				printf "    needs: [m%d]\n", i - 6
			printf "    run: i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; "
			printf "echo $i >m%d\n    outputs: [m%d]\n", i, i
		}
	}'
} >"$tap_tmp/run.yaml"

# once FILE: milliseconds are added to it
once()
{
	once_since=$(date +%s%N)
	ctl alpha --quiet submit "$tap_tmp/run.yaml" --wait >/dev/null || cli_die 'the run'
	echo $((($(date +%s%N) - once_since) / 1000000)) >>"$1"
}

median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

once "$tap_tmp/first"
i=0
before=$(counter alpha datagrams_junk)
while [ $i -lt "$BENCH_RUNS" ]; do
	once "$tap_tmp/calm"
	"$attack" junk "$port" "$tap_tmp/enemy" "$BENCH_JUNK" 600 "$hint" >/dev/null &
	junk=$!
	cli_pids="$cli_pids $junk"
	once "$tap_tmp/flooded"
	kill "$junk"
	wait "$junk" 2>/dev/null
	cli_forget "$junk"
	i=$((i + 1))
done
printf '\nTwelve modules that compute, three nodes, %d processors, medians of %d:\n' \
	"$(nproc)" "$BENCH_RUNS"
awk -v calm="$(median "$tap_tmp/calm")" -v flooded="$(median "$tap_tmp/flooded")" \
	-v junk="$BENCH_JUNK" -v seen=$(($(counter alpha datagrams_junk) - before)) 'BEGIN {
	printf "%d ms; under %d junk datagrams a second %d ms: %.2f x\n", calm, junk, flooded,
		flooded / calm
	printf "%d of them were seen and dropped\n", seen }'
