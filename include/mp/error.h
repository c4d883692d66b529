/* SPDX-License-Identifier: Apache-2.0 */
/* One table of errors, and the text that tells a person what, where, and what next. */
#ifndef MP_ERROR_H
#define MP_ERROR_H

#include <stdarg.h>

#include "mp/base.h"

/* Codes start at -20001 so that they never meet libuv's or SQLite's. Add at the end only. */
#define MP_ERROR_TABLE(X)                                                                          \
	X(EINVAL, "invalid argument")                                                              \
	X(ENOMEM, "out of memory")                                                                 \
	X(EFORMAT, "malformed data")                                                               \
	X(ETRUNC, "data ends too early")                                                           \
	X(ELIMIT, "over a limit")                                                                  \
	X(ENOENT, "not found")                                                                     \
	X(EEXIST, "exists already")                                                                \
	X(EAUTH, "not authorised")                                                                 \
	X(ESIG, "bad signature")                                                                   \
	X(ECLUSTER, "another cluster")                                                             \
	X(EREPLAY, "seen before")                                                                  \
	X(EVERSION, "unknown version")                                                             \
	X(EIO, "input/output error")                                                               \
	X(EFULL, "disk full")                                                                      \
	X(ECORRUPT, "stored data is damaged")                                                      \
	X(EBUSY, "busy")                                                                           \
	X(ETIMEOUT, "timed out")                                                                   \
	X(ECLOSED, "connection closed")                                                            \
	X(EREFUSED, "connection refused")                                                          \
	X(ENOQUORUM, "no majority of electors")                                                    \
	X(ENOTLEADER, "not the leader")                                                            \
	X(EPIPELINE, "invalid pipeline")                                                           \
	X(EUSAGE, "usage")                                                                         \
	X(ECANCELED, "cancelled")                                                                  \
	X(EUNSUPPORTED, "not supported by this version")                                           \
	X(EBUG, "internal error")                                                                  \
	X(EEXPIRED, "out of its time")                                                             \
	X(EREVOKED, "revoked")                                                                     \
	X(EROLE, "not in its role")

enum mp_error_index {
#define MP_ERROR_INDEX(name, text) MP_INDEX_##name,
	MP_ERROR_TABLE(MP_ERROR_INDEX)
#undef MP_ERROR_INDEX
		MP_ERROR_COUNT
};

enum mp_error_code {
#define MP_ERROR_CODE(name, text) MP_##name = -20001 - MP_INDEX_##name,
	MP_ERROR_TABLE(MP_ERROR_CODE)
#undef MP_ERROR_CODE
};

/* The longest text an error carries, its NUL included; longer text is cut and ends in "...". */
#define MP_ERROR_TEXT_MAX 512

struct mp_error {
	int code; /* 0 or one MP_E* */
	char text[MP_ERROR_TEXT_MAX];
};

/* Short text of a code; "unknown error" for a foreign one. Never NULL. */
const char *mp_strerror(int code);

/* Does it mean that somebody may not, whatever the reason? It will not help to try again. */
static inline bool
mp_error_denies(int code)
{
	return code == MP_EAUTH || code == MP_EEXPIRED || code == MP_EREVOKED || code == MP_EROLE;
}

/* Fills *err (which may be NULL) and returns code, so that it can be the return expression. */
int mp_fail(struct mp_error *err, int code, const char *fmt, ...) MP_PRINTF(3, 4);
int mp_vfail(struct mp_error *err, int code, const char *fmt, va_list ap) MP_PRINTF(3, 0);

/* Puts "context: " before the text that is there, and returns the code that is there. */
int mp_wrap(struct mp_error *err, const char *fmt, ...) MP_PRINTF(2, 3);

#endif
