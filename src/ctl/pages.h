/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of signed records that a node hands out page by page (codec/msg_ctl_proof.h). */
#ifndef MP_CTL_PAGES_H
#define MP_CTL_PAGES_H

#include "codec/msg_ctl.h"
#include "ctl/cmd.h"

/* Calls each(arg, record) for all of MP_CTL_CREDENTIALS, or of MP_CTL_ENTRIES of a run (else NULL);
 * what it returns but 0 ends it. Records are borrowed for the call, which makes no requests. 0,
 * what `each` returned, or what the node or the way to it says, in ctx->err. */
int mp_cmd_pages(struct mp_cmd_ctx *ctx, enum mp_ctl_number number, const char *run,
	int (*each)(void *arg, struct mp_span record), void *arg);

#endif
