/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/caps.h"
#include "core/mutant.h"
#include "core/swim_impl.h"

#define PROTO_MIN 1
#define PROTO_MAX 1

void
mp_swim_timers_stop(struct mp_swim *swim)
{
	swim->probe_ms = swim->gossip_ms = swim->suspicion_ms = swim->relay_ms = MP_TIME_NEVER;
	swim->push_pull_ms = swim->dead_contact_ms = swim->pull_ms = MP_TIME_NEVER;
	swim->caps_ms = swim->dial_ms = swim->refute_ms = MP_TIME_NEVER;
}

int
mp_swim_new(struct mp_env *env, struct mp_roster *roster, struct mp_dgram *dgram,
	const struct mp_swim_config *config, struct mp_swim **out)
{
	struct mp_swim *swim;
	int rc;

	if (config->addr_count > MP_ADDRS_MAX || !mp_node_name_valid(mp_span_str(config->name.s)))
		return MP_EINVAL;
	swim = mp_realloc(env->alloc, NULL, 0, sizeof(*swim));
	if (swim == NULL)
		return MP_ENOMEM;
	*swim = (struct mp_swim){.alloc = env->alloc,
		.roster = roster,
		.dgram = dgram,
		.self = SWIM_NONE,
		.urgent = SWIM_NONE,
		.pull_from = SWIM_NONE,
		.probe.slot = SWIM_NONE,
		.mismatches_max = SWIM_MISMATCHES,
		.refuted_ms = -SWIM_REFUTE_MS,
		.isolated_since_ms = MP_TIME_NEVER,
		.shut_ms = MP_TIME_NEVER};
	mp_swim_timers_stop(swim);
	mp_buf_init(&swim->own_bytes, env->alloc, MP_STATEMENT_MAX);
	mp_buf_init(&swim->caps, env->alloc, MP_CAPS_BYTES_MAX);
	swim->own = (struct mp_statement){.id = env->self,
		.name = config->name,
		.addr_count = (uint32_t)config->addr_count,
		.proto_min = PROTO_MIN,
		.proto_max = PROTO_MAX,
		.roles = MP_ROLE_NODE};
	if (config->addr_count > 0)
		memcpy(swim->own.addrs, config->addrs,
			config->addr_count * sizeof(config->addrs[0]));
	rc = mp_swim_set_caps(swim, env, config->caps);
	if (rc != 0) {
		mp_swim_free(swim);
		return rc == MP_ENOMEM ? rc : MP_EINVAL;
	}
	*out = swim;
	return 0;
}

static void
tables_free(struct mp_swim *swim)
{
	size_t n = swim->peer_cap;

	mp_dealloc(swim->alloc, swim->peers, n * sizeof(*swim->peers));
	mp_dealloc(swim->alloc, swim->order, n * sizeof(*swim->order));
	mp_dealloc(swim->alloc, swim->news, n * NEWS_KINDS * sizeof(*swim->news));
}

void
mp_swim_free(struct mp_swim *swim)
{
	if (swim == NULL)
		return;
	tables_free(swim);
	mp_buf_fini(&swim->own_bytes);
	mp_buf_fini(&swim->caps);
	mp_dealloc(swim->alloc, swim, sizeof(*swim));
}

/* ---- the tables beside the roster ---- */

static int
tables_grow(struct mp_swim *swim, size_t want)
{
	size_t n = swim->peer_cap == 0 ? 16 : swim->peer_cap;
	struct mp_swim grown = *swim;

	if (want <= swim->peer_cap)
		return 0;
	while (n < want)
		n *= 2;
	grown.peer_cap = n;
	grown.peers = mp_realloc(swim->alloc, NULL, 0, n * sizeof(*grown.peers));
	grown.order = mp_realloc(swim->alloc, NULL, 0, n * sizeof(*grown.order));
	grown.news = mp_realloc(swim->alloc, NULL, 0, n * NEWS_KINDS * sizeof(*grown.news));
	if (grown.peers == NULL || grown.order == NULL || grown.news == NULL) {
		tables_free(&grown);
		return MP_ENOMEM;
	}
	if (swim->peer_count > 0) {
		memcpy(grown.peers, swim->peers, swim->peer_count * sizeof(*swim->peers));
		memcpy(grown.order, swim->order, swim->peer_count * sizeof(*swim->order));
	}
	if (swim->news_count > 0)
		memcpy(grown.news, swim->news, swim->news_count * sizeof(*swim->news));
	tables_free(swim);
	*swim = grown;
	return 0;
}

