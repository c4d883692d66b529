/* SPDX-License-Identifier: Apache-2.0 */
/* Terms and votes. */
#include "core/mutant.h"
#include "core/raft_int.h"

static mp_time
raft_jitter(struct mp_env *env, mp_time span_ms)
{
	return (mp_time)mp_rng_below(&env->rng, (uint64_t)span_ms + 1);
}

static void
raft_wait(struct mp_raft *raft, struct mp_env *env)
{
	mp_time election_ms = env->profile->election_ms;

	raft->made_room = false;
	raft->jitter_ms = raft_jitter(env, election_ms / 2);
	raft->elect_at = env->now_ms + election_ms + raft->jitter_ms;
}

void
mp_raft_follow(struct mp_raft *raft, struct mp_env *env, uint64_t term, int leader)
{
	mp_assert(term >= raft->term);
	if (term > raft->term) {
		raft->term = term;
		raft->voted = RAFT_NOBODY;
		raft->matched = 0;
		mp_raft_put_vote(raft, env);
	}
	if (raft->role == MP_RAFT_LEADER)
		raft->ok_ms = env->now_ms;
	raft->role = MP_RAFT_FOLLOWER;
	raft->leader = leader;
	raft->transfer_to = RAFT_NOBODY;
	raft->by_transfer = false;
	raft->dirty = false;
	raft_wait(raft, env);
}

bool
mp_raft_may_stand(const struct mp_raft *raft)
{
	return mp_raft_founded(raft) && !mp_raft_mirrors(raft) && !mp_raft_lost(raft);
}

void
mp_raft_leader_heard(struct mp_raft *raft, struct mp_env *env, int leader)
{
	mp_assert(raft->role != MP_RAFT_LEADER && leader != raft->self);
	if (raft->role != MP_RAFT_FOLLOWER || raft->leader != leader)
		mp_raft_follow(raft, env, raft->term, leader);
	raft->heard_ms = raft->ok_ms = env->now_ms;
	raft->elect_at = env->now_ms + env->profile->election_ms + raft->jitter_ms;
}

void
mp_raft_hurry(struct mp_raft *raft, struct mp_env *env)
{
	if (raft->started && !raft->corrupt && raft->role == MP_RAFT_FOLLOWER &&
		raft->leader == RAFT_NOBODY && raft->term == MP_TERM_FIRST(raft->who.generation))
		raft->elect_at = env->now_ms;
}

/* ---- standing ---- */

static bool
raft_majority_granted(const struct mp_raft *raft, mp_time now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < raft->elector_count; i++)
		n += raft->peers[i].granted;
	return n >= mp_raft_quorum(raft, now_ms);
}

/* So many have refused that this round cannot be won any more. */
static bool
raft_round_lost(const struct mp_raft *raft, mp_time now_ms)
{
	size_t open = 0;

	for (size_t i = 0; i < raft->elector_count; i++)
		open += raft->peers[i].granted || !raft->peers[i].answered;
	return open < mp_raft_quorum(raft, now_ms);
}

static void
raft_ask(struct mp_raft *raft, struct mp_env *env)
{
	uint64_t last = mp_raft_log_last(&raft->log);
	bool pre = raft->role == MP_RAFT_PRE_CANDIDATE;

	for (size_t i = 0; i < raft->elector_count; i++) {
		struct mp_msg_raft msg = {.kind = pre ? MP_MSG_PREVOTE : MP_MSG_VOTE,
			.term = pre ? raft->term + 1 : raft->term};

		if ((int)i == raft->self || raft->peers[i].answered)
			continue;
		msg.u.vote.last_index = last;
		msg.u.vote.last_term = mp_raft_log_term(&raft->log, last);
		msg.u.vote.transfer = raft->by_transfer;
		mp_raft_say(raft, env, (int)i, &msg, pre ? 0 : raft->rows_seq);
	}
}

