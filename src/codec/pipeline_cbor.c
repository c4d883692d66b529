/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline as deterministic CBOR: contrib/meshpipe.cddl. What has its default is left out. */
#include "codec/cbor.h"
#include "codec/pipeline_read.h"
#include "mp/limits.h"

/* ---- writing; the keys of each map stand in the order of RFC 8949 section 4.2.1 ---- */

static void
w_texts(struct mp_cbor_w *w, const char *key, const struct mp_texts *list)
{
	mp_cbor_w_text(w, key);
	mp_cbor_w_array(w, list->n);
	for (uint32_t i = 0; i < list->n; i++)
		mp_cbor_w_text(w, list->v[i].s);
}

static void
w_map(struct mp_cbor_w *w, const struct mp_bindings *list)
{
	mp_cbor_w_map(w, list->n);
	for (uint32_t i = 0; i < list->n; i++) {
		mp_cbor_w_text(w, list->v[i].name.s);
		mp_cbor_w_text(w, list->v[i].value.s);
	}
}

static void
w_bindings(struct mp_cbor_w *w, const char *key, const struct mp_bindings *list)
{
	mp_cbor_w_text(w, key);
	w_map(w, list);
}

static void
w_uint(struct mp_cbor_w *w, const char *key, uint64_t v)
{
	mp_cbor_w_text(w, key);
	mp_cbor_w_uint(w, v);
}

static void
w_text(struct mp_cbor_w *w, const char *key, const char *s)
{
	mp_cbor_w_text(w, key);
	mp_cbor_w_text(w, s);
}

static bool
retry_on_default(const struct mp_retry *r)
{
	return r->on_exit && r->on_signal && r->on_timeout;
}

static uint64_t
max_backoff_default(const struct mp_retry *r)
{
	return r->backoff_ms > MP_RETRY_MAX_BACKOFF_MS_DEFAULT ? r->backoff_ms
							       : MP_RETRY_MAX_BACKOFF_MS_DEFAULT;
}

static void
w_retry(struct mp_cbor_w *w, const struct mp_retry *r)
{
	bool on = !retry_on_default(r);
	bool backoff = r->backoff_ms != MP_RETRY_BACKOFF_MS_DEFAULT;
	bool max_backoff = r->max_backoff_ms != max_backoff_default(r);

	mp_cbor_w_text(w, "retry");
	mp_cbor_w_map(w, (size_t)1 + on + backoff + max_backoff);
	if (on) {
		mp_cbor_w_text(w, "on");
		mp_cbor_w_array(
			w, r->exit_count + (size_t)r->on_exit + r->on_signal + r->on_timeout);
		for (uint32_t i = 0; i < r->exit_count; i++)
			mp_cbor_w_uint(w, r->exits[i]);
		if (r->on_exit)
			mp_cbor_w_text(w, "exit");
		if (r->on_signal)
			mp_cbor_w_text(w, "signal");
		if (r->on_timeout)
			mp_cbor_w_text(w, "timeout");
	}
	if (backoff)
		w_uint(w, "backoff", r->backoff_ms);
	w_uint(w, "attempts", r->attempts);
	if (max_backoff)
		w_uint(w, "max_backoff", r->max_backoff_ms);
}

static void
w_matrix(struct mp_cbor_w *w, const struct mp_matrix *matrix)
{
	mp_cbor_w_text(w, "matrix");
	mp_cbor_w_map(w, matrix->exclude_count > 0 ? 2 : 1);
	mp_cbor_w_text(w, "axes");
	mp_cbor_w_array(w, matrix->axis_count);
	for (uint32_t i = 0; i < matrix->axis_count; i++) {
		mp_cbor_w_array(w, 2);
		w_texts(w, matrix->axes[i].name.s, &matrix->axes[i].values);
	}
	if (matrix->exclude_count == 0)
		return;
	mp_cbor_w_text(w, "exclude");
	mp_cbor_w_array(w, matrix->exclude_count);
	for (uint32_t i = 0; i < matrix->exclude_count; i++)
		w_map(w, &matrix->excludes[i].match);
}

static size_t
requires_count(const struct mp_requires *q)
{
	if (q == NULL)
		return 0;
	return (size_t)(q->os.s != NULL) + (q->arch.s != NULL) + (q->tags.n > 0) + (q->tools.n > 0);
}

