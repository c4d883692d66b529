/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sched_int.h"

#include "codec/caps.h"
#include "core/cachekey.h"
#include "core/want.h"

/* Placement timeouts are looked at so often. */
#define CHECK_MS 1000

/* ---- the graph ---- */

/* From the ends backwards, so every edge is looked at once. `left` counts a module's dependants
 * that are still to be done; `order` is a queue of modules with none left. */
static int
sched_heights(struct mp_sched *s)
{
	size_t n = s->graph->module_count, size = n * sizeof(uint32_t);
	uint32_t *left = mp_realloc(s->alloc, NULL, 0, size + 1);
	uint32_t *order = mp_realloc(s->alloc, NULL, 0, size + 1);
	size_t head = 0, tail = 0;

	for (size_t i = 0; left != NULL && order != NULL && i < n; i++) {
		left[i] = s->graph->modules[i].dependant_count;
		s->height[i] = 0;
		if (left[i] == 0)
			order[tail++] = (uint32_t)i;
	}
	while (head < tail) {
		const struct mp_graph_module *m = &s->graph->modules[order[head]];
		uint32_t height = s->height[order[head++]] + 1;

		for (uint32_t i = 0; i < m->need_count; i++) {
			uint32_t need = m->needs[i];

			if (s->height[need] < height)
				s->height[need] = height;
			if (--left[need] == 0)
				order[tail++] = need;
		}
	}
	mp_dealloc(s->alloc, left, size + 1);
	mp_dealloc(s->alloc, order, size + 1);
	return left != NULL && order != NULL ? 0 : MP_ENOMEM;
}

int
mp_sched_new(const struct mp_alloc *alloc, const struct mp_graph *graph,
	const struct mp_roster *roster, struct mp_sched **out)
{
	struct mp_sched *s = mp_realloc(alloc, NULL, 0, sizeof(*s));
	size_t n = graph->module_count;

	if (s == NULL)
		return MP_ENOMEM;
	*s = (struct mp_sched){.alloc = alloc, .graph = graph, .roster = roster, .room = 1};
	s->busy_ms = s->check_ms = MP_TIME_NEVER;
	mp_map_init(&s->class_map, alloc);
	s->height = mp_realloc(alloc, NULL, 0, n * sizeof(uint32_t) + 1);
	s->queued = mp_realloc(alloc, NULL, 0, n + 1);
	if (s->height == NULL || s->queued == NULL || sched_heights(s) != 0) {
		mp_sched_free(s);
		return MP_ENOMEM;
	}
	memset(s->queued, 0, n + 1);
	*out = s;
	return 0;
}

void
mp_sched_free(struct mp_sched *s)
{
	size_t n;

	if (s == NULL)
		return;
	n = s->graph->module_count;
	while (s->classes != NULL) {
		struct sched_class *c = s->classes;

		s->classes = c->next;
		mp_dealloc(s->alloc, c->heap, c->cap * sizeof(uint32_t));
		mp_dealloc(s->alloc, c->fits, c->fits_cap);
		mp_dealloc(s->alloc, c->taken, c->taken_cap * sizeof(*c->taken));
		mp_dealloc(s->alloc, c, sizeof(*c));
	}
	mp_map_fini(&s->class_map);
	mp_dealloc(s->alloc, s->workers, s->worker_count * sizeof(*s->workers));
	mp_dealloc(s->alloc, s->height, n * sizeof(uint32_t) + 1);
	mp_dealloc(s->alloc, s->queued, n + 1);
	mp_dealloc(s->alloc, s, sizeof(*s));
}

/* ---- classes ---- */

static struct sched_class *
class_find(const struct mp_sched *s, const struct mp_graph_module *m, uint64_t hash)
{
	for (struct mp_map_node *n = mp_map_find(&s->class_map, hash); n != NULL;
		n = mp_map_find_next(n)) {
		struct sched_class *c = mp_container_of(n, struct sched_class, in_map);

		if (mp_want_same(m, &s->graph->modules[c->model]))
			return c;
	}
	return NULL;
}

