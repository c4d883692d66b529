/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_model_int.h"

/* ---- probes ---- */

static uint32_t
divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint32_t
target_next(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	for (uint32_t i = 0; i < m->n; i++) {
		if (node->walk_left == 0) {
			do
				node->walk_step = 1 + model_below(m, m->n);
			while (divisor(node->walk_step, m->n) != 1);
			node->walk_at = model_below(m, m->n);
			node->walk_left = m->n;
		}
		node->walk_left--;
		node->walk_at = (node->walk_at + node->walk_step) % m->n;
		if (node->walk_at != v && state_of(*view(m, v, node->walk_at)) != DEAD)
			return node->walk_at;
	}
	return NOBODY;
}

static void
probe_start(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	sim_time scale = (sim_time)node->health + 1;

	node->probe_at = m->now + scale * SIM_SEC;
	node->target = target_next(m, v);
	if (node->target == NOBODY)
		return;
	node->probe_seq = ++node->seq;
	node->relay_count = node->nacks = 0;
	node->ask_at = m->now + scale * SIM_SEC / 2;
	node->end_at = m->now + scale * SIM_SEC;
	model_send_packet(m, v, node->target, model_packet_new(m, v, PINGED, node->probe_seq));
}

static void
probe_ask(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->ask_at = SIM_NEVER;
	while (node->relay_count < INDIRECT) {
		uint32_t to = model_pick(m, v, node->target, true);
		struct packet *p;

		if (to == NOBODY || (node->relay_count > 0 && to == node->relays[0]))
			break;
		node->relays[node->relay_count++] = to;
		p = model_packet_new(m, v, ASKED, node->probe_seq);
		p->target = node->target;
		model_send_packet(m, v, to, p);
	}
	model_send_stream(m, node->target, model_packet_new(m, v, PINGED, node->probe_seq), PING);
}

static void
probe_done(struct model_node *node)
{
	node->target = NOBODY;
	node->ask_at = node->end_at = SIM_NEVER;
}

static void
probe_fail(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	uint32_t s = node->target;
	struct record r = {.subject = s,
		.by = v,
		.incarnation = incarnation_of(*view(m, v, s)),
		.what = SUSPECT};

	model_health_add(node, node->relay_count > 0 ? node->relay_count - node->nacks : 1);
	probe_done(node);
	if (state_of(*view(m, v, s)) != DEAD)
		model_accuse(m, v, &r, false);
}

static void
relay_start(struct model *m, uint32_t v, const struct packet *p)
{
	struct model_node *node = &m->nodes[v];

	if (p->target == v || node->relaying == mp_countof(node->relay))
		return;
	node->relay[node->relaying++] = (struct relay){.asker = p->from,
		.target = p->target,
		.asker_seq = p->seq,
		.seq = ++node->seq,
		.nack = m->now + NACK_AFTER,
		.end = m->now + 2 * SIM_SEC};
	model_send_packet(m, v, p->target, model_packet_new(m, v, PINGED, node->seq));
}

static sim_time
relay_tick(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	sim_time next = SIM_NEVER;

	for (uint32_t i = 0; i < node->relaying;) {
		struct relay *r = &node->relay[i];

		if (r->nack <= m->now) {
			model_send_packet(
				m, v, r->asker, model_packet_new(m, v, NACKED, r->asker_seq));
			r->nack = SIM_NEVER;
		}
		if (r->end <= m->now) {
			*r = node->relay[--node->relaying];
			continue;
		}
		sooner(&next, r->nack < r->end ? r->nack : r->end);
		i++;
	}
	return next;
}

static void
acked(struct model *m, uint32_t v, const struct packet *p)
{
	struct model_node *node = &m->nodes[v];

	if (node->target == p->from && node->probe_seq == p->seq) {
		model_health_add(node, -1);
		probe_done(node);
		return;
	}
	for (uint32_t i = 0; i < node->relaying; i++) {
		struct relay *r = &node->relay[i];

		if (r->target != p->from || r->seq != p->seq)
			continue;
		model_send_packet(m, v, r->asker, model_packet_new(m, v, VOUCHED, r->asker_seq));
		*r = node->relay[--node->relaying];
		return;
	}
}

/* ---- views that differ ---- */

