/* SPDX-License-Identifier: Apache-2.0 */
/* How it ends: liveness after healing, outcomes, and what is told of a failure. */
#include "check_int.h"

#include <inttypes.h>

#include "core/run.h"

/* ---- runs ---- */

/* Whoever has not heard of a later generation can know no better. */
void
sim_check_told_end(struct sim_host *host, const struct mp_run_id *id)
{
	const struct check_run *run = check_run_find(host->sim->check, id);
	const struct mp_end *end = mp_runs_end(mp_node_runs(host->node), id);

	if (run == NULL || end == NULL || (end->generation == run->generation && !run->ended))
		sim_fail(host->sim, "host %" PRIu32 " says that a run has ended, and it has not",
			host->index);
}

/* Is it the end that was committed? */
static bool
end_is_known(const struct sim_host *host, const struct check_run *run)
{
	const struct mp_end *end = mp_runs_end(mp_node_runs(host->node), &run->id);

	return end != NULL && end->generation == run->generation && end->outcome == run->outcome;
}

/* Every acknowledged run has ended, and every node knows how. */
bool
sim_check_runs_ended(struct sim *sim, char *why, size_t size)
{
	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		const struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;

		if (run == NULL)
			continue;
		if (!run->ended) {
			if (why != NULL)
				(void)snprintf(why, size,
					"run %s, acknowledged, has not ended after %zu entries",
					check_run_text(id), run->entry_count);
			return false;
		}
		for (uint32_t h = 0; h < sim->plan.hosts; h++) {
			const struct sim_host *host = &sim->hosts[h];

			if (host->node == NULL ||
				(end_is_known(host, run) && check_secrets_gone(host, run)))
				continue;
			if (why != NULL && end_is_known(host, run))
				(void)snprintf(why, size,
					"I14: host %" PRIu32 " keeps the secrets of run %s", h,
					check_run_text(id));
			else if (why != NULL)
				(void)snprintf(why, size,
					"host %" PRIu32 " does not know how run %s has ended", h,
					check_run_text(id));
			return false;
		}
	}
	return true;
}

/* So many could elect a leader. */
static uint32_t
run_electors_up(struct sim *sim, const struct check_run *run, bool *led)
{
	uint32_t n = 0;

	*led = false;
	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *host = sim_host_of(sim, &run->record.electors[i]);
		const struct mp_raft *raft;

		if (host->node == NULL)
			continue;
		n += host->ready && !host->stopping && !check_lost(sim, run, host->index);
		raft = mp_runs_raft(mp_node_runs(host->node), &run->id);
		*led = *led || (raft != NULL && mp_raft_role(raft) == MP_RAFT_LEADER);
	}
	return n;
}

/* Ten seconds; more where a vote waits for a disk that takes as long as an election. */
bool
sim_check_spares(struct sim *sim, uint32_t host)
{
	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		const struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;
		uint32_t left = 0;

		for (uint32_t e = 0; run != NULL && e < run->record.elector_count; e++) {
			uint32_t index = sim_host_of(sim, &run->record.electors[e])->index;

			left += index != host && !check_lost(sim, run, index);
		}
		if (run != NULL && left < check_majority(run))
			return false;
	}
	return true;
}

void
sim_check_led(struct sim *sim)
{
	sim_time allowed = sim->plan.fsync_max > 50 * SIM_MS ? 30 * SIM_SEC : 10 * SIM_SEC;

	for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct mp_run_id *id = sim_client_run(sim, i);
		struct check_run *run = id != NULL ? check_run_find(sim->check, id) : NULL;
		bool led;

		if (run == NULL || run->ended)
			continue;
		if (run_electors_up(sim, run, &led) < check_majority(run) || led ||
			run->led_at == 0)
			run->led_at = sim->now;
		else if (sim->now - run->led_at > allowed)
			sim_fail(sim, "L1: run %s has had no leader for %.0f s",
				check_run_text(&run->id), (double)allowed / 1e6);
	}
}

bool
sim_check_views_agree(struct sim *sim, char *why, size_t size)
{
	uint32_t there = sim->plan.hosts;

	for (uint32_t a = 0; a < sim->plan.hosts; a++)
		there -= sim->hosts[a].left || sim->hosts[a].gone;
	for (uint32_t a = 0; a < sim->plan.hosts; a++) {
		const struct mp_roster *roster;

		if (sim->hosts[a].node == NULL)
			continue;
		roster = mp_node_roster(sim->hosts[a].node);
		if (mp_roster_count(roster) == sim->plan.hosts &&
			mp_roster_state_count(roster, MP_MEMBER_ALIVE) == there)
			continue;
		if (why != NULL)
			(void)snprintf(why, size,
				"host %" PRIu32 " sees %zu members, %zu of them alive, of %" PRIu32,
				a, mp_roster_count(roster),
				mp_roster_state_count(roster, MP_MEMBER_ALIVE), there);
		return false;
	}
	return true;
}

/* Something that a run may have failed for. Once it is cancelled nothing is tried again. */
static bool
module_may_fail(const struct check_run *run, uint32_t i)
{
	const struct check_module *m = &run->modules[i];

	return m->failed >= run->graph->modules[i].retry.attempts || m->lost > MP_LOST_MAX ||
	       (run->cancelled && m->failed > 0);
}

