/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "util/utf8.h"

/* Who asks, as it is logged. */
static void
who_asks(char out[MP_NAME_MAX + 1])
{
	const struct passwd *pw = getpwuid(getuid());
	char host[65] = "";

	(void)gethostname(host, sizeof(host) - 1);
	if (pw != NULL)
		(void)snprintf(out, MP_NAME_MAX + 1, "%.60s@%.60s", pw->pw_name, host);
	else
		(void)snprintf(out, MP_NAME_MAX + 1, "uid %u@%.60s", (unsigned)getuid(), host);
	if (!mp_utf8_printable(mp_span_str(out)))
		(void)snprintf(out, MP_NAME_MAX + 1, "uid %u", (unsigned)getuid());
}

static int
cancel_run(struct mp_cmd_ctx *ctx)
{
	char run[MP_CMD_RUN_SIZE], by[MP_NAME_MAX + 1];
	struct mp_span payload;
	struct mp_buf buf;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	if (rc == 0) {
		who_asks(by);
		mp_buf_init(&buf, ctx->alloc, 1024);
		rc = mp_ctl_cancel_encode(&buf, run, by);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	}
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cmd_note(ctx, "the run is being cancelled; mpctl wait %s tells when it has ended", run);
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
