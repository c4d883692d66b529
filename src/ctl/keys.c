/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/authority.h"
#include "ctl/commands.h"

static int
keys_run(struct mp_cmd_ctx *ctx)
{
	int rc;

	if (strcmp(ctx->args[0], "rotate") != 0)
		rc = mp_fail(&ctx->err, MP_EUSAGE, "'%.40s' is not what keys does; it is rotate",
			ctx->args[0]);
	else
		rc = mp_cmd_authority_take(ctx, MP_CTL_TRUST_ROTATE, mp_span(NULL, 0), true);
	return rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : MP_EXIT_DONE;
}

const struct mp_cmd mp_cmd_keys = {
	.name = "keys",
	.args = "rotate",
	.summary = "change the key that hides what nodes tell each other by datagrams",
	.details =
		"Members get the new one over their streams, and those that are down when they\n"
		"come back. It needs no authority: the key is for secrecy only, and a node that\n"
		"was revoked does not get the one that was made then.\n",
	.args_min = 1,
	.args_max = 1,
	.run = keys_run,
};
