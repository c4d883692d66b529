/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of workspace.h share. */
#ifndef MP_SHELL_WORKSPACE_IMPL_H
#define MP_SHELL_WORKSPACE_IMPL_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "shell/workspace.h"

/* The MP_E* of errno, with "what: reason". */
int workspace_fail(struct mp_error *err, const char *what);

/* What a workspace has before anything is laid. */
#define WORKSPACE_DIRS 3
extern const char *const workspace_dirs[WORKSPACE_DIRS];

/* ---- workspace_rm.c ---- */

/* Removes all in the directory fd: any depth, modes in the way included. MP_EIO: something is
 * left. */
int workspace_rm_all(int fd, struct mp_error *err);

/* The same, but for the workspace_dirs of this one, with all in them. */
int workspace_rm_beside(int fd, struct mp_error *err);

/* ---- workspace_lay.c ---- */

/* Lays files and dependencies into the fresh attempt's directory fd. As mp_workspace_lay(). */
int workspace_lay_all(int fd, struct mp_cache *cache, const struct mp_exec_request *req,
	enum mp_status *status, struct mp_error *err);

/* May a link in a directory `depth` below the workspace point there? Its target is relative, and
 * goes up only at its beginning and never above the workspace: so, however links are chained,
 * nothing leads out. */
bool workspace_link_stays(const char *target, size_t depth);

/* Components of a path less one: the depth of the directory that it lies in. */
size_t workspace_depth(const char *path);

#endif
