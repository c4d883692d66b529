/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mutant.h"
#include "core/swim_impl.h"

/* Of what is under way at a time; few, so that it stays short on the wire. */
static uint64_t
seq_next(struct mp_swim *swim)
{
	swim->seq = (swim->seq + 1) & UINT16_MAX;
	return swim->seq;
}

static struct mp_swim_record
ping_make(
	const struct mp_swim *swim, const struct mp_env *env, enum mp_swim_kind kind, uint64_t seq)
{
	struct mp_swim_record record = {.kind = kind};

	record.u.ping.seq = seq;
	record.u.ping.view = swim->digest;
	record.u.ping.load = swim->load;
	if (kind == MP_SWIM_ACK && env->wall_ms > 0)
		record.u.ping.wall_ms = env->wall_ms;
	return record;
}

void
mp_swim_ping(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct mp_swim_record record = ping_make(swim, env, MP_SWIM_PING, seq_next(swim));

	mp_swim_send(swim, env, m, NULL, &record);
}

/* To where the question came from. */
static void
answer(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *from, const struct mp_swim_record *record)
{
	if (from != NULL)
		mp_swim_send(swim, env, m, from, record);
	else
		mp_swim_send_stream(swim, env, m, record);
}

/* ---- our probe ---- */

/* It has spoken, and is not one that no stream of ours can ever reach: others judge those. */
static bool
may_probe(const struct mp_swim *swim, const struct mp_member *m)
{
	return m->addr_count > 0 || (swim->own.addr_count > 0 && mp_member_reaches_out(m));
}

/* The order is drawn anew when it was walked through. */
static uint32_t
target_next(struct mp_swim *swim, struct mp_env *env)
{
	for (size_t i = 0; i < swim->peer_count; i++) {
		const struct mp_member *m;
		uint32_t slot;

		if (swim->order_at >= swim->peer_count) {
			swim->order_at = 0;
			for (size_t k = swim->peer_count; k > 1; k--) {
				size_t other = (size_t)mp_rng_below(&env->rng, k);

				slot = swim->order[k - 1];
				swim->order[k - 1] = swim->order[other];
				swim->order[other] = slot;
			}
		}
		slot = swim->order[swim->order_at++];
		if (MP_MUTANT(PROBED_BY_CHANCE))
			slot = (uint32_t)mp_rng_below(&env->rng, swim->peer_count);
		m = swim_member(swim, slot);
		if (slot != swim->self && may_probe(swim, m) &&
			(m->state == MP_MEMBER_ALIVE || m->state == MP_MEMBER_SUSPECT))
			return slot;
	}
	return SWIM_NONE;
}

static uint32_t
target_pick(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t urgent = swim->urgent;

	swim->urgent = SWIM_NONE;
	if (urgent != SWIM_NONE && urgent != swim->self) {
		enum mp_member_state state = swim_member(swim, urgent)->state;

		if ((state == MP_MEMBER_ALIVE || state == MP_MEMBER_SUSPECT) &&
			may_probe(swim, swim_member(swim, urgent)))
			return urgent;
	}
	return target_next(swim, env);
}

/* ---- paths ---- */

static void
path_set(struct mp_swim *swim, const struct mp_member *m, enum mp_path path)
{
	struct mp_member *edit = swim_edit(swim, m);

	if (edit->path == path)
		return;
	edit->path = path;
	mp_roster_changed(swim->roster, edit);
}

/* Another probe. One that no datagram answered tries the next address. */
static void
path_probe(struct mp_swim *swim, const struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	if (peer->misses > 0)
		peer->addr++;
	if (peer->misses < UINT8_MAX)
		peer->misses++;
}

/* It answered a ping of ours, so that both ways are open. */
static void
path_answered(struct mp_swim *swim, const struct mp_member *m, bool by_datagram)
{
	struct swim_peer *peer = swim_peer(swim, m);

	if (by_datagram) {
		peer->misses = 0;
		path_set(swim, m, MP_PATH_UDP);
	} else if (peer->misses > SWIM_MISSES || m->addr_count == 0) {
		path_set(swim, m, MP_PATH_TCP);
	}
}

