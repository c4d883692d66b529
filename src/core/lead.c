/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a leadership, its workers, and what they say. */
#include "core/lead_int.h"

/* ---- life ---- */

static void
lead_changed(void *ctx, uint32_t module, enum mp_module_state from)
{
	(void)from;
	lead_touch(ctx, module);
}

int
mp_lead_new(struct mp_env *env, const struct mp_lead_config *config, struct mp_lead **out)
{
	size_t n = config->graph->module_count;
	struct mp_lead *lead = mp_realloc(env->alloc, NULL, 0, sizeof(*lead));
	int rc;

	if (lead == NULL)
		return MP_ENOMEM;
	*lead = (struct mp_lead){
		.alloc = env->alloc,
		.c = *config,
		.began_ms = env->now_ms,
		.check_ms = MP_TIME_NEVER,
		.backoff_ms = MP_TIME_NEVER,
		.again_ms = MP_TIME_NEVER,
		.unlogged_ms = MP_TIME_NEVER,
	};
	lead->head.run = config->record->id;
	lead->head.generation = mp_raft_generation(config->raft);
	lead->head.term = mp_raft_term(config->raft);
	mp_dlist_init(&lead->dirty);
	config->run->changed = lead_changed;
	config->run->changed_ctx = lead;
	rc = mp_sched_new(env->alloc, config->graph, config->roster, &lead->sched);
	if (rc == 0)
		rc = mp_sched_members(lead->sched);
	lead->current = mp_realloc(env->alloc, NULL, 0, n * sizeof(struct lead_attempt *) + 1);
	lead->flags = mp_realloc(env->alloc, NULL, 0, n + 1);
	if (rc == 0)
		rc = lead_recall_new(lead, env);
	if (rc != 0 || lead->current == NULL || lead->flags == NULL) {
		mp_lead_free(lead);
		return MP_ENOMEM;
	}
	memset(lead->current, 0, n * sizeof(struct lead_attempt *));
	memset(lead->flags, 0, n);
	*out = lead;
	return 0;
}

static void
worker_free(struct mp_lead *lead, struct lead_worker *w)
{
	while (!mp_dlist_empty(&w->attempts)) {
		struct lead_attempt *a = mp_container_of(
			mp_dlist_first(&w->attempts), struct lead_attempt, in_worker);

		mp_dlist_remove(&a->in_worker);
		mp_dealloc(lead->alloc, a, sizeof(*a));
	}
	mp_buf_fini(&w->settle);
	mp_buf_fini(&w->kill);
	mp_dealloc(lead->alloc, w, sizeof(*w));
}

void
mp_lead_free(struct mp_lead *lead)
{
	size_t n;

	if (lead == NULL)
		return;
	n = lead->c.graph->module_count;
	lead->c.run->changed = NULL;
	lead_recall_free(lead);
	for (size_t i = 0; i < lead->worker_cap; i++) {
		if (lead->workers[i] != NULL)
			worker_free(lead, lead->workers[i]);
	}
	mp_dealloc(lead->alloc, lead->workers, lead->worker_cap * sizeof(struct lead_worker *));
	mp_dealloc(lead->alloc, lead->current, n * sizeof(struct lead_attempt *) + 1);
	mp_dealloc(lead->alloc, lead->flags, n + 1);
	mp_dealloc(lead->alloc, lead->touched, lead->touched_cap * sizeof(*lead->touched));
	mp_dealloc(lead->alloc, lead->backoffs, lead->backoff_cap * sizeof(*lead->backoffs));
	mp_sched_free(lead->sched);
	mp_dealloc(lead->alloc, lead, sizeof(*lead));
}

void
lead_touch(struct mp_lead *lead, uint32_t module)
{
	if ((lead->flags[module] & LEAD_TOUCHED) != 0)
		return;
	if (lead->touched_count == lead->touched_cap) {
		size_t cap = lead->touched_cap == 0 ? 64 : 2 * lead->touched_cap;
		void *p = mp_realloc(lead->alloc, lead->touched,
			lead->touched_cap * sizeof(*lead->touched), cap * sizeof(*lead->touched));

		if (p == NULL) {
			lead->rescan = true;
			return;
		}
		lead->touched = p;
		lead->touched_cap = cap;
	}
	lead->touched[lead->touched_count++] = module;
	lead->flags[module] |= LEAD_TOUCHED;
}

