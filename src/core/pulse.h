/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heartbeats: one for each pair of nodes, for all runs that one of them leads and the other is an
 * elector of (DESIGN 5). A leader of nothing sends nothing, and a thousand runs fit in some thirty
 * datagrams.
 *
 * They travel as datagram records. Where those get no answer, they go over the control stream as
 * well, so that a network that drops datagrams does not take leaders their leases.
 *
 * An answer names the runs that do not count: those that the receiver does not have, those where
 * it knows of a higher term, and those of which it has lost what it had.
 */
#ifndef MP_CORE_PULSE_H
#define MP_CORE_PULSE_H

#include "core/env.h"
#include "core/raft.h"
#include "mp/base.h"

/* One record is at most this long, so that it fits a datagram with its seal (core/dgram.h). */
#define MP_PULSE_RECORD_MAX 1000

struct mp_pulse_io {
	void *ctx;
	/* Sends one record in a datagram; the record is copied or sealed before it returns. */
	void (*datagram)(
		void *ctx, struct mp_env *env, const struct mp_node_id *to, struct mp_span record);
	/* Is a control stream to this node open? */
	bool (*link_up)(void *ctx, const struct mp_node_id *peer);
};

struct mp_pulse;

/* Copies io. 0 or MP_ENOMEM. */
int mp_pulse_new(struct mp_env *env, const struct mp_pulse_io *io, struct mp_pulse **out);
/* The rafts are the caller's. */
void mp_pulse_free(struct mp_pulse *pulse);

/* A run begins to share heartbeats, as leader or follower; borrowed until it is removed. MP_EEXIST
 * when a run of this id is there, MP_ENOMEM. */
int mp_pulse_add(struct mp_pulse *pulse, struct mp_env *env, struct mp_raft *raft);
/* Nothing happens when it is not there. */
void mp_pulse_remove(struct mp_pulse *pulse, struct mp_raft *raft);
/* NULL when there is none. */
struct mp_raft *mp_pulse_find(const struct mp_pulse *pulse, const struct mp_run_id *run);

void mp_pulse_tick(struct mp_pulse *pulse, struct mp_env *env);
/* MP_TIME_NEVER while no run is here. */
mp_time mp_pulse_deadline(const struct mp_pulse *pulse);

/* PULSE or PULSE_ACK (codec/msg_raft.h), as a record of a datagram or as a message of the control
 * stream, from an authenticated member. MP_EFORMAT, MP_ETRUNC, MP_ELIMIT, MP_ENOMEM; MP_EAUTH: it
 * beats for a run that it may not lead. */
int mp_pulse_receive(struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* The control stream to a node came up or went down: tells all runs shared with it. */
void mp_pulse_link(
	struct mp_pulse *pulse, struct mp_env *env, const struct mp_node_id *peer, bool up);

#endif
