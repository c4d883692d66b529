/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/swimnet.h"

static const struct mp_addr nowhere = {.ip = {1}, .port = 9};

/* What node `from` would send, caught: the bytes live in its step memory. */
static struct mp_span
seal(struct net *net, size_t from, const struct mp_node_id *to, const char *records, size_t count)
{
	struct net_node *n = &net->nodes[from];
	const struct mp_effect *fx;
	size_t fx_count;

	net_begin(net, n);
	mp_dgram_send(n->dgram, &n->env, &nowhere, to, mp_span_str(records), count);
	mp_out_end(n->env.out, &fx, &fx_count);
	assert_int_equal(fx_count, 1);
	assert_int_equal(fx[0].kind, MP_FX_DATAGRAM);
	return fx[0].u.datagram.bytes;
}

static int
take(struct net *net, size_t at, struct mp_span bytes)
{
	struct net_node *n = &net->nodes[at];

	n->env.now_ms = net->now;
	return mp_dgram_open(n->dgram, &n->env, bytes, &n->in);
}

static uint64_t
dropped(const struct net *net, size_t at, enum mp_counter why)
{
	return mp_dgram_counter(net->nodes[at].dgram, why);
}

static void
test_round_trip(void **state)
{
	struct net *net = net_cluster(1, 3);
	struct mp_node_id to = net_id(net, 1), from = net_id(net, 0);
	struct mp_span record;

	(void)state;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x18\x1e\x82\x18\x1f\x01", 2)), 0);
	assert_true(mp_node_id_eq(&net->nodes[1].in.sender->id, &from));
	assert_int_equal(net->nodes[1].in.boot, 1);
	assert_true(mp_list_next(&net->nodes[1].in.records, &record));
	assert_int_equal(mp_msg_kind(record), 30);
	assert_true(mp_list_next(&net->nodes[1].in.records, &record));
	assert_int_equal(mp_msg_kind(record), 31);
	assert_false(mp_list_next(&net->nodes[1].in.records, &record));
	/* Nothing in particular. */
	assert_int_equal(take(net, 1, seal(net, 0, &to, "", 0)), 0);
	net_free(net);
}

static void
test_full(void **state)
{
	struct net *net = net_cluster(2, 2);
	struct mp_node_id to = net_id(net, 1);
	char records[MP_DGRAM_ROOM + 1];
	struct mp_span bytes;

	(void)state;
	memset(records, 'x', sizeof(records));
	memcpy(records, "\x59\x04\x67", 3); /* a byte string of 1127 */
	records[MP_DGRAM_ROOM] = '\0';
	net->nodes[0].env.boot = UINT32_MAX;
	bytes = seal(net, 0, &to, records, 1);
	assert_true(bytes.n <= MP_DGRAM_MAX);
	assert_int_equal(take(net, 1, bytes), 0);
	net_free(net);
}

static void
test_junk(void **state)
{
	struct net *net = net_cluster(3, 2);
	struct mp_node_id to = net_id(net, 1);
	struct mp_span good = seal(net, 0, &to, "\x81\x01", 1);
	uint8_t bytes[MP_DGRAM_MAX + 1] = {0};

	(void)state;
	assert_int_equal(take(net, 1, mp_span(bytes, 0)), MP_EFORMAT);
	assert_int_equal(take(net, 1, mp_span(bytes, sizeof(bytes))), MP_EFORMAT);
	assert_int_equal(take(net, 1, mp_span(bytes, MP_DGRAM_MAX)), MP_EVERSION);
	/* Each bit counts, and so does each byte's absence. */
	for (size_t i = 0; i < good.n; i++) {
		memcpy(bytes, good.p, good.n);
		bytes[i] ^= 0x10;
		assert_int_not_equal(take(net, 1, mp_span(bytes, good.n)), 0);
		assert_int_not_equal(take(net, 1, mp_span(good.p, i)), 0);
	}
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_JUNK), 3 + 2 * good.n);
	assert_int_equal(take(net, 1, good), 0);
	net_free(net);
}

