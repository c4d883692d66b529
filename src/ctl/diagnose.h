/* SPDX-License-Identifier: Apache-2.0 */
/* What mpctl health makes of what nodes say: all of it without asking anybody. */
#ifndef MP_CTL_DIAGNOSE_H
#define MP_CTL_DIAGNOSE_H

#include "codec/msg_show.h"
#include "ctl/members.h"
#include "ctl/problems.h"

struct mp_diagnosis {
	/* Set before: who is asked, borrowed. */
	struct mp_node_id id;
	const char *name, *version;
	struct mp_member_self self;
	struct mp_problems problems; /* found so far; free them */
	size_t members, skewed[2];   /* that have not left; whose clock is behind, ahead */
	size_t timed[2];             /* whose timings are those of the lan, of the wan profile */
	char timed_names[2][256];    /* the first of them */
	uint64_t refused_count;
	char refused[512];
};

/* A member; an mp_member_cb, arg is the diagnosis. */
void mp_diagnose_member(void *arg, const struct mp_snap_member *m, const struct mp_caps *caps);
/* One of the node's counters. */
void mp_diagnose_counter(struct mp_diagnosis *d, const char *name, uint64_t value);
/* One of its bounds, and how much of it is taken. */
void mp_diagnose_limit(struct mp_diagnosis *d, const char *name, uint64_t now, uint64_t max);
/* A run that has not ended, by its id in hex; show is NULL when nobody could show it, and why. */
void mp_diagnose_run(
	struct mp_diagnosis *d, const char *run, const struct mp_show *show, const char *why);
/* After all of these: the node that was asked. */
void mp_diagnose_self(struct mp_diagnosis *d);

#endif
