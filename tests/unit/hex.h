/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors are written in hex. */
#ifndef MP_TESTS_HEX_H
#define MP_TESTS_HEX_H

#include "unit/unit.h"

/* Decodes into out, which has room for size bytes; returns how many there were. */
static inline size_t
unit_hex(uint8_t *out, size_t size, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static inline void
unit_assert_hex(const uint8_t *p, size_t n, const char *hex)
{
	uint8_t want[512];

	assert_int_equal(n, unit_hex(want, sizeof(want), hex));
	assert_memory_equal(p, want, n);
}

#endif
