/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs of this node: those it is an elector or the mirror of, each with its graph, log and
 * state, those that it opens, and what it knows of all others.
 *
 *                         ┌ graph   (mp/pipeline.h)
 *   mp_run_box ── record ─┼ raft    (core/raft)  ── committed entries ──┐
 *                         ├ run     (core/run)   ◀── mp_run_apply ──────┤
 *                         └ lead    (core/lead)  ◀── only while it leads ┘
 *   opening (core/open): a submission on its way to its electors
 *   known: signed record and end of every run there is, spread to all members
 *
 * node.c gives this module rows of RUN, VOTE, ENTRY and KNOWN, messages 40 to 55, 58, 59 and 70 to
 * 79, LINK events of the control class, and calls mp_runs_persisted() after mp_out_persisted(),
 * mp_runs_members() when mp_roster_version() has grown, and mp_runs_flush() at the end of each step
 * before mp_worker_flush(). Messages to this node itself are sent like all others; node.c loops
 * them back.
 */
#ifndef MP_CORE_RUNS_H
#define MP_CORE_RUNS_H

#include "core/env.h"
#include "core/open.h"
#include "core/roster.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/event.h"
#include "mp/pipeline.h"

struct mp_end;
struct mp_runs;
struct mp_raft;
struct mp_raft_at;
struct mp_pulse;
struct mp_fetch;
struct mp_hold;

/* What the table works with; all are borrowed for its life. */
struct mp_runs_parts {
	const struct mp_roster *roster;
	struct mp_pulse *pulse;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct mp_shelf *shelf;
	/* When this node came back without its rows (wall; 0: it never did). It may have voted in
	 * any run from before and does not know: it accepts none of those, and has its say in them
	 * only once it was let in again (core/raft.h). */
	mp_time returned_ms;
};

int mp_runs_new(struct mp_env *env, const struct mp_runs_parts *parts, struct mp_runs **out);
void mp_runs_free(struct mp_runs *runs);

/* One stored row of MP_TABLE_KNOWN, RUN or VOTE, before mp_runs_start(). MP_ENOMEM;
 * MP_ECORRUPT: the row is not one of ours, or a log does not hold together; that run is left
 * alone then and the others go on. */
int mp_runs_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row);
void mp_runs_start(struct mp_runs *runs, struct mp_env *env);

/* Messages 40 to 55, 58, 59 and 70 to 79 of a member, this node included. 0, or why it was dropped:
 * MP_EFORMAT, MP_ETRUNC, MP_ELIMIT (malformed), MP_ESIG, MP_EAUTH (not from who may say it),
 * MP_ENOENT (no such run here), MP_EUNSUPPORTED (no such message), MP_ENOMEM. */
int mp_runs_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

void mp_runs_link(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state);
/* A member's key was revoked: as an elector or mirror it counts for nothing any more. */
void mp_runs_shut(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *id);
void mp_runs_members(struct mp_runs *runs, struct mp_env *env);
void mp_runs_persisted(struct mp_runs *runs, struct mp_env *env, uint64_t seq);
void mp_runs_flush(struct mp_runs *runs, struct mp_env *env);
void mp_runs_tick(struct mp_runs *runs, struct mp_env *env);
mp_time mp_runs_deadline(const struct mp_runs *runs);

/* Graceful stop: hands over what it leads, and takes no submission any more. */
void mp_runs_stop(struct mp_runs *runs, struct mp_env *env);
/* Draining: takes no submission and is no elector of new runs until it is switched off. */
void mp_runs_drain(struct mp_runs *runs, bool on);
/* Tries to hand over what it still leads to electors that are not draining themselves; when it
 * stops, to any. */
void mp_runs_hand_over(struct mp_runs *runs, struct mp_env *env);
/* Runs that have not ended and that it leads, at the end of the last step. */
size_t mp_runs_leading(const struct mp_runs *runs);
/* Would the cluster miss this node, if it never came back? *err says which run goes on or can be
 * shown with it alone. */
bool mp_runs_need(const struct mp_runs *runs, struct mp_error *err);

/* ---- submitting ---- */

/* Validates the pipeline whole and begins. Copies what it keeps. 0, or with *err filled:
 * MP_EPIPELINE, MP_EBUSY (stopping, draining, or MP_RUNS_MAX runs are open), MP_EUNSUPPORTED,
 * MP_ELIMIT, MP_ENOMEM. */
int mp_runs_submit(struct mp_runs *runs, struct mp_env *env, const struct mp_submission *s,
	struct mp_submit_req *req, struct mp_error *err);
/* The asker goes away; the run is opened all the same. */
void mp_runs_submit_forget(struct mp_runs *runs, struct mp_submit_req *req);

/* ---- asking ---- */

/* The run with this id in hexadecimal digits, or the only one whose id begins so (at least 4).
 * MP_EINVAL: no such text; MP_ENOENT; MP_EEXIST: more than one. */
int mp_runs_find(const struct mp_runs *runs, struct mp_span text, struct mp_run_id *out);

/* Whom to ask about a run, the best first: who leads it as far as is known here, then the other
 * electors, and the mirror of an only one; this node is left out. Fills who[] and returns how many;
 * 0 for an unknown run. */
size_t mp_runs_whom(const struct mp_runs *runs, const struct mp_run_id *run,
	struct mp_node_id who[MP_ELECTORS_MAX]);

