/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/blob_world.h"

/* A request of a test, and what came of it. */
struct want {
	struct mp_fetch_req req;
	int calls;
	int rc;
	struct mp_hash blob;
	uint8_t bytes[64];
	size_t n;
};

static void
on_done(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct want *w = mp_container_of(req, struct want, req);

	(void)env;
	w->calls++;
	w->rc = rc;
	w->blob = *blob;
	w->n = bytes.n;
	if (bytes.n > 0)
		memcpy(w->bytes, bytes.p, mp_min_size(bytes.n, sizeof(w->bytes)));
}

static void
ask(struct want *w, int node, const struct mp_blob_ref *refs, size_t n, int holder)
{
	world_begin(node);
	assert_int_equal(mp_fetch_get(W.nodes[node].fetch, &W.nodes[node].env, &w->req, refs, n,
				 holder < 0 ? NULL : &W.members[holder].id, holder >= 0),
		0);
	assert_int_equal(w->calls, 0);
	world_end(node);
}

static void
want(struct want *w, int node, const struct mp_blob_ref *refs, size_t n, int holder)
{
	*w = (struct want){.req = {.done = on_done}};
	ask(w, node, refs, n, holder);
}

static uint8_t big[5 * MP_CHUNK_SIZE + 17];

static int
setup(void **state)
{
	(void)state;
	world_init();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 + i / 7919);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_fini();
	return 0;
}

static void
test_brings(void **state)
{
	struct mp_blob_ref refs[] = {world_put(1, "hello", 5), world_put(1, "", 0),
		world_put(1, big, sizeof(big)), world_put(0, "mine", 4)};
	struct want w;

	(void)state;
	refs[1].size = MP_SIZE_UNKNOWN;
	want(&w, 0, refs, 4, 1);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	for (size_t i = 0; i < 4; i++)
		assert_true(world_has(0, &refs[i].digest));
	assert_int_equal(W.nodes[1].gets, 1 + 1 + 6);
	assert_int_equal(W.nodes[2].gets, 0);
}

static void
test_nothing_to_do(void **state)
{
	struct mp_blob_ref ref = world_put(0, "mine", 4);
	struct want none, here;

	(void)state;
	want(&none, 0, NULL, 0, -1);
	want(&here, 0, &ref, 1, 1);
	world_pass(0);
	assert_true(none.calls == 1 && none.rc == 0);
	assert_true(here.calls == 1 && here.rc == 0);
	assert_int_equal(W.nodes[0].sends, 0);
}

/* Wants for the same blob share the transfer, whenever they come. */
static void
test_shares(void **state)
{
	struct mp_blob_ref ref = world_put(1, big, sizeof(big));
	struct mp_blob_ref wrong = ref;
	struct want a, b, c, d;

	(void)state;
	wrong.size++;
	want(&a, 0, &ref, 1, 1);
	want(&b, 0, &ref, 1, 1);
	for (int i = 0; i < 6; i++)
		(void)world_step();
	want(&c, 0, &ref, 1, 1);
	want(&d, 0, &wrong, 1, 1);
	world_settle();
	assert_true(a.rc == 0 && b.rc == 0 && c.rc == 0);
	assert_int_equal(a.calls + b.calls + c.calls, 3);
	assert_int_equal(d.calls, 1);
	assert_int_equal(d.rc, MP_ECORRUPT);
	assert_int_equal(W.nodes[1].gets, 6);
}

static void
test_other_holder(void **state)
{
	struct mp_blob_ref ref = world_put(3, big, sizeof(big));
	struct want w;

	(void)state;
	W.members[1].state = MP_MEMBER_DEAD;
	want(&w, 0, &ref, 1, 1);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	assert_int_equal(W.nodes[1].gets, 0);
	assert_int_equal(W.nodes[3].gets, 6);
}