static void
compare(struct model *m, uint32_t v, const struct packet *p)
{
	struct model_node *node = &m->nodes[v];

	if (p->digest == node->digest) {
		node->mismatches = 0;
		node->mismatches_max = MISMATCHES;
	} else if (++node->mismatches >= node->mismatches_max) {
		node->mismatches = 0;
		if (node->mismatches_max < MISMATCH_MAX)
			node->mismatches_max *= 2;
		if (node->pull_at == SIM_NEVER) {
			node->pull_at = m->now > node->pulled + PULL ? m->now : node->pulled + PULL;
			node->pull_from = p->from;
		}
	}
}

/* What `v` learns from what `from` holds of `s`. */
static void
learn(struct model *m, uint32_t v, uint32_t from, uint32_t s, uint16_t theirs)
{
	struct record r = {
		.subject = s, .by = from, .incarnation = incarnation_of(theirs), .what = ALIVE};

	if (r.incarnation > incarnation_of(*view(m, v, s)))
		model_record_in(m, v, from, &r);
	r.what = state_of(theirs);
	if (r.what != ALIVE)
		model_record_in(m, v, from, &r);
}

/* `from` has asked with sums; buckets of eight, four bytes each. */
static void
sync(struct model *m, uint32_t v, uint32_t from)
{
	const uint16_t *mine = view(m, v, 0), *theirs = view(m, from, 0);
	uint32_t differ = 0;

	if (!m->nodes[from].up)
		return;
	for (uint32_t s = 0; s < m->n; s++) {
		uint16_t a = mine[s], b = theirs[s];

		if (a == b)
			continue;
		differ++;
		learn(m, v, from, s, b);
		learn(m, from, v, s, a);
	}
	m->stream_bytes += 3 * STREAM + differ * (8 * ENTRY + STATEMENT);
}

static void
pull(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	size_t buckets = 16;

	while (8 * buckets < m->n && buckets < 1024)
		buckets *= 2;
	node->pull_at = SIM_NEVER;
	node->pulled = m->now;
	model_send_stream(m, node->pull_from, model_packet_new(m, v, SYNC, 0), 4 * buckets);
}

/* ---- timers ---- */

static void
gossip(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->gossiped = m->now;
	for (int i = 0; i < FANOUT && node->news_count > 0; i++) {
		uint32_t to = model_pick(m, v, NOBODY, false);

		if (to != NOBODY)
			model_send_packet(m, v, to, model_packet_new(m, v, NEWS_ONLY, 0));
	}
	node->gossip_at = node->news_count > 0 ? m->now + mp_profile_lan.gossip_interval_ms * SIM_MS
					       : SIM_NEVER;
}

static void
contact_dead(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->dead_at = m->now + mp_profile_lan.dead_contact_ms * SIM_MS;
	for (int i = 0; i < 2 && node->doubt_count > 0; i++) {
		uint32_t s = node->doubts[model_below(m, node->doubt_count)].subject;

		if (state_of(*view(m, v, s)) != DEAD)
			continue;
		model_send_packet(m, v, s, model_packet_new(m, v, PINGED, ++node->seq));
		model_send_stream(m, s, model_packet_new(m, v, PINGED, ++node->seq), PING);
	}
}

static sim_time
deadline(const struct model_node *node)
{
	sim_time t = node->probe_at;

	sooner(&t, node->ask_at);
	sooner(&t, node->end_at);
	sooner(&t, node->gossip_at);
	sooner(&t, node->refute_at);
	sooner(&t, node->judge_at);
	sooner(&t, node->pull_at);
	sooner(&t, node->dead_at);
	for (uint32_t i = 0; i < node->relaying; i++) {
		sooner(&t, node->relay[i].nack);
		sooner(&t, node->relay[i].end);
	}
	return t;
}

static void
excuse(struct model_node *node, sim_time now, sim_time late)
{
	model_health_add(node, 1);
	if (node->target != NOBODY) {
		if (node->ask_at != SIM_NEVER)
			node->ask_at += late;
		node->end_at += late;
		node->probe_at += late;
	}
	node->judge_at = SIM_NEVER;
	for (uint32_t i = 0; i < node->doubt_count; i++) {
		struct doubt *d = &node->doubts[i];
		sim_time lost = now - d->since < late ? now - d->since : late;

		if (d->expire == SIM_NEVER)
			continue;
		d->since += lost;
		d->expire += lost;
		sooner(&node->judge_at, d->expire);
	}
}

