/* SPDX-License-Identifier: Apache-2.0 */
/* One run of which this node is an elector, from its record to its end. */
#include "core/pulse.h"
#include "core/runs_int.h"

/* An ended run that was woken goes back to rest after this. */
#define AWAKE_MS 30000
/* Memory was out: again after this. */
#define RETRY_MS 1000
/* Who lacks the end of a run, and cannot stand, asks for it so often. */
#define CATCH_UP_MS 5000

/* ---- making ---- */

void
box_free(struct mp_runs *runs, struct mp_run_box *box)
{
	struct mp_run_box **at = &runs->boxes;

	while (*at != NULL && *at != box)
		at = &(*at)->next;
	if (*at == box) {
		*at = box->next;
		runs->box_count--;
	}
	mp_lead_free(box->lead);
	mp_buf_wipe(&box->secrets);
	mp_buf_fini(&box->secrets);
	if (box->raft != NULL) {
		mp_pulse_remove(runs->parts.pulse, box->raft);
		mp_raft_free(box->raft);
	}
	mp_dlist_remove(&box->in_active);
	mp_dlist_remove(&box->resting);
	if (box->has_run)
		mp_run_fini(&box->run);
	mp_graph_free(box->graph);
	mp_buf_fini(&box->pipeline);
	if (box->known != NULL)
		box->known->box = NULL;
	mp_dealloc(runs->alloc, box, sizeof(*box));
}

/* As mp_runs_shut(), for those that were shut out before. */
static void
box_shut(const struct mp_runs *runs, struct mp_env *env, struct mp_raft *raft)
{
	for (size_t i = 0; i < mp_raft_peer_count(raft); i++) {
		const struct mp_member *m =
			mp_roster_find(runs->parts.roster, mp_raft_peer(raft, i));

		if (m != NULL && m->revoked)
			mp_raft_shut(raft, env, &m->id);
	}
}

static int
box_fill(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_run_record *rec = &box->known->rec;
	struct mp_raft_config config = {.record_hash = rec->hash, .who = &rec->now};
	int rc = mp_run_graph(env->crypto, runs->alloc, &box->known->rec,
		mp_buf_span(&box->pipeline), &box->graph);

	if (rc == 0)
		rc = mp_run_init(&box->run, runs->alloc, box->graph, &rec->id, 1);
	if (rc != 0)
		return rc;
	box->has_run = true;
	rc = mp_raft_new(env, &config, &box->raft);
	if (rc == 0)
		box_shut(runs, env, box->raft);
	return rc;
}

int
box_new(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span pipeline,
	struct mp_list inputs, struct mp_run_box **out)
{
	struct mp_run_box *box = mp_realloc(runs->alloc, NULL, 0, sizeof(*box));
	int rc;

	if (box == NULL)
		return MP_ENOMEM;
	*box = (struct mp_run_box){.known = k, .retry_ms = MP_TIME_NEVER};
	mp_dlist_init(&box->in_active);
	mp_dlist_init(&box->resting);
	mp_buf_init(&box->pipeline, runs->alloc, MP_PIPELINE_CBOR_MAX);
	mp_buf_init(&box->secrets, runs->alloc, MP_SECRETS_ENCODED_MAX);
	while (box->input_count < mp_countof(box->inputs) &&
		mp_holders_next(&inputs, &box->inputs[box->input_count]))
		box->input_count++;
	rc = mp_buf_append(&box->pipeline, pipeline.p, pipeline.n);
	if (rc == 0)
		rc = box_fill(runs, env, box);
	if (rc != 0) {
		box->known = NULL;
		box_free(runs, box);
		return rc;
	}
	k->box = box;
	box->next = runs->boxes;
	runs->boxes = box;
	runs->box_count++;
	*out = box;
	return 0;
}

