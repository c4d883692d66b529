/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/authority.h"
#include "ctl/commands.h"
#include "ctl/token.h"

static int
invite_run(struct mp_cmd_ctx *ctx)
{
	struct mp_cmd_let_in anybody = {.who = NULL};
	struct mp_buf token;
	int rc;

	mp_buf_init(&token, ctx->alloc, MP_CTL_TOKEN_MAX);
	rc = mp_cmd_token(ctx, &anybody, &token);
	if (rc == 0) {
		mp_w_object(ctx->writer, NULL, NULL, 0);
		mp_w_span(ctx->writer, "token", mp_buf_span(&token));
		mp_w_end(ctx->writer);
		mp_w_raw(ctx->writer, mp_buf_span(&token));
		mp_w_raw(ctx->writer, mp_span_str("\n"));
	}
	mp_buf_fini(&token);
	return rc == 0 ? mp_cmd_done(ctx, MP_EXIT_DONE) : mp_cmd_fail(ctx, &ctx->err);
}

static const struct mp_option options[] = {
	{"roles", 0, "ROLE,...", "of node, submit, observe (default: these three) and admin"},
	{"role", 0, "ROLE", "one of them; repeatable"},
	{"expires", 0, "TIME", "how long the token is good, such as 90m, 24h (default), 7d"},
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_invite = {
	.name = "invite",
	.args = "",
	.summary = "make a token that lets a node join the cluster",
	.details =
		"Prints the token alone. Who has it may join until it expires: keep it in a file\n"
		"that others cannot read, and give it to mpnode join by --token-file.\n"
		"It needs the authority's key, as the node that founded the cluster keeps it.\n",
	.options = options,
	.option_count = mp_countof(options),
	.run = invite_run,
};
