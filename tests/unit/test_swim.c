/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/swimnet.h"

#define MINUTE  ((mp_time)60 * 1000)
#define WANT_MS 300 /* until what gossip told half of is asked for */

static void
test_form(void **state)
{
	struct net *net = net_cluster(1, 5);

	(void)state;
	net_until(
		net, 3000, net_view(net, 0, 4)->caps != NULL && net_view(net, 4, 1)->caps != NULL);
	assert_int_equal(net_view(net, 0, 4)->caps->slots, 5);
	assert_int_equal(net_view(net, 3, 1)->addrs[0].port, 7118);
	assert_string_equal(net_view(net, 2, 3)->name.s, "node-d0");
	assert_int_equal(mp_roster_state_count(net->nodes[3].roster, MP_MEMBER_ALIVE), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(mp_swim_health(net->nodes[i].swim), 0);
	net_free(net);
}

static void
test_idle_is_cheap(void **state)
{
	struct net *net = net_cluster(2, 5);
	size_t before, sent = 0, calls;

	(void)state;
	net_run(net, 10000);
	before = net->nodes[0].datagrams_sent;
	for (size_t i = 1; i < 5; i++)
		before += net->nodes[i].datagrams_sent;
	calls = net->nodes[0].heap.calls;
	net_run(net, MINUTE);
	for (size_t i = 0; i < 5; i++)
		sent += net->nodes[i].datagrams_sent;
	/* A ping and an ack a second for each node, and nothing else. */
	assert_in_range(sent - before, 5 * 60 * 2 - 10, 5 * 60 * 2 + 10);
	assert_true(net->nodes[0].heap.calls - calls < 10);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(net_stat(net, i, MP_SWIM_STAT_SUSPICIONS), 0);
		assert_true(net_stat(net, i, MP_SWIM_STAT_VERIFIED) < 10);
	}
	net_free(net);
}

static void
test_crash(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 20; seed++) {
		struct net *net = net_cluster(seed, 5);
		uint64_t version = mp_roster_version(net->nodes[0].roster);

		net->watch = true;
		net_kill(net, 3);
		net_until(net, 20000, net_agree(net, 3, MP_MEMBER_DEAD));
		assert_true(mp_roster_version(net->nodes[0].roster) > version);
		assert_true(net_view(net, 0, 3)->changed > version);
		net_run(net, MINUTE);
		assert_int_equal(net->deaths, 0);
		assert_true(net_agree(net, 3, MP_MEMBER_DEAD));
		net_free(net);
	}
}

static void
test_two_nodes(void **state)
{
	struct net *net = net_cluster(3, 2);

	(void)state;
	net_kill(net, 1);
	net_until(net, 10000, net_agree(net, 1, MP_MEMBER_DEAD));
	assert_true(net_start(net, 1));
	net_until(net, 3000, net_whole(net));
	net_free(net);
}

static void
test_restart(void **state)
{
	struct net *net = net_cluster(4, 5);

	(void)state;
	for (uint64_t boot = 2; boot < 5; boot++) {
		net_kill(net, 2);
		net_run(net, boot == 3 ? 30000 : 100); /* noticed, and not noticed */
		net->nodes[2].seed_count = 0;
		assert_true(net_start(net, 2));
		net_until(net, 5000, net_whole(net));
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(mp_member_boot(net_view(net, i, 2)), boot);
	}
	net_free(net);
}

static void
test_all_restart(void **state)
{
	struct net *net = net_cluster(5, 6);

	(void)state;
	for (size_t i = 0; i < 6; i++)
		net_kill(net, i);
	net_run(net, MINUTE);
	net->watch = true;
	for (size_t i = 0; i < 6; i++) {
		assert_true(net_start(net, i));
		assert_true(net->nodes[i].member);
		net_run(net, 700);
	}
	net_until(net, 20000, net_whole(net));
	net_free(net);
}

