/* SPDX-License-Identifier: Apache-2.0 */
/* A roster whose members a test writes directly. Defines the functions of core/roster.h that
 * readers use, so the real one is not linked. */
#ifndef MP_TESTS_ROSTER_H
#define MP_TESTS_ROSTER_H

#include "codec/record_run.h"
#include "core/roster.h"

#define UNIT_ROSTER_MAX 8

struct mp_roster {
	size_t count;
	struct mp_member members[UNIT_ROSTER_MAX];
	struct mp_caps caps[UNIT_ROSTER_MAX];
	uint64_t version;
};

/* Members n0, n1, … that are alive, on linux x86_64; the id of member i is all i + 1. */
static inline void
unit_roster_init(struct mp_roster *r, size_t count, uint32_t slots)
{
	*r = (struct mp_roster){.count = count, .version = 1};
	for (size_t i = 0; i < count; i++) {
		struct mp_member *m = &r->members[i];
		struct mp_caps *c = &r->caps[i];

		memset(m->id.b, (int)i + 1, sizeof(m->id.b));
		memcpy(m->name.s, (char[]){'n', (char)('0' + i), '\0'}, 3);
		m->roles = MP_ROLE_NODE;
		m->incarnation = 1ull << 32;
		m->slot = (uint32_t)i;
		m->caps = c;
		c->slots = slots;
		memcpy(c->os, "linux", 6);
		memcpy(c->arch, "x86_64", 7);
	}
}

static inline void
unit_roster_tool(struct mp_roster *r, size_t member, const char *name)
{
	struct mp_caps *c = &r->caps[member];

	memcpy(c->tools[c->tool_count++].name, name, strlen(name) + 1);
	r->version++;
}

static inline void
unit_roster_tag(struct mp_roster *r, size_t member, const char *tag)
{
	struct mp_caps *c = &r->caps[member];

	memcpy(c->tags[c->tag_count++], tag, strlen(tag) + 1);
	r->version++;
}

size_t
mp_roster_count(const struct mp_roster *roster)
{
	return roster->count;
}

const struct mp_member *
mp_roster_at(const struct mp_roster *roster, size_t i)
{
	return &roster->members[i];
}

const struct mp_member *
mp_roster_slot(const struct mp_roster *roster, uint32_t slot)
{
	return &roster->members[slot];
}

const struct mp_member *
mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id)
{
	for (size_t i = 0; i < roster->count; i++) {
		if (mp_node_id_eq(&roster->members[i].id, id))
			return &roster->members[i];
	}
	return NULL;
}

uint64_t
mp_roster_version(const struct mp_roster *roster)
{
	return roster->version;
}

/* The only authority's key is all 0xad. */
bool
mp_roster_may_take_over(const struct mp_roster *roster, const struct mp_run_record *rec)
{
	(void)roster;
	return rec->now.generation == 1 || mp_run_survived(rec) ||
	       (rec->signer[0] == 0xad && rec->signer[31] == 0xad);
}

#endif
