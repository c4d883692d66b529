/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh_model_int.h"

/* ---- the queue ---- */

void
model_push(struct model *m, struct model_due due)
{
	size_t i = m->heap_count++;

	if (i == m->heap_cap) {
		m->heap_cap = m->heap_cap == 0 ? 4096 : 2 * m->heap_cap;
		m->heap = realloc(m->heap, m->heap_cap * sizeof(*m->heap));
		mp_assert(m->heap != NULL);
	}
	for (; i > 0 && due.when < m->heap[(i - 1) / 2].when; i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = due;
}

struct model_due
model_pop(struct model *m)
{
	struct model_due top = m->heap[0], last = m->heap[--m->heap_count];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < m->heap_count) {
		if (c + 1 < m->heap_count && m->heap[c + 1].when < m->heap[c].when)
			c++;
		if (m->heap[c].when >= last.when)
			break;
		m->heap[i] = m->heap[c];
		i = c;
	}
	m->heap[i] = last;
	return top;
}

uint32_t
model_below(struct model *m, uint32_t n)
{
	return (uint32_t)mp_rng_below(&m->rng, n);
}

sim_time
model_between(struct model *m, sim_time min, sim_time max)
{
	return min + (sim_time)mp_rng_below(&m->rng, (uint64_t)(max - min) + 1);
}

static sim_time
delay(struct model *m)
{
	sim_time d = model_between(m, 500, 2500);

	return model_below(m, 100) == 0 ? 10 * d : d;
}

/* ---- views ---- */

uint64_t
model_share(uint32_t s, uint16_t held)
{
	struct mp_rng r = {.state = (uint64_t)s << 20 | (uint64_t)incarnation_of(held) << 1 |
				    (state_of(held) == DEAD)};

	return mp_rng_next(&r);
}

static void
watch(struct model *m, uint32_t v, uint32_t s, uint16_t before, uint16_t now)
{
	if (s != m->watched || v == s)
		return;
	m->suspects += state_of(now) == SUSPECT;
	m->suspects -= state_of(before) == SUSPECT;
	m->deads += state_of(now) == DEAD;
	m->deads -= state_of(before) == DEAD;
	if (state_of(now) == ALIVE && incarnation_of(before) < m->watched_incarnation &&
		incarnation_of(now) >= m->watched_incarnation)
		m->heard_at[m->heard++] = m->now - m->watch_since;
}

static void
view_set(struct model *m, uint32_t v, uint32_t s, uint16_t incarnation, uint8_t state)
{
	uint16_t *at = view(m, v, s), before = *at;

	*at = (uint16_t)(incarnation << 2 | state);
	m->nodes[v].digest ^= model_share(s, before) ^ model_share(s, *at);
	watch(m, v, s, before, *at);
}

/* ---- news and doubts, of which there are few ---- */

static struct news *
news_find(struct model_node *node, uint32_t s, bool statement)
{
	for (uint32_t i = 0; i < node->news_count; i++) {
		if (node->news[i].subject == s && node->news[i].statement == statement)
			return &node->news[i];
	}
	return NULL;
}

static void
untell(struct model_node *node, uint32_t s, bool statement)
{
	struct news *news = news_find(node, s, statement);

	if (news != NULL)
		*news = node->news[--node->news_count];
}

static void
tell(struct model *m, uint32_t v, uint32_t s, bool statement)
{
	struct model_node *node = &m->nodes[v];
	struct news *news = news_find(node, s, statement);

	if (news == NULL && node->news_count == node->news_cap) {
		node->news_cap = node->news_cap == 0 ? 16 : 2 * node->news_cap;
		node->news = realloc(node->news, node->news_cap * sizeof(*node->news));
		mp_assert(node->news != NULL);
	}
	if (news == NULL)
		news = &node->news[node->news_count++];
	*news = (struct news){.subject = s, .statement = statement};
	if (node->gossip_at == SIM_NEVER) {
		node->gossip_at = node->gossiped + mp_profile_lan.gossip_interval_ms * SIM_MS;
		if (node->gossip_at < m->now)
			node->gossip_at = m->now;
	}
}

