/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, by their numbers in ARCHITECTURE.md. Looked at after every step, but only where
 * that step could have changed something: in the logs of the host that stepped, and in the effects
 * that it asked for (effect.c).
 */
#include "check_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/manifest.h"
#include "core/raft_log.h"
#include "core/run.h"

struct sim_check *
sim_check_new(struct sim *sim)
{
	struct sim_check *check = calloc(1, sizeof(*check));

	mp_assert(check != NULL);
	check->sim = sim;
	return check;
}

void
sim_check_free(struct sim_check *check)
{
	for (size_t i = 0; i < check->run_count; i++) {
		mp_graph_free(check->runs[i]->graph);
		free(check->runs[i]->entries);
		free(check->runs[i]->modules);
		free(check->runs[i]);
	}
	free(check);
}

const char *
check_run_text(const struct mp_run_id *id)
{
	static char text[9];

	(void)snprintf(
		text, sizeof(text), "%02x%02x%02x%02x", id->b[0], id->b[1], id->b[2], id->b[3]);
	return text;
}

struct check_run *
check_run_find(const struct sim_check *check, const struct mp_run_id *id)
{
	for (size_t i = 0; i < check->run_count; i++) {
		if (mp_run_id_eq(&check->runs[i]->id, id))
			return check->runs[i];
	}
	return NULL;
}

uint32_t
check_majority(const struct check_run *run)
{
	return run->record.elector_count / 2 + 1;
}

struct mp_span
check_entry_row(const struct sim_host *host, const struct mp_run_id *id, uint64_t index)
{
	uint8_t key[24];

	memcpy(key, id->b, sizeof(id->b));
	for (unsigned i = 0; i < 8; i++)
		key[16 + i] = (uint8_t)(index >> 8 * (7 - i));
	return sim_disk_row(host, MP_TABLE_ENTRY, mp_span(key, sizeof(key)));
}

static uint32_t
check_on_disks(struct sim *sim, const struct check_run *run, const struct mp_raft_entry *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *h = sim_host_of(sim, &run->record.electors[i]);
		struct mp_span row = check_entry_row(h, &run->id, e->index);

		/* Who lost its rows may have acknowledged it before. */
		n += check_lost(sim, run, h->index) ||
		     (row.p != NULL && memcmp(row.p, e->hash.b, MP_LOG_ROW_HEAD) == 0);
	}
	return n;
}

/* ---- leaders ---- */

/* I1: one leader per run and term. */
static void
check_one_leader(struct sim_host *host, struct check_run *run, uint64_t term)
{
	struct sim *sim = host->sim;

	for (size_t i = 0; i < run->leader_count; i++) {
		if (run->leaders[i].term == term && run->leaders[i].host != host->index)
			sim_fail(sim,
				"I1: hosts %" PRIu32 " and %" PRIu32
				" both lead run %s in term %" PRIu64,
				run->leaders[i].host, host->index, check_run_text(&run->id), term);
	}
	sim->sometimes[SIM_LED_ANEW] += run->leader_count > 0;
	if (run->leader_count < LEADERS_MAX)
		run->leaders[run->leader_count++] =
			(struct leadership){.term = term, .host = host->index};
}

/* I3: a leader holds all that was committed before its term. */
static void
check_leader_log(struct sim_host *host, const struct check_run *run, const struct mp_raft *raft)
{
	uint64_t term = mp_raft_term(raft);

	for (size_t i = 0; i < run->entry_count; i++) {
		struct mp_raft_entry e;

		if (run->entries[i].term > term)
			continue; /* a leader of the past, that does not know it yet */
		if (mp_raft_entry_at(raft, i + 1, &e) && mp_hash_eq(&e.hash, &run->entries[i].hash))
			continue;
		sim_fail(host->sim,
			"I3: host %" PRIu32 " leads run %s in term %" PRIu64
			" without committed entry %zu",
			host->index, check_run_text(&run->id), term, i + 1);
		return;
	}
}