int
box_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	struct mp_span record, pipeline;
	struct mp_list inputs;
	struct mp_run_box *box;
	struct known *k;
	struct mp_cbor_r r;
	int rc;

	mp_cbor_r_init(&r, row->value);
	mp_cbor_r_array_exact(&r, 3);
	record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	pipeline = mp_cbor_r_bytes(&r, MP_PIPELINE_CBOR_MAX);
	mp_holders_read(&r, &inputs);
	if (mp_cbor_r_end(&r) != 0)
		return MP_ECORRUPT;
	rc = known_of_row(runs, env, row->key, record, &k);
	if (rc == 0)
		rc = box_new(runs, env, k, pipeline, inputs, &box);
	return rc == 0 || rc == MP_ENOMEM ? rc : MP_ECORRUPT;
}

/* [signed record, pipeline, [holder of the inputs...]] */
int
box_put(struct mp_run_box *box, struct mp_env *env)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_span(&w, mp_buf_span(&box->known->record));
	mp_cbor_w_span(&w, mp_buf_span(&box->pipeline));
	mp_holders_write(&w, box->inputs, box->input_count);
	if (w.rc != 0)
		return w.rc;
	mp_out_put(env->out, MP_TABLE_RUN, mp_span(box->known->id.b, sizeof(box->known->id.b)),
		mp_buf_span(w.buf));
	box->row_seq = mp_out_seq(env->out);
	return 0;
}

/* ---- awake and at rest ---- */

void
box_wake(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box, bool tick)
{
	if (box->broken || box->loading)
		return;
	mp_dlist_remove(&box->resting);
	if (!box->started)
		mp_raft_start(box->raft, env, false);
	box->started = true;
	if (!mp_dlist_linked(&box->in_active))
		mp_dlist_push(&runs->active, &box->in_active);
	if (!box->pulsing)
		box->pulsing = mp_pulse_add(runs->parts.pulse, env, box->raft) == 0;
	if (!box->pulsing)
		box->retry_ms = env->now_ms + RETRY_MS;
	box->ticking = box->ticking || tick;
	box->awake_until_ms = env->now_ms + AWAKE_MS;
}

void
box_start(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box, bool eager)
{
	if (box->started || box->broken || box->loading)
		return;
	box->started = true;
	mp_raft_start(box->raft, env, eager);
	box_wake(runs, env, box, true);
}

bool
box_untouched(const struct mp_run_box *box)
{
	return !box->loading && mp_raft_term(box->raft) == 0 && mp_raft_last_index(box->raft) == 0;
}

static void
box_end_lead(struct mp_run_box *box)
{
	mp_lead_free(box->lead);
	box->lead = NULL;
	vault_close(box);
}

/* Every elector that has seen END may say how the run ended; usually its leader does, at once. */
static void
box_sign_end(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct mp_end end = {.cluster = env->cluster,
		.run = box->known->id,
		.generation = box->run.generation,
		.term = box->run.term,
		.leader = env->self,
		.outcome = box->run.outcome,
		.ended_ms = box->run.ended_ms,
		.modules = box->graph->module_count,
		.succeeded = box->run.counts[MP_MODULE_SUCCEEDED],
		.last_index = box->run.end_index,
		.last_hash = box->run.end_hash};
	struct mp_buf buf;

	if (box->known->ended || mp_raft_mirrors(box->raft))
		return;
	mp_buf_init(&buf, runs->alloc, MP_SIGNED_END_MAX);
	if (mp_end_sign(env->crypto, env->secret, &end, &buf) == 0 &&
		known_end(runs, env, box->known, mp_buf_span(&buf), true) == 0)
		known_tell(runs, env, box->known, NULL);
	mp_buf_fini(&buf);
}

/* The run has ended. Its leader stays until all electors have the whole log, a follower as long as
 * there may be a leader; then no heartbeat and no timer reminds of it. */
static void
box_rest(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	bool leads = mp_raft_role(box->raft) == MP_RAFT_LEADER;

	if (leads)
		box_sign_end(runs, env, box);
	else if (mp_raft_hears(box->raft, env->now_ms))
		box->ticking = false; /* a leader at rest is not missed */
	if ((box->asked || !leads || !mp_raft_settled(box->raft)) &&
		env->now_ms < box->awake_until_ms)
		return;
	box->asked = false;
	box_sign_end(runs, env, box);
	box_end_lead(box);
	mp_pulse_remove(runs->parts.pulse, box->raft);
	box->pulsing = false;
	box->ticking = false;
	mp_dlist_remove(&box->in_active);
	runs_rest(runs, env, box);
}

