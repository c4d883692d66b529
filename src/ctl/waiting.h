/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits to be admitted, at any node of the cluster. */
#ifndef MP_CTL_WAITING_H
#define MP_CTL_WAITING_H

#include "codec/record_cert.h"
#include "ctl/cmd.h"

struct mp_cmd_waiting {
	struct mp_request who;
	struct mp_addr addr;
	mp_time since_ms;
	struct mp_span request; /* borrowed for the call */
};

/* Calls one(arg, ...) for each whose request proves its key. What goes wrong is in ctx->err. */
int mp_cmd_waiting(
	struct mp_cmd_ctx *ctx, void (*one)(void *arg, const struct mp_cmd_waiting *w), void *arg);

#endif
