/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential: all that a node shows to prove that it belongs to a cluster, or was invited to.
 *
 *	[authority log, invite, cert, admission|null]
 *
 * How it comes about: mp_trust_genesis() makes a cluster and its first member. An authority makes
 * an invite and a token (codec/token.h) for a joiner, who makes itself a credential without an
 * admission by mp_trust_join() and shows it to any member; that one completes it by
 * mp_trust_admit() and gives it back. Everybody checks it with mp_credential_verify().
 *
 * Errors are those of codec/record_cert.h.
 */
#ifndef MP_CODEC_RECORD_TRUST_H
#define MP_CODEC_RECORD_TRUST_H

#include "codec/record_cert.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "util/buf.h"

/* What the verifier knows. */
struct mp_trust {
	const struct mp_crypto *crypto;
	struct mp_cluster_id cluster;
	/* Its own authority log, or NULL. Of two logs the longer counts, of two that fork its own.
	 */
	const struct mp_authority *authority;
	/* Is this a member with MP_ROLE_NODE whose admissions count? NULL: nobody is known. */
	bool (*is_admitter)(void *ctx, const struct mp_node_id *id);
	/* Is this key shut out? Nobody is admitted by an invite of such a key. NULL: none is. */
	bool (*is_revoked)(void *ctx, const struct mp_node_id *key);
	void *ctx;
};

enum mp_standing {
	MP_STANDING_JOINER,   /* invited, and not admitted yet: it may ask to be */
	MP_STANDING_UNPROVEN, /* admitted by somebody that is not known here */
	MP_STANDING_MEMBER,
};

struct mp_credential {
	enum mp_standing standing;
	struct mp_authority authority; /* the credential's own log */
	struct mp_invite invite;
	struct mp_cert cert;
	struct mp_admission admission; /* zero when there is none */
	struct mp_hash invite_hash, cert_hash;
	/* The parts as they came. */
	struct mp_span log, invite_bytes, cert_bytes;
};

/*
 * Verifies a credential whole: the log leads from the cluster's genesis to the invite's signer, the
 * invite and the node signed the certificate, its roles are within the invite's, and the invite is
 * not bound to another id. Without an admission the invite's signer must be, or have been, an
 * authority: whether the invite is still good is asked by mp_trust_admit() and
 * mp_trust_check_invite(), so that who brings one that is not can be told. An admission counts when
 * it was signed within the invite's time, and before its signer lost authority, by an authority key
 * or by a member that is_admitter() knows. The caller compares cert.xkey with the key that the
 * stream proved, cert.serial with what it saw, and cert.roles with what is asked.
 */
int mp_credential_verify(const struct mp_trust *trust, struct mp_span bytes,
	struct mp_credential *out, struct mp_error *err);

/* Is the invite of a credential that was verified good at that wall time? MP_EEXPIRED, MP_EREVOKED,
 * or MP_EAUTH when its signer is no authority any more, with what to do about it. */
int mp_trust_check_invite(const struct mp_trust *trust, const struct mp_credential *c,
	mp_time wall_ms, struct mp_error *err);

/*
 * A member's answer to a joiner: appends the credential with an admission by `admitter` at
 * wall_ms. The errors of mp_trust_check_invite(), MP_EEXIST when it is a member already, or the
 * error of mp_credential_verify().
 */
int mp_trust_admit(const struct mp_trust *trust, struct mp_span joiner,
	const struct mp_signer *admitter, mp_time wall_ms, struct mp_buf *out,
	struct mp_error *err);

struct mp_join_request {
	struct mp_span log;       /* of the token */
	struct mp_span invite;    /* of the token, signed */
	struct mp_signer inviter; /* the token's secret */
	struct mp_signer node;
	struct mp_xkey xkey;
	struct mp_span name;
	uint32_t roles; /* within the invite's */
	uint64_t serial;
	mp_time wall_ms;
};

/*
 * A joiner's own credential, without admission. Of the log it carries what leads to the invite's
 * signer. MP_EINVAL for a bad name, MP_EAUTH for roles or a secret that are not the invite's, or
 * the errors of decoders.
 */
int mp_trust_join(const struct mp_crypto *crypto, const struct mp_join_request *request,
	struct mp_buf *out, struct mp_error *err);

struct mp_genesis {
	struct mp_signer authority; /* a fresh key: the cluster id follows from it and wall_ms */
	struct mp_signer inviter;   /* a fresh key, to be forgotten afterwards */
	struct mp_signer node;
	struct mp_xkey xkey;
	struct mp_span name;
	uint8_t nonce[16];
	mp_time wall_ms;
};

/* The first node of a new cluster: appends its complete credential, whose log is the cluster's.
 * All roles; admitted by the authority itself. MP_EINVAL, MP_ELIMIT, MP_ENOMEM. */
int mp_trust_genesis(const struct mp_crypto *crypto, const struct mp_genesis *genesis,
	struct mp_cluster_id *cluster, struct mp_buf *out);

#endif
