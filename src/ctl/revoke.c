/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_revoke.h"
#include "codec/record_trust.h"
#include "crypto/key.h"
#include "ctl/authority.h"
#include "ctl/commands.h"
#include "ctl/pages.h"

/* Whose key it was that was shut out. */
struct whose {
	struct mp_node_id subject;
	struct mp_trust trust;
	bool node;      /* a member's */
	size_t invited; /* who came by the invite of that key, and is not shut out */
	char names[512];
};

/* What is to be signed, by the node, which knows who is called how. */
static int
propose(struct mp_cmd_ctx *ctx, const char *why, struct mp_buf *body)
{
	struct mp_span payload, bytes;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_revoke_encode(&buf, ctx->args[0], why, mp_cmd_has(ctx, "force"));
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	bytes = mp_cbor_r_bytes(&r, MP_REVOCATION_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_buf_append(body, bytes.p, bytes.n);
	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, &ctx->err);
}

static int
sign_and_take(struct mp_cmd_ctx *ctx, struct mp_span body, const struct mp_signer *signer,
	struct whose *whose)
{
	struct mp_revocation revocation;
	struct mp_buf record;
	int rc = mp_revocation_decode(body, &revocation);

	if (rc != 0)
		return mp_cmd_nonsense(ctx, rc, &ctx->err);
	whose->subject = revocation.subject;
	whose->trust =
		(struct mp_trust){.crypto = &mp_crypto_sodium, .cluster = revocation.cluster};
	mp_buf_init(&record, ctx->alloc, MP_REVOCATION_MAX);
	rc = mp_revocation_sign(&mp_crypto_sodium, &revocation, signer, &record);
	if (rc != 0)
		(void)mp_fail(&ctx->err, rc, "cannot be signed: %s", mp_strerror(rc));
	else
		rc = mp_cmd_authority_take(ctx, MP_CTL_TRUST_REVOKE, mp_buf_span(&record), true);
	mp_buf_fini(&record);
	return rc;
}

/* ---- whose key that was ---- */

static int
look(void *arg, struct mp_span record)
{
	struct whose *whose = arg;
	struct mp_credential c;
	size_t n = strlen(whose->names);

	if (mp_credential_verify(&whose->trust, record, &c, NULL) != 0)
		return 0;
	whose->node = whose->node || mp_node_id_eq(&c.cert.id, &whose->subject);
	if (memcmp(c.invite.key, whose->subject.b, sizeof(c.invite.key)) != 0)
		return 0;
	(void)snprintf(whose->names + n, sizeof(whose->names) - n, "%s%s",
		whose->invited++ > 0 ? ", " : "", c.cert.name.s);
	return 0;
}

static void
say_whose(struct mp_cmd_ctx *ctx, struct whose *whose)
{
	if (mp_cmd_pages(ctx, MP_CTL_CREDENTIALS, NULL, look, whose) != 0)
		mp_cmd_note(ctx, "%s is shut out for ever", ctx->args[0]);
	else if (whose->node)
		mp_cmd_note(ctx, "%s is shut out for ever; mpctl nodes shows it as revoked",
			ctx->args[0]);
	else if (whose->invited > 0)
		mp_cmd_note(ctx,
			"nobody is let in by that invite any more; %zu that it has let in are "
			"members as before (%s): mpctl revoke NODE shuts them out one by one",
			whose->invited, whose->names);
	else
		mp_cmd_note(ctx,
			"%s is shut out for ever; no member has that key, and if it is an "
			"invite's, nobody comes in by it any more",
			ctx->args[0]);
}

static int
revoke_run(struct mp_cmd_ctx *ctx)
{
	struct whose whose = {.names = ""};
	const char *why = mp_cmd_value(ctx, "reason");
	struct mp_secret *secret = NULL;
	struct mp_signer signer;
	struct mp_buf body;
	int rc = 0;

	mp_buf_init(&body, ctx->alloc, MP_REVOCATION_MAX);
	if (strlen(ctx->args[0]) > MP_NAME_MAX)
		rc = mp_fail(&ctx->err, MP_EUSAGE, "no node is called so");
	else if (why != NULL && strlen(why) > MP_REVOCATION_WHY_MAX)
		rc = mp_fail(
			&ctx->err, MP_EUSAGE, "--reason: at most %d bytes", MP_REVOCATION_WHY_MAX);
	if (rc == 0)
		rc = mp_cmd_authority_load(ctx, &secret, &signer);
	if (rc == 0)
		rc = propose(ctx, why != NULL ? why : "", &body);
	if (rc == 0)
		rc = sign_and_take(ctx, mp_buf_span(&body), &signer, &whose);
	mp_secret_free(secret);
	mp_buf_fini(&body);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	say_whose(ctx, &whose);
	return MP_EXIT_DONE;
}

static const struct mp_option options[] = {
	{"reason", 0, "TEXT", "why; everybody can read it, the node too"},
	{"force", 0, NULL, "also this node itself"},
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_revoke = {
	.name = "revoke",
	.args = "NODE|FINGERPRINT",
	.summary = "shut a node, an identity or an invite out for ever",
	.details =
		"Its streams are cut, its datagrams dropped, its results refused, and its key is\n"
		"never let in again; the node is told, and stops. The gossip key is changed. It\n"
		"needs the authority's key. NODE is a name or the start of an id; 64 digits may\n"
		"be a key that is no member's: of an identity, or the one that mpctl invite told.\n"
		"Nobody is let in by that invite any more; whom it has let in stays.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = revoke_run,
};
