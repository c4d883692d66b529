/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of mpctl (codec/msg_ctl.h). Any node answers for any run: what it does not hold itself
 * it asks the run's electors for, the leader first, one after the other.
 *
 *   request ─┬─ known here ─────────────────────────▶ answer
 *            └─ CTL_ASK ─▶ leader, else an elector ─▶ CTL_ANSWER ─▶ answer
 *                 └ silent for 2 s, refused, down: the next; nobody: what is known here, or why not
 *
 * What a leader has to decide (CANCEL, RESOLVE) waits for one: for 10 s the electors are asked
 * again, so that nobody has to know that a run is between two leaders.
 */
#ifndef MP_CORE_CTL_H
#define MP_CORE_CTL_H

#include "core/drain.h"
#include "core/env.h"
#include "core/fetch.h"
#include "core/leave.h"
#include "core/node.h"
#include "core/roster.h"
#include "core/runs.h"
#include "core/swim.h"
#include "mp/event.h"

struct mp_ctl;

/* Requests that are open at a time; more are answered with MP_EBUSY. Of these one peer may have
 * some, and all of them not what is for clients of this node: who asks for much keeps nobody from
 * it. */
#define MP_CTL_OPEN_MAX       1024
#define MP_CTL_OPEN_PEER_MAX  256
#define MP_CTL_OPEN_PEERS_MAX (MP_CTL_OPEN_MAX - 256)
/* Bytes of open FETCHes together, unless there is only one; more, the same. A blob that is wanted
 * takes some ten times as much as naming it. */
#define MP_CTL_FETCHING_MAX (16u * 1024 * 1024)

struct mp_ctl_parts {
	const struct mp_roster *roster; /* all borrowed */
	struct mp_runs *runs;
	struct mp_fetch *fetch;
	struct mp_leave *leave;
	struct mp_drain *drain;
	struct mp_swim *swim;
};

/* 0 or MP_ENOMEM. */
int mp_ctl_new(struct mp_env *env, const struct mp_ctl_parts *parts, struct mp_ctl **out);
void mp_ctl_free(struct mp_ctl *ctl);

/* MP_EV_CONTROL. ready: this node is a member and serves. */
void mp_ctl_request(
	struct mp_ctl *ctl, struct mp_env *env, uint64_t request, struct mp_span bytes, bool ready);
/* The asker has gone; a submission goes on. */
void mp_ctl_closed(struct mp_ctl *ctl, uint64_t request);

/* A row of MP_TABLE_META, before the start: as mp_wait_restore(). */
int mp_ctl_restore(
	struct mp_ctl *ctl, struct mp_env *env, struct mp_span key, struct mp_span value);

#define MP_TOKEN_CTL (0xf6ull << 56)
/* MP_EV_LOG_READ, and MP_EV_BLOB_READ with such a token. */
void mp_ctl_logged(struct mp_ctl *ctl, struct mp_env *env, const struct mp_event *ev);
void mp_ctl_copied(struct mp_ctl *ctl, struct mp_env *env, const struct mp_event *ev);

/* Messages 56 and 57 of a member. 0, MP_EFORMAT, MP_ETRUNC, MP_ELIMIT, MP_ENOENT (an answer that
 * nobody waits for), MP_ENOMEM. */
int mp_ctl_message(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

void mp_ctl_link(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state);
/* MP_COUNT_KNOCK and MP_COUNT_KNOCK_REFUSED, and of MP_COUNT_MSG_REFUSED what other nodes asked
 * for and may not; and who waits now. */
uint64_t mp_ctl_counter(const struct mp_ctl *ctl, enum mp_counter which);
size_t mp_ctl_waiting(const struct mp_ctl *ctl, const struct mp_env *env);
/* At the end of each step: runs that have ended, or were read, are answered for. */
void mp_ctl_flush(struct mp_ctl *ctl, struct mp_env *env);
void mp_ctl_tick(struct mp_ctl *ctl, struct mp_env *env);
/* This node has left its cluster, or (code not 0) has not: whoever asked for it is told. */
void mp_ctl_left(struct mp_ctl *ctl, struct mp_env *env, const struct mp_error *why);
/* Is no request open, neither of a client here nor of another node? */
bool mp_ctl_quiet(const struct mp_ctl *ctl);
mp_time mp_ctl_deadline(const struct mp_ctl *ctl);

#endif
