/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of Raft share: raft.c (life, time, messages), raft_elect.c (terms and votes),
 * raft_repl.c (entries and commit) and raft_lost.c (electors that have lost what they had). Nobody
 * else includes this.
 *
 *            time                      majority would         majority did
 *   FOLLOWER ────▶ PRE_CANDIDATE ───────────────▶ CANDIDATE ─────────────▶ LEADER
 *       ▲               │ refused, a leader or a higher term │                │ no majority heard
 *       └───────────────┴────────────────────────────────────┴────────────────┘ for election_ms
 */
#ifndef MP_CORE_RAFT_INT_H
#define MP_CORE_RAFT_INT_H

#include "codec/msg_raft.h"
#include "core/raft.h"
#include "core/raft_log.h"

#define RAFT_NOBODY      (-1)
#define RAFT_PENDING_MAX 16
#define RAFT_BACKOFF_MAX 3
#define RAFT_SPARE       4096 /* entries kept free for what ends a run */
#define RAFT_LONG_AGO    (INT64_MIN / 2)

struct raft_peer {
	struct mp_node_id id;
	bool shut; /* its key was revoked: it counts for nothing, and is not spoken to */
	/* Of the round that this elector stands in. */
	bool answered;
	bool granted;
	struct mp_sig sig;
	/* Of this leadership. */
	bool probing;      /* not known what it holds: one message at a time, without entries */
	bool cert_known;   /* it has shown that it accepts this leader */
	bool silent;       /* it has lost what it had, and does not count in this term */
	uint64_t loss;     /* the number of its loss, once it has said; 0 */
	uint64_t returned; /* the loss of which a RETURNED is in the log */
	uint32_t unanswered;
	uint32_t backoff;
	uint64_t match;   /* it holds all up to here, durably */
	uint64_t next;    /* what to send next */
	uint64_t fresh;   /* answers to messages below this sequence number are stale */
	mp_time match_ms; /* when match changed */
	mp_time heard_ms; /* its last answer came */
	mp_time acked_ms; /* when the last thing that it answered was sent */
	mp_time resend_at;
};

struct mp_raft {
	const struct mp_alloc *alloc;
	struct mp_electorate who;
	mp_time election_ms, lease_ms;
	size_t elector_count;
	size_t peer_count; /* the mirror, if there is one, comes after the electors */
	int self;          /* index in peers */
	struct raft_peer peers[MP_ELECTORS_MAX + 1];
	struct mp_raft_log log;
	bool started, corrupt;
	bool damaged; /* rows that were restored do not hold together */
	bool dirty;   /* leader: entries or an answer wait for flush */

	/* Durable: rows are put whenever these change. */
	uint64_t term;
	int voted;         /* in this term */
	uint64_t loss;     /* of what this elector had; 0: none */
	uint64_t regained; /* then it counts in terms above this one; 0: not yet */

	enum mp_raft_role role;
	int leader;
	uint64_t commit;
	mp_time commit_ms; /* when it last grew */
	uint64_t matched;  /* as follower: equal to the log of this term's leader up to here, at
			      least */

	uint64_t rows_seq; /* of the last row put */
	uint64_t durable;  /* own entries on disk up to here */
	struct {
		uint64_t seq, index;
	} pending[RAFT_PENDING_MAX];
	size_t pending_count;

	mp_time heard_ms;    /* the leader, as follower */
	mp_time quiet_until; /* neither votes nor stands before: it may have promised to */
	mp_time elect_at;    /* as follower: stand */
	mp_time jitter_ms;   /* of elect_at */
	bool made_room;      /* elect_at was put off for another */
	mp_time round_until;
	mp_time resend_at;
	mp_time ok_ms; /* when there was a majority last */
	bool by_transfer;

	uint64_t append_seq;
	uint64_t lead_next;  /* what came after the log when this leadership began */
	uint64_t term_start; /* index of this leadership's first entry */
	int transfer_to;
	bool transfer_told;
	mp_time transfer_until;

	uint64_t cert_term;
	int cert_leader;
	size_t cert_size;
	uint8_t cert[MP_LEADER_CERT_MAX];
};

static inline bool
raft_is_elector(const struct mp_raft *raft, int peer)
{
	return (size_t)peer < raft->elector_count;
}

/* Its votes and acknowledgements of this term count. */
static inline bool
raft_counts(const struct mp_raft *raft)
{
	return raft->loss == 0 || (raft->regained != 0 && raft->term > raft->regained);
}

/* What it is known to hold, and its answers, count. */
static inline bool
raft_peer_counts(const struct raft_peer *peer)
{
	return !peer->silent && !peer->shut;
}

/* Not to be sent anything: this elector, or one that is shut out. */
static inline bool
raft_skips(const struct mp_raft *raft, size_t peer)
{
	return (int)peer == raft->self || raft->peers[peer].shut;
}

/* raft.c */
void mp_raft_put_vote(struct mp_raft *raft, struct mp_env *env);
/* Entries from..last were appended: rows, and when their copy will count. */
void mp_raft_put_entries(struct mp_raft *raft, struct mp_env *env, uint64_t from);
/* Forgets entries after this one, which a leader's contradict; none of them is committed. */
void mp_raft_drop_entries(struct mp_raft *raft, struct mp_env *env, uint64_t after);
void mp_raft_say(
	struct mp_raft *raft, struct mp_env *env, int to, struct mp_msg_raft *msg, uint64_t after);
size_t mp_raft_quorum(const struct mp_raft *raft, mp_time now_ms);

/* Holds what its generation builds on. */
bool mp_raft_founded(const struct mp_raft *raft);

/* raft_lost.c */
/* Entries after this one became committed: its own return may be among them. */
void mp_raft_regain(struct mp_raft *raft, struct mp_env *env, uint64_t after);
/* Mute from here on, and after a restart as one who has lost what it had. */
void mp_raft_contradicted(struct mp_raft *raft, struct mp_env *env);
/* A peer says that it counts for nothing in this term, and (not 0) for which loss. */
void mp_raft_peer_lost(struct mp_raft *raft, struct raft_peer *peer, uint64_t loss);

/* raft_elect.c */
/* A new term when it is higher; a follower in any case, whose leader may be RAFT_NOBODY. */
void mp_raft_follow(struct mp_raft *raft, struct mp_env *env, uint64_t term, int leader);
/* An elector that holds what its generation builds on, and all that it ever said. */
bool mp_raft_may_stand(const struct mp_raft *raft);
void mp_raft_leader_heard(struct mp_raft *raft, struct mp_env *env, int leader);
void mp_raft_stand(struct mp_raft *raft, struct mp_env *env);
void mp_raft_campaign(struct mp_raft *raft, struct mp_env *env, bool transfer);
/* A majority of its votes is by electors that count. */
bool mp_raft_cert_counts(const struct mp_raft *raft, const struct mp_leader_cert *cert);
void mp_raft_vote_durable(struct mp_raft *raft, struct mp_env *env);
void mp_raft_elect_tick(struct mp_raft *raft, struct mp_env *env);
int mp_raft_elect_message(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg);

/* raft_repl.c */
void mp_raft_lead(struct mp_raft *raft, struct mp_env *env);
void mp_raft_advance(struct mp_raft *raft, struct mp_env *env);
void mp_raft_lead_tick(struct mp_raft *raft, struct mp_env *env);
mp_time mp_raft_lead_deadline(const struct mp_raft *raft);
int mp_raft_repl_message(
	struct mp_raft *raft, struct mp_env *env, int from, struct mp_msg_raft *msg);

#endif
