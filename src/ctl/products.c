/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/products.h"

#include "codec/msg_blob.h"
#include "ctl/blobs.h"

int
mp_products_bring(struct mp_cmd_ctx *ctx, const struct mp_show_module *m,
	const struct mp_hash *digest, uint64_t size, struct mp_error *err)
{
	struct mp_blob_ref ref = {.digest = *digest, .size = size};
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_list list = m->holders;
	struct mp_error quiet = {0};
	struct mp_span bytes;
	size_t n = 0;

	if (mp_blobs_read(ctx, digest, 0, 1, &bytes, NULL, &quiet) == 0)
		return 0;
	while (n < mp_countof(holders) && mp_holders_next(&list, &holders[n]))
		n++;
	return mp_blobs_fetch(ctx, &ref, 1, holders, n, err);
}

int
mp_products_read(struct mp_cmd_ctx *ctx, const struct mp_show_module *m, struct mp_products *out,
	struct mp_error *err)
{
	int rc;

	mp_buf_init(&out->bytes, ctx->alloc, MP_MANIFEST_BYTES_MAX);
	rc = mp_blobs_get(ctx, &m->manifest, &out->bytes, err);
	if (rc == 0)
		rc = mp_manifest_decode(ctx->alloc, mp_buf_span(&out->bytes), &out->manifest, err);
	if (rc != 0)
		mp_buf_fini(&out->bytes);
	return rc;
}

int
mp_products_get(struct mp_cmd_ctx *ctx, const struct mp_show_module *m, struct mp_products *out,
	struct mp_error *err)
{
	int rc = mp_products_bring(ctx, m, &m->manifest, MP_SIZE_UNKNOWN, err);

	return rc == 0 ? mp_products_read(ctx, m, out, err) : rc;
}

void
mp_products_fini(struct mp_products *p)
{
	mp_manifest_fini(&p->manifest);
	mp_buf_fini(&p->bytes);
}

void
mp_products_write_file(struct mp_writer *w, const struct mp_file *file)
{
	static const char *const kinds[] = {"file", "executable", "link"};

	mp_w_object(w, NULL, NULL, 0);
	mp_w_span(w, "path", file->path);
	mp_w_hex(w, "blob", file->digest.b, sizeof(file->digest.b));
	mp_w_uint(w, "size", file->size);
	mp_w_text(w, "kind", kinds[file->kind]);
	mp_w_end(w);
}
