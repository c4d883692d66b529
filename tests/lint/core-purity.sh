#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Proves on symbols that the core reaches no clock, entropy, socket, file, thread or loop, through
# whatever it calls in the other pure archives; and that the codec keeps to what it may use. The
# checker proves itself first, on objects that break each rule.
. "${top_srcdir:=.}/tests/lint/lint.sh"
: "${CC:=cc}" "${AR:=ar}" "${NM:=nm}"
lint_needs "${NM%% *}"

# purity DIRECTORY ROOTS YAML: what is wrong in the archives of that directory, sorted.
purity()
{
	(cd "$1" && $NM -P -A -g libmp-core.a libmp-codec.a libmp-util.a) >"$tap_tmp/nm" || return 1
	awk -v roots="$2" -v yaml="$3" -f tests/lint/purity.awk "$tap_tmp/nm" >"$tap_tmp/bad" ||
		return 1
	sort "$tap_tmp/bad"
}

# Puts the C of standard input into an archive of the self-test: member ARCHIVE NAME
member()
{
	mkdir -p "$tap_tmp/self"
	# No optimisation: what a compiler can see through must stay visible.
	$CC -std=gnu11 -O0 -x c -c -o "$tap_tmp/self/$2.o" - &&
		$AR cr "$tap_tmp/self/$1.a" "$tap_tmp/self/$2.o"
}

self_test()
{
	member libmp-core clean <<-'C' || return 1
	#include <string.h>
	int deep(void);
	int clean(const char *s) { return deep() + (int)strlen(s); }
	C
	member libmp-util deep <<-'C' || return 1
	int deep(void) { return 1; }
	C
	member libmp-util hidden <<-'C' || return 1
	#include <sys/random.h>
	int hidden(void) { char c; return (int)getrandom(&c, 1, 0); }
	C
	member libmp-codec yaml <<-'C' || return 1
	void *fy_parser_create(void *);
	void free(void *);
	int yaml(void) { free(fy_parser_create(0)); return 1; }
	C
	self_same 'a pure core passes' ''

	member libmp-core clock <<-'C' || return 1
	#include <time.h>
	long core_clock(void) { return (long)time(NULL); }
	C
	self_same 'time() in the core is seen' 'libmp-core.a[clock.o]: time'

	member libmp-core clock <<-'C' || return 1
	int hidden(void);
	int core_clock(void) { return hidden(); }
	C
	self_same 'getrandom() behind a helper is seen' \
		'libmp-core.a[clock.o] -> libmp-util.a[hidden.o]: getrandom'

	member libmp-core clock <<-'C' || return 1
	int yaml(void);
	int core_clock(void) { return yaml(); }
	C
	self_same 'YAML behind the core is seen' \
		'libmp-core.a[clock.o] -> libmp-codec.a[yaml.o]: free
libmp-core.a[clock.o] -> libmp-codec.a[yaml.o]: fy_parser_create'

	tap_same 'YAML in the codec is allowed' '' \
		"$(purity "$tap_tmp/self" libmp-codec.a 1 2>&1)"

	member libmp-codec sneaky <<-'C' || return 1
	int socket(int, int, int);
	int sneaky(void) { return socket(0, 0, 0); }
	C
	tap_same 'a socket in the codec is seen' 'libmp-codec.a[sneaky.o]: socket' \
		"$(purity "$tap_tmp/self" libmp-codec.a 1 2>&1)"
}

self_same()
{
	tap_same "$1" "$2" "$(purity "$tap_tmp/self" libmp-core.a 0 2>&1)"
}

self_test || tap_not_ok 'the self-test compiles'
lint_silent 'src/core is pure in all it reaches' purity "$top_builddir" libmp-core.a 0
lint_silent 'src/codec keeps to what it may use' purity "$top_builddir" libmp-codec.a 1
tap_end
