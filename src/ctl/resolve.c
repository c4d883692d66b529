/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"

static int
say(struct mp_cmd_ctx *ctx, const char *run, bool rerun, struct mp_error *err)
{
	char by[MP_NAME_MAX + 1];
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_cmd_who(by);
	mp_buf_init(&buf, ctx->alloc, 4096);
	rc = mp_ctl_resolve_encode(&buf, run, ctx->args[1], rerun, by);
	return mp_cmd_call(ctx, rc, &buf, &payload, err);
}

static int
resolve_run(struct mp_cmd_ctx *ctx)
{
	bool rerun = strcmp(ctx->args[2], "rerun") == 0;
	char run[MP_CMD_RUN_SIZE];
	int rc;

	if (!rerun && strcmp(ctx->args[2], "done") != 0) {
		rc = mp_fail(
			&ctx->err, MP_EUSAGE, "%.40s: done or rerun is expected", ctx->args[2]);
		return mp_cmd_fail(ctx, &ctx->err);
	}
	rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);
	if (rc == 0)
		rc = say(ctx, run, rerun, &ctx->err);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cmd_note(ctx, "%s %s", ctx->args[1],
		rerun ? "runs again" : "counts as done, without outputs");
	return MP_EXIT_DONE;
}

const struct mp_cmd mp_cmd_resolve = {
	.name = "resolve",
	.args = "RUN MODULE done|rerun",
	.summary = "say what became of a module that may have run",
	.details = "A module with `once: true` never starts twice by itself. When its node is "
		   "lost, it is\n"
		   "maybe_ran until somebody has looked and says that it is done, or is to run "
		   "again.\n",
	.args_min = 3,
	.args_max = 3,
	.run = resolve_run,
};
