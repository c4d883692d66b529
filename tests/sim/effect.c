/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants that show in what a node asks for, looked at before it is done. */
#include "check_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/msg_raft.h"
#include "core/raft_log.h"

static struct mp_span
run_key(const struct mp_run_id *id)
{
	return mp_span(id->b, sizeof(id->b));
}

/* ---- runs ---- */

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
	if (check_run_find(check, &id) != NULL || check->run_count == mp_countof(check->runs))
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
	run->generation = 1;
	mp_assert(mp_graph_expand(pipeline, NULL, 0, &sim->alloc, &run->graph, NULL) == 0);
	mp_pipeline_free(pipeline);
	run->modules = calloc(run->graph->module_count, sizeof(*run->modules));
	mp_assert(run->modules != NULL);
	check->runs[check->run_count++] = run;
	sim->sometimes[SIM_FIVE_ELECTORS] += record.elector_count == 5;
	sim_trace(sim, NULL, "run %s has %" PRIu32 " modules, %" PRIu32 " electors",
		check_run_text(&id), run->graph->module_count, record.elector_count);
}

/* I7: what is acknowledged is on a majority of disks. */
void
sim_check_acknowledged(struct sim_host *host, const struct mp_run_id *id)
{
	struct sim *sim = host->sim;
	const struct check_run *run = check_run_find(sim->check, id);
	uint32_t on_disk = 0;

	if (run == NULL) {
		sim_fail(sim, "I7: run %s was acknowledged and nobody ever wrote it down",
			check_run_text(id));
		return;
	}
	sim_trace(sim, host, "run %s is acknowledged", check_run_text(id));
	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		const struct sim_host *h = sim_host_of(sim, &run->record.electors[i]);

		on_disk += check_lost(sim, run, h->index) ||
			   sim_disk_row(h, MP_TABLE_RUN, run_key(&run->id)).p != NULL;
	}
	if (on_disk < check_majority(run))
		sim_fail(sim,
			"I7: run %s was acknowledged with %" PRIu32 " of %" PRIu32
			" electors having it on disk",
			check_run_text(&run->id), on_disk, run->record.elector_count);
}

/* ---- fences ---- */

/* ["mp-fence", 1, generation, record hash, term, ...] */
static uint64_t
fence_term(struct mp_span row)
{
	struct mp_hash hash;
	struct mp_cbor_r r;
	char domain[16];
	uint64_t term;

	mp_cbor_r_init(&r, row);
	(void)mp_cbor_r_array(&r, 32);
	mp_cbor_r_str(&r, domain, sizeof(domain));
	(void)mp_cbor_r_uint(&r, UINT64_MAX);
	(void)mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, hash.b, sizeof(hash.b));
	term = mp_cbor_r_uint(&r, UINT64_MAX);
	return r.rc == 0 ? term : 0;
}

uint64_t
check_fence_on_disk(const struct sim_host *host, const struct check_run *run)
{
	struct mp_span row = sim_disk_row(host, MP_TABLE_FENCE, run_key(&run->id));

	return row.p == NULL ? 0 : fence_term(row);
}

static void
check_fence_row(struct sim_host *host, const struct mp_row *row)
{
	struct mp_run_id id;
	struct check_run *run;
	uint64_t term;

	memcpy(id.b, row->key.p, sizeof(id.b));
	run = check_run_find(host->sim->check, &id);
	if (run == NULL)
		return;
	term = fence_term(row->value);
	if (term < run->fence[host->index])
		sim_fail(host->sim,
			"I4: host %" PRIu32 " lowers its fence of run %s from term %" PRIu64
			" to %" PRIu64,
			host->index, check_run_text(&id), run->fence[host->index], term);
	run->fence[host->index] = term;
}

static bool
is_order(uint64_t kind)
{
	return kind == MP_MSG_WORK_ASSIGN || kind == MP_MSG_WORK_STATUS_REQ ||
	       kind == MP_MSG_WORK_SETTLED || kind == MP_MSG_WORK_KILL || kind == MP_MSG_WORK_END;
}

