/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of other runs that may stand for modules of this one (DESIGN 8).
 *
 *   leadership begins: the bases of all modules ─▶ shelf ─▶ who has which keys   (one round trip)
 *   a module is ready, and there are keys for its base:
 *     its own key, for each kind of worker ── none of those ─────────────────────────▶ miss
 *       └─ one of those ─▶ record ─▶ verified ─▶ its bytes are on `copies` disks ─▶ CACHED
 *                            └───────────┴────────────────┴─ cannot be had ──────────▶ miss
 *
 * Until it is clear the module is withheld: it is in no queue of the scheduler. One that misses is
 * handed out as if there were no cache, and this leader does not look it up again. Bases are asked
 * for a window of modules at a time, so that the first ones of a large run need not wait for the
 * last.
 */
#include "codec/manifest.h"
#include "codec/msg_cache.h"
#include "core/cachekey.h"
#include "core/fetch.h"
#include "core/lead_int.h"
#include "core/shelf.h"
#include "mp/limits.h"
#include "util/map.h"

/* Modules whose bases are asked for at a time. */
#define WINDOW MP_CACHE_ASK_MAX
/* Keys for one base, and nodes that have one of them. More: left out. */
#define KEYS_MAX  32
#define NODES_MAX 4
/* Lookups that are at the shelf at a time. More: they wait. */
#define OPEN_MAX 64
/* A lookup that fails after this long is slow. So many of them and no hit between: no more is
 * looked up. */
#define SLOW_MS  1000
#define SLOW_MAX 32

enum recall_state {
	RECALL_UNASKED, /* its window was not answered yet */
	RECALL_AWAITED, /* likewise, and the module is ready */
	RECALL_MISS,
	RECALL_FOUND,   /* there are keys for its base */
	RECALL_LOOKING, /* likewise, and the module is ready */
	RECALL_HIT,     /* CACHED is on its way through the log */
};

struct found_key {
	struct mp_hash key;
	size_t node_count;
	struct mp_node_id nodes[NODES_MAX]; /* who has the record */
};

/* A module with keys, until it hits or misses. */
struct lookup {
	struct mp_map_node in_map;
	struct mp_dlist in_list; /* ready, parked or open */
	struct lead_recall *recall;
	uint32_t module;
	bool open;
	mp_time since_ms;
	struct mp_shelf_get_req get;
	struct mp_shelf_hold_req hold;
	const struct found_key *own; /* the key that is its own */
	struct mp_buf result;        /* signed */
	size_t key_count;
	struct found_key keys[];
};

/* A module of the window. */
struct asked {
	struct mp_map_node in_map;
	struct mp_hash base;
	uint32_t module;
};

enum inputs_state {
	INPUTS_UNREAD,
	INPUTS_READING,
	INPUTS_HERE,
	INPUTS_GONE, /* nobody has them, or they make no sense */
};

struct lead_recall {
	struct mp_lead *lead;
	uint8_t *states;     /* enum recall_state, per module */
	struct mp_map found; /* struct lookup, by module */
	uint32_t begin, end; /* the window */
	struct asked *asked; /* WINDOW of them */
	size_t asked_count;
	struct mp_map asked_map; /* by base */
	struct mp_shelf_ask_req ask;
	enum inputs_state inputs_state;
	struct mp_fetch_req fetch;
	struct mp_buf input_bytes;
	struct mp_manifest inputs;
	struct mp_dlist ready;  /* to be begun by the next plan */
	struct mp_dlist parked; /* until the list of the run's inputs is here */
	struct mp_dlist open;
	size_t open_count;
	unsigned slow; /* failures in a row */
	bool off;
};

/* ---- lookups as such ---- */

static uint64_t
module_hash(uint32_t module)
{
	return mp_hash64(&module, sizeof(module), 0);
}

static struct lookup *
lookup_find(const struct lead_recall *r, uint32_t module)
{
	struct mp_map_node *n = mp_map_find(&r->found, module_hash(module));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct lookup *l = mp_container_of(n, struct lookup, in_map);

		if (l->module == module)
			return l;
	}
	return NULL;
}

