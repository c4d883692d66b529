/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runs_int.h"

#include "codec/msg_raft.h"
#include "core/pulse.h"
#include "mp/limits.h"

/* Openers give up sooner, whatever their clocks say. */
#define FORGOTTEN_MS 600000

static struct mp_run_box *
active_box(struct mp_dlist *l)
{
	return mp_container_of(l, struct mp_run_box, in_active);
}

/* ---- the table ---- */

void
runs_send(struct mp_env *env, const struct mp_node_id *to, const struct mp_buf *buf, int rc)
{
	if (rc == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

/* A submission of ours is on a majority of disks. */
static bool
on_opened(void *ctx, struct mp_env *env, const struct mp_run_id *run, struct mp_span signed_record)
{
	struct mp_runs *runs = ctx;
	struct known *k = known_find(runs, run);
	struct mp_run_record rec;

	if (k == NULL && mp_run_record_verify(env->crypto, &env->cluster, signed_record, &rec) == 0)
		k = known_add(runs, env, &rec, signed_record, true);
	if (k == NULL)
		return false;
	k->opened = true;
	if (k->box != NULL)
		box_start(runs, env, k->box, true);
	known_tell(runs, env, k, NULL);
	return k->box != NULL && k->box->started;
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
	mp_dlist_init(&runs->active);
	mp_dlist_init(&runs->resting);
	mp_dlist_init(&runs->to_load);
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
	takeovers_free(runs);
	while (runs->boxes != NULL)
		box_free(runs, runs->boxes);
	while (runs->known != NULL)
		known_free(runs, runs->known);
	mp_map_fini(&runs->map);
	mp_dealloc(runs->alloc, runs, sizeof(*runs));
}

/* ---- restoring ---- */

/* A run that has ended is not needed before somebody asks. */
static int
restore_run(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	struct known *k = NULL;
	struct mp_run_id id;

	if (row->key.n == sizeof(id.b)) {
		memcpy(id.b, row->key.p, sizeof(id.b));
		k = known_find(runs, &id);
	}
	if (k == NULL || !k->ended)
		return box_restore(runs, env, row);
	k->away = true;
	return 0;
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
		return 0; /* of a run that has ended, is gone, or is damaged */
	rc = mp_raft_restore(k->box->raft, env, row->table, row->key, row->value);
	return rc == MP_ECORRUPT ? 0 : rc; /* it goes on as one that has lost its log */
}

int
mp_runs_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	if (row->table == MP_TABLE_RUN)
		return restore_run(runs, env, row);
	if (row->table == MP_TABLE_KNOWN)
		return known_restore(runs, env, row);
	if (row->table == MP_TABLE_SECRET)
		return vault_restore(runs, row);
	return restore_log(runs, env, row);
}

void
mp_runs_start(struct mp_runs *runs, struct mp_env *env)
{
	runs->started = true;
	runs->have_ms = env->now_ms + 1000;
	vault_start(runs, env);
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box->row_seq > 0)
			continue; /* opened while we joined: there is no log of it yet */
		box->loading = true;
		runs_load(runs, env, box->known);
	}
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
accept(struct mp_env *env, const struct mp_node_id *to, const struct known *k)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	/* Nobody is to count on it, and it cannot say that it never voted in it. */
	if (k->box != NULL && mp_raft_lost(k->box->raft))
		return;
	if (mp_msg_run_accept_encode(buf, &k->id) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf),
			k->box != NULL ? k->box->row_seq : 0);
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

bool
runs_forgotten(const struct mp_runs *runs, const struct mp_run_record *rec)
{
	mp_time begun_ms = rec->now.generation > 1 ? rec->takeover_ms : rec->submitted_ms;

	return runs->parts.returned_ms > 0 && begun_ms <= runs->parts.returned_ms + MP_RUNS_SKEW_MS;
}

/* This node has asked for that run. */
static bool
is_wanted(const struct mp_runs *runs, const struct mp_run_id *run)
{
	for (size_t i = 0; i < mp_min_size(runs->want_count, WANT_KEEP); i++) {
		if (mp_run_id_eq(&runs->wants[i].run, run))
			return true;
	}
	return false;
}

