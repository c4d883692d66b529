/* SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_int.h"
#include "mp/limits.h"

/* A disk that works has taken a fence by then, however busy. */
#define FENCE_PATIENCE_MS 2000

/* Room for its name, its specification and all of its dependencies. */
static int
attempt_take(struct attempt *a, const struct mp_work_item *item, size_t deps, size_t text)
{
	const struct mp_alloc *alloc = a->worker->alloc;

	a->number = item->attempt_number;
	a->sources = mp_realloc(alloc, NULL, 0, (deps + 1) * sizeof(*a->sources));
	if (a->sources == NULL)
		return MP_ENOMEM;
	a->source_count = deps + 1;
	memset(a->sources, 0, a->source_count * sizeof(*a->sources));
	a->text = mp_realloc(alloc, NULL, 0, text);
	if (a->text == NULL)
		return MP_ENOMEM;
	a->text_size = text;
	return 0;
}

static struct mp_span
text_take(struct attempt *a, size_t *used, struct mp_span bytes)
{
	uint8_t *p = a->text + *used;

	if (bytes.n > 0)
		memcpy(p, bytes.p, bytes.n);
	*used += bytes.n;
	mp_assert(*used <= a->text_size);
	return mp_span(p, bytes.n);
}

static size_t
holders_take(struct mp_list *list, struct mp_node_id *out)
{
	size_t n = 0;

	while (n < MP_HOLDERS_MAX && mp_holders_next(list, &out[n]))
		n++;
	return n;
}

/* How many dependencies, and bytes of text, an item has; 0 or the error of a dependency's result.
 */
static int
item_measure(const struct mp_work_item *item, size_t *deps, size_t *text)
{
	struct mp_list list = item->deps;
	struct mp_work_dep dep;

	*deps = 0;
	*text = item->name.n + item->spec.n + 1;
	while (mp_work_dep_next(&list, &dep)) {
		struct mp_result_sig sig;
		struct mp_span record;
		int rc = mp_signed_result_decode(dep.result, &record, &sig);

		if (rc != 0)
			return rc;
		*deps += 1;
		*text += dep.name.n + record.n;
	}
	return 0;
}

static int
source_set(struct attempt *a, struct mp_env *env, struct source *s, struct mp_work_dep *dep,
	size_t *used, struct mp_hash *hash)
{
	struct mp_result_sig sig;
	struct mp_result result;
	struct mp_span record;
	int rc = mp_signed_result_decode(dep->result, &record, &sig);

	if (rc == 0)
		rc = mp_result_decode(record, &result);
	if (rc != 0)
		return rc;
	s->name = text_take(a, used, dep->name);
	s->result = text_take(a, used, record);
	s->manifest = result.manifest;
	s->value = result.value;
	s->holder_count = holders_take(&dep->holders, s->holders);
	env->crypto->hash(hash, &record, 1);
	return 0;
}

/* Everything that the offer covers; dependencies are covered by their hashes. */
static int
offer_verify(struct attempt *a, struct mp_env *env, const struct mp_work_item *item,
	const struct mp_hash *deps)
{
	const struct mp_hash *inputs = &a->run->inputs;
	struct mp_offer offer = {.cluster = env->cluster,
		.run = a->run->id,
		.generation = a->generation,
		.attempt = a->id,
		.worker = env->self};
	int rc;

	env->crypto->hash(&a->spec_hash, &item->spec, 1);
	rc = mp_inputs_hash(env->crypto, a->worker->alloc, mp_hash_is_zero(inputs) ? NULL : inputs,
		deps, a->source_count - 1, &a->inputs_hash);
	offer.spec = a->spec_hash;
	offer.inputs = a->inputs_hash;
	if (rc == 0)
		rc = mp_offer_hash(env->crypto, a->worker->alloc, &offer, &a->offer);
	if (rc != 0)
		return rc;
	a->leader = a->run->leader;
	a->offer_sig = item->offer_sig;
	if (mp_node_id_eq(&a->leader, &env->self))
		return 0; /* it did not come from elsewhere */
	return env->crypto->verify(
		a->leader.b, &a->offer_sig, mp_span(a->offer.b, sizeof(a->offer.b)));
}

