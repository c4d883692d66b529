/* SPDX-License-Identifier: Apache-2.0 */
/* The names of secrets (DESIGN 3): what a pipeline declares, and what its modules take of that. */
#include "codec/pipeline_read.h"
#include "mp/limits.h"
#include "util/near.h"
#include "util/sort.h"

/* Equal ones as written. */
static int
name_order(const void *a, const void *b)
{
	const struct mp_text *x = a, *y = b;
	int c = mp_name_cmp(x->s, y->s);

	if (c == 0)
		c = (x->pos.line > y->pos.line) - (x->pos.line < y->pos.line);
	return c != 0 ? c : (x->pos.column > y->pos.column) - (x->pos.column < y->pos.column);
}

void
mp_read_secrets(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_texts *out)
{
	struct mp_text *list;

	if (v->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, "a list of names of environment variables");
		return;
	}
	if (v->count > MP_SECRETS_MAX)
		mp_pipeline_reader_fail(r, v->pos, "more than %d secrets", MP_SECRETS_MAX);
	list = mp_read_take(r, v->count, sizeof(*list));
	for (const struct mp_value *item = v->first; list != NULL && item != NULL;
		item = item->next) {
		if (mp_read_is_nothing(item) || item->kind != MP_VALUE_TEXT)
			mp_read_expected(r, item, "the name of an environment variable");
		else if (mp_read_env_name(r, item) &&
			 mp_read_text(r, item, MP_NAME_MAX, "a name", &list[out->n]))
			out->n++;
	}
	out->v = list;
	if (list == NULL)
		return;
	mp_sort(list, out->n, sizeof(*list), name_order);
	for (uint32_t i = 1; i < out->n; i++) {
		if (strcmp(list[i - 1].s, list[i].s) == 0)
			mp_read_twice(r, list[i].pos, list[i].s, list[i - 1].pos);
	}
}

static bool
is_declared(const struct mp_texts *declared, const char *name)
{
	for (uint32_t i = 0; i < declared->n; i++) {
		if (strcmp(declared->v[i].s, name) == 0)
			return true;
	}
	return false;
}

static void
check_declared(struct mp_pipeline_reader *r, const struct mp_texts *used)
{
	const struct mp_texts *declared = &r->box->p.secrets;

	for (uint32_t i = 0; i < used->n; i++) {
		struct mp_near near;

		if (is_declared(declared, used->v[i].s))
			continue;
		mp_near_init(&near, used->v[i].s);
		for (uint32_t k = 0; k < declared->n && r->suggestions > 0; k++) {
			r->suggestions--;
			mp_near_offer(&near, declared->v[k].s);
		}
		if (near.best != NULL)
			mp_pipeline_reader_fail(r, used->v[i].pos,
				"'%.60s' is not among the 'secrets' of the pipeline: did you mean "
				"'%.60s'?",
				used->v[i].s, near.best);
		else
			mp_pipeline_reader_fail(r, used->v[i].pos,
				"'%.60s' is not among the 'secrets' of the pipeline", used->v[i].s);
	}
}

/* A value that stands in the file is no secret. */
static void
check_env(struct mp_pipeline_reader *r, const struct mp_bindings *env)
{
	for (uint32_t i = 0; r->box->p.secrets.n > 0 && i < env->n; i++) {
		if (is_declared(&r->box->p.secrets, env->v[i].name.s))
			mp_pipeline_reader_fail(r, env->v[i].name.pos,
				"'%.60s' is a secret: it cannot stand in 'env' too",
				env->v[i].name.s);
	}
}

void
mp_check_secrets(struct mp_pipeline_reader *r)
{
	const struct mp_pipeline *p = &r->box->p;

	check_env(r, &p->env);
	for (uint32_t i = 0; i < p->module_count; i++) {
		check_declared(r, &p->modules[i].secrets);
		check_env(r, &p->modules[i].env);
	}
}
