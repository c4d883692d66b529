/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sessions (codec/frame.h, codec/noise.h) with somebody in the middle, simulated: what they say
 * to each other travels in pieces that a seed chooses, and one thing is done to it that the seed
 * chooses, too. Whatever it is, a side hears what the other has said, from its beginning and in its
 * order, or nothing; neither hears anything when the handshake was touched; and whoever finds out
 * is dead for good.
 *
 * HOSTILE_SEEDS is how many (2000), HOSTILE_SEED the only one.
 */
#include "unit/unit.h"

#include <stdlib.h>

#include "codec/frame.h"
#include "crypto/key.h"
#include "util/rng.h"

#define MESSAGES  12 /* each way */
#define SIZE_BIG  70000u
#define WIRE_MAX  (4u * 1024 * 1024)
#define HELLO_MAX 300
/* What a side has said when the handshake is over, by side. */
#define SHAKEN(side) (8 + 2 + (side == 0 ? 32 + 2 + 64 : 96) + HELLO_MAX)

enum deed {
	NOTHING,
	FLIP,
	CUT, /* and nothing comes any more */
	LOSE,
	REPEAT,
	SWAP,
	INSERT,
	REFLECT, /* its own bytes come back */
	REPLAY,  /* what was said in another session, at the same place */
	DEEDS
};

/* One direction. */
struct wire {
	struct mp_buf bytes; /* said, and not carried yet */
	uint64_t carried;
	struct mp_buf record; /* all that was said */
	bool cut;
};

struct world {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_rng rng;
	struct mp_session s[2]; /* 0 opens */
	struct wire wire[2];    /* from that side */
	bool dead[2];
	unsigned sent[2], heard[2];
	enum deed deed;
	int victim;           /* direction */
	uint64_t at;          /* byte of it */
	bool done;            /* the deed */
	bool touched;         /* the handshake */
	struct mp_buf *other; /* a session before this one, by direction */
};

static struct mp_secret *secrets[2];
static uint64_t last_seed;

/* ---- what is said ---- */

/* The k-th message of a side; some take several frames. */
static struct mp_span
message_of(int side, unsigned k)
{
	static uint8_t bytes[SIZE_BIG];
	size_t n = k % 5 == 4 ? SIZE_BIG : k * 37u % 400;

	memset(bytes, (int)(k * 2 + (unsigned)side), n);
	return mp_span(bytes, n);
}

static void
world_begin(struct world *w, uint64_t seed, enum deed deed)
{
	*w = (struct world){.deed = deed};
	w->alloc = UNIT_ALLOC(&w->heap);
	mp_rng_stir(&w->rng, seed);
	for (int side = 0; side < 2; side++) {
		struct mp_session_config config = {
			.role = side == 0 ? MP_NOISE_INITIATOR : MP_NOISE_RESPONDER,
			.alloc = &w->alloc,
			.crypto = &mp_crypto_sodium,
			.secret = secrets[side],
			.proto_min = 1,
			.proto_max = 1,
		};
		uint8_t entropy[32];

		mp_secret_xkey(secrets[side], &config.static_key);
		for (size_t i = 0; i < sizeof(entropy); i++)
			entropy[i] = (uint8_t)mp_rng_next(&w->rng);
		assert_int_equal(mp_session_init(&w->s[side], &config, entropy), 0);
		mp_buf_init(&w->wire[side].bytes, &w->alloc, WIRE_MAX);
		mp_buf_init(&w->wire[side].record, &w->alloc, WIRE_MAX);
	}
}

static void
world_end(struct world *w)
{
	for (int side = 0; side < 2; side++) {
		mp_session_fini(&w->s[side]);
		mp_buf_fini(&w->wire[side].bytes);
		mp_buf_fini(&w->wire[side].record);
	}
	assert_int_equal(w->heap.live, 0);
}

/* ---- hearing ---- */

