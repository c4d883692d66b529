/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a cluster: each fault draws when the next of its kind comes. */
#include "sim.h"

#include <inttypes.h>

static sim_time
soon(struct sim *sim, sim_time mean)
{
	return sim->now + sim_between(sim, mean / 4, mean * 7 / 4);
}

static struct sim_host *
any_host(struct sim *sim)
{
	return &sim->hosts[mp_rng_below(&sim->rng, sim->plan.hosts)];
}

/* Who leads, or has something to lose, as often as anybody. */
static struct sim_host *
hurt_host(struct sim *sim)
{
	uint32_t leader = sim_check_last_leader(sim);
	struct sim_host *host = any_host(sim);

	if (leader < sim->plan.hosts && sim_chance(sim, 300))
		return &sim->hosts[leader];
	for (uint32_t i = 0; i < sim->plan.hosts && sim_chance(sim, 800); i++) {
		struct sim_host *next = &sim->hosts[(host->index + i) % sim->plan.hosts];

		if (next->node != NULL && sim_disk_pending(next))
			return next;
	}
	return host;
}

/* ---- clients ---- */

static void
fault_submit(struct sim *sim, uint64_t run_number)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	if (host->node == NULL || !host->ready || host->paused_until > sim->now)
		sim_at(sim, sim->now + 50 * SIM_MS, fault_submit, run_number);
	else
		sim_client_submit(host, (uint32_t)run_number);
}

static void
fault_cancel(struct sim *sim, uint64_t run_number)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	if (host->node == NULL || !host->ready || !sim_client_cancel(host, (uint32_t)run_number))
		sim_at(sim, sim->now + 50 * SIM_MS, fault_cancel, run_number);
}

/* Somebody is always looking. */
static void
fault_look(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	if (host->node != NULL && host->ready)
		sim_client_look(host);
	sim_at(sim, soon(sim, SIM_SEC), fault_look, arg);
}

/* ---- machines ---- */

static void
fault_start(struct sim *sim, uint64_t index)
{
	if (sim->hosts[index].node == NULL)
		sim_host_start(&sim->hosts[index]);
}

static void
fault_join(struct sim *sim, uint64_t index)
{
	if (sim->hosts[index].node != NULL)
		return;
	sim->sometimes[SIM_JOINED_LATE] += sim_check_elections(sim) > 0;
	sim_host_start(&sim->hosts[index]);
}

void
sim_fault_power_cut(struct sim *sim)
{
	sim->sometimes[SIM_POWER_CUT]++;
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (sim->hosts[i].node == NULL)
			continue;
		sim_host_crash(&sim->hosts[i], true);
		sim_at(sim, sim->now + sim_between(sim, 10 * SIM_MS, 3 * SIM_SEC), fault_start, i);
	}
}

/* Whatever watches over it starts it at once, or somebody comes by. */
static sim_time
down_for(struct sim *sim)
{
	return sim_between(sim, 10 * SIM_MS, sim_chance(sim, 500) ? SIM_SEC / 2 : 6 * SIM_SEC);
}

static void
fault_crash(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = hurt_host(sim);

	if (sim->healed)
		return;
	sim_at(sim, soon(sim, sim->plan.crash_every), fault_crash, arg);
	if (sim_chance(sim, sim->plan.power_cut)) {
		sim_fault_power_cut(sim);
		return;
	}
	sim_host_crash(host, sim_chance(sim, 500));
	if (host->node == NULL && sim_chance(sim, sim->plan.damage))
		sim_disk_damage(host);
	sim_at(sim, sim->now + down_for(sim), fault_start, host->index);
}

bool
sim_fault_wipe(struct sim_host *host)
{
	struct sim *sim = host->sim;

	sim_host_crash(host, sim_chance(sim, 500));
	if (host->node != NULL || !sim_check_wipe(host))
		return false;
	sim_trace(sim, host, "its rows are lost");
	sim->sometimes[SIM_WIPED]++;
	sim_disk_wipe(host);
	host->drain_asked = host->drains = false;
	host->returned_ms = sim_host_wall(host);
	return true;
}

/* Its database is lost, and it comes back as itself. Not the first one: the others join by it. */
static void
fault_wipe(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[1 + mp_rng_below(&sim->rng, sim->plan.hosts - 1)];

	if (sim->healed)
		return;
	sim_at(sim, soon(sim, sim->plan.wipe_every), fault_wipe, arg);
	/* Boots that are forgotten are counted in seconds. */
	if (host->node == NULL || !host->ready ||
		sim_host_wall(host) < host->returned_ms + 1000 * ((mp_time)host->life + 5))
		return;
	(void)sim_fault_wipe(host);
	sim_at(sim, sim->now + down_for(sim), fault_start, host->index);
}