static void
lookup_free(struct lead_recall *r, struct lookup *l)
{
	const struct mp_lead *lead = r->lead;

	mp_shelf_get_cancel(lead->c.shelf, &l->get);
	mp_shelf_hold_cancel(lead->c.shelf, &l->hold);
	r->open_count -= l->open;
	mp_dlist_remove(&l->in_list);
	mp_map_remove(&r->found, &l->in_map);
	mp_buf_fini(&l->result);
	mp_dealloc(lead->alloc, l, sizeof(*l) + l->key_count * sizeof(l->keys[0]));
}

/* It ends, and the module is to be looked at by the next plan. */
static void
lookup_end(struct lookup *l, enum recall_state how)
{
	struct lead_recall *r = l->recall;

	r->states[l->module] = (uint8_t)how;
	lead_touch(r->lead, l->module);
	lookup_free(r, l);
}

static void
lookup_miss(struct lookup *l, const struct mp_env *env)
{
	struct lead_recall *r = l->recall;

	if (env->now_ms - l->since_ms >= SLOW_MS && ++r->slow >= SLOW_MAX)
		r->off = true;
	lookup_end(l, RECALL_MISS);
}

/* ---- what there is ---- */

static struct asked *
asked_find(const struct lead_recall *r, const struct mp_hash *base)
{
	struct mp_map_node *n = mp_map_find(&r->asked_map, mp_hash64(base->b, 32, 0));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct asked *a = mp_container_of(n, struct asked, in_map);

		if (mp_hash_eq(&a->base, base))
			return a;
	}
	return NULL;
}

static void
keys_take(struct lookup *l, const struct mp_shelf_ref *refs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct found_key *k = l->key_count > 0 ? &l->keys[l->key_count - 1] : NULL;

		if (k == NULL || !mp_hash_eq(&k->key, &refs[i].ref.key)) {
			k = &l->keys[l->key_count++];
			*k = (struct found_key){.key = refs[i].ref.key};
		}
		if (k->node_count < NODES_MAX)
			k->nodes[k->node_count++] = refs[i].node;
	}
}

static void on_record(
	struct mp_shelf_get_req *req, struct mp_env *env, int rc, struct mp_span record);
static void on_held(struct mp_shelf_hold_req *req, struct mp_env *env, int rc,
	const struct mp_node_id *holders, size_t count);

/* Keys for one base, in order. Out of memory: a miss. */
static void
module_found(struct lead_recall *r, uint32_t module, const struct mp_shelf_ref *refs, size_t count)
{
	const struct mp_alloc *alloc = r->lead->alloc;
	size_t keys = 0, taken = 0, size;
	struct lookup *l;

	for (; taken < count; taken++) {
		if (taken > 0 && mp_hash_eq(&refs[taken].ref.key, &refs[taken - 1].ref.key))
			continue;
		if (keys == KEYS_MAX)
			break;
		keys++;
	}
	size = sizeof(*l) + keys * sizeof(l->keys[0]);
	l = mp_realloc(alloc, NULL, 0, size);
	if (l == NULL)
		return;
	*l = (struct lookup){.recall = r, .module = module};
	l->get.done = on_record;
	l->hold.done = on_held;
	mp_dlist_init(&l->in_list);
	mp_buf_init(&l->result, alloc, MP_SIGNED_RESULT_MAX);
	if (mp_map_add(&r->found, &l->in_map, module_hash(module)) != 0) {
		mp_dealloc(alloc, l, size);
		return;
	}
	keys_take(l, refs, taken);
	mp_assert(l->key_count == keys);
}

/* ---- windows ---- */

static void
window_clear(struct lead_recall *r)
{
	for (size_t i = 0; i < r->asked_count; i++)
		mp_map_remove(&r->asked_map, &r->asked[i].in_map);
	r->asked_count = 0;
}

