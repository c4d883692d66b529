#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/membership.md has the tables that `make table` prints, column by column.
. "${top_srcdir:=.}/tests/tap.sh"
"$top_builddir/tests/sim/mpsim" --table heads >"$tap_tmp/heads"
while read -r line; do
	[ -z "$line" ] ||
		tap_check "in docs/membership.md: $line" \
			grep -qxFe "$line" "$top_srcdir/docs/membership.md"
done <"$tap_tmp/heads"
tap_end