int
mp_swim_follow(struct mp_swim *swim, struct mp_env *env)
{
	size_t count = mp_roster_count(swim->roster);
	int rc;

	if (swim->peer_count == count)
		return 0;
	rc = tables_grow(swim, count);
	if (rc != 0)
		return rc;
	while (swim->peer_count < count) {
		uint32_t slot = (uint32_t)swim->peer_count++;
		const struct mp_member *m = swim_member(swim, slot);
		size_t left = swim->peer_count - swim->order_at;
		size_t at = swim->order_at + (size_t)mp_rng_below(&env->rng, left);

		swim->peers[slot] = (struct swim_peer){
			.expire_ms = MP_TIME_NEVER,
			.replied_ms = -SWIM_REPLY_MS,
			.reminded_ms = -SWIM_REFUTE_MS,
			.unverified = m->state == MP_MEMBER_SUSPECT,
		};
		/* Among those still to be probed in this round, at a random place. */
		swim->order[slot] = swim->order[at];
		swim->order[at] = slot;
		mp_swim_view_changed(swim, env, m);
		if (mp_node_id_eq(&m->id, &env->self))
			swim->self = slot;
	}
	return 0;
}

/* ---- this node's own word ---- */

static int
own_sign(struct mp_swim *swim, struct mp_env *env)
{
	mp_buf_clear(&swim->own_bytes);
	return mp_statement_sign(
		&swim->own, &env->cluster, env->crypto, env->secret, &swim->own_bytes);
}

int
mp_swim_speak(struct mp_swim *swim, struct mp_env *env, uint64_t incarnation)
{
	struct mp_member *me = swim_edit(swim, swim_member(swim, swim->self));
	int rc;

	swim->own.incarnation = incarnation;
	rc = own_sign(swim, env);
	if (rc == 0)
		rc = mp_roster_state_word(
			swim->roster, env, me, &swim->own, mp_buf_span(&swim->own_bytes));
	if (rc != 0)
		return rc;
	if (!swim->own.left)
		mp_roster_set_state(swim->roster, me, MP_MEMBER_ALIVE);
	mp_swim_view_changed(swim, env, me);
	mp_swim_tell(swim, env, me->slot, NEWS_STATEMENT);
	if (swim->own.has_caps && !swim->own.left)
		rc = mp_roster_caps(swim->roster, &swim->own.caps_digest, mp_buf_span(&swim->caps));
	return rc;
}

/* Above all that was said before. It begins anywhere, or two with one key and one boot counter
 * could say the same and never hear of each other. */
static uint64_t
first_incarnation(const struct mp_swim *swim, struct mp_env *env)
{
	if (swim->own.incarnation > 0)
		return swim->own.incarnation + 1;
	return (MP_MUTANT(BOOT_FORGOTTEN) ? 1 : env->boot) << 32 |
	       mp_rng_below(&env->rng, SWIM_FIRST_MAX);
}

int
mp_swim_statement(struct mp_swim *swim, struct mp_env *env, struct mp_span *out)
{
	int rc = 0;

	if (swim->own_bytes.n == 0) {
		swim->own.incarnation = first_incarnation(swim, env);
		rc = own_sign(swim, env);
	}
	if (rc == 0)
		*out = mp_buf_span(&swim->own_bytes);
	return rc;
}

/* Something in it changed. */
static int
own_changed(struct mp_swim *swim, struct mp_env *env)
{
	if (swim->started)
		return mp_swim_speak(swim, env, swim->own.incarnation + 1);
	mp_buf_clear(&swim->own_bytes);
	return 0;
}

void
mp_swim_set_load(struct mp_swim *swim, const struct mp_load *load)
{
	swim->load = *load;
	if (swim->self != SWIM_NONE)
		swim_edit(swim, swim_member(swim, swim->self))->load = *load;
}

int
mp_swim_set_status(struct mp_swim *swim, struct mp_env *env, enum mp_member_status status)
{
	if (swim->own.status == status || swim->leaving)
		return 0;
	swim->own.status = status;
	return own_changed(swim, env);
}

