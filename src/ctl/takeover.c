/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "codec/msg_ctl.h"
#include "codec/record_run.h"
#include "ctl/commands.h"

/* What a request is answered with, copied: the next one takes its place. */
static int
ask(struct mp_cmd_ctx *ctx, int rc, struct mp_buf *request, struct mp_buf *answer)
{
	struct mp_span payload;

	rc = mp_cmd_call(ctx, rc, request, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_buf_clear(answer);
	rc = mp_buf_append(answer, payload.p, payload.n);
	return rc != 0 ? mp_fail(&ctx->err, rc, "%s", mp_strerror(rc)) : 0;
}

/* The node gathers who has what of the log, and proposes. */
static int
propose(struct mp_cmd_ctx *ctx, const char *run, struct mp_buf *answer, struct mp_takeover *t)
{
	struct mp_span record;
	struct mp_cbor_r r;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_TAKEOVER, run);
	rc = ask(ctx, rc, &buf, answer);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, mp_buf_span(answer));
	record = mp_cbor_r_bytes(&r, MP_CTL_TAKEOVER_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_takeover_decode(record, t);
	if (rc != 0)
		return mp_fail(&ctx->err, rc, "the node's answer makes no sense");
	return 0;
}

/* The authority's key signs, and the node begins. */
static int
sign_and_take(struct mp_cmd_ctx *ctx, const struct mp_takeover *t, struct mp_buf *answer)
{
	struct mp_ctl_local sign = {.number = MP_CTL_SIGN_TAKEOVER};
	struct mp_buf record, buf;
	struct mp_span payload, bytes;
	struct mp_cbor_r r;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&record, ctx->alloc, MP_CTL_TAKEOVER_MAX);
	mp_buf_init(&buf, ctx->alloc, 2 * MP_CTL_TAKEOVER_MAX);
	rc = mp_takeover_encode(&record, t);
	sign.bytes = mp_buf_span(&record);
	if (rc == 0)
		rc = mp_ctl_local_encode(&buf, &sign, NULL);
	rc = ask(ctx, rc, &buf, answer);
	mp_buf_fini(&record);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, mp_buf_span(answer));
	mp_cbor_r_array_exact(&r, 2);
	bytes = mp_cbor_r_bytes(&r, MP_CTL_TAKEOVER_MAX);
	mp_cbor_r_fixed(&r, sig.b, sizeof(sig.b));
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return mp_fail(&ctx->err, rc, "the node's answer makes no sense");
	mp_buf_init(&buf, ctx->alloc, 2 * MP_CTL_TAKEOVER_MAX);
	rc = mp_ctl_take_encode(&buf, bytes, &sig);
	return mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
}

static int
takeover_run(struct mp_cmd_ctx *ctx)
{
	char run[MP_CMD_RUN_SIZE];
	struct mp_takeover t;
	struct mp_buf answer;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	mp_buf_init(&answer, ctx->alloc, MP_MSG_MAX);
	if (rc == 0)
		rc = propose(ctx, run, &answer, &t);
	if (rc == 0)
		rc = sign_and_take(ctx, &t, &answer);
	mp_buf_fini(&answer);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_cmd_note(ctx,
		"generation %" PRIu64 " begins after entry %" PRIu64 " of the log, with %" PRIu32
		" elector%s; mpctl show %s tells how it goes on",
		t.who.generation, t.who.base_index, t.who.elector_count,
		t.who.elector_count == 1 ? "" : "s", run);
	return MP_EXIT_DONE;
}

const struct mp_cmd mp_cmd_takeover = {
	.name = "takeover",
	.args = "RUN",
	.summary = "go on with a run whose electors are lost for good",
	.details =
		"When most of a run's electors are gone and will not come back, this names others\n"
		"and goes on from the longest log that can be reached. What was decided only on\n"
		"the lost nodes is decided again. It needs the authority's key: ask on the node\n"
		"that founded the cluster, or where the key was taken.\n",
	.args_min = 1,
	.args_max = 1,
	.run = takeover_run,
};
