/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a node out of work for a while (DESIGN 4, 10): it says that it drains, is no elector of
 * new runs and takes no submission, gives back what has not started, and hands over what it leads,
 * again and again as long as it leads something; what runs goes on. It votes and keeps as before. A
 * row of META says so over a restart, with who asked.
 */
#ifndef MP_CORE_DRAIN_H
#define MP_CORE_DRAIN_H

#include "core/env.h"
#include "core/runs.h"
#include "core/swim.h"
#include "core/worker.h"
#include "mp/base.h"

struct mp_drain;

struct mp_drain_parts {
	struct mp_runs *runs; /* all borrowed */
	struct mp_worker *worker;
	struct mp_swim *swim;
};

/* 0 or MP_ENOMEM. */
int mp_drain_new(struct mp_env *env, const struct mp_drain_parts *parts, struct mp_drain **out);
void mp_drain_free(struct mp_drain *drain);

#define MP_DRAIN_KEY       "drain"            /* of the row */
#define MP_DRAIN_VALUE_MAX (16 + MP_NAME_MAX) /* bytes of it */

/* A row of MP_TABLE_META. MP_ENOENT: another one's; MP_ECORRUPT. */
int mp_drain_restore(struct mp_drain *drain, struct mp_span key, struct mp_span value);
/* All rows were restored: what it says holds from the first word of this node on. 0, MP_ENOMEM. */
int mp_drain_start(struct mp_drain *drain, struct mp_env *env);

/* Begins or ends it; by: who asks, at most MP_NAME_MAX bytes. What depends on its being durable
 * waits for mp_out_seq(). 0, MP_EBUSY (this node is stopping), MP_ENOMEM. */
int mp_drain_set(struct mp_drain *drain, struct mp_env *env, bool on, struct mp_span by);

struct mp_drain_state {
	bool on;
	mp_time since_ms; /* wall */
	char by[MP_NAME_MAX + 1];
};
const struct mp_drain_state *mp_drain_state(const struct mp_drain *drain);

/* It drains, and nothing is left here: no attempt, no result that is not committed, no run that it
 * leads. */
bool mp_drain_done(const struct mp_drain *drain);

void mp_drain_tick(struct mp_drain *drain, struct mp_env *env);
mp_time mp_drain_deadline(const struct mp_drain *drain);

#endif
