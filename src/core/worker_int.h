/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the worker share: worker.c (messages), fence.c (whom it obeys), assign.c (what
 * it takes), attempt.c (the life of one attempt), lease.c (what may not start twice) and lay.c
 * (what its workspace will hold). */
#ifndef MP_CORE_WORKER_INT_H
#define MP_CORE_WORKER_INT_H

#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "core/manifests.h"
#include "core/worker.h"
#include "mp/error.h"
#include "util/dlist.h"
#include "util/map.h"

/* A run that a leader was certified for. */
struct wrun {
	struct mp_map_node node;
	struct mp_dlist age; /* in mp_worker.runs_by_age */
	struct mp_run_id id;
	/* The fence. */
	uint64_t generation;
	struct mp_hash naming; /* of the record that names its electors */
	uint64_t term;
	struct mp_node_id leader;
	struct mp_buf certificate;
	struct mp_buf record; /* signed */
	uint64_t fence_seq;   /* durable once the outbox says so */
	mp_time fence_ms;     /* when it was put */
	bool ended;
	/* Of the record. */
	uint32_t copies;
	struct mp_hash inputs;
	/* Messages that wait for the fence. */
	struct mp_dlist deferred;
	struct mp_dlist deferring; /* in mp_worker.deferring while there are some */
	size_t deferred_count;
	size_t deferred_bytes;
	/* Attempts, and their results. */
	struct mp_dlist attempts;
	size_t attempt_count;
	struct mp_dlist unsent;  /* results to send at the end of the step */
	struct mp_dlist dirty;   /* in mp_worker.dirty while there are some */
	struct mp_dlist holding; /* in mp_worker.holding while results are held */
	size_t held_count;
	mp_time resend_ms;
	mp_time resend_pause_ms;
	/* The lease of its `once` modules. */
	struct mp_dlist leasing; /* in mp_worker.leasing while there are some that are not done */
	size_t leasing_count;
	mp_time lease_until_ms;
	mp_time lease_ask_ms;   /* when to ask for it again */
	uint32_t lease_unheard; /* how often that was in vain */
};

/* A message of a leader that waits for its fence. */
struct deferred {
	struct mp_dlist link;
	size_t size;
	uint8_t bytes[];
};

/* Something that an attempt reads: the run's inputs, or a dependency. */
struct source {
	struct attempt *attempt;
	struct mp_span name;   /* of the dependency */
	struct mp_span result; /* its result record */
	struct mp_hash manifest;
	struct mp_hash value;
	struct mp_node_id holders[MP_HOLDERS_MAX];
	size_t holder_count;
	struct mp_manifest_use use;
	struct mp_fetch_req fetch;
};

/* How an attempt that runs is to end. */
enum attempt_fate {
	FATE_REPORT, /* its result is reported */
	FATE_CANCEL, /* as cancelled: it was killed on the leader's word */
	FATE_RETURN, /* it is given back: this node stops */
	FATE_FORGET, /* nobody wants to know any more */
};

struct attempt {
	struct mp_map_node node;
	struct mp_dlist of_run;
	struct mp_dlist queue;  /* in mp_worker.ready */
	struct mp_dlist unsent; /* in wrun.unsent */
	struct mp_dlist using;  /* in mp_worker.using while it has what it takes */
	struct mp_worker *worker;
	struct wrun *run;
	struct mp_attempt_id id;
	enum mp_work_phase phase;
	enum attempt_fate fate;
	bool executing;       /* the executor has it */
	bool once;            /* known once it is laid */
	bool leasing;         /* of a `once` module, and not done */
	bool beginning;       /* has a slot, and waits for the disk */
	uint64_t started_seq; /* its row says that it may have been started; 0: there is none */
	/* What was offered. */
	uint64_t generation;
	uint32_t number;
	struct mp_hash offer;
	struct mp_node_id leader; /* who signed it */
	struct mp_sig offer_sig;
	struct mp_hash spec_hash;
	struct mp_hash inputs_hash;
	struct mp_span name;
	struct mp_span spec;
	struct mp_resource *takes; /* of what this node can count */
	size_t take_count;
	uint8_t *text; /* holds name, spec, names and results of sources */
	size_t text_size;
	struct source *sources; /* the run's inputs first */
	size_t source_count;
	size_t waiting; /* manifests or blobs under way */
	/* What the executor gets. */
	struct mp_file *files;
	uint32_t *file_sources; /* where each comes from */
	size_t file_count;
	size_t file_room;
	struct mp_exec_dep *deps;
	struct mp_buf secrets;    /* that it takes; wiped once it is over */
	struct mp_hash cache_key; /* zero: the result counts for nobody else */
	struct mp_hash where;     /* of the key */
	/* What came out. */
	struct mp_exec_report report; /* its error text is in error */
	struct mp_error error;
	struct mp_manifest_use outputs;
	struct mp_hold_req hold;
	/* The signed result, once phase is MP_WORK_DONE. */
	uint8_t *result;
	size_t result_size;
	struct mp_node_id holders[MP_HOLDERS_MAX];
	size_t holder_count;
};