/* Everything in it that has no keys misses. */
static void
window_end(struct lead_recall *r)
{
	for (uint32_t i = r->begin; i < r->end; i++) {
		uint8_t was = r->states[i];

		if (was != RECALL_UNASKED && was != RECALL_AWAITED)
			continue;
		r->states[i] = lookup_find(r, i) != NULL ? RECALL_FOUND : RECALL_MISS;
		if (was == RECALL_AWAITED)
			lead_touch(r->lead, i);
	}
	r->begin = r->end;
	window_clear(r);
}

static void
window_gather(struct lead_recall *r, const struct mp_env *env)
{
	const struct mp_lead *lead = r->lead;
	uint32_t n = lead->c.graph->module_count;

	for (r->end = r->begin; r->end < n && r->asked_count < WINDOW; r->end++) {
		const struct mp_run_module *m = &lead->c.run->modules[r->end];
		struct asked *a = &r->asked[r->asked_count];

		if ((m->state != MP_MODULE_WAITING && m->state != MP_MODULE_READY) ||
			m->attempts > 0 ||
			mp_cache_base_of(
				env->crypto, lead->alloc, lead->c.graph, r->end, &a->base) != 0)
			continue;
		a->module = r->end;
		if (mp_map_add(&r->asked_map, &a->in_map, mp_hash64(a->base.b, 32, 0)) == 0)
			r->asked_count++;
	}
}

/* Asks for the next modules that use the cache, if there are any. */
static void
window_ask(struct lead_recall *r, struct mp_env *env)
{
	size_t size = WINDOW * sizeof(struct mp_hash);
	struct mp_hash *bases;
	int rc;

	while (r->begin < r->lead->c.graph->module_count) {
		window_gather(r, env);
		if (r->asked_count > 0 && !r->off) {
			bases = mp_out_mem(env->out, size);
			for (size_t i = 0; bases != NULL && i < r->asked_count; i++)
				bases[i] = r->asked[i].base;
			rc = bases == NULL ? MP_ENOMEM
					   : mp_shelf_ask(r->lead->c.shelf, env, &r->ask, bases,
						     r->asked_count);
			if (rc == 0)
				return;
		}
		window_end(r);
	}
}

static void
on_asked(struct mp_shelf_ask_req *req, struct mp_env *env, const struct mp_shelf_ref *refs,
	size_t count)
{
	struct lead_recall *r = mp_container_of(req, struct lead_recall, ask);
	size_t n;

	for (size_t i = 0; i < count; i += n) {
		const struct asked *a = asked_find(r, &refs[i].ref.base);

		for (n = 1; i + n < count && mp_hash_eq(&refs[i + n].ref.base, &refs[i].ref.base);)
			n++;
		if (a != NULL && r->states[a->module] < RECALL_MISS &&
			lookup_find(r, a->module) == NULL)
			module_found(r, a->module, &refs[i], n);
	}
	window_end(r);
	window_ask(r, env);
}

/* ---- the run's inputs ---- */

static void
on_inputs(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct lead_recall *r = mp_container_of(req, struct lead_recall, fetch);
	struct mp_dlist *l;

	(void)env;
	(void)blob;
	if (rc == 0)
		rc = mp_buf_append(&r->input_bytes, bytes.p, bytes.n);
	if (rc == 0)
		rc = mp_manifest_decode(
			r->lead->alloc, mp_buf_span(&r->input_bytes), &r->inputs, NULL);
	r->inputs_state = rc == 0 ? INPUTS_HERE : INPUTS_GONE;
	while ((l = mp_dlist_first(&r->parked)) != NULL) {
		mp_dlist_remove(l);
		mp_dlist_push(&r->ready, l);
	}
}

/* Digest of what the module gets of them. 0; MP_EBUSY: it will be known later; or an error. */
static int
inputs_digest(
	struct lead_recall *r, struct mp_env *env, const struct mp_spec *spec, struct mp_hash *out)
{
	const struct mp_lead_config *c = &r->lead->c;

