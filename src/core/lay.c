/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cachekey.h"
#include "core/roster.h"
#include "core/worker_int.h"
#include "mp/limits.h"
#include "mp/pipeline.h"

/* Some of a path in a text for people. */
#define SHOWN_MAX 200

/* One file of one source. */
struct item {
	const struct mp_file *file;
	uint32_t source;
};

struct laying {
	const struct mp_alloc *alloc;
	struct item *items;
	struct item *other; /* as many; merging goes between them */
	size_t *bounds;     /* run i of items is bounds[i] to bounds[i + 1] */
	size_t item_room;
	size_t run_room;
	size_t count;
	size_t runs;
};

static int
laying_init(struct laying *l, const struct mp_alloc *alloc, size_t items, size_t runs)
{
	*l = (struct laying){.alloc = alloc, .item_room = items, .run_room = runs};
	l->items = mp_realloc(alloc, NULL, 0, items * sizeof(*l->items));
	l->other = mp_realloc(alloc, NULL, 0, items * sizeof(*l->other));
	l->bounds = mp_realloc(alloc, NULL, 0, (runs + 1) * sizeof(*l->bounds));
	if (l->items == NULL || l->other == NULL || l->bounds == NULL)
		return MP_ENOMEM;
	l->bounds[0] = 0;
	return 0;
}

static void
laying_fini(struct laying *l)
{
	mp_dealloc(l->alloc, l->items, l->item_room * sizeof(*l->items));
	mp_dealloc(l->alloc, l->other, l->item_room * sizeof(*l->other));
	mp_dealloc(l->alloc, l->bounds, (l->run_room + 1) * sizeof(*l->bounds));
}

/* spec NULL: all files. */
static void
laying_add(
	struct laying *l, const struct mp_manifest *m, uint32_t source, const struct mp_spec *spec)
{
	size_t before = l->count;

	for (size_t i = 0; m != NULL && i < m->count; i++) {
		if (spec == NULL || mp_spec_takes(spec, m->files[i].path))
			l->items[l->count++] = (struct item){&m->files[i], source};
	}
	if (l->count > before)
		l->bounds[++l->runs] = l->count;
}

/* Merges the neighbours [a, b) and [b, c); of equal paths the earlier source comes first. */
static void
merge_two(struct laying *l, size_t a, size_t b, size_t c)
{
	size_t i = a, k = b, out = a;

	while (i < b && k < c) {
		if (mp_path_cmp(l->items[i].file->path, l->items[k].file->path) <= 0)
			l->other[out++] = l->items[i++];
		else
			l->other[out++] = l->items[k++];
	}
	while (i < b)
		l->other[out++] = l->items[i++];
	while (k < c)
		l->other[out++] = l->items[k++];
}

static void
laying_sort(struct laying *l)
{
	while (l->runs > 1) {
		struct item *items = l->other;
		size_t runs = 0;

		for (size_t i = 0; i < l->runs; i += 2) {
			size_t end = i + 2 <= l->runs ? i + 2 : l->runs;

			merge_two(l, l->bounds[i], l->bounds[i + 1], l->bounds[end]);
			l->bounds[++runs] = l->bounds[end];
		}
		l->runs = runs;
		l->other = l->items;
		l->items = items;
	}
}

static struct mp_span
source_name(const struct attempt *a, uint32_t source)
{
	return source == 0 ? mp_span_str("the run's inputs") : a->sources[source].name;
}

static int
conflict(struct mp_error *err, const struct attempt *a, struct mp_span path, const char *what,
	uint32_t one, uint32_t two)
{
	struct mp_span x = source_name(a, one), y = source_name(a, two);

	return mp_fail(err, MP_EEXIST, "%.*s: %s from %.*s and %.*s",
		(int)mp_min_size(path.n, SHOWN_MAX), (const char *)path.p, what,
		(int)mp_min_size(x.n, MP_NAME_MAX), (const char *)x.p,
		(int)mp_min_size(y.n, MP_NAME_MAX), (const char *)y.p);
}