static void
tick(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	sim_time due = deadline(node);

	if (due > m->now)
		return;
	if (m->now - due > LAG)
		excuse(node, m->now, m->now - due);
	if (node->ask_at <= m->now)
		probe_ask(m, v);
	if (node->end_at <= m->now)
		probe_fail(m, v);
	if (node->target == NOBODY && node->probe_at <= m->now)
		probe_start(m, v);
	(void)relay_tick(m, v);
	if (node->refute_at <= m->now)
		model_refute_now(m, v);
	if (node->judge_at <= m->now)
		model_judge(m, v);
	if (node->dead_at <= m->now)
		contact_dead(m, v);
	if (node->pull_at <= m->now)
		pull(m, v);
	if (node->gossip_at <= m->now)
		gossip(m, v);
}

/* ---- the clock ---- */

static void
tick_plan(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	sim_time when = deadline(node);

	if (when <= m->now)
		when = m->now + 1;
	if (node->tick_at <= when)
		return;
	node->tick_at = when;
	model_push(
		m, (struct model_due){.when = when, .node = v, .life = node->life, .kind = TICK});
}

static void
packet_in(struct model *m, uint32_t v, const struct packet *p)
{
	struct model_node *node = &m->nodes[v];

	for (uint32_t i = 0; i < node->doubt_count; i++) {
		if (node->doubts[i].subject == p->from)
			node->doubts[i].heard = m->now;
	}
	if (state_of(*view(m, v, p->from)) != ALIVE)
		model_answer_stale(m, v, p->from);
	for (uint32_t i = 0; i < p->count; i++)
		model_record_in(m, v, p->from, &p->records[i]);
	if (p->kind == PINGED || p->kind == ACKED)
		compare(m, v, p);
	if (p->kind == PINGED)
		model_reply(m, v, p, ACKED);
	else if (p->kind == ACKED)
		acked(m, v, p);
	else if (p->kind == ASKED)
		relay_start(m, v, p);
	else if (p->kind == NACKED && p->seq == node->probe_seq && node->nacks < node->relay_count)
		node->nacks++;
	else if (p->kind == VOUCHED && p->seq == node->probe_seq && node->target != NOBODY) {
		model_health_add(node, -1);
		probe_done(node);
	} else if (p->kind == SYNC)
		sync(m, v, p->from);
}

static void
starve_next(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	if (node->starved_until <= m->now || !node->up)
		return;
	node->paused_until = m->now + model_between(m, 2 * SIM_SEC, 16 * SIM_SEC);
	model_push(m, (struct model_due){.when = node->paused_until + model_between(m, 2000, 60000),
			      .node = v,
			      .life = node->life,
			      .kind = WAKE});
}

/* Who stands still gets it when it wakes, as much of it as a socket keeps. */
static bool
postpone(struct model *m, struct model_due *due)
{
	struct model_node *node = &m->nodes[due->node];
	bool is_tick = due->packet == NULL;

	if (node->paused_until <= m->now || due->kind == WAKE)
		return false;
	if (!is_tick && node->backlog++ >= BACKLOG) {
		free(due->packet);
		return true;
	}
	due->when = node->paused_until + (is_tick != m->tick_first);
	node->woke = node->paused_until;
	if (is_tick)
		node->tick_at = due->when;
	model_push(m, *due);
	return true;
}

static void
run(struct model *m, struct model_due *due)
{
	struct model_node *node = &m->nodes[due->node];

	if (node->life != due->life || !node->up) {
		free(due->packet);
		return;
	}
	if (postpone(m, due))
		return;
	node->backlog = 0;
	if (due->kind == WAKE) {
		starve_next(m, due->node);
		return;
	}
	if (due->packet != NULL) {
		packet_in(m, due->node, due->packet);
		free(due->packet);
	} else if (node->tick_at == due->when) {
		node->tick_at = SIM_NEVER;
		tick(m, due->node);
	}
	tick_plan(m, due->node);
}

void
model_run_until(struct model *m, sim_time until)
{
	while (m->heap_count > 0 && m->heap[0].when <= until) {
		struct model_due due = model_pop(m);

		m->now = due.when;
		run(m, &due);
	}
	m->now = until;
}

