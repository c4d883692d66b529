/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"

static int
say(struct mp_cmd_ctx *ctx, bool on)
{
	char by[MP_NAME_MAX + 1];
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	if (strlen(ctx->args[0]) > MP_NAME_MAX) {
		(void)mp_fail(&ctx->err, MP_EUSAGE, "no node is called so");
		return mp_cmd_fail(ctx, &ctx->err);
	}
	mp_cmd_who(by);
	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_drain_encode(&buf, ctx->args[0], on, by);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (on)
		mp_cmd_note(ctx, "%s takes no new work; mpctl nodes tells when it is drained",
			ctx->args[0]);
	return MP_EXIT_DONE;
}

static int
drain_run(struct mp_cmd_ctx *ctx)
{
	return say(ctx, true);
}

static int
undrain_run(struct mp_cmd_ctx *ctx)
{
	return say(ctx, false);
}

const struct mp_cmd mp_cmd_drain = {
	.name = "drain",
	.args = "NODE",
	.summary = "give a node no new work; what runs there goes on",
	.details =
		"NODE is the name or the id of a node, or the start of an id. It hands over what\n"
		"it leads and stays out of new runs until undrain, over restarts too. mpctl\n"
		"nodes shows it as draining, and as drained when nothing is left there.\n",
	.args_min = 1,
	.args_max = 1,
	.run = drain_run,
};

const struct mp_cmd mp_cmd_undrain = {
	.name = "undrain",
	.args = "NODE",
	.summary = "let a node take work again",
	.args_min = 1,
	.args_max = 1,
	.run = undrain_run,
};
