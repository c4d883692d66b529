/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/blob_world.h"

struct held {
	struct mp_hold_req req;
	int calls;
	int rc;
	struct mp_node_id holders[MP_HOLD_COPIES_MAX];
	size_t n;
};

static void
on_done(struct mp_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t n)
{
	struct held *h = mp_container_of(req, struct held, req);

	(void)env;
	h->calls++;
	h->rc = rc;
	h->n = n;
	if (n > 0)
		memcpy(h->holders, holders, n * sizeof(*holders));
}

static void
hold(struct held *h, const struct mp_blob_ref *refs, size_t n, size_t copies)
{
	*h = (struct held){.req = {.done = on_done}};
	assert_int_equal(
		mp_hold_request(W.nodes[0].hold, &W.nodes[0].env, &h->req, refs, n, copies), 0);
	assert_int_equal(h->calls, 0);
}

/* Everything that is named as a holder has it on disk; node 0 is the first. */
static void
check_holders(const struct held *h, const struct mp_blob_ref *refs, size_t n, size_t copies)
{
	assert_int_equal(h->calls, 1);
	assert_int_equal(h->rc, 0);
	assert_int_equal(h->n, copies);
	assert_int_equal(world_index(&h->holders[0]), 0);
	for (size_t i = 0; i < h->n; i++) {
		for (size_t k = 0; k < i; k++)
			assert_false(mp_node_id_eq(&h->holders[i], &h->holders[k]));
		for (size_t k = 0; k < n; k++) {
			const struct world_blob *b =
				world_blob(world_index(&h->holders[i]), &refs[k].digest);

			assert_true(b != NULL && b->synced);
		}
	}
}

/* The members in the order in which they are asked for this blob. */
static int
target(const struct mp_blob_ref *ref, int rank)
{
	int order[WORLD_NODES - 1];

	for (int i = 0; i < WORLD_NODES - 1; i++) {
		int k = i;

		for (; k > 0 && mp_rendezvous(&ref->digest, &W.members[order[k - 1]].id) <
					mp_rendezvous(&ref->digest, &W.members[i + 1].id);
			k--)
			order[k] = order[k - 1];
		order[k] = i + 1;
	}
	return order[rank];
}

static uint8_t big[MP_CHUNK_SIZE + 5];

