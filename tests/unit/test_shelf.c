/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/shelf_world.h"

static size_t
asked_of_all(void)
{
	size_t n = 0;

	for (int i = 0; i < WORLD_NODES; i++)
		n += N[i].asked;
	return n;
}

/* ---- ask ---- */

struct ask {
	struct mp_shelf_ask_req req;
	int calls;
	mp_time at_ms;
	struct mp_shelf_ref refs[RECORDS_MAX];
	size_t n;
	struct ask *then; /* is started when this one is done */
};

static void ask(struct ask *a, uint32_t from, uint32_t to);

static void
on_asked(
	struct mp_shelf_ask_req *req, struct mp_env *env, const struct mp_shelf_ref *refs, size_t n)
{
	struct ask *a = mp_container_of(req, struct ask, req);
	struct mp_hash base = hash_of(1);

	assert_true(n <= RECORDS_MAX);
	assert_null(req->job);
	a->calls++;
	a->at_ms = env->now_ms;
	a->n = n;
	if (n > 0)
		memcpy(a->refs, refs, n * sizeof(*refs));
	if (a->then != NULL) {
		*a->then = (struct ask){.req = {.done = on_asked}};
		assert_int_equal(mp_shelf_ask(N[0].shelf, env, &a->then->req, &base, 1), 0);
	}
}

/* Node 0 asks for the bases from (first) to (last); some of them twice. */
static void
ask(struct ask *a, uint32_t from, uint32_t to)
{
	static struct mp_hash bases[2 * MP_CACHE_ASK_MAX + 16];
	struct ask *then = a->then;
	size_t n = 0;

	for (uint32_t i = to; i >= from && i > 0; i--)
		bases[n++] = hash_of(i);
	if (n > 0)
		bases[n++] = hash_of(to);
	*a = (struct ask){.req = {.done = on_asked}, .then = then};
	world_begin(0);
	assert_int_equal(mp_shelf_ask(N[0].shelf, &W.nodes[0].env, &a->req, bases, n), 0);
	assert_int_equal(a->calls, 0);
	world_end(0);
}

static void
check_ref(const struct ask *a, size_t i, uint32_t base, uint32_t key, int node)
{
	struct mp_cache_ref ref = {hash_of(base), hash_of(key)};

	assert_true(i < a->n);
	assert_memory_equal(&a->refs[i].ref, &ref, sizeof(ref));
	assert_int_equal(world_index(&a->refs[i].node), node);
}

static void
test_ask(void **state)
{
	struct ask a = {0};

	(void)state;
	store(0, 2, 20);
	store(3, 2, 20);
	store(1, 2, 19);
	store(4, 1, 10);
	store(4, 9, 90); /* nobody asks for it */
	ask(&a, 1, 3);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 4);
	check_ref(&a, 0, 1, 10, 4);
	check_ref(&a, 1, 2, 19, 1);
	check_ref(&a, 2, 2, 20, 0);
	check_ref(&a, 3, 2, 20, 3);
	assert_int_equal(asked_of_all(), WORLD_NODES);
}

static void
test_nobody_has_anything(void **state)
{
	struct ask a = {0};

	(void)state;
	ask(&a, 1, 3);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 0);
	assert_int_equal(a.at_ms, W.now_ms);
}

static void
test_ask_for_nothing(void **state)
{
	struct ask a = {0};

	(void)state;
	ask(&a, 1, 0);
	world_settle();
	assert_int_equal(a.calls, 0); /* never from inside the call */
	world_pass(0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(asked_of_all(), 0);
}

static void
test_patience(void **state)
{
	struct ask a = {0};
	mp_time start = W.now_ms;

	(void)state;
	store(1, 1, 10);
	store(2, 1, 20);
	W.nodes[2].up = false;
	ask(&a, 1, 1);
	world_pass(MP_SHELF_PATIENCE_MS - 1);
	assert_int_equal(a.calls, 0);
	world_pass(1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.at_ms, start + MP_SHELF_PATIENCE_MS);
	assert_int_equal(a.n, 1);
	check_ref(&a, 0, 1, 10, 1);
}

static void
test_who_is_not_waited_for(void **state)
{
	struct ask a = {0};

	(void)state;
	store(4, 1, 40);
	W.members[1].state = MP_MEMBER_DEAD;
	W.members[2].state = MP_MEMBER_SUSPECT;
	W.members[3].status = MP_NODE_OFFLINE;
	ask(&a, 1, 1);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 1);
	assert_int_equal(asked_of_all(), 2);
}

