/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/swimnet.h"

static enum mp_join_state
state_of(const struct net *net, size_t i)
{
	return mp_join_state(net->nodes[i].join);
}

static const char *
error_of(const struct net *net, size_t i)
{
	return mp_join_error(net->nodes[i].join)->text;
}

static void
test_join(void **state)
{
	struct net *net = net_new(1);
	struct net_node *n;

	(void)state;
	assert_true(net_start(net, 0));
	assert_true(net->nodes[0].member);
	n = net_add(net);
	assert_true(net_start(net, 1));
	assert_int_equal(state_of(net, 1), MP_JOIN_CONNECTING);
	net_until(net, 1000, n->member);
	assert_int_equal(mp_roster_count(n->roster), 2);
	assert_int_equal(mp_dgram_key_count(n->dgram), 1);
	assert_true(net_view(net, 1, 0)->link_up);
	/* The credential has grown by the admission; both have the same. */
	assert_true(net_view(net, 1, 1)->credential.n > n->credential.n);
	assert_true(mp_span_eq(net_view(net, 1, 1)->credential, net_view(net, 0, 1)->credential));
	net_until(net, 3000, net_whole(net));
	net_free(net);
}

/* The seed is down, the next one is nobody, the third admits; then the first one is back. */
/* A joiner has the timings of whoever lets it in, whatever it was started with. */
static void
test_timings(void **state)
{
	struct net *net = net_new(2);

	(void)state;
	(void)net_add(net);
	(void)net_add(net);
	assert_true(net_start(net, 0));
	assert_true(net_start(net, 1));
	net_until(net, 5000, net->nodes[1].member);
	assert_ptr_equal(net->nodes[1].env.profile, &net_profile);
	net->nodes[0].env.profile = &mp_profile_wan;
	assert_true(net_start(net, 2));
	net_until(net, 5000, net->nodes[2].member);
	assert_ptr_equal(net->nodes[2].env.profile, &mp_profile_wan);
	net_free(net);
}

static void
test_seeds_in_turn(void **state)
{
	struct net *net = net_cluster(2, 2);
	struct net_node *n = net_add(net);

	(void)state;
	net_kill(net, 1);
	n->seeds[0] = net->nodes[1].addr;
	n->seeds[1] = (struct mp_addr){.ip = {9}, .port = 9};
	n->seeds[2] = net->nodes[0].addr;
	n->seed_count = 3;
	assert_true(net_start(net, 2));
	net_until(net, 25000, n->member);
	net_free(net);
}

static void
test_backoff(void **state)
{
	struct net *net = net_cluster(3, 1);
	struct net_node *n = net_add(net);

	(void)state;
	net_kill(net, 0);
	assert_true(net_start(net, 1));
	net_run(net, 60000);
	assert_int_equal(state_of(net, 1), MP_JOIN_CONNECTING);
	/* Nobody was asked more often than every few seconds by now. */
	assert_true(net->order < 200);
	assert_true(net_start(net, 0));
	net_until(net, 50000, n->member);
	net_free(net);
}

/* A shell's answer to MP_FX_RESOLVE. */
static void
found_seeds(struct net *net, struct net_node *n, const struct mp_addr *addrs, size_t count)
{
	net_begin(net, n);
	mp_join_seeds(n->join, &n->env, addrs, count);
	net_end(net, n);
}

/* Names that stand for nothing yet are asked for again and again, and asked once they do. */
static void
test_no_address_yet(void **state)
{
	struct net *net = net_cluster(21, 1);
	struct net_node *n = net_add(net);

	(void)state;
	n->seed_count = 0;
	assert_true(net_start(net, 1));
	assert_int_equal(state_of(net, 1), MP_JOIN_CONNECTING);
	assert_int_equal(n->resolves, 1);
	net_until(net, 120000, n->resolves >= 6);
	found_seeds(net, n, NULL, 0);
	net_run(net, 1);
	assert_false(n->member);
	/* Not at the next turn, which may be long off. */
	found_seeds(net, n, &net->nodes[0].addr, 1);
	net_until(net, 300, n->member);
	/* A member looks for others there, until it has met one. */
	found_seeds(net, n, &(struct mp_addr){.ip = {9}, .port = 9}, 1);
	assert_int_equal(state_of(net, 1), MP_JOIN_CONNECTING);
	net_until(net, 60000, n->resolves >= 8);
	n->link[0] = net->nodes[0].link[1] = false;
	found_seeds(net, n, &net->nodes[0].addr, 1);
	net_until(net, 60000, state_of(net, 1) == MP_JOIN_IDLE);
	net_free(net);
}

