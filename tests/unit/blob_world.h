/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few nodes with a fetcher and a holder each, a store in memory, and a network of queues: what
 * tests of fetching, holding and working share. Everything that a step asks for happens at once,
 * in order, unless a hook of the test takes it away.
 */
#ifndef MP_TESTS_BLOB_WORLD_H
#define MP_TESTS_BLOB_WORLD_H

#include "unit/unit.h"

#include "core/roster.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "mp/limits.h"
#include "unit/fake_crypto.h"

#define WORLD_NODES 5
#define WORLD_BLOBS 64

struct world_blob {
	struct mp_hash digest;
	uint8_t *bytes;
	bool *have; /* by piece */
	uint64_t size;
	bool complete;
	bool synced;
};

struct world_event {
	struct world_event *next;
	int node;
	struct mp_event ev;
	struct mp_blob_state *states;
	uint8_t *bytes;
};

struct world_node {
	struct mp_env env;
	struct mp_secret secret;
	struct mp_out *out;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct world_blob blobs[WORLD_BLOBS];
	size_t blob_count;
	int write_rc; /* of the next write */
	int sync_rc;
	size_t gets;  /* BLOB_GET messages that reached it */
	size_t holds; /* HOLD messages that reached it */
	size_t sends; /* messages that it sent */
	size_t writes;
	size_t syncs;
	bool up; /* false: what is sent to it vanishes */
	bool fatal;
};

struct world {
	struct unit_heap heap;
	struct mp_alloc alloc; /* of the nodes */
	struct unit_heap own_heap;
	struct mp_alloc own; /* of the test */
	mp_time now_ms;
	struct world_node nodes[WORLD_NODES];
	struct mp_member members[WORLD_NODES];
	struct world_event *first, **last;
	/* false: the message is lost. May change the bytes. */
	bool (*filter)(int from, int to, uint8_t *bytes, size_t n);
	/* What the step of a node left that the world does not know. */
	void (*effect)(int node, const struct mp_effect *fx);
	/* Messages and events other than those of fetch and hold. */
	void (*other)(int node, const struct mp_event *ev);
	void (*flush)(int node);
	void (*tick)(int node);
	mp_time (*deadline)(int node);
};

static struct world W;

/* ---- the roster, as the tests want it ---- */

const struct mp_member *
mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id)
{
	(void)roster;
	for (size_t i = 0; i < WORLD_NODES; i++) {
		if (mp_node_id_eq(&W.members[i].id, id))
			return &W.members[i];
	}
	return NULL;
}

/* The only authority's key is all 0xad. */
bool
mp_roster_may_take_over(const struct mp_roster *roster, const struct mp_run_record *rec)
{
	(void)roster;
	return rec->now.generation == 1 || mp_run_survived(rec) ||
	       (rec->signer[0] == 0xad && rec->signer[31] == 0xad);
}

size_t
mp_roster_count(const struct mp_roster *roster)
{
	(void)roster;
	return WORLD_NODES;
}

const struct mp_member *
mp_roster_at(const struct mp_roster *roster, size_t i)
{
	(void)roster;
	return &W.members[i];
}

/* ---- the store ---- */

static struct world_blob *
world_blob(int node, const struct mp_hash *digest)
{
	struct world_node *n = &W.nodes[node];

	for (size_t i = 0; i < n->blob_count; i++) {
		if (mp_hash_eq(&n->blobs[i].digest, digest))
			return &n->blobs[i];
	}
	return NULL;
}

static size_t
piece_count(uint64_t size)
{
	return size == 0 ? 1 : (size_t)((size + MP_CHUNK_SIZE - 1) / MP_CHUNK_SIZE);
}

static struct world_blob *
world_blob_new(int node, const struct mp_hash *digest, uint64_t size)
{
	struct world_node *n = &W.nodes[node];
	struct world_blob *b = &n->blobs[n->blob_count++];

	assert_true(n->blob_count <= WORLD_BLOBS);
	*b = (struct world_blob){.digest = *digest, .size = size};
	b->bytes = calloc(1, size + 1);
	b->have = calloc(piece_count(size), sizeof(*b->have));
	assert_non_null(b->bytes);
	assert_non_null(b->have);
	return b;
}

/* Puts a blob into a node's store, whole. */
static struct mp_blob_ref MP_UNUSED
world_put(int node, const void *bytes, size_t n)
{
	struct mp_blob_ref ref = {.size = n};
	struct mp_span span = mp_span(bytes, n);
	struct world_blob *b;

	fake_hash(&ref.digest, &span, 1);
	b = world_blob(node, &ref.digest);
	if (b == NULL)
		b = world_blob_new(node, &ref.digest, n);
	memcpy(b->bytes, bytes, n);
	b->complete = true;
	return ref;
}

