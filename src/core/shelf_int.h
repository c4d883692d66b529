/* SPDX-License-Identifier: Apache-2.0 */
/* What shelf.c (one member after the other) and shelf_ask.c (all of them at once) share. */
#ifndef MP_CORE_SHELF_INT_H
#define MP_CORE_SHELF_INT_H

#include "codec/msg_cache.h"
#include "core/shelf.h"
#include "util/dlist.h"
#include "util/map.h"

struct mp_lend;

struct mp_shelf {
	const struct mp_alloc *alloc;
	const struct mp_roster *roster;
	struct mp_lend *lend;
	struct mp_dlist asks;  /* oldest first */
	struct mp_dlist asked; /* all have answered, or the time is over */
	struct mp_map peers;   /* shelf.c's, of members that were asked for something */
	struct mp_dlist calls; /* that wait for an answer, oldest first */
	struct mp_dlist jobs;  /* gets and holds */
	struct mp_dlist done;  /* of jobs, too */
	uint64_t last_seq;
	mp_time moved_ms; /* when a hold succeeded */
	mp_time check_ms; /* not after anything that is due */
};

/* n numbers for questions, not used before; the first of them. */
uint64_t shelf_seq(struct mp_shelf *shelf, const struct mp_env *env, uint64_t n);

/* Something of ours is due then. */
static inline void
shelf_check_at(struct mp_shelf *shelf, mp_time at)
{
	if (at < shelf->check_ms)
		shelf->check_ms = at;
}

/* ---- shelf_ask.c ---- */

void shelf_ask_have(
	struct mp_shelf *shelf, const struct mp_node_id *from, const struct mp_msg_cache_list *m);
void shelf_ask_lost(struct mp_shelf *shelf, const struct mp_node_id *peer);
void shelf_ask_tick(struct mp_shelf *shelf, const struct mp_env *env);
/* Tells whoever asked. */
void shelf_ask_settle(struct mp_shelf *shelf, struct mp_env *env);
void shelf_ask_free_all(struct mp_shelf *shelf);

#endif
