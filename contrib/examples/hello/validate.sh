# SPDX-License-Identifier: Apache-2.0
# Says what the other steps stand on, and fails where it is missing.
set -eu
for tool in awk sed sha256sum sort tr; do
	command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
printf 'system\t%s\nmachine\t%s\n' "$(uname -s)" "$(uname -m)" >environment.txt
echo "the environment is good"