/* I1, of its lease: two hosts never hand out work of one run at the same moment. */
static void
check_lease(struct sim_host *host, const struct check_run *run, const struct mp_raft *raft)
{
	struct sim *sim = host->sim;

	if (!mp_raft_may_dispatch(raft, sim_host_clock(host)))
		return;
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		struct sim_host *other = &sim->hosts[i];
		const struct mp_raft *theirs;

		if (i == host->index || other->node == NULL || !run->led[i])
			continue;
		theirs = mp_runs_raft(mp_node_runs(other->node), &run->id);
		/* Whoever was taken over from may not know of it yet; fences keep them apart. */
		if (theirs != NULL && mp_raft_generation(theirs) == mp_raft_generation(raft) &&
			mp_raft_may_dispatch(theirs, sim_host_clock(other)))
			sim_fail(sim,
				"I1: hosts %" PRIu32 " (term %" PRIu64 ") and %" PRIu32
				" (term %" PRIu64 ") may both dispatch work of run %s",
				host->index, mp_raft_term(raft), i, mp_raft_term(theirs),
				check_run_text(&run->id));
	}
}

/* The dangerous shape of figure 8 of the Raft paper: a majority has it, and it may yet go. */
static void
check_figure_8(struct sim *sim, const struct check_run *run, const struct mp_raft *raft)
{
	struct mp_raft_entry e;

	if (mp_raft_entry_at(raft, mp_raft_commit(raft) + 1, &e) && e.term < mp_raft_term(raft) &&
		e.index > run->entry_count && check_on_disks(sim, run, &e) >= check_majority(run))
		sim->sometimes[SIM_FIGURE_8]++;
}

/* The first leader of a generation: what is committed is what it builds on, and is seen anew from
 * there. What else earlier ones had committed is lost, by the word of who took the run over. */
static void
check_generation(struct sim_host *host, struct check_run *run, const struct mp_raft *raft)
{
	const struct mp_electorate *who = mp_raft_who(raft);

	sim_trace(host->sim, host, "run %s goes on after entry %" PRIu64 ", in generation %" PRIu64,
		check_run_text(&run->id), who->base_index, who->generation);
	host->sim->sometimes[SIM_GENERATION_2]++;
	host->sim->sometimes[SIM_SURVIVOR] += host->sim->plan.survivor;
	run->generation = who->generation;
	run->record.elector_count = who->elector_count;
	memcpy(run->record.electors, who->electors, sizeof(run->record.electors));
	run->record.now = *who;
	for (uint32_t i = 0; i < run->graph->module_count; i++) {
		struct check_module *m = &run->modules[i];

		*m = m->succeeded
			     ? (struct check_module){.earlier_by = m->by, .earlier_reads = m->reads}
			     : (struct check_module){.earlier_by = m->earlier_by,
				       .earlier_reads = m->earlier_reads};
	}
	memset(run->seen_commit, 0, sizeof(run->seen_commit));
	memset(run->lost, 0, sizeof(run->lost));
	run->entry_count = run->given_up_count = 0;
	run->cancelled = run->ended = false;
}

static void
check_leader(struct sim_host *host, struct check_run *run, const struct mp_raft *raft)
{
	struct sim *sim = host->sim;
	bool led = run->led[host->index];
	uint64_t term = mp_raft_term(raft);

	run->led[host->index] = mp_raft_role(raft) == MP_RAFT_LEADER;
	if (!run->led[host->index]) {
		sim->sometimes[SIM_DEPOSED] += led;
		sim->sometimes[SIM_DRAIN_LED] += led && host->drains;
		return;
	}
	if (mp_raft_generation(raft) > run->generation)
		check_generation(host, run, raft);
	check_lease(host, run, raft);
	check_figure_8(sim, run, raft);
	if (run->seen_term[host->index] == term)
		return;
	run->seen_term[host->index] = term;
	sim->check->elections++;
	sim->check->last_leader = host->index;
	sim->check->last_led = run;
	sim_trace(sim, host, "leads run %s in term %" PRIu64, check_run_text(&run->id), term);
	for (uint32_t i = 0; i < sim->plan.hosts; i++)
		sim->sometimes[SIM_EXCLUDED] +=
			sim->hosts[i].node != NULL && check_lost(sim, run, i);
	check_one_leader(host, run, term);
	check_regained(host, run, term, true);
	check_leader_log(host, run, raft);
	sim_fault_elected(host);
}

/* ---- what is committed ---- */

