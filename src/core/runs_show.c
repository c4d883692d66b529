/* SPDX-License-Identifier: Apache-2.0 */
/* A run as mpctl shows it (codec/msg_show.h). */
#include "codec/msg_show.h"
#include "core/runs_int.h"

#include <inttypes.h>

#include "mp/limits.h"

struct mp_show_node
show_node(const struct mp_runs *runs, const struct mp_node_id *id)
{
	const struct mp_member *m = id != NULL ? mp_roster_find(runs->parts.roster, id) : NULL;
	struct mp_show_node node = {.name = mp_span(NULL, 0)};

	if (id == NULL)
		return node;
	node.id = *id;
	node.name = m != NULL ? mp_span_str(m->name.s) : mp_span_str("?");
	return node;
}

/* What the result of a module that has ended says. */
static void
show_result(const struct mp_run_box *box, const struct mp_run_module *m, struct mp_show_module *out,
	struct mp_finished *finished)
{
	struct mp_raft_entry entry;
	struct mp_result result;

	if (m->entry == 0 || !mp_raft_entry_at(box->raft, m->entry, &entry) ||
		mp_run_result(&entry, finished, &result) != 0)
		return;
	out->has_exit = result.exit_code >= 0;
	out->exit_code = result.exit_code;
	out->signal = result.signal;
	/* When the original ran is no time of this run. */
	if (!m->cached) {
		out->started_ms = result.started_ms;
		out->ended_ms = result.ended_ms;
	}
	out->manifest = result.manifest;
	out->output_files = result.output_files;
	out->output_bytes = result.output_bytes;
	out->out = (struct mp_show_log){
		.blob = result.out_log, .size = result.out_size, .cut = result.out_cut};
	out->err = (struct mp_show_log){
		.blob = result.err_log, .size = result.err_size, .cut = result.err_cut};
	out->value = result.value;
	out->text = result.error;
}

/* Why a module has ended that no result tells of. */
static void
show_ending(const struct mp_run_box *box, uint32_t i, enum mp_module_state state,
	struct mp_show_module *out, struct mp_error *why)
{
	const struct mp_run_module *m = &box->run.modules[i];
	const struct mp_graph_module *g = &box->graph->modules[i];
	struct mp_raft_entry entry;
	struct mp_skip skip;

	if (m->entry != 0 && mp_raft_entry_at(box->raft, m->entry, &entry) &&
		entry.kind == MP_ENTRY_SKIP && mp_body_skip_decode(entry.body, &skip) == 0) {
		out->text = skip.text;
		return;
	}
	if (state == MP_MODULE_FAILED && m->lost > MP_LOST_MAX)
		(void)mp_fail(why, MP_ECANCELED,
			"lost with its node %u times: it may be what brings them down", m->lost);
	for (uint32_t k = 0; state == MP_MODULE_SKIPPED && k < g->need_count; k++) {
		enum mp_module_state need = mp_run_module_state(&box->run, g->needs[k]);

		if (need <= MP_MODULE_IGNORED)
			continue;
		(void)mp_fail(why, MP_ECANCELED, "%s %s", box->graph->modules[g->needs[k]].name,
			need == MP_MODULE_SKIPPED ? "was skipped" : "did not succeed");
		break;
	}
	out->text = mp_span_str(why->text);
}

