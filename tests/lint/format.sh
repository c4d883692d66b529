#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The source is as clang-format 14 leaves it; other versions differ in taste.
. "${top_srcdir:=.}/tests/lint/lint.sh"
lint_needs clang-format

major=$(clang-format --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
[ "$major" = 14 ] || tap_skip_all "clang-format is version ${major:-unknown}, the source is of 14"

format()
{
	lint_files '*.[ch]' | xargs clang-format --style=file --dry-run -Werror
}

lint_silent 'clang-format changes nothing' format
tap_end
