/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "codec/msg_blob.h"
#include "codec/msg_ctl.h"
#include "ctl/livelog.h"
#include "ctl/products.h"
#include "ctl/visit.h"

#define POLL_FIRST_MS 20
#define POLL_MS       250
#define AGAIN_MS      300
#define RECONNECT_MS  20000
/* Whoever waits for the end looks that often whether there is something to do. */
#define LOOK_MS         3000
#define FAILURES_SHOWN  10
#define FAILURE_LINES   10
#define STATUS_LINE_MAX 256

struct follow {
	struct mp_cmd_ctx *ctx;
	const struct mp_follow_config *config;
	mp_time began_ms;
	mp_time lost_ms; /* since when the node does not answer; 0: it does */
	bool drawing;    /* a status line stands on the terminal */
	bool can_draw;
	bool told_stalled, told_still;
	bool told_unplaceable;
	bool met;             /* the node has answered */
	uint32_t told_unsure; /* of so many modules that may have run */
	mp_time pause_ms;
	struct mp_livelog *log;
	/* The run as it was seen last. */
	enum mp_run_state state;
	uint32_t states[MP_MODULE_STATE_COUNT];
	uint32_t cached;
	uint32_t module_count;
	mp_time submitted_ms, ended_ms;
	char name[MP_NAME_MAX + 1];
	char why[MP_ERROR_TEXT_MAX];
	char hex[33];
	size_t failures;
};

bool
mp_follow_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

int
mp_follow_timeout(struct mp_cmd_ctx *ctx, mp_time *timeout_ms, struct mp_error *err)
{
	const char *text = mp_cmd_value(ctx, "timeout");

	*timeout_ms = 0;
	if (text != NULL && (!mp_cmd_duration(text, timeout_ms) || *timeout_ms == 0))
		return mp_fail(err, MP_EUSAGE,
			"--timeout %.40s: a time such as 90, 30s or 10m is expected", text);
	return 0;
}

static void
nap(mp_time ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL);
}

/* ---- the status line ---- */

static void
undraw(struct follow *f)
{
	if (f->drawing)
		(void)fputs("\r\033[K", stderr);
	f->drawing = false;
}

static uint32_t
ended_modules(const struct follow *f)
{
	uint32_t n = 0;

	for (size_t i = MP_MODULE_SUCCEEDED; i < MP_MODULE_STATE_COUNT; i++)
		n += i != MP_MODULE_MAYBE_RAN ? f->states[i] : 0;
	return n;
}

static void
draw(struct follow *f)
{
	const char *no_color = getenv("NO_COLOR");
	bool color = no_color == NULL || no_color[0] == '\0';
	uint32_t done = ended_modules(f), running = f->states[MP_MODULE_RUNNING];
	uint32_t failed = f->states[MP_MODULE_FAILED] + f->states[MP_MODULE_TIMED_OUT];
	char time[MP_W_SHORT];

	if (!f->can_draw)
		return;
	mp_w_duration(time, mp_client_now_ms() - f->began_ms);
	(void)fprintf(stderr, "\r\033[K%s%.40s%s %s  %u/%u done, %u running, %u waiting",
		color ? "\033[1m" : "", f->name, color ? "\033[0m" : "",
		mp_run_state_word(f->state), done, f->module_count, running,
		f->module_count - done - running);
	if (failed > 0)
		(void)fprintf(stderr, ", %s%u failed%s", color ? "\033[31m" : "", failed,
			color ? "\033[0m" : "");
	(void)fprintf(stderr, "  %s", time);
	(void)fflush(stderr);
	f->drawing = true;
}

/* ---- asking ---- */

static int
on_head(void *arg, const struct mp_show *s)
{
	struct follow *f = arg;

	f->state = s->state;
	memcpy(f->states, s->states, sizeof(f->states));
	f->cached = s->cached;
	f->module_count = s->module_count;
	f->submitted_ms = s->submitted_ms;
	f->ended_ms = s->ended_ms;
	mp_cmd_run_hex(f->hex, &s->run);
	(void)snprintf(f->name, sizeof(f->name), "%.*s", (int)s->name.n, (const char *)s->name.p);
	(void)snprintf(f->why, sizeof(f->why), "%.*s", (int)s->text.n,
		s->text.n > 0 ? (const char *)s->text.p : "");
	return 0;
}

