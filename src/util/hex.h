/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as people see them. */
#ifndef MP_UTIL_HEX_H
#define MP_UTIL_HEX_H

#include "mp/base.h"

/* Of n bytes: two digits each, and a NUL. */
#define MP_HEX_SIZE(n) (2 * (n) + 1)

/* Writes MP_HEX_SIZE(n) bytes. */
void mp_hex(char *out, const uint8_t *p, size_t n);

#endif
