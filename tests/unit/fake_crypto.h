/* SPDX-License-Identifier: Apache-2.0 */
/* Cryptography that is cheap and forgeable by anyone, for tests of what is built on it. A node's
 * secret is its public key; a signature is the hash of key and message. */
#ifndef MP_TESTS_FAKE_CRYPTO_H
#define MP_TESTS_FAKE_CRYPTO_H

#include "mp/crypto.h"
#include "mp/error.h"

struct mp_secret {
	uint8_t public_key[32];
};

static void
fake_hash(struct mp_hash *out, const struct mp_span *parts, size_t n)
{
	uint64_t s[4] = {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u, 1};

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < parts[i].n; k++) {
			s[3] += parts[i].p[k] + 1u;
			for (int j = 0; j < 4; j++) {
				s[j] = (s[j] ^ s[(j + 3) % 4]) * 0x9e3779b97f4a7c15ull;
				s[j] ^= s[j] >> 29;
			}
		}
	}
	memcpy(out->b, s, sizeof(out->b));
}

static void
fake_sign(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg)
{
	struct mp_span parts[] = {mp_span(secret->public_key, 32), msg};
	struct mp_hash h;

	fake_hash(&h, parts, 2);
	memcpy(out->b, h.b, 32);
	memcpy(out->b + 32, h.b, 32);
}

static int
fake_verify(const uint8_t public_key[32], const struct mp_sig *sig, struct mp_span msg)
{
	struct mp_secret secret;
	struct mp_sig expect;

	memcpy(secret.public_key, public_key, 32);
	fake_sign(&secret, &expect, msg);
	return memcmp(expect.b, sig->b, sizeof(sig->b)) == 0 ? 0 : MP_ESIG;
}

/* Anyone opens it; the bytes are changed, so that they are found nowhere in clear. */
static int
fake_box_seal(uint8_t *out, struct mp_span msg, const uint8_t public_key[32])
{
	memcpy(out, public_key, 32);
	memset(out + 32, 0, MP_BOX_EXTRA - 32);
	for (size_t i = 0; i < msg.n; i++)
		out[MP_BOX_EXTRA + i] = msg.p[i] ^ 0xa5;
	return 0;
}

static int
fake_box_open(uint8_t *out, struct mp_span sealed, const struct mp_secret *secret)
{
	(void)secret;
	if (sealed.n < MP_BOX_EXTRA)
		return MP_ESIG;
	for (size_t i = MP_BOX_EXTRA; i < sealed.n; i++)
		out[i - MP_BOX_EXTRA] = sealed.p[i] ^ 0xa5;
	return 0;
}

static void
fake_wipe(void *p, size_t n)
{
	memset(p, 0, n);
}

static const struct mp_crypto fake_crypto = {
	.hash = fake_hash,
	.sign = fake_sign,
	.verify = fake_verify,
	.box_seal = fake_box_seal,
	.box_open = fake_box_open,
	.wipe = fake_wipe,
};

#endif
