/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies: sees to it that blobs are on several nodes' disks before anyone relies on them.
 *
 *   asker  ── HOLD ──▶ target: fetches from the asker, BLOB_SYNC ── HELD ──▶ asker
 *     └─ BLOB_SYNC of its own copy meanwhile
 *
 * Targets are members that take work, this node excluded: the living before the suspected, other
 * zones before our own, then in rendezvous order of the first blob. A target that refuses, is
 * silent or goes away is replaced by the next. With fewer live members than copies, all of them
 * hold it and that is enough. Members that are alive and fail are asked again after a pause, for
 * MP_HOLD_PATIENCE_MS at most; then the holders that there are must do.
 *
 * node.c gives this module BLOB_SYNCED events whose token satisfies mp_hold_owns(), messages 83
 * and 84, LINK events of the control class, and calls mp_hold_flush() at the end of each step,
 * after mp_worker_flush().
 */
#ifndef MP_CORE_HOLD_H
#define MP_CORE_HOLD_H

#include "core/env.h"
#include "core/fetch.h"
#include "mp/base.h"
#include "mp/event.h"

struct mp_hold;
struct mp_roster;
struct mp_hold_job;

#define MP_HOLD_PATIENCE_MS 60000

/* Most holders that a request names, this node included. */
#define MP_HOLD_COPIES_MAX 8

#define MP_TOKEN_HOLD (0xf2ull << 56)

/* Borrows the fetcher and the roster for its life. 0 or MP_ENOMEM. */
int mp_hold_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold **out);
void mp_hold_free(struct mp_hold *hold);

/* As struct mp_fetch_req: embedded, idle when zeroed, `done` exactly once and never at once. */
struct mp_hold_req {
	/*
	 * rc 0: holders[0] is this node, whose copy is durable; borrowed until done returns.
	 * MP_EIO, MP_EFULL: our own copy could not be made durable; there are no holders.
	 */
	void (*done)(struct mp_hold_req *req, struct mp_env *env, int rc,
		const struct mp_node_id *holders, size_t holder_count);
	struct mp_hold_job *job; /* NULL when idle */
};

/*
 * Wants `copies` (1 to MP_HOLD_COPIES_MAX, more is taken as that) copies of blobs that are complete
 * in the local store; 2 at least on a node that only reaches out. The list is copied. 0, MP_ENOMEM,
 * or MP_ELIMIT (over MP_HOLD_REFS_MAX).
 */
int mp_hold_request(struct mp_hold *hold, struct mp_env *env, struct mp_hold_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, size_t copies);
void mp_hold_cancel(struct mp_hold *hold, struct mp_hold_req *req);

bool mp_hold_owns(uint64_t token);

/* BLOB_SYNCED, and LINK of the control class. */
void mp_hold_event(struct mp_hold *hold, struct mp_env *env, const struct mp_event *event);

/* Messages 83 and 84 of a member. 0, or why it was dropped: MP_EFORMAT, MP_ETRUNC, MP_ELIMIT. */
int mp_hold_message(struct mp_hold *hold, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* This member is dead or has left: whoever waits for it asks another. LINK events do the same. */
void mp_hold_lost(struct mp_hold *hold, struct mp_env *env, const struct mp_node_id *peer);

/* This node goes for ever: from now on it refuses to keep copies for others. */
void mp_hold_stop(struct mp_hold *hold);

/* Sends what the step asked for: one message a target. */
void mp_hold_flush(struct mp_hold *hold, struct mp_env *env);

void mp_hold_tick(struct mp_hold *hold, struct mp_env *env);
mp_time mp_hold_deadline(const struct mp_hold *hold);

#endif
