/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may not start twice without an operator: the leader's side of `once` modules (DESIGN 5).
 *
 *   placed ─▶ ONCE_BEGIN committed ─▶ handed out ─▶ a result
 *                                        ├─ given back: ONCE_END, as if it had not been tried
 *                                        └─ lost: MAYBE_RAN until mp_lead_resolve()
 *
 * What runs of them lives on leases that its worker asks for. A lease counts from the moment it
 * was asked for, on the worker's clock; so MP_ONCE_LEASE_MS after the last one was given, and as
 * long as a kill takes, nothing of it is alive, whoever can reach that worker or not.
 *
 * What did not start until then could start with a later lease: a worker of which something was
 * given up gets none before it has said what it has, which then goes on or is killed.
 */
#include "core/lead_int.h"
#include "mp/limits.h"

/* More than clocks drift apart in the time of a lease. */
#define DRIFT_MS 1000
#define DEAD_MS  (MP_ONCE_LEASE_MS + MP_ONCE_KILL_MS + DRIFT_MS)

static int
once_end(struct mp_lead *lead, struct mp_env *env, const struct mp_once_end *end)
{
	struct mp_buf body;
	int rc;

	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	rc = mp_body_once_end_encode(&body, end);
	if (rc == 0)
		rc = lead_propose(lead, env, MP_ENTRY_ONCE_END, &body);
	mp_buf_fini(&body);
	return rc;
}

/* ---- beginning ---- */

bool
lead_once_begin(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_attempt_id *id)
{
	const struct mp_assigned begin = {*id, w->id};
	struct mp_buf body;
	int rc;

	if (lead_track(lead, env, w, id, env->now_ms) != 0)
		return false;
	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	rc = mp_body_once_begin_encode(&body, &begin);
	if (rc == 0)
		rc = lead_propose(lead, env, MP_ENTRY_ONCE_BEGIN, &body);
	mp_buf_fini(&body);
	lead->current[id->module]->begins = true;
	if (rc == 0)
		return true;
	lead->current[id->module]->done = true; /* its slot is freed by who placed it */
	lead_untrack(lead, lead->current[id->module]);
	return false;
}

void
lead_once_applied(struct mp_lead *lead, const struct mp_raft_entry *entry, int rc)
{
	struct mp_assigned begin;
	struct lead_attempt *a;

	if (mp_body_once_begin_decode(entry->body, &begin) != 0 ||
		begin.attempt.module >= lead->c.graph->module_count)
		return;
	a = lead->current[begin.attempt.module];
	if (a == NULL || !a->begins || !mp_attempt_eq(&a->id, &begin.attempt))
		return;
	a->begins = false;
	a->due = rc == 0;
	if (rc != 0)
		lead_untrack(lead, a);
	lead_touch(lead, begin.attempt.module);
}

void
lead_once_ended(struct mp_lead *lead, const struct mp_raft_entry *entry)
{
	struct mp_once_end end;

	if (mp_body_once_end_decode(entry->body, &end) != 0 ||
		end.attempt.module >= lead->c.graph->module_count)
		return;
	lead->flags[end.attempt.module] &= (uint8_t)~LEAD_RESOLVED;
	lead_touch(lead, end.attempt.module);
}

bool
lead_once_pending(const struct mp_lead *lead)
{
	const struct mp_run *run = lead->c.run;

	for (uint32_t i = 0; run->counts[MP_MODULE_MAYBE_RAN] > 0 && i < run->graph->module_count;
		i++) {
		if (run->modules[i].state == MP_MODULE_MAYBE_RAN &&
			(lead->current[i] != NULL ||
				(lead->flags[i] & (LEAD_FINISHED | LEAD_RESOLVED)) != 0))
			return true;
	}
	return false;
}

/* Whom nobody expects to answer gets nothing: what was never sent, never began. */
static bool
worker_there(const struct mp_lead *lead, const struct mp_env *env, const struct lead_worker *w)
{
	const struct mp_member *m = mp_roster_slot(lead->c.roster, w->slot);

	return mp_node_id_eq(&w->id, &env->self) || (m->state == MP_MEMBER_ALIVE && !m->refused);
}

void
lead_once_visit(struct mp_lead *lead, struct mp_env *env, struct lead_attempt *a)
{
	const struct mp_once_end end = {.attempt = a->id, .how = MP_ONCE_UNSTARTED};

	if (a->due) {
		a->due = false;
		a->since_ms = env->now_ms;
		a->asked = a->worker->seq;
		a->boot = a->worker->boot;
		a->returned = lead->c.run->cancelled || !worker_there(lead, env, a->worker) ||
			      lead_hand_out(lead, env, a) != 0;
	}
	if (!a->returned || a->given_up)
		return;
	if (once_end(lead, env, &end) == 0)
		a->given_up = true;
	else
		lead->rescan = true;
}

void
lead_once_returned(struct mp_lead *lead, struct lead_attempt *a)
{
	a->returned = true;
	lead_touch(lead, a->id.module);
}