static void
raft_round(struct mp_raft *raft, struct mp_env *env, enum mp_raft_role role)
{
	mp_time election_ms = env->profile->election_ms;

	raft->role = role;
	raft->leader = RAFT_NOBODY;
	for (size_t i = 0; i < raft->elector_count; i++) {
		raft->peers[i].answered = raft->peers[i].shut;
		raft->peers[i].granted = false;
	}
	raft->round_until = env->now_ms + election_ms / 2 + raft_jitter(env, election_ms / 4);
	raft->resend_at = env->now_ms + env->profile->heartbeat_ms;
}

void
mp_raft_stand(struct mp_raft *raft, struct mp_env *env)
{
	mp_assert(!raft->corrupt && raft->role != MP_RAFT_LEADER);
	if (raft->elector_count == 1) {
		mp_raft_campaign(raft, env, false);
		return;
	}
	raft_round(raft, env, MP_RAFT_PRE_CANDIDATE);
	raft->peers[raft->self].answered = raft->peers[raft->self].granted = true;
	raft_ask(raft, env);
	if (MP_MUTANT(VIEW_QUORUM) && raft_majority_granted(raft, env->now_ms))
		mp_raft_campaign(raft, env, false);
}

void
mp_raft_campaign(struct mp_raft *raft, struct mp_env *env, bool transfer)
{
	mp_assert(!raft->corrupt && raft->role != MP_RAFT_LEADER);
	raft->term++;
	raft->voted = raft->self;
	mp_raft_put_vote(raft, env);
	raft_round(raft, env, MP_RAFT_CANDIDATE);
	raft->by_transfer = transfer;
	raft_ask(raft, env);
	if (raft->rows_seq <= mp_out_durable(env->out))
		mp_raft_vote_durable(raft, env);
}

static void
raft_vote_make(
	const struct mp_raft *raft, const struct mp_env *env, int candidate, struct mp_vote *vote)
{
	*vote = (struct mp_vote){.cluster = env->cluster,
		.run = raft->log.run,
		.generation = raft->who.generation,
		.naming = raft->who.naming,
		.term = raft->term,
		.candidate = raft->peers[candidate].id};
}

/* The votes of this round become the certificate of its term. */
static void
raft_certify(struct mp_raft *raft)
{
	struct mp_leader_cert cert = {.run = raft->log.run,
		.generation = raft->who.generation,
		.term = raft->term,
		.leader = raft->peers[raft->self].id};
	struct mp_buf buf = {.p = raft->cert, .cap = sizeof(raft->cert), .max = sizeof(raft->cert)};
	int rc;

	for (size_t i = 0; i < raft->elector_count; i++) {
		if (!raft->peers[i].granted)
			continue;
		cert.votes[cert.vote_count].elector = (uint32_t)i;
		cert.votes[cert.vote_count++].sig = raft->peers[i].sig;
	}
	rc = mp_leader_cert_encode(&buf, &cert);
	mp_assert(rc == 0);
	raft->cert_size = buf.n;
	raft->cert_term = raft->term;
	raft->cert_leader = raft->self;
}

static void
raft_count(struct mp_raft *raft, struct mp_env *env)
{
	if (!raft_majority_granted(raft, env->now_ms)) {
		if (raft_round_lost(raft, env->now_ms)) {
			/* Whoever waits least wins the next one. */
			mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
			raft->elect_at = env->now_ms + env->profile->heartbeat_ms / 4 +
					 raft_jitter(env, env->profile->election_ms / 2);
		}
		return;
	}
	if (raft->role == MP_RAFT_PRE_CANDIDATE) {
		mp_raft_campaign(raft, env, false);
		return;
	}
	raft_certify(raft);
	mp_raft_lead(raft, env);
}

