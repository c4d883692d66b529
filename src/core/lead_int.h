/* SPDX-License-Identifier: Apache-2.0 */
/* What lead.c (workers and their messages), plan.c (what is missing), recall.c (results of other
 * runs), offer.c (handing out), once.c (what may not start twice) and tell.c (what workers are
 * told) share. Nobody else includes this. */
#ifndef MP_CORE_LEAD_INT_H
#define MP_CORE_LEAD_INT_H

#include "codec/msg_work.h"
#include "core/lead.h"
#include "core/sched.h"
#include "util/buf.h"
#include "util/dlist.h"

/* An attempt that this leader waits for; at most one per module. */
struct lead_attempt {
	struct mp_dlist in_worker;
	struct mp_attempt_id id;
	struct lead_worker *worker;
	mp_time since_ms; /* of our clock */
	uint64_t asked;   /* answers to later requests than this one must name it */
	uint64_t boot;    /* of its worker when it was handed out; 0: not known */
	/* What this leader signed: it need not verify that. Zero: another did. */
	struct mp_hash offer;
	struct mp_sig offer_sig;
	uint8_t misses; /* answers in a row that did not name it */
	bool seen;      /* named by the answer that is being read */
	bool done;      /* its result came, FINISHED is on its way through the log */
	bool given_up;  /* LOST is on its way, or ONCE_END */
	/* Of a `once` module: its worker has not heard of it before ONCE_BEGIN is committed. */
	bool begins;   /* that entry is on its way */
	bool due;      /* it is to be handed out now */
	bool returned; /* it never began: ONCE_END is to say so */
};

struct lead_worker {
	struct mp_dlist in_dirty; /* something is to be sent */
	struct mp_dlist attempts;
	struct mp_node_id id;
	uint32_t slot;   /* in the roster */
	bool introduced; /* it got WORK_LEAD on the link that is up */
	bool ask;        /* it is to get a request for its status */
	bool awaited;    /* asked when this leader began, and has not answered */
	bool silent;     /* what it had was lost so: it gets nothing until it is heard */
	uint64_t seq;    /* of the last request */
	uint64_t answered;
	uint64_t boot; /* the highest it has shown */
	mp_time asked_ms;
	mp_time heard_ms;
	mp_time busy_ms; /* it is full: left alone until then */
	mp_time patience_ms;
	mp_time leased_ms;    /* no lease of this worker was given after this */
	uint64_t lease_seq;   /* it gets none before it has answered this request */
	struct mp_buf settle; /* struct mp_attempt_id, one after the other */
	struct mp_buf kill;
};

struct lead_backoff {
	uint32_t module;
	mp_time due_ms;
};

/* Attempts that wait for their ASSIGNED. More: it is written at once. */
#define LEAD_UNLOGGED_MAX 256

/* Per module. */
#define LEAD_TOUCHED  0x1u  /* on the list of changes */
#define LEAD_FINISHED 0x2u  /* a FINISHED for it is on its way through the log */
#define LEAD_RETRY    0x4u  /* a RETRY is */
#define LEAD_SKIP     0x8u  /* a SKIP is */
#define LEAD_BACKOFF  0x10u /* it is among the backoffs */
#define LEAD_CACHED   0x20u /* a CACHED for it is on its way through the log */
#define LEAD_RESOLVED 0x40u /* an operator's ONCE_END is on its way through the log */

