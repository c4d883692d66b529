/* SPDX-License-Identifier: Apache-2.0 */
#include "core/run.h"

struct mp_run_node_slot {
	struct mp_map_node in_map;
	struct mp_node_id id;
	uint32_t index;
};

#define NO_MODULE UINT32_MAX

int
mp_run_init(struct mp_run *run, const struct mp_alloc *alloc, const struct mp_graph *graph,
	const struct mp_run_id *id, uint64_t generation)
{
	size_t n = graph->module_count;

	*run = (struct mp_run){
		.alloc = alloc,
		.graph = graph,
		.id = *id,
		.generation = generation,
	};
	mp_map_init(&run->node_map, alloc);
	if (n > 0) {
		run->modules = mp_realloc(alloc, NULL, 0, n * sizeof(*run->modules));
		if (run->modules == NULL)
			return MP_ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		run->modules[i] = (struct mp_run_module){
			.state = MP_MODULE_WAITING,
			.waiting = graph->modules[i].need_count,
			.worker = MP_RUN_NO_NODE,
		};
	}
	run->counts[MP_MODULE_WAITING] = graph->module_count;
	return 0;
}

void
mp_run_fini(struct mp_run *run)
{
	if (run->graph == NULL)
		return;
	for (uint32_t i = 0; i < run->node_count; i++)
		mp_dealloc(run->alloc, run->nodes[i], sizeof(*run->nodes[i]));
	mp_dealloc(run->alloc, run->nodes, run->node_cap * sizeof(struct mp_run_node_slot *));
	mp_map_fini(&run->node_map);
	mp_dealloc(run->alloc, run->modules, run->graph->module_count * sizeof(*run->modules));
	*run = (struct mp_run){0};
}

/* ---- nodes ---- */

const struct mp_node_id *
mp_run_node(const struct mp_run *run, uint32_t node)
{
	return node < run->node_count ? &run->nodes[node]->id : NULL;
}

static bool
run_find_node(const struct mp_run *run, const struct mp_node_id *id, uint64_t hash, uint32_t *index)
{
	for (struct mp_map_node *n = mp_map_find(&run->node_map, hash); n != NULL;
		n = mp_map_find_next(n)) {
		struct mp_run_node_slot *slot = mp_container_of(n, struct mp_run_node_slot, in_map);

		if (mp_node_id_eq(&slot->id, id)) {
			*index = slot->index;
			return true;
		}
	}
	return false;
}

static int
run_add_node(struct mp_run *run, const struct mp_node_id *id, uint32_t *index)
{
	uint64_t hash = mp_hash64(id->b, sizeof(id->b), 0);
	struct mp_run_node_slot *slot;
	size_t unit = sizeof(struct mp_run_node_slot *);

	if (run_find_node(run, id, hash, index))
		return 0;
	if (run->node_count == run->node_cap) {
		uint32_t cap = run->node_cap == 0 ? 8 : 2 * run->node_cap;
		void *p = mp_realloc(run->alloc, run->nodes, run->node_cap * unit, cap * unit);

		if (p == NULL)
			return MP_ENOMEM;
		run->nodes = p;
		run->node_cap = cap;
	}
	slot = mp_realloc(run->alloc, NULL, 0, sizeof(*slot));
	if (slot == NULL)
		return MP_ENOMEM;
	*slot = (struct mp_run_node_slot){.id = *id, .index = run->node_count};
	if (mp_map_add(&run->node_map, &slot->in_map, hash) != 0) {
		mp_dealloc(run->alloc, slot, sizeof(*slot));
		return MP_ENOMEM;
	}
	run->nodes[run->node_count] = slot;
	*index = run->node_count++;
	return 0;
}

/* ---- modules ---- */

static void
run_move(struct mp_run *run, uint32_t module, enum mp_module_state to)
{
	struct mp_run_module *m = &run->modules[module];
	enum mp_module_state from = (enum mp_module_state)m->state;

	mp_assert(!mp_module_ended(from));
	mp_assert(run->counts[from] > 0);
	run->counts[from]--;
	run->counts[to]++;
	m->state = (uint8_t)to;
	m->not_before_ms = 0;
	if (mp_module_ended(to))
		run->ended_count++;
	if (run->changed != NULL)
		run->changed(run->changed_ctx, module, from);
}

