/* SPDX-License-Identifier: Apache-2.0 */
/* What an executor needs of one module: struct mp_spec and its bytes. */
#include "codec/caps.h"
#include "codec/cbor.h"
#include "codec/pipeline_text.h"
#include "mp/limits.h"
#include "mp/pipeline.h"
#include "util/arena.h"
#include "util/glob.h"

enum {
	SPEC_VERSION = 0,
	SPEC_ARGV = 1,
	SPEC_SHELL = 2,
	SPEC_ENV = 3,
	SPEC_INPUTS = 4,
	SPEC_OUTPUTS = 5,
	SPEC_TIMEOUT = 6,
	SPEC_GRACE = 7,
	SPEC_NO_CACHE = 8,
	SPEC_TOOLS = 9,
	SPEC_ONCE = 10,
	SPEC_RESOURCES = 11,
	SPEC_SECRETS = 12,
	SPEC_KEYS,
};

struct spec_box {
	struct mp_spec s; /* first: mp_spec_free gets this */
	const struct mp_alloc *alloc;
	struct mp_arena arena;
};

static void
w_list(struct mp_cbor_w *w, uint64_t key, struct mp_names_list list)
{
	mp_cbor_w_uint(w, key);
	mp_cbor_w_array(w, list.n);
	for (uint32_t i = 0; i < list.n; i++)
		mp_cbor_w_text(w, list.v[i]);
}

static void
w_env(struct mp_cbor_w *w, const struct mp_spec *s)
{
	mp_cbor_w_uint(w, SPEC_ENV);
	mp_cbor_w_array(w, s->env_count);
	for (uint32_t i = 0; i < s->env_count; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_text(w, s->env[i].name);
		mp_cbor_w_text(w, s->env[i].value);
	}
}

static void
w_demands(struct mp_cbor_w *w, const struct mp_demands *d)
{
	mp_cbor_w_uint(w, SPEC_RESOURCES);
	mp_cbor_w_array(w, d->n);
	for (uint32_t i = 0; i < d->n; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_text(w, d->v[i].name);
		mp_cbor_w_uint(w, d->v[i].count);
	}
}

int
mp_spec_encode(const struct mp_spec *s, struct mp_buf *out)
{
	size_t before = out->n;
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, out);
	mp_cbor_w_map(&w, (size_t)2 + (s->env_count > 0) + !s->all_inputs + (s->outputs.n > 0) +
				  (s->timeout_ms > 0) + (s->grace_ms != MP_GRACE_MS_DEFAULT) +
				  s->no_cache + (s->tools.n > 0) + s->once + (s->resources.n > 0) +
				  (s->secrets.n > 0));
	mp_cbor_w_uint(&w, SPEC_VERSION);
	mp_cbor_w_uint(&w, 1);
	if (s->shell == NULL) {
		w_list(&w, SPEC_ARGV, s->argv);
	} else {
		mp_cbor_w_uint(&w, SPEC_SHELL);
		mp_cbor_w_text(&w, s->shell);
	}
	if (s->env_count > 0)
		w_env(&w, s);
	if (!s->all_inputs)
		w_list(&w, SPEC_INPUTS, s->inputs);
	if (s->outputs.n > 0)
		w_list(&w, SPEC_OUTPUTS, s->outputs);
	if (s->timeout_ms > 0) {
		mp_cbor_w_uint(&w, SPEC_TIMEOUT);
		mp_cbor_w_uint(&w, s->timeout_ms);
	}
	if (s->grace_ms != MP_GRACE_MS_DEFAULT) {
		mp_cbor_w_uint(&w, SPEC_GRACE);
		mp_cbor_w_uint(&w, s->grace_ms);
	}
	if (s->no_cache) {
		mp_cbor_w_uint(&w, SPEC_NO_CACHE);
		mp_cbor_w_bool(&w, true);
	}
	if (s->tools.n > 0)
		w_list(&w, SPEC_TOOLS, s->tools);
	if (s->once) {
		mp_cbor_w_uint(&w, SPEC_ONCE);
		mp_cbor_w_bool(&w, true);
	}
	if (s->resources.n > 0)
		w_demands(&w, &s->resources);
	if (s->secrets.n > 0)
		w_list(&w, SPEC_SECRETS, s->secrets);
	if (w.rc != 0)
		out->n = before;
	return w.rc;
}

/* ---- reading: r->rc also takes MP_ENOMEM and MP_EVERSION ---- */

static const char *
r_text(struct mp_cbor_r *r, struct mp_arena *arena)
{
	struct mp_span text = mp_cbor_r_text(r, MP_ARG_MAX);
	char *s;

	if (r->rc == 0 && text.n > 0 && memchr(text.p, 0, text.n) != NULL)
		r->rc = MP_EFORMAT;
	if (r->rc != 0)
		return "";
	s = mp_arena_text(arena, (const char *)text.p, text.n);
	if (s == NULL)
		r->rc = MP_ENOMEM;
	return s == NULL ? "" : s;
}

