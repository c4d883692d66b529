/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "wire.h"

static const char protocol[] = "Noise_XX_25519_ChaChaPoly_SHA512";

/* ---- keys ---- */

struct keys
keys_make(uint64_t seed)
{
	uint8_t bytes[2][32];
	struct keys k;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t label[2] = {seed, i};

		(void)crypto_generichash(
			bytes[i], 32, (const uint8_t *)label, sizeof(label), NULL, 0);
	}
	(void)crypto_sign_seed_keypair(k.id, k.secret, bytes[0]);
	memcpy(k.x_secret, bytes[1], 32);
	(void)crypto_scalarmult_base(k.x, k.x_secret);
	return k;
}

struct keys
keys_load(const char *state)
{
	char path[4096], ed[65], x[65];
	uint8_t seed[32];
	struct bytes text;
	struct keys k;

	(void)snprintf(path, sizeof(path), "%s/node.key", state);
	text = bytes_read(path);
	bytes_put(&text, "", 1);
	if (sscanf((const char *)text.p, "meshpipe-key 1 node ed25519 %64s x25519 %64s", ed, x) !=
			2 ||
		sodium_hex2bin(seed, 32, ed, 64, NULL, NULL, NULL) != 0 ||
		sodium_hex2bin(k.x_secret, 32, x, 64, NULL, NULL, NULL) != 0)
		die("%s: not a node's key", path);
	bytes_free(&text);
	(void)crypto_sign_seed_keypair(k.id, k.secret, seed);
	(void)crypto_scalarmult_base(k.x, k.x_secret);
	return k;
}

struct keys
keys_load_signing(const char *path)
{
	struct bytes text = bytes_read(path);
	struct keys k = {.id = {0}};
	uint8_t seed[32];
	char ed[65];

	bytes_put(&text, "", 1);
	if (sscanf((const char *)text.p, "meshpipe-key 1 signing ed25519 %64s", ed) != 1 ||
		sodium_hex2bin(seed, 32, ed, 64, NULL, NULL, NULL) != 0)
		die("%s: not a signing key", path);
	bytes_free(&text);
	(void)crypto_sign_seed_keypair(k.id, k.secret, seed);
	return k;
}

void
hash_of(uint8_t out[32], const struct bytes *parts, size_t n)
{
	crypto_generichash_state st;

	(void)crypto_generichash_init(&st, NULL, 0, 32);
	for (size_t i = 0; i < n; i++)
		(void)crypto_generichash_update(&st, parts[i].p, parts[i].n);
	(void)crypto_generichash_final(&st, out, 32);
}

void
hash_bytes(uint8_t out[32], const void *p, size_t n)
{
	(void)crypto_generichash(out, 32, p, n, NULL, 0);
}

void
sign_record(uint8_t sig[64], const struct keys *by, const struct bytes *record)
{
	uint8_t hash[32];

	hash_of(hash, record, 1);
	(void)crypto_sign_detached(sig, NULL, hash, sizeof(hash), by->secret);
}

/* ---- the handshake ---- */

static void
mix_hash(struct noise *s, const void *p, size_t n)
{
	crypto_hash_sha512_state st;

	(void)crypto_hash_sha512_init(&st);
	(void)crypto_hash_sha512_update(&st, s->h, sizeof(s->h));
	(void)crypto_hash_sha512_update(&st, p, n);
	(void)crypto_hash_sha512_final(&st, s->h);
}

static void
hmac(uint8_t out[64], const uint8_t key[64], const void *p, size_t n, uint8_t last)
{
	crypto_auth_hmacsha512_state st;

	(void)crypto_auth_hmacsha512_init(&st, key, 64);
	(void)crypto_auth_hmacsha512_update(&st, p, n);
	if (last != 0)
		(void)crypto_auth_hmacsha512_update(&st, &last, 1);
	(void)crypto_auth_hmacsha512_final(&st, out);
}

static void
hkdf(const uint8_t ck[64], const void *ikm, size_t n, uint8_t out1[64], uint8_t out2[64])
{
	uint8_t temp[64];

	hmac(temp, ck, ikm, n, 0);
	hmac(out1, temp, NULL, 0, 1);
	hmac(out2, temp, out1, 64, 2);
}

