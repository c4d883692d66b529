/* SPDX-License-Identifier: Apache-2.0 */
#include "core/join.h"

#include "core/mutant.h"

#define ATTEMPT_MS     10000 /* to connect; to be answered */
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000

struct mp_join {
	const struct mp_alloc *alloc;
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	struct mp_swim *swim;
	enum mp_join_state state;
	bool waiting; /* CONNECTING: for the deadline, not for a stream */
	bool finds;   /* CONNECTING: this node is a member, and only wants to be told of others */
	mp_time deadline_ms, backoff_ms;
	struct mp_addr seeds[MP_SEEDS_MAX];
	size_t seed_count, seed_at;
	struct mp_addr fresh[MP_SEEDS_MAX]; /* for the next round; none: the same again */
	size_t fresh_count;
	struct mp_buf credential;
	struct mp_node_id peer; /* ASKING: who */
	bool refused;           /* in this round somebody said no */
	uint64_t save_seq;
	struct mp_error error;
};

int
mp_join_new(struct mp_env *env, struct mp_roster *roster, struct mp_dgram *dgram,
	struct mp_swim *swim, struct mp_join **out)
{
	struct mp_join *join = mp_realloc(env->alloc, NULL, 0, sizeof(*join));

	if (join == NULL)
		return MP_ENOMEM;
	*join = (struct mp_join){.alloc = env->alloc,
		.roster = roster,
		.dgram = dgram,
		.swim = swim,
		.deadline_ms = MP_TIME_NEVER};
	mp_buf_init(&join->credential, env->alloc, MP_CREDENTIAL_MAX);
	*out = join;
	return 0;
}

void
mp_join_free(struct mp_join *join)
{
	if (join == NULL)
		return;
	mp_buf_fini(&join->credential);
	mp_dealloc(join->alloc, join, sizeof(*join));
}

/* ---- the joiner: from seed to seed ---- */

static void seed_next(struct mp_join *join, struct mp_env *env);

static void
seed_connect(struct mp_join *join, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_CONNECT};

	if (join->seed_at == 0 && join->fresh_count > 0) {
		memcpy(join->seeds, join->fresh, join->fresh_count * sizeof(join->seeds[0]));
		join->seed_count = join->fresh_count;
		join->fresh_count = 0;
	}
	if (join->seed_count == 0) {
		seed_next(join, env);
		return;
	}
	fx.u.connect.to = join->seeds[join->seed_at];
	mp_out_effect(env->out, &fx);
	join->state = MP_JOIN_CONNECTING;
	join->waiting = false;
	join->deadline_ms = env->now_ms + ATTEMPT_MS;
}

/* This seed was no help. After the last one there is a pause, or an end if one of them refused. */
static void
seed_next(struct mp_join *join, struct mp_env *env)
{
	struct mp_effect drop = {.kind = MP_FX_DROP_PEER};

	if (join->state == MP_JOIN_ASKING) { /* so that the next attempt is a fresh stream */
		drop.u.drop.peer = join->peer;
		mp_out_effect(env->out, &drop);
	}
	join->state = MP_JOIN_CONNECTING;
	join->waiting = true;
	join->deadline_ms = env->now_ms;
	if (++join->seed_at < join->seed_count)
		return;
	if (join->refused) {
		join->state = MP_JOIN_REFUSED;
		join->deadline_ms = MP_TIME_NEVER;
		return;
	}
	join->seed_at = 0;
	mp_out_effect(env->out, &(struct mp_effect){.kind = MP_FX_RESOLVE});
	join->deadline_ms +=
		join->backoff_ms / 2 + (mp_time)mp_rng_below(&env->rng, (uint64_t)join->backoff_ms);
	join->backoff_ms *= 2;
	if (join->backoff_ms > BACKOFF_MAX_MS)
		join->backoff_ms = BACKOFF_MAX_MS;
}

