/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a run from what its nodes signed, and believes nobody (DESIGN 3). Whoever hands the
 * records in may be a liar: what it hands in is checked against the cluster id, which the caller
 * has from elsewhere, and what it keeps back is missed.
 *
 *   cluster id ─▶ authority log ─▶ invites ─▶ certificates          mp_proof_authority(), _member()
 *   run id ─▶ record: pipeline, parameters, inputs, electors        mp_proof_run()
 *        └▶ log, hash-chained ─▶ terms, each with a majority's signed votes    mp_proof_entry()
 *                └▶ results: signature, signer, the leader's offer, specification, what it read,
 *                   cache key; those of other runs too
 *        └▶ end, signed by a leader, names the last entry            mp_proof_end()
 *
 * The state of the run follows from the log by mp_run_apply(), as on every elector. Blobs are the
 * caller's to read: mp_proof_result() names them.
 *
 * Whatever does not hold is told by the callback, as precisely as it is known; the walk goes on
 * after it.
 */
#ifndef MP_CTL_PROOF_H
#define MP_CTL_PROOF_H

#include "codec/manifest.h"
#include "codec/record_run.h"
#include "codec/record_trust.h"
#include "codec/record_work.h"
#include "core/charter.h"
#include "core/run.h"
#include "mp/base.h"
#include "mp/error.h"
#include "util/buf.h"

enum mp_proof_weight {
	MP_PROOF_NOTE,   /* holds, and is worth a word */
	MP_PROOF_OPEN,   /* nothing speaks against it, and nothing proves it */
	MP_PROOF_BROKEN, /* does not hold */
};

#define MP_PROOF_VALUE 65 /* 32 bytes in hex, or words */

struct mp_finding {
	enum mp_proof_weight weight;
	const char *check; /* one of the words in mpctl(1) */
	uint32_t module;   /* MP_MODULES_MAX: none */
	bool has_node;
	struct mp_node_id node; /* whose word, or whose copy, it is */
	uint64_t entry;         /* of the log; 0: none */
	char text[256];
	char expected[MP_PROOF_VALUE]; /* empty: there is nothing to compare */
	char actual[MP_PROOF_VALUE];
};

typedef void (*mp_finding_cb)(void *ctx, const struct mp_finding *finding);

/* A credential that was handed in. */
struct proof_member {
	struct mp_node_id id;
	struct mp_name name;
	uint32_t roles;
	bool proven;
	struct mp_error why; /* not proven */
	uint8_t *bytes;
	size_t size;
};

/* Of a term that has begun: who led it. */
struct proof_term {
	uint64_t term;
	struct mp_node_id leader;
};

struct proof_assigned {
	struct mp_attempt_id attempt;
	struct mp_node_id worker;
};

/* What of the log decided about a module. */
struct proof_module {
	uint8_t *body; /* of the entry; NULL: none yet, or one without a result */
	uint32_t size;
	uint8_t kind; /* enum mp_entry_kind; 0: none yet */
	uint64_t entry;
	mp_time committed_ms;
	struct mp_hash record; /* of its result */
	struct mp_hash manifest, value;
};

struct mp_proof {
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	struct mp_cluster_id cluster;
	mp_finding_cb found;
	void *ctx;
	/* Brings a blob whose hash is this, for keys of modules that read some of the inputs: 0
	 * with its bytes in buf. NULL: such keys stay open. */
	int (*blob)(void *ctx, const struct mp_hash *digest, struct mp_buf *buf);

	struct mp_charter *charter;
	struct proof_member *members; /* in order of ids, once they are settled */
	size_t member_count, member_room;
	bool settled;

	struct mp_buf record, pipeline;
	struct mp_run_record rec; /* borrows from record */
	bool has_record;
	struct mp_electorate first; /* of the first generation */
	struct mp_graph *graph;
	struct mp_run run;
	bool has_run;
	struct proof_module *modules;
	struct mp_buf input_bytes;
	struct mp_manifest inputs;
	int inputs_rc; /* 1: not asked for yet */

	struct mp_hash tip;     /* of the last entry */
	uint64_t last, term;    /* of it */
	mp_time last_ms;        /* likewise */
	struct mp_hash end_tip; /* of the entry that the run ended with */
	struct proof_term *terms;
	size_t term_count, term_room;
	struct proof_assigned *assigned;
	size_t assigned_count, assigned_room;
	bool ended; /* a signed end holds */
	struct mp_end end;

