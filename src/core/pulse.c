/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pulse.h"

#include "codec/msg_raft.h"
#include "util/map.h"

/* Answers may take this many heartbeats; later ones are not told apart any more. */
#define PULSE_ROUNDS 4
/* A heartbeat's number is round * PULSE_SLOTS + slot; a slot is one datagram of the round. */
#define PULSE_SLOTS  1024
#define PULSE_STREAM (PULSE_SLOTS - 1) /* the slot of the whole round, over the stream */
#define PULSE_NONE   UINT16_MAX

struct pulse_run {
	struct mp_map_node node;
	struct mp_raft *raft;
};

/* One run shared with one peer. */
struct pulse_item {
	struct mp_raft *raft;
	uint64_t term;               /* that the slots are of */
	uint16_t slot[PULSE_ROUNDS]; /* where it was in the last rounds */
};

struct pulse_peer {
	struct mp_map_node node;
	struct mp_node_id id;
	struct pulse_item *items;
	size_t count, cap;
	mp_time sent_ms[PULSE_ROUNDS];
	mp_time answered_ms; /* when a datagram of ours was answered last */
	bool waits;          /* the last round said something */
};

struct mp_pulse {
	const struct mp_alloc *alloc;
	struct mp_pulse_io io;
	struct mp_map runs;  /* by id */
	struct mp_map peers; /* by id */
	uint64_t round;
	mp_time next_at;
};

int
mp_pulse_new(struct mp_env *env, const struct mp_pulse_io *io, struct mp_pulse **out)
{
	struct mp_pulse *pulse = mp_realloc(env->alloc, NULL, 0, sizeof(*pulse));

	if (pulse == NULL)
		return MP_ENOMEM;
	memset(pulse, 0, sizeof(*pulse));
	pulse->alloc = env->alloc;
	pulse->io = *io;
	pulse->next_at = MP_TIME_NEVER;
	mp_map_init(&pulse->runs, env->alloc);
	mp_map_init(&pulse->peers, env->alloc);
	*out = pulse;
	return 0;
}

/* ---- who shares what ---- */

/* Both are hashes or keys, so their bytes are mixed well already. */
static uint64_t
id_hash(const void *id, size_t n)
{
	return mp_hash64(id, n, 0);
}

static struct pulse_run *
pulse_run_find(const struct mp_pulse *pulse, const struct mp_run_id *id)
{
	struct mp_map_node *at = mp_map_find(&pulse->runs, id_hash(id->b, sizeof(id->b)));

	for (; at != NULL; at = mp_map_find_next(at)) {
		struct pulse_run *run = mp_container_of(at, struct pulse_run, node);

		if (mp_run_id_eq(mp_raft_run(run->raft), id))
			return run;
	}
	return NULL;
}

