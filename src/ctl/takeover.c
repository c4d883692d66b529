/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "codec/msg_ctl.h"
#include "codec/record_run.h"
#include "ctl/authority.h"
#include "ctl/commands.h"

/* The node gathers who has what of the log, and proposes. */
static int
propose(struct mp_cmd_ctx *ctx, const char *run, struct mp_takeover *t)
{
	struct mp_span payload, record;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_TAKEOVER, run);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	record = mp_cbor_r_bytes(&r, MP_CTL_TAKEOVER_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_takeover_decode(record, t);
	if (rc != 0)
		return mp_cmd_nonsense(ctx, rc, &ctx->err);
	return 0;
}

/* By the node, with the key that it keeps. */
static int
sign_there(struct mp_cmd_ctx *ctx, struct mp_span record, struct mp_buf *signed_record,
	struct mp_sig *sig)
{
	struct mp_ctl_local m = {.number = MP_CTL_SIGN_TAKEOVER, .bytes = record};
	struct mp_span payload, bytes;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 2 * MP_CTL_TAKEOVER_MAX);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	bytes = mp_cbor_r_bytes(&r, MP_CTL_TAKEOVER_MAX);
	mp_cbor_r_fixed(&r, sig->b, sizeof(sig->b));
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_buf_append(signed_record, bytes.p, bytes.n);
	return rc != 0 ? mp_cmd_nonsense(ctx, rc, &ctx->err) : 0;
}

static int
sign_here(struct mp_cmd_ctx *ctx, struct mp_span record, struct mp_buf *signed_record,
	struct mp_sig *sig)
{
	struct mp_cmd_signing with;
	int rc = mp_cmd_signing_open(ctx, &with);

	if (rc == 0)
		rc = mp_signing_takeover(&with.by, record, signed_record, sig, &ctx->err);
	mp_cmd_signing_close(&with);
	return rc;
}

/* The authority's key signs, and the node begins. */
static int
sign_and_take(struct mp_cmd_ctx *ctx, const struct mp_takeover *t)
{
	struct mp_buf record, signed_record, buf;
	struct mp_span payload;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&record, ctx->alloc, MP_CTL_TAKEOVER_MAX);
	mp_buf_init(&signed_record, ctx->alloc, MP_CTL_TAKEOVER_MAX);
	rc = mp_takeover_encode(&record, t);
	if (rc != 0)
		(void)mp_fail(&ctx->err, rc, "takeover: %s", mp_strerror(rc));
	else if (mp_cmd_has(ctx, "authority"))
		rc = sign_here(ctx, mp_buf_span(&record), &signed_record, &sig);
	else
		rc = sign_there(ctx, mp_buf_span(&record), &signed_record, &sig);
	if (rc == 0) {
		mp_buf_init(&buf, ctx->alloc, 2 * MP_CTL_TAKEOVER_MAX);
		rc = mp_ctl_take_encode(&buf, mp_buf_span(&signed_record), &sig);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	}
	mp_buf_fini(&record);
	mp_buf_fini(&signed_record);
	return rc;
}

static int
takeover_run(struct mp_cmd_ctx *ctx)
{
	char run[MP_CMD_RUN_SIZE];
	struct mp_takeover t;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	if (rc == 0)
		rc = propose(ctx, run, &t);
	if (rc == 0)
		rc = sign_and_take(ctx, &t);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cmd_note(ctx,
		"generation %" PRIu64 " begins after entry %" PRIu64 " of the log, with %" PRIu32
		" elector%s; mpctl show %s tells how it goes on",
		t.who.generation, t.who.base_index, t.who.elector_count,
		t.who.elector_count == 1 ? "" : "s", run);
	return MP_EXIT_DONE;
}

static const struct mp_option options[] = {
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_takeover = {
	.name = "takeover",
	.args = "RUN",
	.summary = "go on with a run whose electors are lost for good",
	.details =
		"When most of a run's electors are gone and will not come back, this names others\n"
		"and goes on from the longest log that can be reached. What was decided only on\n"
		"the lost nodes is decided again. It needs the authority's key: ask on the node\n"
		"that founded the cluster or where the key was taken, or anywhere by\n"
		"--authority FILE.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = takeover_run,
};
