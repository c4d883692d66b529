/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef MP_UTIL_UTF8_H
#define MP_UTIL_UTF8_H

#include "mp/base.h"

/* Length of the valid sequence at p (1 to 4), of which n bytes are there; 0 if there is none. */
size_t mp_utf8_sequence(const uint8_t *p, size_t n);

/* Length of the longest valid prefix: bytes.n when all of it is valid. */
size_t mp_utf8_prefix(struct mp_span bytes);

/* Valid, and without C0 and C1 control characters, DEL and NUL: fit for a terminal and a path. */
bool mp_utf8_printable(struct mp_span bytes);

/* Writes what a terminal can take: a blank for a tab, '?' for everything else that is not
 * printable. out has room for bytes.n. Returns how many were written. */
size_t mp_utf8_clean(struct mp_span bytes, uint8_t *out);

#endif
