/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets of a run (DESIGN 3), as they travel inside streams and as they lie on disks.
 *
 *	values  [[name, value bytes]...]: names ascend bytewise, each once, none empty
 *	box     ["mp-secrets", 1, run16, node32, values], sealed to that node's X25519 key
 *	sealed  [body, sig64] with body ["mp-sealed", 1, cluster32, run16, signer32,
 *	        [[node32, box]...]], nodes ascending
 *
 * The node that took the submission signs what it sealed, and so does one that was given the
 * secrets again. Every elector keeps the boxes of all, so that any of them can hand the run on;
 *each can open its own.
 *
 * Decoders take hostile bytes: MP_EFORMAT, MP_ETRUNC or MP_ELIMIT, MP_EVERSION. Spans are borrowed
 * from the input. Who has opened or encoded values wipes them.
 */
#ifndef MP_CODEC_RECORD_SECRET_H
#define MP_CODEC_RECORD_SECRET_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/limits.h"

/* Encoded values, with room for heads; all boxes of a run and what is around them. */
#define MP_SECRETS_ENCODED_MAX (MP_SECRETS_BYTES_MAX + MP_SECRETS_MAX * 16u)
#define MP_SEALED_MAX          ((MP_ELECTORS_MAX + 1u) * (MP_SECRETS_ENCODED_MAX + 256u) + 512u)

struct mp_secret_value {
	struct mp_span name, value;
};

/* Appends values that are sorted. 0, MP_ELIMIT (the bounds of limits.h), MP_ENOMEM; MP_EINVAL: not
 * sorted, or a value holds a NUL. */
int mp_secrets_encode(struct mp_buf *buf, const struct mp_secret_value *v, size_t n);

/* 0 when these are values that mp_secrets_encode() makes. */
int mp_secrets_check(struct mp_span values);

/* Walks values that were checked; an empty span has none. begin tells how many there are. */
size_t mp_secrets_begin(struct mp_cbor_r *r, struct mp_span values);
bool mp_secrets_next(struct mp_cbor_r *r, size_t *left, struct mp_secret_value *out);

/* The value of that name among values that were checked. False: there is none. */
bool mp_secrets_find(struct mp_span values, struct mp_span name, struct mp_span *value);

/* ---- sealed ---- */

struct mp_seal_to {
	struct mp_node_id node;
	struct mp_xkey xkey;
};

/* Appends values sealed to each of n nodes, sorted here, and signed. MP_ESIG: the key of one is
 * none. */
int mp_sealed_make(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_node_id *signer, const struct mp_cluster_id *cluster,
	const struct mp_run_id *run, struct mp_span values, struct mp_seal_to *to, size_t n,
	struct mp_buf *out);

struct mp_sealed {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	struct mp_node_id signer;
	struct mp_span boxes; /* the array, checked */
};

/* MP_ESIG: not signed by its signer. Whether that one may is the caller's question. */
int mp_sealed_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_sealed *out);

/* Is there a box for this node? */
bool mp_sealed_has(const struct mp_sealed *sealed, const struct mp_node_id *node);

/* Opens the box of this node, whose key `secret` is, and appends the values, checked. MP_ENOENT:
 * there is none; MP_ESIG: it does not open; MP_ENOMEM, or a decoder's error. */
int mp_sealed_values(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_sealed *sealed, const struct mp_node_id *node, struct mp_buf *values);

#endif
