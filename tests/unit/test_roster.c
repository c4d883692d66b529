/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/swimnet.h"

static struct mp_span
copy(struct mp_span s, uint8_t mem[MP_CREDENTIAL_MAX])
{
	assert_true(s.n <= MP_CREDENTIAL_MAX);
	memcpy(mem, s.p, s.n);
	return mp_span(mem, s.n);
}

static void
test_read(void **state)
{
	struct net *net = net_cluster(1, 6);
	const struct mp_roster *roster = net->nodes[2].roster;
	struct mp_node_id stranger = {{0xfe}};
	struct mp_addr addrs[4];
	struct mp_node_id id = net_id(net, 4);

	(void)state;
	assert_int_equal(mp_roster_count(roster), 6);
	for (size_t i = 0; i < 6; i++) {
		const struct mp_member *m = mp_roster_at(roster, i);

		assert_ptr_equal(mp_roster_find(roster, &m->id), m);
		assert_ptr_equal(mp_roster_slot(roster, m->slot), m);
		assert_true(i == 0 || mp_node_id_cmp(&mp_roster_at(roster, i - 1)->id, &m->id) < 0);
	}
	assert_null(mp_roster_find(roster, &stranger));
	assert_null(mp_roster_find_name(roster, "node"));
	assert_true(mp_node_id_eq(&mp_roster_find_name(roster, "node-e0")->id, &id));
	mp_roster_addrs(net->nodes[2].roster, &id, addrs);
	assert_int_equal(addrs[0].port, 7121);
	assert_int_equal(addrs[1].port, 0);
	mp_roster_addrs(net->nodes[2].roster, &stranger, addrs);
	assert_int_equal(addrs[0].port, 0);
	net_free(net);
}

static void
test_add(void **state)
{
	struct net *net = net_cluster(2, 3);
	struct net_node *n = &net->nodes[0], *fresh;
	uint8_t mem[MP_CREDENTIAL_MAX];
	struct mp_member *m;
	uint64_t version = mp_roster_version(n->roster);

	(void)state;
	net_begin(net, n);
	assert_int_equal(
		mp_roster_add(n->roster, &n->env, net_view(net, 1, 2)->credential, &m), MP_EEXIST);
	assert_ptr_equal(m, net_view(net, 0, 2));
	/* Without an admission it may only ask. */
	fresh = net_add(net);
	assert_int_equal(
		mp_roster_add(n->roster, &n->env, mp_buf_span(&fresh->credential), &m), MP_EAUTH);
	/* A bit less, and it is nobody. */
	(void)copy(net_view(net, 1, 2)->credential, mem);
	for (size_t i = 0; i < net_view(net, 1, 2)->credential.n; i += 7) {
		int rc;

		mem[i] ^= 0x20;
		rc = mp_roster_add(
			n->roster, &n->env, mp_span(mem, net_view(net, 1, 2)->credential.n), &m);
		assert_int_not_equal(rc, 0);
		mem[i] ^= 0x20;
	}
	net_end(net, n);
	assert_int_equal(mp_roster_version(n->roster), version);
	assert_int_equal(mp_roster_count(n->roster), 3);
	net_free(net);
}

/* Admitted by somebody whom this node has never heard of. */
static void
test_unproven(void **state)
{
	struct net *net = net_cluster(3, 2);
	struct net_node *old = &net->nodes[1], *fresh;
	struct mp_span credential;
	uint8_t mem[MP_CREDENTIAL_MAX];
	struct mp_member *m;

	(void)state;
	net_kill(net, 1);
	/* The third is admitted by the founder, the fourth by the third. */
	(void)net_add(net);
	assert_true(net_start(net, 2));
	net_until(net, 5000, net->nodes[2].member);
	fresh = net_add(net);
	fresh->seeds[0] = net->nodes[2].addr;
	assert_true(net_start(net, 3));
	net_until(net, 5000, net->nodes[3].member);
	net_until(net, 5000, net_view(net, 0, 3) != NULL);
	credential = copy(net_view(net, 0, 3)->credential, mem);
	net->loss_percent = 100;
	net->no_streams = true;
	assert_true(net_start(net, 1));
	net_begin(net, old);
	assert_int_equal(mp_roster_add(old->roster, &old->env, credential, &m), MP_EAUTH);
	/* With the one in between known, the chain holds. */
	assert_int_equal(
		mp_roster_add(old->roster, &old->env, net_view(net, 0, 2)->credential, &m), 0);
	assert_int_equal(m->state, MP_MEMBER_DEAD);
	assert_int_equal(mp_roster_add(old->roster, &old->env, credential, &m), 0);
	net_end(net, old);
	net->loss_percent = 0;
	net->no_streams = false;
	net_until(net, 10000, net_whole(net));
	net_free(net);
}

