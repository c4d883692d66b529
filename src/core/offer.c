/* SPDX-License-Identifier: Apache-2.0 */
/* Handing out: which attempts, what they read, and the messages that carry them. */
#include "codec/record_secret.h"
#include "core/lead_int.h"

/* Placements of one ASSIGNED entry. More: at once in the next step. */
#define PLACE_MAX LEAD_UNLOGGED_MAX
/* One WORK_ASSIGN is not begun with more than this, so that with its last item it fits. */
#define ASSIGN_BYTES (1u * 1024 * 1024)

/* ---- dependencies ---- */

bool
lead_dep(struct mp_lead *lead, uint32_t need, struct mp_finished *out, struct mp_result *result)
{
	struct mp_raft_entry entry;

	return mp_raft_entry_at(lead->c.raft, lead->c.run->modules[need].entry, &entry) &&
	       mp_run_result(&entry, out, result) == 0;
}

/* An operator said that it is done: it leaves nothing, and whoever needs it is not told of it. */
static bool
dep_is_bare(const struct mp_lead *lead, uint32_t need)
{
	struct mp_raft_entry entry;

	return lead_is_once(lead, need) &&
	       mp_raft_entry_at(lead->c.raft, lead->c.run->modules[need].entry, &entry) &&
	       entry.kind == MP_ENTRY_ONCE_END;
}

int
lead_hashes(struct mp_lead *lead, struct mp_env *env, uint32_t module, struct mp_hash *spec,
	struct mp_hash *inputs)
{
	const struct mp_graph_module *g = &lead->c.graph->modules[module];
	const struct mp_hash *manifest = &lead->c.record->inputs;
	size_t size = g->need_count * sizeof(struct mp_hash) + 1;
	struct mp_hash *deps = mp_realloc(lead->alloc, NULL, 0, size);
	int rc = deps != NULL ? 0 : MP_ENOMEM;
	size_t n = 0;

	for (uint32_t i = 0; i < g->need_count && rc == 0; i++) {
		struct mp_finished finished;
		struct mp_result_sig sig;
		struct mp_result result;
		struct mp_span record;

		if (dep_is_bare(lead, g->needs[i]))
			continue;
		if (!lead_dep(lead, g->needs[i], &finished, &result) ||
			mp_signed_result_decode(finished.result, &record, &sig) != 0)
			rc = MP_ECORRUPT;
		else
			env->crypto->hash(&deps[n++], &record, 1);
	}
	if (rc == 0)
		rc = mp_inputs_hash(env->crypto, lead->alloc,
			mp_hash_is_zero(manifest) ? NULL : manifest, deps, n, inputs);
	if (rc == 0)
		env->crypto->hash(spec, &g->spec, 1);
	mp_dealloc(lead->alloc, deps, size);
	return rc;
}

int
lead_offer_hash(struct mp_lead *lead, struct mp_env *env, const struct mp_attempt_id *id,
	const struct mp_node_id *worker, const struct mp_hash *spec, const struct mp_hash *inputs,
	struct mp_hash *out)
{
	struct mp_offer offer = {
		.cluster = env->cluster,
		.run = lead->head.run,
		.generation = mp_term_generation(id->term),
		.attempt = *id,
		.worker = *worker,
		.spec = *spec,
		.inputs = *inputs,
	};

	return mp_offer_hash(env->crypto, lead->alloc, &offer, out);
}

int
lead_offer_check(
	const struct mp_lead *lead, const struct mp_env *env, const struct mp_result *result)
{
	const struct lead_attempt *a = lead->current[result->attempt.module];

	if (a != NULL && mp_node_id_eq(&result->leader, &env->self) &&
		mp_hash_eq(&result->offer, &a->offer) &&
		memcmp(result->offer_sig.b, a->offer_sig.b, sizeof(a->offer_sig.b)) == 0)
		return 0;
	return env->crypto->verify(result->leader.b, &result->offer_sig,
		mp_span(result->offer.b, sizeof(result->offer.b)));
}

/* ---- items ---- */

/* The results of all dependencies go with the item, so a worker needs nobody else to know what it
 * reads and where that is. */
