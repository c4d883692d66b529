/* SPDX-License-Identifier: Apache-2.0 */
#include "core/raft.h"

#include "core/mutant.h"
#include "core/raft_int.h"

#define VOTE_KEY_SIZE  16
#define ENTRY_KEY_SIZE 24

/* ---- life ---- */

int
mp_raft_new(struct mp_env *env, const struct mp_raft_config *config, struct mp_raft **out)
{
	struct mp_raft *raft = mp_realloc(env->alloc, NULL, 0, sizeof(*raft));

	const struct mp_electorate *who = config->who;

	mp_assert(who->elector_count <= MP_ELECTORS_MAX && who->elector_count % 2 == 1);
	if (raft == NULL)
		return MP_ENOMEM;
	*raft = (struct mp_raft){.alloc = env->alloc,
		.who = *who,
		.term = MP_TERM_FIRST(who->generation),
		.election_ms = env->profile->election_ms,
		.lease_ms = env->profile->lease_ms,
		.elector_count = who->elector_count,
		.peer_count = who->elector_count + who->mirrored,
		.self = RAFT_NOBODY,
		.voted = RAFT_NOBODY,
		.leader = RAFT_NOBODY,
		.transfer_to = RAFT_NOBODY,
		.elect_at = MP_TIME_NEVER,
		.heard_ms = RAFT_LONG_AGO,
		.quiet_until = RAFT_LONG_AGO};
	for (size_t i = 0; i < raft->peer_count; i++) {
		raft->peers[i].id = i < who->elector_count ? who->electors[i] : who->mirror;
		if (mp_node_id_eq(&raft->peers[i].id, &env->self))
			raft->self = (int)i;
	}
	mp_assert(raft->self != RAFT_NOBODY);
	mp_raft_log_init(&raft->log, env->alloc, env->crypto, &who->run, &config->record_hash);
	*out = raft;
	return 0;
}

void
mp_raft_free(struct mp_raft *raft)
{
	if (raft == NULL)
		return;
	mp_raft_log_fini(&raft->log);
	mp_dealloc(raft->alloc, raft, sizeof(*raft));
}

static int
raft_find(const struct mp_raft *raft, const struct mp_node_id *id)
{
	for (size_t i = 0; i < raft->peer_count; i++)
		if (mp_node_id_eq(&raft->peers[i].id, id))
			return (int)i;
	return RAFT_NOBODY;
}

/* What stands before the bytes of a row, so that damage shows: of an entry the beginning of its
 * hash, of a vote that of the hash of key and bytes. */
static struct mp_hash
vote_sum(const struct mp_raft *raft, struct mp_span bytes)
{
	struct mp_span parts[] = {mp_span(raft->log.run.b, VOTE_KEY_SIZE), bytes};
	struct mp_hash sum;

	raft->log.crypto->hash(&sum, parts, 2);
	return sum;
}

/* The row of a vote: a sum, then [generation, term, voted32|null], and of an elector that has lost
 * what it had also [..., loss, regained]. */
static int
raft_restore_vote(struct mp_raft *raft, struct mp_span key, struct mp_span row)
{
	struct mp_span value = mp_span(row.p + MP_LOG_ROW_HEAD, row.n - MP_LOG_ROW_HEAD);
	struct mp_hash sum = vote_sum(raft, value);
	struct mp_node_id voted;
	struct mp_cbor_r r;
	uint64_t generation, term, loss = 0, regained = 0;
	int who = RAFT_NOBODY;
	size_t items;
	bool null;

	mp_cbor_r_init(&r, value);
	items = mp_cbor_r_array(&r, 5);
	generation = mp_cbor_r_uint(&r, INT64_MAX);
	term = mp_cbor_r_uint(&r, INT64_MAX);
	null = mp_cbor_r_peek(&r) == MP_CBOR_NULL;
	if (null) {
		mp_cbor_r_null(&r);
	} else {
		mp_cbor_r_fixed(&r, voted.b, sizeof(voted.b));
		who = raft_find(raft, &voted);
	}
	if (items == 5) {
		loss = mp_cbor_r_uint(&r, INT64_MAX);
		regained = mp_cbor_r_uint(&r, INT64_MAX);
	}
	if (mp_cbor_r_end(&r) != 0 || (items != 3 && items != 5) || key.n != VOTE_KEY_SIZE ||
		memcmp(row.p, sum.b, MP_LOG_ROW_HEAD) != 0)
		return MP_ECORRUPT;
	if (generation < raft->who.generation)
		return 0;
	if (generation > raft->who.generation || term < raft->term ||
		(!null && (who == RAFT_NOBODY || !raft_is_elector(raft, who))))
		return MP_ECORRUPT;
	raft->term = term;
	raft->voted = who;
	raft->loss = loss;
	raft->regained = regained;
	return 0;
}

