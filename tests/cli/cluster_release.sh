#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# contrib/examples/release.yaml: a matrix, two compilers, and modules that only a node with a tag
# runs: on a cluster, and by mpctl run.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq gcc clang tar
release=$top_srcdir/contrib/examples/release.yaml
TMPDIR=$tap_tmp
export TMPDIR

timeout 20 "$mpctl" run "$release" >"$tap_tmp/out" 2>"$tap_tmp/err"
tap_same 'mpctl run without the tag: usage' 2 $?
tap_check 'it says what is lacking, and what to do' \
	grep -q 'build\[gcc,debug\] and others cannot run here.*tag build.*--tag' "$tap_tmp/err"
timeout 50 "$mpctl" run "$release" --tag build --slots 2 --to "$tap_tmp/here" 2>"$tap_tmp/err"
tap_same 'mpctl run with the tag' 0 $?
tap_diag <"$tap_tmp/err"
tap_check 'it has packed the release' test -s "$tap_tmp/here/publish/dist/wordfreq-1.0.tar.gz"

cluster alpha beta
ctl alpha submit "$release" -p version=1.1 --wait >"$tap_tmp/run" 2>"$tap_tmp/told" &
waiter=$!
until_true 20 test -s "$tap_tmp/run" || cli_die 'mpctl submit'
run=$(cat "$tap_tmp/run")
waits()
{
	[ "$(run_field beta "$run" '[.modules[] | select(.state == "unplaceable")] | length')" = 3 ]
}
tap_check 'on a cluster without the tag three modules wait' until_true 20 waits
ctl beta show "$run" >"$tap_tmp/out"
tap_check 'and it is said why' grep -q 'lacks tag build' "$tap_tmp/out"
tap_check 'also to whoever has submitted it and waits' \
	until_true 20 grep -q 'build.*lacks tag build' "$tap_tmp/told"
node_join gamma "$tap_tmp/token" --tag build
ctl beta wait "$run" 2>"$tap_tmp/err"
tap_same 'a node with the tag comes: the run succeeds' 0 $?
tap_diag <"$tap_tmp/err"
wait $waiter
tap_same 'who has waited is told' 0 $?
tap_same 'that node has built' 'gamma gamma gamma' "$(run_field alpha "$run" \
	'[.modules[] | select(.name | startswith("build")) | .node] | join(" ")')"
ctl beta outputs "$run" publish --to "$tap_tmp/there" >/dev/null 2>&1
tar -tzf "$tap_tmp/there/publish/dist/wordfreq-1.1.tar.gz" >"$tap_tmp/list"
tap_same 'what it packed is whole' 0 $?
tap_end