int
mp_swim_set_caps(struct mp_swim *swim, struct mp_env *env, struct mp_span caps)
{
	struct mp_caps decoded;
	struct mp_hash digest;
	int rc = mp_caps_decode(caps, &decoded);

	if (rc != 0 || swim->leaving)
		return rc;
	env->crypto->hash(&digest, &caps, 1);
	if (swim->own.has_caps && mp_hash_eq(&digest, &swim->own.caps_digest))
		return 0;
	rc = mp_buf_reserve(&swim->caps, caps.n);
	if (rc != 0)
		return rc;
	mp_buf_clear(&swim->caps);
	(void)mp_buf_append(&swim->caps, caps.p, caps.n);
	swim->own.has_caps = true;
	swim->own.caps_digest = digest;
	return own_changed(swim, env);
}

/* ---- beginning and end ---- */

int
mp_swim_start(struct mp_swim *swim, struct mp_env *env)
{
	const struct mp_profile *p = env->profile;
	const struct mp_member *me = mp_roster_find(swim->roster, &env->self);
	uint64_t incarnation;
	int rc;

	mp_assert(!swim->started);
	if (me == NULL || me->state == MP_MEMBER_LEFT)
		return MP_EAUTH;
	rc = mp_swim_follow(swim, env);
	if (rc != 0)
		return rc;
	incarnation = first_incarnation(swim, env);
	if (me->statement.n > 0 && me->signed_incarnation >= incarnation &&
		!MP_MUTANT(BOOT_FORGOTTEN))
		incarnation = me->signed_incarnation + 1;
	swim->peers[me->slot].unverified = false;
	(void)mp_swim_trust_changed(swim);
	rc = mp_swim_speak(swim, env, incarnation);
	if (rc != 0)
		return rc;
	swim->started = true;
	swim->synced = mp_roster_count(swim->roster) == 1;
	/* Nodes that start together do not stay in step. */
	swim->probe_ms =
		env->now_ms + 1 + (mp_time)mp_rng_below(&env->rng, (uint64_t)p->probe_interval_ms);
	swim->push_pull_ms = env->now_ms + p->push_pull_ms / 2 +
			     (mp_time)mp_rng_below(&env->rng, (uint64_t)p->push_pull_ms);
	swim->dead_contact_ms = env->now_ms + p->dead_contact_ms / 2 +
				(mp_time)mp_rng_below(&env->rng, (uint64_t)p->dead_contact_ms);
	if (swim->own.addr_count == 0)
		swim->dial_ms = env->now_ms;
	mp_swim_want_caps(swim, env);
	mp_swim_greet(swim, env);
	return 0;
}

bool
mp_swim_started(const struct mp_swim *swim)
{
	return swim->started;
}

int
mp_swim_leave(struct mp_swim *swim, struct mp_env *env)
{
	int rc;

	if (!swim->started || swim->leaving)
		return 0;
	swim->own.left = true;
	rc = mp_swim_speak(swim, env, swim->own.incarnation + 1);
	if (rc != 0) {
		swim->own.left = false;
		return rc;
	}
	swim->leaving = true;
	swim->leave_until_ms = env->now_ms + SWIM_LEAVE_MS;
	mp_swim_timers_stop(swim);
	swim->probe.slot = SWIM_NONE;
	swim->relay_count = 0;
	swim->gossip_ms = env->now_ms;
	return 0;
}

bool
mp_swim_left(const struct mp_swim *swim, mp_time now_ms)
{
	return swim->leaving && swim->shut_ms == MP_TIME_NEVER &&
	       (swim->news_count == 0 || now_ms >= swim->leave_until_ms);
}

/* ---- input ---- */

/* The member, when swim runs and its tables know it; else NULL. */
static const struct mp_member *
known(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(swim->roster, id);

	if (m == NULL || mp_swim_follow(swim, env) != 0)
		return NULL;
	return m;
}

