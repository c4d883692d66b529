/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shelf: results of earlier runs, on this node and on its peers (DESIGN 8).
 *
 *   ask  ── CACHE_ASK ──▶ every live member ── CACHE_FIND ──▶ its cache.db ── CACHE_HAVE ──▶ asker
 *   get  ── CACHE_GET ──▶ one of those that have it ───────────────────────── CACHE_GOT ───▶ asker
 *   hold ── CACHE_HOLD ─▶ one that may have the bytes: fetches what is missing, has it held
 *                         by others too (core/hold.h) ─────────────────────── CACHE_HELD ──▶ asker
 *
 * This node answers itself as it answers others. Nobody is waited for longer than the patience that
 * is named below; a member whose stream breaks or is refused is not waited for at all. What comes
 * from here is a hint from a member: a record is to be verified by who uses it.
 *
 * node.c gives this module CACHE_FOUND and CACHE_GOT events, messages 90 to 95, and LINK events of
 * the control class.
 */
#ifndef MP_CORE_SHELF_H
#define MP_CORE_SHELF_H

#include "core/env.h"
#include "mp/base.h"
#include "mp/event.h"
#include "mp/store.h"

struct mp_fetch;
struct mp_hold;
struct mp_roster;
struct mp_shelf;
struct mp_shelf_ask;
struct mp_shelf_job;

/* ask: until then all have answered. get: one member, which is then left out for a while. hold: the
 * whole of it, after it began or another hold succeeded; one that is silent for MP_SHELF_NEXT_MS
 * has the next one asked beside it. */
#define MP_SHELF_PATIENCE_MS 300
#define MP_SHELF_GET_MS      500
#define MP_SHELF_AVOID_MS    5000
#define MP_SHELF_HOLD_MS     5000
#define MP_SHELF_NEXT_MS     1500

/* Members that one get or hold is asked of. More: the first ones. */
#define MP_SHELF_NODES_MAX 16

/* Borrows all three for its life. 0 or MP_ENOMEM. */
int mp_shelf_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, struct mp_shelf **out);
/* Requests that are open are forgotten without a word. NULL is fine. */
void mp_shelf_free(struct mp_shelf *shelf);

/* ---- for a leader ----
 * As struct mp_fetch_req: embedded in what asks, idle when zeroed; from success until `done` or the
 * cancel it stays where it is. `done` is called exactly once, never from inside the call that
 * started it, and may start or cancel requests, this one included. */

struct mp_shelf_ref {
	struct mp_cache_ref ref;
	struct mp_node_id node; /* who says so */
};

struct mp_shelf_ask_req {
	/* What there is, in ascending order of base, then key, then node; borrowed until done
	 * returns. Nobody knows anything, nobody answered, out of memory: there is none. */
	void (*done)(struct mp_shelf_ask_req *req, struct mp_env *env,
		const struct mp_shelf_ref *refs, size_t count);
	struct mp_shelf_ask *job; /* NULL when idle */
};

/* Asks this node and all live members, all MP_CACHE_BASES_MAX first bases. The list is copied; it
 * need not be free of repetitions. 0 or MP_ENOMEM. */
int mp_shelf_ask(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_ask_req *req,
	const struct mp_hash *bases, size_t n);
void mp_shelf_ask_cancel(struct mp_shelf *shelf, struct mp_shelf_ask_req *req);

struct mp_shelf_get_req {
	/* rc 0: the record, borrowed until done returns. MP_ENOENT: nobody gave it. */
	void (*done)(
		struct mp_shelf_get_req *req, struct mp_env *env, int rc, struct mp_span record);
	struct mp_shelf_job *job;
};

/* The record of a key, from the first of these nodes that gives it: one after the other, those that
 * are not alive left out. The list is copied. 0 or MP_ENOMEM. */
int mp_shelf_get(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_get_req *req,
	const struct mp_hash *key, const struct mp_node_id *nodes, size_t n);
void mp_shelf_get_cancel(struct mp_shelf *shelf, struct mp_shelf_get_req *req);

struct mp_shelf_hold_req {
	/* rc 0: all blobs that the result names are durable on these nodes, at least one; borrowed
	 * until done returns. MP_ENOENT: nobody could do it, or not in time. */
	void (*done)(struct mp_shelf_hold_req *req, struct mp_env *env, int rc,
		const struct mp_node_id *holders, size_t count);
	struct mp_shelf_job *job;
};

/*
 * Has the blobs of a signed result made durable on `copies` nodes (1 to MP_COPIES_MAX), or on as
 * many as are alive. `nodes` are asked in that order, those that are not alive left out, and are
 * where the bytes are looked for first. A result that names no blob needs no holder: ask nobody.
 * All is copied. 0 or MP_ENOMEM.
 */
int mp_shelf_hold(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_hold_req *req,
	struct mp_span result, uint32_t copies, const struct mp_node_id *nodes, size_t n);
void mp_shelf_hold_cancel(struct mp_shelf *shelf, struct mp_shelf_hold_req *req);

/* ---- the node's side ---- */

/* CACHE_FOUND, CACHE_GOT, and LINK of the control class. */
void mp_shelf_event(struct mp_shelf *shelf, struct mp_env *env, const struct mp_event *event);

/* Messages 90 to 95 of a member. 0, or why it was dropped: MP_EFORMAT, MP_ETRUNC, MP_ELIMIT. */
int mp_shelf_message(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* This member is dead or has left: nobody waits for it. LINK events do the same. */
void mp_shelf_lost(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *peer);

void mp_shelf_tick(struct mp_shelf *shelf, struct mp_env *env);
mp_time mp_shelf_deadline(const struct mp_shelf *shelf);

#endif
