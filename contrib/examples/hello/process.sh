# SPDX-License-Identifier: Apache-2.0
# usage: process.sh TOP      One table of the TOP most frequent words for each text, and for all.
set -eu
top=$1
mkdir -p tables
(cd corpus && sha256sum -c --quiet SUMS)

count() {
	tr -cs "A-Za-z'" '\n' | tr 'A-Z' 'a-z' | sed '/^$/d' | sort | uniq -c |
		sort -k1,1nr -k2,2 | awk -v top="$top" 'NR <= top { print $2 "\t" $1 }'
}

for text in corpus/*.txt; do
	name=${text##*/}
	count <"$text" >"tables/${name%.txt}.tsv"
	echo "$name: $(wc -w <"$text") words"
done
cat corpus/*.txt | count >tables/all.tsv