static void
heard(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	struct mp_member *edit = swim_edit(swim, m);

	edit->last_heard_ms = env->now_ms;
	if (edit->refused) {
		edit->refused = false;
		mp_roster_changed(swim->roster, edit);
	}
	if (!swim->started || swim->leaving)
		return;
	/* Whoever was asked may know as little as we do, as when both have just come back; and
	 * digests do not tell. */
	if (swim->synced && swim->resyncs < SWIM_RESYNCS_MAX &&
		env->now_ms - swim->pulled_ms >= SWIM_PULL_MS && mp_swim_unverified(swim)) {
		swim->resyncs++;
		swim->synced = false;
	}
	if (!swim->synced) {
		swim->synced = true;
		mp_swim_want(swim, env, m, NULL);
	}
}

void
mp_swim_heard(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	uint64_t boot, const struct mp_addr *from)
{
	const struct mp_member *m = known(swim, env, sender);

	(void)from;
	if (m == NULL)
		return;
	heard(swim, env, m);
	if (swim->started && boot == mp_member_boot(m))
		mp_swim_vouch(swim, env, m);
}

void
mp_swim_sign_of_life(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender)
{
	const struct mp_member *m = known(swim, env, sender);

	if (m == NULL)
		return;
	heard(swim, env, m);
	if (swim->started)
		mp_swim_vouch(swim, env, m);
}

static int
credential_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span credential)
{
	struct mp_member *m;
	int rc = mp_roster_add(swim->roster, env, credential, &m);

	if (rc == MP_EEXIST)
		return 0;
	if (rc == MP_EAUTH) /* admitted by somebody whom the sender may know */
		mp_swim_want(swim, env, sender, NULL);
	if (rc == 0)
		rc = mp_swim_follow(swim, env);
	if (rc == 0 && m->credential.n <= SWIM_CREDENTIAL_MAX)
		mp_swim_tell(swim, env, m->slot, NEWS_CREDENTIAL);
	/* Its statement may have come before, when nobody could tell whose it was. */
	if (rc == 0 && m->statement.n == 0)
		mp_swim_want(swim, env, sender, &m->id);
	return rc;
}

int
mp_swim_record(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	const struct mp_addr *from, struct mp_span bytes)
{
	const struct mp_member *m = known(swim, env, sender);
	struct mp_swim_record record;
	int rc;

	if (m == NULL || !swim->started || m->state == MP_MEMBER_LEFT)
		return MP_EAUTH;
	rc = mp_swim_record_read(bytes, &record);
	if (rc != 0 || swim->leaving)
		return rc;
	switch (record.kind) {
	case MP_SWIM_PING:
	case MP_SWIM_ACK:
	case MP_SWIM_PING_REQ:
	case MP_SWIM_NACK:
	case MP_SWIM_IND_ACK:
		mp_swim_probe_record(swim, env, m, from, &record);
		return 0;
	case MP_SWIM_CRED:
		return credential_in(swim, env, m, record.u.credential);
	case MP_SWIM_STATEMENT:
		return mp_swim_take_statement(swim, env, sender, record.u.statement);
	case MP_SWIM_SUSPECT:
	case MP_SWIM_DEAD:
		return mp_swim_accuse(swim, env, m, &record);
	case MP_SWIM_REVOKED:
		return mp_swim_revoked_in(swim, env, m, record.u.revocation);
	}
	mp_unreachable();
}

int
mp_swim_message(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	const struct mp_member *m = known(swim, env, sender);

	if (mp_msg_kind(bytes) <= MP_SWIM_RECORD_LAST)
		return mp_swim_record(swim, env, sender, NULL, bytes);
	if (m == NULL || !swim->started || m->state == MP_MEMBER_LEFT)
		return MP_EAUTH;
	if (swim->leaving)
		return 0;
	if (mp_msg_kind(bytes) == MP_MSG_TRUST)
		return mp_swim_trust_message(swim, env, m, bytes);
	return mp_swim_sync_message(swim, env, m, bytes);
}

