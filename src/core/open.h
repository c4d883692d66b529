/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a run: from a submission to a run that a majority of its electors has on disk (DESIGN 5).
 *
 *   CHECK ─▶ HOLD inputs on `copies` nodes ─▶ ASK electors ─▶ a majority accepted ─▶ BEGIN
 *                                               └ one refuses, is gone or silent, and no majority:
 *                                                 ABORT that record, draw others, ask again
 *
 * The opener asks itself like any other elector. Before others are asked, so many electors of a
 * record that is given up have confirmed that they have nothing of it, that the rest is no
 * majority, the opener itself among them, for only from it could the others still get it: one
 * submission never becomes two runs.
 *
 * The submission is acknowledged when the run's log has begun: before that only the opener knows
 * that the run cannot be given up any more, and an elector that has nothing of it yet would get it
 * from nobody else. An opener that is an elector sees that the first entry is committed. One that
 * is none, or whose own disk takes nothing, asks the electors how far their logs go (RUN_TIP),
 * until a majority has an entry on disk.
 */
#ifndef MP_CORE_OPEN_H
#define MP_CORE_OPEN_H

#include "core/env.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "core/roster.h"
#include "mp/error.h"
#include "mp/event.h"
#include "mp/pipeline.h"

struct mp_open;
struct mp_opening;
struct mp_run_tip;

struct mp_submission {
	struct mp_span pipeline; /* deterministic CBOR */
	const struct mp_param *params;
	size_t param_count;
	struct mp_hash
		inputs;  /* manifest, complete in the local store with its files; zero: none */
	const char *key; /* submission key, or NULL */
	struct mp_span secrets; /* values of what the pipeline declares, codec/record_secret.h */
};

/* Embedded in who asks; idle when zeroed. Stays where it is until done or forgotten. `done` comes
 * exactly once and never from inside mp_open_submit(): rc 0 once a majority of the electors has
 * the run and the beginning of its log on disk; MP_ETIMEOUT when the run may start all the same;
 * else an MP_E* with a text, and nothing was started. */
struct mp_submit_req {
	void (*done)(struct mp_submit_req *req, struct mp_env *env, int rc,
		const struct mp_run_id *run, const char *text);
	struct mp_opening *opening; /* NULL when idle */
};

struct mp_open_parts {
	const struct mp_roster *roster; /* all borrowed */
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	/* A majority has the run: the opener stands for its leadership, and tells all members.
	 * Comes before req->done. True: mp_open_begun() will come; else the electors are asked. */
	bool (*opened)(void *ctx, struct mp_env *env, const struct mp_run_id *run,
		struct mp_span signed_record);
	void *ctx;
};

/* Submissions under way at a time; more are MP_EBUSY. */
#define MP_OPEN_MAX 64

int mp_open_new(struct mp_env *env, const struct mp_open_parts *parts, struct mp_open **out);
void mp_open_free(struct mp_open *open);

/* Validates the pipeline whole and begins. Copies what it keeps. 0, or with *err filled:
 * MP_EPIPELINE, MP_EINVAL (the secrets are not what it declares), MP_EBUSY, MP_EUNSUPPORTED,
 * MP_ELIMIT, MP_ENOMEM. */
int mp_open_submit(struct mp_open *open, struct mp_env *env, const struct mp_submission *s,
	struct mp_submit_req *req, struct mp_error *err);
/* The asker goes away; the run is opened all the same. */
void mp_open_forget(struct mp_open *open, struct mp_submit_req *req);

/* RUN_ACCEPT and RUN_REFUSE of an elector. MP_ENOENT: nobody waits for it. */
int mp_open_accept(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_id *run);
int mp_open_refuse(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_id *run, struct mp_span text);

/* An entry of the run's log is committed. */
void mp_open_begun(struct mp_open *open, struct mp_env *env, const struct mp_run_id *run);

/* RUN_TIP of an elector, which has so much of the log on disk. MP_ENOENT: nobody waits for it. */
int mp_open_tip(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_tip *tip);

/* LINK of the control class. */
void mp_open_link(struct mp_open *open, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state);

void mp_open_tick(struct mp_open *open, struct mp_env *env);
mp_time mp_open_deadline(const struct mp_open *open);

#endif
