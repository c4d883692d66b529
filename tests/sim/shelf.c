/* SPDX-License-Identifier: Apache-2.0 */
/* The result cache of each host: no more than the seam promises of it. Records stay where they are
 * until the end, replaced or lost, for an event may be under way that points to one. */
#include <stdlib.h>

#include "mp/limits.h"
#include "sim.h"

struct record {
	struct mp_hash base;
	struct mp_hash key;
	uint8_t *bytes;
	size_t size;
	bool gone;
};

struct sim_shelf {
	struct record *records; /* the newest last */
	size_t count, cap;
};

struct sim_shelf *
sim_shelf_new(void)
{
	struct sim_shelf *shelf = calloc(1, sizeof(*shelf));

	mp_assert(shelf != NULL);
	return shelf;
}

void
sim_shelf_free(struct sim_shelf *shelf)
{
	for (size_t i = 0; i < shelf->count; i++)
		free(shelf->records[i].bytes);
	free(shelf->records);
	free(shelf);
}

void
sim_shelf_crash(struct sim_host *host)
{
	struct sim_shelf *shelf = host->shelf;

	for (size_t i = shelf->count; i-- > 0 && sim_chance(host->sim, 500);)
		shelf->records[i].gone = true;
}

static struct record *
record_find(const struct sim_shelf *shelf, const struct mp_hash *key)
{
	for (size_t i = shelf->count; i-- > 0;) {
		struct record *r = &shelf->records[i];

		if (!r->gone && mp_hash_eq(&r->key, key))
			return r;
	}
	return NULL;
}

static void
record_add(struct sim_shelf *shelf, const struct mp_cached *item)
{
	struct record *old = record_find(shelf, &item->key);

	mp_assert(item->record.n > 0 && item->record.n <= MP_CACHE_RECORD_MAX);
	if (old != NULL)
		old->gone = true;
	if (shelf->count == shelf->cap) {
		shelf->cap = shelf->cap == 0 ? 32 : shelf->cap * 2;
		shelf->records = realloc(shelf->records, shelf->cap * sizeof(*shelf->records));
		mp_assert(shelf->records != NULL);
	}
	shelf->records[shelf->count] = (struct record){.base = item->base,
		.key = item->key,
		.bytes = malloc(item->record.n),
		.size = item->record.n};
	mp_assert(shelf->records[shelf->count].bytes != NULL);
	memcpy(shelf->records[shelf->count++].bytes, item->record.p, item->record.n);
}

void
sim_shelf_put(struct sim_host *host, const struct mp_effect *fx)
{
	if (host->full_until > host->sim->now)
		return;
	for (size_t i = 0; i < fx->u.cache_put.count; i++)
		record_add(host->shelf, &fx->u.cache_put.items[i]);
	host->sim->sometimes[SIM_RESULT_FILED]++;
}

static sim_time
shelf_time(struct sim_host *host)
{
	return host->sim->now + sim_between(host->sim, 20, 500);
}

/* Those of one base, the newest first. */
static size_t
shelf_refs(const struct sim_shelf *shelf, const struct mp_hash *base, struct mp_cache_ref *refs)
{
	size_t n = 0;

	for (size_t i = shelf->count; i-- > 0 && n < MP_CACHE_PER_BASE;) {
		const struct record *r = &shelf->records[i];

		if (!r->gone && mp_hash_eq(&r->base, base))
			refs[n++] = (struct mp_cache_ref){r->base, r->key};
	}
	return n;
}

void
sim_shelf_find(struct sim_host *host, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_CACHE_FOUND};
	struct mp_cache_ref *refs =
		calloc(fx->u.cache_find.count * MP_CACHE_PER_BASE + 1, sizeof(*refs));
	size_t n = 0;

	mp_assert(refs != NULL && fx->u.cache_find.count <= MP_CACHE_ASK_MAX);
	for (size_t i = 0; i < fx->u.cache_find.count; i++)
		n += shelf_refs(host->shelf, &fx->u.cache_find.bases[i], refs + n);
	ev.u.cache_found.token = fx->u.cache_find.token;
	ev.u.cache_found.refs = refs;
	ev.u.cache_found.count = n;
	sim_deliver(host, shelf_time(host), &ev);
	free(refs);
}

void
sim_shelf_get(struct sim_host *host, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_CACHE_GOT};
	size_t count = fx->u.cache_get.count;
	struct mp_span *records = calloc(count + 1, sizeof(*records));

	mp_assert(records != NULL && count <= MP_CACHE_GET_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct record *r = record_find(host->shelf, &fx->u.cache_get.keys[i]);

		if (r != NULL)
			records[i] = mp_span(r->bytes, r->size);
	}
	ev.u.cache_got.token = fx->u.cache_get.token;
	ev.u.cache_got.records = records;
	ev.u.cache_got.count = count;
	sim_deliver(host, shelf_time(host), &ev);
	free(records);
}
