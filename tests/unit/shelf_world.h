/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of blob_world.h with a shelf each, and a result cache in memory. */
#ifndef MP_TESTS_SHELF_WORLD_H
#define MP_TESTS_SHELF_WORLD_H

#include "unit/blob_world.h"

#include "codec/msg_cache.h"
#include "core/shelf.h"

#define RECORDS_MAX 32

/* What the cache of a node has. */
struct shelf_node {
	struct mp_shelf *shelf;
	struct mp_cached records[RECORDS_MAX];
	size_t count;
	int rc; /* of the store */
	size_t finds;
	size_t gets;
	size_t asked; /* questions that reached it */
};

static struct shelf_node N[WORLD_NODES];
static const char *const texts[] = {"zero", "one", "two", "three", "four"};

/* ---- the store and the node around a shelf ---- */

static struct mp_hash MP_UNUSED
hash_of(uint32_t n)
{
	struct mp_hash h = {{0}};

	h.b[0] = (uint8_t)(n >> 24);
	h.b[1] = (uint8_t)(n >> 16);
	h.b[2] = (uint8_t)(n >> 8);
	h.b[3] = (uint8_t)n;
	return h;
}

static void MP_UNUSED
store(int node, uint32_t base, uint32_t key)
{
	struct mp_cached *c = &N[node].records[N[node].count++];

	assert_true(N[node].count <= RECORDS_MAX);
	*c = (struct mp_cached){hash_of(base), hash_of(key), mp_span_str(texts[node])};
}

static void
on_find(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_CACHE_FOUND};
	struct mp_cache_ref refs[RECORDS_MAX];
	size_t n = 0;

	N[node].finds++;
	for (size_t i = 0; i < fx->u.cache_find.count; i++) {
		for (size_t k = 0; k < N[node].count; k++) {
			const struct mp_cached *c = &N[node].records[k];

			if (mp_hash_eq(&c->base, &fx->u.cache_find.bases[i]))
				refs[n++] = (struct mp_cache_ref){c->base, c->key};
		}
	}
	ev.u.cache_found.token = fx->u.cache_find.token;
	ev.u.cache_found.rc = N[node].rc;
	ev.u.cache_found.count = N[node].rc == 0 ? n : 0;
	world_push(node, &ev, NULL, 0, mp_span(refs, ev.u.cache_found.count * sizeof(refs[0])));
}

static void
on_get(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_CACHE_GOT};
	struct mp_span records[RECORDS_MAX] = {{NULL, 0}};

	N[node].gets++;
	assert_true(fx->u.cache_get.count <= RECORDS_MAX);
	for (size_t i = 0; i < fx->u.cache_get.count; i++) {
		for (size_t k = 0; k < N[node].count; k++) {
			if (mp_hash_eq(&N[node].records[k].key, &fx->u.cache_get.keys[i]))
				records[i] = N[node].records[k].record;
		}
	}
	ev.u.cache_got.token = fx->u.cache_get.token;
	ev.u.cache_got.rc = N[node].rc;
	ev.u.cache_got.count = N[node].rc == 0 ? fx->u.cache_get.count : 0;
	world_push(node, &ev, NULL, 0, mp_span(records, ev.u.cache_got.count * sizeof(records[0])));
}

static void
shelf_effect(int node, const struct mp_effect *fx)
{
	if (fx->kind == MP_FX_CACHE_FIND)
		on_find(node, fx);
	else if (fx->kind == MP_FX_CACHE_GET)
		on_get(node, fx);
}

static void
shelf_message(int node, const struct mp_node_id *from, struct mp_span bytes)
{
	uint64_t number = mp_msg_number(bytes);

	N[node].asked += number == MP_MSG_CACHE_ASK || number == MP_MSG_CACHE_GET ||
			 number == MP_MSG_CACHE_HOLD;
	assert_int_equal(mp_shelf_message(N[node].shelf, &W.nodes[node].env, from, bytes), 0);
}

static void
shelf_other(int node, const struct mp_event *ev)
{
	if (ev->kind == MP_EV_MESSAGE)
		shelf_message(node, &ev->u.message.peer, ev->u.message.bytes);
	else
		mp_shelf_event(N[node].shelf, &W.nodes[node].env, ev);
}

/* What a node says to itself, as node.c has it. */
static void
shelf_flush(int node)
{
	struct mp_span bytes;

	while (mp_out_loop(W.nodes[node].out, &bytes))
		shelf_message(node, &W.nodes[node].env.self, bytes);
}

static void
shelf_tick(int node)
{
	mp_shelf_tick(N[node].shelf, &W.nodes[node].env);
}

static mp_time
shelf_deadline(int node)
{
	return mp_shelf_deadline(N[node].shelf);
}

static int
setup(void **state)
{
	(void)state;
	world_init();
	memset(N, 0, sizeof(N));
	W.effect = shelf_effect;
	W.other = shelf_other;
	W.flush = shelf_flush;
	W.tick = shelf_tick;
	W.deadline = shelf_deadline;
	for (int i = 0; i < WORLD_NODES; i++) {
		struct world_node *n = &W.nodes[i];

		assert_int_equal(mp_shelf_new(&n->env, NULL, n->fetch, n->hold, &N[i].shelf), 0);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < WORLD_NODES; i++)
		mp_shelf_free(N[i].shelf);
	world_fini();
	return 0;
}

#endif