/* A new leader has said a part of what it has to say. */
static void
fault_depose(struct sim *sim, uint64_t index)
{
	struct sim_host *host = &sim->hosts[index];

	if (sim->healed)
		return;
	if (sim_chance(sim, 250)) {
		sim_fault_power_cut(sim);
		return;
	}
	if (sim_chance(sim, 300)) {
		sim_host_pause(host, sim->now + sim_between(sim, SIM_SEC, 5 * SIM_SEC));
		return;
	}
	sim_host_crash(host, sim_chance(sim, 500));
	sim_at(sim, sim->now + down_for(sim), fault_start, index);
}

void
sim_fault_elected(struct sim_host *host)
{
	struct sim *sim = host->sim;
	sim_time soon_at = 2 * sim->plan.delay_max + sim->plan.fsync_max;

	if (sim->plan.figure8)
		sim_figure8_elected(host);
	if (sim->plan.depose > 0 && sim_chance(sim, sim->plan.depose))
		sim_at(sim, sim->now + sim_between(sim, 0, soon_at), fault_depose, host->index);
}

static void
fault_stop(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	sim_at(sim, soon(sim, sim->plan.stop_every), fault_stop, arg);
	if (host->ready)
		sim_host_stop(host);
}

/* What stopped is started again. */
static void
fault_revive(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	sim_at(sim, soon(sim, 2 * SIM_SEC), fault_revive, arg);
	if (host->node == NULL && host->stopping && !host->left)
		sim_host_start(host);
}

static void
fault_pause(struct sim *sim, uint64_t arg)
{
	sim_time most = sim->plan.pause_max > 0 ? sim->plan.pause_max : 5 * SIM_SEC;
	sim_time until;

	if (sim->healed)
		return;
	until = sim->now + sim_between(sim, 50 * SIM_MS, most);
	/* Healing does not wake anybody. */
	if (most > 5 * SIM_SEC && until > sim->plan.fault_until)
		until = sim->plan.fault_until;
	sim_host_pause(hurt_host(sim), until);
	sim_at(sim, soon(sim, sim->plan.pause_every), fault_pause, arg);
}

static void
fault_clock(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = any_host(sim);

	if (sim->healed)
		return;
	host->wall_off_ms = sim_between(sim, -3600000, 3600000);
	sim->sometimes[SIM_CLOCK_JUMPED]++;
	sim_trace(sim, host, "wall clock is off by %.3f s", (double)host->wall_off_ms / 1e3);
	sim_at(sim, soon(sim, sim->plan.clock_every), fault_clock, arg);
}

static void
fault_full(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	sim_disk_full(any_host(sim), sim->now + sim_between(sim, 50 * SIM_MS, 4 * SIM_SEC));
	sim_at(sim, soon(sim, sim->plan.full_every), fault_full, arg);
}

static void
fault_blob(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	sim_blob_lose(any_host(sim));
	sim_at(sim, soon(sim, sim->plan.blob_every), fault_blob, arg);
}

/* ---- the network ---- */

/* Halves, one alone, or a bridge: a–b–c but not a–c. */
static void
fault_part(struct sim *sim)
{
	uint32_t n = sim->plan.hosts;
	uint64_t side = mp_rng_next(&sim->rng);
	bool bridge = sim_chance(sim, 250);
	uint32_t middle = (uint32_t)mp_rng_below(&sim->rng, n);

	sim->cuts++;
	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = 0; b < n; b++) {
			bool apart = (side >> a & 1) != (side >> b & 1) &&
				     !(bridge && (a == middle || b == middle));

			if (sim->plan.cut_one_way && (side >> a & 1) != 0)
				apart = false;
			sim_net_cut(sim, a, b, apart);
			sim->sometimes[SIM_PARTED] += apart;
		}
	}
}

void
sim_fault_part_leader(struct sim *sim, bool electors)
{
	uint32_t leader = sim_check_last_leader(sim) % sim->plan.hosts;

	sim->cuts++;
	sim_net_heal(sim);
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (i == leader || sim_check_elects(sim, i) != electors)
			continue;
		sim_net_cut(sim, leader, i, true);
		if (!sim->plan.cut_one_way)
			sim_net_cut(sim, i, leader, true);
		sim->sometimes[SIM_PARTED]++;
	}
}