/* n + 1 pointers, the last of them NULL. */
static struct mp_names_list
r_list(struct mp_cbor_r *r, struct mp_arena *arena)
{
	size_t n = mp_cbor_r_array(r, MP_LIST_MAX);
	const char **v = mp_arena_take_n(arena, n + 1, sizeof(*v));

	if (v == NULL) {
		r->rc = MP_ENOMEM;
		return (struct mp_names_list){NULL, 0};
	}
	for (size_t i = 0; i < n; i++)
		v[i] = r_text(r, arena);
	return (struct mp_names_list){v, (uint32_t)n};
}

static struct mp_names_list
r_globs(struct mp_cbor_r *r, struct mp_arena *arena)
{
	struct mp_names_list list = r_list(r, arena);

	for (uint32_t i = 0; i < list.n && r->rc == 0; i++)
		if (mp_glob_check(list.v[i], NULL) != 0)
			r->rc = MP_EFORMAT;
	return list;
}

static void
r_env(struct mp_cbor_r *r, struct mp_arena *arena, struct mp_spec *s)
{
	size_t n = mp_cbor_r_array(r, 2 * MP_ENV_MAX + MP_AXES_MAX);
	struct mp_env_var *env = mp_arena_take_n(arena, n, sizeof(*env));

	if (env == NULL) {
		r->rc = MP_ENOMEM;
		return;
	}
	for (size_t i = 0; i < n && r->rc == 0; i++) {
		mp_cbor_r_array_exact(r, 2);
		env[i].name = r_text(r, arena);
		env[i].value = r_text(r, arena);
		if (r->rc == 0 && (env[i].name[0] == '\0' || strchr(env[i].name, '=') != NULL ||
					  (i > 0 && strcmp(env[i - 1].name, env[i].name) >= 0)))
			r->rc = MP_EFORMAT;
	}
	s->env = env;
	s->env_count = (uint32_t)n;
}

static void
r_demands(struct mp_cbor_r *r, struct mp_arena *arena, struct mp_spec *s)
{
	size_t n = mp_cbor_r_array(r, MP_RESOURCES_MAX);
	struct mp_demand *list = mp_arena_take_n(arena, n, sizeof(*list));

	if (list == NULL) {
		r->rc = MP_ENOMEM;
		return;
	}
	for (size_t i = 0; i < n && r->rc == 0; i++) {
		mp_cbor_r_array_exact(r, 2);
		list[i].name = r_text(r, arena);
		list[i].count = mp_cbor_r_uint(r, INT64_MAX);
		if (r->rc == 0 &&
			(!mp_caps_word(list[i].name) || list[i].count == 0 ||
				(i > 0 && mp_name_cmp(list[i - 1].name, list[i].name) >= 0)))
			r->rc = MP_EFORMAT;
	}
	s->resources = (struct mp_demands){.v = list, .n = (uint32_t)n};
}

/* The environment came before them: it has a smaller key. */
static void
r_secrets(struct mp_cbor_r *r, struct mp_arena *arena, struct mp_spec *s)
{
	s->secrets = r_list(r, arena);
	if (r->rc == 0 && s->secrets.n > MP_SECRETS_MAX)
		r->rc = MP_ELIMIT;
	for (uint32_t i = 0; i < s->secrets.n && r->rc == 0; i++) {
		const char *name = s->secrets.v[i];

		if (!mp_is_identifier(name, false) ||
			(i > 0 && strcmp(s->secrets.v[i - 1], name) >= 0))
			r->rc = MP_EFORMAT;
		for (uint32_t k = 0; k < s->env_count; k++) {
			if (strcmp(s->env[k].name, name) == 0)
				r->rc = MP_EFORMAT;
		}
	}
}

static void
r_member(struct mp_cbor_r *r, struct mp_arena *arena, struct mp_spec *s, uint64_t key)
{
	switch (key) {
	case SPEC_VERSION:
		if (mp_cbor_r_uint(r, UINT64_MAX) != 1 && r->rc == 0)
			r->rc = MP_EVERSION;
		break;
	case SPEC_ARGV:
		s->argv = r_list(r, arena);
		if (r->rc == 0 && (s->argv.n == 0 || s->argv.v[0][0] == '\0'))
			r->rc = MP_EFORMAT;
		break;
	case SPEC_SHELL:
		s->shell = r_text(r, arena);
		break;
	case SPEC_ENV:
		r_env(r, arena, s);
		break;
	case SPEC_INPUTS:
		s->all_inputs = false;
		s->inputs = r_globs(r, arena);
		break;
	case SPEC_OUTPUTS:
		s->outputs = r_globs(r, arena);
		break;
	case SPEC_TIMEOUT:
		s->timeout_ms = mp_cbor_r_uint(r, MP_DURATION_MS_MAX);
		break;
	case SPEC_GRACE:
		s->grace_ms = mp_cbor_r_uint(r, MP_DURATION_MS_MAX);
		break;
	case SPEC_NO_CACHE:
		s->no_cache = mp_cbor_r_bool(r);
		break;
	case SPEC_TOOLS:
		s->tools = r_list(r, arena);
		break;
	case SPEC_ONCE:
		s->once = mp_cbor_r_bool(r);
		break;
	case SPEC_RESOURCES:
		r_demands(r, arena, s);
		break;
	case SPEC_SECRETS:
		r_secrets(r, arena, s);
		break;
	default:
		r->rc = MP_EVERSION;
		break;
	}
}

