/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pipeline_read.h"

#include "codec/pipeline_text.h"
#include "mp/limits.h"
#include "util/near.h"
#include "util/utf8.h"

/* How often a misspelt name is compared with a known one, over one file. */
#define SUGGESTIONS_MAX 200000

void
mp_pipeline_reader_fail(struct mp_pipeline_reader *r, struct mp_pos pos, const char *fmt, ...)
{
	va_list ap;

	r->failed = true;
	va_start(ap, fmt);
	mp_diags_vadd(r->diags, pos, fmt, ap);
	va_end(ap);
}

int
mp_pipeline_reader_init(struct mp_pipeline_reader *r, const struct mp_alloc *alloc,
	struct mp_diags *diags, bool cbor)
{
	*r = (struct mp_pipeline_reader){.diags = diags, .cbor = cbor};
	r->suggestions = SUGGESTIONS_MAX;
	mp_names_init(&r->names, alloc);
	r->box = mp_realloc(alloc, NULL, 0, sizeof(*r->box));
	if (r->box == NULL)
		return MP_ENOMEM;
	*r->box = (struct mp_pipeline_box){.alloc = alloc};
	mp_arena_init(&r->box->arena, alloc, SIZE_MAX);
	r->box->p.electors = MP_ELECTORS_DEFAULT;
	r->box->p.copies = MP_COPIES_DEFAULT;
	return 0;
}

void
mp_pipeline_reader_fini(struct mp_pipeline_reader *r)
{
	mp_dealloc(r->names.alloc, r->drafts, r->draft_cap * sizeof(*r->drafts));
	mp_names_fini(&r->names);
	if (r->box != NULL)
		mp_pipeline_free(&r->box->p);
	r->box = NULL;
	r->drafts = NULL;
}

void
mp_pipeline_free(struct mp_pipeline *p)
{
	struct mp_pipeline_box *box;

	if (p == NULL)
		return;
	box = mp_container_of(p, struct mp_pipeline_box, p);
	mp_dealloc(box->alloc, p->modules, p->module_count * sizeof(*p->modules));
	mp_arena_fini(&box->arena);
	mp_dealloc(box->alloc, box, sizeof(*box));
}

static void
unknown_key(struct mp_pipeline_reader *r, const struct mp_value *key, const struct mp_field *fields,
	size_t n)
{
	struct mp_near near;

	mp_near_init(&near, key->s);
	for (size_t i = 0; i < n; i++)
		mp_near_offer(&near, fields[i].name);
	if (near.best != NULL)
		mp_pipeline_reader_fail(
			r, key->pos, "unknown key '%.60s': did you mean '%s'?", key->s, near.best);
	else
		mp_pipeline_reader_fail(r, key->pos, "unknown key '%.60s'", key->s);
}

static void
read_field(struct mp_pipeline_reader *r, const struct mp_value *key, const struct mp_value *value,
	const struct mp_field *fields, size_t n, struct mp_pos *seen, void *into)
{
	size_t i = 0;

	if (key->kind == MP_VALUE_BAD)
		return;
	while (i < n && strcmp(fields[i].name, key->s) != 0)
		i++;
	if (i == n) {
		unknown_key(r, key, fields, n);
		return;
	}
	if (seen[i].line != 0 || seen[i].column != 0) {
		mp_read_twice(r, key->pos, key->s, seen[i]);
		return;
	}
	seen[i] = key->pos;
	if (fields[i].read == NULL)
		mp_pipeline_reader_fail(
			r, key->pos, "'%s' is not implemented in this version", key->s);
	else if (value != NULL)
		fields[i].read(r, into, value);
}

void
mp_read_map(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what,
	const struct mp_field *fields, size_t n, void *into)
{
	struct mp_pos seen[MP_READ_FIELDS_MAX] = {{0, 0}};

	mp_assert(n <= MP_READ_FIELDS_MAX);
	if (v->kind != MP_VALUE_MAP) {
		mp_read_expected(r, v, what);
		return;
	}
	for (const struct mp_value *key = v->first; key != NULL; key = key->next->next)
		read_field(r, key, key->next, fields, n, seen, into);
}

/* Room for one more; the new draft is empty but for what an absent key means. */
static struct mp_draft *
draft_next(struct mp_pipeline_reader *r)
{
	uint32_t n = r->box->p.module_count;
	size_t cap = r->draft_cap == 0 ? 16 : r->draft_cap * 2;
	struct mp_draft *drafts;

	if (n == r->draft_cap) {
		drafts = mp_realloc(r->box->alloc, r->drafts, r->draft_cap * sizeof(*drafts),
			cap * sizeof(*drafts));
		if (drafts == NULL) {
			r->rc = MP_ENOMEM;
			return NULL;
		}
		r->drafts = drafts;
		r->draft_cap = cap;
	}
	r->drafts[n] = (struct mp_draft){.set = 0};
	return &r->drafts[n];
}