	*out = c->record->inputs;
	if (spec->all_inputs || mp_hash_is_zero(out))
		return 0;
	if (r->inputs_state == INPUTS_UNREAD) {
		r->inputs_state = INPUTS_READING;
		if (mp_fetch_read(c->fetch, env, &r->fetch, &c->record->inputs,
			    MP_MANIFEST_BYTES_MAX, c->inputs, c->input_count) != 0)
			r->inputs_state = INPUTS_GONE;
	}
	if (r->inputs_state == INPUTS_READING)
		return MP_EBUSY;
	if (r->inputs_state == INPUTS_GONE)
		return MP_ENOENT;
	return mp_cache_inputs(
		env->crypto, r->lead->alloc, spec, r->inputs.files, r->inputs.count, out);
}

/* ---- keys ---- */

static int
deps_read(struct lead_recall *r, const struct mp_graph_module *g, struct mp_cache_dep *deps)
{
	for (uint32_t i = 0; i < g->need_count; i++) {
		struct mp_finished finished;
		struct mp_result result;

		if (!lead_dep(r->lead, g->needs[i], &finished, &result))
			return MP_ECORRUPT;
		deps[i] = (struct mp_cache_dep){result.manifest, result.value};
	}
	return 0;
}

static const struct found_key *
key_find(const struct lookup *l, const struct mp_hash *key)
{
	for (size_t i = 0; i < l->key_count; i++) {
		if (mp_hash_eq(&l->keys[i].key, key))
			return &l->keys[i];
	}
	return NULL;
}

/* Which of the keys that were found is the module's own, on some kind of worker. 0, with l->own
 * NULL when there is none; MP_EBUSY: later; or an error. */
static int
key_choose(struct lookup *l, struct mp_env *env, const struct mp_spec *spec)
{
	struct mp_lead *lead = l->recall->lead;
	const struct mp_graph_module *g = &lead->c.graph->modules[l->module];
	struct mp_cache_dep *deps = mp_out_mem(env->out, g->need_count * sizeof(*deps) + 1);
	struct mp_cache_what what = {.deps = deps, .dep_count = g->need_count};
	uint32_t workers[MP_SCHED_KINDS_MAX];
	size_t kinds = mp_sched_kinds(lead->sched, l->module, workers);
	int rc = deps == NULL ? MP_ENOMEM : inputs_digest(l->recall, env, spec, &what.inputs);

	l->own = NULL;
	if (rc == 0)
		rc = deps_read(l->recall, g, deps);
	if (rc == 0)
		rc = mp_cache_base_of(
			env->crypto, lead->alloc, lead->c.graph, l->module, &what.base);
	for (size_t i = 0; i < kinds && rc == 0 && l->own == NULL; i++) {
		struct mp_hash key;

		rc = mp_cache_where(env->crypto, lead->alloc,
			mp_roster_slot(lead->c.roster, workers[i])->caps, spec->tools, &what.where);
		if (rc == 0)
			rc = mp_cache_key(env->crypto, lead->alloc, &what, &key);
		if (rc == 0)
			l->own = key_find(l, &key);
	}
	return rc;
}

static void
lookup_begin(struct lookup *l, struct mp_env *env)
{
	struct lead_recall *r = l->recall;
	struct mp_lead *lead = r->lead;
	struct mp_spec *spec = NULL;
	int rc = mp_spec_decode(lead->c.graph->modules[l->module].spec, lead->alloc, &spec);

	l->since_ms = env->now_ms;
	if (rc == 0)
		rc = key_choose(l, env, spec);
	mp_spec_free(spec);
	mp_dlist_remove(&l->in_list);
	if (rc == MP_EBUSY) {
		mp_dlist_push(&r->parked, &l->in_list);
		return;
	}
	if (rc != 0 || l->own == NULL ||
		mp_shelf_get(lead->c.shelf, env, &l->get, &l->own->key, l->own->nodes,
			l->own->node_count) != 0) {
		lookup_miss(l, env);
		return;
	}
	mp_dlist_push(&r->open, &l->in_list);
	l->open = true;
	r->open_count++;
}

