#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a module reads is damaged on the disk of the node that runs it, and whole elsewhere: the
# copy is forgotten and brought anew, and no module fails for it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq sqlite3

cluster alpha beta gamma
cat >"$tap_tmp/p.yaml" <<END
meshpipe: 1
name: damage
defaults: { cache: false }
modules:
  makes:
    run: head -c 300000 /dev/urandom >big
    outputs: [big]
  gate:
    needs: [makes]
    run: "until [ -e $tap_tmp/go ]; do sleep 0.1; done"
  reads:
    needs: [makes, gate]
    matrix: { i: [1, 2, 3, 4, 5, 6] }
    run: cat big >read-\$MP_MATRIX_I
    outputs: ["read-*"]
END
run=$(ctl alpha submit "$tap_tmp/p.yaml")
gate_runs()
{
	ctl alpha show "$run" --json |
		jq -e '.modules[] | select(.name == "gate" and .state == "running")' >/dev/null
}
until_true 30 gate_runs || cli_die 'the gate runs'
maker=$(run_field alpha "$run" '.modules[0].node')
blob=$(run_field alpha "$run" '.modules[0].outputs[0].blob')
chunks=$(sqlite3 "$tap_tmp/$maker/cache.db" '.timeout 5000' \
	"UPDATE chunk SET data = zeroblob(length(data)) WHERE length(data) > 60000;
	SELECT changes()")
tap_check "the copy of $maker is damaged" test "$chunks" -gt 0
touch "$tap_tmp/go"
ctl alpha wait "$run" 2>"$tap_tmp/err"
tap_same 'the run succeeds' 0 $?
tap_diag <"$tap_tmp/err"
tap_same 'all read the same' 1 "$(run_field alpha "$run" \
	'[.modules[] | select(.name | startswith("reads")) | .outputs[0].blob] | unique | length')"
tap_same 'which is what was made' "$blob" "$(run_field alpha "$run" '.modules[2].outputs[0].blob')"
tap_same 'no attempt was one that failed' '[]' \
	"$(run_field alpha "$run" '[.modules[] | select(.attempts > 1 + .lost)]' | tr -d ' \n')"
tap_end
