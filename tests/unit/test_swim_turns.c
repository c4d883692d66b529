/* SPDX-License-Identifier: Apache-2.0 */
/* How often news is told, and whom probes reach. */
#include "unit/swimnet.h"

#include "core/swim_impl.h"

/* Each piece of news goes out max(12, 4 * ceil(log10(n + 1))) times. */
static void
test_told_often_enough(void **state)
{
	struct net *net = net_cluster(60, 3);
	struct net_node *n = &net->nodes[0];
	unsigned most = 0;

	(void)state;
	net_run(net, 10000);
	assert_int_equal(n->swim->news_count, 0);
	net_begin(net, n);
	assert_int_equal(mp_swim_set_status(n->swim, &n->env, MP_NODE_BUSY), 0);
	net_end(net, n);
	while (n->swim->news_count > 0) {
		if (n->swim->news[0].sent > most)
			most = n->swim->news[0].sent;
		net_run(net, 1);
	}
	assert_in_range(most, 10, 11);
	net_free(net);
}

/* Nobody waits longer for its turn than two rounds. */
static void
test_probed_in_turn(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct net *net = net_cluster(seed, 8);
		const struct swim_probe *probe = &net->nodes[0].swim->probe;
		unsigned seen = 0;

		for (int ms = 0; ms < 14500; ms++) {
			net_run(net, 1);
			if (probe->slot != SWIM_NONE)
				seen |= 1u << probe->slot;
		}
		assert_int_equal(seen | 1u << net->nodes[0].swim->self, 0xff);
		net_free(net);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_often_enough),
		cmocka_unit_test(test_probed_in_turn),
	};

	return cmocka_run_group_tests_name("swim_turns", tests, NULL, NULL);
}
