#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Meshpipe compiles itself: writes a pipeline made from this source, with one module for each
# translation unit, a library of them, the programs, the unit tests, and at last the version that
# the new mpctl says it has. Flags and libraries are those that configure has found.
#
#   contrib/examples/self-build/generate.sh build /tmp/self-build
#   mpctl submit /tmp/self-build/self-build.yaml --wait
#
#   compile-* ─▶ library ─┬─▶ link-mpnode
#                         ├─▶ link-mpctl ─▶ version
#                         └─▶ test-*
set -eu

usage()
{
	echo "usage: $0 BUILD OUT
BUILD is a folder in which Meshpipe was configured; the pipeline and the files that it needs are
written to the new folder OUT." >&2
	exit 2
}

die()
{
	printf '%s: %s\n' "$0" "$*" >&2
	exit 1
}

# A variable of the build's Makefile. The source is in the working directory of each module.
make_var()
{
	awk -v name="$1" '
	match($0, /^[A-Za-z_0-9]+ = */) {
		split($0, word, " ")
		value[word[1]] = substr($0, RLENGTH + 1)
	}
	END {
		value["srcdir"] = "."
		text = value[name]
		while (match(text, /\$\([A-Za-z_0-9]+\)/))
			text = substr(text, 1, RSTART - 1) \
				value[substr(text, RSTART + 2, RLENGTH - 3)] \
				substr(text, RSTART + RLENGTH)
		print text
	}' "$build/Makefile"
}

# Words as elements of a YAML list.
list()
{
	for word; do
		printf '"%s", ' "$word"
	done
}

# src/util/arena.c -> util-arena
label()
{
	printf '%s\n' "$1" | sed 's,^src/,,; s,\.c$,,; s,/,-,g'
}

copy_source()
{
	mkdir -p "$out"
	cp -R "$top/include" "$top/src" "$out/"
	mkdir "$out/tests"
	cp -R "$top/tests/unit" "$out/tests/unit"
	cp "$build/config.h" "$out/"
	# A build in the source leaves these behind; a module makes its own.
	find "$out/src" "$out/tests" \( -name '*.o' -o -name '*.a' -o -name '*.log' \
		-o -name '*.trs' -o -name .deps -o -name .dirstamp \) -prune -exec rm -rf {} +
}

# What compilers and linkers are given, as response files.
write_flags()
{
	for lib in UV SODIUM CBOR SQLITE FYAML ZSTD CMOCKA; do
		flags="${flags-} $(make_var ${lib}_CFLAGS)"
		libs="${libs-} $(make_var ${lib}_LIBS)"
	done
	printf '%s\n' "$(make_var DEFS) -I. $(make_var AM_CPPFLAGS) -Itests $flags" \
		"$(make_var MP_CFLAGS) $(make_var CPPFLAGS) $(make_var CFLAGS)" \
		>"$out/compile.flags"
	printf '%s\n' "$(make_var MP_LDFLAGS) $(make_var LDFLAGS) $libs $(make_var LIBS)" \
		>"$out/link.flags"
}