/* A run that is new here. */
static int
open_box(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_record *rec, const struct mp_msg_run_open *m)
{
	bool forgotten = runs_forgotten(runs, rec) && !mp_node_id_eq(from, &env->self) &&
			 m->boot <= (uint64_t)(runs->parts.returned_ms / 1000);
	/* One that goes on, and has its vote to ask for, is no new work. */
	bool draining = runs->draining && !is_wanted(runs, &rec->id);
	struct known *k = known_find(runs, &rec->id);
	struct mp_run_box *box;
	int rc;

	if (runs->stopping || draining || runs->box_count >= MP_RUNS_MAX ||
		was_aborted(runs, &rec->id)) {
		refuse(env, from, &rec->id,
			runs->stopping ? "this node is stopping"
			: draining     ? "this node is draining"
				       : "this node keeps too many runs",
			0);
		return MP_EBUSY;
	}
	if (forgotten && !is_wanted(runs, &rec->id)) {
		refuse(env, from, &rec->id, "this node has lost what it knew of runs like it", 0);
		return MP_EAUTH;
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
	/* Without them the run is not lost: others are asked, or the submitter. */
	(void)vault_take(runs, env, k, m->sealed);
	if (forgotten)
		mp_raft_lose(box->raft, env);
	/* Our own submission stands for its leadership once a majority has it. */
	if (!mp_node_id_eq(from, &env->self))
		box_start(runs, env, box, false);
	accept(env, from, k);
	return 0;
}

static int
on_open(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_run_open m;
	struct mp_run_record rec;
	struct known *k;
	int rc = mp_msg_run_open_decode(bytes, &m);

	if (rc == 0)
		rc = mp_run_record_verify(env->crypto, &env->cluster, m.record, &rec);
	if (rc != 0)
		return rc;
	if (!mp_electorate_has(&rec.now, &env->self) ||
		mp_roster_find(runs->parts.roster, &rec.opener) == NULL ||
		!mp_roster_may_take_over(runs->parts.roster, &rec) ||
		(!mp_node_id_eq(from, &rec.opener) && mp_run_elector(&rec, from) < 0))
		return MP_EAUTH;
	k = known_find(runs, &rec.id);
	if (k != NULL && mp_electorate_cmp(&rec.now, &k->rec.now) < 0) {
		known_tell(runs, env, k, from);
		return MP_EREPLAY;
	}
	if (k != NULL)
		(void)known_renew(runs, env, k, m.record);
	if (k == NULL || (k->box == NULL && !k->away))
		return open_box(runs, env, from, &rec, &m);
	accept(env, from, k);
	return 0;
}

/* May this node, which came back without its rows, have had a say in a run that its opener gives
 * up? Of one that it does not know, only as long as openers wait for this. */
static bool
may_have_voted(const struct mp_runs *runs, const struct mp_env *env, const struct known *k)
{
	if (k == NULL)
		return runs->parts.returned_ms > 0 &&
		       env->wall_ms <= runs->parts.returned_ms + FORGOTTEN_MS;
	return k->box != NULL ? mp_raft_lost(k->box->raft) : runs_forgotten(runs, &k->rec);
}

/* The opener gives the run up; that is for it to say only while nobody has voted. The answer is
 * that we have forgotten it, for good. */
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
	if (k != NULL && !mp_node_id_eq(from, &k->rec.opener))
		return MP_EAUTH;
	if ((k != NULL && (k->away || (k->box != NULL && !box_untouched(k->box)))) ||
		may_have_voted(runs, env, k))
		return 0;
	if (!was_aborted(runs, &run))
		runs->aborted[runs->aborted_count++ % ABORTED_KEEP] = run;
	if (k != NULL && k->box != NULL)
		box_forget(runs, env, k->box);
	refuse(env, from, &run, "given up as asked", mp_out_seq(env->out));
	return 0;
}

static int
on_want(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_run_open m = {0};
	struct mp_buf buf;
	struct mp_run_id run;
	struct known *k;
	int rc = mp_msg_run_want_decode(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k != NULL && k->away)
		runs_load(runs, env, k); /* it will be asked again */
	if (k == NULL || k->box == NULL || k->box->loading)
		return MP_ENOENT;
	if (!mp_electorate_has(&k->rec.now, from))
		return MP_EAUTH;
	/* Its opener may have given it up; once it cannot, the run is handed on by anybody. */
	if (!mp_node_id_eq(&k->rec.opener, &env->self) && !known_opened(k))
		return MP_ENOTLEADER;
	m.record = mp_buf_span(&k->record);
	m.pipeline = mp_buf_span(&k->box->pipeline);
	m.sealed = mp_buf_span(&k->sealed);
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
	if (was_aborted(runs, run)) {
		/* Whoever still has it missed that it was given up. */
		runs_send(env, from, buf, mp_msg_run_abort_encode(buf, run));
		return MP_ENOENT;
	}
	runs->wants[runs->want_count++ % WANT_KEEP] =
		(struct want){.run = *run, .asked_ms = env->now_ms};
	runs_send(env, from, buf, mp_msg_run_want_encode(buf, run));
	return MP_ENOENT;
}