static void
test_refused_link(void **state)
{
	struct ask a = {0};

	(void)state;
	store(1, 1, 10);
	W.nodes[2].up = false;
	W.nodes[3].up = false;
	ask(&a, 1, 1);
	world_settle();
	world_link(0, 2, MP_LINK_REFUSED);
	assert_int_equal(a.calls, 0);
	world_link(0, 3, MP_LINK_DOWN);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 1);
}

static uint8_t late[256];
static size_t late_size;

static bool
keep_have(int from, int to, uint8_t *bytes, size_t n)
{
	if (mp_msg_number(mp_span(bytes, n)) != MP_MSG_CACHE_HAVE || from != 1)
		return true;
	assert_int_equal(to, 0);
	assert_true(n <= sizeof(late));
	memcpy(late, bytes, n);
	late_size = n;
	return false;
}

/* An answer that comes after the patience, or twice, is none. */
static void
test_late_answer(void **state)
{
	struct ask a = {0}, b = {0};

	(void)state;
	store(1, 1, 10);
	W.filter = keep_have;
	ask(&a, 1, 1);
	world_pass(MP_SHELF_PATIENCE_MS);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 0);
	ask(&b, 1, 1);
	world_begin(0);
	shelf_message(0, &W.members[1].id, mp_span(late, late_size));
	world_end(0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 0);
	world_settle();
	assert_int_equal(b.calls, 0); /* the one that was asked this time is still out */
	for (int i = 0; i < 2; i++) {
		world_begin(0);
		shelf_message(0, &W.members[1].id, mp_span(late, late_size));
		world_end(0);
	}
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.n, 1);
}

/* More bases than one message has are asked for in several. */
static void
test_ask_in_parts(void **state)
{
	struct ask a = {0};

	(void)state;
	store(1, 1, 10);
	store(2, 2 * MP_CACHE_ASK_MAX + 1, 20);
	ask(&a, 1, 2 * MP_CACHE_ASK_MAX + 1);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 2);
	assert_int_equal(asked_of_all(), 3 * WORLD_NODES);
}

/* What was not asked for is not taken. */
static void
test_unasked(void **state)
{
	struct mp_cache_ref refs[2] = {{hash_of(7), hash_of(70)}, {hash_of(1), hash_of(10)}};
	struct ask a = {0};
	struct mp_msg_cache_list m;
	struct mp_buf buf;

	(void)state;
	W.filter = keep_have;
	ask(&a, 1, 1);
	world_settle();
	assert_int_equal(mp_msg_cache_have_decode(mp_span(late, late_size), &m), 0);
	mp_buf_init(&buf, &W.own, 4096);
	assert_int_equal(mp_msg_cache_have_encode(&buf, m.seq, refs, 2), 0);
	world_begin(0);
	shelf_message(0, &W.members[1].id, mp_buf_span(&buf));
	world_end(0);
	mp_buf_fini(&buf);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 1);
	check_ref(&a, 0, 1, 10, 1);
}

static void
test_ask_again_when_done(void **state)
{
	struct ask b, a = {.then = &b};

	(void)state;
	ask(&a, 1, 1);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
}

static void
test_ask_cancel(void **state)
{
	struct ask a = {0};

	(void)state;
	ask(&a, 1, 1);
	mp_shelf_ask_cancel(N[0].shelf, &a.req);
	assert_null(a.req.job);
	mp_shelf_ask_cancel(N[0].shelf, &a.req);
	world_pass(1000);
	assert_int_equal(a.calls, 0);
}

