#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl run: a cluster of one node inside this process, no daemon.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
HOME=$tap_tmp/home
XDG_STATE_HOME=$tap_tmp/xdg
TMPDIR=$tap_tmp/tmp
export HOME XDG_STATE_HOME TMPDIR
mkdir "$HOME" "$TMPDIR"

timeout 50 "$mpctl" run --follow "$top_srcdir/contrib/examples/hello.yaml" \
	>"$tap_tmp/out" 2>"$tap_tmp/err"
tap_same 'mpctl run ends with 0' 0 $?
tap_diag <"$tap_tmp/err"
tap_check 'what a module printed is shown' \
	grep -q 'The most frequent words' "$tap_tmp/err"

printf 'meshpipe: 1\nmodules: { bad: { run: "exit 3" } }\n' >"$tap_tmp/fails.yaml"
timeout 50 "$mpctl" run "$tap_tmp/fails.yaml" >/dev/null 2>&1
tap_same 'a run that failed ends it with 1' 1 $?

printf 'meshpipe: 1\nmodules: { a: { needs: [b], run: [x] }, b: { needs: [a], run: [x] } }\n' \
	>"$tap_tmp/cycle.yaml"
timeout 50 "$mpctl" run "$tap_tmp/cycle.yaml" >/dev/null 2>"$tap_tmp/err"
tap_same 'a cycle ends it with 3' 3 $?
tap_check 'and is printed' grep -q 'a.*b' "$tap_tmp/err"

cat >"$tap_tmp/long.yaml" <<YAML
meshpipe: 1
modules: { long: { run: "echo \$\$ >'$tap_tmp/child'; exec sleep 600" } }
YAML
"$mpctl" run "$tap_tmp/long.yaml" >/dev/null 2>&1 &
pid=$!
cli_pids=$pid
begun()
{
	[ -s "$tap_tmp/child" ]
}
until_true 20 begun || cli_die 'a module runs'
child=$(cat "$tap_tmp/child")
kill -9 $pid
wait $pid 2>/dev/null
cli_forget $pid
tap_check 'SIGKILL of it leaves no child' until_true 10 not kill -0 "$child"
rm "$tap_tmp/child"

"$mpctl" run "$tap_tmp/long.yaml" >/dev/null 2>&1 &
pid=$!
cli_pids=$pid
until_true 20 begun || cli_die 'a module runs'
child=$(cat "$tap_tmp/child")
kill $pid
wait $pid
rc=$?
cli_forget $pid
tap_check "SIGTERM ends it, but not with 0 ($rc)" test $rc -ne 0
tap_check 'and leaves no child' until_true 10 not kill -0 "$child"
tap_end