static void
w_requires(struct mp_cbor_w *w, const struct mp_requires *q)
{
	mp_cbor_w_text(w, "requires");
	mp_cbor_w_map(w, requires_count(q));
	if (q->os.s != NULL)
		w_text(w, "os", q->os.s);
	if (q->arch.s != NULL)
		w_text(w, "arch", q->arch.s);
	if (q->tags.n > 0)
		w_texts(w, "tags", &q->tags);
	if (q->tools.n > 0)
		w_texts(w, "tools", &q->tools);
}

static void
w_demands(struct mp_cbor_w *w, const struct mp_demands *d)
{
	mp_cbor_w_text(w, "resources");
	mp_cbor_w_map(w, d->n);
	for (uint32_t i = 0; i < d->n; i++)
		w_uint(w, d->v[i].name, d->v[i].count);
}

static void
w_needs(struct mp_cbor_w *w, const struct mp_pipeline_module *m)
{
	mp_cbor_w_text(w, "needs");
	mp_cbor_w_array(w, m->need_count);
	for (uint32_t i = 0; i < m->need_count; i++)
		mp_cbor_w_text(w, m->needs[i].text.s);
}

static size_t
module_keys(const struct mp_pipeline_module *m)
{
	return (size_t)1 + (m->env.n > 0) + m->once + (m->cache != mp_module_caches(m)) +
	       (m->grace_ms != MP_GRACE_MS_DEFAULT) + (m->need_count > 0) +
	       (m->retry.attempts > 1) + m->inputs.set + (m->matrix != NULL) + (m->outputs.n > 0) +
	       (m->timeout_ms > 0) + (requires_count(m->requires) > 0) + (m->resources.n > 0) +
	       (m->placement_timeout_ms > 0) + (m->secrets.n > 0);
}

static void
w_module(struct mp_cbor_w *w, const struct mp_pipeline_module *m)
{
	mp_cbor_w_map(w, module_keys(m));
	if (m->env.n > 0)
		w_bindings(w, "env", &m->env);
	if (m->shell.s != NULL)
		w_text(w, "run", m->shell.s);
	else
		w_texts(w, "run", &m->argv);
	if (m->once) {
		mp_cbor_w_text(w, "once");
		mp_cbor_w_bool(w, true);
	}
	if (m->cache != mp_module_caches(m)) {
		mp_cbor_w_text(w, "cache");
		mp_cbor_w_bool(w, m->cache);
	}
	if (m->grace_ms != MP_GRACE_MS_DEFAULT)
		w_uint(w, "grace", m->grace_ms);
	if (m->need_count > 0)
		w_needs(w, m);
	if (m->retry.attempts > 1)
		w_retry(w, &m->retry);
	if (m->inputs.set)
		w_texts(w, "inputs", &m->inputs);
	if (m->matrix != NULL)
		w_matrix(w, m->matrix);
	if (m->outputs.n > 0)
		w_texts(w, "outputs", &m->outputs);
	if (m->secrets.n > 0)
		w_texts(w, "secrets", &m->secrets);
	if (m->timeout_ms > 0)
		w_uint(w, "timeout", m->timeout_ms);
	if (requires_count(m->requires) > 0)
		w_requires(w, m->requires);
	if (m->resources.n > 0)
		w_demands(w, &m->resources);
	if (m->placement_timeout_ms > 0)
		w_uint(w, "placement_timeout", m->placement_timeout_ms);
}

int
mp_pipeline_encode(const struct mp_pipeline *p, struct mp_buf *out)
{
	size_t before = out->n;
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, out);
	mp_cbor_w_map(&w, (size_t)3 + (p->env.n > 0) + (p->copies != MP_COPIES_DEFAULT) +
				  (p->inputs.n > 0) + (p->params.n > 0) +
				  (p->electors != MP_ELECTORS_DEFAULT) + p->survivor +
				  (p->secrets.n > 0));
	if (p->env.n > 0)
		w_bindings(&w, "env", &p->env);
	w_text(&w, "name", p->name.s);
	if (p->copies != MP_COPIES_DEFAULT)
		w_uint(&w, "copies", p->copies);
	if (p->inputs.n > 0)
		w_texts(&w, "inputs", &p->inputs);
	if (p->params.n > 0)
		w_bindings(&w, "params", &p->params);
	mp_cbor_w_text(&w, "modules");
	mp_cbor_w_array(&w, p->module_count);
	for (uint32_t i = 0; i < p->module_count && w.rc == 0; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text(&w, p->modules[i].name.s);
		w_module(&w, &p->modules[i]);
	}
	if (p->secrets.n > 0)
		w_texts(&w, "secrets", &p->secrets);
	if (p->electors != MP_ELECTORS_DEFAULT)
		w_uint(&w, "electors", p->electors);
	if (p->survivor)
		w_text(&w, "failover", "survivor");
	w_uint(&w, "meshpipe", 1);
	if (w.rc != 0)
		out->n = before;
	return w.rc;
}

