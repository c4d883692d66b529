/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hex.h"

#include "codec/noise.h"
#include "crypto/key.h"

static const struct mp_crypto *const c = &mp_crypto_sodium;

struct side {
	struct mp_noise noise;
	struct mp_noise_cipher send, receive;
	struct mp_secret *secret;
	uint8_t hash[MP_SHA512_SIZE];
};

static void
side_init(struct side *s, enum mp_noise_role role, const char *static_hex,
	const char *ephemeral_hex, struct mp_span prologue)
{
	struct mp_noise_config config = {.role = role, .crypto = c, .prologue = prologue};
	uint8_t key[32], ephemeral[32];
	static const uint8_t seed[32];

	unit_hex(key, sizeof(key), static_hex);
	unit_hex(ephemeral, sizeof(ephemeral), ephemeral_hex);
	assert_int_equal(mp_secret_from_bytes(&s->secret, seed, key), 0);
	config.secret = s->secret;
	mp_secret_xkey(s->secret, &config.static_key);
	mp_noise_init(&s->noise, &config, ephemeral);
}

static void
side_fini(struct side *s)
{
	mp_noise_fini(&s->noise);
	mp_secret_free(s->secret);
}

struct vector {
	const char *prologue;
	const char *init_static, *init_ephemeral, *resp_static, *resp_ephemeral;
	const char *hash2; /* after message 2, where these vectors publish it; NULL: they do not */
	const char *hash;  /* after message 3, as another implementation computes it */
	struct {
		const char *payload, *ciphertext;
	} messages[6];
};

static const struct vector vectors[] = {
	/* Cacophony's vectors, Noise_XX_25519_ChaChaPoly_SHA512. */
	{
		.prologue = "4a6f686e2047616c74",
		.init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
		.init_ephemeral =
			"893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
		.resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
		.resp_ephemeral =
			"bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
		.hash2 = "cef3d48e42dc2e28d138e0d5be3bd78349cb42df1e46b7b56cebc33fd9c4e249"
			 "de12d7eda11a2dabebb6f3decc1b256c11de77dd8f9e3e7a820aee6f540246c2",
		.hash = "b98d52b12437f34cfec8312fe038c869b5c4882dfe45fb064e746d88783e56a3"
			"773ee191e726776467ec3b309f0093f7e712a87062c625e6c8d766bb172cea42",
		.messages =
			{
				{"4c756477696720766f6e204d69736573",
					"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3a"
					"fa4c79444c756477696720766f6e204d69736573"},
				{"4d757272617920526f746862617264",
					"95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1"
					"44808843d7c6169611117c6e843085d5ec1af406d58f75d17052f76f"
					"c87b7e624027b002be220520a7766451ec44fa8388d120354c0f8c8b"
					"8a83eb281d131cd231a5f3cc6a809c5dffb06cb8d792415336b4c0"},
				{"462e20412e20486179656b",
					"438696ce0ba3e21424cad39c48b89839fc102c64e3f3e81b6431c0c9"
					"15d7983d0d7d87e611485ef5bf005c25a052289c949d3e1dd51b536b"
					"fda2eb3d14988f9c3291a1ac64b7b4cba0a019"},
				{"4361726c204d656e676572",
					"56430f48030039cfd44539edb61a3b87e1cd461a765cb539c3f4b6"},
				{"4a65616e2d426170746973746520536179",
					"0709391497714d94a8f62959fe15153996001daadbc1dec326a03ba8"
					"ff416b47f5"},
				{"457567656e2042f6686d20766f6e2042617765726b",
					"3d5f431ceee58c3ff1bdcdf874aaca9f564b743286a995ed03dffa8b"
					"65f33ac45c8c4b196d"},
			},
	},
	/* The vectors of the Go implementation: no prologue, no payloads. */
	{
		.prologue = "",
		.init_static = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		.init_ephemeral =
			"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
		.resp_static = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
		.resp_ephemeral =
			"4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60",
		.messages =
			{
				{"", "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2"
				     "cd166254"},
				{"", "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d98"
				     "46d4846692e5b8dda95b4ec55e42c2cbded11735474b3612a895298b"
				     "cb02e8469353fe827273e4a7aadfc1aa32578b46bce2006fe1482f06"
				     "2e2f27e43ad23e67a304c030"},
				{"", "ac3087e2342498dfa6606faf700dc5782b9612bdbc8bbb67a87181ba"
				     "ac2d693d2f8df70600534bcbd389bbbf733550ae3e7e9a78f80aafa7"
				     "0d6211640223800d"},
				{"79656c6c6f777375626d6172696e65",
					"2dcb8503b438910b2a2ffcf242ef705e6cce2d25bd30444402427981"
					"ee2064"},
				{"7375626d6172696e6579656c6c6f77",
					"56d2ce5c1e7e28b7406b99aff512114313b811e17c0af6497baa9061"
					"65ba31"},
			},
	},
};

