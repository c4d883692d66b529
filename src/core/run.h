/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a run, made from its log and from nothing else: mp_run_apply() is the only writer,
 * it has no effects, and equal logs give equal states (DESIGN 2.1).
 *
 *                                      ┌────────────CACHED────────────┐
 *   WAITING ──last need succeeded──▶ READY ──ASSIGNED──▶ RUNNING ──FINISHED──▶ SUCCEEDED
 *      │                              ▲ ▲ └──────────────LOST──────┘ │
 *      │ a need failed       RETRY and│ └────────────────────────────┤ more than MP_LOST_MAX
 *      ▼                  ASSIGNED    │     failed, may be retried   ▼ or failed for good
 *   SKIPPED                        BACKOFF ◀─────────────────────  FAILED, TIMED_OUT
 *   a new generation: a `once` module that has not ended is MAYBE_RAN instead of READY, RUNNING or
 *                     BACKOFF, whenever it comes to that
 *   CANCEL: what has not started is CANCELLED at once, what runs when it ends
 *
 * A `once` module: READY ──ONCE_BEGIN──▶ RUNNING ──LOST, killed──▶ MAYBE_RAN ──ONCE_END──▶ as the
 * operator says; a result that comes after all counts. In a cancelled run MAYBE_RAN is an end.
 *
 * Applying an entry costs O(1), plus the dependants of a module once, when it ends: O(modules +
 * edges) for a whole run.
 */
#ifndef MP_CORE_RUN_H
#define MP_CORE_RUN_H

#include "codec/msg_show.h"
#include "codec/record_work.h"
#include "core/raft.h"
#include "mp/base.h"
#include "mp/member.h"
#include "mp/pipeline.h"
#include "util/map.h"

/* Attempts of one module that may be lost with their nodes. One more: the module fails. */
#define MP_LOST_MAX 5

#define MP_RUN_NO_NODE UINT32_MAX

struct mp_run_module {
	uint8_t state; /* enum mp_module_state; UNPLACEABLE and PAUSED never stand here */
	uint8_t lost;
	bool cached;       /* the result of another run stands for its own */
	uint16_t failures; /* attempts that the module itself failed */
	uint32_t attempts; /* that were assigned, less those that their worker did not take */
	uint32_t waiting;  /* needs that have not succeeded */
	uint32_t next;     /* used inside mp_run_apply() only */
	struct mp_attempt_id attempt; /* the last one; counter 0: none yet */
	uint32_t worker;   /* of that attempt, or who made the cached result; see mp_run_node() */
	uint64_t entry;    /* index of the last FINISHED, CACHED, SKIP or ONCE_END that counts */
	mp_time queued_ms; /* wall times, of the leader; 0: not yet */
	mp_time assigned_ms;
	mp_time ended_ms;
	mp_time not_before_ms; /* in BACKOFF; MP_TIME_NEVER until the leader has said when */
};

/* Told of every change of a module's state, from inside mp_run_apply(), after the change. */
typedef void (*mp_run_changed_cb)(void *ctx, uint32_t module, enum mp_module_state from);

struct mp_run_node_slot;

struct mp_run {
	const struct mp_alloc *alloc;
	const struct mp_graph *graph; /* borrowed */
	struct mp_run_id id;
	uint64_t generation;
	struct mp_run_module *modules; /* as many as the graph has */
	uint32_t counts[MP_MODULE_STATE_COUNT];
	uint32_t ended_count;  /* modules that have ended */
	uint32_t cached_count; /* of those, by the result of another run */
	uint64_t applied;      /* index of the last entry */
	uint64_t term;         /* of the last TERM_START */
	struct mp_node_id leader;
	struct mp_node_id leader_before; /* the last other one; zero: none */
	bool opened;
	bool cancelled; /* CANCEL was said */
	struct mp_name cancelled_by;
	enum mp_run_outcome outcome; /* 0 until END */
	mp_time ended_ms;
	uint64_t end_index; /* of the END entry */
	struct mp_hash end_hash;
	struct mp_run_node_slot **nodes; /* workers, in order of appearance */
	uint32_t node_count;
	uint32_t node_cap;
	struct mp_map node_map;
	mp_run_changed_cb changed; /* NULL when nobody listens */
	void *changed_ctx;
};

/* The graph that a record and its pipeline make; *out is to be freed, and borrows alloc.
 * MP_EPIPELINE when they do not belong together, or the errors of mp_pipeline_decode() and
 * mp_graph_expand(). */
int mp_run_graph(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_run_record *rec, struct mp_span pipeline, struct mp_graph **out);

/* Borrows alloc and graph for the run's life. 0 or MP_ENOMEM. */
int mp_run_init(struct mp_run *run, const struct mp_alloc *alloc, const struct mp_graph *graph,
	const struct mp_run_id *id, uint64_t generation);
void mp_run_fini(struct mp_run *run);

/*
 * The next committed entry. 0; or, with nothing changed but `applied`: MP_EFORMAT, MP_ETRUNC,
 * MP_ELIMIT (a body that is malformed or says what cannot be), MP_EEXIST (about something that has
 * ended before: a second result, a late loss), MP_EUNSUPPORTED (a kind of later days). MP_ENOMEM:
 * nothing changed at all, try again. MP_EINVAL: not the next one.
 */
int mp_run_apply(struct mp_run *run, const struct mp_raft_entry *entry);

/* What a FINISHED or CACHED entry says of the result that counts; with CACHED, attempt and worker
 * are those that made it, in another run. 0, or the errors of the decoders. */
int mp_run_result(
	const struct mp_raft_entry *entry, struct mp_finished *out, struct mp_result *result);

/* An ended module never changes again. MAYBE_RAN waits for an operator. */
static inline bool
mp_module_ended(enum mp_module_state state)
{
	return state >= MP_MODULE_SUCCEEDED && state != MP_MODULE_MAYBE_RAN;
}

static inline enum mp_module_state
mp_run_module_state(const struct mp_run *run, uint32_t module)
{
	return (enum mp_module_state)run->modules[module].state;
}

/* NULL for MP_RUN_NO_NODE. */
const struct mp_node_id *mp_run_node(const struct mp_run *run, uint32_t node);

/* Every module has ended: how END would have to read. False: not yet. */
bool mp_run_outcome(const struct mp_run *run, enum mp_run_outcome *outcome);

/* PENDING until it is opened, RUNNING, or how it ended. */
enum mp_run_state mp_run_state(const struct mp_run *run);

/* A digest of everything above that follows from the log. */
void mp_run_digest(const struct mp_run *run, const struct mp_crypto *crypto, struct mp_hash *out);

#endif