/* The seed was given another address while the joiner waits for it. */
static void
test_address_changes(void **state)
{
	struct net *net = net_cluster(22, 1);
	struct net_node *n = net_add(net);
	struct mp_addr both[2] = {{.ip = {9}, .port = 9}, net->nodes[0].addr};

	(void)state;
	n->seeds[0] = both[0];
	assert_true(net_start(net, 1));
	/* A round is never changed in the middle. */
	assert_int_equal(n->resolves, 0);
	found_seeds(net, n, both, 1);
	net_until(net, 60000, n->resolves == 1);
	found_seeds(net, n, NULL, 0); /* the resolver is down: those that were known are asked */
	net_until(net, 60000, n->resolves == 2);
	found_seeds(net, n, both, 2);
	net_until(net, 60000, n->member);
	assert_int_equal(n->resolves, 2);
	net_free(net);
}

/* The seed is a joiner itself, and becomes a member later. */
static void
test_seed_not_ready(void **state)
{
	struct net *net = net_new(12);
	struct net_node *a = net_add(net), *b = net_add(net);

	(void)state;
	b->seeds[0] = a->addr;
	assert_true(net_start(net, 1));
	assert_true(net_start(net, 2));
	net_run(net, 10000);
	assert_false(a->member || b->member);
	assert_true(net_start(net, 0));
	net_until(net, 60000, a->member && b->member);
	net_until(net, 10000, net_whole(net));
	net_free(net);
}

static void
test_expired_invite(void **state)
{
	struct net *net = net_cluster(4, 1);
	struct net_node *n = net_add(net);

	(void)state;
	net->nodes[0].wall_skew_ms = 2 * NET_HOUR;
	assert_true(net_start(net, 1));
	net_until(net, 5000, state_of(net, 1) == MP_JOIN_REFUSED);
	assert_non_null(strstr(error_of(net, 1), "expired"));
	assert_int_equal(mp_roster_count(net->nodes[0].roster), 1);
	assert_false(n->member);
	net_free(net);
}

/* One of the clocks is wrong: whose, and by how much, is for a person to find out. */
static void
test_early_invite(void **state)
{
	struct net *net = net_cluster(4, 1);
	struct net_node *n = net_add(net);

	(void)state;
	net->nodes[0].wall_skew_ms = -2 * NET_HOUR;
	assert_true(net_start(net, 1));
	net_until(net, 5000, state_of(net, 1) == MP_JOIN_REFUSED);
	assert_non_null(strstr(error_of(net, 1), ": the invite is not valid for another"));
	assert_non_null(strstr(error_of(net, 1), "the clock here is that much, or more, behind"));
	assert_false(n->member);
	net_free(net);
}

static void
test_name_taken(void **state)
{
	struct net *net = net_cluster(5, 3);
	struct net_node *n;
	struct mp_join_request q = {.log = mp_buf_span(&net->log),
		.invite = mp_buf_span(&net->invite),
		.inviter = net->inviter,
		.name = mp_span_str("node-c0"),
		.roles = MP_ROLE_NODE,
		.serial = 1,
		.wall_ms = NET_WALL};

	(void)state;
	n = net_add(net);
	q.node.secret = &n->secret;
	memcpy(q.node.key, n->secret.public_key, 32);
	q.xkey = n->xkey;
	mp_buf_clear(&n->credential);
	assert_int_equal(mp_trust_join(&net_crypto, &q, &n->credential, NULL), 0);
	assert_true(net_start(net, 3));
	net_until(net, 5000, state_of(net, 3) == MP_JOIN_REFUSED);
	assert_non_null(strstr(error_of(net, 3), "node-c0"));
	/* Its bearer is gone: then it may. */
	net_kill(net, 3);
	net_kill(net, 2);
	net_until(net, 20000, net_agree(net, 2, MP_MEMBER_DEAD));
	assert_true(net_start(net, 3));
	net_until(net, 5000, n->member);
	net_free(net);
}

static void
test_left_may_not_return(void **state)
{
	struct net *net = net_cluster(6, 3);
	struct net_node *n = &net->nodes[2];

	(void)state;
	net_begin(net, n);
	assert_int_equal(mp_swim_leave(n->swim, &n->env), 0);
	net_end(net, n);
	net_run(net, 3000);
	net_kill(net, 2);
	net_rows_free(n->disk); /* it forgets, they do not */
	n->disk = NULL;
	assert_true(net_start(net, 2));
	net_run(net, 20000);
	assert_false(n->member);
	assert_true(net_agree(net, 2, MP_MEMBER_LEFT) || state_of(net, 2) != MP_JOIN_IDLE);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_LEFT);
	net_free(net);
}

