/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fast 64-bit checksum against damage, not against people: every step maps the state one to one,
 * so one changed word always changes the sum. Stored on disk; the result never changes.
 */
#ifndef MP_UTIL_SUM_H
#define MP_UTIL_SUM_H

#include "mp/base.h"

static inline uint64_t
mp_sum64_word(uint64_t h, uint64_t w)
{
	h = (h ^ w) * 0x9fb21c651e98df25ull;
	return h ^ (h >> 32);
}

/* The next 8 bytes as a number, little-endian. */
static inline uint64_t
mp_sum64_load(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

/* Continues from `h` (any start value) over the length and the bytes. */
static inline uint64_t
mp_sum64(uint64_t h, struct mp_span s)
{
	uint8_t last[8] = {0};
	size_t i = 0;

	h = mp_sum64_word(h, s.n);
	for (; s.n - i >= 8; i += 8)
		h = mp_sum64_word(h, mp_sum64_load(s.p + i));
	if (i == s.n)
		return h;
	memcpy(last, s.p + i, s.n - i);
	return mp_sum64_word(h, mp_sum64_load(last));
}

#endif
