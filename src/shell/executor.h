/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor process (DESIGN 7): forked from mpnode before it has threads, small for ever, it
 * makes the children of a node.
 *
 *   mpnode ── socket ──▶ executor            forks keepers on demand; takes in what they lose
 *      └───── socket ──▶  ├─ keeper ── /bin/sh -eu -c …     one attempt at a time each
 *      └───── socket ──▶  └─ keeper ── gcc …
 *
 * A keeper runs one attempt after the other. It is the subreaper of what it starts, so all that is
 * left below it after the command ended belongs to that attempt, daemons in sessions of their own
 * included, and is killed before the end is reported. When its socket closes (mpnode died) it kills
 * its tree and exits; when a keeper dies, the executor kills what it leaves behind.
 */
#ifndef MP_SHELL_EXECUTOR_H
#define MP_SHELL_EXECUTOR_H

#include "mp/base.h"
#include "mp/error.h"

#include <sys/types.h>

struct mp_executor {
	int fd;    /* socket to the executor; closing it ends everything below */
	pid_t pid; /* a child of the caller: reap it */
};

/*
 * Forks the executor. The caller has one thread and no event loop yet. Makes the caller a child
 * subreaper too, so that nothing is lost even if the executor is killed.
 *
 * keep_fd (or -1) stays open in the executor and its keepers: the flock()ed lock of the state
 * directory, so that a node that starts again gets the lock only when the children of the one
 * before are gone. All other descriptors but stderr are closed there.
 *
 * MP_EIO with the reason.
 */
int mp_executor_start(int keep_fd, struct mp_executor *out, struct mp_error *err);

/* Asks for a keeper; the executor answers in order, see mp_executor_recv(). The socket may be
 * non-blocking. 0, MP_EBUSY (try when writable), MP_ECLOSED (the executor is gone). */
int mp_executor_ask(const struct mp_executor *executor);

/* One answer: *keeper_fd is the socket to a new keeper, *keeper_pid its process. MP_EBUSY: none
 * has come yet. MP_ENOMEM, MP_EIO: it could not be made. MP_ECLOSED. */
int mp_executor_recv(const struct mp_executor *executor, int *keeper_fd, pid_t *keeper_pid);

/* Closes the socket and waits until everything below is gone. Blocks. */
void mp_executor_stop(struct mp_executor *executor);

/* The executor is gone: kills every descendant of the caller. Blocks at most some seconds. */
void mp_executor_lost(struct mp_executor *executor);

#endif