static void
test_persist(void **state)
{
	struct net *net = net_cluster(4, 4);
	struct net_node *n = &net->nodes[1];
	uint64_t incarnation = net_view(net, 1, 3)->signed_incarnation;
	struct mp_addr addr = net_view(net, 1, 3)->addrs[0];
	size_t rows = 0;

	(void)state;
	net_run(net, 10);
	for (const struct net_row *row = n->disk; row != NULL; row = row->next)
		rows += row->table == MP_TABLE_MEMBER;
	assert_int_equal(rows, 4);
	net_kill(net, 1);
	net->loss_percent = 100;
	net->no_streams = true;
	assert_true(net_start(net, 1));
	assert_int_equal(mp_roster_count(n->roster), 4);
	assert_int_equal(net_view(net, 1, 3)->signed_incarnation, incarnation);
	assert_true(mp_addr_eq(&net_view(net, 1, 3)->addrs[0], &addr));
	assert_string_equal(net_view(net, 1, 3)->name.s, "node-d0");
	assert_int_equal(net_view(net, 1, 3)->state, MP_MEMBER_SUSPECT);
	net_free(net);
}

/* A row that is damaged is said to be, wherever it is. */
static void
test_corrupt_rows(void **state)
{
	struct net *net = net_cluster(5, 2);
	struct net_node *n = &net->nodes[0];
	struct mp_roster *empty;

	(void)state;
	for (struct net_row *row = n->disk; row != NULL; row = row->next) {
		struct mp_span key = mp_span(row->key, row->key_size);

		if (row->table != MP_TABLE_MEMBER)
			continue;
		for (size_t i = 0; i < row->value_size; i += 5) {
			int rc;

			assert_int_equal(mp_roster_new(&n->env, &empty), 0);
			row->value[i] ^= 0x08;
			rc = mp_roster_restore(
				empty, &n->env, key, mp_span(row->value, row->value_size));
			row->value[i] ^= 0x08;
			/* A statement's own signature is not looked at again. */
			assert_true(rc == MP_ECORRUPT || rc == 0);
			mp_roster_free(empty);
		}
		assert_int_equal(mp_roster_new(&n->env, &empty), 0);
		for (size_t i = 0; i < row->value_size; i += 11)
			assert_int_equal(
				mp_roster_restore(empty, &n->env, key, mp_span(row->value, i)),
				MP_ECORRUPT);
		row->key[0] ^= 1;
		assert_int_equal(mp_roster_restore(
					 empty, &n->env, key, mp_span(row->value, row->value_size)),
			MP_ECORRUPT);
		row->key[0] ^= 1;
		assert_int_equal(mp_roster_restore(
					 empty, &n->env, key, mp_span(row->value, row->value_size)),
			0);
		assert_int_equal(mp_roster_restore(
					 empty, &n->env, key, mp_span(row->value, row->value_size)),
			MP_ECORRUPT);
		mp_roster_free(empty);
	}
	net_free(net);
}

/* A certificate with a higher serial replaces, with a lower one it is ignored. */
static void
test_serial(void **state)
{
	struct net *net = net_cluster(6, 2);
	struct net_node *n = &net->nodes[0], *other = &net->nodes[1];
	struct mp_signer signer = {.secret = &n->secret}, node = {.secret = &other->secret};
	struct mp_trust trust = *mp_roster_trust(n->roster);
	struct mp_join_request q = {.log = mp_buf_span(&net->log),
		.invite = mp_buf_span(&net->invite),
		.inviter = net->inviter,
		.name = mp_span_str("renamed"),
		.roles = MP_ROLE_NODE,
		.serial = 2,
		.wall_ms = NET_WALL};
	struct mp_buf joiner, member;
	uint8_t mem[MP_CREDENTIAL_MAX];
	struct mp_span old = copy(net_view(net, 0, 1)->credential, mem);
	struct mp_member *m;

	(void)state;
	memcpy(signer.key, n->secret.public_key, 32);
	memcpy(node.key, other->secret.public_key, 32);
	q.node = node;
	memset(q.xkey.b, 0x42, sizeof(q.xkey.b));
	mp_buf_init(&joiner, &net->alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&member, &net->alloc, MP_CREDENTIAL_MAX);
	assert_int_equal(mp_trust_join(&net_crypto, &q, &joiner, NULL), 0);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &signer, NET_WALL + 5, &member, NULL),
		0);
	net_begin(net, n);
	assert_int_equal(mp_roster_add(n->roster, &n->env, mp_buf_span(&member), &m), 0);
	assert_int_equal(m->serial, 2);
	assert_int_equal(m->xkey.b[0], 0x42);
	assert_int_equal(mp_roster_add(n->roster, &n->env, old, &m), MP_EEXIST);
	assert_int_equal(m->serial, 2);
	net_end(net, n);
	assert_int_equal(mp_roster_count(n->roster), 2);
	mp_buf_fini(&joiner);
	mp_buf_fini(&member);
	net_free(net);
}

