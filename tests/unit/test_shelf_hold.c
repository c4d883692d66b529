/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/shelf_world.h"

#include "codec/manifest.h"

struct held {
	struct mp_shelf_hold_req req;
	int calls;
	int rc;
	mp_time at_ms;
	struct mp_node_id holders[MP_HOLDERS_MAX];
	size_t n;
};

static void
on_held(struct mp_shelf_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t n)
{
	struct held *h = mp_container_of(req, struct held, req);

	assert_null(req->job);
	h->calls++;
	h->rc = rc;
	h->at_ms = env->now_ms;
	h->n = n;
	assert_true((rc == 0) == (n > 0));
	if (n > 0)
		memcpy(h->holders, holders, n * sizeof(*holders));
}

/* A result of node 3 with two files, an output and a value. */
struct made {
	struct mp_result result;
	struct mp_blob_ref refs[5];
	struct mp_buf bytes; /* signed */
};

/* Its blobs are at the nodes that are named. */
static void
make(struct made *made, const char *nodes)
{
	struct mp_file files[2] = {{.path = {(const uint8_t *)"a", 1}, .size = 5},
		{.path = {(const uint8_t *)"b", 1}, .size = 6}};
	struct mp_buf manifest, record;
	struct mp_result_sig sig;
	struct mp_span span;

	*made = (struct made){.result = {.node = W.members[3].id,
				      .attempt = {.term = 1, .counter = 1},
				      .offer = {{1}},
				      .spec = {{1}},
				      .inputs = {{1}},
				      .cache_key = {{1}}}};
	mp_buf_init(&made->bytes, &W.own, MP_SIGNED_RESULT_MAX);
	mp_buf_init(&record, &W.own, MP_SIGNED_RESULT_MAX);
	mp_buf_init(&manifest, &W.own, 4096);
	for (; *nodes != '\0'; nodes++) {
		int node = *nodes - '0';

		made->refs[1] = world_put(node, "aaaaa", 5);
		made->refs[2] = world_put(node, "bbbbbb", 6);
		files[0].digest = made->refs[1].digest;
		files[1].digest = made->refs[2].digest;
		mp_buf_clear(&manifest);
		assert_int_equal(mp_manifest_encode(&manifest, files, 2, NULL), 0);
		made->refs[0] = world_put(node, manifest.p, manifest.n);
		made->refs[3] = world_put(node, "said", 4);
		made->refs[4] = world_put(node, "value", 5);
	}
	made->result.manifest = made->refs[0].digest;
	made->result.output_files = 2;
	made->result.output_bytes = 11;
	made->result.out_log = made->refs[3].digest;
	made->result.out_size = 4;
	made->result.value = made->refs[4].digest;
	assert_int_equal(mp_result_encode(&record, &made->result), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&fake_crypto, &W.nodes[3].secret, &span, 1, &sig);
	assert_int_equal(mp_signed_result_encode(&made->bytes, span, &sig), 0);
	mp_buf_fini(&record);
	mp_buf_fini(&manifest);
}

/* The node has lost this blob of it. */
static void
lose(int node, const struct made *made, size_t blob)
{
	struct world_blob *b = world_blob(node, &made->refs[blob].digest);

	assert_non_null(b);
	if (b != NULL)
		b->complete = false;
}

static void
hold(struct held *h, const struct made *made, uint32_t copies, const char *nodes)
{
	struct mp_node_id ids[WORLD_NODES * 4];
	size_t n = 0;

	for (; nodes[n] != '\0'; n++)
		ids[n] = W.members[nodes[n] - '0'].id;
	*h = (struct held){.req = {.done = on_held}};
	world_begin(0);
	assert_int_equal(mp_shelf_hold(N[0].shelf, &W.nodes[0].env, &h->req,
				 mp_buf_span(&made->bytes), copies, ids, n),
		0);
	assert_int_equal(h->calls, 0);
	world_end(0);
}

static void
check_held(const struct held *h, const struct made *made, size_t copies)
{
	assert_int_equal(h->calls, 1);
	assert_int_equal(h->rc, 0);
	assert_int_equal(h->n, copies);
	for (size_t i = 0; i < h->n; i++) {
		for (size_t k = 0; k < i; k++)
			assert_false(mp_node_id_eq(&h->holders[i], &h->holders[k]));
		for (size_t k = 0; k < mp_countof(made->refs); k++) {
			const struct world_blob *b =
				world_blob(world_index(&h->holders[i]), &made->refs[k].digest);

			assert_true(b != NULL && b->complete && b->synced);
		}
	}
}

static void
check_not_held(const struct held *h)
{
	assert_int_equal(h->calls, 1);
	assert_int_equal(h->rc, MP_ENOENT);
	assert_int_equal(h->n, 0);
}

static void
test_hold(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "1");
	hold(&h, &made, 3, "12");
	world_settle();
	check_held(&h, &made, 3);
	assert_int_equal(world_index(&h.holders[0]), 1);
	assert_int_equal(N[2].asked, 0);
	mp_buf_fini(&made.bytes);
}

