/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an authority's key signs: by the node that keeps it, or by mpctl when it is given the key.
 * Nothing of this is believed without the log saying that the key is an authority.
 */
#ifndef MP_SHELL_SIGNING_H
#define MP_SHELL_SIGNING_H

#include "codec/record_cert.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "util/buf.h"

struct mp_signing {
	struct mp_signer signer; /* an authority's, borrowed */
	struct mp_span log;      /* of the cluster, as it is now; borrowed */
	mp_time wall_ms;
};

/*
 * Each appends what was signed. MP_EAUTH with a text when the log knows no such authority, or not
 * any more; the errors of mp_authority_open(), MP_ELIMIT, MP_ENOMEM.
 */

/* A token for whoever has it, good for so long from now on. At most MP_INVITE_SEEDS_MAX seeds are
 * taken. */
int mp_signing_invite(const struct mp_signing *by, uint32_t roles, mp_time valid_ms,
	const char *const *seeds, size_t seed_count, struct mp_buf *token, struct mp_error *err);

/* A token for who signed this request (codec/record_cert.h), and nobody else. MP_EUSAGE: a node
 * without that role, or a person with it; the errors of mp_request_open(). */
int mp_signing_admit(const struct mp_signing *by, struct mp_span request, uint32_t roles,
	mp_time valid_ms, struct mp_buf *token, struct mp_error *err);

/* A takeover record (codec/record_run.h) in the name of that authority, and its signature.
 * MP_ECLUSTER: it is of another cluster; the decoder's errors. */
int mp_signing_takeover(const struct mp_signing *by, struct mp_span takeover, struct mp_buf *out,
	struct mp_sig *sig, struct mp_error *err);

#endif
