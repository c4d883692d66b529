#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every input that a fuzz target keeps passes through it again.
. "${top_srcdir:=.}/tests/tap.sh"

replay()
{
	timeout 120 "$program" "$@" >"$tap_tmp/out" 2>&1
}

for target in ${fuzz_targets:?}; do
	name=${target##*/}
	program=${top_builddir:-.}/$target
	corpus=$top_srcdir/tests/fuzz/corpus/$name
	set -- "$corpus"/*
	if [ ! -f "$1" ]; then
		tap_not_ok "$name has seeds in tests/fuzz/corpus/$name"
		continue
	fi
	if replay "$@"; then
		tap_ok "$name: $# inputs"
		continue
	fi
	tap_not_ok "$name: $# inputs"
	for input; do
		replay "$input" && continue
		tap_diag "fails: $program $input"
		tail -n 20 "$tap_tmp/out" | tap_diag
	done
done
tap_end
