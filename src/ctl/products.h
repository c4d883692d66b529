/* SPDX-License-Identifier: Apache-2.0 */
/* What modules leave behind: their outputs and logs, brought to this node when they are not here.
 */
#ifndef MP_CTL_PRODUCTS_H
#define MP_CTL_PRODUCTS_H

#include "codec/manifest.h"
#include "codec/msg_show.h"
#include "ctl/cmd.h"
#include "mp/limits.h"
#include "util/buf.h"

struct mp_products {
	struct mp_buf bytes; /* the manifest borrows from them */
	struct mp_manifest manifest;
};

/*
 * Blobs of many modules, to be brought to the node at once: what no live node has costs its time
 * only once, and is found missing when it is read. Idle when zeroed.
 */
struct mp_products_wanted {
	struct mp_blob_ref *refs;
	size_t count, room;
	struct mp_node_id holders[MP_FETCH_HOLDERS_MAX];
	size_t holder_count;
};

/* A blob of this module; the zero digest is none. size may be MP_SIZE_UNKNOWN. MP_ENOMEM. */
int mp_products_want(struct mp_products_wanted *w, const struct mp_show_module *m,
	const struct mp_hash *digest, uint64_t size);

/* Calls `want` for each module of a page, or the one with this name if that is not NULL, and brings
 * what was wanted. 0, though some of it may be lost; what `want` returned; or the errors of calls.
 */
typedef int (*mp_products_want_fn)(
	void *arg, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m);
int mp_products_bring(struct mp_cmd_ctx *ctx, const struct mp_show *page, const char *module,
	mp_products_want_fn want, void *arg, struct mp_error *err);
int mp_products_want_manifest(
	void *unused, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m);

/* The manifest of a module that has one, after it was brought. MP_ENOENT: no live node has it.
 * Finish it on success. */
int mp_products_read(struct mp_cmd_ctx *ctx, const struct mp_show_module *m,
	struct mp_products *out, struct mp_error *err);
void mp_products_fini(struct mp_products *p);

/* {"path","blob","size"} and more. */
void mp_products_write_file(struct mp_writer *w, const struct mp_file *file);

#endif
