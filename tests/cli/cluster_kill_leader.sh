#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the leader, and when it is back, of the next one: the run goes on each time.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 6 12 0.3
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'

# has_other NODE WHO: in the eyes of NODE, somebody else leads
has_other()
{
	case $(run_leader "$1" "$run") in
	'' | "$2") return 1 ;;
	esac
}

until_true 20 has_other alpha nobody || cli_die 'somebody leads the run'
first=$(run_leader alpha "$run")
for witness in alpha beta gamma; do
	[ "$witness" = "$first" ] || break
done
until_true 30 busy_on "$witness" "$run" 6 "$first" || cli_die "modules run on $first"
remember "$witness" "$run"
node_kill "$first"
tap_check 'no child of it is left' until_true 10 no_leftovers "$first"
tap_check 'another node leads' until_true 20 has_other "$witness" "$first"
second=$(run_leader "$witness" "$run")
tap_diag "$first was killed, $second leads"

node_start "$first"
tap_check 'the killed node knows all members again' until_true 20 knows "$first" 3
until_true 30 busy_on "$second" "$run" "$(($(grep -c . "$tap_tmp/finished") + 4))" "$second" ||
	cli_die "modules run on $second"
remember "$second" "$run"
node_kill "$second"
tap_check 'no child of that one is left' until_true 10 no_leftovers "$second"
tap_check 'again another node leads' until_true 20 has_other "$first" "$second"
survived "$first" "$run"
tap_end