/* Gossip is advice: whoever has a stream to us is asked, even if it is held dead. */
static void
test_dead_with_a_stream(void **state)
{
	struct mp_blob_ref ref = world_put(1, "x", 1);
	struct want w;

	(void)state;
	W.members[1].state = MP_MEMBER_DEAD;
	W.members[1].link_up = true;
	want(&w, 0, &ref, 1, 1);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	assert_int_equal(W.nodes[1].gets, 1);
}

/* A named holder that says nothing costs its timeout, no more. */
static void
test_silent_holder(void **state)
{
	struct mp_blob_ref ref = world_put(3, "x", 1);
	struct want w;

	(void)state;
	W.nodes[1].up = false;
	want(&w, 0, &ref, 1, 1);
	world_pass(9000);
	assert_int_equal(w.calls, 0);
	world_pass(2000);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
}

static int dropped;

static bool
drop_data_from_1(int from, int to, uint8_t *bytes, size_t n)
{
	(void)to;
	if (from != 1 || mp_msg_number(mp_span(bytes, n)) != MP_MSG_BLOB_DATA)
		return true;
	return ++dropped <= 2;
}

/* Node 1 sends two pieces and dies; the rest comes from node 2, and only the rest. */
static void
test_resumes(void **state)
{
	struct mp_blob_ref ref = world_put(1, big, sizeof(big));
	struct want w;

	(void)state;
	(void)world_put(2, big, sizeof(big));
	dropped = 0;
	W.filter = drop_data_from_1;
	want(&w, 0, &ref, 1, 1);
	world_settle();
	assert_int_equal(w.calls, 0);
	W.nodes[1].up = false;
	W.members[1].state = MP_MEMBER_SUSPECT;
	world_link(0, 1, MP_LINK_DOWN);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	assert_int_equal(W.nodes[2].gets, 4);
	assert_int_equal(W.nodes[0].writes, 6);
}

static bool
corrupt_from_1(int from, int to, uint8_t *bytes, size_t n)
{
	(void)to;
	if (from == 1 && mp_msg_number(mp_span(bytes, n)) == MP_MSG_BLOB_DATA)
		bytes[n - 1] ^= 1;
	return true;
}

static void
test_wrong_bytes(void **state)
{
	struct mp_blob_ref ref = world_put(1, big, sizeof(big));
	struct want w;

	(void)state;
	(void)world_put(2, big, sizeof(big));
	W.filter = corrupt_from_1;
	want(&w, 0, &ref, 1, 1);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	assert_true(world_has(0, &ref.digest));
	assert_int_equal(mp_fetch_wrong(W.nodes[0].fetch), 1);
}

/* Two holders at a time, one of them bad: one after the other finds out which. */
static void
test_wrong_bytes_among(void **state)
{
	struct mp_blob_ref ref = world_put(1, big, sizeof(big));
	struct mp_node_id holders[2] = {W.members[1].id, W.members[2].id};
	struct want w = {.req = {.done = on_done}};

	(void)state;
	(void)world_put(2, big, sizeof(big));
	W.filter = corrupt_from_1;
	world_begin(0);
	assert_int_equal(
		mp_fetch_get(W.nodes[0].fetch, &W.nodes[0].env, &w.req, &ref, 1, holders, 2), 0);
	world_end(0);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
	assert_true(W.nodes[1].gets > 0);
}

static void
test_only_wrong_bytes(void **state)
{
	struct mp_blob_ref ref = world_put(1, "x", 1);
	struct want w;

	(void)state;
	W.filter = corrupt_from_1;
	want(&w, 0, &ref, 1, 1);
	world_pass(40000);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, MP_ENOENT);
	assert_false(world_has(0, &ref.digest));
	assert_true(mp_fetch_wrong(W.nodes[0].fetch) > 0);
}

