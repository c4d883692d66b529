/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a run in words (codec/msg_show.h). */
#include "core/runs_int.h"

struct teller {
	const struct mp_runs *runs;
	const struct mp_run_box *box;
	struct mp_cbor_w w;
	size_t count;
	struct mp_show_event e; /* what all events of one entry share */
};

static const char *
lost_word(enum mp_lost_why why)
{
	static const char *const words[] = {
		[MP_LOST_BOOT] = "its node was started again",
		[MP_LOST_DISOWNED] = "its node does not know of it",
		[MP_LOST_REFUSED] = "its node is down, or refused it",
		[MP_LOST_SILENT] = "nothing was heard of its node for too long",
		[MP_LOST_LEFT] = "its node has left",
	};

	return (unsigned)why < mp_countof(words) && words[why] != NULL ? words[why] : "";
}

static const char *
status_word(enum mp_status status)
{
	static const char *const words[] = {
		[MP_STATUS_OK] = "succeeded",
		[MP_STATUS_FAILED] = "failed",
		[MP_STATUS_TIMED_OUT] = "timed_out",
		[MP_STATUS_CANCELLED] = "killed",
		[MP_STATUS_NO_OUTPUT] = "failed",
		[MP_STATUS_NOT_STARTED] = "failed",
		[MP_STATUS_CONFLICT] = "failed",
	};

	return (unsigned)status < mp_countof(words) ? words[status] : "ended";
}

/* One event; module UINT32_MAX: it is about the run. */
static void
tell(struct teller *t, const char *event, uint32_t module, const struct mp_node_id *node,
	struct mp_span text)
{
	struct mp_show_event e = t->e;

	e.event = mp_span_str(event);
	e.module = mp_span(NULL, 0);
	if (module < t->box->graph->module_count)
		e.module = mp_span_str(t->box->graph->modules[module].name);
	e.node = show_node(t->runs, node);
	e.text = text.p != NULL ? text : mp_span_str("");
	mp_show_events_one(&t->w, &e);
	t->count++;
}

static void
tell_run(struct teller *t, const char *event, const struct mp_node_id *node, struct mp_span text)
{
	tell(t, event, UINT32_MAX, node, text);
}

static void
tell_assigned(struct teller *t, struct mp_span body)
{
	struct mp_assigned a;
	struct mp_list list;

	if (mp_body_assigned_decode(body, &list) != 0)
		return;
	while (mp_assigned_next(&list, &a))
		tell(t, a.attempt.term == t->e.term ? "assigned" : "adopted", a.attempt.module,
			&a.worker, mp_span_str(""));
}

static void
tell_result(struct teller *t, const struct mp_raft_entry *entry)
{
	bool cached = entry->kind == MP_ENTRY_CACHED;
	struct mp_finished finished;
	struct mp_recalled recalled;
	struct mp_error text = {0};
	struct mp_result result;
	uint32_t module;

	if (mp_run_result(entry, &finished, &result) != 0)
		return;
	module = finished.attempt.module;
	if (cached && mp_body_cached_decode(entry->body, &recalled) == 0)
		module = recalled.module;
	if (cached)
		(void)mp_fail(&text, MP_EEXIST, "taken from an earlier run");
	else if (result.error.n > 0)
		(void)mp_fail(
			&text, MP_EIO, "%.*s", (int)result.error.n, (const char *)result.error.p);
	tell(t, cached ? "cached" : status_word(result.status), module, &result.node,
		mp_span_str(text.text));
}

static void
tell_once(struct teller *t, const struct mp_raft_entry *entry)
{
	static const char *const events[] = {
		[MP_ONCE_UNSTARTED] = "returned",
		[MP_ONCE_DONE] = "resolved",
		[MP_ONCE_RERUN] = "resolved",
	};
	struct mp_assigned begin;
	struct mp_once_end end;
	struct mp_error text = {0};

	if (entry->kind == MP_ENTRY_ONCE_BEGIN) {
		if (mp_body_once_begin_decode(entry->body, &begin) == 0)
			tell(t, "begun", begin.attempt.module, &begin.worker,
				mp_span_str("never again by itself"));
		return;
	}
	if (mp_body_once_end_decode(entry->body, &end) != 0)
		return;
	if (end.how == MP_ONCE_UNSTARTED)
		(void)mp_fail(&text, MP_ECANCELED, "its node did not start it");
	else
		(void)mp_fail(&text, MP_ECANCELED, "%s, said %.*s",
			end.how == MP_ONCE_DONE ? "it is done" : "it is to run again",
			(int)end.by.n, (const char *)end.by.p);
	tell(t, events[end.how], end.attempt.module, NULL, mp_span_str(text.text));
}

