#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node of another version, or of another build: mpctl says which the two are, and what to do.
. "${top_srcdir:=.}/tests/cli/lib.sh"
ours=$("$mpctl" --version | sed 's/.* //')
cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
name: one
modules: { one: { run: "true" } }
END

# stranger NAME VERSION
stranger()
{
	mkdir "$tap_tmp/$1"
	"$top_builddir/tests/cli/poke" node "$tap_tmp/$1/control.sock" "$2" &
	cli_pids="$cli_pids $!"
	until_true 10 test -S "$tap_tmp/$1/control.sock" || cli_die 'a node of our own'
}

# senseless NODE EXIT PATTERN ARG...
senseless()
{
	node=$1
	wanted=$2
	pattern=$3
	shift 3
	ctl "$node" "$@" >"$tap_tmp/out" 2>"$tap_tmp/err" </dev/null
	tap_same "$node: $1" "$wanted" $?
	tap_check 'it says what to do' grep -q "makes no sense: .*$pattern" "$tap_tmp/err"
	tap_diag <"$tap_tmp/err"
}

stranger other 99.1
stranger same "$ours"
while read -r line; do
	# shellcheck disable=SC2086
	senseless other 2 "of version 99.1, and this mpctl of $ours; .*start it again" $line
done <<END
health
runs
nodes
pending
show 1234
logs 1234
verify 1234
cache stat
submit $tap_tmp/p.yaml
authority show
END
senseless same 70 'start it again' health
tap_end
