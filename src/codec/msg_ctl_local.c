/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the shell answers by itself, and INFO's answer. */
#include "codec/msg_ctl.h"
#include "codec/record_cert.h"
#include "mp/member.h"

#define ROLES_ALL (MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_OBSERVE | MP_ROLE_ADMIN)

bool
mp_ctl_is_local(struct mp_span bytes)
{
	struct mp_cbor_r r;
	uint64_t number;

	mp_cbor_r_init(&r, bytes);
	(void)mp_cbor_r_array(&r, 16);
	number = mp_cbor_r_uint(&r, UINT64_MAX);
	return r.rc == 0 && number >= 150 && number <= 199;
}

static size_t
local_items(enum mp_ctl_local_number number)
{
	switch (number) {
	case MP_CTL_BLOB_WRITE:
		return 5;
	case MP_CTL_BLOB_STAT:
	case MP_CTL_CACHE_BLOBS:
	case MP_CTL_SIGN_TAKEOVER:
	case MP_CTL_NODE_SET:
		return 2;
	case MP_CTL_BLOB_READ:
	case MP_CTL_ADMIT:
		return 4;
	case MP_CTL_INVITE:
		return 3;
	case MP_CTL_INFO:
	case MP_CTL_CACHE_STAT:
	case MP_CTL_CACHE_FILE:
		return 1;
	}
	return 0;
}

static void
read_stat(struct mp_cbor_r *r, struct mp_ctl_local *out)
{
	struct mp_hash digest;

	out->digest_count = mp_cbor_r_array(r, MP_CTL_STAT_MAX);
	out->digests = *r;
	for (size_t i = 0; i < out->digest_count && r->rc == 0; i++)
		mp_cbor_r_fixed(r, digest.b, sizeof(digest.b));
}

static void
read_local(struct mp_cbor_r *r, struct mp_ctl_local *out)
{
	switch (out->number) {
	case MP_CTL_BLOB_WRITE:
		mp_cbor_r_fixed(r, out->digest.b, sizeof(out->digest.b));
		out->total = mp_cbor_r_uint(r, MP_BLOB_MAX);
		out->offset = mp_cbor_r_uint(r, MP_BLOB_MAX);
		out->bytes = mp_cbor_r_bytes(r, MP_CHUNK_SIZE);
		return;
	case MP_CTL_BLOB_STAT:
		read_stat(r, out);
		return;
	case MP_CTL_BLOB_READ:
		mp_cbor_r_fixed(r, out->digest.b, sizeof(out->digest.b));
		out->offset = mp_cbor_r_uint(r, MP_BLOB_MAX);
		out->size = (uint32_t)mp_cbor_r_uint(r, MP_CTL_READ_MAX);
		return;
	case MP_CTL_ADMIT:
		out->bytes = mp_cbor_r_bytes(r, MP_REQUEST_MAX);
		MP_FALLTHROUGH;
	case MP_CTL_INVITE:
		out->roles = (uint32_t)mp_cbor_r_uint(r, ROLES_ALL);
		out->expires_ms = mp_cbor_r_uint(r, MP_CTL_INVITE_MS_MAX);
		return;
	case MP_CTL_CACHE_BLOBS:
		mp_cbor_r_fixed(r, out->digest.b, sizeof(out->digest.b));
		return;
	case MP_CTL_SIGN_TAKEOVER:
		out->bytes = mp_cbor_r_bytes(r, MP_CTL_TAKEOVER_MAX);
		return;
	case MP_CTL_NODE_SET:
		out->settings = mp_cbor_r_item(r);
		return;
	case MP_CTL_INFO:
	case MP_CTL_CACHE_STAT:
	case MP_CTL_CACHE_FILE:
		return;
	}
	mp_unreachable();
}

int
mp_ctl_local_decode(struct mp_span bytes, struct mp_ctl_local *out)
{
	struct mp_cbor_r r;
	size_t items;
	int rc;

	*out = (struct mp_ctl_local){.number = MP_CTL_INFO};
	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, 16);
	out->number = (enum mp_ctl_local_number)mp_cbor_r_uint(&r, 199);
	if (r.rc == 0 && (items == 0 || items != local_items(out->number)))
		return MP_EFORMAT;
	if (r.rc == 0)
		read_local(&r, out);
	rc = mp_cbor_r_end(&r);
	if (rc == 0 && (out->number == MP_CTL_INVITE || out->number == MP_CTL_ADMIT) &&
		(out->expires_ms == 0 || out->roles == 0))
		rc = MP_EFORMAT;
	return rc;
}