struct sched_class *
sched_class_of(struct mp_sched *s, uint32_t module)
{
	const struct mp_graph_module *m = &s->graph->modules[module];
	uint64_t hash = mp_want_hash(m);
	struct sched_class *c = class_find(s, m, hash);

	if (c != NULL)
		return c;
	c = mp_realloc(s->alloc, NULL, 0, sizeof(*c));
	if (c == NULL)
		return NULL;
	*c = (struct sched_class){.model = module, .placeable = true};
	c->unplaceable_ms = MP_TIME_NEVER;
	if (mp_map_add(&s->class_map, &c->in_map, hash) != 0) {
		mp_dealloc(s->alloc, c, sizeof(*c));
		return NULL;
	}
	c->next = s->classes;
	s->classes = c;
	return c;
}

/* ---- what is in use ---- */

static const struct mp_demands *
class_demands(const struct mp_sched *s, const struct sched_class *c)
{
	return &s->graph->modules[c->model].resources;
}

/* Counts one more, or less, that takes resources of a worker. Without memory it is not counted, and
 * the worker says that it is busy. */
static void
sched_take(struct mp_sched *s, uint32_t worker, uint32_t module, bool more)
{
	struct sched_class *c;

	if (s->graph->modules[module].resources.n == 0 || (c = sched_class_of(s, module)) == NULL)
		return;
	if (c->taken_cap < s->worker_count) {
		void *p = mp_realloc(s->alloc, c->taken, c->taken_cap * sizeof(*c->taken),
			s->worker_count * sizeof(*c->taken));

		if (p == NULL)
			return;
		c->taken = p;
		memset(c->taken + c->taken_cap, 0,
			(s->worker_count - c->taken_cap) * sizeof(*c->taken));
		c->taken_cap = s->worker_count;
	}
	if (more)
		c->taken[worker]++;
	else if (c->taken[worker] > 0)
		c->taken[worker]--;
}

static uint64_t
worker_in_use(const struct mp_sched *s, uint32_t worker, const char *name)
{
	uint64_t used = 0;

	for (const struct sched_class *c = s->classes; c != NULL; c = c->next) {
		const struct mp_demands *d = class_demands(s, c);

		for (uint32_t i = 0; i < d->n && worker < c->taken_cap; i++) {
			if (strcmp(d->v[i].name, name) == 0)
				used += c->taken[worker] * d->v[i].count;
		}
	}
	return used;
}

/* Is so much left there as a module of this class takes? */
static bool
worker_has_left(const struct mp_sched *s, const struct sched_class *c, uint32_t worker)
{
	const struct mp_demands *d = class_demands(s, c);
	const struct mp_caps *caps = s->workers[worker].member->caps;

	for (uint32_t i = 0; i < d->n; i++) {
		uint64_t total = caps != NULL ? mp_demand_total(caps, d->v[i].name) : 0;
		uint64_t used = worker_in_use(s, worker, d->v[i].name);

		if (used > total || total - used < d->v[i].count)
			return false;
	}
	return true;
}

/* ---- the heap of a class ---- */

static bool
more_urgent(const struct mp_sched *s, uint32_t a, uint32_t b)
{
	if (s->height[a] != s->height[b])
		return s->height[a] > s->height[b];
	return a < b;
}

static int
heap_push(struct mp_sched *s, struct sched_class *c, uint32_t module)
{
	size_t i = c->ready;

	if (c->ready == c->cap) {
		size_t cap = c->cap == 0 ? 16 : 2 * c->cap;
		void *p = mp_realloc(
			s->alloc, c->heap, c->cap * sizeof(uint32_t), cap * sizeof(uint32_t));

		if (p == NULL)
			return MP_ENOMEM;
		c->heap = p;
		c->cap = cap;
	}
	for (; i > 0 && more_urgent(s, module, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
		c->heap[i] = c->heap[(i - 1) / 2];
	c->heap[i] = module;
	c->ready++;
	return 0;
}

static void
heap_sink(struct mp_sched *s, struct sched_class *c, size_t i)
{
	uint32_t module = c->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= c->ready)
			break;
		if (child + 1 < c->ready && more_urgent(s, c->heap[child + 1], c->heap[child]))
			child++;
		if (!more_urgent(s, c->heap[child], module))
			break;
		c->heap[i] = c->heap[child];
		i = child;
	}
	c->heap[i] = module;
}

