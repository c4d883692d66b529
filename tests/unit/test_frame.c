/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/frame.h"
#include "crypto/key.h"

#define DATA_MAX (MP_FRAME_MAX - 17) /* of one frame */

static struct mp_secret *secrets[2];

/* Two peers and what travels between them; index 0 is the initiator. */
struct pair {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_session s[2];
	unsigned messages[2]; /* received */
	struct mp_buf last[2];
	size_t chunk;
};

static void
pair_config(struct pair *p, int side, struct mp_session_config *config)
{
	*config = (struct mp_session_config){
		.role = side == 0 ? MP_NOISE_INITIATOR : MP_NOISE_RESPONDER,
		.alloc = &p->alloc,
		.crypto = &mp_crypto_sodium,
		.secret = secrets[side],
		.proto_min = 1,
		.proto_max = 1,
	};
	mp_secret_xkey(secrets[side], &config->static_key);
	memset(config->cluster.b, 0xc1, sizeof(config->cluster.b));
}

static void
side_init(struct pair *p, int side, const struct mp_session_config *config)
{
	uint8_t entropy[32];

	memset(entropy, 0x40 + side, sizeof(entropy));
	assert_int_equal(mp_session_init(&p->s[side], config, entropy), 0);
}

static void
pair_init(struct pair *p)
{
	struct mp_session_config config;

	memset(p, 0, sizeof(*p));
	p->alloc = UNIT_ALLOC(&p->heap);
	p->chunk = SIZE_MAX;
	for (int side = 0; side < 2; side++) {
		pair_config(p, side, &config);
		side_init(p, side, &config);
		mp_buf_init(&p->last[side], &p->alloc, MP_MSG_MAX);
	}
}

static void
pair_fini(struct pair *p)
{
	for (int side = 0; side < 2; side++) {
		mp_session_fini(&p->s[side]);
		mp_buf_fini(&p->last[side]);
	}
	assert_int_equal(p->heap.live, 0);
}

/* Gives bytes to a side and answers its questions; returns its first error. */
static int
feed(struct pair *p, int side, struct mp_span bytes)
{
	struct mp_session *s = &p->s[side];
	struct mp_session_event ev;
	int rc;

	for (;;) {
		rc = mp_session_next(s, &bytes, &ev);
		if (rc != 0)
			return rc;
		switch (ev.type) {
		case MP_SESSION_NONE:
			assert_int_equal(bytes.n, 0);
			return 0;
		case MP_SESSION_HANDSHAKE:
			assert_int_equal(ev.step % 2, side == 0 ? 0 : 1);
			if (ev.step == 1)
				assert_int_equal(ev.data.n, 0);
			else
				assert_memory_equal(ev.data.p,
					side == 0 ? "responder" : "initiator", ev.data.n);
			if (ev.step > 1)
				assert_memory_equal(ev.peer.b, p->s[!side].config.static_key.b, 32);
			rc = mp_session_reply(s,
				ev.step == 1   ? mp_span_str("responder")
				: ev.step == 2 ? mp_span_str("initiator")
					       : mp_span(NULL, 0),
				0);
			if (rc != 0)
				return rc;
			break;
		case MP_SESSION_MESSAGE:
			p->messages[side]++;
			mp_buf_clear(&p->last[side]);
			assert_int_equal(mp_buf_append(&p->last[side], ev.data.p, ev.data.n), 0);
			break;
		}
	}
}

/* Carries bytes both ways until none wait; returns the first error. */
static int
pump(struct pair *p)
{
	for (;;) {
		bool idle = true;

		for (int side = 0; side < 2; side++) {
			struct mp_span out = mp_session_output(&p->s[side]);
			size_t n = mp_min_size(out.n, p->chunk);
			int rc;

			if (n == 0)
				continue;
			idle = false;
			rc = feed(p, !side, mp_span(out.p, n));
			mp_session_sent(&p->s[side], n);
			if (rc != 0)
				return rc;
		}
		if (idle)
			return 0;
	}
}

