/* SPDX-License-Identifier: Apache-2.0 */
/* The process that runs attempts, one after the other; see executor.h. */
#ifndef MP_SHELL_EXECUTOR_KEEPER_H
#define MP_SHELL_EXECUTOR_KEEPER_H

#include "mp/base.h"

/*
 * Serves the socket until it closes. Called in a process of its own: one thread, default signal
 * dispositions, all signals blocked, no descriptors but 0, 1, 2, the socket and those that are to
 * stay open. SIGTERM is as good as a closed socket.
 */
MP_NORETURN void mp_keeper_main(int sock);

#endif