/* A `once` module that the log does not know to have ended, in a run that was taken over: whatever
 * is lost of the log may have begun it. What nobody began here has an id that nobody minted. */
static void
run_doubt(struct mp_run *run, uint32_t module)
{
	struct mp_run_module *m = &run->modules[module];

	if (m->attempt.counter == 0)
		m->attempt = (struct mp_attempt_id){
			.module = module, .term = run->term, .counter = UINT32_MAX};
	run_move(run, module, MP_MODULE_MAYBE_RAN);
}

/* All that it needs is there. */
static void
run_ready(struct mp_run *run, uint32_t module, mp_time wall_ms)
{
	run->modules[module].queued_ms = wall_ms;
	if (run->generation > 1 && run->graph->modules[module].once)
		run_doubt(run, module);
	else
		run_move(run, module, MP_MODULE_READY);
}

static void
run_release_dependants(struct mp_run *run, uint32_t module, mp_time wall_ms)
{
	const struct mp_graph_module *g = &run->graph->modules[module];

	for (uint32_t i = 0; i < g->dependant_count; i++) {
		struct mp_run_module *d = &run->modules[g->dependants[i]];

		mp_assert(d->waiting > 0);
		d->waiting--;
		if (d->waiting > 0 || d->state != MP_MODULE_WAITING)
			continue;
		run_ready(run, g->dependants[i], wall_ms);
	}
}

/* Policy `stop`: whatever needs a module that has not succeeded is skipped, through and through.
 * The modules still to be looked at form a list through `next`. */
static void
run_skip_dependants(struct mp_run *run, uint32_t module, mp_time wall_ms)
{
	uint32_t top = module;

	run->modules[module].next = NO_MODULE;
	while (top != NO_MODULE) {
		const struct mp_graph_module *g = &run->graph->modules[top];

		top = run->modules[top].next;
		for (uint32_t i = 0; i < g->dependant_count; i++) {
			uint32_t d = g->dependants[i];

			if (run->modules[d].state != MP_MODULE_WAITING)
				continue;
			run->modules[d].ended_ms = wall_ms;
			run_move(run, d, MP_MODULE_SKIPPED);
			run->modules[d].next = top;
			top = d;
		}
	}
}

static void
run_end_module(struct mp_run *run, uint32_t module, enum mp_module_state to, mp_time wall_ms)
{
	mp_assert(mp_module_ended(to));
	run->modules[module].ended_ms = wall_ms;
	run_move(run, module, to);
	if (to == MP_MODULE_SUCCEEDED || to == MP_MODULE_IGNORED)
		run_release_dependants(run, module, wall_ms);
	else
		run_skip_dependants(run, module, wall_ms);
}

/* An attempt is gone without a word of its own about the module. How far one of a `once` module
 * came nobody knows. */
static void
run_lose(struct mp_run *run, uint32_t module, mp_time wall_ms)
{
	struct mp_run_module *m = &run->modules[module];
	bool once = run->graph->modules[module].once;

	if (run->cancelled && !once) {
		run_end_module(run, module, MP_MODULE_CANCELLED, wall_ms);
		return;
	}
	if (m->lost < UINT8_MAX)
		m->lost++;
	if (once)
		run_move(run, module, MP_MODULE_MAYBE_RAN);
	else if (m->lost > MP_LOST_MAX)
		run_end_module(run, module, MP_MODULE_FAILED, wall_ms);
	else if (m->state != MP_MODULE_READY)
		run_move(run, module, MP_MODULE_READY);
}

/* ---- entries ---- */

static int
apply_open(struct mp_run *run, const struct mp_raft_entry *entry)
{
	int rc = mp_body_open_decode(entry->body);

	if (rc != 0)
		return rc;
	if (run->opened)
		return MP_EEXIST;
	run->opened = true;
	for (uint32_t i = 0; i < run->graph->module_count; i++) {
		if (run->modules[i].waiting > 0)
			continue;
		run_ready(run, i, entry->wall_ms);
	}
	return 0;
}