/* ---- workers ---- */

static int
workers_grow(struct mp_lead *lead, size_t n)
{
	size_t unit = sizeof(struct lead_worker *);
	void *p;

	if (n <= lead->worker_cap)
		return 0;
	p = mp_realloc(lead->alloc, lead->workers, lead->worker_cap * unit, n * unit);
	if (p == NULL)
		return MP_ENOMEM;
	lead->workers = p;
	memset(lead->workers + lead->worker_cap, 0, (n - lead->worker_cap) * unit);
	lead->worker_cap = n;
	return 0;
}

struct lead_worker *
lead_worker_of(struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(lead->c.roster, id);
	struct lead_worker *w;

	if (m == NULL || workers_grow(lead, mp_roster_count(lead->c.roster)) != 0)
		return NULL;
	if (lead->workers[m->slot] != NULL)
		return lead->workers[m->slot];
	w = mp_realloc(lead->alloc, NULL, 0, sizeof(*w));
	if (w == NULL)
		return NULL;
	*w = (struct lead_worker){.id = *id, .slot = m->slot, .boot = mp_member_boot(m)};
	mp_dlist_init(&w->in_dirty);
	mp_dlist_init(&w->attempts);
	w->asked_ms = w->heard_ms = w->leased_ms = env->now_ms;
	w->lease_seq = 1; /* who led before may have given up what it has */
	mp_buf_init(&w->settle, lead->alloc, MP_WORK_LIST_MAX * sizeof(struct mp_attempt_id));
	mp_buf_init(&w->kill, lead->alloc, MP_WORK_LIST_MAX * sizeof(struct mp_attempt_id));
	lead->workers[m->slot] = w;
	return w;
}

void
lead_dirty(struct mp_lead *lead, struct lead_worker *w)
{
	if (!mp_dlist_linked(&w->in_dirty))
		mp_dlist_push(&lead->dirty, &w->in_dirty);
}

static void
lead_ask(struct mp_lead *lead, struct lead_worker *w)
{
	w->ask = true;
	lead_dirty(lead, w);
}

int
lead_track(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_attempt_id *id, mp_time since_ms)
{
	struct lead_attempt *a;

	mp_assert(lead->current[id->module] == NULL);
	a = mp_realloc(lead->alloc, NULL, 0, sizeof(*a));
	if (a == NULL)
		return MP_ENOMEM;
	*a = (struct lead_attempt){
		.id = *id,
		.worker = w,
		.since_ms = since_ms,
		.asked = w->seq,
		.boot = w->boot,
	};
	if (mp_dlist_empty(&w->attempts))
		w->asked_ms = w->heard_ms = env->now_ms;
	mp_dlist_push(&w->attempts, &a->in_worker);
	lead->current[id->module] = a;
	lead->outstanding++;
	return 0;
}

void
lead_slot_free(struct mp_lead *lead, struct lead_attempt *a)
{
	if (a->done)
		return;
	a->done = true;
	mp_sched_done(lead->sched, a->worker->slot, a->id.module);
}

void
lead_untrack(struct mp_lead *lead, struct lead_attempt *a)
{
	mp_assert(lead->current[a->id.module] == a);
	lead_slot_free(lead, a);
	lead->current[a->id.module] = NULL;
	lead->outstanding--;
	mp_dlist_remove(&a->in_worker);
	mp_dealloc(lead->alloc, a, sizeof(*a));
}

/* ---- what the log says ---- */

/* What was proposed of another attempt did not count, and the one that the log has was refused in
 * the meantime: who waits for the module is to find out anew. */
static void
applied_in_vain(struct mp_lead *lead, uint32_t module)
{
	if (mp_run_module_state(lead->c.run, module) == MP_MODULE_RUNNING &&
		lead->current[module] == NULL)
		lead->rescan = true;
}

