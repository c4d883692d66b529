/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is made of on paper: its record, the entries of its log, votes, and the certificate of
 * a leader.
 *
 * Records are deterministic CBOR arrays that begin with a domain text and a version:
 *
 *   run          ["mp-run",1, cluster32, pipeline32, opener32, nonce16, submitted_wall_ms, name,
 *                 [elector32...], copies, [[key, value]...], inputs32|null, submission_key|null]
 *   entry        ["mp-entry",1, run16, index, term, kind, prev32, wall_ms, body]
 *   vote         ["mp-vote",1, cluster32, run16, generation, term, candidate32]
 *   certificate  ["mp-leader",1, run16, generation, term, leader32, [[elector_index, sig64]...]]
 *
 * A signature is Ed25519 over the BLAKE2b-256 hash of the exact record bytes; verification uses the
 * bytes as they came and never encodes again. A run's id is the first 16 bytes of the hash of its
 * record. Votes travel as signatures only: both sides encode them from what they know.
 *
 * Decoders take hostile bytes and return 0, MP_EFORMAT, MP_ETRUNC, MP_ELIMIT or MP_EVERSION (a
 * version that this program does not know); after an error *out is unspecified. Spans in *out are
 * borrowed from the input. Encoders append to buf and return 0, MP_ENOMEM or MP_ELIMIT; what they
 * are given must be encodable (asserted), for it is our own.
 */
#ifndef MP_CODEC_RECORD_RUN_H
#define MP_CODEC_RECORD_RUN_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/limits.h"

/* Hash of a record's bytes: what is signed, chained and named. */
static inline struct mp_hash
mp_record_hash(const struct mp_crypto *crypto, struct mp_span record)
{
	struct mp_hash h;

	crypto->hash(&h, &record, 1);
	return h;
}

/* ---- the run record ---- */

struct mp_run_param {
	struct mp_span key;   /* text, 1 to MP_NAME_MAX bytes */
	struct mp_span value; /* text, at most MP_RUN_PARAM_MAX bytes */
};

struct mp_run_record {
	struct mp_cluster_id cluster;
	struct mp_hash pipeline; /* digest of the pipeline's CBOR form */
	struct mp_node_id opener;
	uint8_t nonce[16];
	mp_time submitted_ms; /* wall */
	char name[MP_NAME_MAX + 1];
	uint32_t elector_count; /* 1, 3 or 5, all different */
	struct mp_node_id electors[MP_ELECTORS_MAX];
	uint32_t copies; /* of results, 1 to MP_COPIES_MAX */
	uint32_t param_count;
	struct mp_span params; /* encoded, see mp_run_param_next(); keys ascend, shorter first */
	struct mp_hash inputs; /* manifest of the run's inputs; zero: none */
	char submission_key[MP_NAME_MAX + 1]; /* empty: none */
	/* Not part of the record but derived from its bytes, by sign and verify. */
	struct mp_hash hash;
	struct mp_run_id id;
};

/* Encodes parameters in the order that records want (RFC 8949 section 4.2.1 of keys); sorts
 * params[] in place. For rec->params, which borrows buf's bytes. MP_EEXIST: a key stands twice. */
int mp_run_params_encode(struct mp_buf *buf, struct mp_run_param *params, size_t n);

/* Walks the parameters: begin with *at 0. False at the end. The record was decoded, or its params
 * come from mp_run_params_encode(). */
bool mp_run_param_next(const struct mp_run_record *rec, size_t *at, struct mp_run_param *out);

/* params of rec with param_count 0 may be empty. */
int mp_run_record_encode(struct mp_buf *buf, const struct mp_run_record *rec);
int mp_run_record_decode(struct mp_span bytes, struct mp_run_record *out);

/* The signed record: [record bytes, sig64]. */
int mp_run_signed_decode(struct mp_span bytes, struct mp_span *record, struct mp_sig *sig);

/* Encodes and signs with the opener's key, fills rec->hash and rec->id, and appends the signed
 * record. */
