/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"

static const struct mp_column columns[] = {
	{"node", "node", false},
	{"node_id", "id", false},
	{"address", "address", false},
	{"cluster", "cluster", false},
	{"version", "version", false},
	{"started_ms", "started", false},
	{"dropped", "dropped", false},
};

/* What was dropped, by reason: in JSON all of them, in text those that happened. */
static void
write_counters(struct mp_writer *w, struct mp_ctl_info *info)
{
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
		if (value > 0 && at < sizeof(text) - sizeof(name) - 24)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %llu",
				at > 0 ? ", " : "", name, (unsigned long long)value);
	}
	mp_w_end(w);
	mp_w_show(w, "dropped", "%s", text);
}

static int
health_run(struct mp_cmd_ctx *ctx)
{
	struct mp_ctl_local m = {.number = MP_CTL_INFO};
	struct mp_writer *w = ctx->writer;
	struct mp_ctl_info info;
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc == 0 && (rc = mp_ctl_info_decode(payload, &info)) != 0)
		(void)mp_fail(&ctx->err, rc, "the node's answer makes no sense");
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_w_object(w, NULL, columns, mp_countof(columns));
	mp_w_text(w, "node", info.name);
	mp_w_hex(w, "node_id", info.id.b, sizeof(info.id.b));
	mp_cmd_write_address(w, &info.addr);
	mp_w_hex(w, "cluster", info.cluster.b, sizeof(info.cluster.b));
	mp_w_text(w, "version", info.version);
	mp_w_time(w, "started_ms", info.started_ms);
	write_counters(w, &info);
	mp_w_end(w);
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

const struct mp_cmd mp_cmd_health = {
	.name = "health",
	.args = "",
	.summary = "say who the node is, and what it had to drop",
	.details = "Counts since the node started: datagrams and messages that were junk, from\n"
		   "strangers, forged, replayed or malformed, and those of leaders that are no "
		   "more.\n",
	.run = health_run,
};
