/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about nodes. */
#include "codec/snapshot.h"
#include "core/ctl_int.h"

/* Digits of an id that name a node. */
#define ID_DIGITS_MIN 4

static enum mp_member_status
status_shown(const struct mp_member *m)
{
	if (m->status == MP_NODE_AVAILABLE && m->caps != NULL && m->caps->slots > 0 &&
		m->load.used >= m->caps->slots)
		return MP_NODE_BUSY;
	return m->status;
}

static void
member_show(const struct mp_env *env, const struct mp_member *m, struct mp_snap_member *out)
{
	bool self = mp_node_id_eq(&m->id, &env->self);

	*out = (struct mp_snap_member){.node = {.id = m->id, .name = mp_span_str(m->name.s)},
		.state = m->state,
		.revoked = m->revoked,
		.status = MP_NODE_OFFLINE,
		.reaches_out = mp_member_reaches_out(m),
		.rtt_ms = -1,
		.silent_ms = -1};
	if (m->addr_count > 0)
		out->addr = m->addrs[0];
	out->caps = mp_roster_caps_of(m);
	if (m->last_heard_ms > 0 && !self)
		out->silent_ms = env->now_ms - m->last_heard_ms;
	if (m->status == MP_NODE_DOUBLED)
		out->status = m->status;
	if (m->state == MP_MEMBER_DEAD || m->state == MP_MEMBER_LEFT)
		return;
	out->status = status_shown(m);
	out->load = m->load;
	out->path = self ? MP_PATH_NONE : m->path;
	out->skew_ms = m->skew_ms;
	out->has_skew = m->has_skew;
	if (m->has_skew)
		out->rtt_ms = m->rtt_ms;
}

static struct mp_snap_self
self_show(const struct mp_ctl *ctl, const struct mp_env *env)
{
	const struct mp_drain_state *drain = mp_drain_state(ctl->parts.drain);

	return (struct mp_snap_self){.id = env->self,
		.health = mp_swim_health(ctl->parts.swim),
		.isolated = mp_swim_isolated(ctl->parts.swim),
		.drains = drain->on,
		.drains_since_ms = drain->since_ms,
		.drained_by = mp_span_str(drain->by)};
}

void
open_nodes(struct open *o, struct mp_env *env)
{
	const struct mp_roster *roster = o->ctl->parts.roster;
	uint32_t n = 0, total = (uint32_t)mp_roster_count(roster);
	struct mp_snap_self self = self_show(o->ctl, env);
	struct mp_buf items, payload;
	int rc = 0;

	mp_buf_init(&items, env->alloc, MP_MSG_MAX);
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	for (uint32_t i = o->r.from;
		rc == 0 && i < total && n < o->r.count && items.n < MP_SNAP_PAGE_BYTES; i++, n++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		struct mp_snap_member s;

		member_show(env, m, &s);
		rc = mp_snap_member_encode(&items, &s);
	}
	if (rc == 0)
		rc = mp_snap_nodes_encode(
			&payload, total, o->r.from, n, mp_buf_span(&items), &self);
	mp_buf_fini(&items);
	open_answer(o, env, rc, &payload);
}

/* ---- draining ---- */

static bool
id_begins(const struct mp_node_id *id, struct mp_span hex)
{
	static const char digits[] = "0123456789abcdef";

	if (hex.n < ID_DIGITS_MIN || hex.n > 2 * sizeof(id->b))
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		char digit = digits[(id->b[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 0xf];

		if (((const char *)hex.p)[i] != digit)
			return false;
	}
	return true;
}

const struct mp_member *
node_find(const struct mp_roster *roster, struct mp_span text, struct mp_error *err)
{
	const struct mp_member *found[2] = {NULL};
	size_t counts[2] = {0};

	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		bool named = mp_span_eq(mp_span_str(m->name.s), text);
		int how = named ? 0 : 1;

		if (!named && !id_begins(&m->id, text))
			continue;
		if (found[how] != NULL && m->state == MP_MEMBER_LEFT)
			continue;
		if (found[how] == NULL || found[how]->state == MP_MEMBER_LEFT)
			counts[how] = 0;
		found[how] = m;
		counts[how]++;
	}
	for (int how = 0; how < 2; how++) {
		if (counts[how] == 1)
			return found[how];
		if (counts[how] > 1) {
			(void)mp_fail(err, MP_EEXIST,
				"more than one node is called so, or has an id that begins so; "
				"give its whole id");
			return NULL;
		}
	}
	(void)mp_fail(err, MP_ENOENT, "no node is called so; mpctl nodes lists them");
	return NULL;
}

static void
drain_here(struct open *o, struct mp_env *env)
{
	int rc = mp_drain_set(o->ctl->parts.drain, env, o->r.on, o->r.by);

	if (rc == MP_EBUSY)
		open_fail(o, env, rc, "the node is stopping");
	else if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
	else
		open_answer_durable(o, env);
}

void
open_drain(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};
	const struct mp_member *m;

	if (o->remote) { /* who was meant was looked up there */
		drain_here(o, env);
		return;
	}
	m = node_find(o->ctl->parts.roster, o->r.name, &err);
	if (m == NULL)
		open_fail(o, env, err.code, err.text);
	else if (m->state == MP_MEMBER_LEFT)
		open_fail(o, env, MP_EINVAL, "that node has left the cluster for ever");
	else if (mp_node_id_eq(&m->id, &env->self))
		drain_here(o, env);
	else
		open_ask_node(o, env, &m->id);
}