static int
ask(struct follow *f, struct mp_error *err)
{
	struct mp_visitor head = {.run = on_head, .arg = f};
	enum mp_run_state state;
	int rc;

	rc = mp_visit(f->ctx, f->config->run, &head, err);
	if (rc != 0 || f->log == NULL)
		return rc;
	/* Afterwards, so that the last poll is one after the end. */
	undraw(f);
	return mp_livelog_poll(f->log, &state, err);
}

/* Is this a trouble that may pass? Then naps. */
static bool
bear(struct follow *f, int rc, const struct mp_error *err)
{
	mp_time now = mp_client_now_ms();

	if (rc == MP_ENOQUORUM || rc == MP_EBUSY) {
		if (!f->told_stalled) {
			undraw(f);
			mp_cmd_note(f->ctx, "%s; still waiting", err->text);
		}
		f->told_stalled = true;
		nap(AGAIN_MS);
		return true;
	}
	if ((rc != MP_ECLOSED && rc != MP_EREFUSED) || !f->met)
		return false;
	if (f->lost_ms == 0) {
		f->lost_ms = now;
		undraw(f);
		mp_cmd_note(f->ctx, "the node went away; waiting for it to come back");
	}
	nap(AGAIN_MS);
	return now - f->lost_ms < RECONNECT_MS;
}

/* Ends the visit at the first one. */
static int
on_unplaceable(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct follow *f = arg;
	uint32_t others = f->states[MP_MODULE_UNPLACEABLE] - 1;

	(void)index;
	if (m->state != MP_MODULE_UNPLACEABLE)
		return 0;
	undraw(f);
	mp_cmd_note(f->ctx, "%.*s: %.*s%s; mpctl show %s tells more", (int)m->name.n,
		(const char *)m->name.p, (int)m->text.n,
		m->text.n > 0 ? (const char *)m->text.p : "",
		others > 0 ? " (and others like it)" : "", f->config->run);
	return MP_ECANCELED;
}

static void
tell_unplaceable(struct follow *f)
{
	struct mp_visitor v = {.module = on_unplaceable, .arg = f};
	struct mp_error err = {0};

	if (f->states[MP_MODULE_UNPLACEABLE] == 0 || f->told_unplaceable)
		return;
	/* It may have been placed meanwhile. */
	f->told_unplaceable = mp_visit(f->ctx, f->config->run, &v, &err) == MP_ECANCELED;
}

static int
on_unsure(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct follow *f = arg;

	(void)index;
	if (m->state == MP_MODULE_MAYBE_RAN)
		mp_cmd_note(f->ctx, "%.*s %.*s", (int)m->name.n, (const char *)m->name.p,
			(int)m->text.n, m->text.n > 0 ? (const char *)m->text.p : "");
	return 0;
}

/* What may have run waits for an operator, and with it whoever needs it. */
static void
tell_unsure(struct follow *f)
{
	struct mp_visitor v = {.module = on_unsure, .arg = f};
	uint32_t n = f->states[MP_MODULE_MAYBE_RAN];
	struct mp_error quiet = {0};

	if (n > f->told_unsure && !f->ctx->quiet) {
		undraw(f);
		(void)mp_visit(f->ctx, f->config->run, &v, &quiet);
	}
	f->told_unsure = n;
}

static void
tell_still(struct follow *f)
{
	bool still = f->state == MP_RUN_STALLED;

	if (still && !f->told_still) {
		undraw(f);
		mp_cmd_note(f->ctx,
			"the run stands still: %s; still waiting. If that is for good, mpctl "
			"takeover %.12s goes on without them, on a node with the authority's key",
			f->why, f->hex);
	}
	f->told_still = still;
}

