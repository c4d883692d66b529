/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicated log of one run: Raft (Ongaro, "Consensus: Bridging Theory and Practice", 2014)
 * with a fixed electorate, pre-vote (section 9.6), check-quorum, a term-start entry, hash-chained
 * entries and signed votes; no snapshots, no membership change (DESIGN 5).
 *
 * Heartbeats are not sent here: src/core/pulse sends one per pair of nodes for all runs.
 */
#ifndef MP_CORE_RAFT_H
#define MP_CORE_RAFT_H

#include "core/env.h"
#include "mp/base.h"

enum mp_raft_role {
	MP_RAFT_FOLLOWER,
	MP_RAFT_PRE_CANDIDATE,
	MP_RAFT_CANDIDATE,
	MP_RAFT_LEADER,
};

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
};

struct mp_raft_entry {
	uint64_t index; /* from 1 */
	uint64_t term;
	enum mp_entry_kind kind;
	mp_time wall_ms;     /* the leader's, when it appended it */
	struct mp_span body; /* owned by the log */
	struct mp_hash hash; /* of this entry, which names the one before */
};

struct mp_raft;

struct mp_raft_config {
	struct mp_run_id run;
	uint64_t generation;
	const struct mp_node_id *electors; /* 1, 3 or 5, copied; this node is one of them */
	size_t elector_count;
};

int mp_raft_new(struct mp_env *env, const struct mp_raft_config *config, struct mp_raft **out);
void mp_raft_free(struct mp_raft *raft);

/* Rows of MP_TABLE_VOTE and MP_TABLE_ENTRY of this run, in order, before the first step.
 * MP_ECORRUPT: the chain does not hold; this elector then neither votes nor acknowledges. */
int mp_raft_restore(struct mp_raft *raft, struct mp_env *env, enum mp_table table,
	struct mp_span key, struct mp_span value);

/* Begins: a follower that waits its election timeout, or stands at once (`eager`: the opener of a
 * new run, or the only elector). */
void mp_raft_start(struct mp_raft *raft, struct mp_env *env, bool eager);

/* One decoded-or-not message of codec/msg_raft.h from a peer. Wrong ones are MP_E* and ignored. */
int mp_raft_message(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

void mp_raft_tick(struct mp_raft *raft, struct mp_env *env);
mp_time mp_raft_deadline(const struct mp_raft *raft);

/* Rows are durable up to seq: counts this elector's own copy. */
void mp_raft_persisted(struct mp_raft *raft, struct mp_env *env, uint64_t seq);

/* What pulse learns from heartbeats (as follower, then as leader). commit is only what the leader
 * knows this elector to hold. */
void mp_raft_heard_leader(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *leader,
	uint64_t term, uint64_t commit);
void mp_raft_heard_follower(struct mp_raft *raft, struct mp_env *env,
	const struct mp_node_id *follower, uint64_t term, mp_time sent_ms);
/* What pulse puts into a heartbeat for this elector; false when this node does not lead. */
bool mp_raft_heartbeat(
	const struct mp_raft *raft, const struct mp_node_id *to, uint64_t *term, uint64_t *commit);

/* Leader only. Appends; the body is copied. MP_ENOTLEADER, MP_ENOMEM, MP_ELIMIT. */
int mp_raft_propose(struct mp_raft *raft, struct mp_env *env, enum mp_entry_kind kind,
	struct mp_span body, uint64_t *index);

/* The next committed entry after *cursor, in order; advances *cursor. False when there is none. */
bool mp_raft_next_committed(
	const struct mp_raft *raft, uint64_t *cursor, struct mp_raft_entry *out);
/* Any entry that is in the log, committed or not. */
bool mp_raft_entry_at(const struct mp_raft *raft, uint64_t index, struct mp_raft_entry *out);

enum mp_raft_role mp_raft_role(const struct mp_raft *raft);
uint64_t mp_raft_term(const struct mp_raft *raft);
uint64_t mp_raft_generation(const struct mp_raft *raft);
uint64_t mp_raft_commit(const struct mp_raft *raft);
uint64_t mp_raft_last_index(const struct mp_raft *raft);
const struct mp_node_id *mp_raft_leader(const struct mp_raft *raft); /* NULL: not known */
/* Leader whose term-start entry is committed and whose lease holds: may dispatch. */
bool mp_raft_may_dispatch(const struct mp_raft *raft, mp_time now_ms);
/* Since when a majority has been missing; MP_TIME_NEVER when it is not (as far as we know). */
mp_time mp_raft_stalled_since(const struct mp_raft *raft);
/* A leader's certificate: a majority of signed votes of its term (codec/record_run.h). */
struct mp_span mp_raft_certificate(const struct mp_raft *raft);
/* Hands over to the most complete elector (thesis section 3.10): on drain and stop. */
void mp_raft_transfer(struct mp_raft *raft, struct mp_env *env);

#endif
