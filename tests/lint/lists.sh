#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Nothing is forgotten: each file of the source is in the make fragment of its folder (what is not
# there is neither built, nor run, nor distributed), and each script parses and may be executed.
. "${top_srcdir:=.}/tests/lint/lint.sh"

listed()
{
	for file in $(lint_files '*.[ch]' '*.sh' '*.awk') man/*.[1-8]; do
		[ -f "$file" ] || continue
		name=${file##*/}
		case $name in
		fuzz_*.c) name=${name%.c} ;; # automake adds the .c to these
		esac
		fragment=${file%/*}
		while [ ! -f "$fragment/local.mk" ]; do
			fragment=${fragment%/*}
		done
		grep -qE "(^|[^A-Za-z0-9_.-])$name([^A-Za-z0-9_-]|\$)" \
			"$fragment/local.mk" ||
			printf '%s is not in %s/local.mk\n' "$file" "$fragment"
	done
}

parses()
{
	for file in bootstrap $(lint_files '*.sh'); do
		case $(head -n 1 "$file") in
		*bash*) bash -n "$file" ;;
		*) sh -n "$file" ;;
		esac
		# What is sourced has no interpreter line.
		if head -n 1 "$file" | grep -q '^#!' && [ ! -x "$file" ]; then
			printf '%s is not executable\n' "$file"
		fi
	done
}

lint_silent 'every file is in its make fragment' listed
lint_silent 'every script parses and may be executed' parses
tap_end