static int
attempt_fill(struct attempt *a, struct mp_env *env, struct mp_work_item *item,
	const struct mp_msg_work_assign *m, size_t deps, size_t text)
{
	struct mp_hash *hashes = mp_out_mem(env->out, deps * sizeof(*hashes) + 1);
	struct mp_list list = item->deps, inputs = m->inputs;
	struct mp_work_dep dep;
	size_t used = 0, i = 0;
	int rc = hashes == NULL ? MP_ENOMEM : attempt_take(a, item, deps, text);

	if (rc != 0)
		return rc;
	a->name = text_take(a, &used, item->name);
	a->spec = text_take(a, &used, item->spec);
	rc = using_read(a);
	if (rc == 0)
		rc = secrets_take(a, m->secrets);
	a->sources[0].manifest = a->run->inputs;
	a->sources[0].holder_count = holders_take(&inputs, a->sources[0].holders);
	while (rc == 0 && mp_work_dep_next(&list, &dep)) {
		rc = source_set(a, env, &a->sources[i + 1], &dep, &used, &hashes[i]);
		i++;
	}
	return rc != 0 ? rc : offer_verify(a, env, item, hashes);
}

bool
worker_has_room(const struct mp_worker *worker)
{
	uint32_t ahead = worker->slots > 2 ? worker->slots : 2;

	return worker->slots > 0 && worker->held < MP_WORKER_HELD_MAX &&
	       worker->active - lease_benched(worker) < worker->slots + ahead;
}

/* 0: taken, or known before. Else why not: enum mp_reject_why. */
static int
assign_item(struct mp_worker *worker, struct mp_env *env, struct wrun *run,
	const struct mp_msg_work_assign *m, struct mp_work_item *item)
{
	struct mp_attempt_id id = {m->head.term, item->module, item->counter};
	struct attempt *a = attempt_find(worker, &run->id, &id);
	size_t deps, text;

	if (a != NULL) {
		if (a->phase == MP_WORK_DONE)
			attempt_resend(a);
		return 0;
	}
	if (worker->stopping)
		return MP_REJECT_STOPPING;
	if (worker->draining || !worker_has_room(worker))
		return MP_REJECT_BUSY;
	if (run->ended || item_measure(item, &deps, &text) != 0)
		return MP_REJECT_BAD;
	a = attempt_new(worker, run, &id);
	if (a == NULL)
		return MP_REJECT_BUSY;
	a->generation = m->head.generation;
	switch (attempt_fill(a, env, item, m, deps, text)) {
	case 0:
		attempt_begin(a, env);
		return 0;
	case MP_ENOMEM:
		attempt_free(a);
		return MP_REJECT_BUSY;
	default:
		attempt_free(a);
		return MP_REJECT_BAD;
	}
}

void
worker_note_busy(struct mp_worker *worker, const struct mp_node_id *leader)
{
	for (size_t i = 0; i < worker->busy_count; i++) {
		if (mp_node_id_eq(&worker->busy[i], leader))
			return;
	}
	if (worker->busy_count < BUSY_LEADERS_MAX)
		worker->busy[worker->busy_count++] = *leader;
}

