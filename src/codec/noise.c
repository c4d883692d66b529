/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/noise.h"

static const char protocol_name[] = "Noise_XX_25519_ChaChaPoly_SHA512";

static const unsigned overhead[MP_NOISE_MESSAGES] = {
	32, 32 + 32 + 2 * MP_AEAD_TAG, 32 + 2 * MP_AEAD_TAG};

/* HKDF with two outputs (section 4.3). */
static void
noise_hkdf(const struct mp_crypto *c, const uint8_t ck[MP_SHA512_SIZE], struct mp_span ikm,
	uint8_t out1[MP_SHA512_SIZE], uint8_t out2[MP_SHA512_SIZE])
{
	static const uint8_t one = 1, two = 2;
	uint8_t temp[MP_SHA512_SIZE];
	struct mp_span first = mp_span(&one, 1);
	struct mp_span second[2];

	c->hmac_sha512(temp, mp_span(ck, MP_SHA512_SIZE), &ikm, 1);
	c->hmac_sha512(out1, mp_span(temp, sizeof(temp)), &first, 1);
	second[0] = mp_span(out1, MP_SHA512_SIZE);
	second[1] = mp_span(&two, 1);
	c->hmac_sha512(out2, mp_span(temp, sizeof(temp)), second, 2);
	c->wipe(temp, sizeof(temp));
}

static void
noise_mix_hash(struct mp_noise *n, struct mp_span data)
{
	struct mp_span parts[2] = {mp_span(n->h, sizeof(n->h)), data};
	uint8_t h[MP_SHA512_SIZE];

	n->crypto->sha512(h, parts, 2);
	memcpy(n->h, h, sizeof(n->h));
}

static void
noise_mix_key(struct mp_noise *n, const uint8_t shared[32])
{
	uint8_t ck[MP_SHA512_SIZE], key[MP_SHA512_SIZE];

	noise_hkdf(n->crypto, n->ck, mp_span(shared, 32), ck, key);
	memcpy(n->ck, ck, sizeof(n->ck));
	memcpy(n->cipher.key, key, sizeof(n->cipher.key));
	n->cipher.counter = 0;
	n->keyed = true;
	n->crypto->wipe(ck, sizeof(ck));
	n->crypto->wipe(key, sizeof(key));
}

/* EncryptAndHash: writes msg.n bytes, and the tag once there is a key. Returns how many. */
static size_t
noise_seal_hash(struct mp_noise *n, struct mp_span msg, uint8_t *out)
{
	size_t size = msg.n;

	if (n->keyed) {
		n->crypto->aead_seal(
			out, msg, mp_span(n->h, sizeof(n->h)), n->cipher.counter++, n->cipher.key);
		size += MP_AEAD_TAG;
	} else if (size > 0) {
		memmove(out, msg.p, size);
	}
	noise_mix_hash(n, mp_span(out, size));
	return size;
}

static int
noise_open_hash(struct mp_noise *n, struct mp_span sealed, uint8_t *out)
{
	uint8_t h[MP_SHA512_SIZE];
	int rc = 0;

	memcpy(h, n->h, sizeof(h));
	noise_mix_hash(n, sealed); /* before out, which may be the same bytes, is written */
	if (n->keyed)
		rc = n->crypto->aead_open(
			out, sealed, mp_span(h, sizeof(h)), n->cipher.counter++, n->cipher.key);
	else if (sealed.n > 0)
		memmove(out, sealed.p, sealed.n);
	return rc;
}

void
mp_noise_init(
	struct mp_noise *noise, const struct mp_noise_config *config, const uint8_t ephemeral[32])
{
	_Static_assert(sizeof(protocol_name) - 1 <= MP_SHA512_SIZE, "else it is hashed");

	*noise = (struct mp_noise){
		.crypto = config->crypto,
		.secret = config->secret,
		.role = config->role,
		.s = config->static_key,
	};
	memcpy(noise->e_secret, ephemeral, sizeof(noise->e_secret));
	config->crypto->x25519_base(noise->e.b, ephemeral);
	memcpy(noise->h, protocol_name, sizeof(protocol_name) - 1);
	memcpy(noise->ck, noise->h, sizeof(noise->ck));
	noise_mix_hash(noise, config->prologue);
}

/* Forgets every key, and remembers why. */
static int
noise_die(struct mp_noise *n, int rc)
{
	n->crypto->wipe(&n->cipher, sizeof(n->cipher));
	n->crypto->wipe(n->e_secret, sizeof(n->e_secret));
	n->crypto->wipe(n->ck, sizeof(n->ck));
	n->keyed = false;
	n->rc = rc;
	return rc;
}

void
mp_noise_fini(struct mp_noise *noise)
{
	if (noise->crypto != NULL)
		(void)noise_die(noise, noise->rc != 0 ? noise->rc : MP_ECLOSED);
}

bool
mp_noise_writes(const struct mp_noise *noise)
{
	return noise->done < MP_NOISE_MESSAGES &&
	       (noise->done % 2 == 0) == (noise->role == MP_NOISE_INITIATOR);
}

size_t
mp_noise_overhead(unsigned message)
{
	mp_assert(message >= 1 && message <= MP_NOISE_MESSAGES);
	return overhead[message - 1];
}

enum noise_dh {
	DH_EE,
	DH_ES, /* the initiator's e, the responder's s */
	DH_SE,
};

