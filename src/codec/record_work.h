/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is signed or logged about attempts: offers, results, and the bodies of a run's log entries.
 *
 * Records are deterministic CBOR arrays that begin with a domain text and a version. A signature is
 * over the BLAKE2b-256 hash of the exact record bytes (for results: over the root of a tree of such
 * hashes), so bytes are verified as they came and never encoded again.
 *
 * Decoders take hostile bytes: they return MP_EFORMAT, MP_ETRUNC, MP_ELIMIT or MP_EVERSION and
 * leave *out unspecified. Spans in *out are borrowed from the input. Encoders append to buf and
 * return 0, MP_ENOMEM or MP_ELIMIT.
 */
#ifndef MP_CODEC_RECORD_WORK_H
#define MP_CODEC_RECORD_WORK_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/work.h"

/* Text in a result that tells why it failed; longer text is cut by who makes the result. */
#define MP_RESULT_ERROR_MAX 512
/* A result record, and with its signature block. */
#define MP_RESULT_MAX        2048
#define MP_SIGNED_RESULT_MAX 4096
/* Results that one signature may cover. */
#define MP_RESULT_BATCH_MAX   64
#define MP_RESULT_BATCH_DEPTH 6
/* Holders named for one thing. */
#define MP_HOLDERS_MAX 8
/* Attempts in one entry or message. */
#define MP_WORK_LIST_MAX 65536

/* ---- the leader's offer ---- */

struct mp_offer {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	uint64_t generation;
	struct mp_attempt_id attempt;
	struct mp_node_id worker;
	struct mp_hash spec;   /* hash of the specification's bytes */
	struct mp_hash inputs; /* mp_inputs_hash() */
};

/* An offer is never sent as such: both sides encode it from what they know, and the item of
 * WORK_ASSIGN carries the signature over its hash. */
int mp_offer_encode(struct mp_buf *buf, const struct mp_offer *offer);
/* What the leader signs of it. 0, MP_ENOMEM. */
int mp_offer_hash(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_offer *offer, struct mp_hash *out);
int mp_offer_decode(struct mp_span bytes, struct mp_offer *out);

/* Hash of what an attempt reads: the run's inputs manifest (NULL: none) and, in the order of the
 * graph, the hashes of its dependencies' result records. 0 or MP_ENOMEM. */
int mp_inputs_hash(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_hash *run_inputs, const struct mp_hash *deps, size_t n,
	struct mp_hash *out);

/* ---- the worker's result ---- */

struct mp_result {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	uint64_t generation;
	struct mp_attempt_id attempt;
	struct mp_node_id node;   /* who made it, and whose key signs it */
	struct mp_hash offer;     /* hash of the offer record */
	struct mp_node_id leader; /* who signed the offer */
	struct mp_sig offer_sig;  /* of that leader, over the offer's hash */
	struct mp_hash spec;
	struct mp_hash inputs;
	enum mp_status status;
	int32_t exit_code;  /* -1 when it did not exit by itself */
	int32_t signal;     /* 0 when it was not killed by one */
	mp_time started_ms; /* wall */
	mp_time ended_ms;
	uint64_t wall_us;
	uint64_t user_us;
	uint64_t sys_us;
	uint64_t rss_max_kib;
	struct mp_hash manifest; /* zero: no outputs */
	uint64_t output_files;
	uint64_t output_bytes;
	struct mp_hash out_log; /* zero: empty */
	uint64_t out_size;
	bool out_cut;
	struct mp_hash err_log; /* zero: empty */
	uint64_t err_size;
	bool err_cut;
	struct mp_hash value;     /* zero: none */
	struct mp_hash cache_key; /* zero: none */
	/* What the key knows of the node: mp_cache_where() in core/cachekey.h. Zero without key. */
	struct mp_hash where;
	struct mp_span error; /* UTF-8 text, at most MP_RESULT_ERROR_MAX */
};

int mp_result_encode(struct mp_buf *buf, const struct mp_result *result);
int mp_result_decode(struct mp_span bytes, struct mp_result *out);

/*
 * One signature for a batch: over the root of a binary tree whose leaves are the hashes of the
 * result records, padded with zero leaves to a power of two. An inner node is the hash of the
 * deterministic CBOR array ["mp-merkle", 1, left, right], which no record can equal. The root of
 * a batch of one is the leaf.
 */
struct mp_result_sig {
	struct mp_sig root_sig;
	uint32_t index; /* of the leaf */
	uint32_t depth; /* siblings in the path, from the leaf up */
	struct mp_hash siblings[MP_RESULT_BATCH_DEPTH];
};

