/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"

static int
cancel_run(struct mp_cmd_ctx *ctx)
{
	char run[MP_CMD_RUN_SIZE], by[MP_NAME_MAX + 1];
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
	mp_cmd_note(
		ctx, "what is left of the run is cancelled; mpctl wait %s tells how it ends", run);
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
