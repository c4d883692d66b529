#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Functions fit a screen, files stay short, lines fit 100 columns.
. "${top_srcdir:=.}/tests/lint/lint.sh"

shape()
{
	awk -v function_max=70 -v file_max=800 -v line_max=100 -v args_max=6 \
		-f tests/lint/shape.awk "$@" >"$tap_tmp/shape" || return 1
	grep '^note: ' "$tap_tmp/shape" >>"$tap_tmp/notes"
	grep -v '^note: ' "$tap_tmp/shape" || true
}

# 71 lines from brace to brace, a long line with tabs, and a long file.
self_test()
{
	{
		printf 'int\nlong_one(int a)\n{\n'
		seq -f '\tcall(%g);' 69
		printf '}\n'
	} >"$tap_tmp/function.c"
	printf 'int x;\t%092d\n' 0 >"$tap_tmp/fits.c"
	printf 'int x;\t%093d\n' 0 >"$tap_tmp/line.c"
	seq -f 'int a%g;' 801 >"$tap_tmp/file.c"
	(cd "$tap_tmp" && awk -v function_max=70 -v file_max=800 -v line_max=100 -v args_max=6 \
		-f "$shape_awk" function.c fits.c line.c file.c)
}
shape_awk=$(pwd)/tests/lint/shape.awk

tap_same 'the checker sees what is too long' \
	'function.c:3: long_one() has 71 lines, at most 70
line.c:1: 101 columns, at most 100
file.c: 801 lines, at most 800' "$(self_test 2>&1)"

all()
{
	lint_files '*.[ch]' >"$tap_tmp/files"
	# shellcheck disable=SC2046
	shape $(cat "$tap_tmp/files")
}

scripts()
{
	awk -v file_max=800 -v line_max=100 -v function_max=1000 -v args_max=100 \
		-f tests/lint/shape.awk bootstrap .ci/run configure.ac Makefile.am \
		$(lint_files '*.sh' '*.awk' '*.mk')
}

lint_silent 'functions, files and lines of C are short enough' all
lint_silent 'lines of scripts and make files are short enough' scripts
[ ! -s "$tap_tmp/notes" ] || tap_diag <"$tap_tmp/notes"
tap_end
