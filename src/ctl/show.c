/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "codec/manifest.h"
#include "codec/record_run.h"
#include "ctl/commands.h"
#include "ctl/events.h"
#include "ctl/products.h"
#include "ctl/visit.h"
#include "util/clock.h"

static const struct mp_column head[] = {
	{"run", "run", false, 0},
	{"name", "name", false, 0},
	{"state", "state", false, 0},
	{"why", "because", false, 0},
	{"progress", "modules", false, 0},
	{"leader", "leader", false, 0},
	{"generation", "generation", false, 0},
	{"electors", "electors", false, 0},
	{"submitted_ms", "submitted", false, 0},
	{"time", "time", false, 0},
};

static const struct mp_column columns[] = {
	{"name", "MODULE", false, 0},
	{"state", "STATE", false, 0},
	{"node", "NODE", false, 0},
	{"tries", "TRIES", true, 0},
	{"time", "TIME", true, 0},
	{"exit", "EXIT", true, 0},
	{"why", "NOTE", false, 0},
};

struct shower {
	struct mp_cmd_ctx *ctx;
	bool open; /* the run's object and list of modules are */
};

static void
show_electors(struct mp_writer *w, const struct mp_show *s)
{
	char all[MP_ELECTORS_MAX * (MP_WHO_SIZE + 2)] = "", name[MP_WHO_SIZE];
	size_t at = 0;

	mp_w_list(w, "electors", NULL, 0);
	for (uint32_t i = 0; i < s->elector_count; i++) {
		mp_w_text(w, NULL, mp_who(&s->electors[i], name));
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i > 0 ? ", " : "", name);
	}
	mp_w_end(w);
	mp_w_show(w, "electors", "%s", all);
}

static void
show_progress(struct mp_writer *w, const struct mp_show *s)
{
	char text[512] = "";
	size_t at = 0;

	mp_w_object(w, "counts", NULL, 0);
	for (size_t i = 0; i < MP_MODULE_STATE_COUNT; i++)
		mp_w_uint(w, mp_module_state_word((enum mp_module_state)i), s->states[i]);
	mp_w_end(w);
	for (size_t i = 0; i < MP_MODULE_STATE_COUNT; i++) {
		if (s->states[i] > 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ", %u %s",
				s->states[i], mp_module_state_word((enum mp_module_state)i));
	}
	mp_w_uint(w, "cached", s->cached);
	if (s->cached > 0)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ", %u cached", s->cached);
	mp_w_show(w, "progress", "%u%s%s", s->module_count, at > 0 ? ": " : "",
		at > 0 ? text + 2 : "");
}

static int
show_page(void *arg, const struct mp_show *s)
{
	struct shower *shower = arg;

	if (!shower->ctx->json)
		return 0;
	return mp_products_bring(
		shower->ctx, s, NULL, mp_products_want_manifest, NULL, &shower->ctx->err);
}

static int
show_run_head(void *arg, const struct mp_show *s)
{
	struct shower *shower = arg;
	struct mp_writer *w = shower->ctx->writer;
	char hex[33], time[MP_W_SHORT];

	mp_cmd_run_hex(hex, &s->run);
	mp_w_duration(time, (s->ended_ms > 0 ? s->ended_ms : mp_clock_wall_ms()) - s->submitted_ms);
	mp_w_object(w, NULL, head, mp_countof(head));
	mp_w_text(w, "run", hex);
	mp_w_span(w, "name", s->name);
	mp_w_text(w, "state", mp_run_state_word(s->state));
	if (s->text.n > 0)
		mp_w_span(w, "why", s->text);
	else if (shower->ctx->json)
		mp_w_null(w, "why");
	mp_w_who(w, "leader", "leader_id", &s->leader);
	if (shower->ctx->json || mp_term_generation(s->term) > 1)
		mp_w_uint(w, "generation", mp_term_generation(s->term));
	mp_w_uint(w, "term", s->term - MP_TERM_FIRST(mp_term_generation(s->term)));
	show_electors(w, s);
	mp_w_time(w, "submitted_ms", s->submitted_ms);
	mp_w_time(w, "ended_ms", s->ended_ms);
	mp_w_show(w, "time", "%s", time);
	show_progress(w, s);
	mp_w_list(w, "modules", columns, mp_countof(columns));
	shower->open = true;
	return 0;
}

static void
show_exit(struct mp_writer *w, const struct mp_show_module *m)
{
	if (m->has_exit)
		mp_w_int(w, "exit", m->exit_code);
	else
		mp_w_null(w, "exit");
	if (m->signal != 0)
		mp_w_int(w, "signal", m->signal);
	else
		mp_w_null(w, "signal");
	if (m->signal != 0)
		mp_w_show(w, "exit", "signal %d", m->signal);
}

