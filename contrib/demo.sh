#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three equal nodes on this machine compile Meshpipe together, and tell who did what.
#
#   ./bootstrap demo          builds first
#   contrib/demo.sh           with what is in ./build; MP_BUILD names another folder
#   KEEP=1 contrib/demo.sh    keeps the nodes' state directories and logs
#
# Ends with 0 only when the run succeeded, each node ran a part of it, and the program that they
# built runs.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${MP_BUILD:-$top/build}" && pwd)
mpnode=$build/mpnode
mpctl=$build/mpctl
artifacts=$build/demo
nodes='alpha beta gamma'
pids=

# As many slots in all as there are processors, but at least one a node.
processors=$(nproc)
slots=$(((processors + 2) / 3))

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

title()
{
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

die()
{
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# Shows a command, then runs it.
show()
{
	printf '$ %s\n' "$(printf '%s' "$*" | sed "s,$build/,,g")"
	"$@"
}

finish()
{
	rc=$?
	trap '' INT TERM HUP
	for pid in $pids; do
		kill "$pid" 2>/dev/null || :
	done
	[ $rc -eq 0 ] || for pid in $pids; do
		kill "$pid" 2>/dev/null || : # the second time: at once
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || :
	done
	if [ $rc -ne 0 ]; then
		for node in $nodes; do
			[ ! -s "$dir/$node.log" ] || sed "s/^/$node: /" "$dir/$node.log" >&2
		done
	fi
	if [ -n "${KEEP-}" ]; then
		printf 'The nodes'\'' directories are kept in %s\n' "$dir"
	else
		rm -rf "$dir"
	fi
	exit $rc
}

# serve NAME COMMAND...: starts a node and waits until it can take work.
serve()
{
	node=$1
	shift
	"$mpnode" "$@" --state "$dir/$node" --name "$node" --listen 127.0.0.1:0 --slots "$slots" \
		</dev/null >"$dir/$node.ready" 2>"$dir/$node.log" &
	pids="$pids $!"
	tries=0
	until grep -q '^ready ' "$dir/$node.ready"; do
		kill -0 $! 2>/dev/null || die "mpnode $1 ended, see above"
		tries=$((tries + 1))
		[ $tries -lt 300 ] || die "$node is not ready after 30 s"
		sleep 0.1
	done
	awk '{ printf "%-6s %s  %.8s...\n", $2, $4, $3 }' "$dir/$node.ready"
}

# What ran where, from the JSON of a run: an object a line, keys in the order that mpctl(1) names.
account()
{
	tr '{' '\n' <"$dir/run.json" | awk -v nodes="$nodes" -v slots="$slots" \
		-v processors="$processors" '
	function text(key) {
		if (!match($0, "\"" key "\": *\"[^\"]*\""))
			return ""
		split(substr($0, RSTART + length(key) + 2, RLENGTH), part, "\"")
		return part[2]
	}
	function number(key) {
		if (!match($0, "\"" key "\": *[0-9]+"))
			return 0
		return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
	}
	text("name") != "" && /"attempts"/ {
		modules++
		states[text("state")]++
		if (!number("started_ms"))
			next
		if (text("state") == "succeeded")
			ran[text("node")]++
		busy[text("node")] += number("ended_ms") - number("started_ms")
		work += number("ended_ms") - number("started_ms")
		if (!first || number("started_ms") < first)
			first = number("started_ms")
		if (number("ended_ms") > last)
			last = number("ended_ms")
		attempts += number("attempts")
	}
	END {
		n = split(nodes, name, " ")
		printf "%-8s %8s %10s\n", "node", "modules", "busy"
		for (i = 1; i <= n; i++) {
			printf "%-8s %8d %8.1f s\n", name[i], ran[name[i]], busy[name[i]] / 1000
			idle += ran[name[i]] == 0
		}
		wall = last - first
		if (wall <= 0)
			wall = 1
		printf "\n%d of %d modules succeeded, in %d attempts.\n", states["succeeded"],
			modules, attempts
		printf "Their commands took %.1f s in all, the run %.1f s: a speed-up of %.2f ",
			work / 1000, wall / 1000, work / wall
		printf "over one slot\n(%d slots on %d processors).\n", n * slots, processors
		exit idle > 0 || states["succeeded"] != modules
	}'
}

for program in mpnode mpctl; do
	[ -x "$build/$program" ] || die "$build/$program is missing: run ./bootstrap demo"
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/meshpipe-demo.XXXXXX")
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title 'Three nodes, none of them special'
serve alpha start
"$mpctl" --state "$dir/alpha" invite >"$dir/token"
serve beta join --token-file "$dir/token"
serve gamma join --token-file "$dir/token"
# Each hears of the others within moments.
tries=0
until [ "$("$mpctl" --state "$dir/gamma" nodes --json | grep -o '"alive"' | wc -l)" -eq 3 ]; do
	tries=$((tries + 1))
	[ $tries -lt 150 ] || die 'gamma does not know all members after 15 s'
	sleep 0.1
done
show "$mpctl" --state "$dir/gamma" nodes

title 'Meshpipe as a pipeline: a module for each translation unit, then link, tests, version'
"$top/contrib/examples/self-build/generate.sh" "$build" "$dir/self-build"

title 'Submitted to beta, which waits'
printf '$ mpctl submit self-build.yaml --wait\n'
rc=0
"$mpctl" --state "$dir/beta" submit "$dir/self-build/self-build.yaml" --wait >"$dir/run" || rc=$?
run=$(head -n 1 "$dir/run")
[ -n "$run" ] || die "mpctl submit ended with $rc and no run"
printf 'run %s\n' "$run"
# Any node answers for any run.
"$mpctl" --state "$dir/alpha" show "$run" --json >"$dir/run.json"
if [ $rc -ne 0 ]; then
	"$mpctl" --state "$dir/alpha" show "$run" | grep -vE 'succeeded|skipped' || :
	"$mpctl" --state "$dir/alpha" logs "$run" | tail -n 40 || :
	die "the run failed (mpctl submit: $rc)"
fi

title 'Who did what'
account || die 'not every node took part'

title 'The artifact'
rm -rf "$artifacts"
"$mpctl" --state "$dir/gamma" outputs "$run" link-mpctl --to "$artifacts"
artifact=$artifacts/link-mpctl/mpctl
[ -x "$artifact" ] || die "$artifact is missing"
printf '%s\n' "$artifact"
show "$artifact" --version
[ "$("$artifact" --version)" = "$("$mpctl" --version)" ] ||
	die 'the artifact is another version than the program that was built here'
