/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/msg_show.h"
#include "codec/msg_work.h"
#include "codec/record_work.h"
#include "unit/fake_crypto.h"

static const struct mp_node_id nodes[3] = {{{1, 2, 3}}, {{4}}, {{5}}};
static const struct mp_run_id run = {{9, 8, 7}};
static const struct mp_work_head head = {{{9, 8, 7}}, 0, 3};

struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;
};

static void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){0};
	f->alloc = UNIT_ALLOC(&f->heap);
	mp_buf_init(&f->buf, &f->alloc, 1u << 20);
}

static void
fixture_fini(struct fixture *f)
{
	mp_buf_fini(&f->buf);
	assert_int_equal(f->heap.live, 0);
}

static struct mp_result
sample_result(void)
{
	return (struct mp_result){
		.cluster = {{1}},
		.run = {{9, 8, 7}},
		.attempt = {.module = 4, .term = 2, .counter = 1},
		.node = nodes[0],
		.offer = {{7}},
		.spec = {{8}},
		.inputs = {{9}},
		.status = MP_STATUS_FAILED,
		.exit_code = -1,
		.signal = 11,
		.started_ms = 1000,
		.ended_ms = 2000,
		.manifest = {{1}},
		.out_log = {{2}},
		.out_size = 5,
		.out_cut = true,
		.error = mp_span_str("killed by signal 11"),
	};
}

static void
test_result_round_trip(void **state)
{
	struct mp_result in = sample_result(), out;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_result_encode(&f.buf, &in), 0);
	assert_int_equal(mp_result_decode(mp_buf_span(&f.buf), &out), 0);
	assert_int_equal(out.status, MP_STATUS_FAILED);
	assert_int_equal(out.exit_code, -1);
	assert_int_equal(out.signal, 11);
	assert_true(mp_attempt_eq(&out.attempt, &in.attempt));
	assert_true(mp_hash_eq(&out.manifest, &in.manifest));
	assert_true(mp_hash_is_zero(&out.err_log));
	assert_true(out.out_cut);
	assert_true(mp_span_eq(out.error, in.error));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_result_decode(mp_span(f.buf.p, n), &out), 0);
	f.buf.p[12] = 2; /* the version stands after a text of nine letters */
	assert_int_equal(mp_result_decode(mp_buf_span(&f.buf), &out), MP_EVERSION);
	fixture_fini(&f);
}

static void
test_long_error_is_cut_between_characters(void **state)
{
	struct mp_result in = sample_result(), out;
	char text[MP_RESULT_ERROR_MAX + 3];
	struct fixture f;

	(void)state;
	fixture_init(&f);
	memset(text, 'x', sizeof(text));
	memcpy(text + MP_RESULT_ERROR_MAX - 1, "\xc3\xa4", 2);
	in.error = mp_span(text, sizeof(text));
	assert_int_equal(mp_result_encode(&f.buf, &in), 0);
	assert_int_equal(mp_result_decode(mp_buf_span(&f.buf), &out), 0);
	assert_int_equal(out.error.n, MP_RESULT_ERROR_MAX - 1);
	fixture_fini(&f);
}

/* Every batch size: each path verifies for its own record only. */
static void
test_batches(void **state)
{
	struct mp_result_sig sigs[MP_RESULT_BATCH_MAX];
	struct mp_span records[MP_RESULT_BATCH_MAX];
	uint8_t bytes[MP_RESULT_BATCH_MAX];
	struct mp_secret secret;

	(void)state;
	memcpy(secret.public_key, nodes[0].b, 32);
	for (size_t i = 0; i < MP_RESULT_BATCH_MAX; i++) {
		bytes[i] = (uint8_t)i;
		records[i] = mp_span(&bytes[i], 1);
	}
	for (size_t n = 1; n <= MP_RESULT_BATCH_MAX; n++) {
		mp_result_sign(&fake_crypto, &secret, records, n, sigs);
		for (size_t i = 0; i < n; i++) {
			struct mp_span other = records[(i + 1) % MP_RESULT_BATCH_MAX];

			assert_int_equal(
				mp_result_verify(&fake_crypto, &nodes[0], records[i], &sigs[i]), 0);
			assert_int_equal(mp_result_verify(&fake_crypto, &nodes[0], other, &sigs[i]),
				MP_ESIG);
			assert_int_equal(
				mp_result_verify(&fake_crypto, &nodes[1], records[i], &sigs[i]),
				MP_ESIG);
			sigs[i].index += 1u << sigs[i].depth;
			assert_int_equal(
				mp_result_verify(&fake_crypto, &nodes[0], records[i], &sigs[i]),
				MP_ESIG);
		}
	}
}

