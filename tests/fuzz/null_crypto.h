/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography that refuses nothing, so that a fuzzer gets past it: every signature holds, every
 * seal opens, and a hash is a few bytes that depend on little.
 */
#ifndef MP_TESTS_NULL_CRYPTO_H
#define MP_TESTS_NULL_CRYPTO_H

#include "mp/crypto.h"
#include "mp/error.h"

static inline void
null_hash(struct mp_hash *out, const struct mp_span *parts, size_t n)
{
	(void)parts;
	memset(out->b, (int)n, sizeof(out->b));
}

static inline void
null_sign(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg)
{
	(void)secret;
	(void)msg;
	memset(out->b, 0, sizeof(out->b));
}

static inline int
null_verify(const uint8_t public_key[32], const struct mp_sig *sig, struct mp_span msg)
{
	(void)public_key;
	(void)sig;
	(void)msg;
	return 0;
}

static inline void
null_put(uint8_t *out, struct mp_span msg)
{
	if (msg.n > 0)
		memmove(out, msg.p, msg.n);
	memset(out + msg.n, 0, MP_AEAD_TAG);
}

static inline int
null_take(uint8_t *out, struct mp_span sealed)
{
	if (sealed.n < MP_AEAD_TAG)
		return MP_ESIG;
	if (sealed.n > MP_AEAD_TAG)
		memmove(out, sealed.p, sealed.n - MP_AEAD_TAG);
	return 0;
}

static inline void
null_sha512(uint8_t out[MP_SHA512_SIZE], const struct mp_span *parts, size_t n)
{
	(void)parts;
	memset(out, (int)n, MP_SHA512_SIZE);
}

static inline void
null_hmac_sha512(
	uint8_t out[MP_SHA512_SIZE], struct mp_span key, const struct mp_span *parts, size_t n)
{
	(void)key;
	null_sha512(out, parts, n);
}

/* A point that begins with a zero byte counts as one of low order. */
static inline int
null_x25519(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
	(void)scalar;
	memcpy(out, point, 32);
	return point[0] == 0 ? MP_ESIG : 0;
}

static inline void
null_x25519_base(uint8_t out[32], const uint8_t scalar[32])
{
	memcpy(out, scalar, 32);
}

static inline int
null_x25519_static(uint8_t out[32], const struct mp_secret *secret, const uint8_t point[32])
{
	(void)secret;
	return null_x25519(out, point, point);
}

static inline void
null_aead_seal(uint8_t *out, struct mp_span msg, struct mp_span ad, uint64_t counter,
	const uint8_t key[32])
{
	(void)ad;
	(void)counter;
	(void)key;
	null_put(out, msg);
}

static inline int
null_aead_open(uint8_t *out, struct mp_span sealed, struct mp_span ad, uint64_t counter,
	const uint8_t key[32])
{
	(void)ad;
	(void)counter;
	(void)key;
	return null_take(out, sealed);
}

static inline int
null_box_seal(uint8_t *out, struct mp_span msg, const uint8_t public_key[32])
{
	(void)public_key;
	memset(out, 0, MP_BOX_EXTRA);
	memcpy(out + MP_BOX_EXTRA, msg.p, msg.n);
	return 0;
}

static inline int
null_box_open(uint8_t *out, struct mp_span sealed, const struct mp_secret *secret)
{
	(void)secret;
	if (sealed.n > MP_BOX_EXTRA)
		memcpy(out, sealed.p + MP_BOX_EXTRA, sealed.n - MP_BOX_EXTRA);
	return sealed.n >= MP_BOX_EXTRA ? 0 : MP_ESIG;
}

static inline void
null_wipe(void *p, size_t n)
{
	memset(p, 0, n);
}

/* seal and open stay NULL: what runs over this table does not use them. */
static const struct mp_crypto null_crypto = {
	.hash = null_hash,
	.sign = null_sign,
	.verify = null_verify,
	.sha512 = null_sha512,
	.hmac_sha512 = null_hmac_sha512,
	.x25519 = null_x25519,
	.x25519_base = null_x25519_base,
	.x25519_static = null_x25519_static,
	.aead_seal = null_aead_seal,
	.aead_open = null_aead_open,
	.box_seal = null_box_seal,
	.box_open = null_box_open,
	.wipe = null_wipe,
};

#endif