/* ---- from a record to the log ---- */

static bool
names_blobs(const struct mp_result *r)
{
	return !mp_hash_is_zero(&r->manifest) || !mp_hash_is_zero(&r->value) ||
	       !mp_hash_is_zero(&r->out_log) || !mp_hash_is_zero(&r->err_log);
}

/* Whoever keeps the record may have made it up; whoever signed the result is a member, and not one
 * whose key was revoked since. */
static bool
result_counts(const struct lookup *l, const struct mp_env *env, struct mp_span bytes,
	struct mp_result *result)
{
	const struct mp_member *by;

	if (mp_signed_result_open(env->crypto, bytes, result, NULL) != 0)
		return false;
	by = mp_roster_find(l->recall->lead->c.roster, &result->node);
	return mp_cluster_id_eq(&result->cluster, &env->cluster) && by != NULL && !by->revoked &&
	       result->status == MP_STATUS_OK && mp_hash_eq(&result->cache_key, &l->own->key);
}

static void
lookup_hit(struct lookup *l, struct mp_env *env, const struct mp_node_id *holders, size_t count)
{
	struct lead_recall *r = l->recall;
	const struct mp_recalled hit = {.module = l->module, .result = mp_buf_span(&l->result)};
	struct mp_buf body;
	int rc;

	mp_buf_init(&body, r->lead->alloc, 2 * MP_SIGNED_RESULT_MAX);
	rc = mp_body_cached_encode(&body, &hit, holders, count);
	if (rc == 0)
		rc = lead_propose(r->lead, env, MP_ENTRY_CACHED, &body);
	mp_buf_fini(&body);
	if (rc != 0) {
		lookup_miss(l, env);
		return;
	}
	r->slow = 0;
	r->lead->flags[l->module] |= LEAD_CACHED;
	lookup_end(l, RECALL_HIT);
}

static void
on_held(struct mp_shelf_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t count)
{
	struct lookup *l = mp_container_of(req, struct lookup, hold);

	if (rc == 0 && count > 0)
		lookup_hit(l, env, holders, mp_min_size(count, MP_HOLDERS_MAX));
	else
		lookup_miss(l, env);
}