/* Signs n records (1 to MP_RESULT_BATCH_MAX) at once; sigs has room for n. */
void mp_result_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_span *records, size_t n, struct mp_result_sig *sigs);
/* 0 or MP_ESIG. */
int mp_result_verify(const struct mp_crypto *crypto, const struct mp_node_id *signer,
	struct mp_span record, const struct mp_result_sig *sig);

/* The signed result, as it travels and is stored: [record bytes, signature block]. */
int mp_signed_result_encode(
	struct mp_buf *buf, struct mp_span record, const struct mp_result_sig *sig);
int mp_signed_result_decode(
	struct mp_span bytes, struct mp_span *record, struct mp_result_sig *sig);
/* Decodes all of it and checks that result->node signed it, unless crypto is NULL. Also MP_ESIG.
 * Whether that node is a member and was asked is the caller's to check. record may be NULL. */
int mp_signed_result_open(const struct mp_crypto *crypto, struct mp_span bytes,
	struct mp_result *out, struct mp_span *record);

/* ---- lists ----
 * A decoder checks every element of a list, so walking one later cannot fail. Copy the struct to
 * walk it twice. Each *_next() gives the next element and false at the end. */

struct mp_list {
	struct mp_cbor_r r;
	size_t left;
};

bool mp_holders_next(struct mp_list *list, struct mp_node_id *out);

/* For decoders of messages: reads the array (at most max elements) with one reader of an element,
 * which gets an element to fill that is then thrown away. */
void mp_list_read(struct mp_cbor_r *r, size_t max, struct mp_list *out,
	void (*element)(struct mp_cbor_r *r, void *scratch), void *scratch);
void mp_holders_read(struct mp_cbor_r *r, struct mp_list *out);
void mp_holders_write(struct mp_cbor_w *w, const struct mp_node_id *holders, size_t n);
void mp_attempt_read(struct mp_cbor_r *r, struct mp_attempt_id *out); /* 3 items, no array */
void mp_attempt_write(struct mp_cbor_w *w, const struct mp_attempt_id *id);

/* ---- bodies of log entries (core/raft.h has the kinds) ---- */

int mp_body_open_encode(struct mp_buf *buf);
int mp_body_open_decode(struct mp_span body);

/* [leader, certificate]: whoever has the log can check that a majority voted for this leader. The
 * certificate (codec/record_run.h) is checked for size only, and may be empty. */
int mp_body_term_start_encode(
	struct mp_buf *buf, const struct mp_node_id *leader, struct mp_span cert);
int mp_body_term_start_decode(struct mp_span body, struct mp_node_id *leader, struct mp_span *cert);

/* An elector that had lost what it had of the run is back; loss (not 0) says from which loss. It
 * counts again in terms after the one in which it learns that this is committed: core/raft.h. */
struct mp_returned {
	struct mp_node_id elector;
	uint64_t loss;
};
int mp_body_returned_encode(struct mp_buf *buf, const struct mp_returned *returned);
int mp_body_returned_decode(struct mp_span body, struct mp_returned *out);

/* [[module, term, counter, worker]...]. The term is the entry's, or an earlier one: a leader
 * adopts attempts that it finds running. */
struct mp_assigned {
	struct mp_attempt_id attempt;
	struct mp_node_id worker;
};
int mp_body_assigned_encode(struct mp_buf *buf, const struct mp_assigned *items, size_t n);
int mp_body_assigned_decode(struct mp_span body, struct mp_list *out);
bool mp_assigned_next(struct mp_list *list, struct mp_assigned *out);

enum mp_lost_why {
	MP_LOST_BOOT = 1,     /* its node shows a newer boot counter */
	MP_LOST_DISOWNED = 2, /* its node does not know it */
	MP_LOST_REFUSED = 3,  /* its node refuses connections, or refused the attempt */
	MP_LOST_SILENT = 4,   /* nothing was heard of its node for too long */
	MP_LOST_LEFT = 5,     /* its node left for ever */
};
struct mp_lost {
	struct mp_attempt_id attempt;
	enum mp_lost_why why;
};
int mp_body_lost_encode(struct mp_buf *buf, const struct mp_lost *lost);
int mp_body_lost_decode(struct mp_span body, struct mp_lost *out);

