/* SPDX-License-Identifier: Apache-2.0 */
#include "util/mask_forms.h"

#include "mp/error.h"
#include "util/buf.h"

/* Digits of base64 that may be left on the line before. */
#define BASE64_LEFT 3

/* ---- undoing escapes ---- */

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte as it is. */
static size_t
undo_none(uint8_t byte, uint8_t *out, size_t *used)
{
	*out = byte;
	*used = 1;
	return 1;
}

static uint8_t
url_fold(uint8_t byte)
{
	return byte == '+' ? ' ' : byte;
}

static size_t
undo_url(const uint8_t *p, size_t n, bool end, uint8_t *out, size_t *used)
{
	*used = 0;
	if (p[0] != '%' || (n > 1 && hex_digit(p[1]) < 0) || (n > 2 && hex_digit(p[2]) < 0) ||
		(n < 3 && end))
		return undo_none(url_fold(p[0]), out, used);
	if (n < 3)
		return 0;
	*out = url_fold((uint8_t)(hex_digit(p[1]) * 16 + hex_digit(p[2])));
	*used = 3;
	return 1;
}

/* \uXXXX at p, of n bytes: 1, the code unit is in *unit; 0: so far; -1: it is none. */
static int
json_unit(const uint8_t *p, size_t n, uint32_t *unit)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 6; i++) {
		if (i == n)
			return 0;
		if (i == 0 ? p[i] != '\\' : i == 1 ? p[i] != 'u' : hex_digit(p[i]) < 0)
			return -1;
		if (i > 1)
			v = v * 16 + (uint32_t)hex_digit(p[i]);
	}
	*unit = v;
	return 1;
}

static size_t
utf8_put(uint32_t c, uint8_t *out)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

static size_t
undo_json_unit(const uint8_t *p, size_t n, bool end, uint8_t *out, size_t *used)
{
	uint32_t high, low;
	int rc = json_unit(p, n, &high);

	if (rc > 0 && high >= 0xd800 && high < 0xdc00) {
		rc = json_unit(p + 6, n - 6, &low);
		if (rc > 0 && low >= 0xdc00 && low < 0xe000) {
			*used = 12;
			return utf8_put(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), out);
		}
		rc = rc > 0 ? -1 : rc; /* alone it is no character */
	} else if (rc > 0 && (high < 0xd800 || high >= 0xe000)) {
		*used = 6;
		return utf8_put(high, out);
	} else if (rc > 0) {
		rc = -1;
	}
	return rc < 0 || end ? undo_none(p[0], out, used) : 0;
}

/* \xXX or \OOO. */
static size_t
undo_byte(const uint8_t *p, size_t n, bool end, uint8_t *out, size_t *used)
{
	bool hex = p[1] == 'x';
	unsigned v = 0;

	for (size_t i = hex ? 2 : 1; i < 4; i++) {
		int digit;

		if (i == n)
			return end ? undo_none(p[0], out, used) : 0;
		digit = hex_digit(p[i]);
		if (digit < 0 || (!hex && digit > (i == 1 ? 3 : 7)))
			return undo_none(p[0], out, used);
		v = v * (hex ? 16 : 8) + (unsigned)digit;
	}
	*out = (uint8_t)v;
	*used = 4;
	return 1;
}

static size_t
undo_json(const uint8_t *p, size_t n, bool end, uint8_t *out, size_t *used)
{
	static const char names[] = "\"\\/bfnrt'aeEv", means[] = "\"\\/\b\f\n\r\t'\a\033\033\v";
	const char *at;

	*used = 0;
	if (p[0] != '\\' || (n == 1 && end))
		return undo_none(p[0], out, used);
	if (n == 1)
		return 0;
	if (p[1] == 'u')
		return undo_json_unit(p, n, end, out, used);
	if (p[1] == 'x' || (p[1] >= '0' && p[1] <= '3'))
		return undo_byte(p, n, end, out, used);
	at = memchr(names, p[1], sizeof(names) - 1);
	if (at == NULL)
		return undo_none(p[0], out, used);
	*out = (uint8_t)means[at - names];
	*used = 2;
	return 1;
}

static size_t
undo_base64(uint8_t byte, uint8_t *out, size_t *used)
{
	(void)undo_none(byte == '-' ? '+' : byte == '_' ? '/' : byte, out, used);
	return byte != '\n' && byte != '\r';
}

