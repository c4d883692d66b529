#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A copy of a node's state directory is started elsewhere: both stop, in the middle of a run, which
# goes on without them; the others say who it was; one of them comes back as the same node.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 4 12 0.4
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'
until_true 30 busy_on alpha "$run" 4 gamma || cli_die 'modules run on gamma'
remember alpha "$run"

# copy_of NODE DIR; what serves on its old port does not know of it.
copy_of()
{
	cp -a "$tap_tmp/$1" "$tap_tmp/$2"
	rm -f "$tap_tmp/$2/port" "$tap_tmp/$2/network"
}
start_copy()
{
	"$mpnode" start --state "$tap_tmp/copy" --listen 127.0.0.1:0 --slots "$cli_slots" \
		</dev/null >"$tap_tmp/copy.ready" 2>"$tap_tmp/copy.log" &
	printf '%s\n' $! >"$tap_tmp/copy.pid"
	cli_pids="$cli_pids $!"
}
gone()
{
	! kill -0 "$1" 2>/dev/null
}
# ended NODE: its exit status
ended()
{
	pid=$(node_pid "$1")
	until_true 30 gone "$pid" || return 99
	wait "$pid"
	status=$?
	cli_forget "$pid"
	return $status
}
says_why()
{
	grep -q 'quarantine: another node runs, or ran, with this node.s key' "$tap_tmp/$1.log"
}
# ill NODE WHO: health at NODE names it, and fails
ill()
{
	! ctl "$1" health >"$tap_tmp/health" 2>&1 &&
		grep -q "$2 is shut out: two nodes ran with its key" "$tap_tmp/health"
}
copy_of gamma copy
start_copy
ended copy
tap_same 'the copy stops, for good' 3 $?
ended gamma
tap_same 'the original does as well' 3 $?
tap_check 'the copy says why' says_why copy
tap_check 'the original says why' says_why gamma
node_log copy
for node in alpha beta; do
	tap_check "$node says who it was" until_true 10 ill "$node" gamma
done
tap_diag <"$tap_tmp/health"
tap_same 'in JSON it is offline' offline \
	"$(ctl alpha nodes --json | jq -r '.nodes[] | select(.name == "gamma") | .status')"
survived alpha "$run"
for node in gamma copy; do
	"$mpnode" start --state "$tap_tmp/$node" </dev/null >/dev/null 2>"$tap_tmp/start.err"
	tap_same "$node does not start again" 3 $?
	tap_check 'and says what to do' grep -q 'mpnode join --again' "$tap_tmp/start.err"
done
rm -rf "$tap_tmp/copy"
cli_serve gamma join --again "$(node_address alpha)" --listen 127.0.0.1:0 --slots "$cli_slots"
tap_check 'it comes back' until_true 30 knows alpha 3
well()
{
	ctl alpha health >/dev/null
}
tap_check 'and all is well' until_true 30 well
run=$(ctl gamma submit "$tap_tmp/p.yaml") || cli_die 'submit once more'
until_true 30 busy_on alpha "$run" 1 gamma || cli_die 'modules run on gamma once more'

# Two that are started from one copy have the same boot counter.
node_stop gamma
copy_of gamma copy
start_copy
try_start gamma
ended copy
tap_same 'of two from one copy, one stops' 3 $?
ended gamma
tap_same 'and the other' 3 $?
tap_check 'the run goes on' test "$(run_field alpha "$run" .state)" = running
ctl alpha cancel "$run" >/dev/null
tap_end