/* ---- reading ---- */

struct source {
	struct mp_cbor_r r;
	struct mp_arena arena; /* of the values of one key or module */
	struct mp_pipeline_reader *reader;
	size_t left; /* values still allowed under this key */
	int rc;      /* what the decoder does not know: MP_ENOMEM */
};

static struct mp_pos
source_pos(const struct source *s)
{
	return (struct mp_pos){.line = 0, .column = (uint32_t)mp_cbor_r_offset(&s->r) + 1};
}

static struct mp_value *
source_take(struct source *s)
{
	struct mp_value *v = NULL;

	if (s->left == 0) {
		if (s->r.rc == 0)
			s->r.rc = MP_ELIMIT;
		return NULL;
	}
	s->left--;
	v = mp_arena_take(&s->arena, sizeof(*v));
	if (v == NULL)
		s->rc = MP_ENOMEM;
	else
		v->pos = source_pos(s);
	return v;
}

static struct mp_value *source_value(struct source *s, unsigned depth);

static void
source_text(struct source *s, struct mp_value *v)
{
	struct mp_span text = mp_cbor_r_text(&s->r, MP_PIPELINE_CBOR_MAX);

	v->kind = MP_VALUE_TEXT;
	if (s->r.rc == 0 && text.n > 0 && memchr(text.p, 0, text.n) != NULL)
		s->r.rc = MP_EFORMAT;
	v->s = mp_arena_text(&s->arena, (const char *)text.p, text.n);
	if (v->s == NULL)
		s->rc = MP_ENOMEM;
}

static void
source_members(struct source *s, struct mp_value *v, size_t n, unsigned depth)
{
	struct mp_value **at = &v->first;

	for (size_t i = 0; i < n && s->r.rc == 0 && s->rc == 0; i++) {
		if (v->kind == MP_VALUE_MAP && i % 2 == 0 &&
			mp_cbor_r_peek(&s->r) != MP_CBOR_TEXT) {
			s->r.rc = MP_EFORMAT;
			return;
		}
		*at = source_value(s, depth);
		if (*at != NULL)
			at = &(*at)->next;
	}
}

/* One item with all it holds; NULL, or a part of it, once s->rc or s->r.rc is set. */
static struct mp_value *
source_value(struct source *s, unsigned depth)
{
	struct mp_value *v = source_take(s);

	if (v == NULL)
		return NULL;
	if (depth == MP_DEPTH_MAX) {
		s->r.rc = MP_ELIMIT;
		return v;
	}
	switch (mp_cbor_r_peek(&s->r)) {
	case MP_CBOR_UINT:
		v->kind = MP_VALUE_UINT;
		v->u = mp_cbor_r_uint(&s->r, UINT64_MAX);
		break;
	case MP_CBOR_BOOL:
		v->kind = MP_VALUE_BOOL;
		v->u = mp_cbor_r_bool(&s->r);
		break;
	case MP_CBOR_TEXT:
		source_text(s, v);
		break;
	case MP_CBOR_ARRAY:
		v->kind = MP_VALUE_LIST;
		v->count = mp_cbor_r_array(&s->r, SIZE_MAX / 2);
		source_members(s, v, v->count, depth + 1);
		break;
	case MP_CBOR_MAP:
		v->kind = MP_VALUE_MAP;
		v->count = mp_cbor_r_map(&s->r, SIZE_MAX / 2);
		source_members(s, v, v->count * 2, depth + 1);
		break;
	case MP_CBOR_END:
		s->r.rc = s->r.rc != 0 ? s->r.rc : MP_ETRUNC;
		break;
	case MP_CBOR_NEGINT:
	case MP_CBOR_BYTES:
	case MP_CBOR_NULL:
	case MP_CBOR_OTHER:
		s->r.rc = MP_EFORMAT;
		break;
	}
	return v;
}

static struct mp_value *
source_next(struct source *s, unsigned depth)
{
	struct mp_value *v = source_value(s, depth);

	return s->rc == 0 && s->r.rc == 0 ? v : NULL;
}

static void
source_start(struct source *s)
{
	mp_arena_reset(&s->arena);
	s->left = MP_PIPELINE_VALUES_MAX;
}

