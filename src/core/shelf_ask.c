/* SPDX-License-Identifier: Apache-2.0 */
#include "core/roster.h"
#include "core/shelf_int.h"
#include "mp/limits.h"
#include "util/sort.h"

/* References that one ask keeps. More: dropped. */
#define REFS_MAX (4u * MP_CACHE_BASES_MAX)

struct asked {
	struct mp_node_id id;
	uint32_t left; /* questions that it has not answered */
};

struct mp_shelf_ask {
	struct mp_dlist link; /* in asks, then in asked */
	struct mp_shelf_ask_req *req;
	uint64_t seq; /* of the first part, the others follow */
	uint32_t parts;
	mp_time due_ms;
	struct mp_hash *bases; /* ascending, each once */
	size_t base_count;
	size_t base_room;
	struct mp_shelf_ref *refs;
	size_t ref_count;
	size_t ref_room;
	size_t peer_count;
	size_t waiting; /* peers that have not answered all */
	struct asked peers[MP_CACHE_PEERS_MAX];
};

static int
base_cmp(const void *a, const void *b)
{
	return mp_hash_cmp(a, b);
}

static int
ref_cmp(const void *a, const void *b)
{
	const struct mp_shelf_ref *x = a, *y = b;
	int order = mp_hash_cmp(&x->ref.base, &y->ref.base);

	if (order == 0)
		order = mp_hash_cmp(&x->ref.key, &y->ref.key);
	return order != 0 ? order : mp_node_id_cmp(&x->node, &y->node);
}

static void
ask_free(struct mp_shelf *shelf, struct mp_shelf_ask *ask)
{
	mp_dlist_remove(&ask->link);
	mp_dealloc(shelf->alloc, ask->bases, ask->base_room * sizeof(*ask->bases));
	mp_dealloc(shelf->alloc, ask->refs, ask->ref_room * sizeof(*ask->refs));
	mp_dealloc(shelf->alloc, ask, sizeof(*ask));
}

static void
ask_finish(struct mp_shelf *shelf, struct mp_shelf_ask *ask)
{
	mp_dlist_remove(&ask->link);
	mp_dlist_push(&shelf->asked, &ask->link);
}

/* ---- starting ---- */

static bool
member_counts(const struct mp_env *env, const struct mp_member *m)
{
	if (mp_node_id_eq(&m->id, &env->self))
		return true;
	return m->state == MP_MEMBER_ALIVE && m->status != MP_NODE_OFFLINE;
}

/* This node and those with a stream, or the others. */
static void
ask_choose(struct mp_shelf_ask *ask, const struct mp_env *env, const struct mp_roster *roster,
	bool near)
{
	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		bool is_near = m->link_up || mp_node_id_eq(&m->id, &env->self);

		if (!member_counts(env, m) || is_near != near)
			continue;
		if (ask->peer_count == MP_CACHE_PEERS_MAX)
			return;
		ask->peers[ask->peer_count++] = (struct asked){m->id, ask->parts};
	}
}

