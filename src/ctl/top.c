/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/members.h"
#include "ctl/visit.h"

#define PAUSE_S   1
#define RUNS_MAX  16   /* that have not ended; the newest */
#define RUN_MS    2000 /* whoever leads one may be out of reach */
#define ROWS_LEFT 1    /* of the screen: the cursor's */

static const struct mp_column summary_columns[] = {
	{"summary", "cluster", false, 0},
};

static const struct mp_column node_columns[] = {
	{"name", "NODE", false, 0},
	{"state", "STATE", false, 0},
	{"status", "STATUS", false, 0},
	{"load", "LOAD", true, 0},
	{"leads", "LEADS", true, 2},
	{"attempts", "IN HAND", true, 3},
	{"rtt_ms", "RTT", true, 4},
	{"silent_ms", "HEARD", true, 5},
	{"zone", "ZONE", false, 6},
	{"machine", "MACHINE", false, 7},
};

static const struct mp_column run_columns[] = {
	{"run", "RUN", false, 0},
	{"name", "NAME", false, 0},
	{"state", "STATE", false, 0},
	{"done", "DONE", true, 0},
	{"running", "RUNNING", true, 1},
	{"failed", "FAILED", true, 2},
	{"leader", "LEADER", false, 3},
	{"time", "TIME", true, 4},
};

struct top {
	struct mp_cmd_ctx *ctx;
	struct mp_writer *w;
	size_t members, alive;
	uint64_t slots, used;
	struct mp_run_id runs[RUNS_MAX];
	size_t run_count, open_runs;
};

static volatile sig_atomic_t interrupted;

/* ---- what is shown ---- */

static void
count_member(void *arg, const struct mp_snap_member *m, const struct mp_caps *caps)
{
	struct top *t = arg;

	t->members += m->state != MP_MEMBER_LEFT;
	if (m->state != MP_MEMBER_ALIVE)
		return;
	t->alive++;
	t->used += m->load.used;
	t->slots += caps != NULL ? caps->slots : 0;
}

static void
show_member(void *arg, const struct mp_snap_member *m, const struct mp_caps *caps)
{
	const struct top *t = arg;

	if (m->state != MP_MEMBER_LEFT)
		mp_w_member(t->w, m, caps);
}

static int
find_runs(struct top *t)
{
	struct mp_show_run run;
	struct mp_span payload;
	struct mp_list list;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, t->ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_RUNS, NULL);
	rc = mp_cmd_call(t->ctx, rc, &buf, &payload, &t->ctx->err);
	if (rc == 0 && (rc = mp_show_list_decode(payload, &list)) != 0)
		return mp_cmd_nonsense(t->ctx, rc, &t->ctx->err);
	while (rc == 0 && mp_show_list_next(&list, &run)) {
		if (mp_run_state_ended(run.state))
			continue;
		t->open_runs++;
		if (t->run_count < RUNS_MAX)
			t->runs[t->run_count++] = run.run;
	}
	return rc;
}

static void
write_run(struct mp_writer *w, const struct mp_show *show, mp_time wall_ms)
{
	uint32_t done = 0, failed = show->states[MP_MODULE_FAILED];
	char hex[33], time[MP_W_SHORT];

	for (size_t i = MP_MODULE_SUCCEEDED; i < MP_MODULE_STATE_COUNT; i++)
		done += i != MP_MODULE_MAYBE_RAN ? show->states[i] : 0;
	failed += show->states[MP_MODULE_TIMED_OUT];
	mp_cmd_run_hex(hex, &show->run);
	mp_w_duration(time, wall_ms > show->submitted_ms ? wall_ms - show->submitted_ms : 0);
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "run", hex);
	mp_w_show(w, "run", "%.12s", hex);
	mp_w_span(w, "name", show->name);
	mp_w_text(w, "state", mp_run_state_word(show->state));
	mp_w_who(w, "leader", "leader_id", &show->leader);
	mp_w_time(w, "submitted_ms", show->submitted_ms);
	mp_w_uint(w, "modules", show->module_count);
	mp_w_uint(w, "done", done);
	mp_w_show(w, "done", "%u/%u", done, show->module_count);
	mp_w_uint(w, "running", show->states[MP_MODULE_RUNNING]);
	mp_w_uint(w, "failed", failed);
	mp_w_show(w, "time", "%s", time);
	mp_w_paint(w, "name", MP_PAINT_STRONG);
	if (show->state == MP_RUN_STALLED)
		mp_w_paint(w, "state", MP_PAINT_BAD);
	if (failed > 0)
		mp_w_paint(w, "failed", MP_PAINT_BAD);
	mp_w_end(w);
}

