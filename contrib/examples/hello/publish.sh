# SPDX-License-Identifier: Apache-2.0
# One report of all tables, and where they were made.
set -eu
{
	echo 'The most frequent words'
	for table in tables/*.tsv; do
		name=${table##*/}
		printf '\n%s\n' "${name%.tsv}"
		awk -F '\t' '{ printf "  %-12s %5d\n", $1, $2 }' "$table"
	done
	printf '\nmade on\n'
	awk -F '\t' '{ printf "  %-12s %s\n", $1, $2 }' environment.txt
} >report.txt
cat report.txt
