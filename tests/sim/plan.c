/* SPDX-License-Identifier: Apache-2.0 */
/* What one seed does to a cluster. */
#include "sim.h"

#include <inttypes.h>

void
sim_plan_calm(struct sim_plan *plan)
{
	*plan = (struct sim_plan){.seed = 1,
		.hosts = 3,
		.slots = 2,
		.modules = 8,
		.delay_min = 100,
		.delay_max = 2 * SIM_MS,
		.fsync_min = 200,
		.fsync_max = 2 * SIM_MS,
		.job_min = 20 * SIM_MS,
		.job_max = 500 * SIM_MS};
}

void
sim_plan_draw(struct sim_plan *plan, uint64_t seed)
{
	struct mp_rng r = {.state = seed ^ 0x5eed};
	static const uint32_t hosts[] = {1, 2, 3, 3, 3, 4, 5, 5, 7};
	bool calm = mp_rng_below(&r, 8) == 0;

	*plan = (struct sim_plan){.seed = seed};
	plan->hosts = hosts[mp_rng_below(&r, mp_countof(hosts))];
	plan->slots = 1 + (uint32_t)mp_rng_below(&r, 3);
	plan->runs = 1 + (uint32_t)mp_rng_below(&r, 2);
	plan->modules = 3 + (uint32_t)mp_rng_below(&r, 12);
	plan->fault_until = 12 * SIM_SEC;
	plan->finish_within = 300 * SIM_SEC;
	plan->delay_min = 50 + (sim_time)mp_rng_below(&r, 500);
	plan->delay_max = plan->delay_min + (sim_time)mp_rng_below(&r, 20 * SIM_MS);
	plan->fsync_min = 100;
	plan->fsync_max = 200 + (sim_time)mp_rng_below(&r, 30 * SIM_MS);
	plan->job_min = 5 * SIM_MS;
	plan->job_max = 10 * SIM_MS + (sim_time)mp_rng_below(&r, 3 * SIM_SEC);
	if (calm)
		return;
	plan->loss = (uint32_t)mp_rng_below(&r, 300);
	plan->duplicate = (uint32_t)mp_rng_below(&r, 200);
	plan->job_fail = mp_rng_below(&r, 3) == 0 ? (uint32_t)mp_rng_below(&r, 100) : 0;
	if (mp_rng_below(&r, 3) != 0)
		plan->crash_every = SIM_SEC + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
	if (mp_rng_below(&r, 3) == 0)
		plan->pause_every = SIM_SEC + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
	if (mp_rng_below(&r, 2) == 0)
		plan->cut_every = SIM_SEC + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
	plan->cut_one_way = mp_rng_below(&r, 2) == 0;
	plan->tick_first = mp_rng_below(&r, 2) == 0;
}

/* A random DAG: each module needs up to three of those before it. */
void
sim_plan_pipeline(struct sim *sim, uint32_t run_number, struct mp_buf *yaml)
{
	struct mp_rng r = {.state = sim->plan.seed * 31 + run_number};
	uint32_t modules = 1 + (uint32_t)mp_rng_below(&r, sim->plan.modules * 2);
	char name[1024][8];
	char line[256];
	int n;

	mp_assert(modules <= mp_countof(name));
	n = snprintf(
		line, sizeof(line), "meshpipe: 1\nname: sim-%" PRIu32 "\nmodules:\n", run_number);
	mp_assert(mp_buf_append(yaml, line, (size_t)n) == 0);
	for (uint32_t i = 0; i < modules; i++) {
		uint32_t needs = i == 0 ? 0 : (uint32_t)mp_rng_below(&r, 4);
		bool output = mp_rng_below(&r, 2) == 0;

		(void)snprintf(name[i], sizeof(name[i]), "%c%" PRIu32, output ? 'o' : 'm', i);
		n = snprintf(line, sizeof(line),
			"  %s:\n    run: [\"work\", \"%s\"]\n    retry: { attempts: 3, backoff: "
			"100ms }\n",
			name[i], name[i]);
		mp_assert(mp_buf_append(yaml, line, (size_t)n) == 0);
		if (output) {
			n = snprintf(line, sizeof(line), "    outputs: [\"out/%s\"]\n", name[i]);
			mp_assert(mp_buf_append(yaml, line, (size_t)n) == 0);
		}
		for (uint32_t k = 0, last = i; k < needs && last > 0; k++) {
			last = (uint32_t)mp_rng_below(&r, last);
			n = snprintf(line, sizeof(line), "%s%s", k == 0 ? "    needs: [" : ", ",
				name[last]);
			mp_assert(mp_buf_append(yaml, line, (size_t)n) == 0);
			if (k + 1 == needs || last == 0)
				mp_assert(mp_buf_append(yaml, "]\n", 2) == 0);
		}
	}
}

static sim_time
soon(struct sim *sim, sim_time mean)
{
	return sim->now + sim_between(sim, mean / 4, mean * 7 / 4);
}