int
mp_join_start(struct mp_join *join, struct mp_env *env, const struct mp_addr *seeds,
	size_t seed_count, struct mp_span credential)
{
	int rc;

	if (join->state != MP_JOIN_IDLE)
		return MP_EINVAL;
	mp_buf_clear(&join->credential);
	rc = mp_buf_append(&join->credential, credential.p, credential.n);
	if (rc != 0)
		return rc;
	join->seed_count = mp_min_size(seed_count, MP_SEEDS_MAX);
	if (seed_count > 0)
		memcpy(join->seeds, seeds, join->seed_count * sizeof(seeds[0]));
	join->seed_at = 0;
	join->backoff_ms = BACKOFF_MIN_MS;
	seed_connect(join, env);
	return 0;
}

void
mp_join_seeds(
	struct mp_join *join, struct mp_env *env, const struct mp_addr *seeds, size_t seed_count)
{
	if (join->state == MP_JOIN_IDLE && mp_swim_started(join->swim)) {
		join->state = MP_JOIN_CONNECTING;
		join->finds = join->waiting = true;
		join->seed_count = join->seed_at = 0;
		join->backoff_ms = BACKOFF_MIN_MS;
	}
	if (seed_count == 0 || (join->state != MP_JOIN_CONNECTING && join->state != MP_JOIN_ASKING))
		return;
	join->fresh_count = mp_min_size(seed_count, MP_SEEDS_MAX);
	memcpy(join->fresh, seeds, join->fresh_count * sizeof(seeds[0]));
	if (join->seed_count == 0)
		join->deadline_ms = env->now_ms;
}

enum mp_join_state
mp_join_state(const struct mp_join *join)
{
	return join->state;
}

const struct mp_error *
mp_join_error(const struct mp_join *join)
{
	return &join->error;
}

bool
mp_join_done(struct mp_join *join)
{
	if (join->state != MP_JOIN_DONE)
		return false;
	join->state = MP_JOIN_IDLE;
	return true;
}

/* Is it one of the others? It knows more, or is told. */
static void
found(struct mp_join *join, struct mp_env *env, const struct mp_node_id *peer)
{
	const struct mp_member *m = mp_roster_find(join->roster, peer);

	if (m == NULL || mp_node_id_eq(peer, &env->self)) {
		seed_next(join, env);
		return;
	}
	mp_swim_meet(join->swim, env, m);
	join->state = MP_JOIN_IDLE;
	join->finds = false;
	join->deadline_ms = MP_TIME_NEVER;
}

static void
ask(struct mp_join *join, struct mp_env *env, const struct mp_node_id *peer)
{
	struct mp_span statement;
	struct mp_cbor_w w;
	int rc = mp_swim_statement(join->swim, env, &statement);

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_MSG_JOIN);
	mp_cbor_w_span(&w, mp_buf_span(&join->credential));
	if (rc == 0)
		mp_cbor_w_raw(&w, statement);
	if (rc != 0 || w.rc != 0) {
		seed_next(join, env);
		return;
	}
	mp_out_send(env->out, peer, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
	join->state = MP_JOIN_ASKING;
	join->peer = *peer;
	join->deadline_ms = env->now_ms + ATTEMPT_MS;
}

void
mp_join_link(struct mp_join *join, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state, struct mp_span credential,
	const struct mp_addr *addr)
{
	(void)credential;
	if (klass != MP_CLASS_CONTROL)
		return;
	if (join->state == MP_JOIN_CONNECTING && !join->waiting) {
		if (state == MP_LINK_UP && join->finds)
			found(join, env, peer);
		else if (state == MP_LINK_UP)
			ask(join, env, peer);
		else if (mp_addr_eq(addr, &join->seeds[join->seed_at]))
			seed_next(join, env);
	} else if (join->state == MP_JOIN_ASKING && state != MP_LINK_UP &&
		   mp_node_id_eq(peer, &join->peer)) {
		seed_next(join, env);
	}
}