void
sim_check_outcomes(struct sim *sim)
{
	for (size_t k = 0; k < sim->check->run_count; k++) {
		const struct check_run *run = sim->check->runs[k];
		bool failed = false, whole = true;

		if (!run->ended)
			continue;
		for (uint32_t i = 0; i < run->graph->module_count; i++) {
			failed = failed || module_may_fail(run, i);
			whole = whole && run->modules[i].succeeded;
		}
		sim->sometimes[SIM_RUN_SUCCEEDED] += run->outcome == MP_OUTCOME_SUCCEEDED;
		sim->sometimes[SIM_RUN_FAILED] += run->outcome == MP_OUTCOME_FAILED;
		sim->sometimes[SIM_RUN_CANCELLED] += run->outcome == MP_OUTCOME_CANCELLED;
		if (run->outcome == MP_OUTCOME_SUCCEEDED    ? !whole
			: run->outcome == MP_OUTCOME_FAILED ? !failed
							    : !run->cancelled)
			sim_fail(sim, "run %s ended as %d, and nothing happened that it should",
				check_run_text(&run->id), (int)run->outcome);
	}
}

uint64_t
sim_check_lost(const struct sim *sim)
{
	return sim->check->lost;
}

uint64_t
sim_check_succeeded(const struct sim *sim)
{
	uint64_t n = 0;

	for (size_t k = 0; k < sim->check->run_count; k++)
		n += sim->check->runs[k]->ended &&
		     sim->check->runs[k]->outcome == MP_OUTCOME_SUCCEEDED;
	return n;
}

/* ---- what is told ---- */

void
sim_check_summary(const struct sim *sim, FILE *f)
{
	const struct sim_check *c = sim->check;

	(void)fprintf(f,
		"# %" PRIu32 " hosts, %.1f virtual s, %" PRIu64 " steps, %" PRIu64
		" datagrams, %" PRIu64 " messages\n# %" PRIu64 " crashes, %" PRIu64
		" pauses, %" PRIu64 " cuts; %" PRIu64 " submissions acknowledged, %" PRIu64
		" elections won, %" PRIu64 " executions, %" PRIu64 " results committed, %" PRIu64
		" attempts lost\n",
		sim->plan.hosts, (double)sim->now / 1e6, sim->steps, sim->datagrams, sim->messages,
		sim->crashes, sim->pauses, sim->cuts, sim_client_acknowledged(sim), c->elections,
		c->executions, c->finished, c->lost);
}

static void
picture_raft(const struct sim_host *host, const struct check_run *run, FILE *f)
{
	static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
	const struct mp_raft *raft = mp_runs_raft(mp_node_runs(host->node), &run->id);

	if (raft == NULL)
		return;
	(void)fprintf(f,
		"#   n%" PRIu32 " %s, term %" PRIu64 ", %" PRIu64 " of %" PRIu64
		" entries committed%s%s\n",
		host->index, roles[mp_raft_role(raft)], mp_raft_term(raft), mp_raft_commit(raft),
		mp_raft_last_index(raft),
		mp_raft_may_dispatch(raft, sim_host_clock(host)) ? ", may dispatch" : "",
		mp_raft_corrupt(raft) ? ", corrupt" : "");
}

static void
picture_run(struct sim *sim, const struct check_run *run, FILE *f)
{
	(void)fprintf(f, "# run %s: %zu entries committed%s%s, electors", check_run_text(&run->id),
		run->entry_count, run->cancelled ? ", cancelled" : "", run->ended ? ", ended" : "");
	for (uint32_t i = 0; i < run->record.elector_count; i++)
		(void)fprintf(f, " n%" PRIu32, sim_host_of(sim, &run->record.electors[i])->index);
	(void)fprintf(f, "\n");
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (sim->hosts[i].node != NULL)
			picture_raft(&sim->hosts[i], run, f);
	}
	for (uint32_t i = 0; i < run->graph->module_count; i++) {
		const struct check_module *m = &run->modules[i];

		if (m->succeeded)
			continue;
		(void)fprintf(f,
			"#   %s: assigned %" PRIu32 ", executed %" PRIu32 ", failed %" PRIu32
			", lost %" PRIu32 "\n",
			run->graph->modules[i].name, m->assigned, m->executions, m->failed,
			m->lost);
	}
}

void
sim_check_picture(struct sim *sim, FILE *f)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		const struct sim_host *host = &sim->hosts[i];
		const struct mp_roster *roster;

		(void)fprintf(f, "# n%" PRIu32 ": %s, life %" PRIu32, i,
			host->node == NULL ? "down"
			: host->stopping   ? "stopping"
			: host->ready      ? "ready"
					   : "joining",
			host->life);
		if (host->node != NULL) {
			roster = mp_node_roster(host->node);
			(void)fprintf(f, ", sees %zu of %zu alive",
				mp_roster_state_count(roster, MP_MEMBER_ALIVE),
				mp_roster_count(roster));
		}
		(void)fprintf(f, "\n");
	}
	for (size_t k = 0; k < sim->check->run_count; k++)
		picture_run(sim, sim->check->runs[k], f);
}