# Each pure unit test and its sources, as tests/unit/local.mk has them: those that need only the
# pure libraries, and read nothing of the source tree.
unit_tests()
{
	awk '
	function expand(text,  name) {
		while (match(text, /\$\([a-z_]+\)/)) {
			name = substr(text, RSTART + 2, RLENGTH - 3)
			text = substr(text, 1, RSTART - 1) value[name] \
				substr(text, RSTART + RLENGTH)
		}
		return text
	}
	{ sub(/#.*/, "") }
	sub(/\\$/, "") { line = line $0; next }
	{ line = line $0 }
	match(line, /^[A-Za-z_0-9]+ *=/) {
		name = substr(line, 1, RLENGTH - 1)
		sub(/ *$/, "", name)
		value[name] = substr(line, RLENGTH + 1)
	}
	{ line = "" }
	END {
		for (name in value) {
			if (name !~ /^tests_unit_test_.*_SOURCES$/)
				continue
			test = substr(name, 17, length(name) - 24)
			libs = value["tests_unit_test_" test "_LDADD"]
			gsub(/\$\((UNIT_LIBS|UNIT_CRYPTO_LIBS|FYAML_LIBS)\)/, "", libs)
			if (libs ~ /[^ \t]/)
				continue
			sources = ""
			n = split(expand(value[name]), words)
			for (i = 1; i <= n; i++) {
				sub(/%D%/, "tests/unit", words[i])
				if (words[i] ~ /\.c$/)
					sources = sources " " words[i]
			}
			print test sources
		}
	}' "$top/tests/unit/local.mk" | sort | while read -r test sources; do
		# shellcheck disable=SC2086
		(cd "$top" && grep -q top_srcdir $sources) || printf '%s %s\n' "$test" "$sources"
	done
}

head_of_pipeline()
{
	printf '# Made by contrib/examples/self-build/generate.sh.\n'
	printf 'meshpipe: 1\nname: self-build\n'
	printf 'env: { LC_ALL: C }\n'
	printf 'inputs: [config.h, compile.flags, link.flags, objects, %s]\n' \
		'"include/**", "src/**", "tests/unit/**"'
	printf 'defaults: { timeout: 5m, requires: { os: linux%s } }\n' "$tools"
	printf 'modules:\n'
}

compile_module()
{
	printf '  compile-%s:\n' "$(label "$1")"
	# shellcheck disable=SC2086
	printf '    run: [%s"@compile.flags", -c, %s, -o, %s]\n' "$(list $cc)" "$1" "${1%.c}.o"
	printf '    inputs: [%s, %s]\n' "$headers" "$1"
	printf '    outputs: [%s]\n' "${1%.c}.o"
}

library_module()
{
	printf '  library:\n    needs:\n'
	for file in $library; do
		printf '      - compile-%s\n' "$(label "$file")"
		printf '%s\n' "${file%.c}.o" >>"$out/objects"
	done
	printf '    run: [ar, rcD, libmeshpipe.a, "@objects"]\n'
	printf '    inputs: [objects]\n'
	printf '    outputs: [libmeshpipe.a]\n'
}

link_module()
{
	name=$(label "$1")
	printf '  link-%s:\n' "$name"
	printf '    needs: [compile-%s, library]\n' "$name"
	# shellcheck disable=SC2086
	printf '    run: [%s"@compile.flags", %s, libmeshpipe.a, "@link.flags", -o, %s]\n' \
		"$(list $cc)" "${1%.c}.o" "$name"
	printf '    inputs: [compile.flags, link.flags]\n'
	printf '    outputs: [%s]\n' "$name"
}

test_module()
{
	test=$1
	shift
	printf '  test-%s:\n' "$test"
	printf '    needs: [library]\n'
	printf '    run: |\n'
	printf '      %s @compile.flags %s libmeshpipe.a @link.flags -o test_%s\n' \
		"$cc" "$*" "$test"
	printf '      ./test_%s\n' "$test"
	printf '    inputs: [link.flags, %s, "tests/unit/*"]\n' "$headers"
}

version_module()
{
	printf '  version:\n    needs: [link-mpctl]\n'
	printf '    run: [./mpctl, --version]\n    inputs: []\n'
}

[ $# -eq 2 ] || usage
build=$1
out=$2
top=$(cd "$(dirname "$0")/../../.." && pwd)
headers='config.h, compile.flags, "include/**", "src/**/*.h"'

for file in Makefile config.h; do
	[ -f "$build/$file" ] || die "$build: Meshpipe was not configured there"
done
[ ! -e "$out" ] || die "$out: is there already"
cc=$(make_var CC)
case $cc in
gcc | clang) tools=", tools: [$cc]" ;;
*) tools= ;;
esac

copy_source
write_flags
cd "$out"
out=$PWD
# A source with a main() is a program, each other one is in the library.
files=$(find src -name '*.c' | sort)
programs=$(printf '%s\n' "$files" | xargs grep -lE '^main\(' | tr '\n' ' ')
library=
for file in $files; do
	case " $programs" in
	*" $file "*) ;;
	*) library="$library $file" ;;
	esac
done
: >objects

{
	head_of_pipeline
	for file in $library $programs; do
		compile_module "$file"
	done
	library_module
	for file in $programs; do
		link_module "$file"
	done
	unit_tests | while read -r words; do
		# shellcheck disable=SC2086
		test_module $words
	done
	version_module
} >self-build.yaml
printf '%s/self-build.yaml: %s modules\n' "$out" "$(grep -cE '^  [a-z]' self-build.yaml)" >&2
