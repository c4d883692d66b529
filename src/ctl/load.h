/* SPDX-License-Identifier: Apache-2.0 */
/* Pipeline files on their way into a command. */
#ifndef MP_CTL_LOAD_H
#define MP_CTL_LOAD_H

#include "ctl/cmd.h"
#include "mp/pipeline.h"
#include "util/buf.h"

struct mp_loaded {
	const char *path; /* as given; "-" is standard input */
	struct mp_pipeline *pipeline;
	struct mp_graph *graph;
	struct mp_buf cbor;      /* what nodes are sent */
	struct mp_param *params; /* of -p, as many as param_count; names and values are argv's */
	size_t param_count;
	char *names; /* where the names of params are */
	struct mp_diags diags;
};

/* The option of all commands that expand a pipeline. */
#define MP_OPTION_PARAM                                                                            \
	{                                                                                          \
		"param", 'p', "NAME=VALUE", "give a parameter a value; repeatable"                 \
	}

/*
 * Reads, checks, compiles and, if expand is set, expands the file with the parameters of -p. 0, or
 * the exit code after the mistakes were printed as "file:line:column: text". Free it in both cases;
 * it must stay where it is.
 */
int mp_load(struct mp_cmd_ctx *ctx, const char *path, bool expand, struct mp_loaded *out);
void mp_loaded_free(struct mp_loaded *loaded);

/* Prints what diags has. */
void mp_load_print(const struct mp_diags *diags);

/* The folder that the file is in, which its inputs are relative to. MP_ELIMIT. */
int mp_load_folder(const char *path, char out[MP_PATH_MAX + 1], struct mp_error *err);

/* Whole file, owned by the caller's buf. MP_ENOENT, MP_ELIMIT, MP_EIO, MP_ENOMEM. */
int mp_read_file(const char *path, struct mp_buf *buf, struct mp_error *err);

#endif
