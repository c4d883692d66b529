/* SPDX-License-Identifier: Apache-2.0 */
/* Entries, what a majority holds of them, and whether a majority still listens. */
#include "codec/record_work.h"
#include "core/mutant.h"
#include "core/raft_int.h"

/* ---- majorities ---- */

/* What a majority has reached, of one number for each elector. */
static int64_t
raft_reached(const struct mp_raft *raft, int64_t v[MP_ELECTORS_MAX], mp_time now_ms)
{
	for (size_t i = 1; i < raft->elector_count; i++) {
		int64_t x = v[i];
		size_t k = i;

		for (; k > 0 && v[k - 1] < x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
	return v[mp_raft_quorum(raft, now_ms) - 1];
}

static uint64_t
raft_held(const struct mp_raft *raft, mp_time now_ms)
{
	int64_t v[MP_ELECTORS_MAX];

	for (size_t i = 0; i < raft->elector_count; i++)
		v[i] = (int64_t)((int)i == raft->self                 ? raft->durable
				 : !raft_peer_counts(&raft->peers[i]) ? 0
								      : raft->peers[i].match);
	return (uint64_t)raft_reached(raft, v, now_ms);
}

static mp_time
raft_heard(const struct mp_raft *raft)
{
	int64_t v[MP_ELECTORS_MAX];

	for (size_t i = 0; i < raft->elector_count; i++)
		v[i] = (int)i == raft->self                 ? INT64_MAX
		       : !raft_peer_counts(&raft->peers[i]) ? RAFT_LONG_AGO
							    : raft->peers[i].heard_ms;
	return raft_reached(raft, v, INT64_MAX);
}

static mp_time
raft_lease(const struct mp_raft *raft, mp_time now_ms)
{
	int64_t v[MP_ELECTORS_MAX];

	for (size_t i = 0; i < raft->elector_count; i++)
		v[i] = (int)i == raft->self                 ? INT64_MAX
		       : !raft_peer_counts(&raft->peers[i]) ? RAFT_LONG_AGO
							    : raft->peers[i].acked_ms;
	return raft_reached(raft, v, now_ms);
}

void
mp_raft_advance(struct mp_raft *raft, struct mp_env *env)
{
	uint64_t held = raft_held(raft, env->now_ms);

	mp_assert(raft->role == MP_RAFT_LEADER);
	if (held <= raft->commit)
		return;
	/* Entries of older terms are committed by one of this term that follows (section 3.6.2). */
	if (mp_raft_log_term(&raft->log, held) != raft->term && !MP_MUTANT(OLD_TERM_COMMIT))
		return;
	raft->commit = held;
	raft->commit_ms = env->now_ms;
}

/* ---- leading ---- */

static void
raft_unlead(struct mp_raft *raft, struct mp_env *env)
{
	mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
}

/* Begins again with a peer, from where it can be known to be. */
static void
raft_peer_probe(struct mp_raft *raft, struct raft_peer *peer)
{
	if (!peer->probing && peer->match > 0)
		peer->next = peer->match + 1;
	else if (!peer->probing && peer->next > raft->lead_next)
		peer->next = raft->lead_next;
	peer->probing = true;
	peer->unanswered = 0;
	peer->fresh = raft->append_seq + 1;
	peer->resend_at = MP_TIME_NEVER;
}

/* The first entry of a term: with it all before it become committed. */
static int
raft_term_start(struct mp_raft *raft, struct mp_env *env)
{
	uint8_t bytes[MP_LEADER_CERT_MAX + 64];
	struct mp_buf body = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	int rc = mp_body_term_start_encode(&body, &env->self, mp_raft_certificate(raft));

	mp_assert(rc == 0);
	if (MP_MUTANT(NO_TERM_START)) {
		raft->term_start = 0;
		return 0;
	}
	rc = mp_raft_log_make(&raft->log, mp_out_scratch(env->out), raft->term, MP_ENTRY_TERM_START,
		env->wall_ms, mp_buf_span(&body));
	if (rc != 0)
		return rc;
	raft->term_start = mp_raft_log_last(&raft->log);
	mp_raft_put_entries(raft, env, raft->term_start);
	return 0;
}

void
mp_raft_lead(struct mp_raft *raft, struct mp_env *env)
{
	mp_assert(raft->cert_term == raft->term);
	raft->role = MP_RAFT_LEADER;
	raft->leader = raft->self;
	raft->transfer_to = RAFT_NOBODY;
	raft->ok_ms = env->now_ms;
	for (size_t i = 0; i < raft->peer_count; i++) {
		struct raft_peer *peer = &raft->peers[i];

		peer->probing = peer->cert_known = peer->silent = false;
		peer->unanswered = peer->backoff = 0;
		peer->match = peer->loss = peer->returned = 0;
		peer->next = mp_raft_log_last(&raft->log) + 1;
		peer->fresh = raft->append_seq + 1;
		peer->match_ms = peer->heard_ms = env->now_ms;
		peer->acked_ms = RAFT_LONG_AGO;
		peer->resend_at = MP_TIME_NEVER;
	}
	raft->lead_next = mp_raft_log_last(&raft->log) + 1;
	if (raft_term_start(raft, env) != 0) {
		raft_unlead(raft, env);
		return;
	}
	raft->dirty = true;
	mp_raft_flush(raft, env);
}

int
mp_raft_propose(struct mp_raft *raft, struct mp_env *env, enum mp_entry_kind kind,
	struct mp_span body, uint64_t *index)
{
	bool ends = kind == MP_ENTRY_END || kind == MP_ENTRY_CANCEL || kind == MP_ENTRY_SKIP;
	int rc;

	if (raft->role != MP_RAFT_LEADER || raft->transfer_to != RAFT_NOBODY)
		return MP_ENOTLEADER;
	if (!ends && mp_raft_log_full(&raft->log, body.n + MP_ENTRY_OVERHEAD, RAFT_SPARE))
		return MP_ELIMIT;
	rc = mp_raft_log_make(
		&raft->log, mp_out_scratch(env->out), raft->term, kind, env->wall_ms, body);
	if (rc != 0)
		return rc;
	mp_raft_put_entries(raft, env, mp_raft_log_last(&raft->log));
	raft->dirty = true;
	if (index != NULL)
		*index = mp_raft_log_last(&raft->log);
	return 0;
}

/* ---- sending ---- */

static mp_time
raft_resend_ms(const struct mp_env *env, const struct raft_peer *peer)
{
	return (env->profile->election_ms / 2) << peer->backoff;
}

/* Entries from prev + 1 on, as many as one message takes; how many. */
static size_t
raft_send(struct mp_raft *raft, struct mp_env *env, int to, uint64_t prev, size_t max)
{
	struct mp_span entries[MP_APPEND_ENTRIES_MAX];
	struct raft_peer *peer = &raft->peers[to];
	uint64_t last = mp_raft_log_last(&raft->log);
	struct mp_msg_raft msg = {.kind = MP_MSG_APPEND, .term = raft->term};
	size_t n = 0, bytes = 0;

	while (n < max && prev + n < last) {
		const struct mp_log_slot *slot = mp_raft_log_at(&raft->log, prev + n + 1);

		bytes += slot->size;
		if (n > 0 && bytes > MP_APPEND_BYTES_MAX)
			break;
		entries[n++] = mp_log_slot_bytes(slot);
	}
	msg.u.append.seq = ++raft->append_seq;
	msg.u.append.sent_ms = env->now_ms;
	msg.u.append.prev_index = prev;
	msg.u.append.prev_hash = *mp_raft_log_hash(&raft->log, prev);
	msg.u.append.commit = raft->commit;
	if (!peer->cert_known)
		msg.u.append.certificate = mp_span(raft->cert, raft->cert_size);
	msg.u.append.entries = entries;
	msg.u.append.entry_count = n;
	mp_raft_say(raft, env, to, &msg, 0);
	peer->unanswered++;
	if (peer->resend_at == MP_TIME_NEVER)
		peer->resend_at = env->now_ms + raft_resend_ms(env, peer);
	return n;
}

static void
raft_replicate(struct mp_raft *raft, struct mp_env *env, int to)
{
	struct raft_peer *peer = &raft->peers[to];
	uint64_t last = mp_raft_log_last(&raft->log);
	size_t max = env->profile->append_max;

	mp_assert(peer->next >= 1 && peer->next <= last + 1);
	if (peer->probing) {
		if (peer->unanswered == 0)
			(void)raft_send(raft, env, to, peer->next - 1, 0);
		return;
	}
	while (peer->next <= last && peer->unanswered < MP_APPEND_UNANSWERED_MAX)
		peer->next += raft_send(raft, env, to, peer->next - 1,
			max == 0 || max > MP_APPEND_ENTRIES_MAX ? MP_APPEND_ENTRIES_MAX : max);
}

void
mp_raft_flush(struct mp_raft *raft, struct mp_env *env)
{
	if (!raft->dirty)
		return;
	raft->dirty = false;
	if (raft->role != MP_RAFT_LEADER)
		return;
	for (size_t i = 0; i < raft->peer_count; i++)
		if (!raft_skips(raft, i))
			raft_replicate(raft, env, (int)i);
}

void
mp_raft_link(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *peer_id, bool up)
{
	if (raft->role != MP_RAFT_LEADER || raft->corrupt)
		return;
	for (size_t i = 0; i < raft->peer_count; i++) {
		struct raft_peer *peer = &raft->peers[i];

		if (raft_skips(raft, i) || !mp_node_id_eq(&peer->id, peer_id))
			continue;
		if (!up && peer->unanswered > 0) {
			raft_peer_probe(raft, peer);
			peer->resend_at = env->now_ms + raft_resend_ms(env, peer);
		} else if (up && peer->probing) {
			peer->backoff = 0;
			raft_peer_probe(raft, peer);
			raft_replicate(raft, env, (int)i);
		}
	}
}

/* ---- following ---- */

static int
raft_refuse(struct mp_raft *raft, struct mp_env *env, int to, const struct mp_msg_raft *msg,
	uint64_t hint)
{
	struct mp_msg_raft ack = {
		.kind = MP_MSG_APPEND_ACK, .term = msg->term > raft->term ? msg->term : raft->term};

	ack.u.appended.seq = msg->u.append.seq;
	ack.u.appended.sent_ms = msg->u.append.sent_ms;
	ack.u.appended.hint = hint;
	ack.u.appended.loss = raft_counts(raft) ? 0 : raft->loss;
	mp_raft_say(raft, env, to, &ack, raft->rows_seq);
	return 0;
}

/* Is the sender this term's leader? The first message of a term proves it by a certificate. */
static int
raft_accept_leader(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct mp_span bytes = msg->u.append.certificate;
	struct mp_leader_cert cert;
	int rc = mp_leader_cert_verify(env->crypto, bytes, &raft->who, &cert);

	if (rc != 0)
		return rc;
	if (cert.term != msg->term || !mp_raft_cert_counts(raft, &cert) ||
		!mp_node_id_eq(&cert.leader, &raft->peers[from].id))
		return MP_EAUTH;
	mp_assert(raft->role != MP_RAFT_LEADER || msg->term > raft->term);
	mp_raft_follow(raft, env, msg->term, from);
	mp_assert(bytes.n <= sizeof(raft->cert));
	memcpy(raft->cert, bytes.p, bytes.n);
	raft->cert_size = bytes.n;
	raft->cert_term = raft->term;
	raft->cert_leader = from;
	return 0;
}

/* One entry of a message that may be here, be next, or contradict what is here. */
static int
raft_take(struct mp_raft *raft, struct mp_env *env, uint64_t index, struct mp_span bytes,
	bool *appended)
{
	const struct mp_log_slot *slot;
	struct mp_entry entry;
	int rc;

	if (index <= mp_raft_log_last(&raft->log)) {
		slot = mp_raft_log_at(&raft->log, index);
		if (mp_span_eq(mp_log_slot_bytes(slot), bytes))
			return 0;
	}
	rc = mp_raft_log_check(&raft->log, index, bytes, &entry);
	if (rc == 0 && entry.term > raft->term)
		rc = MP_ECORRUPT;
	if (rc != 0)
		return rc;
	if (index <= raft->commit) {
		mp_raft_contradicted(raft, env);
		return MP_ECORRUPT;
	}
	if (index <= mp_raft_log_last(&raft->log))
		mp_raft_drop_entries(raft, env, index - 1);
	rc = mp_raft_log_append(&raft->log, &entry, bytes);
	*appended = rc == 0;
	return rc;
}

/* As follower: its leader knows that all up to here is committed, and it holds that. */
static void
raft_commit_to(struct mp_raft *raft, struct mp_env *env, uint64_t index)
{
	uint64_t before = raft->commit;

	if (index <= before)
		return;
	raft->commit = index;
	raft->commit_ms = env->now_ms;
	mp_raft_regain(raft, env, before);
}

static int
raft_take_all(struct mp_raft *raft, struct mp_env *env, int from, struct mp_msg_raft *msg)
{
	struct mp_msg_raft ack = {.kind = MP_MSG_APPEND_ACK, .term = raft->term};
	uint64_t index = msg->u.append.prev_index;
	uint64_t first = 0;
	struct mp_span bytes;
	bool appended = false;
	int rc = 0;

	while (mp_msg_raft_entry(msg, &bytes)) {
		rc = raft_take(raft, env, index + 1, bytes, &appended);
		if (rc != 0)
			break;
		index++;
		if (first == 0 && appended)
			first = index;
	}
	if (first != 0)
		mp_raft_put_entries(raft, env, first);
	if (raft->corrupt)
		return rc;
	if (index > raft->matched)
		raft->matched = index;
	raft_commit_to(raft, env, msg->u.append.commit < index ? msg->u.append.commit : index);
	ack.u.appended.loss = raft_counts(raft) ? 0 : raft->loss;
	ack.u.appended.seq = msg->u.append.seq;
	ack.u.appended.sent_ms = msg->u.append.sent_ms;
	ack.u.appended.ok = true;
	ack.u.appended.match_index = index;
	mp_raft_say(raft, env, from, &ack, MP_MUTANT(ACK_NOT_SYNCED) ? 0 : raft->rows_seq);
	return rc;
}

static int
raft_on_append(struct mp_raft *raft, struct mp_env *env, int from, struct mp_msg_raft *msg)
{
	uint64_t prev = msg->u.append.prev_index;
	uint64_t last = mp_raft_log_last(&raft->log);
	uint64_t hint;
	int rc;

	if (msg->term < raft->term)
		return raft_refuse(raft, env, from, msg, last);
	if (raft->cert_term == msg->term) {
		if (raft->cert_leader != from)
			return MP_EAUTH;
	} else {
		if (msg->u.append.certificate.n == 0)
			return raft_refuse(raft, env, from, msg, last);
		rc = raft_accept_leader(raft, env, from, msg);
		if (rc != 0)
			return rc;
	}
	mp_raft_leader_heard(raft, env, from);
	if (prev > last)
		return raft_refuse(raft, env, from, msg, last);
	if (!mp_hash_eq(&msg->u.append.prev_hash, mp_raft_log_hash(&raft->log, prev))) {
		if (prev <= raft->commit) {
			mp_raft_contradicted(raft, env);
			return MP_ECORRUPT;
		}
		hint = mp_raft_log_term_first(&raft->log, prev) - 1;
		return raft_refuse(raft, env, from, msg, hint > raft->commit ? hint : raft->commit);
	}
	return raft_take_all(raft, env, from, msg);
}

/* ---- hearing answers ---- */

static void
raft_transfer_step(struct mp_raft *raft, struct mp_env *env)
{
	struct mp_msg_raft msg = {.kind = MP_MSG_TIMEOUT_NOW, .term = raft->term};

	if (raft->transfer_to == RAFT_NOBODY || raft->transfer_told ||
		raft->peers[raft->transfer_to].match < mp_raft_log_last(&raft->log))
		return;
	raft->transfer_told = true;
	mp_raft_say(raft, env, raft->transfer_to, &msg, 0);
}

static void
raft_peer_heard(struct raft_peer *peer, const struct mp_env *env, mp_time sent_ms)
{
	peer->heard_ms = env->now_ms;
	if (sent_ms > peer->acked_ms && sent_ms <= env->now_ms)
		peer->acked_ms = sent_ms;
	if (peer->backoff > 0) {
		peer->backoff = 0;
		if (peer->resend_at != MP_TIME_NEVER)
			peer->resend_at = env->now_ms;
	}
}

static void
raft_on_appended_ok(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct raft_peer *peer = &raft->peers[from];
	uint64_t match = msg->u.appended.match_index;

	peer->cert_known = true;
	if (match > peer->match) {
		peer->match = match;
		peer->match_ms = env->now_ms;
		mp_raft_advance(raft, env);
	}
	if (peer->next <= match)
		peer->next = match + 1;
	if (msg->u.appended.seq >= peer->fresh) {
		peer->probing = false;
		if (peer->unanswered > 0)
			peer->unanswered--;
	}
	/* It may have taken less than it was sent: then once more, but not at once. */
	peer->resend_at = peer->unanswered == 0 && peer->next == peer->match + 1
				  ? MP_TIME_NEVER
				  : env->now_ms + raft_resend_ms(env, peer);
	raft_replicate(raft, env, from);
	raft_transfer_step(raft, env);
}

static int
raft_on_append_ack(
	struct mp_raft *raft, struct mp_env *env, int from, const struct mp_msg_raft *msg)
{
	struct raft_peer *peer = &raft->peers[from];
	uint64_t last = mp_raft_log_last(&raft->log);
	uint64_t next;

	if (msg->term > raft->term) {
		mp_raft_follow(raft, env, msg->term, RAFT_NOBODY);
		return 0;
	}
	if (raft->role != MP_RAFT_LEADER || msg->term != raft->term)
		return 0;
	if (msg->u.appended.match_index > last || msg->u.appended.seq > raft->append_seq)
		return MP_EFORMAT;
	if (msg->u.appended.loss != 0)
		mp_raft_peer_lost(raft, peer, msg->u.appended.loss);
	else if (peer->silent)
		return 0; /* from before its loss */
	raft_peer_heard(peer, env, msg->u.appended.sent_ms);
	if (msg->u.appended.ok) {
		raft_on_appended_ok(raft, env, from, msg);
		return 0;
	}
	if (msg->u.appended.seq < peer->fresh)
		return 0;
	next = msg->u.appended.hint + 1 < peer->next ? msg->u.appended.hint + 1 : peer->next;
	if (next == peer->next && !peer->cert_known && peer->probing)
		return 0; /* it has had all we can say: once more at resend_at */
	peer->cert_known = false;
	raft_peer_probe(raft, peer);
	peer->next = next;
	raft_replicate(raft, env, from);
	return 0;
}

int
mp_raft_repl_message(struct mp_raft *raft, struct mp_env *env, int from, struct mp_msg_raft *msg)
{
	if (msg->kind == MP_MSG_APPEND)
		return raft_on_append(raft, env, from, msg);
	return raft_on_append_ack(raft, env, from, msg);
}

/* ---- heartbeats ---- */

static int
raft_other(const struct mp_raft *raft, const struct mp_node_id *id)
{
	for (size_t i = 0; i < raft->peer_count; i++)
		if ((int)i != raft->self && mp_node_id_eq(&raft->peers[i].id, id))
			return (int)i;
	return RAFT_NOBODY;
}

bool
mp_raft_heard_leader(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *leader,
	uint64_t term, uint64_t commit)
{
	int who = raft_other(raft, leader);
	uint64_t holds;

	if (raft->corrupt || !raft->started || who == RAFT_NOBODY || term == 0 || term < raft->term)
		return false;
	if (term > raft->term)
		mp_raft_follow(raft, env, term, RAFT_NOBODY);
	if (raft->role == MP_RAFT_LEADER || (raft->leader != RAFT_NOBODY && raft->leader != who))
		return false;
	mp_raft_leader_heard(raft, env, who);
	/* What the leader knows us to hold, it learned in this term, and it does not change; but
	 * for what we had lost when it learned that. */
	holds = mp_raft_lost(raft) ? raft->matched : mp_raft_log_last(&raft->log);
	if (commit <= holds)
		raft_commit_to(raft, env, commit);
	return raft_counts(raft);
}

void
mp_raft_heard_follower(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *follower,
	uint64_t term, mp_time sent_ms)
{
	int who = raft_other(raft, follower);

	if (raft->corrupt || !raft->started || who == RAFT_NOBODY)
		return;
	if (term > raft->term)
		mp_raft_follow(raft, env, term, RAFT_NOBODY);
	else if (term == raft->term && raft->role == MP_RAFT_LEADER)
		raft_peer_heard(&raft->peers[who], env, sent_ms);
}

void
mp_raft_heard_lost(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *follower,
	uint64_t term, mp_time sent_ms)
{
	int who = raft_other(raft, follower);
	struct raft_peer *peer = &raft->peers[who == RAFT_NOBODY ? 0 : who];

	if (raft->role != MP_RAFT_LEADER || raft->corrupt || who == RAFT_NOBODY ||
		term != raft->term)
		return;
	raft_peer_heard(peer, env, sent_ms);
	mp_raft_peer_lost(raft, peer, 0);
}

void
mp_raft_heard_unknown(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *follower)
{
	int who = raft_other(raft, follower);

	if (raft->role != MP_RAFT_LEADER || raft->corrupt || who == RAFT_NOBODY ||
		raft->peers[who].unanswered > 0)
		return;
	raft_peer_probe(raft, &raft->peers[who]);
	raft_replicate(raft, env, who);
}

bool
mp_raft_heartbeat(
	const struct mp_raft *raft, const struct mp_node_id *to, uint64_t *term, uint64_t *commit)
{
	int who = raft_other(raft, to);

	if (raft->role != MP_RAFT_LEADER || raft->corrupt || who == RAFT_NOBODY)
		return false;
	*term = raft->term;
	*commit = raft->commit < raft->peers[who].match ? raft->commit : raft->peers[who].match;
	return true;
}

/* ---- time, as leader ---- */

void
mp_raft_lead_tick(struct mp_raft *raft, struct mp_env *env)
{
	mp_time heard = raft_heard(raft);

	if (heard <= env->now_ms - env->profile->election_ms) {
		raft_unlead(raft, env);
		raft->ok_ms = heard;
		return;
	}
	if (raft->transfer_to != RAFT_NOBODY && env->now_ms >= raft->transfer_until) {
		/* Once told, the other may take over at any time: no lease can be relied on. */
		if (raft->transfer_told) {
			raft_unlead(raft, env);
			return;
		}
		raft->transfer_to = RAFT_NOBODY;
	}
	for (size_t i = 0; i < raft->peer_count; i++) {
		struct raft_peer *peer = &raft->peers[i];

		if (raft_skips(raft, i) || env->now_ms < peer->resend_at)
			continue;
		if (peer->backoff < RAFT_BACKOFF_MAX)
			peer->backoff++;
		raft_peer_probe(raft, peer);
		raft_replicate(raft, env, (int)i);
	}
	mp_raft_flush(raft, env);
}

mp_time
mp_raft_lead_deadline(const struct mp_raft *raft)
{
	mp_time heard = raft_heard(raft);
	mp_time at = heard == INT64_MAX ? MP_TIME_NEVER : heard + raft->election_ms;

	if (raft->dirty)
		return 0;
	if (raft->transfer_to != RAFT_NOBODY && raft->transfer_until < at)
		at = raft->transfer_until;
	for (size_t i = 0; i < raft->peer_count; i++)
		if (!raft_skips(raft, i) && raft->peers[i].resend_at < at)
			at = raft->peers[i].resend_at;
	return at;
}

/* ---- what a leader may do ---- */

bool
mp_raft_may_dispatch(const struct mp_raft *raft, mp_time now_ms)
{
	return raft->role == MP_RAFT_LEADER && !raft->corrupt && raft->transfer_to == RAFT_NOBODY &&
	       raft->commit >= raft->term_start &&
	       raft_lease(raft, now_ms) > now_ms - raft->lease_ms * (MP_MUTANT(LONG_LEASE) ? 3 : 1);
}

bool
mp_raft_settled(const struct mp_raft *raft)
{
	uint64_t last = mp_raft_log_last(&raft->log);

	if (raft->role != MP_RAFT_LEADER || raft->commit != last)
		return false;
	for (size_t i = 0; i < raft->peer_count; i++) {
		const struct raft_peer *peer = &raft->peers[i];

		if (!raft_skips(raft, i) &&
			(peer->match != last || peer->acked_ms <= raft->commit_ms ||
				peer->acked_ms <= peer->match_ms))
			return false;
	}
	return true;
}

mp_time
mp_raft_stalled_since(const struct mp_raft *raft)
{
	/* A leader and a follower stop being one when they miss the others for too long. */
	return raft->leader != RAFT_NOBODY || raft->corrupt ? MP_TIME_NEVER : raft->ok_ms;
}

bool
mp_raft_transfer(struct mp_raft *raft, struct mp_env *env, uint32_t avoid)
{
	int best = RAFT_NOBODY;

	if (raft->role != MP_RAFT_LEADER || raft->transfer_to != RAFT_NOBODY)
		return raft->transfer_to != RAFT_NOBODY;
	for (size_t i = 0; i < raft->elector_count; i++) {
		const struct raft_peer *peer = &raft->peers[i];

		if (raft_skips(raft, i) || peer->silent || (avoid & 1u << i) != 0 ||
			env->now_ms - peer->heard_ms >= env->profile->election_ms)
			continue;
		if (best == RAFT_NOBODY || peer->match > raft->peers[best].match)
			best = (int)i;
	}
	if (best == RAFT_NOBODY)
		return false;
	raft->transfer_to = best;
	raft->transfer_told = false;
	raft->transfer_until = env->now_ms + env->profile->election_ms;
	raft->dirty = true;
	mp_raft_flush(raft, env);
	raft_transfer_step(raft, env);
	return true;
}
