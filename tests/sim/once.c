/* SPDX-License-Identifier: Apache-2.0 */
/* I12: a `once` module runs only once it has begun by the log, each attempt once, never two at a
 * time, and begins again only on an operator's word or when it never ran. */
#include "check_int.h"

#include <inttypes.h>

static void
once_begin(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct check_module *m;
	struct mp_assigned begin;

	if (mp_body_once_begin_decode(e->body, &begin) != 0 ||
		begin.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "an ONCE_BEGIN that makes no sense is committed");
		return;
	}
	m = &run->modules[begin.attempt.module];
	sim_trace(sim, NULL, "  %s, term %" PRIu64 " number %" PRIu32 ", on n%" PRIu32,
		run->graph->modules[begin.attempt.module].name, begin.attempt.term,
		begin.attempt.counter, sim_host_of(sim, &begin.worker)->index);
	if (m->succeeded || run->cancelled)
		return; /* of no effect */
	if (m->begun)
		sim_fail(sim, "I12: %s begins again, and no operator said so",
			run->graph->modules[begin.attempt.module].name);
	m->begun = true;
	m->maybe = false;
	m->began = begin.attempt;
	m->began_runs = 0;
	m->assigned++;
	sim->sometimes[SIM_ONCE_BEGUN]++;
}

static void
once_end(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct check_module *m;
	struct mp_once_end end;
	const char *name;

	if (mp_body_once_end_decode(e->body, &end) != 0 ||
		end.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "an ONCE_END that makes no sense is committed");
		return;
	}
	m = &run->modules[end.attempt.module];
	m->words += end.how != MP_ONCE_UNSTARTED;
	name = run->graph->modules[end.attempt.module].name;
	sim_trace(sim, NULL, "  %s, how %d", name, (int)end.how);
	if (!m->begun || !mp_attempt_eq(&m->began, &end.attempt) || m->succeeded)
		return; /* of no effect */
	if (end.how == MP_ONCE_UNSTARTED) {
		if (m->began_runs > 0)
			sim_fail(sim, "I12: %s is said not to have begun, and ran", name);
		sim->sometimes[SIM_ONCE_RETURNED]++;
	} else {
		if (!m->asked)
			sim_fail(sim, "I12: %s is resolved, and no operator did that", name);
		sim->sometimes[end.how == MP_ONCE_DONE ? SIM_ONCE_DONE : SIM_ONCE_RERUN]++;
	}
	if (end.how == MP_ONCE_DONE)
		m->succeeded = m->resolved = true;
	m->begun = m->maybe = false;
}

/* It may have run, or is heard of after all. */
static void
once_heard(struct sim *sim, const struct check_run *run, const struct mp_attempt_id *id, bool maybe)
{
	struct check_module *m;

	if (id->module >= run->graph->module_count || !run->graph->modules[id->module].once)
		return;
	m = &run->modules[id->module];
	if (!m->begun || !mp_attempt_eq(&m->began, id))
		return;
	sim->sometimes[SIM_MAYBE_RAN] += maybe && !m->maybe;
	sim->sometimes[SIM_ONCE_AFTER_ALL] += !maybe && m->maybe;
	m->maybe = maybe;
}

void
check_once_entry(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct mp_finished finished;
	struct mp_assigned assigned;
	struct mp_result result;
	struct mp_lost lost;
	struct mp_list list;

	if (e->kind == MP_ENTRY_ONCE_BEGIN)
		once_begin(sim, run, e);
	else if (e->kind == MP_ENTRY_ONCE_END)
		once_end(sim, run, e);
	else if (e->kind == MP_ENTRY_LOST && mp_body_lost_decode(e->body, &lost) == 0)
		once_heard(sim, run, &lost.attempt, true);
	else if (e->kind == MP_ENTRY_FINISHED && mp_body_finished_decode(e->body, &finished) == 0 &&
		 mp_signed_result_open(&sim_crypto, finished.result, &result, NULL) == 0)
		once_heard(sim, run, &finished.attempt, result.status == MP_STATUS_CANCELLED);
	else if (e->kind == MP_ENTRY_ASSIGNED && mp_body_assigned_decode(e->body, &list) == 0)
		while (mp_assigned_next(&list, &assigned))
			once_heard(sim, run, &assigned.attempt, false);
}

