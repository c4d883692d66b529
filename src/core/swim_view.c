/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mutant.h"
#include "core/swim_impl.h"

/* ---- the digest ---- */

static uint64_t
digest_of(const struct mp_env *env, const struct mp_member *m)
{
	uint8_t tail[9];
	struct mp_span parts[3] = {
		mp_span(env->cluster.b, sizeof(env->cluster.b)),
		mp_span(m->id.b, sizeof(m->id.b)),
		mp_span(tail, sizeof(tail)),
	};
	struct mp_hash hash;
	uint64_t v = 0;

	/* The suspect are counted with the living: most suspicions end well. */
	tail[0] = m->state == MP_MEMBER_LEFT ? 2 : m->state == MP_MEMBER_DEAD;
	for (int i = 0; i < 8; i++)
		tail[1 + i] = (uint8_t)(m->incarnation >> (8 * i));
	if (m->revoked) { /* how far it had come, not all have heard */
		memset(tail, 0, sizeof(tail));
		tail[0] = 3;
	}
	env->crypto->hash(&hash, parts, mp_countof(parts));
	for (int i = 0; i < 8; i++)
		v = v << 8 | hash.b[i];
	return v;
}

void
mp_swim_view_changed(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	swim->digest ^= peer->digest;
	peer->digest = digest_of(env, m);
	swim->digest ^= peer->digest;
}

void
mp_swim_health_add(struct mp_swim *swim, int delta)
{
	int health = (int)swim->health + delta;

	swim->health = health < 0                 ? 0
		       : health > SWIM_HEALTH_MAX ? SWIM_HEALTH_MAX
						  : (uint32_t)health;
}

/* ---- how long ---- */

/* 1000 * log10(n), n above 0: log2 bit by bit, by squaring. */
static uint64_t
log10_milli(uint64_t n)
{
	uint64_t log2 = 0, x;
	unsigned k = 0;

	while (n >> k > 1)
		k++;
	x = k <= 31 ? n << (31 - k) : n >> (k - 31); /* 1 <= x / 2^31 < 2 */
	log2 = (uint64_t)k << 16;
	for (int i = 15; i >= 0; i--) {
		x = x * x >> 31;
		if (x >> 32 != 0) {
			x >>= 1;
			log2 |= (uint64_t)1 << i;
		}
	}
	return (log2 * 30103 / 100 + 32768) >> 16;
}

static uint64_t
present(const struct mp_swim *swim)
{
	return mp_roster_state_count(swim->roster, MP_MEMBER_ALIVE) +
	       mp_roster_state_count(swim->roster, MP_MEMBER_SUSPECT);
}

static mp_time
suspicion_min(const struct mp_swim *swim, const struct mp_env *env)
{
	uint64_t n = present(swim), log = n > 0 ? log10_milli(n) : 0;

	return env->profile->suspicion_ms * (mp_time)(log > 1000 ? log : 1000) / 1000;
}

static mp_time
suspicion_max(const struct mp_swim *swim, const struct mp_env *env)
{
	return 6 * suspicion_min(swim, env);
}

/* max - (max - min) * log(C + 1) / log(K + 1), with C confirmations of K. */
static void
expire_set(struct mp_swim *swim, const struct mp_env *env, struct swim_peer *peer)
{
	static const mp_time share[SWIM_CONFIRM_MAX + 1] = {0, 500, 792, 1000};
	mp_time min = suspicion_min(swim, env), max = suspicion_max(swim, env);
	size_t confirmations = peer->accuser_count > 0 ? peer->accuser_count - 1u : 0;

	if (present(swim) < SWIM_CONFIRM_MAX + 2)
		confirmations = SWIM_CONFIRM_MAX; /* there is nobody to wait for */
	peer->expire_ms = peer->suspect_ms + max - (max - min) * share[confirmations] / 1000;
	if (peer->expire_ms < env->now_ms && !MP_MUTANT(SUSPECTED_LATE))
		peer->expire_ms =
			env->now_ms; /* shortened to a time that is over: that is not late */
	if (peer->expire_ms < swim->suspicion_ms)
		swim->suspicion_ms = peer->expire_ms;
}

/* ---- are we cut off? ---- */