static int
item_deps(struct mp_lead *lead, struct mp_cbor_w *w, const struct mp_graph_module *g)
{
	for (uint32_t i = 0; i < g->need_count && w->rc == 0; i++) {
		struct mp_node_id holders[MP_HOLDERS_MAX];
		struct mp_finished finished;
		struct mp_result result;
		size_t n = 0;

		if (dep_is_bare(lead, g->needs[i]))
			continue;
		if (!lead_dep(lead, g->needs[i], &finished, &result))
			return MP_ECORRUPT;
		while (n < MP_HOLDERS_MAX && mp_holders_next(&finished.holders, &holders[n]))
			n++;
		mp_work_assign_dep(w, mp_span_str(lead->c.graph->modules[g->needs[i]].name),
			finished.result, holders, n);
	}
	return w->rc;
}

/* The attempt is tracked. */
static int
item_encode(struct mp_lead *lead, struct mp_env *env, struct mp_buf *buf,
	const struct mp_assigned *assigned)
{
	const struct mp_attempt_id *id = &assigned->attempt;
	const struct mp_run_module *m = &lead->c.run->modules[id->module];
	const struct mp_graph_module *g = &lead->c.graph->modules[id->module];
	struct lead_attempt *a = lead->current[id->module];
	struct mp_work_item item = {
		.module = id->module,
		.counter = id->counter,
		.attempt_number = m->attempts + (m->state != MP_MODULE_RUNNING),
		.name = mp_span_str(g->name),
		.spec = g->spec,
	};
	struct mp_hash spec, inputs;
	struct mp_cbor_w w;
	size_t deps = 0;
	int rc = lead_hashes(lead, env, id->module, &spec, &inputs);

	mp_assert(a != NULL && mp_attempt_eq(&a->id, id));
	if (rc == 0)
		rc = lead_offer_hash(lead, env, id, &assigned->worker, &spec, &inputs, &a->offer);
	if (rc != 0)
		return rc;
	env->crypto->sign(env->secret, &a->offer_sig, mp_span(a->offer.b, sizeof(a->offer.b)));
	item.offer_sig = a->offer_sig;
	mp_cbor_w_init(&w, buf);
	for (uint32_t i = 0; i < g->need_count; i++)
		deps += !dep_is_bare(lead, g->needs[i]);
	mp_work_assign_item(&w, &item, deps);
	return item_deps(lead, &w, g);
}

/* Which of the run's secrets a module takes: a bit for each, in the order of the graph. */
static uint64_t
takes_secrets(const struct mp_lead *lead, uint32_t module)
{
	const struct mp_names_list *all = &lead->c.graph->secrets;
	const struct mp_names_list *own = &lead->c.graph->modules[module].secrets;
	uint64_t takes = 0;

	for (uint32_t i = 0, k = 0; i < all->n && k < own->n; i++) {
		if (strcmp(all->v[i], own->v[k]) == 0) {
			takes |= 1ull << i;
			k++;
		}
	}
	return takes;
}

static int
secrets_encode(const struct mp_lead *lead, uint64_t takes, struct mp_buf *out)
{
	const struct mp_names_list *all = &lead->c.graph->secrets;
	struct mp_secret_value v[MP_SECRETS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < all->n; i++) {
		if ((takes & 1ull << i) == 0)
			continue;
		v[n].name = mp_span_str(all->v[i]);
		if (!mp_secrets_find(mp_buf_span(lead->c.secrets), v[n].name, &v[n].value))
			return MP_ENOENT;
		n++;
	}
	return mp_secrets_encode(out, v, n);
}

