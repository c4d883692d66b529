/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing: compares the run's state with what is outstanding. */
#include "core/lead_int.h"
#include "core/vault.h"

/* The lost and the silent are looked for so often. */
#define CHECK_MS 1000
/* A busy machine may take longer to say what it runs than to say that it lives. */
#define PATIENT_BEATS 4
/* What the log did not take is proposed again after this. */
#define AGAIN_MS 200

void
lead_again(struct mp_lead *lead, mp_time at_ms)
{
	if (at_ms < lead->again_ms)
		lead->again_ms = at_ms;
}

int
lead_propose(struct mp_lead *lead, struct mp_env *env, enum mp_entry_kind kind,
	const struct mp_buf *body)
{
	int rc = lead_log_assigned(lead, env);

	if (rc == 0)
		rc = mp_raft_propose(lead->c.raft, env, kind, mp_buf_span(body), NULL);
	if (rc != 0)
		lead_again(lead, env->now_ms + AGAIN_MS);
	return rc;
}

int
lead_lost(struct mp_lead *lead, struct mp_env *env, const struct mp_attempt_id *id,
	enum mp_lost_why why)
{
	const struct mp_lost lost = {*id, why};
	struct mp_buf body;
	int rc;

	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	rc = mp_body_lost_encode(&body, &lost);
	if (rc == 0)
		rc = lead_propose(lead, env, MP_ENTRY_LOST, &body);
	mp_buf_fini(&body);
	return rc;
}

void
lead_give_up(struct mp_lead *lead, struct mp_env *env, struct lead_attempt *a, enum mp_lost_why why)
{
	if (!a->given_up && lead_lost(lead, env, &a->id, why) == 0)
		a->given_up = true;
}

/* It takes secrets, and they are not here. */
static bool
lead_lacks(const struct mp_lead *lead, uint32_t module)
{
	return lead->c.graph->modules[module].secrets.n > 0 &&
	       (lead->c.secrets == NULL || lead->c.secrets->n == 0);
}

void
mp_lead_secrets(struct mp_lead *lead)
{
	lead->rescan = true;
}

void
lead_requeue(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	/* One that has ended, as the log is about to say, is not handed out again. */
	if (lead->current[module] != NULL || lead_lacks(lead, module) ||
		(lead->flags[module] & (LEAD_FINISHED | LEAD_SKIP)) != 0)
		return;
	if (mp_sched_push(lead->sched, module, env->now_ms) != 0) {
		lead->rescan = true;
		lead_again(lead, env->now_ms + AGAIN_MS);
	}
}

/* ---- one module ---- */

static void
visit_retry(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	const struct mp_retry *policy = &lead->c.graph->modules[module].retry;
	uint64_t wait = mp_retry_backoff_ms(policy, lead->c.run->modules[module].failures);
	struct mp_retry_at at = {.module = module};
	struct mp_buf body;

	if ((lead->flags[module] & LEAD_RETRY) != 0)
		return;
	wait += mp_rng_below(&env->rng, wait / 2 + 1);
	at.not_before_ms = env->wall_ms + (mp_time)wait;
	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	if (mp_body_retry_encode(&body, &at) == 0 &&
		lead_propose(lead, env, MP_ENTRY_RETRY, &body) == 0)
		lead->flags[module] |= LEAD_RETRY;
	else
		lead->rescan = true;
	mp_buf_fini(&body);
}