static uint64_t
key_index(struct mp_span key)
{
	uint64_t index = 0;

	for (size_t i = VOTE_KEY_SIZE; i < ENTRY_KEY_SIZE; i++)
		index = index << 8 | key.p[i];
	return index;
}

static int
raft_restore_entry(struct mp_raft *raft, struct mp_span key, struct mp_span row)
{
	struct mp_span value = mp_span(row.p + MP_LOG_ROW_HEAD, row.n - MP_LOG_ROW_HEAD);
	uint64_t index = mp_raft_log_last(&raft->log) + 1;
	struct mp_entry entry;
	int rc;

	if (key.n != ENTRY_KEY_SIZE || key_index(key) != index ||
		mp_raft_log_check(&raft->log, index, value, &entry) != 0)
		return MP_ECORRUPT;
	rc = mp_raft_log_append(&raft->log, &entry, value);
	if (rc == 0 &&
		memcmp(row.p, mp_raft_log_hash(&raft->log, index)->b, MP_LOG_ROW_HEAD) != 0) {
		mp_raft_log_truncate(&raft->log, index - 1);
		return MP_ECORRUPT;
	}
	return rc;
}

int
mp_raft_restore(struct mp_raft *raft, struct mp_env *env, enum mp_table table, struct mp_span key,
	struct mp_span value)
{
	int rc = MP_ECORRUPT;

	(void)env;
	mp_assert(!raft->started);
	mp_assert(table == MP_TABLE_VOTE || table == MP_TABLE_ENTRY);
	if (raft->damaged || key.n < VOTE_KEY_SIZE || value.n < MP_LOG_ROW_HEAD ||
		memcmp(key.p, raft->log.run.b, VOTE_KEY_SIZE) != 0)
		rc = MP_ECORRUPT;
	else if (table == MP_TABLE_VOTE)
		rc = raft_restore_vote(raft, key, value);
	else
		rc = raft_restore_entry(raft, key, value);
	if (rc == MP_ECORRUPT)
		raft->damaged = true;
	return rc;
}

int
mp_raft_inherit(struct mp_raft *raft, struct mp_env *env, const struct mp_raft *from)
{
	uint64_t last = mp_raft_log_last(&from->log);
	struct mp_entry entry;
	int rc = 0;

	mp_assert(!raft->started && mp_raft_log_last(&raft->log) == 0);
	for (uint64_t i = 1; i <= last && rc == 0; i++) {
		struct mp_span bytes = mp_log_slot_bytes(mp_raft_log_at(&from->log, i));

		rc = mp_raft_log_check(&raft->log, i, bytes, &entry);
		if (rc == 0)
			rc = mp_raft_log_append(&raft->log, &entry, bytes);
	}
	raft->rows_seq = mp_out_seq(env->out); /* the last of them may not be on disk yet */
	return rc;
}

bool
mp_raft_founded(const struct mp_raft *raft)
{
	return mp_raft_log_last(&raft->log) >= raft->who.base_index &&
	       mp_hash_eq(mp_raft_log_hash(&raft->log, raft->who.base_index), &raft->who.base_hash);
}

/* What an earlier generation had after the base of this one never was. Where the base is missing,
 * nothing is known of the rest either. */
static void
raft_found(struct mp_raft *raft, struct mp_env *env)
{
	uint64_t last = mp_raft_log_last(&raft->log), keep = 0;

	if (raft->who.generation == 1)
		return;
	if (mp_raft_founded(raft)) {
		keep = raft->who.base_index;
		while (keep < last && mp_term_generation(mp_raft_log_term(&raft->log, keep + 1)) ==
					      raft->who.generation)
			keep++;
	}
	if (keep < last)
		mp_raft_drop_entries(raft, env, keep);
}