static void
ask_send(const struct mp_shelf_ask *ask, struct mp_env *env)
{
	for (uint32_t part = 0; part < ask->parts; part++) {
		struct mp_buf *buf = mp_out_scratch(env->out);
		size_t from = (size_t)part * MP_CACHE_ASK_MAX;

		if (mp_msg_cache_ask_encode(buf, ask->seq + part, ask->bases + from,
			    mp_min_size(MP_CACHE_ASK_MAX, ask->base_count - from)) != 0)
			continue;
		for (size_t i = 0; i < ask->peer_count; i++)
			mp_out_send(
				env->out, &ask->peers[i].id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	}
}

static struct mp_shelf_ask *
ask_new(struct mp_shelf *shelf, const struct mp_hash *bases, size_t n)
{
	struct mp_shelf_ask *ask = mp_realloc(shelf->alloc, NULL, 0, sizeof(*ask));

	if (ask == NULL)
		return NULL;
	*ask = (struct mp_shelf_ask){.base_room = mp_min_size(n, MP_CACHE_BASES_MAX)};
	mp_dlist_init(&ask->link);
	if (n == 0)
		return ask;
	ask->bases = mp_realloc(shelf->alloc, NULL, 0, ask->base_room * sizeof(*bases));
	if (ask->bases == NULL) {
		ask_free(shelf, ask);
		return NULL;
	}
	memcpy(ask->bases, bases, ask->base_room * sizeof(*bases));
	mp_sort(ask->bases, ask->base_room, sizeof(*bases), base_cmp);
	for (size_t i = 0; i < ask->base_room; i++) {
		if (i == 0 || !mp_hash_eq(&ask->bases[i], &ask->bases[ask->base_count - 1]))
			ask->bases[ask->base_count++] = ask->bases[i];
	}
	ask->parts = (uint32_t)((ask->base_count + MP_CACHE_ASK_MAX - 1) / MP_CACHE_ASK_MAX);
	return ask;
}

int
mp_shelf_ask(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_ask_req *req,
	const struct mp_hash *bases, size_t n)
{
	struct mp_shelf_ask *ask;

	mp_assert(req->job == NULL);
	ask = ask_new(shelf, bases, n);
	if (ask == NULL)
		return MP_ENOMEM;
	ask->req = req;
	ask->seq = shelf_seq(shelf, env, ask->parts);
	ask->due_ms = env->now_ms + MP_SHELF_PATIENCE_MS;
	if (ask->parts > 0) {
		ask_choose(ask, env, shelf->roster, true);
		ask_choose(ask, env, shelf->roster, false);
	}
	ask->waiting = ask->peer_count;
	mp_dlist_push(ask->waiting > 0 ? &shelf->asks : &shelf->asked, &ask->link);
	shelf_check_at(shelf, ask->due_ms);
	req->job = ask;
	ask_send(ask, env);
	return 0;
}

void
mp_shelf_ask_cancel(struct mp_shelf *shelf, struct mp_shelf_ask_req *req)
{
	if (req->job != NULL)
		ask_free(shelf, req->job);
	req->job = NULL;
}

/* ---- answers ---- */

static bool
ask_wanted(const struct mp_shelf_ask *ask, const struct mp_hash *base)
{
	size_t low = 0, high = ask->base_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = mp_hash_cmp(base, &ask->bases[mid]);

		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/* False: there is no room for more. */
static bool
ask_keep(struct mp_shelf *shelf, struct mp_shelf_ask *ask, const struct mp_shelf_ref *ref)
{
	if (ask->ref_count == ask->ref_room) {
		size_t room = ask->ref_room == 0 ? 64 : ask->ref_room * 2;
		void *refs;

		if (ask->ref_room >= REFS_MAX)
			return false;
		refs = mp_realloc(shelf->alloc, ask->refs, ask->ref_room * sizeof(*ask->refs),
			room * sizeof(*ask->refs));
		if (refs == NULL)
			return false;
		ask->refs = refs;
		ask->ref_room = room;
	}
	ask->refs[ask->ref_count++] = *ref;
	return true;
}

static struct asked *
ask_peer(struct mp_shelf_ask *ask, const struct mp_node_id *id)
{
	for (size_t i = 0; i < ask->peer_count; i++) {
		if (mp_node_id_eq(&ask->peers[i].id, id))
			return &ask->peers[i];
	}
	return NULL;
}

static struct mp_shelf_ask *
ask_find(const struct mp_shelf *shelf, uint64_t seq)
{
	for (struct mp_dlist *l = shelf->asks.next; l != &shelf->asks; l = l->next) {
		struct mp_shelf_ask *ask = mp_container_of(l, struct mp_shelf_ask, link);

		if (seq - ask->seq < ask->parts)
			return ask;
	}
	return NULL;
}

void
shelf_ask_have(
	struct mp_shelf *shelf, const struct mp_node_id *from, const struct mp_msg_cache_list *m)
{
	struct mp_shelf_ask *ask = ask_find(shelf, m->seq);
	struct asked *peer = ask == NULL ? NULL : ask_peer(ask, from);
	struct mp_msg_cache_list list = *m;
	struct mp_shelf_ref ref = {.node = *from};

	if (peer == NULL || peer->left == 0)
		return;
	while (list.count > 0) {
		ref.ref = mp_msg_cache_have_next(&list);
		if (ask_wanted(ask, &ref.ref.base) && !ask_keep(shelf, ask, &ref))
			break;
	}
	if (--peer->left == 0 && --ask->waiting == 0)
		ask_finish(shelf, ask);
}

void
shelf_ask_lost(struct mp_shelf *shelf, const struct mp_node_id *id)
{
	struct mp_dlist *l, *next;

	for (l = shelf->asks.next; l != &shelf->asks; l = next) {
		struct mp_shelf_ask *ask = mp_container_of(l, struct mp_shelf_ask, link);
		struct asked *peer = ask_peer(ask, id);

		next = l->next;
		if (peer == NULL || peer->left == 0)
			continue;
		peer->left = 0;
		if (--ask->waiting == 0)
			ask_finish(shelf, ask);
	}
}

void
shelf_ask_tick(struct mp_shelf *shelf, const struct mp_env *env)
{
	struct mp_dlist *l, *next;

	for (l = shelf->asks.next; l != &shelf->asks; l = next) {
		struct mp_shelf_ask *ask = mp_container_of(l, struct mp_shelf_ask, link);

		next = l->next;
		if (ask->due_ms <= env->now_ms)
			ask_finish(shelf, ask);
		else
			shelf_check_at(shelf, ask->due_ms);
	}
}

void
shelf_ask_settle(struct mp_shelf *shelf, struct mp_env *env)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&shelf->asked)) != NULL) {
		struct mp_shelf_ask *ask = mp_container_of(l, struct mp_shelf_ask, link);
		struct mp_shelf_ask_req *req = ask->req;

		mp_dlist_remove(l);
		mp_sort(ask->refs, ask->ref_count, sizeof(*ask->refs), ref_cmp);
		req->job = NULL;
		req->done(req, env, ask->refs, ask->ref_count);
		ask_free(shelf, ask);
	}
}

void
shelf_ask_free_all(struct mp_shelf *shelf)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&shelf->asks)) != NULL ||
		(l = mp_dlist_first(&shelf->asked)) != NULL)
		ask_free(shelf, mp_container_of(l, struct mp_shelf_ask, link));
}
