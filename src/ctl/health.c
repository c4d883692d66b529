/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/diagnose.h"
#include "ctl/visit.h"

/* Runs that are looked into, the newest; how long for one, and for all. */
#define RUNS_MAX 32
#define RUN_MS   8000
#define RUNS_MS  30000

struct health {
	struct mp_cmd_ctx *ctx;
	struct mp_ctl_info info;
	struct mp_diagnosis d;
};

static const struct mp_column columns[] = {
	{"node", "node", false, 0},
	{"node_id", "id", false, 0},
	{"address", "address", false, 0},
	{"cluster", "cluster", false, 0},
	{"version", "version", false, 0},
	{"started_ms", "started", false, 0},
	{"gossip_epoch", "gossip key", false, 0},
	{"dropped", "dropped", false, 0},
	{"health", "health", false, 0},
};

/* ---- what is wrong with runs ---- */

static void
look_at_run(struct health *h, const struct mp_run_id *id)
{
	struct mp_error err = {0};
	struct mp_show show;
	char hex[33];
	int rc = mp_visit_head(h->ctx, id, RUN_MS, &show, &err);

	if (rc == 0 && show.state != MP_RUN_STALLED)
		return;
	mp_cmd_run_hex(hex, id);
	mp_diagnose_run(&h->d, hex, rc == 0 ? &show : NULL, err.text);
}

static int
look_at_runs(struct health *h)
{
	struct mp_run_id open[RUNS_MAX];
	struct mp_show_run run;
	struct mp_list list;
	struct mp_span payload;
	struct mp_buf buf;
	mp_time until_ms = mp_client_now_ms() + RUNS_MS;
	size_t n = 0;
	int rc;

	mp_buf_init(&buf, h->ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_RUNS, NULL);
	rc = mp_cmd_call(h->ctx, rc, &buf, &payload, &h->ctx->err);
	if (rc == 0 && (rc = mp_show_list_decode(payload, &list)) != 0)
		rc = mp_cmd_nonsense(h->ctx, rc, &h->ctx->err);
	while (rc == 0 && n < RUNS_MAX && mp_show_list_next(&list, &run)) {
		if (!mp_run_state_ended(run.state))
			open[n++] = run.run;
	}
	for (size_t i = 0; i < n && mp_client_now_ms() < until_ms; i++)
		look_at_run(h, &open[i]);
	return rc;
}

/* ---- all of it ---- */

/* What was dropped, by reason: in JSON all of it, in text what happened. */
static void
write_counters(struct mp_writer *w, struct health *h)
{
	struct mp_ctl_info *info = &h->info;
	char text[1024] = "nothing";
	size_t at = 0;

	mp_w_object(w, "counters", NULL, 0);
	for (size_t i = 0; i < info->counter_count; i++) {
		char name[MP_NAME_MAX + 1];
		struct mp_span s;
		uint64_t value;

		mp_cbor_r_array_exact(&info->items, 2);
		s = mp_cbor_r_text(&info->items, MP_NAME_MAX);
		value = mp_cbor_r_uint(&info->items, UINT64_MAX);
		(void)snprintf(name, sizeof(name), "%.*s", (int)s.n, (const char *)s.p);
		mp_w_uint(w, name, value);
		mp_diagnose_counter(&h->d, name, value);
		if (value > 0 && strcmp(name, "knocks") != 0 &&
			at < sizeof(text) - sizeof(name) - 24)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %llu",
				at > 0 ? ", " : "", name, (unsigned long long)value);
	}
	mp_w_end(w);
	mp_w_show(w, "dropped", "%s", text);
}

/* How much of what strangers and clients may take up is taken. */
static void
write_limits(struct mp_writer *w, struct health *h)
{
	struct mp_cbor_r *r = &h->info.limit_items;

	mp_w_object(w, "limits", NULL, 0);
	for (size_t i = 0; i < h->info.limit_count; i++) {
		char name[MP_NAME_MAX + 1];
		uint64_t now, max;

		mp_cbor_r_array_exact(r, 4);
		mp_cbor_r_str(r, name, sizeof(name));
		now = mp_cbor_r_uint(r, UINT64_MAX);
		max = mp_cbor_r_uint(r, UINT64_MAX);
		mp_w_object(w, name, NULL, 0);
		mp_w_uint(w, "now", now);
		mp_w_uint(w, "max", max);
		mp_w_uint(w, "source_max", mp_cbor_r_uint(r, UINT64_MAX));
		mp_w_end(w);
		mp_diagnose_limit(&h->d, name, now, max);
	}
	mp_w_end(w);
}

