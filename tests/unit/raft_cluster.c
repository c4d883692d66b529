/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/raft_cluster.h"

#include "codec/msg_raft.h"
#include "codec/record_work.h"
#include "core/raft_log.h"

#define CL_CHECK(c, e)                                                                             \
	do {                                                                                       \
		if (!(e))                                                                          \
			fail_msg("seed %llu, %lld ms: %s", (unsigned long long)(c)->seed,          \
				(long long)(c)->now, #e);                                          \
	} while (0)

static bool
cl_chance(struct cl *c, uint32_t per_thousand)
{
	return per_thousand > 0 && mp_rng_below(&c->rng, 1000) < per_thousand;
}

mp_time
cl_upto(struct cl *c, mp_time ms)
{
	return ms <= 0 ? 0 : (mp_time)mp_rng_below(&c->rng, (uint64_t)ms + 1);
}

/* ---- the network ---- */

static bool
msg_before(const struct cl_msg *a, const struct cl_msg *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
msg_push(struct cl *c, const struct cl_msg *m)
{
	size_t i = c->msg_count++;

	if (c->msg_count > c->msg_cap) {
		c->msg_cap = c->msg_cap == 0 ? 256 : c->msg_cap * 2;
		c->msgs = realloc(c->msgs, c->msg_cap * sizeof(*c->msgs));
		assert_non_null(c->msgs);
	}
	c->msgs[i] = *m;
	for (; i > 0 && msg_before(&c->msgs[i], &c->msgs[(i - 1) / 2]); i = (i - 1) / 2) {
		struct cl_msg swap = c->msgs[i];

		c->msgs[i] = c->msgs[(i - 1) / 2];
		c->msgs[(i - 1) / 2] = swap;
	}
}

static struct cl_msg
msg_pop(struct cl *c)
{
	struct cl_msg top = c->msgs[0];
	size_t i = 0;

	c->msgs[0] = c->msgs[--c->msg_count];
	for (;;) {
		size_t least = i;
		struct cl_msg swap;

		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < c->msg_count; k++)
			if (msg_before(&c->msgs[k], &c->msgs[least]))
				least = k;
		if (least == i)
			return top;
		swap = c->msgs[i];
		c->msgs[i] = c->msgs[least];
		c->msgs[least] = swap;
		i = least;
	}
}

static void
cl_transmit(struct cl *c, const struct cl_msg *m)
{
	const struct cl_faults *f = &c->faults;
	int copies = 1;

	if (c->cut[m->from][m->to])
		return;
	if (!f->ordered || m->pulse != 0) {
		if (cl_chance(c, f->loss))
			return;
		copies += cl_chance(c, f->twice);
	}
	for (int i = 0; i < copies; i++) {
		struct cl_msg copy = *m;

		copy.at = c->now + 1 + cl_upto(c, f->delay_ms);
		if (cl_chance(c, f->late))
			copy.at += cl_upto(c, 1000);
		if (f->ordered && m->pulse == 0) {
			if (copy.at < c->lane[m->from][m->to])
				copy.at = c->lane[m->from][m->to];
			c->lane[m->from][m->to] = copy.at;
		}
		copy.order = c->order++;
		if (m->n > 0) {
			copy.p = malloc(m->n);
			assert_non_null(copy.p);
			memcpy(copy.p, m->p, m->n);
		}
		msg_push(c, &copy);
	}
}

/* ---- the disk ---- */

static void
disk_apply(struct cl *c, struct cl_node *node, const struct cl_row *row)
{
	if (row->table == MP_TABLE_VOTE) {
		assert_true(row->op == MP_ROW_PUT && row->size <= sizeof(node->vote));
		memcpy(node->vote, row->value, row->size);
		node->vote_size = row->size;
		return;
	}
	assert_int_equal(row->table, MP_TABLE_ENTRY);
	CL_CHECK(c, row->index >= 1 && row->index < CL_LOG_MAX);
	if (row->op == MP_ROW_PUT) {
		CL_CHECK(c, row->index == node->row_count + 1);
		node->rows[row->index].p = malloc(row->size);
		assert_non_null(node->rows[row->index].p);
		memcpy(node->rows[row->index].p, row->value, row->size);
		node->rows[row->index].n = row->size;
		node->row_count = row->index;
		return;
	}
	assert_int_equal(row->op, MP_ROW_DELETE_RANGE);
	for (; node->row_count >= row->index; node->row_count--)
		free(node->rows[node->row_count].p);
}

static void
txn_free(struct cl_txn *txn)
{
	while (txn->rows != NULL) {
		struct cl_row *row = txn->rows;

		txn->rows = row->next;
		free(row->value);
		free(row);
	}
	free(txn);
}

static struct cl_txn *
txn_take(struct cl_node *node)
{
	struct cl_txn *txn = node->txns;

	node->txns = txn->next;
	if (node->txns == NULL)
		node->last_txn = &node->txns;
	return txn;
}

static void
disk_write(struct cl *c, struct cl_node *node, const struct mp_effect *fx)
{
	struct cl_txn *txn = calloc(1, sizeof(*txn));

	assert_non_null(txn);
	txn->seq = fx->u.persist.seq;
	txn->at = c->now + cl_upto(c, c->faults.fsync_ms);
	if (cl_chance(c, c->faults.stall))
		txn->at += cl_upto(c, 2000);
	txn->last = &txn->rows;
	for (size_t i = 0; i < fx->u.persist.count; i++) {
		const struct mp_row *from = &fx->u.persist.rows[i];
		struct cl_row *row = calloc(1, sizeof(*row));

		assert_non_null(row);
		row->op = from->op;
		row->table = from->table;
		assert_memory_equal(from->key.p, c->run.b, 16);
		for (size_t k = 16; k < from->key.n; k++)
			row->index = row->index << 8 | from->key.p[k];
		row->value = malloc(from->value.n + 1);
		assert_non_null(row->value);
		memcpy(row->value, from->value.p, from->value.n);
		row->size = from->value.n;
		*txn->last = row;
		txn->last = &row->next;
	}
	*node->last_txn = txn;
	node->last_txn = &txn->next;
}

/* ---- promises ---- */

/* Is it on a majority that this node's loss is over, and was in a term before this one? */
static bool
return_committed(struct cl *c, struct cl_node *node, uint64_t term)
{
	struct mp_raft_entry entry;
	struct mp_returned r;

	for (uint64_t i = 1; i <= c->commit; i++) {
		if (c->committed_in[i] < term && mp_raft_entry_at(node->raft, i, &entry) &&
			entry.kind == MP_ENTRY_RETURNED &&
			mp_hash_eq(&entry.hash, &c->committed[i]) &&
			mp_body_returned_decode(entry.body, &r) == 0 &&
			r.loss == mp_raft_loss(node->raft) &&
			mp_node_id_eq(&r.elector, &node->env.self))
			return true;
	}
	return false;
}

/* Whoever lost its rows says nothing that counts before that was made good. */
static void
check_counts(struct cl *c, struct cl_node *node, uint64_t term)
{
	if (!node->lost && node->regained == 0)
		return;
	if (node->lost) {
		CL_CHECK(c, return_committed(c, node, term));
		node->regained = term - 1;
		c->returns++;
	}
	node->lost = false;
	CL_CHECK(c, term > node->regained);
}

/* A vote or an acknowledgement leaves: what it says must be on disk by now. */
static void
check_said(struct cl *c, struct cl_node *node, int to, struct mp_span bytes)
{
	struct mp_msg_raft msg;
	int self = (int)(node - c->nodes), who;
	struct mp_raft_entry entry;

	assert_int_equal(mp_msg_raft_decode(bytes, &msg), 0);
	CL_CHECK(c, msg.term < CL_TERMS_MAX);
	if (msg.kind == MP_MSG_VOTE || (msg.kind == MP_MSG_VOTE_ACK && msg.u.voted.granted) ||
		(msg.kind == MP_MSG_APPEND_ACK && msg.u.appended.ok && msg.u.appended.loss == 0))
		check_counts(c, node, msg.term);
	if (msg.kind == MP_MSG_VOTE || (msg.kind == MP_MSG_VOTE_ACK && msg.u.voted.granted)) {
		who = msg.kind == MP_MSG_VOTE ? self : to;
		CL_CHECK(c, node->votes[msg.term] == 0 || node->votes[msg.term] == who + 1);
		node->votes[msg.term] = (uint8_t)(who + 1);
	}
	if (msg.kind == MP_MSG_APPEND_ACK && msg.u.appended.ok) {
		uint64_t match = msg.u.appended.match_index;

		CL_CHECK(c, match <= node->row_count);
		/* Unless it was replaced since, which a higher term may do. */
		if (match > 0 && mp_raft_term(node->raft) == msg.term &&
			mp_raft_entry_at(node->raft, match, &entry)) {
			struct mp_hash h = mp_record_hash(
				&fake_crypto, mp_span(node->rows[match].p + MP_LOG_ROW_HEAD,
						      node->rows[match].n - MP_LOG_ROW_HEAD));

			CL_CHECK(c, mp_hash_eq(&h, &entry.hash));
		}
	}
}

static void
check_seen(struct cl *c, const struct mp_raft_entry *entry)
{
	for (size_t i = 0; i < mp_countof(c->seen[0]); i++) {
		if (c->seen[entry->index][i].term == 0) {
			c->seen[entry->index][i].term = entry->term;
			c->seen[entry->index][i].hash = entry->hash;
			return;
		}
		if (c->seen[entry->index][i].term == entry->term) {
			CL_CHECK(c, mp_hash_eq(&c->seen[entry->index][i].hash, &entry->hash));
			return;
		}
	}
}

static void
check_log(struct cl *c, const struct cl_node *node, uint64_t from)
{
	struct mp_raft_entry entry;

	for (uint64_t i = from; i <= mp_raft_last_index(node->raft); i++) {
		CL_CHECK(c, i < CL_LOG_MAX);
		assert_true(mp_raft_entry_at(node->raft, i, &entry));
		check_seen(c, &entry);
	}
}

static void
check_leader(struct cl *c, struct cl_node *node)
{
	uint64_t term = mp_raft_term(node->raft);
	int self = (int)(node - c->nodes);
	struct mp_raft_entry entry;

	CL_CHECK(c, c->leaders[term] == 0 || c->leaders[term] == self + 1);
	c->leaders[term] = (uint8_t)(self + 1);
	for (uint64_t i = 1; i <= c->commit; i++) {
		if (c->committed_in[i] >= term)
			continue;
		CL_CHECK(c, mp_raft_entry_at(node->raft, i, &entry));
		CL_CHECK(c, mp_hash_eq(&entry.hash, &c->committed[i]));
	}
}

static void
check_node(struct cl *c, struct cl_node *node)
{
	uint64_t last = mp_raft_last_index(node->raft);
	struct mp_raft_entry entry;

	CL_CHECK(c, mp_raft_term(node->raft) < CL_TERMS_MAX);
	if (mp_raft_role(node->raft) == MP_RAFT_LEADER && node->role != MP_RAFT_LEADER)
		check_leader(c, node);
	node->role = mp_raft_role(node->raft);
	check_log(c, node, last > 4 ? last - 4 : 1);
	CL_CHECK(c, mp_raft_commit(node->raft) <= last);
	while (mp_raft_next_committed(node->raft, &node->cursor, &entry)) {
		CL_CHECK(c, entry.index == node->cursor && entry.index <= c->commit + 1);
		if (entry.index == c->commit + 1) {
			c->commit++;
			c->committed[entry.index] = entry.hash;
			c->committed_in[entry.index] = mp_raft_term(node->raft);
		}
		CL_CHECK(c, mp_hash_eq(&entry.hash, &c->committed[entry.index]));
	}
}

/* Leases are for good manners, fences for safety; but with equal clocks they do not overlap. */
static void
check_leases(struct cl *c)
{
	int n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->nodes[i].up && mp_raft_may_dispatch(c->nodes[i].raft, c->now);
	c->lease_overlaps += n > 1;
}

/* ---- steps ---- */

struct mp_env *
cl_begin(struct cl *c, int i)
{
	struct mp_env *env = &c->nodes[i].env;

	env->now_ms = c->now;
	env->wall_ms = 1700000000000 + c->now;
	mp_rng_stir(&env->rng, mp_rng_next(&c->rng));
	mp_out_begin(env->out);
	return env;
}

void
cl_end(struct cl *c, int i)
{
	struct cl_node *node = &c->nodes[i];
	const struct mp_effect *fx;
	size_t count;

	mp_raft_heal(node->raft, &node->env);
	mp_raft_flush(node->raft, &node->env);
	mp_out_end(node->env.out, &fx, &count);
	for (size_t k = 0; k < count; k++) {
		struct cl_msg m = {.from = i, .to = -1};

		if (fx[k].kind == MP_FX_PERSIST) {
			disk_write(c, node, &fx[k]);
			continue;
		}
		assert_int_equal(fx[k].kind, MP_FX_SEND);
		for (size_t to = 0; to < c->n; to++)
			if (mp_node_id_eq(&c->ids[to], &fx[k].u.send.peer))
				m.to = (int)to;
		assert_true(m.to >= 0 && m.to != i);
		check_said(c, node, m.to, fx[k].u.send.bytes);
		if (c->filter != NULL && c->filter(c, i, m.to, fx[k].u.send.bytes))
			continue;
		m.p = (uint8_t *)(uintptr_t)fx[k].u.send.bytes.p;
		m.n = fx[k].u.send.bytes.n;
		cl_transmit(c, &m);
	}
	check_node(c, node);
	check_leases(c);
	c->steps++;
}

static void
cl_pulse(struct cl *c, int i)
{
	struct cl_node *node = &c->nodes[i];

	node->pulse_at = c->now + c->profile.heartbeat_ms;
	for (size_t to = 0; to < c->n; to++) {
		struct cl_msg m = {.from = i, .to = (int)to, .pulse = 1, .sent = c->now};

		if ((int)to != i && mp_raft_heartbeat(node->raft, &c->ids[to], &m.term, &m.commit))
			cl_transmit(c, &m);
	}
}

static void
cl_on_pulse(struct cl *c, const struct cl_msg *m)
{
	struct cl_node *node = &c->nodes[m->to];
	struct mp_env *env = cl_begin(c, m->to);
	struct cl_msg answer = {
		.from = m->to, .to = m->from, .pulse = 2, .sent = m->sent, .term = m->term};

	if (m->pulse == 1) {
		answer.ok =
			mp_raft_heard_leader(node->raft, env, &c->ids[m->from], m->term, m->commit);
		if (!answer.ok)
			answer.term = mp_raft_blank(node->raft) ? 0 : mp_raft_term(node->raft);
		cl_transmit(c, &answer);
	} else if (m->ok || m->term > mp_raft_term(node->raft)) {
		mp_raft_heard_follower(node->raft, env, &c->ids[m->from], m->term, m->sent);
	} else if (m->term == 0) {
		mp_raft_heard_unknown(node->raft, env, &c->ids[m->from]);
	} else {
		mp_raft_heard_lost(node->raft, env, &c->ids[m->from], m->term, m->sent);
	}
	cl_end(c, m->to);
}

int
cl_deliver(struct cl *c, int from, int to, struct mp_span bytes)
{
	struct mp_env *env = cl_begin(c, to);
	int rc = mp_raft_message(c->nodes[to].raft, env, &c->ids[from], bytes);

	cl_end(c, to);
	return rc;
}

static void
cl_arrive(struct cl *c)
{
	struct cl_msg m = msg_pop(c);
	int rc;

	if (m.pulse == 1 && m.term == 0) {
		/* It was a message, and its stream broke. */
	} else if (c->nodes[m.to].up && m.pulse != 0) {
		cl_on_pulse(c, &m);
	} else if (c->nodes[m.to].up) {
		rc = cl_deliver(c, m.from, m.to, mp_span(m.p, m.n));
		CL_CHECK(c, rc == 0 || rc == MP_EAUTH); /* the latter: a late TIMEOUT_NOW */
	}
	free(m.p);
}

static void
cl_durable(struct cl *c, int i)
{
	struct cl_node *node = &c->nodes[i];
	struct cl_txn *txn = txn_take(node);
	struct mp_env *env;

	for (struct cl_row *row = txn->rows; row != NULL; row = row->next)
		disk_apply(c, node, row);
	env = cl_begin(c, i);
	mp_out_persisted(env->out, txn->seq);
	mp_raft_persisted(node->raft, env, txn->seq);
	cl_end(c, i);
	txn_free(txn);
}

static void
cl_tick(struct cl *c, int i)
{
	struct mp_env *env = cl_begin(c, i);

	mp_raft_tick(c->nodes[i].raft, env);
	cl_end(c, i);
	CL_CHECK(c, mp_raft_deadline(c->nodes[i].raft) > c->now);
}

/* ---- life ---- */

static void
node_start(struct cl *c, int i, bool eager)
{
	struct cl_node *node = &c->nodes[i];
	struct mp_electorate who = {.cluster = node->env.cluster,
		.run = c->run,
		.generation = 1,
		.naming = {{1, 2, 3}},
		.base_hash = {{1, 2, 3}},
		.elector_count = (uint32_t)c->n};
	struct mp_raft_config config = {.record_hash = {{1, 2, 3}}, .who = &who};
	uint8_t key[24];
	struct mp_env *env;

	memcpy(who.electors, c->ids, (size_t)c->n * sizeof(c->ids[0]));
	node->env.out = mp_out_new(&c->alloc, &c->ids[i], NULL, NULL);
	assert_non_null(node->env.out);
	env = cl_begin(c, i);
	assert_int_equal(mp_raft_new(env, &config, &node->raft), 0);
	memcpy(key, c->run.b, 16);
	if (node->vote_size > 0)
		(void)mp_raft_restore(node->raft, env, MP_TABLE_VOTE, mp_span(key, 16),
			mp_span(node->vote, node->vote_size));
	for (uint64_t k = 1; k <= node->row_count; k++) {
		for (size_t b = 0; b < 8; b++)
			key[16 + b] = (uint8_t)(k >> (56 - 8 * b));
		(void)mp_raft_restore(node->raft, env, MP_TABLE_ENTRY, mp_span(key, 24),
			mp_span(node->rows[k].p, node->rows[k].n));
	}
	node->wiped = node->wiped && node->vote_size == 0;
	if (node->wiped)
		mp_raft_lose(node->raft, env);
	node->cursor = 0;
	node->role = MP_RAFT_FOLLOWER;
	node->up = true;
	node->pulse_at = c->now + (mp_time)i;
	mp_raft_start(node->raft, env, eager);
	check_log(c, node, 1);
	cl_end(c, i);
}

void
cl_crash(struct cl *c, int i, size_t keep)
{
	struct cl_node *node = &c->nodes[i];

	assert_true(node->up);
	node->up = false;
	node->restart_at = MP_TIME_NEVER;
	while (node->txns != NULL) {
		struct cl_txn *txn = txn_take(node);

		if (keep > 0) {
			for (struct cl_row *row = txn->rows; row != NULL; row = row->next)
				disk_apply(c, node, row);
			keep--;
		}
		txn_free(txn);
	}
	mp_raft_free(node->raft);
	mp_out_free(node->env.out);
	node->raft = NULL;
}

void
cl_restart(struct cl *c, int i)
{
	assert_false(c->nodes[i].up);
	node_start(c, i, false);
}

static bool
node_lost(const struct cl_node *node)
{
	return node->lost || node->wiped || (node->up && mp_raft_lost(node->raft));
}

bool
cl_wipe(struct cl *c, int i)
{
	struct cl_node *node = &c->nodes[i];
	size_t whole = 0;

	for (size_t k = 0; k < c->n; k++)
		whole += (int)k != i && !node_lost(&c->nodes[k]);
	if (whole <= c->n / 2)
		return false;
	cl_crash(c, i, 0);
	for (; node->row_count > 0; node->row_count--)
		free(node->rows[node->row_count].p);
	node->vote_size = 0;
	node->wiped = node->lost = true;
	node->regained = 0;
	/* What it voted for may be voted for again, or not: who leads is looked at. */
	memset(node->votes, 0, sizeof(node->votes));
	c->wipes++;
	return true;
}

struct cl *
cl_new(size_t n, uint64_t seed, bool eager)
{
	struct cl *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->alloc = UNIT_ALLOC(&c->heap);
	c->seed = seed;
	c->rng.state = seed;
	c->n = n;
	c->now = 1000;
	c->event_at = MP_TIME_NEVER;
	c->run = (struct mp_run_id){{0xab, 1}};
	c->profile =
		(struct mp_profile){.heartbeat_ms = 250, .lease_ms = 1200, .election_ms = 1500};
	for (size_t i = 0; i < n; i++)
		c->ids[i] = (struct mp_node_id){{(uint8_t)(i + 1), 7}};
	for (size_t i = 0; i < n; i++) {
		struct cl_node *node = &c->nodes[i];

		memcpy(node->secret.public_key, c->ids[i].b, 32);
		node->env = (struct mp_env){.alloc = &c->alloc,
			.crypto = &fake_crypto,
			.secret = &node->secret,
			.profile = &c->profile,
			.self = c->ids[i],
			.cluster = {{9}},
			.boot = 1};
		node->last_txn = &node->txns;
		node_start(c, (int)i, eager && i == 0);
	}
	return c;
}

void
cl_free(struct cl *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->nodes[i].up)
			cl_crash(c, (int)i, 0);
		for (uint64_t k = 1; k <= c->nodes[i].row_count; k++)
			free(c->nodes[i].rows[k].p);
	}
	while (c->msg_count > 0)
		free(msg_pop(c).p);
	free(c->msgs);
	assert_int_equal(c->heap.live, 0);
	free(c);
}

