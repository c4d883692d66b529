#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pages for people: manual pages are well formed, the README starts with the two commands, paths
# that the pages name exist, and words are spelt.
. "${top_srcdir:=.}/tests/lint/lint.sh"
: "${MANDOC:=mandoc}"

for page in man/*.[1-8]; do
	[ -f "$page" ] || continue
	if command -v "$MANDOC" >/dev/null; then
		lint_silent "$page is well formed" "$MANDOC" -T lint -W warning "$page"
	else
		tap_skip "$page is well formed" 'mandoc is not installed'
	fi
	tap_check "$page has its licence line" grep -q 'SPDX-License-Identifier: Apache-2.0' "$page"
done

for command in demo check; do
	tap_check "README shows ./bootstrap $command" \
		sh -c "head -n 30 README.md | grep -qF './bootstrap $command'"
done

# `src/...` and the like in back quotes; a word in capitals or an X stands for a name.
paths()
{
	for page in README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md; do
		grep -oE '`(src|include|tests|man|contrib)/[A-Za-z0-9_./-]*`' "$page" |
			tr -d '`' | grep -vE '_X|MODULE|\.log$' |
			while read -r path; do
				[ -e "$path" ] || printf '%s names %s\n' "$page" "$path"
			done
	done
}
lint_silent 'paths that the pages name exist' paths

if command -v codespell >/dev/null; then
	lint_silent 'codespell finds nothing' codespell --quiet-level=3 \
		--ignore-words=tests/lint/codespell.words --skip='tests/fuzz/corpus,*.cbor' \
		README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md NEWS bootstrap .ci/run \
		include src tests man contrib
else
	tap_skip 'codespell finds nothing' 'codespell is not installed'
fi
tap_end
