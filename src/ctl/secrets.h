/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets come from the environment of who submits, and from nowhere else: arguments and files are
 * there for others to read. */
#ifndef MP_CTL_SECRETS_H
#define MP_CTL_SECRETS_H

#include "ctl/cmd.h"
#include "mp/pipeline.h"

/* Appends the values of all names, by strcmp, as codec/record_secret.h has them; *buf has no bytes
 * yet, and who frees it wipes it. A variable that is set to nothing counts. MP_EUSAGE that names
 * all that are not set, or the one that is too long; MP_ENOMEM. Notes what is too short to be
 * masked without harm. */
int mp_secrets_gather(struct mp_cmd_ctx *ctx, const struct mp_names_list *names, struct mp_buf *buf,
	struct mp_error *err);

#endif