static void
probe_start(struct mp_swim *swim, struct mp_env *env)
{
	const struct mp_profile *p = env->profile;
	mp_time scale = (mp_time)swim->health + 1;
	struct mp_swim_record record;
	uint32_t slot = target_pick(swim, env);
	const struct mp_member *m;

	if (slot == SWIM_NONE) {
		mp_swim_health_add(swim, -1);
		swim->probe_ms = env->now_ms + p->probe_interval_ms;
		return;
	}
	swim->probe = (struct swim_probe){.slot = slot,
		.seq = seq_next(swim),
		.sent_ms = env->now_ms,
		.ask_ms = env->now_ms + p->probe_timeout_ms * scale,
		.end_ms = env->now_ms + p->probe_interval_ms * scale};
	swim->probe_ms = swim->probe.end_ms;
	swim->stats[MP_SWIM_STAT_PROBES]++;
	m = swim_member(swim, slot);
	path_probe(swim, m);
	record = ping_make(swim, env, MP_SWIM_PING, swim->probe.seq);
	mp_swim_send(swim, env, m, NULL, &record);
	if (m->path == MP_PATH_TCP)
		mp_swim_try(swim, env, m, &record);
}

/* It did not answer: others try, and so does a stream. */
static void
probe_ask(struct mp_swim *swim, struct mp_env *env)
{
	struct swim_probe *probe = &swim->probe;
	const struct mp_member *m = swim_member(swim, probe->slot);
	struct mp_swim_record record = {.kind = MP_SWIM_PING_REQ};

	probe->ask_ms = MP_TIME_NEVER;
	record.u.ask.seq = probe->seq;
	record.u.ask.target = m->id;
	probe->relay_count = (uint8_t)mp_swim_pick(
		swim, env, PICK_ALIVE, probe->slot, probe->relays, SWIM_INDIRECT);
	for (size_t i = 0; i < probe->relay_count; i++)
		mp_swim_send(swim, env, swim_member(swim, probe->relays[i]), NULL, &record);
	record = ping_make(swim, env, MP_SWIM_PING, probe->seq);
	if (!MP_MUTANT(NO_STREAM_PROBE))
		mp_swim_send_stream(swim, env, m, &record);
}

static void
probe_fail(struct mp_swim *swim, struct mp_env *env)
{
	struct swim_probe *probe = &swim->probe;
	const struct mp_member *m = swim_member(swim, probe->slot);

	/* Relays that did not even say "no" mean that the fault may be ours. */
	mp_swim_health_add(swim, probe->relay_count > 0 ? probe->relay_count - probe->nacks : 1);
	swim->stats[MP_SWIM_STAT_PROBES_FAILED]++;
	probe->slot = SWIM_NONE;
	mp_swim_suspect(swim, env, m);
}

static void
probe_succeed(struct mp_swim *swim)
{
	mp_swim_health_add(swim, -1);
	swim->probe.slot = SWIM_NONE;
}

void
mp_swim_probe_tick(struct mp_swim *swim, struct mp_env *env)
{
	struct swim_probe *probe = &swim->probe;

	if (probe->slot != SWIM_NONE && probe->ask_ms <= env->now_ms)
		probe_ask(swim, env);
	if (probe->slot != SWIM_NONE && probe->end_ms <= env->now_ms)
		probe_fail(swim, env);
	if (probe->slot == SWIM_NONE && swim->probe_ms <= env->now_ms)
		probe_start(swim, env);
}

static bool
probe_relayed_by(const struct mp_swim *swim, const struct mp_member *m, uint64_t seq)
{
	const struct swim_probe *probe = &swim->probe;

	for (size_t i = 0; probe->slot != SWIM_NONE && i < probe->relay_count; i++) {
		if (probe->relays[i] == m->slot && probe->seq == seq)
			return true;
	}
	return false;
}

/* ---- probes of others ---- */

static void
relay_answer(struct mp_swim *swim, struct mp_env *env, const struct swim_relay *relay,
	enum mp_swim_kind kind)
{
	struct mp_swim_record record = {.kind = kind};

	record.u.ask.seq = relay->asker_seq;
	answer(swim, env, swim_member(swim, relay->asker), relay->by_stream ? NULL : &relay->from,
		&record);
}

