/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_show.h"

#define SHOW_VERSION 1
#define SHOW_ITEMS   18
#define MODULE_ITEMS 18
#define LIST_MAX     (2 * MP_RUNS_MAX)

const char *
mp_run_state_word(enum mp_run_state state)
{
	static const char *const words[] = {
#define X(name, word) word,
		MP_RUN_STATES(X)
#undef X
	};

	return (size_t)state < mp_countof(words) ? words[state] : "unknown";
}

const char *
mp_module_state_word(enum mp_module_state state)
{
	static const char *const words[] = {
#define X(name, word) word,
		MP_MODULE_STATES(X)
#undef X
	};

	return (size_t)state < mp_countof(words) ? words[state] : "unknown";
}

/* ---- pieces ---- */

static void
text_write(struct mp_cbor_w *w, struct mp_span s)
{
	mp_cbor_w_text_n(w, (const char *)s.p, s.n);
}

static void
node_write(struct mp_cbor_w *w, const struct mp_show_node *node)
{
	if (node->name.p == NULL) {
		mp_cbor_w_null(w);
		return;
	}
	mp_cbor_w_array(w, 2);
	mp_cbor_w_bytes(w, node->id.b, sizeof(node->id.b));
	text_write(w, node->name);
}

static void
node_read(struct mp_cbor_r *r, struct mp_show_node *out, bool required)
{
	*out = (struct mp_show_node){0};
	if (!required && mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return;
	}
	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, out->id.b, sizeof(out->id.b));
	out->name = mp_cbor_r_text(r, MP_NAME_MAX);
}

static void
time_write(struct mp_cbor_w *w, mp_time t)
{
	if (t <= 0)
		mp_cbor_w_null(w);
	else
		mp_cbor_w_uint(w, (uint64_t)t);
}

static mp_time
time_read(struct mp_cbor_r *r)
{
	mp_time t;

	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return 0;
	}
	t = (mp_time)mp_cbor_r_uint(r, INT64_MAX);
	if (t == 0 && r->rc == 0)
		r->rc = MP_EFORMAT;
	return t;
}

static void
hash_write(struct mp_cbor_w *w, const struct mp_hash *h)
{
	if (mp_hash_is_zero(h))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, h->b, sizeof(h->b));
}

static bool
null_read(struct mp_cbor_r *r)
{
	if (mp_cbor_r_peek(r) != MP_CBOR_NULL)
		return false;
	mp_cbor_r_null(r);
	return true;
}

/* A hash that is there is not zero, for zero stands for none. */
static void
hash_read_there(struct mp_cbor_r *r, struct mp_hash *out)
{
	mp_cbor_r_fixed(r, out->b, sizeof(out->b));
	if (mp_hash_is_zero(out) && r->rc == 0)
		r->rc = MP_EFORMAT;
}

static void
hash_read(struct mp_cbor_r *r, struct mp_hash *out)
{
	*out = (struct mp_hash){{0}};
	if (!null_read(r))
		hash_read_there(r, out);
}

static void
log_write(struct mp_cbor_w *w, const struct mp_show_log *log)
{
	if (mp_hash_is_zero(&log->blob)) {
		mp_cbor_w_null(w);
		return;
	}
	mp_cbor_w_array(w, 3);
	mp_cbor_w_bytes(w, log->blob.b, sizeof(log->blob.b));
	mp_cbor_w_uint(w, log->size);
	mp_cbor_w_bool(w, log->cut);
}

static void
log_read(struct mp_cbor_r *r, struct mp_show_log *out)
{
	*out = (struct mp_show_log){{{0}}, 0, false};
	if (null_read(r))
		return;
	mp_cbor_r_array_exact(r, 3);
	hash_read_there(r, &out->blob);
	out->size = mp_cbor_r_uint(r, INT64_MAX);
	out->cut = mp_cbor_r_bool(r);
}

/* ---- one module ---- */

void
mp_show_module(struct mp_cbor_w *w, const struct mp_show_module *m,
	const struct mp_node_id *holders, size_t n)
{
	mp_cbor_w_array(w, MODULE_ITEMS);
	text_write(w, m->name);
	mp_cbor_w_uint(w, (uint64_t)m->state);
	node_write(w, &m->node);
	mp_cbor_w_uint(w, m->attempts);
	mp_cbor_w_uint(w, m->lost);
	mp_cbor_w_bool(w, m->cached);
	if (m->has_exit)
		mp_cbor_w_int(w, m->exit_code);
	else
		mp_cbor_w_null(w);
	mp_cbor_w_int(w, m->signal);
	time_write(w, m->queued_ms);
	time_write(w, m->started_ms);
	time_write(w, m->ended_ms);
	if (mp_hash_is_zero(&m->manifest)) {
		mp_cbor_w_null(w);
	} else {
		mp_cbor_w_array(w, 3);
		mp_cbor_w_bytes(w, m->manifest.b, sizeof(m->manifest.b));
		mp_cbor_w_uint(w, m->output_files);
		mp_cbor_w_uint(w, m->output_bytes);
	}
	mp_holders_write(w, holders, n);
	log_write(w, &m->out);
	log_write(w, &m->err);
	hash_write(w, &m->value);
	text_write(w, m->text);
	if (m->attempt_term == 0) {
		mp_cbor_w_null(w);
	} else {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_uint(w, m->attempt_term);
		mp_cbor_w_uint(w, m->attempt_counter);
	}
}

