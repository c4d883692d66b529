/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker.h"

#include "core/mutant.h"
#include "core/roster.h"
#include "core/worker_int.h"
#include "mp/limits.h"

/* The pause before results are sent again doubles up to this. */
#define RESEND_MAX_MS 60000

/* Results of one message. */
#define RESULTS_MAX 1024

int
mp_worker_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, uint32_t slots, struct mp_worker **out)
{
	struct mp_worker *worker = mp_realloc(env->alloc, NULL, 0, sizeof(*worker));

	if (worker == NULL)
		return MP_ENOMEM;
	*worker = (struct mp_worker){.alloc = env->alloc,
		.roster = roster,
		.fetch = fetch,
		.hold = hold,
		.slots = slots};
	if (mp_manifests_new(env, fetch, &worker->manifests) != 0) {
		mp_dealloc(env->alloc, worker, sizeof(*worker));
		return MP_ENOMEM;
	}
	mp_map_init(&worker->runs, env->alloc);
	mp_map_init(&worker->attempts, env->alloc);
	mp_dlist_init(&worker->runs_by_age);
	mp_dlist_init(&worker->ready);
	mp_dlist_init(&worker->beginning);
	mp_dlist_init(&worker->using);
	mp_dlist_init(&worker->leasing);
	mp_dlist_init(&worker->dirty);
	mp_dlist_init(&worker->holding);
	mp_dlist_init(&worker->deferring);
	*out = worker;
	return 0;
}

void
mp_worker_free(struct mp_worker *worker)
{
	struct mp_map_node *n;

	if (worker == NULL)
		return;
	while ((n = mp_map_any(&worker->attempts)) != NULL) {
		struct attempt *a = mp_container_of(n, struct attempt, node);

		a->executing = false;
		attempt_free(a);
	}
	while ((n = mp_map_any(&worker->runs)) != NULL)
		wrun_free(worker, mp_container_of(n, struct wrun, node));
	mp_map_fini(&worker->runs);
	mp_map_fini(&worker->attempts);
	mp_manifests_free(worker->manifests);
	mp_dealloc(worker->alloc, worker, sizeof(*worker));
}

/* ---- restart ---- */