/* More than two, and more than 40 % of those who were alive, fell silent together. */
static void
isolation_check(struct mp_swim *swim, struct mp_env *env)
{
	mp_time window = suspicion_max(swim, env);
	size_t lived = 1, silent = 0; /* this node lives */
	bool cut;

	for (uint32_t i = 0; i < swim->peer_count; i++) {
		enum mp_member_state state = swim_member(swim, i)->state;
		bool fell =
			state == MP_MEMBER_SUSPECT ||
			(state == MP_MEMBER_DEAD && env->now_ms - swim->peers[i].dead_ms < window);

		if (i == swim->self || !swim->peers[i].lived)
			continue;
		lived += fell || state == MP_MEMBER_ALIVE;
		silent += fell;
	}
	cut = silent > 2 && silent * 5 > lived * 2 && !MP_MUTANT(NEVER_CUT_OFF);
	if (cut && swim->isolated_since_ms == MP_TIME_NEVER) {
		swim->isolated_since_ms = env->now_ms;
		swim->health = SWIM_HEALTH_MAX;
	} else if (!cut) {
		swim->isolated_since_ms = MP_TIME_NEVER;
	}
}

/* ---- states ---- */

static void
alive_set(struct mp_swim *swim, struct mp_env *env, struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	peer->unverified = false;
	peer->lived = true;
	peer->expire_ms = MP_TIME_NEVER;
	peer->accuser_count = 0;
	peer->hearsay_dead = false;
	mp_roster_set_state(swim->roster, m, MP_MEMBER_ALIVE);
	mp_swim_untell(swim, m->slot, NEWS_ACCUSATION);
	mp_swim_view_changed(swim, env, m);
	mp_swim_want_caps(swim, env);
	if (mp_swim_isolated(swim))
		isolation_check(swim, env);
}

static void
suspicion_start(struct mp_swim *swim, struct mp_env *env, struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	peer->unverified = false;
	peer->suspect_ms = env->now_ms;
	peer->accuser_count = 0;
	peer->prolonged = 0;
	peer->hearsay_dead = false;
	mp_roster_set_state(swim->roster, m, MP_MEMBER_SUSPECT);
	mp_swim_view_changed(swim, env, m);
	isolation_check(swim, env);
}

static void
dead_set(struct mp_swim *swim, struct mp_env *env, struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	mp_assert(m->state == MP_MEMBER_SUSPECT);
	peer->expire_ms = MP_TIME_NEVER;
	peer->dead_ms = env->now_ms;
	peer->accuser = env->self;
	mp_roster_set_state(swim->roster, m, MP_MEMBER_DEAD);
	mp_swim_view_changed(swim, env, m);
	mp_swim_tell(swim, env, m->slot, NEWS_ACCUSATION);
	swim->stats[MP_SWIM_STAT_DEATHS]++;
}

/* A word that is new: not heard from this accuser yet, and one more confirmation is of use. */
static bool
accuser_add(struct swim_peer *peer, uint32_t slot, const struct mp_node_id *id)
{
	for (size_t i = 0; i < peer->accuser_count; i++) {
		if (peer->accusers[i] == slot)
			return false;
	}
	if (peer->accuser_count == mp_countof(peer->accusers))
		return false;
	peer->accusers[peer->accuser_count++] = slot;
	peer->accuser = *id;
	return true;
}

bool
mp_swim_accused(const struct mp_swim *swim, const struct mp_member *m)
{
	if (m->slot >= swim->peer_count || m->statement.n == 0)
		return false;
	return m->state == MP_MEMBER_DEAD ||
	       (m->state == MP_MEMBER_SUSPECT && !swim->peers[m->slot].unverified);
}

/* It speaks, or somebody says it lives, while we hold it suspect or dead: it has to know. */
static void
answer_stale(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	if (!mp_swim_accused(swim, m) || MP_MUTANT(STALE_IGNORED) ||
		(env->now_ms - peer->replied_ms < SWIM_REPLY_MS && !MP_MUTANT(REPLY_FLOOD)))
		return;
	peer->replied_ms = env->now_ms;
	mp_swim_tell(swim, env, m->slot, NEWS_ACCUSATION);
	mp_swim_send(swim, env, m, NULL, NULL);
}

