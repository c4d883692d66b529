/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: which ready module goes to which worker next (DESIGN 6). One per run that this node
 * leads.
 *
 * Hard requirements first: os, arch, tools, tags, resources; the worker alive, taking work, not
 * refusing connections. Modules with equal requirements form a class, and a class knows its
 * workers, so placing does not cost modules times members. Then, of the workers with room: who
 * holds most of what the module reads, then who is least loaded. Of the modules: the longest way to
 * the end of the graph, then the order of submission.
 *
 * Of what can be counted (`resources`), what attempts of this run take on a worker counts against
 * what it has; what those of other runs take is for the worker to know. Room is a worker's slots;
 * when every slot that fits is taken and more is ready than the cluster has slots, as much again
 * (at least two) is handed over ahead, which hides the round trip. The last modules of a run are
 * never handed over ahead, so none waits behind another while a slot is free elsewhere.
 */
#ifndef MP_CORE_SCHED_H
#define MP_CORE_SCHED_H

#include "core/roster.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/pipeline.h"

struct mp_sched;

/* Borrows all three for its life. 0 or MP_ENOMEM. Call mp_sched_members() before the first
 * mp_sched_next(). */
int mp_sched_new(const struct mp_alloc *alloc, const struct mp_graph *graph,
	const struct mp_roster *roster, struct mp_sched **out);
void mp_sched_free(struct mp_sched *sched);

/* The roster changed: takes another look at every member. 0 or MP_ENOMEM (the old view stays). */
int mp_sched_members(struct mp_sched *sched);

/* A module is ready; nothing if it is queued already. 0 or MP_ENOMEM. */
int mp_sched_push(struct mp_sched *sched, uint32_t module, mp_time now_ms);
/* It is not ready any more. */
void mp_sched_drop(struct mp_sched *sched, uint32_t module);
bool mp_sched_queued(const struct mp_sched *sched, uint32_t module);
size_t mp_sched_ready(const struct mp_sched *sched);

/* Workers are named by their slot in the roster (struct mp_member). */
#define MP_SCHED_PREFER_MAX 16

/* Which workers hold what the module reads, one mention for each thing held. Returns how many. */
typedef size_t (*mp_sched_prefer_cb)(
	void *ctx, uint32_t module, uint32_t workers[MP_SCHED_PREFER_MAX]);

struct mp_placement {
	uint32_t module;
	uint32_t worker;
};

/* Takes the next module off the queue and counts it as outstanding on a worker. False: nothing
 * that is ready can go anywhere now. prefer may be NULL. */
bool mp_sched_next(struct mp_sched *sched, mp_time now_ms, mp_sched_prefer_cb prefer, void *ctx,
	struct mp_placement *out);

/* One attempt of that module more, or less, is outstanding on that worker than mp_sched_next()
 * knows.
 */
void mp_sched_taken(struct mp_sched *sched, uint32_t worker, uint32_t module);
void mp_sched_done(struct mp_sched *sched, uint32_t worker, uint32_t module);

/* The worker said that it is full: it gets nothing until then, or until it says that a slot is
 * free. */
void mp_sched_busy(struct mp_sched *sched, uint32_t worker, mp_time until_ms);
void mp_sched_room(struct mp_sched *sched, uint32_t worker);
/* The worker said that it takes no more: it gets nothing until it shows a newer boot. */
void mp_sched_closed(struct mp_sched *sched, uint32_t worker);

/* When mp_sched_next() or mp_sched_expired() may have something that it has not now. */
mp_time mp_sched_deadline(const struct mp_sched *sched);

/* Kinds of workers that could run the module and would make different results of it: os, arch, and
 * the versions of the tools that it asks for. One of each; returns how many. More: left out. */
#define MP_SCHED_KINDS_MAX 4
size_t mp_sched_kinds(
	struct mp_sched *sched, uint32_t module, uint32_t workers[MP_SCHED_KINDS_MAX]);

/* No live member could ever run it; why tells what is missing and who comes nearest. */
bool mp_sched_unplaceable(struct mp_sched *sched, uint32_t module, struct mp_error *why);

/* How many of the modules that wait are so. */
uint32_t mp_sched_unplaceable_count(struct mp_sched *sched);

/* What a module waits for that somebody could run; nothing is said when memory is out. */
void mp_sched_waits(struct mp_sched *sched, uint32_t module, struct mp_error *why);

/* Takes a module off the queue whose placement timeout has passed, with the reason. */
bool mp_sched_expired(
	struct mp_sched *sched, mp_time now_ms, uint32_t *module, struct mp_error *why);

/* Attempts that are outstanding on a worker, for tests. */
uint32_t mp_sched_outstanding(const struct mp_sched *sched, uint32_t worker);

#endif
