#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, whatever was included before it.
. "${top_srcdir:=.}/tests/lint/lint.sh"
: "${CC:=cc}" "${lib_cflags=}"

compile()
{
	# shellcheck disable=SC2086
	$CC -std=gnu11 -Wall -Wextra -Wno-unused-function -Werror -fsyntax-only -D_GNU_SOURCE \
		-Iinclude -Isrc -Itests -I. -I"$top_builddir" $lib_cflags "$1"
}

for header in $(lint_files '*.h'); do
	case $header in
	include/*) name=${header#include/} ;;
	src/*) name=${header#src/} ;;
	tests/*) name=${header#tests/} ;;
	*) name=$header ;;
	esac
	printf '#include "%s"\n' "$name" >"$tap_tmp/one.c"
	tap_check "$name" compile "$tap_tmp/one.c"
done
tap_end