/* A candidate's own vote counts as anyone's: once it is on disk. */
void
mp_raft_vote_durable(struct mp_raft *raft, struct mp_env *env)
{
	struct raft_peer *self = &raft->peers[raft->self];
	struct mp_vote vote;

	mp_assert(raft->role == MP_RAFT_CANDIDATE && raft->voted == raft->self);
	if (self->granted)
		return;
	raft_vote_make(raft, env, raft->self, &vote);
	mp_vote_sign(env->crypto, env->secret, &vote, &self->sig);
	self->answered = self->granted = true;
	raft_count(raft, env);
}

void
mp_raft_elect_tick(struct mp_raft *raft, struct mp_env *env)
{
	if (raft->role == MP_RAFT_FOLLOWER) {
		if (env->now_ms < raft->elect_at)
			return;
		if (mp_raft_may_stand(raft))
			mp_raft_stand(raft, env);
		else
			mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
		return;
	}
	if (env->now_ms >= raft->round_until) {
		mp_raft_stand(raft, env);
	} else if (env->now_ms >= raft->resend_at) {
		raft->resend_at = env->now_ms + env->profile->heartbeat_ms;
		raft_ask(raft, env);
	}
}

/* ---- voting ---- */

/* A leader may still rely on this elector not to help another one. */
static bool
raft_bound(const struct mp_raft *raft, const struct mp_env *env)
{
	return raft->role == MP_RAFT_LEADER || env->now_ms < raft->quiet_until ||
	       (raft->leader != RAFT_NOBODY &&
		       env->now_ms - raft->heard_ms < env->profile->election_ms);
}

/* The candidate's log holds all that this one's may have helped to commit. */
static bool
raft_log_suffices(const struct mp_raft *raft, const struct mp_msg_raft *msg)
{
	uint64_t last = mp_raft_log_last(&raft->log);
	uint64_t last_term = mp_raft_log_term(&raft->log, last);

	return msg->u.vote.last_term > last_term ||
	       (msg->u.vote.last_term == last_term && msg->u.vote.last_index >= last);
}

static int
raft_on_prevote(struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct mp_msg_raft ack = {.kind = MP_MSG_PREVOTE_ACK, .term = msg->term};
	bool bound = raft_bound(raft, env);
	bool suffices = raft_log_suffices(raft, msg);

	ack.u.voted.granted = !bound && suffices && msg->term > raft->term && !mp_raft_lost(raft);
	ack.u.voted.own_term = raft->term;
	if (raft->role == MP_RAFT_FOLLOWER && !bound) {
		/* Make room for who comes first, unless this log is the better one; but once
		 * only, for it may be one who is heard and hears nobody. */
		mp_time room = env->now_ms + env->profile->heartbeat_ms;

		if (ack.u.voted.granted && raft->elect_at < room && !raft->made_room) {
			raft->elect_at = room;
			raft->made_room = true;
		}
		if (!suffices && raft->elect_at > room)
			raft->elect_at = env->now_ms + raft_jitter(env, env->profile->heartbeat_ms);
	}
	mp_raft_say(raft, env, from, &ack, raft->rows_seq);
	return 0;
}

static int
raft_on_vote(struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct mp_msg_raft ack = {.kind = MP_MSG_VOTE_ACK};
	struct mp_vote vote;

	/* One who is bound does not even take the term over: nothing that it follows is disturbed.
	 */
	if (msg->term > raft->term && (msg->u.vote.transfer || !raft_bound(raft, env)))
		mp_raft_follow(raft, env, msg->term, RAFT_NOBODY);
	if (msg->term == raft->term && raft_counts(raft) && raft_log_suffices(raft, msg) &&
		(raft->voted == from ||
			(raft->voted == RAFT_NOBODY && raft->leader == RAFT_NOBODY))) {
		if (raft->voted == RAFT_NOBODY) {
			raft->voted = from;
			mp_raft_put_vote(raft, env);
			mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
		}
		raft_vote_make(raft, env, from, &vote);
		mp_vote_sign(env->crypto, env->secret, &vote, &ack.u.voted.sig);
		ack.u.voted.granted = true;
	}
	ack.term = raft->term;
	mp_raft_say(raft, env, from, &ack, raft->rows_seq);
	return 0;
}