static void
test_restored_dead_is_found_dead(void **state)
{
	struct net *net = net_cluster(6, 4);

	(void)state;
	net_kill(net, 1);
	net_kill(net, 3);
	net_run(net, 1000);
	assert_true(net_start(net, 3));
	/* Until it was heard, it is not taken for alive. */
	assert_int_equal(net_view(net, 3, 1)->state, MP_MEMBER_SUSPECT);
	net_until(net, 30000, net_agree(net, 1, MP_MEMBER_DEAD));
	assert_true(net_agree(net, 3, MP_MEMBER_ALIVE));
	assert_false(mp_swim_isolated(net->nodes[3].swim));
	net_free(net);
}

static void
test_refute(void **state)
{
	struct net *net = net_cluster(7, 5);
	uint64_t incarnation = net_view(net, 0, 2)->incarnation;

	(void)state;
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_SUSPECT, incarnation), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	net_until(net, 3000, net_whole(net));
	assert_true(net_view(net, 4, 2)->incarnation > incarnation);
	assert_int_equal(mp_member_boot(net_view(net, 4, 2)), 1);
	assert_int_equal(net_stat(net, 2, MP_SWIM_STAT_REFUTED), 1);
	/* What was refuted is stale. */
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, incarnation), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

static void
test_dead_by_hearsay_is_suspect(void **state)
{
	struct net *net = net_cluster(8, 6);

	(void)state;
	net->watch = true;
	assert_int_equal(
		net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, net_view(net, 0, 2)->incarnation), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	net_until(net, 3000, net_whole(net));
	assert_int_equal(net->deaths, 0);

	/* The subject silent: hearsay is a suspicion at its shortest. */
	net_kill(net, 2);
	assert_int_equal(
		net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, net_view(net, 0, 2)->incarnation), 0);
	net_run(net, 3500);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	net_run(net, 1000);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_DEAD);
	net_free(net);
}

static void
test_incarnation_only_grows(void **state)
{
	struct net *net = net_cluster(9, 3);
	uint64_t first = net_view(net, 0, 2)->incarnation;
	struct mp_swim_record record = {.kind = MP_SWIM_STATEMENT};
	struct mp_span old = net_view(net, 0, 2)->statement;
	uint8_t copy[MP_STATEMENT_MAX];

	(void)state;
	memcpy(copy, old.p, old.n);
	record.u.statement = mp_span(copy, old.n);
	net_kill(net, 2);
	/* An accusation ahead of what was signed is believed, and advances what is held. */
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_SUSPECT, first + 5), 0);
	assert_int_equal(net_view(net, 0, 2)->incarnation, first + 5);
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	assert_int_equal(net_view(net, 0, 2)->incarnation, first + 5);
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, first + 4), 0);
	assert_int_equal(net_view(net, 0, 2)->incarnation, first + 5);
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, first + 6), 0);
	assert_int_equal(net_view(net, 0, 2)->incarnation, first + 6);
	/* But not too far, and never into a boot that was not signed. */
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, first + 5000), MP_EFORMAT);
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, first + (1ull << 32)), 0);
	assert_int_equal(net_view(net, 0, 2)->incarnation, first + 6);
	net_until(net, 20000, net_agree(net, 2, MP_MEMBER_DEAD));
	/* A stale word does not raise the dead. */
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_DEAD);
	assert_true(net_start(net, 2));
	net_until(net, 5000, net_whole(net));
	net_free(net);
}

/* Whoever says that an accused member lives makes us tell it, but not at every word. */
static void
test_stale_is_answered(void **state)
{
	struct net *net = net_cluster(52, 3);
	struct mp_swim_record record = {.kind = MP_SWIM_STATEMENT};
	struct mp_span old = net_view(net, 0, 2)->statement;
	uint8_t copy[MP_STATEMENT_MAX];
	size_t sent;

	(void)state;
	memcpy(copy, old.p, old.n);
	record.u.statement = mp_span(copy, old.n);
	net_kill(net, 2);
	assert_int_equal(
		net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, net_view(net, 0, 2)->incarnation), 0);
	for (int round = 0; round < 3; round++) {
		sent = net->nodes[0].datagrams_sent;
		assert_int_equal(net_tell(net, 0, 1, &record), 0);
		assert_int_equal(net->nodes[0].datagrams_sent, sent + 1);
		assert_int_equal(net_tell(net, 0, 1, &record), 0);
		assert_int_equal(net->nodes[0].datagrams_sent, sent + 1);
		net_run(net, 5000);
	}
	net_free(net);
}

