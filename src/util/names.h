/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from strings to numbers, for names that a stranger chose: somebody who picks names
 * that collide gets MP_ELIMIT, not a slow program.
 */
#ifndef MP_UTIL_NAMES_H
#define MP_UTIL_NAMES_H

#include "mp/base.h"
#include "mp/error.h"

struct mp_names_slot {
	const char *name; /* NULL: free */
	uint32_t hash;
	uint32_t value;
};

struct mp_names {
	const struct mp_alloc *alloc;
	struct mp_names_slot *slots;
	size_t cap; /* 0 or a power of two */
	size_t n;
};

/* Borrows alloc for its life. Takes no memory yet. */
void mp_names_init(struct mp_names *names, const struct mp_alloc *alloc);
void mp_names_fini(struct mp_names *names);

/* Borrows name for the life of the table. 0; MP_EEXIST, and *value becomes what is there;
 * MP_ENOMEM; or MP_ELIMIT when too many names hash to the same place. */
int mp_names_add(struct mp_names *names, const char *name, uint32_t *value);

/* Looks up the n bytes at name. */
bool mp_names_find(const struct mp_names *names, const char *name, size_t n, uint32_t *value);

#endif
