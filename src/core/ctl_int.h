/* SPDX-License-Identifier: Apache-2.0 */
/* What ctl.c (requests as such), ctl_run.c (those about a run), ctl_node.c (those about nodes) and
 * ctl_wait.c (those about who waits to be admitted) share. Nobody else includes this. */
#ifndef MP_CORE_CTL_INT_H
#define MP_CORE_CTL_INT_H

#include "codec/msg_ctl.h"
#include "core/ctl.h"
#include "core/raft.h"
#include "core/takeover.h"
#include "core/wait.h"

/* A leader that has not got it into the log by then has lost its majority. */
#define MP_CTL_DECIDE_MS 10000

enum open_state {
	OPEN_SUBMITTING,
	OPEN_FETCHING,
	OPEN_TAKING_OVER,
	OPEN_WAITING,    /* for the end of the run */
	OPEN_LOADING,    /* until the log of an ended run was read from the disk */
	OPEN_READING,    /* what an attempt of this node has written, or a blob of it */
	OPEN_LEAVING,    /* for the end of this node */
	OPEN_DECIDING,   /* until it is in the run's log for good */
	OPEN_ASKING,     /* somebody else */
	OPEN_LEADERLESS, /* a little, for nobody leads the run just now */
	OPEN_GATHERING,  /* the answers of all others */
};

/* A request that is not answered yet. */
struct open {
	struct open *next;
	struct mp_ctl *ctl;
	enum open_state state;
	bool remote;            /* asked by a peer, not by a client */
	bool gone;              /* nobody waits for the answer any more */
	uint64_t request;       /* the client's, or the peer's number */
	struct mp_node_id peer; /* remote */
	uint64_t hops;
	uint64_t after;          /* the answer waits for these rows */
	struct mp_ctl_request r; /* spans point into bytes */
	struct mp_run_id run;
	struct mp_node_id who[MP_ELECTORS_MAX];
	size_t who_count, who_next;
	uint64_t ask; /* our number for who[who_next - 1], or the token of what is read here */
	mp_time deadline_ms;
	mp_time patient_ms;   /* until then a client waits for a leader that can decide */
	struct mp_raft_at at; /* what is to be decided */
	struct mp_submit_req submit;
	struct mp_fetch_req fetch;
	struct mp_takeover_req takeover;
	struct mp_node_id *asked; /* GATHERING: who has not answered */
	size_t asked_count;
	struct mp_buf found; /* PENDING: items of the answer, so many */
	size_t found_count;
	size_t size;
	uint8_t bytes[];
};

struct mp_ctl {
	struct mp_ctl_parts parts;
	const struct mp_alloc *alloc;
	struct open *first;
	size_t count;
	struct mp_wait *wait;
	uint64_t asks;
	uint64_t ends;  /* mp_runs_ends() when we looked last */
	uint64_t loads; /* mp_runs_loads(), likewise */
	uint64_t refused;
	uint64_t knocks, knocks_refused;
};

/* ctl.c: each of these answers and frees the request. */
void open_fail(struct open *o, struct mp_env *env, int code, const char *text);
/* rc and payload of an encoder; payload is finished here. */
void open_answer(struct open *o, struct mp_env *env, int rc, struct mp_buf *payload);
void open_answer_null(struct open *o, struct mp_env *env);
/* The same, once the rows that were put so far are on disk. */
void open_answer_durable(struct open *o, struct mp_env *env);
void open_snapshot(struct open *o, struct mp_env *env);
/* Asks who may know, one after the other. */
void open_ask(struct open *o, struct mp_env *env);
/* The same of this node only. */
void open_ask_node(struct open *o, struct mp_env *env, const struct mp_node_id *node);

/* ctl_run.c */
void open_show(struct open *o, struct mp_env *env);
void open_about_run(struct open *o, struct mp_env *env);
void open_take(struct open *o, struct mp_env *env);
/* Is what was asked for in the log? */
void open_decided(struct open *o, struct mp_env *env);

/* ctl_wait.c */
void open_knock(struct open *o, struct mp_env *env);
void open_pending(struct open *o, struct mp_env *env);
void open_grant(struct open *o, struct mp_env *env);
/* Says what is granted here to one that may not know, for it was away. */
void ctl_grants_tell(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer);
/* Is it an answer that this one waits for? Takes it then. */
bool open_gathered(struct open *o, struct mp_env *env, const struct mp_node_id *from, uint64_t ask,
	struct mp_span answer);
/* GATHERING: time passes, or (peer not NULL) that one will not answer. */
void open_gather_on(struct open *o, struct mp_env *env, const struct mp_node_id *peer);
void open_gather_free(struct open *o);

/* ctl_node.c */
void open_nodes(struct open *o, struct mp_env *env);
void open_drain(struct open *o, struct mp_env *env);
/* Who is called so, or whose id begins so if nobody is; of several, the only one who has not left.
 * NULL with *err. */
const struct mp_member *node_find(
	const struct mp_roster *roster, struct mp_span text, struct mp_error *err);

/* ctl.c: who waits for what is read here under that token; NULL: nobody any more. */
struct open *open_reading(const struct mp_ctl *ctl, uint64_t token);

/* ctl_proof.c */
void open_credentials(struct open *o, struct mp_env *env);
void open_copy(struct open *o, struct mp_env *env);

/* ctl_trust.c */
void open_revoke(struct open *o, struct mp_env *env);
void open_trust(struct open *o, struct mp_env *env);
void open_charter(struct open *o, struct mp_env *env);

#endif