static void
show_log(struct mp_writer *w, const char *key, const struct mp_show_log *log)
{
	if (mp_hash_is_zero(&log->blob)) {
		mp_w_null(w, key);
		return;
	}
	mp_w_object(w, key, NULL, 0);
	mp_w_hex(w, "blob", log->blob.b, sizeof(log->blob.b));
	mp_w_uint(w, "size", log->size);
	mp_w_bool(w, "cut", log->cut);
	mp_w_end(w);
}

/* JSON only: what is in the module's manifest, for which its blob is needed. */
static void
show_outputs(struct mp_cmd_ctx *ctx, const struct mp_show_module *m)
{
	struct mp_writer *w = ctx->writer;
	struct mp_error err = {0};
	struct mp_products p;

	if (mp_hash_is_zero(&m->manifest)) {
		mp_w_list(w, "outputs", NULL, 0);
		mp_w_end(w);
		return;
	}
	if (mp_products_read(ctx, m, &p, &err) != 0) {
		mp_cmd_error(ctx, "outputs of %.*s: %s", (int)m->name.n, (const char *)m->name.p,
			err.code == MP_ENOENT ? "no live node has the list of them" : err.text);
		mp_w_null(w, "outputs");
		return;
	}
	mp_w_list(w, "outputs", NULL, 0);
	for (size_t i = 0; i < p.manifest.count; i++)
		mp_products_write_file(w, &p.manifest.files[i]);
	mp_w_end(w);
	mp_products_fini(&p);
}

static int
show_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct mp_cmd_ctx *ctx = ((struct shower *)arg)->ctx;
	struct mp_writer *w = ctx->writer;
	char time[MP_W_SHORT];

	(void)index;
	mp_w_object(w, NULL, NULL, 0);
	mp_w_span(w, "name", m->name);
	mp_w_text(w, "state", mp_module_state_word(m->state));
	mp_w_who(w, "node", "node_id", &m->node);
	mp_w_uint(w, "attempts", m->attempts);
	mp_w_uint(w, "lost", m->lost);
	mp_w_show(w, "tries", "%u", m->attempts);
	if (m->lost > 0)
		mp_w_show(w, "tries", "%u+%u", m->attempts, m->lost);
	mp_w_bool(w, "cached", m->cached);
	show_exit(w, m);
	mp_w_time(w, "queued_ms", m->queued_ms);
	mp_w_time(w, "started_ms", m->started_ms);
	mp_w_time(w, "ended_ms", m->ended_ms);
	if (m->started_ms > 0) {
		mp_w_duration(
			time, (m->ended_ms > 0 ? m->ended_ms : mp_clock_wall_ms()) - m->started_ms);
		mp_w_show(w, "time", "%s", time);
	}
	if (m->text.n > 0)
		mp_w_span(w, "why", m->text);
	else
		mp_w_null(w, "why");
	mp_w_show(w, "why", "%s%s%.*s", m->cached ? "cached" : "",
		m->cached && m->text.n > 0 ? ", " : "", (int)m->text.n,
		m->text.n > 0 ? (const char *)m->text.p : "");
	if (ctx->json) {
		show_log(w, "stdout", &m->out);
		show_log(w, "stderr", &m->err);
		show_outputs(ctx, m);
	}
	mp_w_end(w);
	return 0;
}

static int
show_run(struct mp_cmd_ctx *ctx)
{
	struct shower shower = {.ctx = ctx};
	struct mp_visitor visitor = {
		.run = show_run_head, .page = show_page, .module = show_module, .arg = &shower};
	char run[MP_CMD_RUN_SIZE];
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err), code = MP_EXIT_DONE;

	if (rc == 0 && mp_cmd_has(ctx, "events"))
		return mp_events_show(ctx, run);
	if (rc == 0)
		rc = mp_visit(ctx, run, &visitor, &ctx->err);
	if (rc != 0)
		code = mp_cmd_fail(ctx, &ctx->err);
	if (shower.open) {
		mp_w_end(ctx->writer);
		mp_w_end(ctx->writer);
	}
	return mp_cmd_done(ctx, code);
}

static const struct mp_option options[] = {
	{"events", 0, NULL, "print what was decided, and when, from its log"}};

const struct mp_cmd mp_cmd_show = {
	.name = "show",
	.args = "RUN",
	.summary = "show a run and its modules",
	.details = "TRIES counts attempts, and after a + those lost with a node. With --json the\n"
		   "outputs of each module are listed too.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = show_run,
};