/* The log has wall time; a clock that jumps must not make a module wait for hours. */
static void
visit_backoff(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	const struct mp_retry *policy = &lead->c.graph->modules[module].retry;
	mp_time wait = lead->c.run->modules[module].not_before_ms - env->wall_ms;
	mp_time most = (mp_time)(policy->max_backoff_ms + policy->max_backoff_ms / 2 + 1);
	struct lead_backoff b = {.module = module};

	lead->flags[module] &= (uint8_t)~LEAD_RETRY;
	if ((lead->flags[module] & LEAD_BACKOFF) != 0 || lead->current[module] != NULL)
		return;
	wait = wait < 0 ? 0 : wait > most ? most : wait;
	b.due_ms = env->now_ms + wait;
	if (lead->backoff_count == lead->backoff_cap) {
		size_t cap = lead->backoff_cap == 0 ? 16 : 2 * lead->backoff_cap;
		void *p = mp_realloc(lead->alloc, lead->backoffs, lead->backoff_cap * sizeof(b),
			cap * sizeof(b));

		if (p == NULL) {
			lead->rescan = true;
			lead_again(lead, env->now_ms + AGAIN_MS);
			return;
		}
		lead->backoffs = p;
		lead->backoff_cap = cap;
	}
	lead->backoffs[lead->backoff_count++] = b;
	lead->flags[module] |= LEAD_BACKOFF;
	if (b.due_ms < lead->backoff_ms)
		lead->backoff_ms = b.due_ms;
}

/* The log has it as running since before this leader: waits for a word of its worker. */
static void
visit_taken_over(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	const struct mp_run_module *m = &lead->c.run->modules[module];
	const struct mp_node_id *id = mp_run_node(lead->c.run, m->worker);
	struct lead_worker *w = id != NULL ? lead_worker_of(lead, env, id) : NULL;
	mp_time age = env->wall_ms - m->assigned_ms;

	if (mp_sched_queued(lead->sched, module))
		return;
	if (w == NULL) {
		(void)lead_lost(lead, env, &m->attempt, MP_LOST_LEFT);
		return;
	}
	age = age < 0 ? 0 : age;
	if (lead_track(lead, env, w, &m->attempt, env->now_ms - age) != 0) {
		lead->rescan = true;
		lead_again(lead, env->now_ms + AGAIN_MS);
		return;
	}
	lead->current[module]->boot = 0;
	mp_sched_taken(lead->sched, w->slot, module);
	w->ask = true;
	lead_dirty(lead, w);
	if (lead->c.run->cancelled)
		lead_kill(lead, w, &m->attempt);
}

/* It was not taken and is to be handed out again, which will not happen any more. */
static void
visit_cancelled(struct mp_lead *lead, struct mp_env *env, uint32_t module)
{
	mp_sched_drop(lead->sched, module);
	if (lead_lost(lead, env, &lead->c.run->modules[module].attempt, MP_LOST_REFUSED) != 0)
		lead->rescan = true;
}

static void
visit_ended(struct mp_lead *lead, uint32_t module)
{
	struct lead_attempt *a = lead->current[module];

	mp_sched_drop(lead->sched, module);
	lead_recall_drop(lead, module);
	if (a == NULL)
		return;
	if (!a->done)
		lead_kill(lead, a->worker, &a->id);
	lead_untrack(lead, a);
}

static void
lead_visit(struct mp_lead *lead, struct mp_env *env, uint32_t module, bool taking_over)
{
	enum mp_module_state state = mp_run_module_state(lead->c.run, module);
	struct lead_attempt *a = lead->current[module];
	bool over = a != NULL && (a->done || a->given_up);

	if (mp_module_ended(state)) {
		visit_ended(lead, module);
		return;
	}
	if (over && state != MP_MODULE_RUNNING) {
		lead_untrack(lead, a);
		a = NULL;
	}
	if (state == MP_MODULE_READY && a == NULL &&
		(lead->flags[module] & (LEAD_FINISHED | LEAD_SKIP | LEAD_CACHED)) == 0) {
		if (!lead_recall_withholds(lead, module))
			lead_requeue(lead, env, module);
	} else if (state == MP_MODULE_BACKOFF &&
		   lead->c.run->modules[module].not_before_ms == MP_TIME_NEVER)
		visit_retry(lead, env, module);
	else if (state == MP_MODULE_BACKOFF)
		visit_backoff(lead, env, module);
	else if (state == MP_MODULE_RUNNING && a == NULL && lead->c.run->cancelled &&
		 mp_sched_queued(lead->sched, module))
		visit_cancelled(lead, env, module);
	else if (state == MP_MODULE_RUNNING && a == NULL && taking_over)
		visit_taken_over(lead, env, module);
	else if (state == MP_MODULE_RUNNING && a != NULL && lead_unsent(a))
		lead_once_visit(lead, env, a);
}