static void
entry_assigned(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct mp_assigned a;
	struct mp_list list;

	if (mp_body_assigned_decode(e->body, &list) != 0)
		return;
	while (mp_assigned_next(&list, &a)) {
		if (a.attempt.module >= run->graph->module_count)
			continue;
		if (run->modules[a.attempt.module].succeeded)
			sim_fail(sim, "I5: %s is assigned again after its success",
				run->graph->modules[a.attempt.module].name);
		run->modules[a.attempt.module].assigned++;
		sim_trace(sim, NULL, "  %s, term %" PRIu64 " number %" PRIu32 ", to n%" PRIu32,
			run->graph->modules[a.attempt.module].name, a.attempt.term,
			a.attempt.counter, sim_host_of(sim, &a.worker)->index);
		sim->sometimes[SIM_ATTEMPT_ADOPTED] += a.attempt.term < e->term;
	}
}

static void
entry_lost(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct mp_lost lost;

	if (mp_body_lost_decode(e->body, &lost) != 0 ||
		lost.attempt.module >= run->graph->module_count)
		return;
	run->modules[lost.attempt.module].lost++;
	run->given_up[run->given_up_count++ % GIVEN_UP_MAX] = lost.attempt;
	sim_trace(sim, NULL, "  %s, why %d", run->graph->modules[lost.attempt.module].name,
		(int)lost.why);
	sim->check->lost++;
	sim->sometimes[SIM_ATTEMPT_LOST]++;
}

/* What a result says is on a node's disk, is there. */
static void
entry_holders(struct sim *sim, const struct check_run *run, uint32_t module,
	const struct mp_finished *finished, const struct mp_result *result)
{
	struct mp_list holders = finished->holders;
	struct mp_node_id id;

	if (sim->plan.blob_every > 0 || mp_hash_is_zero(&result->manifest))
		return;
	while (mp_holders_next(&holders, &id)) {
		const struct sim_host *h = sim_host_of(sim, &id);

		if (!sim_blob_durable(h, &result->manifest))
			sim_fail(sim, "I8: the outputs of %s are not on the disk of host %" PRIu32,
				run->graph->modules[module].name, h->index);
	}
}

/* What the graph says that it reads: the run's files that it takes, and what its needs left. */
static uint64_t
module_reads(struct sim *sim, const struct check_run *run, uint32_t module)
{
	const struct mp_graph_module *g = &run->graph->modules[module];
	struct sim_input inputs[2];
	struct sim_output out;
	struct mp_spec *spec;
	uint64_t reads = 0;

	mp_assert(mp_spec_decode(g->spec, &sim->alloc, &spec) == 0);
	sim_model_inputs(
		sim, (uint32_t)strtoul(run->graph->name + strlen("sim-"), NULL, 10), inputs);
	for (size_t i = 0; i < 2 && sim->plan.inputs; i++) {
		struct mp_span text = mp_span_str(inputs[i].text);
		struct mp_hash digest;

		sim_crypto.hash(&digest, &text, 1);
		if (mp_spec_takes(spec, mp_span_str(inputs[i].path)))
			reads += sim_model_read(mp_span_str(inputs[i].path), &digest);
	}
	mp_spec_free(spec);
	for (uint32_t i = 0; i < g->need_count; i++) {
		const char *need = run->graph->modules[g->needs[i]].name;

		if (need[0] != 'o' || run->modules[g->needs[i]].resolved)
			continue;
		sim_model_output(need, run->modules[g->needs[i]].reads, &out);
		reads += sim_model_read(out.file.path, &out.file.digest);
	}
	return reads;
}

/* I11: what a module leaves is what comes of what it reads, whoever ran it and for which run. */
static void
entry_success(
	struct sim *sim, struct check_run *run, uint32_t module, const struct mp_result *result)
{
	const char *name = run->graph->modules[module].name;
	struct check_module *m = &run->modules[module];
	struct mp_hash expect = {{0}};
	struct sim_output out;
	struct mp_span bytes;
	struct mp_buf buf;

	if (m->resolved)
		return; /* it comes too late */
	if (m->succeeded)
		sim_fail(sim, "I5: two results of %s are committed", name);
	m->succeeded = true;
	m->reads = module_reads(sim, run, module);
	if (name[0] == 'o') {
		sim_model_output(name, m->reads, &out);
		mp_buf_init(&buf, &sim->alloc, 4096);
		mp_assert(mp_manifest_encode(&buf, &out.file, 1, NULL) == 0);
		bytes = mp_buf_span(&buf);
		sim_crypto.hash(&expect, &bytes, 1);
		mp_buf_fini(&buf);
	}
	if (!mp_hash_eq(&expect, &result->manifest))
		sim_fail(sim, "I11: what %s of run %s left does not come of what it reads", name,
			check_run_text(&run->id));
}