static int
noise_mix_dh(struct mp_noise *n, enum noise_dh dh)
{
	bool initiator = n->role == MP_NOISE_INITIATOR;
	uint8_t shared[32];
	int rc;

	if (dh == DH_EE)
		rc = n->crypto->x25519(shared, n->e_secret, n->re.b);
	else if ((dh == DH_ES) == initiator)
		rc = n->crypto->x25519(shared, n->e_secret, n->rs.b);
	else
		rc = n->crypto->x25519_static(shared, n->secret, n->re.b);
	if (rc == 0)
		noise_mix_key(n, shared);
	n->crypto->wipe(shared, sizeof(shared));
	return rc;
}

int
mp_noise_write(struct mp_noise *noise, struct mp_span payload, uint8_t *out)
{
	uint8_t *p = out;
	int rc = 0;

	if (noise->rc != 0)
		return noise->rc;
	mp_assert(mp_noise_writes(noise));
	mp_assert(payload.n + overhead[noise->done] <= MP_NOISE_MSG_MAX);
	if (noise->done < 2) {
		memcpy(p, noise->e.b, sizeof(noise->e.b));
		noise_mix_hash(noise, mp_span(p, sizeof(noise->e.b)));
		p += sizeof(noise->e.b);
	}
	if (noise->done == 1)
		rc = noise_mix_dh(noise, DH_EE);
	if (rc == 0 && noise->done > 0) {
		p += noise_seal_hash(noise, mp_span(noise->s.b, sizeof(noise->s.b)), p);
		rc = noise_mix_dh(noise, noise->done == 1 ? DH_ES : DH_SE);
	}
	if (rc != 0)
		return noise_die(noise, rc);
	(void)noise_seal_hash(noise, payload, p);
	noise->done++;
	return 0;
}

int
mp_noise_read(struct mp_noise *noise, struct mp_span msg, uint8_t *out)
{
	const uint8_t *p = msg.p;
	int rc = 0;

	if (noise->rc != 0)
		return noise->rc;
	mp_assert(noise->done < MP_NOISE_MESSAGES && !mp_noise_writes(noise));
	if (msg.n < overhead[noise->done] || msg.n > MP_NOISE_MSG_MAX)
		return noise_die(noise, MP_EFORMAT);
	if (noise->done < 2) {
		memcpy(noise->re.b, p, sizeof(noise->re.b));
		noise_mix_hash(noise, mp_span(p, sizeof(noise->re.b)));
		p += sizeof(noise->re.b);
	}
	if (noise->done == 1)
		rc = noise_mix_dh(noise, DH_EE);
	if (rc == 0 && noise->done > 0) {
		rc = noise_open_hash(noise, mp_span(p, 32 + MP_AEAD_TAG), noise->rs.b);
		p += 32 + MP_AEAD_TAG;
		if (rc == 0)
			rc = noise_mix_dh(noise, noise->done == 1 ? DH_ES : DH_SE);
	}
	if (rc == 0)
		rc = noise_open_hash(noise, mp_span(p, (size_t)(msg.p + msg.n - p)), out);
	if (rc != 0)
		return noise_die(noise, rc);
	noise->done++;
	return 0;
}

const struct mp_xkey *
mp_noise_peer(const struct mp_noise *noise)
{
	mp_assert(noise->done >= (noise->role == MP_NOISE_INITIATOR ? 2 : 3));
	return &noise->rs;
}

int
mp_noise_split(struct mp_noise *noise, struct mp_noise_cipher *send,
	struct mp_noise_cipher *receive, uint8_t hash[MP_SHA512_SIZE])
{
	uint8_t k1[MP_SHA512_SIZE], k2[MP_SHA512_SIZE];
	bool initiator = noise->role == MP_NOISE_INITIATOR;

	if (noise->rc != 0)
		return noise->rc;
	mp_assert(noise->done == MP_NOISE_MESSAGES);
	noise_hkdf(noise->crypto, noise->ck, mp_span(NULL, 0), k1, k2);
	*send = (struct mp_noise_cipher){.counter = 0};
	*receive = *send;
	memcpy(send->key, initiator ? k1 : k2, sizeof(send->key));
	memcpy(receive->key, initiator ? k2 : k1, sizeof(receive->key));
	memcpy(hash, noise->h, MP_SHA512_SIZE);
	noise->crypto->wipe(k1, sizeof(k1));
	noise->crypto->wipe(k2, sizeof(k2));
	mp_noise_fini(noise);
	return 0;
}

/* ---- transport ---- */

int
mp_noise_seal(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher, struct mp_span msg,
	uint8_t *out)
{
	if (cipher->counter == UINT64_MAX)
		return MP_ELIMIT;
	crypto->aead_seal(out, msg, mp_span(NULL, 0), cipher->counter++, cipher->key);
	return 0;
}

int
mp_noise_open(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher, struct mp_span sealed,
	uint8_t *out)
{
	int rc;

	if (cipher->counter == UINT64_MAX)
		return MP_ELIMIT;
	rc = crypto->aead_open(out, sealed, mp_span(NULL, 0), cipher->counter, cipher->key);
	if (rc == 0)
		cipher->counter++;
	return rc;
}

void
mp_noise_rekey(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher)
{
	static const uint8_t zeros[MP_NOISE_KEY];
	uint8_t out[MP_NOISE_KEY + MP_AEAD_TAG];

	crypto->aead_seal(
		out, mp_span(zeros, sizeof(zeros)), mp_span(NULL, 0), UINT64_MAX, cipher->key);
	memcpy(cipher->key, out, sizeof(cipher->key));
	crypto->wipe(out, sizeof(out));
}
