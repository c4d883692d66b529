/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/load.h"

/* Names of one wave that text shows. */
#define NAMES_SHOWN 12

static const struct mp_column head[] = {
	{"pipeline", "pipeline", false, 0},
	{"modules", "modules", false, 0},
	{"edges", "dependencies", false, 0},
	{"depth", "waves", false, 0},
};

static const struct mp_column waves[] = {
	{"wave", "WAVE", true, 0},
	{"count", "COUNT", true, 0},
	{"modules", "MODULES", false, 0},
};

struct plan {
	uint32_t *order; /* modules, by wave and then by index */
	uint32_t *wave;  /* of each module, from 0 */
	uint32_t *first; /* where each wave begins in order; [count] is the end */
	uint32_t count;
};

/* Longest paths, by taking away what needs nothing any more. The graph has no cycle. */
static int
plan_make(const struct mp_graph *g, struct plan *plan)
{
	uint32_t n = g->module_count, head_at = 0, tail = 0;
	uint32_t *left = calloc(n + 1, sizeof(*left));

	*plan = (struct plan){.order = calloc(n + 1, sizeof(uint32_t)),
		.wave = calloc(n + 1, sizeof(uint32_t)),
		.first = calloc(n + 2, sizeof(uint32_t))};
	if (left == NULL || plan->order == NULL || plan->wave == NULL || plan->first == NULL) {
		free(left);
		return MP_ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++) {
		left[i] = g->modules[i].need_count;
		if (left[i] == 0)
			plan->order[tail++] = i;
	}
	while (head_at < tail) {
		uint32_t i = plan->order[head_at++];
		const struct mp_graph_module *m = &g->modules[i];

		if (plan->wave[i] == plan->count)
			plan->first[plan->count++] = head_at - 1;
		for (uint32_t k = 0; k < m->dependant_count; k++) {
			uint32_t d = m->dependants[k];

			plan->wave[d] = plan->wave[i] + 1; /* the last to come is the deepest */
			if (--left[d] == 0)
				plan->order[tail++] = d;
		}
	}
	mp_assert(tail == n);
	plan->first[plan->count] = n;
	free(left);
	return 0;
}

static void
plan_free(struct plan *plan)
{
	free(plan->order);
	free(plan->wave);
	free(plan->first);
}

static void
write_wave(struct mp_writer *w, const struct mp_graph *g, const struct plan *plan, uint32_t wave)
{
	uint32_t from = plan->first[wave], end = plan->first[wave + 1];
	char shown[1000] = "";
	size_t at = 0;

	mp_w_object(w, NULL, NULL, 0);
	mp_w_uint(w, "wave", wave + 1);
	mp_w_show(w, "count", "%u", end - from);
	mp_w_list(w, "modules", NULL, 0);
	for (uint32_t i = from; i < end; i++)
		mp_w_text(w, NULL, g->modules[plan->order[i]].name);
	mp_w_end(w);
	for (uint32_t i = from; i < end && i < from + NAMES_SHOWN && at < 800; i++)
		at += (size_t)snprintf(shown + at, sizeof(shown) - at, "%s%s", i > from ? " " : "",
			g->modules[plan->order[i]].name);
	if (end - from > NAMES_SHOWN)
		(void)snprintf(
			shown + at, sizeof(shown) - at, " and %u more", end - from - NAMES_SHOWN);
	mp_w_show(w, "modules", "%s", shown);
	mp_w_end(w);
}

static int
plan_run(struct mp_cmd_ctx *ctx)
{
	struct mp_writer *w = ctx->writer;
	struct mp_loaded l;
	struct plan plan = {.count = 0};
	int code = mp_load(ctx, ctx->args[0], true, &l);

	if (code == MP_EXIT_DONE && plan_make(l.graph, &plan) != 0) {
		(void)mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
		code = mp_cmd_fail(ctx, &ctx->err);
	}
	if (code == MP_EXIT_DONE) {
		mp_w_object(w, NULL, head, mp_countof(head));
		mp_w_text(w, "pipeline", l.graph->name);
		mp_w_uint(w, "modules", l.graph->module_count);
		mp_w_uint(w, "edges", l.graph->edge_count);
		mp_w_uint(w, "depth", plan.count);
		mp_w_list(w, "waves", waves, mp_countof(waves));
		for (uint32_t i = 0; i < plan.count; i++)
			write_wave(w, l.graph, &plan, i);
		mp_w_end(w);
		mp_w_end(w);
		code = mp_cmd_done(ctx, code);
	}
	plan_free(&plan);
	mp_loaded_free(&l);
	return code;
}

static const struct mp_option options[] = {MP_OPTION_PARAM};

const struct mp_cmd mp_cmd_plan = {
	.name = "plan",
	.args = "FILE",
	.summary = "show what a pipeline expands to",
	.details = "Waves tell how deep the graph is and how wide. They are for reading only: a\n"
		   "module starts when its own dependencies are done.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = plan_run,
};
