/* SPDX-License-Identifier: Apache-2.0 */
#include "core/leave.h"

/* Blobs that are copied at a time. */
#define PAGE 256

/* How often leaderships are offered again. */
#define AGAIN_MS 500

enum leave_phase {
	LEAVE_NOT,
	LEAVE_STOPPING,
	LEAVE_COPYING,
	LEAVE_ANNOUNCING,
	LEAVE_FAILED,
};

struct copy {
	struct mp_leave *leave;
	struct mp_hold_req req;
};

struct mp_leave {
	const struct mp_alloc *alloc;
	struct mp_leave_parts parts;
	enum leave_phase phase;
	bool force;
	bool listing;         /* a list is on its way */
	bool last_page;       /* the store has no more */
	struct mp_hash after; /* of what was listed */
	size_t open;          /* copies that are on their way */
	size_t alone;         /* blobs that nobody took */
	mp_time again_ms;
	mp_time settle_until_ms; /* MP_TIME_NEVER: attempts run */
	struct copy copies[PAGE];
};

static void on_copied(struct mp_hold_req *req, struct mp_env *env, int rc,
	const struct mp_node_id *holders, size_t holder_count);

int
mp_leave_new(struct mp_env *env, const struct mp_leave_parts *parts, struct mp_leave **out)
{
	struct mp_leave *leave = mp_realloc(env->alloc, NULL, 0, sizeof(*leave));

	if (leave == NULL)
		return MP_ENOMEM;
	*leave = (struct mp_leave){.alloc = env->alloc,
		.parts = *parts,
		.again_ms = MP_TIME_NEVER,
		.settle_until_ms = MP_TIME_NEVER};
	for (size_t i = 0; i < PAGE; i++) {
		leave->copies[i].leave = leave;
		leave->copies[i].req.done = on_copied;
	}
	*out = leave;
	return 0;
}

void
mp_leave_free(struct mp_leave *leave)
{
	if (leave == NULL)
		return;
	for (size_t i = 0; i < PAGE; i++)
		mp_hold_cancel(leave->parts.hold, &leave->copies[i].req);
	mp_dealloc(leave->alloc, leave, sizeof(*leave));
}

/* ---- what stands against it ---- */

/* Members besides this one: those that have not left, and of them those that are there. */
static size_t
others(const struct mp_leave *leave, const struct mp_env *env, size_t *there)
{
	size_t n = 0;

	*there = 0;
	for (size_t i = 0; i < mp_roster_count(leave->parts.roster); i++) {
		const struct mp_member *m = mp_roster_at(leave->parts.roster, i);

		if (m->state == MP_MEMBER_LEFT || mp_node_id_eq(&m->id, &env->self))
			continue;
		n++;
		*there += m->state == MP_MEMBER_ALIVE;
	}
	return n;
}

int
mp_leave_begin(struct mp_leave *leave, struct mp_env *env, bool force, struct mp_error *err)
{
	size_t there;

	mp_assert(leave->phase == LEAVE_NOT);
	if (!force && others(leave, env, &there) > 0 && there == 0)
		return mp_fail(err, MP_EBUSY,
			"no other member can be reached, who could take what only this node has; "
			"it leaves all the same with --force");
	if (!force && mp_runs_need(leave->parts.runs, err)) {
		struct mp_error why = *err;

		return mp_fail(
			err, MP_EBUSY, "%.300s; it leaves all the same with --force", why.text);
	}
	leave->force = force;
	leave->phase = LEAVE_STOPPING;
	mp_hold_stop(leave->parts.hold);
	return 0;
}

bool
mp_leave_asked(const struct mp_leave *leave)
{
	return leave->phase != LEAVE_NOT;
}

/* ---- copies ---- */

static void
leave_list(struct mp_leave *leave, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_LIST};

	fx.u.blob_list.after = leave->after;
	fx.u.blob_list.max = PAGE;
	leave->listing = true;
	mp_out_effect(env->out, &fx);
}

