/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/load.h"

static void
write_diags(struct mp_writer *w, const struct mp_loaded *l, int code)
{
	mp_w_object(w, NULL, NULL, 0);
	mp_w_bool(w, "valid", code == MP_EXIT_DONE);
	if (l->graph != NULL) {
		mp_w_uint(w, "modules", l->graph->module_count);
		mp_w_uint(w, "edges", l->graph->edge_count);
	} else {
		mp_w_null(w, "modules");
		mp_w_null(w, "edges");
	}
	mp_w_list(w, "errors", NULL, 0);
	for (size_t i = 0; i < l->diags.n; i++) {
		const struct mp_diag *d = &l->diags.v[i];

		mp_w_object(w, NULL, NULL, 0);
		if (d->pos.line > 0)
			mp_w_uint(w, "line", d->pos.line);
		else
			mp_w_null(w, "line");
		if (d->pos.column > 0)
			mp_w_uint(w, "column", d->pos.column);
		else
			mp_w_null(w, "column");
		mp_w_text(w, "text", d->text);
		mp_w_end(w);
	}
	mp_w_end(w);
	mp_w_end(w);
}

static int
validate_run(struct mp_cmd_ctx *ctx)
{
	struct mp_loaded l;
	int code = mp_load(ctx, ctx->args[0], true, &l);

	if (code == MP_EXIT_DONE)
		mp_cmd_note(ctx, "%s is valid: %u modules, %u dependencies", ctx->args[0],
			l.graph->module_count, l.graph->edge_count);
	if (code == MP_EXIT_DONE || code == MP_EXIT_PIPELINE) {
		write_diags(ctx->writer, &l, code);
		code = mp_cmd_done(ctx, code);
	}
	mp_loaded_free(&l);
	return code;
}

static const struct mp_option options[] = {MP_OPTION_PARAM};

const struct mp_cmd mp_cmd_validate = {
	.name = "validate",
	.args = "FILE",
	.summary = "check a pipeline, without a node",
	.details = "Prints every mistake as file:line:column: text. FILE is YAML or CBOR; - reads\n"
		   "standard input.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = validate_run,
};