void
check_once_exec(struct sim_host *host, struct check_run *run, const struct mp_exec_request *req)
{
	const struct mp_attempt_id *id = &req->key.attempt;
	struct check_module *m = &run->modules[id->module];
	const char *name = run->graph->modules[id->module].name;
	struct sim *sim = host->sim;

	if (!m->begun || !mp_attempt_eq(&m->began, id))
		sim_fail(sim,
			"I12: host %" PRIu32 " runs %s of run %s, number %" PRIu32
			", which has not begun by the log",
			host->index, name, check_run_text(&run->id), id->counter);
	else if (m->began_runs++ > 0)
		sim_fail(sim, "I12: host %" PRIu32 " runs %s, which it did before", host->index,
			name);
	if (req->lease_until_ms <= sim_host_clock(host))
		sim_fail(sim, "I12: host %" PRIu32 " runs %s without a lease", host->index, name);
	if (sim_jobs_elsewhere(sim, &req->key))
		sim_fail(sim, "I12: %s runs twice at the same time", name);
}

/* What may have run, and waits for a word: the one of this number, or NULL and how many there are.
 */
static struct check_module *
once_waits(struct sim_check *check, uint32_t number, struct check_run **run, uint32_t *count)
{
	*count = 0;
	for (size_t k = 0; k < check->run_count; k++) {
		*run = check->runs[k];
		/* Nobody hears it any more. */
		if (check->sim->healed && !check_decides(check->sim, *run))
			continue;
		for (uint32_t i = 0; i < (*run)->graph->module_count && !(*run)->ended; i++) {
			struct check_module *m = &(*run)->modules[i];

			/* What succeeded in an earlier attempt waits for no word about a later. */
			if (m->begun && m->maybe && !m->succeeded && (*count)++ == number)
				return m;
		}
	}
	return NULL;
}

/* In turn: the word on one may reach nobody, and others wait too. */
void
sim_check_resolve(struct sim_host *host)
{
	struct sim *sim = host->sim;
	struct check_module *m;
	struct check_run *run;
	struct sim_word word;
	uint32_t count, seen;

	(void)once_waits(sim->check, UINT32_MAX, &run, &count);
	if (count == 0)
		return;
	m = once_waits(sim->check, sim->check->resolved++ % count, &run, &seen);
	m->asked = true;
	word = (struct sim_word){
		.run = run->id, .module = (uint32_t)(m - run->modules), .before = m->words};
	sim_client_resolve(
		host, &word, run->graph->modules[word.module].name, sim_chance(sim, 500));
}

/* I13: what somebody was told to be decided is. */
void
sim_check_resolved(struct sim_host *host, const struct sim_word *word)
{
	const struct check_run *run = check_run_find(host->sim->check, &word->run);

	host->sim->sometimes[SIM_RESOLVED]++;
	if (run->generation == 1 && run->modules[word->module].words <= word->before)
		sim_fail(host->sim, "I13: what was said of %s is acknowledged, and not committed",
			run->graph->modules[word->module].name);
}

void
sim_check_cancelled(struct sim_host *host, const struct mp_run_id *id)
{
	const struct check_run *run = check_run_find(host->sim->check, id);

	host->sim->sometimes[SIM_CANCEL_SAID]++;
	sim_trace(host->sim, host, "the cancel of run %s is acknowledged", check_run_text(id));
	if (run == NULL || (!run->cancelled && !run->ended))
		sim_fail(host->sim, "I13: the cancel of run %s is acknowledged, and not committed",
			check_run_text(id));
}