/* ---- beginning ---- */

/* Asks everyone who may have something of this run. Who is away says so when it comes back. */
static void
begin_asking(struct mp_lead *lead, struct mp_env *env)
{
	for (size_t i = 0; i < mp_roster_count(lead->c.roster); i++) {
		const struct mp_member *m = mp_roster_at(lead->c.roster, i);
		struct lead_worker *w;

		if (m->state != MP_MEMBER_ALIVE && m->state != MP_MEMBER_SUSPECT)
			continue;
		w = lead_worker_of(lead, env, &m->id);
		if (w == NULL)
			continue;
		w->ask = true;
		lead_dirty(lead, w);
		w->awaited = !m->refused;
		lead->awaited += w->awaited;
	}
	lead->collect_ms = env->now_ms + env->profile->heartbeat_ms;
	lead->patient_ms = env->now_ms + PATIENT_BEATS * env->profile->heartbeat_ms;
}

void
lead_answered(struct mp_lead *lead, struct lead_worker *w)
{
	if (w->awaited && lead->awaited > 0)
		lead->awaited--;
	w->awaited = false;
}

/* Not who led before, for its silence may be why we lead; nor who is suspected. */
static bool
should_answer(const struct mp_lead *lead, const struct lead_worker *w)
{
	return mp_roster_slot(lead->c.roster, w->slot)->state == MP_MEMBER_ALIVE &&
	       !mp_node_id_eq(&w->id, &lead->c.run->leader_before);
}

/* Who has not answered may run what the log knows nothing of: it was handed out just before its
 * leader was lost, or by one that is cut off from the other electors. */
static bool
lead_collects(struct mp_lead *lead, const struct mp_env *env)
{
	if (lead->awaited == 0 || env->now_ms < lead->collect_ms)
		return lead->awaited > 0;
	for (size_t i = 0; i < lead->worker_cap; i++) {
		struct lead_worker *w = lead->workers[i];

		if (w != NULL && (env->now_ms >= lead->patient_ms || !should_answer(lead, w)))
			lead_answered(lead, w);
	}
	lead->collect_ms = lead->patient_ms;
	return lead->awaited > 0;
}

static void
plan_begin(struct mp_lead *lead, struct mp_env *env)
{
	struct mp_buf body;

	/* Of a run that is over nothing is asked; who still has something of it says so. */
	if (mp_run_state_ended(mp_run_state(lead->c.run))) {
		lead->begun = true;
		return;
	}
	if (lead->c.run->opened) {
		lead->begun = true;
		for (uint32_t i = 0; i < lead->c.graph->module_count; i++)
			lead_visit(lead, env, i, true);
		if (!lead->open_proposed)
			begin_asking(lead, env);
		return;
	}
	if (lead->open_proposed)
		return;
	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	if (mp_body_open_encode(&body) == 0 && lead_propose(lead, env, MP_ENTRY_OPEN, &body) == 0)
		lead->open_proposed = true;
	mp_buf_fini(&body);
}

/* ---- what time brings ---- */

static void
plan_touched(struct mp_lead *lead, struct mp_env *env)
{
	uint32_t n = lead->c.graph->module_count;

	if (lead->rescan) {
		lead->rescan = false;
		lead->touched_count = 0;
		lead->backoff_count = 0;
		for (uint32_t i = 0; i < n; i++) {
			lead->flags[i] &= (uint8_t) ~(LEAD_TOUCHED | LEAD_BACKOFF);
			lead_visit(lead, env, i, true);
		}
		return;
	}
	/* Nothing here applies an entry, so the list does not grow meanwhile. */
	for (size_t i = 0; i < lead->touched_count; i++) {
		lead->flags[lead->touched[i]] &= (uint8_t)~LEAD_TOUCHED;
		lead_visit(lead, env, lead->touched[i], false);
	}
	lead->touched_count = 0;
}

