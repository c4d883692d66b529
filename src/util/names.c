/* SPDX-License-Identifier: Apache-2.0 */
#include "util/names.h"

/* Half-full tables of honest names have runs of some tens. */
#define NAMES_PROBES_MAX 1024
#define NAMES_CAP_MIN    16

void
mp_names_init(struct mp_names *names, const struct mp_alloc *alloc)
{
	*names = (struct mp_names){.alloc = alloc};
}

void
mp_names_fini(struct mp_names *names)
{
	mp_dealloc(names->alloc, names->slots, names->cap * sizeof(*names->slots));
	mp_names_init(names, names->alloc);
}

/* FNV-1a, then a mixer so that the low bits depend on all of it. */
static uint32_t
names_hash(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return (uint32_t)h;
}

/* The slot of this name, or the free one where it belongs; NULL when there are too many before. */
static struct mp_names_slot *
names_slot(const struct mp_names *names, const char *s, size_t n, uint32_t hash)
{
	size_t mask = names->cap - 1;
	size_t i = hash & mask;

	for (size_t probes = 0; probes < NAMES_PROBES_MAX; probes++) {
		struct mp_names_slot *slot = &names->slots[i];

		if (slot->name == NULL || (slot->hash == hash && strncmp(slot->name, s, n) == 0 &&
						  slot->name[n] == '\0'))
			return slot;
		i = (i + 1) & mask;
	}
	return NULL;
}

static int
names_grow(struct mp_names *names)
{
	struct mp_names old = *names;

	names->cap = old.cap == 0 ? NAMES_CAP_MIN : old.cap * 2;
	names->slots = mp_realloc(names->alloc, NULL, 0, names->cap * sizeof(*names->slots));
	if (names->slots == NULL) {
		*names = old;
		return MP_ENOMEM;
	}
	memset(names->slots, 0, names->cap * sizeof(*names->slots));
	for (size_t i = 0; i < old.cap; i++) {
		size_t at = old.slots[i].hash & (names->cap - 1);

		if (old.slots[i].name == NULL)
			continue;
		while (names->slots[at].name != NULL)
			at = (at + 1) & (names->cap - 1);
		names->slots[at] = old.slots[i];
	}
	mp_names_fini(&old);
	return 0;
}

int
mp_names_add(struct mp_names *names, const char *name, uint32_t *value)
{
	size_t n = strlen(name);
	uint32_t hash = names_hash(name, n);
	struct mp_names_slot *slot;
	int rc;

	if (names->n * 2 >= names->cap) {
		rc = names_grow(names);
		if (rc != 0)
			return rc;
	}
	slot = names_slot(names, name, n, hash);
	if (slot == NULL)
		return MP_ELIMIT;
	if (slot->name != NULL) {
		*value = slot->value;
		return MP_EEXIST;
	}
	*slot = (struct mp_names_slot){.name = name, .hash = hash, .value = *value};
	names->n++;
	return 0;
}

bool
mp_names_find(const struct mp_names *names, const char *name, size_t n, uint32_t *value)
{
	struct mp_names_slot *slot;

	if (names->n == 0)
		return false;
	slot = names_slot(names, name, n, names_hash(name, n));
	if (slot == NULL || slot->name == NULL)
		return false;
	*value = slot->value;
	return true;
}