/* What was read of damaged rows is kept, as far as it holds together, and all the rest dropped. */
static void
raft_mend(struct mp_raft *raft, struct mp_env *env)
{
	uint64_t term = mp_raft_log_term(&raft->log, mp_raft_log_last(&raft->log));

	/* An entry is never stored before its term. */
	if (MP_MUTANT(VOTE_NOT_PERSISTED))
		raft->term = term;
	if (!raft->damaged && term <= raft->term)
		return;
	if (term > raft->term)
		raft->term = term;
	mp_raft_lose(raft, env);
	mp_raft_drop_entries(raft, env, mp_raft_log_last(&raft->log));
}

void
mp_raft_start(struct mp_raft *raft, struct mp_env *env, bool eager)
{
	bool fresh = raft->term == MP_TERM_FIRST(raft->who.generation) && raft->loss == 0;
	uint64_t last;

	mp_assert(!raft->started);
	raft->started = true;
	raft_mend(raft, env);
	raft_found(raft, env);
	last = mp_raft_log_last(&raft->log);
	if (raft->rows_seq > mp_out_durable(env->out)) {
		raft->pending[raft->pending_count].seq = raft->rows_seq;
		raft->pending[raft->pending_count++].index = last;
	} else {
		raft->durable = last;
	}
	raft->ok_ms = env->now_ms;
	mp_raft_follow(raft, env, raft->term, RAFT_NOBODY);
	if (mp_raft_mirrors(raft))
		return;
	if (mp_raft_may_stand(raft) && (raft->elector_count == 1 || (eager && fresh))) {
		mp_raft_campaign(raft, env, false);
		return;
	}
	/* What it told a leader before it was restarted, it keeps to. */
	if (!fresh && !MP_MUTANT(PROMISE_FORGOTTEN))
		raft->quiet_until = env->now_ms + env->profile->election_ms;
	if (eager)
		raft->elect_at = env->now_ms;
}

/* ---- rows ---- */

static void
entry_key(const struct mp_raft *raft, uint64_t index, uint8_t key[ENTRY_KEY_SIZE])
{
	memcpy(key, raft->log.run.b, VOTE_KEY_SIZE);
	for (size_t i = 0; i < 8; i++)
		key[VOTE_KEY_SIZE + i] = (uint8_t)(index >> (56 - 8 * i));
}

void
mp_raft_put_vote(struct mp_raft *raft, struct mp_env *env)
{
	uint8_t row[MP_LOG_ROW_HEAD + 80];
	struct mp_buf buf = {.p = row + MP_LOG_ROW_HEAD, .cap = 80, .max = 80};
	struct mp_cbor_w w;
	struct mp_hash sum;

	if (MP_MUTANT(VOTE_NOT_PERSISTED))
		return;
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, raft->loss != 0 ? 5 : 3);
	mp_cbor_w_uint(&w, raft->who.generation);
	mp_cbor_w_uint(&w, raft->term);
	if (raft->voted == RAFT_NOBODY)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_bytes(&w, raft->peers[raft->voted].id.b, sizeof(struct mp_node_id));
	if (raft->loss != 0) {
		mp_cbor_w_uint(&w, raft->loss);
		mp_cbor_w_uint(&w, raft->regained);
	}
	mp_assert(w.rc == 0);
	sum = vote_sum(raft, mp_buf_span(&buf));
	memcpy(row, sum.b, MP_LOG_ROW_HEAD);
	mp_out_put(env->out, MP_TABLE_VOTE, mp_span(raft->log.run.b, VOTE_KEY_SIZE),
		mp_span(row, MP_LOG_ROW_HEAD + buf.n));
	raft->rows_seq = mp_out_seq(env->out);
}

void
mp_raft_put_entries(struct mp_raft *raft, struct mp_env *env, uint64_t from)
{
	uint64_t last = mp_raft_log_last(&raft->log);
	uint8_t key[ENTRY_KEY_SIZE];
	size_t n;

	for (uint64_t i = from; i <= last; i++) {
		const struct mp_log_slot *slot = mp_raft_log_at(&raft->log, i);

		entry_key(raft, i, key);
		mp_out_put(env->out, MP_TABLE_ENTRY, mp_span(key, sizeof(key)),
			mp_span(slot->row, MP_LOG_ROW_HEAD + slot->size));
	}
	raft->rows_seq = mp_out_seq(env->out);
	/* A full list counts its last ones later than it could. */
	n = raft->pending_count;
	if (n == 0 || (raft->pending[n - 1].seq != raft->rows_seq && n < RAFT_PENDING_MAX))
		raft->pending_count = ++n;
	raft->pending[n - 1].seq = raft->rows_seq;
	raft->pending[n - 1].index = last;
}

