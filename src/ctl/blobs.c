/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/blobs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "crypto/hasher.h"

static int
call_local(struct mp_cmd_ctx *ctx, const struct mp_ctl_local *m, const struct mp_hash *digests,
	struct mp_span *payload, struct mp_error *err)
{
	struct mp_buf buf;

	mp_buf_init(&buf, ctx->alloc, MP_MSG_MAX);
	return mp_cmd_call(ctx, mp_ctl_local_encode(&buf, m, digests), &buf, payload, err);
}

/* ---- sending ---- */

static int
send_piece(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, uint64_t total, uint64_t offset,
	struct mp_span bytes, bool *complete, struct mp_error *err)
{
	struct mp_ctl_local m = {.number = MP_CTL_BLOB_WRITE,
		.digest = *digest,
		.total = total,
		.offset = offset,
		.bytes = bytes};
	struct mp_span payload;
	struct mp_cbor_r r;
	int rc = call_local(ctx, &m, NULL, &payload, err);

	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	*complete = mp_cbor_r_bool(&r);
	return mp_cbor_r_end(&r) == 0 ? 0 : mp_cmd_nonsense(ctx, MP_EFORMAT, err);
}

static int
send_bytes(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, struct mp_span bytes,
	struct mp_error *err)
{
	uint64_t total = bytes.n, offset = 0;
	bool complete = false;
	int rc;

	do {
		size_t n = mp_min_size(bytes.n, MP_CHUNK_SIZE);

		rc = send_piece(ctx, digest, total, offset, mp_span(bytes.p, n), &complete, err);
		offset += n;
		bytes = mp_span(n > 0 ? bytes.p + n : bytes.p, bytes.n - n);
	} while (rc == 0 && !complete && offset < total);
	return rc != 0 || complete ? rc : mp_cmd_nonsense(ctx, MP_EFORMAT, err);
}