static struct doubt *
doubt_find(struct model_node *node, uint32_t s)
{
	for (uint32_t i = 0; i < node->doubt_count; i++) {
		if (node->doubts[i].subject == s)
			return &node->doubts[i];
	}
	return NULL;
}

struct doubt *
model_doubt_make(struct model *m, struct model_node *node, uint32_t s)
{
	struct doubt *d = doubt_find(node, s);

	if (d == NULL && node->doubt_count == node->doubt_cap) {
		node->doubt_cap = node->doubt_cap == 0 ? 16 : 2 * node->doubt_cap;
		node->doubts = realloc(node->doubts, node->doubt_cap * sizeof(*node->doubts));
		mp_assert(node->doubts != NULL);
	}
	if (d == NULL)
		d = &node->doubts[node->doubt_count++];
	*d = (struct doubt){
		.subject = s, .since = m->now, .expire = SIM_NEVER, .replied = -REPLY, .heard = -1};
	return d;
}

void
model_health_add(struct model_node *node, int delta)
{
	int health = (int)node->health + delta;

	node->health = health < 0 ? 0 : health > HEALTH_MAX ? HEALTH_MAX : (uint32_t)health;
}

/* ---- sending ---- */

static uint8_t
transmissions(const struct model *m)
{
	uint8_t limit = 0;

	for (uint32_t power = 1; power < m->n + 1; power *= 10)
		limit += 4;
	return limit < 12 ? 12 : limit;
}

static void
add_record(struct model *m, uint32_t v, struct packet *p, size_t *size, uint32_t s, bool statement)
{
	struct model_node *node = &m->nodes[v];
	uint16_t held = *view(m, v, s);
	struct record *r = &p->records[p->count];
	const struct doubt *d;

	*r = (struct record){.subject = s, .incarnation = incarnation_of(held), .by = v};
	*size += statement ? STATEMENT : ACCUSED;
	p->count++;
	if (statement)
		return;
	d = doubt_find(node, s);
	r->what = state_of(held) == DEAD || (d != NULL && d->hearsay) ? DEAD : SUSPECT;
	if (d != NULL && state_of(held) == SUSPECT && d->count > 0 &&
		d->accusers[d->count - 1] != NOBODY)
		r->by = d->accusers[d->count - 1];
}

/* The least told first, but our own word and accusations before others. */
static uint32_t
urgency(uint32_t v, const struct news *news)
{
	uint32_t rank = !news->statement ? 2 : news->subject == v ? 1 : 3;

	return rank << 8 | news->sent;
}

static void
add_news(struct model *m, uint32_t v, struct packet *p, size_t *size, uint32_t to)
{
	struct model_node *node = &m->nodes[v];
	uint8_t limit = transmissions(m);
	struct news chosen[RECORDS];
	uint32_t count = 0;

	for (uint32_t i = 0; i < node->news_count; i++) {
		uint32_t mine = urgency(v, &node->news[i]), at = count;

		if (count == RECORDS && mine >= urgency(v, &chosen[count - 1]))
			continue;
		if (count < RECORDS)
			count++;
		else
			at--;
		for (; at > 0 && mine < urgency(v, &chosen[at - 1]); at--)
			chosen[at] = chosen[at - 1];
		chosen[at] = node->news[i];
	}
	for (uint32_t i = 0; i < count && p->count < RECORDS; i++) {
		struct news *news = news_find(node, chosen[i].subject, chosen[i].statement);

		mp_assert(news != NULL);
		if (news->subject != to) {
			if (*size + (news->statement ? STATEMENT : ACCUSED) > ROOM)
				continue;
			add_record(m, v, p, size, news->subject, news->statement);
		}
		if (++news->sent >= limit)
			untell(node, chosen[i].subject, chosen[i].statement);
	}
}

struct packet *
model_packet_new(struct model *m, uint32_t v, enum kind kind, uint32_t seq)
{
	struct packet *p = malloc(sizeof(*p));

	mp_assert(p != NULL);
	p->kind = kind;
	p->from = v;
	p->seq = seq;
	p->target = NOBODY;
	p->digest = m->nodes[v].digest;
	p->stream = false;
	p->count = 0;
	return p;
}

