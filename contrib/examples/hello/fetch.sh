# SPDX-License-Identifier: Apache-2.0
# Takes the texts as they are, makes one form of them, and notes what they were.
set -eu
mkdir -p corpus
for text in hello/texts/*.txt; do
	tr -d '\r' <"$text" >"corpus/${text##*/}"
done
(cd corpus && sha256sum ./*.txt) >corpus/SUMS
echo "fetched $(grep -c . corpus/SUMS) texts"
