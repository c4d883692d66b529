/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/members.h"

#include <stdlib.h>

#include "codec/caps.h"
#include "codec/msg_ctl.h"

struct visit {
	mp_member_cb each;
	void *arg;
	struct mp_member_self *self;
	struct mp_caps caps;
	uint32_t at, total;
};

static void
self_read(struct mp_member_self *self, struct mp_span payload)
{
	size_t n;

	*self = (struct mp_member_self){.known = false};
	if (mp_snap_self_decode(payload, &self->said) != 0)
		return;
	self->known = true;
	n = mp_min_size(self->said.drained_by.n, MP_NAME_MAX);
	if (n > 0)
		memcpy(self->drained_by, self->said.drained_by.p, n);
	self->said.drained_by = mp_span(NULL, 0);
}

/* One page from v->at on. */
static int
visit_page(struct mp_cmd_ctx *ctx, struct visit *v)
{
	struct mp_snap_member m;
	struct mp_span payload;
	struct mp_cbor_r members;
	struct mp_buf buf;
	uint32_t from, count;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_page_encode(&buf, MP_CTL_NODES, NULL, v->at, MP_SNAP_COUNT_MAX);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc != 0)
		return rc;
	rc = mp_snap_nodes_decode(payload, &v->total, &from, &count, &members);
	if (rc == 0 && count == 0 && v->at < v->total)
		rc = MP_EFORMAT;
	if (rc == 0 && v->self != NULL)
		self_read(v->self, payload);
	while (rc == 0 && count-- > 0) {
		rc = mp_snap_member_next(&members, &m);
		if (rc == 0)
			v->each(v->arg, &m,
				m.caps.n > 0 && mp_caps_decode(m.caps, &v->caps) == 0 ? &v->caps
										      : NULL);
		v->at++;
	}
	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, &ctx->err);
}

int
mp_members_visit(struct mp_cmd_ctx *ctx, mp_member_cb each, void *arg, struct mp_member_self *self)
{
	struct visit *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
	v->each = each;
	v->arg = arg;
	v->self = self;
	do {
		rc = visit_page(ctx, v);
	} while (rc == 0 && v->at < v->total);
	free(v);
	return rc;
}

bool
mp_member_drained(const struct mp_snap_member *member)
{
	return member->status == MP_NODE_DRAINING && member->load.drained;
}