static bool MP_UNUSED
world_has(int node, const struct mp_hash *digest)
{
	const struct world_blob *b = world_blob(node, digest);

	return b != NULL && b->complete;
}

/* ---- events ---- */

static void
world_push(int node, const struct mp_event *ev, const struct mp_blob_state *states, size_t count,
	struct mp_span bytes)
{
	struct world_event *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	*e = (struct world_event){.node = node, .ev = *ev};
	if (count > 0) {
		e->states = calloc(count, sizeof(*states));
		assert_non_null(e->states);
		memcpy(e->states, states, count * sizeof(*states));
	}
	e->bytes = malloc(bytes.n + 1);
	assert_non_null(e->bytes);
	if (bytes.n > 0)
		memcpy(e->bytes, bytes.p, bytes.n);
	*W.last = e;
	W.last = &e->next;
}

static int
world_index(const struct mp_node_id *id)
{
	for (int i = 0; i < WORLD_NODES; i++) {
		if (mp_node_id_eq(&W.members[i].id, id))
			return i;
	}
	return -1;
}

static void
on_send(int from, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_MESSAGE};
	uint8_t *copy = malloc(fx->u.send.bytes.n);
	int to = world_index(&fx->u.send.peer);

	assert_non_null(copy);
	assert_true(to >= 0);
	assert_int_not_equal(to, from);
	memcpy(copy, fx->u.send.bytes.p, fx->u.send.bytes.n);
	W.nodes[from].sends++;
	if (W.nodes[to].up && (W.filter == NULL || W.filter(from, to, copy, fx->u.send.bytes.n))) {
		ev.u.message.peer = W.members[from].id;
		ev.u.message.klass = fx->u.send.klass;
		ev.u.message.bytes = mp_span(copy, fx->u.send.bytes.n);
		world_push(to, &ev, NULL, 0, ev.u.message.bytes);
	}
	free(copy);
}

static void
on_stat_fx(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_STAT};
	struct mp_blob_state states[WORLD_BLOBS] = {{0}};

	assert_true(fx->u.blob_stat.count <= WORLD_BLOBS);
	for (size_t i = 0; i < fx->u.blob_stat.count; i++) {
		const struct world_blob *b = world_blob(node, &fx->u.blob_stat.digests[i]);

		if (b != NULL && b->complete)
			states[i] = (struct mp_blob_state){true, b->size};
	}
	ev.u.blob_stat.token = fx->u.blob_stat.token;
	ev.u.blob_stat.count = fx->u.blob_stat.count;
	world_push(node, &ev, states, fx->u.blob_stat.count, mp_span(NULL, 0));
}

static void
on_read_fx(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_READ};
	const struct world_blob *b = world_blob(node, &fx->u.blob_read.digest);
	struct mp_span bytes = mp_span(NULL, 0);

	ev.u.blob_read.token = fx->u.blob_read.token;
	ev.u.blob_read.offset = fx->u.blob_read.offset;
	if (b == NULL || !b->complete) {
		ev.u.blob_read.rc = MP_ENOENT;
	} else {
		ev.u.blob_read.size = b->size;
		if (fx->u.blob_read.offset < b->size)
			bytes = mp_span(b->bytes + fx->u.blob_read.offset,
				mp_min_size(
					fx->u.blob_read.size, b->size - fx->u.blob_read.offset));
	}
	ev.u.blob_read.bytes = bytes;
	world_push(node, &ev, NULL, 0, bytes);
}

static void
on_write_fx(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_WRITTEN};
	struct world_node *n = &W.nodes[node];
	struct world_blob *b = world_blob(node, &fx->u.blob_write.digest);
	bool all = true;

	n->writes++;
	if (b == NULL)
		b = world_blob_new(node, &fx->u.blob_write.digest, fx->u.blob_write.size);
	ev.u.blob_written.token = fx->u.blob_write.token;
	ev.u.blob_written.rc = n->write_rc;
	n->write_rc = 0;
	if (ev.u.blob_written.rc == 0 && !b->complete) {
		struct mp_span span;
		struct mp_hash h;

		assert_true(fx->u.blob_write.size == b->size);
		assert_true(fx->u.blob_write.offset + fx->u.blob_write.bytes.n <= b->size);
		if (fx->u.blob_write.bytes.n > 0)
			memcpy(b->bytes + fx->u.blob_write.offset, fx->u.blob_write.bytes.p,
				fx->u.blob_write.bytes.n);
		b->have[fx->u.blob_write.offset / MP_CHUNK_SIZE] = true;
		for (size_t i = 0; i < piece_count(b->size); i++)
			all = all && b->have[i];
		span = mp_span(b->bytes, b->size);
		fake_hash(&h, &span, 1);
		b->complete = all && mp_hash_eq(&h, &b->digest);
		if (all && !b->complete) {
			ev.u.blob_written.rc = MP_ESIG;
			memset(b->have, 0, piece_count(b->size));
		}
	}
	ev.u.blob_written.complete = b->complete;
	world_push(node, &ev, NULL, 0, mp_span(NULL, 0));
}

