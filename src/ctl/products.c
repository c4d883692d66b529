/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/products.h"

#include <stdlib.h>

#include "codec/msg_blob.h"
#include "ctl/blobs.h"

/* Who is named as a holder of one of them is asked for all. */
static void
add_holders(struct mp_products_wanted *w, struct mp_list list)
{
	struct mp_node_id id;

	while (w->holder_count < mp_countof(w->holders) && mp_holders_next(&list, &id)) {
		size_t i = 0;

		while (i < w->holder_count && !mp_node_id_eq(&w->holders[i], &id))
			i++;
		if (i == w->holder_count)
			w->holders[w->holder_count++] = id;
	}
}

int
mp_products_want(struct mp_products_wanted *w, const struct mp_show_module *m,
	const struct mp_hash *digest, uint64_t size)
{
	if (mp_hash_is_zero(digest))
		return 0;
	if (w->count == w->room) {
		size_t room = w->room == 0 ? 64 : 2 * w->room;
		struct mp_blob_ref *refs = realloc(w->refs, room * sizeof(*refs));

		if (refs == NULL)
			return MP_ENOMEM;
		w->refs = refs;
		w->room = room;
	}
	w->refs[w->count++] = (struct mp_blob_ref){.digest = *digest, .size = size};
	add_holders(w, m->holders);
	return 0;
}

int
mp_products_want_manifest(
	void *unused, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m)
{
	(void)unused;
	(void)index;
	return mp_products_want(w, m, &m->manifest, MP_SIZE_UNKNOWN);
}

int
mp_products_bring(struct mp_cmd_ctx *ctx, const struct mp_show *page, const char *module,
	mp_products_want_fn want, void *arg, struct mp_error *err)
{
	struct mp_products_wanted w = {.refs = NULL};
	struct mp_list list = page->modules;
	uint32_t index = page->from;
	struct mp_show_module m;
	int rc = 0;

	for (; rc == 0 && mp_show_module_next(&list, &m); index++) {
		if (module == NULL || mp_span_eq(m.name, mp_span_str(module)))
			rc = want(arg, &w, index, &m);
	}
	if (rc != 0)
		(void)mp_fail(err, rc, "%s", mp_strerror(rc));
	else if (w.count > 0)
		rc = mp_blobs_fetch(ctx, w.refs, w.count, w.holders, w.holder_count, err);
	free(w.refs);
	if (rc != MP_ENOENT && rc != MP_ECORRUPT)
		return rc;
	*err = (struct mp_error){0};
	return 0;
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
