/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/load.h"

static void
raw(struct mp_writer *w, const char *s)
{
	mp_w_raw(w, mp_span_str(s));
}

/* A DOT identifier in quotes. */
static void
quoted(struct mp_writer *w, const char *s)
{
	raw(w, "\"");
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			raw(w, "\\");
		mp_w_raw(w, mp_span(s, 1));
	}
	raw(w, "\"");
}

static void
write_dot(struct mp_writer *w, const struct mp_graph *g)
{
	raw(w, "digraph ");
	quoted(w, g->name);
	raw(w, " {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (uint32_t i = 0; i < g->module_count; i++) {
		raw(w, "\t");
		quoted(w, g->modules[i].name);
		raw(w, ";\n");
	}
	for (uint32_t i = 0; i < g->module_count; i++) {
		for (uint32_t k = 0; k < g->modules[i].need_count; k++) {
			raw(w, "\t");
			quoted(w, g->modules[g->modules[i].needs[k]].name);
			raw(w, " -> ");
			quoted(w, g->modules[i].name);
			raw(w, ";\n");
		}
	}
	raw(w, "}\n");
}

static void
write_data(struct mp_writer *w, const struct mp_graph *g)
{
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "name", g->name);
	mp_w_list(w, "modules", NULL, 0);
	for (uint32_t i = 0; i < g->module_count; i++) {
		mp_w_object(w, NULL, NULL, 0);
		mp_w_text(w, "name", g->modules[i].name);
		mp_w_list(w, "needs", NULL, 0);
		for (uint32_t k = 0; k < g->modules[i].need_count; k++)
			mp_w_text(w, NULL, g->modules[g->modules[i].needs[k]].name);
		mp_w_end(w);
		mp_w_end(w);
	}
	mp_w_end(w);
	mp_w_end(w);
}

static int
graph_run(struct mp_cmd_ctx *ctx)
{
	struct mp_loaded l;
	int code = mp_load(ctx, ctx->args[0], true, &l);

	if (code == MP_EXIT_DONE) {
		write_dot(ctx->writer, l.graph);
		write_data(ctx->writer, l.graph);
		code = mp_cmd_done(ctx, code);
	}
	mp_loaded_free(&l);
	return code;
}

static const struct mp_option options[] = {MP_OPTION_PARAM};

const struct mp_cmd mp_cmd_graph = {
	.name = "graph",
	.args = "FILE",
	.summary = "print the graph of a pipeline as DOT",
	.details = "For example: mpctl graph p.yaml | dot -Tsvg > p.svg\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = graph_run,
};