static void
on_sync_fx(int node, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_SYNCED};
	struct world_node *n = &W.nodes[node];

	n->syncs++;
	ev.u.blob_synced.token = fx->u.blob_sync.token;
	ev.u.blob_synced.rc = n->sync_rc;
	for (size_t i = 0; i < n->blob_count && n->sync_rc == 0; i++)
		n->blobs[i].synced = n->blobs[i].complete;
	world_push(node, &ev, NULL, 0, mp_span(NULL, 0));
}

/* ---- steps ---- */

static void
world_begin(int node)
{
	struct world_node *n = &W.nodes[node];

	mp_out_begin(n->out);
	n->env.now_ms = W.now_ms;
	n->env.wall_ms = 1700000000000 + W.now_ms;
}

static void
world_end(int node)
{
	struct world_node *n = &W.nodes[node];
	const struct mp_effect *fx;
	size_t count;

	if (W.flush != NULL)
		W.flush(node);
	mp_hold_flush(n->hold, &n->env);
	mp_out_end(n->out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		if (fx[i].kind == MP_FX_SEND)
			on_send(node, &fx[i]);
		else if (fx[i].kind == MP_FX_BLOB_STAT)
			on_stat_fx(node, &fx[i]);
		else if (fx[i].kind == MP_FX_BLOB_READ)
			on_read_fx(node, &fx[i]);
		else if (fx[i].kind == MP_FX_BLOB_WRITE)
			on_write_fx(node, &fx[i]);
		else if (fx[i].kind == MP_FX_BLOB_SYNC)
			on_sync_fx(node, &fx[i]);
		else if (fx[i].kind == MP_FX_FATAL)
			n->fatal = true;
		else if (W.effect != NULL)
			W.effect(node, &fx[i]);
	}
}

static void
world_message(struct world_node *n, const struct mp_event *ev)
{
	const struct mp_node_id *from = &ev->u.message.peer;
	uint64_t number = mp_msg_number(ev->u.message.bytes);

	n->gets += number == MP_MSG_BLOB_GET;
	n->holds += number == MP_MSG_HOLD;
	if (number >= MP_MSG_BLOB_GET && number <= MP_MSG_BLOB_NONE) {
		assert_int_equal(ev->u.message.klass, MP_CLASS_BULK);
		(void)mp_fetch_message(n->fetch, &n->env, from, ev->u.message.bytes);
	} else if (number == MP_MSG_HOLD || number == MP_MSG_HELD) {
		assert_int_equal(ev->u.message.klass, MP_CLASS_CONTROL);
		assert_int_equal(mp_hold_message(n->hold, &n->env, from, ev->u.message.bytes), 0);
	} else if (W.other != NULL) {
		W.other((int)(n - W.nodes), ev);
	}
}

static void
world_dispatch(int node, const struct mp_event *ev)
{
	struct world_node *n = &W.nodes[node];

	if (ev->kind == MP_EV_MESSAGE)
		world_message(n, ev);
	else if (ev->kind == MP_EV_BLOB_SYNCED)
		mp_hold_event(n->hold, &n->env, ev);
	else if (ev->kind == MP_EV_BLOB_STAT || ev->kind == MP_EV_BLOB_READ ||
		 ev->kind == MP_EV_BLOB_WRITTEN)
		mp_fetch_event(n->fetch, &n->env, ev);
	else if (W.other != NULL)
		W.other(node, ev);
}