static size_t
undo_hex(uint8_t byte, uint8_t *out, size_t *used)
{
	int digit = hex_digit(byte);

	(void)undo_none(digit >= 10 ? byte | 0x20 : byte, out, used);
	return byte != ' ' && byte != ':' && byte != '\n' && byte != '\r';
}

size_t
mp_mask_undo(enum mp_mask_form form, const uint8_t *p, size_t n, bool end,
	uint8_t out[MP_MASK_UNDO_MAX], size_t *used)
{
	switch (form) {
	case MP_MASK_URL:
		return undo_url(p, n, end, out, used);
	case MP_MASK_JSON:
		return undo_json(p, n, end, out, used);
	case MP_MASK_BASE64:
		return undo_base64(p[0], out, used);
	case MP_MASK_HEX:
		return undo_hex(p[0], out, used);
	case MP_MASK_PLAIN:
	case MP_MASK_FORMS:
		break;
	}
	return undo_none(p[0], out, used);
}

/* ---- what is looked for ---- */

uint32_t
mp_mask_unparted(enum mp_mask_form form)
{
	return form == MP_MASK_BASE64 ? MP_MASK_BASE64_MIN : form == MP_MASK_HEX ? 2 : 1;
}

size_t
mp_mask_longest(const struct mp_mask *mask)
{
	size_t longest = 0;

	for (size_t i = 0; i < MP_MASK_FORMS; i++)
		longest = mask->forms[i].longest > longest ? mask->forms[i].longest : longest;
	return longest;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The lines of a value, without the blanks around them. */
static int
add_lines(struct mp_match *m, struct mp_span value)
{
	size_t from = 0;
	int rc = 0;

	if (memchr(value.p, '\n', value.n) == NULL)
		return 0;
	while (rc == 0 && from < value.n) {
		const uint8_t *nl = memchr(value.p + from, '\n', value.n - from);
		size_t next = nl == NULL ? value.n : (size_t)(nl - value.p) + 1, to = next;

		while (to > from && is_blank(value.p[to - 1]))
			to--;
		while (from < to && is_blank(value.p[from]))
			from++;
		if (to - from >= MP_MASK_LINE_MIN)
			rc = mp_match_add(m, mp_span(value.p + from, to - from));
		from = next;
	}
	return rc;
}

/* `quote` in the place of each '. */
static int
add_quoted(struct mp_match *m, struct mp_span value, const char *quote)
{
	size_t n = value.n, size, extra = strlen(quote) - 1;
	uint8_t *copy, *at;
	int rc;

	for (size_t i = 0; i < value.n; i++)
		n += value.p[i] == '\'' ? extra : 0;
	if (n == value.n)
		return 0;
	size = n;
	copy = at = mp_realloc(m->alloc, NULL, 0, size);
	if (copy == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\'') {
			memcpy(at, quote, extra + 1);
			at += extra + 1;
		} else {
			*at++ = value.p[i];
		}
	}
	rc = mp_match_add(m, mp_span(copy, n));
	explicit_bzero(copy, size);
	mp_dealloc(m->alloc, copy, size);
	return rc;
}

static int
add_folded(struct mp_match *m, struct mp_span value)
{
	uint8_t *copy = mp_realloc(m->alloc, NULL, 0, value.n);
	int rc;

	if (copy == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; i < value.n; i++)
		copy[i] = url_fold(value.p[i]);
	rc = mp_match_add(m, mp_span(copy, value.n));
	explicit_bzero(copy, value.n);
	mp_dealloc(m->alloc, copy, value.n);
	return rc;
}

/* Bit `at` of what is `before` zero bytes and then the value; zeros follow. */
static unsigned
bit(struct mp_span value, size_t before, size_t at)
{
	size_t i = at / 8;

	if (i < before || i - before >= value.n)
		return 0;
	return value.p[i - before] >> (7 - at % 8) & 1u;
}

static uint8_t
base64_digit(struct mp_span value, size_t before, size_t digit)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned v = 0;

	for (size_t i = 0; i < 6; i++)
		v = v * 2 + bit(value, before, digit * 6 + i);
	return (uint8_t)digits[v];
}

/* Digits [from, to) of the value after `before` other bytes, padded with `pad` signs; and what is
 * left of them when some are on the line before. */