void
mp_pipeline_reader_module(
	struct mp_pipeline_reader *r, const struct mp_value *name, const struct mp_value *value)
{
	uint32_t index = r->box->p.module_count;
	struct mp_draft *d;
	int rc;

	if (r->rc != 0 || name->kind == MP_VALUE_BAD)
		return;
	if (index == MP_MODULES_MAX) {
		mp_pipeline_reader_fail(r, name->pos, "more than %u modules", MP_MODULES_MAX);
		r->rc = MP_ELIMIT;
		return;
	}
	d = draft_next(r);
	if (d == NULL)
		return;
	if (!mp_is_module_name(name->s))
		mp_pipeline_reader_fail(r, name->pos,
			"'%.60s' cannot name a module: at most %d letters, digits, '_', '-' and "
			"'.', "
			"beginning with a letter, a digit or '_'",
			name->s, MP_NAME_MAX);
	if (!mp_read_text(r, name, MP_ARG_MAX, "a name", &d->m.name))
		return;
	mp_read_module(r, value, d);
	if ((d->set & MP_SET_RUN) == 0 && value->kind == MP_VALUE_MAP)
		mp_pipeline_reader_fail(r, name->pos, "module '%.60s' has no 'run'", d->m.name.s);
	rc = mp_names_add(&r->names, d->m.name.s, &index);
	if (rc == MP_EEXIST)
		mp_read_twice(r, name->pos, name->s, r->drafts[index].m.name.pos);
	else if (rc == MP_ELIMIT)
		mp_pipeline_reader_fail(r, name->pos, "too many module names collide");
	else if (rc != 0)
		r->rc = rc;
	r->box->p.module_count++;
}

/* ---- keys of the file ---- */

static void
read_version(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	uint64_t version;

	(void)into;
	if (mp_read_uint(r, v, 0, UINT64_MAX, "the version of this format, 1", &version) &&
		version != 1)
		mp_pipeline_reader_fail(r, v->pos,
			"version %llu of the format is not known, this program reads 1",
			(unsigned long long)version);
}

static void
read_name(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_pipeline *p = into;

	if (mp_read_is_nothing(v))
		mp_read_expected(r, v, "a name");
	else if (mp_read_text(r, v, MP_NAME_MAX, "a name", &p->name) &&
		 (p->name.s[0] == '\0' || !mp_utf8_printable(mp_span_str(p->name.s))))
		mp_pipeline_reader_fail(r, v->pos, "expected a name in printable text");
}

static bool
param_name_check(struct mp_pipeline_reader *r, const struct mp_value *key)
{
	if (key->kind != MP_VALUE_BAD && !mp_is_identifier(key->s, true)) {
		mp_pipeline_reader_fail(r, key->pos,
			"'%.60s' cannot name a parameter: letters, digits, '_' and '-', a letter "
			"or "
			"'_' first",
			key->s);
		return false;
	}
	return key->kind != MP_VALUE_BAD;
}

static void
read_params(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	(void)mp_read_bindings(r, v, MP_PARAMS_MAX, param_name_check, "a map of parameters",
		&((struct mp_pipeline *)into)->params);
}

static void
read_pipeline_env(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	(void)mp_read_bindings(r, v, MP_ENV_MAX, mp_read_env_name, "a map of environment variables",
		&((struct mp_pipeline *)into)->env);
}

static void
read_pipeline_inputs(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_pipeline *p = into;

	(void)mp_read_texts(r, v, MP_ARG_MAX, "a list of globs", &p->inputs);
	p->inputs.set = p->inputs.n > 0;
}

static void
read_defaults(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	(void)into;
	mp_read_defaults(r, v, &r->defaults);
}

static void
read_on_failure(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	(void)into;
	if (v->kind == MP_VALUE_TEXT && strcmp(v->s, "stop") == 0)
		return;
	if (v->kind == MP_VALUE_TEXT &&
		(strcmp(v->s, "fast") == 0 || strcmp(v->s, "continue") == 0))
		mp_pipeline_reader_fail(
			r, v->pos, "'on_failure: %s' is not implemented in this version", v->s);
	else
		mp_read_expected(r, v, "stop");
}

