#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh SRCDIR SECONDS TARGET...   (called by `make fuzz`)
# Fuzzes each target for so many seconds. New inputs are kept in fuzz-work/TARGET/corpus between
# calls, crashes in fuzz-work/TARGET. To turn what was found into seeds:
#   tests/fuzz/fuzz_X -merge=1 SRCDIR/tests/fuzz/corpus/fuzz_X fuzz-work/fuzz_X/corpus
set -u

srcdir=$1
seconds=$2
shift 2
rc=0
for target; do
	name=${target##*/}
	work=fuzz-work/$name
	mkdir -p "$work/corpus"
	set -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
		-print_final_stats=1 -artifact_prefix="$work/"
	dict=$srcdir/tests/fuzz/$name.dict
	[ ! -f "$dict" ] || set -- "$@" -dict="$dict"
	if "./$target" "$@" "$work/corpus" "$srcdir/tests/fuzz/corpus/$name" >"$work/log" 2>&1; then
		verdict=clean
	else
		verdict="FAILED, see $work"
		tail -n 40 "$work/log"
		rc=1
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
	printf '%s: %s executions in %s s: %s\n' "$name" "${runs:-?}" "$seconds" "$verdict"
done
exit $rc