/* Short at first, to tell of trouble soon; never so short that asking is most of what happens. */
static mp_time
next_pause(struct follow *f, mp_time took)
{
	mp_time most = f->log != NULL || f->can_draw ? POLL_MS : LOOK_MS;

	f->pause_ms = f->pause_ms * 3 / 2 < most ? f->pause_ms * 3 / 2 : most;
	return took * 4 > f->pause_ms ? took * 4 : f->pause_ms;
}

/* Naps, but not beyond the end of the run. */
static void
doze(struct follow *f, mp_time ms)
{
	mp_time saved = f->ctx->deadline_ms, until = mp_client_now_ms() + ms;
	struct mp_error quiet = {0};
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, f->ctx->alloc, 256);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_WAIT, f->config->run);
	f->ctx->deadline_ms = until;
	rc = mp_cmd_call(f->ctx, rc, &buf, &payload, &quiet);
	f->ctx->deadline_ms = saved;
	/* Whatever the trouble is, the next question tells of it. */
	if (rc != 0 && rc != MP_ECANCELED && mp_client_now_ms() < until)
		nap(until - mp_client_now_ms());
}

/* ---- the end ---- */

static bool
has_failed(const struct mp_show_module *m)
{
	return m->state == MP_MODULE_FAILED || m->state == MP_MODULE_TIMED_OUT;
}

/* The stderr of those that on_module() is to show. */
static int
want_stderr(void *arg, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m)
{
	struct follow *f = arg;

	(void)index;
	if (f->log != NULL || !has_failed(m) || f->failures + w->count >= FAILURES_SHOWN)
		return 0;
	return mp_products_want(w, m, &m->err.blob, MP_SIZE_UNKNOWN);
}

static int
on_page(void *arg, const struct mp_show *page)
{
	struct follow *f = arg;
	struct mp_error err = {0};

	/* Without it there still is what the node knows of them. */
	(void)mp_products_bring(f->ctx, page, NULL, want_stderr, f, &err);
	return 0;
}

static int
on_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct follow *f = arg;
	struct mp_error err = {0};
	char who[MP_WHO_SIZE], how[64] = "", line[2 * MP_ERROR_TEXT_MAX];

	(void)index;
	if (!has_failed(m))
		return 0;
	if (++f->failures > FAILURES_SHOWN)
		return 0;
	if (m->text.n > 0)
		how[0] = '\0';
	else if (m->has_exit)
		(void)snprintf(how, sizeof(how), ", exit %d", m->exit_code);
	else if (m->signal != 0)
		(void)snprintf(how, sizeof(how), ", signal %d", m->signal);
	(void)snprintf(line, sizeof(line), "%.*s %s%s%s%s%s%.*s", (int)m->name.n,
		(const char *)m->name.p, m->state == MP_MODULE_FAILED ? "failed" : "timed out",
		m->node.name.p != NULL ? " on " : "",
		m->node.name.p != NULL ? mp_who(&m->node, who) : "", how, m->text.n > 0 ? ": " : "",
		(int)m->text.n, m->text.n > 0 ? (const char *)m->text.p : "");
	mp_w_lines(stderr, "", mp_span_str(line), 0);
	if (f->log == NULL &&
		mp_livelog_last_lines(f->ctx, &m->err, FAILURE_LINES, "    ", stderr, &err) != 0)
		(void)fprintf(stderr, "    (its stderr: %s)\n", err.text);
	return 0;
}

static void
summary(struct follow *f)
{
	struct mp_visitor v = {.page = on_page, .module = on_module, .arg = f};
	struct mp_error err = {0};
	char time[MP_W_SHORT], cached[32] = "";

	if (f->ctx->quiet)
		return;
	if (f->state == MP_RUN_FAILED && f->config->failures) {
		if (mp_visit(f->ctx, f->config->run, &v, &err) != 0)
			mp_cmd_error(f->ctx, "%s", err.text);
		if (f->failures > FAILURES_SHOWN)
			(void)fprintf(
				stderr, "and %zu more that failed\n", f->failures - FAILURES_SHOWN);
	}
	mp_w_duration(time, f->ended_ms - f->submitted_ms);
	if (f->cached > 0)
		(void)snprintf(cached, sizeof(cached), ", %u cached", f->cached);
	(void)fprintf(stderr, "%s %.12s %s in %s: %u of %u modules succeeded%s%s%s\n", f->name,
		f->hex, mp_run_state_word(f->state), time, f->states[MP_MODULE_SUCCEEDED],
		f->module_count, cached, f->why[0] != '\0' ? "; " : "", f->why);
}

