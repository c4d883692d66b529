/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/pages.h"

#include "codec/msg_ctl_proof.h"

int
mp_cmd_pages(struct mp_cmd_ctx *ctx, enum mp_ctl_number number, const char *run,
	int (*each)(void *arg, struct mp_span record), void *arg)
{
	uint64_t next = number == MP_CTL_ENTRIES ? 1 : 0, before;
	int rc = 0;

	do {
		struct mp_ctl_proofs page;
		struct mp_span payload, item;
		struct mp_buf buf;

		before = next;
		mp_buf_init(&buf, ctx->alloc, 256);
		rc = mp_ctl_page_encode(&buf, number, run, (uint32_t)next, 0);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
		if (rc != 0)
			return rc;
		rc = mp_ctl_proofs_decode(payload, &page);
		next = page.next;
		if (rc == 0 && next != 0 && (next <= before || next > UINT32_MAX))
			rc = MP_EFORMAT;
		if (rc != 0)
			return mp_cmd_nonsense(ctx, rc, &ctx->err);
		while (rc == 0 && mp_ctl_proofs_next(&page, &item))
			rc = each(arg, item);
	} while (rc == 0 && next != 0);
	return rc;
}