static int
assign_send(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker,
	const struct mp_buf *items, size_t count, uint64_t takes)
{
	struct mp_buf buf, secrets;
	struct mp_cbor_w w;

	mp_buf_init(&buf, lead->alloc, MP_MSG_MAX);
	mp_buf_init(&secrets, lead->alloc, MP_SECRETS_ENCODED_MAX);
	mp_cbor_w_init(&w, &buf);
	if (takes != 0)
		w.rc = secrets_encode(lead, takes, &secrets);
	mp_work_assign_begin(&w, &lead->head, count, takes != 0);
	mp_cbor_w_raw(&w, mp_buf_span(items));
	mp_work_assign_end(&w, lead->c.inputs, lead->c.input_count, mp_buf_span(&secrets));
	if (w.rc == 0) {
		lead_introduce(lead, env, worker);
		mp_out_send(env->out, &worker->id, MP_CLASS_CONTROL, mp_buf_span(&buf), 0);
	}
	if (takes != 0) {
		mp_buf_wipe(&secrets);
		mp_buf_wipe(&buf);
	}
	mp_buf_fini(&secrets);
	mp_buf_fini(&buf);
	return w.rc;
}

int
lead_hand_out(struct mp_lead *lead, struct mp_env *env, const struct lead_attempt *a)
{
	const struct mp_assigned assigned = {a->id, a->worker->id};
	struct mp_buf items;
	int rc;

	mp_buf_init(&items, lead->alloc, MP_MSG_MAX);
	rc = item_encode(lead, env, &items, &assigned);
	if (rc == 0)
		rc = assign_send(
			lead, env, a->worker, &items, 1, takes_secrets(lead, a->id.module));
	mp_buf_fini(&items);
	return rc;
}

/* ---- one batch ---- */

struct batch {
	struct mp_assigned items[PLACE_MAX];
	struct lead_worker *workers[PLACE_MAX];
	size_t count;
};

/* All items of one worker, in as few messages as fit. What cannot be said is found missing in the
 * worker's next answers, and given up. */
static void
batch_send(struct mp_lead *lead, struct mp_env *env, struct batch *b, size_t first)
{
	struct lead_worker *worker = b->workers[first];
	struct mp_buf items;
	uint64_t takes = 0;
	size_t count = 0;

	mp_buf_init(&items, lead->alloc, MP_MSG_MAX);
	for (size_t i = first; i < b->count; i++) {
		size_t before = items.n;

		if (b->workers[i] != worker)
			continue;
		b->workers[i] = NULL;
		if (item_encode(lead, env, &items, &b->items[i]) != 0) {
			items.n = before;
			continue;
		}
		count++;
		takes |= takes_secrets(lead, b->items[i].attempt.module);
		if (items.n < ASSIGN_BYTES && count < MP_WORK_ASSIGN_MAX)
			continue;
		(void)assign_send(lead, env, worker, &items, count, takes);
		mp_buf_clear(&items);
		count = 0;
		takes = 0;
	}
	if (count > 0)
		(void)assign_send(lead, env, worker, &items, count, takes);
	mp_buf_fini(&items);
}

static size_t
place_prefer(void *ctx, uint32_t module, uint32_t workers[MP_SCHED_PREFER_MAX])
{
	struct mp_lead *lead = ctx;
	const struct mp_graph_module *g = &lead->c.graph->modules[module];
	size_t n = 0;

	for (uint32_t i = 0; i < g->need_count && n < MP_SCHED_PREFER_MAX; i++) {
		struct mp_finished finished;
		struct mp_result result;
		struct mp_node_id holder;

		if (!lead_dep(lead, g->needs[i], &finished, &result))
			continue;
		while (n < MP_SCHED_PREFER_MAX && mp_holders_next(&finished.holders, &holder)) {
			const struct mp_member *m = mp_roster_find(lead->c.roster, &holder);

			if (m != NULL)
				workers[n++] = m->slot;
		}
	}
	return n;
}

/* How many more can be handed out. */
static size_t
unlogged_room(struct mp_lead *lead, struct mp_env *env)
{
	bool full = lead->unlogged_count == LEAD_UNLOGGED_MAX || lead->log_refused;

	if (full && lead_log_assigned(lead, env) != 0) {
		lead_again(lead, env->now_ms + MP_LEAD_BUSY_MS);
		return 0;
	}
	return LEAD_UNLOGGED_MAX - lead->unlogged_count;
}