/* Each path once, into the attempt's own lists. */
static int
laying_take(struct laying *l, struct attempt *a, struct mp_error *err)
{
	size_t below, blocked;

	for (size_t i = 0; i < l->count; i++) {
		const struct mp_file *f = l->items[i].file;
		const struct mp_file *last =
			a->file_count > 0 ? &a->files[a->file_count - 1] : NULL;

		if (last == NULL || !mp_span_eq(last->path, f->path)) {
			a->file_sources[a->file_count] = l->items[i].source;
			a->files[a->file_count++] = *f;
			continue;
		}
		if (!mp_hash_eq(&last->digest, &f->digest) || last->kind != f->kind)
			return conflict(err, a, f->path,
				mp_hash_eq(&last->digest, &f->digest) ? "different kinds of file"
								      : "different bytes",
				a->file_sources[a->file_count - 1], l->items[i].source);
	}
	blocked = mp_files_blocked(a->files, a->file_count, &below);
	if (blocked < a->file_count)
		return conflict(err, a, a->files[blocked].path, "a file and a directory",
			a->file_sources[blocked], a->file_sources[below]);
	return 0;
}

static int
lay_files(struct attempt *a, const struct mp_spec *spec, struct mp_error *err)
{
	const struct mp_alloc *alloc = a->worker->alloc;
	struct laying l;
	size_t total = 0;
	int rc;

	for (size_t i = 0; i < a->source_count; i++) {
		if (a->sources[i].use.manifest != NULL)
			total += a->sources[i].use.manifest->count;
	}
	if (total == 0)
		return 0;
	a->file_room = total;
	a->files = mp_realloc(alloc, NULL, 0, total * sizeof(*a->files));
	a->file_sources = mp_realloc(alloc, NULL, 0, total * sizeof(*a->file_sources));
	rc = laying_init(&l, alloc, total, a->source_count);
	if (rc != 0 || a->files == NULL || a->file_sources == NULL) {
		laying_fini(&l);
		return mp_fail(err, MP_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < a->source_count; i++)
		laying_add(&l, a->sources[i].use.manifest, (uint32_t)i, i == 0 ? spec : NULL);
	laying_sort(&l);
	rc = laying_take(&l, a, err);
	laying_fini(&l);
	return rc;
}

static int
lay_deps(struct attempt *a, struct mp_error *err)
{
	size_t count = a->source_count - 1;

	if (count == 0)
		return 0;
	a->deps = mp_realloc(a->worker->alloc, NULL, 0, count * sizeof(*a->deps));
	if (a->deps == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const struct source *s = &a->sources[i + 1];

		a->deps[i] = (struct mp_exec_dep){
			.name = s->name, .result = s->result, .value = s->value};
		if (s->use.manifest != NULL) {
			a->deps[i].files = s->use.manifest->files;
			a->deps[i].file_count = s->use.manifest->count;
		}
	}
	return 0;
}

/* Of what it will read, here. Without memory the result is one that nobody finds again. */
static void
lay_cache_key(struct attempt *a, const struct mp_env *env, const struct mp_spec *spec)
{
	const struct mp_alloc *alloc = a->worker->alloc;
	const struct mp_member *self = mp_roster_find(a->worker->roster, &env->self);
	const struct mp_manifest *inputs = a->sources[0].use.manifest;
	size_t n = a->source_count - 1;
	struct mp_cache_dep *deps = mp_out_mem(env->out, n * sizeof(*deps) + 1);
	struct mp_span *names = mp_out_mem(env->out, n * sizeof(*names) + 1);
	struct mp_cache_what what = {
		.inputs = a->sources[0].manifest, .deps = deps, .dep_count = n};

	if (spec->no_cache || self == NULL || self->caps == NULL || deps == NULL || names == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		names[i] = a->sources[i + 1].name;
		deps[i].manifest = a->sources[i + 1].manifest;
		deps[i].value = a->sources[i + 1].value;
	}
	if (mp_cache_base(env->crypto, alloc, a->name, spec, names, n, &what.base) != 0)
		return;
	if (inputs != NULL && !spec->all_inputs &&
		mp_cache_inputs(
			env->crypto, alloc, spec, inputs->files, inputs->count, &what.inputs) != 0)
		return;
	if (mp_cache_where(env->crypto, alloc, self->caps, spec->tools, &what.where) != 0 ||
		mp_cache_key(env->crypto, alloc, &what, &a->cache_key) != 0)
		return;
	a->where = what.where;
}

int
attempt_lay(struct attempt *a, const struct mp_env *env, struct mp_error *err)
{
	struct mp_spec *spec = NULL;
	int rc = mp_spec_decode(a->spec, a->worker->alloc, &spec);

	if (rc != 0)
		return mp_fail(err, rc, "module specification: %s", mp_strerror(rc));
	a->once = spec->once;
	rc = lay_files(a, spec, err);
	if (rc == 0)
		lay_cache_key(a, env, spec);
	mp_spec_free(spec);
	return rc != 0 ? rc : lay_deps(a, err);
}
