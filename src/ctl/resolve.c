/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/visit.h"

/* A leader that took it may go down before it is committed: it is said again after AGAIN_MS, and
 * given up after CONFIRM_MS. */
#define LOOK_MS    100
#define AGAIN_MS   2000
#define CONFIRM_MS 20000

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
on_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	(void)index;
	*(enum mp_module_state *)arg = m->state;
	return 0;
}

/* Until it is committed. */
static int
confirm(struct mp_cmd_ctx *ctx, const char *run, bool rerun, struct mp_error *err)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	enum mp_module_state state = MP_MODULE_MAYBE_RAN;
	const struct mp_visitor visitor = {.module = on_module, .arg = &state};
	mp_time began = mp_client_now_ms(), said = began;

	for (;;) {
		struct mp_error quiet = {0};
		mp_time now = mp_client_now_ms();

		if (mp_visit_one(ctx, run, ctx->args[1], &visitor, &quiet) == 0 &&
			state != MP_MODULE_MAYBE_RAN)
			return 0;
		if (now - began >= CONFIRM_MS)
			return mp_fail(err, MP_ETIMEOUT,
				"it is not in the run's log yet; mpctl show %s tells", run);
		if (now - said >= AGAIN_MS) {
			said = now;
			(void)say(ctx, run, rerun, &quiet);
		}
		(void)nanosleep(&pause, NULL);
	}
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
	if (rc == 0)
		rc = confirm(ctx, run, rerun, &ctx->err);
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