static void
test_stranger_subject(void **state)
{
	struct net *net = net_cluster(10, 3);
	struct mp_swim_record record = {.kind = MP_SWIM_SUSPECT};

	(void)state;
	memset(record.u.accuse.subject.b, 0xee, 32);
	record.u.accuse.from = net_id(net, 1);
	record.u.accuse.incarnation = 77;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	assert_int_equal(mp_roster_count(net->nodes[0].roster), 3);
	/* An accuser that nobody knows counts for nothing. */
	record.u.accuse.subject = net_id(net, 2);
	memset(record.u.accuse.from.b, 0xee, 32);
	record.u.accuse.incarnation = net_view(net, 0, 2)->incarnation;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

static void
test_forged_statement(void **state)
{
	struct net *net = net_cluster(11, 3);
	struct mp_statement s = {.id = net_id(net, 2),
		.incarnation = net_view(net, 0, 2)->incarnation + 1,
		.left = true};
	struct mp_swim_record record = {.kind = MP_SWIM_STATEMENT};
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &net->alloc, MP_STATEMENT_MAX);
	/* Node 1 signs that node 2 leaves. */
	assert_int_equal(
		mp_statement_sign(&s, &net->cluster, &net_crypto, &net->nodes[1].secret, &buf), 0);
	record.u.statement = mp_buf_span(&buf);
	assert_int_equal(net_tell(net, 0, 1, &record), MP_ESIG);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_ALIVE);
	mp_buf_clear(&buf);
	memset(s.id.b, 9, sizeof(s.id.b));
	s.id = net_id(net, 2);
	assert_int_equal(mp_statement_sign(&s, &(struct mp_cluster_id){{1}}, &net_crypto,
				 &net->nodes[2].secret, &buf),
		0);
	record.u.statement = mp_buf_span(&buf);
	assert_int_equal(net_tell(net, 0, 1, &record), MP_ECLUSTER);
	mp_buf_fini(&buf);
	net_free(net);
}

static void
test_leave(void **state)
{
	struct net *net = net_cluster(12, 5);
	struct net_node *n = &net->nodes[4];

	(void)state;
	net_begin(net, n);
	assert_int_equal(mp_swim_leave(n->swim, &n->env), 0);
	net_end(net, n);
	net_until(net, 3000, mp_swim_left(n->swim, net->now));
	net_run(net, 100);
	assert_true(net_agree(net, 4, MP_MEMBER_LEFT));
	net_kill(net, 4);
	net_run(net, MINUTE);
	assert_true(net_agree(net, 4, MP_MEMBER_LEFT));
	/* It knows, and so do those who restart. */
	assert_false(net_start(net, 4));
	net_kill(net, 4);
	net_kill(net, 1);
	assert_true(net_start(net, 1));
	assert_int_equal(net_view(net, 1, 4)->state, MP_MEMBER_LEFT);
	net_until(net, 5000, net_agree(net, 1, MP_MEMBER_ALIVE));
	net_free(net);
}

/* Nodes join at node 1 while node 0 hears nothing, and what gossip tells of them is told. */
static struct net *
newcomers(uint64_t seed, size_t count)
{
	struct net *net = net_cluster(seed, 2);

	for (size_t i = 0; i < count; i++)
		net_add(net)->seeds[0] = net->nodes[1].addr;
	net_cut(net, 1, true);
	for (size_t i = 2; i < net->count; i++) {
		assert_true(net_start(net, i));
		net_until(net, 5000, net->nodes[i].member);
	}
	net_run(net, 3000);
	net_cut(net, 1, false);
	assert_null(net_view(net, 0, 2));
	return net;
}

