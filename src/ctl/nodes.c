/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "codec/caps.h"
#include "codec/msg_ctl.h"
#include "codec/snapshot.h"
#include "ctl/commands.h"

static const struct mp_column columns[] = {
	{"name", "NAME", false},
	{"state", "STATE", false},
	{"status", "STATUS", false},
	{"slots", "SLOTS", true},
	{"used", "USED", true},
	{"address", "ADDRESS", false},
	{"machine", "MACHINE", false},
	{"id", "ID", false},
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
	if (caps->disk_bytes > 0) {
		mp_w_uint(w, "disk", caps->disk_bytes);
		mp_w_uint(w, "disk_free", caps->disk_free_bytes);
	} else {
		mp_w_null(w, "disk");
		mp_w_null(w, "disk_free");
	}
	mp_w_end(w);
}

static void
write_member(struct mp_writer *w, const struct mp_snap_member *m, struct mp_caps *caps)
{
	bool known = m->caps.n > 0 && mp_caps_decode(m->caps, caps) == 0;
	bool drained = m->status == MP_NODE_DRAINING && m->load.drained;
	char size[MP_W_SHORT];

	mp_w_object(w, NULL, NULL, 0);
	mp_w_hex(w, "id", m->node.id.b, sizeof(m->node.id.b));
	mp_w_show(w, "id", "%02x%02x%02x%02x%02x%02x", m->node.id.b[0], m->node.id.b[1],
		m->node.id.b[2], m->node.id.b[3], m->node.id.b[4], m->node.id.b[5]);
	mp_w_span(w, "name", m->node.name);
	mp_cmd_write_address(w, &m->addr);
	mp_w_text(w, "state", mp_member_state_word(m->state));
	mp_w_text(w, "status", mp_member_status_word(m->status));
	if (drained)
		mp_w_show(w, "status", "drained");
	mp_w_text(w, "reach", m->reaches_out ? "out" : "all");
	if (mp_path_word(m->path) != NULL)
		mp_w_text(w, "path", mp_path_word(m->path));
	else
		mp_w_null(w, "path");
	if (known)
		mp_w_uint(w, "slots", caps->slots);
	else
		mp_w_null(w, "slots");
	mp_w_uint(w, "used", m->load.used);
	if (known) {
		mp_w_size(size, caps->memory_bytes);
		mp_w_show(
			w, "machine", "%s/%s, %u cpus, %s", caps->os, caps->arch, caps->cpus, size);
		write_caps(w, caps);
	} else {
		mp_w_null(w, "capabilities");
	}
	mp_w_bool(w, "drained", drained);
	mp_w_uint(w, "attempts", m->load.attempts);
	mp_w_uint(w, "leads", m->load.leads);
	mp_w_end(w);
}

/* One page from *at on; *total members in all. */
static int
write_page(struct mp_cmd_ctx *ctx, uint32_t *at, uint32_t *total, struct mp_caps *caps)
{
	struct mp_snap_member m;
	struct mp_span payload;
	struct mp_cbor_r members;
	struct mp_buf buf;
	uint32_t from, count;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_page_encode(&buf, MP_CTL_NODES, NULL, *at, MP_SNAP_COUNT_MAX);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	rc = mp_snap_nodes_decode(payload, total, &from, &count, &members);
	if (rc == 0 && count == 0 && *at < *total)
		rc = MP_EFORMAT;
	while (rc == 0 && count-- > 0) {
		rc = mp_snap_member_next(&members, &m);
		if (rc == 0)
			write_member(ctx->writer, &m, caps);
		++*at;
	}
	return rc == 0 ? 0 : mp_fail(&ctx->err, rc, "the node's answer makes no sense");
}

static int
nodes_run(struct mp_cmd_ctx *ctx)
{
	struct mp_caps *caps = calloc(1, sizeof(*caps));
	uint32_t at = 0, total = 0;
	int rc = caps != NULL ? mp_cmd_connect(ctx, &ctx->err)
			      : mp_fail(&ctx->err, MP_ENOMEM, "out of memory");

	if (rc != 0) {
		free(caps);
		return mp_cmd_fail(ctx, &ctx->err);
	}
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_list(ctx->writer, "nodes", columns, mp_countof(columns));
	do {
		rc = write_page(ctx, &at, &total, caps);
	} while (rc == 0 && at < total);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	free(caps);
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

const struct mp_cmd mp_cmd_nodes = {
	.name = "nodes",
	.args = "",
	.summary = "list the members of the cluster",
	.run = nodes_run,
};
