#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two parts of a network that are cut from each other for a minute find together again, and so do
# nodes that come back elsewhere when those by whom they once joined are gone.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
: "${APART:=60}"
cli_needs jq
net_make n1 n2 n3 n4 n5
few='n1 n2'
many='n3 n4 n5'
healed_s=45

# part HOW: net_cut or net_mend, all ways between the two parts
part()
{
	for part_a in $few; do
		for part_b in $many; do
			$1 "$part_a" "$part_b"
			$1 "$part_b" "$part_a"
		done
	done
}

# see COUNT NODE...: so many are alive in the eyes of each
see()
{
	see_count=$1
	shift
	for see_node; do
		knows "$see_node" "$see_count" || return 1
	done
}

is_at()
{
	[ "$(ctl "$1" nodes --json |
		jq -r --arg of "$2" '.nodes[] | select(.name == $of) | .address')" = "$3" ]
}

# shellcheck disable=SC2086
cluster $few $many
part net_cut
# shellcheck disable=SC2086
{
	tap_check 'the few lose the many' until_true 60 see 2 $few
	tap_check 'the many lose the few' until_true 60 see 3 $many
}
printf 'meshpipe: 1\nelectors: 1\nmodules: { a: { run: echo } }\n' >"$tap_tmp/p.yaml"
run=$(ctl n1 submit "$tap_tmp/p.yaml" --wait 2>/dev/null)
lasts "$APART"
part net_mend
since=$(now_ms)
# shellcheck disable=SC2086
tap_check "after $APART s apart all see all" until_true $healed_s see 5 $few $many
tap_diag "after $(($(now_ms) - since)) ms"
knows_run()
{
	run_state_is "$1" "$run" succeeded 2>/dev/null
}
tap_check 'what one part has run the other one knows' until_true $healed_s knows_run n4

# All stand still; the first one, by which all others joined, is never started again; of the others
# one is where it was.
for name in $few $many; do
	node_kill "$name"
done
for name in n3 n4 n5; do
	ip -n "$(net_ns $name)" addr del "$(node_host $name)/24" dev eth0
	ip -n "$(net_ns $name)" addr add "$net_prefix.1${name#n}/24" dev eth0
done
try_start n2 || cli_die 'n2 is ready'
since=$(now_ms)
for name in n3 n4 n5; do
	try_serve $name start --slots 1 --listen "$net_prefix.1${name#n}:7300" ||
		cli_die "$name is ready"
done
# shellcheck disable=SC2086
tap_check 'three of four came back elsewhere: all see all' until_true $healed_s see 4 n2 $many
tap_diag "after $(($(now_ms) - since)) ms"
tap_check 'where they are now' is_at n3 n4 "$net_prefix.14:7300"

# Nobody is where anybody knew it, but an operator knows one.
for name in n2 n3 n4 n5; do
	node_kill $name
done
try_serve n2 start --slots 1 --listen "$(node_host n2):7400" || cli_die 'n2 is ready'
since=$(now_ms)
for name in n3 n4 n5; do
	try_serve $name join "$(node_host n2):7400" --slots 1 \
		--listen "$net_prefix.1${name#n}:7400" || cli_die "$name is ready"
done
# shellcheck disable=SC2086
tap_check 'all came back elsewhere, and are told of one: all see all' \
	until_true $healed_s see 4 n2 $many
tap_diag "after $(($(now_ms) - since)) ms"
tap_end
