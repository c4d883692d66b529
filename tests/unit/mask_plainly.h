/* SPDX-License-Identifier: Apache-2.0 */
/* What util/mask.h promises, done in the plainest way: the whole stream is there, it is read in
 * each way, and each occurrence is looked for at each place. */
#ifndef MP_TESTS_MASK_PLAINLY_H
#define MP_TESTS_MASK_PLAINLY_H

#include <stdio.h>
#include <stdlib.h>

#include "util/mask.h"

/* The stream read in one way: bytes, and where each stands. */
struct plainly {
	uint8_t *bytes;
	size_t *from, *to;
	size_t n;
};

static inline void
plainly_put(struct plainly *t, uint8_t byte, size_t from, size_t to)
{
	t->bytes[t->n] = byte;
	t->from[t->n] = from;
	t->to[t->n++] = to;
}

static inline int
plainly_hex(const uint8_t *p, size_t n, size_t digits)
{
	char text[5] = "";
	char *end;
	long v;

	if (n < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (strchr("0123456789abcdefABCDEF", p[i]) == NULL || p[i] == 0)
			return -1;
		text[i] = (char)p[i];
	}
	v = strtol(text, &end, 16);
	return *end == 0 ? (int)v : -1;
}

static inline void
plainly_read_url(struct plainly *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		int v = p[i] == '%' ? plainly_hex(p + i + 1, n - i - 1, 2) : -1;
		uint8_t byte = v >= 0 ? (uint8_t)v : p[i];
		size_t used = v >= 0 ? 3 : 1;

		plainly_put(t, byte == '+' ? ' ' : byte, i, i + used);
		i += used;
	}
}

static inline int
plainly_unit(const uint8_t *p, size_t n)
{
	return n >= 6 && p[0] == '\\' && p[1] == 'u' ? plainly_hex(p + 2, n - 2, 4) : -1;
}

/* \xXX or \OOO */
static inline int
plainly_byte(const uint8_t *p, size_t n)
{
	int v = 0;

	if (n < 4 || p[0] != '\\')
		return -1;
	if (p[1] == 'x')
		return plainly_hex(p + 2, n - 2, 2);
	for (size_t i = 1; i < 4; i++) {
		if (p[i] < '0' || p[i] > '7')
			return -1;
		v = v * 8 + p[i] - '0';
	}
	return v < 256 ? v : -1;
}

static inline void
plainly_read_json(struct plainly *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		int u = plainly_unit(p + i, n - i);
		int low = u >= 0xd800 && u < 0xdc00 ? plainly_unit(p + i + 6, n - i - 6) : -1;
		const char *at = p[i] == '\\' && i + 1 < n && p[i + 1] != 0
					 ? strchr("\"\\/bfnrt'aeEv", p[i + 1])
					 : NULL;
		long c = u;
		size_t used = 6;
		int byte = plainly_byte(p + i, n - i);

		if (byte >= 0) {
			plainly_put(t, (uint8_t)byte, i, i + 4);
			i += 4;
			continue;
		}
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + (u - 0xd800) * 0x400L + (low - 0xdc00);
			used = 12;
		} else if (at != NULL) {
			c = *at == 'v'          ? 11
			    : *at == 'a'        ? 7
			    : (*at | 32) == 'e' ? 27
						: "\"\\/\b\f\n\r\t'"[strchr("\"\\/bfnrt'", *at) -
								     "\"\\/bfnrt'"];
			used = 2;
		} else if (u < 0 || (u >= 0xd800 && u < 0xe000)) {
			plainly_put(t, p[i], i, i + 1);
			i++;
			continue;
		}
		if (c >= 0x10000)
			plainly_put(t, (uint8_t)(0xf0 + c / 0x40000), i, i + used);
		if (c >= 0x800)
			plainly_put(t, (uint8_t)((c >= 0x10000 ? 0x80 : 0xe0) + c / 0x1000 % 0x40),
				i, i + used);
		if (c >= 0x80)
			plainly_put(t, (uint8_t)((c >= 0x800 ? 0x80 : 0xc0) + c / 0x40 % 0x40), i,
				i + used);
		plainly_put(t, (uint8_t)(c >= 0x80 ? 0x80 + c % 0x40 : c), i, i + used);
		i += used;
	}
}

/* Is `pattern` at byte i of what was read? */
static inline bool
plainly_at(const struct plainly *t, size_t i, const uint8_t *pattern, size_t n)
{
	return n > 0 && t->n - i >= n && memcmp(t->bytes + i, pattern, n) == 0;
}

static inline void
plainly_cover(const struct plainly *t, const uint8_t *pattern, size_t n, bool *covered)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t at = t->from[i]; plainly_at(t, i, pattern, n) && at < t->to[i + n - 1];
			at++)
			covered[at] = true;
	}
}

/* Digits, with up to two of `skips` after the first `least` of the pattern and later. */
static inline void
plainly_cover_lines(
	const uint8_t *p, size_t size, const uint8_t *pattern, size_t n, bool hex, bool *covered)
{
	const char *skips = hex ? " :\n\r" : "\n\r";
	size_t least = hex ? 2 : 4;

	for (size_t i = 0; i < size; i++) {
		size_t at = i, k = 0, breaks = 0;

		for (; at < size && k < n; at++) {
			uint8_t byte = p[at];

			if (hex)
				byte = byte >= 'A' && byte <= 'F' ? byte + 32 : byte;
			else
				byte = byte == '-' ? '+' : byte == '_' ? '/' : byte;
			if (k >= least && byte != 0 && strchr(skips, byte) != NULL && ++breaks <= 2)
				continue;
			if (byte != pattern[k])
				break;
			k++;
			breaks = 0;
		}
		while (k == n && at > i)
			covered[--at] = true;
	}
}

