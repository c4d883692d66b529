/* SPDX-License-Identifier: Apache-2.0 */
/* One seed: faults for a while, then everything is healed and has to come right. */
#include "sim.h"

/* What is not well yet. */
static bool
seed_unwell(struct sim *sim, char *why, size_t size)
{
	return !sim_check_runs_ended(sim, why, size) || !sim_check_views_agree(sim, why, size) ||
	       sim_client_waits(sim, why, size);
}

static bool
seed_going(struct sim *sim)
{
	sim_check_led(sim);
	sim_drain_led(sim);
	return seed_unwell(sim, NULL, 0);
}

int
sim_seed_run(uint64_t seed, bool trace, bool quiet, struct sim_report *report)
{
	struct sim_plan plan;
	struct sim *sim;
	char why[256];

	sim_plan_draw(&plan, seed);
	sim = sim_new(&plan, trace);
	sim_fault_schedule(sim);
	sim_run_until(sim, plan.fault_until);
	if (sim->failure[0] == '\0') {
		sim_fault_heal(sim);
		sim_run_while(sim, sim->now + plan.finish_within, seed_going);
	}
	if (sim->failure[0] == '\0' && seed_unwell(sim, why, sizeof(why)))
		sim_fail(sim, "not well after healing: %s", why);
	if (sim->failure[0] == '\0')
		sim_check_outcomes(sim);
	if (!quiet)
		sim_check_summary(sim, stdout);
	if (!quiet && sim->failure[0] != '\0')
		sim_check_picture(sim, stdout);
	report->trace_hash = sim->trace_hash;
	memcpy(report->sometimes, sim->sometimes, sizeof(report->sometimes));
	return sim_end(sim, report->why, sizeof(report->why));
}