void
mp_swim_vouch(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	if (m->slot == swim->self)
		return;
	if (m->state == MP_MEMBER_SUSPECT && swim_peer(swim, m)->unverified)
		alive_set(swim, env, swim_edit(swim, m));
	else
		answer_stale(swim, env, m);
}

/* ---- statements ---- */

/* What another node of our own key says, or an echo of ourselves. */
static int
own_statement_in(struct mp_swim *swim, struct mp_env *env, const struct mp_statement *s,
	struct mp_span bytes)
{
	struct mp_member *me = swim_edit(swim, swim_member(swim, swim->self));
	int rc;

	if (!s->left && swim->started && !swim->leaving && s->incarnation > swim->own.incarnation &&
		mp_statement_verify(bytes, s, env->crypto) == 0)
		mp_swim_double(swim, env, s);
	if (!s->left || me->state == MP_MEMBER_LEFT || !swim->started)
		return 0;
	rc = mp_statement_verify(bytes, s, env->crypto);
	if (rc == 0)
		rc = mp_roster_state_word(swim->roster, env, me, s, bytes);
	if (rc == 0) {
		swim->own.left = swim->leaving = true;
		swim->leave_until_ms = env->now_ms;
	}
	return rc;
}

static int
statement_news(struct mp_swim *swim, struct mp_env *env, struct mp_member *m,
	const struct mp_statement *s, struct mp_span bytes)
{
	bool alive = !s->left && (m->statement.n == 0 || s->incarnation > m->incarnation);
	int rc;

	swim->stats[MP_SWIM_STAT_VERIFIED]++;
	rc = MP_MUTANT(UNSIGNED_BELIEVED) ? 0 : mp_statement_verify(bytes, s, env->crypto);
	if (rc == 0)
		rc = mp_roster_state_word(swim->roster, env, m, s, bytes);
	if (rc != 0)
		return rc;
	if (!swim->started) { /* the roster that a joiner gets: true, but perhaps old */
		swim_peer(swim, m)->unverified = !s->left;
		if (!s->left)
			mp_roster_set_state(swim->roster, m, MP_MEMBER_SUSPECT);
	} else {
		if (alive)
			alive_set(swim, env, m);
		mp_swim_untell(swim, m->slot, NEWS_ACCUSATION);
		mp_swim_tell(swim, env, m->slot, NEWS_STATEMENT);
		if (mp_swim_accused(swim, m))
			mp_swim_tell(swim, env, m->slot, NEWS_ACCUSATION);
	}
	mp_swim_view_changed(swim, env, m);
	return 0;
}

int
mp_swim_take_statement(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	const struct mp_member *from = mp_roster_find(swim->roster, sender), *m;
	struct mp_statement s;
	int rc = mp_statement_read(bytes, &env->cluster, &s);

	if (rc == 0)
		rc = mp_swim_follow(swim, env);
	if (rc != 0)
		return rc;
	if (mp_node_id_eq(&s.id, &env->self))
		return swim->self == SWIM_NONE ? 0 : own_statement_in(swim, env, &s, bytes);
	m = mp_roster_find(swim->roster, &s.id);
	if (m == NULL) {
		if (from != NULL)
			mp_swim_want(swim, env, from, &s.id);
		return 0;
	}
	if (m->state == MP_MEMBER_LEFT)
		return 0;
	if (s.left || m->statement.n == 0 || s.incarnation > m->signed_incarnation)
		return statement_news(swim, env, swim_edit(swim, m), &s, bytes);
	/* Nothing new. But that it is told at all is a sign of a life that we only knew from disk,
	 * and if we hold the subject suspect or dead, it has to know. */
	if (swim->started && s.incarnation <= m->incarnation)
		mp_swim_vouch(swim, env, m);
	return 0;
}

/* ---- accusations ---- */

/* We are accused ourselves. Of what we have refuted already: whoever says so has not heard it,
 * perhaps nobody could hear us then. */