/* The answer is lost with the joiner; it asks again with the same key and is the same member. */
static void
test_again(void **state)
{
	struct net *net = net_cluster(7, 2);
	struct net_node *n = net_add(net);
	struct mp_span first;
	uint8_t mem[MP_CREDENTIAL_MAX];

	(void)state;
	assert_true(net_start(net, 2));
	while (net_view(net, 0, 2) == NULL)
		net_run(net, 1);
	first = net_view(net, 0, 2)->credential;
	memcpy(mem, first.p, first.n);
	net_kill(net, 2);
	assert_null(n->disk);
	assert_true(net_start(net, 2));
	net_until(net, 5000, n->member);
	assert_true(mp_span_eq(net_view(net, 2, 2)->credential, mp_span(mem, first.n)));
	assert_int_equal(mp_roster_count(net->nodes[0].roster), 3);
	net_until(net, 10000, net_whole(net));
	net_free(net);
}

/* A member that dies before its disk has the admission has not answered either. */
static void
test_answer_waits_for_disk(void **state)
{
	struct net *net = net_cluster(8, 1);
	struct net_node *n = net_add(net);

	(void)state;
	net_run(net, 100);
	assert_true(net_start(net, 1));
	while (net_view(net, 0, 1) == NULL)
		net_run(net, 1);
	assert_int_equal(state_of(net, 1), MP_JOIN_ASKING);
	assert_true(mp_out_waiting(net->nodes[0].env.out) > 0);
	net_until(net, 1000, n->member);
	for (const struct net_row *row = net->nodes[0].disk; row != NULL; row = row->next) {
		if (row->table == MP_TABLE_MEMBER &&
			memcmp(row->key, n->secret.public_key, 32) == 0)
			goto found;
	}
	fail_msg("the admission is not on the disk of the member");
found:
	net_free(net);
}

/* Several at once, by different members. */
static void
test_storm(void **state)
{
	struct net *net = net_cluster(9, 3);

	(void)state;
	for (size_t i = 3; i < 12; i++) {
		net_add(net)->seeds[0] = net->nodes[i % 3].addr;
		assert_true(net_start(net, i));
	}
	net_until(net, 20000, net_whole(net));
	net_free(net);
}

/* A joiner cannot do anything but ask, and not in another's name. */
static void
test_only_ask(void **state)
{
	struct net *net = net_cluster(10, 2);
	struct net_node *n = &net->nodes[0], *fresh = net_add(net);
	struct mp_node_id joiner = net_id(net, 2), other = net_id(net, 1);
	struct mp_span statement;
	struct mp_buf ask;
	struct mp_cbor_w w;

	(void)state;
	assert_true(net_start(net, 2));
	net_begin(net, fresh);
	assert_int_equal(mp_swim_statement(fresh->swim, &fresh->env, &statement), 0);
	mp_buf_init(&ask, &net->alloc, 16384);
	mp_cbor_w_init(&w, &ask);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_MSG_JOIN);
	mp_cbor_w_span(&w, mp_buf_span(&fresh->credential));
	mp_cbor_w_raw(&w, statement);
	net_end(net, fresh);
	net_begin(net, n);
	assert_int_equal(
		mp_swim_message(n->swim, &n->env, &joiner, mp_span_str("\x82\x18\x20\x80")),
		MP_EAUTH);
	assert_int_equal(mp_join_message(n->join, &n->env, &other, mp_buf_span(&ask)), MP_ESIG);
	assert_int_equal(mp_join_message(n->join, &n->env, &joiner,
				 mp_span_str("\x85\x18\x25\x40\x80\x80\x80")),
		MP_EAUTH);
	ask.p[ask.n - 1] ^= 1; /* the signature of the statement */
	assert_int_equal(mp_join_message(n->join, &n->env, &joiner, mp_buf_span(&ask)), MP_ESIG);
	assert_int_equal(mp_roster_count(n->roster), 2);
	net_end(net, n);
	mp_buf_fini(&ask);
	net_free(net);
}

static void
test_bad_start(void **state)
{
	struct net *net = net_cluster(11, 1);
	struct net_node *n = &net->nodes[0];
	struct mp_addr seed = {.port = 1};

	(void)state;
	net_begin(net, n);
	assert_int_equal(mp_join_start(n->join, &n->env, &seed, 1, mp_span_str("x")), 0);
	assert_int_equal(mp_join_start(n->join, &n->env, &seed, 1, mp_span_str("x")), MP_EINVAL);
	net_end(net, n);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_timings),
		cmocka_unit_test(test_seeds_in_turn),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_no_address_yet),
		cmocka_unit_test(test_address_changes),
		cmocka_unit_test(test_seed_not_ready),
		cmocka_unit_test(test_expired_invite),
		cmocka_unit_test(test_early_invite),
		cmocka_unit_test(test_name_taken),
		cmocka_unit_test(test_left_may_not_return),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_answer_waits_for_disk),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_only_ask),
		cmocka_unit_test(test_bad_start),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
