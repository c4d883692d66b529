/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/follow.h"

static int
wait_run(struct mp_cmd_ctx *ctx)
{
	struct mp_follow_config config = {.failures = true};
	char run[MP_CMD_RUN_SIZE];

	if (mp_follow_timeout(ctx, &config.timeout_ms, &ctx->err) != 0 ||
		mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err) != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	config.run = run;
	return mp_follow(ctx, &config);
}

static const struct mp_option options[] = {MP_OPTION_TIMEOUT};

const struct mp_cmd mp_cmd_wait = {
	.name = "wait",
	.args = "RUN",
	.summary = "wait for the end of a run; exit with its status",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = wait_run,
};