static void
fault_cut(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	if (sim_chance(sim, 400)) {
		sim_trace(sim, NULL, "heal the network");
		sim_net_heal(sim);
	} else if (sim_chance(sim, 300)) {
		sim_trace(sim, NULL, "cut the leader off");
		sim_fault_part_leader(sim, sim_chance(sim, 500));
	} else {
		sim_trace(sim, NULL, "cut the network");
		fault_part(sim);
	}
	sim_at(sim, soon(sim, sim->plan.cut_every), fault_cut, arg);
}

static void
fault_rotate(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	(void)sim_shut_rotate(any_host(sim));
	sim_at(sim, soon(sim, sim->plan.rotate_every), fault_rotate, arg);
}

static void
fault_drain(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	sim_drain_toggle(hurt_host(sim));
	sim_at(sim, soon(sim, sim->plan.drain_every), fault_drain, arg);
}

/* Streams of one pair break, and nothing else. */
static void
fault_drop(struct sim *sim, uint64_t arg)
{
	if (sim->healed)
		return;
	sim_net_drop(any_host(sim), &any_host(sim)->id);
	sim_at(sim, soon(sim, sim->plan.drop_every), fault_drop, arg);
}

/* ---- the operator ---- */

/* What may have run waits for a word, for good: so this goes on after healing. */
static void
fault_resolve(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = any_host(sim);

	if (host->ready && host->node != NULL)
		sim_check_resolve(host);
	/* Once all is healed there is nothing to wait for. */
	sim_at(sim, sim->now + (sim->healed ? SIM_SEC : sim->plan.resolve_every), fault_resolve,
		arg);
}

/* ---- all of them ---- */

void
sim_fault_schedule(struct sim *sim)
{
	const struct sim_plan *plan = &sim->plan;
	const struct {
		sim_time every;
		sim_call fn;
	} faults[] = {
		{plan->crash_every, fault_crash},
		{plan->stop_every, fault_stop},
		{plan->stop_every, fault_revive},
		{plan->pause_every, fault_pause},
		{plan->cut_every, fault_cut},
		{plan->clock_every, fault_clock},
		{plan->full_every, fault_full},
		{plan->blob_every, fault_blob},
		{plan->drop_every, fault_drop},
		{plan->wipe_every, fault_wipe},
		{plan->rotate_every, fault_rotate},
		{plan->drain_every, fault_drain},
		{SIM_SEC, fault_look},
		{plan->once > 0 ? plan->resolve_every : 0, fault_resolve},
	};

	for (uint32_t i = 0; i < plan->hosts; i++)
		sim_at(sim, i == 0 ? 0 : sim_between(sim, 0, plan->join_within), fault_join, i);
	for (uint32_t i = 0; i < plan->runs; i++)
		sim_at(sim, SIM_SEC + sim_between(sim, 0, plan->fault_until / 2), fault_submit, i);
	if (plan->figure8)
		sim_figure8_schedule(sim);
	if (plan->cancel_after > 0)
		sim_at(sim, SIM_SEC + plan->cancel_after, fault_cancel, 0);
	for (size_t i = 0; i < mp_countof(faults); i++) {
		if (faults[i].every > 0)
			sim_at(sim, 2 * SIM_SEC, faults[i].fn, 0);
	}
}

/* One is lost for good with all that it had, if everything that was promised can do without. */
static void
fault_lose(struct sim *sim)
{
	struct sim_host *host = hurt_host(sim);

	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (sim_disk_count(&sim->hosts[i], MP_TABLE_MEMBER) < sim->plan.hosts)
			return;
	}
	if (host->left || sim->plan.hosts < 3 || !sim_check_spares(sim, host->index))
		return;
	if (host->index > 0 && sim_chance(sim, 500)) {
		sim_at(sim, sim->now + sim_between(sim, 0, 3 * SIM_SEC), sim_shut_one, host->index);
		return;
	}
	sim_trace(sim, host, "is lost for good");
	sim->sometimes[SIM_GONE]++;
	host->gone = true;
	sim_host_crash(host, sim_chance(sim, 500));
}

void
sim_fault_heal(struct sim *sim)
{
	sim_trace(sim, NULL, "heal everything");
	sim->healed = true;
	sim_net_heal(sim);
	if (sim_chance(sim, sim->plan.gone))
		fault_lose(sim);
	if (sim->plan.takeover)
		sim_takeover_lose(sim);
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		struct sim_host *host = &sim->hosts[i];

		host->paused_until = 0;
		host->wall_off_ms = sim_between(sim, -500, 500);
		if (host->node == NULL && !host->left)
			sim_host_start(host);
	}
	sim_drain_heal(sim);
}
