/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/token.h"

#include "codec/ctl_roles.h"
#include "codec/msg_ctl.h"
#include "ctl/authority.h"
#include "shell/addr.h"

#define EXPIRES_MS        (24ll * 60 * 60 * 1000)
#define EXPIRES_PERSON_MS (30 * EXPIRES_MS)

/* Roles and time out of the options, or what is usual. */
static int
read_options(struct mp_cmd_ctx *ctx, const struct mp_request *who, struct mp_ctl_local *m)
{
	const char *expires = mp_cmd_value(ctx, "expires");
	bool person = who != NULL && who->person;
	mp_time ms = person ? EXPIRES_PERSON_MS : EXPIRES_MS;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ctx->given_count; i++) {
		if (strncmp(ctx->given[i].option->name, "role", 4) == 0)
			rc = mp_roles_parse(ctx->given[i].value, &m->roles, &ctx->err);
	}
	if (rc != 0)
		return rc;
	if (m->roles == 0 && person)
		return mp_fail(&ctx->err, MP_EUSAGE,
			"%s is a person: say --role observe, submit or admin", who->name.s);
	if (m->roles == 0)
		m->roles = MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_OBSERVE;
	if (expires != NULL && (!mp_cmd_duration(expires, &ms) || ms <= 0))
		return mp_fail(&ctx->err, MP_EUSAGE,
			"--expires %.40s: a time such as 90m, 24h or 7d is expected", expires);
	m->expires_ms = (uint64_t)ms;
	return 0;
}

static int
from_node(struct mp_cmd_ctx *ctx, const struct mp_ctl_local *m, struct mp_buf *token)
{
	struct mp_span payload, text;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_local_encode(&buf, m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	text = mp_cbor_r_text(&r, MP_CTL_TOKEN_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_buf_append(token, text.p, text.n);
	return rc != 0 ? mp_cmd_nonsense(ctx, rc, &ctx->err) : 0;
}

/* Where the node that is asked can be reached; empty when it does not know. */
static int
node_seed(struct mp_cmd_ctx *ctx, char out[MP_ADDR_TEXT])
{
	struct mp_ctl_local m = {.number = MP_CTL_INFO};
	struct mp_ctl_info info;
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	rc = mp_ctl_info_decode(payload, &info);
	if (rc != 0)
		return mp_cmd_nonsense(ctx, rc, &ctx->err);
	out[0] = '\0';
	if (info.addr.port != 0)
		mp_addr_format(out, &info.addr);
	return 0;
}

static int
sign_here(struct mp_cmd_ctx *ctx, const struct mp_ctl_local *m, struct mp_buf *token)
{
	struct mp_cmd_signing with;
	char seed[MP_ADDR_TEXT] = "";
	const char *seeds[] = {seed};
	int rc = mp_cmd_signing_open(ctx, &with);

	if (rc == 0 && m->number == MP_CTL_INVITE)
		rc = node_seed(ctx, seed);
	if (rc == 0 && m->number == MP_CTL_INVITE)
		rc = mp_signing_invite(&with.by, m->roles, (mp_time)m->expires_ms, seeds,
			seed[0] != '\0', token, &ctx->err);
	else if (rc == 0)
		rc = mp_signing_admit(
			&with.by, m->bytes, m->roles, (mp_time)m->expires_ms, token, &ctx->err);
	mp_cmd_signing_close(&with);
	return rc;
}

int
mp_cmd_token(struct mp_cmd_ctx *ctx, struct mp_cmd_let_in *in, struct mp_buf *token)
{
	struct mp_ctl_local m = {
		.number = in->who != NULL ? MP_CTL_ADMIT : MP_CTL_INVITE, .bytes = in->request};
	int rc = read_options(ctx, in->who, &m);

	in->roles = m.roles;
	if (rc != 0)
		return rc;
	return mp_cmd_has(ctx, "authority") ? sign_here(ctx, &m, token) : from_node(ctx, &m, token);
}
