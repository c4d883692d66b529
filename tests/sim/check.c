/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, by their numbers in ARCHITECTURE.md. Looked at after every step, but only where
 * that step could have changed something: in the logs of the host that stepped, and in the effects
 * that it asked for.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "codec/msg_raft.h"
#include "codec/msg_swim.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "codec/record_work.h"
#include "core/raft.h"
#include "core/roster.h"
#include "core/runs.h"
#include "mp/pipeline.h"

#define LEADERS_MAX 4096
#define DIGESTS_MAX 8192

struct leadership {
	uint64_t term;
	uint32_t host;
};

/* State of a run after so many committed entries. */
struct state_at {
	uint64_t index;
	struct mp_hash digest;
};

struct committed {
	struct mp_hash hash;
	uint64_t term;
	enum mp_entry_kind kind;
};

/* Everything that is known of one run, by whoever committed it first. */
struct check_run {
	struct mp_run_id id;
	struct mp_run_record record;
	struct mp_graph *graph;
	struct committed *entries; /* index 1 is at 0 */
	size_t entry_count, entry_cap;
	struct leadership leaders[LEADERS_MAX];
	size_t leader_count;
	struct state_at states[DIGESTS_MAX];
	size_t state_count;
	bool *succeeded; /* by module: its success is committed */
	bool ended;
	uint64_t seen_term[SIM_HOSTS_MAX];   /* highest term each host was seen leading in */
	uint64_t seen_commit[SIM_HOSTS_MAX]; /* up to where each host's log was compared */
	uint64_t fence[SIM_HOSTS_MAX];       /* highest term in which each host executed */
};

struct check_submit {
	bool used, accepted;
	struct mp_run_id id;
};

struct sim_check {
	struct sim *sim;
	struct check_run *runs[SIM_RUNS_MAX];
	size_t run_count;
	struct check_submit submits[SIM_RUNS_MAX];
	uint64_t incarnations[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
	uint64_t roster_seen[SIM_HOSTS_MAX];
	size_t members_seen[SIM_HOSTS_MAX];
	uint32_t last_leader;
	uint64_t elections, executions, acknowledged, finished;
};

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
		free(check->runs[i]->succeeded);
		free(check->runs[i]);
	}
	free(check);
}

static const char *
run_text(const struct mp_run_id *id)
{
	static char text[9];

	(void)snprintf(
		text, sizeof(text), "%02x%02x%02x%02x", id->b[0], id->b[1], id->b[2], id->b[3]);
	return text;
}

static struct check_run *
run_find(struct sim_check *check, const struct mp_run_id *id)
{
	for (size_t i = 0; i < check->run_count; i++) {
		if (mp_run_id_eq(&check->runs[i]->id, id))
			return check->runs[i];
	}
	return NULL;
}

static uint32_t
majority(const struct check_run *run)
{
	return run->record.elector_count / 2 + 1;
}

/* ---- what a client does ---- */

static void
pipeline_cbor(struct sim *sim, uint32_t run_number, struct mp_buf *out)
{
	struct mp_pipeline *pipeline;
	struct mp_diags diags;
	struct mp_buf yaml;

	mp_buf_init(&yaml, &sim->alloc, 1 << 20);
	sim_plan_pipeline(sim, run_number, &yaml);
	mp_diags_init(&diags, &sim->alloc, "sim.yaml");
	if (mp_pipeline_parse("sim.yaml", mp_buf_span(&yaml), &sim->alloc, &pipeline, &diags) !=
		0) {
		char line[MP_DIAG_LINE_MAX] = "";

		if (diags.n > 0)
			mp_diags_format(&diags, 0, line);
		(void)fprintf(stderr, "%s\n%.*s", line, (int)yaml.n, (const char *)yaml.p);
		mp_unreachable();
	}
	mp_assert(mp_pipeline_encode(pipeline, out) == 0);
	mp_pipeline_free(pipeline);
	mp_diags_fini(&diags);
	mp_buf_fini(&yaml);
}