static int
add_digits(
	struct mp_match *m, struct mp_span value, size_t before, size_t from, size_t to, size_t pad)
{
	size_t n = to - from + pad;
	uint8_t *text = mp_realloc(m->alloc, NULL, 0, n);
	int rc = 0;

	if (text == NULL)
		return MP_ENOMEM;
	for (size_t i = from; i < to; i++)
		text[i - from] = base64_digit(value, before, i);
	memset(text + to - from, '=', pad);
	for (size_t cut = 0; rc == 0 && cut <= BASE64_LEFT; cut++) {
		if (cut == 0 || n >= cut + 2 * MP_MASK_BASE64_MIN)
			rc = mp_match_add(m, mp_span(text + cut, n - cut));
	}
	explicit_bzero(text, n);
	mp_dealloc(m->alloc, text, n);
	return rc;
}

static int
add_base64(struct mp_match *m, struct mp_span value)
{
	size_t digits = (value.n * 8 + 5) / 6;
	int rc = 0;

	if (digits >= MP_MASK_BASE64_MIN)
		rc = add_digits(m, value, 0, 0, digits, 0);
	if (rc == 0 && digits % 4 > 0)
		rc = add_digits(m, value, 0, 0, digits, 4 - digits % 4);
	for (size_t before = 0; rc == 0 && before < 3; before++) {
		size_t from = (before * 8 + 5) / 6, to = (before + value.n) * 8 / 6;

		if (to >= from + MP_MASK_BASE64_MIN)
			rc = add_digits(m, value, before, from, to, 0);
	}
	return rc;
}

static int
add_hex(struct mp_match *m, struct mp_span value)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *text;
	int rc;

	if (value.n < MP_MASK_HEX_MIN)
		return 0;
	text = mp_realloc(m->alloc, NULL, 0, value.n * 2);
	if (text == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; i < value.n; i++) {
		text[2 * i] = (uint8_t)digits[value.p[i] >> 4];
		text[2 * i + 1] = (uint8_t)digits[value.p[i] & 15];
	}
	rc = mp_match_add(m, mp_span(text, value.n * 2));
	explicit_bzero(text, value.n * 2);
	mp_dealloc(m->alloc, text, value.n * 2);
	return rc;
}

static int
add_value(struct mp_mask *mask, struct mp_span value)
{
	struct mp_match *plain = &mask->forms[MP_MASK_PLAIN];
	int rc;

	while (value.n > 0 && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
		value.n--;
	if (value.n == 0)
		return 0;
	rc = mp_match_add(plain, value);
	if (rc == 0)
		rc = add_lines(plain, value);
	if (rc == 0)
		rc = add_quoted(plain, value, "'\\''");
	if (rc == 0)
		rc = add_quoted(plain, value, "'\"'\"'");
	if (rc == 0)
		rc = add_folded(&mask->forms[MP_MASK_URL], value);
	if (rc == 0)
		rc = mp_match_add(&mask->forms[MP_MASK_JSON], value);
	if (rc == 0)
		rc = add_base64(&mask->forms[MP_MASK_BASE64], value);
	if (rc == 0)
		rc = add_hex(&mask->forms[MP_MASK_HEX], value);
	return rc;
}

int
mp_mask_new(
	const struct mp_alloc *alloc, const struct mp_span *values, size_t n, struct mp_mask **out)
{
	struct mp_mask *mask = mp_realloc(alloc, NULL, 0, sizeof(*mask));
	int rc = 0;

	if (mask == NULL)
		return MP_ENOMEM;
	mask->alloc = alloc;
	for (size_t i = 0; i < MP_MASK_FORMS; i++)
		mp_match_init(&mask->forms[i], alloc);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_value(mask, values[i]);
	for (size_t i = 0; rc == 0 && i < MP_MASK_FORMS; i++)
		rc = mp_match_build(&mask->forms[i]);
	if (rc == 0)
		*out = mask;
	else
		mp_mask_free(mask);
	return rc;
}

void
mp_mask_free(struct mp_mask *mask)
{
	if (mask == NULL)
		return;
	for (size_t i = 0; i < MP_MASK_FORMS; i++)
		mp_match_fini(&mask->forms[i]);
	mp_dealloc(mask->alloc, mask, sizeof(*mask));
}