void
mp_join_tick(struct mp_join *join, struct mp_env *env)
{
	if (join->deadline_ms > env->now_ms)
		return;
	if (join->state == MP_JOIN_CONNECTING && join->waiting)
		seed_connect(join, env);
	else if (join->state == MP_JOIN_CONNECTING || join->state == MP_JOIN_ASKING)
		seed_next(join, env);
}

mp_time
mp_join_deadline(const struct mp_join *join)
{
	return join->deadline_ms;
}

void
mp_join_persisted(struct mp_join *join, struct mp_env *env)
{
	if (join->state == MP_JOIN_SAVING && mp_out_durable(env->out) >= join->save_seq)
		join->state = MP_JOIN_DONE;
}

/* ---- the joiner: the answer ---- */

static int
keys_in(struct mp_join *join, struct mp_env *env, struct mp_part *keys)
{
	uint8_t key[MP_SYMKEY_SIZE];
	uint64_t epoch;
	int rc = 0;

	if (keys->count == 0)
		return MP_EFORMAT;
	while (mp_list_next_key(keys, &epoch, key, &rc)) {
		int added = mp_dgram_key_add(join->dgram, env, epoch, key, true);

		if (added != 0 && added != MP_EEXIST && added != MP_ELIMIT)
			rc = added;
	}
	env->crypto->wipe(key, sizeof(key));
	return rc;
}

/* Everything in it is verified by itself; only the gossip keys are the sender's word. */
static int
joined_take(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_joined_msg *msg)
{
	const struct mp_member *by;
	struct mp_cert own;
	struct mp_span item;
	int rc = mp_swim_take_charter(join->swim, env, &msg->logs, &msg->revocations);

	if (rc != 0)
		return rc;
	while (mp_list_next_bytes(&msg->credentials, MP_CREDENTIAL_MAX, &item, &rc)) {
		if (mp_roster_add(join->roster, env, item, NULL) == MP_ENOMEM)
			return MP_ENOMEM;
	}
	by = mp_roster_find(join->roster, sender);
	if (rc == 0 && by == NULL)
		rc = MP_EAUTH;
	if (rc == 0)
		rc = mp_roster_peek(msg->credential, &own);
	if (rc == 0 && !mp_node_id_eq(&own.id, &env->self))
		rc = MP_EAUTH;
	if (rc == 0)
		rc = mp_roster_add(join->roster, env, msg->credential, NULL);
	if (rc == MP_EEXIST)
		rc = 0;
	if (rc == 0)
		rc = keys_in(join, env, &msg->keys);
	while (rc == 0 && mp_list_next(&msg->statements, &item)) {
		if (mp_swim_take_statement(join->swim, env, sender, item) == MP_ENOMEM)
			rc = MP_ENOMEM;
	}
	if (rc != 0)
		return rc;
	mp_roster_edit(join->roster, by)->link_up = true;
	if (msg->has_profile && msg->wan != env->profile->wan)
		env->profile = msg->wan ? &mp_profile_wan : &mp_profile_lan;
	return 0;
}

static int
joined_in(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	struct mp_joined_msg msg;
	int rc;

	if (join->state != MP_JOIN_ASKING || !mp_node_id_eq(sender, &join->peer))
		return MP_EAUTH;
	rc = mp_joined_msg_read(bytes, &msg);
	if (rc == 0)
		rc = joined_take(join, env, sender, &msg);
	if (rc != 0) {
		(void)mp_fail(
			&join->error, rc, "the answer of a seed is no good: %s", mp_strerror(rc));
		seed_next(join, env);
		return rc;
	}
	join->state = MP_JOIN_SAVING;
	join->save_seq = mp_out_seq(env->out);
	join->deadline_ms = MP_TIME_NEVER;
	mp_join_persisted(join, env);
	return 0;
}