void
sim_check_submit(struct sim_host *host, uint32_t run_number)
{
	struct sim *sim = host->sim;
	struct mp_event ev = {.kind = MP_EV_CONTROL};
	struct mp_buf cbor, request;

	mp_assert(run_number < SIM_RUNS_MAX);
	sim->check->submits[run_number].used = true;
	mp_buf_init(&cbor, &sim->alloc, 1 << 20);
	mp_buf_init(&request, &sim->alloc, 1 << 20);
	pipeline_cbor(sim, run_number, &cbor);
	mp_assert(mp_ctl_submit_encode(&request, mp_buf_span(&cbor), NULL, 0, NULL, NULL) == 0);
	ev.u.control.request = run_number;
	ev.u.control.bytes = mp_buf_span(&request);
	sim_trace(sim, host, "submit run %" PRIu32, run_number);
	sim_deliver(host, sim->now, &ev);
	mp_buf_fini(&cbor);
	mp_buf_fini(&request);
}

/* I7: what is acknowledged is on a majority of disks. */
static void
check_acknowledged(struct sim *sim, const struct check_run *run)
{
	uint32_t on_disk = 0;

	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *h = sim_host_find(sim, &run->record.electors[i]);

		on_disk += h != NULL &&
			   sim_disk_row(h, MP_TABLE_RUN, mp_span(run->id.b, sizeof(run->id.b))).p !=
				   NULL;
	}
	if (on_disk < majority(run))
		sim_fail(sim,
			"I7: run %s was acknowledged with %" PRIu32 " of %" PRIu32
			" electors having it on disk",
			run_text(&run->id), on_disk, run->record.elector_count);
}

void
sim_check_reply(struct sim_host *host, uint64_t request, struct mp_span bytes, bool last)
{
	struct sim *sim = host->sim;
	struct mp_span payload;
	struct mp_error err = {0};
	struct check_submit *submit;
	const struct check_run *run;

	mp_assert(last && request < SIM_RUNS_MAX);
	submit = &sim->check->submits[request];
	if (mp_ctl_answer_decode(bytes, &payload, &err) != 0 ||
		mp_ctl_submitted_decode(payload, &submit->id) != 0) {
		sim_trace(sim, host, "submission %" PRIu64 " refused: %s", request, err.text);
		return;
	}
	submit->accepted = true;
	sim->check->acknowledged++;
	sim_trace(sim, host, "submission %" PRIu64 " is run %s", request, run_text(&submit->id));
	run = run_find(sim->check, &submit->id);
	if (run == NULL)
		sim_fail(sim, "I7: run %s was acknowledged and nobody ever wrote it down",
			run_text(&submit->id));
	else
		check_acknowledged(sim, run);
}

/* ---- effects ---- */

/* A run shows itself when somebody first writes its record down. */
static void
run_learn(struct sim *sim, const struct mp_row *row)
{
	struct sim_check *check = sim->check;
	struct mp_run_record record;
	struct mp_span signed_record, pipeline_bytes;
	struct mp_pipeline *pipeline = NULL;
	struct check_run *run;
	struct mp_run_id id;
	struct mp_cbor_r r;

	mp_assert(row->key.n == sizeof(id.b));
	memcpy(id.b, row->key.p, sizeof(id.b));
	if (run_find(check, &id) != NULL || check->run_count == SIM_RUNS_MAX)
		return;
	mp_cbor_r_init(&r, row->value);
	(void)mp_cbor_r_array(&r, 16);
	signed_record = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	pipeline_bytes = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	if (r.rc != 0 ||
		mp_run_record_verify(&sim_crypto, sim_trust_cluster(sim), signed_record, &record) !=
			0 ||
		!mp_run_id_eq(&record.id, &id) ||
		mp_pipeline_decode(pipeline_bytes, &sim->alloc, &pipeline, NULL) != 0) {
		sim_fail(sim, "a run row that does not verify is written");
		return;
	}
	run = calloc(1, sizeof(*run));
	mp_assert(run != NULL);
	run->id = id;
	run->record = record;
	mp_assert(mp_graph_expand(pipeline, NULL, 0, &sim->alloc, &run->graph, NULL) == 0);
	mp_pipeline_free(pipeline);
	run->succeeded = calloc(run->graph->module_count, sizeof(*run->succeeded));
	mp_assert(run->succeeded != NULL);
	check->runs[check->run_count++] = run;
	sim_trace(sim, NULL, "run %s has %" PRIu32 " modules, %" PRIu32 " electors", run_text(&id),
		run->graph->module_count, record.elector_count);
}

