/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a pipeline's `inputs` name, in a folder: found, hashed, and put into a manifest
 * (codec/manifest.h). Regular files, executable ones, and links that stay inside the folder; what
 * else a glob matches is a mistake, and so is a glob that matches nothing. Links are never
 * followed. The order in which a folder lists its files changes nothing.
 */
#ifndef MP_CTL_INPUTS_H
#define MP_CTL_INPUTS_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/pipeline.h"
#include "mp/work.h"
#include "util/buf.h"

struct mp_input {
	char *path; /* owned; workspace-relative */
	char *link; /* target of a link, owned; else NULL */
	enum mp_file_kind kind;
	uint64_t size;
	struct mp_hash digest;
};

struct mp_inputs {
	int dir_fd; /* of the folder; below 0: none */
	struct mp_input *v;
	size_t count;
	size_t cap;
	uint64_t bytes; /* of all files */
	struct mp_buf manifest;
	struct mp_hash manifest_digest; /* zero when there are no files */
};

/*
 * 0; MP_EPIPELINE when the files are not as the pipeline says, with diagnostics; or MP_ELIMIT,
 * MP_EIO, MP_ENOENT (the folder), MP_ENOMEM with *err. Finish it in all cases.
 */
int mp_inputs_find(struct mp_inputs *in, const struct mp_alloc *alloc, const char *folder,
	const struct mp_texts *globs, struct mp_diags *diags, struct mp_error *err);
void mp_inputs_fini(struct mp_inputs *in);

/* Opens a file of the list without following links; -1 with errno. */
int mp_inputs_open(const struct mp_inputs *in, const struct mp_input *file);

/* Does a link at path with this target stay inside, by its text? */
bool mp_link_stays(const char *path, const char *target);

#endif
