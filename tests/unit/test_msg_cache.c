/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/msg_cache.h"
#include "mp/limits.h"

struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;
};

static struct fixture F;

static int
setup(void **state)
{
	(void)state;
	F = (struct fixture){0};
	F.alloc = UNIT_ALLOC(&F.heap);
	mp_buf_init(&F.buf, &F.alloc, MP_MSG_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mp_buf_fini(&F.buf);
	assert_int_equal(F.heap.live, 0);
	return 0;
}

static struct mp_hash
hash_of(uint32_t n)
{
	struct mp_hash h = {{0}};

	memcpy(h.b, &n, sizeof(n));
	return h;
}

static struct mp_span
bytes(void)
{
	return mp_buf_span(&F.buf);
}

static void
test_ask_and_get(void **state)
{
	struct mp_hash hashes[3] = {hash_of(1), hash_of(2), hash_of(3)}, got;
	struct mp_msg_cache_list m;

	(void)state;
	assert_int_equal(mp_msg_cache_ask_encode(&F.buf, 77, hashes, 3), 0);
	assert_int_equal(mp_msg_cache_ask_decode(bytes(), &m), 0);
	assert_int_equal(m.seq, 77);
	assert_int_equal(m.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		got = mp_msg_cache_next(&m);
		assert_true(mp_hash_eq(&got, &hashes[i]));
	}
	assert_int_equal(mp_msg_cache_get_decode(bytes(), &m), MP_EFORMAT);
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_msg_cache_get_encode(&F.buf, UINT64_MAX, hashes, 1), 0);
	assert_int_equal(mp_msg_cache_get_decode(bytes(), &m), 0);
	assert_int_equal(m.count, 1);
	assert_true(m.seq == UINT64_MAX);
}

static void
test_have_and_got(void **state)
{
	struct mp_cache_ref refs[2] = {{hash_of(1), hash_of(2)}, {hash_of(1), hash_of(3)}}, ref;
	struct mp_hash keys[3] = {hash_of(4), hash_of(5), hash_of(6)}, key;
	struct mp_span records[3] = {mp_span_str("one"), {NULL, 0}, mp_span_str("three")}, record;
	struct mp_msg_cache_list m;

	(void)state;
	assert_int_equal(mp_msg_cache_have_encode(&F.buf, 1, refs, 2), 0);
	assert_int_equal(mp_msg_cache_have_decode(bytes(), &m), 0);
	assert_int_equal(m.count, 2);
	for (size_t i = 0; i < 2; i++) {
		ref = mp_msg_cache_have_next(&m);
		assert_memory_equal(&ref, &refs[i], sizeof(ref));
	}
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_msg_cache_got_encode(&F.buf, 2, keys, records, 3), 0);
	assert_int_equal(mp_msg_cache_got_decode(bytes(), &m), 0);
	assert_int_equal(m.count, 2);
	key = mp_msg_cache_got_next(&m, &record);
	assert_true(mp_hash_eq(&key, &keys[0]) && mp_span_eq(record, records[0]));
	key = mp_msg_cache_got_next(&m, &record);
	assert_true(mp_hash_eq(&key, &keys[2]) && mp_span_eq(record, records[2]));
}

static void
test_hold_and_held(void **state)
{
	struct mp_node_id holders[MP_HOLDERS_MAX + 1] = {{{1}}, {{2}}, {{3}}}, id;
	struct mp_msg_cache_hold hold;
	struct mp_msg_cache_held held;
	size_t n = 0;

	(void)state;
	assert_int_equal(
		mp_msg_cache_hold_encode(&F.buf, 5, mp_span_str("result"), 2, holders, 3), 0);
	assert_int_equal(mp_msg_cache_hold_decode(bytes(), &hold), 0);
	assert_int_equal(hold.seq, 5);
	assert_int_equal(hold.copies, 2);
	assert_true(mp_span_eq(hold.result, mp_span_str("result")));
	while (mp_holders_next(&hold.holders, &id))
		assert_true(mp_node_id_eq(&id, &holders[n++]));
	assert_int_equal(n, 3);
	mp_buf_clear(&F.buf);
	/* More holders than a list has are left out. */
	assert_int_equal(mp_msg_cache_held_encode(&F.buf, 6, holders, MP_HOLDERS_MAX + 1), 0);
	assert_int_equal(mp_msg_cache_held_decode(bytes(), &held), 0);
	assert_int_equal(held.seq, 6);
	assert_int_equal(held.holders.left, MP_HOLDERS_MAX);
}

