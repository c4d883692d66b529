/* SPDX-License-Identifier: Apache-2.0 */
#include "core/swim_impl.h"

/* ---- what is known ---- */

bool
mp_swim_trust_changed(struct mp_swim *swim)
{
	uint64_t now = mp_charter_digest(mp_roster_charter(swim->roster)) ^
		       mp_dgram_key_digest(swim->dgram);
	bool changed = now != swim->trust;

	swim->digest ^= swim->trust ^ now;
	swim->trust = now;
	return changed;
}

static void
trust_news(struct mp_swim *swim, struct mp_env *env)
{
	if (!swim->started || !mp_swim_trust_changed(swim))
		return;
	swim->trust_rounds = SWIM_TRUST_ROUNDS;
	mp_swim_gossip_soon(swim, env);
}

/* ---- sending ---- */

void
mp_swim_trust_send(
	struct mp_swim *swim, struct mp_env *env, const struct mp_member *to, bool answer)
{
	size_t keys = mp_dgram_key_count(swim->dgram);
	struct mp_cbor_w w;

	if (to->state == MP_MEMBER_LEFT || swim->shut_ms != MP_TIME_NEVER)
		keys = 0;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_trust_msg_begin(&w, answer, swim->trust);
	mp_charter_write(mp_roster_charter(swim->roster), &w);
	mp_cbor_w_array(&w, keys);
	for (size_t i = 0; i < keys; i++) {
		uint64_t epoch;
		const uint8_t *key = mp_dgram_key(swim->dgram, i, &epoch);

		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, epoch);
		mp_cbor_w_bytes(&w, key, MP_SYMKEY_SIZE);
	}
	if (w.rc == 0)
		mp_out_send(env->out, &to->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
}

void
mp_swim_trust_push(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t slots[SWIM_TRUST_FANOUT];
	size_t n;

	if (swim->trust_rounds == 0)
		return;
	swim->trust_rounds--;
	n = mp_swim_pick(swim, env, PICK_PRESENT, SWIM_NONE, slots, mp_countof(slots));
	for (size_t i = 0; i < n; i++)
		mp_swim_trust_send(swim, env, swim_member(swim, slots[i]), false);
}

/* ---- keys ---- */

int
mp_swim_rotate(struct mp_swim *swim, struct mp_env *env, const uint8_t key[MP_SYMKEY_SIZE])
{
	uint64_t epoch = 0;
	int rc;

	if (mp_dgram_key_count(swim->dgram) > 0)
		(void)mp_dgram_key(swim->dgram, 0, &epoch);
	rc = mp_dgram_key_add(swim->dgram, env, epoch + 1, key, true);
	if (rc == 0)
		trust_news(swim, env);
	return rc;
}

static int
keys_in(struct mp_swim *swim, struct mp_env *env, struct mp_part *keys)
{
	uint8_t key[MP_SYMKEY_SIZE];
	uint64_t epoch;
	int rc = 0;
	bool wrong = false;

	while (mp_list_next_key(keys, &epoch, key, &rc)) {
		if (mp_dgram_key_add(swim->dgram, env, epoch, key, true) == MP_EFORMAT)
			wrong = true;
	}
	env->crypto->wipe(key, sizeof(key));
	return rc == 0 && wrong ? MP_EFORMAT : rc;
}

void
mp_swim_dropped(struct mp_swim *swim, struct mp_env *env, const struct mp_dgram_in *in,
	const struct mp_addr *from)
{
	struct mp_swim_record record = {.kind = MP_SWIM_REVOKED};
	const struct mp_member *m = in->sender;
	uint8_t mem[MP_REVOCATION_MAX + 16];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_cbor_w w;

	if (!swim->started || swim->leaving || mp_swim_follow(swim, env) != 0)
		return;
	if (in->drop == MP_DROP_REVOKED &&
		env->now_ms - swim_peer(swim, m)->replied_ms >= SWIM_REPLY_MS) {
		swim_peer(swim, m)->replied_ms = env->now_ms;
		record.u.revocation = mp_charter_record(mp_roster_charter(swim->roster), &m->id);
		mp_cbor_w_init(&w, &buf);
		mp_swim_record_write(&w, &record);
		mp_assert(w.rc == 0);
		mp_dgram_answer(swim->dgram, env, in, from, mp_buf_span(&buf));
	}
	if (in->drop == MP_DROP_OUTLIVED)
		mp_swim_remind(swim, env, m, from);
	if (in->drop != MP_DROP_UNOPENED)
		return;
	/* Junk comes by the thousand; looking whose it is must not cost more than opening it. */
	if (env->now_ms - swim->scanned_ms >= SWIM_PULL_MS) {
		swim->scanned_ms = env->now_ms;
		swim->scans = 0;
	}
	if (swim->scans == SWIM_LOST_SCANS)
		return;
	swim->scans++;
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		m = swim_member(swim, i);
		for (uint32_t k = 0; k < m->addr_count && m->state != MP_MEMBER_LEFT; k++) {
			if (mp_addr_eq(&m->addrs[k], from)) {
				mp_swim_want(swim, env, m, NULL);
				return;
			}
		}
	}
}

/* ---- who is shut out ---- */

