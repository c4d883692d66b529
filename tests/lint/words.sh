#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What must not stand in the source, and what must.
. "${top_srcdir:=.}/tests/lint/lint.sh"

own_scripts='bootstrap .ci/run configure.ac Makefile.am'

# The licence line is among the first five of each file that is ours.
spdx()
{
	fragments=$(lint_files '*.mk' | xargs grep -l '=')
	for file in $own_scripts $fragments $(lint_files '*.[ch]' '*.sh' '*.awk'); do
		head -n 5 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			printf '%s: no SPDX line\n' "$file"
	done
}

# Calls that no bound or no caller can make safe. Lines that begin a comment do not count.
banned()
{
	lint_files '*.[ch]' | xargs awk '
	BEGIN {
		names = "strcpy|strcat|sprintf|vsprintf|gets|alloca|system|popen|tmpnam|mktemp"
		names = names "|strtok|atoi|atol|atof"
	}
	{
		line = $0
		sub(/^[ \t]*(\/\*|\*|\/\/).*/, "", line)
	}
	line ~ "(^|[^A-Za-z0-9_])(" names ")[ \t]*\\(" {
		print FILENAME ":" FNR ": " $0
	}'
}

# Work that is not done is not landed.
marks()
{
	lint_files '*.[ch]' '*.sh' '*.awk' '*.mk' | grep -v '^tests/lint/words.sh$' |
		xargs grep -nE '\<(TODO|FIXME|XXX|HACK)\>' || true
}

tap_same 'the checker sees a banned call' 'bad.c:1: 	strcpy(a, b);' "$(
	cd "$tap_tmp" && printf '\tstrcpy(a, b);\n\tmp_strcpy(a);\n\t/* gets() */\n' >bad.c
	lint_files() { echo bad.c; }
	banned)"
lint_silent 'every file has its licence line' spdx
lint_silent 'no banned function is called' banned
lint_silent 'nothing is marked as unfinished' marks
tap_end
