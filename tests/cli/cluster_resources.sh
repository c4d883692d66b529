#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What can be counted: modules wait for it, of two runs together no more of it is in use than there
# is, and what nobody has is told.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# pipeline NAME: four modules that take one of two rigs each, and one that takes both
pipeline()
{
	printf 'meshpipe: 1\nname: %s\ndefaults: { cache: false, resources: { rig: 1 } }\n' "$1"
	printf 'env: { JOURNAL: "%s" }\nmodules:\n' "$tap_tmp/journal"
	for i in 1 2 3 4; do
		printf '  m%d: { run: %s }\n' $i \
			'"echo begin 1 >>$JOURNAL; sleep 0.4; echo end 1 >>$JOURNAL"'
	done
	printf '  both: { resources: { rig: 2, memory: 1MiB }, run: %s }\n' \
		'"echo begin 2 >>$JOURNAL; sleep 0.4; echo end 2 >>$JOURNAL"'
}

unplaceable()
{
	[ "$(run_field alpha "$1" '[.modules[].state] | unique | join(",")')" = unplaceable ]
}

# The most that was in use at a time.
most()
{
	awk '$1 == "begin" { n += $2 } $1 == "end" { n -= $2 } n > most { most = n }
		END { print most + 0 }' "$tap_tmp/journal"
}

: >"$tap_tmp/journal"
cli_slots=4
cluster alpha beta gamma
pipeline one >"$tap_tmp/one.yaml"
pipeline two >"$tap_tmp/two.yaml"
one=$(ctl alpha submit "$tap_tmp/one.yaml")
tap_check 'nobody has a rig' until_true 20 unplaceable "$one"
tap_same 'it says so' true "$(ctl alpha show "$one" | grep -q 'lacks resource rig' && echo true)"
two=$(ctl beta submit "$tap_tmp/two.yaml")
ctl gamma node set --resource rig=2
ctl alpha wait "$one" 2>/dev/null
tap_same 'one run succeeds' 0 $?
ctl beta wait "$two" 2>/dev/null
tap_same 'the other one too' 0 $?
tap_same 'all of it where the rigs are' gamma \
	"$(run_field alpha "$two" '[.modules[].node] | unique | join(",")')"
tap_same 'never more than there are' 2 "$(most)"
tap_same 'each module ran once' 10 "$(grep -c begin "$tap_tmp/journal")"
tap_end
