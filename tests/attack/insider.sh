#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has taken the key of a node: it comes in as that one, speaks well, and lies.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin
attack_steal delta

attacked alpha lies messages_refused messages_malformed messages_fenced -- \
	"$tap_tmp/delta" "$tap_tmp/alpha"

attack_end
