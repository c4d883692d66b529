#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# State directories and ports that a node cannot have: it says so and leaves all as it was.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha
address=$(node_address alpha)

# refused WHAT PATTERN ARG...: mpnode ends with 1 and says what matches
refused()
{
	what=$1
	pattern=$2
	shift 2
	timeout 30 "$mpnode" "$@" </dev/null >"$tap_tmp/out" 2>"$tap_tmp/err"
	tap_same "$what: mpnode ends with 1" 1 $?
	tap_check "$what: it says why" grep -qiE "$pattern" "$tap_tmp/err"
	tap_diag <"$tap_tmp/err"
	tap_same "$what: never ready" '' "$(cat "$tap_tmp/out")"
}

# nothing_left WHAT: of a start in $tap_tmp/fresh/deep/state
nothing_left()
{
	tap_same "$1: nothing is left of it" '' "$(find "$tap_tmp/fresh" -mindepth 1)"
}

refused 'a port in use' "${address}.*(in use|address)" \
	start --state "$tap_tmp/second" --listen "$address"
mkdir "$tap_tmp/fresh"
fresh=$tap_tmp/fresh/deep/state
refused 'a port in use, a new directory' 'in use' start --state "$fresh" --listen "$address"
nothing_left 'a port in use'
tap_check 'it does not say that it founded anything' not grep -q founded "$tap_tmp/err"
refused 'an address to be reached at that is none' advertise \
	start --state "$fresh" --listen 127.0.0.1:0 --advertise nonsense:x
nothing_left '--advertise'
refused 'a name that is none' 'name' \
	start --state "$fresh" --listen 127.0.0.1:0 --name 'no name'
nothing_left '--name'
refused 'a path that SQLite does not take' 'path is too long' \
	start --state "$fresh/$(printf '%0200d/%0200d/%0200d' 1 2 3)" --listen 127.0.0.1:0
nothing_left 'a path that SQLite does not take'

# misused WHAT PATTERN ARG...: mpnode ends with 2, says what matches, and has done nothing
misused()
{
	what=$1
	pattern=$2
	shift 2
	timeout 30 "$mpnode" "$@" --state "$fresh" </dev/null >"$tap_tmp/out" 2>"$tap_tmp/err"
	tap_same "$what: usage" 2 $?
	tap_check "$what: it says why" grep -qe "$pattern" "$tap_tmp/err"
	nothing_left "$what"
}

misused 'join without a seed and a token' 'SEED:PORT' join --listen 127.0.0.1:0
misused 'a token for start' 'start takes no --token-file' start --token-file "$tap_tmp/token"
misused 'start again' 'start takes no --again' start --again
misused 'start by force' 'start takes no --force' start --force
misused 'init with an address' 'init takes no --listen' init --listen 127.0.0.1:0
misused 'leave with slots' 'leave takes no --slots' leave --slots 1
misused 'an argument too many' 'unexpected argument: more' start more
timeout 30 "$mpnode" start --state '' 2>"$tap_tmp/err"
tap_same 'a state directory without a name: usage' 2 $?
if [ -c /dev/full ]; then
	"$mpnode" --version >/dev/full 2>"$tap_tmp/err"
	tap_same 'a version that cannot be printed' 1 $?
fi
ctl alpha invite >"$tap_tmp/token"
refused 'a port in use, to join' 'in use' \
	join "$address" --state "$fresh" --listen "$address" --token-file "$tap_tmp/token"
nothing_left 'a port in use, to join'
mkdir -m 0755 "$tap_tmp/empty"
refused 'a port in use, an empty directory' 'in use' \
	start --state "$tap_tmp/empty" --listen "$address"
tap_same 'an empty directory stays so' '' "$(ls -A "$tap_tmp/empty")"
tap_same 'and its permissions' 755 "$(stat -c %a "$tap_tmp/empty")"
for half in udp tcp; do
	: >"$tap_tmp/port"
	"$top_builddir/tests/cli/poke" hold $half >"$tap_tmp/port" &
	holder=$!
	cli_pids="$cli_pids $holder"
	until_true 10 test -s "$tap_tmp/port"
	refused "a port in use, $half only" 'in use' \
		start --state "$fresh" --listen "127.0.0.1:$(cat "$tap_tmp/port")"
	nothing_left "a port in use, $half only"
	kill $holder
	wait $holder 2>/dev/null
	cli_forget $holder
done
node_start again
tap_check 'what failed starts when nothing is in its way' \
	knows again 1
node_stop again

