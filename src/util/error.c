/* SPDX-License-Identifier: Apache-2.0 */
#include "mp/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
mp_strerror(int code)
{
	static const char *const text[] = {
#define X(name, t) t,
		MP_ERROR_TABLE(X)
#undef X
	};
	int i = -20001 - code;

	if (code == 0)
		return "no error";
	if (i < 0 || i >= MP_ERROR_COUNT)
		return "unknown error";
	return text[i];
}

static void
error_ellipsis(struct mp_error *err, int wanted)
{
	if (wanted >= MP_ERROR_TEXT_MAX)
		memcpy(err->text + MP_ERROR_TEXT_MAX - 4, "...", 4);
}

int
mp_vfail(struct mp_error *err, int code, const char *fmt, va_list ap)
{
	if (err != NULL) {
		err->code = code;
		error_ellipsis(err, vsnprintf(err->text, sizeof(err->text), fmt, ap));
	}
	return code;
}

int
mp_fail(struct mp_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)mp_vfail(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int
mp_wrap(struct mp_error *err, const char *fmt, ...)
{
	char inner[MP_ERROR_TEXT_MAX];
	char context[MP_ERROR_TEXT_MAX];
	va_list ap;

	if (err == NULL)
		return 0;
	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(inner, err->text, sizeof(inner));
	error_ellipsis(
		err, snprintf(err->text, sizeof(err->text), "%.255s: %.480s", context, inner));
	return err->code;
}