static int
refused_in(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	char text[MP_JOIN_TEXT_MAX + 1];
	int64_t code;
	int rc;

	if (join->state != MP_JOIN_ASKING || !mp_node_id_eq(sender, &join->peer))
		return MP_EAUTH;
	rc = mp_join_refused_read(bytes, &code, text);
	if (rc == 0 && code != MP_EBUSY) {
		join->refused = true;
		(void)mp_fail(&join->error, code == MP_EEXIST ? MP_EEXIST : MP_EAUTH, "%s", text);
	}
	seed_next(join, env);
	return rc;
}

/* ---- the member ---- */

static void
refuse(struct mp_env *env, const struct mp_node_id *joiner, int code, const char *text)
{
	struct mp_cbor_w w;
	size_t n = mp_min_size(strlen(text), MP_JOIN_TEXT_MAX);

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_MSG_JOIN_REFUSED);
	mp_cbor_w_int(&w, code);
	mp_cbor_w_text_n(&w, text, n);
	if (w.rc == 0)
		mp_out_send(env->out, joiner, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
}

void
mp_join_turn_away(struct mp_env *env, const struct mp_node_id *peer)
{
	refuse(env, peer, MP_EAUTH, REVOKED_TEXT);
}

/* When what was put so far is durable. */
static int
joined_send(struct mp_join *join, struct mp_env *env, const struct mp_member *m)
{
	size_t count = mp_roster_count(join->roster), statements = 0;
	size_t keys = mp_dgram_key_count(join->dgram);
	struct mp_cbor_w w;

	for (uint32_t i = 0; i < count; i++)
		statements += mp_roster_slot(join->roster, i)->statement.n > 0;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 7);
	mp_cbor_w_uint(&w, MP_MSG_JOINED);
	mp_cbor_w_span(&w, m->credential);
	mp_cbor_w_array(&w, keys);
	for (size_t i = 0; i < keys; i++) {
		uint64_t epoch;
		const uint8_t *key = mp_dgram_key(join->dgram, i, &epoch);

		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, epoch);
		mp_cbor_w_bytes(&w, key, MP_SYMKEY_SIZE);
	}
	/* In order of arrival: whoever admitted a member comes before it. */
	mp_cbor_w_array(&w, count);
	for (uint32_t i = 0; i < count; i++)
		mp_cbor_w_span(&w, mp_roster_slot(join->roster, i)->credential);
	mp_cbor_w_array(&w, statements);
	for (uint32_t i = 0; i < count; i++) {
		if (mp_roster_slot(join->roster, i)->statement.n > 0)
			mp_cbor_w_raw(&w, mp_roster_slot(join->roster, i)->statement);
	}
	mp_cbor_w_array(&w, 2);
	mp_charter_write(mp_roster_charter(join->roster), &w);
	mp_cbor_w_bool(&w, env->profile->wan);
	if (w.rc == 0)
		mp_out_send(env->out, &m->id, MP_CLASS_CONTROL, mp_buf_span(w.buf),
			mp_out_seq(env->out));
	return w.rc;
}

/* What the certificate says is sound and free to use here; *m is set when it is a member. */
static int
join_check(struct mp_join *join, const struct mp_cert *cert, const struct mp_member **m,
	struct mp_error *err)
{
	const struct mp_member *named;

	*m = mp_roster_find(join->roster, &cert->id);
	if (mp_roster_revoked(join->roster, &cert->id))
		return mp_fail(err, MP_EREVOKED, "%s", REVOKED_TEXT);
	if (*m != NULL && (*m)->state == MP_MEMBER_LEFT)
		return mp_fail(err, MP_EAUTH,
			"this node has left the cluster for ever; join with a new state directory");
	if ((cert->roles & MP_ROLE_NODE) == 0)
		return mp_fail(err, MP_EROLE, "the invite is not for nodes");
	named = mp_roster_find_name(join->roster, cert->name.s);
	if (*m == NULL && named != NULL &&
		(named->state == MP_MEMBER_ALIVE || named->state == MP_MEMBER_SUSPECT))
		return mp_fail(err, MP_EEXIST,
			"there is a node named %s already; choose another --name, or try again "
			"where that is what this machine was: it is dead within a minute",
			cert->name.s);
	return 0;
}

