#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has no business here: streams that are bent, certificates that are forged, those who were
# invited and say more than that they want to join.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin

attacked alpha bytes streams_rejected streams_throttled
attacked alpha order streams_rejected streams_throttled
attacked beta versions streams_rejected streams_throttled
attacked alpha certificates streams_rejected streams_throttled
attacked beta knocks streams_rejected streams_broken streams_throttled
attacked gamma strangers messages_refused messages_malformed joins_refused \
	streams_throttled

attack_end