void
mp_swim_link(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state, struct mp_span credential)
{
	const struct mp_member *m;
	struct mp_member *edit;

	if (state == MP_LINK_UP && credential.n > 0 && mp_roster_find(swim->roster, peer) == NULL &&
		mp_roster_add(swim->roster, env, credential, NULL) == 0 && swim->started)
		mp_swim_spread_credential(swim, env, peer);
	m = known(swim, env, peer);
	if (m == NULL)
		return;
	edit = swim_edit(swim, m);
	if (state == MP_LINK_UP && klass == MP_CLASS_CONTROL)
		mp_swim_remind(swim, env, m, NULL);
	if (state == MP_LINK_UP)
		mp_swim_sign_of_life(swim, env, peer);
	if (klass == MP_CLASS_BULK)
		swim_peer(swim, m)->bulk_up = state == MP_LINK_UP;
	if (klass == MP_CLASS_CONTROL && edit->link_up != (state == MP_LINK_UP)) {
		edit->link_up = state == MP_LINK_UP;
		mp_roster_changed(swim->roster, edit);
	}
	if (state == MP_LINK_REFUSED && !edit->refused) {
		edit->refused = true;
		mp_roster_changed(swim->roster, edit);
	}
	/* Whoever cannot be reached, or is gone from a stream, is the next to be asked, once. */
	if (state != MP_LINK_UP && m->state == MP_MEMBER_ALIVE)
		swim->urgent = m->slot;
}

void
mp_swim_spread_credential(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *id)
{
	const struct mp_member *m = known(swim, env, id);

	if (m == NULL || !swim->started)
		return;
	if (m->credential.n <= SWIM_CREDENTIAL_MAX)
		mp_swim_tell(swim, env, m->slot, NEWS_CREDENTIAL);
	else
		mp_swim_tell_credential(swim, env, m);
	if (m->statement.n > 0)
		mp_swim_tell(swim, env, m->slot, NEWS_STATEMENT);
}

/* ---- timers ---- */

static mp_time
earlier(mp_time a, mp_time b)
{
	return a < b ? a : b;
}

mp_time
mp_swim_deadline(const struct mp_swim *swim)
{
	mp_time t = earlier(swim->probe_ms, swim->gossip_ms);

	if (!swim->started)
		return MP_TIME_NEVER;
	if (swim->leaving && !swim->left_late)
		t = earlier(t, swim->leave_until_ms);
	t = earlier(t, swim->shut_ms);
	if (swim->probe.slot != SWIM_NONE)
		t = earlier(t, earlier(swim->probe.ask_ms, swim->probe.end_ms));
	t = earlier(t, earlier(swim->suspicion_ms, swim->relay_ms));
	t = earlier(t, swim->refute_ms);
	t = earlier(t, earlier(swim->push_pull_ms, swim->dead_contact_ms));
	t = earlier(t, swim->dial_ms);
	return earlier(t, earlier(swim->pull_ms, swim->caps_ms));
}

void
mp_swim_tick(struct mp_swim *swim, struct mp_env *env)
{
	mp_time deadline = mp_swim_deadline(swim);

	if (deadline > env->now_ms || mp_swim_follow(swim, env) != 0)
		return;
	if (env->now_ms - deadline > SWIM_LAG_MS)
		mp_swim_excuse(swim, env, env->now_ms - deadline);
	swim->left_late = swim->leaving && swim->leave_until_ms <= env->now_ms;
	mp_swim_probe_tick(swim, env);
	if (swim->relay_ms <= env->now_ms)
		mp_swim_relay_tick(swim, env);
	if (swim->refute_ms <= env->now_ms)
		(void)mp_swim_refute(swim, env);
	if (swim->suspicion_ms <= env->now_ms)
		mp_swim_judge(swim, env);
	if (swim->dead_contact_ms <= env->now_ms)
		mp_swim_contact_dead(swim, env);
	if (swim->dial_ms <= env->now_ms)
		mp_swim_dial(swim, env);
	if (swim->caps_ms <= env->now_ms)
		mp_swim_caps_tick(swim, env);
	mp_swim_sync_tick(swim, env);
	if (swim->gossip_ms <= env->now_ms)
		mp_swim_gossip(swim, env);
}

/* ---- for health and tests ---- */

bool
mp_swim_isolated(const struct mp_swim *swim)
{
	return swim->isolated_since_ms != MP_TIME_NEVER;
}

uint64_t
mp_swim_stat(const struct mp_swim *swim, enum mp_swim_stat which)
{
	return swim->stats[which];
}

uint32_t
mp_swim_health(const struct mp_swim *swim)
{
	return swim->health;
}

uint64_t
mp_swim_view_digest(const struct mp_swim *swim)
{
	return swim->digest;
}
