/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile handshake messages, over real cryptography or over one that refuses nothing: the first
 * byte chooses that and the role, then come messages of two bytes of length and their bytes.
 */
#include "fuzz.h"
#include "null_crypto.h"

#include "codec/noise.h"
#include "crypto/key.h"

static struct mp_secret *secret;

static void
noise_start(struct mp_noise *noise, unsigned flags)
{
	static const uint8_t seed[32] = {1}, x[32] = {2}, ephemeral[32] = {3};
	struct mp_noise_config config = {
		.role = (flags & 1) != 0 ? MP_NOISE_RESPONDER : MP_NOISE_INITIATOR,
		.crypto = (flags & 2) != 0 ? &mp_crypto_sodium : &null_crypto,
		.prologue = mp_span_str("fuzz"),
	};

	if (secret == NULL) {
		mp_assert(mp_key_init() == 0);
		mp_assert(mp_secret_from_bytes(&secret, seed, x) == 0);
	}
	config.secret = secret;
	mp_secret_xkey(secret, &config.static_key);
	mp_noise_init(noise, &config, ephemeral);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[MP_NOISE_MSG_MAX + 1];
	struct mp_noise_cipher send, receive;
	uint8_t hash[MP_SHA512_SIZE];
	struct mp_noise noise;
	const uint8_t *end = data + size;
	int rc = 0;

	if (size == 0)
		return 0;
	noise_start(&noise, *data++);
	while (rc == 0 && noise.done < MP_NOISE_MESSAGES) {
		size_t n;

		if (mp_noise_writes(&noise)) {
			rc = mp_noise_write(&noise, mp_span_str("payload"), out);
			continue;
		}
		if (end - data < 2)
			break;
		n = mp_min_size((size_t)(data[0] << 8 | data[1]), (size_t)(end - data) - 2);
		rc = mp_noise_read(&noise, mp_span(data + 2, n), out);
		mp_assert(rc != 0 || n >= mp_noise_overhead(noise.done));
		data += 2 + n;
	}
	mp_assert(rc == 0 || rc == MP_EFORMAT || rc == MP_ESIG);
	if (rc != 0) {
		mp_assert(mp_noise_split(&noise, &send, &receive, hash) == rc);
		mp_assert(mp_noise_read(&noise, mp_span(NULL, 0), out) == rc);
	} else if (noise.done == MP_NOISE_MESSAGES) {
		mp_assert(mp_noise_split(&noise, &send, &receive, hash) == 0);
	}
	mp_noise_fini(&noise);
	return 0;
}
