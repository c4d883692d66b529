#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may include what. The self-test gives the rules one violation of each kind.
. "${top_srcdir:=.}/tests/lint/lint.sh"

# Reads "FILE:LINE:#include ..." and prints the lines that break a rule.
layers()
{
	awk -F: '
	function only(pattern, where)
	{
		if (what ~ pattern && file !~ where)
			print $0 "   (only in " where ")"
	}
	function from(where, pattern)
	{
		if (file ~ where && what !~ pattern)
			print $0 "   (not for " where ")"
	}
	{
		file = $1
		what = $3
		sub(/^[ \t]*#[ \t]*include[ \t]*/, "", what)
		sub(/[>"][^>"]*$/, "", what)       # <a/b.h or "a/b.h
	}
	file ~ /^(src|include)\// {
		only("^<sodium", "^src/crypto/")
		only("^<(uv|uv/.*|sqlite3|microhttpd)\\.h", "^src/shell/")
		only("^<(libfyaml|cbor|cbor/.*)\\.h", "^src/codec/")
		from("^src/", "^(<|\"(mp|util|codec|crypto|core|shell|ctl)/)")
	}
	{
		plain = "<(std(arg|bool|def|int)|string|limits|inttypes)\\.h"
		libraries = "<(stdlib|cbor|libfyaml)\\.h|<cbor/"
		from("^include/mp/", "^(" plain "|\"mp/)")
		from("^src/util/", "^(<|\"(mp|util)/)")
		from("^src/codec/", "^(" plain "|" libraries "|\"(mp|util|codec)/)")
		from("^src/core/", "^(" plain "|\"(mp|util|codec|core)/)")
		from("^src/crypto/", "^(<|\"(mp|util|codec|crypto)/)")
		from("^src/shell/", "^(<|\"(mp|util|codec|crypto|core|shell)/)")
	}'
}

includes()
{
	lint_files '*.[ch]' | xargs grep -n '^[[:space:]]*#[[:space:]]*include'
}

breaks()
{
	while read -r line; do
		[ -n "$(printf '%s\n' "$line" | layers)" ] || printf 'not seen: %s\n' "$line"
	done <<-'TEXT'
	src/shell/a.c:1:#include <sodium.h>
	src/core/a.c:1:#include <uv.h>
	src/ctl/a.c:1:#include <uv.h>
	src/ctl/a.c:1:#include <sqlite3.h>
	src/shell/a.c:1:#include <cbor.h>
	src/core/a.c:1:#include <libfyaml.h>
	src/core/a.c:1:#include <time.h>
	src/core/a.c:1:#include "shell/a.h"
	src/core/a.c:1:#include "crypto/a.h"
	src/codec/a.c:1:#include "core/a.h"
	src/codec/a.c:1:# include <stdio.h>
	src/util/a.c:1:#include "codec/a.h"
	src/shell/a.c:1:#include "sim/a.h"
	include/mp/a.h:1:#include "util/a.h"
	TEXT
}

found()
{
	includes >"$tap_tmp/includes" && layers <"$tap_tmp/includes"
}

# The document API of libcbor allocates what a header promises (5 bytes ask for 2 GiB).
cbor_load()
{
	lint_files '*.[ch]' | xargs grep -n 'cbor_load' || true
}

lint_silent 'the rules see what breaks them' breaks
lint_silent 'every include keeps its layer' found
lint_silent 'cbor_load is not used' cbor_load
tap_end