static void
test_replay(void **state)
{
	struct net *net = net_cluster(4, 2);
	struct mp_node_id to = net_id(net, 1);
	static uint8_t kept[600][256];
	size_t sizes[600];

	(void)state;
	for (size_t i = 0; i < 600; i++) {
		struct mp_span bytes = seal(net, 0, &to, "\x81\x01", 1);

		memcpy(kept[i], bytes.p, bytes.n);
		sizes[i] = bytes.n;
	}
	/* Out of order is fine within the window, twice never is. */
	assert_int_equal(take(net, 1, mp_span(kept[0], sizes[0])), 0);
	assert_int_equal(take(net, 1, mp_span(kept[599], sizes[599])), 0);
	for (size_t i = 0; i < 600; i++) {
		int want = i + MP_DGRAM_WINDOW <= 599 || i == 599 ? MP_EREPLAY : 0;

		assert_int_equal(take(net, 1, mp_span(kept[i], sizes[i])), want);
		assert_int_equal(take(net, 1, mp_span(kept[i], sizes[i])), MP_EREPLAY);
	}
	assert_true(dropped(net, 1, MP_COUNT_DGRAM_REPLAY) > 600);

	/* A newer boot begins a new window, and ends the old one for good. */
	net->nodes[0].env.boot = 9;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), 0);
	net->nodes[0].env.boot = 8;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_EREPLAY);
	net->nodes[0].env.boot = 9;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), 0);
	net_free(net);
}

/* A receiver that lost its window still knows the boot that its roster holds. */
static void
test_old_boot_after_restart(void **state)
{
	struct net *net = net_cluster(5, 2);
	struct mp_node_id to = net_id(net, 1);
	uint8_t kept[256];
	struct mp_span old = seal(net, 0, &to, "\x81\x01", 1);
	size_t n = old.n;

	(void)state;
	memcpy(kept, old.p, n);
	net_kill(net, 0);
	assert_true(net_start(net, 0));
	net_until(net, 5000, net_whole(net));
	net_kill(net, 1);
	assert_true(net_start(net, 1));
	assert_int_equal(take(net, 1, mp_span(kept, n)), MP_EREPLAY);
	net_free(net);
}

/* One that lost its window takes nothing that is older than what it hears first. */
static void
test_replay_after_restart(void **state)
{
	struct net *net = net_cluster(5, 2);
	struct mp_node_id to = net_id(net, 1);
	uint8_t kept[2][256];
	size_t n[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mp_span bytes = seal(net, 0, &to, "\x81\x01", 1);

		memcpy(kept[i], bytes.p, bytes.n);
		n[i] = bytes.n;
	}
	assert_int_equal(take(net, 1, mp_span(kept[0], n[0])), 0);
	net_kill(net, 1);
	assert_true(net_start(net, 1));
	assert_int_equal(take(net, 1, mp_span(kept[1], n[1])), 0);
	assert_int_equal(take(net, 1, mp_span(kept[0], n[0])), MP_EREPLAY);
	net_free(net);
}

static void
test_stranger_and_forged(void **state)
{
	struct net *net = net_cluster(6, 3);
	struct mp_node_id to = net_id(net, 1), other = net_id(net, 2);
	struct net_node *n = &net->nodes[0];
	struct mp_node_id self = n->env.self;
	struct mp_secret secret = n->secret;
	uint64_t strangers = dropped(net, 1, MP_COUNT_DGRAM_STRANGER);

	(void)state;
	/* For somebody else. */
	assert_int_equal(take(net, 1, seal(net, 0, &other, "\x81\x01", 1)), MP_ECLUSTER);
	other.b[0] = to.b[0]; /* the one byte of it that the head has */
	assert_int_equal(take(net, 1, seal(net, 0, &other, "\x81\x01", 1)), MP_ESIG);
	other = net_id(net, 2);
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_ASTRAY), 1);
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_FORGED), 1);
	/* Signed for another cluster that has the same gossip key. */
	n->env.cluster.b[0] ^= 1;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_ESIG);
	n->env.cluster.b[0] ^= 1;
	/* Signed by one member in the name of another. */
	n->env.self = other;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_ESIG);
	n->env.self = self;
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_FORGED), 3);
	/* By nobody we know, who has the gossip key. */
	memset(n->env.self.b, 0x77, sizeof(n->env.self.b));
	memcpy(n->secret.public_key, n->env.self.b, 32);
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_EAUTH);
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_STRANGER), strangers + 1);
	n->env.self = self;
	n->secret = secret;
	/* A forgery leaves no trace in the window. */
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), 0);
	net_free(net);
}

