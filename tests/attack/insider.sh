#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has taken the key of a node: it comes in as that one, speaks well, and lies.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin
attack_steal delta

attacked alpha lies "$tap_tmp/delta"
attacked alpha datagrams "$tap_tmp/delta"
attacked alpha blobs "$tap_tmp/delta"
attack_victims=$tap_tmp/alpha,$tap_tmp/beta,$tap_tmp/gamma
attacked alpha dialled "$tap_tmp/delta"
attack_victims=

# Its key is shut out while it is in.
attack_begun alpha revoked "$tap_tmp/delta"
until_true 20 grep -q '^in' "$tap_tmp/attacked" || cli_die 'delta is in'
ctl alpha revoke delta >/dev/null 2>&1 || cli_die 'mpctl revoke'
attack_over revoked

attack_end
