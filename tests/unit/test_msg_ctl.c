/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/msg_ctl.h"
#include "codec/msg_ctl_proof.h"
#include "mp/limits.h"
#include "mp/member.h"

struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;
};

static void
fixture_init(struct fixture *f)
{
	f->heap = (struct unit_heap){0};
	f->alloc = UNIT_ALLOC(&f->heap);
	mp_buf_init(&f->buf, &f->alloc, MP_MSG_MAX);
}

static void
fixture_fini(struct fixture *f)
{
	mp_buf_fini(&f->buf);
	assert_int_equal(f->heap.live, 0);
}

/* Whatever is cut off or follows is refused. */
static void
refuses_parts(struct fixture *f, bool local)
{
	struct mp_ctl_request r;
	struct mp_ctl_local m;

	for (size_t n = 0; n < f->buf.n; n++) {
		uint8_t *copy = malloc(n + 1); /* of that size, so that valgrind sees more */

		memcpy(copy, f->buf.p, n);
		if (local)
			assert_int_not_equal(mp_ctl_local_decode(mp_span(copy, n), &m), 0);
		else
			assert_int_not_equal(mp_ctl_request_decode(mp_span(copy, n), &r), 0);
		free(copy);
	}
	assert_int_equal(mp_buf_append(&f->buf, "", 1), 0);
	if (local)
		assert_int_equal(mp_ctl_local_decode(mp_buf_span(&f->buf), &m), MP_EFORMAT);
	else
		assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f->buf), &r), MP_EFORMAT);
	mp_buf_clear(&f->buf);
}

static void
test_submit(void **state)
{
	struct mp_ctl_param params[] = {
		{mp_span_str("a"), mp_span_str("1")}, {mp_span_str("ü"), mp_span_str("")}};
	struct mp_hash inputs = {{7}};
	struct mp_ctl_request r;
	struct mp_ctl_param p;
	struct mp_cbor_r list;
	struct fixture f;
	size_t left;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_submit_encode(&f.buf, mp_span("PIPE", 4), params, 2, &inputs, "k",
				 mp_span(NULL, 0)),
		0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.number, MP_CTL_SUBMIT);
	assert_true(mp_span_eq(r.pipeline, mp_span_str("PIPE")));
	assert_true(mp_hash_eq(&r.inputs, &inputs));
	assert_true(mp_span_eq(r.key, mp_span_str("k")));
	left = mp_ctl_list_begin(&list, r.params);
	for (size_t i = 0; i < 2; i++) {
		assert_true(mp_ctl_param_next(&list, &left, &p));
		assert_true(mp_span_eq(p.name, params[i].name));
		assert_true(mp_span_eq(p.value, params[i].value));
	}
	assert_false(mp_ctl_param_next(&list, &left, &p));
	refuses_parts(&f, false);

	assert_int_equal(mp_ctl_submit_encode(
				 &f.buf, mp_span("P", 1), NULL, 0, NULL, NULL, mp_span(NULL, 0)),
		0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(mp_hash_is_zero(&r.inputs));
	assert_int_equal(r.key.n, 0);
	left = mp_ctl_list_begin(&list, r.params);
	assert_false(mp_ctl_param_next(&list, &left, &p));
	fixture_fini(&f);
}

static void
test_simple(void **state)
{
	struct mp_ctl_request r;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_simple_encode(&f.buf, MP_CTL_WAIT, "beef"), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.number, MP_CTL_WAIT);
	assert_true(mp_span_eq(r.run, mp_span_str("beef")));
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_page_encode(&f.buf, MP_CTL_SHOW, "beef", 7, 9), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.from, 7);
	assert_int_equal(r.count, 9);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_page_encode(&f.buf, MP_CTL_NODES, NULL, 1, 2), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.count, 2);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_cancel_encode(&f.buf, "beef", "me"), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(mp_span_eq(r.by, mp_span_str("me")));
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_resolve_encode(&f.buf, "beef", "deploy", true, "me"), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.number, MP_CTL_RESOLVE);
	assert_true(r.rerun && mp_span_eq(r.module, mp_span_str("deploy")));
	assert_true(mp_span_eq(r.by, mp_span_str("me")));
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_drain_encode(&f.buf, "beta", true, "me"), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.number, MP_CTL_DRAIN);
	assert_true(r.on && mp_span_eq(r.name, mp_span_str("beta")));
	assert_true(mp_span_eq(r.by, mp_span_str("me")));
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_simple_encode(&f.buf, MP_CTL_RUNS, NULL), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_simple_encode(&f.buf, MP_CTL_PENDING, NULL), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	refuses_parts(&f, false);
	fixture_fini(&f);
}