/* I4: a leader of the past speaks. Nothing may come of it, in this step or later. */
void
sim_check_event(struct sim_host *host, const struct mp_event *ev)
{
	struct sim_check *check = host->sim->check;
	struct mp_span bytes = ev->u.message.bytes;
	struct mp_msg_work_assign m;
	struct mp_work_item item;
	struct check_run *run;
	struct mp_run_id id;
	struct mp_cbor_r r;
	uint64_t term;

	check->past = NULL;
	if (ev->kind != MP_EV_MESSAGE || !is_order(mp_msg_number(bytes)) ||
		mp_msg_work_run(bytes, &id) != 0)
		return;
	run = check_run_find(check, &id);
	mp_cbor_r_init(&r, bytes);
	(void)mp_cbor_r_array(&r, 32);
	(void)mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, id.b, sizeof(id.b));
	(void)mp_cbor_r_uint(&r, UINT64_MAX);
	term = mp_cbor_r_uint(&r, UINT64_MAX);
	if (run == NULL || r.rc != 0 || term >= run->fence[host->index])
		return;
	check->past = run;
	check->past_term = term;
	if (mp_msg_number(bytes) != MP_MSG_WORK_ASSIGN || mp_msg_work_assign_decode(bytes, &m) != 0)
		return;
	while (mp_work_item_next(&m.items, &item) && run->stale_count < STALE_MAX)
		run->stale[run->stale_count++] = (struct check_stale){.host = host->index,
			.attempt = {.term = term, .module = item.module, .counter = item.counter}};
}

static void
check_past(struct sim_host *host, const struct mp_run_id *id, const char *what)
{
	const struct sim_check *check = host->sim->check;

	if (check->past == NULL || !mp_run_id_eq(&check->past->id, id))
		return;
	sim_fail(host->sim,
		"I4: host %" PRIu32 " %s on the word of term %" PRIu64
		" after obeying term %" PRIu64,
		host->index, what, check->past_term, check->past->fence[host->index]);
}

/* I4 and I6: who starts a command has persisted the fence of its term, was not told to by a leader
 * of the past, and all that the module needs is committed. */
static void
check_exec(struct sim_host *host, const struct mp_exec_request *req)
{
	struct sim *sim = host->sim;
	struct check_run *run = check_run_find(sim->check, &req->key.run);
	const struct mp_graph_module *module;

	sim->check->executions++;
	if (run == NULL || req->key.attempt.module >= run->graph->module_count) {
		sim_fail(sim, "a command of no known run is executed");
		return;
	}
	module = &run->graph->modules[req->key.attempt.module];
	run->modules[req->key.attempt.module].executions++;
	if (check_fence_on_disk(host, run) < req->key.attempt.term)
		sim_fail(sim,
			"I4: host %" PRIu32 " executes %s of term %" PRIu64
			" with a fence of term %" PRIu64 " on its disk",
			host->index, module->name, req->key.attempt.term,
			check_fence_on_disk(host, run));
	check_past(host, &run->id, "executes a command");
	check_secrets_exec(host, run, module, req);
	if (module->once)
		check_once_exec(host, run, req);
	check_drain_exec(host);
	for (size_t i = 0; i < run->stale_count; i++) {
		if (run->stale[i].host == host->index &&
			mp_attempt_eq(&run->stale[i].attempt, &req->key.attempt))
			sim_fail(sim,
				"I4: host %" PRIu32 " executes %s, which a leader of the past "
				"assigned",
				host->index, module->name);
	}
	/* What an earlier generation had committed is not known any more. */
	if (mp_term_generation(req->key.attempt.term) < run->generation)
		return;
	for (uint32_t i = 0; i < module->need_count; i++) {
		if (!run->modules[module->needs[i]].succeeded)
			sim_fail(sim, "I6: %s starts before the success of %s is committed",
				module->name, run->graph->modules[module->needs[i]].name);
	}
}

/* ---- promises ---- */

static bool
vote_on_disk(const struct sim_host *host, const struct mp_msg_raft *m, const struct mp_node_id *to)
{
	struct check_vote vote;

	if (!check_vote_row(host, &m->run, &vote) || vote.term < m->term)
		return false;
	return vote.term > m->term || (vote.voted && mp_node_id_eq(&vote.candidate, to));
}

static void
check_append_ack(struct sim_host *host, const struct mp_msg_raft *m)
{
	const struct mp_raft *raft;

	if (!m->u.appended.ok || m->u.appended.match_index == 0)
		return;
	/* It may wait behind a pause, and a later leader may have had the entry replaced by then.
	 */
	raft = mp_runs_raft(mp_node_runs(host->node), &m->run);
	if (raft != NULL && mp_raft_term(raft) > m->term)
		return;
	if (check_entry_row(host, &m->run, m->u.appended.match_index).p == NULL)
		sim_fail(host->sim,
			"I8: host %" PRIu32 " acknowledges entry %" PRIu64 " before it is on disk",
			host->index, m->u.appended.match_index);
}

