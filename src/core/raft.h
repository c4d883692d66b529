/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicated log of one run: Raft (Ongaro, "Consensus: Bridging Theory and Practice", 2014)
 * with a fixed electorate, pre-vote (section 9.6), check-quorum, a term-start entry, hash-chained
 * entries and signed votes; no snapshots, no membership change (DESIGN 5).
 *
 * An only elector may have a mirror: it gets all entries and heartbeats like a follower and
 * acknowledges them, but it counts for nothing, neither votes nor stands, and nobody waits for it.
 *
 * In a later generation (codec/record_run.h) terms begin at MP_TERM_FIRST. Entries after the base,
 * or all of them where the base itself is missing, are dropped at the start; who does not hold the
 * base does not stand. It may vote: whoever it votes for holds it.
 *
 * An elector whose key was revoked counts for nothing from then on: its votes, its acknowledgements
 * and what it was known to hold. A majority stays one of the whole electorate, so this can take a
 * majority away and never make one, and electors that learn of it at different times agree: what
 * was committed with its help is on enough others that every majority without it meets one of them.
 * A leader whose certificate is no majority without it asks for votes again, in a new term, at
 * once; a certificate that is none without it is not accepted. When only a minority is left, the
 * run is stalled until a takeover.
 *
 * Heartbeats are not sent here: src/core/pulse sends one per pair of nodes for all runs.
 *
 * An elector whose rows are gone or damaged may have voted and acknowledged what it does not know
 * any more. It gives that loss a number, on its disk first of all, and from then on gets everything
 * and counts for nothing: it neither votes nor stands, its acknowledgements and answers to
 * heartbeats say that they do not count. A leader appends RETURNED with the number. Who learns
 * that the RETURNED of its own loss is committed counts again, in later terms.
 *
 * Why it may: be X that elector, e its RETURNED, t the term in which e was committed, T >= t the
 * one in which X learns it, Q the majority that acknowledged e in term t. e was written when X was
 * back already, and what X acknowledged before are entries before e: so X is not in Q.
 *  - What X voted for in terms above t is never elected. Such a candidate stood before e was
 *    written, and needs a vote of Q. Who had voted for it already could not acknowledge in t; who
 *    has e refuses it: a log that was complete before e ends in a term below t, or in t and sooner,
 *    or else its last entry is of a leader above t, who needed votes of Q as well.
 *  - So X has acknowledged nothing in terms above t. Of what it did acknowledge up to t, all that
 *    was committed is in the log of t's leader, before e; X, that holds e, holds it again.
 *  - In terms up to T, where it may have voted, X does not vote a second time.
 * Some of Q may have lost their rows as well. Before, and they counted in t: then that was made
 * good in a term below t, and all this held for them. After, and they count in a later term again:
 * then they hold a RETURNED of their own that was written after e, and e before it.
 *
 * Nothing is said before the rows it rests on are durable: votes, acknowledgements and a leader's
 * count of its own copy wait for the disk (core/out.h).
 */
#ifndef MP_CORE_RAFT_H
#define MP_CORE_RAFT_H

#include "codec/record_run.h" /* enum mp_entry_kind */
#include "core/env.h"
#include "mp/base.h"

enum mp_raft_role {
	MP_RAFT_FOLLOWER,
	MP_RAFT_PRE_CANDIDATE,
	MP_RAFT_CANDIDATE,
	MP_RAFT_LEADER,
};

struct mp_raft_entry {
	uint64_t index; /* from 1 */
	uint64_t term;
	enum mp_entry_kind kind;
	mp_time wall_ms;     /* the leader's, when it appended it */
	struct mp_span body; /* owned by the log, good as long as the entry is in it */
	struct mp_hash hash; /* of this entry, which names the one before */
};

/* Names an entry: no two of a run have the same index and term. Index 0: none. */
struct mp_raft_at {
	uint64_t index, term;
};

struct mp_raft;

