/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runs_int.h"

#include "codec/msg_raft.h"
#include "core/pulse.h"
#include "mp/limits.h"

#define HAVE_MS   30000
#define SETTLE_MS 60000 /* so long an ended run waits for electors that are away */

/* ---- the table ---- */

void
runs_send(struct mp_env *env, const struct mp_node_id *to, const struct mp_buf *buf, int rc)
{
	if (rc == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

void
box_start(struct mp_run_box *box, struct mp_env *env, bool eager)
{
	if (box->started)
		return;
	box->started = true;
	mp_raft_start(box->raft, env, eager);
}

/* A submission of ours is on a majority of disks. */
static void
on_opened(void *ctx, struct mp_env *env, const struct mp_run_id *run, struct mp_span signed_record)
{
	struct mp_runs *runs = ctx;
	struct known *k = known_find(runs, run);
	struct mp_run_record rec;

	if (k == NULL && mp_run_record_verify(env->crypto, &env->cluster, signed_record, &rec) == 0)
		k = known_add(runs, env, &rec, signed_record, true);
	if (k == NULL)
		return;
	if (k->box != NULL)
		box_start(k->box, env, true);
	known_tell(runs, env, k, NULL);
}

int
mp_runs_new(struct mp_env *env, const struct mp_runs_parts *parts, struct mp_runs **out)
{
	struct mp_runs *runs = mp_realloc(env->alloc, NULL, 0, sizeof(*runs));
	struct mp_open_parts open = {.roster = parts->roster,
		.fetch = parts->fetch,
		.hold = parts->hold,
		.opened = on_opened,
		.ctx = runs};
	int rc;

	if (runs == NULL)
		return MP_ENOMEM;
	*runs = (struct mp_runs){
		.alloc = env->alloc, .parts = *parts, .self = env->self, .have_ms = MP_TIME_NEVER};
	mp_map_init(&runs->map, env->alloc);
	rc = mp_open_new(env, &open, &runs->open);
	if (rc != 0) {
		mp_dealloc(env->alloc, runs, sizeof(*runs));
		return rc;
	}
	*out = runs;
	return 0;
}

void
mp_runs_free(struct mp_runs *runs)
{
	if (runs == NULL)
		return;
	mp_open_free(runs->open);
	while (runs->boxes != NULL)
		box_free(runs, runs->boxes);
	while (runs->archived != NULL)
		box_free(runs, runs->archived);
	while (runs->known != NULL)
		known_free(runs, runs->known);
	mp_map_fini(&runs->map);
	mp_dealloc(runs->alloc, runs, sizeof(*runs));
}

/* ---- restoring ---- */

static int
restore_run(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	struct mp_run_record rec;
	struct mp_span record, pipeline;
	struct mp_list inputs;
	struct mp_run_box *box;
	struct known *k;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, row->value);
	mp_cbor_r_array_exact(&r, 3);
	record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	pipeline = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	mp_holders_read(&r, &inputs);
	if (mp_cbor_r_end(&r) != 0 || row->key.n != sizeof(rec.id.b) ||
		mp_run_record_verify(env->crypto, &env->cluster, record, &rec) != 0 ||
		memcmp(rec.id.b, row->key.p, sizeof(rec.id.b)) != 0)
		return MP_ECORRUPT;
	k = known_add(runs, env, &rec, record, false);
	if (k == NULL)
		return MP_ENOMEM;
	return box_new(runs, env, k, pipeline, inputs, &box) == 0 ? 0 : MP_ECORRUPT;
}

static int
restore_log(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	struct mp_run_id id;
	struct known *k;
	int rc;

	if (row->key.n < sizeof(id.b))
		return MP_ECORRUPT;
	memcpy(id.b, row->key.p, sizeof(id.b));
	k = known_find(runs, &id);
	if (k == NULL || k->box == NULL)
		return 0; /* of a run that is gone, or that is damaged */
	rc = mp_raft_restore(k->box->raft, env, row->table, row->key, row->value);
	if (rc == MP_ECORRUPT)
		k->box->broken = true;
	return rc;
}

int
mp_runs_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	if (row->table == MP_TABLE_RUN)
		return restore_run(runs, env, row);
	if (row->table == MP_TABLE_KNOWN)
		return known_restore(runs, env, row);
	return restore_log(runs, env, row);
}

