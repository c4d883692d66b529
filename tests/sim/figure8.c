/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figure 8 of the Raft paper, played out: an entry of an older term comes to a majority of disks
 * and is overwritten after all. A leader that took it for committed would have let go of something
 * that it had promised. Chance meets the first half often and the whole hardly ever, so here is who
 * is struck, and when:
 *
 *   the leader crashes, and comes back
 *   A leads, and nothing of its term leaves it; it crashes
 *   B leads in a later term, and nothing of that leaves it; it crashes, and A comes back
 *   A leads, what it had before reaches C, nothing of its new term does; it crashes, B comes back
 *   B leads, for its last entry is of the later term, and C follows it
 */
#include "check_int.h"

#include <inttypes.h>
#include <stdlib.h>

#define STRIKE_AT    (4 * SIM_SEC)
#define BACK_AFTER   (300 * SIM_MS)
#define CRASH_AFTER  (150 * SIM_MS) /* of a leader: its disk has what it appended */
#define SPREAD_AFTER (700 * SIM_MS) /* enough for what it had before to reach the third */

enum figure8_phase {
	FIGURE8_WAIT,  /* for A to lead */
	FIGURE8_LATER, /* for B */
	FIGURE8_OLD,   /* for A, once more */
	FIGURE8_LAST,  /* for B, once more */
	FIGURE8_OVER,
};

struct sim_figure8 {
	enum figure8_phase phase;
	bool struck;
	const struct check_run *run;
	uint32_t a, b;
	uint32_t leader; /* whose stream stands still */
	bool old_sent[SIM_HOSTS_MAX], stuck[SIM_HOSTS_MAX];
};

struct sim_figure8 *
sim_figure8_new(void)
{
	struct sim_figure8 *f = calloc(1, sizeof(*f));

	mp_assert(f != NULL);
	f->leader = SIM_HOSTS_MAX;
	return f;
}

void
sim_figure8_free(struct sim_figure8 *f)
{
	free(f);
}

static void
figure8_crash(struct sim *sim, uint64_t host)
{
	sim_host_crash(&sim->hosts[host], false);
	sim->figure8->leader = SIM_HOSTS_MAX;
}

static void
figure8_start(struct sim *sim, uint64_t host)
{
	if (sim->hosts[host].node == NULL)
		sim_host_start(&sim->hosts[host]);
}

/* The first leader falls, so that others lead in terms of their own. */
static void
figure8_strike(struct sim *sim, uint64_t arg)
{
	struct sim_figure8 *f = sim->figure8;
	uint32_t leader = sim_check_last_leader(sim);

	(void)arg;
	f->run = sim->check->last_led;
	if (leader >= sim->plan.hosts || f->run->record.elector_count != 3) {
		sim_at(sim, sim->now + STRIKE_AT, figure8_strike, 0);
		return;
	}
	f->struck = true;
	figure8_crash(sim, leader);
	sim_at(sim, sim->now + BACK_AFTER, figure8_start, leader);
}

void
sim_figure8_schedule(struct sim *sim)
{
	sim_at(sim, STRIKE_AT, figure8_strike, 0);
}

/* It falls after this, and another one comes back. */
static void
figure8_next(struct sim_host *host, sim_time after, uint32_t back, enum figure8_phase next)
{
	struct sim *sim = host->sim;
	struct sim_figure8 *f = sim->figure8;

	f->phase = next;
	f->leader = host->index;
	memset(f->old_sent, 0, sizeof(f->old_sent));
	memset(f->stuck, 0, sizeof(f->stuck));
	sim_at(sim, sim->now + after, figure8_crash, host->index);
	if (back < sim->plan.hosts)
		sim_at(sim, sim->now + after + 1, figure8_start, back);
}

void
sim_figure8_elected(struct sim_host *host)
{
	struct sim *sim = host->sim;
	struct sim_figure8 *f = sim->figure8;

	if (!f->struck || sim->check->last_led != f->run)
		return;
	if (f->phase == FIGURE8_WAIT) {
		f->a = host->index;
		figure8_next(host, CRASH_AFTER, SIM_HOSTS_MAX, FIGURE8_LATER);
	} else if (f->phase == FIGURE8_LATER && host->index != f->a) {
		f->b = host->index;
		figure8_next(host, CRASH_AFTER, f->a, FIGURE8_OLD);
	} else if (f->phase == FIGURE8_OLD && host->index == f->a) {
		figure8_next(host, SPREAD_AFTER, f->b, FIGURE8_LAST);
	} else {
		sim->sometimes[SIM_FIGURE_8_WHOLE] +=
			f->phase == FIGURE8_LAST && host->index == f->b;
		f->phase = FIGURE8_OVER;
		for (uint32_t i = 0; i < sim->plan.hosts; i++)
			sim_at(sim, sim->now + BACK_AFTER, figure8_start, i);
	}
}

/* Does this message bring entries of the leader's own term, or of an older one? */
static void
entries_of(const struct check_run *run, struct mp_span bytes, bool *own, bool *old)
{
	struct mp_msg_raft m;
	struct mp_entry e;
	struct mp_span entry;

	*own = *old = false;
	if (mp_msg_number(bytes) != MP_MSG_APPEND || mp_msg_raft_decode(bytes, &m) != 0 ||
		!mp_run_id_eq(&m.run, &run->id))
		return;
	while (mp_msg_raft_entry(&m, &entry)) {
		if (mp_entry_decode(entry, &e) != 0)
			continue;
		*own = *own || e.term == m.term;
		*old = *old || e.term < m.term;
	}
}

bool
sim_figure8_holds(const struct sim_host *from, uint32_t to, struct mp_span bytes)
{
	struct sim_figure8 *f = from->sim->figure8;
	bool own, old;

	if (f->leader != from->index)
		return false;
	if (f->stuck[to])
		return true;
	entries_of(f->run, bytes, &own, &old);
	f->old_sent[to] = f->old_sent[to] || old;
	/* Before the third has what came before, it has no use for what comes after. */
	f->stuck[to] = own && (f->phase != FIGURE8_LAST || f->old_sent[to]);
	return f->stuck[to];
}
