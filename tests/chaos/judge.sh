#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What judge.awk holds against a run, and what not.
. "${top_srcdir:=.}/tests/tap.sh"

# judged WHAT PATTERN: of $tap_tmp/faults and $tap_tmp/journal; an empty pattern: nothing is wrong
judged()
{
	awk -f "$top_srcdir/tests/chaos/judge.awk" "$tap_tmp/faults" "$tap_tmp/journal" |
		grep -v '^#' >"$tap_tmp/verdict"
	if [ -z "$2" ]; then
		tap_same "$1" '' "$(cat "$tap_tmp/verdict")"
	else
		tap_check "$1" grep -q "$2" "$tap_tmp/verdict"
		tap_same "$1: nothing else is wrong" 1 "$(grep -c . "$tap_tmp/verdict")"
	fi
}

cat >"$tap_tmp/faults" <<END
finished a 1500
hurt n1 2000 3000
END
cat >"$tap_tmp/journal" <<END
begin a 1 n1 1 1000
end a 1 n1 1 1200
begin b 1 n1 1 1900
begin c 1 n1 1 1800
end c 1 n1 1 1990
begin d 1 n1 1 2010
end d 1 n1 1 2100
begin e 1 n2 1 1900
begin b 2 n2 2 3500
begin c 2 n2 2 3500
begin d 2 n2 2 3500
end e 1 n2 1 3600
END
judged 'who ran on a killed node may run again, once' ''
cp "$tap_tmp/journal" "$tap_tmp/good"
echo 'begin a 2 n2 2 3500' >>"$tap_tmp/journal"
judged 'what was finished may not' '^a was finished'
(cat "$tap_tmp/good" && echo 'begin e 2 n3 2 3700') >"$tap_tmp/journal"
judged 'what ran on a node that was well may not' '^e began on n3, although n2'
(cat "$tap_tmp/good" && echo 'begin b 3 n3 2 3700') >"$tap_tmp/journal"
judged 'nor a third time' '^b began on n3, although n2'
(echo 'begin f 1 n1 1 -9000' && echo 'end f 1 n1 1 -8000' && cat "$tap_tmp/good" &&
	echo 'begin f 2 n3 2 3700') >"$tap_tmp/journal"
judged 'what ended long before the kill was taken' '^f began on n3, but had ended on n1 10000 ms'
echo 'cut n2 2000 3000' >>"$tap_tmp/faults"
(cat "$tap_tmp/good" && echo 'begin g 1 n2 1 2500' &&
	echo 'begin g 1 n3 2 3700') >"$tap_tmp/journal"
judged 'what began on a leader that was cut off may run again' ''
(cat "$tap_tmp/good" && echo 'begin g 1 n2 1 1900' &&
	echo 'begin g 1 n3 2 3700') >"$tap_tmp/journal"
judged 'but not what began there before' '^g began on n3, although n2'
tap_end