/* A whole chunk, or the rest of the file. */
static ssize_t
read_chunk(int fd, uint8_t *p)
{
	size_t n = 0;
	ssize_t got;

	while (n < MP_CHUNK_SIZE) {
		got = read(fd, p + n, MP_CHUNK_SIZE - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int
send_file(struct mp_cmd_ctx *ctx, const struct mp_inputs *in, const struct mp_input *f,
	struct mp_error *err)
{
	uint8_t *chunk;
	uint64_t offset = 0;
	bool complete = false;
	int fd, rc = 0;

	if (f->link != NULL)
		return send_bytes(ctx, &f->digest, mp_span_str(f->link), err);
	fd = mp_inputs_open(in, f);
	if (fd < 0)
		return mp_fail(err, MP_EIO, "%s: %s", f->path, strerror(errno));
	chunk = malloc(MP_CHUNK_SIZE);
	if (chunk == NULL)
		rc = mp_fail(err, MP_ENOMEM, "out of memory");
	while (rc == 0 && !complete) {
		ssize_t n = read_chunk(fd, chunk);

		if (n < 0)
			rc = mp_fail(err, MP_EIO, "%s: %s", f->path, strerror(errno));
		else if (offset + (uint64_t)n > f->size ||
			 (offset + (uint64_t)n < f->size && n < (ssize_t)MP_CHUNK_SIZE) ||
			 (n == 0 && f->size > 0))
			rc = MP_ESIG;
		else
			rc = send_piece(ctx, &f->digest, f->size, offset, mp_span(chunk, (size_t)n),
				&complete, err);
		offset += n > 0 ? (uint64_t)n : 0;
	}
	if (rc == MP_ESIG || rc == MP_EINVAL)
		rc = mp_fail(
			err, MP_EIO, "%s changed while it was being sent; submit again", f->path);
	free(chunk);
	(void)close(fd);
	return rc;
}

/* The files from `from` on, at most MP_CTL_STAT_MAX: asks which are missing, and sends those. */
static int
send_batch(struct mp_cmd_ctx *ctx, const struct mp_inputs *in, size_t from, size_t n,
	struct mp_error *err)
{
	struct mp_ctl_local m = {.number = MP_CTL_BLOB_STAT, .digest_count = n};
	struct mp_hash *digests = calloc(n, sizeof(*digests));
	bool *missing = calloc(n, sizeof(*missing));
	struct mp_span payload;
	struct mp_cbor_r r;
	int rc = digests != NULL && missing != NULL ? 0 : mp_fail(err, MP_ENOMEM, "out of memory");

	for (size_t i = 0; rc == 0 && i < n; i++)
		digests[i] = in->v[from + i].digest;
	if (rc == 0)
		rc = call_local(ctx, &m, digests, &payload, err);
	if (rc == 0) {
		mp_cbor_r_init(&r, payload);
		mp_cbor_r_array_exact(&r, n);
		for (size_t i = 0; i < n; i++) {
			missing[i] = mp_cbor_r_peek(&r) == MP_CBOR_NULL;
			mp_cbor_r_skip(&r);
		}
		rc = mp_cbor_r_end(&r) == 0 ? 0 : mp_cmd_nonsense(ctx, MP_EFORMAT, err);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (missing[i])
			rc = send_file(ctx, in, &in->v[from + i], err);
	}
	free(missing);
	free(digests);
	return rc;
}

int
mp_blobs_send(struct mp_cmd_ctx *ctx, const struct mp_inputs *in, struct mp_error *err)
{
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < in->count; at += MP_CTL_STAT_MAX)
		rc = send_batch(ctx, in, at, mp_min_size(in->count - at, MP_CTL_STAT_MAX), err);
	if (rc == 0 && in->count > 0)
		rc = send_bytes(ctx, &in->manifest_digest, mp_buf_span(&in->manifest), err);
	return rc;
}

/* ---- getting ---- */

int
mp_blobs_fetch(struct mp_cmd_ctx *ctx, const struct mp_blob_ref *refs, size_t count,
	const struct mp_node_id *holders, size_t holder_count, struct mp_error *err)
{
	int lost = 0;

	for (size_t at = 0; at < count; at += MP_CTL_FETCH_MAX) {
		struct mp_span payload;
		struct mp_buf buf;
		int rc;

		mp_buf_init(&buf, ctx->alloc, MP_MSG_MAX);
		rc = mp_ctl_fetch_encode(&buf, refs + at, mp_min_size(count - at, MP_CTL_FETCH_MAX),
			holders, holder_count);
		rc = mp_cmd_call(ctx, rc, &buf, &payload, err);
		if (rc == MP_ENOENT || rc == MP_ECORRUPT)
			lost = rc;
		else if (rc != 0)
			return rc;
	}
	return lost;
}

int
mp_blobs_read(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, uint64_t offset, uint32_t size,
	struct mp_span *bytes, uint64_t *total, struct mp_error *err)
{
	struct mp_ctl_local m = {
		.number = MP_CTL_BLOB_READ, .digest = *digest, .offset = offset, .size = size};
	struct mp_span payload;
	struct mp_cbor_r r;
	uint64_t all;
	int rc = call_local(ctx, &m, NULL, &payload, err);

	if (rc == MP_ENOENT)
		return mp_fail(err, rc, "no live node has these bytes");
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	all = mp_cbor_r_uint(&r, MP_BLOB_MAX);
	*bytes = mp_cbor_r_bytes(&r, size);
	if (mp_cbor_r_end(&r) != 0 || (bytes->n == 0 && offset < all))
		return mp_cmd_nonsense(ctx, MP_EFORMAT, err);
	if (total != NULL)
		*total = all;
	return 0;
}

int
mp_blobs_get(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, struct mp_buf *buf,
	struct mp_error *err)
{
	struct mp_hash found;
	struct mp_span bytes = {0};
	uint64_t total = 0;
	int rc;

	mp_buf_clear(buf);
	do {
		rc = mp_blobs_read(ctx, digest, buf->n, MP_CTL_READ_MAX, &bytes, &total, err);
		if (rc == 0 && bytes.n > 0 && (rc = mp_buf_append(buf, bytes.p, bytes.n)) != 0)
			(void)mp_fail(err, rc, "blob: %s", mp_strerror(rc));
	} while (rc == 0 && buf->n < total);
	if (rc != 0)
		return rc;
	mp_hasher_once(&found, mp_buf_span(buf));
	if (!mp_hash_eq(&found, digest))
		return mp_fail(err, MP_ECORRUPT, "the node gave bytes with another digest");
	return 0;
}