/* Nobody has it: everybody is asked several times, then it is lost. */
static void
test_lost(void **state)
{
	struct mp_blob_ref ref = {.size = 3};
	struct want w;

	(void)state;
	memset(ref.digest.b, 9, sizeof(ref.digest.b));
	want(&w, 0, &ref, 1, 2);
	world_settle();
	assert_int_equal(w.calls, 0);
	for (int i = 1; i < WORLD_NODES; i++)
		assert_int_equal(W.nodes[i].gets, 1);
	world_pass(MP_FETCH_GIVE_UP_MS);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, MP_ENOENT);
	assert_true(mp_hash_eq(&w.blob, &ref.digest));
	assert_int_equal(W.nodes[4].gets, MP_FETCH_ROUNDS);
}

/* What cannot be had does not keep the others from coming, if that is wanted. */
static void
test_lost_among_others(void **state)
{
	struct mp_blob_ref refs[] = {world_put(1, "size", 4), {.size = 3}, world_put(4, "late", 4),
		{.size = 3}, world_put(1, big, sizeof(big))};
	struct want w = {.req = {.done = on_done, .all = true}};

	(void)state;
	refs[0].size = 5;
	memset(refs[1].digest.b, 8, sizeof(refs[1].digest.b));
	memset(refs[3].digest.b, 9, sizeof(refs[3].digest.b));
	W.nodes[4].blobs[0].complete = false;
	ask(&w, 0, refs, 5, 1);
	world_pass(1000);
	assert_int_equal(w.calls, 0);
	assert_true(world_has(0, &refs[4].digest));
	W.nodes[4].blobs[0].complete = true;
	world_pass(MP_FETCH_GIVE_UP_MS);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, MP_ECORRUPT);
	assert_true(mp_hash_eq(&w.blob, &refs[0].digest));
	assert_true(world_has(0, &refs[2].digest));
	w = (struct want){.req = {.done = on_done, .all = true}};
	ask(&w, 0, refs + 1, 2, 1);
	world_pass(MP_FETCH_GIVE_UP_MS);
	assert_int_equal(w.rc, MP_ENOENT);
	assert_true(mp_hash_eq(&w.blob, &refs[1].digest));
}

/* Whoever is in haste is told after one round, and nobody else. */
static void
test_hasty(void **state)
{
	struct mp_blob_ref ref = world_put(4, "late", 4), refs[2];
	struct want patient, hasty, both;

	(void)state;
	refs[0] = refs[1] = ref; /* twice in one want */
	W.nodes[4].blobs[0].complete = false;
	want(&patient, 0, &ref, 1, 1);
	for (struct want *w = &hasty; w != NULL; w = w == &hasty ? &both : NULL) {
		*w = (struct want){.req = {.done = on_done, .patience = MP_FETCH_HASTY}};
		world_begin(0);
		assert_int_equal(mp_fetch_get(W.nodes[0].fetch, &W.nodes[0].env, &w->req, refs,
					 w == &hasty ? 1 : 2, NULL, 0),
			0);
		world_end(0);
	}
	world_settle();
	assert_int_equal(patient.calls, 0);
	assert_int_equal(hasty.calls, 1);
	assert_int_equal(hasty.rc, MP_ENOENT);
	assert_int_equal(both.calls, 1);
	assert_int_equal(both.rc, MP_ENOENT);
	W.nodes[4].blobs[0].complete = true;
	world_pass(5000);
	assert_int_equal(patient.calls, 1);
	assert_int_equal(patient.rc, 0);
	assert_int_equal(hasty.calls, 1);
}

/* Its only holder is down: who is steadfast waits for that, but not for ever. */
static void
test_steadfast(void **state)
{
	struct mp_blob_ref ref = world_put(4, "down", 4);
	struct want patient, w;

	(void)state;
	for (int i = 0; i < 3; i++) {
		w = (struct want){.req = {.done = on_done, .patience = MP_FETCH_STEADFAST}};
		W.members[4].state = MP_MEMBER_DEAD;
		want(&patient, 0, &ref, 1, 4);
		ask(&w, 0, &ref, 1, 4);
		world_pass(MP_FETCH_GIVE_UP_MS + 5000);
		assert_int_equal(patient.calls, 1);
		assert_int_equal(patient.rc, MP_ENOENT);
		assert_int_equal(w.calls, 0);
		if (i == 0)
			world_pass(MP_FETCH_AWAY_MS - MP_FETCH_GIVE_UP_MS);
		else
			W.members[4].state = i == 1 ? MP_MEMBER_LEFT : MP_MEMBER_ALIVE;
		world_pass(5000);
		assert_int_equal(w.calls, 1);
		assert_int_equal(w.rc, i == 2 ? 0 : MP_ENOENT);
	}
}

