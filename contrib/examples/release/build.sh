# SPDX-License-Identifier: Apache-2.0
# usage: build.sh COMPILER debug|release OUTPUT
set -eu
compiler=$1
out=$3
case $2 in
debug) flags='-O0 -g' ;;
release) flags='-O2' ;;
*) echo "'$2' is no mode" >&2; exit 64 ;;
esac
mkdir -p "${out%/*}"
# shellcheck disable=SC2086 # flags are words
"$compiler" -std=c11 -Wall -Wextra -Werror $flags -Ideps -o "$out" release/src/*.c
"$out" --version