	bool lost; /* entries are missing: nothing can be said of what follows */
	const struct mp_raft_entry *applying;
	int keep_rc; /* of what applying it brought */

	struct mp_finding at; /* where the walk is */
	uint64_t results;     /* that were checked */
	uint64_t recalled;    /* of those, from other runs */
	size_t counts[MP_PROOF_BROKEN + 1];
};

/* Borrows alloc and crypto. MP_ENOMEM. Finish it in both cases. */
int mp_proof_init(struct mp_proof *p, const struct mp_alloc *alloc, const struct mp_crypto *crypto,
	const struct mp_cluster_id *cluster, mp_finding_cb found, void *ctx);
void mp_proof_fini(struct mp_proof *p);

/*
 * In this order: authority logs, revocations, credentials; then the run, its entries one after the
 * other, and its end. All copy what they keep and return 0 or MP_ENOMEM; what is wrong with the
 * records is told by findings.
 */
int mp_proof_authority(struct mp_proof *p, struct mp_span log);
int mp_proof_revocation(struct mp_proof *p, struct mp_span record);
int mp_proof_credential(struct mp_proof *p, struct mp_span credential);
/* All were handed in: finds out who has been let in by whom. */
int mp_proof_settle(struct mp_proof *p);

/* asked: the id that the user named, or its start, in hex. MP_EFORMAT: it does not hold so far that
 * a walk could go on. */
int mp_proof_run(
	struct mp_proof *p, const char *asked, struct mp_span record, struct mp_span pipeline);
int mp_proof_entry(struct mp_proof *p, struct mp_span bytes);
/* end: empty when there is none. */
int mp_proof_end(struct mp_proof *p, struct mp_span end);

/* The result that counts for a module. False: there is none. Spans are borrowed from p. */
bool mp_proof_result(const struct mp_proof *p, uint32_t module, struct mp_finished *finished,
	struct mp_result *result);

/* Its name on its certificate, "?" when there is none. */
const char *mp_proof_name(const struct mp_proof *p, const struct mp_node_id *id);

/* ---- for proof_*.c, and who adds findings of its own ---- */

/* Where findings belong from now on. */
void mp_proof_at(
	struct mp_proof *p, uint64_t entry, uint32_t module, const struct mp_node_id *node);
void mp_proof_say(struct mp_proof *p, enum mp_proof_weight weight, const char *check,
	const char *fmt, ...) MP_PRINTF(4, 5);
/* 32 bytes are not what they have to be. */
void mp_proof_differ(struct mp_proof *p, const char *check, const uint8_t expected[32],
	const uint8_t actual[32], const char *text);
/* The same of words. */
void mp_proof_unlike(struct mp_proof *p, const char *check, const char *expected,
	const char *actual, const char *text);

/* Room for one more in an array that grows. MP_ENOMEM. */
int mp_proof_grow(struct mp_proof *p, void **items, size_t size, size_t count, size_t *room);

/* Is it certified, with role `node`, and was its key good at that time? Else it is told: `what` is
 * what it did. */
bool mp_proof_signer(
	struct mp_proof *p, const struct mp_node_id *id, mp_time wall_ms, const char *what);
/* Was the key revoked by then? */
bool mp_proof_shut(const struct mp_proof *p, const struct mp_node_id *id, mp_time wall_ms);

/* Who led that term; NULL: nobody that the log knows. */
const struct mp_node_id *mp_proof_leader(const struct mp_proof *p, uint64_t term);
/* A FINISHED or CACHED entry that is about to be applied. 0 or MP_ENOMEM. */
int mp_proof_check_result(struct mp_proof *p, const struct mp_raft_entry *entry);
/* An entry that was applied decides about a module. 0 or MP_ENOMEM. */
int mp_proof_keep(struct mp_proof *p, const struct mp_raft_entry *entry, uint32_t module);

/* "2026-11-21T09:04:14Z" */
#define MP_PROOF_TIME 32
void mp_proof_time(char out[MP_PROOF_TIME], mp_time wall_ms);

#endif
