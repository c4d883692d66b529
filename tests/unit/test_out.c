/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "core/out.h"

static const struct mp_node_id self = {{7}};
static const struct mp_node_id peer = {{1}};

static struct mp_out *
out_new(struct mp_alloc *alloc)
{
	struct mp_out *out = mp_out_new(alloc, &self, NULL, NULL);

	assert_non_null(out);
	return out;
}

static size_t
out_end(struct mp_out *out, const struct mp_effect **fx)
{
	size_t count;

	mp_out_end(out, fx, &count);
	return count;
}

static void
test_send_waits_for_rows(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_out *out = out_new(&alloc);
	const struct mp_effect *fx;

	(void)state;
	mp_out_begin(out);
	mp_out_put(out, MP_TABLE_VOTE, mp_span_str("run"), mp_span_str("vote"));
	assert_int_equal(mp_out_seq(out), 1);
	mp_out_send(out, &peer, MP_CLASS_CONTROL, mp_span_str("granted"), mp_out_seq(out));
	mp_out_send(out, &peer, MP_CLASS_CONTROL, mp_span_str("hello"), 0);
	assert_int_equal(out_end(out, &fx), 2);
	assert_int_equal(fx[0].kind, MP_FX_SEND);
	assert_memory_equal(fx[0].u.send.bytes.p, "hello", 5);
	assert_int_equal(fx[1].kind, MP_FX_PERSIST);
	assert_int_equal(fx[1].u.persist.seq, 1);
	assert_int_equal(fx[1].u.persist.count, 1);
	assert_int_equal(mp_out_waiting(out), 1);

	mp_out_begin(out);
	mp_out_persisted(out, 1);
	assert_int_equal(out_end(out, &fx), 1);
	assert_memory_equal(fx[0].u.send.bytes.p, "granted", 7);
	assert_int_equal(mp_out_waiting(out), 0);
	mp_out_free(out);
	assert_int_equal(heap.live, 0);
}

static void
test_one_transaction_a_step(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_out *out = out_new(&alloc);
	const struct mp_effect *fx;

	(void)state;
	mp_out_begin(out);
	for (int i = 0; i < 100; i++)
		mp_out_put(out, MP_TABLE_ENTRY, mp_span(&i, sizeof(i)), mp_span_str("entry"));
	assert_int_equal(out_end(out, &fx), 1);
	assert_int_equal(fx[0].u.persist.count, 100);
	mp_out_begin(out);
	assert_int_equal(out_end(out, &fx), 0);
	mp_out_begin(out);
	mp_out_delete(out, MP_TABLE_HELD, mp_span_str("k"));
	assert_int_equal(mp_out_seq(out), 2);
	assert_int_equal(out_end(out, &fx), 1);
	mp_out_free(out);
	assert_int_equal(heap.live, 0);
}

static void
test_lost_row_is_fatal(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_out *out = out_new(&alloc);
	const struct mp_effect *fx;

	(void)state;
	mp_out_begin(out);
	heap.fail_at = heap.calls + 1;
	mp_out_put(out, MP_TABLE_VOTE, mp_span_str("run"), mp_span_str("vote"));
	assert_true(mp_out_failed(out));
	assert_int_equal(out_end(out, &fx), 1);
	assert_int_equal(fx[0].kind, MP_FX_FATAL);
	mp_out_free(out);
	assert_int_equal(heap.live, 0);
}

static void
test_to_itself(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_out *out = out_new(&alloc);
	const struct mp_effect *fx;
	struct mp_span bytes;

	(void)state;
	mp_out_begin(out);
	mp_out_send(out, &self, MP_CLASS_CONTROL, mp_span_str("one"), 0);
	mp_out_put(out, MP_TABLE_VOTE, mp_span_str("run"), mp_span_str("vote"));
	mp_out_send(out, &self, MP_CLASS_CONTROL, mp_span_str("two"), mp_out_seq(out));
	assert_true(mp_out_loop(out, &bytes));
	assert_memory_equal(bytes.p, "one", 3);
	assert_false(mp_out_loop(out, &bytes));
	assert_int_equal(out_end(out, &fx), 1);

	mp_out_begin(out);
	mp_out_persisted(out, 1);
	assert_true(mp_out_loop(out, &bytes));
	assert_memory_equal(bytes.p, "two", 3);
	assert_false(mp_out_loop(out, &bytes));
	assert_int_equal(out_end(out, &fx), 0);
	mp_out_free(out);
	assert_int_equal(heap.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_waits_for_rows),
		cmocka_unit_test(test_one_transaction_a_step),
		cmocka_unit_test(test_lost_row_is_fatal),
		cmocka_unit_test(test_to_itself),
	};

	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
