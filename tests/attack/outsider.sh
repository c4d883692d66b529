#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who has no business here: streams that are bent, certificates that are forged, those who were
# invited and say more than that they want to join.
. "${top_srcdir:=.}/tests/attack/lib.sh"
attack_begin

attacked alpha bytes streams_rejected
attacked alpha order streams_rejected
attacked beta versions streams_rejected
attacked alpha certificates streams_rejected
attacked beta knocks streams_rejected streams_broken
attacked gamma strangers messages_refused messages_malformed joins_refused
attack_people
attacked gamma clients requests_refused

attack_end
