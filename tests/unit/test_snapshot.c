/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/snapshot.h"
#include "mp/limits.h"

static struct mp_snap_member
member(uint8_t id, const char *name)
{
	struct mp_snap_member m = {.node = {.id = {{id}}, .name = mp_span_str(name)},
		.addr = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = id}, .port = 7117},
		.state = MP_MEMBER_SUSPECT,
		.status = MP_NODE_DRAINING,
		.load = {.used = 3, .attempts = 4, .leads = 1},
		.rtt_ms = 2,
		.silent_ms = -1,
		.skew_ms = -70,
		.has_skew = true,
		.path = MP_PATH_TCP,
		.reaches_out = true,
		.caps = mp_span("caps", 4)};

	return m;
}

static void
test_page(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_snap_member in[] = {member(1, "alpha"), member(2, "")}, out;
	struct mp_snap_self me, self = {.id = {{5}},
					.health = 3,
					.isolated = true,
					.drains = true,
					.drains_since_ms = 9,
					.drained_by = mp_span_str("me")};
	uint32_t total, from, count;
	struct mp_buf items, buf;
	struct mp_cbor_r r;

	(void)state;
	in[1].addr.port = 0;
	in[1].caps = mp_span(NULL, 0);
	mp_buf_init(&items, &alloc, 4096);
	mp_buf_init(&buf, &alloc, 4096);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(mp_snap_member_encode(&items, &in[i]), 0);
	assert_int_equal(mp_snap_nodes_encode(&buf, 12, 10, 2, mp_buf_span(&items), &self), 0);
	assert_int_equal(mp_snap_self_decode(mp_buf_span(&buf), &me), 0);
	assert_true(mp_node_id_eq(&me.id, &self.id) && me.health == 3 && me.isolated);
	assert_true(me.drains && me.drains_since_ms == 9);
	assert_true(mp_span_eq(me.drained_by, self.drained_by));
	assert_int_equal(mp_snap_nodes_decode(mp_buf_span(&buf), &total, &from, &count, &r), 0);
	assert_int_equal(total, 12);
	assert_int_equal(from, 10);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(mp_snap_member_next(&r, &out), 0);
		assert_true(mp_node_id_eq(&out.node.id, &in[i].node.id));
		assert_true(mp_span_eq(out.node.name, in[i].node.name));
		assert_int_equal(out.addr.port, in[i].addr.port);
		assert_int_equal(out.state, in[i].state);
		assert_int_equal(out.status, in[i].status);
		assert_int_equal(out.load.used, 3);
		assert_true(out.load.attempts == 4 && out.load.leads == 1);
		assert_true(out.rtt_ms == 2 && out.silent_ms == -1);
		assert_true(out.has_skew && out.skew_ms == -70);
		assert_int_equal(out.path, MP_PATH_TCP);
		assert_true(out.reaches_out);
		assert_true(mp_span_eq(out.caps, in[i].caps));
	}
	for (size_t n = 0; n < buf.n; n++)
		assert_true(
			mp_snap_nodes_decode(mp_span(buf.p, n), &total, &from, &count, &r) != 0 &&
			mp_snap_self_decode(mp_span(buf.p, n), &me) != 0);
	mp_buf_fini(&items);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

/* A page that is full or memory that is not there leaves what was before. */
static void
test_whole_items(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_snap_member m = member(1, "alpha");
	struct mp_buf items;
	size_t one;

	(void)state;
	mp_buf_init(&items, &alloc, 180);
	assert_int_equal(mp_snap_member_encode(&items, &m), 0);
	one = items.n;
	assert_int_equal(mp_snap_member_encode(&items, &m), 0);
	assert_int_equal(mp_snap_member_encode(&items, &m), MP_ELIMIT);
	assert_int_equal(items.n, 2 * one);
	mp_buf_fini(&items);
}

/* What a newer node adds is skipped; a state that is not known is refused. */
static void
test_newer(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_snap_member out;
	struct mp_buf buf;
	struct mp_cbor_w w;
	struct mp_cbor_r r;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	for (uint64_t s = MP_MEMBER_LEFT; s <= MP_MEMBER_LEFT + 1; s++) {
		mp_buf_clear(&buf);
		mp_cbor_w_init(&w, &buf);
		mp_cbor_w_array(&w, 8);
		mp_cbor_w_null(&w);
		mp_cbor_w_null(&w);
		mp_cbor_w_uint(&w, s);
		mp_cbor_w_uint(&w, 0);
		mp_cbor_w_uint(&w, 0);
		mp_cbor_w_null(&w);
		mp_cbor_w_array(&w, 1);
		mp_cbor_w_text(&w, "new");
		mp_cbor_w_bool(&w, true);
		mp_cbor_r_init(&r, mp_buf_span(&buf));
		assert_int_equal(
			mp_snap_member_next(&r, &out), s == MP_MEMBER_LEFT ? 0 : MP_ELIMIT);
	}
	mp_buf_fini(&buf);
}

static void
test_words(void **state)
{
	(void)state;
	assert_string_equal(mp_member_state_word(MP_MEMBER_LEFT), "left");
	assert_string_equal(mp_member_status_word(MP_NODE_OFFLINE), "offline");
	assert_string_equal(mp_member_state_word((enum mp_member_state)9), "unknown");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_whole_items),
		cmocka_unit_test(test_newer),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