static void
mix_key(struct noise *s, const uint8_t secret[32], const uint8_t point[32])
{
	uint8_t shared[32] = {0}, ck[64], k[64];

	/* All zero for a point of low order, which is one of the things that are tried. */
	if (crypto_scalarmult(shared, secret, point) != 0)
		memset(shared, 0, sizeof(shared));
	hkdf(s->ck, shared, sizeof(shared), ck, k);
	memcpy(s->ck, ck, sizeof(s->ck));
	memcpy(s->k, k, sizeof(s->k));
	s->n = 0;
	s->keyed = true;
}

static void
nonce_of(uint8_t nonce[12], uint64_t n)
{
	memset(nonce, 0, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> 8 * i);
}

static void
seal_hash(struct noise *s, const void *p, size_t n, struct bytes *out)
{
	uint8_t sealed[65535], nonce[12];
	unsigned long long size = n;

	if (n > sizeof(sealed) - 16)
		die("a handshake message that is too long even for this");
	if (s->keyed) {
		nonce_of(nonce, s->n++);
		(void)crypto_aead_chacha20poly1305_ietf_encrypt(
			sealed, &size, p, n, s->h, sizeof(s->h), NULL, nonce, s->k);
	} else if (n > 0) {
		memcpy(sealed, p, n);
	}
	mix_hash(s, sealed, (size_t)size);
	bytes_put(out, sealed, (size_t)size);
}

static bool
open_hash(struct noise *s, const uint8_t *p, size_t n, uint8_t *out)
{
	uint8_t nonce[12];
	bool good = true;

	if (s->keyed) {
		nonce_of(nonce, s->n++);
		good = crypto_aead_chacha20poly1305_ietf_decrypt(
			       out, NULL, NULL, p, n, s->h, sizeof(s->h), nonce, s->k) == 0;
	} else if (n > 0) {
		memcpy(out, p, n);
	}
	mix_hash(s, p, n);
	return good;
}

void
noise_start(struct noise *s, bool initiator, const struct keys *self, uint64_t seed,
	const void *prologue, size_t prologue_size)
{
	struct keys e = keys_make(seed ^ 0x9e3779b97f4a7c15u);

	*s = (struct noise){.initiator = initiator, .self = *self};
	memcpy(s->e, e.x, sizeof(s->e));
	memcpy(s->e_secret, e.x_secret, sizeof(s->e_secret));
	memcpy(s->h, protocol, sizeof(protocol) - 1);
	memcpy(s->ck, s->h, sizeof(s->ck));
	mix_hash(s, prologue, prologue_size);
}

static void
mix_es(struct noise *s)
{
	if (s->initiator)
		mix_key(s, s->e_secret, s->rs);
	else
		mix_key(s, s->self.x_secret, s->re);
}

static void
mix_se(struct noise *s)
{
	if (s->initiator)
		mix_key(s, s->self.x_secret, s->re);
	else
		mix_key(s, s->e_secret, s->rs);
}

void
noise_write(struct noise *s, unsigned step, const struct bytes *payload, struct bytes *out)
{
	if (step < 3) {
		bytes_put(out, s->e, sizeof(s->e));
		mix_hash(s, s->e, sizeof(s->e));
	}
	if (step == 2)
		mix_key(s, s->e_secret, s->re);
	if (step > 1) {
		seal_hash(s, s->self.x, sizeof(s->self.x), out);
		if (step == 2)
			mix_es(s);
		else
			mix_se(s);
	}
	seal_hash(s, payload->p, payload->n, out);
}

bool
noise_read(struct noise *s, unsigned step, const uint8_t *p, size_t n, struct bytes *payload)
{
	const uint8_t *end = p + n;
	uint8_t plain[65535];
	bool good = true;
	size_t size;

	if (n < (step == 1 ? 32u : step == 2 ? 96u : 64u))
		return false;
	if (step < 3) {
		memcpy(s->re, p, sizeof(s->re));
		mix_hash(s, p, sizeof(s->re));
		p += sizeof(s->re);
	}
	if (step == 2)
		mix_key(s, s->e_secret, s->re);
	if (step > 1) {
		good = open_hash(s, p, 48, s->rs);
		p += 48;
		if (step == 2)
			mix_es(s);
		else
			mix_se(s);
	}
	size = (size_t)(end - p) - (s->keyed ? 16 : 0);
	good = open_hash(s, p, (size_t)(end - p), plain) && good;
	if (good)
		bytes_put(payload, plain, size);
	return good;
}

void
noise_split(const struct noise *s, uint8_t keys[2][32])
{
	uint8_t k[2][64];

	hkdf(s->ck, NULL, 0, k[0], k[1]);
	memcpy(keys[0], k[0], 32);
	memcpy(keys[1], k[1], 32);
}