static void
test_fetch(void **state)
{
	struct mp_blob_ref blobs[] = {{{{1}}, 5}, {{{2}}, MP_SIZE_UNKNOWN}}, blob;
	struct mp_node_id holders[] = {{{3}}, {{4}}, {{5}}}, holder;
	struct mp_ctl_request r;
	struct mp_cbor_r list;
	struct fixture f;
	size_t left, n = 0;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_fetch_encode(&f.buf, blobs, 2, holders, 3), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	left = mp_ctl_list_begin(&list, r.blobs);
	while (mp_ctl_blob_next(&list, &left, &blob)) {
		assert_true(mp_hash_eq(&blob.digest, &blobs[n].digest));
		assert_true(blob.size == blobs[n++].size);
	}
	assert_int_equal(n, 2);
	n = 0;
	left = mp_ctl_list_begin(&list, r.holders);
	while (mp_ctl_holder_next(&list, &left, &holder))
		assert_true(mp_node_id_eq(&holder, &holders[n++]));
	assert_int_equal(n, 3);
	refuses_parts(&f, false);
	fixture_fini(&f);
}

static void
test_log(void **state)
{
	struct mp_node_id node = {{7}};
	struct mp_log_piece piece = {.err = true, .offset = 5, .size = MP_CTL_READ_MAX};
	struct mp_ctl_request r;
	struct mp_span bytes;
	struct fixture f;
	uint64_t offset;

	(void)state;
	fixture_init(&f);
	piece.key.run.b[0] = 9;
	piece.key.attempt = (struct mp_attempt_id){.term = 2, .module = 3, .counter = 4};
	assert_int_equal(mp_ctl_log_encode(&f.buf, &node, &piece), 0);
	assert_false(mp_ctl_is_local(mp_buf_span(&f.buf)));
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_int_equal(r.number, MP_CTL_LOG);
	assert_true(mp_node_id_eq(&r.node, &node));
	assert_true(mp_run_id_eq(&r.log.key.run, &piece.key.run));
	assert_true(mp_attempt_eq(&r.log.key.attempt, &piece.key.attempt));
	assert_true(r.log.err && r.log.offset == 5 && r.log.size == MP_CTL_READ_MAX);
	refuses_parts(&f, false);
	mp_buf_clear(&f.buf);
	piece.size++;
	assert_int_equal(mp_ctl_log_encode(&f.buf, &node, &piece), 0);
	assert_int_not_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_ctl_logged_encode(&f.buf, 11, mp_span("abc", 3)), 0);
	assert_int_equal(mp_ctl_logged_decode(mp_buf_span(&f.buf), &offset, &bytes), 0);
	assert_true(offset == 11 && mp_span_eq(bytes, mp_span("abc", 3)));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_ctl_logged_decode(mp_span(f.buf.p, n), &offset, &bytes), 0);
	fixture_fini(&f);
}

