/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/visit.h"

static const struct mp_column columns[] = {
	{"run", "RUN", false, 0},
	{"name", "NAME", false, 0},
	{"state", "STATE", false, 0},
	{"leader", "LEADER", false, 0},
	{"submitted_ms", "SUBMITTED", false, 0},
	{"time", "TIME", true, 0},
};

static void
write_run(struct mp_writer *w, const struct mp_show_run *run)
{
	char hex[33], time[MP_W_SHORT] = "-";

	mp_cmd_run_hex(hex, &run->run);
	if (run->ended_ms > 0)
		mp_w_duration(time, run->ended_ms - run->submitted_ms);
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "run", hex);
	mp_w_show(w, "run", "%.12s", hex);
	mp_w_span(w, "name", run->name);
	mp_w_text(w, "state", mp_run_state_word(run->state));
	mp_w_who(w, "leader", "leader_id", &run->leader);
	mp_w_time(w, "submitted_ms", run->submitted_ms);
	mp_w_time(w, "ended_ms", run->ended_ms);
	mp_w_show(w, "time", "%s", time);
	mp_w_end(w);
}

static int
runs_run(struct mp_cmd_ctx *ctx)
{
	struct mp_writer *w = ctx->writer;
	struct mp_show_run run;
	struct mp_span payload;
	struct mp_list list;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_RUNS, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc == 0 && (rc = mp_show_list_decode(payload, &list)) != 0)
		rc = mp_cmd_nonsense(ctx, rc, &ctx->err);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (list.left == 0)
		mp_cmd_note(ctx, "there are no runs yet");
	mp_w_object(w, NULL, NULL, 0);
	mp_w_list(w, "runs", columns, mp_countof(columns));
	while (mp_show_list_next(&list, &run))
		write_run(w, &run);
	mp_w_end(w);
	mp_w_end(w);
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

const struct mp_cmd mp_cmd_runs = {
	.name = "runs",
	.args = "",
	.summary = "list the runs that the node knows, the newest first",
	.run = runs_run,
};