/* I4 and I6: who starts a command has persisted the fence of its term, has never obeyed a higher
 * one, and all that the module needs is committed. */
static void
check_exec(struct sim_host *host, const struct mp_exec_request *req)
{
	struct sim *sim = host->sim;
	struct check_run *run = run_find(sim->check, &req->key.run);
	const struct mp_graph_module *module;

	sim->check->executions++;
	if (run == NULL || req->key.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "a command of no known run is executed");
		return;
	}
	module = &run->graph->modules[req->key.attempt.module];
	if (sim_disk_row(host, MP_TABLE_FENCE, mp_span(run->id.b, sizeof(run->id.b))).p == NULL)
		sim_fail(sim, "I4: host %" PRIu32 " executes %s without a fence on its disk",
			host->index, module->name);
	if (req->fence_term < run->fence[host->index])
		sim_fail(sim,
			"I4: host %" PRIu32 " executes %s on the word of term %" PRIu64
			" after obeying term %" PRIu64,
			host->index, module->name, req->fence_term, run->fence[host->index]);
	run->fence[host->index] = req->fence_term;
	for (uint32_t i = 0; i < module->need_count; i++) {
		if (!run->succeeded[module->needs[i]])
			sim_fail(sim, "I6: %s starts before the success of %s is committed",
				module->name, run->graph->modules[module->needs[i]].name);
	}
}

/* I8: a vote and an acknowledgement leave after what they promise is on disk. */
static void
check_promise(struct sim_host *host, struct mp_span bytes)
{
	struct sim *sim = host->sim;
	uint64_t kind = mp_msg_kind(bytes);
	struct mp_msg_raft m;
	uint8_t key[24];

	if (kind == MP_MSG_RUN_ACCEPT) {
		struct mp_run_id id;

		if (mp_msg_run_accept_decode(bytes, &id) == 0 &&
			sim_disk_row(host, MP_TABLE_RUN, mp_span(id.b, sizeof(id.b))).p == NULL)
			sim_fail(sim, "I8: host %" PRIu32 " accepts run %s before it is on disk",
				host->index, run_text(&id));
		return;
	}
	if (kind < MP_MSG_PREVOTE || kind > MP_MSG_TIMEOUT_NOW ||
		mp_msg_raft_decode(bytes, &m) != 0)
		return;
	memcpy(key, m.run.b, sizeof(m.run.b));
	if (m.kind == MP_MSG_VOTE_ACK && m.u.voted.granted &&
		sim_disk_row(host, MP_TABLE_VOTE, mp_span(m.run.b, sizeof(m.run.b))).p == NULL)
		sim_fail(sim, "I8: host %" PRIu32 " votes before its vote is on disk", host->index);
	if (m.kind == MP_MSG_APPEND_ACK && m.u.appended.ok && m.u.appended.match_index > 0) {
		for (unsigned i = 0; i < 8; i++)
			key[16 + i] = (uint8_t)(m.u.appended.match_index >> 8 * (7 - i));
		if (sim_disk_row(host, MP_TABLE_ENTRY, mp_span(key, sizeof(key))).p == NULL)
			sim_fail(sim,
				"I8: host %" PRIu32 " acknowledges entry %" PRIu64
				" before it is on disk",
				host->index, m.u.appended.match_index);
	}
}

void
sim_check_effect(struct sim_host *host, const struct mp_effect *fx)
{
	if (fx->kind == MP_FX_PERSIST) {
		for (size_t i = 0; i < fx->u.persist.count; i++) {
			const struct mp_row *row = &fx->u.persist.rows[i];

			if (row->table == MP_TABLE_RUN && row->op == MP_ROW_PUT)
				run_learn(host->sim, row);
		}
	} else if (fx->kind == MP_FX_EXEC_START) {
		check_exec(host, &fx->u.exec_start);
	} else if (fx->kind == MP_FX_SEND) {
		check_promise(host, fx->u.send.bytes);
	}
}

/* ---- logs ---- */