static struct pulse_peer *
pulse_peer_find(const struct mp_pulse *pulse, const struct mp_node_id *id)
{
	struct mp_map_node *at = mp_map_find(&pulse->peers, id_hash(id->b, sizeof(id->b)));

	for (; at != NULL; at = mp_map_find_next(at)) {
		struct pulse_peer *peer = mp_container_of(at, struct pulse_peer, node);

		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	return NULL;
}

struct mp_raft *
mp_pulse_find(const struct mp_pulse *pulse, const struct mp_run_id *id)
{
	struct pulse_run *run = pulse_run_find(pulse, id);

	return run == NULL ? NULL : run->raft;
}

static void
pulse_peer_free(struct mp_pulse *pulse, struct pulse_peer *peer)
{
	mp_map_remove(&pulse->peers, &peer->node);
	mp_dealloc(pulse->alloc, peer->items, peer->cap * sizeof(*peer->items));
	mp_dealloc(pulse->alloc, peer, sizeof(*peer));
}

static struct pulse_peer *
pulse_peer_new(struct mp_pulse *pulse, const struct mp_env *env, const struct mp_node_id *id)
{
	struct pulse_peer *peer = mp_realloc(pulse->alloc, NULL, 0, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	*peer = (struct pulse_peer){.id = *id, .answered_ms = env->now_ms};
	if (mp_map_add(&pulse->peers, &peer->node, id_hash(id->b, sizeof(id->b))) != 0) {
		mp_dealloc(pulse->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

static int
pulse_item_add(struct mp_pulse *pulse, const struct mp_env *env, const struct mp_node_id *id,
	struct mp_raft *raft)
{
	struct pulse_peer *peer = pulse_peer_find(pulse, id);
	struct pulse_item *item;
	size_t cap;
	void *p;

	if (peer == NULL)
		peer = pulse_peer_new(pulse, env, id);
	if (peer == NULL)
		return MP_ENOMEM;
	if (peer->count == peer->cap) {
		cap = peer->cap == 0 ? 4 : peer->cap * 2;
		p = mp_realloc(
			pulse->alloc, peer->items, peer->cap * sizeof(*item), cap * sizeof(*item));
		if (p == NULL)
			return MP_ENOMEM;
		peer->items = p;
		peer->cap = cap;
	}
	item = &peer->items[peer->count++];
	*item = (struct pulse_item){.raft = raft};
	for (size_t i = 0; i < PULSE_ROUNDS; i++)
		item->slot[i] = PULSE_NONE;
	return 0;
}

static void
pulse_item_remove(struct mp_pulse *pulse, const struct mp_node_id *id, const struct mp_raft *raft)
{
	struct pulse_peer *peer = pulse_peer_find(pulse, id);

	if (peer == NULL)
		return;
	for (size_t i = 0; i < peer->count; i++) {
		if (peer->items[i].raft == raft) {
			peer->items[i] = peer->items[--peer->count];
			break;
		}
	}
	if (peer->count == 0)
		pulse_peer_free(pulse, peer);
}

int
mp_pulse_add(struct mp_pulse *pulse, struct mp_env *env, struct mp_raft *raft)
{
	const struct mp_run_id *id = mp_raft_run(raft);
	struct pulse_run *run;
	int rc = 0;

	if (pulse_run_find(pulse, id) != NULL)
		return MP_EEXIST;
	run = mp_realloc(pulse->alloc, NULL, 0, sizeof(*run));
	if (run == NULL)
		return MP_ENOMEM;
	*run = (struct pulse_run){.raft = raft};
	if (mp_map_add(&pulse->runs, &run->node, id_hash(id->b, sizeof(id->b))) != 0) {
		mp_dealloc(pulse->alloc, run, sizeof(*run));
		return MP_ENOMEM;
	}
	for (size_t i = 0; i < mp_raft_peer_count(raft) && rc == 0; i++)
		if (!mp_node_id_eq(mp_raft_peer(raft, i), &env->self))
			rc = pulse_item_add(pulse, env, mp_raft_peer(raft, i), raft);
	if (rc != 0)
		mp_pulse_remove(pulse, raft);
	else if (pulse->next_at == MP_TIME_NEVER)
		pulse->next_at = env->now_ms + env->profile->heartbeat_ms;
	return rc;
}

void
mp_pulse_remove(struct mp_pulse *pulse, struct mp_raft *raft)
{
	struct pulse_run *run = pulse_run_find(pulse, mp_raft_run(raft));

	if (run == NULL || run->raft != raft)
		return;
	for (size_t i = 0; i < mp_raft_peer_count(raft); i++)
		pulse_item_remove(pulse, mp_raft_peer(raft, i), raft);
	mp_map_remove(&pulse->runs, &run->node);
	mp_dealloc(pulse->alloc, run, sizeof(*run));
	if (pulse->runs.count == 0)
		pulse->next_at = MP_TIME_NEVER;
}

void
mp_pulse_free(struct mp_pulse *pulse)
{
	struct mp_map_node *at;

	if (pulse == NULL)
		return;
	while ((at = mp_map_any(&pulse->runs)) != NULL)
		mp_pulse_remove(pulse, mp_container_of(at, struct pulse_run, node)->raft);
	mp_map_fini(&pulse->runs);
	mp_map_fini(&pulse->peers);
	mp_dealloc(pulse->alloc, pulse, sizeof(*pulse));
}

/* ---- sending ---- */

static void
pulse_say(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *to,
	enum mp_msg_raft_kind kind, uint64_t seq, const struct mp_pulse_run *runs, size_t n)
{
	struct mp_buf *stream = mp_out_scratch(env->out);
	uint8_t bytes[MP_PULSE_RECORD_MAX];
	struct mp_buf record = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

	if (kind == MP_MSG_PULSE || kind == MP_MSG_PULSE_ACK) {
		if (mp_msg_pulse_encode(stream, kind, seq, runs, n) == 0)
			mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(stream), 0);
		return;
	}
	if (mp_msg_pulse_encode(&record, kind, seq, runs, n) == 0)
		pulse->io.datagram(pulse->io.ctx, env, to, mp_buf_span(&record));
}

static size_t
pulse_uint_size(uint64_t v)
{
	return v < 24 ? 1 : v <= UINT8_MAX ? 2 : v <= UINT16_MAX ? 3 : v <= UINT32_MAX ? 5 : 9;
}

static size_t
pulse_run_size(const struct mp_pulse_run *run)
{
	return 1 + 1 + sizeof(run->run) + pulse_uint_size(run->generation) +
	       pulse_uint_size(run->term) + pulse_uint_size(run->commit);
}

/* What is said of a run to a peer; false when it is led elsewhere. */
static bool
pulse_read(struct mp_pulse *pulse, const struct pulse_peer *peer, struct pulse_item *item,
	struct mp_pulse_run *run)
{
	item->slot[pulse->round % PULSE_ROUNDS] = PULSE_NONE;
	if (!mp_raft_heartbeat(item->raft, &peer->id, &run->term, &run->commit))
		return false;
	if (item->term != run->term)
		for (size_t i = 0; i < PULSE_ROUNDS; i++)
			item->slot[i] = PULSE_NONE;
	item->term = run->term;
	run->run = *mp_raft_run(item->raft);
	run->generation = mp_raft_generation(item->raft);
	return true;
}

/* As many datagrams as it takes; how many runs they name, in runs[]. */
static size_t
pulse_datagrams(struct mp_pulse *pulse, struct mp_env *env, struct pulse_peer *peer,
	struct mp_pulse_run *runs)
{
	uint64_t seq = pulse->round * PULSE_SLOTS;
	size_t n = 0, from = 0, bytes = MP_PULSE_HEAD_MAX;
	uint16_t slot = 0;

	for (size_t i = 0; i < peer->count && slot < PULSE_STREAM; i++) {
		if (!pulse_read(pulse, peer, &peer->items[i], &runs[n]))
			continue;
		if (bytes + pulse_run_size(&runs[n]) > MP_PULSE_RECORD_MAX) {
			pulse_say(pulse, env, &peer->id, MP_MSG_PULSE_RECORD, seq + slot,
				runs + from, n - from);
			from = n;
			bytes = MP_PULSE_HEAD_MAX;
			slot++;
		}
		bytes += pulse_run_size(&runs[n++]);
		peer->items[i].slot[pulse->round % PULSE_ROUNDS] = slot;
	}
	if (n > from)
		pulse_say(pulse, env, &peer->id, MP_MSG_PULSE_RECORD, seq + slot, runs + from,
			n - from);
	return n;
}

static void
pulse_beat(struct mp_pulse *pulse, struct mp_env *env, struct pulse_peer *peer)
{
	struct mp_pulse_run *runs = mp_out_mem(env->out, peer->count * sizeof(*runs));
	size_t n;

	if (runs == NULL)
		return;
	peer->sent_ms[pulse->round % PULSE_ROUNDS] = env->now_ms;
	n = pulse_datagrams(pulse, env, peer, runs);
	if (n > 0 && !peer->waits)
		peer->answered_ms = env->now_ms;
	peer->waits = n > 0;
	if (n > 0 && env->now_ms - peer->answered_ms >= 2 * env->profile->heartbeat_ms &&
		pulse->io.link_up(pulse->io.ctx, &peer->id))
		pulse_say(pulse, env, &peer->id, MP_MSG_PULSE,
			pulse->round * PULSE_SLOTS + PULSE_STREAM, runs, n);
}

void
mp_pulse_tick(struct mp_pulse *pulse, struct mp_env *env)
{
	struct mp_map_node *at = NULL;
	size_t bucket = 0;

	if (env->now_ms < pulse->next_at)
		return;
	pulse->next_at = env->now_ms + env->profile->heartbeat_ms;
	pulse->round++;
	while ((at = mp_map_walk(&pulse->peers, &bucket, at)) != NULL)
		pulse_beat(pulse, env, mp_container_of(at, struct pulse_peer, node));
}

mp_time
mp_pulse_deadline(const struct mp_pulse *pulse)
{
	return pulse->next_at;
}

/* ---- receiving ---- */

static int
pulse_on_beat(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_pulse *msg, bool record)
{
	struct mp_pulse_run *miss = mp_out_mem(env->out, (msg->count + 1) * sizeof(*miss));
	struct mp_pulse_run beat;
	size_t n = 0;
	int rc = 0;

	if (miss == NULL)
		return MP_ENOMEM;
	while (mp_msg_pulse_next(msg, &beat)) {
		struct mp_raft *raft = mp_pulse_find(pulse, &beat.run);

		if (raft != NULL && mp_raft_generation(raft) == beat.generation) {
			if (!mp_raft_has(raft, from))
				rc = MP_EAUTH; /* whatever it is told then */
			if (mp_raft_heard_leader(raft, env, from, beat.term, beat.commit))
				continue;
			beat.term = mp_raft_corrupt(raft) || mp_raft_blank(raft)
					    ? 0
					    : mp_raft_term(raft);
		} else {
			beat.term = 0;
		}
		miss[n++] = beat;
	}
	/* It fits where what it answers did, for it says less of each run. */
	pulse_say(pulse, env, from, record ? MP_MSG_PULSE_ACK_RECORD : MP_MSG_PULSE_ACK, msg->seq,
		miss, n);
	return rc;
}

static struct pulse_item *
pulse_item_find(struct pulse_peer *peer, const struct mp_run_id *run)
{
	for (size_t i = 0; i < peer->count; i++)
		if (mp_run_id_eq(mp_raft_run(peer->items[i].raft), run))
			return &peer->items[i];
	return NULL;
}

static void
pulse_on_answer(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_pulse *msg, bool record)
{
	struct pulse_peer *peer = pulse_peer_find(pulse, from);
	uint64_t round = msg->seq / PULSE_SLOTS, slot = msg->seq % PULSE_SLOTS;
	size_t at = round % PULSE_ROUNDS;
	struct mp_pulse_run miss;

	if (peer == NULL || round > pulse->round || pulse->round - round >= PULSE_ROUNDS)
		return;
	if (record)
		peer->answered_ms = env->now_ms;
	while (mp_msg_pulse_next(msg, &miss)) {
		struct pulse_item *item = pulse_item_find(peer, &miss.run);

		if (item == NULL || item->slot[at] == PULSE_NONE)
			continue;
		item->slot[at] = PULSE_NONE;
		if (miss.term > item->term)
			mp_raft_heard_follower(item->raft, env, from, miss.term, peer->sent_ms[at]);
		else if (miss.term == item->term)
			mp_raft_heard_lost(item->raft, env, from, miss.term, peer->sent_ms[at]);
		else if (miss.term == 0)
			mp_raft_heard_unknown(item->raft, env, from);
	}
	for (size_t i = 0; i < peer->count; i++) {
		struct pulse_item *item = &peer->items[i];

		if (item->slot[at] != PULSE_NONE &&
			(item->slot[at] == slot || slot == PULSE_STREAM))
			mp_raft_heard_follower(
				item->raft, env, from, item->term, peer->sent_ms[at]);
	}
}

int
mp_pulse_receive(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_pulse msg;
	int rc = mp_msg_pulse_decode(bytes, &msg);

	if (rc != 0)
		return rc;
	if (!msg.ack)
		return pulse_on_beat(pulse, env, from, &msg, msg.record);
	pulse_on_answer(pulse, env, from, &msg, msg.record);
	return 0;
}

void
mp_pulse_link(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *id, bool up)
{
	struct pulse_peer *peer = pulse_peer_find(pulse, id);

	if (peer == NULL)
		return;
	for (size_t i = 0; i < peer->count; i++)
		mp_raft_link(peer->items[i].raft, env, id, up);
}