static void
heap_pop(struct mp_sched *s, struct sched_class *c)
{
	c->heap[0] = c->heap[--c->ready];
	if (c->ready > 0)
		heap_sink(s, c, 0);
}

/* The most urgent module that was not dropped. */
static bool
heap_top(struct mp_sched *s, struct sched_class *c, uint32_t *module)
{
	while (c->ready > 0 && s->queued[c->heap[0]] == 0)
		heap_pop(s, c);
	if (c->ready == 0)
		return false;
	*module = c->heap[0];
	return true;
}

static void
sched_check_soon(struct mp_sched *s, const struct sched_class *c, mp_time now_ms)
{
	if (c->has_timeout && s->check_ms > now_ms + CHECK_MS)
		s->check_ms = now_ms + CHECK_MS;
}

int
mp_sched_push(struct mp_sched *s, uint32_t module, mp_time now_ms)
{
	struct sched_class *c;

	mp_assert(module < s->graph->module_count);
	if (s->queued[module] == 1)
		return 0;
	c = sched_class_of(s, module);
	if (c == NULL)
		return MP_ENOMEM;
	/* A dropped one may still be in the heap; the second that comes up is thrown away. */
	if (heap_push(s, c, module) != 0)
		return MP_ENOMEM;
	s->queued[module] = 1;
	s->ready++;
	s->room++;
	if (s->graph->modules[module].placement_timeout_ms > 0)
		c->has_timeout = true;
	sched_check_soon(s, c, now_ms);
	return 0;
}

void
mp_sched_drop(struct mp_sched *s, uint32_t module)
{
	if (s->queued[module] != 1)
		return;
	s->queued[module] = 0;
	s->ready--;
}

bool
mp_sched_queued(const struct mp_sched *s, uint32_t module)
{
	return s->queued[module] != 0;
}

size_t
mp_sched_ready(const struct mp_sched *s)
{
	return s->ready;
}

/* ---- members ---- */

static uint32_t
worker_slots(const struct sched_worker *w)
{
	const struct mp_member *m = w->member;

	if (m->caps == NULL || m->state != MP_MEMBER_ALIVE || m->refused)
		return 0;
	if (m->status != MP_NODE_AVAILABLE && m->status != MP_NODE_BUSY)
		return 0;
	if (w->closed_boot != 0 && w->closed_boot >= mp_member_boot(m))
		return 0;
	return m->caps->slots;
}

int
mp_sched_members(struct mp_sched *s)
{
	uint32_t n = (uint32_t)mp_roster_count(s->roster);

	if (n > s->worker_count) {
		void *p = mp_realloc(s->alloc, s->workers, s->worker_count * sizeof(*s->workers),
			n * sizeof(*s->workers));

		if (p == NULL)
			return MP_ENOMEM;
		s->workers = p;
		memset(s->workers + s->worker_count, 0,
			(n - s->worker_count) * sizeof(*s->workers));
		s->worker_count = n;
	}
	s->total_slots = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct sched_worker *w = &s->workers[i];

		w->member = mp_roster_slot(s->roster, i);
		w->slots = worker_slots(w);
		s->total_slots += w->slots;
	}
	s->version++;
	s->room++;
	return 0;
}

static void
class_kind(const struct mp_sched *s, struct sched_class *c, uint32_t worker)
{
	const struct mp_names_list tools = s->graph->modules[c->model].tools;

	for (uint32_t i = 0; i < c->kind_count; i++) {
		if (mp_cache_same_where(s->workers[c->kinds[i]].member->caps,
			    s->workers[worker].member->caps, tools))
			return;
	}
	if (c->kind_count < MP_SCHED_KINDS_MAX)
		c->kinds[c->kind_count++] = worker;
}

bool
sched_class_refresh(struct mp_sched *s, struct sched_class *c)
{
	const struct mp_graph_module *want = &s->graph->modules[c->model];

	if (c->version == s->version)
		return true;
	if (c->fits_cap < s->worker_count) {
		void *p = mp_realloc(s->alloc, c->fits, c->fits_cap, s->worker_count);

		if (p == NULL)
			return false;
		c->fits = p;
		c->fits_cap = s->worker_count;
	}
	c->placeable = false;
	c->kind_count = 0;
	for (uint32_t i = 0; i < s->worker_count; i++) {
		const struct mp_member *m = s->workers[i].member;

		c->fits[i] = sched_present(m) && m->caps != NULL && m->caps->slots > 0 &&
			     mp_want_lacks(want, m->caps, NULL) == 0;
		c->placeable = c->placeable || c->fits[i];
		if (c->fits[i])
			class_kind(s, c, i);
	}
	c->version = s->version;
	return true;
}

