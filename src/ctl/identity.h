/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who controls a node from elsewhere: keys, and what an authority made of them.
 *
 *   FILE           secret keys (0600), as those of a node
 *   FILE.request   what the owner asks to be admitted with: no secret
 *   FILE.cluster   the cluster it is for, from the first answer of a node on: all others are
 * refused FILE.cert      the certificate, once it was admitted
 */
#ifndef MP_CTL_IDENTITY_H
#define MP_CTL_IDENTITY_H

#include "codec/record_trust.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "util/buf.h"

struct mp_identity {
	char path[MP_PATH_MAX + 1]; /* of FILE */
	struct mp_secret *secret;
	struct mp_request who;
	struct mp_buf request; /* the bytes of FILE.request */
	bool pinned;
	struct mp_cluster_id cluster;
	struct mp_buf credential; /* empty: not admitted yet */
	struct mp_cert cert;      /* with a credential */
	mp_time expires_ms;
};

/* Makes keys and request. MP_EEXIST: there is such a file; MP_EINVAL: no name; MP_EIO, MP_EFULL. */
int mp_identity_new(const char *path, const char *name, struct mp_error *err);

/* MP_ENOENT, MP_EAUTH, MP_EFORMAT, MP_ELIMIT, MP_EIO, MP_ENOMEM. On error there is nothing to
 * close. */
int mp_identity_open(struct mp_identity *out, const struct mp_alloc *alloc, const char *path,
	struct mp_error *err);
void mp_identity_close(struct mp_identity *identity);

/* A node says that it is of that cluster: keeps it the first time. MP_ECLUSTER. */
int mp_identity_pin(
	struct mp_identity *identity, const struct mp_cluster_id *cluster, struct mp_error *err);

/* Makes the certificate out of the token that admits it, and keeps it. MP_ECLUSTER, the errors of
 * mp_token_decode() and mp_trust_join(), and of files. */
int mp_identity_accept(struct mp_identity *identity, struct mp_span token, struct mp_error *err);

/* All of a small file. MP_ENOENT, MP_ELIMIT, MP_EIO, MP_ENOMEM. */
int mp_file_read(const char *path, struct mp_buf *out, struct mp_error *err);

#endif
