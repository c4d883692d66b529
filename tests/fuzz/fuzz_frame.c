/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams. Hostile bytes to a session over cryptography that refuses nothing, in pieces; or, when
 * the first byte is 255, two honest sessions over real cryptography, with messages, pieces and
 * times as the bytes say, that must deliver all and only that.
 */
#include "fuzz.h"
#include "null_crypto.h"

#include "codec/frame.h"
#include "crypto/key.h"

static struct mp_secret *secret;
static struct fuzz_heap heap;
static const struct mp_alloc alloc = FUZZ_ALLOC(&heap);

static void
start(struct mp_session *s, enum mp_noise_role role, const struct mp_crypto *crypto)
{
	static const uint8_t seed[32] = {1}, x[32] = {2};
	uint8_t entropy[32] = {(uint8_t)(3 + role)};
	struct mp_session_config config = {
		.role = role,
		.alloc = &alloc,
		.crypto = crypto,
		.proto_min = 1,
		.proto_max = 3,
	};

	if (secret == NULL) {
		mp_assert(mp_key_init() == 0);
		mp_assert(mp_secret_from_bytes(&secret, seed, x) == 0);
	}
	config.secret = secret;
	mp_secret_xkey(secret, &config.static_key);
	mp_assert(mp_session_init(s, &config, entropy) == 0);
}

static int
feed(struct mp_session *s, struct mp_span bytes, uint64_t *received)
{
	struct mp_session_event ev;

	for (;;) {
		int rc = mp_session_next(s, &bytes, &ev);

		if (rc != 0)
			return rc;
		if (ev.type == MP_SESSION_NONE) {
			mp_assert(bytes.n == 0);
			return 0;
		}
		if (ev.type == MP_SESSION_HANDSHAKE) {
			mp_assert(ev.data.n <= MP_HANDSHAKE_MAX);
			rc = mp_session_reply(
				s, mp_span(ev.data.p, ev.step == 3 ? 0 : ev.data.n), 0);
			if (rc != 0)
				return rc;
			continue;
		}
		mp_assert(ev.data.n <= MP_MSG_MAX);
		for (size_t i = 0; i < ev.data.n; i += 512)
			*received += 1u + ev.data.p[i];
		*received += ev.data.n;
	}
}

static void
hostile(enum mp_noise_role role, const uint8_t *data, size_t size)
{
	struct mp_session_event ev;
	struct mp_session s;
	uint64_t received = 0;
	int rc = 0;

	start(&s, role, &null_crypto);
	while (rc == 0 && size > 0) {
		size_t n = mp_min_size(1u + data[0] * 3u, size);

		rc = feed(&s, mp_span(data, n), &received);
		data += n;
		size -= n;
	}
	if (rc == 0 && mp_session_is_open(&s))
		mp_assert(mp_session_send(&s, mp_span_str("answer"), 0) == 0);
	if (rc != 0) {
		struct mp_span none = mp_span(NULL, 0);

		mp_assert(mp_session_error(&s)->code == rc);
		mp_assert(mp_session_next(&s, &none, &ev) == rc);
		mp_assert(mp_session_output(&s).n ==
			  (rc == MP_EVERSION && role == MP_NOISE_RESPONDER ? MP_PREFACE_SIZE : 0));
	}
	mp_session_fini(&s);
}

/* Carries up to `piece` bytes each way at a time until nothing waits. */
static void
pump(struct mp_session s[2], size_t piece, uint64_t received[2])
{
	bool idle;

	do {
		idle = true;
		for (int i = 0; i < 2; i++) {
			struct mp_span out = mp_session_output(&s[i]);
			size_t n = mp_min_size(out.n, piece);

			if (n == 0)
				continue;
			idle = false;
			mp_assert(feed(&s[!i], mp_span(out.p, n), &received[!i]) == 0);
			mp_session_sent(&s[i], n);
		}
	} while (!idle);
}

static void
honest(const uint8_t *data, size_t size)
{
	static uint8_t bytes[150000]; /* more than two frames */
	uint64_t received[2] = {0}, sent[2] = {0};
	struct mp_session s[2];
	mp_time now_ms = 0;

	start(&s[0], MP_NOISE_INITIATOR, &mp_crypto_sodium);
	start(&s[1], MP_NOISE_RESPONDER, &mp_crypto_sodium);
	pump(s, 1u + (size > 0 ? data[0] : 0), received);
	for (; size >= 4; data += 4, size -= 4) {
		int from = data[0] & 1;
		size_t n = (size_t)(data[1] << 10 | data[2] << 2) % sizeof(bytes);

		memset(bytes, data[3], n);
		now_ms += (mp_time)(data[0] >> 1) * 60 * 1000;
		mp_assert(mp_session_send(&s[from], mp_span(bytes, n), now_ms) == 0);
		for (size_t i = 0; i < n; i += 512)
			sent[from] += 1u + bytes[i];
		sent[from] += n;
		if (data[3] % 4 != 0)
			pump(s, 500u + data[3] * 300u, received);
	}
	pump(s, SIZE_MAX, received);
	mp_assert(received[0] == sent[1] && received[1] == sent[0]);
	mp_session_fini(&s[0]);
	mp_session_fini(&s[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap = (struct fuzz_heap){.max = 256u * 1024 * 1024};
	if (size == 0 || size > 4096)
		return 0;
	if (data[0] != 255)
		hostile((data[0] & 1) != 0 ? MP_NOISE_RESPONDER : MP_NOISE_INITIATOR, data + 1,
			size - 1);
	else
		honest(data + 1, mp_min_size(size - 1, 32));
	mp_assert(heap.live == 0);
	return 0;
}