static void
pair_open(struct pair *p)
{
	pair_init(p);
	assert_int_equal(pump(p), 0);
	assert_true(mp_session_is_open(&p->s[0]));
	assert_true(mp_session_is_open(&p->s[1]));
}

static void
test_handshake(void **state)
{
	static const size_t chunks[] = {1, 2, 3, 7, 31, SIZE_MAX};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < mp_countof(chunks); i++) {
		pair_init(&p);
		p.chunk = chunks[i];
		assert_int_equal(pump(&p), 0);
		assert_int_equal(mp_session_proto(&p.s[0]), 1);
		assert_memory_equal(
			mp_session_hash(&p.s[0]), mp_session_hash(&p.s[1]), MP_SHA512_SIZE);
		assert_int_equal(mp_session_error(&p.s[0])->code, 0);
		pair_fini(&p);
	}
}

static void
send_check(struct pair *p, int from, const uint8_t *bytes, size_t n, mp_time now_ms)
{
	unsigned before = p->messages[!from];

	assert_int_equal(mp_session_send(&p->s[from], mp_span(bytes, n), now_ms), 0);
	assert_int_equal(pump(p), 0);
	assert_int_equal(p->messages[!from], before + 1);
	assert_int_equal(p->last[!from].n, n);
	if (n > 0)
		assert_memory_equal(p->last[!from].p, bytes, n);
}

static void
test_messages(void **state)
{
	static const struct {
		size_t size, chunk;
	} rows[] = {
		{0, 1},
		{1, 1},
		{300, 1},
		{300, SIZE_MAX},
		{DATA_MAX - 1, 1000},
		{DATA_MAX, 65536},
		{DATA_MAX + 1, 65536},
		{2 * DATA_MAX, 70001},
		{1000000, SIZE_MAX},
		{MP_MSG_MAX, 65536},
		{MP_MSG_MAX, SIZE_MAX},
	};
	uint8_t *bytes = malloc(MP_MSG_MAX);
	struct pair p;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < MP_MSG_MAX; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	pair_open(&p);
	for (size_t i = 0; i < mp_countof(rows); i++) {
		p.chunk = rows[i].chunk;
		send_check(&p, 0, bytes, rows[i].size, 0);
		send_check(&p, 1, bytes, rows[i].size, 0);
	}
	/* Several at once, in order. */
	p.chunk = 100;
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes + i, i * 10), 0), 0);
	p.messages[1] = 0;
	assert_int_equal(pump(&p), 0);
	assert_int_equal(p.messages[1], 50);
	assert_memory_equal(p.last[1].p, bytes + 49, 490);
	pair_fini(&p);
	free(bytes);
}

static void
test_queue_bound(void **state)
{
	uint8_t *bytes = calloc(1, MP_MSG_MAX + 1);
	struct mp_span out;
	struct pair p;

	(void)state;
	assert_non_null(bytes);
	pair_open(&p);
	assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes, MP_MSG_MAX + 1), 0), MP_ELIMIT);
	assert_int_equal(mp_session_output(&p.s[0]).n, 0);
	assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes, MP_MSG_MAX), 0), 0);
	assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes, MP_MSG_MAX), 0), 0);
	out = mp_session_output(&p.s[0]);
	assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes, MP_MSG_MAX), 0), MP_ELIMIT);
	assert_int_equal(mp_session_output(&p.s[0]).n, out.n);
	/* Once the first is written there is room for a third, and nothing was harmed. */
	assert_int_equal(feed(&p, 1, mp_span(out.p, out.n / 2 + 100)), 0);
	mp_session_sent(&p.s[0], out.n / 2 + 100);
	assert_int_equal(mp_session_send(&p.s[0], mp_span(bytes, MP_MSG_MAX), 0), 0);
	assert_int_equal(pump(&p), 0);
	assert_int_equal(p.messages[1], 3);
	pair_fini(&p);
	free(bytes);
}

