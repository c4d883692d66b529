#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: watch.sh FOLDER PROBE COMMAND...   (called by make check-sanitize and check-valgrind)
# Runs COMMAND. Whatever sanitizers or valgrind find in any process below it, daemons and their
# children included, is a file in FOLDER: it cannot get lost with a log or an exit status that
# nobody reads. PROBE, a command with a fault, proves first that faults are seen.
# Ends with 0 only when COMMAND did and nothing was found.
set -u

here=$(cd "$(dirname "$0")" && pwd)
probe=$2
not_stopped='==[0-9]+==(Running thread [0-9]+ was not suspended\. False leaks are possible\.|'
not_stopped="${not_stopped}Unable to get registers from thread [0-9]+\\.)"
rm -rf "$1"
mkdir -p "$1" || exit 1
MP_REPORTS=$(cd "$1" && pwd)
shift 2

common="log_path=$MP_REPORTS/sanitizer:handle_abort=1"
ASAN_OPTIONS="$common:detect_leaks=1:${ASAN_OPTIONS-}"
UBSAN_OPTIONS="$common:print_stacktrace=1:${UBSAN_OPTIONS-}"
TSAN_OPTIONS="$common:second_deadlock_stack=1:suppressions=$here/thread.supp:${TSAN_OPTIONS-}"
VALGRIND_OPTS="--quiet --leak-check=full --error-exitcode=99 --suppressions=$here/valgrind.supp \
--log-file=$MP_REPORTS/valgrind.%p ${VALGRIND_OPTS-}"
export MP_REPORTS ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS VALGRIND_OPTS

# Valgrind makes its file before there is anything to say. A busy machine may keep LeakSanitizer
# from stopping a thread that is just ending: if it says only that, it found nothing.
reports()
{
	find "$MP_REPORTS" -type f -exec grep -lEvx -e "$not_stopped" {} +
}

$probe >/dev/null 2>&1
[ -n "$(reports)" ] || {
	printf 'watch: %s has a fault that nobody reported\n' "$probe" >&2
	exit 1
}
rm -f "$MP_REPORTS"/*

"$@"
rc=$?
for report in $(reports); do
	printf '\n%s\n' "$report"
	head -n 60 "$report"
done
count=$(reports | wc -l)
printf '\nwatch: %d reports in %s\n' "$count" "$MP_REPORTS"
[ "$rc" -eq 0 ] && [ "$count" -eq 0 ]