static void
relay_start(struct mp_swim *swim, struct mp_env *env, const struct mp_member *asker,
	const struct mp_addr *from, const struct mp_swim_record *record)
{
	const struct mp_profile *p = env->profile;
	const struct mp_member *m = mp_roster_find(swim->roster, &record->u.ask.target);
	struct mp_swim_record ping;
	struct swim_relay *relay;

	if (m == NULL || m->slot == swim->self || swim->relay_count == SWIM_RELAYS_MAX)
		return;
	relay = &swim->relays[swim->relay_count++];
	*relay = (struct swim_relay){.asker = asker->slot,
		.target = m->slot,
		.asker_seq = record->u.ask.seq,
		.seq = seq_next(swim),
		.nack_ms = env->now_ms + p->probe_timeout_ms * 4 / 5,
		.end_ms = env->now_ms + 2 * p->probe_interval_ms,
		.by_stream = from == NULL};
	if (from != NULL)
		relay->from = *from;
	if (relay->nack_ms < swim->relay_ms)
		swim->relay_ms = relay->nack_ms;
	ping = ping_make(swim, env, MP_SWIM_PING, relay->seq);
	mp_swim_send(swim, env, m, NULL, &ping);
}

void
mp_swim_relay_tick(struct mp_swim *swim, struct mp_env *env)
{
	size_t i = 0;

	swim->relay_ms = MP_TIME_NEVER;
	while (i < swim->relay_count) {
		struct swim_relay *relay = &swim->relays[i];
		mp_time next;

		if (relay->nack_ms <= env->now_ms) {
			relay_answer(swim, env, relay, MP_SWIM_NACK);
			relay->nack_ms = MP_TIME_NEVER;
		}
		if (relay->end_ms <= env->now_ms) {
			*relay = swim->relays[--swim->relay_count];
			continue;
		}
		next = relay->nack_ms < relay->end_ms ? relay->nack_ms : relay->end_ms;
		if (next < swim->relay_ms)
			swim->relay_ms = next;
		i++;
	}
}

static void
relay_acked(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m, uint64_t seq)
{
	for (size_t i = 0; i < swim->relay_count; i++) {
		struct swim_relay *relay = &swim->relays[i];

		if (relay->target != m->slot || relay->seq != seq)
			continue;
		relay_answer(swim, env, relay, MP_SWIM_IND_ACK);
		*relay = swim->relays[--swim->relay_count];
		return;
	}
}

/* ---- input ---- */

/* What pings and acks carry besides. */
static void
soft_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_swim_record *record)
{
	if (MP_MUTANT(LOAD_GOSSIPED) && m->load.used != record->u.ping.load.used)
		mp_swim_tell(swim, env, m->slot, NEWS_STATEMENT);
	swim_edit(swim, m)->load = record->u.ping.load;
	if (record->u.ping.load.runs != 0) {
		swim_edit(swim, m)->runs = record->u.ping.load.runs;
		swim_edit(swim, m)->runs_ms = env->now_ms;
	}
	swim->compared = true;
	if (record->u.ping.view == swim->digest || MP_MUTANT(DIGEST_IGNORED)) {
		swim->mismatches = 0;
		swim->mismatches_max = SWIM_MISMATCHES;
	} else if (++swim->mismatches >= swim->mismatches_max) {
		/* Pulling did not help: others are at odds, or it takes its time. */
		swim->mismatches = 0;
		if (swim->mismatches_max < SWIM_MISMATCHES_MAX)
			swim->mismatches_max *= 2;
		mp_swim_want(swim, env, m, NULL);
	}
}

static void
acked(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *from, const struct mp_swim_record *record)
{
	struct swim_probe *probe = &swim->probe;
	struct mp_member *edit = swim_edit(swim, m);

	path_answered(swim, m, from != NULL);
	if (probe->slot != m->slot || probe->seq != record->u.ping.seq) {
		relay_acked(swim, env, m, record->u.ping.seq);
		return;
	}
	if (from != NULL || edit->path == MP_PATH_TCP) {
		edit->rtt_ms = (uint32_t)(env->now_ms - probe->sent_ms);
		edit->has_skew = record->u.ping.wall_ms > 0;
		edit->skew_ms = record->u.ping.wall_ms - (env->wall_ms - edit->rtt_ms / 2);
	}
	probe_succeed(swim);
}