static void
test_take(void **state)
{
	struct mp_buf flight;
	struct pair p;

	(void)state;
	pair_open(&p);
	mp_buf_init(&flight, &p.alloc, MP_STREAM_QUEUE_MAX);
	assert_int_equal(mp_session_send(&p.s[0], mp_span_str("one"), 0), 0);
	mp_session_take(&p.s[0], &flight);
	assert_int_equal(mp_session_output(&p.s[0]).n, 0);
	assert_int_equal(mp_session_send(&p.s[0], mp_span_str("second"), 0), 0);
	assert_int_equal(feed(&p, 1, mp_buf_span(&flight)), 0);
	mp_buf_clear(&flight);
	mp_session_sent(&p.s[0], 0);
	mp_session_take(&p.s[0], &flight);
	assert_int_equal(feed(&p, 1, mp_buf_span(&flight)), 0);
	assert_int_equal(p.messages[1], 2);
	assert_memory_equal(p.last[1].p, "second", 6);
	mp_buf_fini(&flight);
	pair_fini(&p);
}

/* ---- what must fail ---- */

static void
assert_dead(struct pair *p, int side, int rc)
{
	struct mp_span none = mp_span(NULL, 0);
	struct mp_session_event ev;

	assert_int_equal(mp_session_error(&p->s[side])->code, rc);
	assert_true(mp_session_error(&p->s[side])->text[0] != '\0');
	assert_int_equal(mp_session_next(&p->s[side], &none, &ev), rc);
	assert_int_equal(mp_session_send(&p->s[side], mp_span_str("x"), 0), rc);
	assert_int_equal(mp_session_reply(&p->s[side], none, 0), rc);
	assert_int_equal(mp_session_output(&p->s[side]).n, 0);
}

static void
test_junk(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} rows[] = {
		{"GET / HTTP/1.1\r\n", 16, MP_EFORMAT},
		{"\x16\x03\x01\x02", 4, MP_EFORMAT},
		{"\0\0\0\0\0\0\0\0", 8, MP_EFORMAT},
		{"\x8dMPS\0\0\0\1", 8, MP_EFORMAT},        /* version 0 */
		{"\x8dMPS\0\2\0\1", 8, MP_EFORMAT},        /* from 2 to 1 */
		{"\x8dMPS\0\1\0\1\0\x1f", 10, MP_EFORMAT}, /* message 1 too short */
		{"\x8dMPS\0\1\0\1\0\x21", 10, MP_EFORMAT}, /* and too long */
		{"\x8dMPS\0\1\0\1\xff\xff", 10, MP_EFORMAT},
		{"\x8dMPS\0\1\0\1\0", 9, 0}, /* may become something */
		{"\x8dMP", 3, 0},
		{"", 0, 0},
	};
	struct pair p;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		pair_init(&p);
		assert_int_equal(feed(&p, 1, mp_span(rows[i].bytes, rows[i].n)), rows[i].rc);
		if (rows[i].rc != 0)
			assert_dead(&p, 1, rows[i].rc);
		pair_fini(&p);
	}
}

static void
test_versions(void **state)
{
	static const struct {
		uint16_t range[2][2];
		uint16_t proto; /* 0: none in common */
	} rows[] = {
		{{{1, 1}, {1, 4}}, 1},
		{{{1, 3}, {2, 9}}, 3},
		{{{5, 65535}, {1, 5}}, 5},
		{{{1, 1}, {2, 3}}, 0},
		{{{4, 5}, {2, 3}}, 0},
	};
	struct mp_session_config config;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		pair_init(&p);
		for (int side = 0; side < 2; side++) {
			mp_session_fini(&p.s[side]);
			pair_config(&p, side, &config);
			config.proto_min = rows[i].range[side][0];
			config.proto_max = rows[i].range[side][1];
			side_init(&p, side, &config);
		}
		if (rows[i].proto != 0) {
			assert_int_equal(pump(&p), 0);
			assert_int_equal(mp_session_proto(&p.s[0]), rows[i].proto);
			assert_int_equal(mp_session_proto(&p.s[1]), rows[i].proto);
		} else {
			assert_int_equal(pump(&p), MP_EVERSION);
			/* The responder's preface still goes out, so both can say why. */
			assert_int_equal(mp_session_output(&p.s[1]).n, MP_PREFACE_SIZE);
			assert_int_equal(pump(&p), MP_EVERSION);
			assert_dead(&p, 0, MP_EVERSION);
			assert_dead(&p, 1, MP_EVERSION);
			assert_non_null(strstr(mp_session_error(&p.s[0])->text, "protocol"));
		}
		pair_fini(&p);
	}
}

