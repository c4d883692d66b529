/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"
#include "ctl/members.h"

static const struct mp_column columns[] = {
	{"name", "NAME", false, 0},
	{"state", "STATE", false, 0},
	{"status", "STATUS", false, 0},
	{"load", "LOAD", true, 0},
	{"rtt_ms", "RTT", true, 2},
	{"silent_ms", "HEARD", true, 3},
	{"version", "VERSION", false, 5},
	{"zone", "ZONE", false, 4},
	{"address", "ADDRESS", false, 1},
	{"machine", "MACHINE", false, 6},
	{"offers", "OFFERS", false, 8},
	{"id", "ID", false, 7},
};

static void
write_said(struct mp_writer *w, const char *key, const char *text)
{
	if (text[0] != '\0')
		mp_w_text(w, key, text);
	else
		mp_w_null(w, key);
}

static void
write_caps(struct mp_writer *w, const struct mp_caps *caps)
{
	mp_w_object(w, "capabilities", NULL, 0);
	mp_w_text(w, "os", caps->os);
	mp_w_text(w, "arch", caps->arch);
	mp_w_uint(w, "cpus", caps->cpus);
	mp_w_uint(w, "memory", caps->memory_bytes);
	mp_w_object(w, "tools", NULL, 0);
	for (uint32_t i = 0; i < caps->tool_count; i++)
		mp_w_text(w, caps->tools[i].name, caps->tools[i].version);
	mp_w_end(w);
	mp_w_list(w, "tags", NULL, 0);
	for (uint32_t i = 0; i < caps->tag_count; i++)
		mp_w_text(w, NULL, caps->tags[i]);
	mp_w_end(w);
	mp_w_list(w, "gpus", NULL, 0);
	for (uint32_t i = 0; i < caps->gpu_count; i++)
		mp_w_text(w, NULL, caps->gpus[i]);
	mp_w_end(w);
	mp_w_object(w, "resources", NULL, 0);
	for (uint32_t i = 0; i < caps->resource_count; i++)
		mp_w_uint(w, caps->resources[i].name, caps->resources[i].count);
	mp_w_end(w);
	write_said(w, "zone", caps->zone);
	write_said(w, "kernel", caps->kernel);
	write_said(w, "version", caps->version);
	mp_w_text(w, "profile", caps->wan ? "wan" : "lan");
	if (caps->disk_bytes > 0) {
		mp_w_uint(w, "disk", caps->disk_bytes);
		mp_w_uint(w, "disk_free", caps->disk_free_bytes);
	} else {
		mp_w_null(w, "disk");
		mp_w_null(w, "disk_free");
	}
	mp_w_end(w);
}

/* Tags, and what can be counted. */
static void
show_offers(struct mp_writer *w, const struct mp_caps *caps)
{
	char text[1024] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < caps->tag_count && at < sizeof(text) - 2 * MP_WORD_MAX; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s%s", at > 0 ? "," : "", caps->tags[i]);
	for (uint32_t i = 0; i < caps->resource_count && at < sizeof(text) - 2 * MP_WORD_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s=%llu", at > 0 ? "," : "",
			caps->resources[i].name, (unsigned long long)caps->resources[i].count);
	if (at > 0)
		mp_w_show(w, "offers", "%s", text);
}

static void
show_caps(struct mp_writer *w, const struct mp_caps *caps, const struct mp_load *load)
{
	char size[MP_W_SHORT];

	mp_w_size(size, caps->memory_bytes);
	mp_w_show(w, "machine", "%s/%s, %u cpus, %s", caps->os, caps->arch, caps->cpus, size);
	mp_w_show(w, "load", "%u/%u", load->used, caps->slots);
	if (caps->zone[0] != '\0')
		mp_w_show(w, "zone", "%s", caps->zone);
	if (caps->version[0] != '\0')
		mp_w_show(w, "version", "%s", caps->version);
	show_offers(w, caps);
}