static void
applied_finished(struct mp_lead *lead, struct mp_env *env, const struct mp_raft_entry *entry)
{
	struct mp_finished finished;
	struct lead_worker *w;

	if (mp_body_finished_decode(entry->body, &finished) != 0 ||
		finished.attempt.module >= lead->c.graph->module_count)
		return;
	lead->flags[finished.attempt.module] &= (uint8_t)~LEAD_FINISHED;
	lead_touch(lead, finished.attempt.module);
	applied_in_vain(lead, finished.attempt.module);
	w = lead_worker_of(lead, env, &finished.worker);
	if (w != NULL)
		lead_settle(lead, w, &finished.attempt);
}

static void
applied_lost(struct mp_lead *lead, struct mp_env *env, const struct mp_raft_entry *entry)
{
	struct mp_lost lost;

	if (mp_body_lost_decode(entry->body, &lost) != 0 ||
		lost.attempt.module >= lead->c.graph->module_count)
		return;
	applied_in_vain(lead, lost.attempt.module);
	lead_once_lost(lead, env, lost.attempt.module);
}

/* When it does not count, something else did: the module is looked at again. */
static void
applied_cached(struct mp_lead *lead, const struct mp_raft_entry *entry)
{
	struct mp_recalled hit;

	if (mp_body_cached_decode(entry->body, &hit) != 0 ||
		hit.module >= lead->c.graph->module_count)
		return;
	lead->flags[hit.module] &= (uint8_t)~LEAD_CACHED;
	lead_recall_drop(lead, hit.module);
	lead_touch(lead, hit.module);
}

static void
applied_cancel(struct mp_lead *lead)
{
	lead->rescan = true;
	for (size_t i = 0; i < lead->worker_cap; i++) {
		struct lead_worker *w = lead->workers[i];

		if (w == NULL)
			continue;
		for (struct mp_dlist *l = w->attempts.next; l != &w->attempts; l = l->next) {
			struct lead_attempt *a = mp_container_of(l, struct lead_attempt, in_worker);

			if (!a->done &&
				!mp_module_ended(mp_run_module_state(lead->c.run, a->id.module)))
				lead_kill(lead, w, &a->id);
		}
	}
}

static void
applied_end(struct mp_lead *lead, struct mp_env *env)
{
	lead_flush(lead, env);
	for (size_t i = 0; i < lead->worker_cap; i++) {
		if (lead->workers[i] != NULL && lead->workers[i]->introduced)
			lead_tell_end(lead, env, lead->workers[i]);
	}
}

void
mp_lead_applied(struct mp_lead *lead, struct mp_env *env, const struct mp_raft_entry *entry, int rc)
{
	if (entry->kind == MP_ENTRY_FINISHED)
		applied_finished(lead, env, entry);
	else if (entry->kind == MP_ENTRY_LOST)
		applied_lost(lead, env, entry);
	else if (entry->kind == MP_ENTRY_CACHED)
		applied_cached(lead, entry);
	else if (entry->kind == MP_ENTRY_ONCE_BEGIN)
		lead_once_applied(lead, entry, rc);
	else if (entry->kind == MP_ENTRY_ONCE_END)
		lead_once_ended(lead, entry);
	else if (entry->kind == MP_ENTRY_CANCEL && rc == 0)
		applied_cancel(lead);
	else if (entry->kind == MP_ENTRY_END && rc == 0)
		applied_end(lead, env);
	else if (entry->kind == MP_ENTRY_END)
		lead->end_proposed = false;
}

/* ---- members and links ---- */

void
mp_lead_link(struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	const struct mp_member *m = mp_roster_find(lead->c.roster, peer);
	struct lead_worker *w;

	if (m == NULL || m->slot >= lead->worker_cap || lead->workers[m->slot] == NULL)
		return;
	w = lead->workers[m->slot];
	if (state != MP_LINK_UP) {
		w->introduced = false;
		w->lease_seq = w->seq + 1; /* what it was told to kill it may not have heard */
	}
	/* What was under way on a stream that broke may be lost, in either direction. */
	if (state == MP_LINK_UP && !w->silent)
		mp_sched_room(lead->sched, w->slot);
	if (state != MP_LINK_FAILED && state != MP_LINK_REFUSED &&
		(!mp_dlist_empty(&w->attempts) || w->silent ||
			lead->c.run->counts[MP_MODULE_MAYBE_RAN] > 0))
		lead_ask(lead, w);
	if (state == MP_LINK_REFUSED) {
		lead->check_ms = env->now_ms;
		lead_answered(lead, w);
	}
}

