/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mutant.h"
#include "core/swim_impl.h"

#define CANDIDATES  16
#define FIRST_SPARE 192 /* bytes: an accusation, a ping and a head */
#define TRIES       4   /* random tries per pick before walking the whole table */

/* ---- the queue ---- */

void
mp_swim_tell(struct mp_swim *swim, struct mp_env *env, uint32_t slot, enum swim_news_kind kind)
{
	uint32_t *at = &swim->peers[slot].news[kind];

	if (*at == 0) {
		mp_assert(swim->news_count < swim->peer_cap * NEWS_KINDS);
		swim->news[swim->news_count++] =
			(struct swim_news){.slot = slot, .kind = (uint8_t)kind};
		*at = (uint32_t)swim->news_count;
	}
	swim->news[*at - 1].sent = 0;
	mp_swim_gossip_soon(swim, env);
}

void
mp_swim_gossip_soon(struct mp_swim *swim, const struct mp_env *env)
{
	if (swim->gossip_ms != MP_TIME_NEVER)
		return;
	swim->gossip_ms = swim->gossiped_ms + env->profile->gossip_interval_ms;
	if (swim->gossip_ms < env->now_ms)
		swim->gossip_ms = env->now_ms;
}

void
mp_swim_untell(struct mp_swim *swim, uint32_t slot, enum swim_news_kind kind)
{
	uint32_t *at = &swim->peers[slot].news[kind];
	struct swim_news *last;

	if (*at == 0)
		return;
	last = &swim->news[--swim->news_count];
	swim->peers[last->slot].news[last->kind] = *at;
	swim->news[*at - 1] = *last;
	*at = 0;
}

/* max(12, 4 * ceil(log10(n + 1))) transmissions of each. */
static uint8_t
transmissions(const struct mp_swim *swim)
{
	size_t power = 1;
	uint8_t digits = 0;

	for (; power < swim->peer_count + 1; power *= 10)
		digits++;
	if (MP_MUTANT(TOLD_EIGHT_TIMES))
		return 8;
	return digits <= 3 ? 12 : (uint8_t)(4 * digits);
}

/* Lower is sooner: who is shut out, our own word (a refutation), accusations, what is new of
 * others. */
static uint32_t
urgency(const struct mp_swim *swim, const struct swim_news *news)
{
	uint32_t rank = news->kind == NEWS_ACCUSATION ? 2 : 3;

	if (news->kind == NEWS_REVOCATION)
		rank = 0;
	else if (news->slot == swim->self && news->kind == NEWS_STATEMENT)
		rank = 1;
	return rank << 16 | (uint32_t)news->sent << 8 | news->kind;
}

/* ---- one datagram ---- */

struct fill {
	struct mp_swim *swim;
	struct mp_buf buf;
	size_t count;
	uint8_t mem[MP_DGRAM_ROOM];
};

/* False, and nothing written, when it does not fit. */
static bool
fill_record(struct fill *f, const struct mp_swim_record *record)
{
	size_t before = f->buf.n;
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, &f->buf);
	mp_swim_record_write(&w, record);
	if (w.rc != 0) {
		f->buf.n = before;
		return false;
	}
	f->count++;
	return true;
}

static bool
fill_accusation(struct fill *f, const struct mp_member *m)
{
	const struct swim_peer *peer = swim_peer(f->swim, m);
	struct mp_swim_record record = {.kind = MP_SWIM_SUSPECT};

	if (m->state == MP_MEMBER_DEAD || peer->hearsay_dead)
		record.kind = MP_SWIM_DEAD;
	record.u.accuse.subject = m->id;
	record.u.accuse.incarnation = m->incarnation;
	record.u.accuse.from = peer->accuser;
	return fill_record(f, &record);
}