/* It turns up while we wait for the next round. */
static void
test_turns_up(void **state)
{
	struct mp_blob_ref ref = world_put(4, "late", 4);
	struct want w;

	(void)state;
	W.nodes[4].blobs[0].complete = false;
	want(&w, 0, &ref, 1, 2);
	world_pass(600);
	W.nodes[4].blobs[0].complete = true;
	world_pass(1500);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, 0);
}

static void
test_disk_full(void **state)
{
	struct mp_blob_ref ref = world_put(1, "x", 1);
	struct want w;

	(void)state;
	W.nodes[0].write_rc = MP_EFULL;
	want(&w, 0, &ref, 1, 1);
	world_settle();
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.rc, MP_EFULL);
}

static void
test_read(void **state)
{
	struct mp_blob_ref here = world_put(0, "here", 4), there = world_put(1, "there", 5);
	struct mp_blob_ref large = world_put(1, big, sizeof(big));
	struct want w[4] = {{.calls = 0}};
	struct mp_hash nowhere = {{7}};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		w[i].req.done = on_done;
	world_begin(0);
	assert_int_equal(mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &w[0].req, &here.digest,
				 4, NULL, 0),
		0);
	assert_int_equal(mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &w[1].req, &there.digest,
				 100, &W.members[1].id, 1),
		0);
	assert_int_equal(mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &w[2].req, &large.digest,
				 sizeof(big) - 1, &W.members[1].id, 1),
		0);
	assert_int_equal(
		mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &w[3].req, &nowhere, 9, NULL, 0),
		0);
	world_end(0);
	world_pass(60000);
	assert_int_equal(w[0].rc, 0);
	assert_memory_equal(w[0].bytes, "here", 4);
	assert_int_equal(w[1].rc, 0);
	assert_int_equal(w[1].n, 5);
	assert_memory_equal(w[1].bytes, "there", 5);
	assert_int_equal(w[2].rc, MP_ELIMIT);
	assert_int_equal(w[3].rc, MP_ENOENT);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(w[i].calls, 1);
	world_begin(0);
	assert_int_equal(mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &w[2].req, &large.digest,
				 sizeof(big), NULL, 0),
		0);
	world_end(0);
	world_settle();
	assert_int_equal(w[2].rc, 0);
	assert_int_equal(w[2].n, sizeof(big));
	assert_memory_equal(w[2].bytes, big, sizeof(w[2].bytes));
}

/* At any moment of its life a request can be taken back, and nothing is told or leaked. */
static void
test_cancel(void **state)
{
	struct mp_blob_ref refs[2] = {world_put(1, big, sizeof(big)), world_put(1, "a", 1)};

	(void)state;
	for (int steps = 0; steps < 12; steps++) {
		struct want w, r = {.req = {.done = on_done}};

		W.nodes[0].blob_count = 0;
		want(&w, 0, refs, 2, 1);
		world_begin(0);
		assert_int_equal(mp_fetch_read(W.nodes[0].fetch, &W.nodes[0].env, &r.req,
					 &refs[1].digest, 9, &W.members[1].id, 1),
			0);
		world_end(0);
		for (int i = 0; i < steps; i++)
			(void)world_step();
		if (w.calls + r.calls == 0) {
			mp_fetch_cancel(W.nodes[0].fetch, &w.req);
			mp_fetch_cancel(W.nodes[0].fetch, &r.req);
			mp_fetch_cancel(W.nodes[0].fetch, &r.req);
			world_pass(100);
			assert_int_equal(w.calls + r.calls, 0);
		}
		world_settle();
		for (size_t i = 0; i < W.nodes[0].blob_count; i++) {
			free(W.nodes[0].blobs[i].bytes);
			free(W.nodes[0].blobs[i].have);
		}
	}
	W.nodes[0].blob_count = 0;
}