void
mp_runs_start(struct mp_runs *runs, struct mp_env *env)
{
	runs->started = true;
	runs->have_ms = env->now_ms + 1000;
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next)
		box_start(box, env, false);
}

/* ---- electing: opener, electors ---- */

static void
refuse(struct mp_env *env, const struct mp_node_id *to, const struct mp_run_id *run,
	const char *text, uint64_t after)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_run_refuse_encode(buf, run, mp_span_str(text)) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), after);
}

static void
accept(struct mp_env *env, const struct mp_node_id *to, const struct mp_run_box *box)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_run_accept_encode(buf, &box->known->id) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), box->row_seq);
}

static bool
was_aborted(const struct mp_runs *runs, const struct mp_run_id *run)
{
	for (size_t i = 0; i < mp_min_size(runs->aborted_count, ABORTED_KEEP); i++) {
		if (mp_run_id_eq(&runs->aborted[i], run))
			return true;
	}
	return false;
}

/* A run that is new here. */
static int
open_box(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_record *rec, const struct mp_msg_run_open *m)
{
	struct known *k = known_find(runs, &rec->id);
	struct mp_run_box *box;
	int rc;

	if (runs->stopping || runs->box_count >= MP_RUNS_MAX || was_aborted(runs, &rec->id)) {
		refuse(env, from, &rec->id,
			runs->stopping ? "this node is stopping" : "this node keeps too many runs",
			0);
		return MP_EBUSY;
	}
	if (k == NULL)
		k = known_add(runs, env, rec, m->record, false);
	rc = k == NULL ? MP_ENOMEM : box_new(runs, env, k, m->pipeline, m->inputs, &box);
	if (rc == 0)
		rc = box_put(box, env);
	if (rc != 0) {
		refuse(env, from, &rec->id, mp_strerror(rc), 0);
		return rc;
	}
	/* Our own submission stands for its leadership once a majority has it. */
	if (!mp_node_id_eq(from, &env->self))
		box_start(box, env, false);
	accept(env, from, box);
	return 0;
}

static int
on_open(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_run_open m;
	struct mp_run_record rec;
	const struct known *k;
	int rc = mp_msg_run_open_decode(bytes, &m);

	if (rc == 0)
		rc = mp_run_record_verify(env->crypto, &env->cluster, m.record, &rec);
	if (rc != 0)
		return rc;
	if (mp_run_elector(&rec, &env->self) < 0 ||
		mp_roster_find(runs->parts.roster, &rec.opener) == NULL ||
		(!mp_node_id_eq(from, &rec.opener) && mp_run_elector(&rec, from) < 0))
		return MP_EAUTH;
	k = known_find(runs, &rec.id);
	if (k == NULL || k->box == NULL)
		return open_box(runs, env, from, &rec, &m);
	accept(env, from, k->box);
	return 0;
}

/* Drops everything of a run in which nothing has been decided. */
static void
forget_box(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct known *k = box->known;
	struct mp_span key = mp_span(k->id.b, sizeof(k->id.b));
	uint8_t from[24] = {0}, to[24];

	memcpy(from, k->id.b, sizeof(k->id.b));
	memcpy(to, k->id.b, sizeof(k->id.b));
	memset(to + sizeof(k->id.b), 0xff, 8);
	mp_out_delete(env->out, MP_TABLE_RUN, key);
	mp_out_delete(env->out, MP_TABLE_VOTE, key);
	mp_out_delete_range(env->out, MP_TABLE_ENTRY, mp_span(from, 24), mp_span(to, 24));
	runs->aborted[runs->aborted_count++ % ABORTED_KEEP] = k->id;
	box_free(runs, box);
	known_remove(runs, env, k);
}

static int
on_abort(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_run_id run;
	struct known *k;
	int rc = mp_msg_run_abort_decode(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k == NULL || k->box == NULL) {
		if (!was_aborted(runs, &run))
			runs->aborted[runs->aborted_count++ % ABORTED_KEEP] = run;
		return 0;
	}
	if (!mp_node_id_eq(from, &k->rec.opener))
		return MP_EAUTH;
	if (mp_raft_commit(k->box->raft) == 0)
		forget_box(runs, env, k->box);
	return 0;
}