static void
post(struct model *m, uint32_t to, sim_time when, struct packet *p)
{
	model_push(m, (struct model_due){.when = when,
			      .node = to,
			      .life = m->nodes[to].life,
			      .kind = p->kind,
			      .packet = p});
}

void
model_send_packet(struct model *m, uint32_t v, uint32_t to, struct packet *p)
{
	static const size_t sizes[] = {[PINGED] = PING,
		[ACKED] = ACK,
		[ASKED] = ASK,
		[NACKED] = ANSWER,
		[VOUCHED] = ANSWER,
		[SYNC] = 0};
	size_t size = sizes[p->kind];

	if (state_of(*view(m, v, to)) != ALIVE)
		add_record(m, v, p, &size, to, false);
	add_news(m, v, p, &size, to);
	if (p->kind == NEWS_ONLY && p->count == 0) {
		free(p);
		return;
	}
	m->datagrams++;
	m->udp_bytes += size + OVERHEAD;
	if (!m->nodes[to].up || model_below(m, 1000) < m->loss)
		free(p);
	else
		post(m, to, m->now + delay(m), p);
}

/* Over a stream that is opened for it. */
void
model_send_stream(struct model *m, uint32_t to, struct packet *p, size_t size)
{
	p->stream = true;
	if (!m->nodes[to].up || m->nodes[to].paused_until > m->now) {
		free(p);
		return;
	}
	m->stream_bytes += CONNECT + STREAM + size;
	post(m, to, m->now + 4 * delay(m), p);
}

void
model_reply(struct model *m, uint32_t v, const struct packet *to, enum kind kind)
{
	struct packet *p = model_packet_new(m, v, kind, to->seq);

	if (!to->stream) {
		model_send_packet(m, v, to->from, p);
		return;
	}
	p->stream = true;
	m->stream_bytes += STREAM + ACK;
	post(m, to->from, m->now + delay(m), p);
}

/* Some other node that is held alive, or suspect too; NOBODY after some tries. */
uint32_t
model_pick(struct model *m, uint32_t v, uint32_t except, bool alive_only)
{
	for (int i = 0; i < 16; i++) {
		uint32_t s = model_below(m, m->n);
		uint8_t state = state_of(*view(m, v, s));

		if (s != v && s != except && (state == ALIVE || (state == SUSPECT && !alive_only)))
			return s;
	}
	return NOBODY;
}

/* ---- suspicion ---- */

void
model_expire_set(struct model *m, struct model_node *node, struct doubt *d)
{
	static const sim_time part[ACCUSERS] = {0, 500, 792, 1000};
	sim_time min = m->suspicion_min, max = 6 * min;
	uint32_t confirmations = d->count > 0 ? d->count - 1u : 0;

	if (m->n < ACCUSERS + 1)
		confirmations = ACCUSERS - 1;
	d->expire = d->since + max - (max - min) * part[confirmations] / 1000;
	if (d->expire < m->now)
		d->expire = m->now;
	sooner(&node->judge_at, d->expire);
}

void
model_answer_stale(struct model *m, uint32_t v, uint32_t s)
{
	struct doubt *d = doubt_find(&m->nodes[v], s);

	if (d == NULL || m->now - d->replied < REPLY)
		return;
	d->replied = m->now;
	tell(m, v, s, false);
	model_send_packet(m, v, s, model_packet_new(m, v, NEWS_ONLY, 0));
}

void
model_accuse(struct model *m, uint32_t v, const struct record *r, bool fresh)
{
	struct model_node *node = &m->nodes[v];
	uint8_t state = state_of(*view(m, v, r->subject));
	struct doubt *d = doubt_find(node, r->subject);
	bool news = true;

	if (r->by == r->subject || (!fresh && state == DEAD))
		return;
	if (fresh || state == ALIVE || d == NULL) {
		d = model_doubt_make(m, node, r->subject);
		view_set(m, v, r->subject, r->incarnation, SUSPECT);
	}
	for (uint32_t i = 0; i < d->count; i++)
		news = news && d->accusers[i] != r->by;
	news = news && d->count < ACCUSERS;
	if (news)
		d->accusers[d->count++] = r->by;
	if (r->what == DEAD && !d->hearsay) {
		d->hearsay = news = true;
		while (d->count < ACCUSERS)
			d->accusers[d->count++] = NOBODY;
	}
	if (news)
		tell(m, v, r->subject, false);
	model_expire_set(m, node, d);
}