/* Its credential comes, and its word does not follow: that was told before, when nobody could tell
 * whose it is, and is not told again. */
static void
test_credential_without_word(void **state)
{
	struct net *net = newcomers(50, 1);
	struct mp_swim_record record = {.kind = MP_SWIM_CRED};
	uint64_t pulls = net_stat(net, 0, MP_SWIM_STAT_PULLS);

	(void)state;
	record.u.credential = net_view(net, 1, 2)->credential;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	net_run(net, WANT_MS - 1);
	assert_int_equal(net_view(net, 0, 2)->statement.n, 0);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_PULLS), pulls);
	net_run(net, 1);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_PULLS), pulls + 1);
	net_run(net, 20);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

static void
test_credential_before_word(void **state)
{
	struct net *net = newcomers(51, 1);
	struct mp_swim_record record = {.kind = MP_SWIM_CRED};
	uint64_t pulls = net_stat(net, 0, MP_SWIM_STAT_PULLS);

	(void)state;
	record.u.credential = net_view(net, 1, 2)->credential;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	net_run(net, WANT_MS - 50);
	record.kind = MP_SWIM_STATEMENT;
	record.u.statement = net_view(net, 1, 2)->statement;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_ALIVE);
	net_run(net, 100);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_PULLS), pulls);
	net_free(net);
}

