/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE2b-256 in pieces, for bytes that are never in memory at once. Same result as
 * mp_crypto.hash over the whole. And SHA-256, for what others are to recognise. */
#ifndef MP_CRYPTO_HASHER_H
#define MP_CRYPTO_HASHER_H

#include "mp/base.h"

/* May be copied only between init and final; owns nothing. */
struct mp_hasher {
	_Alignas(64) uint8_t state[384];
};

void mp_hasher_init(struct mp_hasher *h);
void mp_hasher_update(struct mp_hasher *h, struct mp_span bytes);
void mp_hasher_final(struct mp_hasher *h, struct mp_hash *out);

/* As above. */
struct mp_sha256 {
	_Alignas(8) uint8_t state[128];
};

void mp_sha256_init(struct mp_sha256 *h);
void mp_sha256_update(struct mp_sha256 *h, struct mp_span bytes);
void mp_sha256_final(struct mp_sha256 *h, uint8_t out[32]);

/* All at once. */
void mp_hasher_once(struct mp_hash *out, struct mp_span bytes);

#endif