/* What an operator has to say, or has said, about a module that may have run. */
static void
show_unsure(
	const struct mp_run_box *box, uint32_t i, struct mp_show_module *out, struct mp_error *text)
{
	const struct mp_run_module *m = &box->run.modules[i];
	const char *node = m->worker == MP_RUN_NO_NODE ? "?" : (const char *)out->node.name.p;
	struct mp_error because = {0};
	struct mp_raft_entry entry;
	struct mp_once_end end;

	if (out->state == MP_MODULE_SUCCEEDED && box->graph->modules[i].once && m->entry != 0 &&
		mp_raft_entry_at(box->raft, m->entry, &entry) && entry.kind == MP_ENTRY_ONCE_END &&
		mp_body_once_end_decode(entry.body, &end) == 0) {
		(void)mp_fail(text, MP_ECANCELED, "done, as %.*s said", (int)end.by.n,
			(const char *)end.by.p);
		out->text = mp_span_str(text->text);
	}
	if (out->state != MP_MODULE_MAYBE_RAN)
		return;
	if (out->text.n > 0)
		(void)mp_fail(&because, MP_ECANCELED, " (%.*s)", (int)mp_min_size(out->text.n, 200),
			(const char *)out->text.p);
	if (box->run.cancelled)
		(void)mp_fail(text, MP_ECANCELED, "may have run on %s%s", node, because.text);
	else
		(void)mp_fail(text, MP_ECANCELED,
			"may have run on %s%s: find out, then mpctl resolve %02x%02x%02x%02x %s "
			"done|rerun",
			node, because.text, box->known->id.b[0], box->known->id.b[1],
			box->known->id.b[2], box->known->id.b[3], box->graph->modules[i].name);
	out->text = mp_span_str(text->text);
}

/* What a module waits for that it needs. */
static void
show_needs(const struct mp_run_box *box, uint32_t i, struct mp_error *why)
{
	const struct mp_graph_module *g = &box->graph->modules[i];
	uint32_t left = box->run.modules[i].waiting;

	for (uint32_t k = 0; k < g->need_count && why->code == 0; k++) {
		if (mp_run_module_state(&box->run, g->needs[k]) == MP_MODULE_SUCCEEDED)
			continue;
		if (left > 1)
			(void)mp_fail(why, MP_EBUSY, "needs %s and %u more",
				box->graph->modules[g->needs[k]].name, left - 1);
		else
			(void)mp_fail(
				why, MP_EBUSY, "needs %s", box->graph->modules[g->needs[k]].name);
	}
}

static enum mp_module_state
show_state(const struct mp_run_box *box, uint32_t i, struct mp_error *why)
{
	enum mp_module_state state = mp_run_module_state(&box->run, i);
	bool unplaceable;

	if (state == MP_MODULE_WAITING)
		show_needs(box, i, why);
	else if (box->lead != NULL && mp_lead_waits(box->lead, i, &unplaceable, why))
		return unplaceable ? MP_MODULE_UNPLACEABLE : MP_MODULE_READY;
	return state;
}

static void
show_move(uint32_t counts[MP_MODULE_STATE_COUNT], enum mp_module_state from,
	enum mp_module_state to, uint32_t n)
{
	n = n < counts[from] ? n : counts[from];
	counts[from] -= n;
	counts[to] += n;
}

static void
show_counts(const struct mp_run_box *box, uint32_t counts[MP_MODULE_STATE_COUNT])
{
	memcpy(counts, box->run.counts, sizeof(box->run.counts));
	if (box->lead == NULL)
		return;
	show_move(counts, MP_MODULE_RUNNING, MP_MODULE_READY, mp_lead_returned_count(box->lead));
	show_move(counts, MP_MODULE_READY, MP_MODULE_UNPLACEABLE,
		mp_lead_unplaceable_count(box->lead));
}

/* Why it does not run now; what it did before it was tried again says less. */
static void
show_waiting(const struct mp_env *env, const struct mp_run_module *m, struct mp_show_module *out,
	struct mp_error *why)
{
	mp_time left = m->not_before_ms - env->wall_ms;

	if (m->state == MP_MODULE_RUNNING && out->state != MP_MODULE_RUNNING) {
		out->node = (struct mp_show_node){.name = mp_span(NULL, 0)};
		out->started_ms = 0;
		out->attempts = m->attempts > 0 ? m->attempts - 1 : 0;
	}
	if (out->state == MP_MODULE_BACKOFF && m->not_before_ms != MP_TIME_NEVER)
		(void)mp_fail(why, MP_EBUSY, "again in %" PRId64 " s, after: %.*s",
			left > 0 ? (left + 999) / 1000 : 0, (int)mp_min_size(out->text.n, 200),
			out->text.n > 0 ? (const char *)out->text.p : "");
	if (why->code != 0)
		out->text = mp_span_str(why->text);
}

