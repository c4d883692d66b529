/* SPDX-License-Identifier: Apache-2.0 */
/* Most electors of a run are lost for good, and an operator takes it over: only then, for that is
 * what a takeover asks of people, and one at a time, always at the same node. */
#include "check_int.h"

#include <inttypes.h>

#define LOOK_EVERY (5 * SIM_SEC)

/* Is it written down anywhere that is left that the run has ended? */
static bool
end_left(const struct sim *sim, const struct check_run *run, uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (i != a && i != b && !sim->hosts[i].gone && check_end_on_disk(sim, run, i))
			return true;
	}
	return false;
}

/* Somebody is left who has the beginning of its log. */
static bool
log_left(struct sim *sim, const struct check_run *run, uint32_t a, uint32_t b)
{
	const struct mp_run_record *rec = &run->record;

	for (uint32_t i = 0; i < rec->elector_count + rec->mirrored; i++) {
		const struct sim_host *h =
			sim_host_of(sim, i < rec->elector_count ? &rec->electors[i] : &rec->mirror);
		struct mp_span key = mp_span(run->id.b, sizeof(run->id.b));

		if (h->index != a && h->index != b && !h->gone &&
			sim_disk_row(h, MP_TABLE_RUN, key).p != NULL &&
			check_entry_row(h, &run->id, 1).p != NULL)
			return true;
	}
	return false;
}

static bool
may_do_without(struct sim *sim, uint32_t a, uint32_t b)
{
	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		const struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;

		if (run != NULL && !end_left(sim, run, a, b) && !log_left(sim, run, a, b))
			return false;
	}
	return true;
}

static void
lose(struct sim_host *host)
{
	sim_trace(host->sim, host, "is lost for good");
	host->gone = true;
	sim_host_crash(host, sim_chance(host->sim, 500));
}

void
sim_takeover_lose(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (sim->hosts[i].left ||
			sim_disk_count(&sim->hosts[i], MP_TABLE_MEMBER) < sim->plan.hosts)
			return;
	}
	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		const struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;
		uint32_t first = (uint32_t)mp_rng_below(&sim->rng, 3), a, b;

		if (run == NULL || run->ended || run->record.elector_count != 3)
			continue;
		a = sim_host_index(sim, &run->record.electors[first]);
		b = sim_host_index(sim, &run->record.electors[(first + 1) % 3]);
		if (!may_do_without(sim, a, b))
			continue;
		lose(&sim->hosts[a]);
		lose(&sim->hosts[b]);
		sim_at(sim, sim->now + LOOK_EVERY, sim_takeover_look, 0);
		return;
	}
}

bool
check_decides(struct sim *sim, const struct check_run *run)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *host = sim_host_of(sim, &run->record.electors[i]);

		left += !host->gone && !check_lost(sim, run, host->index);
	}
	return left >= check_majority(run);
}

/* Most of those who decide are lost, and somebody who is left does not know of an end. */
static bool
needs_takeover(struct sim *sim, const struct check_run *run)
{
	bool open = false;

	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		const struct sim_host *h = &sim->hosts[i];

		open = open || (h->node != NULL && !mp_runs_ended(mp_node_runs(h->node), &run->id));
	}
	return open && !check_decides(sim, run);
}

void
sim_takeover_look(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = sim->hosts;

	sim_at(sim, sim->now + LOOK_EVERY, sim_takeover_look, arg);
	while (host < sim->hosts + sim->plan.hosts && host->gone)
		host++;
	if (host->node == NULL || !host->ready)
		return;
	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		const struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;

		if (run == NULL || !needs_takeover(sim, run))
			continue;
		sim_client_takeover(host, i);
		return;
	}
}