static int
on_want(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_run_open m = {0};
	struct mp_buf buf;
	struct mp_run_id run;
	const struct known *k;
	int rc = mp_msg_run_want_decode(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k == NULL || k->box == NULL)
		return MP_ENOENT;
	if (mp_run_elector(&k->rec, from) < 0)
		return MP_EAUTH;
	m.record = mp_buf_span(&k->record);
	m.pipeline = mp_buf_span(&k->box->pipeline);
	mp_buf_init(&buf, runs->alloc, MP_MSG_MAX);
	rc = mp_msg_run_open_encode(&buf, &m, k->box->inputs, k->box->input_count);
	runs_send(env, from, &buf, rc);
	mp_buf_fini(&buf);
	return rc;
}

/* Somebody counts on us for a run that we have not got: we were down when it was opened. */
static int
want(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_id *run)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	for (size_t i = 0; i < mp_min_size(runs->want_count, WANT_KEEP); i++) {
		if (mp_run_id_eq(&runs->wants[i].run, run) &&
			env->now_ms - runs->wants[i].asked_ms < WANT_MS)
			return MP_ENOENT;
	}
	if (was_aborted(runs, run))
		return MP_ENOENT;
	runs->wants[runs->want_count++ % WANT_KEEP] =
		(struct want){.run = *run, .asked_ms = env->now_ms};
	runs_send(env, from, buf, mp_msg_run_want_encode(buf, run));
	return MP_ENOENT;
}

static int
on_answer(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, uint64_t kind)
{
	struct mp_run_id run;
	struct mp_span text;
	int rc;

	if (kind == MP_MSG_RUN_ACCEPT) {
		rc = mp_msg_run_accept_decode(bytes, &run);
		return rc != 0 ? rc : mp_open_accept(runs->open, env, from, &run);
	}
	rc = mp_msg_run_refuse_decode(bytes, &run, &text);
	return rc != 0 ? rc : mp_open_refuse(runs->open, env, from, &run, text);
}

/* ---- messages ---- */

static int
on_raft(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_run_id run;
	const struct known *k;
	int rc = mp_msg_raft_run(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k == NULL || k->box == NULL)
		return want(runs, env, from, &run);
	if (k->box->archived) {
		/* Who still asks about it has missed its end. */
		known_tell(runs, env, k, from);
		return 0;
	}
	box_start(k->box, env, false);
	return mp_raft_message(k->box->raft, env, from, bytes);
}

/* From a worker: to the leadership that its run has here. */
static int
on_work(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_run_id run;
	const struct known *k;
	int rc = mp_msg_work_run(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k != NULL && k->ended) {
		struct mp_work_head head = {
			.run = run, .generation = k->ending.generation, .term = k->ending.term};
		struct mp_buf *buf = mp_out_scratch(env->out);

		runs_send(env, from, buf, mp_msg_work_end_encode(buf, &head));
		return 0;
	}
	if (k == NULL || k->box == NULL || k->box->lead == NULL)
		return MP_ENOENT;
	return mp_lead_message(k->box->lead, env, from, bytes);
}

int
mp_runs_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	uint64_t kind = mp_msg_number(bytes);

	if (kind >= MP_MSG_PREVOTE && kind <= MP_MSG_TIMEOUT_NOW)
		return on_raft(runs, env, from, bytes);
	if (kind == MP_MSG_PULSE || kind == MP_MSG_PULSE_ACK)
		return mp_pulse_receive(runs->parts.pulse, env, from, bytes);
	if (kind == MP_MSG_RUN_OPEN)
		return on_open(runs, env, from, bytes);
	if (kind == MP_MSG_RUN_ACCEPT || kind == MP_MSG_RUN_REFUSE)
		return on_answer(runs, env, from, bytes, kind);
	if (kind == MP_MSG_RUN_KNOWN || kind == MP_MSG_RUN_HAVE)
		return known_message(runs, env, from, bytes, kind);
	if (kind == MP_MSG_RUN_WANT)
		return on_want(runs, env, from, bytes);
	if (kind == MP_MSG_RUN_ABORT)
		return on_abort(runs, env, from, bytes);
	if (kind == MP_MSG_WORK_FREE) {
		for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
			if (box->lead != NULL)
				mp_lead_room(box->lead, from);
		}
		return 0;
	}
	if (kind >= MP_MSG_WORK_WHO && kind < MP_MSG_WORK_FREE)
		return on_work(runs, env, from, bytes);
	return MP_EUNSUPPORTED;
}