struct mp_lead {
	const struct mp_alloc *alloc;
	struct mp_lead_config c;
	struct mp_work_head head;
	uint32_t counter; /* of the last attempt of this term */
	bool begun;
	bool acting;        /* the last plan might act */
	bool members_stale; /* the scheduler has not taken over the last change */
	bool open_proposed;
	bool end_proposed;
	struct mp_raft_at cancel; /* was proposed; index 0: not in this term */
	bool rescan;              /* a change could not be noted: look at every module */
	struct mp_sched *sched;
	struct lead_recall *recall;    /* NULL: no module uses the result cache */
	struct lead_attempt **current; /* per module; NULL: none */
	uint8_t *flags;                /* per module */
	size_t outstanding;
	uint32_t *touched;
	size_t touched_count;
	size_t touched_cap;
	struct lead_backoff *backoffs;
	size_t backoff_count;
	size_t backoff_cap;
	struct lead_worker **workers; /* by roster slot; NULL: nothing to do with it yet */
	size_t worker_cap;
	struct mp_dlist dirty;
	struct mp_assigned unlogged[LEAD_UNLOGGED_MAX]; /* handed out, not in the log yet */
	size_t unlogged_count;
	mp_time unlogged_ms; /* to be logged by then; NEVER: there are none */
	bool log_refused;    /* the log did not take them: no more are handed out */
	size_t awaited;      /* workers that are */
	size_t silent;       /* likewise */
	mp_time collect_ms;  /* they are waited for until then, */
	mp_time patient_ms;  /* and those who should answer until then, at most */
	mp_time began_ms;
	mp_time check_ms;   /* when to look for the lost and the silent */
	mp_time backoff_ms; /* the first of backoffs */
	mp_time again_ms;   /* something could not be done now */
};

/* lead.c */

/* NULL when it is no member or memory is out. */
struct lead_worker *lead_worker_of(
	struct mp_lead *lead, struct mp_env *env, const struct mp_node_id *id);
void lead_dirty(struct mp_lead *lead, struct lead_worker *worker);
/* Begins or ends waiting for an attempt. track: 0 or MP_ENOMEM. */
int lead_track(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker,
	const struct mp_attempt_id *id, mp_time since_ms);
void lead_untrack(struct mp_lead *lead, struct lead_attempt *attempt);
/* The result is there, or it is lost: its slot is free. */
void lead_slot_free(struct mp_lead *lead, struct lead_attempt *attempt);
/* Notes that a module is to be looked at by the next plan. */
void lead_touch(struct mp_lead *lead, uint32_t module);

/* Logs that an attempt goes on, which nobody waited for, and waits for it. */
void lead_adopt(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker,
	const struct mp_attempt_id *id);

/* tell.c */

/* Puts an attempt on the list of those that a worker is told to forget, or to kill. */
void lead_settle(struct mp_lead *lead, struct lead_worker *worker, const struct mp_attempt_id *id);
void lead_kill(struct mp_lead *lead, struct lead_worker *worker, const struct mp_attempt_id *id);
/* Sends what the worker has not got yet of WORK_LEAD. */
void lead_introduce(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker);
/* Sends everything that those lists have gathered. */
void lead_flush(struct mp_lead *lead, struct mp_env *env);
/* WORK_END, at once. */
void lead_tell_end(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker);

/* plan.c */

/* It has said what it has, or will not. */
void lead_answered(struct mp_lead *lead, struct lead_worker *worker);
/* It says something; or only shows that it could, by a newer boot or a free slot. */
void lead_heard(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker);
void lead_woke(struct mp_lead *lead, struct lead_worker *worker);
/* The raft's propose, after what was handed out; on an error the plan comes back to it soon. */
int lead_propose(struct mp_lead *lead, struct mp_env *env, enum mp_entry_kind kind,
	const struct mp_buf *body);
void lead_again(struct mp_lead *lead, mp_time at_ms);
int lead_lost(struct mp_lead *lead, struct mp_env *env, const struct mp_attempt_id *id,
	enum mp_lost_why why);
void lead_give_up(struct mp_lead *lead, struct mp_env *env, struct lead_attempt *attempt,
	enum mp_lost_why why);
/* A module that the log has as running is handed out again. */
void lead_requeue(struct mp_lead *lead, struct mp_env *env, uint32_t module);
/* END is in the log, ours or an earlier leader's, applied or not. Whatever undoes it undoes all
 * that would follow it. */
bool lead_ending(const struct mp_lead *lead);
/* Names the last entry, which was just proposed. */
struct mp_raft_at lead_last(const struct mp_lead *lead);

/* recall.c */

/* Begins to ask what the result caches have. 0 or MP_ENOMEM; freed in either case. */
int lead_recall_new(struct mp_lead *lead, struct mp_env *env);
void lead_recall_free(struct mp_lead *lead);
/* Is this ready module not to be handed out, for its result may be somewhere? Looks for it then,
 * and touches the module when that is over. */
