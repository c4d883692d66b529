/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fetch.h"

#include "codec/msg_work.h"
#include "core/serve.h"
#include "core/xfer.h"
#include "mp/limits.h"
#include "util/buf.h"
#include "util/dlist.h"
#include "util/map.h"

/* What a token of this module is about: bits 52 to 55. */
#define KIND_SHIFT 52
#define KIND_MASK  (0xfull << KIND_SHIFT)
#define KIND_WRITE (0ull << KIND_SHIFT) /* of a transfer, see core/xfer.h */
#define KIND_STAT  (1ull << KIND_SHIFT)
#define KIND_READ  (2ull << KIND_SHIFT)

#define TOKEN_TOP   (0xffull << 56)
#define TOKEN_VALUE ((1ull << KIND_SHIFT) - 1)

struct mp_fetch_want {
	struct mp_map_node node; /* in wants, until it is finished */
	struct mp_dlist done;    /* in mp_fetch.done, after that */
	uint64_t id;
	struct mp_fetch_req *req;
	size_t left; /* blobs that are not here yet */
	int rc;
	bool finished;
	struct mp_hash blob; /* that rc is about */
	/* Of a read: */
	bool read;
	bool fetched; /* it was not here, and was brought */
	struct mp_buf buf;
	/* Behind the struct, in one piece of memory: */
	size_t memory;
	size_t holder_count;
	size_t link_count;
	struct mp_node_id *holders;
	struct xfer_link links[];
};

struct mp_fetch {
	const struct mp_alloc *alloc;
	struct xfers xfers;
	struct mp_serve *serve;
	struct mp_map wants;
	struct mp_dlist done;
	uint64_t last_id;
};

static void on_xfer_done(void *ctx, struct xfer_link *link, int rc, uint64_t size);

int
mp_fetch_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch **out)
{
	struct mp_fetch *fetch = mp_realloc(env->alloc, NULL, 0, sizeof(*fetch));

	if (fetch == NULL)
		return MP_ENOMEM;
	*fetch = (struct mp_fetch){.alloc = env->alloc};
	if (mp_serve_new(env, &fetch->serve) != 0) {
		mp_dealloc(env->alloc, fetch, sizeof(*fetch));
		return MP_ENOMEM;
	}
	xfers_init(&fetch->xfers, env, roster);
	fetch->xfers.token = MP_TOKEN_FETCH | KIND_WRITE;
	fetch->xfers.done = on_xfer_done;
	fetch->xfers.ctx = fetch;
	mp_map_init(&fetch->wants, env->alloc);
	mp_dlist_init(&fetch->done);
	*out = fetch;
	return 0;
}

/* ---- wants ---- */

static uint64_t
id_hash(uint64_t id)
{
	return mp_hash64(&id, sizeof(id), 0);
}

static void
want_free(struct mp_fetch *fetch, struct mp_fetch_want *want)
{
	mp_dlist_remove(&want->done);
	mp_buf_fini(&want->buf);
	mp_dealloc(fetch->alloc, want, want->memory);
}

/* Leaves all transfers, and waits to be reported. */
static void
want_finish(struct mp_fetch *fetch, struct mp_fetch_want *want, int rc, const struct mp_hash *blob)
{
	if (want->finished)
		return;
	want->finished = true;
	want->rc = rc;
	if (blob != NULL)
		want->blob = *blob;
	for (size_t i = 0; i < want->link_count; i++)
		xfer_leave(&fetch->xfers, &want->links[i]);
	mp_map_remove(&fetch->wants, &want->node);
	mp_dlist_remove(&want->done);
	mp_dlist_push(&fetch->done, &want->done);
}

