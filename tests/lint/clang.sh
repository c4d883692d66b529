#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The other compiler has nothing to say about any source file either. Examples bring builds of their
# own; the version is some string.
. "${top_srcdir:=.}/tests/lint/lint.sh"
: "${lib_cflags=}"
lint_needs clang

warnings='-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
	-Wvla -Wswitch-enum -Wimplicit-fallthrough -Wundef -Wcast-align -Wnull-dereference'

compile()
{
	lint_files '*.c' | grep -v '^contrib/' |
		xargs -n 8 -P "$(nproc)" clang -std=gnu11 $warnings -fsyntax-only \
		-D_GNU_SOURCE -Iinclude -Isrc -Itests -I"$top_builddir" -DMP_VERSION=__FILE__ \
		$lib_cflags
}

lint_silent 'no warning from clang' compile
tap_end
