# SPDX-License-Identifier: Apache-2.0
# What processes cost, from /proc; source it.

# family PID: it and its children. Other processes may end while this looks.
family()
{
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
	{ gsub(/\(.*\)/, "x"); parent[$1] = $4 }
	END {
		for (p in parent)
			for (q = p; q in parent; q = parent[q])
				if (q == root) { print p; break }
	}'
}

# ticks PID...: processor time used so far
ticks()
{
	for pid; do
		cat "/proc/$pid/stat"
	done | awk '{ gsub(/\(.*\)/, "x"); n += $14 + $15 } END { print n }'
}

# rss_each COUNT PID...: memory that is resident, and what of it is not shared with other
# processes, divided by COUNT
rss_each()
{
	rss_count=$1
	shift
	for pid; do
		cat "/proc/$pid/smaps_rollup"
	done | awk -v n="$rss_count" '/^Rss:/ { rss += $2 } /^Private_/ { own += $2 }
		END { printf "%.1f MiB resident, %.1f MiB of it private\n",
			rss / 1024 / n, own / 1024 / n }'
}

# alone SCRIPT: runs it again in a network of its own, where there can be one
alone()
{
	[ -z "${MP_ALONE-}" ] || return 0
	if ! unshare -n ip link set lo up 2>/dev/null; then
		tap_diag 'NO NETWORK NAMESPACES HERE: BYTES ARE NOT COUNTED'
		return 0
	fi
	rm -rf "$tap_tmp"
	export MP_ALONE=1
	# shellcheck disable=SC2016
	exec unshare -n sh -c 'ip link set lo up && exec sh "$1"' sh "$1"
}

# All that went over the loopback of this network namespace; nothing where it is not ours alone.
loopback_bytes()
{
	[ -z "${MP_ALONE-}" ] || awk '$1 == "lo:" { print $10 }' /proc/net/dev
}
