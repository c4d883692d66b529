#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What mpctl health says of machines with a wrong clock and a full disk: which they are, for any
# node that is asked, and what to do about it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
ill=$top_builddir/tests/cli/illness.so
[ -e "$ill" ] || ill=$top_builddir/tests/cli/.libs/illness.so

# ill_join NAME VAR=VALUE: a node on such a machine
ill_join()
{
	ill_under=${MP_UNDER-}
	MP_UNDER="env LD_PRELOAD=$ill $2 $ill_under"
	node_join "$1" "$tap_tmp/token"
	MP_UNDER=$ill_under
}

# finds NODE LEVEL WHAT ABOUT WORDS ADVICE
finds()
{
	ctl "$1" health --json >"$tap_tmp/health"
	[ $? -eq 1 ] && jq -e --arg level "$2" --arg what "$3" --arg about "$4" --arg words "$5" \
		--arg advice "$6" 'any(.problems[]; .level == $level and .what == $what and
		(.about // "") == $about and (.text | contains($words)) and
		(.advice | contains($advice)))' "$tap_tmp/health" >/dev/null
}

says()
{
	tap_check "$1" until_true 30 finds "$2" problem "$3" "$4" "$5" "$6"
	tap_diag <"$tap_tmp/health"
}

env LD_PRELOAD="$ill" "$mpnode" --version >"$tap_tmp/version" 2>"$tap_tmp/preload" &&
	[ ! -s "$tap_tmp/preload" ] ||
	tap_skip_all "NOTHING CAN BE PRELOADED ($(tail -n 1 "$tap_tmp/preload")): ILL MACHINES \
WERE NOT TESTED"
cluster alpha beta
ill_join ahead MP_ILL_CLOCK_S=90
says 'a clock that is ahead' alpha clock_skew ahead 'the clock of ahead is 1m 30s ahead of' NTP
says 'it sees that it is its own' ahead own_clock '' 'it is this one that is wrong' NTP
node_stop ahead
ill_join full MP_ILL_DISK=2
says 'a disk that is nearly full' beta disk_low full \
	'the disk with the state directory of full is nearly full' 'make room there'
says 'it says the same' full disk_low full 'less than 5% is free' 'make room there'
node_stop full
tap_end