/* Leaders that were told that we are busy. More: they find out by asking. */
#define BUSY_LEADERS_MAX 64
/* Runs that we asked the leader of, lately. */
#define ASKED_MAX 8

struct mp_worker {
	const struct mp_alloc *alloc;
	const struct mp_roster *roster;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct mp_manifests *manifests;
	uint32_t slots;
	uint32_t active;  /* attempts that were not executed yet, or are */
	uint32_t running; /* the executor has them */
	size_t held;      /* results kept */
	struct mp_map runs;
	struct mp_dlist runs_by_age;
	struct mp_map attempts;
	struct mp_dlist ready;     /* could run, wait for a slot */
	struct mp_dlist beginning; /* by `queue` too */
	struct mp_dlist using;     /* of attempts that run and take resources */
	struct mp_dlist leasing;   /* of runs */
	struct mp_dlist dirty;
	struct mp_dlist holding;
	struct mp_dlist deferring;
	struct mp_node_id busy[BUSY_LEADERS_MAX];
	size_t busy_count;
	struct {
		struct mp_run_id run;
		mp_time at_ms;
	} asked[ASKED_MAX];
	size_t asked_next;
	bool stopping;
	bool draining;
	bool killed;   /* the time of a graceful stop is over, */
	bool given_up; /* and so is that for the disk */
	mp_time stop_ms;
};

/* ---- attempt.c ---- */

struct attempt *attempt_find(const struct mp_worker *worker, const struct mp_run_id *run,
	const struct mp_attempt_id *id);

/* A new one that nothing has happened to. NULL: out of memory. */
struct attempt *attempt_new(
	struct mp_worker *worker, struct wrun *run, const struct mp_attempt_id *id);

/* Gives back all that it has, whatever it is doing; the executor must not have it. */
void attempt_free(struct attempt *a);

/* Its offer was verified and its sources are set. */
void attempt_begin(struct attempt *a, struct mp_env *env);

/* The leader does not want it any more: the result says cancelled, if there is none yet. */
void attempt_kill(struct attempt *a, struct mp_env *env);

/* Nobody wants to know of it; its row goes too. Freed now, or when the executor is done. */
void attempt_forget(struct attempt *a, struct mp_env *env);

/* This node stops. True: it has not started, and the caller frees it. */
bool attempt_return(struct attempt *a, struct mp_env *env, bool now);

/* The executor has ended it. 0, or the enum mp_reject_why with which it is to be given back; the
 * caller frees it then. */
int attempt_ended(struct attempt *a, struct mp_env *env, const struct mp_exec_report *report);

/* It gives back what it took, and waits for a slot. */
void attempt_wait(struct attempt *a);

/* Starts what is ready as far as there are slots. */
void attempts_pump(struct mp_worker *worker, struct mp_env *env);

/* Its result is to be sent at the end of the step. */
void attempt_resend(struct attempt *a);

/* A restored one: copies the signed result. 0 or MP_ENOMEM. */
int attempt_restore(struct attempt *a, struct mp_span result, struct mp_list *holders);

/* Hands it to the executor. It has a slot, and no list has it. */
void attempt_start(struct attempt *a, struct mp_env *env);

/* Frees it, and its row too: it is given back, or nobody wants it any more. */
void attempt_drop(struct attempt *a, struct mp_env *env);

/* Its row in MP_TABLE_HELD. */
#define HELD_KEY (16 + 8 + 4 + 4)
void held_key(const struct attempt *a, uint8_t key[HELD_KEY]);

/* A restored one, of a `once` module: it may have been started by an earlier boot. */
void attempt_restore_unsure(struct attempt *a);

/* ---- lease.c ---- */

