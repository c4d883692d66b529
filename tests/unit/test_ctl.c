/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests of whom are open, and what each of them may take. */
#include "unit/unit.h"

#include "codec/msg_ctl.h"
#include "core/ctl.h"

static struct {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_env env;
	struct mp_fetch *fetch;
	struct mp_ctl *ctl;
	struct mp_buf buf;
	size_t answers;
} T;

static void
step_end(void)
{
	const struct mp_effect *fx;
	size_t count;

	mp_out_end(T.env.out, &fx, &count);
	for (size_t i = 0; i < count; i++)
		T.answers += fx[i].kind == MP_FX_SEND || fx[i].kind == MP_FX_REPLY;
}

static int
setup(void **state)
{
	struct mp_ctl_parts parts = {.runs = NULL};

	(void)state;
	memset(&T, 0, sizeof(T));
	T.alloc = UNIT_ALLOC(&T.heap);
	T.env = (struct mp_env){.alloc = &T.alloc};
	T.env.out = mp_out_new(&T.alloc, &T.env.self, NULL, NULL);
	assert_non_null(T.env.out);
	assert_int_equal(mp_fetch_new(&T.env, NULL, &T.fetch), 0);
	parts.fetch = T.fetch;
	assert_int_equal(mp_ctl_new(&T.env, &parts, &T.ctl), 0);
	mp_buf_init(&T.buf, &T.alloc, MP_MSG_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mp_out_begin(T.env.out);
	mp_ctl_free(T.ctl);
	mp_fetch_free(T.fetch);
	step_end();
	mp_out_free(T.env.out);
	mp_buf_fini(&T.buf);
	assert_int_equal(T.heap.live, 0);
	return 0;
}

static struct mp_node_id
peer(uint8_t n)
{
	struct mp_node_id id = {{n}};

	return id;
}

/* T.buf as request `n` of that peer. */
static int
ask(uint8_t from, uint64_t n)
{
	const struct mp_node_id id = peer(from);
	struct mp_buf word;
	struct mp_cbor_w w;
	int rc;

	mp_buf_init(&word, &T.alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &word);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_MSG_CTL_ASK);
	mp_cbor_w_uint(&w, n);
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_span(&w, mp_buf_span(&T.buf));
	assert_int_equal(w.rc, 0);
	mp_out_begin(T.env.out);
	rc = mp_ctl_message(T.ctl, &T.env, &id, mp_buf_span(&word));
	step_end();
	mp_buf_fini(&word);
	return rc;
}

/* The same of a client: was it answered at once? */
static bool
refused(uint64_t n)
{
	T.answers = 0;
	mp_out_begin(T.env.out);
	mp_ctl_request(T.ctl, &T.env, n, mp_buf_span(&T.buf), true);
	step_end();
	return T.answers > 0;
}

/* Stays open until the shell has read it. */
static void
log_request(void)
{
	const struct mp_log_piece piece = {.size = 1};

	mp_buf_clear(&T.buf);
	assert_int_equal(mp_ctl_log_encode(&T.buf, &T.env.self, &piece), 0);
}

/* However many members ask for however much, clients of this node are heard. */
static void
test_open_by_peers(void **state)
{
	const struct mp_node_id first = peer(1);
	size_t open = 0;

	(void)state;
	log_request();
	for (uint64_t i = 0; i < MP_CTL_OPEN_PEER_MAX; i++)
		assert_int_equal(ask(1, i), 0);
	assert_int_equal(ask(1, 9999), MP_EBUSY);
	for (uint8_t from = 2; from < 10; from++) {
		for (uint64_t i = 0; i < MP_CTL_OPEN_PEER_MAX; i++)
			open += ask(from, i) == 0;
	}
	assert_int_equal(open, MP_CTL_OPEN_PEERS_MAX - MP_CTL_OPEN_PEER_MAX);
	for (uint64_t i = 0; i < MP_CTL_OPEN_MAX - MP_CTL_OPEN_PEERS_MAX; i++)
		assert_false(refused(i + 1));
	assert_true(refused(9999));
	/* One goes, and what it had is free for the others. */
	mp_out_begin(T.env.out);
	mp_ctl_link(T.ctl, &T.env, &first, MP_LINK_DOWN);
	step_end();
	assert_int_equal(ask(10, 1), 0);
	assert_false(refused(10000));
}

static void
fetch_request(uint8_t n, size_t count)
{
	static struct mp_blob_ref refs[MP_CTL_FETCH_MAX];

	memset(refs, 0, sizeof(refs));
	for (size_t i = 0; i < count; i++) {
		memcpy(refs[i].digest.b, &i, sizeof(i));
		refs[i].digest.b[31] = n;
		refs[i].size = 1;
	}
	mp_buf_clear(&T.buf);
	assert_int_equal(mp_ctl_fetch_encode(&T.buf, refs, count, NULL, 0), 0);
}

static void
test_fetches(void **state)
{
	uint8_t n = 0;

	(void)state;
	/* Nobody has to bring a member what it could ask for itself. */
	fetch_request(0, 1);
	assert_int_equal(ask(1, 1), 0);
	assert_int_equal(T.answers, 1);
	assert_true(mp_ctl_quiet(T.ctl));
	for (size_t size = 0; size <= MP_CTL_FETCHING_MAX; size += T.buf.n) {
		assert_true(n == 0 || !refused(n));
		fetch_request(++n, MP_CTL_FETCH_MAX);
	}
	assert_true(refused(n));
	fetch_request(n, 1);
	assert_false(refused(n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_by_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetches, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