static void
test_store_that_fails(void **state)
{
	struct ask a = {0};

	(void)state;
	for (int i = 0; i < WORLD_NODES; i++) {
		store(i, 1, 10);
		N[i].rc = i == 2 ? 0 : MP_EIO;
	}
	ask(&a, 1, 1);
	world_settle();
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.n, 1);
}

/* ---- get ---- */

struct get {
	struct mp_shelf_get_req req;
	int calls;
	int rc;
	mp_time at_ms;
	char text[16];
};

static void
on_got(struct mp_shelf_get_req *req, struct mp_env *env, int rc, struct mp_span record)
{
	struct get *g = mp_container_of(req, struct get, req);

	assert_null(req->job);
	g->calls++;
	g->rc = rc;
	g->at_ms = env->now_ms;
	assert_true((rc == 0) == (record.n > 0) && record.n < sizeof(g->text));
	if (rc == 0)
		memcpy(g->text, record.p, record.n);
}

static void
get(struct get *g, uint32_t key, const char *nodes)
{
	struct mp_hash hash = hash_of(key);
	struct mp_node_id ids[WORLD_NODES * 4];
	size_t n = 0;

	for (; nodes[n] != '\0'; n++)
		ids[n] = W.members[nodes[n] - '0'].id;
	*g = (struct get){.req = {.done = on_got}};
	world_begin(0);
	assert_int_equal(mp_shelf_get(N[0].shelf, &W.nodes[0].env, &g->req, &hash, ids, n), 0);
	assert_int_equal(g->calls, 0);
	world_end(0);
}

static void
check_got(const struct get *g, const char *text)
{
	assert_int_equal(g->calls, 1);
	assert_int_equal(g->rc, text == NULL ? MP_ENOENT : 0);
	if (text != NULL)
		assert_string_equal(g->text, text);
}

static void
test_get(void **state)
{
	struct get g;

	(void)state;
	store(0, 1, 10);
	store(3, 1, 30);
	get(&g, 30, "3");
	world_settle();
	check_got(&g, "three");
	get(&g, 10, "0");
	world_settle();
	check_got(&g, "zero");
	/* One that has it no more. */
	get(&g, 30, "12223");
	world_settle();
	check_got(&g, "three");
	assert_int_equal(N[2].asked, 1);
	get(&g, 40, "0123");
	world_settle();
	check_got(&g, NULL);
	N[3].rc = MP_EIO;
	get(&g, 30, "3");
	world_settle();
	check_got(&g, NULL);
}

static void
test_get_from_nobody(void **state)
{
	struct get g;

	(void)state;
	W.members[1].state = MP_MEMBER_DEAD;
	get(&g, 10, "1");
	world_settle();
	assert_int_equal(g.calls, 0);
	world_pass(0);
	check_got(&g, NULL);
	get(&g, 10, "");
	world_pass(0);
	check_got(&g, NULL);
}

static void
test_get_of_the_silent(void **state)
{
	struct get g;
	mp_time start = W.now_ms;

	(void)state;
	store(2, 1, 10);
	W.nodes[1].up = false;
	get(&g, 10, "12");
	world_pass(MP_SHELF_GET_MS);
	check_got(&g, "two");
	assert_int_equal(g.at_ms, start + MP_SHELF_GET_MS);
	/* The next ones leave it out for a while. */
	get(&g, 10, "12");
	world_settle();
	check_got(&g, "two");
	W.nodes[1].up = true;
	store(1, 1, 10);
	world_pass(MP_SHELF_AVOID_MS);
	get(&g, 10, "12");
	world_settle();
	check_got(&g, "one");
}

static void
test_get_of_the_refused(void **state)
{
	struct get g;

	(void)state;
	store(2, 1, 10);
	W.nodes[1].up = false;
	get(&g, 10, "12");
	world_settle();
	assert_int_equal(g.calls, 0);
	world_link(0, 1, MP_LINK_REFUSED);
	world_settle();
	check_got(&g, "two");
}

