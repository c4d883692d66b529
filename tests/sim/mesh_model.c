/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gossip alone, for more nodes than there is memory for: no rosters, no datagrams, only who has
 * heard of one update and how often it has told of it. The rules are those of swim_news.c: news
 * goes out at once, then every 200 ms, to three others at random, so many times in all. What it
 * leaves out (pings and acks that carry news too, views that are compared) makes the core no
 * slower. Its rows stand beside those of the core, where both can be had.
 */
#include "mesh.h"

#include <stdlib.h>

#define GOSSIP (200 * SIM_MS)
#define FANOUT 3

struct due {
	sim_time when;
	uint32_t node;
	bool arrives; /* else: it is time to gossip */
};

struct model {
	struct mp_rng rng;
	struct due *heap;
	size_t count;
	uint32_t nodes, loss, limit;
	uint8_t *sent;
	bool *has;
};

static void
push(struct model *m, struct due due)
{
	size_t i = m->count++;

	for (; i > 0 && due.when < m->heap[(i - 1) / 2].when; i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = due;
}

static struct due
pop(struct model *m)
{
	struct due top = m->heap[0], last = m->heap[--m->count];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < m->count) {
		if (c + 1 < m->count && m->heap[c + 1].when < m->heap[c].when)
			c++;
		if (m->heap[c].when >= last.when)
			break;
		m->heap[i] = m->heap[c];
		i = c;
	}
	m->heap[i] = last;
	return top;
}

static void
gossip(struct model *m, const struct due *due)
{
	for (int k = 0; k < FANOUT && m->sent[due->node] < m->limit; k++) {
		sim_time delay = 500 + (sim_time)mp_rng_below(&m->rng, 2001);
		uint32_t to = (uint32_t)mp_rng_below(&m->rng, m->nodes - 1);

		m->sent[due->node]++;
		if (mp_rng_below(&m->rng, 1000) >= m->loss)
			push(m, (struct due){due->when + delay, to + (to >= due->node), true});
	}
	if (m->sent[due->node] < m->limit)
		push(m, (struct due){due->when + GOSSIP, due->node, false});
}

uint32_t
mesh_model_spread(uint32_t nodes, uint32_t loss, uint64_t seed, sim_time *at)
{
	struct model m = {.rng.state = seed, .nodes = nodes, .loss = loss, .limit = 4};
	uint32_t heard = 0;

	for (uint32_t power = 10; power < nodes + 1; power *= 10)
		m.limit += 4;
	if (m.limit < 12)
		m.limit = 12;
	m.heap = calloc((size_t)nodes * (FANOUT + 2) * 4, sizeof(*m.heap));
	m.sent = calloc(nodes, sizeof(*m.sent));
	m.has = calloc(nodes, sizeof(*m.has));
	mp_assert(m.heap != NULL && m.sent != NULL && m.has != NULL);
	push(&m, (struct due){0, 0, true});
	while (m.count > 0) {
		struct due due = pop(&m);

		if (due.arrives && m.has[due.node])
			continue;
		if (due.arrives) {
			m.has[due.node] = true;
			at[heard++] = due.when;
		}
		gossip(&m, &due);
	}
	free(m.heap);
	free(m.sent);
	free(m.has);
	return heard;
}