/* ---- time ---- */

enum cl_next { CL_MSG, CL_DISK, CL_PULSE, CL_TICK, CL_RESTART, CL_FAULT };

static void
cl_sooner(mp_time at, enum cl_next kind, size_t i, mp_time *best, enum cl_next *what, size_t *who)
{
	if (at < *best) {
		*best = at;
		*what = kind;
		*who = i;
	}
}

/* One thing that is due by `until`; false when there is none. */
static bool
cl_step(struct cl *c, mp_time until)
{
	mp_time best = until + 1;
	enum cl_next what = CL_FAULT;
	size_t who = 0;

	if (c->msg_count > 0)
		cl_sooner(c->msgs[0].at, CL_MSG, 0, &best, &what, &who);
	cl_sooner(c->event_at, CL_FAULT, 0, &best, &what, &who);
	for (size_t i = 0; i < c->n; i++) {
		struct cl_node *node = &c->nodes[i];

		if (!node->up) {
			cl_sooner(node->restart_at, CL_RESTART, i, &best, &what, &who);
			continue;
		}
		if (node->txns != NULL)
			cl_sooner(node->txns->at, CL_DISK, i, &best, &what, &who);
		cl_sooner(node->pulse_at, CL_PULSE, i, &best, &what, &who);
		cl_sooner(mp_raft_deadline(node->raft), CL_TICK, i, &best, &what, &who);
	}
	if (best > until)
		return false;
	if (best > c->now)
		c->now = best;
	switch (what) {
	case CL_MSG:
		cl_arrive(c);
		break;
	case CL_DISK:
		cl_durable(c, (int)who);
		break;
	case CL_PULSE:
		cl_pulse(c, (int)who);
		break;
	case CL_TICK:
		cl_tick(c, (int)who);
		break;
	case CL_RESTART:
		cl_restart(c, (int)who);
		break;
	case CL_FAULT:
		cl_fault(c);
		break;
	}
	return true;
}

