/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of 150–199: blobs on the thread pool; what the node is by itself is asked of it. */
#include <stdlib.h>
#include <string.h>

#include "shell/ctlsock_int.h"
#include "shell/heap.h"

/* A request on the thread pool. m.digests and m.bytes point into `bytes`. */
struct local_work {
	uv_work_t req;
	struct mp_ctlsock *sock;
	uint64_t request;
	struct mp_ctl_local m;
	struct mp_buf payload;
	int rc;
	struct mp_error err;
	uint8_t bytes[];
};

/* ---- on the thread pool ---- */

static int
work_write(struct local_work *w, struct mp_cbor_w *out)
{
	bool complete = false;
	int rc = mp_cache_write_chunk(w->sock->config.cache, &w->m.digest, w->m.total, w->m.offset,
		w->m.bytes, &complete, &w->err);

	mp_cbor_w_bool(out, complete);
	return rc;
}

static int
work_stat(struct local_work *w, struct mp_cbor_w *out)
{
	size_t n = w->m.digest_count;
	struct mp_hash *digests = calloc(n + 1, sizeof(*digests));
	struct mp_blob_state *states = calloc(n + 1, sizeof(*states));
	int rc = MP_ENOMEM;

	for (size_t i = 0; digests != NULL && i < n; i++)
		mp_cbor_r_fixed(&w->m.digests, digests[i].b, sizeof(digests[i].b));
	if (digests != NULL && states != NULL)
		rc = mp_cache_stat(w->sock->config.cache, digests, n, states, &w->err);
	mp_cbor_w_array(out, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (states[i].complete)
			mp_cbor_w_uint(out, states[i].size);
		else
			mp_cbor_w_null(out);
	}
	free(states);
	free(digests);
	return rc;
}

static int
work_read(struct local_work *w, struct mp_cbor_w *out)
{
	uint8_t *p = malloc((size_t)w->m.size + 1);
	uint64_t size = 0;
	size_t got = 0;
	int rc;

	if (p == NULL)
		return mp_fail(&w->err, MP_ENOMEM, "out of memory");
	rc = mp_cache_read(w->sock->config.cache, &w->m.digest, w->m.offset, p, w->m.size, &got,
		&size, &w->err);
	mp_cbor_w_array(out, 2);
	mp_cbor_w_uint(out, size);
	mp_cbor_w_bytes(out, p, rc == 0 ? got : 0);
	free(p);
	return rc;
}

/* What is asked of the cache as a whole; the answer is encoded at once. */
static int
work_cache(struct local_work *w)
{
	struct mp_cache *cache = w->sock->config.cache;
	struct mp_cache_checked checked;
	struct mp_cache_totals totals;
	struct mp_cache_sound sound;
	int rc;

	if (w->m.number == MP_CTL_CACHE_STAT) {
		rc = mp_cache_totals(cache, &totals, &w->err);
		return rc != 0 ? rc : mp_ctl_totals_encode(&w->payload, &totals);
	}
	if (w->m.number == MP_CTL_CACHE_FILE) {
		rc = mp_cache_check_file(cache, &sound, &w->err);
		return rc != 0 ? rc : mp_ctl_sound_encode(&w->payload, &sound);
	}
	rc = mp_cache_check_blobs(cache, &w->m.digest, &checked, &w->err);
	return rc != 0 ? rc : mp_ctl_checked_encode(&w->payload, &checked);
}

static void
on_work(uv_work_t *req)
{
	struct local_work *w = mp_container_of(req, struct local_work, req);
	struct mp_cbor_w out;

	mp_cbor_w_init(&out, &w->payload);
	switch (w->m.number) {
	case MP_CTL_BLOB_WRITE:
		w->rc = work_write(w, &out);
		break;
	case MP_CTL_BLOB_STAT:
		w->rc = work_stat(w, &out);
		break;
	case MP_CTL_BLOB_READ:
		w->rc = work_read(w, &out);
		break;
	case MP_CTL_CACHE_STAT:
	case MP_CTL_CACHE_FILE:
	case MP_CTL_CACHE_BLOBS:
		w->rc = work_cache(w);
		break;
	case MP_CTL_INVITE:
	case MP_CTL_ADMIT:
	case MP_CTL_INFO:
	case MP_CTL_SIGN_TAKEOVER:
	case MP_CTL_NODE_SET:
		mp_unreachable();
	}
	if (w->rc == 0)
		w->rc = out.rc;
}

static void
on_work_done(uv_work_t *req, int status)
{
	struct local_work *w = mp_container_of(req, struct local_work, req);
	struct mp_ctlsock *sock = w->sock;

	sock->works--;
	if (status != 0)
		w->rc = MP_ECANCELED;
	mp_ctlsock_answer(sock, w->request, w->rc, mp_buf_span(&w->payload), &w->err);
	mp_buf_fini(&w->payload);
	free(w);
	mp_ctlsock_finish(sock);
}

/* ---- on the loop ---- */

static void
local_fail(struct mp_ctlsock *sock, uint64_t request, int rc, const char *text)
{
	struct mp_error err = {0};

	(void)mp_fail(&err, rc, "%s", text != NULL ? text : mp_strerror(rc));
	mp_ctlsock_answer(sock, request, rc, mp_span(NULL, 0), &err);
}

static void
local_start(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes)
{
	struct local_work *w = malloc(sizeof(*w) + bytes.n);
	int rc = MP_ENOMEM;

	if (w == NULL) {
		local_fail(sock, request, rc, NULL);
		return;
	}
	w->sock = sock;
	w->request = request;
	w->rc = 0;
	w->err = (struct mp_error){0};
	mp_buf_init(&w->payload, &mp_heap, MP_MSG_MAX);
	memcpy(w->bytes, bytes.p, bytes.n);
	rc = mp_ctl_local_decode(mp_span(w->bytes, bytes.n), &w->m);
	mp_assert(rc == 0); /* the same bytes were decoded before */
	sock->works++;
	if (uv_queue_work(sock->config.loop, &w->req, on_work, on_work_done) != 0) {
		sock->works--;
		free(w);
		local_fail(sock, request, MP_ENOMEM, NULL);
	}
}

static void
local_info(struct mp_ctlsock *sock, uint64_t request)
{
	struct mp_ctl_info info = {.counter_count = 0};
	struct mp_buf payload;
	int rc;

	mp_buf_init(&payload, &mp_heap, MP_MSG_MAX);
	sock->config.info(sock->config.ctx, &info);
	rc = mp_ctl_info_encode(&payload, &info);
	mp_ctlsock_answer(sock, request, rc, mp_buf_span(&payload), NULL);
	mp_buf_fini(&payload);
}

void
mp_ctlsock_local(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes)
{
	struct mp_ctl_local m;
	int rc = mp_ctl_local_decode(bytes, &m);

	if (rc != 0) {
		local_fail(sock, request, rc,
			"the node does not understand this request; are mpctl and mpnode of one "
			"version?");
		return;
	}
	switch (m.number) {
	case MP_CTL_BLOB_WRITE:
	case MP_CTL_BLOB_STAT:
	case MP_CTL_BLOB_READ:
	case MP_CTL_CACHE_STAT:
	case MP_CTL_CACHE_FILE:
	case MP_CTL_CACHE_BLOBS:
		local_start(sock, request, bytes);
		break;
	case MP_CTL_INVITE:
	case MP_CTL_ADMIT:
	case MP_CTL_SIGN_TAKEOVER:
	case MP_CTL_NODE_SET:
		sock->config.own(sock->config.ctx, request, &m);
		break;
	case MP_CTL_INFO:
		local_info(sock, request);
		break;
	}
}