enum mp_runs_have {
	MP_RUNS_HAVE_NOTHING,
	MP_RUNS_HAVE_AWAY,   /* it has ended, and its log is on our disk: mp_runs_load() */
	MP_RUNS_HAVE_RECORD, /* its record, and its end when it is known to have ended */
	MP_RUNS_HAVE_STATE,  /* an elector or the mirror: everything, but perhaps not the latest */
	MP_RUNS_HAVE_LATEST, /* it leads, or the run has ended: there is nothing newer elsewhere */
};
enum mp_runs_have mp_runs_have(const struct mp_runs *runs, const struct mp_run_id *run);

/* Appends the run as codec/msg_show.h has it, with at most `count` modules beginning with number
 * `from`. MP_ENOENT when only its record is here; MP_ENOMEM, MP_ELIMIT. */
int mp_runs_snapshot(const struct mp_runs *runs, const struct mp_env *env,
	const struct mp_run_id *run, uint32_t from, uint32_t count, struct mp_buf *buf);
/* Appends what the log of the run says, from that index on, as codec/msg_show.h has it. Errors as
 * before. */
int mp_runs_events(
	const struct mp_runs *runs, const struct mp_run_id *run, uint64_t from, struct mp_buf *buf);
/* The same, for who checks it: codec/msg_ctl_proof.h. */
int mp_runs_record(const struct mp_runs *runs, const struct mp_run_id *run, struct mp_buf *buf);
int mp_runs_entries(
	const struct mp_runs *runs, const struct mp_run_id *run, uint64_t from, struct mp_buf *buf);
/* Appends the list of all runs, the newest first. */
int mp_runs_list(const struct mp_runs *runs, const struct mp_env *env, struct mp_buf *buf);

/* What the next ping is to say of the runs that this node knows of, for struct mp_load: now and
 * then a digest. Who hears of another one than its own asks over a stream. */
uint32_t mp_runs_say(struct mp_runs *runs, const struct mp_env *env);

/* No run is open in which this node takes part, and none is being opened? */
bool mp_runs_quiet(const struct mp_runs *runs);

/* Has the log of a run that is away read from the disk. mp_runs_loads() grows when it is there, or
 * cannot be read; until then mp_runs_loading() holds. */
void mp_runs_load(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run);
bool mp_runs_loading(const struct mp_runs *runs, const struct mp_run_id *run);
uint64_t mp_runs_loads(const struct mp_runs *runs);

/* MP_EV_ROWS_READ. */
void mp_runs_rows(struct mp_runs *runs, struct mp_env *env, const struct mp_event *ev);

/* How the run ended, as far as this node knows; NULL: it goes on. An end is of a generation: where
 * that was taken over, it goes on (core/takeover.h). Good until the next call that takes runs and
 * env. */
const struct mp_end *mp_runs_end(const struct mp_runs *runs, const struct mp_run_id *run);
/* mp_runs_ends() grows with every run that ends. */
bool mp_runs_ended(const struct mp_runs *runs, const struct mp_run_id *run);
uint64_t mp_runs_ends(const struct mp_runs *runs);

/* 0: it is decided when mp_runs_decided() says so of *at; at once where at->index is 0, for it had
 * been cancelled or had ended before. MP_ENOENT; MP_ENOTLEADER: ask mp_runs_whom(). */
int mp_runs_cancel(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_span by, struct mp_raft_at *at);

/* An operator says of a `once` module that may have run that it is done, or is to run again. */
struct mp_word {
	struct mp_span module, by;
	bool rerun;
};
/* 0: as above. MP_ENOTLEADER: ask mp_runs_whom(); with *err filled: MP_ENOENT (no such module),
 * MP_EINVAL (it does not wait for this). */
int mp_runs_resolve(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	const struct mp_word *word, struct mp_raft_at *at, struct mp_error *err);

/* This node is out of the cluster for ever, and will not hear of any end: what was sealed to it
 * goes from its disk. */
void mp_runs_purge(struct mp_runs *runs, struct mp_env *env);

/* The secrets that a run waits for: none, or all that its pipeline declares, borrowed. MP_ENOENT;
 * MP_ENOTLEADER: ask mp_runs_whom(). */
int mp_runs_lacks(
	const struct mp_runs *runs, const struct mp_run_id *run, struct mp_names_list *names);
/* Gives them, encoded values of codec/record_secret.h. 0: they are safe once the rows put so far
 * are on disk. As above; with *err filled: MP_EEXIST (it waits for none), MP_EINVAL (not those), …
 */
int mp_runs_give(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_span values, struct mp_error *err);

/* 0: it is in the log for good; MP_EBUSY: not yet; MP_ECANCELED: it never will be. */
int mp_runs_decided(
	const struct mp_runs *runs, const struct mp_run_id *run, const struct mp_raft_at *at);

/* ---- for pulse, the simulator and tests ---- */

/* The log of a run that this node is an elector of and that is not put away; NULL. */
struct mp_raft *mp_runs_raft(const struct mp_runs *runs, const struct mp_run_id *run);
/* Digest of a run's state after `*index` committed entries. False: not here. */
bool mp_runs_state_digest(const struct mp_runs *runs, const struct mp_env *env,
	const struct mp_run_id *run, uint64_t *index, struct mp_hash *digest);
size_t mp_runs_count(const struct mp_runs *runs); /* whose log is in memory */
size_t mp_runs_led(const struct mp_runs *runs);   /* it leads */

#endif
