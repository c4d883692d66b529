/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography as a table of pure functions, so that the core and the codec link no library and
 * the simulator can use cheap stand-ins. The real table is mp_crypto_sodium (src/crypto).
 *
 * No function keeps a pointer. Outputs never alias inputs unless a function says so. Functions
 * that return int return 0 or MP_ESIG (verification failed); the others cannot fail.
 */
#ifndef MP_CRYPTO_H
#define MP_CRYPTO_H

#include "mp/base.h"

#define MP_AEAD_TAG    16 /* Poly1305 */
#define MP_XAEAD_NONCE 24 /* XChaCha20-Poly1305 */
#define MP_SHA512_SIZE 64
#define MP_SYMKEY_SIZE 32
#define MP_NOISE_KEY   32
#define MP_BOX_EXTRA   48 /* a sealed box: an ephemeral X25519 key, Poly1305 */

/* An opaque handle to this node's secret keys. Only src/crypto and the simulator look inside. */
struct mp_secret;

struct mp_crypto {
	/* BLAKE2b-256 of the concatenation of n spans. */
	void (*hash)(struct mp_hash *out, const struct mp_span *parts, size_t n);

	/* Ed25519 (RFC 8032). sign uses the node key inside `secret`. */
	void (*sign)(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg);
	int (*verify)(const uint8_t public_key[32], const struct mp_sig *sig, struct mp_span msg);

	/* XChaCha20-Poly1305-IETF with the cluster's gossip key. out has room for msg.n + 16. */
	void (*seal)(uint8_t *out, struct mp_span msg, struct mp_span ad,
		const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE]);
	/* out has room for sealed.n - 16; MP_ESIG if it was not sealed with this key. */
	int (*open)(uint8_t *out, struct mp_span sealed, struct mp_span ad,
		const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE]);

	/* For Noise_XX_25519_ChaChaPoly_SHA512 only. */
	void (*sha512)(uint8_t out[MP_SHA512_SIZE], const struct mp_span *parts, size_t n);
	void (*hmac_sha512)(uint8_t out[MP_SHA512_SIZE], struct mp_span key,
		const struct mp_span *parts, size_t n);
	/* X25519 (RFC 7748); MP_ESIG when the result would be all zero (a low-order point). */
	int (*x25519)(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);
	void (*x25519_base)(uint8_t out[32], const uint8_t scalar[32]);
	/* The same with the node's static X25519 secret key inside `secret`. */
	int (*x25519_static)(
		uint8_t out[32], const struct mp_secret *secret, const uint8_t point[32]);
	/* ChaCha20-Poly1305-IETF (RFC 8439); in place is allowed (out == msg.p). */
	void (*aead_seal)(uint8_t *out, struct mp_span msg, struct mp_span ad, uint64_t counter,
		const uint8_t key[32]);
	int (*aead_open)(uint8_t *out, struct mp_span sealed, struct mp_span ad, uint64_t counter,
		const uint8_t key[32]);

	/* A sealed box (libsodium's crypto_box_seal): whoever knows a node's X25519 key can make
	 * one, only that node can open it, and nobody can tell who made it. The one function that
	 * takes entropy of its own. out has room for msg.n + MP_BOX_EXTRA; MP_ESIG: a low-order
	 * point. */
	int (*box_seal)(uint8_t *out, struct mp_span msg, const uint8_t public_key[32]);
	/* out has room for sealed.n - MP_BOX_EXTRA; MP_ESIG if it was not sealed to this node. */
	int (*box_open)(uint8_t *out, struct mp_span sealed, const struct mp_secret *secret);

	/* Forgets a secret in memory in a way that the compiler keeps. */
	void (*wipe)(void *p, size_t n);
};

/* First 16 bytes of a hash name a run. */
static inline struct mp_run_id
mp_run_id_of(const struct mp_hash *h)
{
	struct mp_run_id id;

	memcpy(id.b, h->b, sizeof(id.b));
	return id;
}

#endif