static void
entry_finished(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct mp_finished finished;
	struct check_module *module;
	struct mp_result result;

	if (mp_body_finished_decode(e->body, &finished) != 0 ||
		mp_signed_result_open(&sim_crypto, finished.result, &result, NULL) != 0 ||
		finished.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "a result that does not verify is committed");
		return;
	}
	module = &run->modules[finished.attempt.module];
	sim_trace(sim, NULL,
		"  %s, term %" PRIu64 " number %" PRIu32 ", by n%" PRIu32 ", status %d",
		run->graph->modules[finished.attempt.module].name, finished.attempt.term,
		finished.attempt.counter, sim_host_of(sim, &result.node)->index,
		(int)result.status);
	sim->check->finished++;
	sim->sometimes[SIM_RESULT_INHERITED] += finished.attempt.term < e->term;
	if (result.status != MP_STATUS_OK) {
		sim->sometimes[SIM_MODULE_FAILED]++;
		module->failed++;
		return;
	}
	check_shut_result(sim, &result);
	entry_success(sim, run, finished.attempt.module, &result);
	module->by = finished.attempt;
	for (size_t i = 0; i < mp_min_size(run->given_up_count, GIVEN_UP_MAX); i++)
		sim->sometimes[SIM_LOST_ACCEPTED] +=
			mp_attempt_eq(&run->given_up[i], &finished.attempt);
	entry_holders(sim, run, finished.attempt.module, &finished, &result);
}

static bool
module_read(const struct check_module *m, const struct mp_attempt_id *by, uint64_t reads)
{
	return (mp_attempt_eq(&m->by, by) && m->reads == reads) ||
	       (mp_attempt_eq(&m->earlier_by, by) && m->earlier_reads == reads);
}

/* I11: a result that is taken is a committed one of a module of the same name, that had read the
 * same; and I5: what was ever handed out is not taken from elsewhere. */
static void
entry_cached(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	const struct check_run *other;
	const struct check_module *original;
	struct mp_recalled recalled;
	struct mp_finished finished;
	struct mp_result result;

	if (mp_body_cached_decode(e->body, &recalled) != 0 ||
		mp_run_result(e, &finished, &result) != 0 ||
		mp_signed_result_open(&sim_crypto, recalled.result, &result, NULL) != 0 ||
		recalled.module >= run->graph->module_count) {
		sim_fail(sim, "a cached result that does not verify is committed");
		return;
	}
	sim_trace(sim, NULL, "  %s, by n%" PRIu32, run->graph->modules[recalled.module].name,
		sim_host_of(sim, &result.node)->index);
	if (run->cancelled)
		return;
	if (run->modules[recalled.module].assigned > 0)
		sim_fail(sim, "I5: %s was assigned, and then taken from the cache",
			run->graph->modules[recalled.module].name);
	if (!run->graph->modules[recalled.module].cache)
		sim_fail(sim, "I11: %s does not use the cache",
			run->graph->modules[recalled.module].name);
	check_shut_result(sim, &result);
	entry_success(sim, run, recalled.module, &result);
	entry_holders(sim, run, recalled.module, &finished, &result);
	other = check_run_find(sim->check, &result.run);
	/* Where a survivor took over while the other half lives, that goes on too, and is not seen.
	 */
	if (sim->plan.survivor && other != NULL && other->generation > 1)
		return;
	original = other != NULL && result.attempt.module < other->graph->module_count
			   ? &other->modules[result.attempt.module]
			   : NULL;
	if (original == NULL ||
		!module_read(original, &result.attempt, run->modules[recalled.module].reads) ||
		strcmp(other->graph->modules[result.attempt.module].name,
			run->graph->modules[recalled.module].name) != 0)
		sim_fail(sim, "I11: %s of run %s is taken from what is not the same",
			run->graph->modules[recalled.module].name, check_run_text(&run->id));
	sim->sometimes[SIM_CACHED]++;
	sim->sometimes[SIM_CACHED_ORPHAN] += sim_host_of(sim, &result.node)->node == NULL;
}