static int
refute(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	uint64_t incarnation)
{
	uint64_t own = swim->own.incarnation;

	if (swim->leaving)
		return 0;
	if (incarnation < own) {
		struct swim_peer *peer = swim_peer(swim, sender);

		if (env->now_ms - peer->reminded_ms < SWIM_REFUTE_MS)
			return 0;
		peer->reminded_ms = env->now_ms;
		if (swim->peers[swim->self].news[NEWS_STATEMENT] == 0)
			mp_swim_tell(swim, env, swim->self, NEWS_STATEMENT);
		mp_swim_send(swim, env, sender, NULL, NULL);
		return 0;
	}
	if (incarnation >> 32 != own >> 32 || incarnation - own > SWIM_LEAP_MAX ||
		(uint32_t)incarnation == UINT32_MAX)
		return MP_EFORMAT; /* a boot that we never had, or a leap that we never made */
	if (swim->accused_of < incarnation)
		swim->accused_of = incarnation;
	if (env->now_ms - swim->refuted_ms >= SWIM_REFUTE_MS)
		return mp_swim_refute(swim, env);
	swim->refute_ms = swim->refuted_ms + SWIM_REFUTE_MS;
	return 0;
}

int
mp_swim_refute(struct mp_swim *swim, struct mp_env *env)
{
	swim->refute_ms = MP_TIME_NEVER;
	if (swim->accused_of < swim->own.incarnation)
		return 0;
	swim->refuted_ms = env->now_ms;
	swim->stats[MP_SWIM_STAT_REFUTED]++;
	mp_swim_health_add(swim, 1);
	return mp_swim_speak(swim, env, swim->accused_of + 1);
}

/* One more word against m. */
static void
accuse(struct mp_swim *swim, struct mp_env *env, struct mp_member *m, bool fresh,
	const struct mp_swim_record *record)
{
	const struct mp_member *by = mp_roster_find(swim->roster, &record->u.accuse.from);
	struct swim_peer *peer = swim_peer(swim, m);
	bool news, dead = record->kind == MP_SWIM_DEAD;

	if (by == NULL || by == m)
		return;
	if (fresh || m->state == MP_MEMBER_ALIVE || peer->unverified)
		suspicion_start(swim, env, m);
	else if (m->state != MP_MEMBER_SUSPECT)
		return;
	news = accuser_add(peer, by->slot, &by->id);
	if (dead && !peer->hearsay_dead) {
		peer->hearsay_dead = true;
		peer->accuser = by->id;
		peer->accuser_count = mp_countof(peer->accusers);
		for (size_t i = 1; i < mp_countof(peer->accusers); i++)
			peer->accusers[i] = SWIM_NONE;
		news = true;
	}
	if (news)
		mp_swim_tell(swim, env, m->slot, NEWS_ACCUSATION);
	expire_set(swim, env, peer);
	if (dead && MP_MUTANT(DEAD_BY_HEARSAY))
		dead_set(swim, env, m);
}

int
mp_swim_accuse(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	const struct mp_swim_record *record)
{
	uint64_t incarnation = record->u.accuse.incarnation;
	const struct mp_member *m;
	struct mp_member *edit;
	bool fresh;

	if (mp_node_id_eq(&record->u.accuse.subject, &env->self))
		return refute(swim, env, sender, incarnation);
	m = mp_roster_find(swim->roster, &record->u.accuse.subject);
	if (m == NULL) {
		mp_swim_want(swim, env, sender, &record->u.accuse.subject);
		return 0;
	}
	if (m->state == MP_MEMBER_LEFT || incarnation < m->incarnation)
		return 0;
	/* A boot that it has not signed, as far as we know. The view digest will differ. */
	if (m->statement.n == 0 || incarnation >> 32 != m->signed_incarnation >> 32)
		return 0;
	if (incarnation - m->signed_incarnation > SWIM_LEAP_MAX)
		return MP_EFORMAT;
	fresh = incarnation > m->incarnation;
	edit = swim_edit(swim, m);
	if (record->kind != MP_SWIM_DEAD || !MP_MUTANT(DEAD_RAISES_NOT))
		edit->incarnation = incarnation;
	accuse(swim, env, edit, fresh, record);
	mp_swim_view_changed(swim, env, m);
	return 0;
}