void
mp_raft_drop_entries(struct mp_raft *raft, struct mp_env *env, uint64_t after)
{
	uint8_t from[ENTRY_KEY_SIZE], to[ENTRY_KEY_SIZE];

	mp_assert(after >= raft->commit);
	entry_key(raft, after + 1, from);
	entry_key(raft, UINT64_MAX, to);
	mp_out_delete_range(
		env->out, MP_TABLE_ENTRY, mp_span(from, sizeof(from)), mp_span(to, sizeof(to)));
	raft->rows_seq = mp_out_seq(env->out);
	mp_raft_log_truncate(&raft->log, after);
	if (raft->durable > after)
		raft->durable = after;
	for (size_t i = 0; i < raft->pending_count; i++)
		if (raft->pending[i].index > after)
			raft->pending[i].index = after;
}

void
mp_raft_persisted(struct mp_raft *raft, struct mp_env *env, uint64_t seq)
{
	size_t done = 0;

	while (done < raft->pending_count && raft->pending[done].seq <= seq) {
		if (raft->pending[done].index > raft->durable)
			raft->durable = raft->pending[done].index;
		done++;
	}
	raft->pending_count -= done;
	if (done > 0)
		memmove(raft->pending, raft->pending + done,
			raft->pending_count * sizeof(raft->pending[0]));
	mp_assert(raft->durable <= mp_raft_log_last(&raft->log));
	if (!raft->started || raft->corrupt)
		return;
	if (raft->role == MP_RAFT_CANDIDATE && seq >= raft->rows_seq)
		mp_raft_vote_durable(raft, env);
	if (raft->role == MP_RAFT_LEADER && done > 0)
		mp_raft_advance(raft, env);
}

/* ---- messages ---- */

void
mp_raft_say(
	struct mp_raft *raft, struct mp_env *env, int to, struct mp_msg_raft *msg, uint64_t after)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	mp_assert(to != raft->self);
	msg->run = raft->log.run;
	msg->generation = raft->who.generation;
	if (mp_msg_raft_encode(buf, msg) == 0)
		mp_out_send(
			env->out, &raft->peers[to].id, MP_CLASS_CONTROL, mp_buf_span(buf), after);
}

int
mp_raft_message(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_raft msg;
	int who = raft_find(raft, from);
	int rc = mp_msg_raft_decode(bytes, &msg);

	mp_assert(raft->started);
	if (rc != 0)
		return rc;
	if (who == RAFT_NOBODY || who == raft->self || msg.generation != raft->who.generation ||
		!mp_run_id_eq(&msg.run, &raft->log.run))
		return MP_EAUTH;
	if (raft->corrupt)
		return MP_ECORRUPT;
	if (raft->peers[who].shut)
		return MP_EAUTH;
	if (MP_MUTANT(VIEW_QUORUM))
		raft->peers[who].heard_ms = env->now_ms;
	if (msg.kind != MP_MSG_APPEND_ACK && !raft_is_elector(raft, who))
		return MP_EAUTH;
	if (msg.kind == MP_MSG_APPEND || msg.kind == MP_MSG_APPEND_ACK)
		return mp_raft_repl_message(raft, env, who, &msg);
	return mp_raft_mirrors(raft) ? MP_EAUTH : mp_raft_elect_message(raft, env, who, &msg);
}

/* How many make a majority. */
size_t
mp_raft_quorum(const struct mp_raft *raft, mp_time now_ms)
{
	size_t count = raft->elector_count;

	for (size_t i = 0; MP_MUTANT(VIEW_QUORUM) && i < raft->elector_count; i++)
		count -= (int)i != raft->self && now_ms - raft->peers[i].heard_ms >= 3000;
	return count / 2 + 1;
}

/* ---- time ---- */