static int
on_answer(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, uint64_t kind)
{
	const struct known *k;
	struct mp_run_id run;
	struct mp_span text;
	int rc;

	if (kind == MP_MSG_RUN_ACCEPT) {
		rc = mp_msg_run_accept_decode(bytes, &run);
		if (rc == 0)
			rc = mp_open_accept(runs->open, env, from, &run);
		k = rc == MP_ENOENT ? known_find(runs, &run) : NULL;
		/* The majority had spoken before the last of the electors did. */
		return k != NULL && mp_run_elector(&k->rec, from) >= 0 ? 0 : rc;
	}
	rc = mp_msg_run_refuse_decode(bytes, &run, &text);
	return rc != 0 ? rc : mp_open_refuse(runs->open, env, from, &run, text);
}

/* ---- messages ---- */

static int
on_raft(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, uint64_t kind)
{
	uint64_t generation;
	struct mp_run_id run;
	struct known *k;
	int rc = mp_msg_raft_run(bytes, &run, &generation);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k != NULL && (k->away || (k->box != NULL && k->box->loading))) {
		runs_load(runs, env, k); /* it will be said again */
		return 0;
	}
	if (k != NULL && generation < k->rec.now.generation) {
		/* It missed the takeover. */
		known_tell(runs, env, k, from);
		return MP_EREPLAY;
	}
	if (k == NULL || k->box == NULL)
		return want(runs, env, from, &run);
	box_start(runs, env, k->box, false);
	/* An elector that stands lacks something, or knows nobody who has it: somebody must lead.
	 */
	if (k->box->ended)
		box_wake(runs, env, k->box, kind == MP_MSG_PREVOTE || kind == MP_MSG_VOTE);
	if (!k->box->started)
		return MP_ECORRUPT;
	return mp_raft_message(k->box->raft, env, from, bytes);
}

/* A worker that knows of a later generation shows its record. */
static void
learn_from_reject(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span bytes)
{
	struct mp_msg_work_reject m;

	if (mp_msg_work_reject_decode(bytes, &m) == 0 && m.record.n > 0)
		(void)known_renew(runs, env, k, m.record);
}

/* From a worker: to the leadership that its run has here. */
static int
on_work(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_run_id run;
	struct known *k;
	int rc = mp_msg_work_run(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k != NULL && k->away)
		runs_load(runs, env, k);
	if (k != NULL && mp_msg_number(bytes) == MP_MSG_WORK_REJECT)
		learn_from_reject(runs, env, k, bytes);
	/* The run has ended, and a worker still holds something of it: only who leads can tell it
	 * to forget that. */
	if (k != NULL && k->box != NULL && k->box->ended) {
		k->box->asked = true;
		box_wake(runs, env, k->box, true);
		box_step(runs, env, k->box);
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
		return on_raft(runs, env, from, bytes, kind);
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
	if (kind == MP_MSG_RUN_TIP_ASK)
		return takeover_on_ask(runs, env, from, bytes);
	if (kind == MP_MSG_RUN_TIP)
		return takeover_on_tip(runs, env, from, bytes);
	if (kind == MP_MSG_WORK_FREE) {
		for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
			if (active_box(l)->lead != NULL)
				mp_lead_room(active_box(l)->lead, from);
		}
		return 0;
	}
	if (kind == MP_MSG_RUN_SECRETS)
		return vault_on_message(runs, env, from, bytes);
	if (kind >= MP_MSG_WORK_WHO && kind <= MP_MSG_WORK_RENEW)
		return on_work(runs, env, from, bytes);
	return MP_EUNSUPPORTED;
}

void
mp_runs_link(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	mp_open_link(runs->open, env, peer, state);
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
		if (active_box(l)->lead != NULL)
			mp_lead_link(active_box(l)->lead, env, peer, state);
	}
	if (state == MP_LINK_UP && runs->known != NULL)
		known_have(runs, env, peer);
}

void
mp_runs_members(struct mp_runs *runs, struct mp_env *env)
{
	/* Whoever comes, or comes back, may know something else. */
	if (runs->said == 0)
		runs->say_ms = env->now_ms;
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
		if (active_box(l)->lead != NULL)
			mp_lead_members(active_box(l)->lead, env);
	}
}

void
mp_runs_shut(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *id)
{
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next)
		mp_raft_shut(box->raft, env, id);
}

void
mp_runs_persisted(struct mp_runs *runs, struct mp_env *env, uint64_t seq)
{
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next)
		mp_raft_persisted(active_box(l)->raft, env, seq);
}

static bool
box_leads(const struct mp_run_box *box)
{
	return box->lead != NULL && box->run.outcome == 0;
}

void
mp_runs_flush(struct mp_runs *runs, struct mp_env *env)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = next) {
		next = l->next;
		box_step(runs, env, active_box(l));
	}
	runs->leading = 0;
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next)
		runs->leading += box_leads(active_box(l));
}