static struct mp_fetch_want *
want_new(struct mp_fetch *fetch, struct mp_fetch_req *req, const struct mp_blob_ref *refs,
	size_t ref_count, const struct mp_node_id *holders, size_t holder_count)
{
	size_t links = ref_count * sizeof(struct xfer_link);
	size_t memory;
	struct mp_fetch_want *want;

	mp_assert(req->want == NULL);
	holder_count = mp_min_size(holder_count, MP_FETCH_HOLDERS_MAX);
	memory = sizeof(*want) + links + holder_count * sizeof(*holders);
	want = mp_realloc(fetch->alloc, NULL, 0, memory);
	if (want == NULL)
		return NULL;
	*want = (struct mp_fetch_want){.id = ++fetch->last_id & TOKEN_VALUE,
		.req = req,
		.left = ref_count,
		.memory = memory,
		.link_count = ref_count,
		.holder_count = holder_count};
	mp_dlist_init(&want->done);
	mp_buf_init(&want->buf, fetch->alloc, 0);
	want->holders = (struct mp_node_id *)(void *)((uint8_t *)want->links + links);
	if (holder_count > 0)
		memcpy(want->holders, holders, holder_count * sizeof(*holders));
	for (size_t i = 0; i < ref_count; i++) {
		want->links[i] = (struct xfer_link){
			.owner = want, .ref = refs[i], .patience = req->patience};
		mp_dlist_init(&want->links[i].of_xfer);
	}
	if (mp_map_add(&fetch->wants, &want->node, id_hash(want->id)) != 0) {
		mp_dealloc(fetch->alloc, want, memory);
		return NULL;
	}
	req->want = want;
	return want;
}

static struct mp_fetch_want *
want_find(const struct mp_fetch *fetch, uint64_t id)
{
	struct mp_map_node *n = mp_map_find(&fetch->wants, id_hash(id));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct mp_fetch_want *want = mp_container_of(n, struct mp_fetch_want, node);

		if (want->id == id)
			return want;
	}
	return NULL;
}

void
mp_fetch_cancel(struct mp_fetch *fetch, struct mp_fetch_req *req)
{
	struct mp_fetch_want *want = req->want;

	if (want == NULL)
		return;
	req->want = NULL;
	want_finish(fetch, want, MP_ECANCELED, NULL);
	want_free(fetch, want);
}

void
mp_fetch_free(struct mp_fetch *fetch)
{
	struct mp_map_node *n;
	struct mp_dlist *l;

	if (fetch == NULL)
		return;
	while ((n = mp_map_any(&fetch->wants)) != NULL)
		want_finish(fetch, mp_container_of(n, struct mp_fetch_want, node), 0, NULL);
	while ((l = mp_dlist_first(&fetch->done)) != NULL)
		want_free(fetch, mp_container_of(l, struct mp_fetch_want, done));
	mp_map_fini(&fetch->wants);
	xfers_fini(&fetch->xfers);
	mp_serve_free(fetch->serve);
	mp_dealloc(fetch->alloc, fetch, sizeof(*fetch));
}

static void
read_more(struct mp_env *env, const struct mp_fetch_want *want)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_READ};

	fx.u.blob_read.token = MP_TOKEN_FETCH | KIND_READ | want->id;
	fx.u.blob_read.digest = want->links[0].ref.digest;
	fx.u.blob_read.offset = want->buf.n;
	fx.u.blob_read.size = MP_CHUNK_SIZE;
	mp_out_effect(env->out, &fx);
}

int
mp_fetch_get(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, const struct mp_node_id *holders,
	size_t holder_count)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_STAT};
	struct mp_hash *digests = mp_out_mem(env->out, ref_count * sizeof(*digests) + 1);
	struct mp_fetch_want *want;

	if (digests == NULL)
		return MP_ENOMEM;
	want = want_new(fetch, req, refs, ref_count, holders, holder_count);
	if (want == NULL)
		return MP_ENOMEM;
	if (ref_count == 0) {
		want_finish(fetch, want, 0, NULL);
		return 0;
	}
	for (size_t i = 0; i < ref_count; i++)
		digests[i] = refs[i].digest;
	fx.u.blob_stat.token = MP_TOKEN_FETCH | KIND_STAT | want->id;
	fx.u.blob_stat.digests = digests;
	fx.u.blob_stat.count = ref_count;
	mp_out_effect(env->out, &fx);
	return 0;
}

