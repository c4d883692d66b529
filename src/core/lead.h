/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leader and its workers, for one run and one term (DESIGN 5): hands out attempts, watches over
 * them, takes results, and says to the log what was decided.
 *
 *            mp_run_apply() ─ changes ─▶ visit: queue, retry, kill, settle
 *   log ◀── ASSIGNED LOST FINISHED RETRY SKIP END ── plan ──▶ workers: LEAD ASSIGN KILL SETTLED
 *    ▲                                                ▲ STATUS RESULT REJECT WHO FREE ──┘
 *    └── CACHED ── recall ◀── shelf: results of other runs
 *
 * mp_lead_plan() compares the run's state with what is outstanding and emits what is missing;
 * called twice it emits nothing new. It acts only while mp_raft_may_dispatch().
 *
 * A leader of a run that had begun before first asks every live member what it runs and holds for
 * it, and adopts that. Attempts that the log has as running are withheld until their worker has
 * answered or counts as lost; everything else until all have answered or refuse connections, but
 * one heartbeat's time at most for who led before or is suspected, and four for the others.
 * ASSIGNED is logged and not awaited; FINISHED is committed before dependants are released and
 * before the worker is told to forget (SETTLED).
 *
 * An attempt is lost at once when its worker has left, refuses connections, or answers without it
 * in a newer boot; after two answers in a row without it; and on silence of max(15 s, a tenth of
 * its age, at most 5 min). What an attempt that was given up reports is taken all the same if it
 * comes first. A worker that was so silent is asked on, and gets nothing until it is heard.
 *
 * A `once` module begins with an entry of its own, and what is lost of it waits for an operator:
 * once.c.
 *
 * Before a ready module is handed out the result caches of the cluster are asked (DESIGN 8), unless
 * it has `cache: false`, or was handed out before. All that they may have for this run is asked for
 * at the beginning of the leadership, so a run that finds nothing waits for one round trip, once. A
 * result that fits is logged as CACHED when its bytes are on enough disks, and nothing runs. A
 * module is never looked up and handed out at a time.
 */
#ifndef MP_CORE_LEAD_H
#define MP_CORE_LEAD_H

#include "codec/record_run.h"
#include "core/env.h"
#include "core/raft.h"
#include "core/roster.h"
#include "core/run.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/event.h"
#include "mp/pipeline.h"

struct mp_fetch;
struct mp_shelf;

#define MP_LEAD_SILENCE_MIN_MS 15000
#define MP_LEAD_SILENCE_MAX_MS 300000
/* Workers with something outstanding are asked so often. */
#define MP_LEAD_ASK_MS 5000
/* An attempt that was handed out is in the log after this, or with the next entry if that comes
 * first: it need not be there before (DESIGN 5), and the disks have half as much to do. */
#define MP_LEAD_UNLOGGED_MS 4
/* A worker that said that it is full is left alone until it says that a slot is free. In case that
 * word is lost it is asked after so long, twice as long the next time, up to the maximum: each
 * question is an entry of the log. */
#define MP_LEAD_BUSY_MS     1000
#define MP_LEAD_BUSY_MAX_MS 30000
/* One whose disk is full. */
#define MP_LEAD_TROUBLE_MS 10000

struct mp_lead;

/* All borrowed for the leadership's life. */
struct mp_lead_config {
	const struct mp_run_record *record;
	struct mp_span signed_record;
	const struct mp_graph *graph;
	struct mp_run *run; /* its `changed` is ours until mp_lead_free() */
	struct mp_raft *raft;
	const struct mp_roster *roster;
	const struct mp_node_id *inputs; /* who holds the run's inputs */
	size_t input_count;
	const struct mp_buf *secrets; /* values in clear, codec/record_secret.h; empty: they lack */
	struct mp_shelf *shelf;       /* NULL: every module runs */
	struct mp_fetch *fetch;       /* with the shelf */
};

/* This node has become the leader of a term. 0 or MP_ENOMEM. */
int mp_lead_new(struct mp_env *env, const struct mp_lead_config *config, struct mp_lead **out);
void mp_lead_free(struct mp_lead *lead);

/* An entry was given to mp_run_apply(), which returned rc. */
void mp_lead_applied(
	struct mp_lead *lead, struct mp_env *env, const struct mp_raft_entry *entry, int rc);

/* Messages 70 to 75 of a member, but 74, about this run. 0 or MP_EFORMAT, MP_ETRUNC, MP_ELIMIT,
 * MP_ESIG, MP_EAUTH, MP_EREPLAY (of another term), MP_ENOMEM. */
int mp_lead_message(struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* WORK_FREE: that worker has a slot. */
void mp_lead_room(struct mp_lead *lead, const struct mp_node_id *worker);

void mp_lead_link(struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state);

/* mp_roster_version() has grown. */
void mp_lead_members(struct mp_lead *lead, struct mp_env *env);

/* Secrets that lacked are there: what waited for them is handed out. */
void mp_lead_secrets(struct mp_lead *lead);

/* At the end of a step, and when the deadline has come. */
void mp_lead_plan(struct mp_lead *lead, struct mp_env *env);
mp_time mp_lead_deadline(const struct mp_lead *lead);

/* Proposes CANCEL. 0: it is decided when the entry `at` is committed, which is an END where the run
 * is ending; at once where at->index is 0. MP_ENOTLEADER, MP_ENOMEM. */
int mp_lead_cancel(
	struct mp_lead *lead, struct mp_env *env, struct mp_span by, struct mp_raft_at *at);

/* An operator says what became of a module that may have run: MP_ONCE_DONE or MP_ONCE_RERUN. 0: it
 * is decided when the entry `at` is committed. MP_EINVAL: it does not wait for that; MP_EBUSY: it
 * cannot run again yet, for it may be alive; MP_ENOTLEADER, MP_ENOMEM. */
int mp_lead_resolve(struct mp_lead *lead, struct mp_env *env, uint32_t module, enum mp_once_how how,
	struct mp_span by, struct mp_raft_at *at);

/* Is this module ready, and with no worker? Then why, and whether no live member could run it. One
 * that its worker gave back is, though the log still has it as running. */
bool mp_lead_waits(struct mp_lead *lead, uint32_t module, bool *unplaceable, struct mp_error *why);
/* How many are unplaceable; how many were given back. */
uint32_t mp_lead_unplaceable_count(struct mp_lead *lead);
uint32_t mp_lead_returned_count(const struct mp_lead *lead);

/* For tests and health: attempts handed out and not known to be over. */
size_t mp_lead_outstanding(const struct mp_lead *lead);

#endif
