/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that an authority signs. The key is read and used by mpctl itself, from --authority FILE
 * or from where the node keeps it; the node only gets what was signed.
 */
#ifndef MP_CTL_AUTHORITY_H
#define MP_CTL_AUTHORITY_H

#include "codec/msg_ctl.h"
#include "codec/record_cert.h"
#include "ctl/cmd.h"
#include "shell/signing.h"

#define MP_CMD_AUTHORITY_OPTION                                                                    \
	{                                                                                          \
		"authority", 0, "FILE", "the authority's key; default: what is kept on this node"  \
	}

/* The key, owned: mp_secret_free(). *signer borrows it. MP_EAUTH with what to do when there is
 * none (the one that this machine keeps is never taken for a node elsewhere), or the errors of
 * mp_key_load(). */
int mp_cmd_authority_load(struct mp_cmd_ctx *ctx, struct mp_secret **out, struct mp_signer *signer);

/* What mpctl itself signs with the key of --authority, as the cluster's log is now. */
struct mp_cmd_signing {
	struct mp_signing by; /* borrows from the others */
	struct mp_secret *secret;
	struct mp_buf log;
};

/* To be closed whatever it returns: the errors of mp_cmd_authority_load(), and of the node. */
int mp_cmd_signing_open(struct mp_cmd_ctx *ctx, struct mp_cmd_signing *out);
void mp_cmd_signing_close(struct mp_cmd_signing *s);

/* Hands what was signed to the node; with `rotate`, and a fresh gossip key with it. */
int mp_cmd_authority_take(
	struct mp_cmd_ctx *ctx, enum mp_ctl_trust what, struct mp_span record, bool rotate);

#endif
