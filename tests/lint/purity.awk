# SPDX-License-Identifier: Apache-2.0
# usage: nm -P -A -g ARCHIVE... | awk -v roots=PREFIX -v yaml=0|1 -f purity.awk
#
# Starts at the members of the archives whose name begins with PREFIX, follows what they do not
# define through all archives given, and prints each symbol that leaves the pure world, with the
# chain of members that leads to it. yaml=1 lets members that use libfyaml be reached.

function allow(list, into,    n, i, names)
{
	n = split(list, names, " ")
	for (i = 1; i <= n; i++)
		into[names[i]] = 1
}

BEGIN {
	allow("memcpy memmove memset memcmp memchr memrchr memmem strlen strnlen strcmp strncmp " \
		"strchr strrchr strstr strspn strcspn strpbrk bcmp explicit_bzero " \
		"__memcpy_chk __memmove_chk __memset_chk __explicit_bzero_chk", libc)
	# Defined once per program, by the program.
	allow("mp_assert_fail", libc)
	# libcbor's streaming half: no memory, no state.
	allow("cbor_stream_decode cbor_encode_uint cbor_encode_uint8 cbor_encode_uint16 " \
		"cbor_encode_uint32 cbor_encode_uint64 cbor_encode_negint cbor_encode_negint8 " \
		"cbor_encode_negint16 cbor_encode_negint32 cbor_encode_negint64 " \
		"cbor_encode_bytestring_start cbor_encode_string_start " \
		"cbor_encode_array_start cbor_encode_map_start cbor_encode_bool " \
		"cbor_encode_null", cbor)
	allow("qsort bsearch", codec)
	allow("snprintf vsnprintf __snprintf_chk __vsnprintf_chk", prints)
	# What libfyaml hands out is returned with these.
	allow("free malloc realloc", fyaml)
	# What compilers, sanitizers, fuzzers and coverage add.
	helpers = "^(__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__tls_get_addr|" \
		"__(u?div|u?mod|mul|ashl|ashr|lshr)[dt]i3|__popcount[ds]i2|__[cf][tl]z[ds]i2|" \
		"__(asan|ubsan|tsan|msan|lsan|sanitizer|sancov|odr_asan|gcov|llvm)_?.*|" \
		"__start_.*|__stop_.*|_*llvm_.*)$"
}

# "libmp-core.a[node.o]: symbol T 0 10", once per symbol.
{
	member = $1
	sub(/:$/, "", member)
	sub(/^.*\//, "", member)
	if ($3 == "U" || $3 == "w" || $3 == "v") {
		needs[member] = needs[member] " " $2
		if ($2 ~ /^fy_/)
			uses_fyaml[member] = 1
	} else if ($3 ~ /^[A-Z]$/ && !($2 in home)) {
		home[$2] = member
	}
	if (index(member, roots) == 1 && !(member in seen)) {
		seen[member] = 1
		queue[++tail] = member
		path[member] = member
	}
}

function allowed(symbol, member)
{
	if ((symbol in libc) || symbol ~ helpers)
		return 1
	if (member ~ /^libmp-codec\.a/) {
		if ((symbol in cbor) || (symbol in codec))
			return 1
		if (yaml && (member in uses_fyaml) && (symbol ~ /^fy_/ || (symbol in fyaml)))
			return 1
	}
	return member ~ /^libmp-util\.a\[([a-z_]*-)?error\.o\]$/ && (symbol in prints)
}

END {
	if (tail == 0)
		print "no members named " roots
	for (head = 1; head <= tail; head++) {
		member = queue[head]
		n = split(needs[member], symbols, " ")
		for (i = 1; i <= n; i++) {
			s = symbols[i]
			if (allowed(s, member))
				continue
			if (!(s in home)) {
				print path[member] ": " s
			} else if (!(home[s] in seen)) {
				seen[home[s]] = 1
				queue[++tail] = home[s]
				path[home[s]] = path[member] " -> " home[s]
			}
		}
	}
}
