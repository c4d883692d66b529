/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed records that say who belongs to a cluster (DESIGN 3), in deterministic CBOR. A node
 * shows them together, as a credential: see codec/record_trust.h.
 *
 *	authority  ["mp-authority", 1, index, previous32|null, op, key32, signer32|null, created_ms]
 *	invite     ["mp-invite", 1, cluster32, key32, roles, not_before_ms, expires_ms, [seed...],
 *		    nonce16, flags, signer32]
 *	cert       ["mp-cert", 1, cluster32, id32, xkey32, name, roles, serial, issued_ms, invite32]
 *	admission  ["mp-admission", 1, cluster32, cert32, admitter32, admitted_ms]
 *	request    ["mp-request", 1, id32, xkey32, name, person]
 *
 * A record travels as [body bytes, signature64]; a certificate has two, the node's and the
 * invite's. What is signed, and what names a record (previous, cluster, invite, cert), is the
 * BLAKE2b-256 hash of the domain text, a NUL, and the body's exact bytes. Flags of an invite are 0,
 * or 1 when it is bound: then its nonce is the start of the only id that may use it. A record with
 * others is from a newer version, and so is one whose version is not 1 (MP_EVERSION).
 *
 * An authority log is an array of authority records. The first adds its own key, signed by it: the
 * genesis, whose hash is the cluster id; previous and signer are null there.
 *
 * Decoders take hostile bytes and return MP_EFORMAT, MP_ETRUNC, MP_ELIMIT, MP_EVERSION, MP_ESIG,
 * MP_ECLUSTER or MP_EAUTH with a text in *err (which may be NULL); *out is unspecified then. Spans
 * in *out are borrowed from the input. Builders append to a buffer and also return MP_ENOMEM.
 */
#ifndef MP_CODEC_RECORD_CERT_H
#define MP_CODEC_RECORD_CERT_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "mp/member.h"
#include "util/buf.h"

#define MP_ROLES_ALL (MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_OBSERVE | MP_ROLE_ADMIN)

#define MP_INVITE_SEEDS_MAX 8
#define MP_INVITE_SEED_MAX  260 /* bytes of HOST:PORT */

bool mp_roles_valid(uint32_t roles); /* at least one, and none that is not known */

/* Who signs. The secret is borrowed; key is its public Ed25519 half. */
struct mp_signer {
	const struct mp_secret *secret;
	uint8_t key[32];
};

/* Names of nodes: 1 to MP_NAME_MAX of A-Z a-z 0-9 . _ - and a letter or digit first. */
bool mp_node_name_valid(struct mp_span name);

/* ---- authority ---- */

enum mp_authority_op {
	MP_AUTHORITY_ADD = 1,
	MP_AUTHORITY_REMOVE = 2,
};

struct mp_authority_key {
	uint8_t key[32];
	mp_time removed_ms; /* MP_TIME_NEVER while it is good */
};

struct mp_authority {
	struct mp_cluster_id cluster;
	size_t entry_count;
	struct mp_hash entries[MP_AUTHORITY_MAX]; /* hash of each */
	uint8_t ops[MP_AUTHORITY_MAX];            /* enum mp_authority_op */
	uint8_t signers[MP_AUTHORITY_MAX];        /* index in keys: the elder, the lower */
	size_t key_count;
	struct mp_authority_key keys[MP_AUTHORITY_MAX]; /* every key there ever was */
	struct mp_span log;
};

struct mp_authority_change {
	enum mp_authority_op op;
	uint8_t key[32];
	mp_time created_ms;
};

/* Verifies the whole log. */
int mp_authority_open(const struct mp_crypto *crypto, struct mp_span log, struct mp_authority *out,
	struct mp_error *err);

/*
 * Appends to *out the log with one more entry. An empty log gets its genesis; change->key is
 * signer->key then. A key is added once; the last one is not removed. MP_EEXIST, MP_ENOENT,
 * MP_EAUTH, MP_ELIMIT, MP_ENOMEM.
 */
int mp_authority_append(const struct mp_crypto *crypto, struct mp_span log,
	const struct mp_authority_change *change, const struct mp_signer *signer,
	struct mp_buf *out);

/* How many entries of a log that was opened lead to the one that adds this key; 0 when none does.
 */
size_t mp_authority_prefix(struct mp_span log, const uint8_t key[32]);

