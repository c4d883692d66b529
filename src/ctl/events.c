/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/events.h"

#include "codec/msg_ctl.h"
#include "codec/msg_show.h"
#include "ctl/visit.h"

static const struct mp_column columns[] = {
	{"time_ms", "TIME", false, 0},
	{"event", "EVENT", false, 0},
	{"module", "MODULE", false, 0},
	{"node", "NODE", false, 0},
	{"text", "NOTE", false, 0},
};

static void
event_write(struct mp_writer *w, const struct mp_show_event *e)
{
	mp_w_object(w, NULL, NULL, 0);
	mp_w_uint(w, "index", e->index);
	mp_w_uint(w, "term", e->term);
	mp_w_time(w, "time_ms", e->wall_ms);
	mp_w_span(w, "event", e->event);
	if (e->module.p != NULL)
		mp_w_span(w, "module", e->module);
	else
		mp_w_null(w, "module");
	mp_w_who(w, "node", "node_id", &e->node);
	mp_w_span(w, "text", e->text);
	mp_w_end(w);
}

/* One page; *next is where the one after it begins, 0: nowhere. */
static int
page(struct mp_cmd_ctx *ctx, const char *run, uint64_t from, uint64_t *next)
{
	struct mp_span payload;
	struct mp_show_event e;
	struct mp_list list;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 256);
	rc = mp_ctl_page_encode(&buf, MP_CTL_EVENTS, run, (uint32_t)from, 0);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	rc = mp_show_events_decode(payload, next, &list);
	if (rc == 0 && *next != 0 && (*next <= from || *next > UINT32_MAX))
		rc = MP_EFORMAT;
	if (rc != 0)
		return mp_cmd_nonsense(ctx, rc, &ctx->err);
	while (mp_show_events_next(&list, &e))
		event_write(ctx->writer, &e);
	return 0;
}

int
mp_events_show(struct mp_cmd_ctx *ctx, const char *run)
{
	uint64_t from = 1;
	int rc;

	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_list(ctx->writer, "events", columns, mp_countof(columns));
	do {
		uint64_t next = 0;

		rc = page(ctx, run, from, &next);
		from = next;
	} while (rc == 0 && from != 0);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	return mp_cmd_done(ctx, rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : MP_EXIT_DONE);
}