static int32_t
int32_read(struct mp_cbor_r *r)
{
	int64_t v = mp_cbor_r_int(r);

	if ((v < INT32_MIN || v > INT32_MAX) && r->rc == 0)
		r->rc = MP_ELIMIT;
	return (int32_t)v;
}

static void
module_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_show_module *m = scratch;

	*m = (struct mp_show_module){0};
	mp_cbor_r_array_exact(r, MODULE_ITEMS);
	m->name = mp_cbor_r_text(r, MP_NAME_MAX);
	m->state = (enum mp_module_state)mp_cbor_r_uint(r, MP_MODULE_STATE_COUNT - 1);
	node_read(r, &m->node, false);
	m->attempts = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	m->lost = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	m->cached = mp_cbor_r_bool(r);
	m->has_exit = !null_read(r);
	if (m->has_exit)
		m->exit_code = int32_read(r);
	m->signal = int32_read(r);
	m->queued_ms = time_read(r);
	m->started_ms = time_read(r);
	m->ended_ms = time_read(r);
	if (!null_read(r)) {
		mp_cbor_r_array_exact(r, 3);
		hash_read_there(r, &m->manifest);
		m->output_files = mp_cbor_r_uint(r, INT64_MAX);
		m->output_bytes = mp_cbor_r_uint(r, INT64_MAX);
	}
	mp_holders_read(r, &m->holders);
	log_read(r, &m->out);
	log_read(r, &m->err);
	hash_read(r, &m->value);
	m->text = mp_cbor_r_text(r, MP_ERROR_TEXT_MAX);
	if (!null_read(r)) {
		mp_cbor_r_array_exact(r, 2);
		m->attempt_term = mp_cbor_r_uint(r, UINT64_MAX);
		m->attempt_counter = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		if (m->attempt_term == 0 && r->rc == 0)
			r->rc = MP_EFORMAT;
	}
}

bool
mp_show_module_next(struct mp_list *list, struct mp_show_module *out)
{
	if (list->left == 0)
		return false;
	list->left--;
	module_element(&list->r, out);
	return list->r.rc == 0;
}

/* ---- a run ---- */

void
mp_show_begin(struct mp_cbor_w *w, const struct mp_show *s, size_t modules)
{
	mp_cbor_w_array(w, SHOW_ITEMS);
	mp_cbor_w_uint(w, SHOW_VERSION);
	mp_cbor_w_bytes(w, s->run.b, sizeof(s->run.b));
	text_write(w, s->name);
	mp_cbor_w_uint(w, (uint64_t)s->state);
	node_write(w, &s->leader);
	mp_cbor_w_uint(w, s->term);
	mp_cbor_w_array(w, s->elector_count);
	for (uint32_t i = 0; i < s->elector_count; i++)
		node_write(w, &s->electors[i]);
	time_write(w, s->submitted_ms);
	time_write(w, s->ended_ms);
	node_write(w, &s->opener);
	mp_cbor_w_uint(w, s->copies);
	hash_write(w, &s->inputs);
	text_write(w, s->text);
	mp_cbor_w_array(w, MP_MODULE_STATE_COUNT);
	for (size_t i = 0; i < MP_MODULE_STATE_COUNT; i++)
		mp_cbor_w_uint(w, s->states[i]);
	mp_cbor_w_uint(w, s->cached);
	mp_cbor_w_uint(w, s->module_count);
	mp_cbor_w_uint(w, s->from);
	mp_cbor_w_array(w, modules);
}