static void
test_signed_result(void **state)
{
	struct mp_result in = sample_result(), out;
	struct mp_result_sig sig;
	struct mp_span bytes, record;
	struct mp_secret secret;
	struct fixture f;
	size_t n;

	(void)state;
	fixture_init(&f);
	memcpy(secret.public_key, nodes[0].b, 32);
	assert_int_equal(mp_result_encode(&f.buf, &in), 0);
	n = f.buf.n;
	bytes = mp_buf_span(&f.buf);
	mp_result_sign(&fake_crypto, &secret, &bytes, 1, &sig);
	assert_int_equal(mp_buf_reserve(&f.buf, MP_SIGNED_RESULT_MAX), 0);
	assert_int_equal(mp_signed_result_encode(&f.buf, mp_span(f.buf.p, n), &sig), 0);
	bytes = mp_span(f.buf.p + n, f.buf.n - n);
	assert_int_equal(mp_signed_result_open(&fake_crypto, bytes, &out, &record), 0);
	assert_true(mp_span_eq(record, mp_span(f.buf.p, n)));
	f.buf.p[n + bytes.n / 2] ^= 1;
	assert_int_not_equal(mp_signed_result_open(&fake_crypto, bytes, &out, &record), 0);
	fixture_fini(&f);
}

static void
test_offer(void **state)
{
	struct mp_offer in = {.run = run, .attempt = {.term = 1, .module = 2, .counter = 3}}, out;
	struct mp_hash a, b, deps[2] = {{{1}}, {{2}}};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_offer_encode(&f.buf, &in), 0);
	assert_int_equal(mp_offer_decode(mp_buf_span(&f.buf), &out), 0);
	assert_true(mp_attempt_eq(&in.attempt, &out.attempt));
	f.buf.n--;
	assert_int_equal(mp_offer_decode(mp_buf_span(&f.buf), &out), MP_ETRUNC);
	assert_int_equal(mp_inputs_hash(&fake_crypto, &f.alloc, NULL, deps, 2, &a), 0);
	assert_int_equal(mp_inputs_hash(&fake_crypto, &f.alloc, &deps[0], deps, 2, &b), 0);
	assert_false(mp_hash_eq(&a, &b));
	fixture_fini(&f);
}

static void
test_bodies(void **state)
{
	struct mp_assigned as[2] = {{{1, 1, 2}, nodes[0]}, {{3, 3, 4}, nodes[1]}}, a;
	struct mp_finished in = {{2, 1, 3}, nodes[1], mp_span_str("result"), {{0}, 0}}, out;
	struct mp_recalled hit = {7, mp_span_str("result"), {{0}, 0}}, hit_out;
	struct mp_node_id id;
	struct mp_list list;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_body_assigned_encode(&f.buf, as, 2), 0);
	assert_int_equal(mp_body_assigned_decode(mp_buf_span(&f.buf), &list), 0);
	assert_true(mp_assigned_next(&list, &a));
	assert_true(mp_attempt_eq(&a.attempt, &as[0].attempt));
	assert_true(mp_assigned_next(&list, &a));
	assert_true(mp_node_id_eq(&a.worker, &nodes[1]));
	assert_false(mp_assigned_next(&list, &a));
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_body_finished_encode(&f.buf, &in, nodes, 3), 0);
	assert_int_equal(mp_body_finished_decode(mp_buf_span(&f.buf), &out), 0);
	assert_true(mp_attempt_eq(&in.attempt, &out.attempt));
	for (int i = 0; i < 3; i++) {
		assert_true(mp_holders_next(&out.holders, &id));
		assert_true(mp_node_id_eq(&id, &nodes[i]));
	}
	assert_false(mp_holders_next(&out.holders, &id));
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_body_cached_encode(&f.buf, &hit, nodes, 2), 0);
	assert_int_equal(mp_body_cached_decode(mp_buf_span(&f.buf), &hit_out), 0);
	assert_int_equal(hit_out.module, 7);
	assert_true(mp_span_eq(hit_out.result, hit.result));
	assert_true(mp_holders_next(&hit_out.holders, &id));
	assert_true(mp_node_id_eq(&id, &nodes[0]));
	assert_int_equal(hit_out.holders.left, 1);
	f.buf.n--;
	assert_int_equal(mp_body_cached_decode(mp_buf_span(&f.buf), &hit_out), MP_ETRUNC);
	fixture_fini(&f);
}