static void
class_judge(struct sched_class *c, mp_time now_ms)
{
	if (c->ready == 0)
		return;
	if (c->placeable)
		c->unplaceable_ms = MP_TIME_NEVER;
	else if (c->unplaceable_ms == MP_TIME_NEVER)
		c->unplaceable_ms = now_ms;
}

/* ---- choosing ---- */

/* As much again may wait at a worker, but only while more waits here than all slots together. */
static uint32_t
worker_limit(const struct mp_sched *s, const struct sched_worker *w, bool ahead)
{
	if (!ahead || s->ready <= s->total_slots)
		return w->slots;
	return w->slots + (w->slots > 2 ? w->slots : 2);
}

static bool
worker_has_room(const struct mp_sched *s, const struct sched_worker *w, bool ahead, mp_time now_ms)
{
	return w->slots > 0 && w->busy_until_ms <= now_ms &&
	       w->outstanding < worker_limit(s, w, ahead);
}

/* Larger is better: what it holds, then how idle it is with this run, then with others. */
static uint64_t
worker_score(const struct sched_worker *w, uint32_t worker, const uint32_t *prefer, size_t n)
{
	uint64_t held = 0, load, others;

	for (size_t i = 0; i < n; i++)
		held += prefer[i] == worker;
	load = (uint64_t)w->outstanding * 4096 / w->slots;
	others = (uint64_t)w->member->load.used * 256 / w->slots;
	load = load < 0xffffff ? load : 0xffffff;
	others = others < 0xffff ? others : 0xffff;
	return held << 40 | (0xffffff - load) << 16 | (0xffff - others);
}

static bool
class_choose(struct mp_sched *s, const struct sched_class *c, bool ahead, mp_time now_ms,
	const uint32_t *prefer, size_t prefer_count, uint32_t *worker)
{
	uint64_t best = 0;
	bool found = false;

	for (uint32_t i = 0; i < s->worker_count; i++) {
		const struct sched_worker *w = &s->workers[i];
		uint64_t score;

		if (c->fits[i] == 0 || !worker_has_room(s, w, ahead, now_ms) ||
			!worker_has_left(s, c, i))
			continue;
		score = worker_score(w, i, prefer, prefer_count);
		if (found && score <= best)
			continue;
		best = score;
		*worker = i;
		found = true;
	}
	return found;
}

/* The class whose most urgent module is the most urgent of those that may find room. */
static struct sched_class *
sched_pick(struct mp_sched *s, uint32_t *module)
{
	struct sched_class *best = NULL;
	uint32_t top;

	for (struct sched_class *c = s->classes; c != NULL; c = c->next) {
		if (c->stuck == s->room || !heap_top(s, c, &top) || !sched_class_refresh(s, c))
			continue;
		if (best != NULL && !more_urgent(s, top, *module))
			continue;
		best = c;
		*module = top;
	}
	return best;
}

/* Whoever was busy until now may be asked again. */
static void
sched_wake(struct mp_sched *s, mp_time now_ms)
{
	if (now_ms < s->busy_ms)
		return;
	s->busy_ms = MP_TIME_NEVER;
	for (uint32_t i = 0; i < s->worker_count; i++) {
		mp_time until = s->workers[i].busy_until_ms;

		if (until <= now_ms)
			s->workers[i].busy_until_ms = 0;
		else if (until < s->busy_ms)
			s->busy_ms = until;
	}
	s->room++;
}

bool
mp_sched_next(struct mp_sched *s, mp_time now_ms, mp_sched_prefer_cb prefer, void *ctx,
	struct mp_placement *out)
{
	uint32_t wanted[MP_SCHED_PREFER_MAX];
	struct sched_class *c;
	size_t n;