/* Appends the log of the first n entries, n at least 1, of a log that was opened. */
int mp_authority_copy(struct mp_span log, size_t n, struct mp_buf *out);

/*
 * Which of two valid logs of one cluster counts? Below 0: a, above 0: b, 0: they are equal. Of two
 * that continue each other the longer. Of two that fork, what the entries where they part say: a
 * removal before an addition, then the one that the elder key signed, then the one with the lower
 * hash. How long a branch is does not count: who has a lost key could make one as long as it likes.
 * This is a total order of logs, so everybody who knows the same logs follows the same one.
 */
int mp_authority_cmp(const struct mp_authority *a, const struct mp_authority *b);

/* Was the key ever added by this log? */
bool mp_authority_knows(const struct mp_authority *authority, const uint8_t key[32]);

/* Was the key in the log and not yet removed at that wall time? MP_TIME_NEVER asks for now. */
bool mp_authority_has(const struct mp_authority *authority, const uint8_t key[32], mp_time wall_ms);

/* ---- invite ---- */

struct mp_invite {
	struct mp_cluster_id cluster;
	uint8_t key[32]; /* the invite's public key; its secret is in the token */
	uint32_t roles;
	mp_time not_before_ms, expires_ms;
	size_t seed_count;
	struct mp_span seeds[MP_INVITE_SEEDS_MAX]; /* text, HOST:PORT */
	uint8_t nonce[16];
	bool bound;         /* nonce is the start of the id that it is for */
	uint8_t signer[32]; /* set by mp_invite_sign() */
};

/* Makes it an invite for this one only. */
void mp_invite_bind(struct mp_invite *invite, const struct mp_node_id *id);

/* May this one use it? */
bool mp_invite_is_for(const struct mp_invite *invite, const struct mp_node_id *id);

/* Appends the signed invite. MP_EINVAL when a field is out of its bounds. */
int mp_invite_sign(const struct mp_crypto *crypto, const struct mp_invite *invite,
	const struct mp_signer *authority, struct mp_buf *out);

/* Checks the signature of the key that it names; whether that one is an authority is asked with
 * mp_authority_has(). hash may be NULL. */
int mp_invite_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_invite *out,
	struct mp_hash *hash, struct mp_error *err);

/* 0 when it is good at that wall time, else MP_EAUTH and why. */
int mp_invite_check_time(const struct mp_invite *invite, mp_time wall_ms, struct mp_error *err);

/* ---- certificate and admission ---- */

struct mp_cert {
	struct mp_cluster_id cluster;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_name name;
	uint32_t roles;
	uint64_t serial; /* of this node's certificates; a lower one than seen is refused */
	mp_time issued_ms;
	struct mp_hash invite;
};

/* Appends the certificate, signed by both, and tells its hash. */
int mp_cert_sign(const struct mp_crypto *crypto, const struct mp_cert *cert,
	const struct mp_signer *node, const struct mp_signer *inviter, struct mp_hash *hash,
	struct mp_buf *out);

/* Checks both signatures. */
int mp_cert_open(const struct mp_crypto *crypto, struct mp_span bytes, const uint8_t inviter[32],
	struct mp_cert *out, struct mp_hash *hash, struct mp_error *err);

struct mp_admission {
	struct mp_cluster_id cluster;
	struct mp_hash cert;
	uint8_t admitter[32]; /* a node id, or at genesis the authority's key */
	mp_time admitted_ms;
};

/* admission->admitter is set from the signer. */
int mp_admission_sign(const struct mp_crypto *crypto, const struct mp_admission *admission,
	const struct mp_signer *admitter, struct mp_buf *out);

/* Checks the signature of the admitter that it names. */
int mp_admission_open(const struct mp_crypto *crypto, struct mp_span bytes,
	struct mp_admission *out, struct mp_error *err);

/* ---- request ---- */

/* Who wants to be admitted and has no invite. It proves the keys, and nothing else. */
struct mp_request {
	struct mp_node_id id; /* the fingerprint */
	struct mp_xkey xkey;
	struct mp_name name;
	bool person; /* wants to control nodes, and is none */
};

/* What one takes at most. */
#define MP_REQUEST_MAX 512

/* Appends it, signed by its own key. MP_EINVAL: not a name. */
int mp_request_sign(const struct mp_crypto *crypto, const struct mp_request *request,
	const struct mp_signer *self, struct mp_buf *out);

/* Checks its signature. */
int mp_request_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_request *out,
	struct mp_error *err);

#endif