void
mp_raft_tick(struct mp_raft *raft, struct mp_env *env)
{
	mp_assert(raft->started);
	if (raft->corrupt)
		return;
	if (raft->role == MP_RAFT_LEADER)
		mp_raft_lead_tick(raft, env);
	else
		mp_raft_elect_tick(raft, env);
}

mp_time
mp_raft_deadline(const struct mp_raft *raft)
{
	if (!raft->started || raft->corrupt)
		return MP_TIME_NEVER;
	switch (raft->role) {
	case MP_RAFT_FOLLOWER:
		return raft->elect_at;
	case MP_RAFT_PRE_CANDIDATE:
	case MP_RAFT_CANDIDATE:
		return raft->round_until < raft->resend_at ? raft->round_until : raft->resend_at;
	case MP_RAFT_LEADER:
		return mp_raft_lead_deadline(raft);
	}
	mp_unreachable();
}

/* ---- reading ---- */

bool
mp_raft_entry_at(const struct mp_raft *raft, uint64_t index, struct mp_raft_entry *out)
{
	const struct mp_log_slot *slot;
	struct mp_span bytes;

	if (index == 0 || index > mp_raft_log_last(&raft->log))
		return false;
	slot = mp_raft_log_at(&raft->log, index);
	bytes = mp_log_slot_bytes(slot);
	*out = (struct mp_raft_entry){.index = index,
		.term = slot->term,
		.kind = slot->kind,
		.wall_ms = slot->wall_ms,
		.body = mp_span(bytes.p + (bytes.n - slot->body_size), slot->body_size),
		.hash = slot->hash};
	return true;
}

bool
mp_raft_next_committed(const struct mp_raft *raft, uint64_t *cursor, struct mp_raft_entry *out)
{
	if (*cursor >= raft->commit && !MP_MUTANT(APPLIED_UNCOMMITTED))
		return false;
	(*cursor)++;
	return mp_raft_entry_at(raft, *cursor, out);
}

int
mp_raft_decided(const struct mp_raft *raft, const struct mp_raft_at *at)
{
	if (at->index > raft->commit)
		return MP_EBUSY;
	return mp_raft_log_term(&raft->log, at->index) == at->term ? 0 : MP_ECANCELED;
}

enum mp_raft_role
mp_raft_role(const struct mp_raft *raft)
{
	return raft->role;
}

const struct mp_run_id *
mp_raft_run(const struct mp_raft *raft)
{
	return &raft->log.run;
}

uint64_t
mp_raft_term(const struct mp_raft *raft)
{
	return raft->term;
}

uint64_t
mp_raft_generation(const struct mp_raft *raft)
{
	return raft->who.generation;
}

bool
mp_raft_has(const struct mp_raft *raft, const struct mp_node_id *node)
{
	return raft_find(raft, node) != RAFT_NOBODY;
}

uint64_t
mp_raft_commit(const struct mp_raft *raft)
{
	return raft->commit;
}

uint64_t
mp_raft_last_index(const struct mp_raft *raft)
{
	return mp_raft_log_last(&raft->log);
}

const struct mp_electorate *
mp_raft_who(const struct mp_raft *raft)
{
	return &raft->who;
}

size_t
mp_raft_peer_count(const struct mp_raft *raft)
{
	return raft->peer_count;
}

const struct mp_node_id *
mp_raft_peer(const struct mp_raft *raft, size_t i)
{
	mp_assert(i < raft->peer_count);
	return &raft->peers[i].id;
}

bool
mp_raft_mirrors(const struct mp_raft *raft)
{
	return !raft_is_elector(raft, raft->self);
}

const struct mp_node_id *
mp_raft_leader(const struct mp_raft *raft)
{
	return raft->leader == RAFT_NOBODY ? NULL : &raft->peers[raft->leader].id;
}

bool
mp_raft_hears(const struct mp_raft *raft, mp_time now_ms)
{
	return raft->leader != RAFT_NOBODY && now_ms - raft->heard_ms < raft->election_ms;
}

bool
mp_raft_corrupt(const struct mp_raft *raft)
{
	return raft->corrupt;
}

struct mp_span
mp_raft_certificate(const struct mp_raft *raft)
{
	if (raft->cert_term != raft->term)
		return mp_span(NULL, 0);
	return mp_span(raft->cert, raft->cert_size);
}