/* I1: one leader per run and term. I3: it has all that was committed before. */
static void
check_leader(struct sim_host *host, struct check_run *run, const struct mp_raft *raft)
{
	struct sim *sim = host->sim;
	uint64_t term = mp_raft_term(raft);

	if (mp_raft_role(raft) != MP_RAFT_LEADER || run->seen_term[host->index] == term)
		return;
	run->seen_term[host->index] = term;
	sim->check->elections++;
	sim->check->last_leader = host->index;
	sim_trace(sim, host, "leads run %s in term %" PRIu64, run_text(&run->id), term);
	for (size_t i = 0; i < run->leader_count; i++) {
		if (run->leaders[i].term == term && run->leaders[i].host != host->index)
			sim_fail(sim,
				"I1: hosts %" PRIu32 " and %" PRIu32
				" both lead run %s in term %" PRIu64,
				run->leaders[i].host, host->index, run_text(&run->id), term);
	}
	if (run->leader_count < LEADERS_MAX)
		run->leaders[run->leader_count++] =
			(struct leadership){.term = term, .host = host->index};
	for (size_t i = 0; i < run->entry_count; i++) {
		struct mp_raft_entry e;

		if (run->entries[i].term > term)
			continue; /* a leader of the past, that does not know it yet */
		if (!mp_raft_entry_at(raft, i + 1, &e) ||
			!mp_hash_eq(&e.hash, &run->entries[i].hash)) {
			sim_fail(sim,
				"I3: host %" PRIu32 " leads run %s in term %" PRIu64
				" without committed entry %zu",
				host->index, run_text(&run->id), term, i + 1);
			return;
		}
	}
}

/* I5: a module succeeds once, and nothing is assigned after that. */
static void
check_entry(struct sim *sim, struct check_run *run, const struct mp_raft_entry *e)
{
	struct mp_finished finished;
	struct mp_assigned assigned;
	struct mp_result result;
	struct mp_list list;

	/* An elector that missed the end may lead once more, and finds it in its log. */
	if (run->ended && e->kind != MP_ENTRY_TERM_START)
		sim_fail(sim, "I5: entry %" PRIu64 " of run %s is committed after its end",
			e->index, run_text(&run->id));
	if (e->kind == MP_ENTRY_END)
		run->ended = true;
	if (e->kind == MP_ENTRY_ASSIGNED && mp_body_assigned_decode(e->body, &list) == 0) {
		while (mp_assigned_next(&list, &assigned)) {
			if (assigned.attempt.module < run->graph->module_count &&
				run->succeeded[assigned.attempt.module])
				sim_fail(sim, "I5: %s is assigned again after its success",
					run->graph->modules[assigned.attempt.module].name);
		}
	}
	if (e->kind != MP_ENTRY_FINISHED)
		return;
	if (mp_body_finished_decode(e->body, &finished) != 0 ||
		mp_signed_result_open(&sim_crypto, finished.result, &result, NULL) != 0 ||
		finished.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "a result that does not verify is committed");
		return;
	}
	sim->check->finished++;
	if (result.status != MP_STATUS_OK)
		return;
	if (run->succeeded[finished.attempt.module])
		sim_fail(sim, "I5: two results of %s are committed",
			run->graph->modules[finished.attempt.module].name);
	run->succeeded[finished.attempt.module] = true;
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
		if (i <= run->entry_count) {
			if (!mp_hash_eq(&run->entries[i - 1].hash, &e.hash))
				sim_fail(sim,
					"I2: committed entry %" PRIu64
					" of run %s is another on host %" PRIu32,
					i, run_text(&run->id), host->index);
			continue;
		}
		if (run->entry_count == run->entry_cap) {
			run->entry_cap = run->entry_cap == 0 ? 64 : run->entry_cap * 2;
			run->entries =
				realloc(run->entries, run->entry_cap * sizeof(*run->entries));
			mp_assert(run->entries != NULL);
		}
		run->entries[run->entry_count++] =
			(struct committed){.hash = e.hash, .term = e.term, .kind = e.kind};
		check_entry(sim, run, &e);
	}
	run->seen_commit[host->index] = commit;
}

/* I9: equal logs give equal states. */
static void
check_state(struct sim_host *host, struct check_run *run)
{
	struct mp_hash digest;
	uint64_t index;

	if (!mp_runs_state_digest(
		    mp_node_runs(host->node), mp_node_env(host->node), &run->id, &index, &digest))
		return;
	for (size_t i = run->state_count; i-- > 0;) {
		if (run->states[i].index != index)
			continue;
		if (!mp_hash_eq(&run->states[i].digest, &digest))
			sim_fail(host->sim,
				"I9: after entry %" PRIu64
				" run %s is in another state on host %" PRIu32,
				index, run_text(&run->id), host->index);
		return;
	}
	if (run->state_count < DIGESTS_MAX)
		run->states[run->state_count++] =
			(struct state_at){.index = index, .digest = digest};
}

