/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations and gossip keys in a small cluster on a network that loses and cuts. */
#include "unit/swimnet.h"

#define PATIENCE 20000

/* An authority's word about a key. */
static void
revocation_of(const struct net *net, struct mp_node_id subject, const struct mp_signer *by,
	struct mp_buf *out)
{
	struct mp_revocation r = {.cluster = net->cluster,
		.subject = subject,
		.why = mp_span_str("its disk was sold"),
		.revoked_ms = NET_WALL};

	mp_buf_init(out, &((struct net *)(uintptr_t)net)->alloc, MP_REVOCATION_MAX);
	assert_int_equal(mp_revocation_sign(&net_crypto, &r, by, out), 0);
}

static int
revoke_key(struct net *net, size_t at, struct mp_node_id subject)
{
	struct net_node *n = &net->nodes[at];
	struct mp_buf record;
	int rc;

	revocation_of(net, subject, &net->authority, &record);
	net_begin(net, n);
	rc = mp_swim_revoke(n->swim, &n->env, mp_buf_span(&record));
	net_end(net, n);
	mp_buf_fini(&record);
	return rc;
}

static int
revoke(struct net *net, size_t at, size_t of)
{
	return revoke_key(net, at, net_id(net, of));
}

static void
rotate(struct net *net, size_t at, uint8_t what)
{
	struct net_node *n = &net->nodes[at];
	uint8_t key[MP_SYMKEY_SIZE];

	memset(key, what, sizeof(key));
	net_begin(net, n);
	assert_int_equal(mp_swim_rotate(n->swim, &n->env, key), 0);
	net_end(net, n);
}

/* The first byte of the key that seals, and its epoch. */
static uint8_t
seals(const struct net *net, size_t i, uint64_t *epoch)
{
	return mp_dgram_key(net->nodes[i].dgram, 0, epoch)[0];
}

static bool
all_seal(const struct net *net, uint64_t epoch, uint8_t what)
{
	for (size_t i = 0; i < net->count; i++) {
		uint64_t e;

		if (net->nodes[i].up && net_view(net, i, i)->state != MP_MEMBER_LEFT &&
			(seals(net, i, &e) != what || e != epoch))
			return false;
	}
	return true;
}

/* All who are up, and not this one, hold it to be shut out, and agree. */
static bool
all_shut(const struct net *net, size_t of)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < net->count; i++) {
		uint64_t d;

		if (i == of || !net->nodes[i].up || net_view(net, i, i)->revoked)
			continue;
		d = mp_swim_view_digest(net->nodes[i].swim);
		if (!net_view(net, i, of)->revoked || (digest != 0 && d != digest))
			return false;
		digest = d;
	}
	return true;
}

static bool
knows_itself(const struct net *net, size_t i)
{
	return mp_swim_shut(net->nodes[i].swim, net->now);
}

static void
test_spread(void **state)
{
	struct net *net = net_cluster(1, 6);

	(void)state;
	assert_int_equal(revoke(net, 0, 4), 0);
	assert_int_equal(revoke(net, 0, 4), MP_EEXIST);
	rotate(net, 0, 'k');
	net_until(net, PATIENCE, all_shut(net, 4) && knows_itself(net, 4));
	net_until(net, PATIENCE, all_seal(net, 2, 'k') || seals(net, 4, &(uint64_t){0}) != 'k');
	for (size_t i = 0; i < 6; i++) {
		uint64_t epoch;

		assert_int_equal(seals(net, i, &epoch), i == 4 ? 'w' : 'k');
		if (i != 4)
			assert_int_equal(net_view(net, i, 4)->state, MP_MEMBER_LEFT);
		assert_true(i == 4 || !net->nodes[i].link[4]);
	}
	net_free(net);
}

/* Whoever was down for it learns it when it comes back, the subject too. */
static void
test_away(void **state)
{
	struct net *net = net_cluster(2, 5);

	(void)state;
	net_kill(net, 3);
	net_kill(net, 4);
	assert_int_equal(revoke(net, 1, 4), 0);
	for (uint8_t k = 'a'; k < 'a' + 6; k++)
		rotate(net, 1, k);
	net_run(net, 5000);
	assert_true(net_start(net, 3));
	net_until(net, PATIENCE, all_shut(net, 4) && all_seal(net, 7, 'f'));
	assert_true(net_start(net, 4));
	net_until(net, PATIENCE, knows_itself(net, 4));
	assert_int_not_equal(seals(net, 4, &(uint64_t){0}), 'f');
	/* And again, should it not remember. */
	net_kill(net, 4);
	if (net_start(net, 4))
		net_until(net, PATIENCE, knows_itself(net, 4));
	net_free(net);
}