static inline void
plainly_cover_hex(const uint8_t *p, size_t size, const uint8_t *value, size_t n, bool *covered)
{
	char *text = calloc(1, n * 2 + 1);

	for (size_t i = 0; i < n; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", value[i]);
	if (n >= 3)
		plainly_cover_lines(p, size, (const uint8_t *)text, n * 2, true, covered);
	free(text);
}

static inline void
plainly_base64(const uint8_t *p, size_t n, uint8_t *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned long v = (unsigned long)p[i] << 16;

		v |= i + 1 < n ? (unsigned long)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		*out++ = (uint8_t)digits[v >> 18 & 63];
		*out++ = (uint8_t)digits[v >> 12 & 63];
		*out++ = (uint8_t)(i + 1 < n ? digits[v >> 6 & 63] : '=');
		*out++ = (uint8_t)(i + 2 < n ? digits[v & 63] : '=');
	}
}

static inline void
plainly_cover_digits(const uint8_t *p, size_t size, const uint8_t *digits, size_t n, bool *covered)
{
	for (size_t cut = 0; cut <= 3; cut++) {
		if (cut == 0 || n >= cut + 8)
			plainly_cover_lines(p, size, digits + cut, n - cut, false, covered);
	}
}

static inline void
plainly_cover_base64(const uint8_t *p, size_t size, const uint8_t *value, size_t n, bool *covered)
{
	size_t full = (n + 2) / 3 * 4, bare = (n * 8 + 5) / 6;
	uint8_t *text = calloc(1, full + 16), *padded = calloc(1, n + 8);

	plainly_base64(value, n, text);
	if (bare >= 4)
		plainly_cover_digits(p, size, text, bare, covered);
	if (bare < full)
		plainly_cover_digits(p, size, text, full, covered);
	for (size_t before = 0; before < 3; before++) {
		size_t from = before == 0 ? 0 : before + 1, to = (before + n) * 8 / 6;

		memset(padded, 0, n + 8);
		memcpy(padded + before, value, n);
		plainly_base64(padded, before + n, text);
		if (to >= from + 4)
			plainly_cover_digits(p, size, text + from, to - from, covered);
	}
	free(text);
	free(padded);
}

static inline void
plainly_cover_quoted(
	const struct plainly *t, const uint8_t *value, size_t n, const char *quote, bool *covered)
{
	uint8_t *copy = calloc(1, n * 5 + 1), *at = copy;

	for (size_t i = 0; i < n; i++) {
		if (value[i] == '\'')
			at = (uint8_t *)memcpy(at, quote, strlen(quote)) + strlen(quote);
		else
			*at++ = value[i];
	}
	if (memchr(value, '\'', n) != NULL)
		plainly_cover(t, copy, (size_t)(at - copy), covered);
	free(copy);
}

static inline void
plainly_cover_rows(const struct plainly *t, const uint8_t *value, size_t n, bool *covered)
{
	size_t from = 0;

	for (size_t i = 0; i <= n && memchr(value, '\n', n) != NULL; i++) {
		size_t a = from, b = i;

		if (i < n && value[i] != '\n')
			continue;
		while (b > a && strchr(" \t\r\n", value[b - 1]) != NULL && value[b - 1] != 0)
			b--;
		while (a < b && strchr(" \t\r\n", value[a]) != NULL && value[a] != 0)
			a++;
		if (b - a >= 4)
			plainly_cover(t, value + a, b - a, covered);
		from = i + 1;
	}
}

static inline void
plainly_cover_value(
	struct plainly *t, const uint8_t *p, size_t size, struct mp_span value, bool *covered)
{
	uint8_t *folded;

	while (value.n > 0 && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
		value.n--;
	if (value.n == 0)
		return;
	t->n = 0;
	for (size_t i = 0; i < size; i++)
		plainly_put(t, p[i], i, i + 1);
	plainly_cover(t, value.p, value.n, covered);
	plainly_cover_rows(t, value.p, value.n, covered);
	plainly_cover_quoted(t, value.p, value.n, "'\\''", covered);
	plainly_cover_quoted(t, value.p, value.n, "'\"'\"'", covered);
	t->n = 0;
	plainly_read_json(t, p, size);
	plainly_cover(t, value.p, value.n, covered);
	t->n = 0;
	plainly_read_url(t, p, size);
	folded = calloc(1, value.n);
	for (size_t i = 0; i < value.n; i++)
		folded[i] = value.p[i] == '+' ? ' ' : value.p[i];
	plainly_cover(t, folded, value.n, covered);
	free(folded);
	plainly_cover_base64(p, size, value.p, value.n, covered);
	plainly_cover_hex(p, size, value.p, value.n, covered);
}

/* The caller frees what is returned; *out_size tells how much it is. */
static inline uint8_t *
mask_plainly(struct mp_span in, const struct mp_span *values, size_t n, size_t *out_size)
{
	bool *covered = calloc(in.n + 1, sizeof(*covered));
	uint8_t *out = malloc(in.n * 3 + 1), *at = out;
	struct plainly t = {.bytes = malloc(in.n + 1),
		.from = calloc(in.n + 1, sizeof(size_t)),
		.to = calloc(in.n + 1, sizeof(size_t))};

	for (size_t i = 0; i < n; i++)
		plainly_cover_value(&t, in.p, in.n, values[i], covered);
	for (size_t i = 0; i < in.n; i++) {
		if (!covered[i])
			*at++ = in.p[i];
		else if (i == 0 || !covered[i - 1])
			at = (uint8_t *)memcpy(at, "***", 3) + 3;
	}
	free(covered);
	free(t.bytes);
	free(t.from);
	free(t.to);
	*out_size = (size_t)(at - out);
	return out;
}

#endif