static bool
hears_leader(const struct sim_host *host, const struct mp_run_id *id)
{
	const struct mp_raft *raft = mp_runs_raft(mp_node_runs(host->node), id);

	return raft != NULL && mp_raft_leader(raft) != NULL;
}

/* Its opener gave it up, and cares for acceptances no more. */
static bool
run_forgotten(const struct sim_host *host, const struct mp_run_id *id)
{
	const struct check_run *run = check_run_find(host->sim->check, id);

	return run != NULL && run->forgotten[host->index];
}

/* I8: votes, acknowledgements and acceptances leave after what they promise is on disk. */
static void
check_promise(struct sim_host *host, const struct mp_node_id *to, struct mp_span bytes)
{
	struct sim *sim = host->sim;
	uint64_t kind = mp_msg_number(bytes);
	struct mp_msg_work_reject reject;
	struct mp_msg_raft m;
	struct mp_run_id id;

	if (kind == MP_MSG_RUN_ACCEPT && mp_msg_run_accept_decode(bytes, &id) == 0 &&
		sim_disk_row(host, MP_TABLE_RUN, run_key(&id)).p == NULL &&
		!run_forgotten(host, &id))
		sim_fail(sim, "I8: host %" PRIu32 " accepts run %s before it is on disk",
			host->index, check_run_text(&id));
	if (kind == MP_MSG_WORK_REJECT && mp_msg_work_reject_decode(bytes, &reject) == 0)
		sim->sometimes[SIM_FENCED] += reject.why == MP_REJECT_FENCED;
	if ((kind != MP_MSG_VOTE_ACK && kind != MP_MSG_APPEND_ACK && kind != MP_MSG_PREVOTE_ACK) ||
		mp_msg_raft_decode(bytes, &m) != 0)
		return;
	check_mute(host, &m);
	if (m.kind == MP_MSG_PREVOTE_ACK && !m.u.voted.granted && hears_leader(host, &m.run))
		sim->sometimes[SIM_BOUND]++;
	if (m.kind == MP_MSG_VOTE_ACK && m.u.voted.granted && !vote_on_disk(host, &m, to))
		sim_fail(sim,
			"I8: host %" PRIu32 " votes in term %" PRIu64 " before its vote is on disk",
			host->index, m.term);
	if (m.kind == MP_MSG_APPEND_ACK)
		check_append_ack(host, &m);
}

static void
check_run_row(struct sim_host *host, const struct mp_row *row)
{
	struct check_run *run;
	struct mp_run_id id;

	if (row->op == MP_ROW_PUT)
		run_learn(host->sim, row);
	memcpy(id.b, row->key.p, sizeof(id.b));
	run = check_run_find(host->sim->check, &id);
	if (run != NULL)
		run->forgotten[host->index] = row->op != MP_ROW_PUT;
}

static void
check_row(struct sim_host *host, const struct mp_row *row)
{
	struct mp_run_id id;

	check_secrets_row(host, row);
	if (row->table == MP_TABLE_RUN)
		check_run_row(host, row);
	else if (row->table == MP_TABLE_FENCE && row->op == MP_ROW_PUT)
		check_fence_row(host, row);
	else if (row->table == MP_TABLE_ENTRY && row->op == MP_ROW_DELETE_RANGE)
		host->sim->sometimes[SIM_OVERWRITTEN]++;
	if (row->table != MP_TABLE_HELD || row->op == MP_ROW_PUT)
		return;
	memcpy(id.b, row->key.p, sizeof(id.b));
	check_past(host, &id, "forgets a result");
}

void
sim_check_effect(struct sim_host *host, const struct mp_effect *fx)
{
	if (fx->kind == MP_FX_PERSIST) {
		for (size_t i = 0; i < fx->u.persist.count; i++)
			check_row(host, &fx->u.persist.rows[i]);
	} else if (fx->kind == MP_FX_EXEC_START) {
		check_exec(host, &fx->u.exec_start);
	} else if (fx->kind == MP_FX_EXEC_KILL) {
		check_past(host, &fx->u.exec_kill.key.run, "kills a command");
	} else if (fx->kind == MP_FX_SEND) {
		check_promise(host, &fx->u.send.peer, fx->u.send.bytes);
	}
}