void
mp_lead_members(struct mp_lead *lead, struct mp_env *env)
{
	lead->members_stale = mp_sched_members(lead->sched) != 0;
	for (size_t i = 0; i < lead->worker_cap; i++) {
		struct lead_worker *w = lead->workers[i];
		const struct mp_member *m;

		if (w == NULL)
			continue;
		m = mp_roster_slot(lead->c.roster, w->slot);
		if (mp_member_boot(m) > w->boot) {
			w->boot = mp_member_boot(m);
			lead_woke(lead, w);
			if (!mp_dlist_empty(&w->attempts))
				lead_ask(lead, w);
		}
		if (m->state == MP_MEMBER_LEFT || m->refused) {
			lead->check_ms = env->now_ms;
			lead_answered(lead, w);
		}
	}
}

void
mp_lead_room(struct mp_lead *lead, const struct mp_node_id *worker)
{
	const struct mp_member *m = mp_roster_find(lead->c.roster, worker);

	if (m == NULL)
		return;
	if (m->slot < lead->worker_cap && lead->workers[m->slot] != NULL)
		lead_woke(lead, lead->workers[m->slot]);
	mp_sched_room(lead->sched, m->slot);
}

/* ---- messages ---- */

static bool
head_is_ours(const struct mp_lead *lead, const struct mp_work_head *head)
{
	return head->generation == lead->head.generation && head->term == lead->head.term;
}

void
lead_adopt(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_attempt_id *id)
{
	struct mp_assigned item = {*id, w->id};
	struct mp_buf body;

	mp_buf_init(&body, lead->alloc, MP_RESULT_MAX);
	if (mp_body_assigned_encode(&body, &item, 1) == 0 &&
		lead_propose(lead, env, MP_ENTRY_ASSIGNED, &body) == 0 &&
		lead_track(lead, env, w, id, env->now_ms) == 0) {
		mp_sched_taken(lead->sched, w->slot, id->module);
		mp_sched_drop(lead->sched, id->module);
		lead_recall_drop(lead, id->module);
		lead->current[id->module]->seen = true;
	}
	mp_buf_fini(&body);
}

/* The worker of an attempt that was taken over from the log has given it back to an earlier leader,
 * or that one would not have made a later attempt: LOST is committed before. */
static bool
was_given_back(const struct mp_lead *lead, const struct mp_attempt_id *later)
{
	const struct lead_attempt *a = lead->current[later->module];

	return a != NULL && !a->done && !a->given_up && !lead_is_once(lead, later->module) &&
	       a->id.term == later->term && a->id.term < lead->head.term &&
	       a->id.counter < later->counter;
}

/* Somebody has an attempt that this leader does not wait for. */
static void
status_unknown(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_work_state *s)
{
	enum mp_module_state state = mp_run_module_state(lead->c.run, s->attempt.module);

	if (mp_module_ended(state) || lead->c.run->cancelled) {
		if (s->phase == MP_WORK_DONE && mp_module_ended(state))
			lead_settle(lead, w, &s->attempt);
		else if (s->phase != MP_WORK_DONE)
			lead_kill(lead, w, &s->attempt);
		return;
	}
	if (was_given_back(lead, &s->attempt))
		lead_untrack(lead, lead->current[s->attempt.module]);
	/* Its result is on its way, or another attempt is: whichever comes first counts. */
	if (lead->current[s->attempt.module] != NULL ||
		(lead->flags[s->attempt.module] & (LEAD_FINISHED | LEAD_CACHED)) != 0 ||
		(state != MP_MODULE_READY && state != MP_MODULE_RUNNING))
		return;
	/* Its ASSIGNED went down with its leader, or it was given up too early. */
	lead_adopt(lead, env, w, &s->attempt);
	if (lead->current[s->attempt.module] == NULL)
		lead->rescan = true;
}

