/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/ctl_roles.h"
#include "codec/msg_ctl.h"
#include "ctl/commands.h"
#include "mp/member.h"

#define EXPIRES_DEFAULT_MS (24u * 60 * 60 * 1000)

static int
make_request(struct mp_cmd_ctx *ctx, struct mp_ctl_local *m)
{
	const char *expires = mp_cmd_value(ctx, "expires");
	mp_time ms = EXPIRES_DEFAULT_MS;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ctx->given_count; i++) {
		if (strncmp(ctx->given[i].option->name, "role", 4) == 0)
			rc = mp_roles_parse(ctx->given[i].value, &m->roles, &ctx->err);
	}
	if (rc != 0)
		return rc;
	if (m->roles == 0)
		m->roles = MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_OBSERVE;
	if (expires != NULL && (!mp_cmd_duration(expires, &ms) || ms <= 0))
		return mp_fail(&ctx->err, MP_EUSAGE,
			"--expires %.40s: a time such as 90m, 24h or 7d is expected", expires);
	m->expires_ms = (uint64_t)ms;
	return 0;
}

static int
invite_run(struct mp_cmd_ctx *ctx)
{
	struct mp_ctl_local m = {.number = MP_CTL_INVITE};
	struct mp_span payload, token;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc = make_request(ctx, &m);

	if (rc == 0) {
		mp_buf_init(&buf, ctx->alloc, 64);
		rc = mp_ctl_local_encode(&buf, &m, NULL);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	}
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cbor_r_init(&r, payload);
	token = mp_cbor_r_text(&r, MP_CTL_TOKEN_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc != 0) {
		(void)mp_fail(&ctx->err, rc, "the node's answer makes no sense");
		return mp_cmd_fail(ctx, &ctx->err);
	}
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_span(ctx->writer, "token", token);
	mp_w_end(ctx->writer);
	mp_w_raw(ctx->writer, token);
	mp_w_raw(ctx->writer, mp_span_str("\n"));
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

static const struct mp_option options[] = {
	{"roles", 0, "ROLE,...", "of node, submit, observe (default: these three) and admin"},
	{"role", 0, "ROLE", "one of them; repeatable"},
	{"expires", 0, "TIME", "how long the token is good, such as 90m, 24h (default), 7d"},
};

const struct mp_cmd mp_cmd_invite = {
	.name = "invite",
	.args = "",
	.summary = "make a token that lets a node join the cluster",
	.details =
		"Prints the token alone. Who has it may join until it expires: keep it in a file\n"
		"that others cannot read, and give it to mpnode join by --token-file.\n",
	.options = options,
	.option_count = mp_countof(options),
	.run = invite_run,
};