/* I5: a module succeeds once, nothing is assigned after that, nothing follows END. */
static void
check_entry(struct sim_host *host, struct check_run *run, const struct mp_raft_entry *e)
{
	struct sim *sim = host->sim;

	sim_trace(sim, host, "entry %" PRIu64 " of run %s is committed: %s", e->index,
		check_run_text(&run->id), sim_entry_name(e->kind));
	if (run->ended && e->kind != MP_ENTRY_TERM_START)
		sim_fail(sim, "I5: entry %" PRIu64 " of run %s is committed after its end",
			e->index, check_run_text(&run->id));
	check_once_entry(sim, run, e);
	if (e->kind == MP_ENTRY_ASSIGNED)
		entry_assigned(sim, run, e);
	else if (e->kind == MP_ENTRY_LOST)
		entry_lost(sim, run, e);
	else if (e->kind == MP_ENTRY_FINISHED)
		entry_finished(sim, run, e);
	else if (e->kind == MP_ENTRY_CACHED)
		entry_cached(sim, run, e);
	else if (e->kind == MP_ENTRY_CANCEL)
		run->cancelled = true;
	else if (e->kind == MP_ENTRY_END && !run->ended)
		run->ended = mp_body_end_decode(e->body, &run->outcome) == 0;
}

/* I8: what is committed is on a majority of the electors' disks. */
static void
check_majority_holds(struct sim *sim, const struct check_run *run, const struct mp_raft_entry *e)
{
	uint32_t on_disks = check_on_disks(sim, run, e);

	if (on_disks < check_majority(run))
		sim_fail(sim,
			"I8: entry %" PRIu64 " of run %s is committed and on %" PRIu32
			" of %" PRIu32 " disks",
			e->index, check_run_text(&run->id), on_disks, run->record.elector_count);
}

/* I7: of one submission, one run at most begins. */
static void
check_only_run(struct sim *sim, const struct check_run *run)
{
	for (size_t i = 0; i < sim->check->run_count; i++) {
		const struct check_run *other = sim->check->runs[i];

		if (other != run && other->entry_count > 0 &&
			strcmp(other->graph->name, run->graph->name) == 0)
			sim_fail(sim, "I7: submission %s became two runs, %s and another",
				run->graph->name, check_run_text(&run->id));
	}
}

static void
commit_add(
	struct sim_host *host, struct check_run *run, const struct mp_raft_entry *e, uint64_t term)
{
	if (run->entry_count == run->entry_cap) {
		run->entry_cap = run->entry_cap == 0 ? 64 : run->entry_cap * 2;
		run->entries = realloc(run->entries, run->entry_cap * sizeof(*run->entries));
		mp_assert(run->entries != NULL);
	}
	run->entries[run->entry_count++] =
		(struct committed){.hash = e->hash, .term = term, .kind = e->kind};
	if (e->kind == MP_ENTRY_RETURNED &&
		mp_body_returned_decode(e->body, &run->entries[run->entry_count - 1].returned) != 0)
		sim_fail(host->sim, "a RETURNED that makes no sense is committed");
	if (run->entry_count == 1)
		check_only_run(host->sim, run);
	check_majority_holds(host->sim, run, e);
	check_entry(host, run, e);
}

/* I2: what is committed never changes. */
static void
check_commit(struct sim_host *host, struct check_run *run, const struct mp_raft *raft)
{
	struct sim *sim = host->sim;
	uint64_t commit = mp_raft_commit(raft);

	for (uint64_t i = run->seen_commit[host->index] + 1; i <= commit; i++) {
		struct mp_raft_entry e;

		if (!mp_raft_entry_at(raft, i, &e)) {
			sim_fail(sim,
				"I2: host %" PRIu32 " committed entry %" PRIu64
				" and does not have it",
				host->index, i);
			return;
		}
		if (i > run->entry_count)
			commit_add(host, run, &e, mp_raft_term(raft));
		else if (!mp_hash_eq(&run->entries[i - 1].hash, &e.hash))
			sim_fail(sim,
				"I2: committed entry %" PRIu64
				" of run %s is another on host %" PRIu32,
				i, check_run_text(&run->id), host->index);
	}
	run->seen_commit[host->index] = commit;
}

/* I9: equal logs give equal states. */
static void
check_state(struct sim_host *host, struct check_run *run)
{
	struct committed *at;
	struct mp_hash digest;
	uint64_t index;

	if (!mp_runs_state_digest(
		    mp_node_runs(host->node), mp_node_env(host->node), &run->id, &index, &digest) ||
		index == 0 || index > run->entry_count)
		return;
	at = &run->entries[index - 1];
	if (at->has_state && !mp_hash_eq(&at->state, &digest))
		sim_fail(host->sim,
			"I9: after entry %" PRIu64 " run %s is in another state on host %" PRIu32,
			index, check_run_text(&run->id), host->index);
	at->has_state = true;
	at->state = digest;
}

