/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gather.h"

#include <stdlib.h>
#include <unistd.h>

#include "ctl/blobs.h"
#include "ctl/products.h"
#include "ctl/unpack.h"
#include "ctl/visit.h"

struct gather {
	struct mp_cmd_ctx *ctx;
	int folder;
	size_t files;
	struct mp_error first; /* mistake */
};

static int
bring_files(struct gather *g, const struct mp_show_module *m, const struct mp_manifest *manifest,
	struct mp_error *err)
{
	struct mp_blob_ref *refs = calloc(manifest->count + 1, sizeof(*refs));
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_list list = m->holders;
	size_t n = 0;
	int rc;

	if (refs == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	for (size_t i = 0; i < manifest->count; i++)
		refs[i] = (struct mp_blob_ref){
			.digest = manifest->files[i].digest, .size = manifest->files[i].size};
	while (n < mp_countof(holders) && mp_holders_next(&list, &holders[n]))
		n++;
	rc = mp_blobs_fetch(g->ctx, refs, manifest->count, holders, n, err);
	free(refs);
	return rc;
}

static void
mistake(struct gather *g, const struct mp_error *err)
{
	if (g->first.code == 0)
		g->first = *err;
	else
		mp_cmd_error(g->ctx, "%s", err->text);
}

static int
gather_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	char name[MP_NAME_MAX + 1];
	struct gather *g = arg;
	struct mp_error err = {0};
	struct mp_products p;
	int rc;

	(void)index;
	if (mp_hash_is_zero(&m->manifest) || m->name.n > MP_NAME_MAX)
		return 0;
	memcpy(name, m->name.p, m->name.n);
	name[m->name.n] = '\0';
	rc = mp_products_get(g->ctx, m, &p, &err);
	if (rc == 0) {
		rc = bring_files(g, m, &p.manifest, &err);
		for (size_t i = 0; rc == 0 && i < p.manifest.count; i++) {
			rc = mp_unpack_file(g->ctx, g->folder, name, &p.manifest.files[i], &err);
			if (rc == 0)
				g->files++;
		}
		mp_products_fini(&p);
	}
	if (rc == 0)
		return 0;
	(void)mp_wrap(&err, "outputs of %s", name);
	mistake(g, &err);
	/* The next module may do better, but not on a full disk or without a node. */
	return rc == MP_ENOENT || rc == MP_EINVAL || rc == MP_ECORRUPT ? 0 : rc;
}

int
mp_gather(struct mp_cmd_ctx *ctx, const char *run, const char *module, const char *dir,
	size_t *files, struct mp_error *err)
{
	struct gather g = {.ctx = ctx, .folder = -1};
	struct mp_visitor v = {.module = gather_module, .arg = &g};
	int rc = mp_unpack_folder(dir, &g.folder, err);

	if (rc != 0)
		return rc;
	if (module != NULL)
		rc = mp_visit_one(ctx, run, module, &v, err);
	else
		rc = mp_visit(ctx, run, &v, err);
	(void)close(g.folder);
	*files = g.files;
	if (g.first.code != 0)
		*err = g.first;
	return g.first.code != 0 ? g.first.code : rc;
}