static void
test_other_cluster(void **state)
{
	struct mp_session_config config;
	struct pair p;

	(void)state;
	pair_init(&p);
	mp_session_fini(&p.s[1]);
	pair_config(&p, 1, &config);
	config.cluster.b[31] ^= 1;
	side_init(&p, 1, &config);
	assert_int_equal(pump(&p), MP_ESIG);
	assert_dead(&p, 0, MP_ESIG);
	assert_non_null(strstr(mp_session_error(&p.s[0])->text, "another cluster"));
	pair_fini(&p);
}

/*
 * Records a session of a handshake and one message each way, then plays it with one byte changed
 * or one missing. The keys are fixed, so the bytes are the same each time.
 */
#define TRANSCRIPT_MAX 1024

static size_t
play(int to, size_t at, bool cut, int *rc)
{
	struct pair p;
	size_t seen = 0;

	pair_init(&p);
	*rc = 0;
	for (int round = 0; round < 6 && *rc == 0; round++) {
		int from = round % 2;
		struct mp_span out;
		uint8_t bytes[TRANSCRIPT_MAX];

		if (mp_session_is_open(&p.s[from]))
			assert_int_equal(mp_session_send(&p.s[from], mp_span_str("hello"), 0), 0);
		out = mp_session_output(&p.s[from]);
		if (out.n == 0)
			continue;
		assert_true(out.n <= sizeof(bytes));
		memcpy(bytes, out.p, out.n);
		if (from != to && at >= seen && at - seen < out.n) {
			if (cut)
				memmove(bytes + at - seen, bytes + at - seen + 1,
					out.n - (at - seen) - 1);
			else
				bytes[at - seen] ^= 0x10;
			*rc = feed(&p, !from, mp_span(bytes, out.n - cut));
		} else {
			*rc = feed(&p, !from, mp_span(bytes, out.n));
		}
		if (from != to)
			seen += out.n;
		mp_session_sent(&p.s[from], out.n);
	}
	if (*rc != 0) {
		int dead = mp_session_error(&p.s[0])->code != 0 ? 0 : 1;

		assert_int_equal(mp_session_error(&p.s[dead])->code, *rc);
		if (*rc != MP_EVERSION)
			assert_dead(&p, dead, *rc);
	} else {
		assert_true(p.messages[to] < 2 || at == SIZE_MAX);
	}
	pair_fini(&p);
	return seen;
}

/* One that does not know the cluster: both sides see that it knocks, and nobody takes it for one
 * that does. */
static void
test_knock(void **state)
{
	struct mp_session_config config;
	struct pair p;

	(void)state;
	pair_init(&p);
	mp_session_fini(&p.s[0]);
	pair_config(&p, 0, &config);
	memset(config.cluster.b, 0, sizeof(config.cluster.b));
	config.knock = true;
	side_init(&p, 0, &config);
	assert_int_equal(pump(&p), 0);
	assert_true(mp_session_knocks(&p.s[0]) && mp_session_knocks(&p.s[1]));
	assert_memory_equal(mp_session_hash(&p.s[0]), mp_session_hash(&p.s[1]), MP_SHA512_SIZE);
	pair_fini(&p);

	/* The zero cluster id without the word for it is another cluster. */
	pair_init(&p);
	mp_session_fini(&p.s[0]);
	config.knock = false;
	side_init(&p, 0, &config);
	assert_int_equal(pump(&p), MP_ESIG);
	assert_false(mp_session_knocks(&p.s[1]));
	pair_fini(&p);

	/* The word changed on the way does not help either: it is in the prologue. */
	pair_init(&p);
	assert_int_equal(p.s[0].output.p[3], 'S');
	p.s[0].output.p[3] = 'K';
	assert_int_equal(pump(&p), MP_ESIG);
	pair_fini(&p);
}