static int
apply_term_start(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_node_id leader;
	struct mp_span cert;
	int rc = mp_body_term_start_decode(entry->body, &leader, &cert);

	if (rc != 0)
		return rc;
	run->term = entry->term;
	if (!mp_node_id_eq(&run->leader, &leader))
		run->leader_before = run->leader;
	run->leader = leader;
	if (mp_term_generation(entry->term) == run->generation)
		return 0;
	run->generation = mp_term_generation(entry->term);
	for (uint32_t i = 0; i < run->graph->module_count; i++) {
		enum mp_module_state state = mp_run_module_state(run, i);

		if (run->graph->modules[i].once &&
			(state == MP_MODULE_READY || state == MP_MODULE_BACKOFF ||
				state == MP_MODULE_RUNNING))
			run_doubt(run, i);
	}
	return 0;
}

static bool
assigned_possible(
	const struct mp_run *run, const struct mp_raft_entry *entry, const struct mp_assigned *a)
{
	const struct mp_run_module *m;

	if (a->attempt.module >= run->graph->module_count || a->attempt.term > entry->term)
		return false;
	m = &run->modules[a->attempt.module];
	/* Of a `once` module only the attempt that began, found alive after it was given up. */
	if (run->graph->modules[a->attempt.module].once)
		return m->state == MP_MODULE_MAYBE_RAN && mp_attempt_eq(&m->attempt, &a->attempt);
	return m->state == MP_MODULE_READY || m->state == MP_MODULE_RUNNING ||
	       (m->state == MP_MODULE_BACKOFF && m->not_before_ms != MP_TIME_NEVER);
}

/* Items about modules that have ended are passed over: their results came first. */
static int
apply_assigned(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_assigned a;
	struct mp_list list, check;
	uint32_t node;
	int rc = mp_body_assigned_decode(entry->body, &list);

	if (rc != 0)
		return rc;
	check = list;
	while (mp_assigned_next(&check, &a)) {
		if (a.attempt.module >= run->graph->module_count || a.attempt.term > entry->term)
			return MP_EFORMAT;
		if (run_add_node(run, &a.worker, &node) != 0)
			return MP_ENOMEM;
	}
	while (mp_assigned_next(&list, &a)) {
		struct mp_run_module *m = &run->modules[a.attempt.module];

		if (!assigned_possible(run, entry, &a))
			continue;
		(void)run_add_node(run, &a.worker, &node);
		m->attempt = a.attempt;
		m->worker = node;
		m->assigned_ms = entry->wall_ms;
		if (m->state == MP_MODULE_RUNNING)
			continue; /* its worker did not take it; this is the same attempt elsewhere
				   */
		if (m->state != MP_MODULE_MAYBE_RAN)
			m->attempts++;
		run_move(run, a.attempt.module, MP_MODULE_RUNNING);
	}
	return 0;
}

static int
apply_lost(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_run_module *m;
	struct mp_lost lost;
	int rc = mp_body_lost_decode(entry->body, &lost);

	if (rc != 0)
		return rc;
	if (lost.attempt.module >= run->graph->module_count)
		return MP_EFORMAT;
	m = &run->modules[lost.attempt.module];
	if (m->state != MP_MODULE_RUNNING || !mp_attempt_eq(&m->attempt, &lost.attempt))
		return MP_EEXIST;
	run_lose(run, lost.attempt.module, entry->wall_ms);
	return 0;
}

/* A result that is not a success counts only for the attempt that the run waits for. */
static int
apply_failure(struct mp_run *run, const struct mp_raft_entry *entry, const struct mp_result *result)
{
	uint32_t module = result->attempt.module;
	struct mp_run_module *m = &run->modules[module];

	m->entry = entry->index;
	/* How it ended is known now; how much it had done is not. */
	if (result->status == MP_STATUS_CANCELLED && m->state == MP_MODULE_MAYBE_RAN)
		return 0;
	/* Killed: for the run, or for want of a lease. */
	if (result->status == MP_STATUS_CANCELLED) {
		if (run->cancelled)
			run_end_module(run, module, MP_MODULE_CANCELLED, entry->wall_ms);
		else
			run_lose(run, module, entry->wall_ms);
		return 0;
	}
	if (m->failures < UINT16_MAX)
		m->failures++;
	if (!mp_retry_applies(&run->graph->modules[module].retry, result->status, result->exit_code,
		    m->failures)) {
		run_end_module(run, module,
			result->status == MP_STATUS_TIMED_OUT ? MP_MODULE_TIMED_OUT
							      : MP_MODULE_FAILED,
			entry->wall_ms);
	} else if (run->cancelled) {
		run_end_module(run, module, MP_MODULE_CANCELLED, entry->wall_ms);
	} else {
		run_move(run, module, MP_MODULE_BACKOFF);
		m->not_before_ms = MP_TIME_NEVER;
	}
	return 0;
}