/* ---- lives ---- */

static void
node_begin(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->up = true;
	node->since = m->now;
	node->target = NOBODY;
	node->ask_at = node->end_at = node->gossip_at = node->refute_at = SIM_NEVER;
	node->judge_at = node->pull_at = node->tick_at = SIM_NEVER;
	node->refuted = node->pulled = -SIM_SEC;
	node->mismatches = node->health = node->relaying = 0;
	node->mismatches_max = MISMATCHES;
	node->probe_at = m->now + model_between(m, SIM_MS, SIM_SEC);
	node->dead_at = m->now + model_between(m, 15 * SIM_SEC, 45 * SIM_SEC);
	tick_plan(m, v);
}

/* 4 s times log10 n, and 4 s at least. */
static sim_time
suspicion_min(double n)
{
	double log = 0;

	for (; n > 1; n /= 1.0023052) /* 10^0.001 */
		log += 0.001;
	return (sim_time)((double)(mp_profile_lan.suspicion_ms * SIM_MS) * (log > 1 ? log : 1));
}

struct model *
model_new(uint32_t n, uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t digest = 0;

	mp_assert(m != NULL);
	m->rng.state = seed;
	m->n = n;
	m->watched = NOBODY;
	m->suspicion_min = suspicion_min(n);
	m->nodes = calloc(n, sizeof(*m->nodes));
	m->views = calloc((size_t)n * n, sizeof(*m->views));
	m->heard_at = calloc(n, sizeof(*m->heard_at));
	mp_assert(m->nodes != NULL && m->views != NULL && m->heard_at != NULL);
	for (uint32_t i = 0; i < n; i++)
		digest ^= model_share(i, (BOOT << 2) | ALIVE);
	for (size_t i = 0; i < (size_t)n * n; i++)
		m->views[i] = (BOOT << 2) | ALIVE;
	for (uint32_t v = 0; v < n; v++) {
		m->nodes[v].own = BOOT;
		m->nodes[v].digest = digest;
		node_begin(m, v);
	}
	return m;
}

void
model_free(struct model *m)
{
	for (uint32_t v = 0; v < m->n; v++) {
		free(m->nodes[v].news);
		free(m->nodes[v].doubts);
	}
	while (m->heap_count > 0)
		free(model_pop(m).packet);
	free(m->heap);
	free(m->heard_at);
	free(m->views);
	free(m->nodes);
	free(m);
}

bool
model_is_up(const struct model *m, uint32_t node)
{
	return m->nodes[node].up;
}

static void
watch_begin(struct model *m, uint32_t node, uint16_t incarnation)
{
	m->watched = node;
	m->watched_incarnation = incarnation;
	m->watch_since = m->now;
	m->heard = m->suspects = m->deads = 0;
}

void
model_speak(struct model *m, uint32_t node)
{
	uint16_t next = (uint16_t)(m->nodes[node].own + 1);

	watch_begin(m, node, next);
	model_say(m, node, next);
	tick_plan(m, node);
}

void
model_crash(struct model *m, uint32_t node)
{
	watch_begin(m, node, UINT16_MAX);
	m->nodes[node].up = false;
	m->nodes[node].life++;
	m->nodes[node].since = m->now;
}

/* It has its roster from disk, and pulls the view of somebody. */
void
model_start(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];
	uint32_t from = v;

	while (from == v || !m->nodes[from].up)
		from = model_below(m, m->n);
	memcpy(view(m, v, 0), view(m, from, 0), m->n * sizeof(*m->views));
	node->digest = m->nodes[from].digest;
	node->news_count = node->doubt_count = 0;
	m->stream_bytes += CONNECT + 2 * STREAM + (uint64_t)m->n * ENTRY;
	node_begin(m, v);
	for (uint32_t i = 0; i < m->nodes[from].doubt_count; i++) {
		struct doubt *d = model_doubt_make(m, node, m->nodes[from].doubts[i].subject);

		if (state_of(*view(m, v, d->subject)) == SUSPECT)
			model_expire_set(m, node, d);
	}
	model_say(m, v, (uint16_t)((node->own / BOOT + 1) * BOOT));
	tick_plan(m, v);
}

void
model_starve(struct model *m, uint32_t node, sim_time until)
{
	m->nodes[node].starved_until = until;
	starve_next(m, node);
}