/* Messages alternate, the initiator first; from the fourth on they are transport messages. Of the
 * first vector the responder speaks next, of the second the initiator. */
static void
run_vector(const struct vector *v, size_t first_sender)
{
	struct side sides[2];
	uint8_t prologue[64], payload[128], want[256], msg[256], got[256];
	size_t prologue_n = unit_hex(prologue, sizeof(prologue), v->prologue);

	side_init(&sides[0], MP_NOISE_INITIATOR, v->init_static, v->init_ephemeral,
		mp_span(prologue, prologue_n));
	side_init(&sides[1], MP_NOISE_RESPONDER, v->resp_static, v->resp_ephemeral,
		mp_span(prologue, prologue_n));
	for (size_t i = 0; i < 6 && v->messages[i].payload != NULL; i++) {
		struct side *from = &sides[i < 3 ? i % 2 : (i - 3 + first_sender) % 2];
		struct side *to = from == &sides[0] ? &sides[1] : &sides[0];
		size_t n = unit_hex(payload, sizeof(payload), v->messages[i].payload);
		size_t want_n = unit_hex(want, sizeof(want), v->messages[i].ciphertext);

		if (i < 3) {
			assert_true(mp_noise_writes(&from->noise));
			assert_int_equal(want_n, n + mp_noise_overhead((unsigned)i + 1));
			assert_int_equal(mp_noise_write(&from->noise, mp_span(payload, n), msg), 0);
			assert_int_equal(mp_noise_read(&to->noise, mp_span(msg, want_n), got), 0);
		} else {
			assert_int_equal(want_n, n + MP_AEAD_TAG);
			assert_int_equal(
				mp_noise_seal(c, &from->send, mp_span(payload, n), msg), 0);
			assert_int_equal(
				mp_noise_open(c, &to->receive, mp_span(msg, want_n), got), 0);
		}
		assert_memory_equal(msg, want, want_n);
		if (n > 0)
			assert_memory_equal(got, payload, n);
		if (i == 1 && v->hash2 != NULL)
			unit_assert_hex(from->noise.h, sizeof(from->noise.h), v->hash2);
		if (i != 2)
			continue;
		for (size_t k = 0; k < 2; k++) {
			struct mp_xkey peer = *mp_noise_peer(&sides[k].noise);

			assert_memory_equal(peer.b, sides[!k].noise.s.b, 32);
			assert_int_equal(mp_noise_split(&sides[k].noise, &sides[k].send,
						 &sides[k].receive, sides[k].hash),
				0);
			if (v->hash != NULL)
				unit_assert_hex(sides[k].hash, sizeof(sides[k].hash), v->hash);
		}
		assert_memory_equal(sides[0].hash, sides[1].hash, sizeof(sides[0].hash));
	}
	side_fini(&sides[0]);
	side_fini(&sides[1]);
}

static void
test_vectors(void **state)
{
	(void)state;
	run_vector(&vectors[0], 1);
	run_vector(&vectors[1], 0);
}

/*
 * Runs a handshake whose message `which` (1 to 3) has byte `at` changed; returns what its reader
 * says. In the clear are only the two ephemeral keys, and those are mixed into what follows, so a
 * change to message 1 shows in message 2.
 */
