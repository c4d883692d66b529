/* SPDX-License-Identifier: Apache-2.0 */
/* What modules leave behind: their outputs and logs, brought to this node when they are not here.
 */
#ifndef MP_CTL_PRODUCTS_H
#define MP_CTL_PRODUCTS_H

#include "codec/manifest.h"
#include "codec/msg_show.h"
#include "ctl/cmd.h"
#include "util/buf.h"

struct mp_products {
	struct mp_buf bytes; /* the manifest borrows from them */
	struct mp_manifest manifest;
};

/* The manifest of a module that has one. MP_ENOENT: no live node has it. Finish it on success. */
int mp_products_get(struct mp_cmd_ctx *ctx, const struct mp_show_module *m, struct mp_products *out,
	struct mp_error *err);
/* The same of what the node has already. */
int mp_products_read(struct mp_cmd_ctx *ctx, const struct mp_show_module *m,
	struct mp_products *out, struct mp_error *err);
void mp_products_fini(struct mp_products *p);

/* Has the node fetch a blob of the module, unless it has it. size may be MP_SIZE_UNKNOWN. */
int mp_products_bring(struct mp_cmd_ctx *ctx, const struct mp_show_module *m,
	const struct mp_hash *digest, uint64_t size, struct mp_error *err);

/* {"path","blob","size"} and more. */
void mp_products_write_file(struct mp_writer *w, const struct mp_file *file);

#endif