static void
plan_backoffs(struct mp_lead *lead, struct mp_env *env)
{
	size_t kept = 0;

	if (env->now_ms < lead->backoff_ms)
		return;
	lead->backoff_ms = MP_TIME_NEVER;
	for (size_t i = 0; i < lead->backoff_count; i++) {
		struct lead_backoff b = lead->backoffs[i];

		if (b.due_ms > env->now_ms) {
			lead->backoffs[kept++] = b;
			if (b.due_ms < lead->backoff_ms)
				lead->backoff_ms = b.due_ms;
			continue;
		}
		lead->flags[b.module] &= (uint8_t)~LEAD_BACKOFF;
		if (mp_run_module_state(lead->c.run, b.module) == MP_MODULE_BACKOFF &&
			(lead->flags[b.module] & LEAD_FINISHED) == 0)
			lead_requeue(lead, env, b.module);
	}
	lead->backoff_count = kept;
}

static mp_time
silence_allowed(const struct lead_attempt *a, mp_time now_ms)
{
	mp_time allowed = (now_ms - a->since_ms) / 10;

	if (allowed < MP_LEAD_SILENCE_MIN_MS)
		return MP_LEAD_SILENCE_MIN_MS;
	return allowed > MP_LEAD_SILENCE_MAX_MS ? MP_LEAD_SILENCE_MAX_MS : allowed;
}

/* Whatever else it got would be lost as well. */
static void
worker_hushed(struct mp_lead *lead, struct lead_worker *w)
{
	lead->silent += !w->silent;
	w->silent = true;
	mp_sched_busy(lead->sched, w->slot, MP_TIME_NEVER);
}

void
lead_woke(struct mp_lead *lead, struct lead_worker *w)
{
	if (!w->silent)
		return;
	w->silent = false;
	lead->silent--;
	mp_sched_room(lead->sched, w->slot);
}

void
lead_heard(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	w->heard_ms = env->now_ms;
	lead_woke(lead, w);
}

static void
check_worker(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	const struct mp_member *m = mp_roster_slot(lead->c.roster, w->slot);
	bool self = mp_node_id_eq(&w->id, &env->self);
	mp_time silent = env->now_ms - w->heard_ms;

	if (mp_dlist_empty(&w->attempts) && !w->silent)
		return;
	if (env->now_ms - w->asked_ms >= MP_LEAD_ASK_MS) {
		w->ask = true;
		lead_dirty(lead, w);
	}
	for (struct mp_dlist *l = w->attempts.next; l != &w->attempts; l = l->next) {
		struct lead_attempt *a = mp_container_of(l, struct lead_attempt, in_worker);

		if (a->done || a->given_up || lead_unsent(a))
			continue;
		if (m->state == MP_MEMBER_LEFT)
			lead_give_up(lead, env, a, MP_LOST_LEFT);
		else if (m->refused && !self)
			lead_give_up(lead, env, a, MP_LOST_REFUSED);
		else if (lead_is_once(lead, a->id.module)
				 ? lead_once_dead(w, env->now_ms)
				 : silent >= silence_allowed(a, env->now_ms)) {
			lead_give_up(lead, env, a, MP_LOST_SILENT);
			worker_hushed(lead, w);
		}
	}
}

static void
plan_check(struct mp_lead *lead, struct mp_env *env)
{
	bool watches = lead->outstanding > 0 || lead->silent > 0;

	if (watches && lead->check_ms == MP_TIME_NEVER)
		lead->check_ms = env->now_ms + CHECK_MS;
	if (env->now_ms < lead->check_ms)
		return;
	lead->check_ms = watches ? env->now_ms + CHECK_MS : MP_TIME_NEVER;
	for (size_t i = 0; i < lead->worker_cap; i++) {
		if (lead->workers[i] != NULL)
			check_worker(lead, env, lead->workers[i]);
	}
}

