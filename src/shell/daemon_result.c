/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/daemon_int.h"

#include <stdlib.h>
#include <string.h>

#include "mp/limits.h"

/* One CACHE effect on the thread pool. */
struct result_work {
	uv_work_t req;
	struct mp_daemon *daemon;
	enum mp_effect_kind kind;
	uint64_t token;
	size_t n;
	size_t found;           /* FIND */
	struct mp_hash *hashes; /* FIND: bases; GET: keys */
	struct mp_cache_ref *refs;
	struct mp_span *records;
	struct mp_cached *items; /* PUT */
	uint8_t *block;          /* PUT: of records; GET: that the cache made */
	int rc;
	struct mp_error err;
};

static void
work_free(struct result_work *w)
{
	free(w->hashes);
	free(w->refs);
	free(w->records);
	free(w->items);
	free(w->block);
	free(w);
}

static void
on_work(uv_work_t *req)
{
	struct result_work *w = mp_container_of(req, struct result_work, req);
	struct mp_cache *cache = w->daemon->cache;

	if (w->kind == MP_FX_CACHE_PUT)
		w->rc = mp_cache_put_results(cache, w->items, w->n, &w->err);
	else if (w->kind == MP_FX_CACHE_FIND)
		w->rc = mp_cache_find_results(cache, w->hashes, w->n, w->refs, &w->found, &w->err);
	else
		w->rc = mp_cache_get_results(
			cache, w->hashes, w->n, w->records, &w->block, &w->err);
}

/* A put is not answered. */
static void
work_tell(struct result_work *w)
{
	struct mp_event ev = {.kind = MP_EV_CACHE_FOUND};

	if (w->kind == MP_FX_CACHE_FIND) {
		ev.u.cache_found.token = w->token;
		ev.u.cache_found.rc = w->rc;
		ev.u.cache_found.refs = w->refs;
		ev.u.cache_found.count = w->found;
		mp_daemon_event(w->daemon, &ev);
	} else if (w->kind == MP_FX_CACHE_GET) {
		ev.kind = MP_EV_CACHE_GOT;
		ev.u.cache_got.token = w->token;
		ev.u.cache_got.rc = w->rc;
		ev.u.cache_got.records = w->records;
		ev.u.cache_got.count = w->rc == 0 ? w->n : 0;
		mp_daemon_event(w->daemon, &ev);
	}
}

static void
on_work_done(uv_work_t *req, int status)
{
	struct result_work *w = mp_container_of(req, struct result_work, req);

	mp_daemon_work_done(w->daemon);
	if (status == 0) {
		if (w->rc != 0)
			mp_daemon_log_cache(w->daemon, &w->err);
		work_tell(w);
	}
	work_free(w);
}

/* n may be 0. */
static void *
copy_of(const void *p, size_t n)
{
	void *copy = malloc(n + 1);

	if (copy != NULL && n > 0)
		memcpy(copy, p, n);
	return copy;
}

static bool
fill_put(struct result_work *w, const struct mp_effect *fx)
{
	const struct mp_cached *items = fx->u.cache_put.items;
	size_t size = 0;

	w->n = fx->u.cache_put.count;
	for (size_t i = 0; i < w->n; i++)
		size += items[i].record.n;
	w->items = copy_of(items, w->n * sizeof(*items));
	w->block = malloc(size + 1);
	if (w->items == NULL || w->block == NULL)
		return false;
	size = 0;
	for (size_t i = 0; i < w->n; i++) {
		if (items[i].record.n > 0)
			memcpy(w->block + size, items[i].record.p, items[i].record.n);
		w->items[i].record.p = w->block + size;
		size += items[i].record.n;
	}
	return true;
}

/* False: out of memory. */
static bool
work_fill(struct result_work *w, const struct mp_effect *fx)
{
	if (w->kind == MP_FX_CACHE_PUT)
		return fill_put(w, fx);
	if (w->kind == MP_FX_CACHE_FIND) {
		w->token = fx->u.cache_find.token;
		w->n = fx->u.cache_find.count;
		w->hashes = copy_of(fx->u.cache_find.bases, w->n * sizeof(*w->hashes));
		w->refs = calloc(w->n * MP_CACHE_PER_BASE + 1, sizeof(*w->refs));
		return w->hashes != NULL && w->refs != NULL;
	}
	w->token = fx->u.cache_get.token;
	w->n = fx->u.cache_get.count;
	w->hashes = copy_of(fx->u.cache_get.keys, w->n * sizeof(*w->hashes));
	w->records = calloc(w->n + 1, sizeof(*w->records));
	return w->hashes != NULL && w->records != NULL;
}

void
mp_daemon_result(struct mp_daemon *d, const struct mp_effect *fx)
{
	struct result_work *w = calloc(1, sizeof(*w));

	if (w != NULL) {
		w->daemon = d;
		w->kind = fx->kind;
	}
	if (w == NULL || !work_fill(w, fx)) {
		mp_daemon_no_memory(d);
		if (w != NULL)
			work_free(w);
		return;
	}
	mp_daemon_work(d, &w->req, on_work, on_work_done);
}
