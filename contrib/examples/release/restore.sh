# SPDX-License-Identifier: Apache-2.0
# usage: restore.sh VERSION      Checks that the sources are those that were listed, makes deps/.
# Exit 75 (EX_TEMPFAIL): worth another attempt.
set -eu
version=$1
case $version in
'' | *[!0-9A-Za-z.-]*) echo "'$version' is no version" >&2; exit 65 ;;
esac
command -v sha256sum >/dev/null || { echo 'sha256sum is missing' >&2; exit 75; }
(cd release && sha256sum -c --quiet SUMS)
mkdir -p deps
printf '#define VERSION "%s"\n' "$version" >deps/version.h
echo "restored the sources of $version"
