#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Junk on each socket of a node: it lives, counts, and works on.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
poke=$top_builddir/tests/cli/poke
cluster alpha beta
address=$(node_address alpha)
port=${address##*:}
socket=$tap_tmp/alpha/control.sock

# noise BYTES: always the same
noise()
{
	awk -v n="$1" 'BEGIN { x = 1; for (i = 0; i < n; i++) {
		x = (x * 16807) % 2147483647; printf "%c", 33 + x % 90 } }'
}

counter()
{
	ctl alpha health --json | jq ".counters.$1"
}

counted()
{
	[ "$(counter "$1")" -gt "$2" ]
}

alive()
{
	kill -0 "$(node_pid alpha)" 2>/dev/null && ctl alpha nodes >/dev/null
}

# held: so many streams that have proved nothing
held()
{
	[ "$(ctl alpha health --json | jq .limits.streams_unproved.now)" -ge "$1" ]
}

before=$(counter datagrams_junk)
noise 36000 | "$poke" udp "$port" || cli_die 'poke udp'
tap_check 'junk datagrams are counted' until_true 10 counted datagrams_junk "$before"
: | "$poke" udp "$port"
head -c 65000 /dev/zero | "$poke" udp "$port"
tap_check 'and do no harm' alive

noise 100000 | "$poke" tcp "$port" >/dev/null
tap_same 'a stream of junk is closed' 0 $?
printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' | "$poke" tcp "$port" >"$tap_tmp/back"
tap_same 'a browser is not answered' 0 "$(cat "$tap_tmp/back")"
: | "$poke" tcp "$port" >/dev/null
tap_same 'a stream that says nothing is closed' 0 $?
tap_check 'they are counted by what was wrong' counted handshakes_malformed 1
tap_check 'and that one, too' until_true 10 counted handshakes_closed 0
mkfifo "$tap_tmp/silence"
exec 9<>"$tap_tmp/silence"
i=0
while [ $i -lt 80 ]; do
	"$poke" tcp "$port" <"$tap_tmp/silence" >/dev/null 9>&- &
	i=$((i + 1))
done
tap_check 'streams that say nothing take their places' until_true 10 held 32
tap_check 'whoever has too many loses the first' until_true 10 counted streams_crowded 0
node_join gamma "$tap_tmp/token"
tap_check 'and keeps nobody out' until_true 20 knows gamma 3
exec 9>&-
node_stop gamma
i=0
while [ $i -lt 300 ]; do
	noise 64 | "$poke" tcp "$port" >/dev/null &
	i=$((i + 1))
	[ $((i % 50)) -ne 0 ] || wait_pokes=1
	if [ -n "${wait_pokes-}" ]; then
		wait $!
		wait_pokes=
	fi
done
wait $!
tap_check 'many streams of junk do no harm' alive
tap_check 'the log says who it was' grep -q '127\.0\.0\.1' "$tap_tmp/alpha.log"
tap_check 'but not once for each' test "$(grep -c . "$tap_tmp/alpha.log")" -lt 60

noise 5000 | "$poke" unix "$socket" >/dev/null
tap_same 'junk on the control socket is refused' 0 $?
# Lengths that lie: four GiB, nothing, and more than follows.
printf '\377\377\377\377' | "$poke" unix "$socket" >/dev/null
printf '\0\0\0\0' | "$poke" unix "$socket" >/dev/null
printf '\0\0\1\0\204' | "$poke" unix "$socket" >/dev/null
# A well-formed request that makes no sense: [9999], and an item that is no array.
printf '\0\0\0\4\201\031\047\017' | "$poke" unix "$socket" >"$tap_tmp/back"
tap_check 'a request that nobody knows is answered' test "$(cat "$tap_tmp/back")" -gt 0
printf '\0\0\0\1\366' | "$poke" unix "$socket" >/dev/null
tap_check 'and the node lives' alive

printf 'meshpipe: 1\nmodules: { a: { run: [echo, fine] } }\n' >"$tap_tmp/p.yaml"
ctl alpha submit "$tap_tmp/p.yaml" --wait >/dev/null 2>&1
tap_same 'and still runs pipelines' 0 $?

# Thousands of streams a second from eight addresses, at both nodes: one of them restarts, and works
# for the other one as soon as if nothing were.
throttled=$(counter streams_throttled)
node_kill beta
for node in alpha beta; do
	at=$(node_address $node)
	"$poke" flood "${at##*:}" &
	cli_pids="$cli_pids $!"
done
tap_check 'a flood of streams is held back' until_true 10 counted streams_throttled "$throttled"
node_start beta --tag late
printf 'meshpipe: 1\nmodules: { a: { requires: { tags: [late] }, run: [echo, fine] } }\n' \
	>"$tap_tmp/p.yaml"
cli_patience=10 ctl alpha submit "$tap_tmp/p.yaml" --wait >/dev/null 2>&1
tap_same 'a member that restarts meanwhile works' 0 $?
tap_check 'while it goes on' counted streams_throttled "$throttled"
node_stop alpha
tap_same 'and stops cleanly' 0 $?
tap_end
