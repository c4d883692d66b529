/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a manifest onto the disk. Nothing is written outside the folder: paths are checked,
 * links on the way are never followed, and a link whose target leads out is refused. Each file is
 * written beside its place, its digest verified, and then put there.
 */
#ifndef MP_CTL_UNPACK_H
#define MP_CTL_UNPACK_H

#include "ctl/cmd.h"
#include "mp/work.h"

/* Makes the folder, and those above it, when it is not there. *fd is the caller's to close.
 * MP_EIO, MP_EFULL. */
int mp_unpack_folder(const char *path, int *fd, struct mp_error *err);

/* Writes FOLDER/SUB/PATH from a blob that the node has. MP_EINVAL: the path or the link's target
 * leads out, or a link stands in the way; MP_ECORRUPT: other bytes than the manifest says; MP_EIO,
 * MP_EFULL, and the errors of calls. */
int mp_unpack_file(struct mp_cmd_ctx *ctx, int folder, const char *sub, const struct mp_file *file,
	struct mp_error *err);

#endif
