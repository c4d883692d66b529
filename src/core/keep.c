/* SPDX-License-Identifier: Apache-2.0 */
#include "core/keep.h"

#include "core/mutant.h"
#include "mp/limits.h"
#include "util/dlist.h"
#include "util/map.h"

struct peer {
	struct mp_map_node node;
	struct mp_node_id id;
	struct mp_dlist asks;
	uint32_t count;
};

/* One HOLD of one peer: its blobs are being fetched, or wait to be synced. */
struct ask {
	struct mp_dlist of_peer;
	struct mp_dlist sync;
	struct mp_fetch_req fetch;
	struct mp_keep *keep;
	struct peer *peer;
	uint64_t req;
};

struct mp_keep {
	const struct mp_alloc *alloc;
	struct mp_fetch *fetch;
	struct mp_map peers;
	struct mp_dlist sync_now; /* what the sync that is under way is for */
	struct mp_dlist sync_next;
	bool syncing;
	bool stopping;
};

int
mp_keep_new(struct mp_env *env, struct mp_fetch *fetch, struct mp_keep **out)
{
	struct mp_keep *keep = mp_realloc(env->alloc, NULL, 0, sizeof(*keep));

	if (keep == NULL)
		return MP_ENOMEM;
	*keep = (struct mp_keep){.alloc = env->alloc, .fetch = fetch};
	mp_map_init(&keep->peers, env->alloc);
	mp_dlist_init(&keep->sync_now);
	mp_dlist_init(&keep->sync_next);
	*out = keep;
	return 0;
}

static void
ask_free(struct ask *ask)
{
	mp_fetch_cancel(ask->keep->fetch, &ask->fetch);
	mp_dlist_remove(&ask->of_peer);
	mp_dlist_remove(&ask->sync);
	ask->peer->count--;
	mp_dealloc(ask->keep->alloc, ask, sizeof(*ask));
}

void
mp_keep_free(struct mp_keep *keep)
{
	struct mp_map_node *n;
	struct mp_dlist *l;

	if (keep == NULL)
		return;
	while ((n = mp_map_any(&keep->peers)) != NULL) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		while ((l = mp_dlist_first(&peer->asks)) != NULL)
			ask_free(mp_container_of(l, struct ask, of_peer));
		mp_map_remove(&keep->peers, n);
		mp_dealloc(keep->alloc, peer, sizeof(*peer));
	}
	mp_map_fini(&keep->peers);
	mp_dealloc(keep->alloc, keep, sizeof(*keep));
}

static struct peer *
peer_make(struct mp_keep *keep, const struct mp_node_id *id)
{
	uint64_t hash = mp_hash64(id->b, sizeof(id->b), 0);
	struct mp_map_node *n = mp_map_find(&keep->peers, hash);
	struct peer *peer;

	for (; n != NULL; n = mp_map_find_next(n)) {
		peer = mp_container_of(n, struct peer, node);
		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	peer = mp_realloc(keep->alloc, NULL, 0, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = (struct peer){.id = *id};
	mp_dlist_init(&peer->asks);
	if (mp_map_add(&keep->peers, &peer->node, hash) != 0) {
		mp_dealloc(keep->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

static void
held_send(struct mp_env *env, const struct mp_node_id *to, uint64_t req, bool ok)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_held_encode(buf, &(struct mp_msg_held){req, ok}) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

static void
ask_end(struct ask *ask, struct mp_env *env, bool ok)
{
	held_send(env, &ask->peer->id, ask->req, ok);
	ask_free(ask);
}

static void
on_fetched(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct ask *ask = mp_container_of(req, struct ask, fetch);

	(void)blob;
	(void)bytes;
	if (rc != 0 || MP_MUTANT(HOLDERS_NOT_SYNCED))
		ask_end(ask, env, rc == 0);
	else
		mp_dlist_push(&ask->keep->sync_next, &ask->sync);
}

static int
ask_start(struct mp_keep *keep, struct mp_env *env, struct peer *peer, struct mp_msg_hold *m)
{
	size_t count = m->count;
	struct mp_blob_ref *refs = mp_out_mem(env->out, count * sizeof(*refs) + 1);
	struct ask *ask = mp_realloc(keep->alloc, NULL, 0, sizeof(*ask));
	int rc;

	if (ask == NULL)
		return MP_ENOMEM;
	*ask = (struct ask){.keep = keep, .peer = peer, .req = m->req};
	ask->fetch.done = on_fetched;
	mp_dlist_init(&ask->sync);
	mp_dlist_init(&ask->of_peer);
	mp_dlist_push(&peer->asks, &ask->of_peer);
	peer->count++;
	for (size_t i = 0; refs != NULL && i < count; i++)
		refs[i] = mp_msg_hold_next(m);
	rc = refs == NULL ? MP_ENOMEM
			  : mp_fetch_get(keep->fetch, env, &ask->fetch, refs, count, &peer->id, 1);
	if (rc != 0)
		ask_free(ask);
	return rc;
}

static bool
ask_known(const struct peer *peer, uint64_t req)
{
	for (struct mp_dlist *l = peer->asks.next; l != &peer->asks; l = l->next) {
		if (mp_container_of(l, struct ask, of_peer)->req == req)
			return true;
	}
	return false;
}

void
mp_keep_ask(struct mp_keep *keep, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_hold *m)
{
	struct peer *peer = peer_make(keep, from);

	if (peer != NULL && ask_known(peer, m->req))
		return;
	if (keep->stopping || peer == NULL || peer->count >= MP_HOLD_PEER_MAX ||
		ask_start(keep, env, peer, m) != 0)
		held_send(env, from, m->req, false);
}

void
mp_keep_stop(struct mp_keep *keep)
{
	keep->stopping = true;
}

bool
mp_keep_wants_sync(struct mp_keep *keep)
{
	struct mp_dlist *l;

	if (keep->syncing || mp_dlist_empty(&keep->sync_next))
		return false;
	while ((l = mp_dlist_first(&keep->sync_next)) != NULL) {
		mp_dlist_remove(l);
		mp_dlist_push(&keep->sync_now, l);
	}
	keep->syncing = true;
	return true;
}

void
mp_keep_synced(struct mp_keep *keep, struct mp_env *env, int rc)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&keep->sync_now)) != NULL)
		ask_end(mp_container_of(l, struct ask, sync), env, rc == 0);
	keep->syncing = false;
}