static void
test_once_bodies(void **state)
{
	const struct mp_assigned begin = {{4, 1, 2}, nodes[1]};
	const struct mp_once_end end = {{4, 1, 2}, MP_ONCE_RERUN, mp_span_str("anna@host")};
	struct mp_once_end out_end;
	struct mp_assigned out;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_body_once_begin_encode(&f.buf, &begin), 0);
	assert_int_equal(mp_body_once_begin_decode(mp_buf_span(&f.buf), &out), 0);
	assert_true(mp_attempt_eq(&out.attempt, &begin.attempt));
	assert_true(mp_node_id_eq(&out.worker, &nodes[1]));
	assert_int_equal(mp_body_once_begin_decode(mp_span(f.buf.p, f.buf.n - 1), &out), MP_ETRUNC);
	mp_buf_clear(&f.buf);
	assert_int_equal(mp_body_once_end_encode(&f.buf, &end), 0);
	assert_int_equal(mp_body_once_end_decode(mp_buf_span(&f.buf), &out_end), 0);
	assert_true(mp_attempt_eq(&out_end.attempt, &end.attempt));
	assert_int_equal(out_end.how, MP_ONCE_RERUN);
	assert_true(mp_span_eq(out_end.by, end.by));
	f.buf.p[4] = 0; /* how */
	assert_int_equal(mp_body_once_end_decode(mp_buf_span(&f.buf), &out_end), MP_EFORMAT);
	fixture_fini(&f);
}

static void
test_end(void **state)
{
	struct mp_end in = {
		.run = run, .term = 2, .leader = nodes[0], .outcome = MP_OUTCOME_FAILED};
	struct mp_secret secret;
	struct mp_end out;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	memcpy(secret.public_key, nodes[0].b, 32);
	assert_int_equal(mp_end_sign(&fake_crypto, &secret, &in, &f.buf), 0);
	assert_int_equal(mp_end_open(&fake_crypto, mp_buf_span(&f.buf), &out), 0);
	assert_int_equal(out.outcome, MP_OUTCOME_FAILED);
	f.buf.p[f.buf.n - 1] ^= 1;
	assert_int_equal(mp_end_open(&fake_crypto, mp_buf_span(&f.buf), &out), MP_ESIG);
	fixture_fini(&f);
}

static void
test_events(void **state)
{
	struct mp_show_event in = {.index = 3,
		.term = 2,
		.wall_ms = 77,
		.event = mp_span_str("assigned"),
		.module = mp_span_str("build"),
		.text = mp_span_str("")};
	struct mp_show_event out;
	struct mp_list list;
	struct mp_cbor_w w;
	struct fixture f;
	uint64_t next;

	(void)state;
	fixture_init(&f);
	in.node = (struct mp_show_node){nodes[1], mp_span_str("b")};
	mp_cbor_w_init(&w, &f.buf);
	mp_show_events_begin(&w, 9, 2);
	mp_show_events_one(&w, &in);
	in.module = mp_span(NULL, 0);
	in.node.name = mp_span(NULL, 0);
	mp_show_events_one(&w, &in);
	assert_int_equal(w.rc, 0);
	assert_int_equal(mp_show_events_decode(mp_buf_span(&f.buf), &next, &list), 0);
	assert_int_equal(next, 9);
	assert_true(mp_show_events_next(&list, &out));
	assert_true(out.index == 3 && out.term == 2 && out.wall_ms == 77);
	assert_true(mp_span_eq(out.module, mp_span_str("build")));
	assert_true(mp_node_id_eq(&out.node.id, &nodes[1]));
	assert_true(mp_show_events_next(&list, &out));
	assert_true(out.module.p == NULL && out.node.name.p == NULL);
	assert_false(mp_show_events_next(&list, &out));
	f.buf.n--;
	assert_int_equal(mp_show_events_decode(mp_buf_span(&f.buf), &next, &list), MP_ETRUNC);
	fixture_fini(&f);
}