static void
batch_undo(struct mp_lead *lead, struct mp_env *env, const struct mp_assigned *item, uint32_t slot)
{
	mp_sched_done(lead->sched, slot, item->attempt.module);
	(void)mp_sched_push(lead->sched, item->attempt.module, env->now_ms);
	lead_again(lead, env->now_ms + MP_LEAD_BUSY_MS);
}

static void
batch_gather(struct mp_lead *lead, struct mp_env *env, struct batch *b)
{
	size_t room = unlogged_room(lead, env);
	struct mp_placement p;

	while (b->count < room && mp_sched_next(lead->sched, env->now_ms, place_prefer, lead, &p)) {
		const struct mp_member *m = mp_roster_slot(lead->c.roster, p.worker);
		struct lead_worker *worker = lead_worker_of(lead, env, &m->id);
		struct mp_assigned item = {.worker = m->id,
			.attempt = {.module = p.module,
				.term = lead->head.term,
				.counter = ++lead->counter}};

		if (worker == NULL || (lead_is_once(lead, p.module) &&
					      !lead_once_begin(lead, env, worker, &item.attempt))) {
			batch_undo(lead, env, &item, p.worker);
			return;
		}
		if (lead_is_once(lead, p.module))
			continue;
		b->workers[b->count] = worker;
		b->items[b->count++] = item;
	}
	if (b->count == room && room > 0)
		lead_again(lead, env->now_ms);
}

/* ---- the log ---- */

int
lead_log_assigned(struct mp_lead *lead, struct mp_env *env)
{
	struct mp_buf body;
	int rc;

	if (lead->unlogged_count == 0)
		return 0;
	mp_buf_init(&body, lead->alloc, MP_MSG_MAX);
	rc = mp_body_assigned_encode(&body, lead->unlogged, lead->unlogged_count);
	if (rc == 0)
		rc = mp_raft_propose(
			lead->c.raft, env, MP_ENTRY_ASSIGNED, mp_buf_span(&body), NULL);
	mp_buf_fini(&body);
	lead->log_refused = rc != 0;
	if (rc == 0)
		lead->unlogged_count = 0;
	lead->unlogged_ms = rc == 0 ? MP_TIME_NEVER : env->now_ms + MP_LEAD_UNLOGGED_MS;
	return rc;
}

void
lead_unlog(struct mp_lead *lead, const struct mp_attempt_id *id)
{
	for (size_t i = 0; i < lead->unlogged_count; i++) {
		if (mp_attempt_eq(&lead->unlogged[i].attempt, id))
			lead->unlogged[i] = lead->unlogged[--lead->unlogged_count];
	}
	if (lead->unlogged_count == 0)
		lead->unlogged_ms = MP_TIME_NEVER;
}

static void
unlogged_add(struct mp_lead *lead, struct mp_env *env, const struct mp_assigned *item)
{
	mp_assert(lead->unlogged_count < LEAD_UNLOGGED_MAX);
	lead->unlogged[lead->unlogged_count++] = *item;
	if (lead->unlogged_ms == MP_TIME_NEVER)
		lead->unlogged_ms = env->now_ms + MP_LEAD_UNLOGGED_MS;
}

void
lead_place(struct mp_lead *lead, struct mp_env *env)
{
	struct batch *b;

	if (mp_sched_ready(lead->sched) == 0)
		return;
	b = mp_realloc(lead->alloc, NULL, 0, sizeof(*b));
	if (b == NULL) {
		lead_again(lead, env->now_ms + MP_LEAD_BUSY_MS);
		return;
	}
	memset(b, 0, sizeof(*b));
	batch_gather(lead, env, b);
	for (size_t i = 0; i < b->count; i++) {
		struct lead_worker *worker = b->workers[i];

		if (lead_track(lead, env, worker, &b->items[i].attempt, env->now_ms) == 0) {
			unlogged_add(lead, env, &b->items[i]);
			continue;
		}
		batch_undo(lead, env, &b->items[i], worker->slot);
		b->workers[i] = NULL;
	}
	for (size_t i = 0; i < b->count; i++) {
		if (b->workers[i] != NULL)
			batch_send(lead, env, b, i);
	}
	mp_dealloc(lead->alloc, b, sizeof(*b));
}
