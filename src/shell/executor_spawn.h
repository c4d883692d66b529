/* SPDX-License-Identifier: Apache-2.0 */
/* Starts one command, as cheaply as the system can: the child borrows our memory until it execs. */
#ifndef MP_SHELL_EXECUTOR_SPAWN_H
#define MP_SHELL_EXECUTOR_SPAWN_H

#include "mp/base.h"
#include "mp/error.h"

#include <sys/types.h>

struct mp_spawn {
	char *const *argv; /* argv[0] without a slash is looked for in PATH of env */
	char *const *env;
	const char *dir;
	uid_t uid; /* runs as that user, in that group and no other one, without a way to more */
	gid_t gid; /* rights; both 0: as the caller */
	int in, out, err; /* become 0, 1, 2; all others are closed */
};

/*
 * The child has its own session, an empty signal mask, umask 022, and dies with the caller. The
 * caller has one thread, default signal dispositions and its signals blocked. Errors: MP_ENOENT
 * and MP_EIO with a text for people that names the command.
 */
int mp_spawn(const struct mp_spawn *spawn, pid_t *pid, struct mp_error *err);

#endif