void
box_delete_rows(struct mp_env *env, const struct mp_run_id *id)
{
	struct mp_span key = mp_span(id->b, sizeof(id->b));
	uint8_t from[24] = {0}, to[24];

	memcpy(from, id->b, sizeof(id->b));
	memcpy(to, id->b, sizeof(id->b));
	memset(to + sizeof(id->b), 0xff, 8);
	mp_out_delete(env->out, MP_TABLE_RUN, key);
	mp_out_delete(env->out, MP_TABLE_VOTE, key);
	mp_out_delete_range(env->out, MP_TABLE_ENTRY, mp_span(from, 24), mp_span(to, 24));
}

void
box_forget(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct known *k = box->known;

	box_delete_rows(env, &k->id);
	vault_drop(env, k);
	box_free(runs, box);
	known_remove(runs, env, k);
}

/* ---- taken over ---- */

static int
box_found(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_run_record *rec = &box->known->rec;
	struct mp_raft_config config = {.record_hash = rec->hash, .who = &rec->now};
	struct mp_raft *raft;
	struct mp_run run;
	int rc = mp_raft_new(env, &config, &raft);

	if (rc == 0)
		rc = mp_raft_inherit(raft, env, box->raft);
	if (rc == 0)
		rc = mp_run_init(&run, runs->alloc, box->graph, &rec->id, 1);
	if (rc != 0) {
		mp_raft_free(raft);
		return rc;
	}
	if (runs_forgotten(runs, rec))
		mp_raft_lose(raft, env);
	mp_raft_free(box->raft);
	mp_run_fini(&box->run);
	box_shut(runs, env, raft);
	box->raft = raft;
	box->run = run;
	box->cursor = 0;
	box->started = box->ended = box->asked = false;
	return box_put(box, env);
}

void
box_renew(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_electorate *who = &box->known->rec.now;

	box_end_lead(box);
	mp_pulse_remove(runs->parts.pulse, box->raft);
	box->pulsing = false;
	mp_dlist_remove(&box->in_active);
	mp_dlist_remove(&box->resting);
	if (!mp_electorate_has(who, &env->self)) {
		box_delete_rows(env, &box->known->id);
		vault_drop(env, box->known);
		box_free(runs, box);
		return;
	}
	if (box->broken)
		return;
	if (box_found(runs, env, box) != 0) {
		box->broken = true;
		return;
	}
	if (runs->started)
		box_start(runs, env, box, mp_node_id_eq(&who->electors[0], &env->self));
}

/* ---- a step ---- */

static bool
box_apply(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box,
	const struct mp_raft_entry *entry)
{
	int rc = mp_run_apply(&box->run, entry);

	if (rc == MP_ENOMEM) {
		box->retry_ms = env->now_ms + RETRY_MS;
		return false;
	}
	box->cursor = entry->index;
	if (rc == 0 && !box->replaying)
		box_file(runs, env, box, entry);
	if (box->lead != NULL)
		mp_lead_applied(box->lead, env, entry, rc);
	if (entry->kind == MP_ENTRY_END && rc == 0) {
		box->ended = true;
		box->awake_until_ms = env->now_ms + AWAKE_MS;
		vault_drop(env, box->known);
		vault_close(box);
		if (box->lead != NULL)
			box_sign_end(runs, env, box);
	}
	return true;
}

/* True when something was applied. */
static bool
box_drain(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	uint64_t cursor = box->cursor, before = box->cursor;
	struct mp_raft_entry entry;

	while (mp_raft_next_committed(box->raft, &cursor, &entry) &&
		box_apply(runs, env, box, &entry))
		continue;
	return box->cursor != before;
}

/* An elector signed how the run ended, and at which entry: if that entry is in our log, everything
 * up to it is committed, and nobody need lead for us to know. */