void
cl_run(struct cl *c, mp_time ms)
{
	mp_time until = c->now + ms;

	if (c->faults.event_ms > 0 && c->event_at == MP_TIME_NEVER)
		c->event_at = c->now + cl_upto(c, 2 * c->faults.event_ms);
	while (cl_step(c, until))
		;
	c->now = until;
}

int
cl_leader(const struct cl *c)
{
	int best = -1;

	for (size_t i = 0; i < c->n; i++)
		if (c->nodes[i].up && mp_raft_role(c->nodes[i].raft) == MP_RAFT_LEADER &&
			(best < 0 ||
				mp_raft_term(c->nodes[i].raft) > mp_raft_term(c->nodes[best].raft)))
			best = (int)i;
	return best;
}

int
cl_await_leader(struct cl *c, mp_time ms)
{
	mp_time until = c->now + ms;
	int leader;

	do {
		leader = cl_leader(c);
		if (leader >= 0 && mp_raft_may_dispatch(c->nodes[leader].raft, c->now))
			return leader;
	} while (cl_step(c, until));
	fail_msg("seed %llu: no leader in %lld ms", (unsigned long long)c->seed, (long long)ms);
	return -1;
}

static bool
cl_settled(const struct cl *c)
{
	int leader = cl_leader(c);

	if (leader < 0)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (c->nodes[i].up && !mp_raft_corrupt(c->nodes[i].raft) &&
			mp_raft_commit(c->nodes[i].raft) !=
				mp_raft_last_index(c->nodes[leader].raft))
			return false;
	return true;
}

void
cl_settle(struct cl *c, mp_time ms)
{
	mp_time until = c->now + ms;

	while (!cl_settled(c))
		if (!cl_step(c, until))
			fail_msg("seed %llu: not settled in %lld ms", (unsigned long long)c->seed,
				(long long)ms);
	for (size_t i = 0; i < c->n; i++)
		if (c->nodes[i].up)
			check_log(c, &c->nodes[i], 1);
}