static int
hear_handshake(struct world *w, int side, const struct mp_session_event *ev)
{
	uint8_t hello[HELLO_MAX];

	if (ev->step > 1) { /* who it is has been proved, so this is what it said */
		assert_int_equal(ev->data.n, HELLO_MAX);
		assert_int_equal(ev->data.p[0], side == 0 ? 1 : 0);
		assert_memory_equal(ev->peer.b, w->s[!side].config.static_key.b, 32);
	}
	memset(hello, side, sizeof(hello));
	return mp_session_reply(
		&w->s[side], ev->step == 3 ? mp_span(NULL, 0) : mp_span(hello, HELLO_MAX), 0);
}

static void
hear(struct world *w, int side, struct mp_span bytes)
{
	struct mp_session_event ev;
	int rc = 0;

	while (rc == 0 && !w->dead[side]) {
		struct mp_span want;

		rc = mp_session_next(&w->s[side], &bytes, &ev);
		if (rc != 0 || ev.type == MP_SESSION_NONE)
			break;
		if (ev.type == MP_SESSION_HANDSHAKE) {
			rc = hear_handshake(w, side, &ev);
			continue;
		}
		assert_true(w->heard[side] < w->sent[!side]);
		want = message_of(!side, w->heard[side]++);
		assert_int_equal(ev.data.n, want.n);
		assert_memory_equal(ev.data.p, want.p, want.n);
	}
	if (rc == 0)
		return;
	w->dead[side] = true;
	assert_int_equal(mp_session_next(&w->s[side], &bytes, &ev), rc);
	assert_int_equal(mp_session_send(&w->s[side], mp_span("x", 1), 0), rc);
}

/* ---- the way, and who is on it ---- */

/* What a side has to write goes on its wire, and is remembered. */
static void
collect(struct world *w, int side)
{
	struct mp_span out = mp_session_output(&w->s[side]);

	if (out.n == 0)
		return;
	assert_int_equal(mp_buf_append(&w->wire[side].bytes, out.p, out.n), 0);
	assert_int_equal(mp_buf_append(&w->wire[side].record, out.p, out.n), 0);
	mp_session_sent(&w->s[side], out.n);
}

static void
junk(struct world *w, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)mp_rng_next(&w->rng);
}

/* Does it to a piece of the victim's bytes, which is in p; returns what is carried instead. */
static size_t
do_it(struct world *w, uint8_t *p, size_t n, size_t at)
{
	struct wire *wire = &w->wire[w->victim];
	size_t left = n - at, k = mp_min_size(left, 1 + mp_rng_below(&w->rng, 40));
	const struct mp_buf *other = &w->wire[!w->victim].record;

	w->done = true;
	switch (w->deed) {
	case FLIP:
		p[at] ^= (uint8_t)(1u << mp_rng_below(&w->rng, 8));
		return n;
	case CUT:
		wire->cut = true;
		return at;
	case LOSE:
		memmove(p + at, p + at + k, left - k);
		return n - k;
	case REPEAT:
		memmove(p + at + k, p + at, left);
		return n + k;
	case SWAP:
		if (left < 2)
			return n - left;
		for (size_t i = 0, half = left / 2; i < half; i++) {
			uint8_t t = p[at + i];

			p[at + i] = p[at + half + i];
			p[at + half + i] = t;
		}
		return n;
	case INSERT:
		memmove(p + at + k, p + at, left);
		junk(w, p + at, k);
		return n + k;
	case REFLECT:
		break;
	case REPLAY:
		other = &w->other[w->victim];
		break;
	case NOTHING:
	case DEEDS:
		mp_unreachable();
	}
	left = mp_min_size(left, other->n > wire->carried + at ? other->n - wire->carried - at : 0);
	if (left > 0)
		memcpy(p + at, other->p + wire->carried + at, left);
	return n;
}

/* Where two pieces begin to differ. */
static size_t
differ(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	size_t i = 0;

	while (i < an && i < bn && a[i] == b[i])
		i++;
	return an == bn && i == an ? SIZE_MAX / 2 : i;
}