static int
setup(void **state)
{
	(void)state;
	world_init();
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
test_copies(void **state)
{
	struct mp_blob_ref refs[] = {
		world_put(0, "a", 1), world_put(0, big, sizeof(big)), world_put(0, "", 0)};
	struct held h;

	(void)state;
	world_begin(0);
	hold(&h, refs, 3, 3);
	world_end(0);
	world_settle();
	check_holders(&h, refs, 3, 3);
	assert_int_equal(world_index(&h.holders[1]) + world_index(&h.holders[2]),
		target(&refs[0], 0) + target(&refs[0], 1));
}

static void
test_alone(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	for (int i = 1; i < WORLD_NODES; i++)
		W.members[i].state = i == 1 ? MP_MEMBER_LEFT : MP_MEMBER_DEAD;
	W.members[3].state = MP_MEMBER_ALIVE;
	W.members[3].status = MP_NODE_DRAINING;
	world_begin(0);
	hold(&h, &ref, 1, 3);
	world_end(0);
	world_settle();
	check_holders(&h, &ref, 1, 1);
	assert_int_equal(W.nodes[0].syncs, 1);
}

/* What is asked for in one step travels in one message and is synced once. */
static void
test_batches(void **state)
{
	struct mp_blob_ref refs[10];
	struct held h[10];
	size_t holds = 0;

	(void)state;
	for (int i = 2; i < WORLD_NODES; i++)
		W.members[i].state = MP_MEMBER_DEAD;
	world_begin(0);
	for (int i = 0; i < 10; i++) {
		char text[2] = {(char)i};

		refs[i] = world_put(0, text, 2);
		hold(&h[i], &refs[i], 1, 2);
	}
	world_end(0);
	world_settle();
	for (int i = 0; i < 10; i++)
		check_holders(&h[i], &refs[i], 1, 2);
	for (int i = 0; i < WORLD_NODES; i++)
		holds += W.nodes[i].holds;
	assert_int_equal(holds, 1);
	assert_int_equal(W.nodes[0].syncs, 1);
	assert_int_equal(W.nodes[1].syncs, 1);
}

static void
test_target_dies(void **state)
{
	struct mp_blob_ref ref = world_put(0, big, sizeof(big));
	struct held h;
	int first = target(&ref, 0);

	(void)state;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	for (int i = 0; i < 4; i++)
		(void)world_step();
	W.nodes[first].up = false;
	world_link(0, first, MP_LINK_DOWN);
	world_settle();
	check_holders(&h, &ref, 1, 2);
	assert_int_equal(world_index(&h.holders[1]), target(&ref, 1));
}

/* No word of its end: the silence tells. */
static void
test_target_silent(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	W.nodes[target(&ref, 0)].up = false;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_pass(19000);
	assert_int_equal(h.calls, 0);
	world_pass(2000);
	check_holders(&h, &ref, 1, 2);
}

static void
test_target_refuses(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	W.nodes[target(&ref, 0)].write_rc = MP_EFULL;
	W.nodes[target(&ref, 1)].sync_rc = MP_EIO;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_settle();
	check_holders(&h, &ref, 1, 2);
	assert_int_equal(world_index(&h.holders[1]), target(&ref, 2));
}

/* The only other member is alive and fails at first. */
static void
test_asks_again(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	for (int i = 2; i < WORLD_NODES; i++)
		W.members[i].state = MP_MEMBER_DEAD;
	W.nodes[1].write_rc = MP_EFULL;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_settle();
	assert_int_equal(h.calls, 0);
	world_pass(1500);
	check_holders(&h, &ref, 1, 2);
}

/* ... or for ever: then one copy has to do. */
static void
test_patience(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	for (int i = 2; i < WORLD_NODES; i++)
		W.members[i].state = MP_MEMBER_DEAD;
	W.nodes[1].sync_rc = MP_EIO;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_pass(MP_HOLD_PATIENCE_MS - 11000);
	assert_int_equal(h.calls, 0);
	world_pass(22000);
	check_holders(&h, &ref, 1, 1);
}

/* The last other member is suspected, asked, and does not answer: it does not count. */
static void
test_suspect(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	for (int i = 2; i < WORLD_NODES; i++)
		W.members[i].state = MP_MEMBER_DEAD;
	W.members[1].state = MP_MEMBER_SUSPECT;
	W.nodes[1].up = false;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_settle();
	assert_int_equal(h.calls, 0);
	world_link(0, 1, MP_LINK_REFUSED);
	world_settle();
	check_holders(&h, &ref, 1, 1);
}

/* Our own copy counts only once it is durable. */
static void
test_own_disk(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	struct held h;

	(void)state;
	W.nodes[0].sync_rc = MP_EIO;
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_settle();
	assert_int_equal(h.calls, 1);
	assert_int_equal(h.rc, MP_EIO);
	assert_int_equal(h.n, 0);
}

static void
test_zones(void **state)
{
	struct mp_blob_ref ref = world_put(0, "a", 1);
	static struct mp_caps caps[WORLD_NODES];
	struct held h;
	int other = target(&ref, 3);

	(void)state;
	for (int i = 0; i < WORLD_NODES; i++) {
		caps[i].zone[0] = i == other ? 'b' : 'a';
		W.members[i].caps = &caps[i];
	}
	world_begin(0);
	hold(&h, &ref, 1, 2);
	world_end(0);
	world_settle();
	check_holders(&h, &ref, 1, 2);
	assert_int_equal(world_index(&h.holders[1]), other);
}

static void
test_cancel(void **state)
{
	struct mp_blob_ref ref = world_put(0, big, sizeof(big));
	struct held h, other;

	(void)state;
	for (int steps = 0; steps < 30; steps++) {
		world_begin(0);
		hold(&h, &ref, 1, 3);
		hold(&other, &ref, 1, 2);
		world_end(0);
		for (int i = 0; i < steps; i++)
			(void)world_step();
		if (h.calls == 0) {
			mp_hold_cancel(W.nodes[0].hold, &h.req);
			mp_hold_cancel(W.nodes[0].hold, &h.req);
			world_pass(10);
			assert_int_equal(h.calls, 0);
		}
		world_settle();
		check_holders(&other, &ref, 1, 2);
	}
}

static void
test_refuses_many(void **state)
{
	struct mp_blob_ref ref = {.size = 1};

	(void)state;
	memset(ref.digest.b, 3, sizeof(ref.digest.b));
	for (uint64_t i = 0; i < MP_HOLD_PEER_MAX + 3; i++) {
		struct mp_buf buf;

		mp_buf_init(&buf, &W.alloc, 256);
		assert_int_equal(mp_msg_hold_head(&buf, i, 1), 0);
		assert_int_equal(mp_msg_hold_ref(&buf, &ref), 0);
		world_begin(0);
		assert_int_equal(mp_hold_message(W.nodes[0].hold, &W.nodes[0].env, &W.members[1].id,
					 mp_buf_span(&buf)),
			0);
		/* The same again is nothing new. */
		assert_int_equal(mp_hold_message(W.nodes[0].hold, &W.nodes[0].env, &W.members[1].id,
					 mp_buf_span(&buf)),
			0);
		world_end(0);
		mp_buf_fini(&buf);
	}
	assert_int_equal(W.nodes[0].sends, 3 * 2);
}

static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t at = 1; at < 120; at++) {
		struct held h = {.req = {.done = on_done}};
		struct mp_blob_ref ref;
		bool fatal = false;
		int rc;

		world_fini();
		world_init();
		ref = world_put(0, big, 100);
		W.heap.fail_at = W.heap.calls + at;
		world_begin(0);
		rc = mp_hold_request(W.nodes[0].hold, &W.nodes[0].env, &h.req, &ref, 1, 3);
		world_end(0);
		world_pass(200000);
		for (int i = 0; i < WORLD_NODES; i++)
			fatal = fatal || W.nodes[i].fatal;
		if (fatal)
			continue;
		assert_true(rc == 0 || rc == MP_ENOMEM);
		if (rc == 0)
			check_holders(&h, &ref, 1, 3);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_copies),
		T(test_alone),
		T(test_batches),
		T(test_target_dies),
		T(test_target_silent),
		T(test_target_refuses),
		T(test_asks_again),
		T(test_patience),
		T(test_suspect),
		T(test_own_disk),
		T(test_zones),
		T(test_cancel),
		T(test_refuses_many),
		T(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
