/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node in a child process, for mpctl run: a cluster of one on the loopback interface, that
 * goes with the process that started it. */
#ifndef MP_CTL_EMBEDDED_H
#define MP_CTL_EMBEDDED_H

#include "codec/settings.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/limits.h"

#include <sys/types.h>

struct mp_embedded {
	pid_t pid; /* 0: none */
	char dir[MP_PATH_MAX + 1];
	bool temporary; /* the folder is removed afterwards */
};

struct mp_embedded_config {
	const char *state;                 /* NULL: a temporary folder */
	const struct mp_settings *options; /* as mpnode's */
};

/* Returns once the node is ready. Call it while the process has one thread. MP_EBUSY: another
 * process uses the state directory; the errors of mp_state_open() and mp_daemon_open(). */
int mp_embedded_start(
	struct mp_embedded *e, const struct mp_embedded_config *config, struct mp_error *err);

/* Stops the node, with whatever it runs, and removes a temporary folder. Fine when nothing runs. */
void mp_embedded_stop(struct mp_embedded *e);

#endif