/* Whatever was handed out before the request and is not in the answer is missing there. */
static void
status_missing(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_msg_work_status *m)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = w->attempts.next; l != &w->attempts; l = next) {
		struct lead_attempt *a = mp_container_of(l, struct lead_attempt, in_worker);
		bool seen = a->seen;

		next = l->next;
		a->seen = false;
		if (seen)
			a->misses = 0;
		if (seen || a->done || a->given_up || lead_unsent(a) || m->seq <= a->asked)
			continue;
		a->misses++;
		if (a->boot != 0 && m->boot > a->boot)
			lead_give_up(lead, env, a, MP_LOST_BOOT);
		else if (a->misses >= 2)
			lead_give_up(lead, env, a, MP_LOST_DISOWNED);
		else
			lead_ask(lead, w);
	}
}

static int
lead_status(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, struct mp_span bytes)
{
	struct mp_msg_work_status m;
	struct mp_work_state s;
	struct mp_list states;
	bool held = false;
	int rc = mp_msg_work_status_decode(bytes, &m);

	if (rc != 0)
		return rc;
	if (!head_is_ours(lead, &m.head))
		return MP_EREPLAY;
	if (!lead->begun)
		return 0;
	lead_heard(lead, env, w);
	if (m.seq > w->answered)
		w->answered = m.seq;
	states = m.states;
	while (mp_work_states_next(&states, &s)) {
		struct lead_attempt *a;

		if (s.attempt.module >= lead->c.graph->module_count ||
			lead_once_status(lead, env, w, &s))
			continue;
		a = lead->current[s.attempt.module];
		if (a == NULL || a->worker != w || !mp_attempt_eq(&a->id, &s.attempt))
			status_unknown(lead, env, w, &s);
		else
			a->seen = true;
		held = held || (s.phase == MP_WORK_DONE &&
				       (lead->flags[s.attempt.module] & LEAD_FINISHED) == 0 &&
				       !mp_module_ended(
					       mp_run_module_state(lead->c.run, s.attempt.module)));
	}
	/* A result that is held but did not come: to be introduced makes the worker say it again.
	 */
	if (held) {
		w->introduced = false;
		lead_dirty(lead, w);
	}
	status_missing(lead, env, w, &m);
	lead_answered(lead, w);
	if (m.states.left > 0 && mp_run_state_ended(mp_run_state(lead->c.run)))
		lead_tell_end(lead, env, w);
	if (m.boot > w->boot)
		w->boot = m.boot;
	return 0;
}

/* Is this the result of the attempt that it names, made of what the graph and the log say? */
static int
result_check(struct mp_lead *lead, struct mp_env *env, const struct lead_worker *w,
	const struct mp_work_done *done, struct mp_result *result)
{
	/* This node's own results did not come from elsewhere. */
	bool own = mp_node_id_eq(&w->id, &env->self);
	struct mp_hash spec, inputs, offer;
	int rc = mp_signed_result_open(own ? NULL : env->crypto, done->result, result, NULL);

	if (rc != 0)
		return rc;
	if (!mp_attempt_eq(&result->attempt, &done->attempt) ||
		!mp_node_id_eq(&result->node, &w->id) ||
		memcmp(result->cluster.b, env->cluster.b, sizeof(env->cluster.b)) != 0 ||
		!mp_run_id_eq(&result->run, &lead->head.run) ||
		result->generation != mp_term_generation(result->attempt.term) ||
		result->attempt.term > lead->head.term)
		return MP_EAUTH;
	if (lead->c.run->modules[done->attempt.module].waiting > 0)
		return MP_EAUTH;
	rc = lead_hashes(lead, env, done->attempt.module, &spec, &inputs);
	if (rc == 0)
		rc = lead_offer_hash(lead, env, &done->attempt, &w->id, &spec, &inputs, &offer);
	if (rc != 0)
		return rc;
	if (!mp_hash_eq(&result->spec, &spec) || !mp_hash_eq(&result->inputs, &inputs) ||
		!mp_hash_eq(&result->offer, &offer))
		return MP_EAUTH;
	/* Whoever reads the log later is to find an offer of that term's leader under it. */
	if (result->attempt.term == lead->head.term && !mp_node_id_eq(&result->leader, &env->self))
		return MP_EAUTH;
	/* Nor may a worker have given itself work in the name of a leader before this one. */
	if (result->generation == lead->c.record->now.generation &&
		mp_run_elector(lead->c.record, &result->leader) < 0)
		return MP_EAUTH;
	return lead_offer_check(lead, env, result);
}

