/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "ctl/waiting.h"

static const struct mp_column columns[] = {
	{"name", "NAME", false, 0},
	{"kind", "KIND", false, 0},
	{"address", "FROM", false, 0},
	{"since_ms", "SINCE", false, 0},
	{"fingerprint", "FINGERPRINT", false, 0},
};

static void
write_one(void *arg, const struct mp_cmd_waiting *w)
{
	struct mp_writer *out = arg;

	mp_w_object(out, NULL, NULL, 0);
	mp_w_text(out, "name", w->who.name.s);
	mp_w_text(out, "kind", w->who.person ? "person" : "node");
	mp_cmd_write_address(out, &w->addr);
	mp_w_time(out, "since_ms", w->since_ms);
	mp_w_hex(out, "fingerprint", w->who.id.b, sizeof(w->who.id.b));
	mp_w_end(out);
}

/* Whoever waits has been shown the same. */
static int
write_cluster(struct mp_cmd_ctx *ctx)
{
	struct mp_ctl_local m = {.number = MP_CTL_INFO};
	struct mp_ctl_info info;
	struct mp_span payload;
	struct mp_buf buf;
	char hex[65];
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc == 0 && (rc = mp_ctl_info_decode(payload, &info)) != 0)
		rc = mp_cmd_nonsense(ctx, rc, &ctx->err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < sizeof(info.cluster.b); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", info.cluster.b[i]);
	mp_w_text(ctx->writer, "cluster", hex);
	mp_cmd_note(ctx, "this is cluster %s", hex);
	return 0;
}

static int
pending_run(struct mp_cmd_ctx *ctx)
{
	int rc = mp_cmd_connect(ctx, &ctx->err);

	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_w_object(ctx->writer, NULL, NULL, 0);
	rc = write_cluster(ctx);
	mp_w_list(ctx->writer, "pending", columns, mp_countof(columns));
	if (rc == 0)
		rc = mp_cmd_waiting(ctx, write_one, ctx->writer);
	mp_w_end(ctx->writer);
	mp_w_end(ctx->writer);
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

const struct mp_cmd mp_cmd_pending = {
	.name = "pending",
	.args = "",
	.summary = "list who waits to be admitted, at any node",
	.details = "Names are what those who wait call themselves, and prove nothing: compare the\n"
		   "fingerprint with what the waiting node prints before you admit it.\n",
	.run = pending_run,
};
