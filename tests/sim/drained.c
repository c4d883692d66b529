/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts are taken out of work for a while, and stay so over restarts.
 *
 *   I16  once a host has acknowledged that it drains, no attempt begins on it; and, with all in
 *        order, it does not go on leading a run that another elector can lead
 */
#include "check_int.h"

#include <inttypes.h>

static void
drain_ask(struct sim_host *host, bool on)
{
	if (!sim_client_drain(host, on))
		return;
	host->drain_asked = on;
	host->drain_open = true;
	host->drains = false; /* until it says so */
}

void
sim_drain_toggle(struct sim_host *host)
{
	struct sim *sim = host->sim;
	uint32_t work = 0;

	if (host->node == NULL || !host->ready || host->stopping)
		return;
	for (uint32_t i = 0; i < sim->plan.hosts; i++)
		work += i != host->index && !sim->hosts[i].drain_asked && sim->hosts[i].slots > 0;
	if (host->drain_asked || work > 0)
		drain_ask(host, !host->drain_asked);
}

void
sim_drain_said(struct sim_host *host, bool on)
{
	if (host->drain_asked != on) /* another word is under way */
		return;
	host->drain_open = on;
	host->drains = on;
	host->drains_at = host->sim->now;
	host->sim->sometimes[SIM_DRAINED] += on;
	if (!on)
		host->drain_over = true;
}

void
check_drain_exec(struct sim_host *host)
{
	/* What had begun before may have waited for the disk with that word. */
	if (host->drains && host->sim->now > host->drains_at)
		sim_fail(host->sim, "I16: an attempt begins on n%" PRIu32 ", which drains",
			host->index);
}

/* ---- once all is healed ---- */

static void
drain_end(struct sim *sim, uint64_t index)
{
	struct sim_host *host = &sim->hosts[index];

	if (host->drain_over || host->gone || host->left)
		return;
	if (host->node != NULL && host->ready && !host->stopping)
		drain_ask(host, false);
	sim_at(sim, sim->now + SIM_SEC, drain_end, index);
}

/* One may stay out of work, if others do it. */
void
sim_drain_heal(struct sim *sim)
{
	bool one = false;

	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		struct sim_host *host = &sim->hosts[i];
		uint32_t work = 0;

		host->leads_since = sim->now;
		if (!host->drain_open)
			continue;
		for (uint32_t k = 0; k < sim->plan.hosts; k++)
			work += k != i && !sim->hosts[k].gone && !sim->hosts[k].left &&
				sim->hosts[k].slots > 0;
		if (host->drain_asked && !one && work > 1 && sim_chance(sim, 500)) {
			one = true;
			continue;
		}
		host->drain_over = false;
		drain_end(sim, i);
	}
}

/* Somebody else could lead it. */
static bool
may_hand_over(struct sim *sim, const struct check_run *run, const struct sim_host *host)
{
	uint32_t up = 0, others = 0;

	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *h = sim_host_of(sim, &run->record.electors[i]);
		bool votes = h->node != NULL && h->ready && !h->stopping && !h->shut &&
			     !check_lost(sim, run, h->index);

		up += votes;
		others += votes && h != host && !h->drain_asked;
	}
	return others > 0 && up >= check_majority(run);
}

void
sim_drain_led(struct sim *sim)
{
	sim_time allowed = sim->plan.fsync_max > 50 * SIM_MS ? 20 * SIM_SEC : 5 * SIM_SEC;

	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		struct sim_host *host = &sim->hosts[i];
		bool leads = false;

		for (size_t k = 0; host->drains && host->node != NULL && k < sim->check->run_count;
			k++) {
			const struct check_run *run = sim->check->runs[k];

			leads = leads ||
				(!run->ended && run->led[i] && may_hand_over(sim, run, host));
		}
		if (!leads)
			host->leads_since = sim->now;
		else if (sim->now - host->leads_since > allowed)
			sim_fail(sim, "I16: n%" PRIu32 " drains, and leads for %.0f s", i,
				(double)allowed / 1e6);
	}
}