/* It hears why, if it can hear us, and then no more. */
static void
shut_tell(struct mp_swim *swim, struct mp_env *env, struct mp_member *m, bool stream)
{
	struct mp_swim_record record = {.kind = MP_SWIM_REVOKED};
	struct mp_effect drop = {.kind = MP_FX_DROP_PEER};

	record.u.revocation = mp_charter_record(mp_roster_charter(swim->roster), &m->id);
	if (stream) {
		mp_swim_send_stream(swim, env, m, &record);
		mp_swim_try(swim, env, m, &record);
	}
	drop.u.drop.peer = m->id;
	mp_out_effect(env->out, &drop);
	if (m->link_up) {
		m->link_up = false;
		mp_roster_changed(swim->roster, m);
	}
}

void
mp_swim_shut_soon(struct mp_swim *swim, const struct mp_env *env, bool told)
{
	swim->shut_ms = told ? env->now_ms : env->now_ms + SWIM_SHUT_MS;
	swim->leaving = swim->left_late = true;
	mp_swim_timers_stop(swim);
	if (!told)
		swim->gossip_ms = env->now_ms;
}

/* Our own key. The others are told, if it is we who know first. */
static void
shut_self(struct mp_swim *swim, struct mp_env *env, bool told)
{
	mp_swim_shut_soon(swim, env, told);
	if (!told) {
		swim->trust_rounds = 1;
		mp_swim_trust_push(swim, env);
	}
}

static int
revoke(struct mp_swim *swim, struct mp_env *env, struct mp_span record, bool told)
{
	struct mp_node_id subject;
	struct mp_member *m;
	struct mp_effect drop = {.kind = MP_FX_DROP_PEER};
	int rc = mp_roster_revoke(swim->roster, env, record, told, &subject, &m);

	if (rc != 0 || !swim->started)
		return rc;
	if (m == NULL) { /* somebody who is no node may control this one */
		drop.u.drop.peer = subject;
		mp_out_effect(env->out, &drop);
	}
	rc = mp_swim_follow(swim, env);
	if (rc == 0 && m != NULL) {
		mp_swim_view_changed(swim, env, m);
		mp_swim_untell(swim, m->slot, NEWS_ACCUSATION);
		mp_swim_untell(swim, m->slot, NEWS_STATEMENT);
		mp_swim_tell(swim, env, m->slot, NEWS_REVOCATION);
		if (m->slot == swim->self)
			shut_self(swim, env, told);
		else
			shut_tell(swim, env, m, m->link_up || !told);
	}
	trust_news(swim, env);
	return rc;
}

int
mp_swim_revoke(struct mp_swim *swim, struct mp_env *env, struct mp_span record)
{
	return revoke(swim, env, record, false);
}

int
mp_swim_charter(struct mp_swim *swim, struct mp_env *env, struct mp_span log)
{
	int rc = mp_roster_learn(swim->roster, env, log, false);

	if (rc == 0)
		trust_news(swim, env);
	return rc;
}

int
mp_swim_revoked_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span record)
{
	int rc = revoke(swim, env, record, true);

	if (rc == MP_EAUTH) /* signed by a key that the sender may know */
		mp_swim_want(swim, env, sender, NULL);
	return rc == MP_EEXIST ? 0 : rc;
}

bool
mp_swim_refuses(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state)
{
	const struct mp_member *m;
	struct mp_effect drop = {.kind = MP_FX_DROP_PEER};

	if (!mp_roster_revoked(swim->roster, peer))
		return false;
	m = mp_roster_find(swim->roster, peer);
	if (state != MP_LINK_UP)
		return true;
	if (m != NULL && swim->started) {
		shut_tell(swim, env, swim_edit(swim, m), klass == MP_CLASS_CONTROL);
	} else {
		drop.u.drop.peer = *peer;
		mp_out_effect(env->out, &drop);
	}
	return true;
}

bool
mp_swim_shut(const struct mp_swim *swim, mp_time now_ms)
{
	return now_ms >= swim->shut_ms;
}

/* ---- all of it at once ---- */

int
mp_swim_take_charter(
	struct mp_swim *swim, struct mp_env *env, struct mp_part *logs, struct mp_part *revocations)
{
	struct mp_span item;
	int rc = 0;

	while (mp_list_next(logs, &item)) {
		if (mp_swim_item(swim, mp_roster_learn(swim->roster, env, item, true)) == MP_ENOMEM)
			return MP_ENOMEM;
	}
	while (mp_list_next_bytes(revocations, MP_REVOCATION_MAX, &item, &rc)) {
		if (mp_swim_item(swim, revoke(swim, env, item, true)) == MP_ENOMEM)
			return MP_ENOMEM;
	}
	return rc;
}

int
mp_swim_trust_message(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	struct mp_trust_msg msg;
	int rc = mp_trust_msg_read(bytes, &msg);

	if (rc == 0)
		rc = mp_swim_take_charter(swim, env, &msg.logs, &msg.revocations);
	/* It may have told of its own. */
	if (rc != 0 || swim->leaving || sender->state == MP_MEMBER_LEFT)
		return rc;
	rc = keys_in(swim, env, &msg.keys);
	trust_news(swim, env);
	if (rc == 0 && msg.answer && msg.digest != swim->trust)
		mp_swim_trust_send(swim, env, sender, false);
	return rc;
}
