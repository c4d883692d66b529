/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts on this node (DESIGN 5, 6, 7): takes them from certified leaders only, brings what they
 * need into the local store, has them executed, and keeps the signed result until it is committed.
 *
 *   assigned ─▶ QUEUED ─▶ FETCHING ─▶ (a slot) RUNNING ─▶ STORING ─▶ DONE ─▶ settled: forgotten
 *                 └─────────┴── killed, conflict, cannot lay out ───────▲
 *
 * Fencing: per run, the highest (generation, term) whose certificate was verified is persisted,
 * and nothing is done on a leader's word before that row is durable: while the disk does not take
 * it, work is given back as if all slots were taken. Lower ones are refused with the newer
 * certificate. Attempts go on when the leader changes; their results go to whoever leads
 * then.
 *
 * node.c gives this module rows of FENCE and HELD, messages 60 to 66, EXEC events, LINK events of
 * the control class, and calls mp_worker_persisted() after mp_out_persisted() and mp_worker_flush()
 * at the end of each step, before mp_hold_flush(). Messages to this node itself (its own leader)
 * are sent like all others: node.c loops them back.
 */
#ifndef MP_CORE_WORKER_H
#define MP_CORE_WORKER_H

#include "core/env.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "mp/base.h"
#include "mp/event.h"
#include "mp/work.h"

struct mp_worker;

/* After mp_worker_stop() running attempts have so long. */
#define MP_WORKER_STOP_MS 60000
/* For what was killed then to end, and for a disk that takes nothing. */
#define MP_WORKER_LAST_MS 10000

/* slots 0 refuses all work. Borrows roster, fetch and hold for its life. 0 or MP_ENOMEM. */
int mp_worker_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, uint32_t slots, struct mp_worker **out);
void mp_worker_free(struct mp_worker *worker);

/* A stored row of MP_TABLE_FENCE or MP_TABLE_HELD, before mp_worker_start(). MP_ECORRUPT: not one
 * of ours; MP_ENOMEM. */
int mp_worker_restore(struct mp_worker *worker, struct mp_env *env, const struct mp_row *row);

/* Everything is restored: results that were kept are offered to their leaders. */
void mp_worker_start(struct mp_worker *worker, struct mp_env *env);

/*
 * Messages 60 to 66 of a member. 0, or why it was refused: MP_EFORMAT, MP_ETRUNC, MP_ELIMIT
 * (malformed), MP_ESIG (a record, certificate or offer that does not verify), MP_EAUTH (not from
 * the leader), MP_EREPLAY (fenced: a lower term), MP_EBUSY, MP_ENOMEM.
 */
int mp_worker_message(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

void mp_worker_exec(
	struct mp_worker *worker, struct mp_env *env, const struct mp_exec_report *report);

void mp_worker_persisted(struct mp_worker *worker, struct mp_env *env);

/* LINK of the control class. */
void mp_worker_link(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state);

void mp_worker_flush(struct mp_worker *worker, struct mp_env *env);
void mp_worker_tick(struct mp_worker *worker, struct mp_env *env);
mp_time mp_worker_deadline(const struct mp_worker *worker);

/*
 * Graceful stop: takes nothing more, gives back what has not started, lets the rest run
 * MP_WORKER_STOP_MS and then kills it, as lost and not as failed. mp_worker_stopped() holds once
 * nothing runs and every result is durable here, and MP_WORKER_LAST_MS after that in any case:
 * nothing was said yet that depends on what is not.
 */
void mp_worker_stop(struct mp_worker *worker, struct mp_env *env);
bool mp_worker_stopped(const struct mp_worker *worker, const struct mp_env *env);

/* Draining: gives back what has not started, as busy, and takes nothing more until it is switched
 * off; what runs goes on. */
void mp_worker_drain(struct mp_worker *worker, struct mp_env *env, bool on);
/* More or fewer attempts at a time: what runs above the number runs on; with 0 what has not started
 * is given back. */
void mp_worker_set_slots(struct mp_worker *worker, struct mp_env *env, uint32_t slots);
bool mp_worker_stopping(const struct mp_worker *worker);

/* For load on pings, status and tests. */
uint32_t mp_worker_slots(const struct mp_worker *worker);
uint32_t mp_worker_slots_free(const struct mp_worker *worker); /* not spoken for */
uint32_t mp_worker_slots_used(const struct mp_worker *worker); /* commands that run */
size_t mp_worker_attempts(const struct mp_worker *worker);     /* known, results kept included */

#endif
