/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every certified member there ever was: certificate, last signed statement, what was heard of it.
 * A member is never forgotten (DESIGN 4); only its liveness is soft.
 */
#ifndef MP_CORE_ROSTER_H
#define MP_CORE_ROSTER_H

#include "core/env.h"
#include "mp/base.h"
#include "mp/member.h"

struct mp_member {
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_name name;
	uint32_t roles;
	struct mp_addr addrs[MP_ADDRS_MAX];
	uint32_t addr_count;
	/* The view (SWIM). */
	enum mp_member_state state;
	enum mp_member_status status;
	uint64_t incarnation;  /* boot counter << 32 | refutations; never falls */
	mp_time last_heard_ms; /* now_ms of the last datagram or message from it; 0 never */
	/* Soft. */
	const struct mp_caps *caps; /* NULL until pulled */
	uint32_t slots_used;        /* as it said last */
	bool link_up;               /* a control stream to it is open */
	bool refused;               /* its address refused our last connection attempt */
	struct mp_span credential;  /* owned by the roster */
};

static inline uint64_t
mp_member_boot(const struct mp_member *m)
{
	return m->incarnation >> 32;
}

struct mp_roster;

/* NULL when there is none. Pointers stay good until the roster's next change. */
const struct mp_member *mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id);

/* All members, this node included, in ascending order of id. */
size_t mp_roster_count(const struct mp_roster *roster);
const struct mp_member *mp_roster_at(const struct mp_roster *roster, size_t i);

#endif