/* ---- what workers say ---- */

bool
lead_once_status(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_work_state *s)
{
	uint32_t module = s->attempt.module;
	const struct mp_run_module *m = &lead->c.run->modules[module];
	enum mp_module_state state = mp_run_module_state(lead->c.run, module);
	struct lead_attempt *a = lead->current[module];
	bool awaited = a != NULL && a->worker == w && mp_attempt_eq(&a->id, &s->attempt);
	bool last = mp_attempt_eq(&m->attempt, &s->attempt);

	if (!lead_is_once(lead, module))
		return false;
	if (s->phase == MP_WORK_UNSURE) {
		if (awaited) {
			a->seen = true;
			lead_give_up(lead, env, a, MP_LOST_BOOT);
		} else if (!last || state != MP_MODULE_RUNNING) {
			lead_settle(lead, w, &s->attempt);
		}
		return true;
	}
	if (awaited || s->phase == MP_WORK_DONE || mp_module_ended(state) || lead->c.run->cancelled)
		return false;
	/* Given up too early: it is there, and goes on. Whatever else is there is of the past. */
	if (last && state == MP_MODULE_MAYBE_RAN) {
		if (a == NULL && (lead->flags[module] & LEAD_RESOLVED) == 0)
			lead_adopt(lead, env, w, &s->attempt);
		/* To be asked again when it wants a lease: not now, it would answer the same. */
		if (lead->current[module] == NULL || a != NULL)
			w->lease_seq = w->seq + 1;
	} else if (!last || state != MP_MODULE_RUNNING) {
		lead_kill(lead, w, &s->attempt);
	}
	return true;
}

static struct lead_worker *
worker_of_last(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	const struct mp_node_id *id = mp_run_node(lead->c.run, lead->c.run->modules[module].worker);

	return id != NULL ? lead_worker_of(lead, env, id) : NULL;
}

void
lead_once_lost(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	struct lead_worker *w;

	if (!lead_is_once(lead, module))
		return;
	w = worker_of_last(lead, env, module);
	if (w == NULL)
		return;
	w->lease_seq = w->seq + 1;
	w->ask = true;
	lead_dirty(lead, w);
}

int
lead_renew(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, struct mp_span bytes)
{
	struct mp_msg_work_lease m;
	struct mp_buf *buf;
	int rc = mp_msg_work_lease_decode(bytes, MP_MSG_WORK_RENEW, &m);

	if (rc != 0)
		return rc;
	if (m.head.generation != lead->head.generation || m.head.term > lead->head.term)
		return MP_EREPLAY;
	if (!lead->begun || !mp_raft_may_dispatch(lead->c.raft, env->now_ms))
		return 0;
	lead_heard(lead, env, w);
	if (w->answered < w->lease_seq) {
		w->ask = true;
		lead_dirty(lead, w);
		return 0;
	}
	lead_introduce(lead, env, w);
	m.head.term = lead->head.term;
	buf = mp_out_scratch(env->out);
	rc = mp_msg_work_lease_encode(buf, MP_MSG_WORK_LEASE, &m);
	if (rc != 0)
		return rc;
	mp_out_send(env->out, &w->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	w->leased_ms = env->now_ms;
	return 0;
}

bool
lead_once_dead(const struct lead_worker *w, mp_time now_ms)
{
	mp_time last = w->leased_ms > w->heard_ms ? w->leased_ms : w->heard_ms;

	return now_ms - last >= DEAD_MS;
}

/* ---- the operator ---- */

/* May the attempt that was given up be alive? Not if its worker, asked since, did not name it, and
 * not when all leases are over. */
static bool
may_live(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	struct lead_worker *w = worker_of_last(lead, env, module);
	mp_time last = w != NULL ? w->leased_ms : lead->began_ms;

	return (w == NULL || w->answered < w->lease_seq) && env->now_ms - last < DEAD_MS;
}

int
mp_lead_resolve(struct mp_lead *lead, struct mp_env *env, uint32_t module, enum mp_once_how how,
	struct mp_span by, struct mp_raft_at *at)
{
	const struct mp_run_module *m = &lead->c.run->modules[module];
	const struct mp_once_end end = {.attempt = m->attempt, .how = how, .by = by};
	int rc;

	if (!lead->begun)
		return MP_ENOTLEADER;
	if (m->state != MP_MODULE_MAYBE_RAN || lead->current[module] != NULL ||
		(lead->flags[module] & (LEAD_FINISHED | LEAD_RESOLVED)) != 0 || lead_ending(lead))
		return MP_EINVAL;
	if (how == MP_ONCE_RERUN && may_live(lead, env, module))
		return MP_EBUSY;
	rc = once_end(lead, env, &end);
	if (rc != 0)
		return rc;
	lead->flags[module] |= LEAD_RESOLVED;
	*at = lead_last(lead);
	return 0;
}
