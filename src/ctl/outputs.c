/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/gather.h"
#include "ctl/products.h"
#include "ctl/visit.h"

static const struct mp_column columns[] = {
	{"module", "MODULE", false, 0},
	{"path", "PATH", false, 0},
	{"size", "SIZE", true, 0},
	{"kind", "KIND", false, 0},
	{"blob", "BLOB", false, 0},
};

struct lister {
	struct mp_cmd_ctx *ctx;
	const char *module; /* only that one; NULL: all */
	size_t lost;        /* modules */
};

static int
list_page(void *arg, const struct mp_show *page)
{
	struct lister *l = arg;

	return mp_products_bring(
		l->ctx, page, l->module, mp_products_want_manifest, NULL, &l->ctx->err);
}

static int
list_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	static const char *const kinds[] = {"file", "executable", "link"};
	struct lister *l = arg;
	struct mp_cmd_ctx *ctx = l->ctx;
	struct mp_writer *w = ctx->writer;
	struct mp_products p;
	char size[MP_W_SHORT];
	int rc;

	(void)index;
	if (mp_hash_is_zero(&m->manifest))
		return 0;
	rc = mp_products_read(ctx, m, &p, &ctx->err);
	if (rc == MP_ENOENT) {
		mp_cmd_error(ctx, "outputs of %.*s: no live node has the list of them",
			(int)m->name.n, (const char *)m->name.p);
		l->lost++;
		return 0;
	}
	if (rc != 0)
		return mp_wrap(
			&ctx->err, "outputs of %.*s", (int)m->name.n, (const char *)m->name.p);
	for (size_t i = 0; i < p.manifest.count; i++) {
		const struct mp_file *f = &p.manifest.files[i];

		mp_w_size(size, f->size);
		mp_w_object(w, NULL, NULL, 0);
		mp_w_span(w, "module", m->name);
		mp_w_span(w, "path", f->path);
		mp_w_hex(w, "blob", f->digest.b, sizeof(f->digest.b));
		mp_w_show(w, "blob", "%02x%02x%02x%02x%02x%02x", f->digest.b[0], f->digest.b[1],
			f->digest.b[2], f->digest.b[3], f->digest.b[4], f->digest.b[5]);
		mp_w_uint(w, "size", f->size);
		mp_w_show(w, "size", "%s", size);
		mp_w_text(w, "kind", kinds[f->kind]);
		mp_w_end(w);
	}
	mp_products_fini(&p);
	return 0;
}

static int
list_outputs(struct mp_cmd_ctx *ctx, const char *run, const char *module)
{
	struct lister l = {.ctx = ctx, .module = module};
	struct mp_visitor v = {.page = list_page, .module = list_module, .arg = &l};
	int rc;

	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_list(ctx->writer, "outputs", columns, mp_countof(columns));
	if (module != NULL)
		rc = mp_visit_one(ctx, run, module, &v, &ctx->err);
	else
		rc = mp_visit(ctx, run, &v, &ctx->err);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	if (rc == 0 && l.lost > 0)
		rc = mp_fail(&ctx->err, MP_ENOENT, "the outputs of %zu modules are lost", l.lost);
	return rc;
}

static int
outputs_run(struct mp_cmd_ctx *ctx)
{
	const char *to = mp_cmd_value(ctx, "to");
	char run[MP_CMD_RUN_SIZE];
	size_t files = 0;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	if (rc == 0 && to == NULL)
		rc = list_outputs(ctx, run, ctx->args[1]);
	else if (rc == 0)
		rc = mp_gather(ctx, run, ctx->args[1], to, &files, &ctx->err);
	if (rc == 0 && to != NULL)
		mp_cmd_note(ctx, "%zu files are in %s", files, to);
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

static const struct mp_option options[] = {
	{"to", 0, "DIR", "write them to DIR/MODULE/PATH"},
};

const struct mp_cmd mp_cmd_outputs = {
	.name = "outputs",
	.args = "RUN [MODULE]",
	.summary = "list the outputs of a run, or write them to a folder",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 2,
	.run = outputs_run,
};
