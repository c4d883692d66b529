/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <sodium.h>

_Static_assert(MP_AEAD_TAG == crypto_aead_chacha20poly1305_IETF_ABYTES, "tag");
_Static_assert(MP_AEAD_TAG == crypto_aead_xchacha20poly1305_IETF_ABYTES, "tag");
_Static_assert(MP_XAEAD_NONCE == crypto_aead_xchacha20poly1305_IETF_NPUBBYTES, "nonce");
_Static_assert(MP_SHA512_SIZE == crypto_hash_sha512_BYTES, "digest");
_Static_assert(sizeof(struct mp_sig) == crypto_sign_BYTES, "signature");

static void
sodium_hash(struct mp_hash *out, const struct mp_span *parts, size_t n)
{
	crypto_generichash_state st;

	(void)crypto_generichash_init(&st, NULL, 0, sizeof(out->b));
	for (size_t i = 0; i < n; i++)
		(void)crypto_generichash_update(&st, parts[i].p, parts[i].n);
	(void)crypto_generichash_final(&st, out->b, sizeof(out->b));
}

static void
sodium_sign(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg)
{
	(void)crypto_sign_detached(out->b, NULL, msg.p, msg.n, secret->ed25519);
}

static int
sodium_verify(const uint8_t public_key[32], const struct mp_sig *sig, struct mp_span msg)
{
	return crypto_sign_verify_detached(sig->b, msg.p, msg.n, public_key) == 0 ? 0 : MP_ESIG;
}

static void
sodium_seal(uint8_t *out, struct mp_span msg, struct mp_span ad,
	const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE])
{
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		out, NULL, msg.p, msg.n, ad.p, ad.n, NULL, nonce, key);
}

static int
sodium_open(uint8_t *out, struct mp_span sealed, struct mp_span ad,
	const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
		       out, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce, key) == 0
		       ? 0
		       : MP_ESIG;
}

static void
sodium_sha512(uint8_t out[MP_SHA512_SIZE], const struct mp_span *parts, size_t n)
{
	crypto_hash_sha512_state st;

	(void)crypto_hash_sha512_init(&st);
	for (size_t i = 0; i < n; i++)
		(void)crypto_hash_sha512_update(&st, parts[i].p, parts[i].n);
	(void)crypto_hash_sha512_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

static void
sodium_hmac_sha512(
	uint8_t out[MP_SHA512_SIZE], struct mp_span key, const struct mp_span *parts, size_t n)
{
	crypto_auth_hmacsha512_state st;

	(void)crypto_auth_hmacsha512_init(&st, key.p, key.n);
	for (size_t i = 0; i < n; i++)
		(void)crypto_auth_hmacsha512_update(&st, parts[i].p, parts[i].n);
	(void)crypto_auth_hmacsha512_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

static int
sodium_x25519(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
	return crypto_scalarmult(out, scalar, point) == 0 ? 0 : MP_ESIG;
}

static void
sodium_x25519_base(uint8_t out[32], const uint8_t scalar[32])
{
	(void)crypto_scalarmult_base(out, scalar);
}

static int
sodium_x25519_static(uint8_t out[32], const struct mp_secret *secret, const uint8_t point[32])
{
	mp_assert(secret->kind == MP_KEY_NODE);
	return sodium_x25519(out, secret->x25519, point);
}

/* Noise section 12.3: 32 zero bits, then the counter in little-endian order. */
static void
nonce_of(uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

static void
sodium_aead_seal(uint8_t *out, struct mp_span msg, struct mp_span ad, uint64_t counter,
	const uint8_t key[32])
{
	uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];

	nonce_of(nonce, counter);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(
		out, NULL, msg.p, msg.n, ad.p, ad.n, NULL, nonce, key);
}

static int
sodium_aead_open(uint8_t *out, struct mp_span sealed, struct mp_span ad, uint64_t counter,
	const uint8_t key[32])
{
	uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];

	nonce_of(nonce, counter);
	return crypto_aead_chacha20poly1305_ietf_decrypt(
		       out, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce, key) == 0
		       ? 0
		       : MP_ESIG;
}

static int
sodium_box_seal(uint8_t *out, struct mp_span msg, const uint8_t public_key[32])
{
	return crypto_box_seal(out, msg.p, msg.n, public_key) == 0 ? 0 : MP_ESIG;
}

static int
sodium_box_open(uint8_t *out, struct mp_span sealed, const struct mp_secret *secret)
{
	mp_assert(secret->kind == MP_KEY_NODE);
	return sealed.n >= MP_BOX_EXTRA && crypto_box_seal_open(out, sealed.p, sealed.n,
						   secret->xkey.b, secret->x25519) == 0
		       ? 0
		       : MP_ESIG;
}

const struct mp_crypto mp_crypto_sodium = {
	.hash = sodium_hash,
	.sign = sodium_sign,
	.verify = sodium_verify,
	.seal = sodium_seal,
	.open = sodium_open,
	.sha512 = sodium_sha512,
	.hmac_sha512 = sodium_hmac_sha512,
	.x25519 = sodium_x25519,
	.x25519_base = sodium_x25519_base,
	.x25519_static = sodium_x25519_static,
	.aead_seal = sodium_aead_seal,
	.aead_open = sodium_aead_open,
	.box_seal = sodium_box_seal,
	.box_open = sodium_box_open,
	.wipe = sodium_memzero,
};