static void
plan_submit(struct sim *sim, uint64_t run_number)
{
	struct sim_host *host = &sim->hosts[mp_rng_below(&sim->rng, sim->plan.hosts)];

	if (sim->healed)
		return;
	if (host->node == NULL || !host->ready || host->paused_until > sim->now)
		sim_at(sim, sim->now + 50 * SIM_MS, plan_submit, run_number);
	else
		sim_check_submit(host, (uint32_t)run_number);
}

static void
plan_restart(struct sim *sim, uint64_t index)
{
	if (sim->hosts[index].node == NULL)
		sim_host_start(&sim->hosts[index]);
}

static void
plan_crash(struct sim *sim, uint64_t arg)
{
	uint32_t index = (uint32_t)mp_rng_below(&sim->rng, sim->plan.hosts);

	if (sim->healed)
		return;
	sim_host_crash(&sim->hosts[index]);
	sim_at(sim, sim->now + sim_between(sim, 10 * SIM_MS, 6 * SIM_SEC), plan_restart, index);
	sim_at(sim, soon(sim, sim->plan.crash_every), plan_crash, arg);
}

static void
plan_pause(struct sim *sim, uint64_t arg)
{
	uint32_t index = (uint32_t)mp_rng_below(&sim->rng, sim->plan.hosts);

	if (sim->healed)
		return;
	sim_host_pause(&sim->hosts[index], sim->now + sim_between(sim, 50 * SIM_MS, 5 * SIM_SEC));
	sim_at(sim, soon(sim, sim->plan.pause_every), plan_pause, arg);
}

/* Halves, one alone, or a bridge: a–b–c but not a–c. */
static void
plan_cut(struct sim *sim, uint64_t arg)
{
	uint32_t n = sim->plan.hosts;
	uint64_t side = mp_rng_next(&sim->rng);
	bool bridge = sim_chance(sim, 250);
	uint32_t middle = (uint32_t)mp_rng_below(&sim->rng, n);

	if (sim->healed)
		return;
	if (sim_chance(sim, 400)) {
		sim_trace(sim, NULL, "heal the network");
		sim_net_heal(sim);
	} else {
		sim->cuts++;
		sim_trace(sim, NULL, "cut the network");
		for (uint32_t a = 0; a < n; a++) {
			for (uint32_t b = 0; b < n; b++) {
				bool apart = (side >> a & 1) != (side >> b & 1) &&
					     !(bridge && (a == middle || b == middle));

				if (sim->plan.cut_one_way && (side >> a & 1) != 0)
					apart = false;
				sim_net_cut(sim, a, b, apart);
			}
		}
	}
	sim_at(sim, soon(sim, sim->plan.cut_every), plan_cut, arg);
}

static void
plan_start(struct sim *sim, uint64_t index)
{
	if (sim->hosts[index].node == NULL)
		sim_host_start(&sim->hosts[index]);
}

void
sim_plan_schedule(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++)
		sim_at(sim, i == 0 ? 0 : sim_between(sim, 0, 300 * SIM_MS), plan_start, i);
	for (uint32_t i = 0; i < sim->plan.runs; i++)
		sim_at(sim, SIM_SEC + sim_between(sim, 0, 3 * SIM_SEC), plan_submit, i);
	if (sim->plan.crash_every > 0)
		sim_at(sim, 2 * SIM_SEC, plan_crash, 0);
	if (sim->plan.pause_every > 0)
		sim_at(sim, 2 * SIM_SEC, plan_pause, 0);
	if (sim->plan.cut_every > 0)
		sim_at(sim, 2 * SIM_SEC, plan_cut, 0);
}

static void
plan_heal(struct sim *sim)
{
	sim_trace(sim, NULL, "heal everything");
	sim->healed = true;
	sim_net_heal(sim);
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		sim->hosts[i].paused_until = 0;
		if (sim->hosts[i].node == NULL)
			sim_host_start(&sim->hosts[i]);
	}
}

static bool
plan_unfinished(struct sim *sim)
{
	return !sim_check_runs_ended(sim, NULL, 0) || !sim_check_views_agree(sim, NULL, 0);
}

int
sim_seed_run(uint64_t seed, bool trace, bool quiet, uint64_t *trace_hash, char *why, size_t size)
{
	struct sim_plan plan;
	struct sim *sim;
	int rc;

	sim_plan_draw(&plan, seed);
	sim = sim_new(&plan, trace);
	sim_plan_schedule(sim);
	sim_run_until(sim, plan.fault_until);
	if (sim->failure[0] == '\0') {
		plan_heal(sim);
		sim_run_while(sim, sim->now + plan.finish_within, plan_unfinished);
	}
	if (sim->failure[0] == '\0') {
		char unfinished[256];

		if (!sim_check_runs_ended(sim, unfinished, sizeof(unfinished)) ||
			!sim_check_views_agree(sim, unfinished, sizeof(unfinished)))
			sim_fail(sim, "not well after healing: %s", unfinished);
	}
	rc = sim->failure[0] == '\0' ? 0 : -1;
	(void)snprintf(why, size, "%s", sim->failure);
	*trace_hash = sim->trace_hash;
	if (!quiet)
		sim_check_summary(sim, stdout);
	sim_free(sim);
	return rc;
}