/* This node asks itself like any other, and gets what it lacks from those that are named. */
static void
test_hold_at_home(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "2");
	hold(&h, &made, 1, "02");
	world_settle();
	check_held(&h, &made, 1);
	assert_int_equal(world_index(&h.holders[0]), 0);
	mp_buf_fini(&made.bytes);
}

/* A blob that the first one has lost is brought from who still has it, named or not. */
static void
test_hold_mends(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "14");
	lose(1, &made, 2);
	hold(&h, &made, 2, "1");
	world_settle();
	check_held(&h, &made, 2);
	mp_buf_fini(&made.bytes);
}

/* Bytes that are nowhere: a miss, long before the patience is over. */
static void
test_hold_of_what_is_lost(void **state)
{
	struct made made;
	struct held h;
	mp_time start = W.now_ms;

	(void)state;
	make(&made, "12");
	lose(1, &made, 2);
	lose(2, &made, 2);
	hold(&h, &made, 2, "12");
	world_settle();
	check_not_held(&h);
	assert_int_equal(h.at_ms, start);
	lose(1, &made, 0);
	lose(2, &made, 0);
	hold(&h, &made, 2, "12");
	world_settle();
	check_not_held(&h);
	mp_buf_fini(&made.bytes);
}

static void
test_hold_of_what_is_not_good(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "1");
	made.bytes.p[20] ^= 1; /* in the record */
	hold(&h, &made, 2, "1");
	world_settle();
	check_not_held(&h);
	mp_buf_fini(&made.bytes);
	make(&made, "1");
	W.nodes[1].env.cluster.b[0] = 1; /* another one's result */
	hold(&h, &made, 2, "1");
	world_settle();
	check_not_held(&h);
	assert_int_equal(W.nodes[1].syncs, 0);
	mp_buf_fini(&made.bytes);
}

static void
test_hold_with_a_full_disk(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "12");
	W.nodes[1].sync_rc = MP_EFULL;
	hold(&h, &made, 1, "12");
	world_settle();
	check_held(&h, &made, 1);
	assert_int_equal(world_index(&h.holders[0]), 2);
	mp_buf_fini(&made.bytes);
}

static void
test_hold_of_the_silent(void **state)
{
	struct made made;
	struct held h;
	mp_time start = W.now_ms;

	(void)state;
	make(&made, "12");
	W.nodes[1].up = false;
	W.members[4].state = MP_MEMBER_DEAD;
	hold(&h, &made, 1, "412");
	world_pass(MP_SHELF_NEXT_MS - 1);
	assert_int_equal(h.calls, 0);
	world_pass(1);
	check_held(&h, &made, 1);
	assert_int_equal(h.at_ms, start + MP_SHELF_NEXT_MS);
	W.nodes[2].up = false;
	hold(&h, &made, 1, "12");
	start = W.now_ms;
	world_pass(MP_SHELF_HOLD_MS * 2);
	check_not_held(&h);
	assert_true(h.at_ms <= start + MP_SHELF_HOLD_MS);
	mp_buf_fini(&made.bytes);
}

/* The first one was slow, and is the one that can do it after all. */
static void
test_hold_of_the_slow(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "1");
	W.nodes[1].up = false;
	hold(&h, &made, 1, "1");
	world_pass(MP_SHELF_NEXT_MS + 100);
	assert_int_equal(h.calls, 0);
	world_link(0, 1, MP_LINK_DOWN);
	check_not_held(&h);
	mp_buf_fini(&made.bytes);
}

static void
test_hold_cancel(void **state)
{
	struct made made;
	struct held h;

	(void)state;
	make(&made, "1");
	hold(&h, &made, 2, "1");
	mp_shelf_hold_cancel(N[0].shelf, &h.req);
	world_pass(10000);
	assert_int_equal(h.calls, 0);
	mp_buf_fini(&made.bytes);
}

/* Whatever allocation fails, a hold that was taken ends once and nothing is lost. */
static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t at = 1; at < 80; at++) {
		struct made made;
		struct held h = {.req = {.done = on_held}};
		int rc;

		setup(NULL);
		make(&made, "1");
		W.heap.calls = 0;
		W.heap.fail_at = at;
		world_begin(0);
		rc = mp_shelf_hold(N[0].shelf, &W.nodes[0].env, &h.req, mp_buf_span(&made.bytes), 2,
			&W.members[1].id, 1);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		world_end(0);
		world_pass(100000);
		assert_int_equal(h.calls, rc == 0 ? 1 : 0);
		mp_buf_fini(&made.bytes);
		teardown(NULL);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_hold),
		T(test_hold_at_home),
		T(test_hold_mends),
		T(test_hold_of_what_is_lost),
		T(test_hold_of_what_is_not_good),
		T(test_hold_with_a_full_disk),
		T(test_hold_of_the_silent),
		T(test_hold_of_the_slow),
		T(test_hold_cancel),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
