/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "codec/settings.h"
#include "ctl/commands.h"

/* Options in their order: the last one about the same thing counts. */
static int
take(struct mp_cmd_ctx *ctx, struct mp_settings *change)
{
	struct mp_error why = {0};

	for (size_t i = 0; i < ctx->given_count; i++) {
		const char *name = ctx->given[i].option->name, *value = ctx->given[i].value;
		int rc;

		if (strcmp(name, "tag") == 0 || strcmp(name, "untag") == 0)
			rc = mp_settings_tag(change, value, name[0] == 't', &why);
		else if (strcmp(name, "resource") == 0)
			rc = mp_settings_resource(change, value, &why);
		else if (strcmp(name, "zone") == 0)
			rc = mp_settings_zone(change, value, &why);
		else
			rc = mp_settings_slots(change, value, &why);
		if (rc != 0)
			return mp_fail(&ctx->err, MP_EUSAGE, "--%s: %s", name, why.text);
	}
	return 0;
}

static int
node_run(struct mp_cmd_ctx *ctx)
{
	struct mp_ctl_local m = {.number = MP_CTL_NODE_SET};
	struct mp_settings change = {.slots = 0};
	struct mp_buf buf, settings;
	struct mp_span payload;
	struct mp_cbor_w w;
	int rc = 0;

	if (strcmp(ctx->args[0], "set") != 0)
		rc = mp_fail(&ctx->err, MP_EUSAGE, "'%.40s' is not set", ctx->args[0]);
	else if (ctx->given_count == 0)
		rc = mp_fail(&ctx->err, MP_EUSAGE, "nothing is to be set; see mpctl help node");
	if (rc == 0)
		rc = take(ctx, &change);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_buf_init(&settings, ctx->alloc, MP_SETTINGS_TEXT_MAX);
	mp_buf_init(&buf, ctx->alloc, 2 * MP_SETTINGS_TEXT_MAX);
	mp_cbor_w_init(&w, &settings);
	mp_settings_write(&w, &change);
	m.settings = mp_buf_span(&settings);
	rc = w.rc != 0 ? w.rc : mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	mp_buf_fini(&settings);
	return rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : MP_EXIT_DONE;
}

static const struct mp_option options[] = {
	{"tag", 0, "TAG", "it has this tag; repeatable"},
	{"untag", 0, "TAG", "it has not; repeatable"},
	{"resource", 0, "NAME=N", "it has so many of this, 0 for none; repeatable"},
	{"zone", 0, "ZONE", "what fails together with it; '' for none"},
	{"slots", 0, "N", "modules at a time; 0: only keep and vote"},
};

const struct mp_cmd mp_cmd_node = {
	.name = "node",
	.args = "set",
	.summary = "change what this node can do, while it runs",
	.details =
		"It is kept in node.conf of the state directory, counts before the options that\n"
		"mpnode is started with, and is told to all others at once.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = node_run,
};
