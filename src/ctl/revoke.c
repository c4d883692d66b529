/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_revoke.h"
#include "crypto/key.h"
#include "ctl/authority.h"
#include "ctl/commands.h"

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
	return rc == 0 ? 0 : mp_fail(&ctx->err, rc, "the node's answer makes no sense");
}

static int
sign_and_take(struct mp_cmd_ctx *ctx, struct mp_span body, const struct mp_signer *signer)
{
	struct mp_revocation revocation;
	struct mp_buf record;
	int rc = mp_revocation_decode(body, &revocation);

	if (rc != 0)
		return mp_fail(&ctx->err, rc, "the node's answer makes no sense");
	mp_buf_init(&record, ctx->alloc, MP_REVOCATION_MAX);
	rc = mp_revocation_sign(&mp_crypto_sodium, &revocation, signer, &record);
	if (rc != 0)
		(void)mp_fail(&ctx->err, rc, "cannot be signed: %s", mp_strerror(rc));
	else
		rc = mp_cmd_authority_take(ctx, MP_CTL_TRUST_REVOKE, mp_buf_span(&record), true);
	mp_buf_fini(&record);
	return rc;
}

static int
revoke_run(struct mp_cmd_ctx *ctx)
{
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
		rc = sign_and_take(ctx, mp_buf_span(&body), &signer);
	mp_secret_free(secret);
	mp_buf_fini(&body);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cmd_note(ctx, "%s is shut out for ever; mpctl nodes shows it as revoked", ctx->args[0]);
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
	.summary = "shut a node out for ever",
	.details =
		"Its streams are cut, its datagrams dropped, its results refused, and its key is\n"
		"never let in again; the node is told, and stops. The gossip key is changed. It\n"
		"needs the authority's key. NODE is a name or the start of an id; 64 digits may\n"
		"be a key that is no member's.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = revoke_run,
};