static void
plan_expired(struct mp_lead *lead, struct mp_env *env)
{
	struct mp_skip skip = {.what = MP_SKIP_FAILED};
	struct mp_error why = {0};

	while (mp_sched_expired(lead->sched, env->now_ms, &skip.module, &why)) {
		struct mp_buf body;

		skip.text = mp_span_str(why.text);
		mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
		if (mp_body_skip_encode(&body, &skip) == 0 &&
			lead_propose(lead, env, MP_ENTRY_SKIP, &body) == 0)
			lead->flags[skip.module] |= LEAD_SKIP;
		else
			lead_requeue(lead, env, skip.module);
		mp_buf_fini(&body);
		if (lead->again_ms != MP_TIME_NEVER)
			return;
	}
}

/* An END that is in the log and not committed. */
static bool
end_pending(const struct mp_lead *lead, struct mp_raft_at *at)
{
	struct mp_raft_entry entry;

	for (uint64_t i = lead->c.run->applied + 1; mp_raft_entry_at(lead->c.raft, i, &entry);
		i++) {
		*at = (struct mp_raft_at){entry.index, entry.term};
		if (entry.kind == MP_ENTRY_END)
			return true;
	}
	return false;
}

bool
lead_ending(const struct mp_lead *lead)
{
	return mp_run_state_ended(mp_run_state(lead->c.run)) ||
	       end_pending(lead, &(struct mp_raft_at){0, 0});
}

struct mp_raft_at
lead_last(const struct mp_lead *lead)
{
	return (struct mp_raft_at){mp_raft_last_index(lead->c.raft), mp_raft_term(lead->c.raft)};
}

static void
plan_end(struct mp_lead *lead, struct mp_env *env)
{
	enum mp_run_outcome outcome;
	struct mp_buf body;

	if (lead->end_proposed || !mp_run_outcome(lead->c.run, &outcome) || lead_once_pending(lead))
		return;
	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	if (mp_body_end_encode(&body, outcome) == 0 &&
		lead_propose(lead, env, MP_ENTRY_END, &body) == 0)
		lead->end_proposed = true;
	mp_buf_fini(&body);
}

/* ---- the plan ---- */

static bool
lead_acts(const struct mp_lead *lead, const struct mp_env *env)
{
	return mp_raft_may_dispatch(lead->c.raft, env->now_ms) &&
	       mp_raft_term(lead->c.raft) == lead->head.term;
}

/* Silence counts only while we could have heard something. */
static void
plan_resume(struct mp_lead *lead, struct mp_env *env)
{
	lead->acting = true;
	for (size_t i = 0; i < lead->worker_cap; i++) {
		struct lead_worker *w = lead->workers[i];

		if (w == NULL || mp_dlist_empty(&w->attempts))
			continue;
		w->heard_ms = env->now_ms;
		w->ask = true;
		lead_dirty(lead, w);
	}
}

void
mp_lead_plan(struct mp_lead *lead, struct mp_env *env)
{
	if (!lead_acts(lead, env)) {
		lead->acting = false;
		return;
	}
	if (!lead->acting)
		plan_resume(lead, env);
	if (lead->members_stale)
		mp_lead_members(lead, env);
	if (env->now_ms >= lead->again_ms)
		lead->again_ms = MP_TIME_NEVER;
	if (!lead->begun)
		plan_begin(lead, env);
	if (lead->begun && !mp_run_state_ended(mp_run_state(lead->c.run))) {
		mp_raft_heal(lead->c.raft, env);
		do {
			plan_touched(lead, env);
			lead_recall_plan(lead, env);
		} while (lead->touched_count > 0);
		plan_backoffs(lead, env);
		plan_check(lead, env);
		plan_expired(lead, env);
		plan_end(lead, env);
		if (!lead_collects(lead, env) && !lead->c.run->cancelled)
			lead_place(lead, env);
		if (env->now_ms >= lead->unlogged_ms)
			(void)lead_log_assigned(lead, env);
	}
	lead_flush(lead, env);
}