/* The attempt turned out to be one of a `once` module. */
void lease_want(struct attempt *a, struct mp_env *env);
void lease_drop(struct attempt *a);
/* Has it what it needs to take a slot? */
bool lease_may_begin(const struct attempt *a, const struct mp_env *env);
/* Attempts whose run has given no lease for so long that they do not count as active. */
uint32_t lease_benched(const struct mp_worker *worker);
/* It is its turn, and it may: takes the slot that is free, and starts when the disk allows it. */
void lease_begin(struct attempt *a, struct mp_env *env);
/* Starts what can start now. */
void lease_pump(struct mp_worker *worker, struct mp_env *env);
/* WORK_LEASE. The errors of mp_worker_message(). */
int lease_take(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);
/* Another leader: it is asked at once. */
void lease_hurry(struct wrun *run, struct mp_env *env);
void lease_tick(struct mp_worker *worker, struct mp_env *env);
mp_time lease_deadline(const struct mp_worker *worker);

/* ---- assign.c ---- */

/* WORK_ASSIGN. The errors of mp_worker_message(). */
int worker_assign(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* Gives back the work that waits for the fence, to whoever leads now. */
void assign_give_back(struct mp_worker *worker, struct mp_env *env, struct wrun *run);
/* The same of all that have waited too long: the disk takes nothing, and others can run it. */
void assign_tick(struct mp_worker *worker, struct mp_env *env);
mp_time assign_deadline(const struct mp_worker *worker);

bool worker_has_room(const struct mp_worker *worker);
/* This leader is told when there is room again. */
void worker_note_busy(struct mp_worker *worker, const struct mp_node_id *leader);

/* ---- using.c ---- */

/* Reads what it takes from its specification; what is malformed takes nothing, and is refused when
 * it is laid out. 0 or MP_ENOMEM. */
int using_read(struct attempt *a);
void using_fini(struct attempt *a);

enum using_verdict {
	USING_MAY,   /* as much is left */
	USING_LATER, /* others have it, or are before it */
	USING_NEVER, /* this node has not that much */
};
enum using_verdict using_may(const struct attempt *a, const struct mp_env *env);
void using_begin(struct attempt *a);
void using_end(struct attempt *a);

/* ---- attempt_secret.c ---- */

/* Copies what its specification names, of values that were checked. 0, MP_ENOENT (one of them is
 * not there), MP_ENOMEM. */
int secrets_take(struct attempt *a, struct mp_span values);
void secrets_wipe(struct attempt *a);
/* Takes them out of its error text. */
void secrets_mask(struct attempt *a);

/* ---- fence.c ---- */

/* Results that were not settled are sent again after this; the pause doubles. */
#define WORKER_RESEND_MS 5000

struct wrun *wrun_find(const struct mp_worker *worker, const struct mp_run_id *id);
/* It has no attempts. */
void wrun_free(struct mp_worker *worker, struct wrun *run);
/* All results are sent to its leader once more. */
void wrun_resend(struct wrun *run);
void wrun_drop_deferred(struct mp_worker *worker, struct wrun *run);

/* Is the fence on disk? Before that nothing is done. */
bool fence_durable(const struct wrun *run, const struct mp_env *env);
void fence_put(struct wrun *run, struct mp_env *env);
/* Asks all electors who leads: whom we know does not take our results. */
void fence_seek(const struct wrun *run, struct mp_env *env);
/* A row of MP_TABLE_FENCE. */
int fence_restore(struct mp_worker *worker, struct mp_env *env, const struct mp_row *row);
/* WORK_LEAD. The errors of mp_worker_message(). */
int fence_lead(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

enum gate {
	GATE_OPEN,
	GATE_DEFERRED, /* it is kept until the fence is durable */
	GATE_SHUT,
};

/* May a message of a leader be acted on? With *out the run, if it is known. Shut: *rc tells why,
 * MP_EREPLAY for one from the past (the caller tells the sender), MP_ENOENT (it was asked to
 * introduce itself), MP_EAUTH. */
enum gate worker_gate(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_work_head *head, struct mp_span bytes, struct wrun **out, int *rc);

/* WORK_REJECT; proof: the run whose certificate and record go with it, or NULL. */
void worker_reject(struct mp_env *env, const struct mp_node_id *to, const struct mp_work_head *head,
	enum mp_reject_why why, const struct mp_attempt_id *ids, size_t n,
	const struct wrun *proof);

/* ---- lay.c ---- */

/* Merges what the sources' manifests give into a->files and a->deps, and makes a->cache_key of it.
 * 0; MP_EEXIST with the text of
 * the conflict; or another MP_E* when the specification cannot be read, with a text. */
int attempt_lay(struct attempt *a, const struct mp_env *env, struct mp_error *err);

#endif