struct mp_raft_config {
	struct mp_hash record_hash;      /* of the run record: what the first entry is chained to */
	const struct mp_electorate *who; /* copied; this node is an elector or the mirror */
};

/* 0 or MP_ENOMEM. Borrows env's allocator and crypto for its life. */
int mp_raft_new(struct mp_env *env, const struct mp_raft_config *config, struct mp_raft **out);
void mp_raft_free(struct mp_raft *raft);

/* Rows of MP_TABLE_VOTE (key run16) and MP_TABLE_ENTRY (run16, index as 8 bytes) of this run, in
 * order, before the start; a vote of an earlier generation is ignored. MP_ENOMEM; MP_ECORRUPT: the
 * row or the chain does not hold: what was read before is kept, the rest is dropped at the start,
 * and the elector has lost what it said. */
int mp_raft_restore(struct mp_raft *raft, struct mp_env *env, enum mp_table table,
	struct mp_span key, struct mp_span value);

/* Before the start, instead of rows: this elector may have voted and acknowledged here, and nothing
 * of that is left. */
void mp_raft_lose(struct mp_raft *raft, struct mp_env *env);

/* Before the start, instead of rows: all entries of the same run's log in an earlier generation,
 * whose rows stay. 0 or MP_ENOMEM. */
int mp_raft_inherit(struct mp_raft *raft, struct mp_env *env, const struct mp_raft *from);

/* Begins: a follower that waits its election timeout, or stands at once (`eager`: the opener of a
 * new run or of a generation; an only elector always does). */
void mp_raft_start(struct mp_raft *raft, struct mp_env *env, bool eager);

/* Nobody has stood yet, as far as this elector knows, and somebody may: stands at once. */
void mp_raft_hurry(struct mp_raft *raft, struct mp_env *env);

/* One message of codec/msg_raft.h, with its number, from a peer. Wrong ones have no effect:
 * MP_EFORMAT, MP_ETRUNC, MP_ELIMIT; MP_EAUTH when the sender is no elector, or run, generation or
 * certificate is another; MP_ESIG; MP_ECORRUPT when this elector is, or the leader contradicts
 * what is committed; MP_ENOMEM. */