static void
on_copied(struct mp_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t holder_count)
{
	struct mp_leave *leave = mp_container_of(req, struct copy, req)->leave;
	size_t there;

	(void)holders;
	leave->open--;
	if ((rc != 0 || holder_count < 2) && others(leave, env, &there) > 0)
		leave->alone++;
}

void
mp_leave_event(struct mp_leave *leave, struct mp_env *env, const struct mp_event *event)
{
	size_t count = event->u.blob_list.count;

	if (leave->phase != LEAVE_COPYING || !leave->listing)
		return;
	mp_assert(count <= PAGE);
	leave->listing = false;
	leave->last_page = count < PAGE;
	if (event->u.blob_list.rc != 0)
		leave->alone++;
	for (size_t i = 0; i < count; i++) {
		const struct mp_blob_ref *ref = &event->u.blob_list.refs[i];

		leave->after = ref->digest;
		if (mp_hold_request(leave->parts.hold, env, &leave->copies[i].req, ref, 1,
			    1 + MP_LEAVE_COPIES) == 0)
			leave->open++;
		else
			leave->alone++;
	}
}

/* ---- the way out ---- */

/* Is nothing to be waited for any more? */
static bool
leave_settled(struct mp_leave *leave, struct mp_env *env)
{
	if (!mp_worker_stopped(leave->parts.worker, env))
		return false;
	if (leave->settle_until_ms == MP_TIME_NEVER)
		leave->settle_until_ms = env->now_ms + MP_LEAVE_SETTLE_MS;
	if (env->now_ms >= leave->settle_until_ms)
		return true;
	return mp_worker_attempts(leave->parts.worker) == 0 &&
	       mp_runs_leading(leave->parts.runs) == 0;
}

static void
leave_stopping(struct mp_leave *leave, struct mp_env *env)
{
	if (leave_settled(leave, env)) {
		leave->phase = LEAVE_COPYING;
		leave->again_ms = MP_TIME_NEVER;
		leave_list(leave, env);
	} else if (leave->again_ms == MP_TIME_NEVER || leave->again_ms <= env->now_ms) {
		leave->again_ms = env->now_ms + AGAIN_MS;
		mp_runs_hand_over(leave->parts.runs, env);
	}
}

static void
leave_copying(struct mp_leave *leave, struct mp_env *env)
{
	if (leave->listing || leave->open > 0)
		return;
	if (leave->alone > 0 && !leave->force)
		leave->phase = LEAVE_FAILED;
	else if (!leave->last_page)
		leave_list(leave, env);
	else if (mp_swim_leave(leave->parts.swim, env) != 0)
		leave->phase = LEAVE_FAILED;
	else {
		leave->phase = LEAVE_ANNOUNCING;
		mp_runs_purge(leave->parts.runs, env);
	}
}

/* Enough others know, if there are any, and this node does not forget it. */
static bool
leave_announced(const struct mp_leave *leave, const struct mp_env *env)
{
	size_t there;

	if (mp_out_seq(env->out) > mp_out_durable(env->out))
		return false;
	return others(leave, env, &there) == 0 || mp_swim_left(leave->parts.swim, env->now_ms);
}

bool
mp_leave_step(struct mp_leave *leave, struct mp_env *env, struct mp_error *err)
{
	err->code = 0;
	if (leave->phase == LEAVE_STOPPING)
		leave_stopping(leave, env);
	if (leave->phase == LEAVE_COPYING)
		leave_copying(leave, env);
	if (leave->phase == LEAVE_FAILED)
		(void)mp_fail(err, MP_EIO,
			"%zu blobs that this node has could not be copied to another one; it has "
			"stopped, and is a member still",
			leave->alone);
	return leave->phase == LEAVE_FAILED ||
	       (leave->phase == LEAVE_ANNOUNCING && leave_announced(leave, env));
}

mp_time
mp_leave_deadline(const struct mp_leave *leave)
{
	return leave->phase == LEAVE_STOPPING ? leave->again_ms : MP_TIME_NEVER;
}