static void
test_malformed(void **state)
{
	struct net *net = net_cluster(7, 2);
	struct mp_node_id to = net_id(net, 1);

	(void)state;
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 2)), MP_EFORMAT);
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01\x01", 1)), MP_EFORMAT);
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\xff", 1)), MP_EFORMAT);
	assert_int_equal(dropped(net, 1, MP_COUNT_DGRAM_MALFORMED), 3);
	net_free(net);
}

static void
test_left_is_stranger(void **state)
{
	struct net *net = net_cluster(8, 2);
	struct net_node *n = &net->nodes[0];
	struct mp_node_id to = net_id(net, 1);

	(void)state;
	net_begin(net, n);
	assert_int_equal(mp_swim_leave(n->swim, &n->env), 0);
	net_end(net, n);
	net_run(net, 1000);
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_EAUTH);
	net_free(net);
}

static void
key_add(struct net *net, size_t at, uint64_t epoch, uint8_t fill, int want)
{
	struct net_node *n = &net->nodes[at];
	uint8_t key[MP_SYMKEY_SIZE];

	memset(key, fill, sizeof(key));
	net_begin(net, n);
	assert_int_equal(mp_dgram_key_add(n->dgram, &n->env, epoch, key, true), want);
	net_end(net, n);
}

static void
test_key_ring(void **state)
{
	struct net *net = net_cluster(9, 2);
	struct mp_node_id to = net_id(net, 1);
	uint64_t epoch;
	uint8_t first[MP_SYMKEY_SIZE];

	(void)state;
	key_add(net, 0, 5, 0x55, 0);
	key_add(net, 0, 5, 0x55, MP_EEXIST);
	/* The new key seals at once; whoever has not got it sees junk. */
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), MP_ESIG);
	key_add(net, 1, 5, 0x55, 0);
	assert_int_equal(take(net, 1, seal(net, 0, &to, "\x81\x01", 1)), 0);
	/* Of one epoch the lower hash seals, on all nodes alike; four are kept. */
	key_add(net, 0, 5, 0x66, 0);
	key_add(net, 0, 7, 0x77, 0);
	key_add(net, 0, 0, 0x00, MP_ELIMIT);
	assert_int_equal(mp_dgram_key_count(net->nodes[0].dgram), 4);
	memset(first, 0x77, sizeof(first));
	assert_memory_equal(mp_dgram_key(net->nodes[0].dgram, 0, &epoch), first, sizeof(first));
	assert_int_equal(epoch, 7);
	key_add(net, 0, 8, 0x88, 0);
	assert_int_equal(mp_dgram_key_count(net->nodes[0].dgram), 4);
	(void)mp_dgram_key(net->nodes[0].dgram, 3, &epoch);
	assert_int_equal(epoch, 5);
	/* None that could never be replaced. */
	key_add(net, 0, 8 + MP_GOSSIP_EPOCH_LEAP + 1, 0x99, MP_EFORMAT);
	key_add(net, 0, MP_GOSSIP_EPOCH_MAX + 1, 0x99, MP_EFORMAT);
	key_add(net, 0, UINT64_MAX, 0x99, MP_EFORMAT);
	/* Kept on disk. */
	net_run(net, 10);
	net_kill(net, 0);
	assert_true(net_start(net, 0));
	assert_int_equal(mp_dgram_key_count(net->nodes[0].dgram), 4);
	(void)mp_dgram_key(net->nodes[0].dgram, 0, &epoch);
	assert_int_equal(epoch, 8);
	net_free(net);
}

static void
test_restore(void **state)
{
	struct net *net = net_cluster(10, 1);
	struct net_node *n = &net->nodes[0];
	struct mp_span key = mp_span_str(MP_DGRAM_META);

	(void)state;
	assert_int_equal(mp_dgram_restore(n->dgram, &n->env, mp_span_str("boot"), key), MP_ENOENT);
	assert_int_equal(
		mp_dgram_restore(n->dgram, &n->env, key, mp_span_str("\x81")), MP_ECORRUPT);
	assert_int_equal(mp_dgram_restore(n->dgram, &n->env, key, mp_span_str("\x81\x82\x01\x41x")),
		MP_ECORRUPT);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_old_boot_after_restart),
		cmocka_unit_test(test_replay_after_restart),
		cmocka_unit_test(test_stranger_and_forged),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_left_is_stranger),
		cmocka_unit_test(test_key_ring),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests_name("dgram", tests, NULL, NULL);
}
