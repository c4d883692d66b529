#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node's event loop waits for no disk, whatever it is asked; and a log that nobody takes keeps
# nothing waiting.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
watch=$top_builddir/tests/cli/loopdisk.so
[ -z "${MP_UNDER-}" ] || tap_skip_all 'nothing is preloaded into what runs under something else'
LD_PRELOAD=$watch "$mpnode" --version >/dev/null 2>&1 ||
	tap_skip_all 'nothing can be preloaded into this build'

node_in()
{
	cli_who=$1
	shift
	exec env LD_PRELOAD="$watch" MP_LOOPDISK="$tap_tmp/$cli_who.disk" "$@"
}

has_slots()
{
	[ "$(ctl "$1" nodes --json | jq --arg name "$1" \
		'.nodes[] | select(.name == $name) | .slots')" = "$2" ]
}

# does NODE ARG...: mpctl, whose output does not matter
does()
{
	ctl "$@" >/dev/null 2>"$tap_tmp/said"
}

log_says()
{
	grep -q "$2" "$tap_tmp/$1.log"
}

# waits_not NODE: its loop has not waited for a disk so far
waits_not()
{
	tap_same "the loop of $1 has waited for no disk" '' "$(cat "$tap_tmp/$1.disk" 2>/dev/null)"
}

umask 077
node_start alpha --profile wan
ctl alpha invite >"$tap_tmp/token"
node_join beta "$tap_tmp/token"
node_join gamma "$tap_tmp/token"
until_true 20 knows beta 3 || cli_die 'beta knows all members'
tap_check 'a member takes the timings of its cluster' until_true 20 log_says beta 'profile wan'

tap_check 'node set is kept' ctl alpha node set --slots 5
tap_same 'in the file' 'slots 5' "$(grep slots "$tap_tmp/alpha/node.conf" | tr -s ' :=' ' ')"
echo 'slots 7' >"$tap_tmp/alpha/node.conf"
kill -HUP "$(node_pid alpha)"
tap_check 'so is what SIGHUP finds' until_true 20 has_slots alpha 7
# Four at once, of which each changes what the one before has left.
for n in 1 2 3 4; do
	ctl alpha node set --tag "t$n" &
	settings="${settings-} $!"
done
# shellcheck disable=SC2086
wait $settings
tap_same 'of four changes at once none is lost' '["t1","t2","t3","t4"]' \
	"$(ctl alpha nodes --json | jq -c '.nodes[] | select(.name == "alpha") |
		.capabilities.tags | sort')"

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
name: waits
inputs: ["*.txt"]
modules:
  first: { run: "cat *.txt; tr a-z A-Z <in.txt >out.txt", outputs: [out.txt] }
  last: { needs: [first], run: "cat out.txt; sleep 1; echo end", once: true }
END
echo hello >"$tap_tmp/in.txt"
run=$(ctl beta submit "$tap_tmp/p.yaml")
ctl gamma logs --follow "$run" >"$tap_tmp/logs"
tap_check 'logs are followed' grep -q HELLO "$tap_tmp/logs"
tap_check 'the run succeeds' does alpha wait "$run"
for node in alpha beta gamma; do
	tap_check "$node checks it" does "$node" verify "$run"
	tap_check "$node checks its cache" does "$node" cache check
done
tap_check 'an ended run is not taken over' not does alpha takeover "$run"
ctl alpha invite --roles observe >"$tap_tmp/token"
tap_check 'an invite is made' test -s "$tap_tmp/token"
tap_check 'where there is no key it is not' not does beta invite
does alpha drain beta
does alpha undrain beta
for node in alpha beta gamma; do
	waits_not "$node"
done

# A log that nobody reads: the pipe is full before the node begins.
mkfifo "$tap_tmp/delta.log"
exec 9<>"$tap_tmp/delta.log"
dd if=/dev/zero of="$tap_tmp/delta.log" oflag=nonblock bs=4096 count=64 2>/dev/null
ctl alpha invite >"$tap_tmp/token"
node_join delta "$tap_tmp/token"
kill -HUP "$(node_pid delta)"
tap_check 'a node whose log nobody takes is a member' until_true 30 knows delta 4
ctl delta node set --slots 3
tap_check 'is heard by others' until_true 20 knows alpha 4
run=$(ctl delta submit "$tap_tmp/p.yaml")
tap_check 'and runs what it is given' does delta wait "$run"
waits_not delta
node_stop delta
tap_same 'and it stops' 0 $?
tap_end
