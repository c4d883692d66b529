#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl verify of a run that was taken over twice: nobody keeps who the electors of the generation
# between were, and the authority that signed the second takeover stands for its terms. What is
# changed in there is no part of a log that holds.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
falsify=$top_builddir/tests/cli/falsify
cluster alpha beta gamma delta epsilon

cat >"$tap_tmp/p.yaml" <<END
meshpipe: 1
defaults: { cache: false }
modules:
  first: { run: "while [ ! -e '$tap_tmp/gate.1' ]; do sleep 0.1; done" }
  second: { needs: [first], run: "while [ ! -e '$tap_tmp/gate.2' ]; do sleep 0.1; done" }
END
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'

# lose_others: all electors but alpha are killed, and alpha takes the run over
stalled()
{
	run_state_is alpha "$run" stalled
}
lose_others()
{
	for node in $(run_field alpha "$run" '.electors[] | select(. != "alpha")'); do
		node_kill "$node"
	done
	until_true 60 stalled || cli_die 'the run is stalled'
	ctl alpha takeover "$run" 2>"$tap_tmp/taken" || cli_die "takeover: $(cat "$tap_tmp/taken")"
}
first_done()
{
	[ "$(run_field alpha "$run" '.modules[0].state')" = succeeded ]
}

lose_others
: >"$tap_tmp/gate.1"
until_true 60 first_done || cli_die 'it goes on in generation 2'
tap_same 'three decide in it' 3 "$(run_field alpha "$run" '.electors | length')"
lose_others
: >"$tap_tmp/gate.2"
ctl alpha wait "$run" 2>/dev/null
tap_same 'it ends in generation 3' '0 3' "$? $(run_field alpha "$run" .generation)"

ctl alpha verify "$run" --json >"$tap_tmp/out" 2>&1
tap_same 'it holds' '0 holds' "$? $(jq -r .verdict "$tap_tmp/out")"
tap_diag <"$tap_tmp/out"
tap_same 'and says who stands for the terms between' note \
	"$(jq -r '.findings[] | select(.check == "term") | .weight' "$tap_tmp/out")"
between=$(jq '.findings[] | select(.check == "term") | .entry' "$tap_tmp/out")

node_stop alpha
"$falsify" "$tap_tmp/alpha/control.db" "$between" -10 || cli_die 'its votes are edited'
node_start alpha
ctl alpha verify "$run" --json >"$tap_tmp/out" 2>&1
tap_same 'a vote in there is edited, and all hashes put right' 8 $?
tap_check 'and nobody takes it for the log of the run' jq -e \
	'any(.findings[]; .check == "end" and .weight == "broken")' "$tap_tmp/out"
tap_diag <"$tap_tmp/out"
tap_end