/* One that has ended meanwhile, or that nobody can show, is left out. */
static void
show_run(struct top *t, const struct mp_run_id *id, mp_time wall_ms)
{
	struct mp_error err = {0};
	struct mp_show show;

	if (mp_visit_head(t->ctx, id, RUN_MS, &show, &err) == 0)
		write_run(t->w, &show, wall_ms);
}

/* Everything once. */
static int
show_all(struct top *t)
{
	mp_time wall_ms = (mp_time)time(NULL) * 1000;
	int rc = mp_members_visit(t->ctx, count_member, t, NULL);

	if (rc == 0)
		rc = find_runs(t);
	if (rc != 0)
		return rc;
	mp_w_object(t->w, NULL, summary_columns, mp_countof(summary_columns));
	mp_w_uint(t->w, "members", t->members);
	mp_w_uint(t->w, "alive", t->alive);
	mp_w_uint(t->w, "slots", t->slots);
	mp_w_uint(t->w, "used", t->used);
	mp_w_uint(t->w, "open_runs", t->open_runs);
	mp_w_show(t->w, "summary", "%zu of %zu nodes alive, %llu of %llu slots used, %zu runs open",
		t->alive, t->members, (unsigned long long)t->used, (unsigned long long)t->slots,
		t->open_runs);
	mp_w_list(t->w, "runs", run_columns, mp_countof(run_columns));
	for (size_t i = 0; i < t->run_count; i++)
		show_run(t, &t->runs[i], wall_ms);
	mp_w_end(t->w);
	mp_w_list(t->w, "nodes", node_columns, mp_countof(node_columns));
	rc = mp_members_visit(t->ctx, show_member, t, NULL);
	mp_w_end(t->w);
	mp_w_end(t->w);
	return rc;
}

/* ---- a terminal ---- */

static void
on_signal(int signum)
{
	(void)signum;
	interrupted = 1;
}

/* As many lines as the screen has, over those that were there. */
static void
paint(const char *text, unsigned rows)
{
	(void)fputs("\033[H", stdout);
	for (unsigned row = 0; *text != '\0' && row + ROWS_LEFT < rows; row++) {
		size_t n = strcspn(text, "\n");

		(void)printf("%.*s\033[K\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
	(void)fputs("\033[J", stdout);
	(void)fflush(stdout);
}

static int
paint_once(struct mp_cmd_ctx *ctx)
{
	struct winsize size = {.ws_col = 0};
	struct top t = {.ctx = ctx};
	struct mp_error err = {0};
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int rc = MP_ENOMEM;

	if (out != NULL)
		t.w = mp_writer_new(MP_WRITER_TEXT, out);
	if (t.w != NULL) {
		mp_writer_stdout(t.w);
		rc = show_all(&t);
		if (rc == 0)
			rc = mp_writer_finish(t.w, &err);
		else
			(void)fprintf(out, "%s\n", ctx->err.text);
		mp_writer_free(t.w);
	}
	if (out != NULL)
		(void)fclose(out);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		size.ws_row = 24;
	if (text != NULL)
		paint(text, size.ws_row);
	free(text);
	return rc;
}

/* Until somebody interrupts it; a node that goes away may come back. */
static int
watch(struct mp_cmd_ctx *ctx)
{
	struct sigaction sa = {.sa_handler = on_signal};
	const struct timespec pause = {.tv_sec = PAUSE_S};
	int rc = mp_cmd_connect(ctx, &ctx->err);

	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	ctx->stop = &interrupted;
	(void)fputs("\033[?1049h\033[?25l", stdout);
	while (interrupted == 0) {
		(void)paint_once(ctx);
		if (interrupted == 0)
			(void)nanosleep(&pause, NULL);
	}
	(void)fputs("\033[?25h\033[?1049l", stdout);
	(void)fflush(stdout);
	return MP_EXIT_DONE;
}

static int
top_run(struct mp_cmd_ctx *ctx)
{
	const char *term = getenv("TERM");
	struct top t = {.ctx = ctx, .w = ctx->writer};
	int rc;

	if (!ctx->json && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0)
		return watch(ctx);
	rc = show_all(&t);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

const struct mp_cmd mp_cmd_top = {
	.name = "top",
	.args = "",
	.summary = "watch nodes and runs",
	.details =
		"On a terminal it goes on until it is interrupted; elsewhere, and with --json, it\n"
		"shows everything once.\n",
	.run = top_run,
};