static void
test_record(void **state)
{
	struct mp_node_id holders[2] = {{{1}}, {{2}}};
	uint8_t result[MP_SIGNED_RESULT_MAX + 1] = {0};
	struct mp_cache_record record;

	(void)state;
	assert_int_equal(
		mp_cache_record_encode(&F.buf, mp_span(result, MP_SIGNED_RESULT_MAX), holders, 2),
		0);
	assert_true(F.buf.n <= MP_CACHE_RECORD_MAX);
	assert_int_equal(mp_cache_record_decode(bytes(), &record), 0);
	assert_int_equal(record.result.n, MP_SIGNED_RESULT_MAX);
	assert_int_equal(record.holders.left, 2);
	mp_buf_clear(&F.buf);
	assert_int_equal(
		mp_cache_record_encode(&F.buf, mp_span(result, sizeof(result)), holders, 2), 0);
	assert_int_equal(mp_cache_record_decode(bytes(), &record), MP_ELIMIT);
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_cache_record_encode(&F.buf, mp_span(NULL, 0), holders, 2), 0);
	assert_int_equal(mp_cache_record_decode(bytes(), &record), MP_EFORMAT);
}

/* The version is the second item: 0x84, the text with its head, the number. */
static void
test_record_of_later_days(void **state)
{
	struct mp_cache_record record;

	(void)state;
	assert_int_equal(mp_cache_record_encode(&F.buf, mp_span_str("x"), NULL, 0), 0);
	assert_int_equal(F.buf.p[1 + 1 + strlen("mp-cached")], 1);
	F.buf.p[1 + 1 + strlen("mp-cached")] = 2;
	assert_int_equal(mp_cache_record_decode(bytes(), &record), MP_EVERSION);
}

static void
test_bounds(void **state)
{
	static struct mp_hash hashes[MP_CACHE_ASK_MAX + 1];
	struct mp_msg_cache_list m;
	struct mp_msg_cache_hold hold;

	(void)state;
	assert_int_equal(mp_msg_cache_ask_encode(&F.buf, 1, hashes, MP_CACHE_ASK_MAX), 0);
	assert_int_equal(mp_msg_cache_ask_decode(bytes(), &m), 0);
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_msg_cache_ask_encode(&F.buf, 1, hashes, MP_CACHE_ASK_MAX + 1), 0);
	assert_int_equal(mp_msg_cache_ask_decode(bytes(), &m), MP_ELIMIT);
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_msg_cache_get_encode(&F.buf, 1, hashes, MP_CACHE_GET_MAX + 1), 0);
	assert_int_equal(mp_msg_cache_get_decode(bytes(), &m), MP_ELIMIT);
	mp_buf_clear(&F.buf);
	assert_int_equal(mp_msg_cache_hold_encode(&F.buf, 1, mp_span_str("x"), 0, NULL, 0), 0);
	assert_int_equal(mp_msg_cache_hold_decode(bytes(), &hold), MP_EFORMAT);
	mp_buf_clear(&F.buf);
	assert_int_equal(
		mp_msg_cache_hold_encode(&F.buf, 1, mp_span_str("x"), MP_COPIES_MAX + 1, NULL, 0),
		0);
	assert_int_equal(mp_msg_cache_hold_decode(bytes(), &hold), MP_ELIMIT);
}

/* No prefix of a message is one, and nothing may follow it. */
static void
test_cut(void **state)
{
	struct mp_cache_ref refs[2] = {{hash_of(1), hash_of(2)}, {hash_of(1), hash_of(3)}};
	struct mp_msg_cache_list m;

	(void)state;
	assert_int_equal(mp_msg_cache_have_encode(&F.buf, 1, refs, 2), 0);
	for (size_t n = 0; n < F.buf.n; n++)
		assert_int_not_equal(mp_msg_cache_have_decode(mp_span(F.buf.p, n), &m), 0);
	assert_int_equal(mp_buf_append(&F.buf, "", 1), 0);
	assert_int_equal(mp_msg_cache_have_decode(bytes(), &m), MP_EFORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ask_and_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_have_and_got, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hold_and_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_record_of_later_days, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