/* An end is forgotten only for a later generation. */
static void
check_end(struct sim_host *host, struct check_run *run)
{
	const struct mp_end *end = mp_runs_end(mp_node_runs(host->node), &run->id);
	uint64_t *known = &run->end_known[host->index];

	host->sim->sometimes[SIM_END_DROPPED] +=
		*known > 0 && (end == NULL || end->generation > *known);
	*known = end != NULL ? end->generation : 0;
}

/* ---- members ---- */

static void
check_incarnation(struct sim_host *host, const struct mp_member *m)
{
	struct sim_check *check = host->sim->check;
	uint32_t index = sim_host_of(host->sim, &m->id)->index;
	uint64_t *seen = &check->incarnations[host->index][index];

	if (m->incarnation < *seen)
		sim_fail(host->sim, "I10: the incarnation of %s falls on host %" PRIu32, m->name.s,
			host->index);
	*seen = m->incarnation;
	host->sim->sometimes[SIM_DECLARED_DEAD] += m->state == MP_MEMBER_DEAD && *seen > 0;
	/* While a node starts, its roster shows it as it was stored. */
	if (index != host->index || !host->ready)
		return;
	if (m->incarnation < check->own_incarnation[index])
		sim_fail(host->sim, "I10: host %" PRIu32 " comes back with a lower incarnation",
			index);
	check->own_incarnation[index] = m->incarnation;
}

/* I10: an incarnation never falls, and no certified member is forgotten. */
static void
check_members(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;
	const struct mp_roster *roster = mp_node_roster(host->node);
	size_t count = mp_roster_count(roster);

	if (host->ready && count < check->members_durable[host->index])
		sim_fail(host->sim,
			"I10: host %" PRIu32 " comes back with %zu members and had %zu on its disk",
			host->index, count, check->members_durable[host->index]);
	if (mp_roster_version(roster) == check->roster_seen[host->index])
		return;
	check->roster_seen[host->index] = mp_roster_version(roster);
	if (count < check->members_seen[host->index])
		sim_fail(host->sim, "I10: host %" PRIu32 " has forgotten a member", host->index);
	check->members_seen[host->index] = count;
	for (size_t i = 0; i < count; i++)
		check_incarnation(host, mp_roster_at(roster, i));
}

/* ---- steps and lives ---- */

void
sim_check_step(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;

	check_members(host);
	for (size_t i = 0; i < check->run_count; i++) {
		struct check_run *run = check->runs[i];
		const struct mp_raft *raft = mp_runs_raft(mp_node_runs(host->node), &run->id);

		check_end(host, run);
		/* Whoever does not know of it yet decides nothing that counts. */
		if (raft == NULL || mp_raft_generation(raft) < run->generation) {
			run->led[host->index] = false;
			continue;
		}
		check_leader(host, run, raft);
		if (mp_raft_commit(raft) == run->seen_commit[host->index])
			continue;
		check_commit(host, run, raft);
		check_state(host, run);
	}
}

/* A host that starts again may know less than it did; it begins from its disk. */
void
sim_check_down(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;

	for (size_t i = 0; i < check->run_count; i++) {
		struct check_run *run = check->runs[i];

		run->seen_commit[host->index] = 0;
		run->led[host->index] = false;
		run->end_known[host->index] = 0;
		run->fence[host->index] = check_fence_on_disk(host, run);
	}
	check->roster_seen[host->index] = 0;
	check->members_seen[host->index] = 0;
	check->members_durable[host->index] = sim_disk_count(host, MP_TABLE_MEMBER);
	memset(check->incarnations[host->index], 0, sizeof(check->incarnations[host->index]));
}

uint32_t
sim_check_last_leader(const struct sim *sim)
{
	return sim->check->elections > 0 ? sim->check->last_leader : sim->plan.hosts;
}

uint64_t
sim_check_elections(const struct sim *sim)
{
	return sim->check->elections;
}

bool
sim_check_elects(const struct sim *sim, uint32_t host)
{
	const struct check_run *run = sim->check->last_led;

	return run != NULL && mp_run_elector(&run->record, &sim->hosts[host].id) >= 0;
}