/* An array of [name, module], so that the order of the file is kept. */
static void
source_modules(struct source *s)
{
	size_t n = mp_cbor_r_array(&s->r, MP_MODULES_MAX);

	for (size_t i = 0; i < n && s->r.rc == 0 && s->rc == 0; i++) {
		const struct mp_value *name;
		const struct mp_value *value;

		source_start(s);
		mp_cbor_r_array_exact(&s->r, 2);
		if (mp_cbor_r_peek(&s->r) != MP_CBOR_TEXT && s->r.rc == 0)
			s->r.rc = MP_EFORMAT;
		name = source_next(s, 3);
		value = name == NULL ? NULL : source_next(s, 3);
		if (value != NULL)
			mp_pipeline_reader_module(s->reader, name, value);
	}
}

static void
source_read(struct source *s)
{
	size_t n = mp_cbor_r_map(&s->r, MP_READ_FIELDS_MAX);

	for (size_t i = 0; i < n && s->r.rc == 0 && s->rc == 0; i++) {
		const struct mp_value *key;
		const struct mp_value *value = NULL;

		source_start(s);
		if (mp_cbor_r_peek(&s->r) != MP_CBOR_TEXT && s->r.rc == 0)
			s->r.rc = MP_EFORMAT;
		key = source_next(s, 1);
		if (key == NULL)
			return;
		if (strcmp(key->s, "modules") == 0 && mp_cbor_r_peek(&s->r) == MP_CBOR_ARRAY) {
			mp_pipeline_reader_key(s->reader, key, NULL);
			source_modules(s);
			continue;
		}
		value = source_next(s, 1);
		if (value != NULL)
			mp_pipeline_reader_key(s->reader, key, value);
	}
	if (s->r.rc == 0 && s->rc == 0)
		s->r.rc = mp_cbor_r_end(&s->r);
}

/* The bytes must be those that we would write. */
static int
check_canonical(struct mp_pipeline_reader *reader, const struct mp_pipeline *p, struct mp_span cbor)
{
	struct mp_pos pos = {.line = 0, .column = 1};
	struct mp_buf again;
	int rc;

	mp_buf_init(&again, reader->names.alloc, MP_PIPELINE_CBOR_MAX);
	rc = mp_pipeline_encode(p, &again);
	if (rc == MP_ELIMIT || (rc == 0 && !mp_span_eq(mp_buf_span(&again), cbor))) {
		while (pos.column <= mp_min_size(again.n, cbor.n) &&
			again.p[pos.column - 1] == cbor.p[pos.column - 1])
			pos.column++;
		mp_pipeline_reader_fail(
			reader, pos, "not in the deterministic form that mpctl compile writes");
		rc = MP_EPIPELINE;
	}
	mp_buf_fini(&again);
	return rc;
}

static int
decode(struct source *s, struct mp_span cbor, struct mp_pipeline **out)
{
	struct mp_pipeline *p = NULL;
	int rc;

	if (cbor.n > MP_PIPELINE_CBOR_MAX) {
		mp_pipeline_reader_fail(s->reader, (struct mp_pos){0, 0},
			"the pipeline has more than %u bytes in CBOR", MP_PIPELINE_CBOR_MAX);
		return MP_EPIPELINE;
	}
	source_read(s);
	if (s->rc != 0)
		return s->rc;
	if (s->r.rc != 0) {
		mp_pipeline_reader_fail(s->reader, source_pos(s), "not a pipeline in CBOR: %s",
			mp_strerror(s->r.rc));
		return MP_EPIPELINE;
	}
	rc = mp_pipeline_reader_end(s->reader, (struct mp_pos){0, 1}, NULL, &p);
	if (rc == 0)
		rc = check_canonical(s->reader, p, cbor);
	if (rc == 0)
		*out = p;
	else
		mp_pipeline_free(p);
	return rc;
}

int
mp_pipeline_decode(struct mp_span cbor, const struct mp_alloc *alloc, struct mp_pipeline **out,
	struct mp_diags *diags)
{
	struct mp_pipeline_reader reader;
	struct source s = {.reader = &reader};
	int rc = mp_pipeline_reader_init(&reader, alloc, diags, true);

	if (rc == 0) {
		mp_cbor_r_init(&s.r, cbor);
		mp_arena_init(&s.arena, alloc, SIZE_MAX);
		rc = decode(&s, cbor, out);
		mp_arena_fini(&s.arena);
	}
	mp_pipeline_reader_fini(&reader);
	return rc;
}