struct mp_finished {
	struct mp_attempt_id attempt;
	struct mp_node_id worker;
	struct mp_span result;  /* signed result; checked for size only */
	struct mp_list holders; /* when decoded */
};
int mp_body_finished_encode(struct mp_buf *buf, const struct mp_finished *finished,
	const struct mp_node_id *holders, size_t n);
int mp_body_finished_decode(struct mp_span body, struct mp_finished *out);

/* [module, signed result, [holder...]]: the module is not run, for this result of another run
 * stands for its own. */
struct mp_recalled {
	uint32_t module;
	struct mp_span result;  /* signed; checked for size only */
	struct mp_list holders; /* when decoded: who has its blobs now */
};
int mp_body_cached_encode(struct mp_buf *buf, const struct mp_recalled *recalled,
	const struct mp_node_id *holders, size_t n);
int mp_body_cached_decode(struct mp_span body, struct mp_recalled *out);

/* The module failed and is tried again, not before that time. */
struct mp_retry_at {
	uint32_t module;
	mp_time not_before_ms; /* wall, of the leader's clock; compare with the entry's own time */
};
int mp_body_retry_encode(struct mp_buf *buf, const struct mp_retry_at *retry);
int mp_body_retry_decode(struct mp_span body, struct mp_retry_at *out);

/* by: who asked, for people; at most MP_NAME_MAX bytes. */
int mp_body_cancel_encode(struct mp_buf *buf, struct mp_span by);
int mp_body_cancel_decode(struct mp_span body, struct mp_span *by);

/* [module, what, text]: decided without an attempt. */
enum mp_skip_what {
	MP_SKIP_SKIPPED = 1,
	MP_SKIP_FAILED = 2, /* no member could run it for its placement timeout */
};
struct mp_skip {
	uint32_t module;
	enum mp_skip_what what;
	struct mp_span text; /* for people, at most MP_RESULT_ERROR_MAX */
};
int mp_body_skip_encode(struct mp_buf *buf, const struct mp_skip *skip);
int mp_body_skip_decode(struct mp_span body, struct mp_skip *out);

/* [module, term, counter, worker]: this attempt of a `once` module may begin. Committed before the
 * worker hears of it. */
int mp_body_once_begin_encode(struct mp_buf *buf, const struct mp_assigned *begin);
int mp_body_once_begin_decode(struct mp_span body, struct mp_assigned *out);

/* How an attempt of a `once` module is over without a result of its own. */
enum mp_once_how {
	MP_ONCE_UNSTARTED = 1, /* its worker vouches that it never began */
	MP_ONCE_DONE = 2,      /* an operator: the module has done what it was to do */
	MP_ONCE_RERUN = 3,     /* an operator: it is to run again */
};
/* [module, term, counter, how, by] */
struct mp_once_end {
	struct mp_attempt_id attempt;
	enum mp_once_how how;
	struct mp_span by; /* the operator, for people; at most MP_NAME_MAX bytes */
};
int mp_body_once_end_encode(struct mp_buf *buf, const struct mp_once_end *end);
int mp_body_once_end_decode(struct mp_span body, struct mp_once_end *out);

enum mp_run_outcome {
	MP_OUTCOME_SUCCEEDED = 1,
	MP_OUTCOME_FAILED = 2,
	MP_OUTCOME_CANCELLED = 3,
};
int mp_body_end_encode(struct mp_buf *buf, enum mp_run_outcome outcome);
int mp_body_end_decode(struct mp_span body, enum mp_run_outcome *outcome);

/* ---- the end of a run, for everybody ----
 * ["mp-end", 1, cluster32, run16, generation, term, leader32, outcome, ended_wall_ms, modules,
 *  succeeded, last_index, last_hash32], signed by the leader that saw END committed. */

#define MP_END_MAX        256
#define MP_SIGNED_END_MAX 384

struct mp_end {
	struct mp_cluster_id cluster;
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
	struct mp_node_id leader;
	enum mp_run_outcome outcome;
	mp_time ended_ms; /* wall, of the END entry */
	uint32_t modules;
	uint32_t succeeded;
	uint64_t last_index; /* of the END entry */
	struct mp_hash last_hash;
};
int mp_end_encode(struct mp_buf *buf, const struct mp_end *end);
int mp_end_decode(struct mp_span bytes, struct mp_end *out);

/* The signed end: [record bytes, sig64]. Encodes and signs with this node's key. */
int mp_end_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_end *end, struct mp_buf *out);
/* Decodes and checks that end->leader signed it (MP_ESIG). Whether that is an elector is the
 * caller's to check. */
int mp_end_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_end *out);

#endif