static void
show_module(const struct mp_runs *runs, const struct mp_env *env, const struct mp_run_box *box,
	uint32_t i, struct mp_cbor_w *w)
{
	const struct mp_run_module *m = &box->run.modules[i];
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_finished finished = {.worker = {{0}}};
	struct mp_error why = {0};
	struct mp_show_module out = {.name = mp_span_str(box->graph->modules[i].name),
		.node = show_node(runs, mp_run_node(&box->run, m->worker)),
		.attempts = m->attempts,
		.lost = m->lost,
		.cached = m->cached,
		.queued_ms = m->queued_ms,
		.started_ms = m->assigned_ms,
		.ended_ms = m->ended_ms};
	size_t n = 0;

	out.state = show_state(box, i, &why);
	if (mp_module_ended(out.state))
		show_ending(box, i, out.state, &out, &why);
	if (m->attempt.counter != 0) {
		out.attempt_term = m->attempt.term;
		out.attempt_counter = m->attempt.counter;
	}
	show_result(box, m, &out, &finished);
	if (!mp_module_ended(out.state))
		show_waiting(env, m, &out, &why);
	show_unsure(box, i, &out, &why);
	while (m->entry != 0 && n < MP_HOLDERS_MAX &&
		mp_holders_next(&finished.holders, &holders[n]))
		n++;
	mp_show_module(w, &out, holders, n);
}

static void
append_name(struct mp_error *text, const char *before, const char *name, const char *after)
{
	struct mp_error said = *text;

	(void)mp_fail(text, MP_ENOQUORUM, "%.300s%s %s%s", said.text, before, name, after);
}

/* Who is missing, when nothing can be decided. */
static void
stalled_text(const struct mp_runs *runs, const struct mp_run_box *box, struct mp_error *text)
{
	const struct mp_electorate *who = &box->known->rec.now;
	size_t missing = 0;

	(void)mp_fail(text, MP_ENOQUORUM, "no majority of its electors");
	for (uint32_t i = 0; i < who->elector_count; i++) {
		const struct mp_member *m = mp_roster_find(runs->parts.roster, &who->electors[i]);
		bool self = mp_node_id_eq(&who->electors[i], &runs->self);
		bool lost = self && mp_raft_lost(box->raft);

		if (m == NULL || m->state != MP_MEMBER_ALIVE || m->refused || lost)
			append_name(text, missing++ == 0 ? "; missing:" : "",
				m != NULL ? m->name.s : "?", lost ? " (has lost its log)" : "");
	}
	if (missing > 0)
		return;
	/* They are there, and do not lead, nor follow. */
	for (uint32_t i = 0; i < who->elector_count; i++) {
		const struct mp_member *m = mp_roster_find(runs->parts.roster, &who->electors[i]);

		append_name(text, i == 0 ? ": they are there, and have lost its log:" : "",
			m->name.s, "");
	}
}

#define STALLED_MS 10000

static enum mp_run_state
run_state(const struct mp_runs *runs, const struct mp_env *env, const struct mp_run_box *box,
	struct mp_error *text)
{
	enum mp_run_state state = mp_run_state(&box->run);
	mp_time since = mp_raft_stalled_since(box->raft);
	uint32_t unsure = box->run.counts[MP_MODULE_MAYBE_RAN];