/* Two of them, of which one then speaks: the other is asked about. */
static void
test_credentials_without_word(void **state)
{
	struct net *net = newcomers(52, 2);
	struct mp_swim_record record = {.kind = MP_SWIM_CRED};

	(void)state;
	for (size_t i = 2; i < 4; i++) {
		record.u.credential = net_view(net, 1, i)->credential;
		assert_int_equal(net_tell(net, 0, 1, &record), 0);
	}
	record.kind = MP_SWIM_STATEMENT;
	record.u.statement = net_view(net, 1, 2)->statement;
	assert_int_equal(net_tell(net, 0, 1, &record), 0);
	net_run(net, WANT_MS + 20);
	assert_int_equal(net_view(net, 0, 3)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

static void
test_left_is_learned_later(void **state)
{
	struct net *net = net_cluster(13, 4);
	struct net_node *n = &net->nodes[3];

	(void)state;
	net_kill(net, 2);
	net_begin(net, n);
	assert_int_equal(mp_swim_leave(n->swim, &n->env), 0);
	net_end(net, n);
	net_run(net, 3000);
	net_kill(net, 3);
	assert_true(net_start(net, 2));
	assert_int_equal(net_view(net, 2, 3)->state, MP_MEMBER_SUSPECT);
	net_until(net, 5000, net_view(net, 2, 3)->state == MP_MEMBER_LEFT);
	net_free(net);
}

static void
test_partition(void **state)
{
	(void)state;
	for (uint64_t seed = 20; seed < 24; seed++) {
		struct net *net = net_cluster(seed, 7);

		net_cut(net, 3, true);
		net_until(net, 2 * MINUTE,
			mp_roster_state_count(net->nodes[0].roster, MP_MEMBER_DEAD) == 4 &&
				mp_roster_state_count(net->nodes[6].roster, MP_MEMBER_DEAD) == 3);
		net_run(net, 10 * MINUTE);
		net_cut(net, 3, false);
		net_until(net, 45000, net_whole(net));
		net_free(net);
	}
}

static void
test_isolated(void **state)
{
	struct net *net = net_cluster(31, 8);

	(void)state;
	net_cut(net, 1, true); /* node 0 alone */
	net_until(net, 60000, mp_swim_isolated(net->nodes[0].swim));
	assert_int_equal(mp_roster_state_count(net->nodes[0].roster, MP_MEMBER_DEAD), 0);
	assert_int_equal(mp_swim_health(net->nodes[0].swim), 7);
	net_until(net, 40000, net_agree(net, 0, MP_MEMBER_DEAD));
	assert_false(mp_swim_isolated(net->nodes[1].swim));
	net_cut(net, 1, false);
	net_until(net, 45000, net_whole(net));
	net_until(net, 30000, !mp_swim_isolated(net->nodes[0].swim));
	net_free(net);
}

/* For a while nobody hears node 0, which hears all and refutes in vain. Afterwards it does not have
 * to be accused anew: who repeats the old accusation is told the old refutation. */
static void
test_unheard_refutation(void **state)
{
	(void)state;
	for (uint64_t seed = 70; seed < 80; seed++) {
		struct net *net = net_cluster(seed, 5);

		net->no_streams = true;
		for (size_t i = 1; i < 5; i++)
			net->cut[0][i] = true;
		net_until(net, 30000, net_agree(net, 0, MP_MEMBER_DEAD));
		for (size_t i = 1; i < 5; i++)
			net->cut[0][i] = false;
		/* Nobody has answered it for long: it asks every 8 s at the rarest. */
		net_until(net, 9000, net_whole(net));
		net_free(net);
	}
}

/* 30 % of all datagrams vanish; nobody is ever held dead who is not. */
static void
test_loss(void **state)
{
	struct net *net = net_cluster(40, 10);

	(void)state;
	net->watch = true;
	net->loss_percent = 30;
	net_run(net, 10 * MINUTE);
	assert_int_equal(net->deaths, 0);
	assert_true(net_stat(net, 0, MP_SWIM_STAT_PROBES) > 100);
	net_kill(net, 7);
	net_until(net, MINUTE, net_agree(net, 7, MP_MEMBER_DEAD));
	assert_true(net_start(net, 7));
	net_until(net, MINUTE, net_whole(net));
	net_free(net);
}

/* The same with less loss and no stream at all: suspicions are many, and all are refuted. */
static void
test_loss_without_streams(void **state)
{
	struct net *net = net_cluster(49, 10);
	uint64_t suspicions = 0;

	(void)state;
	net->watch = net->no_streams = true;
	net->loss_percent = 20;
	net_run(net, 10 * MINUTE);
	for (size_t i = 0; i < net->count; i++)
		suspicions += net_stat(net, i, MP_SWIM_STAT_SUSPICIONS);
	assert_true(suspicions > 20);
	assert_int_equal(net->deaths, 0);
	net_free(net);
}

/* A node that did not run for a while blames itself first. */
static void
test_pause(void **state)
{
	struct net *net = net_cluster(43, 5);

	(void)state;
	net->watch = true;
	for (int i = 0; i < 20; i++) {
		net->nodes[2].pause = true;
		net_run(net, 3000);
		net->nodes[2].pause = false;
		net_run(net, 2000);
	}
	assert_int_equal(net->deaths, 0);
	net_until(net, 20000, net_whole(net));
	net_free(net);
}

static void
test_own_word(void **state)
{
	struct net *net = net_cluster(44, 4);
	struct net_node *n = &net->nodes[1];
	struct mp_caps caps = {.slots = 99, .os = "linux", .arch = "riscv64"};
	struct mp_buf buf;

	(void)state;
	net_begin(net, n);
	assert_int_equal(mp_swim_set_status(n->swim, &n->env, MP_NODE_DRAINING), 0);
	mp_swim_set_load(n->swim, &(struct mp_load){.used = 3, .attempts = 5, .leads = 2});
	net_end(net, n);
	net_until(net, 2000, net_view(net, 3, 1)->status == MP_NODE_DRAINING);
	net_until(net, 8000, net_view(net, 3, 1)->load.used == 3);

	mp_buf_init(&buf, &net->alloc, MP_CAPS_BYTES_MAX);
	assert_int_equal(mp_caps_encode(&caps, &buf), 0);
	net_begin(net, n);
	assert_int_equal(mp_swim_set_caps(n->swim, &n->env, mp_buf_span(&buf)), 0);
	assert_int_not_equal(mp_swim_set_caps(n->swim, &n->env, mp_span_str("junk")), 0);
	net_end(net, n);
	for (size_t i = 0; i < 4; i++)
		net_until(net, 3000,
			net_view(net, i, 1)->caps != NULL &&
				net_view(net, i, 1)->caps->slots == 99);
	mp_buf_fini(&buf);
	net_free(net);
}

/* Nobody's statement names them: counted, and all that was known stays. */
static void
test_caps_of_nobody(void **state)
{
	struct net *net = net_cluster(46, 3);
	struct net_node *n = &net->nodes[0];
	struct mp_caps caps = {.slots = 98, .os = "linux", .arch = "riscv64"};
	struct mp_node_id id = net_id(net, 2);
	struct mp_buf buf, message;
	struct mp_cbor_w w;

	(void)state;
	net_until(
		net, 3000, net_view(net, 0, 1)->caps != NULL && net_view(net, 0, 2)->caps != NULL);
	mp_buf_init(&buf, &net->alloc, MP_CAPS_BYTES_MAX);
	mp_buf_init(&message, &net->alloc, 3 * MP_CAPS_BYTES_MAX);
	assert_int_equal(mp_caps_encode(&caps, &buf), 0);
	mp_cbor_w_init(&w, &message);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_MSG_CAPS);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_span(&w, mp_buf_span(&buf));
	mp_cbor_w_span(&w, mp_buf_span(&net->nodes[1].caps)); /* known: harmless */
	mp_cbor_w_span(&w, mp_span_str("junk"));
	assert_int_equal(w.rc, 0);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_ITEMS_REFUSED), 0);
	net_begin(net, n);
	assert_int_equal(mp_swim_message(n->swim, &n->env, &id, mp_buf_span(&message)), 0);
	net_end(net, n);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_ITEMS_REFUSED), 2);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(net_view(net, 0, i)->caps->slots, i + 1);
	mp_buf_fini(&message);
	mp_buf_fini(&buf);
	net_free(net);
}