int
mp_fetch_read(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_hash *digest, size_t max, const struct mp_node_id *holders,
	size_t holder_count)
{
	struct mp_blob_ref ref = {.digest = *digest, .size = MP_SIZE_UNKNOWN};
	struct mp_fetch_want *want = want_new(fetch, req, &ref, 1, holders, holder_count);

	if (want == NULL)
		return MP_ENOMEM;
	want->read = true;
	mp_buf_init(&want->buf, fetch->alloc, max);
	read_more(env, want);
	return 0;
}

/* ---- what comes back ---- */

static void
want_join(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_want *want, size_t i)
{
	struct xfer_link *link = &want->links[i];

	if (xfer_join(&fetch->xfers, env, link, want->holders, want->holder_count) != 0)
		want_finish(fetch, want, MP_ENOMEM, &link->ref.digest);
}

/* One blob is here, or does not matter any more. */
static void
link_over(struct mp_fetch *fetch, struct mp_fetch_want *want)
{
	mp_assert(want->left > 0);
	if (--want->left == 0)
		want_finish(fetch, want, want->rc, NULL);
}

static void
link_lost(struct mp_fetch *fetch, struct xfer_link *link, int rc)
{
	struct mp_fetch_want *want = link->owner;

	if (!want->req->all) {
		want_finish(fetch, want, rc, &link->ref.digest);
		return;
	}
	if (want->rc == 0) {
		want->rc = rc;
		want->blob = link->ref.digest;
	}
	link_over(fetch, want);
}

static void
link_here(struct mp_fetch *fetch, struct xfer_link *link, uint64_t size)
{
	struct mp_fetch_want *want = link->owner;

	if (link->ref.size != MP_SIZE_UNKNOWN && link->ref.size != size) {
		link_lost(fetch, link, MP_ECORRUPT);
		return;
	}
	link_over(fetch, want);
}

static void
on_stat(struct mp_fetch *fetch, struct mp_env *env, const struct mp_event *event)
{
	struct mp_fetch_want *want = want_find(fetch, event->u.blob_stat.token & TOKEN_VALUE);

	if (want == NULL)
		return;
	mp_assert(event->u.blob_stat.count == want->link_count);
	for (size_t i = 0; i < want->link_count && !want->finished; i++) {
		const struct mp_blob_state *state = &event->u.blob_stat.states[i];

		if (state->complete)
			link_here(fetch, &want->links[i], state->size);
		else
			want_join(fetch, env, want, i);
	}
}

/* A blob that is not here or damaged here is brought, once. */
static void
on_read(struct mp_fetch *fetch, struct mp_env *env, const struct mp_event *event)
{
	struct mp_fetch_want *want = want_find(fetch, event->u.blob_read.token & TOKEN_VALUE);
	int rc = event->u.blob_read.rc;
	struct mp_span bytes = event->u.blob_read.bytes;

	if (want == NULL)
		return;
	if ((rc == MP_ENOENT || rc == MP_ECORRUPT) && !want->fetched) {
		want->fetched = true;
		mp_buf_clear(&want->buf);
		want_join(fetch, env, want, 0);
		return;
	}
	if (rc == 0 && event->u.blob_read.size > want->buf.max)
		rc = MP_ELIMIT;
	if (rc == 0)
		rc = mp_buf_append(&want->buf, bytes.p, bytes.n);
	if (rc == 0 && want->buf.n < event->u.blob_read.size) {
		if (bytes.n > 0) {
			read_more(env, want);
			return;
		}
		rc = MP_EIO;
	}
	want_finish(fetch, want, rc, &want->links[0].ref.digest);
}

static void
on_xfer_done(void *ctx, struct xfer_link *link, int rc, uint64_t size)
{
	struct mp_fetch *fetch = ctx;
	struct mp_fetch_want *want = link->owner;

	if (want->finished)
		return;
	if (rc != 0)
		link_lost(fetch, link, rc);
	else if (want->read)
		want->left = 0; /* read on in fetch_settle() */
	else
		link_here(fetch, link, size);
	if (want->read && !want->finished)
		mp_dlist_push(&fetch->done, &want->done);
}