static void
test_cache(void **state)
{
	struct mp_cache_checked checked = {.blobs = 3,
					.bytes = 40,
					.more = true,
					.last = {{7}},
					.damaged_count = 2,
					.damaged = {{{1}}, {{2}}}},
				back;
	struct mp_cache_sound sound = {.wrong = "page 3", .results = 4, .damaged = 1}, heard;
	struct mp_cache_totals totals = {1, 2, 3, 4, 5}, said;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_totals_encode(&f.buf, &totals), 0);
	assert_int_equal(mp_ctl_totals_decode(mp_buf_span(&f.buf), &said), 0);
	assert_memory_equal(&said, &totals, sizeof(said));
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_ctl_sound_encode(&f.buf, &sound), 0);
	assert_int_equal(mp_ctl_sound_decode(mp_buf_span(&f.buf), &heard), 0);
	assert_string_equal(heard.wrong, "page 3");
	assert_true(heard.results == 4 && heard.damaged == 1);
	mp_buf_clear(&f.buf);
	sound.wrong[0] = '\0';
	assert_int_equal(mp_ctl_sound_encode(&f.buf, &sound), 0);
	assert_int_equal(mp_ctl_sound_decode(mp_buf_span(&f.buf), &heard), 0);
	assert_string_equal(heard.wrong, "");
	for (int more = 1; more >= 0; more--) {
		mp_buf_clear(&f.buf);
		checked.more = more > 0;
		assert_int_equal(mp_ctl_checked_encode(&f.buf, &checked), 0);
		assert_int_equal(mp_ctl_checked_decode(mp_buf_span(&f.buf), &back), 0);
		assert_true(back.blobs == 3 && back.bytes == 40 && back.more == checked.more);
		assert_true(!back.more || mp_hash_eq(&back.last, &checked.last));
		assert_int_equal(back.damaged_count, 2);
		assert_memory_equal(back.damaged, checked.damaged, 2 * sizeof(struct mp_hash));
	}
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_ctl_checked_decode(mp_span(f.buf.p, n), &back), 0);
	fixture_fini(&f);
}

static void
test_local(void **state)
{
	struct mp_hash digests[] = {{{1}}, {{2}}}, digest;
	struct mp_ctl_local all[] = {
		{.number = MP_CTL_BLOB_WRITE,
			.digest = {{9}},
			.total = MP_BLOB_MAX,
			.offset = MP_CHUNK_SIZE,
			.bytes = mp_span("abc", 3)},
		{.number = MP_CTL_BLOB_STAT, .digest_count = 2},
		{.number = MP_CTL_BLOB_READ, .digest = {{9}}, .offset = 3, .size = 4},
		{.number = MP_CTL_INVITE, .roles = MP_ROLE_NODE, .expires_ms = 60000},
		{.number = MP_CTL_INFO},
		{.number = MP_CTL_CACHE_STAT},
		{.number = MP_CTL_CACHE_FILE},
		{.number = MP_CTL_CACHE_BLOBS, .digest = {{9}}},
	};
	struct mp_ctl_local m;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < mp_countof(all); i++) {
		assert_int_equal(mp_ctl_local_encode(&f.buf, &all[i], digests), 0);
		assert_true(mp_ctl_is_local(mp_buf_span(&f.buf)));
		assert_int_equal(mp_ctl_local_decode(mp_buf_span(&f.buf), &m), 0);
		assert_int_equal(m.number, all[i].number);
		assert_true(mp_hash_eq(&m.digest, &all[i].digest));
		assert_true(m.total == all[i].total && m.offset == all[i].offset);
		assert_int_equal(m.size, all[i].size);
		assert_true(mp_span_eq(m.bytes, all[i].bytes));
		assert_int_equal(m.roles, all[i].roles);
		assert_true(m.expires_ms == all[i].expires_ms);
		assert_int_equal(m.digest_count, all[i].digest_count);
		for (size_t k = 0; k < m.digest_count; k++) {
			mp_cbor_r_fixed(&m.digests, digest.b, sizeof(digest.b));
			assert_true(mp_hash_eq(&digest, &digests[k]));
		}
		refuses_parts(&f, true);
	}
	all[3].expires_ms = 0;
	assert_int_equal(mp_ctl_local_encode(&f.buf, &all[3], NULL), 0);
	assert_int_equal(mp_ctl_local_decode(mp_buf_span(&f.buf), &m), MP_EFORMAT);
	mp_buf_clear(&f.buf);
	all[2].size = MP_CTL_READ_MAX + 1;
	assert_int_equal(mp_ctl_local_encode(&f.buf, &all[2], NULL), 0);
	assert_int_equal(mp_ctl_local_decode(mp_buf_span(&f.buf), &m), MP_ELIMIT);
	fixture_fini(&f);
}

