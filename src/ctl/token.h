/* SPDX-License-Identifier: Apache-2.0 */
/* What lets others in: invite and admit. */
#ifndef MP_CTL_TOKEN_H
#define MP_CTL_TOKEN_H

#include "codec/record_cert.h"
#include "ctl/cmd.h"

struct mp_cmd_let_in {
	const struct mp_request *who; /* it is for this one alone; NULL: for who has the token */
	struct mp_span request;       /* its bytes */
	uint32_t roles;               /* as given, or what is usual; set by mp_cmd_token() */
};

/* A token, with the roles and the time of --role, --roles and --expires: signed by the node with
 * the key that it keeps, or here with that of --authority FILE. Errors are in ctx->err. */
int mp_cmd_token(struct mp_cmd_ctx *ctx, struct mp_cmd_let_in *in, struct mp_buf *token);

#endif
