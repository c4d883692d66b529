#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two nodes. The one that decides alone is killed in the middle of a run; the other one, its mirror,
# takes the run over when an authority whose key is off-line says so, and ends it without running
# again what it knows to be finished. The dead one comes back and sees that.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta
journal_pipeline "$tap_tmp/p.yaml" 3 4 1
run=$(ctl beta submit "$tap_tmp/p.yaml") || cli_die 'the run is submitted'
tap_same 'who took it decides alone' beta "$(run_field alpha "$run" '.electors | join(" ")')"
some_done()
{
	ctl alpha show "$run" --json |
		jq -e '([.modules[] | select(.state == "succeeded")] | length) >= 3' >/dev/null
}
until_true 30 some_done || cli_die 'some modules have ended'
tap_check 'a run that goes on by itself is not taken over' not ctl alpha takeover "$run"
node_kill beta
stalled()
{
	run_state_is alpha "$run" stalled
}
tap_check 'without it the run is stalled' until_true 30 stalled
remember alpha "$run"
# far NAME ARG...: mpctl as that person, from a machine that is no node
far()
{
	far_who=$1
	shift
	MP_STATE="$tap_tmp/no node" timeout 50 "$mpctl" --node "$(node_address alpha)" \
		--identity "$tap_tmp/$far_who" "$@"
}
for name in ada sam; do
	"$mpctl" identity new --out "$tap_tmp/$name" --name "$name" >/dev/null 2>&1
	role=submit
	[ $name = sam ] || role=admin
	ctl alpha admit --request "$tap_tmp/$name.request" --role "$role" >"$tap_tmp/token"
	"$mpctl" identity accept "$tap_tmp/token" --identity "$tap_tmp/$name" >/dev/null
done
ctl alpha authority export --to "$tap_tmp/authority" >/dev/null
ctl alpha authority new --to "$tap_tmp/stranger" >/dev/null
for where in 'ctl alpha' 'far ada'; do
	$where takeover "$run" 2>"$tap_tmp/taken"
	tap_same "$where: without the authority nothing is taken over" 5 $?
	tap_check 'it says what to do' grep -q -e '--authority' "$tap_tmp/taken"
	$where takeover "$run" --authority "$tap_tmp/stranger" 2>"$tap_tmp/taken"
	tap_same "$where: nor with the key of somebody else" 5 $?
	tap_check 'it says why' grep -q 'no authority of this cluster' "$tap_tmp/taken"
done
far sam takeover "$run" --authority "$tap_tmp/authority" 2>"$tap_tmp/taken"
tap_same 'nor by somebody who may only submit' 5 $?
far ada takeover "$run" --authority "$tap_tmp/authority" 2>"$tap_tmp/taken" ||
	cli_die "mpctl takeover: $(cat "$tap_tmp/taken")"
tap_same 'what begins is said' 1 "$(grep -c 'generation 2 begins after entry' "$tap_tmp/taken")"
survived alpha "$run"
tap_same 'the generation is shown' 2 "$(run_field alpha "$run" .generation)"
tap_same 'and who decides in it' alpha "$(run_field alpha "$run" '.electors | join(" ")')"
node_start beta
learned()
{
	[ "$(run_field beta "$run" '.state + " " + (.generation | tostring)')" = 'succeeded 2' ]
}
tap_check 'the dead one comes back and knows' until_true 30 learned

# verified RUN: nothing that was signed is contradicted, the takeover is named
verified()
{
	ctl alpha verify "$1" --json >"$tap_tmp/verified"
	jq -e '.broken == 0 and .generation == 2 and any(.findings[]; .check == "takeover")' \
		"$tap_tmp/verified" >/dev/null || ! tap_diag <"$tap_tmp/verified"
}
tap_check 'what both generations signed holds' verified "$run"

# One that may go on by itself does.
journal_pipeline "$tap_tmp/p.yaml" 3 4 1
echo 'failover: survivor' >>"$tap_tmp/p.yaml"
run=$(ctl beta submit "$tap_tmp/p.yaml") || cli_die 'the second run is submitted'
until_true 30 some_done || cli_die 'some modules of it have ended'
remember alpha "$run"
node_kill beta
survived alpha "$run"
tap_same 'the survivor has taken it over' 'alpha 2' \
	"$(run_field alpha "$run" '(.electors | join(" ")) + " " + (.generation | tostring)')"
tap_check 'and signed that' verified "$run"
tap_end