/* I10: an incarnation never falls, and no certified member is forgotten. */
static void
check_members(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;
	const struct mp_roster *roster = mp_node_roster(host->node);
	size_t count = mp_roster_count(roster);

	if (mp_roster_version(roster) == check->roster_seen[host->index])
		return;
	check->roster_seen[host->index] = mp_roster_version(roster);
	if (count < check->members_seen[host->index])
		sim_fail(host->sim, "I10: host %" PRIu32 " has forgotten a member", host->index);
	check->members_seen[host->index] = count;
	for (size_t i = 0; i < count; i++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		uint64_t *seen =
			&check->incarnations[host->index][sim_host_find(host->sim, &m->id)->index];

		if (m->incarnation < *seen)
			sim_fail(host->sim, "I10: the incarnation of %s falls on host %" PRIu32,
				m->name.s, host->index);
		*seen = m->incarnation;
	}
}

void
sim_check_step(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;

	check_members(host);
	for (size_t i = 0; i < check->run_count; i++) {
		struct check_run *run = check->runs[i];
		const struct mp_raft *raft = mp_runs_raft(mp_node_runs(host->node), &run->id);
		uint64_t before = run->seen_commit[host->index];

		if (raft == NULL)
			continue;
		check_leader(host, run, raft);
		if (mp_raft_commit(raft) == before)
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
		check->runs[i]->seen_commit[host->index] = 0;
		check->runs[i]->fence[host->index] = 0;
	}
	check->roster_seen[host->index] = 0;
	check->members_seen[host->index] = 0;
	memset(check->incarnations[host->index], 0, sizeof(check->incarnations[host->index]));
}

/* ---- liveness ---- */

bool
sim_check_runs_ended(struct sim *sim, char *why, size_t size)
{
	struct sim_check *check = sim->check;

	for (size_t i = 0; i < SIM_RUNS_MAX; i++) {
		const struct check_submit *s = &check->submits[i];
		const struct check_run *run;

		if (!s->accepted)
			continue;
		run = run_find(check, &s->id);
		if (run != NULL && run->ended)
			continue;
		if (why != NULL)
			(void)snprintf(why, size,
				"run %s, acknowledged, has not ended after %zu entries",
				run_text(&s->id), run != NULL ? run->entry_count : 0);
		return false;
	}
	return true;
}

bool
sim_check_views_agree(struct sim *sim, char *why, size_t size)
{
	for (uint32_t a = 0; a < sim->plan.hosts; a++) {
		const struct mp_roster *roster;

		if (sim->hosts[a].node == NULL)
			continue;
		roster = mp_node_roster(sim->hosts[a].node);
		if (mp_roster_count(roster) == sim->plan.hosts &&
			mp_roster_state_count(roster, MP_MEMBER_ALIVE) == sim->plan.hosts)
			continue;
		if (why != NULL)
			(void)snprintf(why, size,
				"host %" PRIu32 " sees %zu members, %zu of them alive, of %" PRIu32,
				a, mp_roster_count(roster),
				mp_roster_state_count(roster, MP_MEMBER_ALIVE), sim->plan.hosts);
		return false;
	}
	return true;
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

void
sim_check_summary(const struct sim *sim, FILE *f)
{
	const struct sim_check *c = sim->check;

	(void)fprintf(f,
		"# %" PRIu32 " hosts, %.1f virtual s, %" PRIu64 " steps, %" PRIu64
		" datagrams (%" PRIu64 " lost), %" PRIu64 " messages\n# %" PRIu64
		" crashes, %" PRIu64 " pauses, %" PRIu64 " cuts; %" PRIu64
		" submissions acknowledged, %" PRIu64 " elections won, %" PRIu64
		" executions, %" PRIu64 " results committed\n",
		sim->plan.hosts, (double)sim->now / 1e6, sim->steps, sim->datagrams, sim->lost,
		sim->messages, sim->crashes, sim->pauses, sim->cuts, c->acknowledged, c->elections,
		c->executions, c->finished);
}
