/* SPDX-License-Identifier: Apache-2.0 */
/* Everything below a process, found in /proc. The process is a subreaper, so that below stays
 * below, whatever sessions or groups are made there. */
#ifndef MP_SHELL_EXECUTOR_TREE_H
#define MP_SHELL_EXECUTOR_TREE_H

#include "mp/base.h"

#include <sys/types.h>

/*
 * Sends a signal to every descendant of root that lives, except those for which spare(ctx, pid)
 * holds and all below them (spare may be NULL). Returns how many there were. One look at /proc:
 * what is forked meanwhile may be missed.
 */
size_t mp_tree_signal(pid_t root, int sig, bool (*spare)(void *ctx, pid_t pid), void *ctx);

/* SIGSTOP to all, again and again until a look finds nobody new, then SIGKILL: what forks cannot
 * run away. Returns how many there were. */
size_t mp_tree_kill(pid_t root, bool (*spare)(void *ctx, pid_t pid), void *ctx);

#endif
