/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/swimnet.h"

#define MINUTE ((mp_time)60 * 1000)

/* Datagrams do not pass between two nodes, streams do: both live. */
static void
test_stream_probe(void **state)
{
	struct net *net = net_cluster(41, 2);

	(void)state;
	net->watch = true;
	net->loss_percent = 100;
	net_run(net, 5 * MINUTE);
	assert_int_equal(net->deaths, 0);
	assert_int_equal(net_view(net, 0, 1)->state, MP_MEMBER_ALIVE);
	net_free(net);
}

/* Where only streams pass, probes and news take them at once, until datagrams pass again. */
static void
test_path(void **state)
{
	struct net *net = net_cluster(45, 4);
	struct net_node *n = &net->nodes[2];

	(void)state;
	net_run(net, MINUTE);
	assert_int_equal(net_view(net, 0, 2)->path, MP_PATH_UDP);
	net->watch = true;
	net->loss_percent = 100;
	net_run(net, MINUTE);
	assert_int_equal(net_view(net, 0, 2)->path, MP_PATH_TCP);
	assert_int_equal(net_view(net, 2, 0)->path, MP_PATH_TCP);
	net_begin(net, n);
	assert_int_equal(mp_swim_set_status(n->swim, &n->env, MP_NODE_DRAINING), 0);
	net_end(net, n);
	net_run(net, 1500);
	assert_int_equal(net_view(net, 0, 2)->status, MP_NODE_DRAINING);
	assert_int_equal(net_view(net, 3, 2)->status, MP_NODE_DRAINING);
	net->loss_percent = 0;
	net_run(net, MINUTE / 2);
	assert_int_equal(net_view(net, 0, 2)->path, MP_PATH_UDP);
	assert_int_equal(net->deaths, 0);
	net_free(net);
}

/* One of the ways is blocked: the others answer for it. */
static void
test_indirect(void **state)
{
	struct net *net = net_cluster(42, 5);

	(void)state;
	net->watch = true;
	net->cut[0][1] = net->cut[1][0] = true;
	net_run(net, 10 * MINUTE);
	assert_int_equal(net->deaths, 0);
	net_free(net);
}

/* Nodes that nobody can reach open their streams themselves, and are members as others. */
static void
test_reaches_out(void **state)
{
	struct net *net = net_cluster(46, 3);

	(void)state;
	for (size_t i = 3; i < 5; i++) {
		net_add(net)->out = true;
		assert_true(net_start(net, i));
		net_until(net, 5000, net->nodes[i].member);
	}
	net_until(net, 10000, net_whole(net));
	assert_true(mp_member_reaches_out(net_view(net, 0, 3)));
	assert_true(mp_member_reaches_out(net_view(net, 3, 4)));
	assert_false(mp_member_reaches_out(net_view(net, 3, 0)));
	net_run(net, 2000);
	for (size_t i = 0; i < 3; i++)
		assert_true(net_view(net, i, 3)->link_up && net_view(net, i, 4)->link_up);
	net->watch = true;
	net_run(net, 10 * MINUTE);
	assert_int_equal(net->deaths, 0);
	assert_true(net_whole(net));
	assert_int_equal(net_view(net, 1, 4)->path, MP_PATH_TCP);
	assert_int_equal(net_view(net, 4, 3)->path, MP_PATH_NONE); /* they never talk */
	net->watch = false;
	net_kill(net, 3);
	net_until(net, MINUTE, net_agree(net, 3, MP_MEMBER_DEAD));
	assert_true(net_start(net, 3));
	net_until(net, 10000, net_whole(net));
	net_free(net);
}

/* One that nobody hears for a while is dead, and heals by itself. */
static void
test_out_and_back(void **state)
{
	struct net *net = net_cluster(47, 3);

	(void)state;
	net_add(net)->out = true;
	assert_true(net_start(net, 3));
	net_until(net, 10000, net->nodes[3].member && net_whole(net));
	net_cut(net, 3, true);
	net_until(net, 2 * MINUTE,
		net_view(net, 0, 3)->state == MP_MEMBER_DEAD &&
			net_view(net, 2, 3)->state == MP_MEMBER_DEAD);
	net_cut(net, 3, false);
	net_until(net, MINUTE, net_whole(net));
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_probe),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_reaches_out),
		cmocka_unit_test(test_out_and_back),
	};

	return cmocka_run_group_tests_name("swim paths", tests, NULL, NULL);
}