void
mp_swim_probe_record(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	const struct mp_addr *from, const struct mp_swim_record *record)
{
	struct mp_swim_record reply;

	switch (record->kind) {
	case MP_SWIM_PING:
		soft_in(swim, env, sender, record);
		reply = ping_make(swim, env, MP_SWIM_ACK, record->u.ping.seq);
		answer(swim, env, sender, from, &reply);
		return;
	case MP_SWIM_ACK:
		soft_in(swim, env, sender, record);
		acked(swim, env, sender, from, record);
		return;
	case MP_SWIM_PING_REQ:
		relay_start(swim, env, sender, from, record);
		return;
	case MP_SWIM_NACK:
		if (probe_relayed_by(swim, sender, record->u.ask.seq) &&
			swim->probe.nacks < swim->probe.relay_count)
			swim->probe.nacks++;
		return;
	case MP_SWIM_IND_ACK:
		if (probe_relayed_by(swim, sender, record->u.ask.seq))
			probe_succeed(swim);
		return;
	case MP_SWIM_CRED:
	case MP_SWIM_STATEMENT:
	case MP_SWIM_SUSPECT:
	case MP_SWIM_DEAD:
	case MP_SWIM_REVOKED:
		break;
	}
	mp_unreachable();
}

/* ---- those who may be back ---- */

void
mp_swim_contact_dead(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t slots[2];
	size_t n = mp_swim_pick(swim, env, PICK_DEAD, SWIM_NONE, slots, mp_countof(slots));
	struct mp_swim_record ping;

	for (size_t i = 0; i < n; i++) {
		const struct mp_member *m = swim_member(swim, slots[i]);

		if (MP_MUTANT(DEAD_FORGOTTEN) &&
			env->now_ms - swim_peer(swim, m)->dead_ms > env->profile->dead_contact_ms)
			continue;
		swim_peer(swim, m)->addr++;
		mp_swim_ping(swim, env, m);
		/* It may have been away when we joined: a stream tells it who we are. */
		ping = ping_make(swim, env, MP_SWIM_PING, seq_next(swim));
		mp_swim_send_stream(swim, env, m, &ping);
		if (m->path == MP_PATH_TCP)
			mp_swim_try(swim, env, m, &ping);
	}
	swim->dead_contact_ms = env->now_ms + env->profile->dead_contact_ms;
}

void
mp_swim_greet(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t slots[SWIM_GREET_MAX];
	size_t n = mp_swim_pick(swim, env, PICK_PRESENT, SWIM_NONE, slots, mp_countof(slots));

	for (size_t i = 0; i < n; i++)
		mp_swim_ping(swim, env, swim_member(swim, slots[i]));
}

/* ---- a node that only reaches out ---- */

static void
dial(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct mp_swim_record ping = ping_make(swim, env, MP_SWIM_PING, ++swim->seq);
	struct swim_peer *peer = swim_peer(swim, m);
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_swim_record_write(&w, &ping);
	if (w.rc == 0 && !m->link_up)
		mp_out_send(env->out, &m->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
	if (w.rc == 0 && !peer->bulk_up)
		mp_out_send(env->out, &m->id, MP_CLASS_BULK, mp_buf_span(w.buf), 0);
	peer->dial_ms = env->now_ms + SWIM_DIAL_AGAIN_MS;
}

void
mp_swim_dial(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t start = (uint32_t)mp_rng_below(&env->rng, swim->peer_count);
	size_t n = 0;

	for (uint32_t i = 0; i < swim->peer_count && n < SWIM_DIAL_MAX; i++) {
		uint32_t slot = (uint32_t)((start + i) % swim->peer_count);
		const struct mp_member *m = swim_member(swim, slot);
		const struct swim_peer *peer = &swim->peers[slot];

		if (slot == swim->self || m->addr_count == 0 || m->state >= MP_MEMBER_DEAD ||
			(m->link_up && peer->bulk_up) || peer->dial_ms > env->now_ms)
			continue;
		dial(swim, env, m);
		n++;
	}
	swim->dial_ms = env->now_ms + SWIM_DIAL_MS;
}
