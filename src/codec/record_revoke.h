/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revocation: an authority shuts a key out for ever (DESIGN 3).
 *
 *	["mp-revocation", 1, cluster32, subject32, why, revoked_ms, signer32]
 *
 * It travels as [body, signature64], is named and signed as the records of codec/record_cert.h are,
 * and its decoders have the same errors. It says all that there is to say: who takes it needs only
 * the authority log. There is no record that takes it back: whoever is to come back makes itself a
 * new key.
 *
 * The subject is an Ed25519 key: a node's or another identity's, or that of an invite, which is
 *good for nobody any more then.
 */
#ifndef MP_CODEC_RECORD_REVOKE_H
#define MP_CODEC_RECORD_REVOKE_H

#include "codec/record_cert.h"

/* Bytes of UTF-8 without control characters. */
#define MP_REVOCATION_WHY_MAX 128
/* One signed revocation. */
#define MP_REVOCATION_MAX 384

struct mp_revocation {
	struct mp_cluster_id cluster;
	struct mp_node_id subject;
	struct mp_span why; /* may be empty */
	mp_time revoked_ms; /* wall, by whoever signed */
	uint8_t signer[32]; /* set by mp_revocation_sign() */
};

/* Appends the body alone: what is to be signed, as one proposes it to another. MP_EINVAL. */
int mp_revocation_encode(const struct mp_revocation *revocation, struct mp_buf *out);
int mp_revocation_decode(struct mp_span body, struct mp_revocation *out);

/* Appends the record. MP_EINVAL when a field is out of its bounds. */
int mp_revocation_sign(const struct mp_crypto *crypto, const struct mp_revocation *revocation,
	const struct mp_signer *authority, struct mp_buf *out);

/* What a record claims, without a look at the signature. */
int mp_revocation_peek(struct mp_span bytes, struct mp_revocation *out);

/* Checks the signature of the key that it names; whether that one is an authority is another
 * question. hash may be NULL. `why` is borrowed from bytes. */
int mp_revocation_open(const struct mp_crypto *crypto, struct mp_span bytes,
	struct mp_revocation *out, struct mp_hash *hash);

#endif