/* Carries some bytes from that side to the other one. False: there are none. */
static bool
carry(struct world *w, int side)
{
	static uint8_t piece[2 * SIZE_BIG + 64];
	struct wire *wire = &w->wire[side];
	size_t n = mp_min_size(wire->bytes.n, 1 + mp_rng_below(&w->rng, SIZE_BIG)), out = n;

	if (n == 0 || wire->cut)
		return false;
	memcpy(piece, wire->bytes.p, n);
	if (side == w->victim && w->deed != NOTHING && !w->done && w->at < wire->carried + n) {
		out = do_it(w, piece, n, (size_t)(w->at - wire->carried));
		w->touched = differ(piece, out, wire->bytes.p, n) + wire->carried < SHAKEN(side);
	}
	wire->carried += n;
	mp_buf_consume(&wire->bytes, n);
	hear(w, !side, mp_span(piece, out));
	return true;
}

/* False: there is nothing more to say, or not yet. */
static bool
speak(struct world *w, int side)
{
	struct mp_session *s = &w->s[side];

	if (w->dead[side] || !mp_session_is_open(s) || w->sent[side] == MESSAGES)
		return false;
	assert_int_equal(mp_session_send(s, message_of(side, w->sent[side]), 0), 0);
	w->sent[side]++;
	return true;
}

static void
world_run(struct world *w)
{
	for (bool more = true; more;) {
		more = false;
		for (int side = 0; side < 2; side++) {
			more = speak(w, side) || more;
			collect(w, side);
			more = carry(w, side) || more;
		}
	}
}

/* ---- tests ---- */

static void
one(uint64_t seed, struct mp_buf other[2], const uint64_t sizes[2])
{
	struct world w;
	struct mp_rng rng = {0};

	mp_rng_stir(&rng, seed ^ 0xdeed);
	world_begin(&w, seed, (enum deed)(1 + seed % (DEEDS - 1)));
	w.victim = (int)mp_rng_below(&rng, 2);
	/* Half of them in the handshake, which is a small part of all. */
	w.at = mp_rng_below(&rng, mp_rng_below(&rng, 2) == 0 ? 500 : sizes[w.victim]);
	w.other = other;
	world_run(&w);
	if (w.done && w.touched)
		assert_int_equal(w.heard[0] + w.heard[1], 0);
	world_end(&w);
}

static void
rehearse(struct mp_buf other[2], uint64_t sizes[2], const struct mp_alloc *alloc)
{
	struct world w;

	world_begin(&w, 0, NOTHING);
	world_run(&w);
	for (int side = 0; side < 2; side++) {
		assert_false(w.dead[side]);
		assert_int_equal(w.heard[side], MESSAGES);
		sizes[side] = w.wire[side].carried;
		mp_buf_init(&other[side], alloc, WIRE_MAX);
		assert_int_equal(
			mp_buf_append(&other[side], w.wire[side].record.p, w.wire[side].record.n),
			0);
	}
	world_end(&w);
}

static void
test_seeds(void **state)
{
	const char *count = getenv("HOSTILE_SEEDS"), *only = getenv("HOSTILE_SEED");
	uint64_t n = count != NULL ? strtoull(count, NULL, 10) : 2000, sizes[2];
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_buf other[2];

	(void)state;
	rehearse(other, sizes, &alloc);
	for (uint64_t seed = 1; seed <= n && only == NULL; seed++) {
		last_seed = seed;
		one(seed, other, sizes);
	}
	if (only != NULL)
		one(strtoull(only, NULL, 10), other, sizes);
	mp_buf_fini(&other[0]);
	mp_buf_fini(&other[1]);
}

/* Each byte of the handshake, and each bit of it in turn, both ways. */
static void
test_every_byte(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		for (uint64_t at = 0; at < SHAKEN(side); at++) {
			struct world w;

			world_begin(&w, at, FLIP);
			w.victim = side;
			w.at = at;
			world_run(&w);
			assert_true(w.done && w.touched);
			assert_int_equal(w.heard[0] + w.heard[1], 0);
			world_end(&w);
		}
	}
}

static int
make_keys(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		uint8_t seed[MP_KEY_SEED], x[MP_KEY_SEED];

		memset(seed, 0x21 + i, sizeof(seed));
		memset(x, 0x31 + i, sizeof(x));
		if (mp_secret_from_bytes(&secrets[i], seed, x) != 0)
			return -1;
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	print_message("# the last seed was %llu\n", (unsigned long long)last_seed);
	mp_secret_free(secrets[0]);
	mp_secret_free(secrets[1]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_every_byte),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