/* Ascending keys, the first of them the version, and either argv or shell. What has its default
 * but is written is left to the comparison. */
static void
r_spec(struct mp_cbor_r *r, struct mp_arena *arena, struct mp_spec *s)
{
	size_t n = mp_cbor_r_map(r, UINT32_MAX);
	uint64_t last = 0;

	for (size_t i = 0; i < n && r->rc == 0; i++) {
		uint64_t key = mp_cbor_r_uint(r, UINT64_MAX);

		if (r->rc == 0 && (i == 0 ? key != SPEC_VERSION : key <= last))
			r->rc = MP_EFORMAT;
		last = key;
		if (r->rc == 0)
			r_member(r, arena, s, key);
	}
	if (r->rc == 0)
		r->rc = mp_cbor_r_end(r);
	if (r->rc == 0 && (s->argv.n > 0) == (s->shell != NULL))
		r->rc = MP_EFORMAT;
}

static int
check_canonical(const struct mp_spec *s, struct mp_span bytes, const struct mp_alloc *alloc)
{
	struct mp_buf again;
	int rc;

	mp_buf_init(&again, alloc, MP_SPEC_MAX);
	rc = mp_spec_encode(s, &again);
	if (rc == 0 && !mp_span_eq(mp_buf_span(&again), bytes))
		rc = MP_EFORMAT;
	mp_buf_fini(&again);
	return rc;
}

int
mp_spec_decode(struct mp_span spec, const struct mp_alloc *alloc, struct mp_spec **out)
{
	struct spec_box *box;
	struct mp_cbor_r r;
	int rc;

	if (spec.n > MP_SPEC_MAX)
		return MP_ELIMIT;
	box = mp_realloc(alloc, NULL, 0, sizeof(*box));
	if (box == NULL)
		return MP_ENOMEM;
	*box = (struct spec_box){.alloc = alloc};
	mp_arena_init(&box->arena, alloc, SIZE_MAX);
	box->s.all_inputs = true;
	box->s.grace_ms = MP_GRACE_MS_DEFAULT;
	mp_cbor_r_init(&r, spec);
	r_spec(&r, &box->arena, &box->s);
	rc = r.rc;
	if (rc == 0)
		rc = check_canonical(&box->s, spec, alloc);
	if (rc == 0)
		*out = &box->s;
	else
		mp_spec_free(&box->s);
	return rc;
}

size_t
mp_spec_resources(struct mp_span spec, struct mp_resource out[MP_RESOURCES_MAX])
{
	struct mp_cbor_r r;
	size_t count = 0;

	mp_cbor_r_init(&r, spec);
	for (size_t n = mp_cbor_r_map(&r, SPEC_KEYS); n > 0 && r.rc == 0; n--) {
		if (mp_cbor_r_uint(&r, UINT64_MAX) != SPEC_RESOURCES) {
			mp_cbor_r_skip(&r);
			continue;
		}
		count = mp_cbor_r_array(&r, MP_RESOURCES_MAX);
		for (size_t i = 0; i < count && r.rc == 0; i++) {
			mp_cbor_r_array_exact(&r, 2);
			mp_cbor_r_str(&r, out[i].name, sizeof(out[i].name));
			out[i].count = mp_cbor_r_uint(&r, INT64_MAX);
		}
	}
	return r.rc == 0 ? count : 0;
}

size_t
mp_spec_secrets(struct mp_span spec, struct mp_span out[MP_SECRETS_MAX])
{
	struct mp_cbor_r r;
	size_t count = 0;

	mp_cbor_r_init(&r, spec);
	for (size_t n = mp_cbor_r_map(&r, SPEC_KEYS); n > 0 && r.rc == 0; n--) {
		if (mp_cbor_r_uint(&r, UINT64_MAX) != SPEC_SECRETS) {
			mp_cbor_r_skip(&r);
			continue;
		}
		count = mp_cbor_r_array(&r, MP_SECRETS_MAX);
		for (size_t i = 0; i < count && r.rc == 0; i++)
			out[i] = mp_cbor_r_text(&r, MP_NAME_MAX);
	}
	return r.rc == 0 ? count : 0;
}

bool
mp_spec_takes(const struct mp_spec *s, struct mp_span path)
{
	char text[MP_PATH_MAX + 1];

	if (s->all_inputs)
		return true;
	mp_assert(path.n <= MP_PATH_MAX);
	memcpy(text, path.p, path.n);
	text[path.n] = '\0';
	for (uint32_t i = 0; i < s->inputs.n; i++) {
		if (mp_glob_match(s->inputs.v[i], text))
			return true;
	}
	return false;
}

void
mp_spec_free(struct mp_spec *s)
{
	struct spec_box *box;

	if (s == NULL)
		return;
	box = mp_container_of(s, struct spec_box, s);
	mp_arena_fini(&box->arena);
	mp_dealloc(box->alloc, box, sizeof(*box));
}
