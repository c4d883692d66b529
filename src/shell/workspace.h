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
 * With another user to run as (DESIGN 3) each attempt has a group of its own. The attempt's
 * directory belongs to us and lets only that group pass, so that neither another user nor another
 * attempt of the same one gets in, by whatever path; what is in it belongs to that user and group.
 * As nobody else has the group, no other process of the user may trace the attempt's either, or
 * look through its links in /proc (ptrace(2), "Ptrace access mode checking").
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

#include <sys/types.h>

struct mp_workspace_root;
struct mp_mask;

/* STATE/work, made when absent, and emptied: no attempt outlives its node. `path` is absolute.
 * MP_EIO, MP_EFULL, MP_ENOMEM. */
int mp_workspace_root_open(const char *path, struct mp_workspace_root **out, struct mp_error *err);
void mp_workspace_root_close(struct mp_workspace_root *root);

/* Who is to work in the workspaces from now on. */
struct mp_run_as {
	uid_t uid;
	gid_t gid; /* the first of MP_RUN_AS_GROUPS that are nobody else's */
};

/* So many attempts are made before a group is used again. */
#define MP_RUN_AS_GROUPS 65536u
#define MP_RUN_AS_GID    0x4d500000u

/* Lets that user get to its workspaces, and finds out whether it can. Before the first is made. The
 * caller is root. MP_EAUTH with what to do: a directory above is closed to it, or the system has no
 * such groups; MP_EIO. */
int mp_workspace_root_share(
	struct mp_workspace_root *root, const struct mp_run_as *who, struct mp_error *err);

struct mp_workspace {
	int fd;     /* the attempt's directory; -1 when there is none */
	char *path; /* absolute; owned */
	char *name; /* below the root: RUN/NAME.M-T-C; owned */
	uid_t uid;  /* whose it is; 0: ours */
	gid_t gid;
	const struct mp_mask *mask; /* borrowed: secrets that may not leave; NULL: there are none */
	bool haunted; /* a process that would not die may still write there: nobody else gets it */
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
 * value is above MP_VALUE_MAX; MP_ELIMIT: too many files. The text names it. With a mask, secrets
 * are taken out of the value, and a path with one is MP_EINVAL; what files hold is left alone.
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

/* When it is as clean as a new one: it is kept for the next, what ws owns is freed, and the answer
 * is true. Else nothing happens. Quick, whatever is there. */
bool mp_workspace_put_back(struct mp_workspace_root *root, struct mp_workspace *ws);

/* Removes it (or keeps it for the next one when only what is beside w/, home/ and tmp/ has to go),
 * and frees what ws owns. keep: leaves the files where they are. What cannot be removed stays: the
 * error, if any, is for the log only. */
int mp_workspace_remove(
	struct mp_workspace_root *root, struct mp_workspace *ws, bool keep, struct mp_error *err);

#endif
