/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/daemon_int.h"

#include <stdlib.h>
#include <string.h>

#include "mp/limits.h"

/* One BLOB effect on the thread pool, its bytes behind it. */
struct blob_work {
	uv_work_t req;
	struct mp_daemon *daemon;
	enum mp_effect_kind kind;
	uint64_t token;
	struct mp_hash digest; /* READ, WRITE */
	uint64_t size;         /* WRITE: of the blob; READ: afterwards */
	uint64_t offset;
	size_t n;   /* bytes, or digests; LIST: blobs at most */
	size_t got; /* READ: bytes that came; LIST: blobs */
	bool complete;
	int rc;
	struct mp_error err;
	struct mp_blob_state *states; /* STAT, behind the digests */
	struct mp_blob_ref *refs;     /* LIST, in bytes */
	uint8_t bytes[];
};

static void
on_work(uv_work_t *req)
{
	struct blob_work *w = mp_container_of(req, struct blob_work, req);
	struct mp_cache *cache = w->daemon->cache;

	if (w->kind == MP_FX_BLOB_STAT)
		w->rc = mp_cache_stat(
			cache, (const struct mp_hash *)w->bytes, w->n, w->states, &w->err);
	else if (w->kind == MP_FX_BLOB_READ)
		w->rc = mp_cache_read(
			cache, &w->digest, w->offset, w->bytes, w->n, &w->got, &w->size, &w->err);
	else if (w->kind == MP_FX_BLOB_WRITE)
		w->rc = mp_cache_write_chunk(cache, &w->digest, w->size, w->offset,
			mp_span(w->bytes, w->n), &w->complete, &w->err);
	else if (w->kind == MP_FX_BLOB_LIST)
		w->rc = mp_cache_list(cache, &w->digest, w->n, w->refs, &w->got, &w->err);
	else
		w->rc = mp_cache_sync(cache, &w->err);
}

static void
work_event(const struct blob_work *w, struct mp_event *ev)
{
	if (w->kind == MP_FX_BLOB_STAT) {
		ev->kind = MP_EV_BLOB_STAT;
		ev->u.blob_stat.token = w->token;
		ev->u.blob_stat.states = w->states;
		ev->u.blob_stat.count = w->n;
	} else if (w->kind == MP_FX_BLOB_READ) {
		ev->kind = MP_EV_BLOB_READ;
		ev->u.blob_read.token = w->token;
		ev->u.blob_read.rc = w->rc;
		ev->u.blob_read.size = w->size;
		ev->u.blob_read.offset = w->offset;
		ev->u.blob_read.bytes = mp_span(w->bytes, w->got);
	} else if (w->kind == MP_FX_BLOB_WRITE) {
		ev->kind = MP_EV_BLOB_WRITTEN;
		ev->u.blob_written.token = w->token;
		ev->u.blob_written.rc = w->rc;
		ev->u.blob_written.complete = w->complete;
	} else if (w->kind == MP_FX_BLOB_LIST) {
		ev->kind = MP_EV_BLOB_LIST;
		ev->u.blob_list.rc = w->rc;
		ev->u.blob_list.refs = w->refs;
		ev->u.blob_list.count = w->got;
	} else {
		ev->kind = MP_EV_BLOB_SYNCED;
		ev->u.blob_synced.token = w->token;
		ev->u.blob_synced.rc = w->rc;
	}
}

static void
on_work_done(uv_work_t *req, int status)
{
	struct blob_work *w = mp_container_of(req, struct blob_work, req);
	struct mp_daemon *d = w->daemon;
	struct mp_event ev = {.kind = MP_EV_BLOB_STAT};

	mp_daemon_work_done(d);
	if (status == 0) {
		if (w->rc != 0 && w->rc != MP_ENOENT)
			mp_daemon_log_cache(d, &w->err);
		work_event(w, &ev);
		mp_daemon_event(d, &ev);
	}
	free(w);
}

static void
work_fill(struct blob_work *w, const struct mp_effect *fx)
{
	if (w->kind == MP_FX_BLOB_STAT) {
		size_t digests = w->n * sizeof(struct mp_hash);

		w->token = fx->u.blob_stat.token;
		if (digests > 0)
			memcpy(w->bytes, fx->u.blob_stat.digests, digests);
		w->states = (struct mp_blob_state *)(void *)(w->bytes + digests);
		memset(w->states, 0, w->n * sizeof(w->states[0]));
	} else if (w->kind == MP_FX_BLOB_READ) {
		w->token = fx->u.blob_read.token;
		w->digest = fx->u.blob_read.digest;
		w->offset = fx->u.blob_read.offset;
	} else if (w->kind == MP_FX_BLOB_WRITE) {
		w->token = fx->u.blob_write.token;
		w->digest = fx->u.blob_write.digest;
		w->size = fx->u.blob_write.size;
		w->offset = fx->u.blob_write.offset;
		if (w->n > 0)
			memcpy(w->bytes, fx->u.blob_write.bytes.p, w->n);
	} else if (w->kind == MP_FX_BLOB_LIST) {
		w->digest = fx->u.blob_list.after;
		w->refs = (struct mp_blob_ref *)(void *)w->bytes;
	} else {
		w->token = fx->u.blob_sync.token;
	}
}

void
mp_daemon_blob(struct mp_daemon *d, const struct mp_effect *fx)
{
	struct blob_work *w;
	size_t n = 0, room = 0;

	if (fx->kind == MP_FX_BLOB_STAT) {
		n = fx->u.blob_stat.count;
		room = n * (sizeof(struct mp_hash) + sizeof(struct mp_blob_state));
	} else if (fx->kind == MP_FX_BLOB_READ) {
		n = room = fx->u.blob_read.size;
	} else if (fx->kind == MP_FX_BLOB_WRITE) {
		n = room = fx->u.blob_write.bytes.n;
	} else if (fx->kind == MP_FX_BLOB_LIST) {
		n = fx->u.blob_list.max;
		room = n * sizeof(struct mp_blob_ref);
	}
	w = malloc(sizeof(*w) + room);
	if (w == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	memset(w, 0, sizeof(*w));
	w->daemon = d;
	w->kind = fx->kind;
	w->n = n;
	work_fill(w, fx);
	mp_daemon_work(d, &w->req, on_work, on_work_done);
}
