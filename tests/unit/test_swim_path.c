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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_probe),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_indirect),
	};

	return cmocka_run_group_tests_name("swim paths", tests, NULL, NULL);
}
