/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Same shapes and the same yes and no as real cryptography, none of the strength. A public key is
 * derived from a number, a signature is a hash of public key and message. Streams are modelled
 * whole in net.c, so the Noise half of the table is never asked for.
 */
#include "sim.h"

#include <stdlib.h>

struct mp_secret {
	uint8_t public_key[32];
	struct mp_xkey xkey;
};

struct lanes {
	uint64_t v[4];
	uint64_t n;     /* words taken */
	uint64_t part;  /* bytes of the word that is not full yet */
	uint64_t total; /* bytes taken */
};

static uint64_t
mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 m =
		(unsigned __int128)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static void
lanes_init(struct lanes *l, uint64_t salt)
{
	*l = (struct lanes){.n = 0};
	for (unsigned i = 0; i < 4; i++)
		l->v[i] = 0x243f6a8885a308d3ull * (i + 1) ^ salt;
}

static void
lanes_word(struct lanes *l, uint64_t w)
{
	uint64_t *v = &l->v[l->n++ & 3];

	*v = mix(*v + l->n, w);
}

/* How the bytes are cut into calls makes no difference. */
static void
lanes_bytes(struct lanes *l, const uint8_t *p, size_t n)
{
	uint64_t w;

	while (n > 0 && (l->total & 7) != 0) {
		l->part |= (uint64_t)*p++ << 8 * (l->total++ & 7);
		n--;
		if ((l->total & 7) == 0) {
			lanes_word(l, l->part);
			l->part = 0;
		}
	}
	for (; n >= 8; p += 8, n -= 8, l->total += 8) {
		memcpy(&w, p, 8);
		lanes_word(l, w);
	}
	for (; n > 0; n--)
		l->part |= (uint64_t)*p++ << 8 * (l->total++ & 7);
}

static void
lanes_final(struct lanes *l, uint8_t *out, size_t size)
{
	uint64_t s;

	lanes_word(l, l->part);
	s = mix(l->v[0] ^ l->total, l->v[1]) ^ mix(l->v[2], l->v[3]);
	for (size_t i = 0; i < size / 8; i++) {
		uint64_t w = mix(s + i, l->v[i & 3] ^ i);

		memcpy(out + 8 * i, &w, 8);
	}
}

static void
sim_hash(struct mp_hash *out, const struct mp_span *parts, size_t n)
{
	struct lanes l;

	lanes_init(&l, 1);
	for (size_t i = 0; i < n; i++)
		lanes_bytes(&l, parts[i].p, parts[i].n);
	lanes_final(&l, out->b, sizeof(out->b));
}

static void
signature(struct mp_sig *out, const uint8_t public_key[32], struct mp_span msg)
{
	struct lanes l;

	lanes_init(&l, 2);
	lanes_bytes(&l, public_key, 32);
	lanes_bytes(&l, msg.p, msg.n);
	lanes_final(&l, out->b, sizeof(out->b));
}

static void
sim_sign(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg)
{
	signature(out, secret->public_key, msg);
}

static int
sim_verify(const uint8_t public_key[32], const struct mp_sig *sig, struct mp_span msg)
{
	struct mp_sig want;

	signature(&want, public_key, msg);
	return memcmp(want.b, sig->b, sizeof(want.b)) == 0 ? 0 : MP_ESIG;
}

static void
seal_tag(uint8_t tag[MP_AEAD_TAG], struct mp_span msg, struct mp_span ad, const uint8_t *nonce,
	const uint8_t *key)
{
	struct lanes l;

	lanes_init(&l, 3);
	lanes_bytes(&l, key, MP_SYMKEY_SIZE);
	lanes_bytes(&l, nonce, MP_XAEAD_NONCE);
	lanes_bytes(&l, ad.p, ad.n);
	lanes_bytes(&l, msg.p, msg.n);
	lanes_final(&l, tag, MP_AEAD_TAG);
}

static void
sim_seal(uint8_t *out, struct mp_span msg, struct mp_span ad, const uint8_t nonce[MP_XAEAD_NONCE],
	const uint8_t key[MP_SYMKEY_SIZE])
{
	memmove(out, msg.p, msg.n);
	seal_tag(out + msg.n, mp_span(out, msg.n), ad, nonce, key);
}

static int
sim_open(uint8_t *out, struct mp_span sealed, struct mp_span ad,
	const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE])
{
	uint8_t tag[MP_AEAD_TAG];
	size_t n;

	if (sealed.n < MP_AEAD_TAG)
		return MP_ESIG;
	n = sealed.n - MP_AEAD_TAG;
	seal_tag(tag, mp_span(sealed.p, n), ad, nonce, key);
	if (memcmp(tag, sealed.p + n, MP_AEAD_TAG) != 0)
		return MP_ESIG;
	memmove(out, sealed.p, n);
	return 0;
}

/* For whom it is, a tag over that and all, and the bytes changed: a search for what was sealed does
 * not find it. */
static void
box_tag(uint8_t tag[MP_AEAD_TAG], const uint8_t *sealed, size_t n)
{
	struct lanes l;

	lanes_init(&l, 6);
	lanes_bytes(&l, sealed, 32);
	lanes_bytes(&l, sealed + MP_BOX_EXTRA, n);
	lanes_final(&l, tag, MP_AEAD_TAG);
}

static int
sim_box_seal(uint8_t *out, struct mp_span msg, const uint8_t public_key[32])
{
	memcpy(out, public_key, 32);
	for (size_t i = 0; i < msg.n; i++)
		out[MP_BOX_EXTRA + i] = msg.p[i] ^ 0xa5;
	box_tag(out + 32, out, msg.n);
	return 0;
}

static int
sim_box_open(uint8_t *out, struct mp_span sealed, const struct mp_secret *secret)
{
	uint8_t tag[MP_AEAD_TAG];

	if (sealed.n < MP_BOX_EXTRA || memcmp(sealed.p, secret->xkey.b, 32) != 0)
		return MP_ESIG;
	box_tag(tag, sealed.p, sealed.n - MP_BOX_EXTRA);
	if (memcmp(tag, sealed.p + 32, sizeof(tag)) != 0)
		return MP_ESIG;
	for (size_t i = MP_BOX_EXTRA; i < sealed.n; i++)
		out[i - MP_BOX_EXTRA] = sealed.p[i] ^ 0xa5;
	return 0;
}

static void
sim_wipe(void *p, size_t n)
{
	memset(p, 0, n);
}

const struct mp_crypto sim_crypto = {
	.hash = sim_hash,
	.sign = sim_sign,
	.verify = sim_verify,
	.seal = sim_seal,
	.open = sim_open,
	.box_seal = sim_box_seal,
	.box_open = sim_box_open,
	.wipe = sim_wipe,
};

struct mp_secret *
sim_secret_new(uint64_t n, struct mp_node_id *id, struct mp_xkey *xkey)
{
	struct mp_secret *s = malloc(sizeof(*s));
	struct lanes l;

	mp_assert(s != NULL);
	lanes_init(&l, 4);
	lanes_word(&l, n);
	lanes_final(&l, s->public_key, sizeof(s->public_key));
	memcpy(id->b, s->public_key, sizeof(id->b));
	lanes_word(&l, 5);
	lanes_final(&l, xkey->b, sizeof(xkey->b));
	s->xkey = *xkey;
	return s;
}

void
sim_secret_free(struct mp_secret *secret)
{
	free(secret);
}
