/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve.h"

#include "mp/limits.h"
#include "util/dlist.h"
#include "util/map.h"

/* One piece that somebody asked for: it waits in a queue, then is being read. */
struct item {
	struct mp_dlist link; /* in waiting; in none while it is read */
	struct peer *peer;
	struct mp_msg_blob_get get;
};

struct peer {
	struct mp_map_node node;
	struct mp_node_id id;
	uint32_t open; /* pieces that wait or are read */
	mp_time last_ms;
};

struct slot {
	struct item *item; /* NULL: free */
	uint64_t token;
};

struct mp_serve {
	const struct mp_alloc *alloc;
	struct mp_map peers;
	struct mp_dlist waiting;
	struct slot slots[MP_SERVE_READS_MAX];
	uint32_t reading;
	uint64_t last_token;
};

int
mp_serve_new(struct mp_env *env, struct mp_serve **out)
{
	struct mp_serve *serve = mp_realloc(env->alloc, NULL, 0, sizeof(*serve));

	if (serve == NULL)
		return MP_ENOMEM;
	*serve = (struct mp_serve){.alloc = env->alloc};
	mp_map_init(&serve->peers, env->alloc);
	mp_dlist_init(&serve->waiting);
	*out = serve;
	return 0;
}

static void
item_free(struct mp_serve *serve, struct item *item)
{
	mp_assert(item->peer->open > 0);
	item->peer->open--;
	mp_dlist_remove(&item->link);
	mp_dealloc(serve->alloc, item, sizeof(*item));
}

void
mp_serve_free(struct mp_serve *serve)
{
	struct mp_map_node *node;

	if (serve == NULL)
		return;
	while (!mp_dlist_empty(&serve->waiting))
		item_free(
			serve, mp_container_of(mp_dlist_first(&serve->waiting), struct item, link));
	for (size_t i = 0; i < mp_countof(serve->slots); i++) {
		if (serve->slots[i].item != NULL)
			item_free(serve, serve->slots[i].item);
	}
	while ((node = mp_map_any(&serve->peers)) != NULL) {
		struct peer *peer = mp_container_of(node, struct peer, node);

		mp_map_remove(&serve->peers, node);
		mp_dealloc(serve->alloc, peer, sizeof(*peer));
	}
	mp_map_fini(&serve->peers);
	mp_dealloc(serve->alloc, serve, sizeof(*serve));
}

static struct peer *
peer_find(const struct mp_serve *serve, const struct mp_node_id *id)
{
	uint64_t hash = mp_hash64(id->b, sizeof(id->b), 0);
	struct mp_map_node *n;

	for (n = mp_map_find(&serve->peers, hash); n != NULL; n = mp_map_find_next(n)) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	return NULL;
}

static struct peer *
peer_make(struct mp_serve *serve, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(serve, id);

	if (peer != NULL)
		return peer;
	peer = mp_realloc(serve->alloc, NULL, 0, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = (struct peer){.id = *id};
	if (mp_map_add(&serve->peers, &peer->node, mp_hash64(id->b, sizeof(id->b), 0)) != 0) {
		mp_dealloc(serve->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

/* Starts to read what waits, as far as the bound allows. */
static void
serve_pump(struct mp_serve *serve, struct mp_env *env)
{
	size_t i = 0;

	while (serve->reading < MP_SERVE_READS_MAX && !mp_dlist_empty(&serve->waiting)) {
		struct mp_effect fx = {.kind = MP_FX_BLOB_READ};
		struct item *item =
			mp_container_of(mp_dlist_first(&serve->waiting), struct item, link);

		while (serve->slots[i].item != NULL)
			i++;
		mp_dlist_remove(&item->link);
		serve->last_token += MP_SERVE_READS_MAX;
		serve->slots[i] = (struct slot){item, MP_TOKEN_SERVE | (serve->last_token + i)};
		serve->reading++;
		fx.u.blob_read.token = serve->slots[i].token;
		fx.u.blob_read.digest = item->get.digest;
		fx.u.blob_read.offset = item->get.offset;
		fx.u.blob_read.size = item->get.size;
		mp_out_effect(env->out, &fx);
	}
}

int
mp_serve_get(struct mp_serve *serve, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_blob_get *get)
{
	struct peer *peer = peer_make(serve, from);
	struct item *item;

	if (peer == NULL)
		return MP_ENOMEM;
	peer->last_ms = env->now_ms;
	if (peer->open >= MP_SERVE_QUEUE_MAX)
		return MP_EBUSY;
	item = mp_realloc(serve->alloc, NULL, 0, sizeof(*item));
	if (item == NULL)
		return MP_ENOMEM;
	*item = (struct item){.peer = peer, .get = *get};
	peer->open++;
	mp_dlist_push(&serve->waiting, &item->link);
	serve_pump(serve, env);
	return 0;
}

/* A piece that is not all there is as good as none. */
static void
serve_answer(struct mp_env *env, const struct item *item, const struct mp_event *event)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct mp_msg_blob_data data = {.digest = item->get.digest, .offset = item->get.offset};
	bool have = event->u.blob_read.rc == 0;
	uint64_t left;
	int rc;

	data.total = event->u.blob_read.size;
	data.bytes = event->u.blob_read.bytes;
	left = have && data.offset <= data.total ? data.total - data.offset : 0;
	if (data.bytes.n != mp_min_size(item->get.size, left) || (left == 0 && data.total != 0))
		have = false;
	rc = have ? mp_msg_blob_data_encode(buf, &data)
		  : mp_msg_blob_none_encode(buf, &item->get.digest);
	if (rc == 0)
		mp_out_send(env->out, &item->peer->id, MP_CLASS_BULK, mp_buf_span(buf), 0);
}

void
mp_serve_event(struct mp_serve *serve, struct mp_env *env, const struct mp_event *event)
{
	struct slot *slot = &serve->slots[event->u.blob_read.token % MP_SERVE_READS_MAX];

	if (slot->item == NULL || slot->token != event->u.blob_read.token)
		return;
	serve_answer(env, slot->item, event);
	item_free(serve, slot->item);
	slot->item = NULL;
	serve->reading--;
	serve_pump(serve, env);
}

void
mp_serve_lost(struct mp_serve *serve, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(serve, id);
	struct mp_dlist *at, *next;

	if (peer == NULL || peer->open == 0)
		return;
	for (at = serve->waiting.next; at != &serve->waiting; at = next) {
		struct item *item = mp_container_of(at, struct item, link);

		next = at->next;
		if (item->peer == peer)
			item_free(serve, item);
	}
}

mp_time
mp_serve_last_ms(const struct mp_serve *serve, const struct mp_node_id *peer)
{
	const struct peer *p = peer_find(serve, peer);

	return p == NULL ? 0 : p->last_ms;
}
