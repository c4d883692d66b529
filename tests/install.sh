#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make install DESTDIR=...` puts every program and page where it belongs.
. "${top_srcdir:=.}/tests/tap.sh"
: "${MAKE:=make}" "${installed=}"

# Not the jobs of the make that runs the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL
tap_check 'make install' "$MAKE" -s -C "${top_builddir:-build}" install DESTDIR="$tap_tmp/root"

find_installed()
{
	find "$tap_tmp/root" -name "$1" -type f 2>/dev/null
}

for file in $installed; do
	name=${file##*/}
	path=$(find_installed "$name")
	case $path in
	'') tap_not_ok "$name is installed" ;;
	*/bin/*) tap_check "$name runs where it is installed" "$path" --version ;;
	*/man/man*) tap_ok "$name is installed" ;;
	*) tap_not_ok "$name is installed in bin or man, not as $path" ;;
	esac
done
if [ -n "${systemd_unit-}" ]; then
	unit=$(find_installed meshpipe.service)
	tap_check 'the unit is where systemd looks' grep -q . "$unit"
	tap_check 'and starts the program that was installed' \
		test -x "$tap_tmp/root$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")"
else
	tap_skip 'the unit is where systemd looks' 'configured without systemd'
fi
tap_end