static void
read_electors(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	static const char what[] = "1, 3 or 5 electors";
	uint64_t n;

	if (!mp_read_uint(r, v, 0, UINT32_MAX, what, &n))
		return;
	if (n != 1 && n != 3 && n != MP_ELECTORS_MAX)
		mp_read_expected(r, v, what);
	((struct mp_pipeline *)into)->electors = (uint32_t)n;
}

static void
read_failover(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	if (v->kind != MP_VALUE_TEXT || strcmp(v->s, "survivor") != 0) {
		mp_read_expected(r, v, "survivor");
		return;
	}
	((struct mp_pipeline *)into)->survivor = true;
	r->failover_pos = v->pos;
}

static void
read_copies(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	uint64_t n;

	if (mp_read_uint(r, v, 1, MP_COPIES_MAX, "a number of copies", &n))
		((struct mp_pipeline *)into)->copies = (uint32_t)n;
}

static void
read_modules(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	(void)into;
	mp_read_expected(r, v, "a map of modules");
}

static void
read_pipeline_secrets(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	mp_read_secrets(r, v, &((struct mp_pipeline *)into)->secrets);
}

/* meshpipe and modules stand first: reader_end asks for them. */
static const struct mp_field pipeline_fields[] = {
	{"meshpipe", read_version},
	{"modules", read_modules},
	{"name", read_name},
	{"params", read_params},
	{"env", read_pipeline_env},
	{"inputs", read_pipeline_inputs},
	{"defaults", read_defaults},
	{"on_failure", read_on_failure},
	{"electors", read_electors},
	{"copies", read_copies},
	{"secrets", read_pipeline_secrets},
	{"failover", read_failover},
};

void
mp_pipeline_reader_key(
	struct mp_pipeline_reader *r, const struct mp_value *key, const struct mp_value *value)
{
	if (r->rc == 0)
		read_field(r, key, value, pipeline_fields, mp_countof(pipeline_fields), r->seen,
			&r->box->p);
}

/* ---- the end ---- */

static void
merge_requires(struct mp_draft *d, const struct mp_requires *from)
{
	struct mp_requires *to = d->requires;

	if (from == NULL)
		return;
	if (to == NULL) {
		d->m.requires = from;
		return;
	}
	if (to->os.s == NULL)
		to->os = from->os;
	if (to->arch.s == NULL)
		to->arch = from->arch;
	if (!to->tools.set)
		to->tools = from->tools;
	if (!to->tags.set)
		to->tags = from->tags;
}

static void
merge_retry(struct mp_retry *to, const struct mp_retry *from, unsigned missing)
{
	if ((missing & MP_SET_ATTEMPTS) != 0)
		to->attempts = from->attempts;
	if ((missing & MP_SET_BACKOFF) != 0)
		to->backoff_ms = from->backoff_ms;
	if ((missing & MP_SET_MAX_BACKOFF) != 0)
		to->max_backoff_ms = from->max_backoff_ms;
	if ((missing & MP_SET_ON) != 0) {
		to->exits = from->exits;
		to->exit_count = from->exit_count;
		to->on_exit = from->on_exit;
		to->on_signal = from->on_signal;
		to->on_timeout = from->on_timeout;
	}
}

static void
merge_draft(struct mp_draft *d, const struct mp_draft *from)
{
	unsigned missing = from->set & ~d->set;

	if ((missing & MP_SET_TIMEOUT) != 0)
		d->m.timeout_ms = from->m.timeout_ms;
	if ((missing & MP_SET_PLACEMENT) != 0)
		d->m.placement_timeout_ms = from->m.placement_timeout_ms;
	if ((missing & MP_SET_GRACE) != 0)
		d->m.grace_ms = from->m.grace_ms;
	if ((missing & MP_SET_CACHE) != 0)
		d->m.cache = from->m.cache;
	if ((missing & MP_SET_RETRY) != 0)
		d->retry_pos = from->retry_pos;
	merge_retry(&d->m.retry, &from->m.retry, missing);
	if ((missing & MP_SET_RESOURCES) != 0)
		d->m.resources = from->m.resources;
	merge_requires(d, from->requires);
	d->set |= missing;
}

/* Of `defaults`, what may not start twice takes no retries. */
static void
merge_once(struct mp_pipeline_reader *r, struct mp_draft *d)
{
	if (!d->m.once)
		return;
	if ((d->set & MP_SET_ATTEMPTS) != 0 && d->m.retry.attempts > 1)
		mp_pipeline_reader_fail(r, d->retry_pos,
			"'retry' of more than one attempt, and 'once: true': never started twice");
	if ((d->set & MP_SET_RETRY) == 0 || (d->set & MP_SET_ATTEMPTS) != 0) {
		d->set |= MP_SET_RETRY | MP_SET_ATTEMPTS;
		d->m.retry.attempts = 1;
	}
}

