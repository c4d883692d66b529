/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a run over (DESIGN 5), when a majority of its electors is lost for good.
 *
 *   mpctl takeover ─▶ ask everybody: RUN_TIP_ASK
 *      ├ who knows how it ended: RUN_KNOWN ─▶ there is nothing to take over
 *      └ who holds the log: RUN_TIP ─▶ the record of the next generation
 *                       ─▶ signed by an authority ─▶ mp_runs_take(): kept, told to all members
 *                                             ├ an elector of it: its log up to the base goes on
 *                                             ├ one that is none any more: it forgets the log
 *                                             └ a worker: hears of it with the new leader
 *
 * The base is the highest (last term, index) among those that answered. Who held the log and
 * answered comes first among the new electors, whose number is the old one if there are so many
 * members, else three or one. Nothing is asked of the cluster but this: that the electors that do
 * not answer never come back to decide; the old generation is fenced wherever the new one is
 * known. An elector that has lost what it had (core/raft.h) answers, too, and has no vote: its log
 * may be the base, and it makes no majority. While a majority answers, or anyone hears a leader, a
 * takeover is refused.
 *
 * A member that can be reached and has heard how the run ended says so, be it an elector or not.
 * What only lost nodes knew cannot be known: entries after the base, an END among them, are decided
 * a second time, and what had finished in them runs again unless a worker still holds its result.
 *
 * Two things that are known of a run are ordered by generation, then by naming (of rival
 * takeovers), then by whether that generation has ended; whoever meets the higher takes it, and
 * drops what it had, an end included. That order is total and depends on nobody's clock, so all who
 * meet agree in the end, and a base with an END in it ends the later generation the same way. A
 * lost node that comes back with an END of an earlier generation tells of that only until it meets
 * somebody: what it told cannot be taken back, which is why a takeover is an operator's word, or
 * the survivor's by the run's own.
 */
#ifndef MP_CORE_TAKEOVER_H
#define MP_CORE_TAKEOVER_H

#include "core/env.h"
#include "core/runs.h"

struct mp_takeover_ask;

/* With `failover: survivor` the mirror of an only elector takes the run over by itself, and signs
 * it itself: when the elector refuses connections or has left, as soon as its heartbeats have
 * failed; when it is merely silent and no longer taken for alive, after this. Where the network was
 * cut between the two, both go on until they meet: then the later generation stands. */
#define MP_SURVIVOR_MS 15000

/* Embedded in who asks; idle when zeroed. Stays where it is until done or forgotten. `done` comes
 * exactly once and never from inside mp_runs_takeover(): rc 0 with the record that is to be
 * signed, or an MP_E* with a text: MP_EBUSY while the run can go on by itself, MP_ENOQUORUM when
 * nobody who answers has its log. */
struct mp_takeover_req {
	void (*done)(struct mp_takeover_req *req, struct mp_env *env, int rc,
		struct mp_span takeover, const char *text);
	struct mp_takeover_ask *ask; /* NULL when idle */
};

/* How long they have to answer. */
#define MP_TAKEOVER_ASK_MS 3000
/* Asked for at a time. */
#define MP_TAKEOVERS_MAX 8

/* 0, or with *err: MP_ENOENT, MP_EEXIST (it has ended), MP_EBUSY (too many at a time), MP_ENOMEM.
 */
int mp_runs_takeover(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_takeover_req *req, struct mp_error *err);
void mp_runs_takeover_forget(struct mp_runs *runs, struct mp_takeover_req *req);

/* Opens the generation that a signed takeover names. 0; or with *err: MP_EFORMAT, MP_ENOENT,
 * MP_EEXIST (the run has ended, or somebody else took it over meanwhile), MP_ESIG, MP_EAUTH (not
 * from an authority), MP_ENOMEM. */
int mp_runs_take(struct mp_runs *runs, struct mp_env *env, struct mp_span takeover,
	const struct mp_sig *sig, struct mp_error *err);

#endif
