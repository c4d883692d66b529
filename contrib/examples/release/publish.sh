# SPDX-License-Identifier: Apache-2.0
# Packs the program that gcc made for release, with its report and sums.
set -eu
name=wordfreq-$VERSION
mkdir -p "dist/$name"
cp bin/wordfreq-gcc-release "dist/$name/wordfreq"
cp test-report.txt "dist/$name/"
cd dist
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
	-cf "$name.tar" "$name"
gzip -9n "$name.tar"
rm -r "$name"
sha256sum "$name.tar.gz" >SHA256SUMS
cat SHA256SUMS