void
mp_runs_link(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	mp_open_link(runs->open, env, peer, state);
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->lead != NULL)
			mp_lead_link(box->lead, env, peer, state);
	}
	if (state == MP_LINK_UP && runs->known != NULL)
		known_have(runs, env, peer);
}

void
mp_runs_members(struct mp_runs *runs, struct mp_env *env)
{
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->lead != NULL)
			mp_lead_members(box->lead, env);
	}
}

void
mp_runs_persisted(struct mp_runs *runs, struct mp_env *env, uint64_t seq)
{
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->started)
			mp_raft_persisted(box->raft, env, seq);
	}
}

/* ---- what committed entries do ---- */

static void
box_end(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct mp_end end = {.cluster = env->cluster,
		.run = box->known->id,
		.generation = mp_raft_generation(box->raft),
		.term = mp_raft_term(box->raft),
		.leader = env->self,
		.outcome = box->run.outcome,
		.ended_ms = box->run.ended_ms,
		.modules = box->graph->module_count,
		.succeeded = box->run.counts[MP_MODULE_SUCCEEDED],
		.last_index = box->run.applied,
		.last_hash = box->run.end_hash};
	struct mp_buf buf;

	if (box->lead == NULL || box->known->ended)
		return;
	mp_buf_init(&buf, runs->alloc, MP_SIGNED_END_MAX);
	if (mp_end_sign(env->crypto, env->secret, &end, &buf) == 0 &&
		known_end(runs, env, box->known, mp_buf_span(&buf), true) == 0)
		known_tell(runs, env, box->known, NULL);
	mp_buf_fini(&buf);
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
		.input_count = box->input_count};
	bool leads = mp_raft_role(box->raft) == MP_RAFT_LEADER;

	if (box->lead != NULL && (!leads || box->lead_term != mp_raft_term(box->raft))) {
		mp_lead_free(box->lead);
		box->lead = NULL;
	}
	if (!leads || box->lead != NULL)
		return;
	if (mp_lead_new(env, &config, &box->lead) == 0)
		box->lead_term = mp_raft_term(box->raft);
}

/* True when something was applied. */
static bool
box_apply(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct mp_raft_entry entry;
	bool any = false;
	uint64_t cursor = box->cursor;

	while (mp_raft_next_committed(box->raft, &cursor, &entry)) {
		int rc = mp_run_apply(&box->run, &entry);

		if (rc == MP_ENOMEM)
			break; /* again at the next step */
		box->cursor = cursor;
		any = true;
		if (box->lead != NULL)
			mp_lead_applied(box->lead, env, &entry, rc);
		if (entry.kind == MP_ENTRY_END && box->run.outcome != 0)
			box_end(runs, env, box);
	}
	return any;
}

/*
 * A run that has ended is put away: it is shown, and costs nothing any more. Its leader stays until
 * every elector has the whole log, or for a minute; who comes back later hears of the end.
 */
static void
box_archive(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	if (!box->known->ended)
		return;
	if (box->ended_ms == 0)
		box->ended_ms = env->now_ms;
	if (mp_raft_role(box->raft) == MP_RAFT_LEADER && !mp_raft_settled(box->raft) &&
		env->now_ms - box->ended_ms < SETTLE_MS)
		return;
	mp_lead_free(box->lead);
	box->lead = NULL;
	mp_pulse_remove(runs->parts.pulse, box->raft);
	(void)box_unlink(runs, box);
	box->archived = true;
	box->next = runs->archived;
	runs->archived = box;
}