static int
result_propose(struct mp_lead *lead, struct mp_env *env, const struct lead_worker *w,
	const struct mp_work_done *done)
{
	struct mp_finished finished = {
		.attempt = done->attempt,
		.worker = w->id,
		.result = done->result,
	};
	struct mp_node_id holders[MP_HOLDERS_MAX] = {w->id};
	struct mp_list list = done->holders;
	struct mp_buf body;
	size_t n = 0;
	int rc;

	while (n < MP_HOLDERS_MAX && mp_holders_next(&list, &holders[n]))
		n++;
	mp_buf_init(&body, lead->alloc, 2 * MP_SIGNED_RESULT_MAX);
	rc = mp_body_finished_encode(&body, &finished, holders, n > 0 ? n : 1);
	if (rc == 0)
		rc = lead_propose(lead, env, MP_ENTRY_FINISHED, &body);
	mp_buf_fini(&body);
	return rc;
}

/* May a result that is not waited for decide about its module? A failure only where nothing else
 * is on its way, and of a `once` module only that of the attempt that began last. */
static bool
result_counts(const struct mp_lead *lead, const struct mp_result *result)
{
	uint32_t module = result->attempt.module;
	enum mp_module_state state = mp_run_module_state(lead->c.run, module);

	if (result->status == MP_STATUS_OK)
		return true;
	if (lead->current[module] != NULL)
		return false;
	if (lead_is_once(lead, module))
		return state == MP_MODULE_MAYBE_RAN &&
		       mp_attempt_eq(&lead->c.run->modules[module].attempt, &result->attempt);
	return state == MP_MODULE_READY;
}

/* One result. Refused for good: settled, for the worker need not keep it. */
static int
result_take(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w,
	const struct mp_work_done *done)
{
	uint32_t module = done->attempt.module;
	struct lead_attempt *a = lead->current[module];
	bool current = a != NULL && a->worker == w && mp_attempt_eq(&a->id, &done->attempt);
	struct mp_result result;
	int rc;

	if (mp_module_ended(mp_run_module_state(lead->c.run, module)) ||
		(lead->c.run->cancelled && lead_ending(lead))) {
		lead_settle(lead, w, &done->attempt);
		return 0;
	}
	if ((lead->flags[module] & (LEAD_FINISHED | LEAD_CACHED)) != 0)
		return 0;
	rc = result_check(lead, env, w, done, &result);
	if (rc == MP_ENOMEM)
		return rc;
	if (rc == 0 && !current && !result_counts(lead, &result)) {
		lead_settle(lead, w, &done->attempt);
		return 0;
	}
	if (rc != 0) {
		lead_settle(lead, w, &done->attempt);
		if (current)
			lead_give_up(lead, env, a, MP_LOST_DISOWNED);
		return rc;
	}
	rc = result_propose(lead, env, w, done);
	if (rc != 0)
		return rc;
	lead->flags[module] |= LEAD_FINISHED;
	mp_sched_drop(lead->sched, module);
	lead_recall_drop(lead, module);
	if (current)
		lead_slot_free(lead, a);
	return 0;
}

static int
lead_result(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, struct mp_span bytes)
{
	struct mp_msg_work_result m;
	struct mp_work_done done;
	int rc = mp_msg_work_result_decode(bytes, &m);
	int worst = 0;

	if (rc != 0)
		return rc;
	if (m.head.generation != lead->head.generation || m.head.term > lead->head.term)
		return MP_EREPLAY;
	if (!lead->begun)
		return 0;
	lead_heard(lead, env, w);
	w->patience_ms = 0;
	while (mp_work_done_next(&m.results, &done)) {
		if (done.attempt.module >= lead->c.graph->module_count)
			rc = MP_EFORMAT;
		else
			rc = result_take(lead, env, w, &done);
		worst = rc != 0 ? rc : worst;
	}
	return worst;
}