static int
result_decode(struct mp_span bytes, struct mp_result *result)
{
	struct mp_result_sig sig;
	struct mp_span record;
	int rc = mp_signed_result_decode(bytes, &record, &sig);

	return rc != 0 ? rc : mp_result_decode(record, result);
}

int
mp_run_result(const struct mp_raft_entry *entry, struct mp_finished *out, struct mp_result *result)
{
	struct mp_recalled recalled;
	int rc;

	if (entry->kind == MP_ENTRY_FINISHED) {
		rc = mp_body_finished_decode(entry->body, out);
		return rc != 0 ? rc : result_decode(out->result, result);
	}
	if (entry->kind != MP_ENTRY_CACHED)
		return MP_EINVAL;
	rc = mp_body_cached_decode(entry->body, &recalled);
	if (rc == 0)
		rc = result_decode(recalled.result, result);
	if (rc == 0)
		*out = (struct mp_finished){.attempt = result->attempt,
			.worker = result->node,
			.result = recalled.result,
			.holders = recalled.holders};
	return rc;
}

static int
finished_decode(const struct mp_run *run, const struct mp_raft_entry *entry,
	struct mp_finished *finished, struct mp_result *result)
{
	int rc = mp_run_result(entry, finished, result);

	if (rc != 0)
		return rc;
	if (finished->attempt.module >= run->graph->module_count ||
		finished->attempt.term > entry->term ||
		!mp_attempt_eq(&finished->attempt, &result->attempt) ||
		!mp_node_id_eq(&finished->worker, &result->node) ||
		!mp_run_id_eq(&result->run, &run->id) || result->generation > run->generation)
		return MP_EFORMAT;
	return 0;
}

/* May a result that is no success decide about the module? Only that of the attempt that the run
 * waits for, or of any while it waits for none. */
static bool
failure_counts(const struct mp_run *run, const struct mp_result *result)
{
	const struct mp_run_module *m = &run->modules[result->attempt.module];
	bool current = mp_attempt_eq(&m->attempt, &result->attempt);

	if (m->state == MP_MODULE_MAYBE_RAN)
		return current;
	return (m->state == MP_MODULE_RUNNING && current) ||
	       (m->state == MP_MODULE_READY && !run->graph->modules[result->attempt.module].once);
}

static int
apply_finished(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_finished finished;
	struct mp_result result;
	struct mp_run_module *m;
	uint32_t node;
	int rc = finished_decode(run, entry, &finished, &result);

	if (rc != 0)
		return rc;
	m = &run->modules[finished.attempt.module];
	if (m->state == MP_MODULE_WAITING)
		return MP_EFORMAT;
	if (mp_module_ended((enum mp_module_state)m->state))
		return MP_EEXIST;
	if (result.status != MP_STATUS_OK && !failure_counts(run, &result))
		return MP_EEXIST;
	if (run_add_node(run, &finished.worker, &node) != 0)
		return MP_ENOMEM;
	m->attempt = finished.attempt;
	m->worker = node;
	if (m->attempts == 0)
		m->attempts = 1; /* its ASSIGNED went down with a leader */
	if (result.status != MP_STATUS_OK)
		return apply_failure(run, entry, &result);
	m->entry = entry->index;
	run_end_module(run, finished.attempt.module, MP_MODULE_SUCCEEDED, entry->wall_ms);
	return 0;
}

/* Whether the result may stand for this module was the leader's to check. */
static int
apply_cached(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_recalled recalled;
	struct mp_result result;
	struct mp_run_module *m;
	uint32_t node;
	int rc = mp_body_cached_decode(entry->body, &recalled);

	if (rc == 0)
		rc = result_decode(recalled.result, &result);
	if (rc != 0)
		return rc;
	if (recalled.module >= run->graph->module_count || result.status != MP_STATUS_OK ||
		mp_hash_is_zero(&result.cache_key))
		return MP_EFORMAT;
	m = &run->modules[recalled.module];
	if (m->state == MP_MODULE_WAITING)
		return MP_EFORMAT;
	if (m->state != MP_MODULE_READY)
		return MP_EEXIST;
	if (run_add_node(run, &result.node, &node) != 0)
		return MP_ENOMEM;
	m->cached = true;
	run->cached_count++;
	m->worker = node;
	m->entry = entry->index;
	run_end_module(run, recalled.module, MP_MODULE_SUCCEEDED, entry->wall_ms);
	return 0;
}