static void
tell_retry(struct teller *t, struct mp_span body)
{
	struct mp_error text = {0};
	struct mp_retry_at retry;
	mp_time wait;

	if (mp_body_retry_decode(body, &retry) != 0)
		return;
	wait = retry.not_before_ms - t->e.wall_ms;
	(void)mp_fail(&text, MP_EBUSY, "again in %lld.%llds",
		(long long)(wait > 0 ? wait / 1000 : 0),
		(long long)(wait > 0 ? wait % 1000 / 100 : 0));
	tell(t, "retry", retry.module, NULL, mp_span_str(text.text));
}

static void
tell_end(struct teller *t, struct mp_span body)
{
	static const char *const words[] = {
		[MP_OUTCOME_SUCCEEDED] = "succeeded",
		[MP_OUTCOME_FAILED] = "failed",
		[MP_OUTCOME_CANCELLED] = "cancelled",
	};
	enum mp_run_outcome outcome;

	if (mp_body_end_decode(body, &outcome) == 0)
		tell_run(t, "ended", NULL, mp_span_str(words[outcome]));
}

/* What an entry says that changes nothing (a result that came second, say) is told too. */
static void
tell_entry(struct teller *t, const struct mp_raft_entry *entry)
{
	struct mp_returned returned;
	struct mp_node_id leader;
	struct mp_span cert;
	struct mp_lost lost;
	struct mp_skip skip;
	struct mp_span by;

	t->e = (struct mp_show_event){
		.index = entry->index, .term = entry->term, .wall_ms = entry->wall_ms};
	if (entry->kind == MP_ENTRY_OPEN)
		tell_run(t, "opened", NULL, mp_span_str(""));
	else if (entry->kind == MP_ENTRY_TERM_START &&
		 mp_body_term_start_decode(entry->body, &leader, &cert) == 0)
		tell_run(t, "led", &leader, mp_span_str(""));
	else if (entry->kind == MP_ENTRY_RETURNED &&
		 mp_body_returned_decode(entry->body, &returned) == 0)
		tell_run(t, "elector back", &returned.elector,
			mp_span_str("it had lost what it had of the log"));
	else if (entry->kind == MP_ENTRY_ASSIGNED)
		tell_assigned(t, entry->body);
	else if (entry->kind == MP_ENTRY_LOST && mp_body_lost_decode(entry->body, &lost) == 0)
		tell(t, "lost", lost.attempt.module, NULL, mp_span_str(lost_word(lost.why)));
	else if (entry->kind == MP_ENTRY_FINISHED || entry->kind == MP_ENTRY_CACHED)
		tell_result(t, entry);
	else if (entry->kind == MP_ENTRY_ONCE_BEGIN || entry->kind == MP_ENTRY_ONCE_END)
		tell_once(t, entry);
	else if (entry->kind == MP_ENTRY_RETRY)
		tell_retry(t, entry->body);
	else if (entry->kind == MP_ENTRY_CANCEL && mp_body_cancel_decode(entry->body, &by) == 0)
		tell_run(t, "cancelled", NULL, by);
	else if (entry->kind == MP_ENTRY_SKIP && mp_body_skip_decode(entry->body, &skip) == 0)
		tell(t, skip.what == MP_SKIP_FAILED ? "failed" : "skipped", skip.module, NULL,
			skip.text);
	else if (entry->kind == MP_ENTRY_END)
		tell_end(t, entry->body);
	else
		tell_run(t, "other", NULL, mp_span_str("of a newer version"));
}

int
mp_runs_events(
	const struct mp_runs *runs, const struct mp_run_id *run, uint64_t from, struct mp_buf *buf)
{
	const struct known *k = known_find(runs, run);
	struct teller t = {.runs = runs, .box = k != NULL ? k->box : NULL};
	uint64_t i = from > 0 ? from : 1;
	struct mp_raft_entry entry;
	struct mp_buf page;
	struct mp_cbor_w w;

	if (t.box == NULL || t.box->broken || t.box->loading)
		return MP_ENOENT;
	mp_buf_init(&page, runs->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&t.w, &page);
	for (; i <= t.box->cursor && t.w.rc == 0 && page.n < MP_SHOW_PAGE_BYTES &&
		mp_raft_entry_at(t.box->raft, i, &entry);
		i++)
		tell_entry(&t, &entry);
	mp_cbor_w_init(&w, buf);
	mp_show_events_begin(&w, i <= t.box->cursor ? i : 0, t.count);
	mp_cbor_w_raw(&w, mp_buf_span(&page));
	mp_buf_fini(&page);
	return t.w.rc != 0 ? t.w.rc : w.rc;
}