static void
rejected(struct mp_lead *lead, struct mp_env *env, struct lead_attempt *a, enum mp_reject_why why)
{
	uint32_t module = a->id.module;

	if (a->done || a->given_up)
		return;
	if (why != MP_REJECT_BAD && lead_is_once(lead, module)) {
		lead_once_returned(lead, a);
		return;
	}
	if (why == MP_REJECT_BAD || why == MP_REJECT_TROUBLE || lead->c.run->cancelled) {
		lead_give_up(lead, env, a, MP_LOST_REFUSED);
		return;
	}
	lead_unlog(lead, &a->id);
	lead_untrack(lead, a);
	lead_requeue(lead, env, module);
}

/* A worker shows who came after us: our raft believes the certificate, not the worker. */
static void
lead_fenced(struct mp_lead *lead, struct mp_env *env, struct mp_span certificate)
{
	struct mp_leader_cert cert;

	if (mp_leader_cert_verify(env->crypto, certificate, &lead->c.record->now, &cert) == 0 &&
		cert.generation == lead->head.generation && cert.term > lead->head.term)
		(void)mp_raft_heard_leader(lead->c.raft, env, &cert.leader, cert.term, 0);
}

/* Longer each time that waiting did not help. */
static void
worker_busy(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	if (env->now_ms >= w->busy_ms) {
		w->patience_ms = w->patience_ms == 0 ? MP_LEAD_BUSY_MS : w->patience_ms * 2;
		if (w->patience_ms > MP_LEAD_BUSY_MAX_MS)
			w->patience_ms = MP_LEAD_BUSY_MAX_MS;
	}
	w->busy_ms = env->now_ms + w->patience_ms;
	mp_sched_busy(lead->sched, w->slot, w->busy_ms);
}

static int
lead_reject(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, struct mp_span bytes)
{
	struct mp_msg_work_reject m;
	struct mp_attempt_id id;
	int rc = mp_msg_work_reject_decode(bytes, &m);

	if (rc != 0)
		return rc;
	if (!head_is_ours(lead, &m.head))
		return MP_EREPLAY;
	lead_heard(lead, env, w);
	if (m.why == MP_REJECT_BUSY)
		worker_busy(lead, env, w);
	else if (m.why == MP_REJECT_FENCED)
		mp_sched_busy(lead->sched, w->slot, env->now_ms + MP_LEAD_BUSY_MS);
	else if (m.why == MP_REJECT_TROUBLE)
		mp_sched_busy(lead->sched, w->slot, env->now_ms + MP_LEAD_TROUBLE_MS);
	else if (m.why == MP_REJECT_STOPPING)
		mp_sched_closed(lead->sched, w->slot);
	while (mp_attempts_next(&m.attempts, &id)) {
		struct lead_attempt *a =
			id.module < lead->c.graph->module_count ? lead->current[id.module] : NULL;

		if (a != NULL && a->worker == w && mp_attempt_eq(&a->id, &id))
			rejected(lead, env, a, m.why);
	}
	if (m.why == MP_REJECT_FENCED && m.certificate.n > 0)
		lead_fenced(lead, env, m.certificate);
	return 0;
}

static int
lead_who(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, struct mp_span bytes)
{
	struct mp_run_id run;
	int rc = mp_msg_work_who_decode(bytes, &run);

	if (rc != 0)
		return rc;
	w->introduced = false;
	lead_introduce(lead, env, w);
	if (mp_run_state_ended(mp_run_state(lead->c.run)))
		lead_tell_end(lead, env, w);
	else if (lead->begun)
		lead_ask(lead, w);
	return 0;
}

int
mp_lead_message(struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct lead_worker *w;

	if (mp_roster_find(lead->c.roster, from) == NULL)
		return MP_EAUTH;
	w = lead_worker_of(lead, env, from);
	if (w == NULL)
		return MP_ENOMEM;
	switch (mp_msg_number(bytes)) {
	case MP_MSG_WORK_WHO:
		return lead_who(lead, env, w, bytes);
	case MP_MSG_WORK_STATUS:
		return lead_status(lead, env, w, bytes);
	case MP_MSG_WORK_RESULT:
		return lead_result(lead, env, w, bytes);
	case MP_MSG_WORK_REJECT:
		return lead_reject(lead, env, w, bytes);
	case MP_MSG_WORK_RENEW:
		return lead_renew(lead, env, w, bytes);
	default:
		return MP_EUNSUPPORTED;
	}
}
