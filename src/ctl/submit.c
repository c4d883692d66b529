/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/follow.h"
#include "ctl/submitter.h"

static int
follow(struct mp_cmd_ctx *ctx, const char *run, mp_time timeout_ms)
{
	struct mp_follow_config config = {
		.run = run, .timeout_ms = timeout_ms, .failures = true, .submitted = true};

	if (mp_cmd_has(ctx, "follow"))
		config.logs = stderr;
	return mp_follow(ctx, &config);
}

static int
submit_run(struct mp_cmd_ctx *ctx)
{
	const char *key = mp_cmd_value(ctx, "key");
	bool waits = mp_cmd_has(ctx, "wait") || mp_cmd_has(ctx, "follow");
	struct mp_submitter s;
	struct mp_run_id run;
	mp_time timeout_ms;
	char hex[33];
	int code;

	if (mp_follow_timeout(ctx, &timeout_ms, &ctx->err) != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (timeout_ms > 0 && !waits) {
		mp_cmd_error(ctx, "--timeout goes with --wait or --follow");
		return MP_EXIT_USAGE;
	}
	if (key != NULL && (key[0] == '\0' || strlen(key) > MP_NAME_MAX)) {
		mp_cmd_error(ctx, "--key has 1 to %d bytes", MP_NAME_MAX);
		return MP_EXIT_USAGE;
	}
	code = mp_submitter_prepare(ctx, &s, ctx->args[0]);
	if (code == MP_EXIT_DONE)
		code = mp_submitter_send(ctx, &s, key, &run);
	mp_submitter_fini(&s);
	if (code != MP_EXIT_DONE)
		return code;
	mp_cmd_run_hex(hex, &run);
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_text(ctx->writer, "run", hex);
	mp_w_end(ctx->writer);
	mp_w_raw(ctx->writer, mp_span_str(hex));
	mp_w_raw(ctx->writer, mp_span_str("\n"));
	code = mp_cmd_done(ctx, MP_EXIT_DONE);
	if (code != MP_EXIT_DONE)
		mp_cmd_error(ctx, "its id could not be printed, and run %s goes on", hex);
	return code == MP_EXIT_DONE && waits ? follow(ctx, hex, timeout_ms) : code;
}

static const struct mp_option options[] = {
	MP_OPTION_PARAM,
	{"key", 0, "KEY", "not available in this version"},
	{"wait", 'w', NULL, "wait for the end; exit with the run's status"},
	{"follow", 'f', NULL, "the same, and print the modules' output on stderr"},
	MP_OPTION_TIMEOUT,
};

const struct mp_cmd mp_cmd_submit = {
	.name = "submit",
	.args = "FILE",
	.summary = "start a run of a pipeline on the cluster",
	.details =
		"Prints the id of the run, and nothing else, on standard output. The files that\n"
		"the pipeline's inputs name are read from the folder of FILE.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = submit_run,
};