static void
test_mangled_transcripts(void **state)
{
	(void)state;
	for (int to = 0; to < 2; to++) {
		int rc;
		size_t n = play(to, SIZE_MAX, false, &rc);

		assert_int_equal(rc, 0);
		assert_true(n > 150);
		for (size_t at = 0; at < n; at++) {
			(void)play(to, at, true, &rc);
			/* A changed length may leave the reader waiting; else it is an error. */
			(void)play(to, at, false, &rc);
			if (rc == 0)
				continue;
			assert_true(rc == MP_ESIG || rc == MP_EFORMAT || rc == MP_EVERSION);
		}
	}
}

/* Seals a frame of any plaintext with a side's sending key. */
static size_t
forge(struct pair *p, int from, const void *plain, size_t n, uint8_t *out)
{
	out[0] = (uint8_t)((n + MP_AEAD_TAG) >> 8);
	out[1] = (uint8_t)(n + MP_AEAD_TAG);
	assert_int_equal(mp_noise_seal(&mp_crypto_sodium, &p->s[from].send.cipher,
				 mp_span(plain, n), out + 2),
		0);
	return 2 + n + MP_AEAD_TAG;
}

static void
test_bad_frames(void **state)
{
	static const struct {
		const char *plain;
		size_t n;
		int rc;
	} rows[] = {
		{"\1ok", 3, 0}, {"\0", 1, MP_EFORMAT},        /* more, but nothing now */
		{"\2x", 2, MP_EFORMAT},                       /* a new key with data */
		{"\3", 1, MP_EFORMAT},                        /* no such type */
		{"\xff", 1, MP_EFORMAT}, {"", 0, MP_EFORMAT}, /* no type */
	};
	uint8_t frame[64];
	struct pair p;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		size_t n;

		pair_open(&p);
		n = forge(&p, 0, rows[i].plain, rows[i].n, frame);
		assert_int_equal(feed(&p, 1, mp_span(frame, n)), rows[i].rc);
		if (rows[i].rc != 0)
			assert_dead(&p, 1, rows[i].rc);
		else
			assert_int_equal(feed(&p, 1, mp_span(frame, n)), MP_ESIG); /* again */
		pair_fini(&p);
	}
	pair_open(&p);
	assert_int_equal(feed(&p, 1, mp_span("\0\x10", 2)), MP_EFORMAT);
	pair_fini(&p);
}

static void
test_message_too_long(void **state)
{
	static uint8_t plain[1 + DATA_MAX], frame[2 + MP_FRAME_MAX];
	unsigned frames = MP_MSG_MAX / DATA_MAX;
	struct pair p;
	size_t n;

	(void)state;
	pair_open(&p);
	for (unsigned i = 0; i < frames; i++) {
		n = forge(&p, 0, plain, sizeof(plain), frame);
		assert_int_equal(feed(&p, 1, mp_span(frame, n)), 0);
	}
	n = forge(&p, 0, plain, sizeof(plain), frame);
	assert_int_equal(feed(&p, 1, mp_span(frame, n)), MP_ELIMIT);
	assert_dead(&p, 1, MP_ELIMIT);
	pair_fini(&p);
}

/* ---- keys ---- */

