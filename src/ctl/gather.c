/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/gather.h"

#include <unistd.h>

#include "ctl/products.h"
#include "ctl/unpack.h"
#include "ctl/visit.h"

struct gather {
	struct mp_cmd_ctx *ctx;
	const char *module; /* only that one; NULL: all */
	int folder;
	size_t files;
	struct mp_error first; /* mistake */
};

static void
mistake(struct gather *g, const struct mp_error *err)
{
	if (g->first.code == 0)
		g->first = *err;
	else
		mp_cmd_error(g->ctx, "%s", err->text);
}

/* The next one may do better, but not on a full disk or without a node. */
static bool
may_pass(int rc)
{
	return rc == MP_ENOENT || rc == MP_EINVAL || rc == MP_ECORRUPT;
}

/* Of a module whose manifest was brought. */
static int
want_files(void *arg, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m)
{
	struct gather *g = arg;
	struct mp_error quiet = {0};
	struct mp_products p;
	int rc = 0;

	(void)index;
	if (mp_hash_is_zero(&m->manifest) || mp_products_read(g->ctx, m, &p, &quiet) != 0)
		return 0;
	for (size_t i = 0; rc == 0 && i < p.manifest.count; i++)
		rc = mp_products_want(w, m, &p.manifest.files[i].digest, p.manifest.files[i].size);
	mp_products_fini(&p);
	return rc;
}

static int
gather_page(void *arg, const struct mp_show *page)
{
	struct gather *g = arg;
	struct mp_error err = {0};
	int rc = mp_products_bring(g->ctx, page, g->module, mp_products_want_manifest, NULL, &err);

	if (rc == 0)
		rc = mp_products_bring(g->ctx, page, g->module, want_files, g, &err);
	if (rc != 0)
		mistake(g, &err);
	return rc;
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
	rc = mp_products_read(g->ctx, m, &p, &err);
	if (rc != 0) {
		(void)mp_wrap(&err, "outputs of %s", name);
		mistake(g, &err);
		return may_pass(rc) ? 0 : rc;
	}
	for (size_t i = 0; (rc == 0 || may_pass(rc)) && i < p.manifest.count; i++) {
		const struct mp_file *file = &p.manifest.files[i];

		rc = mp_unpack_file(g->ctx, g->folder, name, file, &err);
		if (rc == 0) {
			g->files++;
			continue;
		}
		if (rc == MP_ENOENT)
			(void)mp_fail(&err, rc, "%.*s: no live node has it",
				(int)mp_min_size(file->path.n, 300), (const char *)file->path.p);
		(void)mp_wrap(&err, "outputs of %s", name);
		mistake(g, &err);
	}
	mp_products_fini(&p);
	return rc == 0 || may_pass(rc) ? 0 : rc;
}

int
mp_gather(struct mp_cmd_ctx *ctx, const char *run, const char *module, const char *dir,
	size_t *files, struct mp_error *err)
{
	struct gather g = {.ctx = ctx, .module = module, .folder = -1};
	struct mp_visitor v = {.page = gather_page, .module = gather_module, .arg = &g};
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