	if (mp_run_state_ended(state))
		return state;
	if (since != MP_TIME_NEVER && env->now_ms - since >= STALLED_MS) {
		stalled_text(runs, box, text);
		return MP_RUN_STALLED;
	}
	if (unsure > 0 && !box->run.cancelled)
		(void)mp_fail(text, MP_EBUSY,
			"%u module%s may have run: mpctl resolve says what became of %s", unsure,
			unsure == 1 ? "" : "s", unsure == 1 ? "it" : "them");
	if (box->run.cancelled)
		(void)mp_fail(text, MP_ECANCELED, "cancelled by %s", box->run.cancelled_by.s);
	return state;
}

int
mp_runs_snapshot(const struct mp_runs *runs, const struct mp_env *env, const struct mp_run_id *run,
	uint32_t from, uint32_t count, struct mp_buf *buf)
{
	const struct known *k = known_find(runs, run);
	const struct mp_run_box *box = k != NULL ? k->box : NULL;
	struct mp_error text = {0};
	struct mp_show show = {.from = from};
	struct mp_buf page;
	struct mp_cbor_w w;
	uint32_t n = 0;
	int rc;

	if (box == NULL || box->broken || box->loading)
		return MP_ENOENT;
	show.run = k->id;
	show.name = mp_span_str(k->rec.name);
	show.state = run_state(runs, env, box, &text);
	show.leader = show_node(runs, mp_raft_leader(box->raft));
	show.term = mp_raft_term(box->raft);
	show.elector_count = k->rec.now.elector_count;
	for (uint32_t i = 0; i < show.elector_count; i++)
		show.electors[i] = show_node(runs, &k->rec.now.electors[i]);
	show.submitted_ms = k->rec.submitted_ms;
	show.ended_ms = box->run.ended_ms;
	show.opener = show_node(runs, &k->rec.opener);
	show.copies = k->rec.copies;
	show.inputs = k->rec.inputs;
	show.text = mp_span_str(text.text);
	show_counts(box, show.states);
	show.cached = box->run.cached_count;
	show.module_count = box->graph->module_count;

	mp_buf_init(&page, runs->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &page);
	for (uint32_t i = from;
		i < show.module_count && n < count && w.rc == 0 && page.n < MP_SHOW_PAGE_BYTES;
		i++, n++)
		show_module(runs, env, box, i, &w);
	rc = w.rc;
	mp_cbor_w_init(&w, buf);
	mp_show_begin(&w, &show, n);
	mp_cbor_w_raw(&w, mp_buf_span(&page));
	mp_buf_fini(&page);
	return rc != 0 ? rc : w.rc;
}

static enum mp_run_state
ended_state(enum mp_run_outcome outcome)
{
	switch (outcome) {
	case MP_OUTCOME_SUCCEEDED:
		return MP_RUN_SUCCEEDED;
	case MP_OUTCOME_CANCELLED:
		return MP_RUN_CANCELLED;
	case MP_OUTCOME_FAILED:
		break;
	}
	return MP_RUN_FAILED;
}

#define LIST_MAX 10000u

int
mp_runs_list(const struct mp_runs *runs, const struct mp_env *env, struct mp_buf *buf)
{
	size_t n = runs->known_count < LIST_MAX ? runs->known_count : LIST_MAX;
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_show_list_begin(&w, n);
	for (const struct known *k = runs->known; k != NULL && n > 0; k = k->next, n--) {
		struct mp_error text;
		struct mp_show_run run = {.run = k->id,
			.name = mp_span_str(k->rec.name),
			.state = MP_RUN_RUNNING,
			.submitted_ms = k->rec.submitted_ms};

		if (k->ended) {
			run.state = ended_state(k->ending.outcome);
			run.ended_ms = k->ending.ended_ms;
			run.leader = show_node(runs, &k->ending.leader);
		} else if (k->box != NULL && !k->box->broken && !k->box->loading) {
			run.state = run_state(runs, env, k->box, &text);
			run.leader = show_node(runs, mp_raft_leader(k->box->raft));
		}
		mp_show_list_run(&w, &run);
	}
	return w.rc;
}