/* ---- counting ---- */

static int
raft_on_prevote_ack(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct raft_peer *peer = &raft->peers[from];

	if (raft->role != MP_RAFT_PRE_CANDIDATE || msg->term != raft->term + 1)
		return 0;
	if (!msg->u.voted.granted && msg->u.voted.own_term > raft->term) {
		/* Its term is where to go on from, soon. */
		mp_raft_follow(raft, env, msg->u.voted.own_term, RAFT_NOBODY);
		raft->elect_at = env->now_ms + raft_jitter(env, env->profile->heartbeat_ms);
		return 0;
	}
	peer->answered = true;
	peer->granted = msg->u.voted.granted;
	raft_count(raft, env);
	return 0;
}

static int
raft_on_vote_ack(struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct raft_peer *peer = &raft->peers[from];
	struct mp_vote vote;
	int rc;

	if (msg->term > raft->term) {
		mp_raft_follow(raft, env, msg->term, RAFT_NOBODY);
		return 0;
	}
	if (raft->role != MP_RAFT_CANDIDATE || msg->term != raft->term || peer->granted)
		return 0;
	if (msg->u.voted.granted) {
		raft_vote_make(raft, env, raft->self, &vote);
		rc = mp_vote_verify(env->crypto, &vote, &peer->id, &msg->u.voted.sig);
		if (rc != 0)
			return rc;
		peer->sig = msg->u.voted.sig;
	}
	peer->answered = true;
	peer->granted = msg->u.voted.granted;
	raft_count(raft, env);
	return 0;
}

static int
raft_on_timeout_now(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	if (msg->term != raft->term || raft->leader != from)
		return MP_EAUTH;
	if (raft->role == MP_RAFT_FOLLOWER && mp_raft_may_stand(raft))
		mp_raft_campaign(raft, env, true);
	return 0;
}

/* ---- who is shut out ---- */

bool
mp_raft_cert_counts(const struct mp_raft *raft, const struct mp_leader_cert *cert)
{
	size_t n = 0;

	for (size_t i = 0; i < cert->vote_count; i++)
		n += !raft->peers[cert->votes[i].elector].shut;
	return n > raft->elector_count / 2;
}

void
mp_raft_shut(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *id)
{
	size_t i = 0;

	while (i < raft->peer_count && !mp_node_id_eq(&raft->peers[i].id, id))
		i++;
	if (i == raft->peer_count || raft_skips(raft, i))
		return;
	raft->peers[i].shut = raft->peers[i].answered = true;
	raft->peers[i].granted = false;
	if (!raft->started || raft->corrupt)
		return;
	if (raft->leader == (int)i) {
		mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
		raft->elect_at = env->now_ms + raft_jitter(env, env->profile->heartbeat_ms);
	} else if (raft->role == MP_RAFT_LEADER && raft->elector_count > 1 &&
		   !raft_majority_granted(raft, env->now_ms)) {
		mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
		mp_raft_campaign(raft, env, true);
	}
}

int
mp_raft_elect_message(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	switch (msg->kind) {
	case MP_MSG_PREVOTE:
		return raft_on_prevote(raft, env, from, msg);
	case MP_MSG_VOTE:
		return raft_on_vote(raft, env, from, msg);
	case MP_MSG_PREVOTE_ACK:
		return raft_on_prevote_ack(raft, env, from, msg);
	case MP_MSG_VOTE_ACK:
		return raft_on_vote_ack(raft, env, from, msg);
	case MP_MSG_TIMEOUT_NOW:
		return raft_on_timeout_now(raft, env, from, msg);
	case MP_MSG_APPEND:
	case MP_MSG_APPEND_ACK:
	case MP_MSG_PULSE_RECORD:
	case MP_MSG_PULSE_ACK_RECORD:
	case MP_MSG_PULSE:
	case MP_MSG_PULSE_ACK:
		break;
	}
	mp_unreachable();
}
