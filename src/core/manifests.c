/* SPDX-License-Identifier: Apache-2.0 */
#include "core/manifests.h"

#include "mp/limits.h"
#include "util/map.h"

/* What is kept though nobody uses it. */
#define IDLE_COUNT_MAX 64
#define IDLE_BYTES_MAX (8u * 1024 * 1024)

struct mp_manifests_item {
	struct mp_map_node node;
	struct mp_dlist idle;    /* in mp_manifests.idle while nobody uses it */
	struct mp_dlist waiting; /* uses that are to be told */
	struct mp_fetch_req fetch;
	struct mp_manifests *ms;
	struct mp_hash digest;
	struct mp_manifest manifest;
	uint8_t *bytes;
	size_t size;
	size_t uses;
	bool here;
};

struct mp_manifests {
	const struct mp_alloc *alloc;
	struct mp_fetch *fetch;
	struct mp_map items;
	struct mp_dlist idle; /* the one used longest ago first */
	size_t idle_count;
	size_t idle_bytes;
};

int
mp_manifests_new(struct mp_env *env, struct mp_fetch *fetch, struct mp_manifests **out)
{
	struct mp_manifests *ms = mp_realloc(env->alloc, NULL, 0, sizeof(*ms));

	if (ms == NULL)
		return MP_ENOMEM;
	*ms = (struct mp_manifests){.alloc = env->alloc, .fetch = fetch};
	mp_map_init(&ms->items, env->alloc);
	mp_dlist_init(&ms->idle);
	*out = ms;
	return 0;
}

static size_t
item_cost(const struct mp_manifests_item *item)
{
	return item->size + item->manifest.count * sizeof(struct mp_file);
}

/* Nobody uses it. */
static void
item_free(struct mp_manifests *ms, struct mp_manifests_item *item)
{
	mp_assert(item->uses == 0 && mp_dlist_empty(&item->waiting));
	if (mp_dlist_linked(&item->idle)) {
		ms->idle_count--;
		ms->idle_bytes -= item_cost(item);
		mp_dlist_remove(&item->idle);
	}
	mp_fetch_cancel(ms->fetch, &item->fetch);
	mp_map_remove(&ms->items, &item->node);
	if (item->here)
		mp_manifest_fini(&item->manifest);
	mp_dealloc(ms->alloc, item->bytes, item->size);
	mp_dealloc(ms->alloc, item, sizeof(*item));
}

void
mp_manifests_free(struct mp_manifests *ms)
{
	struct mp_map_node *n;

	if (ms == NULL)
		return;
	while ((n = mp_map_any(&ms->items)) != NULL)
		item_free(ms, mp_container_of(n, struct mp_manifests_item, node));
	mp_map_fini(&ms->items);
	mp_dealloc(ms->alloc, ms, sizeof(*ms));
}

static struct mp_manifests_item *
item_find(const struct mp_manifests *ms, const struct mp_hash *digest)
{
	struct mp_map_node *n = mp_map_find(&ms->items, mp_hash64(digest->b, 32, 0));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct mp_manifests_item *item = mp_container_of(n, struct mp_manifests_item, node);

		if (mp_hash_eq(&item->digest, digest))
			return item;
	}
	return NULL;
}

static int
item_fill(struct mp_manifests_item *item, struct mp_span bytes)
{
	const struct mp_alloc *alloc = item->ms->alloc;
	int rc;

	item->bytes = mp_realloc(alloc, NULL, 0, bytes.n);
	if (item->bytes == NULL)
		return MP_ENOMEM;
	item->size = bytes.n;
	memcpy(item->bytes, bytes.p, bytes.n);
	rc = mp_manifest_decode(alloc, mp_span(item->bytes, bytes.n), &item->manifest, NULL);
	item->here = rc == 0;
	return rc;
}

static void
on_fetched(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct mp_manifests_item *item = mp_container_of(req, struct mp_manifests_item, fetch);
	struct mp_dlist *l;

	(void)blob;
	if (rc == 0)
		rc = bytes.n > 0 ? item_fill(item, bytes) : MP_EFORMAT;
	item->uses++; /* so that it stays while its users are told */
	while ((l = mp_dlist_first(&item->waiting)) != NULL) {
		struct mp_manifest_use *use = mp_container_of(l, struct mp_manifest_use, waiting);

		mp_dlist_remove(l);
		if (rc == 0) {
			use->manifest = &item->manifest;
			use->size = item->size;
		} else {
			use->item = NULL;
			item->uses--;
		}
		use->done(use, env, rc);
	}
	if (--item->uses == 0)
		item_free(item->ms, item);
}

static struct mp_manifests_item *
item_new(struct mp_manifests *ms, struct mp_env *env, const struct mp_hash *digest,
	const struct mp_node_id *holders, size_t holder_count)
{
	struct mp_manifests_item *item = mp_realloc(ms->alloc, NULL, 0, sizeof(*item));

	if (item == NULL)
		return NULL;
	*item = (struct mp_manifests_item){.ms = ms, .digest = *digest};
	item->fetch.done = on_fetched;
	item->fetch.patience = MP_FETCH_STEADFAST;
	mp_dlist_init(&item->idle);
	mp_dlist_init(&item->waiting);
	if (mp_map_add(&ms->items, &item->node, mp_hash64(digest->b, 32, 0)) != 0) {
		mp_dealloc(ms->alloc, item, sizeof(*item));
		return NULL;
	}
	if (mp_fetch_read(ms->fetch, env, &item->fetch, digest, MP_MANIFEST_BYTES_MAX, holders,
		    holder_count) != 0) {
		item_free(ms, item);
		return NULL;
	}
	return item;
}

int
mp_manifests_get(struct mp_manifests *ms, struct mp_env *env, struct mp_manifest_use *use,
	const struct mp_hash *digest, const struct mp_node_id *holders, size_t holder_count)
{
	struct mp_manifests_item *item = item_find(ms, digest);

	mp_assert(use->item == NULL);
	if (item == NULL)
		item = item_new(ms, env, digest, holders, holder_count);
	if (item == NULL)
		return MP_ENOMEM;
	if (mp_dlist_linked(&item->idle)) {
		mp_dlist_remove(&item->idle);
		ms->idle_count--;
		ms->idle_bytes -= item_cost(item);
	}
	item->uses++;
	use->item = item;
	mp_dlist_init(&use->waiting);
	if (item->here) {
		use->manifest = &item->manifest;
		use->size = item->size;
	} else {
		use->manifest = NULL;
		mp_dlist_push(&item->waiting, &use->waiting);
	}
	return 0;
}

void
mp_manifests_put(struct mp_manifests *ms, struct mp_manifest_use *use)
{
	struct mp_manifests_item *item = use->item;

	if (item == NULL)
		return;
	mp_dlist_remove(&use->waiting);
	use->item = NULL;
	use->manifest = NULL;
	if (--item->uses > 0)
		return;
	if (!item->here) {
		item_free(ms, item);
		return;
	}
	mp_dlist_push(&ms->idle, &item->idle);
	ms->idle_count++;
	ms->idle_bytes += item_cost(item);
	while (ms->idle_count > IDLE_COUNT_MAX || ms->idle_bytes > IDLE_BYTES_MAX)
		item_free(ms, mp_container_of(ms->idle.next, struct mp_manifests_item, idle));
}