/* Tells whoever asked. Nothing of ours is under way while it does. */
static void
fetch_settle(struct mp_fetch *fetch, struct mp_env *env)
{
	struct mp_dlist *l;

	xfers_pump(&fetch->xfers, env);
	while ((l = mp_dlist_first(&fetch->done)) != NULL) {
		struct mp_fetch_want *want = mp_container_of(l, struct mp_fetch_want, done);
		struct mp_fetch_req *req = want->req;

		mp_dlist_remove(l);
		if (!want->finished) {
			read_more(env, want);
			continue;
		}
		req->want = NULL;
		req->done(req, env, want->rc, &want->blob,
			want->read && want->rc == 0 ? mp_buf_span(&want->buf) : mp_span(NULL, 0));
		want_free(fetch, want);
	}
}

/* ---- the node's side ---- */

bool
mp_fetch_owns(uint64_t token)
{
	return (token & TOKEN_TOP) == MP_TOKEN_FETCH || (token & TOKEN_TOP) == MP_TOKEN_SERVE;
}

static void
on_link(struct mp_fetch *fetch, const struct mp_event *event)
{
	if (event->u.link.klass != MP_CLASS_BULK || event->u.link.state == MP_LINK_UP)
		return;
	xfers_lost(&fetch->xfers, &event->u.link.peer);
	mp_serve_lost(fetch->serve, &event->u.link.peer);
}

static void
on_blob_read(struct mp_fetch *fetch, struct mp_env *env, const struct mp_event *event)
{
	if ((event->u.blob_read.token & TOKEN_TOP) == MP_TOKEN_SERVE)
		mp_serve_event(fetch->serve, env, event);
	else
		on_read(fetch, env, event);
}

void
mp_fetch_event(struct mp_fetch *fetch, struct mp_env *env, const struct mp_event *event)
{
	if (event->kind == MP_EV_BLOB_STAT)
		on_stat(fetch, env, event);
	else if (event->kind == MP_EV_BLOB_READ)
		on_blob_read(fetch, env, event);
	else if (event->kind == MP_EV_BLOB_WRITTEN)
		xfers_written(&fetch->xfers, env, event->u.blob_written.token,
			event->u.blob_written.rc, event->u.blob_written.complete);
	else if (event->kind == MP_EV_LINK)
		on_link(fetch, event);
	fetch_settle(fetch, env);
}

int
mp_fetch_message(struct mp_fetch *fetch, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_blob_data data;
	struct mp_msg_blob_get get;
	struct mp_hash digest;
	int rc = MP_EFORMAT;

	switch (mp_msg_number(bytes)) {
	case MP_MSG_BLOB_GET:
		rc = mp_msg_blob_get_decode(bytes, &get);
		if (rc == 0)
			rc = mp_serve_get(fetch->serve, env, from, &get);
		break;
	case MP_MSG_BLOB_DATA:
		rc = mp_msg_blob_data_decode(bytes, &data);
		if (rc == 0)
			xfers_data(&fetch->xfers, env, from, &data);
		break;
	case MP_MSG_BLOB_NONE:
		rc = mp_msg_blob_none_decode(bytes, &digest);
		if (rc == 0)
			xfers_none(&fetch->xfers, from, &digest);
		break;
	default:
		break;
	}
	fetch_settle(fetch, env);
	return rc;
}

void
mp_fetch_tick(struct mp_fetch *fetch, struct mp_env *env)
{
	xfers_tick(&fetch->xfers, env);
	fetch_settle(fetch, env);
}

uint64_t
mp_fetch_wrong(const struct mp_fetch *fetch)
{
	return fetch->xfers.wrong;
}

mp_time
mp_fetch_deadline(const struct mp_fetch *fetch)
{
	return mp_dlist_empty(&fetch->done) ? xfers_deadline(&fetch->xfers) : 0;
}

mp_time
mp_fetch_served_ms(const struct mp_fetch *fetch, const struct mp_node_id *peer)
{
	return mp_serve_last_ms(fetch->serve, peer);
}

uint64_t
mp_rendezvous(const struct mp_hash *digest, const struct mp_node_id *member)
{
	uint64_t seed = mp_hash64(digest->b, sizeof(digest->b), 0);

	return mp_hash64(member->b, sizeof(member->b), seed);
}