int
mp_show_decode(struct mp_span bytes, struct mp_show *out)
{
	struct mp_show_module scratch;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, SHOW_ITEMS);
	if (mp_cbor_r_uint(&r, UINT32_MAX) != SHOW_VERSION && r.rc == 0)
		r.rc = MP_EVERSION;
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->name = mp_cbor_r_text(&r, MP_NAME_MAX);
	out->state = (enum mp_run_state)mp_cbor_r_uint(&r, MP_RUN_STATE_COUNT - 1);
	node_read(&r, &out->leader, false);
	out->term = mp_cbor_r_uint(&r, INT64_MAX);
	out->elector_count = (uint32_t)mp_cbor_r_array(&r, MP_ELECTORS_MAX);
	for (uint32_t i = 0; i < out->elector_count; i++)
		node_read(&r, &out->electors[i], true);
	out->submitted_ms = time_read(&r);
	out->ended_ms = time_read(&r);
	node_read(&r, &out->opener, true);
	out->copies = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	hash_read(&r, &out->inputs);
	out->text = mp_cbor_r_text(&r, MP_ERROR_TEXT_MAX);
	mp_cbor_r_array_exact(&r, MP_MODULE_STATE_COUNT);
	for (size_t i = 0; i < MP_MODULE_STATE_COUNT; i++)
		out->states[i] = (uint32_t)mp_cbor_r_uint(&r, MP_MODULES_MAX);
	out->cached = (uint32_t)mp_cbor_r_uint(&r, MP_MODULES_MAX);
	out->module_count = (uint32_t)mp_cbor_r_uint(&r, MP_MODULES_MAX);
	out->from = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	mp_list_read(&r, MP_MODULES_MAX, &out->modules, module_element, &scratch);
	return mp_cbor_r_end(&r);
}

/* ---- the list ---- */

void
mp_show_list_begin(struct mp_cbor_w *w, size_t runs)
{
	mp_cbor_w_array(w, runs);
}

void
mp_show_list_run(struct mp_cbor_w *w, const struct mp_show_run *run)
{
	mp_cbor_w_array(w, 6);
	mp_cbor_w_bytes(w, run->run.b, sizeof(run->run.b));
	text_write(w, run->name);
	mp_cbor_w_uint(w, (uint64_t)run->state);
	node_write(w, &run->leader);
	time_write(w, run->submitted_ms);
	time_write(w, run->ended_ms);
}

static void
run_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_show_run *run = scratch;

	mp_cbor_r_array_exact(r, 6);
	mp_cbor_r_fixed(r, run->run.b, sizeof(run->run.b));
	run->name = mp_cbor_r_text(r, MP_NAME_MAX);
	run->state = (enum mp_run_state)mp_cbor_r_uint(r, MP_RUN_STATE_COUNT - 1);
	node_read(r, &run->leader, false);
	run->submitted_ms = time_read(r);
	run->ended_ms = time_read(r);
}

int
mp_show_list_decode(struct mp_span bytes, struct mp_list *out)
{
	struct mp_show_run scratch;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	mp_list_read(&r, LIST_MAX, out, run_element, &scratch);
	return mp_cbor_r_end(&r);
}

bool
mp_show_list_next(struct mp_list *list, struct mp_show_run *out)
{
	if (list->left == 0)
		return false;
	list->left--;
	run_element(&list->r, out);
	return list->r.rc == 0;
}

/* ---- events ---- */

#define EVENTS_MAX 1000000

void
mp_show_events_begin(struct mp_cbor_w *w, uint64_t next, size_t events)
{
	mp_cbor_w_array(w, 2);
	mp_cbor_w_uint(w, next);
	mp_cbor_w_array(w, events);
}

void
mp_show_events_one(struct mp_cbor_w *w, const struct mp_show_event *e)
{
	mp_cbor_w_array(w, 7);
	mp_cbor_w_uint(w, e->index);
	mp_cbor_w_uint(w, e->term);
	time_write(w, e->wall_ms);
	text_write(w, e->event);
	if (e->module.p == NULL)
		mp_cbor_w_null(w);
	else
		text_write(w, e->module);
	node_write(w, &e->node);
	text_write(w, e->text);
}

static void
event_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_show_event *e = scratch;

	mp_cbor_r_array_exact(r, 7);
	e->index = mp_cbor_r_uint(r, INT64_MAX);
	e->term = mp_cbor_r_uint(r, INT64_MAX);
	e->wall_ms = time_read(r);
	e->event = mp_cbor_r_text(r, MP_NAME_MAX);
	e->module = mp_span(NULL, 0);
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL)
		mp_cbor_r_null(r);
	else
		e->module = mp_cbor_r_text(r, MP_NAME_MAX);
	node_read(r, &e->node, false);
	e->text = mp_cbor_r_text(r, MP_RESULT_ERROR_MAX);
}

int
mp_show_events_decode(struct mp_span bytes, uint64_t *next, struct mp_list *out)
{
	struct mp_show_event scratch;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 2);
	*next = mp_cbor_r_uint(&r, INT64_MAX);
	mp_list_read(&r, EVENTS_MAX, out, event_element, &scratch);
	return mp_cbor_r_end(&r);
}

bool
mp_show_events_next(struct mp_list *list, struct mp_show_event *out)
{
	if (list->left == 0)
		return false;
	list->left--;
	event_element(&list->r, out);
	return list->r.rc == 0;
}