/* Its bytes were on the record's holders once; who has the record may have them, or we. */
static int
result_hold(struct lookup *l, struct mp_env *env, const struct mp_node_id *holders, size_t count)
{
	const struct mp_lead_config *c = &l->recall->lead->c;
	struct mp_node_id nodes[MP_HOLDERS_MAX + NODES_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		nodes[n++] = holders[i];
	for (size_t i = 0; i < l->own->node_count; i++)
		nodes[n++] = l->own->nodes[i];
	nodes[n++] = env->self;
	return mp_shelf_hold(
		c->shelf, env, &l->hold, mp_buf_span(&l->result), c->record->copies, nodes, n);
}

static void
on_record(struct mp_shelf_get_req *req, struct mp_env *env, int rc, struct mp_span bytes)
{
	struct lookup *l = mp_container_of(req, struct lookup, get);
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_cache_record record;
	struct mp_result result;
	size_t n = 0;

	if (rc == 0)
		rc = mp_cache_record_decode(bytes, &record);
	if (rc == 0 && !result_counts(l, env, record.result, &result))
		rc = MP_EAUTH;
	if (rc == 0)
		rc = mp_buf_append(&l->result, record.result.p, record.result.n);
	while (rc == 0 && n < MP_HOLDERS_MAX && mp_holders_next(&record.holders, &holders[n]))
		n++;
	if (rc == 0 && names_blobs(&result))
		rc = result_hold(l, env, holders, n);
	else if (rc == 0) {
		lookup_hit(l, env, holders, n);
		return;
	}
	if (rc != 0)
		lookup_miss(l, env);
}

/* ---- for lead.c and plan.c ---- */

int
lead_recall_new(struct mp_lead *lead, struct mp_env *env)
{
	size_t n = lead->c.graph->module_count;
	struct lead_recall *r;
	bool any = false;

	for (size_t i = 0; i < n && !any; i++)
		any = lead->c.graph->modules[i].cache;
	if (!any || lead->c.shelf == NULL || mp_run_state_ended(mp_run_state(lead->c.run)))
		return 0;
	r = mp_realloc(lead->alloc, NULL, 0, sizeof(*r));
	if (r == NULL)
		return MP_ENOMEM;
	*r = (struct lead_recall){.lead = lead, .ask.done = on_asked, .fetch.done = on_inputs};
	mp_map_init(&r->found, lead->alloc);
	mp_map_init(&r->asked_map, lead->alloc);
	mp_buf_init(&r->input_bytes, lead->alloc, MP_MANIFEST_BYTES_MAX);
	mp_dlist_init(&r->ready);
	mp_dlist_init(&r->parked);
	mp_dlist_init(&r->open);
	lead->recall = r;
	r->states = mp_realloc(lead->alloc, NULL, 0, n);
	r->asked = mp_realloc(lead->alloc, NULL, 0, WINDOW * sizeof(*r->asked));
	if (r->states == NULL || r->asked == NULL)
		return MP_ENOMEM;
	memset(r->states, RECALL_UNASKED, n);
	window_ask(r, env);
	return 0;
}

void
lead_recall_free(struct mp_lead *lead)
{
	struct lead_recall *r = lead->recall;
	struct mp_map_node *n;

	if (r == NULL)
		return;
	lead->recall = NULL;
	mp_shelf_ask_cancel(lead->c.shelf, &r->ask);
	mp_fetch_cancel(lead->c.fetch, &r->fetch);
	while ((n = mp_map_any(&r->found)) != NULL)
		lookup_free(r, mp_container_of(n, struct lookup, in_map));
	window_clear(r);
	mp_map_fini(&r->found);
	mp_map_fini(&r->asked_map);
	if (r->inputs_state == INPUTS_HERE)
		mp_manifest_fini(&r->inputs);
	mp_buf_fini(&r->input_bytes);
	mp_dealloc(lead->alloc, r->asked, WINDOW * sizeof(*r->asked));
	mp_dealloc(lead->alloc, r->states, lead->c.graph->module_count);
	mp_dealloc(lead->alloc, r, sizeof(*r));
}

bool
lead_recall_withholds(struct mp_lead *lead, uint32_t module)
{
	struct lead_recall *r = lead->recall;
	struct lookup *l;

	if (r == NULL || !lead->c.graph->modules[module].cache)
		return false;
	if (lead->c.run->modules[module].attempts > 0) {
		lead_recall_drop(lead, module);
		return false;
	}
	switch ((enum recall_state)r->states[module]) {
	case RECALL_UNASKED:
		r->states[module] = RECALL_AWAITED;
		return true;
	case RECALL_FOUND:
		if (r->off)
			return false;
		l = lookup_find(r, module);
		mp_assert(l != NULL);
		r->states[module] = RECALL_LOOKING;
		mp_dlist_push(&r->ready, &l->in_list);
		return true;
	case RECALL_AWAITED:
	case RECALL_LOOKING:
	case RECALL_HIT:
		return true;
	case RECALL_MISS:
		break;
	}
	return false;
}

void
lead_recall_drop(struct mp_lead *lead, uint32_t module)
{
	struct lead_recall *r = lead->recall;
	struct lookup *l;

	if (r == NULL)
		return;
	l = lookup_find(r, module);
	if (l != NULL)
		lookup_free(r, l);
	r->states[module] = RECALL_MISS;
}

void
lead_recall_plan(struct mp_lead *lead, struct mp_env *env)
{
	struct lead_recall *r = lead->recall;
	struct mp_dlist *l;

	if (r == NULL)
		return;
	while (r->open_count < OPEN_MAX && (l = mp_dlist_first(&r->ready)) != NULL) {
		struct lookup *next = mp_container_of(l, struct lookup, in_list);

		if (r->off)
			lookup_end(next, RECALL_MISS);
		else
			lookup_begin(next, env);
	}
}
