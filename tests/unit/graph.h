/* SPDX-License-Identifier: Apache-2.0 */
/* Small graphs made by hand, for tests of what walks them. */
#ifndef MP_TESTS_GRAPH_H
#define MP_TESTS_GRAPH_H

#include "mp/pipeline.h"

#define UNIT_GRAPH_MAX 64

struct unit_graph {
	struct mp_graph graph;
	struct mp_graph_module modules[UNIT_GRAPH_MAX];
	uint32_t needs[UNIT_GRAPH_MAX][UNIT_GRAPH_MAX];
	uint32_t dependants[UNIT_GRAPH_MAX][UNIT_GRAPH_MAX];
	char names[UNIT_GRAPH_MAX][8];
	char specs[UNIT_GRAPH_MAX][8];
};

/* count modules named m0, m1, … without edges, one attempt each. */
static inline void
unit_graph_init(struct unit_graph *g, uint32_t count)
{
	*g = (struct unit_graph){
		.graph = {.name = "unit", .electors = 3, .copies = 2, .module_count = count}};
	g->graph.modules = g->modules;
	for (uint32_t i = 0; i < count; i++) {
		char digits[] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};

		memcpy(g->names[i], "m", 1);
		memcpy(g->names[i] + 1, i < 10 ? digits + 1 : digits, i < 10 ? 2 : 3);
		memcpy(g->specs[i], "spec", 4);
		g->specs[i][4] = (char)i;
		g->modules[i] = (struct mp_graph_module){
			.name = g->names[i],
			.group = i,
			.needs = g->needs[i],
			.dependants = g->dependants[i],
			.spec = mp_span(g->specs[i], 5),
			.retry = {.attempts = 1,
				.on_exit = true,
				.on_signal = true,
				.on_timeout = true},
		};
	}
}

/* `module` needs `need`; for one module in ascending order of need. */
static inline void
unit_graph_need(struct unit_graph *g, uint32_t module, uint32_t need)
{
	struct mp_graph_module *m = &g->modules[module], *n = &g->modules[need];

	g->needs[module][m->need_count++] = need;
	g->dependants[need][n->dependant_count++] = module;
	g->graph.edge_count++;
}

/* m1 and m2 need m0, m3 needs both. */
static inline void
unit_graph_diamond(struct unit_graph *g)
{
	unit_graph_init(g, 4);
	unit_graph_need(g, 1, 0);
	unit_graph_need(g, 2, 0);
	unit_graph_need(g, 3, 1);
	unit_graph_need(g, 3, 2);
}

#endif