int
worker_assign(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	enum { WHYS = MP_REJECT_BAD + 1 };
	struct mp_attempt_id *ids[WHYS] = {NULL};
	size_t counts[WHYS] = {0};
	struct mp_msg_work_assign m;
	struct mp_work_item item;
	struct wrun *run;
	int rc = mp_msg_work_assign_decode(bytes, &m);
	enum gate g;

	if (rc != 0)
		return rc;
	g = worker_gate(worker, env, from, &m.head, bytes, &run, &rc);
	if (g == GATE_DEFERRED)
		return 0;
	for (int why = 1; why < WHYS; why++) {
		ids[why] = mp_out_mem(env->out, m.items.left * sizeof(*ids[why]) + 1);
		if (ids[why] == NULL)
			return MP_ENOMEM;
	}
	while (mp_work_item_next(&m.items, &item)) {
		int why = g == GATE_OPEN ? assign_item(worker, env, run, &m, &item)
					 : MP_REJECT_FENCED;

		if (why != 0)
			ids[why][counts[why]++] =
				(struct mp_attempt_id){m.head.term, item.module, item.counter};
	}
	if (g == GATE_SHUT && rc != MP_EREPLAY)
		return rc;
	for (int why = 1; why < WHYS; why++) {
		if (counts[why] > 0)
			worker_reject(env, from, &m.head, (enum mp_reject_why)why, ids[why],
				counts[why], why == MP_REJECT_FENCED ? run : NULL);
	}
	if (counts[MP_REJECT_BUSY] > 0 && worker->slots > 0)
		worker_note_busy(worker, from);
	if (counts[MP_REJECT_BAD] > 0)
		rc = MP_ESIG;
	return rc;
}

/* ---- while the disk takes no fence ---- */

static bool
is_work(const struct deferred *d)
{
	return mp_msg_number(mp_span(d->bytes, d->size)) == MP_MSG_WORK_ASSIGN;
}

static void
work_give_back(const struct wrun *run, struct mp_env *env, struct mp_span bytes)
{
	const struct mp_work_head head = {run->id, run->generation, run->term};
	struct mp_msg_work_assign m;
	struct mp_attempt_id *ids;
	struct mp_work_item item;
	size_t n = 0;

	if (mp_msg_work_assign_decode(bytes, &m) != 0)
		return;
	ids = mp_out_mem(env->out, m.items.left * sizeof(*ids) + 1);
	while (ids != NULL && mp_work_item_next(&m.items, &item))
		ids[n++] = (struct mp_attempt_id){m.head.term, item.module, item.counter};
	/* Not noted as busy: there will be no word of a free slot, and the leader asks when it
	 * thinks fit. */
	if (n > 0)
		worker_reject(env, &run->leader, &head, MP_REJECT_BUSY, ids, n, NULL);
}

void
assign_give_back(struct mp_worker *worker, struct mp_env *env, struct wrun *run)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = run->deferred.next; l != &run->deferred; l = next) {
		struct deferred *d = mp_container_of(l, struct deferred, link);

		next = l->next;
		if (!is_work(d))
			continue;
		work_give_back(run, env, mp_span(d->bytes, d->size));
		mp_dlist_remove(&d->link);
		run->deferred_count--;
		run->deferred_bytes -= d->size;
		mp_dealloc(worker->alloc, d, sizeof(*d) + d->size);
	}
	if (mp_dlist_empty(&run->deferred))
		mp_dlist_remove(&run->deferring);
}

/* When work that waits for this fence is given back. */
static mp_time
run_give_back_ms(const struct wrun *run)
{
	for (const struct mp_dlist *l = run->deferred.next; l != &run->deferred; l = l->next) {
		if (is_work(mp_container_of(l, const struct deferred, link)))
			return run->fence_ms + FENCE_PATIENCE_MS;
	}
	return MP_TIME_NEVER;
}

void
assign_tick(struct mp_worker *worker, struct mp_env *env)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = worker->deferring.next; l != &worker->deferring; l = next) {
		struct wrun *run = mp_container_of(l, struct wrun, deferring);

		next = l->next;
		if (run_give_back_ms(run) <= env->now_ms)
			assign_give_back(worker, env, run);
	}
}

mp_time
assign_deadline(const struct mp_worker *worker)
{
	mp_time at = MP_TIME_NEVER;

	for (const struct mp_dlist *l = worker->deferring.next; l != &worker->deferring;
		l = l->next) {
		mp_time due = run_give_back_ms(mp_container_of(l, const struct wrun, deferring));

		if (due < at)
			at = due;
	}
	return at;
}