void
mp_swim_suspect(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct mp_swim_record record = {.kind = MP_SWIM_SUSPECT};

	if (m->state != MP_MEMBER_ALIVE && m->state != MP_MEMBER_SUSPECT)
		return;
	if (m->state == MP_MEMBER_ALIVE)
		swim->stats[MP_SWIM_STAT_SUSPICIONS]++;
	record.u.accuse.subject = m->id;
	record.u.accuse.from = env->self;
	accuse(swim, env, swim_edit(swim, m), false, &record);
}

/* ---- judgement ---- */

/* It speaks to us, so it can be that only our accusation does not reach it; or nobody else accuses
 * it, and we hear little of others as well. */
static bool
reprieve(const struct mp_swim *swim, const struct mp_member *m)
{
	const struct swim_peer *peer = &swim->peers[m->slot];

	if (peer->prolonged == SWIM_PROLONG_MAX)
		return false;
	return m->last_heard_ms > peer->suspect_ms ||
	       (peer->accuser_count == 1 && peer->accusers[0] == swim->self &&
		       present(swim) > SWIM_INDIRECT + 1 && swim->health > SWIM_HEALTH_MAX / 2);
}

/* Its time is up. */
static void
expire(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct swim_peer *peer = swim_peer(swim, m);

	if (!reprieve(swim, m)) {
		dead_set(swim, env, swim_edit(swim, m));
		return;
	}
	peer->prolonged++;
	if (m->last_heard_ms > peer->suspect_ms)
		peer->suspect_ms = env->now_ms;
	peer->expire_ms = env->now_ms + suspicion_min(swim, env);
	peer->replied_ms = env->now_ms - SWIM_REPLY_MS;
	answer_stale(swim, env, m);
}

void
mp_swim_judge(struct mp_swim *swim, struct mp_env *env)
{
	mp_time free_ms = 0, next = MP_TIME_NEVER;

	isolation_check(swim, env);
	if (mp_swim_isolated(swim))
		free_ms = swim->isolated_since_ms + suspicion_max(swim, env);
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		const struct mp_member *m = swim_member(swim, i);
		struct swim_peer *peer = &swim->peers[i];

		if (m->state != MP_MEMBER_SUSPECT || peer->expire_ms == MP_TIME_NEVER)
			continue;
		if (peer->expire_ms < free_ms)
			peer->expire_ms = free_ms;
		if (peer->expire_ms <= env->now_ms)
			expire(swim, env, m);
		if (peer->expire_ms < next)
			next = peer->expire_ms;
	}
	if (mp_swim_isolated(swim) && next > env->now_ms + env->profile->probe_interval_ms)
		next = env->now_ms + env->profile->probe_interval_ms;
	swim->suspicion_ms = next;
}

/* What began then has lost so much of the time for which this node did not run. */
static mp_time
lost_since(const struct mp_env *env, mp_time began_ms, mp_time late_ms)
{
	return env->now_ms - began_ms < late_ms ? env->now_ms - began_ms : late_ms;
}

void
mp_swim_excuse(struct mp_swim *swim, const struct mp_env *env, mp_time late_ms)
{
	if (MP_MUTANT(TIMERS_FIRST))
		return;
	mp_swim_health_add(swim, 1);
	if (swim->probe.slot != SWIM_NONE) {
		if (swim->probe.ask_ms != MP_TIME_NEVER)
			swim->probe.ask_ms += late_ms;
		swim->probe.end_ms += late_ms;
		swim->probe_ms += late_ms;
	}
	if (mp_swim_isolated(swim))
		swim->isolated_since_ms += lost_since(env, swim->isolated_since_ms, late_ms);
	swim->suspicion_ms = MP_TIME_NEVER;
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		struct swim_peer *peer = &swim->peers[i];
		mp_time lost;

		if (peer->expire_ms == MP_TIME_NEVER)
			continue;
		lost = lost_since(env, peer->suspect_ms, late_ms);
		peer->suspect_ms += MP_MUTANT(EXCUSE_UNDONE) ? 0 : lost;
		peer->expire_ms += lost;
		if (peer->expire_ms < swim->suspicion_ms)
			swim->suspicion_ms = peer->expire_ms;
	}
}