refused 'a state directory in use' "$tap_tmp/alpha.*in use" \
	start --state "$tap_tmp/alpha" --listen 127.0.0.1:0
mkdir "$tap_tmp/foreign"
echo mine >"$tap_tmp/foreign/letter"
refused 'a directory with other things' "$tap_tmp/foreign" \
	start --state "$tap_tmp/foreign" --listen 127.0.0.1:0
tap_same 'nothing is added to it' letter "$(ls -A "$tap_tmp/foreign")"
refused 'a directory that cannot be made' 'self.*(cannot|denied|exist)|directory' \
	start --state /proc/self/meshpipe --listen 127.0.0.1:0
refused 'a file instead of a directory' 'letter' \
	start --state "$tap_tmp/foreign/letter" --listen 127.0.0.1:0
refused 'an address of another machine' '192\.0\.2\.1' \
	start --state "$tap_tmp/third" --listen 192.0.2.1:0
refused 'no address at all' 'nonsense' start --state "$tap_tmp/third" --listen nonsense:x
if [ "$(id -u)" -eq 0 ]; then
	tap_skip 'a directory that cannot be written' 'root writes everywhere'
else
	mkdir -m 0500 "$tap_tmp/closed"
	refused 'a directory that cannot be written' "$tap_tmp/closed" \
		start --state "$tap_tmp/closed/state" --listen 127.0.0.1:0
fi
tap_check 'the node in that directory does not mind' knows alpha 1

node_stop alpha
tap_same 'it stops' 0 $?
# Keys that others can read are not used.
chmod 0644 "$tap_tmp/alpha/node.key"
refused 'a key that others can read' 'node\.key' \
	start --state "$tap_tmp/alpha" --listen 127.0.0.1:0
chmod 0600 "$tap_tmp/alpha/node.key"
# broken WHAT PATTERN FILE COMMAND ARG...: with FILE of it changed so; it is put back
broken()
{
	what=$1
	pattern=$2
	file=$tap_tmp/alpha/$3
	shift 3
	mv "$file" "$tap_tmp/kept"
	cp "$tap_tmp/kept" "$file"
	"$@" "$file"
	refused "$what" "$pattern" start --state "$tap_tmp/alpha" --listen 127.0.0.1:0
	rm -rf "$file"
	mv "$tap_tmp/kept" "$file"
}

# Something else in the place of a file.
folder()
{
	rm "$1" && mkdir "$1"
}

link_to()
{
	ln -sf "$1" "$2"
}

again='control\.db.*join --again'
broken 'control.db is gone' "$again" control.db rm
broken 'control.db is empty' "$again" control.db truncate -s 0
broken 'control.db is cut' "$again" control.db truncate -s 5000
broken 'control.db is a folder' "$again" control.db folder
broken 'control.db is elsewhere' "$again" control.db link_to /etc/passwd
broken 'cache.db is cut' 'cache\.db.*move it away' cache.db truncate -s 5000
broken 'cache.db is a folder' 'cache\.db.*move it away' cache.db folder
broken 'the credential is missing' 'credential: is missing; put it back' credential rm
broken 'the credential is empty' 'credential: is damaged' credential truncate -s 0
broken 'the key is missing' 'node\.key: is missing; put it back' node.key rm
if command -v sqlite3 >/dev/null; then
	for db in control cache; do
		version=$(sqlite3 "$tap_tmp/alpha/$db.db" 'PRAGMA user_version')
		sqlite3 "$tap_tmp/alpha/$db.db" 'PRAGMA user_version = 9999'
		refused "$db.db of a newer schema" "$db\\.db.*(newer|version|schema)" \
			start --state "$tap_tmp/alpha" --listen 127.0.0.1:0
		sqlite3 "$tap_tmp/alpha/$db.db" "PRAGMA user_version = $version"
	done
	head -c 100 /dev/zero >"$tap_tmp/noise"
	cp "$tap_tmp/alpha/control.db" "$tap_tmp/control.saved"
	rm -f "$tap_tmp/alpha/control.db-wal" "$tap_tmp/alpha/control.db-shm"
	dd if="$tap_tmp/noise" of="$tap_tmp/alpha/control.db" conv=notrunc 2>/dev/null
	refused 'a control.db that is none' 'control\.db' \
		start --state "$tap_tmp/alpha" --listen 127.0.0.1:0
	cp "$tap_tmp/control.saved" "$tap_tmp/alpha/control.db"
else
	tap_skip 'databases of a newer schema' 'sqlite3 is not installed'
fi
node_start alpha
tap_same 'as it was before, it starts again at its port' "$address" "$(node_address alpha)"
tap_end