static void
test_show(void **state)
{
	struct mp_show in = {.run = run,
			       .name = mp_span_str("release"),
			       .state = MP_RUN_RUNNING,
			       .term = 2,
			       .elector_count = 1,
			       .submitted_ms = 5,
			       .copies = 2},
		       out;
	struct mp_show_module m = {.name = mp_span_str("build"),
		.state = MP_MODULE_FAILED,
		.attempts = 2,
		.has_exit = true,
		.exit_code = 3,
		.manifest = {{1}},
		.output_files = 4,
		.attempt_term = 2,
		.attempt_counter = 7};
	struct mp_show_module module;
	struct mp_cbor_w w;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	in.electors[0] = in.opener = (struct mp_show_node){nodes[0], mp_span_str("a")};
	in.states[MP_MODULE_FAILED] = 1;
	in.states[MP_MODULE_WAITING] = 5;
	in.cached = 3;
	in.module_count = 6;
	in.from = 5;
	mp_cbor_w_init(&w, &f.buf);
	mp_show_begin(&w, &in, 1);
	mp_show_module(&w, &m, nodes, 2);
	assert_int_equal(w.rc, 0);
	assert_int_equal(mp_show_decode(mp_buf_span(&f.buf), &out), 0);
	assert_null(out.leader.name.p);
	assert_true(mp_span_eq(out.electors[0].name, mp_span_str("a")));
	assert_true(mp_show_module_next(&out.modules, &module));
	assert_int_equal(module.exit_code, 3);
	assert_int_equal(module.holders.left, 2);
	assert_int_equal(module.ended_ms, 0);
	assert_int_equal(module.attempt_term, 2);
	assert_int_equal(module.attempt_counter, 7);
	assert_int_equal(out.states[MP_MODULE_WAITING], 5);
	assert_int_equal(out.cached, 3);
	assert_int_equal(out.module_count, 6);
	assert_int_equal(out.from, 5);
	assert_false(mp_show_module_next(&out.modules, &module));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_show_decode(mp_span(f.buf.p, n), &out), 0);
	assert_string_equal(mp_module_state_word(MP_MODULE_TIMED_OUT), "timed_out");
	assert_string_equal(mp_run_state_word(MP_RUN_CANCELLED), "cancelled");
	fixture_fini(&f);
}

static void
test_bodies_refuse(void **state)
{
	static const uint8_t lost_why[] = {0x84, 1, 1, 1, 6}, lost_none[] = {0x84, 1, 1, 1, 0};
	static const uint8_t term0[] = {0x84, 1, 0, 1, 1}, counter0[] = {0x84, 1, 1, 0, 1};
	static const uint8_t module[] = {0x84, 0x1a, 0, 0x0f, 0x42, 0x40, 1, 1, 1};
	static const uint8_t end[] = {0x81, 4}, retry[] = {0x82, 1}, trailing[] = {0x80, 0};
	enum mp_run_outcome outcome;
	struct mp_retry_at at;
	struct mp_lost lost;

	(void)state;
	assert_int_equal(mp_body_lost_decode(mp_span(lost_why, 5), &lost), MP_ELIMIT);
	assert_int_equal(mp_body_lost_decode(mp_span(lost_none, 5), &lost), MP_EFORMAT);
	assert_int_equal(mp_body_lost_decode(mp_span(term0, 5), &lost), MP_EFORMAT);
	assert_int_equal(mp_body_lost_decode(mp_span(counter0, 5), &lost), MP_EFORMAT);
	assert_int_equal(mp_body_lost_decode(mp_span(module, 9), &lost), MP_ELIMIT);
	assert_int_equal(mp_body_end_decode(mp_span(end, 2), &outcome), MP_ELIMIT);
	assert_int_equal(mp_body_retry_decode(mp_span(retry, 2), &at), MP_ETRUNC);
	assert_int_equal(mp_body_open_decode(mp_span(trailing, 2)), MP_EFORMAT);
}

