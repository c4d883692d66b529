/* SPDX-License-Identifier: Apache-2.0 */
/* What sched.c (placing) and sched_why.c (why something is not placed) share. Nobody else includes
 * this. */
#ifndef MP_CORE_SCHED_INT_H
#define MP_CORE_SCHED_INT_H

#include "core/sched.h"
#include "util/map.h"

struct sched_worker {
	const struct mp_member *member; /* NULL: not looked at yet */
	uint32_t slots;                 /* 0: gets nothing */
	uint32_t outstanding;           /* attempts of this run */
	mp_time busy_until_ms;
	uint64_t closed_boot; /* takes no more in this boot */
};

struct sched_class {
	struct mp_map_node in_map;
	struct sched_class *next; /* all classes */
	uint32_t model;           /* a module of this class */
	uint32_t *heap;           /* ready modules, the most urgent first */
	size_t ready;             /* in the heap, dropped ones included */
	size_t cap;
	uint8_t *fits; /* per worker: fulfils the requirements and is alive */
	size_t fits_cap;
	uint32_t *taken; /* per worker: outstanding ones, where they take resources */
	size_t taken_cap;
	uint64_t version; /* of the members when fits was made */
	bool placeable;   /* somebody fits, with a slot or without one for now */
	mp_time unplaceable_ms;
	bool has_timeout; /* some module of it has a placement timeout */
	size_t scan;      /* of mp_sched_expired(), in the heap */
	uint64_t stuck;   /* nobody had room when `room` stood so */
	uint32_t kinds[MP_SCHED_KINDS_MAX];
	uint32_t kind_count;
};

struct mp_sched {
	const struct mp_alloc *alloc;
	const struct mp_graph *graph;
	const struct mp_roster *roster;
	struct sched_worker *workers; /* by roster slot */
	uint32_t worker_count;
	uint32_t total_slots;
	uint64_t version; /* counts calls of mp_sched_members() */
	uint64_t room;    /* grows whenever room may have appeared */
	mp_time busy_ms;  /* the first worker that is busy may be asked again */
	mp_time check_ms; /* when to look for placement timeouts */
	size_t ready;
	struct mp_map class_map;
	struct sched_class *classes;
	uint32_t *height; /* per module: longest way to a module that nothing needs */
	uint8_t *queued;  /* per module */
};

static inline bool
sched_present(const struct mp_member *m)
{
	return m->state == MP_MEMBER_ALIVE || m->state == MP_MEMBER_SUSPECT;
}

/* The class of a module, which is made if there is none; NULL: memory is out. */
struct sched_class *sched_class_of(struct mp_sched *s, uint32_t module);

/* Looks at the members again if they have changed. False when memory is out: try later. */
bool sched_class_refresh(struct mp_sched *s, struct sched_class *c);

#endif
