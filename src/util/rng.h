/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that look random (SplitMix64, Steele et al. 2014). Not for secrets: entropy comes in
 * events, and keys are made in src/crypto. */
#ifndef MP_UTIL_RNG_H
#define MP_UTIL_RNG_H

#include "mp/base.h"

struct mp_rng {
	uint64_t state;
};

static inline uint64_t
mp_rng_next(struct mp_rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Mixes in fresh bits. */
static inline void
mp_rng_stir(struct mp_rng *r, uint64_t entropy)
{
	r->state ^= entropy;
	(void)mp_rng_next(r);
}

/* 0 .. n - 1, n above 0; the bias of 2^-64 · n does not matter here. */
static inline uint64_t
mp_rng_below(struct mp_rng *r, uint64_t n)
{
	mp_assert(n > 0);
	return mp_rng_next(r) % n;
}

#endif
