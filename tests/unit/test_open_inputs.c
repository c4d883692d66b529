/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a run that has inputs: they are held before anybody is asked to keep it. */
#include "unit/open_world.h"

#include "codec/manifest.h"

#define ASK_MS 3000 /* for a small pipeline */

/* Submitted with a manifest of two files, which is being read. */
static void
with_inputs(struct world *w, struct mp_buf *manifest)
{
	const struct mp_file files[] = {
		{.path = mp_span_str("a"), .size = 5, .digest.b = {1}},
		{.path = mp_span_str("b"), .size = 6, .digest.b = {2}},
	};
	struct mp_submission s = {.inputs.b = {9}};
	struct mp_error err = {0};

	world_init(w, 3);
	mp_buf_init(manifest, &w->own, 4096);
	assert_int_equal(mp_manifest_encode(manifest, files, 2, NULL), 0);
	s.pipeline = mp_buf_span(&w->pipeline);
	assert_int_equal(submit_as(w, &s, &err), 0);
	assert_non_null(fetch.req);
	assert_int_equal(fetch.digest.b[0], 9);
	/* However long that takes. */
	assert_int_equal(mp_open_deadline(w->open), MP_TIME_NEVER);
	tick(w, 10 * ASK_MS);
	assert_int_equal(w->said_count, 0);
}

static void
fetched(struct world *w, int rc, struct mp_span bytes)
{
	struct mp_fetch_req *req = fetch.req;

	fetch.req = NULL;
	begin(w);
	req->done(req, &w->env, rc, &fetch.digest, bytes);
	end(w);
}

static void
held(struct world *w, int rc, size_t holders)
{
	struct mp_hold_req *req = hold.req;
	struct mp_node_id who[3] = {*id_of(w, 0), *id_of(w, 1), *id_of(w, 2)};

	hold.req = NULL;
	begin(w);
	req->done(req, &w->env, rc, who, holders);
	end(w);
}

static void
test_inputs(void **state)
{
	struct mp_buf manifest;
	struct world w;

	(void)state;
	with_inputs(&w, &manifest);
	fetched(&w, 0, mp_buf_span(&manifest));
	assert_non_null(hold.req);
	assert_int_equal(hold.refs, 3);
	assert_int_equal(hold.copies, 2);
	assert_true(hold.last.digest.b[0] == 2 && hold.last.size == 6);
	assert_int_equal(w.said_count, 0);
	held(&w, 0, 2);
	assert_int_equal(told(&w, MP_MSG_RUN_OPEN), 7);
	assert_int_equal(w.rec.inputs.b[0], 9);
	assert_int_equal(w.holder_count, 2);
	assert_true(mp_node_id_eq(&w.holders[1], id_of(&w, 1)));
	mp_buf_fini(&manifest);
	world_fini(&w);
}

static void
test_bad_inputs(void **state)
{
	static const int want[] = {MP_ENOENT, MP_EFORMAT, MP_EFULL, MP_ENOMEM};

	(void)state;
	for (size_t what = 0; what < mp_countof(want); what++) {
		struct mp_buf manifest;
		struct world w;

		with_inputs(&w, &manifest);
		hold.rc = what == 3 ? MP_ENOMEM : 0;
		if (what == 0)
			fetched(&w, MP_ENOENT, mp_span(NULL, 0));
		else
			fetched(&w, 0, what == 1 ? mp_span_str("\x01") : mp_buf_span(&manifest));
		if (what == 2)
			held(&w, MP_EFULL, 0);
		assert_int_equal(w.done, 1);
		assert_int_equal(w.rc, want[what]);
		assert_true(strlen(w.text) > 0);
		assert_int_equal(w.said_count, 0);
		mp_buf_fini(&manifest);
		world_fini(&w);
	}
}

/* The node ends while the store has not answered yet. */
static void
test_ended_early(void **state)
{
	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		struct mp_buf manifest;
		struct world w;

		with_inputs(&w, &manifest);
		if (reading == 0)
			fetched(&w, 0, mp_buf_span(&manifest));
		mp_buf_fini(&manifest);
		world_fini(&w);
		assert_true(fetch.req == NULL && hold.req == NULL);
		assert_int_equal(w.done, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_bad_inputs),
		cmocka_unit_test(test_ended_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
