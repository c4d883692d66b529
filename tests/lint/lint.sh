# SPDX-License-Identifier: Apache-2.0
# What the lints share; source it. Works in a clone and in an unpacked distribution: files are
# found by looking, never by asking git.
. "${top_srcdir:=.}/tests/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
LC_ALL=C
export LC_ALL

cd "$top_srcdir" || exit 1

# lint_files NAME-PATTERN...: the matching files of the source, sorted.
lint_files()
{
	lint_names=
	for lint_pattern; do
		lint_names="$lint_names${lint_names:+ -o }-name $lint_pattern"
	done
	set -f
	# shellcheck disable=SC2086
	find include src tests contrib \( -path tests/fuzz/corpus \) -prune -o \
		-type f \( $lint_names \) -print | sort
	set +f
}

# lint_silent WHAT COMMAND ARG...: ok when the command succeeds and prints nothing; else what it
# prints is what is wrong. A checker that cannot run is a failure, not a silence.
lint_silent()
{
	lint_what=$1
	shift
	if "$@" >"$tap_tmp/.lint" 2>&1 && [ ! -s "$tap_tmp/.lint" ]; then
		tap_ok "$lint_what"
	else
		tap_not_ok "$lint_what"
		tap_diag <"$tap_tmp/.lint"
	fi
}

# lint_needs TOOL: skips the whole test when the tool is not installed.
lint_needs()
{
	command -v "$1" >/dev/null || tap_skip_all "$1 is not installed"
}