static int
apply_retry(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_run_module *m;
	struct mp_retry_at retry;
	int rc = mp_body_retry_decode(entry->body, &retry);

	if (rc != 0)
		return rc;
	if (retry.module >= run->graph->module_count)
		return MP_EFORMAT;
	m = &run->modules[retry.module];
	if (m->state != MP_MODULE_BACKOFF || m->not_before_ms != MP_TIME_NEVER)
		return MP_EEXIST;
	m->not_before_ms = retry.not_before_ms;
	if (run->changed != NULL)
		run->changed(run->changed_ctx, retry.module, MP_MODULE_BACKOFF);
	return 0;
}

static int
apply_skip(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_run_module *m;
	struct mp_skip skip;
	int rc = mp_body_skip_decode(entry->body, &skip);

	if (rc != 0)
		return rc;
	if (skip.module >= run->graph->module_count)
		return MP_EFORMAT;
	m = &run->modules[skip.module];
	if (m->state != MP_MODULE_READY && m->state != MP_MODULE_BACKOFF)
		return MP_EEXIST;
	m->entry = entry->index;
	run_end_module(run, skip.module,
		skip.what == MP_SKIP_FAILED ? MP_MODULE_FAILED : MP_MODULE_SKIPPED, entry->wall_ms);
	return 0;
}

static int
apply_once_begin(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_assigned begin;
	struct mp_run_module *m;
	uint32_t node;
	int rc = mp_body_once_begin_decode(entry->body, &begin);

	if (rc != 0)
		return rc;
	if (begin.attempt.module >= run->graph->module_count || begin.attempt.term > entry->term ||
		!run->graph->modules[begin.attempt.module].once)
		return MP_EFORMAT;
	m = &run->modules[begin.attempt.module];
	if (m->state != MP_MODULE_READY)
		return MP_EEXIST;
	if (run_add_node(run, &begin.worker, &node) != 0)
		return MP_ENOMEM;
	m->attempt = begin.attempt;
	m->worker = node;
	m->assigned_ms = entry->wall_ms;
	m->attempts++;
	run_move(run, begin.attempt.module, MP_MODULE_RUNNING);
	return 0;
}

/* The attempt never began: as if it had not been tried. */
static int
once_unstarted(struct mp_run *run, const struct mp_raft_entry *entry, uint32_t module)
{
	struct mp_run_module *m = &run->modules[module];

	if (m->state != MP_MODULE_RUNNING)
		return MP_EEXIST;
	m->attempts--;
	if (run->cancelled)
		run_end_module(run, module, MP_MODULE_CANCELLED, entry->wall_ms);
	else
		run_move(run, module, MP_MODULE_READY);
	return 0;
}

static int
apply_once_end(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_once_end end;
	struct mp_run_module *m;
	int rc = mp_body_once_end_decode(entry->body, &end);

	if (rc != 0)
		return rc;
	if (end.attempt.module >= run->graph->module_count)
		return MP_EFORMAT;
	m = &run->modules[end.attempt.module];
	if (!run->graph->modules[end.attempt.module].once ||
		!mp_attempt_eq(&m->attempt, &end.attempt))
		return MP_EEXIST;
	if (end.how == MP_ONCE_UNSTARTED)
		return once_unstarted(run, entry, end.attempt.module);
	if (m->state != MP_MODULE_MAYBE_RAN || (end.how == MP_ONCE_RERUN && run->cancelled))
		return MP_EEXIST;
	m->entry = entry->index;
	if (end.how == MP_ONCE_DONE)
		run_end_module(run, end.attempt.module, MP_MODULE_SUCCEEDED, entry->wall_ms);
	else
		run_move(run, end.attempt.module, MP_MODULE_READY);
	return 0;
}