static void
test_links(void **state)
{
	struct net *net = net_cluster(45, 3);
	struct net_node *n = &net->nodes[0];
	struct mp_node_id id = net_id(net, 2);

	(void)state;
	net_kill(net, 2);
	net_run(net, 10);
	assert_false(net_view(net, 0, 2)->link_up);
	net_begin(net, n);
	mp_swim_link(n->swim, &n->env, &id, MP_CLASS_CONTROL, MP_LINK_REFUSED, mp_span(NULL, 0));
	net_end(net, n);
	assert_true(net_view(net, 0, 2)->refused);
	/* It is the next to be probed. */
	net_until(net, 4500, net_view(net, 0, 2)->state == MP_MEMBER_SUSPECT);
	assert_true(net_start(net, 2));
	net_until(net, 3000, !net_view(net, 0, 2)->refused);
	assert_true(net_view(net, 0, 2)->last_heard_ms > 0);
	net_free(net);
}

/* Streams and records of hostile shape are refused, and nothing moves. */
static void
test_junk(void **state)
{
	static const char *const junk[] = {"", "\x01", "\x80", "\x84\x01\x01", "\x82\x07\x41x",
		"\x82\x08\x80", "\x82\x18\x20\x81\x01", "\x85\x18\x21\x81\x41x\x80\x80\x80",
		"\x82\x18\x22\x81\x41x", "\x82\x18\x23\x81\x41x", "\x82\x18\x63\x01",
		"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
	struct net *net = net_cluster(46, 3);
	struct net_node *n = &net->nodes[0];
	struct mp_node_id from = net_id(net, 1), stranger = {{5}};
	uint64_t version = mp_roster_version(n->roster);

	(void)state;
	net_begin(net, n);
	for (size_t i = 0; i < mp_countof(junk); i++) {
		(void)mp_swim_message(n->swim, &n->env, &from, mp_span_str(junk[i]));
		(void)mp_swim_record(n->swim, &n->env, &from, &n->addr, mp_span_str(junk[i]));
		(void)mp_join_message(n->join, &n->env, &from, mp_span_str(junk[i]));
	}
	assert_int_equal(
		mp_swim_message(n->swim, &n->env, &stranger, mp_span_str("\x82\x18\x20\x80")),
		MP_EAUTH);
	net_end(net, n);
	assert_int_equal(mp_roster_version(n->roster), version);
	net_until(net, 1000, net_whole(net));
	net_free(net);
}

/* Memory ends at every possible place of a node's life; it stops or goes on, and nothing leaks. */
static void
test_no_memory(void **state)
{
	size_t done = 0, grown = 0;

	(void)state;
	for (size_t at = 1; done == 0; at++) {
		struct net *net = net_cluster(47, 3);
		struct net_node *n = net_add(net);

		n->heap.fail_at = n->heap.calls + at;
		if (net_start(net, 3)) {
			net_run(net, 4000);
			grown += n->member;
		}
		done = n->heap.calls < n->heap.fail_at;
		if (done > 0)
			assert_true(n->member && !n->fatal);
		net_free(net);
		assert_true(at < 2000);
	}
	assert_true(grown > 1);
}

/* Away when another was admitted, and back when only that one is there. */
static void
test_missed_an_admission(void **state)
{
	struct net *net = net_cluster(50, 2);

	(void)state;
	net_kill(net, 1);
	net_run(net, 20000);
	(void)net_add(net);
	assert_true(net_start(net, 2));
	net_until(net, 5000, net->nodes[2].member);
	net_run(net, 20000);
	net_kill(net, 0);
	assert_true(net_start(net, 1));
	assert_null(net_view(net, 1, 2));
	net_until(net, 75000,
		net_view(net, 1, 2) != NULL && net_view(net, 1, 2)->state == MP_MEMBER_ALIVE &&
			net_view(net, 2, 1)->state == MP_MEMBER_ALIVE);
	net_free(net);
}

/* Credentials that no datagram can hold. */
static void
test_large_credentials(void **state)
{
	struct net *net = net_new_invite(51, 8);

	(void)state;
	assert_true(net_start(net, 0));
	for (size_t i = 1; i < 6; i++) {
		assert_true(net_add(net)->credential.n > MP_DGRAM_ROOM);
		assert_true(net_start(net, i));
		net_until(net, 5000, net->nodes[i].member);
	}
	net_until(net, 10000, net_whole(net));
	net_free(net);
}

static void
test_many(void **state)
{
	struct net *net = net_cluster(48, 38);

	(void)state;
	net->watch = true;
	net_run(net, MINUTE);
	net_kill(net, 20);
	net_until(net, 30000, net_agree(net, 20, MP_MEMBER_DEAD));
	net_cut(net, 19, true);
	net_run(net, 1000);
	net_cut(net, 19, false);
	net_run(net, MINUTE);
	assert_int_equal(net->deaths, 0);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_idle_is_cheap),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_two_nodes),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_all_restart),
		cmocka_unit_test(test_restored_dead_is_found_dead),
		cmocka_unit_test(test_refute),
		cmocka_unit_test(test_dead_by_hearsay_is_suspect),
		cmocka_unit_test(test_incarnation_only_grows),
		cmocka_unit_test(test_stale_is_answered),
		cmocka_unit_test(test_stranger_subject),
		cmocka_unit_test(test_forged_statement),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_credential_without_word),
		cmocka_unit_test(test_credential_before_word),
		cmocka_unit_test(test_credentials_without_word),
		cmocka_unit_test(test_left_is_learned_later),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_unheard_refutation),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_loss_without_streams),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_own_word),
		cmocka_unit_test(test_caps_of_nobody),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_missed_an_admission),
		cmocka_unit_test(test_large_credentials),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("swim", tests, NULL, NULL);
}
