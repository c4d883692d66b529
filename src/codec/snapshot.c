/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snapshot.h"

#include "codec/caps.h"
#include "codec/msg_ctl.h"

/* Of a member: those that there always were, and those of a newer node. */
#define MEMBER_FIRST 6
#define MEMBER_MORE  8
#define MEMBER_TRUST 1

/* Items that a newer node may add to an array of ours. */
#define EXTRA_MAX 32

const char *
mp_member_state_word(enum mp_member_state state)
{
	static const char *const words[] = {"alive", "suspect", "dead", "left"};

	return (size_t)state < mp_countof(words) ? words[state] : "unknown";
}

const char *
mp_member_status_word(enum mp_member_status status)
{
	static const char *const words[] = {"available", "busy", "draining", "offline", "offline"};

	return (size_t)status < mp_countof(words) ? words[status] : "unknown";
}

const char *
mp_path_word(enum mp_path path)
{
	static const char *const words[] = {NULL, "udp", "tcp"};

	return (size_t)path < mp_countof(words) ? words[path] : NULL;
}

static bool
read_null(struct mp_cbor_r *r)
{
	if (r->rc != 0 || mp_cbor_r_peek(r) != MP_CBOR_NULL)
		return false;
	mp_cbor_r_null(r);
	return true;
}

static void
read_extra(struct mp_cbor_r *r, size_t extra)
{
	while (extra-- > 0 && r->rc == 0)
		mp_cbor_r_skip(r);
}

static void
write_known(struct mp_cbor_w *w, bool known, int64_t v)
{
	if (known)
		mp_cbor_w_int(w, v);
	else
		mp_cbor_w_null(w);
}

/* False, and *out stays, when it is null. */
static bool
read_known(struct mp_cbor_r *r, int64_t *out)
{
	if (read_null(r))
		return false;
	*out = mp_cbor_r_int(r);
	return r->rc == 0;
}

static void
write_node(struct mp_cbor_w *w, const struct mp_snap_node *node)
{
	if (mp_node_id_is_zero(&node->id)) {
		mp_cbor_w_null(w);
		return;
	}
	mp_cbor_w_array(w, 2);
	mp_cbor_w_bytes(w, node->id.b, sizeof(node->id.b));
	mp_cbor_w_text_n(w, (const char *)node->name.p, node->name.n);
}

static void
read_node(struct mp_cbor_r *r, struct mp_snap_node *node)
{
	*node = (struct mp_snap_node){.name = mp_span(NULL, 0)};
	if (read_null(r))
		return;
	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, node->id.b, sizeof(node->id.b));
	node->name = mp_cbor_r_text(r, MP_NAME_MAX);
}

int
mp_snap_member_encode(struct mp_buf *items, const struct mp_snap_member *member)
{
	struct mp_cbor_w w;
	size_t before = items->n;

	mp_cbor_w_init(&w, items);
	mp_cbor_w_array(&w, MEMBER_FIRST + MEMBER_MORE + MEMBER_TRUST);
	write_node(&w, &member->node);
	mp_ctl_addr_write(&w, &member->addr);
	mp_cbor_w_uint(&w, member->state);
	mp_cbor_w_uint(&w, member->status);
	mp_cbor_w_uint(&w, member->load.used);
	if (member->caps.n == 0)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_span(&w, member->caps);
	mp_cbor_w_uint(&w, member->load.attempts);
	mp_cbor_w_uint(&w, member->load.leads);
	mp_cbor_w_bool(&w, member->load.drained);
	write_known(&w, member->rtt_ms >= 0, member->rtt_ms);
	write_known(&w, member->silent_ms >= 0, member->silent_ms);
	write_known(&w, member->has_skew, member->skew_ms);
	mp_cbor_w_uint(&w, member->path);
	mp_cbor_w_bool(&w, member->reaches_out);
	mp_cbor_w_bool(&w, member->revoked);
	if (w.rc != 0)
		items->n = before;
	return w.rc;
}