void
mp_runs_tick(struct mp_runs *runs, struct mp_env *env)
{
	mp_open_tick(runs->open, env);
	load_tick(runs, env);
	takeovers_tick(runs, env);
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
		struct mp_run_box *box = active_box(l);

		if (box->ticking && mp_raft_deadline(box->raft) <= env->now_ms)
			mp_raft_tick(box->raft, env);
	}
	if (runs->have_ms > env->now_ms)
		return;
	runs->have_ms = env->now_ms + HAVE_MS;
	known_compare(runs, env);
}

mp_time
mp_runs_deadline(const struct mp_runs *runs)
{
	mp_time first = mp_open_deadline(runs->open);

	if (runs->have_ms < first)
		first = runs->have_ms;
	if (load_deadline(runs) < first)
		first = load_deadline(runs);
	if (takeovers_deadline(runs) < first)
		first = takeovers_deadline(runs);
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
		mp_time due = box_deadline(active_box(l));

		if (due < first)
			first = due;
	}
	return first;
}

/* ---- stopping ---- */

/* Electors that would have to hand it over themselves. */
static uint32_t
box_avoid(const struct mp_runs *runs, const struct mp_run_box *box)
{
	const struct mp_electorate *who = &box->known->rec.now;
	uint32_t avoid = 0;

	for (uint32_t i = 0; i < who->elector_count; i++) {
		const struct mp_member *m = mp_roster_find(runs->parts.roster, &who->electors[i]);

		if (m == NULL || m->status > MP_NODE_BUSY)
			avoid |= 1u << i;
	}
	return avoid;
}

void
mp_runs_hand_over(struct mp_runs *runs, struct mp_env *env)
{
	for (struct mp_run_box *box = runs->boxes; box != NULL; box = box->next) {
		if (box_leads(box) && !mp_raft_transfer(box->raft, env, box_avoid(runs, box)) &&
			runs->stopping)
			(void)mp_raft_transfer(box->raft, env, 0);
	}
}

void
mp_runs_drain(struct mp_runs *runs, bool on)
{
	runs->draining = on;
}

void
mp_runs_stop(struct mp_runs *runs, struct mp_env *env)
{
	runs->stopping = true;
	mp_runs_hand_over(runs, env);
}

size_t
mp_runs_leading(const struct mp_runs *runs)
{
	return runs->leading;
}

static bool
other_there(const struct mp_runs *runs, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(runs->parts.roster, id);

	return m != NULL && m->state == MP_MEMBER_ALIVE && !mp_node_id_eq(id, &runs->self);
}

/* Electors that are there, besides this node. */
static uint32_t
others_there(const struct mp_runs *runs, const struct mp_electorate *who)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < who->elector_count; i++)
		n += other_there(runs, &who->electors[i]);
	return n;
}

bool
mp_runs_quiet(const struct mp_runs *runs)
{
	return runs->active.next == &runs->active && mp_open_deadline(runs->open) == MP_TIME_NEVER;
}

bool
mp_runs_need(const struct mp_runs *runs, struct mp_error *err)
{
	const struct known *last = NULL;
	size_t ended = 0;

	for (const struct known *k = runs->known; k != NULL; k = k->next) {
		const struct mp_electorate *who = &k->rec.now;
		uint32_t there = others_there(runs, who);

		if (k->box == NULL && !k->away)
			continue;
		if (!k->ended && there < who->elector_count / 2 + 1) {
			(void)mp_fail(err, MP_EBUSY,
				"the run %s goes on only with this node's vote; wait for it, or "
				"cancel it",
				k->rec.name);
			return true;
		}
		if (k->ended && there == 0 && !(who->mirrored && other_there(runs, &who->mirror))) {
			ended++;
			last = k;
		}
	}
	if (ended > 0)
		(void)mp_fail(err, MP_EBUSY,
			"only this node can still show %zu of the runs that have ended, as %s",
			ended, last->rec.name);
	return ended > 0;
}

/* ---- submitting, looking in ---- */

int
mp_runs_submit(struct mp_runs *runs, struct mp_env *env, const struct mp_submission *s,
	struct mp_submit_req *req, struct mp_error *err)
{
	if (runs->stopping || runs->draining)
		return mp_fail(err, MP_EBUSY, "this node is %s; submit to another one",
			runs->stopping ? "stopping" : "draining");
	return mp_open_submit(runs->open, env, s, req, err);
}

void
mp_runs_submit_forget(struct mp_runs *runs, struct mp_submit_req *req)
{
	mp_open_forget(runs->open, req);
}

struct mp_raft *
mp_runs_raft(const struct mp_runs *runs, const struct mp_run_id *run)
{
	const struct known *k = known_find(runs, run);

	return k != NULL && k->box != NULL && !k->box->loading ? k->box->raft : NULL;
}

bool
mp_runs_state_digest(const struct mp_runs *runs, const struct mp_env *env,
	const struct mp_run_id *run, uint64_t *index, struct mp_hash *digest)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL || k->box == NULL || k->box->broken || k->box->loading)
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
