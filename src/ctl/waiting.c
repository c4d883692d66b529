/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/waiting.h"

#include "codec/msg_ctl.h"
#include "crypto/key.h"

int
mp_cmd_waiting(
	struct mp_cmd_ctx *ctx, void (*one)(void *arg, const struct mp_cmd_waiting *w), void *arg)
{
	struct mp_span payload;
	struct mp_cbor_r r;
	struct mp_buf buf;
	size_t n;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_PENDING, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	n = mp_cbor_r_array(&r, MP_CTL_PENDING_MAX);
	while (r.rc == 0 && n-- > 0) {
		struct mp_cmd_waiting w;
		struct mp_ctl_pending p;

		mp_ctl_pending_next(&r, &p);
		w = (struct mp_cmd_waiting){
			.addr = p.addr, .since_ms = p.since_ms, .request = p.request};
		if (r.rc == 0 && mp_request_open(&mp_crypto_sodium, p.request, &w.who, NULL) == 0)
			one(arg, &w);
	}
	rc = mp_cbor_r_end(&r);
	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, &ctx->err);
}