static uint32_t in_flight_max, in_flight;

static bool
count_gets(int from, int to, uint8_t *bytes, size_t n)
{
	(void)from;
	(void)to;
	if (mp_msg_number(mp_span(bytes, n)) == MP_MSG_BLOB_GET)
		in_flight++;
	if (mp_msg_number(mp_span(bytes, n)) == MP_MSG_BLOB_DATA)
		in_flight--;
	if (in_flight > in_flight_max)
		in_flight_max = in_flight;
	return true;
}

static void
test_window(void **state)
{
	struct mp_blob_ref refs[40];
	struct want w;

	(void)state;
	for (int i = 0; i < 40; i++) {
		char text[8] = {(char)i};

		refs[i] = world_put(1, text, sizeof(text));
	}
	in_flight = in_flight_max = 0;
	W.filter = count_gets;
	want(&w, 0, refs, 40, 1);
	world_settle();
	assert_int_equal(w.rc, 0);
	assert_int_equal(in_flight_max, MP_FETCH_PEER_MAX);
}

/* A peer that asks for too much is not answered beyond its share. */
static void
test_serve_bound(void **state)
{
	struct mp_blob_ref ref = world_put(0, "x", 1);
	struct mp_msg_blob_get get = {.digest = ref.digest, .size = MP_CHUNK_SIZE};
	int busy = 0;

	(void)state;
	world_begin(0);
	for (int i = 0; i < MP_SERVE_QUEUE_MAX + 5; i++) {
		struct mp_buf buf;
		int rc;

		mp_buf_init(&buf, &W.alloc, 256);
		assert_int_equal(mp_msg_blob_get_encode(&buf, &get), 0);
		rc = mp_fetch_message(
			W.nodes[0].fetch, &W.nodes[0].env, &W.members[1].id, mp_buf_span(&buf));
		busy += rc == MP_EBUSY;
		mp_buf_fini(&buf);
	}
	world_end(0);
	assert_int_equal(busy, 5);
	assert_true(mp_fetch_served_ms(W.nodes[0].fetch, &W.members[1].id) == W.now_ms);
	world_settle();
	assert_int_equal(W.nodes[0].sends, MP_SERVE_QUEUE_MAX);
}

/* Out of memory at any point: the request fails or works, and nothing leaks. */
static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t at = 1; at < 80; at++) {
		struct mp_blob_ref refs[2];
		struct want w = {.req = {.done = on_done}};
		int rc;

		world_fini();
		world_init();
		refs[0] = world_put(1, big, MP_CHUNK_SIZE + 17);
		refs[1] = world_put(1, "a", 1);
		W.heap.fail_at = W.heap.calls + at;
		world_begin(0);
		rc = mp_fetch_get(
			W.nodes[0].fetch, &W.nodes[0].env, &w.req, refs, 2, &W.members[1].id, 1);
		world_end(0);
		world_pass(60000);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		if (W.nodes[0].fatal || W.nodes[1].fatal)
			continue;
		assert_int_equal(w.calls, rc == 0 ? 1 : 0);
		if (rc == 0 && w.rc == 0)
			assert_true(world_has(0, &refs[0].digest));
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_brings),
		T(test_nothing_to_do),
		T(test_shares),
		T(test_other_holder),
		T(test_dead_with_a_stream),
		T(test_silent_holder),
		T(test_resumes),
		T(test_wrong_bytes),
		T(test_wrong_bytes_among),
		T(test_only_wrong_bytes),
		T(test_lost),
		T(test_hasty),
		T(test_steadfast),
		T(test_lost_among_others),
		T(test_turns_up),
		T(test_disk_full),
		T(test_read),
		T(test_cancel),
		T(test_window),
		T(test_serve_bound),
		T(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