int
mp_ctl_local_encode(struct mp_buf *buf, const struct mp_ctl_local *m, const struct mp_hash *digests)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, local_items(m->number));
	mp_cbor_w_uint(&w, m->number);
	switch (m->number) {
	case MP_CTL_BLOB_WRITE:
		mp_cbor_w_bytes(&w, m->digest.b, sizeof(m->digest.b));
		mp_cbor_w_uint(&w, m->total);
		mp_cbor_w_uint(&w, m->offset);
		mp_cbor_w_span(&w, m->bytes);
		break;
	case MP_CTL_BLOB_STAT:
		mp_cbor_w_array(&w, m->digest_count);
		for (size_t i = 0; i < m->digest_count; i++)
			mp_cbor_w_bytes(&w, digests[i].b, sizeof(digests[i].b));
		break;
	case MP_CTL_BLOB_READ:
		mp_cbor_w_bytes(&w, m->digest.b, sizeof(m->digest.b));
		mp_cbor_w_uint(&w, m->offset);
		mp_cbor_w_uint(&w, m->size);
		break;
	case MP_CTL_ADMIT:
		mp_cbor_w_span(&w, m->bytes);
		MP_FALLTHROUGH;
	case MP_CTL_INVITE:
		mp_cbor_w_uint(&w, m->roles);
		mp_cbor_w_uint(&w, m->expires_ms);
		break;
	case MP_CTL_CACHE_BLOBS:
		mp_cbor_w_bytes(&w, m->digest.b, sizeof(m->digest.b));
		break;
	case MP_CTL_SIGN_TAKEOVER:
		mp_cbor_w_span(&w, m->bytes);
		break;
	case MP_CTL_NODE_SET:
		mp_cbor_w_raw(&w, m->settings);
		break;
	case MP_CTL_INFO:
	case MP_CTL_CACHE_STAT:
	case MP_CTL_CACHE_FILE:
		break;
	}
	return w.rc;
}

/* ---- INFO ---- */

int
mp_ctl_info_encode(struct mp_buf *buf, const struct mp_ctl_info *info)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 10);
	mp_cbor_w_bytes(&w, info->id.b, sizeof(info->id.b));
	mp_cbor_w_text(&w, info->name);
	mp_cbor_w_bytes(&w, info->cluster.b, sizeof(info->cluster.b));
	mp_ctl_addr_write(&w, &info->addr);
	mp_cbor_w_text(&w, info->version);
	mp_cbor_w_int(&w, info->started_ms);
	mp_cbor_w_array(&w, info->counter_count);
	for (size_t i = 0; i < info->counter_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text(&w, info->counters[i].name);
		mp_cbor_w_uint(&w, info->counters[i].value);
	}
	mp_cbor_w_array(&w, info->limit_count);
	for (size_t i = 0; i < info->limit_count; i++) {
		mp_cbor_w_array(&w, 4);
		mp_cbor_w_text(&w, info->limits[i].name);
		mp_cbor_w_uint(&w, info->limits[i].now);
		mp_cbor_w_uint(&w, info->limits[i].max);
		mp_cbor_w_uint(&w, info->limits[i].source_max);
	}
	mp_cbor_w_uint(&w, info->gossip_epoch);
	mp_cbor_w_uint(&w, info->gossip_digest);
	return w.rc;
}

int
mp_ctl_info_decode(struct mp_span payload, struct mp_ctl_info *out)
{
	struct mp_cbor_r r;
	size_t extra;

	*out = (struct mp_ctl_info){.counter_count = 0};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_min(&r, 10, 64, &extra);
	mp_cbor_r_fixed(&r, out->id.b, sizeof(out->id.b));
	mp_cbor_r_str(&r, out->name, sizeof(out->name));
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_ctl_addr_read(&r, &out->addr);
	mp_cbor_r_str(&r, out->version, sizeof(out->version));
	out->started_ms = mp_cbor_r_int(&r);
	out->counter_count = mp_cbor_r_array(&r, 1024);
	out->items = r;
	for (size_t i = 0; i < out->counter_count && r.rc == 0; i++) {
		mp_cbor_r_array_exact(&r, 2);
		(void)mp_cbor_r_text(&r, MP_NAME_MAX);
		(void)mp_cbor_r_uint(&r, UINT64_MAX);
	}
	out->limit_count = mp_cbor_r_array(&r, 1024);
	out->limit_items = r;
	for (size_t i = 0; i < out->limit_count && r.rc == 0; i++)
		mp_cbor_r_skip(&r);
	out->gossip_epoch = mp_cbor_r_uint(&r, UINT64_MAX);
	out->gossip_digest = mp_cbor_r_uint(&r, UINT64_MAX);
	while (extra-- > 0 && r.rc == 0)
		mp_cbor_r_skip(&r);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_info_version(struct mp_span payload, char *out, size_t size)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	if (mp_cbor_r_array(&r, 64) < 5)
		return MP_EFORMAT;
	for (int i = 0; i < 4; i++)
		mp_cbor_r_skip(&r);
	mp_cbor_r_str(&r, out, size);
	return r.rc;
}
