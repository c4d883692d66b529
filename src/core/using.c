/* SPDX-License-Identifier: Apache-2.0 */
/* What attempts take of what this node can count: leaders see what their own run takes here, only
 * the worker sees all of it. */
#include "core/roster.h"
#include "core/worker_int.h"
#include "mp/pipeline.h"

int
using_read(struct attempt *a)
{
	const struct mp_alloc *alloc = a->worker->alloc;
	struct mp_resource list[MP_RESOURCES_MAX];
	size_t n = mp_spec_resources(a->spec, list);

	if (n == 0)
		return 0;
	a->takes = mp_realloc(alloc, NULL, 0, n * sizeof(*a->takes));
	if (a->takes == NULL)
		return MP_ENOMEM;
	memcpy(a->takes, list, n * sizeof(*a->takes));
	a->take_count = n;
	return 0;
}

void
using_fini(struct attempt *a)
{
	using_end(a);
	mp_dealloc(a->worker->alloc, a->takes, a->take_count * sizeof(*a->takes));
}

void
using_begin(struct attempt *a)
{
	if (a->take_count > 0)
		mp_dlist_push(&a->worker->using, &a->using);
}

void
using_end(struct attempt *a)
{
	mp_dlist_remove(&a->using);
}

static const struct mp_resource *
takes(const struct attempt *a, const char *name)
{
	for (size_t i = 0; i < a->take_count; i++) {
		if (strcmp(a->takes[i].name, name) == 0)
			return &a->takes[i];
	}
	return NULL;
}

/* Does one that is ready for longer wait for some of the same? */
static bool
is_behind(const struct attempt *a)
{
	for (const struct mp_dlist *l = a->worker->ready.next; l != &a->queue; l = l->next) {
		const struct attempt *before = mp_container_of(l, const struct attempt, queue);

		for (size_t i = 0; i < before->take_count; i++) {
			if (takes(a, before->takes[i].name) != NULL)
				return true;
		}
	}
	return false;
}

/* How much of it those that run have left. */
static uint64_t
left_of(const struct mp_worker *worker, uint64_t total, const char *name)
{
	for (const struct mp_dlist *l = worker->using.next; l != &worker->using; l = l->next) {
		const struct mp_resource *r =
			takes(mp_container_of(l, const struct attempt, using), name);

		if (r != NULL)
			total -= r->count < total ? r->count : total;
	}
	return total;
}

enum using_verdict
using_may(const struct attempt *a, const struct mp_env *env)
{
	const struct mp_member *self = mp_roster_find(a->worker->roster, &env->self);
	enum using_verdict verdict = USING_MAY;

	if (a->take_count == 0 || self == NULL || self->caps == NULL)
		return USING_MAY;
	for (size_t i = 0; i < a->take_count; i++) {
		const struct mp_resource *r = &a->takes[i];
		uint64_t total = mp_demand_total(self->caps, r->name);

		if (r->count > total)
			return USING_NEVER;
		if (r->count > left_of(a->worker, total, r->name))
			verdict = USING_LATER;
	}
	return verdict == USING_MAY && is_behind(a) ? USING_LATER : verdict;
}