int
mp_snap_nodes_encode(struct mp_buf *buf, uint32_t member_count, uint32_t from, uint32_t count,
	struct mp_span items, const struct mp_snap_self *self)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, member_count);
	mp_cbor_w_uint(&w, from);
	mp_cbor_w_array(&w, count);
	mp_cbor_w_raw(&w, items);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_bytes(&w, self->id.b, sizeof(self->id.b));
	mp_cbor_w_uint(&w, self->health);
	mp_cbor_w_bool(&w, self->isolated);
	if (self->drains) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, (uint64_t)self->drains_since_ms);
		mp_cbor_w_text_n(&w, (const char *)self->drained_by.p, self->drained_by.n);
	} else {
		mp_cbor_w_null(&w);
	}
	return w.rc;
}

int
mp_snap_self_decode(struct mp_span payload, struct mp_snap_self *out)
{
	struct mp_cbor_r r;
	size_t extra, more;

	*out = (struct mp_snap_self){.health = 0};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_min(&r, 3, 3 + EXTRA_MAX, &extra);
	for (int i = 0; i < 3; i++)
		mp_cbor_r_skip(&r);
	if (r.rc != 0 || extra == 0)
		return r.rc != 0 ? r.rc : MP_ENOENT;
	mp_cbor_r_array_min(&r, 4, 4 + EXTRA_MAX, &more);
	mp_cbor_r_fixed(&r, out->id.b, sizeof(out->id.b));
	out->health = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	out->isolated = mp_cbor_r_bool(&r);
	out->drains = !read_null(&r);
	if (out->drains) {
		mp_cbor_r_array_exact(&r, 2);
		out->drains_since_ms = (mp_time)mp_cbor_r_uint(&r, INT64_MAX);
		out->drained_by = mp_cbor_r_text(&r, MP_NAME_MAX);
	}
	read_extra(&r, more);
	read_extra(&r, extra - 1);
	return mp_cbor_r_end(&r);
}

int
mp_snap_nodes_decode(struct mp_span payload, uint32_t *member_count, uint32_t *from,
	uint32_t *count, struct mp_cbor_r *members)
{
	struct mp_cbor_r r;
	size_t extra;

	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_min(&r, 3, 3 + EXTRA_MAX, &extra);
	*member_count = (uint32_t)mp_cbor_r_uint(&r, MP_MEMBERS_MAX);
	*from = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	*count = (uint32_t)mp_cbor_r_array(&r, MP_MEMBERS_MAX);
	*members = r;
	for (uint32_t i = 0; i < *count && r.rc == 0; i++)
		mp_cbor_r_skip(&r);
	read_extra(&r, extra);
	return mp_cbor_r_end(&r);
}

int
mp_snap_member_next(struct mp_cbor_r *r, struct mp_snap_member *out)
{
	size_t extra;

	*out = (struct mp_snap_member){.rtt_ms = -1, .silent_ms = -1};
	mp_cbor_r_array_min(r, MEMBER_FIRST, MEMBER_FIRST + EXTRA_MAX, &extra);
	read_node(r, &out->node);
	mp_ctl_addr_read(r, &out->addr);
	out->state = (enum mp_member_state)mp_cbor_r_uint(r, MP_MEMBER_LEFT);
	out->status = (enum mp_member_status)mp_cbor_r_uint(r, MP_NODE_DOUBLED);
	out->load.used = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	if (!read_null(r))
		out->caps = mp_cbor_r_bytes(r, MP_CAPS_BYTES_MAX);
	if (extra >= MEMBER_MORE) {
		out->load.attempts = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		out->load.leads = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		out->load.drained = mp_cbor_r_bool(r);
		(void)read_known(r, &out->rtt_ms);
		(void)read_known(r, &out->silent_ms);
		out->has_skew = read_known(r, &out->skew_ms);
		out->path = (enum mp_path)mp_cbor_r_uint(r, MP_PATH_TCP);
		out->reaches_out = mp_cbor_r_bool(r);
		extra -= MEMBER_MORE;
		if (extra >= MEMBER_TRUST) {
			out->revoked = mp_cbor_r_bool(r);
			extra -= MEMBER_TRUST;
		}
	}
	read_extra(r, extra);
	return r->rc;
}