static void
box_drain_to_end(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_end *end = &box->known->ending;
	struct mp_raft_entry entry;

	if (!box->known->ended || box->ended ||
		!mp_raft_entry_at(box->raft, end->last_index, &entry) ||
		!mp_hash_eq(&entry.hash, &end->last_hash))
		return;
	while (box->cursor < end->last_index) {
		if (!mp_raft_entry_at(box->raft, box->cursor + 1, &entry) ||
			!box_apply(runs, env, box, &entry))
			return;
	}
}

static void
box_lead(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct mp_lead_config config = {.record = &box->known->rec,
		.signed_record = mp_buf_span(&box->known->record),
		.graph = box->graph,
		.run = &box->run,
		.raft = box->raft,
		.roster = runs->parts.roster,
		.inputs = box->inputs,
		.input_count = box->input_count,
		.secrets = &box->secrets,
		.shelf = runs->parts.shelf,
		.fetch = runs->parts.fetch};
	bool leads = mp_raft_role(box->raft) == MP_RAFT_LEADER;

	if (box->lead != NULL && (!leads || box->lead_term != mp_raft_term(box->raft)))
		box_end_lead(box);
	if (!leads || box->lead != NULL)
		return;
	if (mp_lead_new(env, &config, &box->lead) == 0)
		box->lead_term = mp_raft_term(box->raft);
	else
		box->retry_ms = env->now_ms + RETRY_MS;
}

/* The run has ended, and its electors put it away while this mirror was not there, or this elector
 * had lost its log: asked who leads, one of them wakes up and sends what is missing. */
static void
box_catch_up(struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_electorate *who = mp_raft_who(box->raft);
	struct mp_buf *buf = mp_out_scratch(env->out);
	const struct mp_node_id *whom;

	if (box->ended || !box->known->ended ||
		!(mp_raft_mirrors(box->raft) || mp_raft_lost(box->raft)))
		return;
	if (env->now_ms >= box->catch_up_ms) {
		box->catch_up_ms = env->now_ms + CATCH_UP_MS;
		whom = &who->electors[box->catch_up++ % who->elector_count];
		if (!mp_node_id_eq(whom, &env->self))
			runs_send(env, whom, buf, mp_msg_work_who_encode(buf, &box->known->id));
	}
	if (box->catch_up_ms < box->retry_ms)
		box->retry_ms = box->catch_up_ms;
}

void
box_step(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	if (box->broken || box->loading || !box->started)
		return;
	box->retry_ms = MP_TIME_NEVER;
	if (!box->pulsing && mp_dlist_linked(&box->in_active))
		box_wake(runs, env, box, false);
	box_drain_to_end(runs, env, box);
	/* Nothing is planned on a state that lacks what is committed. */
	do {
		box_lead(runs, env, box);
		vault_step(env, box);
		(void)box_drain(runs, env, box);
		if (box->lead != NULL && box->cursor >= mp_raft_commit(box->raft))
			mp_lead_plan(box->lead, env);
		mp_raft_flush(box->raft, env);
	} while (box_drain(runs, env, box));
	if (box->cursor > 0)
		mp_open_begun(runs->open, env, &box->known->id);
	runs_file_flush(runs, env);
	box_catch_up(env, box);
	if (box->ended && mp_dlist_linked(&box->in_active))
		box_rest(runs, env, box);
}

void
box_restart(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	box->replaying = true;
	if (!box->broken)
		box_drain_to_end(runs, env, box);
	box->replaying = false;
	if (!box->ended)
		box_start(runs, env, box, false);
}

mp_time
box_deadline(const struct mp_run_box *box)
{
	const mp_time due[] = {
		box->retry_ms,
		box->ticking ? mp_raft_deadline(box->raft) : MP_TIME_NEVER,
		box->lead != NULL ? mp_lead_deadline(box->lead) : MP_TIME_NEVER,
		box->ended ? box->awake_until_ms : MP_TIME_NEVER,
	};
	mp_time first = MP_TIME_NEVER;

	for (size_t i = 0; i < mp_countof(due); i++) {
		if (due[i] < first)
			first = due[i];
	}
	return first;
}
