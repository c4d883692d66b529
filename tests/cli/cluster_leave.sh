#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Leaving for ever: what only the leaving node has goes to others first, what it leads goes on, and
# what it cannot make good is refused.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# leave NAME [--force]: its exit status; what it says is in NAME.left
leave()
{
	cli_leaver=$1
	shift
	timeout 100 "$mpnode" leave "$@" --state "$tap_tmp/$cli_leaver" \
		2>"$tap_tmp/$cli_leaver.left"
	cli_status=$?
	tap_diag <"$tap_tmp/$cli_leaver.left"
	return $cli_status
}

# ended NAME: what its daemon ends with
ended()
{
	cli_pid=$(node_pid "$1")
	wait "$cli_pid"
	cli_status=$?
	cli_forget "$cli_pid"
	return $cli_status
}

# shows_left NODE NAME
shows_left()
{
	[ "$(ctl "$1" nodes --json | jq -r --arg name "$2" \
		'.nodes[] | select(.name == $name) | .state')" = left ]
}

said()
{
	grep -q "$2" "$tap_tmp/$1.left"
}

cluster alpha beta gamma
node_join delta "$tap_tmp/token" --tag only
until_true 20 knows alpha 4 || cli_die 'alpha knows all members'

# What is on one node, which is no elector either.
cat >"$tap_tmp/only.yaml" <<'END'
meshpipe: 1
name: only
copies: 1
modules:
  make:
    requires: { tags: [only] }
    run: echo precious; seq 1000 >numbers
    outputs: [numbers]
END
only=$(ctl alpha submit "$tap_tmp/only.yaml" --wait 2>/dev/null)
tap_same 'a run whose result is on one node' 0 $?
leave delta
tap_same 'the node that has the only copy leaves' 0 $?
ended delta
tap_same 'it ends with 0' 0 $?
tap_check 'the others know' until_true 20 shows_left beta delta
seq 1000 >"$tap_tmp/numbers"
ctl beta outputs "$only" make --to "$tap_tmp/out" >/dev/null
tap_check 'its outputs are elsewhere' cmp "$tap_tmp/numbers" "$tap_tmp/out/make/numbers"
tap_same 'and its log' precious "$(ctl gamma logs "$only" make)"

cp "$tap_tmp/alpha/authority.key" "$tap_tmp/beta/"
ctl beta invite >"$tap_tmp/token2"
tap_same "the authority key works elsewhere" 0 $?

# In the middle of a run that it leads, with attempts of its own.
journal_pipeline "$tap_tmp/p.yaml" 6 4 0.5
run=$(ctl gamma submit "$tap_tmp/p.yaml")
until_true 30 busy_on alpha "$run" 4 gamma || cli_die 'modules run on gamma'
tap_same 'the opener leads' gamma "$(run_leader alpha "$run")"
remember alpha "$run"
leave gamma
tap_same 'the leader leaves' 0 $?
ended gamma
tap_same 'it ends with 0' 0 $?
survived beta "$run"
tap_same 'no module began twice' '' "$(grep '^begin' "$tap_tmp/journal" | cut -d ' ' -f 2 |
	sort | uniq -d)"
tap_check 'the others know' until_true 20 shows_left alpha gamma

# Of two, the opener is the only elector; the other one mirrors its log.
cat >"$tap_tmp/slow.yaml" <<'END'
meshpipe: 1
name: slow
modules: { wait: { run: sleep 300 } }
END
slow=$(ctl beta submit "$tap_tmp/slow.yaml")
leave beta
tap_same 'a run goes on only with this node: refused' 1 $?
tap_check 'it says which' said beta 'run slow goes on only'
tap_check 'it serves as before' knows beta 2
cancelled()
{
	ctl beta cancel "$slow" >/dev/null 2>&1
	run_state_is beta "$slow" cancelled
}
tap_check 'the run is cancelled' until_true 20 cancelled
leave beta
tap_same 'now it may leave' 0 $?
ended beta
tap_same 'it ends with 0' 0 $?
tap_same 'the mirror shows the run' cancelled "$(run_field alpha "$slow" '.modules[0].state')"
tap_check 'the last one knows' until_true 20 shows_left alpha beta

node_stop alpha
leave alpha
tap_same 'a node that does not run cannot leave' 1 $?
tap_check 'it says what to do' said alpha 'no node runs .*mpnode start'
node_start alpha
leave alpha
tap_same 'the last one has runs: refused' 1 $?
tap_check 'it says which' said alpha 'only this node can still show [0-9]* of the runs'
leave alpha --force
tap_same 'the last one leaves by force' 0 $?
ended alpha
tap_same 'it ends with 0' 0 $?
for command in start "join 127.0.0.1:1 --token-file $tap_tmp/token"; do
	# shellcheck disable=SC2086
	"$mpnode" $command --state "$tap_tmp/alpha" --listen 127.0.0.1:0 2>"$tap_tmp/alpha.left"
	tap_same "whoever left never comes back: ${command%% *}" 3 $?
	tap_check 'it says what to do' said alpha 'left its cluster for ever; use a new state dir'
done

# One that has nothing goes at once.
node_start single
leave single
tap_same 'a cluster of one, without runs' 0 $?
ended single
tap_same 'it ends with 0' 0 $?
tap_end
