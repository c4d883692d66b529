/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An invite token: one line of text that a person carries to the machine that is to join.
 *
 *	mp1-BASE64URL     of CBOR ["mp-token", 1, authority log, invite, seed32], then 4 check
 *bytes: the start of the hash of "mp-token", a NUL, and the CBOR
 *
 * The seed is the invite's Ed25519 secret: who has the token may join. It travels by file,
 * environment or prompt, never by argument. base64url is RFC 4648 section 5 without padding.
 */
#ifndef MP_CODEC_TOKEN_H
#define MP_CODEC_TOKEN_H

#include "codec/record_cert.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "util/buf.h"

/* Text of a token. Longer: refused. */
#define MP_TOKEN_MAX (24u * 1024)

struct mp_token {
	struct mp_authority authority;
	struct mp_invite invite;
	struct mp_span log;          /* as in authority.log */
	struct mp_span invite_bytes; /* signed */
	uint8_t seed[32];            /* the caller wipes it */
};

/* Appends the text, without newline or NUL. MP_ENOMEM, MP_ELIMIT. */
int mp_token_encode(
	const struct mp_crypto *crypto, const struct mp_token *token, struct mp_buf *text);

/*
 * Reads a token, with white space around it, and verifies all that is signed in it. Spans in *out
 * point into *bytes, an empty buffer with room for MP_TOKEN_MAX that the caller keeps and wipes.
 * That the seed is the invite's is found by mp_trust_join(). MP_EFORMAT when it is no token, is
 * damaged or is more than one line; MP_EVERSION; MP_EAUTH, MP_ESIG, MP_ECLUSTER when it proves
 * nothing; MP_ELIMIT, MP_ENOMEM.
 */
int mp_token_decode(const struct mp_crypto *crypto, struct mp_span text, struct mp_buf *bytes,
	struct mp_token *out, struct mp_error *err);

/* What may be told of a token to anybody. */
struct mp_token_facts {
	struct mp_node_id key; /* the invite's fingerprint: it is revoked by that */
	uint32_t roles;
	mp_time expires_ms;
};

/* The errors of mp_token_decode(). */
int mp_token_facts(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	struct mp_span text, struct mp_token_facts *out, struct mp_error *err);

#endif