static int
admit(struct mp_join *join, struct mp_env *env, struct mp_span credential,
	const struct mp_member **m, struct mp_error *err)
{
	const struct mp_member *self = mp_roster_find(join->roster, &env->self);
	struct mp_signer signer = {.secret = env->secret};
	struct mp_member *added;
	struct mp_buf admitted;
	int rc;

	memcpy(signer.key, env->self.b, sizeof(signer.key));
	mp_buf_init(&admitted, env->alloc, MP_CREDENTIAL_MAX);
	rc = mp_trust_admit(
		mp_roster_trust(join->roster), credential, &signer, env->wall_ms, &admitted, err);
	if (mp_error_denies(rc) && self != NULL) /* it may be this node's clock that is wrong */
		(void)mp_wrap(err, "at %s", self->name.s);
	if (rc == 0 || rc == MP_EEXIST) { /* EEXIST: admitted elsewhere, its credential says so */
		rc = mp_roster_add(
			join->roster, env, rc == 0 ? mp_buf_span(&admitted) : credential, &added);
		if (rc == 0)
			*m = added;
		else
			(void)mp_fail(err, rc, "cannot be admitted: %s", mp_strerror(rc));
	}
	mp_buf_fini(&admitted);
	return rc;
}

static int
join_take(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes, struct mp_error *err)
{
	struct mp_span credential, statement;
	struct mp_statement s;
	const struct mp_member *m;
	struct mp_cert cert;
	int rc = mp_join_msg_read(bytes, &credential, &statement);

	if (rc == 0)
		rc = mp_roster_peek(credential, &cert);
	if (rc == 0)
		rc = mp_statement_read(statement, &env->cluster, &s);
	if (rc != 0)
		return mp_fail(err, rc, "the request to join cannot be read: %s", mp_strerror(rc));
	if (!mp_node_id_eq(&cert.id, sender) || !mp_node_id_eq(&s.id, sender) || s.left ||
		mp_statement_verify(statement, &s, env->crypto) != 0)
		return mp_fail(err, MP_ESIG, "the request to join is not by its sender");
	rc = join_check(join, &cert, &m, err);
	if (rc == 0 && (m == NULL || cert.serial > m->serial))
		rc = admit(join, env, credential, &m, err);
	if (rc != 0)
		return rc;
	(void)mp_swim_take_statement(join->swim, env, sender, statement);
	mp_swim_spread_credential(join->swim, env, sender);
	mp_roster_edit(join->roster, m)->link_up = true;
	rc = joined_send(join, env, m);
	return rc == 0 ? 0 : mp_fail(err, rc, "cannot answer: %s", mp_strerror(rc));
}

static int
join_in(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	struct mp_error err = {0};
	int rc;

	if (!mp_swim_started(join->swim)) {
		refuse(env, sender, MP_EBUSY, "not a member itself yet");
		return MP_EBUSY;
	}
	rc = join_take(join, env, sender, bytes, &err);
	if (rc != 0)
		refuse(env, sender, rc == MP_ENOMEM ? MP_EBUSY : rc, err.text);
	return rc;
}

int
mp_join_message(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes)
{
	switch (mp_msg_kind(bytes)) {
	case MP_MSG_JOIN:
		return join_in(join, env, sender, bytes);
	case MP_MSG_JOINED:
		return joined_in(join, env, sender, bytes);
	case MP_MSG_JOIN_REFUSED:
		return refused_in(join, env, sender, bytes);
	default:
		return MP_EUNSUPPORTED;
	}
}

/* ---- streams ---- */