bool lead_recall_withholds(struct mp_lead *lead, uint32_t module);
/* Its end, or its attempt, comes from elsewhere: no result of another run is looked for. */
void lead_recall_drop(struct mp_lead *lead, uint32_t module);
/* Begins what lead_recall_withholds() left to do; may touch modules. */
void lead_recall_plan(struct mp_lead *lead, struct mp_env *env);

/* offer.c */

/* What the log has of a dependency that has succeeded. False: it cannot be read. */
bool lead_dep(
	struct mp_lead *lead, uint32_t need, struct mp_finished *out, struct mp_result *result);
/* What an attempt of this module is asked to run and reads. 0, MP_ENOMEM, or MP_ECORRUPT: a
 * dependency's result cannot be read from the log. */
int lead_hashes(struct mp_lead *lead, struct mp_env *env, uint32_t module, struct mp_hash *spec,
	struct mp_hash *inputs);
/* The hash of the offer for that attempt. */
int lead_offer_hash(struct mp_lead *lead, struct mp_env *env, const struct mp_attempt_id *id,
	const struct mp_node_id *worker, const struct mp_hash *spec, const struct mp_hash *inputs,
	struct mp_hash *out);
/* Did the leader that the result names sign its offer? 0 or MP_ESIG. What this one signed for an
 * attempt that it waits for it knows. */
int lead_offer_check(
	const struct mp_lead *lead, const struct mp_env *env, const struct mp_result *result);
/* Places what can be placed and hands it out; it is logged with the next entry, or soon. */
void lead_place(struct mp_lead *lead, struct mp_env *env);
/* Logs what was handed out. 0, or the raft's error: nothing else is to be logged before it. */
int lead_log_assigned(struct mp_lead *lead, struct mp_env *env);
/* Its worker did not take it: the log need not know. */
void lead_unlog(struct mp_lead *lead, const struct mp_attempt_id *id);
/* Sends one attempt that the log has as running to its worker. 0, or why nothing was sent. */
int lead_hand_out(struct mp_lead *lead, struct mp_env *env, const struct lead_attempt *attempt);

/* once.c */

static inline bool
lead_is_once(const struct mp_lead *lead, uint32_t module)
{
	return lead->c.graph->modules[module].once;
}

/* Its worker has not heard of it. */
static inline bool
lead_unsent(const struct lead_attempt *a)
{
	return a->begins || a->due || a->returned;
}

/* Has the attempt begin. False: it could not be logged, and is not waited for. */
bool lead_once_begin(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker,
	const struct mp_attempt_id *id);
/* ONCE_BEGIN was given to mp_run_apply(), which returned rc. */
void lead_once_applied(struct mp_lead *lead, const struct mp_raft_entry *entry, int rc);
/* Hands out what has begun, or says that it never did. */
void lead_once_visit(struct mp_lead *lead, struct mp_env *env, struct lead_attempt *attempt);
/* The worker refused it, unstarted. */
void lead_once_returned(struct mp_lead *lead, struct lead_attempt *attempt);
/* What a worker has of a `once` module. False: as of any other one. */
bool lead_once_status(struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker,
	const struct mp_work_state *state);
/* ONCE_END was given to mp_run_apply(). */
void lead_once_ended(struct mp_lead *lead, const struct mp_raft_entry *entry);
/* Of a module that may have run, something is on its way through the log. */
bool lead_once_pending(const struct mp_lead *lead);
/* LOST was given to mp_run_apply(). Its worker is asked, and has no lease until it answers. */
void lead_once_lost(struct mp_lead *lead, struct mp_env *env, uint32_t module);
/* Whatever its worker had of `once` modules is dead for want of a lease. */
bool lead_once_dead(const struct lead_worker *worker, mp_time now_ms);
/* WORK_RENEW */
int lead_renew(
	struct mp_lead *lead, struct mp_env *env, struct lead_worker *worker, struct mp_span bytes);

#endif
