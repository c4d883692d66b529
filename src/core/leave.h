/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving the cluster for ever (DESIGN 4): nothing that only this node has may go with it.
 *
 *   asked ─▶ STOPPING ─▶ COPYING ─▶ ANNOUNCING ─▶ left
 *              │ attempts end, results are settled, leaderships are handed over
 *              └─▶ every blob of the store on other nodes ─▶ the signed word `left`
 *
 * What the others could not make good is refused before anything is done: a run that goes on only
 * with this node's vote, a run that nobody else keeps, nobody who could take the blobs. Blobs that
 * nobody took end it as failed: the node stops and is a member still. `force` leaves all the same.
 *
 * node.c stops the other parts when mp_leave_asked() begins to hold, gives this module BLOB_LIST
 * events, and calls mp_leave_step() at the very end of each step from then on.
 */
#ifndef MP_CORE_LEAVE_H
#define MP_CORE_LEAVE_H

#include "core/env.h"
#include "core/hold.h"
#include "core/roster.h"
#include "core/runs.h"
#include "core/swim.h"
#include "core/worker.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/event.h"

struct mp_leave;

/* Other nodes that are to have each blob: what a run has without `copies`. */
#define MP_LEAVE_COPIES 2

/* So long after its last attempt has ended, results may wait for a leader, and leaderships for
 * somebody who takes them. */
#define MP_LEAVE_SETTLE_MS 30000

struct mp_leave_parts {
	const struct mp_roster *roster; /* all borrowed */
	struct mp_runs *runs;
	struct mp_worker *worker;
	struct mp_hold *hold;
	struct mp_swim *swim;
};

/* 0 or MP_ENOMEM. */
int mp_leave_new(struct mp_env *env, const struct mp_leave_parts *parts, struct mp_leave **out);
/* Before hold is freed. */
void mp_leave_free(struct mp_leave *leave);

/* 0, or MP_EBUSY with what stands against it; never with force. */
int mp_leave_begin(struct mp_leave *leave, struct mp_env *env, bool force, struct mp_error *err);
bool mp_leave_asked(const struct mp_leave *leave);

/* True once it is over: *err has code 0, or why this node did not leave. */
bool mp_leave_step(struct mp_leave *leave, struct mp_env *env, struct mp_error *err);

/* BLOB_LIST. */
void mp_leave_event(struct mp_leave *leave, struct mp_env *env, const struct mp_event *event);
mp_time mp_leave_deadline(const struct mp_leave *leave);

#endif