int
mp_join_credential_name(struct mp_span credential, struct mp_name *out)
{
	struct mp_cert cert;
	int rc = mp_roster_peek(credential, &cert);

	if (rc == 0)
		*out = cert.name;
	return rc;
}

int
mp_join_check_peer(const struct mp_roster *roster, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_node_id *id, bool *joiner,
	struct mp_error *err)
{
	const struct mp_member *m;
	struct mp_trust trust = *mp_roster_trust(roster);
	struct mp_credential c;
	struct mp_cert claimed;
	int rc;

	if (MP_MUTANT(ANY_CLUSTER) && mp_roster_peek(credential, &claimed) == 0) {
		trust.cluster = claimed.cluster;
		trust.authority = NULL;
	}
	rc = mp_credential_verify(&trust, credential, &c, err);
	(void)wall_ms; /* who brings an invite that is not good is told so, when it asks to join */
	if (rc != 0)
		return rc;
	if (memcmp(c.cert.xkey.b, xkey->b, sizeof(xkey->b)) != 0)
		return mp_fail(err, MP_EAUTH, "the stream's key is not the certificate's");
	m = mp_roster_find(roster, &c.cert.id);
	if (mp_roster_revoked(roster, &c.cert.id)) { /* it may come in to be told so */
		*id = c.cert.id;
		*joiner = true;
		return 0;
	}
	if (m != NULL && m->state == MP_MEMBER_LEFT)
		return mp_fail(err, MP_EAUTH, "%s has left the cluster", m->name.s);
	if (m != NULL && m->serial > c.cert.serial)
		return mp_fail(err, MP_EAUTH, "%s has a newer certificate than this", m->name.s);
	if (m == NULL && c.standing == MP_STANDING_UNPROVEN && mp_roster_is_member(roster) &&
		!MP_MUTANT(ANY_CLUSTER))
		return mp_fail(err, MP_EAUTH, "admitted by a node that is not known here");
	*id = c.cert.id;
	*joiner = c.standing == MP_STANDING_JOINER;
	return 0;
}

int
mp_join_check_client(const struct mp_roster *roster, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_cert *cert, struct mp_error *err)
{
	struct mp_credential c;
	int rc = mp_credential_verify(mp_roster_trust(roster), credential, &c, err);

	if (rc == 0 && (c.standing != MP_STANDING_JOINER || (c.cert.roles & MP_ROLE_NODE) != 0))
		rc = mp_fail(err, MP_EROLE, "a node's certificate does not control other nodes");
	if (rc == 0 && mp_roster_revoked(roster, &c.cert.id))
		rc = mp_fail(err, MP_EREVOKED, "this identity was revoked");
	if (rc == 0 && memcmp(c.cert.xkey.b, xkey->b, sizeof(xkey->b)) != 0)
		rc = mp_fail(err, MP_EAUTH, "the stream's key is not the certificate's");
	if (rc == 0)
		rc = mp_trust_check_invite(mp_roster_trust(roster), &c, wall_ms, err);
	if (rc == 0)
		*cert = c.cert;
	return rc;
}

int
mp_join_check_own(const struct mp_alloc *alloc, const struct mp_trust *trust,
	struct mp_span credential, const struct mp_node_id *self, struct mp_name *name,
	struct mp_error *err)
{
	struct mp_credential *c = mp_realloc(alloc, NULL, 0, sizeof(*c));
	int rc = MP_ENOMEM;

	if (c != NULL)
		rc = mp_credential_verify(trust, credential, c, err);
	else
		(void)mp_fail(err, rc, "out of memory");
	if (rc == 0 && !mp_node_id_eq(&c->cert.id, self))
		rc = mp_fail(err, MP_EAUTH, "is not of this node's key");
	if (rc == 0)
		*name = c->cert.name;
	mp_dealloc(alloc, c, sizeof(*c));
	return rc != 0 ? mp_wrap(err, "the node's credential") : 0;
}