/* What has effects or secrets of its own counts for another run only where the module says so. */
static void
merge_cache(struct mp_draft *d)
{
	if ((d->set & MP_SET_CACHE) != 0 || mp_module_caches(&d->m))
		return;
	d->set |= MP_SET_CACHE;
	d->m.cache = false;
}

/* What nobody wrote; and one form for what means the same. */
static void
finish_draft(struct mp_pipeline_reader *r, struct mp_draft *d)
{
	struct mp_retry *retry = &d->m.retry;

	if ((d->set & MP_SET_GRACE) == 0)
		d->m.grace_ms = MP_GRACE_MS_DEFAULT;
	if ((d->set & MP_SET_CACHE) == 0)
		d->m.cache = true;
	if ((d->set & MP_SET_RETRY) != 0 && (d->set & MP_SET_ATTEMPTS) == 0)
		mp_pipeline_reader_fail(r, d->retry_pos, "'retry' has no 'attempts'");
	if ((d->set & MP_SET_ATTEMPTS) == 0 || retry->attempts <= 1) {
		d->set &= ~(unsigned)(MP_SET_BACKOFF | MP_SET_MAX_BACKOFF | MP_SET_ON);
		*retry = (struct mp_retry){.attempts = 1};
	}
	if ((d->set & MP_SET_BACKOFF) == 0)
		retry->backoff_ms = MP_RETRY_BACKOFF_MS_DEFAULT;
	if ((d->set & MP_SET_MAX_BACKOFF) == 0)
		retry->max_backoff_ms = retry->backoff_ms > MP_RETRY_MAX_BACKOFF_MS_DEFAULT
						? retry->backoff_ms
						: MP_RETRY_MAX_BACKOFF_MS_DEFAULT;
	else if (retry->max_backoff_ms < retry->backoff_ms)
		mp_pipeline_reader_fail(r, d->retry_pos, "'max_backoff' is shorter than 'backoff'");
	if ((d->set & MP_SET_ON) == 0)
		retry->on_exit = retry->on_signal = retry->on_timeout = true;
}

static void
check_present(struct mp_pipeline_reader *r, struct mp_pos root, const char *default_name)
{
	struct mp_pipeline *p = &r->box->p;

	if (r->seen[0].line == 0 && r->seen[0].column == 0)
		mp_pipeline_reader_fail(r, root, "'meshpipe: 1' is missing");
	if (r->seen[1].line == 0 && r->seen[1].column == 0)
		mp_pipeline_reader_fail(r, root, "'modules' is missing");
	else if (p->module_count == 0 && !r->failed)
		mp_pipeline_reader_fail(r, r->seen[1], "there are no modules");
	if (r->seen[2].line != 0 || r->seen[2].column != 0)
		return;
	if (default_name == NULL) {
		mp_pipeline_reader_fail(r, root, "'name' is missing");
		return;
	}
	p->name.pos = root;
	p->name.s = mp_arena_text(&r->box->arena, default_name, strlen(default_name));
	if (p->name.s == NULL)
		r->rc = MP_ENOMEM;
}

int
mp_pipeline_reader_end(struct mp_pipeline_reader *r, struct mp_pos root, const char *default_name,
	struct mp_pipeline **out)
{
	struct mp_pipeline *p = &r->box->p;
	uint32_t n = p->module_count;

	check_present(r, root, default_name);
	p->module_count = 0;
	if (r->rc == 0 && n > 0) {
		p->modules = mp_realloc(r->box->alloc, NULL, 0, n * sizeof(*p->modules));
		if (p->modules == NULL)
			r->rc = MP_ENOMEM;
		else
			p->module_count = n;
	}
	for (uint32_t i = 0; i < p->module_count; i++) {
		if (p->survivor && r->drafts[i].m.once)
			mp_pipeline_reader_fail(r, r->failover_pos,
				"'failover: survivor' and 'once: true' of module '%s': both of two "
				"nodes may think that they survived",
				r->drafts[i].m.name.s);
		merge_once(r, &r->drafts[i]);
		merge_cache(&r->drafts[i]);
		merge_draft(&r->drafts[i], &r->defaults);
		finish_draft(r, &r->drafts[i]);
		p->modules[i] = r->drafts[i].m;
	}
	if (r->rc == 0)
		mp_pipeline_check(r);
	if (r->rc != 0 && r->rc != MP_ELIMIT)
		return r->rc;
	if (r->failed)
		return MP_EPIPELINE;
	mp_assert(r->rc == 0);
	*out = p;
	r->box = NULL;
	return 0;
}