static uint64_t
key_read(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* See held_put() and lease.c. Empty result: it may have been started. */
static int
held_decode(struct mp_span value, struct mp_span *result, struct mp_list *holders)
{
	struct mp_cbor_r r;
	char domain[16];
	size_t items;

	*result = mp_span(NULL, 0);
	mp_cbor_r_init(&r, value);
	items = mp_cbor_r_array(&r, 4);
	mp_cbor_r_str(&r, domain, sizeof(domain));
	if (r.rc != 0 || mp_cbor_r_uint(&r, UINT64_MAX) != 1)
		return MP_ECORRUPT;
	if (items == 2 && strcmp(domain, "mp-started") == 0)
		return mp_cbor_r_end(&r) == 0 ? 0 : MP_ECORRUPT;
	if (items != 4 || strcmp(domain, "mp-held") != 0)
		return MP_ECORRUPT;
	*result = mp_cbor_r_bytes(&r, MP_SIGNED_RESULT_MAX);
	mp_holders_read(&r, holders);
	return mp_cbor_r_end(&r) == 0 && result->n > 0 ? 0 : MP_ECORRUPT;
}

/* What has no fence has nobody to go to. */
static int
held_restore(struct mp_worker *worker, const struct mp_row *row)
{
	struct mp_attempt_id id;
	struct mp_span result;
	struct mp_list holders;
	struct mp_run_id run_id;
	struct attempt *a;
	struct wrun *run;

	if (row->key.n != 32)
		return MP_ECORRUPT;
	memcpy(run_id.b, row->key.p, sizeof(run_id.b));
	id.term = key_read(row->key.p + 16, 8);
	id.module = (uint32_t)key_read(row->key.p + 24, 4);
	id.counter = (uint32_t)key_read(row->key.p + 28, 4);
	run = wrun_find(worker, &run_id);
	if (held_decode(row->value, &result, &holders) != 0 || run == NULL ||
		attempt_find(worker, &run_id, &id) != NULL)
		return MP_ECORRUPT;
	a = attempt_new(worker, run, &id);
	if (a != NULL && result.n == 0) {
		attempt_restore_unsure(a);
		return 0;
	}
	if (a == NULL || attempt_restore(a, result, &holders) == 0)
		return a == NULL ? MP_ENOMEM : 0;
	attempt_free(a);
	return MP_ENOMEM;
}

int
mp_worker_restore(struct mp_worker *worker, struct mp_env *env, const struct mp_row *row)
{
	return row->table == MP_TABLE_FENCE ? fence_restore(worker, env, row)
					    : held_restore(worker, row);
}

void
mp_worker_start(struct mp_worker *worker, struct mp_env *env)
{
	for (struct mp_dlist *l = worker->holding.next; l != &worker->holding; l = l->next) {
		struct wrun *run = mp_container_of(l, struct wrun, holding);

		wrun_resend(run);
		run->resend_ms = env->now_ms + WORKER_RESEND_MS;
	}
}

/* ---- messages of leaders ---- */

/* The same for messages that name no attempts. */
static enum gate
gate_plain(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_work_head *head, struct mp_span bytes, struct wrun **out, int *rc)
{
	enum gate g = worker_gate(worker, env, from, head, bytes, out, rc);

	if (g == GATE_SHUT && *rc == MP_EREPLAY)
		worker_reject(env, from, head, MP_REJECT_FENCED, NULL, 0, *out);
	return g;
}

static int
on_list(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, enum mp_msg_work number)
{
	struct mp_msg_work_list m;
	struct mp_attempt_id id;
	struct wrun *run;
	int rc = mp_msg_work_list_decode(bytes, number, &m);

	if (rc != 0 || gate_plain(worker, env, from, &m.head, bytes, &run, &rc) != GATE_OPEN)
		return rc;
	while (mp_attempts_next(&m.attempts, &id)) {
		struct attempt *a = attempt_find(worker, &run->id, &id);

		if (a != NULL && number == MP_MSG_WORK_KILL)
			attempt_kill(a, env);
		else if (a != NULL)
			attempt_forget(a, env);
	}
	return 0;
}

static int
on_end(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_work_head head;
	struct mp_dlist *next;
	struct wrun *run;
	int rc = mp_msg_work_end_decode(bytes, &head);

	if (rc != 0 || gate_plain(worker, env, from, &head, bytes, &run, &rc) != GATE_OPEN)
		return rc;
	for (struct mp_dlist *l = run->attempts.next; l != &run->attempts; l = next) {
		next = l->next;
		attempt_forget(mp_container_of(l, struct attempt, of_run), env);
	}
	/* The fence stays: a leader of before must not begin anew. */
	if (!run->ended) {
		run->ended = true;
		fence_put(run, env);
	}
	return 0;
}

static int
on_status_req(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_work_status_req m;
	struct mp_msg_work_status answer;
	struct mp_work_state *states;
	struct mp_buf *buf;
	struct wrun *run;
	size_t n = 0;
	int rc = mp_msg_work_status_req_decode(bytes, &m);

	if (rc != 0 || gate_plain(worker, env, from, &m.head, bytes, &run, &rc) != GATE_OPEN)
		return rc;
	states = mp_out_mem(env->out, run->attempt_count * sizeof(*states) + 1);
	if (states == NULL)
		return MP_ENOMEM;
	for (struct mp_dlist *l = run->attempts.next; l != &run->attempts; l = l->next) {
		struct attempt *a = mp_container_of(l, struct attempt, of_run);

		if (a->fate == FATE_FORGET || n == MP_WORK_LIST_MAX)
			continue;
		states[n++] = (struct mp_work_state){a->id, a->phase};
		if (a->phase == MP_WORK_DONE)
			attempt_resend(a);
	}
	answer = (struct mp_msg_work_status){.head = m.head,
		.seq = m.seq,
		.boot = env->boot,
		.slots = worker->slots,
		.slots_free = mp_worker_slots_free(worker)};
	buf = mp_out_scratch(env->out);
	rc = mp_msg_work_status_encode(buf, &answer, states, n);
	if (rc == 0)
		mp_out_send(env->out, from, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	return rc;
}

int
mp_worker_message(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	uint64_t number = mp_msg_number(bytes);

	switch (number) {
	case MP_MSG_WORK_LEAD:
		return fence_lead(worker, env, from, bytes);
	case MP_MSG_WORK_ASSIGN:
		return worker_assign(worker, env, from, bytes);
	case MP_MSG_WORK_STATUS_REQ:
		return on_status_req(worker, env, from, bytes);
	case MP_MSG_WORK_SETTLED:
	case MP_MSG_WORK_KILL:
		return on_list(worker, env, from, bytes, (enum mp_msg_work)number);
	case MP_MSG_WORK_END:
		return on_end(worker, env, from, bytes);
	case MP_MSG_WORK_LEASE:
		return lease_take(worker, env, from, bytes);
	default:
		return MP_EFORMAT;
	}
}

void
mp_worker_persisted(struct mp_worker *worker, struct mp_env *env)
{
	struct mp_dlist *l, *next, messages;

	lease_pump(worker, env);
	for (l = worker->deferring.next; l != &worker->deferring; l = next) {
		struct wrun *run = mp_container_of(l, struct wrun, deferring);
		struct mp_node_id leader = run->leader;

		next = l->next;
		if (!fence_durable(run, env))
			continue;
		mp_dlist_init(&messages);
		while ((l = mp_dlist_first(&run->deferred)) != NULL) {
			mp_dlist_remove(l);
			mp_dlist_push(&messages, l);
		}
		wrun_drop_deferred(worker, run); /* there are none: sets the counts */
		while ((l = mp_dlist_first(&messages)) != NULL) {
			struct deferred *d = mp_container_of(l, struct deferred, link);

			mp_dlist_remove(l);
			(void)mp_worker_message(worker, env, &leader, mp_span(d->bytes, d->size));
			mp_dealloc(worker->alloc, d, sizeof(*d) + d->size);
		}
	}
}

void
mp_worker_link(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	(void)env;
	if (state != MP_LINK_UP)
		return;
	for (struct mp_dlist *l = worker->holding.next; l != &worker->holding; l = l->next) {
		struct wrun *run = mp_container_of(l, struct wrun, holding);

		if (mp_node_id_eq(&run->leader, peer))
			wrun_resend(run);
	}
}

void
mp_worker_exec(struct mp_worker *worker, struct mp_env *env, const struct mp_exec_report *report)
{
	struct attempt *a = attempt_find(worker, &report->key.run, &report->key.attempt);
	struct mp_work_head head;
	int why;

	if (a == NULL || !a->executing || report->phase != MP_EXEC_DONE)
		return;
	why = attempt_ended(a, env, report);
	if (why != 0) {
		head = (struct mp_work_head){a->run->id, a->run->generation, a->run->term};
		worker_reject(
			env, &a->run->leader, &head, (enum mp_reject_why)why, &a->id, 1, NULL);
		attempt_drop(a, env);
	}
	attempts_pump(worker, env);
}

/* ---- the end of a step ---- */

static void
run_send(struct mp_worker *worker, struct mp_env *env, struct wrun *run)
{
	struct mp_work_head head = {run->id, run->generation, run->term};
	struct mp_dlist *l = run->unsent.next;
	size_t n = 0, left;
	struct mp_buf *buf;
	struct mp_cbor_w w;

	while (n < RESULTS_MAX && l != &run->unsent) {
		n++;
		l = l->next;
	}
	buf = mp_out_scratch(env->out);
	mp_cbor_w_init(&w, buf);
	mp_work_result_begin(&w, &head, n);
	for (left = n; left > 0; left--) {
		struct attempt *a = mp_container_of(run->unsent.next, struct attempt, unsent);

		mp_work_result_item(&w, &a->id, mp_span(a->result, a->result_size), a->holders,
			a->holder_count);
		mp_dlist_remove(&a->unsent);
	}
	if (w.rc == 0)
		mp_out_send(env->out, &run->leader, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	(void)worker;
	run->resend_ms = env->now_ms + run->resend_pause_ms;
}

void
mp_worker_flush(struct mp_worker *worker, struct mp_env *env)
{
	struct mp_dlist *l, *next;

	/* Also one who was forgotten before it began had a slot. */
	attempts_pump(worker, env);
	for (l = worker->dirty.next; l != &worker->dirty; l = next) {
		struct wrun *run = mp_container_of(l, struct wrun, dirty);

		next = l->next;
		while (fence_durable(run, env) && !mp_dlist_empty(&run->unsent))
			run_send(worker, env, run);
		/* Also when what was to be sent was forgotten before it could be. */
		if (mp_dlist_empty(&run->unsent))
			mp_dlist_remove(&run->dirty);
	}
	if (worker->busy_count == 0 || worker->stopping || worker->draining ||
		!worker_has_room(worker))
		return;
	for (size_t i = 0; i < worker->busy_count; i++) {
		struct mp_buf *buf = mp_out_scratch(env->out);

		if (mp_msg_work_free_encode(buf, mp_worker_slots_free(worker)) == 0)
			mp_out_send(
				env->out, &worker->busy[i], MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	}
	worker->busy_count = 0;
}

/* ---- time ---- */

void
mp_worker_tick(struct mp_worker *worker, struct mp_env *env)
{
	for (struct mp_dlist *l = worker->holding.next; l != &worker->holding; l = l->next) {
		struct wrun *run = mp_container_of(l, struct wrun, holding);
		mp_time pause_ms = run->resend_pause_ms * 2;

		if (run->resend_ms > env->now_ms)
			continue;
		wrun_resend(run);
		fence_seek(run, env);
		run->resend_pause_ms = pause_ms < RESEND_MAX_MS ? pause_ms : RESEND_MAX_MS;
		run->resend_ms = env->now_ms + run->resend_pause_ms;
	}
	lease_tick(worker, env);
	assign_tick(worker, env);
	if (worker->stopping && !worker->killed && env->now_ms >= worker->stop_ms) {
		struct mp_map_node *n = NULL;
		size_t bucket = 0;

		worker->killed = true;
		while ((n = mp_map_walk(&worker->attempts, &bucket, n)) != NULL)
			(void)attempt_return(mp_container_of(n, struct attempt, node), env, true);
	}
	worker->given_up |= worker->killed && env->now_ms >= worker->stop_ms + MP_WORKER_LAST_MS;
}

mp_time
mp_worker_deadline(const struct mp_worker *worker)
{
	mp_time at = MP_TIME_NEVER;

	if (worker->stopping && !worker->given_up)
		at = worker->stop_ms + (worker->killed ? MP_WORKER_LAST_MS : 0);
	for (const struct mp_dlist *l = worker->holding.next; l != &worker->holding; l = l->next) {
		const struct wrun *run = mp_container_of(l, const struct wrun, holding);

		if (run->resend_ms < at)
			at = run->resend_ms;
	}
	if (lease_deadline(worker) < at)
		at = lease_deadline(worker);
	return assign_deadline(worker) < at ? assign_deadline(worker) : at;
}

/* ---- stopping and draining ---- */

/* What has not started goes back to its leaders. */
static void
worker_give_back(struct mp_worker *worker, struct mp_env *env, enum mp_reject_why why)
{
	struct mp_map_node *n, *next;
	size_t bucket = 0;

	for (n = mp_map_walk(&worker->attempts, &bucket, NULL); n != NULL; n = next) {
		struct attempt *a = mp_container_of(n, struct attempt, node);
		struct wrun *run = a->run;
		struct mp_work_head head = {run->id, run->generation, run->term};

		next = mp_map_walk(&worker->attempts, &bucket, n);
		if (!attempt_return(a, env, false))
			continue;
		worker_reject(env, &run->leader, &head, why, &a->id, 1, NULL);
		if (why == MP_REJECT_BUSY)
			worker_note_busy(worker, &run->leader);
		attempt_drop(a, env);
	}
}

void
mp_worker_stop(struct mp_worker *worker, struct mp_env *env)
{
	if (worker->stopping)
		return;
	worker->stopping = true;
	worker->stop_ms = env->now_ms + MP_WORKER_STOP_MS;
	worker_give_back(worker, env, MP_REJECT_STOPPING);
}

bool
mp_worker_stopping(const struct mp_worker *worker)
{
	return worker->stopping;
}

void
mp_worker_drain(struct mp_worker *worker, struct mp_env *env, bool on)
{
	if (worker->draining == on || worker->stopping)
		return;
	worker->draining = on && !MP_MUTANT(DRAIN_IGNORED);
	if (on)
		worker_give_back(worker, env, MP_REJECT_BUSY);
}

void
mp_worker_set_slots(struct mp_worker *worker, struct mp_env *env, uint32_t slots)
{
	worker->slots = slots;
	if (slots == 0 && !worker->stopping)
		worker_give_back(worker, env, MP_REJECT_BUSY);
}

bool
mp_worker_stopped(const struct mp_worker *worker, const struct mp_env *env)
{
	return worker->stopping &&
	       (worker->given_up ||
		       (worker->attempts.count == worker->held && mp_dlist_empty(&worker->dirty) &&
			       mp_out_seq(env->out) <= mp_out_durable(env->out)));
}

uint32_t
mp_worker_slots(const struct mp_worker *worker)
{
	return worker->slots;
}

uint32_t
mp_worker_slots_used(const struct mp_worker *worker)
{
	return worker->running;
}

uint32_t
mp_worker_slots_free(const struct mp_worker *worker)
{
	uint32_t active = worker->active - lease_benched(worker);

	return active < worker->slots ? worker->slots - active : 0;
}

size_t
mp_worker_attempts(const struct mp_worker *worker)
{
	return worker->attempts.count;
}
