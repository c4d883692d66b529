#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has taken the key of a node: it comes in as that one, speaks well, and lies.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin
attack_steal delta

attacked alpha lies "$tap_tmp/delta"
attacked alpha datagrams "$tap_tmp/delta"

# What the others can do, where they are and how busy: a line for each, in the eyes of all.
offered()
{
	for attack_node in alpha beta gamma; do
		ctl "$attack_node" nodes --json | jq -Sc '.nodes[] | select(.name != "delta") |
			[.id, .name, .status, .drained, .address, .slots, .used, .attempts, .leads,
			.capabilities] | del(.[-1].disk_free)'
	done | sort -u
}

agreed()
{
	offered >"$tap_tmp/offered" && [ "$(wc -l <"$tap_tmp/offered")" -eq 3 ]
}
until_true 20 agreed || cli_die 'all nodes agree on what they can do'
attacked alpha caps "$tap_tmp/delta"
tap_same 'all nodes know what the others can do' "$(cat "$tap_tmp/offered")" "$(offered)"

# It is given work, of a run that has more of it at once than the others have room for.
printf 'meshpipe: 1\nname: wide\ndefaults: { cache: false }\nmodules:\n' >"$tap_tmp/wide.yaml"
for i in 1 2 3 4 5 6 7 8 9; do
	printf '  w%d: { run: "sleep 1; echo %d >w.txt", outputs: [w.txt] }\n' $i $i
done >>"$tap_tmp/wide.yaml"
attack_begun alpha worker "$tap_tmp/delta"
until_true 20 grep -q '^in' "$tap_tmp/attacked" || cli_die 'delta is in'
wide=$(ctl alpha submit "$tap_tmp/wide.yaml") || cli_die 'mpctl submit'
attack_over worker
ctl alpha wait "$wide" 2>&1 | tap_diag
tap_same 'what it has forged is run elsewhere' succeeded "$(run_field beta "$wide" .state)"
tap_same 'none of the run is its work' 0 "$(run_field beta "$wide" \
	'[.modules[] | select(.node == "delta" or .state != "succeeded")] | length')"

attacked alpha blobs "$tap_tmp/delta"
attack_victims=$tap_tmp/alpha,$tap_tmp/beta,$tap_tmp/gamma
attacked alpha dialled "$tap_tmp/delta"
attack_victims=

# One that has begun anew since it was told.
node_join epsilon "$tap_tmp/enemy" --slots 0
attack_begun epsilon replay "$tap_tmp/delta" epsilon "$tap_tmp/anew"
until_true 20 grep -q '^in' "$tap_tmp/attacked" || cli_die 'delta is in'
node_kill epsilon
node_start epsilon --slots 0
: >"$tap_tmp/anew"
attack_over replay

# Its key is shut out while it is in.
attack_begun alpha revoked "$tap_tmp/delta"
until_true 20 grep -q '^in' "$tap_tmp/attacked" || cli_die 'delta is in'
ctl alpha revoke delta >/dev/null 2>&1 || cli_die 'mpctl revoke'
attack_over revoked

attack_end
