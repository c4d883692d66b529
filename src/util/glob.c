/* SPDX-License-Identifier: Apache-2.0 */
#include "util/glob.h"

#include "mp/limits.h"
#include "util/utf8.h"

/* Bytes of the component that starts at s. */
static size_t
component(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0' && s[n] != '/')
		n++;
	return n;
}

static const char *
component_next(const char *s, size_t n)
{
	return s[n] == '/' ? s + n + 1 : s + n;
}

static bool
is_any_depth(const char *s, size_t n)
{
	return n == 2 && s[0] == '*' && s[1] == '*';
}

/* The code point at s, of at most n bytes (n > 0), and its length. A stray byte is itself. */
static size_t
code_point(const char *s, size_t n, uint32_t *out)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t len = mp_utf8_sequence(p, n);

	*out = p[0];
	if (len < 2)
		return 1;
	*out = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++)
		*out = *out << 6 | (p[i] & 0x3fu);
	return len;
}

/*
 * Reads the set that starts at p[0] == '['; *in tells whether c belongs to it. Returns its length,
 * or 0 when it is not closed within n bytes or a range runs backwards.
 */
static size_t
set_match(const char *p, size_t n, uint32_t c, bool *in)
{
	bool negated = n > 1 && (p[1] == '!' || p[1] == '^');
	size_t first = negated ? 2 : 1;
	size_t i = first;
	uint32_t lo;
	uint32_t hi;

	*in = false;
	while (i < n && (p[i] != ']' || i == first)) {
		i += code_point(p + i, n - i, &lo);
		hi = lo;
		if (i + 1 < n && p[i] == '-' && p[i + 1] != ']')
			i += 1 + code_point(p + i + 1, n - i - 1, &hi);
		if (hi < lo)
			return 0;
		if (lo <= c && c <= hi)
			*in = true;
	}
	if (i >= n)
		return 0;
	*in = *in != negated;
	return i + 1;
}

/* Matches one pattern element that is not '*' at the start of s; false, or the bytes both took. */
static bool
element_match(const char *p, size_t pn, const char *s, size_t sn, size_t *took_p, size_t *took_s)
{
	uint32_t c;
	bool in;

	if (sn == 0)
		return false;
	*took_s = code_point(s, sn, &c);
	*took_p = 1;
	if (p[0] == '?')
		return true;
	if (p[0] == '[') {
		*took_p = set_match(p, pn, c, &in);
		return *took_p > 0 && in;
	}
	*took_s = 1;
	return p[0] == s[0];
}

/*
 * One component. Only the last star needs to be tried again: what stands before it matched at the
 * earliest place, and a later one leaves no more choice to what follows.
 */
static bool
component_match(const char *p, size_t pn, const char *s, size_t sn)
{
	size_t pi = 0;
	size_t si = 0;
	size_t star = SIZE_MAX; /* pattern after the last star, and where in s it was tried last */
	size_t tried = 0;
	size_t took_p;
	size_t took_s;

	while (si < sn || pi < pn) {
		if (pi < pn && p[pi] == '*') {
			star = ++pi;
			tried = si;
		} else if (pi < pn &&
			   element_match(p + pi, pn - pi, s + si, sn - si, &took_p, &took_s)) {
			pi += took_p;
			si += took_s;
		} else if (star != SIZE_MAX && tried < sn) {
			uint32_t c;

			tried += code_point(s + tried, sn - tried, &c);
			pi = star;
			si = tried;
		} else {
			return false;
		}
	}
	return true;
}

bool
mp_glob_match(const char *pattern, const char *path)
{
	const char *p = pattern;
	const char *s = path;
	const char *deep = NULL; /* pattern after the last "**", and where in path it was tried */
	const char *tried = NULL;

	/* The same rule one level up: components instead of characters. */
	while (*s != '\0' || *p != '\0') {
		size_t pn = component(p);
		size_t sn = component(s);

		if (is_any_depth(p, pn)) {
			p = component_next(p, pn);
			if (*p == '\0')
				return *s != '\0';
			deep = p;
			tried = s;
		} else if (*p != '\0' && *s != '\0' && component_match(p, pn, s, sn)) {
			p = component_next(p, pn);
			s = component_next(s, sn);
		} else if (deep != NULL && *tried != '\0') {
			tried = component_next(tried, component(tried));
			p = deep;
			s = tried;
		} else {
			return false;
		}
	}
	return true;
}

bool
mp_glob_may_enter(const char *pattern, const char *dir)
{
	const char *p = pattern;
	const char *s = dir;

	while (*s != '\0') {
		size_t pn = component(p);
		size_t sn = component(s);

		if (is_any_depth(p, pn))
			return true;
		if (*p == '\0' || !component_match(p, pn, s, sn))
			return false;
		p = component_next(p, pn);
		s = component_next(s, sn);
	}
	return *p != '\0';
}

bool
mp_glob_is_literal(const char *pattern)
{
	return strpbrk(pattern, "*?[") == NULL;
}

/* What holds for globs and paths alike. */
static int
text_check(const char *s, struct mp_error *err)
{
	size_t n = strlen(s);

	if (n == 0)
		return mp_fail(err, MP_EINVAL, "is empty");
	if (n > MP_PATH_MAX)
		return mp_fail(err, MP_EINVAL, "is longer than %d bytes", MP_PATH_MAX);
	if (!mp_utf8_printable(mp_span(s, n)))
		return mp_fail(err, MP_EINVAL, "is not printable UTF-8 text");
	if (s[0] == '/')
		return mp_fail(err, MP_EINVAL, "is absolute: paths are relative to the workspace");
	return 0;
}

static int
component_check(const char *s, size_t n, struct mp_error *err)
{
	if (n == 0)
		return mp_fail(err, MP_EINVAL, "has an empty component ('//' or a '/' at its end)");
	if (n == 1 && s[0] == '.')
		return mp_fail(err, MP_EINVAL, "has a '.' component: leave it out");
	if (n == 2 && s[0] == '.' && s[1] == '.')
		return mp_fail(
			err, MP_EINVAL, "has a '..' component and would leave the workspace");
	if (n > 255)
		return mp_fail(err, MP_EINVAL, "has a component longer than 255 bytes");
	return 0;
}

static int
wildcards_check(const char *s, size_t n, struct mp_error *err)
{
	bool in;

	if (is_any_depth(s, n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t set;

		if (s[i] == '\\')
			return mp_fail(
				err, MP_EINVAL, "has a backslash: write [*] for a literal star");
		if (s[i] == '*' && i + 1 < n && s[i + 1] == '*')
			return mp_fail(err, MP_EINVAL,
				"has '**' inside a component: it stands alone between '/'");
		if (s[i] != '[')
			continue;
		set = set_match(s + i, n - i, 0, &in);
		if (set == 0)
			return mp_fail(err, MP_EINVAL,
				"has a '[' that is not closed or a range that runs backwards");
		i += set - 1;
	}
	return 0;
}

static int
check(const char *s, bool glob, struct mp_error *err)
{
	int rc = text_check(s, err);

	while (rc == 0) {
		size_t n = component(s);

		rc = component_check(s, n, err);
		if (rc == 0 && glob)
			rc = wildcards_check(s, n, err);
		if (s[n] == '\0')
			break;
		s += n + 1;
	}
	return rc;
}

int
mp_glob_check(const char *pattern, struct mp_error *err)
{
	return check(pattern, true, err);
}

int
mp_path_check(const char *path, struct mp_error *err)
{
	return check(path, false, err);
}