static bool
fill_news(struct fill *f, const struct swim_news *news)
{
	const struct mp_member *m = swim_member(f->swim, news->slot);
	struct mp_swim_record record;

	switch ((enum swim_news_kind)news->kind) {
	case NEWS_ACCUSATION:
		return fill_accusation(f, m);
	case NEWS_CREDENTIAL:
		record.kind = MP_SWIM_CRED;
		record.u.credential = m->credential;
		return fill_record(f, &record);
	case NEWS_STATEMENT:
		record.kind = MP_SWIM_STATEMENT;
		record.u.statement = m->statement;
		return fill_record(f, &record);
	case NEWS_REVOCATION:
		record.kind = MP_SWIM_REVOKED;
		record.u.revocation = mp_charter_record(mp_roster_charter(f->swim->roster), &m->id);
		return fill_record(f, &record);
	case NEWS_KINDS:
		break;
	}
	mp_unreachable();
}

/* The most urgent ones, in order; how many. */
static size_t
candidates(const struct mp_swim *swim, struct swim_news out[CANDIDATES])
{
	size_t count = 0;

	for (size_t i = 0; i < swim->news_count; i++) {
		const struct swim_news *news = &swim->news[i];
		uint32_t mine = urgency(swim, news);
		size_t at = count;

		if (count == CANDIDATES && mine >= urgency(swim, &out[count - 1]))
			continue;
		if (count < CANDIDATES)
			count++;
		else
			at--;
		for (; at > 0 && mine < urgency(swim, &out[at - 1]); at--)
			out[at] = out[at - 1];
		out[at] = *news;
	}
	return count;
}

/* What is about the receiver itself counts as told. `first`: revocations, and room is left for an
 * accusation and a ping; else all the others. */
static void
fill_all_news(struct fill *f, const struct mp_member *receiver, bool first)
{
	struct mp_swim *swim = f->swim;
	struct swim_news list[CANDIDATES];
	size_t n = candidates(swim, list);
	uint8_t limit = transmissions(swim);

	for (size_t i = 0; i < n; i++) {
		struct swim_news *news =
			&swim->news[swim->peers[list[i].slot].news[list[i].kind] - 1];

		if ((news->kind == NEWS_REVOCATION) != first)
			continue;
		if (first && f->buf.n + MP_REVOCATION_MAX + FIRST_SPARE > MP_DGRAM_ROOM)
			return;
		if (news->slot != receiver->slot && !fill_news(f, news))
			continue;
		if (++news->sent >= limit)
			mp_swim_untell(swim, list[i].slot, (enum swim_news_kind)list[i].kind);
	}
}

const struct mp_addr *
mp_swim_where(const struct mp_swim *swim, const struct mp_member *m)
{
	if (m->addr_count == 0 || m->slot >= swim->peer_count)
		return NULL;
	return &m->addrs[swim->peers[m->slot].addr % m->addr_count];
}

/* What would have been one datagram, as messages. */
static void
fill_stream(struct fill *f, struct mp_env *env, const struct mp_member *m)
{
	struct mp_part list = {.items = mp_buf_span(&f->buf), .count = f->count};
	struct mp_span item;

	while (mp_list_next(&list, &item))
		mp_out_send(env->out, &m->id, MP_CLASS_CONTROL, item, 0);
}

void
mp_swim_send(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *to, const struct mp_swim_record *record)
{
	bool stream = to == NULL && (m->path == MP_PATH_TCP || m->addr_count == 0);
	struct fill f = {.swim = swim};

	f.buf = (struct mp_buf){.p = f.mem, .cap = sizeof(f.mem), .max = sizeof(f.mem)};
	if (to == NULL)
		to = mp_swim_where(swim, m);
	if (to == NULL && !swim_reaches(m))
		return;
	fill_all_news(&f, m, true);
	/* An accused member hears it first, so that its answer refutes. */
	if (mp_swim_accused(swim, m) && !MP_MUTANT(STALE_IGNORED))
		(void)fill_accusation(&f, m);
	if (record != NULL)
		(void)fill_record(&f, record);
	fill_all_news(&f, m, false);
	if (stream)
		fill_stream(&f, env, m);
	else if (f.count > 0)
		mp_dgram_send(swim->dgram, env, to, &m->id, mp_buf_span(&f.buf), f.count);
}