/* Two admins on two sides of a cut. */
static void
test_two_sides(void **state)
{
	struct net *net = net_cluster(3, 8);

	(void)state;
	net_cut(net, 4, true);
	assert_int_equal(revoke(net, 0, 3), 0);
	rotate(net, 0, 'm');
	assert_int_equal(revoke(net, 7, 4), 0);
	rotate(net, 7, 'n');
	rotate(net, 7, 'o');
	net_run(net, 30000);
	net_cut(net, 4, false);
	net_until(net, 60000, all_shut(net, 3) && all_shut(net, 4));
	net_until(net, PATIENCE, all_seal(net, 3, 'o'));
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(net_view(net, 0, i)->state,
			i == 3 || i == 4 ? MP_MEMBER_LEFT : MP_MEMBER_ALIVE);
	net_free(net);
}

/* Keys of one epoch: all follow the one with the lower hash. */
static void
test_equal_epochs(void **state)
{
	struct net *net = net_cluster(4, 6);
	uint8_t first;
	uint64_t epoch;

	(void)state;
	net_cut(net, 3, true);
	rotate(net, 1, 'p');
	rotate(net, 4, 'q');
	net_run(net, 3000);
	net_cut(net, 3, false);
	net_until(net, 60000, net_whole(net));
	first = seals(net, 0, &epoch);
	assert_true(first == 'p' || first == 'q');
	net_until(net, PATIENCE, all_seal(net, 2, first));
	net_free(net);
}

/* Datagrams are lost; a member that misses a key asks for it. */
static void
test_lossy(void **state)
{
	for (uint64_t seed = 10; seed < 20; seed++) {
		struct net *net = net_cluster(seed, 7);

		(void)state;
		net->loss_percent = 30;
		net->watch = true;
		for (uint8_t k = 'a'; k < 'f'; k++) {
			rotate(net, k % 7, k);
			net_run(net, 1000);
		}
		net_until(net, PATIENCE, all_seal(net, 6, 'e'));
		assert_int_equal(revoke(net, 2, 5), 0);
		net_until(net, PATIENCE, all_shut(net, 5));
		assert_int_equal(net->deaths, 0);
		net_free(net);
	}
}

/* Who joins later knows it from the first moment. */
static void
test_joiner(void **state)
{
	struct net *net = net_cluster(5, 4);

	(void)state;
	assert_int_equal(revoke(net, 0, 2), 0);
	net_until(net, PATIENCE, all_shut(net, 2));
	(void)net_add(net);
	assert_true(net_start(net, 4));
	net_until(net, PATIENCE, net->nodes[4].member);
	assert_true(net_view(net, 4, 2)->revoked);
	net_until(net, PATIENCE, all_shut(net, 2));
	net_free(net);
}

/* What is no authority's is nobody's word. */
static void
test_refused(void **state)
{
	struct net *net = net_cluster(6, 3);
	struct net_node *n = &net->nodes[0];
	struct mp_swim_record record = {.kind = MP_SWIM_REVOKED};
	struct mp_buf bytes;

	(void)state;
	revocation_of(net, net_id(net, 1), &net->inviter, &bytes);
	net_begin(net, n);
	assert_int_equal(mp_swim_revoke(n->swim, &n->env, mp_buf_span(&bytes)), MP_EAUTH);
	net_end(net, n);
	record.u.revocation = mp_buf_span(&bytes);
	assert_int_equal(net_tell(net, 0, 2, &record), MP_EAUTH);
	bytes.p[bytes.n - 1] ^= 1;
	assert_int_equal(net_tell(net, 0, 2, &record), MP_ESIG);
	mp_buf_fini(&bytes);
	assert_false(net_view(net, 0, 1)->revoked);
	net_run(net, 3000);
	assert_true(net_whole(net));
	net_free(net);
}

/* It tells the others before it stops. */
static void
test_itself(void **state)
{
	struct net *net = net_cluster(7, 4);

	(void)state;
	assert_int_equal(revoke(net, 1, 1), 0);
	assert_false(knows_itself(net, 1));
	net_until(net, PATIENCE, knows_itself(net, 1));
	assert_true(all_shut(net, 1));
	net_free(net);
}

/* Nobody comes in by an invite that was revoked, and is told so; who has come stays. */
static void
test_invite(void **state)
{
	struct net *net = net_cluster(11, 3);
	struct net_node *late = net_add(net);
	struct mp_node_id key;

	(void)state;
	memcpy(key.b, net->inviter.key, sizeof(key.b));
	assert_int_equal(revoke_key(net, 0, key), 0);
	net_until(net, PATIENCE, mp_roster_revoked(net->nodes[1].roster, &key));
	late->seeds[0] = net->nodes[1].addr;
	assert_true(net_start(net, 3));
	net_until(net, PATIENCE, mp_join_state(late->join) == MP_JOIN_REFUSED);
	assert_non_null(strstr(mp_join_error(late->join)->text, "the invite was revoked"));
	assert_non_null(strstr(mp_join_error(late->join)->text, "mpctl invite"));
	assert_int_equal(mp_roster_count(net->nodes[1].roster), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(net_view(net, i, 2)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_invite),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_two_sides),
		cmocka_unit_test(test_equal_epochs),
		cmocka_unit_test(test_lossy),
		cmocka_unit_test(test_joiner),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