static void
test_numbers(void **state)
{
	static const uint8_t local[] = {0x81, 0x18, 199}, core[] = {0x81, 0x18, 149};
	static const uint8_t empty[] = {0x80}, answer[] = {0x82, 0x18, 200, 0xf6};
	struct mp_ctl_request r;
	struct mp_ctl_local m;

	(void)state;
	assert_true(mp_ctl_is_local(mp_span(local, 3)));
	assert_false(mp_ctl_is_local(mp_span(core, 3)));
	assert_false(mp_ctl_is_local(mp_span(answer, 4)));
	assert_int_equal(mp_ctl_local_decode(mp_span(local, 3), &m), MP_EFORMAT);
	assert_int_equal(mp_ctl_request_decode(mp_span(core, 3), &r), MP_EFORMAT);
	assert_int_not_equal(mp_ctl_request_decode(mp_span(empty, 1), &r), 0);
	assert_int_not_equal(mp_ctl_request_decode(mp_span(answer, 4), &r), 0);
}

static void
test_answers(void **state)
{
	struct mp_run_id run = {{1, 2, 3}}, again;
	struct mp_error err = {0};
	struct mp_span payload;
	struct mp_buf inner;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	mp_buf_init(&inner, &f.alloc, 100);
	assert_int_equal(mp_ctl_submitted_encode(&inner, &run), 0);
	assert_int_equal(mp_ctl_ok_encode(&f.buf, mp_buf_span(&inner)), 0);
	assert_int_equal(mp_ctl_answer_decode(mp_buf_span(&f.buf), &payload, &err), 0);
	assert_int_equal(mp_ctl_submitted_decode(payload, &again), 0);
	assert_true(mp_run_id_eq(&run, &again));
	mp_buf_fini(&inner);
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_ctl_answer_decode(mp_span(f.buf.p, n), &payload, &err), 0);
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_ctl_ok_null_encode(&f.buf), 0);
	assert_int_equal(mp_ctl_answer_decode(mp_buf_span(&f.buf), &payload, &err), 0);
	assert_int_equal(payload.n, 1);
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_ctl_error_encode(&f.buf, MP_ENOENT, "no such run"), 0);
	assert_int_equal(mp_ctl_answer_decode(mp_buf_span(&f.buf), &payload, &err), MP_ENOENT);
	assert_string_equal(err.text, "no such run");
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_equal(
			mp_ctl_answer_decode(mp_span(f.buf.p, n), &payload, &err), MP_EFORMAT);
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_ctl_error_encode(&f.buf, 5, "not an error"), 0);
	assert_int_equal(mp_ctl_answer_decode(mp_buf_span(&f.buf), &payload, &err), MP_EFORMAT);
	fixture_fini(&f);
}

static void
test_info(void **state)
{
	static const struct mp_ctl_counter counters[] = {{"a", 1}, {"b", UINT64_MAX}};
	struct mp_ctl_info in = {.id = {{1}},
		.name = "alpha",
		.cluster = {{2}},
		.addr = {.ip = {[15] = 1}, .port = 65535},
		.version = "1.2",
		.started_ms = 5,
		.counters = counters,
		.counter_count = 2};
	struct mp_ctl_info out;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_info_encode(&f.buf, &in), 0);
	assert_int_equal(mp_ctl_info_decode(mp_buf_span(&f.buf), &out), 0);
	assert_true(mp_node_id_eq(&in.id, &out.id));
	assert_string_equal(out.name, "alpha");
	assert_true(mp_addr_eq(&in.addr, &out.addr));
	assert_string_equal(out.version, "1.2");
	assert_int_equal(out.started_ms, 5);
	assert_int_equal(out.counter_count, 2);
	mp_cbor_r_array_exact(&out.items, 2);
	assert_true(mp_span_eq(mp_cbor_r_text(&out.items, 9), mp_span_str("a")));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_ctl_info_decode(mp_span(f.buf.p, n), &out), 0);
	fixture_fini(&f);
}

