/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory in which an attempt runs (DESIGN 7), made before and taken apart afterwards.
 *
 *   STATE/work/RUN/NAME.M-T-C/     one attempt: name, module, term, counter
 *       w/      working directory: inputs and outputs of dependencies
 *       home/   $HOME           tmp/   $TMPDIR
 *       deps/   $MP_DEPS: NAME/PATH each output of dependency NAME, NAME/.result its record,
 *               NAME/.value what it left in its $MP_OUTPUT; absent when nothing is needed
 *       value   $MP_OUTPUT, when the command writes it
 *       out err what it printed, when it printed
 *
 * All functions block on disks: they run on the thread pool. Nothing below w/ is ever followed
 * through a link, neither when laying nor when collecting.
 */
#ifndef MP_SHELL_WORKSPACE_H
#define MP_SHELL_WORKSPACE_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/work.h"
#include "shell/cache.h"

struct mp_workspace_root;

/* STATE/work, made when absent, and emptied: no attempt outlives its node. `path` is absolute.
 * MP_EIO, MP_EFULL, MP_ENOMEM. */
int mp_workspace_root_open(const char *path, struct mp_workspace_root **out, struct mp_error *err);
void mp_workspace_root_close(struct mp_workspace_root *root);

struct mp_workspace {
	int fd;     /* the attempt's directory; -1 when there is none */
	char *path; /* absolute; owned */
	char *name; /* below the root: RUN/NAME.M-T-C; owned */
};

/*
 * Makes the workspace and lays what the request names. On error nothing is left, and *status says
 * how the attempt ends: MP_STATUS_CONFLICT when two files claim one path (the text names it), else
 * MP_STATUS_NOT_STARTED.
 */
int mp_workspace_lay(struct mp_workspace_root *root, struct mp_cache *cache,
	const struct mp_exec_request *req, struct mp_workspace *ws, enum mp_status *status,
	struct mp_error *err);

/* What was found, all in the cache. */
struct mp_workspace_yield {
	struct mp_hash manifest; /* zero when there are no outputs */
	uint64_t files, bytes;
	struct mp_hash value; /* zero when there is none */
};

/*
 * Stores what matches the patterns (n globs of util/glob.h; a directory that matches stands for
 * all below it) and the value. MP_ENOENT: a pattern matches nothing; MP_EINVAL: something matches
 * that may not leave (a link leading out, a socket, a device, a name that is not UTF-8), or the
 * value is above MP_VALUE_MAX; MP_ELIMIT: too many files. The text names it.
 */
int mp_workspace_collect(struct mp_workspace *ws, struct mp_cache *cache,
	const char *const *patterns, size_t n, struct mp_workspace_yield *out,
	struct mp_error *err);

/*
 * Stores a spool file ("out" or "err") of which `size` bytes were written and at most keep_max
 * kept; what was cut is replaced by a line that says so. *digest zero when there is no such file.
 */
int mp_workspace_log(struct mp_workspace *ws, struct mp_cache *cache, const char *which,
	uint64_t size, uint64_t keep_max, struct mp_hash *digest, struct mp_error *err);

/* Removes it (or puts it back for the next one when it is as clean as a new one), and frees what
 * ws owns. keep: leaves the files where they are. What cannot be removed stays: the error, if any,
 * is for the log only. */
int mp_workspace_remove(
	struct mp_workspace_root *root, struct mp_workspace *ws, bool keep, struct mp_error *err);

#endif
