/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as people see them. */
#ifndef MP_UTIL_HEX_H
#define MP_UTIL_HEX_H

#include "mp/base.h"

/* Of n bytes: two digits each, and a NUL. */
#define MP_HEX_SIZE(n) (2 * (n) + 1)

/* Writes MP_HEX_SIZE(n) bytes. */
void mp_hex(char *out, const uint8_t *p, size_t n);

/* What a digit stands for, in lower case as mp_hex() writes them; below 0: it is none. */
int mp_unhex_digit(uint8_t c);
/* n bytes of 2 * n digits; false: it is not that, and out may be written in part. */
bool mp_unhex(uint8_t *out, size_t n, struct mp_span text);

#endif
