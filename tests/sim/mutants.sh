#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the simulator with one historical bug after the other, and proves that it finds each:
# `make mutants`. TAP; names the seed and the invariant.
#
# Where the list names a test instead of an invariant, that one of tests/unit fails; invariants that
# begin with M are of seeds of membership alone, and a scenario of tests/sim/scenarios/members may
# be named as well.
#
# Only files that know of the mutant are compiled anew: their objects stand before the archive that
# has them without it. From make: CC, compile (flags), objects and libs (of mpsim), unit_objects
# ("PROGRAM: OBJECT...; PROGRAM: ..." of the tests of units that the list names) and unit_libs,
# top_srcdir.
# MUTANT_SEEDS: how long to look for one; MUTANT_JOBS: how many at a time.
set -eu
: "${top_srcdir:?}" "${CC:?}" "${compile:?}" "${objects:?}" "${libs:?}"
: "${unit_objects:?}" "${unit_libs:?}"
: "${MUTANT_SEEDS:=40000}" "${MUTANT_JOBS:=2}"
list=$top_srcdir/tests/sim/mutants

# The program that has mutant $2, in $1, of $3 and $4.
build()
{
	made=
	mkdir -p "$1"
	for file in $(grep -lw "MP_MUTANT($2)" "$top_srcdir"/src/core/*.c); do
		made="$made $1/$(basename "$file" .c).o"
		# shellcheck disable=SC2086
		$CC $compile "-DMP_MUTANT_$2=1" -c -o "$1/$(basename "$file" .c).o" "$file"
	done
	[ -n "$made" ] || { echo "nothing in src/core is MP_MUTANT($2)"; return 1; }
	# shellcheck disable=SC2086
	$CC -o "$1/program" $3 $made $4
}

# One line of the list; its point goes to the file $dir/said.
one()
{
	name=$1 finds=${2%/*} blind=
	dir=$tmp/$name-$finds
	case $2 in
	*/*) blind="--blind ${2#*/}" ;;
	test_*)
		test=$(grep -l "cmocka_unit_test($finds)" "$top_srcdir"/tests/unit/test_*.c)
		test=$(basename "$test" .c)
		objects=$(echo "$unit_objects" | tr ';' '\n' | sed -n "s/^ *$test: //p")
		libs=$unit_libs
		;;
	esac
	if ! build "$dir" "$name" "$objects" "$libs" >"$dir.log" 2>&1; then
		echo "not ok - $name cannot be built" >"$dir.said"
		sed 's/^/# /' "$dir.log" >>"$dir.said"
		return
	fi
	case $finds in
	test_*) "$dir/program" >"$dir.log" 2>&1 || : ;;
	M*)
		"$dir/program" --members "$MUTANT_SEEDS" --until "$finds" >"$dir.log" || :
		;;
	*.sim)
		"$dir/program" "$top_srcdir/tests/sim/scenarios/members/$finds" >"$dir.log" || :
		;;
	*)
		# shellcheck disable=SC2086
		"$dir/program" --seeds "$MUTANT_SEEDS" --once --until "$finds" $blind \
			>"$dir.log" || :
		;;
	esac
	how=$(grep -E "^not ok .*[ :/]$finds:|^Bail out!|  FAILED  \\] $finds\$" "$dir.log" |
		tail -n 1 |
		sed 's/^not ok [0-9]* - mpsim --seed \([0-9]*\) --trace: /seed \1, /
			s/^not ok [0-9]* - mpsim --members 1 --from \([0-9]*\): /seed \1, /
			s/^not ok [0-9]* - .*scenarios/scenarios/')
	if [ -n "$how" ]; then
		echo "ok - $name${blind:+ without ${2#*/}} is found: $how" >"$dir.said"
	else
		echo "not ok - $name lives: no $finds in $MUTANT_SEEDS seeds" >"$dir.said"
		grep '^not ok' "$dir.log" | head -n 5 | sed 's/^/# /' >>"$dir.said"
	fi
}

if [ $# -gt 0 ]; then
	one "$@"
	exit
fi
tmp=$(mktemp -d)
export tmp
trap 'rm -rf "$tmp"' EXIT
grep '^[A-Z]' "$list" | xargs -P "$MUTANT_JOBS" -L 1 sh "$0"
{
	grep '^[A-Z]' "$list" | while read -r name finds; do
		cat "$tmp/$name-${finds%/*}.said"
	done
	# Those that the list does not have would never be looked for.
	grep -oh 'MP_MUTANT([A-Z_]*)' "$top_srcdir"/src/core/*.c | tr -d ')' | cut -d'(' -f2 |
		sort -u | while read -r name; do
		grep -q "^$name " "$list" || echo "not ok - $name is not in $list"
	done
} | awk '/^(not )?ok - / { n++; sub(/ok - /, "ok " n " - "); bad += /^not/ } { print }
	END { print "1.." n; exit bad > 0 }'
