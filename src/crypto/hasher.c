/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hasher.h"

#include <sodium.h>

_Static_assert(sizeof(struct mp_hasher) >= sizeof(crypto_generichash_state), "room for the state");
_Static_assert(_Alignof(struct mp_hasher) >= _Alignof(crypto_generichash_state), "its alignment");

static crypto_generichash_state *
hasher_state(struct mp_hasher *h)
{
	return (crypto_generichash_state *)(void *)h->state;
}

void
mp_hasher_init(struct mp_hasher *h)
{
	int rc = crypto_generichash_init(hasher_state(h), NULL, 0, sizeof(struct mp_hash));

	mp_assert(rc == 0);
}

void
mp_hasher_update(struct mp_hasher *h, struct mp_span bytes)
{
	int rc = crypto_generichash_update(hasher_state(h), bytes.p, bytes.n);

	mp_assert(rc == 0);
}

void
mp_hasher_final(struct mp_hasher *h, struct mp_hash *out)
{
	int rc = crypto_generichash_final(hasher_state(h), out->b, sizeof(out->b));

	mp_assert(rc == 0);
}

/* ---- SHA-256 ---- */

_Static_assert(sizeof(struct mp_sha256) >= sizeof(crypto_hash_sha256_state), "room for the state");
_Static_assert(_Alignof(struct mp_sha256) >= _Alignof(crypto_hash_sha256_state), "its alignment");

static crypto_hash_sha256_state *
sha256_state(struct mp_sha256 *h)
{
	return (crypto_hash_sha256_state *)(void *)h->state;
}

void
mp_sha256_init(struct mp_sha256 *h)
{
	int rc = crypto_hash_sha256_init(sha256_state(h));

	mp_assert(rc == 0);
}

void
mp_sha256_update(struct mp_sha256 *h, struct mp_span bytes)
{
	int rc = crypto_hash_sha256_update(sha256_state(h), bytes.p, bytes.n);

	mp_assert(rc == 0);
}

void
mp_sha256_final(struct mp_sha256 *h, uint8_t out[32])
{
	int rc = crypto_hash_sha256_final(sha256_state(h), out);

	mp_assert(rc == 0);
}

/* ---- at once ---- */

void
mp_hasher_once(struct mp_hash *out, struct mp_span bytes)
{
	int rc = crypto_generichash(out->b, sizeof(out->b), bytes.p, bytes.n, NULL, 0);

	mp_assert(rc == 0);
}
