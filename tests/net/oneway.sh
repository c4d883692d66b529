#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A worker that cannot be heard, or hears nobody, or neither, for a while: what it did comes in soon
# after.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3
late_ms=7000

cat >"$tap_tmp/far.yaml" <<END
meshpipe: 1
defaults: { cache: false, requires: { tags: [far] } }
modules:
  one: { run: echo >>$tap_tmp/begun; sleep 1; echo 1 >o, outputs: [o] }
  two: { needs: [one], run: "cat o; echo 2 >t", outputs: [t] }
END

has_begun()
{
	[ -s "$tap_tmp/begun" ]
}

# away SECONDS HOW...
away()
{
	: >"$tap_tmp/begun"
	away_s=$1
	shift
	run=$(ctl n1 submit "$tap_tmp/far.yaml") || cli_die 'submit'
	until_true 10 has_begun || cli_die 'the module begins'
	for how; do
		$how n3
	done
	lasts "$away_s"
	heal n3
	since=$(now_ms)
	ctl n1 wait "$run" 2>/dev/null >/dev/null
	tap_same "$* for $away_s s: the run succeeds" 0 $?
	took=$(($(now_ms) - since))
	tap_check "$* for $away_s s: and $late_ms ms later at most" test $took -le $late_ms
	tap_diag "$took ms"
	tap_same "$* for $away_s s: the module ran once" 1 "$(grep -c '' "$tap_tmp/begun")"
	until_true 20 knows n1 3 || cli_die 'all are there'
	until_true 20 knows n3 3 || cli_die 'all are there'
}

cluster n1 n2
node_join n3 "$tap_tmp/token" --tag far
until_true 20 knows n1 3 || cli_die 'n1 knows all members'
for seconds in ${AWAY:-8}; do
	away "$seconds" mute
	away "$seconds" deaf
	away "$seconds" deaf mute
done
tap_end