static void
assign_encode(struct fixture *f)
{
	struct mp_work_item item = {
		.module = 7,
		.counter = 1,
		.attempt_number = 2,
		.name = mp_span_str("link"),
		.spec = mp_span_str("spec"),
	};
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, &f->buf);
	mp_work_assign_begin(&w, &head, 2, false);
	mp_work_assign_item(&w, &item, 2);
	mp_work_assign_dep(&w, mp_span_str("a"), mp_span_str("ra"), nodes, 2);
	mp_work_assign_dep(&w, mp_span_str("b"), mp_span_str("rb"), nodes, 0);
	item.module = 8;
	mp_work_assign_item(&w, &item, 0);
	mp_work_assign_end(&w, nodes, 3, mp_span(NULL, 0));
	assert_int_equal(w.rc, 0);
}

static void
test_assign(void **state)
{
	struct mp_msg_work_assign m;
	struct mp_work_item item;
	struct mp_work_dep dep;
	struct mp_node_id id;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assign_encode(&f);
	assert_int_equal(mp_msg_number(mp_buf_span(&f.buf)), MP_MSG_WORK_ASSIGN);
	assert_int_equal(mp_msg_work_assign_decode(mp_buf_span(&f.buf), &m), 0);
	assert_int_equal(m.head.term, 3);
	assert_true(mp_work_item_next(&m.items, &item));
	assert_int_equal(item.module, 7);
	assert_true(mp_work_dep_next(&item.deps, &dep));
	assert_true(mp_span_eq(dep.name, mp_span_str("a")));
	assert_int_equal(dep.holders.left, 2);
	assert_true(mp_work_dep_next(&item.deps, &dep));
	assert_false(mp_work_dep_next(&item.deps, &dep));
	assert_true(mp_work_item_next(&m.items, &item));
	assert_int_equal(item.module, 8);
	assert_false(mp_work_item_next(&m.items, &item));
	for (int i = 0; i < 3; i++)
		assert_true(mp_holders_next(&m.inputs, &id));
	for (size_t n = 0; n < f.buf.n; n++)
		assert_int_not_equal(mp_msg_work_assign_decode(mp_span(f.buf.p, n), &m), 0);
	fixture_fini(&f);
}

static void
test_status_and_reject(void **state)
{
	struct mp_work_state states[2] = {{{1, 2, 3}, MP_WORK_RUNNING}, {{4, 5, 6}, MP_WORK_DONE}},
			     s;
	struct mp_msg_work_status status = {.head = head, .seq = 4, .boot = 5, .slots = 2}, st;
	struct mp_msg_work_reject reject = {.head = head, .why = MP_REJECT_FENCED}, rj;
	struct mp_attempt_id ids[2] = {{1, 2, 3}, {4, 5, 6}}, id;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(mp_msg_work_status_encode(&f.buf, &status, states, 2), 0);
	assert_int_equal(mp_msg_work_status_decode(mp_buf_span(&f.buf), &st), 0);
	assert_int_equal(st.boot, 5);
	assert_true(mp_work_states_next(&st.states, &s));
	assert_true(mp_work_states_next(&st.states, &s));
	assert_true(mp_attempt_eq(&s.attempt, &states[1].attempt));
	assert_int_equal(s.phase, MP_WORK_DONE);
	assert_int_equal(mp_msg_work_free_decode(mp_buf_span(&f.buf), &st.slots), MP_EFORMAT);
	mp_buf_clear(&f.buf);
	reject.certificate = mp_span_str("cert");
	assert_int_equal(mp_msg_work_reject_encode(&f.buf, &reject, ids, 2), 0);
	assert_int_equal(mp_msg_work_reject_decode(mp_buf_span(&f.buf), &rj), 0);
	assert_int_equal(rj.why, MP_REJECT_FENCED);
	assert_int_equal(rj.certificate.n, 4);
	assert_int_equal(rj.record.n, 0);
	assert_true(mp_attempts_next(&rj.attempts, &id));
	assert_true(mp_attempt_eq(&id, &ids[0]));
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result_round_trip),
		cmocka_unit_test(test_long_error_is_cut_between_characters),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_signed_result),
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_once_bodies),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_bodies_refuse),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_assign),
		cmocka_unit_test(test_status_and_reject),
	};

	return cmocka_run_group_tests_name("record_work", tests, NULL, NULL);
}
