/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/submitter.h"

#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "codec/record_secret.h"
#include "ctl/blobs.h"
#include "ctl/secrets.h"

static int
find_inputs(struct mp_cmd_ctx *ctx, struct mp_submitter *s)
{
	char folder[MP_PATH_MAX + 1];
	int rc = mp_load_folder(s->loaded.path, folder, &ctx->err);

	if (rc == 0)
		rc = mp_inputs_find(&s->inputs, ctx->alloc, folder, &s->loaded.pipeline->inputs,
			&s->loaded.diags, &ctx->err);
	if (rc == 0)
		return MP_EXIT_DONE;
	if (rc != MP_EPIPELINE)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_load_print(&s->loaded.diags);
	return MP_EXIT_PIPELINE;
}

int
mp_submitter_prepare(struct mp_cmd_ctx *ctx, struct mp_submitter *s, const char *path)
{
	int code;

	*s = (struct mp_submitter){.inputs = {.dir_fd = -1}};
	mp_buf_init(&s->inputs.manifest, ctx->alloc, 0);
	mp_buf_init(&s->secrets, ctx->alloc, MP_SECRETS_ENCODED_MAX);
	code = mp_load(ctx, path, true, &s->loaded);
	if (code == MP_EXIT_DONE &&
		mp_secrets_gather(ctx, &s->loaded.graph->secrets, &s->secrets, &ctx->err) != 0)
		code = mp_cmd_fail(ctx, &ctx->err);
	if (code == MP_EXIT_DONE)
		code = find_inputs(ctx, s);
	return code;
}

static int
send_request(
	struct mp_cmd_ctx *ctx, struct mp_submitter *s, const char *key, struct mp_span *payload)
{
	size_t n = s->loaded.param_count;
	struct mp_ctl_param *params = calloc(n + 1, sizeof(*params));
	struct mp_buf buf;
	int rc;

	if (params == NULL)
		return mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		params[i] = (struct mp_ctl_param){mp_span_str(s->loaded.params[i].name),
			mp_span_str(s->loaded.params[i].value)};
	mp_buf_init(&buf, ctx->alloc, MP_MSG_MAX);
	rc = mp_ctl_submit_encode(&buf, mp_buf_span(&s->loaded.cbor), params, n,
		&s->inputs.manifest_digest, key, mp_buf_span(&s->secrets));
	free(params);
	return mp_cmd_call(ctx, rc, &buf, payload, &ctx->err);
}

int
mp_submitter_send(
	struct mp_cmd_ctx *ctx, struct mp_submitter *s, const char *key, struct mp_run_id *run)
{
	struct mp_span payload;
	int rc = mp_blobs_send(ctx, &s->inputs, &ctx->err);

	if (rc == 0) {
		rc = send_request(ctx, s, key, &payload);
		if (rc == MP_ECLOSED)
			(void)mp_fail(&ctx->err, rc,
				"the node went away before it said whether the run was accepted; "
				"mpctl runs on another node tells");
	}
	if (rc == 0 && (rc = mp_ctl_submitted_decode(payload, run)) != 0)
		rc = mp_cmd_nonsense(ctx, rc, &ctx->err);
	return rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err);
}

void
mp_submitter_fini(struct mp_submitter *s)
{
	mp_buf_wipe(&s->secrets);
	mp_buf_fini(&s->secrets);
	mp_inputs_fini(&s->inputs);
	mp_loaded_free(&s->loaded);
}
