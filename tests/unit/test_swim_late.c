/* SPDX-License-Identifier: Apache-2.0 */
/* What SWIM makes of ticks that come late, and what it must not take for one. */
#include "unit/swimnet.h"

/* A tick that is late judges nobody by the time that was lost. */
static void
test_late_tick(void **state)
{
	struct net *net = net_cluster(53, 3);

	(void)state;
	net_kill(net, 2);
	assert_int_equal(
		net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, net_view(net, 0, 2)->incarnation), 0);
	net_run(net, 1000);
	net->now += 10000;
	net_tick(net, &net->nodes[0]);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	assert_true(mp_swim_health(net->nodes[0].swim) > 0);
	net_until(net, 10000, net_view(net, 0, 2)->state == MP_MEMBER_DEAD);
	net_free(net);
}

/* Nor does it when accusations that waited meanwhile are read afterwards: of that time, nothing
 * counts. */
static void
test_late_tick_then_accused(void **state)
{
	struct net *net = net_cluster(56, 3);
	uint64_t incarnation = net_view(net, 0, 2)->incarnation;

	(void)state;
	net_kill(net, 2);
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, incarnation), 0);
	net_run(net, 1000);
	net->now += 10000;
	net_tick(net, &net->nodes[0]);
	assert_int_equal(net_accuse(net, 0, 1, 2, MP_SWIM_DEAD, incarnation), 0);
	net_tick(net, &net->nodes[0]);
	assert_int_equal(net_view(net, 0, 2)->state, MP_MEMBER_SUSPECT);
	assert_in_range(
		net_until(net, 10000, net_view(net, 0, 2)->state == MP_MEMBER_DEAD), 2000, 3100);
	net_free(net);
}

/* A suspicion that confirmations shorten to a time that is over is due now; nobody was late. */
static void
test_late_confirmation(void **state)
{
	struct net *net = net_cluster(57, 8);
	uint64_t incarnation = net_view(net, 0, 7)->incarnation;

	(void)state;
	net_cut(net, 1, true);
	assert_int_equal(net_accuse(net, 0, 1, 7, MP_SWIM_SUSPECT, incarnation), 0);
	net_run(net, 6000);
	for (size_t i = 2; i < 5; i++)
		assert_int_equal(net_accuse(net, 0, i, 7, MP_SWIM_SUSPECT, incarnation), 0);
	assert_true(mp_swim_deadline(net->nodes[0].swim) >= net->now);
	net_free(net);
}

static void
test_leave_while_probing(void **state)
{
	struct net *net = net_cluster(58, 3);
	struct net_node *n = &net->nodes[0];
	uint64_t probes = net_stat(net, 0, MP_SWIM_STAT_PROBES);

	(void)state;
	net_cut(net, 1, true);
	while (net_stat(net, 0, MP_SWIM_STAT_PROBES) == probes)
		net_run(net, 1);
	net_begin(net, n);
	assert_int_equal(mp_swim_leave(n->swim, &n->env), 0);
	net_end(net, n);
	net->now += 1000;
	net_tick(net, n);
	assert_true(mp_swim_deadline(n->swim) > net->now);
	net_free(net);
}

/* Whoever accuses us again and again does not make us talk as often. */
static void
test_refuted_at_its_time(void **state)
{
	struct net *net = net_cluster(59, 3);
	uint64_t first = net_view(net, 0, 0)->incarnation;
	size_t sent;

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(net_accuse(net, 0, 1, 0, MP_SWIM_SUSPECT, first + i), 0);
	assert_int_equal(net_view(net, 0, 0)->incarnation, first + 1);
	net_run(net, 200);
	assert_int_equal(net_view(net, 0, 0)->incarnation, first + 6);
	assert_int_equal(net_stat(net, 0, MP_SWIM_STAT_REFUTED), 2);
	sent = net->nodes[0].datagrams_sent;
	for (int i = 0; i < 5; i++)
		assert_int_equal(net_accuse(net, 0, 1, 0, MP_SWIM_SUSPECT, first), 0);
	assert_in_range(net->nodes[0].datagrams_sent - sent, 0, 1);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_tick),
		cmocka_unit_test(test_late_tick_then_accused),
		cmocka_unit_test(test_late_confirmation),
		cmocka_unit_test(test_leave_while_probing),
		cmocka_unit_test(test_refuted_at_its_time),
	};

	return cmocka_run_group_tests_name("swim_late", tests, NULL, NULL);
}