static int
mangled(unsigned which, size_t at, size_t cut)
{
	struct side sides[2];
	const struct vector *v = &vectors[0];
	uint8_t msg[256], got[256];
	int rc = 0;

	side_init(
		&sides[0], MP_NOISE_INITIATOR, v->init_static, v->init_ephemeral, mp_span_str("p"));
	side_init(
		&sides[1], MP_NOISE_RESPONDER, v->resp_static, v->resp_ephemeral, mp_span_str("p"));
	for (unsigned i = 1; rc == 0 && i <= 3; i++) {
		struct side *from = &sides[(i - 1) % 2], *to = &sides[i % 2];
		size_t n = mp_noise_overhead(i) + 4;

		assert_int_equal(mp_noise_write(&from->noise, mp_span_str("load"), msg), 0);
		if (i == which) {
			msg[at] ^= 1;
			n -= cut;
		}
		rc = mp_noise_read(&to->noise, mp_span(msg, n), got);
		if (rc != 0) { /* dead, and it stays so */
			assert_int_equal(mp_noise_read(&to->noise, mp_span(msg, n), got), rc);
			assert_int_equal(mp_noise_write(&to->noise, mp_span(NULL, 0), msg), rc);
			assert_int_equal(
				mp_noise_split(&to->noise, &to->send, &to->receive, to->hash), rc);
		}
	}
	side_fini(&sides[0]);
	side_fini(&sides[1]);
	return rc;
}

static void
test_mangled(void **state)
{
	(void)state;
	for (unsigned m = 1; m <= 3; m++) {
		size_t n = mp_noise_overhead(m) + 4;

		for (size_t at = 0; at < n; at++)
			assert_int_equal(mangled(m, at, 0), MP_ESIG);
		assert_int_equal(mangled(m, 0, 5), MP_EFORMAT);
	}
}

static void
test_low_order_key(void **state)
{
	const struct vector *v = &vectors[0];
	uint8_t msg[256] = {0}, got[256];
	struct side s;

	(void)state;
	side_init(&s, MP_NOISE_RESPONDER, v->resp_static, v->resp_ephemeral, mp_span(NULL, 0));
	assert_int_equal(mp_noise_read(&s.noise, mp_span(msg, 32), got), 0);
	assert_int_equal(mp_noise_write(&s.noise, mp_span(NULL, 0), msg), MP_ESIG);
	side_fini(&s);
}

static void
test_other_prologue(void **state)
{
	const struct vector *v = &vectors[0];
	struct side a, b;
	uint8_t msg[256], got[256];

	(void)state;
	side_init(&a, MP_NOISE_INITIATOR, v->init_static, v->init_ephemeral, mp_span_str("a"));
	side_init(&b, MP_NOISE_RESPONDER, v->resp_static, v->resp_ephemeral, mp_span_str("b"));
	assert_int_equal(mp_noise_write(&a.noise, mp_span(NULL, 0), msg), 0);
	assert_int_equal(mp_noise_read(&b.noise, mp_span(msg, 32), got), 0);
	assert_int_equal(mp_noise_write(&b.noise, mp_span(NULL, 0), msg), 0);
	assert_int_equal(mp_noise_read(&a.noise, mp_span(msg, 96), got), MP_ESIG);
	side_fini(&a);
	side_fini(&b);
}

/* The new key is another implementation's: ENCRYPT(00..1f, 2^64 - 1, "", zeros), cut. */
static void
test_rekey(void **state)
{
	struct mp_noise_cipher cipher = {.counter = 7}, peer;
	uint8_t msg[24], got[8];

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		cipher.key[i] = i;
	mp_noise_rekey(c, &cipher);
	unit_assert_hex(
		cipher.key, 32, "50835543a205b22c9323f2022bc4f67d838f90e61d5ccf33c4513e01f85b5042");
	assert_int_equal(cipher.counter, 7);
	peer = cipher;
	assert_int_equal(mp_noise_seal(c, &cipher, mp_span_str("rekeyed."), msg), 0);
	msg[3] ^= 1;
	assert_int_equal(mp_noise_open(c, &peer, mp_span(msg, 24), got), MP_ESIG);
	assert_int_equal(peer.counter, 7);
	msg[3] ^= 1;
	assert_int_equal(mp_noise_open(c, &peer, mp_span(msg, 24), msg), 0);
	assert_memory_equal(msg, "rekeyed.", 8);
	assert_int_equal(mp_noise_open(c, &peer, mp_span(msg, 3), msg), MP_ESIG);
	cipher.counter = UINT64_MAX;
	assert_int_equal(mp_noise_seal(c, &cipher, mp_span(NULL, 0), msg), MP_ELIMIT);
	assert_int_equal(mp_noise_open(c, &cipher, mp_span(msg, 24), msg), MP_ELIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_low_order_key),
		cmocka_unit_test(test_other_prologue),
		cmocka_unit_test(test_rekey),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
