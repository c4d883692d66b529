/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/msg_blob.h"
#include "ctl/blobs.h"
#include "ctl/commands.h"
#include "ctl/livelog.h"
#include "ctl/products.h"
#include "util/fd.h"

#define POLL_MS 250

/* ---- as JSON: of attempts that have ended ---- */

static void
write_stream(struct mp_cmd_ctx *ctx, const struct mp_show_module *m, const char *key,
	const char *cut_key, const struct mp_show_log *log)
{
	struct mp_error err = {0};
	struct mp_buf bytes;

	mp_buf_init(&bytes, ctx->alloc, 2 * MP_OUTPUT_KEEP_MAX);
	if (mp_hash_is_zero(&log->blob)) {
		mp_w_text(ctx->writer, key, "");
	} else if (mp_blobs_get(ctx, &log->blob, &bytes, &err) != 0) {
		mp_cmd_error(ctx, "output of %.*s: %s", (int)m->name.n, (const char *)m->name.p,
			err.text);
		mp_w_null(ctx->writer, key);
	} else {
		mp_w_span(ctx->writer, key, mp_buf_span(&bytes));
	}
	mp_w_bool(ctx->writer, cut_key, log->cut);
	mp_buf_fini(&bytes);
}

struct json_logs {
	struct mp_cmd_ctx *ctx;
	const char *module; /* only that one; NULL: all */
};

static int
write_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct mp_cmd_ctx *ctx = ((struct json_logs *)arg)->ctx;

	(void)index;
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_span(ctx->writer, "module", m->name);
	mp_w_text(ctx->writer, "state", mp_module_state_word(m->state));
	write_stream(ctx, m, "stdout", "stdout_cut", &m->out);
	write_stream(ctx, m, "stderr", "stderr_cut", &m->err);
	mp_w_end(ctx->writer);
	return 0;
}

static int
want_streams(
	void *arg, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m)
{
	int rc = mp_products_want(w, m, &m->out.blob, MP_SIZE_UNKNOWN);

	(void)arg;
	(void)index;
	return rc != 0 ? rc : mp_products_want(w, m, &m->err.blob, MP_SIZE_UNKNOWN);
}

static int
bring_streams(void *arg, const struct mp_show *page)
{
	struct json_logs *l = arg;

	return mp_products_bring(l->ctx, page, l->module, want_streams, NULL, &l->ctx->err);
}

static int
logs_json(struct mp_cmd_ctx *ctx, const char *run, const char *module)
{
	struct json_logs l = {.ctx = ctx, .module = module};
	struct mp_visitor v = {.page = bring_streams, .module = write_module, .arg = &l};
	int rc;

	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_list(ctx->writer, "logs", NULL, 0);
	if (module != NULL)
		rc = mp_visit_one(ctx, run, module, &v, &ctx->err);
	else
		rc = mp_visit(ctx, run, &v, &ctx->err);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

/* ---- as they are ---- */

static int
logs_text(struct mp_cmd_ctx *ctx, const struct mp_livelog_config *config)
{
	struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	bool follow = mp_cmd_has(ctx, "follow");
	enum mp_run_state state = MP_RUN_PENDING;
	struct mp_livelog *log;
	int broken, rc = mp_livelog_new(ctx, config, &log);

	if (rc != 0)
		return mp_fail(&ctx->err, rc, "out of memory");
	for (;;) {
		rc = mp_livelog_poll(log, &state, &ctx->err);
		broken = mp_livelog_broken(log);
		if (rc != 0 || !follow || mp_run_state_ended(state) || broken != 0)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (rc == 0 && broken != 0)
		rc = mp_fail(&ctx->err, mp_sys_error(broken), "output: %s", strerror(broken));
	mp_livelog_free(log);
	return rc;
}

static int
logs_run(struct mp_cmd_ctx *ctx)
{
	char run[MP_CMD_RUN_SIZE];
	struct mp_livelog_config config = {.run = run, .module = ctx->args[1], .out = stdout};
	int rc;

	if (mp_cmd_has(ctx, "stdout"))
		config.streams |= MP_LIVELOG_OUT;
	if (mp_cmd_has(ctx, "stderr"))
		config.streams |= MP_LIVELOG_ERR;
	if (config.streams == 0)
		config.streams = MP_LIVELOG_OUT | MP_LIVELOG_ERR;
	if (ctx->json && mp_cmd_has(ctx, "follow")) {
		mp_cmd_error(ctx, "--json and --follow do not go together");
		return MP_EXIT_USAGE;
	}
	if (mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err) != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (ctx->json)
		return logs_json(ctx, run, ctx->args[1]);
	rc = logs_text(ctx, &config);
	return rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : mp_cmd_done(ctx, MP_EXIT_DONE);
}

static const struct mp_option options[] = {
	{"follow", 'f', NULL, "go on until the run has ended"},
	{"stdout", 0, NULL, "standard output only"},
	{"stderr", 0, NULL, "standard error only"},
};

const struct mp_cmd mp_cmd_logs = {
	.name = "logs",
	.args = "RUN [MODULE]",
	.summary = "print what modules wrote",
	.details =
		"Of one MODULE its bytes as they are, standard output first; of all modules line\n"
		"by line, each line behind the module's name.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 2,
	.run = logs_run,
};
