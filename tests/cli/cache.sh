#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl cache: what there is, and whether it is sound; a byte that a disk got wrong is found.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha
cat >"$tap_tmp/p.yaml" <<'YAML'
meshpipe: 1
modules:
  a:
    outputs: [out]
    run: echo "the-quick-brown-marker" >out; echo said
YAML
ctl alpha submit "$tap_tmp/p.yaml" --wait >/dev/null 2>&1 || cli_die 'a run'

stat_field()
{
	ctl alpha cache stat --json | jq -r "$1"
}

filed()
{
	[ "$(stat_field .results)" -eq 1 ]
}

tap_check 'its result is kept to be used again' until_true 10 filed
tap_check 'and so are its blobs' test "$(stat_field .blobs)" -ge 3
tap_check 'sizes are numbers' test "$(stat_field '.bytes > 0 and .stored_bytes > 0')" = true
ctl alpha cache >"$tap_tmp/out"
tap_check 'without a word it is stat' grep -q '^results *1$' "$tap_tmp/out"

ctl alpha cache check --json >"$tap_tmp/out"
tap_same 'a sound cache' 0 $?
tap_same 'is called sound' 'sound 1 0 0' \
	"$(jq -r '"\(.database) \(.results) \(.damaged_results) \(.damaged | length)"' \
		"$tap_tmp/out")"
tap_same 'all of it is read' "$(stat_field .blobs)" "$(jq .blobs "$tap_tmp/out")"

ctl alpha cache nonsense >/dev/null 2>"$tap_tmp/err"
tap_same 'another word is refused' 2 $?
ctl alpha cache gc >/dev/null 2>"$tap_tmp/err"
tap_same 'gc is refused' 2 $?
tap_check 'with the reason' grep -q 'not available in this version' "$tap_tmp/err"

# One byte of the output, which is too short to be stored packed.
node_stop alpha
at=$(LC_ALL=C grep -abo 'the-quick-brown-marker' "$tap_tmp/alpha/cache.db" | head -n 1)
[ -n "$at" ] || cli_die 'the output is in the file'
printf X | dd of="$tap_tmp/alpha/cache.db" bs=1 seek="${at%%:*}" conv=notrunc 2>/dev/null
node_start alpha
ctl alpha cache check --json >"$tap_tmp/out" 2>"$tap_tmp/err"
tap_same 'a wrong byte is found' 1 $?
tap_same 'one blob is named' 1 "$(jq '.damaged | length' "$tap_tmp/out")"
tap_check 'and it is said what becomes of it' grep -q '1 blobs were damaged' "$tap_tmp/err"
ctl alpha cache check >/dev/null 2>&1
tap_same 'it is forgotten' 0 $?
node_stop alpha
tap_same 'the node stops cleanly' 0 $?
tap_end
