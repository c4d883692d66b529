/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Electors of one run in one process: virtual time, a network that delays, loses, duplicates and
 * reorders, disks that take their time and lose what they did not finish, and the promises of Raft
 * checked after each step:
 *
 *   - one leader a term; one vote a term, across restarts;
 *   - equal (index, term), equal entry; what is committed stays, everywhere, in one order;
 *   - a leader holds what was committed in earlier terms;
 *   - no vote and no acknowledgement before its rows are on disk, and none of one who has lost its
 *     rows, before its return is committed.
 */
#ifndef MP_TESTS_RAFT_CLUSTER_H
#define MP_TESTS_RAFT_CLUSTER_H

#include "unit/unit.h"

#include "codec/msg_raft.h"
#include "codec/record_work.h"
#include "core/raft.h"
#include "unit/fake_crypto.h"

#define CL_NODES     5
#define CL_LOG_MAX   4096
#define CL_TERMS_MAX 4096

/* How the world misbehaves; all zero is a quick and faultless one. */
struct cl_faults {
	uint32_t loss;    /* per thousand messages */
	uint32_t twice;   /* per thousand */
	mp_time delay_ms; /* at most, each message its own: reorders */
	uint32_t late;    /* per thousand: up to a second more */
	mp_time fsync_ms; /* at most */
	uint32_t stall;   /* per thousand: up to two seconds more */
	mp_time event_ms; /* a crash, cut, heal, reset, transfer or proposal this often, on average
			   */
	uint32_t wipe;    /* per thousand events: all rows of a node are lost */
	bool ordered;     /* as a stream does: no loss, no reordering, but resets */
};

struct cl_row {
	enum mp_row_op op;
	enum mp_table table;
	uint64_t index;
	uint8_t *value;
	size_t size;
	struct cl_row *next;
};

struct cl_txn {
	uint64_t seq;
	mp_time at;
	struct cl_row *rows, **last;
	struct cl_txn *next;
};

struct cl_node {
	struct mp_env env;
	struct mp_secret secret;
	struct mp_raft *raft;
	bool up;
	mp_time restart_at;
	/* The disk. */
	uint8_t vote[80];
	size_t vote_size;
	struct {
		uint8_t *p;
		size_t n;
	} rows[CL_LOG_MAX];
	uint64_t row_count;
	bool wiped; /* its rows were lost, and it has not written down that it knows */
	struct cl_txn *txns, **last_txn;
	/* What was checked. */
	uint64_t cursor;
	mp_time pulse_at;
	uint8_t votes[CL_TERMS_MAX]; /* 1 + candidate, of what left this node */
	enum mp_raft_role role;
	bool lost;         /* its rows were lost, and it has no vote */
	uint64_t regained; /* it had lost them, and counts in terms above this one */
};

struct cl_msg {
	mp_time at;
	uint64_t order;
	int from, to;
	int pulse; /* 1 a heartbeat, 2 its answer */
	uint64_t term, commit;
	mp_time sent;
	bool ok;
	uint8_t *p;
	size_t n;
};

struct cl {
	struct unit_heap heap;
	struct mp_alloc alloc;
	uint64_t seed;
	struct mp_rng rng;
	struct mp_profile profile;
	struct cl_faults faults;
	mp_time now;
	mp_time event_at;
	size_t n;
	struct mp_node_id ids[CL_NODES];
	struct mp_run_id run;
	struct cl_node nodes[CL_NODES];
	bool cut[CL_NODES][CL_NODES]; /* from, to */
	struct cl_msg *msgs;          /* a heap by (at, order) */
	size_t msg_count, msg_cap;
	uint64_t order;
	mp_time lane[CL_NODES][CL_NODES]; /* ordered: when the last one arrives */
	/* Looks at every message before it leaves; true drops it. */
	bool (*filter)(struct cl *c, int from, int to, struct mp_span bytes);
	void *filter_data;
	/* What is known of all. */
	uint8_t leaders[CL_TERMS_MAX]; /* 1 + node */
	struct mp_hash committed[CL_LOG_MAX];
	uint64_t committed_in[CL_LOG_MAX]; /* term of the leader that committed it */
	uint64_t commit;
	struct {
		uint64_t term;
		struct mp_hash hash;
	} seen[CL_LOG_MAX][8]; /* a few terms of each index */
	uint64_t proposed;
	uint64_t steps;
	uint64_t lease_overlaps;
	uint64_t wipes, returns; /* of all of these, who votes again */
};

/* Nodes that are started; the first one stands at once when `eager`. */
struct cl *cl_new(size_t n, uint64_t seed, bool eager);
void cl_free(struct cl *c);

/* Lets time pass. */
void cl_run(struct cl *c, mp_time ms);
/* Until every node that is up has committed the whole log of one leader; fails after ms. */
void cl_settle(struct cl *c, mp_time ms);
/* Until a leader may dispatch; which. Fails after ms. */
int cl_await_leader(struct cl *c, mp_time ms);

/* A crash loses what was not written yet, except the first `keep` transactions. */
void cl_crash(struct cl *c, int i, size_t keep);
void cl_restart(struct cl *c, int i);
/* A crash that loses all rows. False: a majority would have lost what it had. */
bool cl_wipe(struct cl *c, int i);
/* Both ways. */
void cl_cut(struct cl *c, int i, int k, bool cut);
void cl_isolate(struct cl *c, int i, bool cut);
void cl_heal(struct cl *c);
void cl_quiet(struct cl *c); /* no more faults of any kind; all nodes up */

/* The leader with the highest term, or -1. */
int cl_leader(const struct cl *c);
/* Appends by node i, and sends; MP_ENOTLEADER and others as mp_raft_propose(). */
int cl_propose(struct cl *c, int i, struct mp_span body);
void cl_transfer(struct cl *c, int i);
/* A message as if from another one; what mp_raft_message() returned. */
int cl_deliver(struct cl *c, int from, int to, struct mp_span bytes);
/* Does something bad, or proposes; 0 .. ms at random. */
void cl_fault(struct cl *c);
mp_time cl_upto(struct cl *c, mp_time ms);
/* Begins and ends a step of one's own at node i. */
struct mp_env *cl_begin(struct cl *c, int i);
void cl_end(struct cl *c, int i);

static inline struct mp_raft *
cl_raft(struct cl *c, int i)
{
	return c->nodes[i].raft;
}

static inline uint64_t
cl_term(struct cl *c, int i)
{
	return mp_raft_term(c->nodes[i].raft);
}

/* Encodes a message of this run into a buffer that the next call uses again. */
static inline struct mp_span
cl_encode(struct cl *c, struct mp_msg_raft *msg)
{
	static uint8_t bytes[4096];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

	msg->run = c->run;
	assert_int_equal(mp_msg_raft_encode(&buf, msg), 0);
	return mp_buf_span(&buf);
}

static inline struct mp_span
cl_vote_msg(struct cl *c, uint64_t term, uint64_t last_index, uint64_t last_term)
{
	struct mp_msg_raft msg = {.kind = MP_MSG_VOTE, .generation = 1, .term = term};

	msg.u.vote.last_index = last_index;
	msg.u.vote.last_term = last_term;
	return cl_encode(c, &msg);
}

#endif
