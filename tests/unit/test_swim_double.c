/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes with one key: neither goes on, whoever of them was first, and all others know of it. */
#include "unit/swimnet.h"

#define NODES 4

/* A copy of a state directory, on another machine. */
static size_t
copy_of(struct net *net, size_t original)
{
	struct net_node *copy = net_add(net), *from = &net->nodes[original];
	struct net_row **at = &copy->disk;

	copy->secret = from->secret;
	copy->xkey = from->xkey;
	copy->boot = from->boot;
	mp_buf_clear(&copy->credential);
	assert_int_equal(
		mp_buf_append(&copy->credential, from->credential.p, from->credential.n), 0);
	for (const struct net_row *row = from->disk; row != NULL; row = row->next) {
		*at = calloc(1, sizeof(**at) + row->value_size);
		assert_non_null(*at);
		memcpy(*at, row, sizeof(*row) + row->value_size);
		(*at)->next = NULL;
		at = &(*at)->next;
	}
	return copy->index;
}

static bool
both_stopped(const struct net *net, size_t a, size_t b)
{
	return net->nodes[a].fatal && net->nodes[b].fatal;
}

static bool
all_others_know(const struct net *net, size_t node)
{
	for (size_t i = 0; i < NODES; i++) {
		if (i != node && net_view(net, i, node)->status != MP_NODE_DOUBLED)
			return false;
	}
	return true;
}

/* It comes back with a boot counter that is above all of before, and nothing else. */
static void
comes_back(struct net *net, size_t node)
{
	struct net_node *n = &net->nodes[node];

	net_kill(net, node);
	net_rows_free(n->disk);
	n->disk = NULL;
	n->boot = (uint64_t)(NET_WALL / 1000);
	assert_true(net_start(net, node));
	net_until(net, 20000, net->nodes[node].member);
	net_run(net, 20000);
	assert_false(n->fatal);
	for (size_t i = 0; i < NODES; i++) {
		if (i == node)
			continue;
		assert_int_equal(net_view(net, i, node)->state, MP_MEMBER_ALIVE);
		assert_int_equal(net_view(net, i, node)->status, MP_NODE_AVAILABLE);
	}
}

/* Node 2 runs, and a copy of it is started beside it. */
static void
beside(uint64_t seed, unsigned loss, bool streams)
{
	struct net *net = net_cluster(seed, NODES);
	size_t copy;

	net_run(net, 5000);
	net->loss_percent = loss;
	net->no_streams = !streams;
	copy = copy_of(net, 2);
	assert_true(net_start(net, copy));
	net_until(net, 30000, both_stopped(net, 2, copy));
	assert_true(mp_swim_doubled(net->nodes[2].swim));
	assert_true(mp_swim_doubled(net->nodes[copy].swim));
	net->loss_percent = 0;
	net->no_streams = false;
	net_until(net, 60000, all_others_know(net, 2));
	/* No others stop for it. */
	for (size_t i = 0; i < NODES; i++)
		assert_true(i == 2 || !net->nodes[i].fatal);
	comes_back(net, 2);
	net_free(net);
}

static void
test_beside(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 20; seed++)
		beside(seed, 0, true);
}

static void
test_beside_with_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 20; seed < 40; seed++)
		beside(seed, 30, true);
}

static void
test_beside_without_streams(void **state)
{
	(void)state;
	for (uint64_t seed = 40; seed < 60; seed++)
		beside(seed, 0, false);
}

/* Both are started from one copy: their boot counters are equal. */
static void
together(uint64_t seed)
{
	struct net *net = net_cluster(seed, NODES);
	size_t copy;

	net_run(net, 5000);
	net_kill(net, 2);
	net_run(net, 2000);
	copy = copy_of(net, 2);
	assert_true(net_start(net, 2));
	net_run(net, (mp_time)(seed % 4) * 1000);
	assert_true(net_start(net, copy));
	net_until(net, 30000, both_stopped(net, 2, copy));
	net_until(net, 60000, all_others_know(net, 2));
	net_free(net);
}

static void
test_together(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 20; seed++)
		together(seed);
}

/* The two are on two sides of a cut, and meet later. */
static void
test_apart(void **state)
{
	struct net *net = net_cluster(77, NODES);
	size_t copy;

	(void)state;
	net_run(net, 5000);
	copy = copy_of(net, 2);
	net_cut(net, 2, true); /* 0 and 1 from the others */
	net->cut[copy][0] = net->cut[0][copy] = net->cut[copy][1] = net->cut[1][copy] = false;
	for (size_t i = 2; i < copy; i++)
		net->cut[copy][i] = net->cut[i][copy] = true;
	assert_true(net_start(net, copy));
	net_run(net, 60000);
	assert_false(net->nodes[2].fatal || net->nodes[copy].fatal);
	memset(net->cut, 0, sizeof(net->cut));
	net_until(net, 120000, both_stopped(net, 2, copy));
	net_until(net, 60000, all_others_know(net, 2));
	net_free(net);
}

/* One that was restored from an older copy stops alone; the word of it does not stand against a
 * later boot. */
static void
test_restored(void **state)
{
	struct net *net = net_cluster(78, NODES);
	size_t copy;

	(void)state;
	net_run(net, 5000);
	copy = copy_of(net, 2);
	for (int i = 0; i < 3; i++) {
		net_kill(net, 2);
		assert_true(net_start(net, 2));
		net_run(net, 5000);
	}
	net_kill(net, 2);
	net_run(net, 1000);
	assert_true(net_start(net, copy));
	net_until(net, 20000, net->nodes[copy].fatal);
	net_run(net, 5000);
	net_kill(net, copy);
	comes_back(net, 2);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_beside_with_loss),
		cmocka_unit_test(test_beside_without_streams),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_restored),
	};

	return cmocka_run_group_tests_name("swim_double", tests, NULL, NULL);
}