static void
test_caps_are_shared(void **state)
{
	struct net *net = net_cluster(7, 3);
	struct net_node *n = &net->nodes[0];
	struct mp_hash digest, nobodys = {{1}};

	(void)state;
	net_until(net, 3000, net_view(net, 0, 2)->caps != NULL);
	digest = net_view(net, 0, 2)->caps_digest;
	assert_true(mp_roster_caps_bytes(n->roster, &digest).n > 0);
	assert_int_equal(mp_roster_caps_bytes(n->roster, &nobodys).n, 0);
	assert_int_equal(mp_roster_caps(n->roster, &nobodys, mp_span_str("x")), MP_ENOENT);
	assert_int_equal(
		mp_roster_caps(n->roster, &digest, mp_span_str("x")), 0); /* here already */
	net_free(net);
}

static void
say_caps(struct net *net, size_t node, uint32_t slots)
{
	struct net_node *n = &net->nodes[node];
	struct mp_caps caps = {.slots = slots, .os = "linux", .arch = "x86_64"};
	struct mp_buf buf;

	mp_buf_init(&buf, &net->alloc, MP_CAPS_BYTES_MAX);
	assert_int_equal(mp_caps_encode(&caps, &buf), 0);
	net_begin(net, n);
	assert_int_equal(mp_swim_set_caps(n->swim, &n->env, mp_buf_span(&buf)), 0);
	net_end(net, n);
	mp_buf_fini(&buf);
}

/* Until it is known what a member can do now, it can do what it could before. */
static void
test_caps_of_before(void **state)
{
	struct net *net = net_cluster(7, 3);
	const struct mp_member *m = net_view(net, 0, 2);
	struct mp_hash before;

	(void)state;
	say_caps(net, 2, 5);
	net_until(net, 3000, m->caps != NULL && m->caps->slots == 5);
	before = m->caps_digest;
	say_caps(net, 2, 6);
	net_until(net, 3000, !mp_hash_eq(&m->caps_digest, &before));
	assert_true(m->caps_old);
	assert_int_equal(m->caps->slots, 5);
	assert_true(mp_roster_caps_of(m).n > 0);
	net_until(net, 3000, !m->caps_old);
	assert_int_equal(m->caps->slots, 6);
	assert_int_equal(mp_roster_caps_bytes(net->nodes[0].roster, &before).n, 0);
	net_free(net);
}

static void
test_check_peer(void **state)
{
	struct net *net = net_cluster(8, 2);
	struct net_node *n = &net->nodes[0], *other = &net->nodes[1], *fresh = net_add(net);
	struct mp_error err = {0};
	struct mp_node_id id, want = net_id(net, 1);
	bool joiner = true;

	(void)state;
	assert_int_equal(mp_join_check_peer(n->roster, net_view(net, 0, 1)->credential,
				 &other->xkey, NET_WALL, &id, &joiner, &err),
		0);
	assert_false(joiner);
	assert_true(mp_node_id_eq(&id, &want));
	/* The stream proved another key. */
	assert_int_equal(mp_join_check_peer(n->roster, net_view(net, 0, 1)->credential, &n->xkey,
				 NET_WALL, &id, &joiner, &err),
		MP_EAUTH);
	assert_int_equal(mp_join_check_peer(n->roster, mp_buf_span(&fresh->credential),
				 &fresh->xkey, NET_WALL, &id, &joiner, &err),
		0);
	assert_true(joiner);
	assert_int_not_equal(mp_join_check_peer(n->roster, mp_span_str("\x84\x80\x80\x80\x80"),
				     &n->xkey, NET_WALL, &id, &joiner, &err),
		0);
	/* Whoever has left is not let in again. */
	net_begin(net, other);
	assert_int_equal(mp_swim_leave(other->swim, &other->env), 0);
	net_end(net, other);
	net_until(net, 3000, net_agree(net, 1, MP_MEMBER_LEFT));
	assert_int_equal(mp_join_check_peer(n->roster, net_view(net, 0, 1)->credential,
				 &other->xkey, NET_WALL, &id, &joiner, &err),
		MP_EAUTH);
	assert_non_null(strstr(err.text, "node-b0 has left"));
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_persist),
		cmocka_unit_test(test_corrupt_rows),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_caps_are_shared),
		cmocka_unit_test(test_caps_of_before),
		cmocka_unit_test(test_check_peer),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