void
mp_swim_try(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_swim_record *record)
{
	const struct mp_addr *to = mp_swim_where(swim, m);
	struct fill f = {.swim = swim};

	f.buf = (struct mp_buf){.p = f.mem, .cap = sizeof(f.mem), .max = sizeof(f.mem)};
	if (to != NULL && fill_record(&f, record))
		mp_dgram_send(swim->dgram, env, to, &m->id, mp_buf_span(&f.buf), f.count);
}

void
mp_swim_send_stream(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_swim_record *record)
{
	struct mp_cbor_w w;

	(void)swim;
	if (!swim_reaches(m))
		return;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_swim_record_write(&w, record);
	if (w.rc == 0)
		mp_out_send(env->out, &m->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
}

/* ---- to whom ---- */

static bool
pick_fits(const struct mp_swim *swim, enum swim_pick what, uint32_t slot)
{
	const struct mp_member *m = swim_member(swim, slot);

	if (slot == swim->self || !swim_reaches(m))
		return false;
	switch (what) {
	case PICK_ALIVE:
		return m->state == MP_MEMBER_ALIVE;
	case PICK_PRESENT:
		return m->state == MP_MEMBER_ALIVE || m->state == MP_MEMBER_SUSPECT;
	case PICK_DEAD:
		return m->state == MP_MEMBER_DEAD;
	}
	mp_unreachable();
}

static size_t
pick_add(uint32_t slot, uint32_t *slots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slots[i] == slot)
			return count;
	}
	slots[count] = slot;
	return count + 1;
}

size_t
mp_swim_pick(struct mp_swim *swim, struct mp_env *env, enum swim_pick what, uint32_t except,
	uint32_t *slots, size_t max)
{
	size_t n = swim->peer_count, count = 0;
	uint32_t start;

	for (size_t i = 0; i < TRIES * max && count < max; i++) {
		uint32_t slot = (uint32_t)mp_rng_below(&env->rng, n);

		if (slot != except && pick_fits(swim, what, slot))
			count = pick_add(slot, slots, count);
	}
	start = (uint32_t)mp_rng_below(&env->rng, n);
	for (size_t i = 0; i < n && count < max; i++) {
		uint32_t slot = (uint32_t)((start + i) % n);

		if (slot != except && pick_fits(swim, what, slot))
			count = pick_add(slot, slots, count);
	}
	return count;
}

void
mp_swim_tell_credential(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct mp_swim_record record = {.kind = MP_SWIM_CRED};
	uint32_t slots[SWIM_TELL_MAX];
	size_t n = mp_swim_pick(swim, env, PICK_PRESENT, m->slot, slots, mp_countof(slots));

	record.u.credential = m->credential;
	for (size_t i = 0; i < n; i++)
		mp_swim_send_stream(swim, env, swim_member(swim, slots[i]), &record);
}

void
mp_swim_gossip(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t slots[SWIM_FANOUT_MAX];
	size_t fanout = env->profile->gossip_fanout > 0
				? mp_min_size(env->profile->gossip_fanout, SWIM_FANOUT_MAX)
				: SWIM_FANOUT;
	size_t n = mp_swim_pick(swim, env, PICK_PRESENT, SWIM_NONE, slots, fanout);

	swim->gossiped_ms = env->now_ms;
	for (size_t i = 0; i < n && swim->news_count > 0; i++)
		mp_swim_send(swim, env, swim_member(swim, slots[i]), NULL, NULL);
	mp_swim_trust_push(swim, env);
	swim->gossip_ms = n == 0 || (swim->news_count == 0 && swim->trust_rounds == 0)
				  ? MP_TIME_NEVER
				  : env->now_ms + env->profile->gossip_interval_ms;
}
