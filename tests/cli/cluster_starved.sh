#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node that is out of descriptors fails nobody's module: it gives work back, says what is wrong,
# and is well again when there are some.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq prlimit
# What such a node has been given and cannot return is given up after 15 s or more.
cli_patience=120

# of_node NODE COMMAND: COMMAND PID, of its process and of its executor's
of_node()
{
	cli_pid=$(node_pid "$1")
	shift
	for cli_process in "$cli_pid" $(pgrep -P "$cli_pid"); do
		"$@" "$cli_process"
	done
}

# No more than it has, and it has no gaps.
take_all()
{
	cli_next=0
	while [ -e "/proc/$1/fd/$cli_next" ]; do
		cli_next=$((cli_next + 1))
	done
	prlimit "--nofile=$cli_next:" --pid "$1"
}

give_back()
{
	prlimit --nofile=1024: --pid "$1"
}

is_well()
{
	timeout 5 "$mpctl" --state "$tap_tmp/$1" health >"$tap_tmp/said" 2>&1
}

cluster alpha beta gamma
cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
name: starved
defaults: { cache: false }
modules:
  part:
    matrix: { n: [1, 2, 3, 4, 5, 6, 7, 8, 9] }
    run: "echo ${matrix.n} >part-${matrix.n}.txt"
    outputs: ["part-${matrix.n}.txt"]
  sum: { needs: [part], run: "cat part-*.txt >sum.txt", outputs: [sum.txt] }
END
of_node alpha take_all
run=$(ctl beta submit "$tap_tmp/p.yaml")
ctl beta wait "$run" 2>"$tap_tmp/said"
tap_same 'no module fails for want of descriptors elsewhere' 0 $?
tap_diag <"$tap_tmp/said"
tap_same 'its socket has none for us' 1 "$(is_well alpha && echo 0 || echo 1)"
tap_diag <"$tap_tmp/said"
ticks=$(awk '{ print $14 + $15 }' "/proc/$(node_pid alpha)/stat")
lasts 2
ticks=$(($(awk '{ print $14 + $15 }' "/proc/$(node_pid alpha)/stat") - ticks))
tap_check "it does not spin: $ticks ticks of a processor in 2 s" [ $ticks -lt 100 ]
tap_check 'others do not take it for dead' knows beta 3

of_node alpha give_back
tap_check 'with descriptors it answers again' until_true 20 is_well alpha
run=$(ctl alpha submit "$tap_tmp/p.yaml")
ctl alpha wait "$run" 2>"$tap_tmp/said"
tap_same 'takes a run' 0 $?
worked()
{
	ctl alpha submit --wait "$tap_tmp/p.yaml" >"$tap_tmp/run" 2>/dev/null
	[ "$(ctl alpha show "$(cat "$tap_tmp/run")" --json |
		jq '[.modules[] | select(.node == "alpha")] | length')" -gt 0 ]
}
tap_check 'and works' until_true 30 worked
node_stop alpha
tap_same 'and stops' 0 $?
tap_end