void
mp_runs_flush(struct mp_runs *runs, struct mp_env *env)
{
	struct mp_run_box *next;

	for (struct mp_run_box *box = runs->boxes; box != NULL; box = next) {
		next = box->next;
		if (box->broken || !box->started)
			continue;
		do {
			box_lead(runs, env, box);
			if (box->lead != NULL)
				mp_lead_plan(box->lead, env);
			mp_raft_flush(box->raft, env);
		} while (box_apply(runs, env, box));
		if (box->run.outcome != 0)
			box_end(runs, env, box);
		box_archive(runs, env, box);
	}
}

void
mp_runs_tick(struct mp_runs *runs, struct mp_env *env)
{
	size_t members = mp_roster_count(runs->parts.roster);

	mp_open_tick(runs->open, env);
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->started && mp_raft_deadline(box->raft) <= env->now_ms)
			mp_raft_tick(box->raft, env);
	}
	if (runs->have_ms > env->now_ms)
		return;
	runs->have_ms = env->now_ms + HAVE_MS;
	if (members > 1) {
		const struct mp_member *m =
			mp_roster_at(runs->parts.roster, mp_rng_below(&env->rng, members));

		if (m->state == MP_MEMBER_ALIVE && !mp_node_id_eq(&m->id, &env->self))
			known_have(runs, env, &m->id);
	}
}

mp_time
mp_runs_deadline(const struct mp_runs *runs)
{
	mp_time first = mp_open_deadline(runs->open);

	if (runs->have_ms < first)
		first = runs->have_ms;
	for (const struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		mp_time raft = box->started ? mp_raft_deadline(box->raft) : MP_TIME_NEVER;
		mp_time lead = box->lead != NULL ? mp_lead_deadline(box->lead) : MP_TIME_NEVER;

		if (raft < first)
			first = raft;
		if (lead < first)
			first = lead;
		if (box->ended_ms != 0 && box->ended_ms + SETTLE_MS < first)
			first = box->ended_ms + SETTLE_MS;
	}
	return first;
}

void
mp_runs_stop(struct mp_runs *runs, struct mp_env *env)
{
	runs->stopping = true;
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->lead != NULL && box->run.outcome == 0)
			mp_raft_transfer(box->raft, env);
	}
}

/* ---- submitting, cancelling, looking in ---- */

int
mp_runs_submit(struct mp_runs *runs, struct mp_env *env, const struct mp_submission *s,
	struct mp_submit_req *req, struct mp_error *err)
{
	if (runs->stopping)
		return mp_fail(err, MP_EBUSY, "this node is stopping; submit to another one");
	return mp_open_submit(runs->open, env, s, req, err);
}

void
mp_runs_submit_forget(struct mp_runs *runs, struct mp_submit_req *req)
{
	mp_open_forget(runs->open, req);
}

int
mp_runs_cancel(
	struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run, struct mp_span by)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL)
		return MP_ENOENT;
	if (k->ended)
		return 0;
	if (k->box == NULL || k->box->lead == NULL)
		return MP_ENOTLEADER;
	return mp_lead_cancel(k->box->lead, env, by);
}

struct mp_raft *
mp_runs_raft(const struct mp_runs *runs, const struct mp_run_id *run)
{
	const struct known *k = known_find(runs, run);

	return k != NULL && k->box != NULL ? k->box->raft : NULL;
}

bool
mp_runs_state_digest(const struct mp_runs *runs, const struct mp_env *env,
	const struct mp_run_id *run, uint64_t *index, struct mp_hash *digest)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL || k->box == NULL || k->box->broken)
		return false;
	*index = k->box->run.applied;
	mp_run_digest(&k->box->run, env->crypto, digest);
	return true;
}

const struct mp_node_id *
mp_runs_self(const struct mp_runs *runs)
{
	return &runs->self;
}

size_t
mp_runs_count(const struct mp_runs *runs)
{
	return runs->box_count;
}

size_t
mp_runs_led(const struct mp_runs *runs)
{
	size_t n = 0;

	for (const struct mp_run_box *box = runs->boxes; box != NULL; box = box->next)
		n += box->lead != NULL;
	return n;
}
