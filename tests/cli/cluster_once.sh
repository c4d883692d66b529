#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A `once` module never runs twice without an operator: SIGKILL of its worker, of the leader, and a
# worker that stands still for longer than a lease.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cli_slots=1
cluster alpha beta gamma
: >"$tap_tmp/journal"

# pipeline FILE SECONDS: `deploy` once, and `after` it
pipeline()
{
	cat >"$1" <<-END
		meshpipe: 1
		name: once
		env: { JOURNAL: "$tap_tmp/journal" }
		modules:
		  deploy:
		    once: true
		    run: |
		      echo "begin \$MP_RUN \$MP_NODE" >>"\$JOURNAL"
		      sleep $2
		      echo "end \$MP_RUN \$MP_NODE" >>"\$JOURNAL"
		  after:
		    needs: [deploy]
		    run: echo "after \$MP_RUN" >>"\$JOURNAL"
	END
}

# journal WORD RUN: how often it stands there
journal()
{
	grep -c "^$1 $2" "$tap_tmp/journal"
}

deploy_is()
{
	[ "$(run_field "$1" "$2" '.modules[] | select(.name == "deploy") | .state')" = "$3" ]
}

# deploying NODE: submits there; $run, $worker and $leader, once the command runs
deploying()
{
	run=$(ctl "$1" submit "$tap_tmp/p.yaml") || cli_die 'submit'
	until_true 30 grep -q "^begin $run" "$tap_tmp/journal" || cli_die 'deploy begins'
	worker=$(awk -v run="$run" '$1 == "begin" && $2 == run { print $3 }' "$tap_tmp/journal")
	leader=$(run_leader "$1" "$run")
	for witness in alpha beta gamma; do
		[ "$witness" = "$worker" ] || [ "$witness" = "$leader" ] || break
	done
}

# resolved NODE HOW: the operator's word, and the end of the run
resolved()
{
	ctl "$1" resolve "$run" deploy "$2" 2>"$tap_tmp/resolve.err"
	tap_same "resolve $2" 0 $?
	tap_diag <"$tap_tmp/resolve.err"
	ctl "$1" wait "$run" 2>"$tap_tmp/wait.err"
	tap_same 'the run succeeds' 0 $?
	tap_diag <"$tap_tmp/wait.err"
	tap_same 'what needs it ran once' 1 "$(journal after "$run")"
}

pipeline "$tap_tmp/p.yaml" 6
deploying alpha
ctl "$witness" resolve "$run" deploy done 2>/dev/null
tap_same 'what runs is not resolved' 2 $?

# SIGKILL of the worker; it comes back before anybody says anything.
node_kill "$worker"
tap_check 'its child is killed' until_true 10 no_leftovers "$worker"
tap_check 'it may have run' until_true 60 deploy_is "$witness" "$run" maybe_ran
node_start "$worker"
until_true 30 knows "$witness" 3 || cli_die "$worker is back"
ctl "$witness" wait "$run" --timeout 5 2>"$tap_tmp/wait.err"
tap_same 'the run waits' 7 $?
tap_check 'and says what for' grep -q "mpctl resolve .* deploy done|rerun" "$tap_tmp/wait.err"
tap_check 'so does show' sh -c "'$mpctl' --state '$tap_tmp/$witness' show '$run' |
	grep -q 'deploy.*maybe_ran.*$worker.*mpctl resolve'"
tap_same 'it has run once' 1 "$(journal begin "$run")"
resolved "$worker" rerun
tap_same 'and now twice' 2 "$(journal begin "$run")"
tap_same 'the second time to the end' 1 "$(journal end "$run")"

# SIGKILL of the leader, which does not run it: it goes on under the next one.
for _ in 1 2 3 4 5 6; do
	deploying alpha
	[ "$worker" = "$leader" ] || break
	ctl alpha wait "$run" >/dev/null 2>&1
done
if [ "$worker" = "$leader" ]; then
	tap_skip 'another leader goes on' 'no leader had it run elsewhere'
else
	node_kill "$leader"
	ctl "$witness" wait "$run" 2>"$tap_tmp/wait.err"
	tap_same 'another leader goes on' 0 $?
	tap_diag <"$tap_tmp/wait.err"
	tap_same 'it ran once' 1 "$(journal begin "$run")"
	tap_same 'to the end' 1 "$(journal end "$run")"
	node_start "$leader"
	until_true 30 knows "$witness" 3 || cli_die "$leader is back"
fi

# A worker that stands still: the executor kills what has no lease any more, and its word counts.
pipeline "$tap_tmp/p.yaml" 300
deploying alpha
pid=$(node_pid "$worker")
[ "$witness" != "$worker" ] || cli_die 'a witness'
kill -STOP "$pid"
tap_check 'without a lease it is killed' until_true 60 no_leftovers "$worker"
tap_check 'it may have run, as far as the others know' \
	until_true 60 deploy_is "$witness" "$run" maybe_ran
kill -CONT "$pid"
until_true 30 knows "$witness" 3 || cli_die "$worker is back"
# Its word: first that it has it, then how that ended.
told()
{
	run_field "$witness" "$run" '.modules[] | select(.name == "deploy") |
		select(.state == "maybe_ran") | .why' | grep -q killed
}
tap_check 'and as far as it knows itself' until_true 30 told
tap_same 'it has run once' 1 "$(journal begin "$run")"
resolved "$worker" "done"
tap_same 'and never again' 1 "$(journal begin "$run")"
tap_same 'show says who said so' 1 "$(run_field "$witness" "$run" '.modules[] |
	select(.name == "deploy") | .why' | grep -c 'done, as .* said')"
tap_end
