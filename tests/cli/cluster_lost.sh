#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Outputs and logs that are lost with the only node that had them: all that is lost is named after
# one wait, and the rest is there.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

cluster alpha beta
node_join gamma "$tap_tmp/token" --tag fragile
node_stop beta
node_start beta --tag solid
until_true 20 knows alpha 3 || cli_die 'alpha knows all members'

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
name: lost
copies: 1
modules:
  lost:
    requires: { tags: [fragile] }
    matrix: { i: [1, 2, 3, 4, 5] }
    run: echo "said ${matrix.i}"; echo ${matrix.i} >"one-${matrix.i}"; echo 2 >"two-${matrix.i}"
    outputs: ["one-*", "two-*"]
  half:
    requires: { tags: [fragile] }
    run: echo half; echo solid >solid; echo fragile >fragile
    outputs: [solid, fragile]
  kept:
    requires: { tags: [solid] }
    run: echo kept; echo solid >solid
    outputs: [solid]
END
run=$(ctl beta submit "$tap_tmp/p.yaml" --wait 2>/dev/null)
tap_same 'a run whose results are on one node each' 0 $?
# The list of one module's outputs, and the one file that another node has too.
ctl alpha outputs "$run" 'lost[1]' >/dev/null
ctl alpha outputs "$run" half >/dev/null
node_kill gamma

# timed COMMAND...: what it ends with; err and out hold what it says, seconds how long it took
timed()
{
	began=$(date +%s)
	"$@" >"$tap_tmp/out" 2>"$tap_tmp/err"
	status=$?
	seconds=$(($(date +%s) - began))
	return $status
}

timed ctl alpha outputs "$run" --to "$tap_tmp/to"
tap_check "outputs --to says that it failed" test $? -ne 0
tap_check "after one wait ($seconds s)" test "$seconds" -lt 20
tap_diag <"$tap_tmp/err"
for module in 'lost\[2\]' 'lost\[3\]' 'lost\[4\]' 'lost\[5\]' 'lost\[1\]: one-1: no' \
	'lost\[1\]: two-1: no' 'half: fragile: no'; do
	tap_check "it names $module" grep -q "outputs of $module.* live node has" "$tap_tmp/err"
done
tap_same 'what is left of the others is there' 'solid solid' \
	"$(cat "$tap_tmp/to/kept/solid" "$tap_tmp/to/half/solid" | xargs)"

timed ctl alpha outputs "$run" --json
tap_check "the list says that it is not whole" test $? -ne 0
tap_check "after one wait ($seconds s)" test "$seconds" -lt 20
tap_same 'it has the lists that are left' 'half kept lost[1]' "$(jq -r \
	'[.outputs[].module] | unique | join(" ")' "$tap_tmp/out")"
timed ctl alpha show "$run" --json
tap_same 'show --json: done all the same' 0 $?
tap_check "after one wait ($seconds s)" test "$seconds" -lt 20
tap_same 'it knows nothing of four of them' 4 \
	"$(jq '[.modules[] | select(.outputs == null)] | length' "$tap_tmp/out")"
timed ctl alpha logs "$run"
tap_check "logs: one wait ($seconds s)" test "$seconds" -lt 20
tap_check 'what is left is printed' grep -q '^kept | kept$' "$tap_tmp/out"
tap_same 'and what is lost is named' 6 "$(grep -c 'output of .*no live node has' "$tap_tmp/err")"
tap_end
