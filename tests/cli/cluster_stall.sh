#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two of three nodes are killed: the run stalls and says who is missing, and goes on by itself when
# one is back. SIGTERM of the leader: it hands over. The log tells of all of it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 4 12 0.3
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'

# Somebody leads, and a module runs there.
led()
{
	leader=$(run_leader alpha "$run")
	[ -n "$leader" ] && busy_on alpha "$run" 2 "$leader"
}

stalled_names()
{
	ctl "$1" show "$run" --json >"$tap_tmp/show.json" &&
		jq -e --arg a "$2" --arg b "$3" '.state == "stalled" and
			(.why | contains($a)) and (.why | contains($b))' "$tap_tmp/show.json" \
			>/dev/null
}

until_true 30 led || cli_die 'modules run where the run is led'

# SIGTERM of the leader: no election is waited for.
for witness in alpha beta gamma; do
	[ "$witness" = "$leader" ] || break
done
has_other()
{
	case $(run_leader "$witness" "$run") in
	'' | "$leader") return 1 ;;
	esac
}
began=$(date +%s%N)
kill "$(node_pid "$leader")"
tap_check 'another node leads' until_true 20 has_other
tap_diag "handed over within $((($(date +%s%N) - began) / 1000000)) ms"
until_true 70 not kill -0 "$(node_pid "$leader")" 2>/dev/null || cli_die "$leader stops"
node_start "$leader"
until_true 30 knows "$witness" 3 || cli_die "$leader is back"

# Two of three.
for first in alpha beta gamma; do
	[ "$first" = "$witness" ] || break
done
for second in gamma beta alpha; do
	[ "$second" = "$witness" ] || [ "$second" = "$first" ] || break
done
node_kill "$first"
node_kill "$second"
tap_check 'the run is stalled, and says who is missing' \
	until_true 20 stalled_names "$witness" "$first" "$second"
jq -r .why "$tap_tmp/show.json" | tap_diag
ctl "$witness" wait "$run" --timeout 3 2>"$tap_tmp/wait.err"
tap_same 'it waits' 7 $?
remember "$witness" "$run"
node_start "$first"
survived "$witness" "$run"

ctl "$witness" show "$run" --events --json >"$tap_tmp/events.json"
tap_same 'the log is told' 0 $?
events()
{
	jq "[.events[] | select($1)] | length" "$tap_tmp/events.json"
}
tap_same 'it began once' 1 "$(events '.event == "opened"')"
tap_check 'several led it' test "$(events '.event == "led" and .node != null')" -gt 1
tap_same 'each module succeeded once' 49 "$(events '.event == "succeeded" and .module != null')"
tap_same 'it ended' '"succeeded"' "$(jq '.events[-1].text' "$tap_tmp/events.json")"
tap_check 'in words' sh -c "'$mpctl' --state '$tap_tmp/$witness' show '$run' --events |
	grep -q '^[^ ]* [^ ]* *assigned *m-1-1 '"
tap_end
