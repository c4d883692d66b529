/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/tool.h"

#include <string.h>

#define DIGITS     "0123456789"
#define DIGITS_MAX 9 /* of one number */

enum op { OP_NONE, OP_AT_LEAST, OP_BELOW, OP_IS };

/* Skips it. */
static enum op
read_op(const char **s)
{
	static const char *const ops[] = {[OP_AT_LEAST] = ">=", [OP_BELOW] = "<", [OP_IS] = "="};

	for (int op = OP_AT_LEAST; op <= OP_IS; op++) {
		size_t n = strlen(ops[op]);

		if (strncmp(*s, ops[op], n) != 0)
			continue;
		*s += n;
		return (enum op)op;
	}
	return OP_NONE;
}

/* Of a version from `s` on; skips it and the dot behind it. Zero where there is none. */
static uint64_t
read_number(const char **s)
{
	size_t n = strspn(*s, DIGITS);
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < DIGITS_MAX * 2; i++)
		v = v * 10 + (uint64_t)((*s)[i] - '0');
	*s += n;
	if (**s == '.')
		(*s)++;
	return v;
}

static bool
is_version(const char *s)
{
	for (;;) {
		size_t n = strspn(s, DIGITS);

		if (n == 0 || n > DIGITS_MAX)
			return false;
		s += n;
		if (*s == '\0')
			return true;
		if (*s++ != '.')
			return false;
	}
}

size_t
mp_tool_name_size(const char *asked)
{
	return strcspn(asked, "<>=");
}

int
mp_tool_check(const char *asked, struct mp_error *err)
{
	size_t n = mp_tool_name_size(asked);
	const char *s = asked + n;

	if (n > 0 && *s == '\0')
		return 0;
	if (n > 0 && read_op(&s) != OP_NONE && is_version(s))
		return 0;
	return mp_fail(err, MP_EINVAL,
		"expected a tool, or one with >=, < or = and a version, as in gcc>=12; found "
		"'%.60s'",
		asked);
}

bool
mp_tool_fits(const char *asked, const char *version)
{
	const char *want = asked + mp_tool_name_size(asked), *have = version;
	enum op op = read_op(&want);

	if (op == OP_NONE)
		return true;
	if (*have == '\0')
		return false;
	while (*want != '\0' || (op != OP_IS && *have != '\0')) {
		bool lacks = *have == '\0';
		uint64_t w = read_number(&want), h = read_number(&have);

		if (op == OP_IS && (w != h || lacks))
			return false;
		if (w != h)
			return (h > w) == (op == OP_AT_LEAST);
	}
	return op != OP_BELOW;
}
