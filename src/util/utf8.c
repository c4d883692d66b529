/* SPDX-License-Identifier: Apache-2.0 */
#include "util/utf8.h"

size_t
mp_utf8_sequence(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t v;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	len = (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (len == 0 || n < len)
		return 0;
	v = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3fu);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return len;
}

size_t
mp_utf8_prefix(struct mp_span bytes)
{
	size_t i = 0;

	while (i < bytes.n) {
		size_t len = mp_utf8_sequence(bytes.p + i, bytes.n - i);

		if (len == 0)
			break;
		i += len;
	}
	return i;
}

bool
mp_utf8_printable(struct mp_span bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (bytes.p[i] < 0x20 || bytes.p[i] == 0x7f)
			return false;
		if (bytes.p[i] == 0xc2 && i + 1 < bytes.n && bytes.p[i + 1] < 0xa0)
			return false;
	}
	return mp_utf8_prefix(bytes) == bytes.n;
}

size_t
mp_utf8_clean(struct mp_span bytes, uint8_t *out)
{
	size_t put = 0;

	for (size_t i = 0; i < bytes.n;) {
		size_t n = mp_utf8_sequence(bytes.p + i, bytes.n - i);

		if (n > 0 && mp_utf8_printable(mp_span(bytes.p + i, n))) {
			memcpy(out + put, bytes.p + i, n);
			put += n;
		} else {
			out[put++] = bytes.p[i] == '\t' ? ' ' : '?';
		}
		i += n > 0 ? n : 1;
	}
	return put;
}
