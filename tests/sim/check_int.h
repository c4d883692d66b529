/* SPDX-License-Identifier: Apache-2.0 */
/* What check.c (logs and views), effect.c (what nodes ask for) and live.c (how it ends) know of
 * all runs. Nobody else includes this. */
#ifndef MP_TESTS_SIM_CHECK_INT_H
#define MP_TESTS_SIM_CHECK_INT_H

#include "codec/msg_raft.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "codec/record_work.h"
#include "core/raft.h"
#include "core/roster.h"
#include "core/runs.h"
#include "mp/pipeline.h"
#include "sim.h"

#define LEADERS_MAX 1024
/* Orders of the past that reached a host, see check_order(). */
#define STALE_MAX 256

struct leadership {
	uint64_t term;
	uint32_t host;
};

/* An entry, as it was when anybody first had it as committed. */
struct committed {
	struct mp_hash hash;
	uint64_t term; /* in which it was committed, not written */
	enum mp_entry_kind kind;
	struct mp_returned returned; /* RETURNED */
	bool has_state;
	struct mp_hash state; /* of the run after it */
};

struct check_module {
	bool succeeded;
	struct mp_attempt_id by; /* whose result that was; counter 0: it was cached */
	uint64_t reads;          /* with success: what it read, see sim_model_read() */
	/* The same in an earlier generation, whose log may be lost: its results are as good. */
	struct mp_attempt_id earlier_by;
	uint64_t earlier_reads;
	uint32_t assigned, lost, failed;
	uint32_t executions;
	/* A `once` module. */
	bool begun;                 /* and nobody has said that it may begin anew */
	bool maybe;                 /* it may have run, as far as the log says */
	bool asked;                 /* an operator was asked, and answered */
	bool resolved;              /* done on an operator's word */
	uint32_t words;             /* of operators, that are committed */
	struct mp_attempt_id began; /* the last that did */
	uint32_t began_runs;        /* how often it was executed */
};

struct check_stale {
	uint32_t host;
	struct mp_attempt_id attempt;
};

/* Attempts that were given up; of more the last ones. */
#define GIVEN_UP_MAX 64

/* Everything that is known of one run, by whoever committed it first. */
struct check_run {
	struct mp_run_id id;
	struct mp_run_record record; /* its electors: those of the generation */
	uint64_t generation;         /* the highest that was led */
	struct mp_graph *graph;
	struct committed *entries; /* index 1 is at 0 */
	size_t entry_count, entry_cap;
	struct leadership leaders[LEADERS_MAX];
	size_t leader_count;
	struct check_module *modules;
	bool cancelled, ended;
	bool forgotten[SIM_HOSTS_MAX]; /* this host was told to, and did */
	enum mp_run_outcome outcome;
	uint64_t seen_term[SIM_HOSTS_MAX];   /* highest term each host was seen leading in */
	uint64_t seen_commit[SIM_HOSTS_MAX]; /* up to where each host's log was compared */
	bool led[SIM_HOSTS_MAX];             /* it led when it was looked at last */
	uint64_t fence[SIM_HOSTS_MAX];       /* highest term that each host has obeyed */
	struct check_stale stale[STALE_MAX];
	size_t stale_count;
	struct mp_attempt_id given_up[GIVEN_UP_MAX];
	size_t given_up_count;
	bool lost[SIM_HOSTS_MAX]; /* rows of it were lost or damaged there, see check_lost() */
	uint64_t old_loss[SIM_HOSTS_MAX]; /* the number of the loss before that; 0: none */
	sim_time led_at;                  /* since all is healed; 0: not looked at yet */
	/* The generation of whose end each host knew when it was looked at last; 0: of none. */
	uint64_t end_known[SIM_HOSTS_MAX];
};

struct sim_check {
	struct sim *sim;
	struct check_run *runs[SIM_RUNS_MAX * 8];
	size_t run_count;
	uint64_t incarnations[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
	uint64_t own_incarnation[SIM_HOSTS_MAX]; /* over all lives */
	uint64_t roster_seen[SIM_HOSTS_MAX];
	size_t members_seen[SIM_HOSTS_MAX];
	size_t members_durable[SIM_HOSTS_MAX]; /* when it went down last */
	/* The order that is being given is of the past. */
	struct check_run *past;
	uint64_t past_term;
	uint32_t last_leader;
	uint32_t resolved; /* words that an operator gave */
	const struct check_run *last_led;
	uint64_t elections, executions, finished, lost;
};

/* ---- shut.c: I15, of hosts that are shut out ---- */

void check_shut_result(struct sim *sim, const struct mp_result *result);

/* ---- drained.c: I16, of hosts that drain ---- */

void check_drain_exec(struct sim_host *host);

/* ---- once.c: I12, a `once` module never runs twice without an operator ---- */

void check_once_entry(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e);
void check_once_exec(
	struct sim_host *host, struct check_run *run, const struct mp_exec_request *req);

/* ---- lost.c: I8, of electors that have lost what they had ---- */

struct check_vote {
	uint64_t generation, term;
	bool voted;
	struct mp_node_id candidate;
	uint64_t loss, regained; /* core/raft.h */
};
/* What an elector has on its disk; false when it has nothing, or it is damaged. */
bool check_vote_row(
	const struct sim_host *host, const struct mp_run_id *id, struct check_vote *out);
/* Rows of this run were lost there, and it is not known to count again. */
bool check_lost(const struct sim *sim, const struct check_run *run, uint32_t host);
/* It has written down how the run ended. */
bool check_end_on_disk(const struct sim *sim, const struct check_run *run, uint32_t host);
void check_regained(struct sim_host *host, const struct check_run *run, uint64_t term, bool votes);
void check_mute(struct sim_host *host, const struct mp_msg_raft *m);

const char *check_run_text(const struct mp_run_id *id);
struct check_run *check_run_find(const struct sim_check *check, const struct mp_run_id *id);
uint32_t check_majority(const struct check_run *run);
/* So many of its electors are not lost for good, and have not lost its rows, that they decide. */
bool check_decides(struct sim *sim, const struct check_run *run);
/* An entry on a disk; p NULL when it is not. */
struct mp_span check_entry_row(
	const struct sim_host *host, const struct mp_run_id *id, uint64_t index);
/* The first term in the row of a fence; 0 when there is none. */
uint64_t check_fence_on_disk(const struct sim_host *host, const struct check_run *run);

/* ---- secret.c ---- */

void check_secrets_exec(struct sim_host *host, const struct check_run *run,
	const struct mp_graph_module *module, const struct mp_exec_request *req);
void check_secrets_row(struct sim_host *host, const struct mp_row *row);
bool check_secrets_gone(const struct sim_host *host, const struct check_run *run);

#endif
