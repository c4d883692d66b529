#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A run's only elector loses its log and comes back without it: nobody can decide in that run any
# more. Every node says so and what helps: a takeover, which goes on from what the mirror has. One
# of which nobody has the log any more says that, too.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta
journal_pipeline "$tap_tmp/p.yaml" 3 5 0.7
run=$(ctl beta submit "$tap_tmp/p.yaml") || cli_die 'submit'
tap_same 'who took it decides alone' beta "$(run_field alpha "$run" '.electors | join(" ")')"
until_true 30 busy_on alpha "$run" 3 beta || cli_die 'some modules have ended'

# without NODE SEED: it comes back without its database
without()
{
	node_kill "$1"
	rm -f "$tap_tmp/$1"/control.db*
	cli_serve "$1" join --again "$(node_address "$2")" --listen 127.0.0.1:0 \
		--slots "$cli_slots"
}
without beta alpha
# stalled NODE
stalled()
{
	run_state_is "$1" "$run" stalled
}
# says FILE TEXT COMMAND...
says()
{
	file=$tap_tmp/$1
	text=$2
	shift 2
	"$@" >"$file" 2>&1
	grep -q "$text" "$file"
}
for node in alpha beta; do
	tap_check "$node shows that it stands still" until_true 30 stalled "$node"
	tap_check "$node shows why" says show 'lost its log' ctl "$node" show "$run"
	tap_check "health of $node says what helps" says health "mpctl takeover" ctl "$node" health
	tap_diag <"$tap_tmp/health"
	ctl "$node" wait "$run" --timeout 2s >"$tap_tmp/wait" 2>&1
	tap_same "wait at $node goes on" 7 $?
	tap_check 'and says what helps' grep -q "stands still: .*mpctl takeover" "$tap_tmp/wait"
done
tap_diag <"$tap_tmp/wait"
tap_check 'it cannot be cancelled, and that says what helps' says cancel 'mpctl takeover' \
	ctl alpha cancel "$run"
remember alpha "$run"
tap_check 'it is taken over' ctl alpha takeover "$run"
survived alpha "$run"

# Both lose what they had.
journal_pipeline "$tap_tmp/p.yaml" 3 5 1
run=$(ctl beta submit "$tap_tmp/p.yaml") || cli_die 'submit once more'
until_true 30 busy_on alpha "$run" 3 beta || cli_die 'some modules have ended once more'
without beta alpha
short=${run%????????????????????}
until_true 40 says runs "$short" ctl beta runs || cli_die 'beta knows of the run'
without alpha beta
until_true 40 says runs "$short" ctl alpha runs || cli_die 'alpha knows of the run'
tap_check 'nobody has its log, and takeover says so' says takeover 'submit it again' \
	ctl alpha takeover "$run"
tap_diag <"$tap_tmp/takeover"
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submitted again'
ctl alpha wait "$run" >/dev/null 2>&1
tap_same 'which works' 0 $?
tap_end