int mp_run_record_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	struct mp_run_record *rec, struct mp_buf *out);

/* Decodes a signed record with hash and id, and checks its cluster (MP_ECLUSTER) and the opener's
 * signature (MP_ESIG). Whether the opener may open runs is the caller's to check. */
int mp_run_record_verify(const struct mp_crypto *crypto, const struct mp_cluster_id *cluster,
	struct mp_span signed_record, struct mp_run_record *out);

/* Index of an elector, or -1. */
int mp_run_elector(const struct mp_run_record *rec, const struct mp_node_id *node);

/* ---- log entries ---- */

/* Kinds of log entries. They are hashed: add at the end only. Bodies: codec/record_work.h. */
enum mp_entry_kind {
	MP_ENTRY_OPEN = 1,
	MP_ENTRY_TERM_START = 2,
	MP_ENTRY_ASSIGNED = 3,
	MP_ENTRY_LOST = 4,
	MP_ENTRY_FINISHED = 5,
	MP_ENTRY_RETRY = 6,
	MP_ENTRY_ONCE_BEGIN = 7,
	MP_ENTRY_ONCE_END = 8,
	MP_ENTRY_CANCEL = 9,
	MP_ENTRY_PAUSE = 10,
	MP_ENTRY_RESUME = 11,
	MP_ENTRY_PRIORITY = 12,
	MP_ENTRY_SKIP = 13,
	MP_ENTRY_END = 14,
	MP_ENTRY_CACHED = 15,
};
#define MP_ENTRY_KIND_MAX 255 /* kinds of newer nodes are kept, hashed and passed on */

struct mp_entry {
	struct mp_run_id run;
	uint64_t index; /* from 1 */
	uint64_t term;  /* from 1 */
	enum mp_entry_kind kind;
	struct mp_hash prev; /* hash of the entry before; of the run record for index 1 */
	mp_time wall_ms;     /* of the leader when it appended */
	struct mp_span body;
};

/* What an entry is longer than its body, at most. */
#define MP_ENTRY_OVERHEAD 112

int mp_entry_encode(struct mp_buf *buf, const struct mp_entry *entry);
/* At most MP_ENTRY_MAX bytes. */
int mp_entry_decode(struct mp_span bytes, struct mp_entry *out);

/* ---- votes and certificates ---- */

struct mp_vote {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
	struct mp_node_id candidate;
};

/* Signs with this node's key; the others check an elector's. */
void mp_vote_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_vote *vote, struct mp_sig *sig);
/* 0 or MP_ESIG. */
int mp_vote_verify(const struct mp_crypto *crypto, const struct mp_vote *vote,
	const struct mp_node_id *elector, const struct mp_sig *sig);

struct mp_leader_cert {
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
	struct mp_node_id leader;
	uint32_t vote_count;
	struct {
		uint32_t elector; /* ascending */
		struct mp_sig sig;
	} votes[MP_ELECTORS_MAX];
};

#define MP_LEADER_CERT_MAX 512 /* encoded, with MP_ELECTORS_MAX votes */

int mp_leader_cert_encode(struct mp_buf *buf, const struct mp_leader_cert *cert);
int mp_leader_cert_decode(struct mp_span bytes, struct mp_leader_cert *out);

/*
 * Decodes a certificate and checks that it is for this run (MP_EAUTH), that its leader is an
 * elector (MP_EAUTH), that a majority of the electors signed (MP_ENOQUORUM), and every signature
 * (MP_ESIG). rec is verified and has its id. out may be NULL.
 */
int mp_leader_cert_verify(const struct mp_crypto *crypto, struct mp_span cert,
	const struct mp_run_record *rec, struct mp_leader_cert *out);

/* The same for who has no record at hand: cluster, run and electors are the record's. */
int mp_leader_cert_check(const struct mp_crypto *crypto, struct mp_span cert,
	const struct mp_cluster_id *cluster, const struct mp_run_id *run,
	const struct mp_node_id *electors, size_t elector_count, struct mp_leader_cert *out);

#endif
