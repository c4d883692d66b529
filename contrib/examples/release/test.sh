# SPDX-License-Identifier: Apache-2.0
# usage: test.sh PROGRAM...      Each program must say what is expected of each text.
set -eu
failed=0
: >test-report.txt
for program; do
	for text in release/tests/*.txt; do
		if "./$program" <"$text" | cmp -s - "${text%.txt}.expected"; then
			verdict=passed
		else
			verdict=FAILED
			failed=1
		fi
		echo "$verdict ${program##*/} ${text##*/}" >>test-report.txt
	done
done
cat test-report.txt
exit $failed
