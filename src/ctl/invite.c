/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/ctl_roles.h"
#include "codec/msg_ctl.h"
#include "codec/token.h"
#include "crypto/key.h"
#include "ctl/authority.h"
#include "ctl/commands.h"
#include "ctl/token.h"
#include "util/clock.h"
#include "util/hex.h"

static int
write_token(struct mp_cmd_ctx *ctx, struct mp_span token)
{
	char key[MP_HEX_SIZE(32)], roles[MP_ROLES_TEXT], left[MP_W_SHORT];
	struct mp_token_facts facts;
	int rc = mp_key_init();

	if (rc != 0)
		return mp_fail(&ctx->err, rc, "%s", mp_strerror(rc));
	rc = mp_token_facts(&mp_crypto_sodium, ctx->alloc, token, &facts, &ctx->err);
	if (rc != 0)
		return rc;
	mp_hex(key, facts.key.b, sizeof(facts.key.b));
	mp_roles_format(roles, facts.roles);
	mp_w_duration(left, (facts.expires_ms - mp_clock_wall_ms() + 500) / 1000 * 1000);
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_span(ctx->writer, "token", token);
	mp_w_text(ctx->writer, "fingerprint", key);
	mp_w_text(ctx->writer, "roles", roles);
	mp_w_time(ctx->writer, "expires_ms", facts.expires_ms);
	mp_w_end(ctx->writer);
	mp_w_raw(ctx->writer, token);
	mp_w_raw(ctx->writer, mp_span_str("\n"));
	mp_cmd_note(ctx, "good for %s, with roles %s; to end it before: mpctl revoke %s", left,
		roles, key);
	return 0;
}

static int
invite_run(struct mp_cmd_ctx *ctx)
{
	struct mp_cmd_let_in anybody = {.who = NULL};
	struct mp_buf token;
	int rc;

	mp_buf_init(&token, ctx->alloc, MP_CTL_TOKEN_MAX);
	rc = mp_cmd_token(ctx, &anybody, &token);
	if (rc == 0)
		rc = write_token(ctx, mp_buf_span(&token));
	mp_buf_fini(&token);
	return rc == 0 ? mp_cmd_done(ctx, MP_EXIT_DONE) : mp_cmd_fail(ctx, &ctx->err);
}

static const struct mp_option options[] = {
	{"roles", 0, "ROLE,...", "of node, submit, observe (default: these three) and admin"},
	{"role", 0, "ROLE", "one of them; repeatable"},
	{"expires", 0, "TIME", "how long the token is good, such as 90m, 24h (default), 7d"},
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_invite = {
	.name = "invite",
	.args = "",
	.summary = "make a token that lets a node join the cluster",
	.details =
		"Prints the token alone; the invite's fingerprint, by which mpctl revoke ends it,\n"
		"goes to standard error. Who has the token may join until it expires: keep it in\n"
		"a file that others cannot read, and give it to mpnode join by --token-file.\n"
		"It needs the authority's key, as the node that founded the cluster keeps it.\n",
	.options = options,
	.option_count = mp_countof(options),
	.run = invite_run,
};
