/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests: the files of a run's inputs or of a module's outputs, as a blob:
 *
 *   ["mp-manifest", 1, [[path, kind, size, digest32]...]]
 *
 * ascending by the bytes of the path, each path once, none of them a directory of another.
 */
#ifndef MP_CODEC_MANIFEST_H
#define MP_CODEC_MANIFEST_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/work.h"
#include "util/buf.h"

struct mp_manifest {
	struct mp_file *files; /* owned; the paths borrow from the bytes that were decoded */
	size_t count;
	const struct mp_alloc *alloc;
};

/*
 * Borrows bytes for the manifest's life. 0, MP_ENOMEM, MP_EFORMAT or MP_ETRUNC (not a manifest,
 * or not in the one form it has), MP_ELIMIT (too many files, a size above MP_BLOB_MAX), MP_EINVAL
 * (a path that leaves the workspace), MP_EVERSION. On error *out is empty and needs no fini.
 */
int mp_manifest_decode(const struct mp_alloc *alloc, struct mp_span bytes, struct mp_manifest *out,
	struct mp_error *err);
void mp_manifest_fini(struct mp_manifest *m);

/* Appends. The same errors for files that a decoder would refuse, and those of the buffer. */
int mp_manifest_encode(
	struct mp_buf *buf, const struct mp_file *files, size_t count, struct mp_error *err);

/* Order of paths: by bytes, the shorter first. */
int mp_path_cmp(struct mp_span a, struct mp_span b);

/* NULL when there is none. The files are in ascending order. */
const struct mp_file *mp_files_find(const struct mp_file *files, size_t count, struct mp_span path);

/* The first file that another one of the ascending files needs to be a directory, with *below the
 * index of that other; `count` when there is none. */
size_t mp_files_blocked(const struct mp_file *files, size_t count, size_t *below);

#endif