static void
paint(struct mp_writer *w, const struct mp_snap_member *m)
{
	static const enum mp_paint states[] = {
		MP_PAINT_NONE, MP_PAINT_WARN, MP_PAINT_BAD, MP_PAINT_FAINT};
	static const enum mp_paint statuses[] = {
		MP_PAINT_NONE, MP_PAINT_STRONG, MP_PAINT_WARN, MP_PAINT_FAINT, MP_PAINT_BAD};

	mp_w_paint(w, "name", MP_PAINT_STRONG);
	mp_w_paint(w, "state", states[m->state]);
	mp_w_paint(w, "status", statuses[m->status]);
	if (m->path == MP_PATH_TCP)
		mp_w_paint(w, "rtt_ms", MP_PAINT_WARN);
}

/* What is known of the way to it. */
static void
write_way(struct mp_writer *w, const struct mp_snap_member *m)
{
	char silent[MP_W_SHORT];

	if (mp_path_word(m->path) != NULL)
		mp_w_text(w, "path", mp_path_word(m->path));
	else
		mp_w_null(w, "path");
	if (m->rtt_ms >= 0)
		mp_w_int(w, "rtt_ms", m->rtt_ms);
	else
		mp_w_null(w, "rtt_ms");
	if (m->path == MP_PATH_TCP)
		mp_w_show(w, "rtt_ms", "tcp only");
	else if (m->rtt_ms >= 0)
		mp_w_show(w, "rtt_ms", m->rtt_ms > 0 ? "%d ms" : "<1 ms", (int)m->rtt_ms);
	if (m->silent_ms >= 0) {
		mp_w_int(w, "silent_ms", m->silent_ms);
		mp_w_duration(silent, m->silent_ms);
		mp_w_show(w, "silent_ms", "%s ago", silent);
	} else {
		mp_w_null(w, "silent_ms");
	}
	if (m->has_skew)
		mp_w_int(w, "skew_ms", m->skew_ms);
	else
		mp_w_null(w, "skew_ms");
}

void
mp_w_member(struct mp_writer *w, const struct mp_snap_member *m, const struct mp_caps *caps)
{
	mp_w_object(w, NULL, NULL, 0);
	mp_w_hex(w, "id", m->node.id.b, sizeof(m->node.id.b));
	mp_w_show(w, "id", "%02x%02x%02x%02x%02x%02x", m->node.id.b[0], m->node.id.b[1],
		m->node.id.b[2], m->node.id.b[3], m->node.id.b[4], m->node.id.b[5]);
	mp_w_span(w, "name", m->node.name);
	mp_cmd_write_address(w, &m->addr);
	mp_w_text(w, "state", mp_member_state_word(m->state));
	if (m->revoked)
		mp_w_show(w, "state", "revoked");
	mp_w_text(w, "status", mp_member_status_word(m->status));
	if (mp_member_drained(m))
		mp_w_show(w, "status", "drained");
	if (m->status == MP_NODE_DOUBLED)
		mp_w_show(w, "status", "doubled");
	mp_w_text(w, "reach", m->reaches_out ? "out" : "all");
	if (m->reaches_out)
		mp_w_show(w, "address", "only reaches out");
	if (caps != NULL)
		mp_w_uint(w, "slots", caps->slots);
	else
		mp_w_null(w, "slots");
	mp_w_uint(w, "used", m->load.used);
	if (caps != NULL) {
		write_caps(w, caps);
		show_caps(w, caps, &m->load);
	} else {
		mp_w_null(w, "capabilities");
	}
	mp_w_bool(w, "drained", mp_member_drained(m));
	mp_w_uint(w, "attempts", m->load.attempts);
	mp_w_uint(w, "leads", m->load.leads);
	mp_w_bool(w, "revoked", m->revoked);
	write_way(w, m);
	paint(w, m);
	mp_w_end(w);
}

static void
write_member(void *arg, const struct mp_snap_member *m, const struct mp_caps *caps)
{
	mp_w_member(arg, m, caps);
}

static int
nodes_run(struct mp_cmd_ctx *ctx)
{
	int rc = mp_cmd_connect(ctx, &ctx->err);

	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_list(ctx->writer, "nodes", columns, mp_countof(columns));
	rc = mp_members_visit(ctx, write_member, ctx->writer, NULL);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

const struct mp_cmd mp_cmd_nodes = {
	.name = "nodes",
	.args = "",
	.summary = "list the members of the cluster",
	.run = nodes_run,
};