/* More than one member answers at a time wait their turn, and all are answered. */
static void
test_many_gets(void **state)
{
	static struct get gets[300];
	size_t cancelled = 0;

	(void)state;
	store(1, 1, 10);
	for (size_t i = 0; i < mp_countof(gets); i++)
		get(&gets[i], 10, "1");
	assert_true(W.nodes[0].sends <= MP_CACHE_PEER_MAX);
	/* Those that are under way among them: the others have to come to their turn all the same.
	 */
	for (size_t i = 0; i < mp_countof(gets); i += i < 64 ? 1 : 7) {
		mp_shelf_get_cancel(N[0].shelf, &gets[i].req);
		cancelled++;
	}
	world_pass(0);
	for (size_t i = 0; i < mp_countof(gets); i++) {
		assert_true(gets[i].calls == 1 || cancelled-- > 0);
		assert_int_equal(gets[i].rc, 0);
	}
	assert_int_equal(cancelled, 0);
}

/* All that wait for a silent one are told at once, not one patience after the other. */
static void
test_many_gets_of_the_silent(void **state)
{
	static struct get gets[300];

	(void)state;
	W.nodes[1].up = false;
	for (size_t i = 0; i < mp_countof(gets); i++)
		get(&gets[i], 10, "1");
	world_pass(MP_SHELF_GET_MS);
	for (size_t i = 0; i < mp_countof(gets); i++)
		check_got(&gets[i], NULL);
}

/* ---- bounds ---- */

/* One that asks for more than its share is told that there is nothing. */
static void
test_greedy(void **state)
{
	struct mp_hash base = hash_of(1);
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &W.own, 4096);
	world_begin(0);
	for (uint64_t i = 1; i <= MP_CACHE_PEER_MAX + 10; i++) {
		mp_buf_clear(&buf);
		assert_int_equal(mp_msg_cache_ask_encode(&buf, i, &base, 1), 0);
		shelf_message(0, &W.members[1].id, mp_buf_span(&buf));
	}
	world_end(0);
	assert_int_equal(N[0].finds, MP_CACHE_PEER_MAX);
	assert_int_equal(W.nodes[0].sends, 10);
	world_settle();
	assert_int_equal(W.nodes[0].sends, MP_CACHE_PEER_MAX + 10);
	mp_buf_fini(&buf);
}

static void
test_junk(void **state)
{
	static const uint8_t junk[] = {0x83, 0x18, 90, 0x01, 0x82, 0x40, 0x40};
	struct mp_env *env = &W.nodes[0].env;
	const struct mp_node_id *from = &W.members[1].id;

	(void)state;
	world_begin(0);
	for (size_t n = 0; n < sizeof(junk); n++)
		assert_int_not_equal(mp_shelf_message(N[0].shelf, env, from, mp_span(junk, n)), 0);
	assert_int_equal(
		mp_shelf_message(N[0].shelf, env, from, mp_span(junk, sizeof(junk))), MP_EFORMAT);
	world_end(0);
	assert_int_equal(W.nodes[0].sends, 0);
}

/* Whatever allocation fails, an ask that was taken ends once and nothing is lost. */
static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t at = 1; at < 60; at++) {
		struct mp_hash base = hash_of(1);
		struct ask a = {.req = {.done = on_asked}};
		int rc;

		setup(NULL);
		store(1, 1, 10);
		W.heap.calls = 0;
		W.heap.fail_at = at;
		world_begin(0);
		rc = mp_shelf_ask(N[0].shelf, &W.nodes[0].env, &a.req, &base, 1);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		world_end(0);
		world_pass(10000);
		assert_int_equal(a.calls, rc == 0 ? 1 : 0);
		teardown(NULL);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ask),
		T(test_nobody_has_anything),
		T(test_ask_for_nothing),
		T(test_patience),
		T(test_who_is_not_waited_for),
		T(test_refused_link),
		T(test_late_answer),
		T(test_ask_in_parts),
		T(test_unasked),
		T(test_ask_again_when_done),
		T(test_ask_cancel),
		T(test_store_that_fails),
		T(test_get),
		T(test_get_from_nobody),
		T(test_get_of_the_silent),
		T(test_get_of_the_refused),
		T(test_many_gets),
		T(test_many_gets_of_the_silent),
		T(test_greedy),
		T(test_junk),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
