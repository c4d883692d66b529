/* SPDX-License-Identifier: Apache-2.0 */
/* What the log of a run says: mpctl show RUN --events. */
#ifndef MP_CTL_EVENTS_H
#define MP_CTL_EVENTS_H

#include "ctl/cmd.h"

/* Prints all that is decided so far, the oldest first. enum mp_exit. */
int mp_events_show(struct mp_cmd_ctx *ctx, const char *run);

#endif
