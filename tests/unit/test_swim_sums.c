/* SPDX-License-Identifier: Apache-2.0 */
/* Views of many members are compared bucket by bucket, and only what differs travels. */
#include "unit/swimnet.h"

#define MANY  70
#define ENTRY 38 /* bytes: of one member in a VIEW, at least */

static int
sums_read(struct unit_heap *heap, size_t size, struct mp_sums_msg *out)
{
	static uint8_t sums[8 * MP_SUMS_MAX];
	struct mp_alloc alloc = UNIT_ALLOC(heap);
	struct mp_sums_msg msg = {.sums = mp_span(sums, size), .trust = 77};
	struct mp_cbor_w w;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &alloc, sizeof(sums) + 64);
	mp_cbor_w_init(&w, &buf);
	mp_sums_msg_write(&w, &msg);
	assert_int_equal(w.rc, 0);
	rc = mp_sums_msg_read(mp_buf_span(&buf), out);
	mp_buf_fini(&buf);
	return rc;
}

static void
test_form(void **state)
{
	struct unit_heap heap = {0};
	struct mp_sums_msg msg = {.trust = 0};
	struct mp_node_id id = {{0x12, 0x35}};

	(void)state;
	for (size_t n = MP_SUMS_MIN; n <= MP_SUMS_MAX; n *= 2) {
		assert_int_equal(sums_read(&heap, 4 * n, &msg), 0);
		assert_int_equal(msg.sums.n, 4 * n);
		assert_int_equal(msg.trust, 77);
	}
	assert_int_equal(sums_read(&heap, 0, &msg), MP_EFORMAT);
	assert_int_equal(sums_read(&heap, 4 * MP_SUMS_MIN / 2, &msg), MP_EFORMAT);
	assert_int_equal(sums_read(&heap, 4 * (MP_SUMS_MIN + 1), &msg), MP_EFORMAT);
	assert_int_equal(sums_read(&heap, 4 * MP_SUMS_MIN + 1, &msg), MP_EFORMAT);
	assert_int_equal(sums_read(&heap, 8 * MP_SUMS_MAX, &msg), MP_ELIMIT);
	assert_int_equal(mp_sums_bucket(&id, 16), 5);
	assert_int_equal(mp_sums_bucket(&id, 1024), 0x235);
}

static int
view_read(struct unit_heap *heap, struct mp_span buckets, struct mp_view_msg *out)
{
	struct mp_alloc alloc = UNIT_ALLOC(heap);
	struct mp_cbor_w w;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &alloc, 4096);
	mp_cbor_w_init(&w, &buf);
	mp_view_msg_begin(&w, 0, buckets);
	mp_view_msg_end(&w, 7, buckets);
	assert_int_equal(w.rc, 0);
	rc = mp_view_msg_read(mp_buf_span(&buf), out);
	mp_buf_fini(&buf);
	return rc;
}

static void
test_part_form(void **state)
{
	static const uint8_t bits[2 * MP_SUMS_MAX / 8];
	struct unit_heap heap = {0};
	struct mp_view_msg msg;

	(void)state;
	assert_int_equal(view_read(&heap, mp_span(bits, 0), &msg), 0);
	assert_int_equal(msg.buckets.n, 0);
	assert_int_equal(view_read(&heap, mp_span(bits, 2), &msg), 0);
	assert_int_equal(msg.buckets.n, 2);
	assert_int_equal(view_read(&heap, mp_span(bits, MP_SUMS_MAX / 8), &msg), 0);
	assert_int_equal(view_read(&heap, mp_span(bits, 1), &msg), MP_EFORMAT);
	assert_int_equal(view_read(&heap, mp_span(bits, 3), &msg), MP_EFORMAT);
	assert_int_equal(view_read(&heap, mp_span(bits, sizeof(bits)), &msg), MP_ELIMIT);
}

static void
speak(struct net *net, size_t i, enum mp_member_status status)
{
	struct net_node *n = &net->nodes[i];

	net_begin(net, n);
	assert_int_equal(mp_swim_set_status(n->swim, &n->env, status), 0);
	net_end(net, n);
}

/* Node 0 is away for as long as the others tell each other of a new word of node 5. */
static void
miss_a_word(struct net *net)
{
	net_cut(net, 1, true);
	speak(net, 5, MP_NODE_BUSY);
	net_run(net, 5000);
	assert_int_not_equal(net_view(net, 0, 5)->status, MP_NODE_BUSY);
	memset(net->sent, 0, sizeof(net->sent));
	memset(net->sent_bytes, 0, sizeof(net->sent_bytes));
	net_cut(net, 1, false);
}

static void
test_difference(void **state)
{
	struct net *net = net_cluster(91, MANY);

	(void)state;
	net_run(net, 30000);
	miss_a_word(net);
	net_until(net, 45000, net_view(net, 0, 5)->status == MP_NODE_BUSY && net_whole(net));
	assert_true(net->sent[MP_MSG_SUMS] > 0);
	assert_true(net->sent[MP_MSG_VIEW] > 0);
	/* A bucket or a few each, of sixteen. */
	assert_true(net->sent_bytes[MP_MSG_VIEW] < net->sent[MP_MSG_VIEW] * MANY * ENTRY / 2);
	net_free(net);
}

/* Who does not know the question does not answer, and is sent the whole view next. */
static void
test_not_understood(void **state)
{
	struct net *net = net_cluster(92, MANY);

	(void)state;
	net_run(net, 30000);
	net->no_sums = true;
	miss_a_word(net);
	net_until(net, 45000, net_view(net, 0, 5)->status == MP_NODE_BUSY && net_whole(net));
	assert_true(net->sent[MP_MSG_SUMS] > 0);
	assert_true(net->sent[MP_MSG_VIEW] == 0 ||
		    net->sent_bytes[MP_MSG_VIEW] > net->sent[MP_MSG_VIEW] * MANY * ENTRY);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_part_form),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_not_understood),
	};

	return cmocka_run_group_tests_name("swim_sums", tests, NULL, NULL);
}
