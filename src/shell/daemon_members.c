/* SPDX-License-Identifier: Apache-2.0 */
/* One line in the log for each member that comes, falls silent for good, returns or leaves. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/env.h"
#include "core/roster.h"
#include "shell/daemon_int.h"

/* What was said of a member last; suspicions mostly come to nothing, and are not worth a line. */
enum said {
	SAID_NOTHING,
	SAID_ALIVE,
	SAID_DEAD,
	SAID_LEFT,
};

static bool
members_grow(struct mp_daemon_members *seen, size_t count)
{
	size_t cap = seen->cap == 0 ? 64 : seen->cap;
	uint8_t *said;

	if (count <= seen->cap)
		return true;
	while (cap < count)
		cap *= 2;
	said = realloc(seen->said, cap);
	if (said == NULL)
		return false;
	memset(said + seen->cap, SAID_NOTHING, cap - seen->cap);
	seen->said = said;
	seen->cap = cap;
	return true;
}

static void
member_alive(struct mp_daemon *d, const struct mp_member *m, enum said before)
{
	char addr[MP_ADDR_TEXT] = "an address not known yet";

	if (m->addr_count > 0)
		mp_addr_format(addr, &m->addrs[0]);
	mp_daemon_log(d, before == SAID_DEAD ? "%s is alive again, at %s" : "%s is alive, at %s",
		m->name.s, addr);
}

static void
member_dead(struct mp_daemon *d, const struct mp_member *m)
{
	mp_time now = mp_node_env(d->node)->now_ms;

	if (m->last_heard_ms == 0)
		mp_daemon_log(d, "%s is dead: this node has not heard of it", m->name.s);
	else
		mp_daemon_log(d, "%s is dead: last heard of %" PRId64 " s ago", m->name.s,
			(now - m->last_heard_ms) / 1000);
}

static void
member_changed(struct mp_daemon *d, const struct mp_member *m, uint8_t *said)
{
	enum said before = *said;

	switch (m->state) {
	case MP_MEMBER_ALIVE:
		*said = SAID_ALIVE;
		if (before != SAID_ALIVE)
			member_alive(d, m, before);
		break;
	case MP_MEMBER_SUSPECT:
		break;
	case MP_MEMBER_DEAD: /* so is a new one, until it speaks */
		if (m->statement.n == 0 || before == SAID_DEAD)
			break;
		*said = SAID_DEAD;
		member_dead(d, m);
		break;
	case MP_MEMBER_LEFT:
		*said = SAID_LEFT;
		if (before != SAID_LEFT && before != SAID_NOTHING)
			mp_daemon_log(d, m->revoked ? "%s was revoked" : "%s has left, for ever",
				m->name.s);
		break;
	}
}

void
mp_daemon_watch_members(struct mp_daemon *d)
{
	const struct mp_roster *roster = mp_node_roster(d->node);
	struct mp_daemon_members *seen = &d->members;
	uint64_t since = seen->version;

	if (mp_roster_version(roster) == since || !members_grow(seen, mp_roster_count(roster)))
		return;
	seen->version = mp_roster_version(roster);
	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_at(roster, i);

		if (m->changed > since && !mp_node_id_eq(&m->id, &d->config.state->id))
			member_changed(d, m, &seen->said[m->slot]);
	}
}

bool
mp_daemon_member_at(void *ctx, const struct mp_addr *source)
{
	const struct mp_daemon *d = ctx;
	const struct mp_roster *roster = mp_node_roster(d->node);

	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_slot(roster, (uint32_t)i);

		for (uint32_t k = 0; k < m->addr_count && m->state != MP_MEMBER_LEFT; k++) {
			struct mp_addr there = mp_addr_source(&m->addrs[k]);

			if (mp_addr_eq(&there, source))
				return true;
		}
	}
	return false;
}