int mp_raft_message(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* The control stream to an elector came up or went down: what was under way is lost. */
void mp_raft_link(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *peer, bool up);

/* The key of this elector, or of the mirror, was revoked. Nothing happens when it is neither, or
 * not for the first time. */
void mp_raft_shut(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *id);

void mp_raft_tick(struct mp_raft *raft, struct mp_env *env);
mp_time mp_raft_deadline(const struct mp_raft *raft);

/* Rows are durable up to seq: counts this elector's own copy. */
void mp_raft_persisted(struct mp_raft *raft, struct mp_env *env, uint64_t seq);

/* Sends what was proposed in this step, in one message per elector. Call it at the end of each
 * step that proposed; without it the deadline is at once, and the tick does it. */
void mp_raft_flush(struct mp_raft *raft, struct mp_env *env);

/* What pulse learns from heartbeats (as follower, then as leader). commit is only what the leader
 * knows this elector to hold. False: this elector does not count (it is corrupt or has lost what it
 * had, or its term is higher). */
bool mp_raft_heard_leader(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *leader,
	uint64_t term, uint64_t commit);
void mp_raft_heard_follower(struct mp_raft *raft, struct mp_env *env,
	const struct mp_node_id *follower, uint64_t term, mp_time sent_ms);
/* A follower answered that it does not count in this term, or that it has nothing of the run: then
 * it gets something that it can acknowledge. */
void mp_raft_heard_lost(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *follower,
	uint64_t term, mp_time sent_ms);
void mp_raft_heard_unknown(
	struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *follower);
/* What pulse puts into a heartbeat for this elector; false when this node does not lead. */
bool mp_raft_heartbeat(
	const struct mp_raft *raft, const struct mp_node_id *to, uint64_t *term, uint64_t *commit);

/* Leader only. Appends; the body is copied. MP_ENOTLEADER (also while it hands over), MP_ENOMEM,
 * MP_ELIMIT. When memory is at its bound only CANCEL, SKIP and END are taken. index may be NULL. */
int mp_raft_propose(struct mp_raft *raft, struct mp_env *env, enum mp_entry_kind kind,
	struct mp_span body, uint64_t *index);

/* Leader of a run that goes on: appends RETURNED for electors that have lost what they had, once
 * for each loss. Emits nothing new when it is called again. */
void mp_raft_heal(struct mp_raft *raft, struct mp_env *env);

/* The next committed entry after *cursor, in order; advances *cursor (begin with 0). False when
 * there is none. */
bool mp_raft_next_committed(
	const struct mp_raft *raft, uint64_t *cursor, struct mp_raft_entry *out);
/* What became of an entry that was proposed: 0: it is committed; MP_EBUSY: nobody can tell yet;
 * MP_ECANCELED: another one is, in its place. */
int mp_raft_decided(const struct mp_raft *raft, const struct mp_raft_at *at);
/* Any entry that is in the log, committed or not. */
bool mp_raft_entry_at(const struct mp_raft *raft, uint64_t index, struct mp_raft_entry *out);

enum mp_raft_role mp_raft_role(const struct mp_raft *raft);
const struct mp_run_id *mp_raft_run(const struct mp_raft *raft);
uint64_t mp_raft_term(const struct mp_raft *raft);
uint64_t mp_raft_generation(const struct mp_raft *raft);
/* Is that an elector or the mirror? */
bool mp_raft_has(const struct mp_raft *raft, const struct mp_node_id *node);
uint64_t mp_raft_commit(const struct mp_raft *raft);
uint64_t mp_raft_last_index(const struct mp_raft *raft);
const struct mp_electorate *mp_raft_who(const struct mp_raft *raft);
/* The electors, then the mirror. */
size_t mp_raft_peer_count(const struct mp_raft *raft);
const struct mp_node_id *mp_raft_peer(const struct mp_raft *raft, size_t i);
/* This node is the mirror. */
bool mp_raft_mirrors(const struct mp_raft *raft);
const struct mp_node_id *mp_raft_leader(const struct mp_raft *raft); /* NULL: not known */
/* A leader was heard so lately that nobody would stand. */
bool mp_raft_hears(const struct mp_raft *raft, mp_time now_ms);
/* What a certified leader says contradicts what is committed here: this elector is mute until it is
 * restarted, and has lost what it had then. */
bool mp_raft_corrupt(const struct mp_raft *raft);
/* It has lost what it had, and does not count again yet. */
bool mp_raft_lost(const struct mp_raft *raft);
/* It has, and acknowledged nothing to this term's leader yet, who may not even know. */
bool mp_raft_blank(const struct mp_raft *raft);
/* The number of its last loss; 0: there was none. */
uint64_t mp_raft_loss(const struct mp_raft *raft);
/* Leader whose term-start entry is committed and whose lease holds: may dispatch. */
bool mp_raft_may_dispatch(const struct mp_raft *raft, mp_time now_ms);
/* Leader, and every elector and the mirror hold the whole log and know that it is committed: an
 * ended run can be put away. */
bool mp_raft_settled(const struct mp_raft *raft);
/* Since when a majority has been missing; MP_TIME_NEVER when it is not (as far as we know). */
mp_time mp_raft_stalled_since(const struct mp_raft *raft);
/* The certificate of this term's leader: a majority of signed votes (codec/record_run.h). On a
 * leader always there; on a follower once the leader showed it; else empty. Valid until the next
 * call that is given an env. */
struct mp_span mp_raft_certificate(const struct mp_raft *raft);
/* Hands over to the most complete elector (thesis section 3.10) that is heard and whose bit, by
 * index in the electorate, is not set in `avoid`: on drain and stop. Until another one leads, this
 * one neither proposes nor dispatches. False: there is nobody. */
bool mp_raft_transfer(struct mp_raft *raft, struct mp_env *env, uint32_t avoid);

#endif