/* What the node says of itself, as long as its answer is there. */
static int
write_info(struct health *h)
{
	struct mp_ctl_local m = {.number = MP_CTL_INFO};
	struct mp_writer *w = h->ctx->writer;
	struct mp_span payload;
	struct mp_buf buf;
	char keys[17];
	int rc;

	mp_buf_init(&buf, h->ctx->alloc, 64);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(h->ctx, rc, &buf, &payload, &h->ctx->err);
	if (rc == 0 && (rc = mp_ctl_info_decode(payload, &h->info)) != 0)
		rc = mp_cmd_nonsense(h->ctx, rc, &h->ctx->err);
	if (rc != 0)
		return rc;
	h->d.id = h->info.id;
	h->d.name = h->info.name;
	h->d.version = h->info.version;
	mp_w_object(w, NULL, columns, mp_countof(columns));
	mp_w_text(w, "node", h->info.name);
	mp_w_hex(w, "node_id", h->info.id.b, sizeof(h->info.id.b));
	mp_cmd_write_address(w, &h->info.addr);
	mp_w_hex(w, "cluster", h->info.cluster.b, sizeof(h->info.cluster.b));
	mp_w_text(w, "version", h->info.version);
	mp_w_time(w, "started_ms", h->info.started_ms);
	(void)snprintf(keys, sizeof(keys), "%016llx", (unsigned long long)h->info.gossip_digest);
	mp_w_uint(w, "gossip_epoch", h->info.gossip_epoch);
	mp_w_text(w, "gossip_keys", keys);
	write_counters(w, h);
	write_limits(w, h);
	return 0;
}

static int
health_run(struct mp_cmd_ctx *ctx)
{
	struct health *h = calloc(1, sizeof(*h));
	int rc, code = MP_EXIT_FAILED;

	if (h == NULL)
		return MP_EXIT_BUG;
	h->ctx = ctx;
	rc = write_info(h);
	if (rc == 0) {
		rc = mp_members_visit(ctx, mp_diagnose_member, &h->d, &h->d.self);
		if (rc == 0)
			rc = look_at_runs(h);
		mp_diagnose_self(&h->d);
		mp_w_show(ctx->writer, "health", "%s",
			rc != 0                    ? "not known"
			: h->d.problems.wrong == 0 ? "well"
						   : "something is wrong");
		mp_w_paint(ctx->writer, "health",
			rc == 0 && h->d.problems.wrong == 0 ? MP_PAINT_GOOD : MP_PAINT_BAD);
		mp_problems_write(ctx->writer, &h->d.problems);
		mp_w_end(ctx->writer);
		if (h->d.problems.left_out > 0)
			mp_cmd_note(ctx, "and %zu more", h->d.problems.left_out);
	}
	if (rc == 0 && h->d.problems.wrong == 0)
		code = MP_EXIT_DONE;
	mp_problems_free(&h->d.problems);
	free(h);
	return mp_cmd_done(ctx, rc == 0 ? code : mp_cmd_fail(ctx, &ctx->err));
}

const struct mp_cmd mp_cmd_health = {
	.name = "health",
	.args = "",
	.summary = "tell what is wrong with the cluster, as the node sees it, and what to do",
	.details =
		"It exits with 0 when all is well, and with 1 when something is wrong. Notes are\n"
		"worth to be known and wrong is nothing. What was dropped counts since the node\n"
		"started: datagrams and messages that were junk, from strangers, forged, "
		"replayed\nor malformed, those of leaders that are no more, and streams, "
		"certificates and\nrequests that were refused, by reason; mpctl(1) has all.\n",
	.run = health_run,
};