static void
test_proof_requests(void **state)
{
	const struct mp_node_id node = {{3, 4}};
	const struct mp_hash blob = {{5, 6}};
	struct mp_ctl_request r;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_ctl_simple_encode(&f.buf, MP_CTL_RECORD, "beef"), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(r.number == MP_CTL_RECORD && mp_span_eq(r.run, mp_span_str("beef")));
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_page_encode(&f.buf, MP_CTL_ENTRIES, "beef", 7, 8), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(r.number == MP_CTL_ENTRIES && mp_span_eq(r.run, mp_span_str("beef")));
	assert_int_equal(r.from, 7);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_page_encode(&f.buf, MP_CTL_CREDENTIALS, NULL, 9, 0), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(r.number == MP_CTL_CREDENTIALS && r.from == 9);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_copy_encode(&f.buf, &node, &blob, 1u << 30, MP_CTL_READ_MAX), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), 0);
	assert_true(r.number == MP_CTL_COPY && mp_node_id_eq(&r.node, &node));
	assert_true(mp_hash_eq(&r.blob, &blob));
	assert_true(r.log.offset == 1u << 30 && r.log.size == MP_CTL_READ_MAX);
	refuses_parts(&f, false);
	assert_int_equal(mp_ctl_copy_encode(&f.buf, &node, &blob, 0, MP_CTL_READ_MAX + 1), 0);
	assert_int_equal(mp_ctl_request_decode(mp_buf_span(&f.buf), &r), MP_ELIMIT);
	fixture_fini(&f);
}

static void
test_proofs(void **state)
{
	struct mp_ctl_record in = {.record = mp_span_str("record"),
		.pipeline = mp_span_str("pipeline"),
		.end = mp_span_str("end")};
	struct mp_ctl_record out;
	struct mp_ctl_proofs page;
	struct mp_cbor_w w;
	struct mp_span item;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int ended = 1; ended >= 0; ended--) {
		in.end.n *= (size_t)ended;
		assert_int_equal(mp_ctl_record_encode(&f.buf, &in), 0);
		assert_int_equal(mp_ctl_record_decode(mp_buf_span(&f.buf), &out), 0);
		assert_true(mp_span_eq(in.record, out.record));
		assert_true(mp_span_eq(in.pipeline, out.pipeline));
		assert_true(mp_span_eq(in.end, out.end));
		for (size_t n = 0; n < f.buf.n; n++)
			assert_int_not_equal(mp_ctl_record_decode(mp_span(f.buf.p, n), &out), 0);
		mp_buf_clear(&f.buf);
	}
	mp_cbor_w_init(&w, &f.buf);
	mp_ctl_proofs_begin(&w, 77, 2);
	mp_cbor_w_span(&w, mp_span_str("one"));
	mp_cbor_w_span(&w, mp_span_str(""));
	assert_int_equal(mp_ctl_proofs_decode(mp_buf_span(&f.buf), &page), 0);
	assert_int_equal(page.next, 77);
	assert_true(mp_ctl_proofs_next(&page, &item) && mp_span_eq(item, mp_span_str("one")));
	assert_true(mp_ctl_proofs_next(&page, &item) && item.n == 0);
	assert_false(mp_ctl_proofs_next(&page, &item));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_ctl_proofs_decode(mp_span(f.buf.p, n), &page), 0);
	fixture_fini(&f);
}

/* Every allocation may fail. */
static void
test_memory(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t fail = 1;; fail++) {
		int rc;

		fixture_init(&f);
		f.heap.fail_at = fail;
		rc = mp_ctl_submit_encode(
			&f.buf, mp_span("P", 1), NULL, 0, NULL, "key", mp_span(NULL, 0));
		fixture_fini(&f);
		if (rc == 0)
			break;
		assert_int_equal(rc, MP_ENOMEM);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_submit),
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_proof_requests),
		cmocka_unit_test(test_proofs),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