static void
test_rekey(void **state)
{
	uint8_t before[32];
	struct pair p;

	(void)state;
	for (int by = 0; by < 3; by++) {
		mp_time now = 0;

		pair_open(&p);
		send_check(&p, 0, (const uint8_t *)"a", 1, MP_REKEY_MS - 1);
		memcpy(before, p.s[0].send.cipher.key, sizeof(before));
		if (by == 0)
			p.s[0].send.frames = p.s[1].receive.frames = MP_REKEY_FRAMES;
		else if (by == 1)
			p.s[0].send.bytes = p.s[1].receive.bytes = MP_REKEY_BYTES;
		else
			now = MP_REKEY_MS;
		send_check(&p, 0, (const uint8_t *)"b", 1, now);
		assert_memory_not_equal(before, p.s[0].send.cipher.key, sizeof(before));
		assert_memory_equal(
			p.s[1].receive.cipher.key, p.s[0].send.cipher.key, sizeof(before));
		assert_int_equal(p.s[0].send.frames, 1);
		assert_int_equal(p.s[1].receive.frames, 1);
		memcpy(before, p.s[0].send.cipher.key, sizeof(before));
		send_check(&p, 0, (const uint8_t *)"c", 1, now);
		assert_memory_equal(before, p.s[0].send.cipher.key, sizeof(before));
		send_check(&p, 1, (const uint8_t *)"d", 1, 0);
		pair_fini(&p);
	}
}

static void
test_rekey_in_message(void **state)
{
	uint8_t *bytes = calloc(1, 4 * DATA_MAX);
	struct pair p;

	(void)state;
	assert_non_null(bytes);
	pair_open(&p);
	p.s[0].send.frames = p.s[1].receive.frames = MP_REKEY_FRAMES - 2;
	send_check(&p, 0, bytes, 4 * DATA_MAX, 0);
	assert_int_equal(p.s[0].send.frames, 2);
	pair_fini(&p);
	free(bytes);
}

static void
test_peer_never_rekeys(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	p.s[1].receive.frames = 2ull * MP_REKEY_FRAMES;
	assert_int_equal(mp_session_send(&p.s[0], mp_span_str("x"), 0), 0);
	assert_int_equal(pump(&p), MP_EFORMAT);
	assert_dead(&p, 1, MP_EFORMAT);
	pair_fini(&p);
}

/* Every allocation fails once: an error, no leak, no crash. */
static void
test_no_memory(void **state)
{
	struct mp_session_config config;
	struct pair p;
	int rc = MP_ENOMEM;

	(void)state;
	for (size_t fail_at = 1; rc != 0; fail_at++) {
		static const uint8_t entropy[32];

		assert_true(fail_at < 100);
		memset(&p, 0, sizeof(p));
		p.alloc = UNIT_ALLOC(&p.heap);
		p.chunk = 5;
		p.heap.fail_at = fail_at;
		rc = 0;
		for (int side = 0; side < 2; side++) {
			int init;

			pair_config(&p, side, &config);
			init = mp_session_init(&p.s[side], &config, entropy);
			rc = rc != 0 ? rc : init;
			mp_buf_init(&p.last[side], &p.alloc, MP_MSG_MAX);
		}
		if (rc == 0)
			rc = pump(&p);
		if (rc == 0)
			rc = mp_session_send(&p.s[1], mp_span_str("message"), 0);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		pair_fini(&p);
	}
}

static int
make_keys(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 2; i++) {
		uint8_t seed[32], x[32];

		memset(seed, 1 + i, sizeof(seed));
		memset(x, 3 + i, sizeof(x));
		if (mp_secret_from_bytes(&secrets[i], seed, x) != 0)
			return -1;
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	mp_secret_free(secrets[0]);
	mp_secret_free(secrets[1]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_queue_bound),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_other_cluster),
		cmocka_unit_test(test_knock),
		cmocka_unit_test(test_mangled_transcripts),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_message_too_long),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_in_message),
		cmocka_unit_test(test_peer_never_rekeys),
		cmocka_unit_test(test_no_memory),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
