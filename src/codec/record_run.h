/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is made of on paper: its record, the entries of its log, votes, and the certificate of
 * a leader.
 *
 * Records are deterministic CBOR arrays that begin with a domain text and a version:
 *
 *   run          ["mp-run",1, cluster32, pipeline32, opener32, nonce16, submitted_wall_ms, name,
 *                 [elector32...], copies, [[key, value]...], inputs32|null, submission_key|null,
 *                 mirror32|null, survivor]
 *   takeover     ["mp-takeover",1, cluster32, run16, generation, parent32, [elector32...],
 *                 mirror32|null, last_index, last_term, last_hash32, wall_ms, signer32]
 *   entry        ["mp-entry",1, run16, index, term, kind, prev32, wall_ms, body]
 *   vote         ["mp-vote",1, cluster32, run16, generation, naming32, term, candidate32]
 *   certificate  ["mp-leader",1, run16, generation, term, leader32, [[elector_index, sig64]...]]
 *
 * The electors of a run are fixed for its life, but for takeovers (DESIGN 5): each opens the next
 * generation with electors and a beginning of the log of its own. What is called the signed record
 * of a run and travels everywhere is [run, sig64], and from the first takeover on
 * [run, sig64, takeover, sig64] with the latest one. naming32 is the hash of the record that names
 * the electors, so that no vote for one of two rival takeovers counts for the other.
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

/* ---- who decides ---- */

/* Terms are unique over all generations: the upper half of one is its generation, less one. */
#define MP_TERM_FIRST(generation) ((uint64_t)((generation)-1) << 32)
#define MP_GENERATION_MAX         (UINT32_MAX / 2)

static inline uint64_t
mp_term_generation(uint64_t term)
{
	return (term >> 32) + 1;
}

/* Of one generation of a run. */
struct mp_electorate {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	uint64_t generation;    /* from 1 */
	struct mp_hash naming;  /* of the record that names the electors */
	uint32_t elector_count; /* 1, 3 or 5, all different */
	struct mp_node_id electors[MP_ELECTORS_MAX];
	/* Of an only elector: who gets all entries and acknowledges them, but decides nothing. */
	bool mirrored;
	struct mp_node_id mirror;
	/* What a later generation builds on: its elector holds all up to this entry before it
	 * stands. Index 0, term 0 and the hash of the run record: nothing. */
	uint64_t base_index, base_term;
	struct mp_hash base_hash;
};

/* Index of an elector, or -1. */
int mp_electorate_find(const struct mp_electorate *who, const struct mp_node_id *node);
/* An elector or the mirror. */
bool mp_electorate_has(const struct mp_electorate *who, const struct mp_node_id *node);

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
	bool mirrored;                        /* of one elector only; mirror is not that one */
	struct mp_node_id mirror;
	bool survivor; /* mirrored, and of the two who is left may take the run over by itself */
	/* Not part of the record but derived from its bytes, by sign and verify. */
	struct mp_hash hash;
	struct mp_run_id id;
	struct mp_electorate now; /* of the latest generation that the signed record knows */
	uint8_t signer[32];       /* of its takeover; zero in the first generation */
	mp_time takeover_ms;      /* wall */
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

/* The signed record as above. takeover, with takeover_sig, is empty in the first generation; both
 * may be NULL. */
int mp_run_signed_decode(struct mp_span bytes, struct mp_span *record, struct mp_sig *sig,
	struct mp_span *takeover, struct mp_sig *takeover_sig);

/* The hash of the record in it that names the electors. Nothing else is looked at. */
int mp_run_naming(
	const struct mp_crypto *crypto, struct mp_span signed_record, struct mp_hash *naming);

/* Encodes and signs with the opener's key, fills rec->hash and rec->id, and appends the signed
 * record. */
int mp_run_record_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	struct mp_run_record *rec, struct mp_buf *out);

/* Decodes a signed record with all that follows from it, and checks its cluster (MP_ECLUSTER), the
 * signatures (MP_ESIG), and that its takeover is of this run (MP_EAUTH). Whether the opener may
 * open runs, and the takeover's signer take them over, is the caller's to check. */
int mp_run_record_verify(const struct mp_crypto *crypto, const struct mp_cluster_id *cluster,
	struct mp_span signed_record, struct mp_run_record *out);

/* Index of an elector of the latest generation, or -1. */
int mp_run_elector(const struct mp_run_record *rec, const struct mp_node_id *node);

/* ---- takeovers ---- */

struct mp_takeover {
	struct mp_electorate who; /* naming follows from the bytes */
	struct mp_hash parent;    /* naming of the generation that it ends */
	mp_time wall_ms;
	uint8_t signer[32]; /* an authority's key, or the survivor's node id */
};

#define MP_TAKEOVER_MAX 1024

int mp_takeover_encode(struct mp_buf *buf, const struct mp_takeover *takeover);
int mp_takeover_decode(struct mp_span bytes, struct mp_takeover *out);

/* Appends a signed record with this takeover, in the place of its last one, if it had any. */
int mp_run_take_over(struct mp_buf *out, struct mp_span signed_record, struct mp_span takeover,
	const struct mp_sig *sig);

/* Is the latest takeover what the survivor of the two may do by itself: it is the only elector
 * then, and the other one its mirror? */
bool mp_run_survived(const struct mp_run_record *rec);

/* Which of two signed records of a run holds: -1, 0 or 1, by generation and then by naming. */
int mp_electorate_cmp(const struct mp_electorate *a, const struct mp_electorate *b);

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
	MP_ENTRY_RETURNED = 16,
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
	struct mp_hash naming;
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
 * Decodes a certificate and checks that it is for this run and generation (MP_EAUTH), that its
 * leader is an elector (MP_EAUTH), that a majority of the electors signed (MP_ENOQUORUM), and every
 * signature (MP_ESIG). out may be NULL.
 */
int mp_leader_cert_verify(const struct mp_crypto *crypto, struct mp_span cert,
	const struct mp_electorate *who, struct mp_leader_cert *out);

#endif