/* The oldest event; false when there is none. */
static bool
world_step(void)
{
	struct world_event *e = W.first;

	if (e == NULL)
		return false;
	W.first = e->next;
	if (W.first == NULL)
		W.last = &W.first;
	if (e->ev.kind == MP_EV_MESSAGE)
		e->ev.u.message.bytes.p = e->bytes;
	if (e->ev.kind == MP_EV_BLOB_READ)
		e->ev.u.blob_read.bytes.p = e->bytes;
	if (e->ev.kind == MP_EV_BLOB_STAT)
		e->ev.u.blob_stat.states = e->states;
	if (e->ev.kind == MP_EV_CACHE_FOUND)
		e->ev.u.cache_found.refs = (const struct mp_cache_ref *)(void *)e->bytes;
	if (e->ev.kind == MP_EV_CACHE_GOT)
		e->ev.u.cache_got.records = (const struct mp_span *)(void *)e->bytes;
	if (W.nodes[e->node].up) {
		world_begin(e->node);
		world_dispatch(e->node, &e->ev);
		world_end(e->node);
	}
	free(e->states);
	free(e->bytes);
	free(e);
	return true;
}

static void
world_settle(void)
{
	for (size_t i = 0; world_step(); i++)
		assert_true(i < 1000000);
}

/* Lets ms pass, ticking nodes at their deadlines and settling in between. */
static void MP_UNUSED
world_pass(mp_time ms)
{
	mp_time end = W.now_ms + ms;

	world_settle();
	for (;;) {
		mp_time at = MP_TIME_NEVER;
		int node = -1;

		for (int i = 0; i < WORLD_NODES; i++) {
			struct world_node *n = &W.nodes[i];
			mp_time t = mp_fetch_deadline(n->fetch), h = mp_hold_deadline(n->hold);

			t = h < t ? h : t;
			if (W.deadline != NULL && W.deadline(i) < t)
				t = W.deadline(i);
			if (n->up && t < at) {
				at = t;
				node = i;
			}
		}
		if (node < 0 || at > end)
			break;
		if (at > W.now_ms)
			W.now_ms = at;
		world_begin(node);
		mp_fetch_tick(W.nodes[node].fetch, &W.nodes[node].env);
		mp_hold_tick(W.nodes[node].hold, &W.nodes[node].env);
		if (W.tick != NULL)
			W.tick(node);
		world_end(node);
		world_settle();
	}
	W.now_ms = end;
}

/* The streams between two nodes break, as `node` sees it. */
static void MP_UNUSED
world_link(int node, int peer, enum mp_link_state state)
{
	struct world_node *n = &W.nodes[node];
	struct mp_event ev = {.kind = MP_EV_LINK};

	ev.u.link.peer = W.members[peer].id;
	ev.u.link.state = state;
	world_begin(node);
	ev.u.link.klass = MP_CLASS_CONTROL;
	mp_hold_event(n->hold, &n->env, &ev);
	if (W.other != NULL)
		W.other(node, &ev);
	ev.u.link.klass = MP_CLASS_BULK;
	mp_fetch_event(n->fetch, &n->env, &ev);
	world_end(node);
}

static void
world_init(void)
{
	memset(&W, 0, sizeof(W));
	W.alloc = UNIT_ALLOC(&W.heap);
	W.own = UNIT_ALLOC(&W.own_heap);
	W.last = &W.first;
	W.now_ms = 1000;
	for (int i = 0; i < WORLD_NODES; i++) {
		struct world_node *n = &W.nodes[i];

		memset(W.members[i].id.b, i + 1, sizeof(W.members[i].id.b));
		W.members[i].state = MP_MEMBER_ALIVE;
		memcpy(n->secret.public_key, W.members[i].id.b, 32);
		n->up = true;
		n->out = mp_out_new(&W.alloc, &W.members[i].id, NULL, NULL);
		assert_non_null(n->out);
		n->env = (struct mp_env){.alloc = &W.alloc,
			.crypto = &fake_crypto,
			.secret = &n->secret,
			.self = W.members[i].id,
			.boot = 1,
			.now_ms = W.now_ms,
			.out = n->out};
		assert_int_equal(mp_fetch_new(&n->env, NULL, &n->fetch), 0);
		assert_int_equal(mp_hold_new(&n->env, NULL, n->fetch, &n->hold), 0);
	}
}

static void
world_fini(void)
{
	while (W.first != NULL) {
		struct world_event *e = W.first;

		W.first = e->next;
		free(e->states);
		free(e->bytes);
		free(e);
	}
	for (int i = 0; i < WORLD_NODES; i++) {
		struct world_node *n = &W.nodes[i];

		mp_hold_free(n->hold);
		mp_fetch_free(n->fetch);
		mp_out_free(n->out);
		for (size_t k = 0; k < n->blob_count; k++) {
			free(n->blobs[k].bytes);
			free(n->blobs[k].have);
		}
	}
	assert_int_equal(W.heap.live, 0);
	assert_int_equal(W.own_heap.live, 0);
}

#endif