static int
apply_cancel(struct mp_run *run, const struct mp_raft_entry *entry)
{
	struct mp_span by;
	int rc = mp_body_cancel_decode(entry->body, &by);

	if (rc != 0)
		return rc;
	if (run->cancelled)
		return MP_EEXIST;
	run->cancelled = true;
	memcpy(run->cancelled_by.s, by.p, by.n);
	run->cancelled_by.s[by.n] = '\0';
	for (uint32_t i = 0; i < run->graph->module_count; i++) {
		enum mp_module_state state = mp_run_module_state(run, i);

		if (mp_module_ended(state) || state == MP_MODULE_RUNNING ||
			state == MP_MODULE_MAYBE_RAN)
			continue;
		run->modules[i].ended_ms = entry->wall_ms;
		run_move(run, i, MP_MODULE_CANCELLED);
	}
	return 0;
}

static int
apply_end(struct mp_run *run, const struct mp_raft_entry *entry)
{
	enum mp_run_outcome said, is;
	int rc = mp_body_end_decode(entry->body, &said);

	if (rc != 0)
		return rc;
	if (!mp_run_outcome(run, &is) || is != said)
		return MP_EFORMAT;
	run->outcome = said;
	run->ended_ms = entry->wall_ms;
	run->end_index = entry->index;
	run->end_hash = entry->hash;
	return 0;
}

static int
apply_kind(struct mp_run *run, const struct mp_raft_entry *entry)
{
	if (entry->kind == MP_ENTRY_TERM_START)
		return apply_term_start(run, entry);
	if ((unsigned)run->outcome != 0)
		return MP_EEXIST;
	if (entry->kind == MP_ENTRY_OPEN)
		return apply_open(run, entry);
	if (!run->opened)
		return MP_EFORMAT;
	switch (entry->kind) {
	case MP_ENTRY_OPEN:
	case MP_ENTRY_TERM_START:
		break;
	case MP_ENTRY_ASSIGNED:
		return apply_assigned(run, entry);
	case MP_ENTRY_LOST:
		return apply_lost(run, entry);
	case MP_ENTRY_FINISHED:
		return apply_finished(run, entry);
	case MP_ENTRY_CACHED:
		return apply_cached(run, entry);
	case MP_ENTRY_RETRY:
		return apply_retry(run, entry);
	case MP_ENTRY_CANCEL:
		return apply_cancel(run, entry);
	case MP_ENTRY_SKIP:
		return apply_skip(run, entry);
	case MP_ENTRY_END:
		return apply_end(run, entry);
	case MP_ENTRY_ONCE_BEGIN:
		return apply_once_begin(run, entry);
	case MP_ENTRY_ONCE_END:
		return apply_once_end(run, entry);
	case MP_ENTRY_RETURNED: /* of an elector, which is no part of the run's state */
		return 0;
	case MP_ENTRY_PAUSE:
	case MP_ENTRY_RESUME:
	case MP_ENTRY_PRIORITY:
		break;
	}
	return MP_EUNSUPPORTED;
}

int
mp_run_apply(struct mp_run *run, const struct mp_raft_entry *entry)
{
	int rc;

	if (entry->index != run->applied + 1)
		return MP_EINVAL;
	rc = apply_kind(run, entry);
	if (rc != MP_ENOMEM)
		run->applied = entry->index;
	return rc;
}

/* ---- reading ---- */

bool
mp_run_outcome(const struct mp_run *run, enum mp_run_outcome *outcome)
{
	uint32_t unsure = run->cancelled ? run->counts[MP_MODULE_MAYBE_RAN] : 0;

	if (!run->opened || run->ended_count + unsure < run->graph->module_count)
		return false;
	if (run->counts[MP_MODULE_CANCELLED] + unsure > 0)
		*outcome = MP_OUTCOME_CANCELLED;
	else if (run->counts[MP_MODULE_SUCCEEDED] + run->counts[MP_MODULE_IGNORED] <
		 run->graph->module_count)
		*outcome = MP_OUTCOME_FAILED;
	else
		*outcome = MP_OUTCOME_SUCCEEDED;
	return true;
}

enum mp_run_state
mp_run_state(const struct mp_run *run)
{
	switch ((unsigned)run->outcome) {
	case MP_OUTCOME_SUCCEEDED:
		return MP_RUN_SUCCEEDED;
	case MP_OUTCOME_FAILED:
		return MP_RUN_FAILED;
	case MP_OUTCOME_CANCELLED:
		return MP_RUN_CANCELLED;
	default:
		return run->opened ? MP_RUN_RUNNING : MP_RUN_PENDING;
	}
}