mp_time
mp_lead_deadline(const struct mp_lead *lead)
{
	bool places = lead->awaited == 0 && !lead->c.run->cancelled;
	const mp_time due[] = {
		lead->again_ms,
		lead->check_ms,
		lead->backoff_ms,
		lead->unlogged_ms,
		lead->awaited > 0 ? lead->collect_ms : MP_TIME_NEVER,
		places ? mp_sched_deadline(lead->sched) : MP_TIME_NEVER,
	};
	mp_time first = MP_TIME_NEVER;

	if (!lead->acting || mp_run_state_ended(mp_run_state(lead->c.run)))
		return MP_TIME_NEVER;
	for (size_t i = 0; i < mp_countof(due); i++) {
		if (due[i] < first)
			first = due[i];
	}
	return first;
}

int
mp_lead_cancel(struct mp_lead *lead, struct mp_env *env, struct mp_span by, struct mp_raft_at *at)
{
	struct mp_buf body;
	int rc;

	*at = (struct mp_raft_at){0, 0};
	if (lead->c.run->cancelled || mp_run_state_ended(mp_run_state(lead->c.run)) ||
		end_pending(lead, at))
		return 0;
	*at = lead->cancel;
	if (at->index != 0)
		return 0;
	if (!lead->c.run->opened)
		return MP_ENOTLEADER;
	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	rc = mp_body_cancel_encode(&body, by);
	if (rc == 0)
		rc = lead_propose(lead, env, MP_ENTRY_CANCEL, &body);
	mp_buf_fini(&body);
	if (rc == 0)
		lead->cancel = *at = lead_last(lead);
	return rc;
}

size_t
mp_lead_outstanding(const struct mp_lead *lead)
{
	return lead->outstanding;
}

/* ---- what runs nowhere ---- */

/* The log has it as running, but its worker gave it back, and nobody has it now. */
static bool
was_returned(const struct mp_lead *lead, uint32_t module)
{
	return lead->current[module] == NULL &&
	       mp_run_module_state(lead->c.run, module) == MP_MODULE_RUNNING &&
	       mp_sched_queued(lead->sched, module);
}

bool
mp_lead_waits(struct mp_lead *lead, uint32_t module, bool *unplaceable, struct mp_error *why)
{
	const struct mp_run_id *id = &lead->c.record->id;
	char names[256];

	*unplaceable = false;
	if (!was_returned(lead, module) &&
		(mp_run_module_state(lead->c.run, module) != MP_MODULE_READY ||
			lead->current[module] != NULL))
		return false;
	if (lead_lacks(lead, module)) {
		*unplaceable = true;
		mp_vault_names(&lead->c.graph->modules[module].secrets, names, sizeof(names));
		(void)mp_fail(why, MP_ENOENT,
			"secrets are missing: %s; give them again with mpctl secrets "
			"%02x%02x%02x%02x",
			names, id->b[0], id->b[1], id->b[2], id->b[3]);
	} else if (mp_sched_unplaceable(lead->sched, module, why)) {
		*unplaceable = true;
	} else if (lead->awaited > 0) {
		(void)mp_fail(why, MP_EBUSY, "the run's new leader asks what runs already");
	} else if (mp_sched_queued(lead->sched, module)) {
		mp_sched_waits(lead->sched, module, why);
	} else if (lead->c.graph->modules[module].cache) {
		(void)mp_fail(why, MP_EBUSY, "looks for an earlier result");
	}
	return true;
}

uint32_t
mp_lead_unplaceable_count(struct mp_lead *lead)
{
	uint32_t n = mp_sched_unplaceable_count(lead->sched);

	if (lead->c.graph->secrets.n == 0 || (lead->c.secrets != NULL && lead->c.secrets->n > 0))
		return n;
	for (uint32_t i = 0; i < lead->c.graph->module_count; i++)
		n += lead_lacks(lead, i) && lead->current[i] == NULL &&
		     mp_run_module_state(lead->c.run, i) == MP_MODULE_READY;
	return n;
}

uint32_t
mp_lead_returned_count(const struct mp_lead *lead)
{
	uint32_t n = 0;

	if (mp_sched_ready(lead->sched) == 0)
		return 0;
	for (uint32_t i = 0; i < lead->c.graph->module_count; i++)
		n += was_returned(lead, i);
	return n;
}