	sched_wake(s, now_ms);
	while ((c = sched_pick(s, &out->module)) != NULL) {
		n = prefer != NULL ? prefer(ctx, out->module, wanted) : 0;
		if (class_choose(s, c, false, now_ms, wanted, n, &out->worker) ||
			class_choose(s, c, true, now_ms, wanted, n, &out->worker)) {
			heap_pop(s, c);
			s->queued[out->module] = 0;
			s->ready--;
			s->workers[out->worker].outstanding++;
			sched_take(s, out->worker, out->module, true);
			return true;
		}
		c->stuck = s->room;
	}
	return false;
}

void
mp_sched_taken(struct mp_sched *s, uint32_t worker, uint32_t module)
{
	if (worker >= s->worker_count)
		return;
	s->workers[worker].outstanding++;
	sched_take(s, worker, module, true);
}

void
mp_sched_done(struct mp_sched *s, uint32_t worker, uint32_t module)
{
	if (worker >= s->worker_count)
		return;
	mp_assert(s->workers[worker].outstanding > 0);
	s->workers[worker].outstanding--;
	sched_take(s, worker, module, false);
	s->room++;
}

void
mp_sched_busy(struct mp_sched *s, uint32_t worker, mp_time until_ms)
{
	if (worker >= s->worker_count)
		return;
	s->workers[worker].busy_until_ms = until_ms;
	if (until_ms < s->busy_ms)
		s->busy_ms = until_ms;
}

void
mp_sched_room(struct mp_sched *s, uint32_t worker)
{
	if (worker >= s->worker_count)
		return;
	s->workers[worker].busy_until_ms = 0;
	s->room++;
}

void
mp_sched_closed(struct mp_sched *s, uint32_t worker)
{
	struct sched_worker *w;

	if (worker >= s->worker_count)
		return;
	w = &s->workers[worker];
	w->closed_boot = mp_member_boot(w->member);
	s->total_slots -= w->slots;
	w->slots = 0;
}

uint32_t
mp_sched_outstanding(const struct mp_sched *s, uint32_t worker)
{
	return worker < s->worker_count ? s->workers[worker].outstanding : 0;
}

size_t
mp_sched_kinds(struct mp_sched *s, uint32_t module, uint32_t workers[MP_SCHED_KINDS_MAX])
{
	struct sched_class *c = sched_class_of(s, module);

	if (c == NULL || s->version == 0 || !sched_class_refresh(s, c))
		return 0;
	memcpy(workers, c->kinds, c->kind_count * sizeof(workers[0]));
	return c->kind_count;
}

/* ---- placement timeouts ---- */

/* Goes on where it stopped, so that a sweep costs no more than the heap is long. */
static bool
class_expired(struct mp_sched *s, struct sched_class *c, mp_time now_ms, uint32_t *module)
{
	if (!c->has_timeout || !sched_class_refresh(s, c))
		return false;
	class_judge(c, now_ms);
	if (c->unplaceable_ms == MP_TIME_NEVER)
		return false;
	for (; c->scan < c->ready; c->scan++) {
		uint64_t timeout = s->graph->modules[c->heap[c->scan]].placement_timeout_ms;

		if (timeout == 0 || s->queued[c->heap[c->scan]] == 0 ||
			(uint64_t)(now_ms - c->unplaceable_ms) < timeout)
			continue;
		*module = c->heap[c->scan++];
		return true;
	}
	c->scan = 0;
	return false;
}

bool
mp_sched_expired(struct mp_sched *s, mp_time now_ms, uint32_t *module, struct mp_error *why)
{
	bool waits = false;

	if (now_ms < s->check_ms)
		return false;
	for (struct sched_class *c = s->classes; c != NULL; c = c->next) {
		if (class_expired(s, c, now_ms, module)) {
			(void)mp_sched_unplaceable(s, *module, why);
			mp_sched_drop(s, *module);
			return true;
		}
		waits = waits || (c->has_timeout && c->ready > 0);
	}
	s->check_ms = waits ? now_ms + CHECK_MS : MP_TIME_NEVER;
	return false;
}

mp_time
mp_sched_deadline(const struct mp_sched *s)
{
	if (s->ready == 0)
		return MP_TIME_NEVER;
	return s->busy_ms < s->check_ms ? s->busy_ms : s->check_ms;
}