void
model_say(struct model *m, uint32_t v, uint16_t incarnation)
{
	m->nodes[v].own = incarnation;
	view_set(m, v, v, incarnation, ALIVE);
	tell(m, v, v, true);
}

void
model_refute_now(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->refute_at = SIM_NEVER;
	if (node->accused_of < node->own)
		return;
	node->refuted = m->now;
	model_health_add(node, 1);
	model_say(m, v, node->accused_of + 1);
}

static void
refute(struct model *m, uint32_t v, uint32_t sender, uint16_t incarnation)
{
	struct model_node *node = &m->nodes[v];

	if (incarnation < node->own) {
		if (news_find(node, v, true) == NULL)
			tell(m, v, v, true);
		model_send_packet(m, v, sender, model_packet_new(m, v, NEWS_ONLY, 0));
		return;
	}
	node->accused_of = incarnation;
	if (m->now - node->refuted >= REFUTE)
		model_refute_now(m, v);
	else
		node->refute_at = node->refuted + REFUTE;
}

static void
statement_in(struct model *m, uint32_t v, const struct record *r)
{
	struct model_node *node = &m->nodes[v];
	uint16_t held = *view(m, v, r->subject);
	struct doubt *d;

	if (r->subject == v)
		return;
	if (r->incarnation <= incarnation_of(held)) {
		if (state_of(held) != ALIVE)
			model_answer_stale(m, v, r->subject);
		return;
	}
	d = doubt_find(node, r->subject);
	if (d != NULL)
		*d = node->doubts[--node->doubt_count];
	untell(node, r->subject, false);
	view_set(m, v, r->subject, r->incarnation, ALIVE);
	tell(m, v, r->subject, true);
}

void
model_record_in(struct model *m, uint32_t v, uint32_t sender, const struct record *r)
{
	uint16_t held = *view(m, v, r->subject);

	if (r->what == ALIVE)
		statement_in(m, v, r);
	else if (r->subject == v)
		refute(m, v, sender, r->incarnation);
	else if (r->incarnation >= incarnation_of(held) &&
		 r->incarnation / BOOT == incarnation_of(held) / BOOT)
		model_accuse(m, v, r, r->incarnation > incarnation_of(held));
}

static bool
stalls(const struct model *m, const struct model_node *node)
{
	return node->paused_until > m->now || node->starved_until + 5 * SIM_SEC > m->now ||
	       (node->woke > 0 && m->now - node->woke < 5 * SIM_SEC);
}

static void
expire(struct model *m, uint32_t v, struct doubt *d)
{
	struct model_node *node = &m->nodes[v], *of = &m->nodes[d->subject];
	uint16_t held = *view(m, v, d->subject);
	bool alone = d->count == 1 && d->accusers[0] == v && node->health > HEALTH_MAX / 2;

	if (d->prolonged < PROLONG_MAX && (d->heard > d->since || alone)) {
		d->prolonged++;
		if (d->heard > d->since)
			d->since = m->now;
		d->expire = m->now + m->suspicion_min;
		d->replied = m->now - REPLY;
		model_answer_stale(m, v, d->subject);
		return;
	}
	d->expire = SIM_NEVER;
	view_set(m, v, d->subject, incarnation_of(held), DEAD);
	tell(m, v, d->subject, false);
	if (!of->up || m->now - of->since < 60 * SIM_SEC)
		return;
	m->starved_deaths += stalls(m, of);
	m->false_deaths += !stalls(m, of);
}

void
model_judge(struct model *m, uint32_t v)
{
	struct model_node *node = &m->nodes[v];

	node->judge_at = SIM_NEVER;
	for (uint32_t i = 0; i < node->doubt_count; i++) {
		struct doubt *d = &node->doubts[i];

		if (d->expire <= m->now)
			expire(m, v, d);
		sooner(&node->judge_at, node->doubts[i].expire);
	}
}
