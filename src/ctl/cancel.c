/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/visit.h"

static int
on_run(void *arg, const struct mp_show *show)
{
	*(enum mp_run_state *)arg = show->state;
	return 0;
}

static int
cancel_run(struct mp_cmd_ctx *ctx)
{
	enum mp_run_state state = MP_RUN_RUNNING;
	struct mp_visitor v = {.run = on_run, .arg = &state};
	char run[MP_CMD_RUN_SIZE], by[MP_NAME_MAX + 1];
	struct mp_error quiet = {0};
	struct mp_span payload;
	struct mp_buf buf;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	if (rc == 0) {
		mp_cmd_who(by);
		mp_buf_init(&buf, ctx->alloc, 1024);
		rc = mp_ctl_cancel_encode(&buf, run, by);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	}
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	(void)mp_visit(ctx, run, &v, &quiet);
	if (mp_run_state_ended(state))
		mp_cmd_note(ctx, "the run has ended: %s", mp_run_state_word(state));
	else
		mp_cmd_note(ctx,
			"what is left of the run is cancelled; mpctl wait %s tells how it ends",
			run);
	return MP_EXIT_DONE;
}

const struct mp_cmd mp_cmd_cancel = {
	.name = "cancel",
	.args = "RUN",
	.summary = "stop a run: what is running is killed, the rest never starts",
	.args_min = 1,
	.args_max = 1,
	.run = cancel_run,
};