static int
exit_of_run(enum mp_run_state state)
{
	return state == MP_RUN_SUCCEEDED   ? MP_EXIT_DONE
	       : state == MP_RUN_CANCELLED ? MP_EXIT_CANCELLED
					   : MP_EXIT_FAILED;
}

static int
follow_loop(struct follow *f, struct mp_error *err)
{
	mp_time deadline =
		f->config->timeout_ms > 0 ? f->began_ms + f->config->timeout_ms : MP_TIME_NEVER;

	for (;;) {
		mp_time before = mp_client_now_ms(), pause;
		int rc = before < deadline ? ask(f, err) : MP_ETIMEOUT;

		if (rc == MP_ETIMEOUT)
			return f->config->ours
				       ? mp_fail(err, rc, "the run takes longer than --timeout")
				       : mp_fail(err, rc,
						 "the run goes on after --timeout; mpctl wait %s "
						 "waits for it",
						 f->config->run);
		if (rc != 0 && bear(f, rc, err))
			continue;
		if (f->met && (rc == MP_ECLOSED || rc == MP_EREFUSED))
			return mp_fail(err, rc,
				"the node went away; the run may go on without it, mpctl wait %s "
				"on another node tells",
				f->config->run);
		if (rc != 0)
			return rc;
		f->lost_ms = 0;
		f->met = true;
		if (mp_run_state_ended(f->state) && f->ended_ms > 0)
			return 0;
		tell_still(f);
		tell_unplaceable(f);
		tell_unsure(f);
		draw(f);
		pause = next_pause(f, mp_client_now_ms() - before);
		doze(f, deadline - before < pause ? deadline - before : pause);
	}
}

/* ---- who is interrupted learns what becomes of the run ---- */

static char goes_on[256];

static void
on_interrupt(int sig)
{
	if (write(STDERR_FILENO, goes_on, strlen(goes_on)) < 0)
		_exit(128 + sig);
	(void)raise(sig); /* when this returns: SA_RESETHAND */
}

static void
catch_interrupt(const struct follow *f)
{
	struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}, old;

	if (f->ctx->quiet || f->config->ours || sigaction(SIGINT, NULL, &old) != 0 ||
		old.sa_handler != SIG_DFL)
		return;
	(void)snprintf(goes_on, sizeof(goes_on),
		"%smpctl: %s: the run goes on; mpctl wait %s waits for it, mpctl cancel stops it\n",
		f->can_draw ? "\n" : "", f->ctx->cmd->name, f->config->run);
	(void)sigaction(SIGINT, &sa, NULL);
}

int
mp_follow(struct mp_cmd_ctx *ctx, const struct mp_follow_config *config)
{
	struct follow f = {.ctx = ctx,
		.config = config,
		.began_ms = mp_client_now_ms(),
		.met = config->submitted,
		.pause_ms = POLL_FIRST_MS};
	struct mp_livelog_config log = {.run = config->run,
		.streams = MP_LIVELOG_OUT | MP_LIVELOG_ERR,
		.out = config->logs};
	mp_time saved = ctx->deadline_ms;
	struct mp_error err = {0};
	int rc = 0, code;

	f.can_draw = !ctx->quiet && mp_follow_terminal();
	catch_interrupt(&f);
	if (config->timeout_ms > 0)
		ctx->deadline_ms = f.began_ms + config->timeout_ms;
	if (config->logs != NULL)
		rc = mp_livelog_new(ctx, &log, &f.log);
	if (rc == 0)
		rc = follow_loop(&f, &err);
	ctx->deadline_ms = saved;
	undraw(&f);
	mp_livelog_free(f.log);
	if (rc != 0) {
		err.code = rc;
		return mp_cmd_fail(ctx, &err);
	}
	code = exit_of_run(f.state);
	summary(&f);
	return code;
}
