# SPDX-License-Identifier: Apache-2.0
# TAP for shell tests: source it, call the functions, end with `tap_end`. The
# lines say what failed; the status only whether the test ran to its end.
#
#   . "${top_srcdir:-.}/tests/tap.sh"
#   tap_skip_all 'reason'            # the whole test, before anything else; exits
#   tap_ok 'what holds'              # one point
#   tap_not_ok 'what should hold'
#   tap_skip 'what' 'reason'
#   tap_check 'what holds' COMMAND...  # ok when it succeeds, else its output is shown
#   tap_same 'what is equal' WANTED GOT
#   tap_diag TEXT                    # "# " before each line; or from standard input
#   $tap_tmp                         # a directory of the test's own, removed at the end

tap_count=0
tap_tmp=$(mktemp -d "${TMPDIR:-/tmp}/meshpipe-test.XXXXXX") || exit 1
trap 'rm -rf "$tap_tmp"' EXIT
trap 'exit 1' HUP INT TERM

tap_diag()
{
	if [ $# -gt 0 ]; then
		printf '%s\n' "$*"
	else
		cat
	fi | sed 's/^/# /'
}

tap_ok()
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "$1"
}

tap_not_ok()
{
	tap_count=$((tap_count + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
}

tap_skip()
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

tap_skip_all()
{
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

tap_check()
{
	tap_what=$1
	shift
	if "$@" >"$tap_tmp/.tap" 2>&1; then
		tap_ok "$tap_what"
	else
		tap_not_ok "$tap_what"
		tap_diag <"$tap_tmp/.tap"
	fi
}

tap_same()
{
	if [ "$2" = "$3" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1"
		tap_diag "wanted: $2"
		tap_diag "got:    $3"
	fi
}

tap_end()
{
	printf '1..%d\n' "$tap_count"
	exit 0
}
