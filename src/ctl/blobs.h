/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs between mpctl and its node. All connect if need be, and return the node's errors. */
#ifndef MP_CTL_BLOBS_H
#define MP_CTL_BLOBS_H

#include "ctl/cmd.h"
#include "ctl/inputs.h"
#include "mp/store.h"

/* Sends what the node does not have yet of the files, and the manifest. MP_EIO with a text when a
 * file changes meanwhile. */
int mp_blobs_send(struct mp_cmd_ctx *ctx, const struct mp_inputs *in, struct mp_error *err);

/* Has the node bring blobs into its store from the holders (and whoever else has them). MP_ENOENT,
 * MP_ECORRUPT: not all can be had, but the others are here now. */
int mp_blobs_fetch(struct mp_cmd_ctx *ctx, const struct mp_blob_ref *refs, size_t count,
	const struct mp_node_id *holders, size_t holder_count, struct mp_error *err);

/* Up to size bytes from offset of a blob that the node has; *bytes is borrowed until the next call
 * and is empty at the end. *total may be NULL. */
int mp_blobs_read(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, uint64_t offset,
	uint32_t size, struct mp_span *bytes, uint64_t *total, struct mp_error *err);

/* The whole of one blob of at most buf->max bytes, its digest checked (MP_ECORRUPT). */
int mp_blobs_get(struct mp_cmd_ctx *ctx, const struct mp_hash *digest, struct mp_buf *buf,
	struct mp_error *err);

#endif
