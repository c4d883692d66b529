/* SPDX-License-Identifier: Apache-2.0 */
/* What can only be said about a whole pipeline. Time is linear in modules, edges and text. */
#include "codec/pipeline_read.h"
#include "codec/pipeline_text.h"
#include "mp/limits.h"
#include "util/glob.h"
#include "util/near.h"

/* Steps for combinations, exclusions and instances that are named one by one. */
#define MATRIX_WORK_MAX (256u * 1024 * 1024)

struct check {
	struct mp_pipeline_reader *r;
	struct mp_pipeline *p;
	uint64_t budget;
	uint64_t edges;
	bool unsafe[MP_PARAMS_MAX]; /* parameters whose value the string form may not take */
};

/* ---- ${...} ---- */

enum place {
	PLACE_LITERAL, /* nothing is replaced here */
	PLACE_PARAMS,  /* only parameters are */
	PLACE_VALUE,
	PLACE_SHELL, /* in the string form of run */
};

static void
suggest(struct check *c, struct mp_near *near, const char *name)
{
	if (c->r->suggestions == 0)
		return;
	c->r->suggestions--;
	mp_near_offer(near, name);
}

static void
check_param(struct check *c, struct mp_pos pos, const struct mp_ref *ref, enum place place)
{
	const struct mp_binding *b = mp_bindings_find(c->p->params, ref->name, ref->name_len);
	char name[MP_NAME_MAX + 1];
	struct mp_near near;

	if (b != NULL && place == PLACE_SHELL && c->unsafe[b - c->p->params.v])
		mp_pipeline_reader_fail(c->r, pos,
			"${params.%.60s} is '%.60s', which may not stand in a shell command: use "
			"the "
			"list form of run, or env",
			b->name.s, b->value.s);
	if (b != NULL)
		return;
	memcpy(name, ref->name, mp_min_size(ref->name_len, MP_NAME_MAX));
	name[mp_min_size(ref->name_len, MP_NAME_MAX)] = '\0';
	mp_near_init(&near, name);
	for (uint32_t i = 0; i < c->p->params.n; i++)
		suggest(c, &near, c->p->params.v[i].name.s);
	if (near.best != NULL)
		mp_pipeline_reader_fail(c->r, pos,
			"there is no parameter '%.60s': did you mean '%.60s'?", name, near.best);
	else
		mp_pipeline_reader_fail(c->r, pos, "there is no parameter '%.60s'", name);
}

static void
check_axis(struct check *c, struct mp_pos pos, const struct mp_ref *ref,
	const struct mp_matrix *matrix, enum place place)
{
	int n = (int)mp_min_size(ref->name_len, 60);

	if (matrix == NULL) {
		mp_pipeline_reader_fail(
			c->r, pos, "${matrix.%.*s} in a module without a matrix", n, ref->name);
		return;
	}
	for (uint32_t i = 0; i < matrix->axis_count; i++) {
		const struct mp_axis *axis = &matrix->axes[i];

		if (strlen(axis->name.s) != ref->name_len ||
			memcmp(axis->name.s, ref->name, ref->name_len) != 0)
			continue;
		if (place == PLACE_SHELL && axis->unsafe != UINT32_MAX)
			mp_pipeline_reader_fail(c->r, pos,
				"${matrix.%.*s} can be '%.60s', which may not stand in a shell "
				"command: use the list form of run, or env",
				n, ref->name, axis->values.v[axis->unsafe].s);
		return;
	}
	mp_pipeline_reader_fail(c->r, pos, "the matrix has no axis '%.*s'", n, ref->name);
}

static void
check_text(
	struct check *c, const struct mp_text *t, const struct mp_matrix *matrix, enum place place)
{
	struct mp_ref ref = mp_ref_next(t->s);

	for (; ref.kind != MP_REF_NONE; ref = mp_ref_next(ref.end)) {
		int n = (int)mp_min_size((size_t)(ref.end - ref.start), 60);

		if (ref.kind == MP_REF_ESCAPE)
			continue;
		if (place == PLACE_LITERAL) {
			mp_pipeline_reader_fail(
				c->r, t->pos, "'%.*s': nothing is replaced here", n, ref.start);
			return;
		}
		if (ref.kind == MP_REF_BAD)
			mp_pipeline_reader_fail(c->r, t->pos,
				"'%.*s' is not closed by '}' after one name", n, ref.start);
		else if (ref.kind == MP_REF_NEEDS)
			mp_pipeline_reader_fail(c->r, t->pos,
				"'%.*s': values of dependencies are not implemented in this "
				"version",
				n, ref.start);
		else if (ref.kind == MP_REF_PARAM)
			check_param(c, t->pos, &ref, place);
		else if (ref.kind == MP_REF_MATRIX && place == PLACE_PARAMS)
			mp_pipeline_reader_fail(c->r, t->pos,
				"'%.*s': only parameters are replaced here", n, ref.start);
		else if (ref.kind == MP_REF_MATRIX)
			check_axis(c, t->pos, &ref, matrix, place);
	}
}

static void
check_texts(struct check *c, const struct mp_texts *list, const struct mp_matrix *matrix,
	enum place place)
{
	for (uint32_t i = 0; i < list->n; i++)
		check_text(c, &list->v[i], matrix, place);
}

static void
check_values(struct check *c, const struct mp_bindings *list, const struct mp_matrix *matrix,
	enum place place)
{
	for (uint32_t i = 0; i < list->n; i++)
		check_text(c, &list->v[i].value, matrix, place);
}

/* What is still to be replaced is checked when it is. */
static void
check_globs(struct check *c, const struct mp_texts *list)
{
	struct mp_error err;

	for (uint32_t i = 0; i < list->n; i++)
		if (!mp_text_has_ref(list->v[i].s) && mp_glob_check(list->v[i].s, &err) != 0)
			mp_pipeline_reader_fail(
				c->r, list->v[i].pos, "'%.60s' %s", list->v[i].s, err.text);
}

static void
check_requires(struct check *c, const struct mp_requires *q, const struct mp_matrix *matrix)
{
	if (q == NULL)
		return;
	if (q->os.s != NULL)
		check_text(c, &q->os, matrix, PLACE_VALUE);
	if (q->arch.s != NULL)
		check_text(c, &q->arch, matrix, PLACE_VALUE);
	check_texts(c, &q->tools, matrix, PLACE_VALUE);
	check_texts(c, &q->tags, matrix, PLACE_VALUE);
}

static void
check_module(struct check *c, const struct mp_pipeline_module *m)
{
	if (m->shell.s != NULL)
		check_text(c, &m->shell, m->matrix, PLACE_SHELL);
	check_texts(c, &m->argv, m->matrix, PLACE_VALUE);
	check_values(c, &m->env, m->matrix, PLACE_VALUE);
	check_texts(c, &m->inputs, m->matrix, PLACE_VALUE);
	check_texts(c, &m->outputs, m->matrix, PLACE_VALUE);
	check_globs(c, &m->inputs);
	check_globs(c, &m->outputs);
	check_requires(c, m->requires, m->matrix);
	for (uint32_t i = 0; m->matrix != NULL && i < m->matrix->axis_count; i++)
		check_texts(c, &m->matrix->axes[i].values, NULL, PLACE_LITERAL);
}

/* ---- matrices ---- */

static void
check_name_len(struct check *c, const struct mp_pipeline_module *m)
{
	size_t len = strlen(m->name.s) + 1 + m->matrix->axis_count;

	for (uint32_t i = 0; i < m->matrix->axis_count; i++) {
		const struct mp_texts *values = &m->matrix->axes[i].values;
		size_t longest = 0;

		for (uint32_t k = 0; k < values->n; k++)
			if (strlen(values->v[k].s) > longest)
				longest = strlen(values->v[k].s);
		len += longest;
	}
	if (len > MP_NAME_MAX)
		mp_pipeline_reader_fail(c->r, m->matrix->pos,
			"names of instances would have %zu bytes, at most %d are possible", len,
			MP_NAME_MAX);
}

static void
check_matrices(struct check *c)
{
	uint64_t instances = 0;

	for (uint32_t i = 0; i < c->p->module_count; i++) {
		struct mp_pipeline_module *m = &c->p->modules[i];

		if (m->matrix == NULL) {
			instances++;
		} else if (mp_matrix_count(c->r, m->matrix, &c->budget)) {
			check_name_len(c, m);
			instances += m->matrix->instance_count;
		}
		if (instances > MP_MODULES_MAX) {
			mp_pipeline_reader_fail(c->r, m->name.pos,
				"with its matrices the pipeline has more than %u modules",
				MP_MODULES_MAX);
			return;
		}
	}
}

/* ---- needs ---- */

static uint64_t
instances_of(const struct mp_pipeline_module *m)
{
	return m->matrix == NULL ? 1 : m->matrix->instance_count;
}

static void
unknown_need(struct check *c, const struct mp_need *need, size_t len)
{
	char name[MP_NAME_MAX + 1];
	struct mp_near near;

	len = mp_min_size(len, MP_NAME_MAX);
	memcpy(name, need->text.s, len);
	name[len] = '\0';
	mp_near_init(&near, name);
	for (uint32_t i = 0; i < c->p->module_count && c->r->suggestions > 0; i++)
		suggest(c, &near, c->p->modules[i].name.s);
	if (near.best != NULL)
		mp_pipeline_reader_fail(c->r, need->text.pos,
			"there is no module '%.60s': did you mean '%.60s'?", name, near.best);
	else
		mp_pipeline_reader_fail(c->r, need->text.pos, "there is no module '%.60s'", name);
}

static bool
resolve_instance(struct check *c, struct mp_need *need, const char *values)
{
	const struct mp_matrix *matrix = c->p->modules[need->group].matrix;
	uint64_t work = 1;

	if (matrix == NULL) {
		mp_pipeline_reader_fail(c->r, need->text.pos, "module '%.60s' has no matrix",
			c->p->modules[need->group].name.s);
		return false;
	}
	for (uint32_t i = 0; i < matrix->axis_count; i++)
		work += matrix->axes[i].values.n;
	if (work > c->budget) {
		mp_pipeline_reader_fail(
			c->r, need->text.pos, "too many instances are named one by one");
		return false;
	}
	c->budget -= work;
	if (matrix->combination_count > 0)
		need->instance = mp_matrix_find(matrix, values);
	if (need->instance != MP_NEED_ALL)
		return true;
	mp_pipeline_reader_fail(
		c->r, need->text.pos, "there is no instance '%.120s'", need->text.s);
	return false;
}

/* Leaves group at UINT32_MAX when it cannot be told. */
static bool
resolve_need(struct check *c, struct mp_need *need)
{
	size_t len = strcspn(need->text.s, "[");

	need->group = UINT32_MAX;
	need->instance = MP_NEED_ALL;
	if (mp_text_has_ref(need->text.s)) {
		check_text(c, &need->text, NULL, PLACE_LITERAL);
		return false;
	}
	if (!mp_names_find(&c->r->names, need->text.s, len, &need->group)) {
		unknown_need(c, need, len);
		return false;
	}
	return need->text.s[len] == '\0' || resolve_instance(c, need, need->text.s + len + 1);
}

/* Each time it is needed whole, group_seen keeps for a group the module that does, plus 1; `one`
 * holds what this module needs instance by instance. */
static void
check_needs(struct check *c, uint32_t index, uint32_t *group_seen, struct mp_names *one)
{
	struct mp_pipeline_module *m = &c->p->modules[index];
	uint64_t needed = 0;

	for (uint32_t i = 0; i < m->need_count; i++) {
		struct mp_need *need = &m->needs[i];
		const struct mp_pipeline_module *other;
		uint32_t first = index;
		int rc = 0;

		if (!resolve_need(c, need))
			continue;
		other = &c->p->modules[need->group];
		if (need->instance != MP_NEED_ALL)
			rc = mp_names_add(one, need->text.s, &first);
		else if (group_seen[need->group] == index + 1)
			rc = MP_EEXIST;
		else
			group_seen[need->group] = index + 1;
		if (rc == MP_ENOMEM)
			c->r->rc = rc;
		if (rc == MP_EEXIST)
			mp_pipeline_reader_fail(c->r, need->text.pos,
				"'%.60s' is needed twice by '%.60s'", need->text.s, m->name.s);
		needed += need->instance == MP_NEED_ALL ? instances_of(other) : 1;
		if (needed > MP_NEEDS_MAX) {
			mp_pipeline_reader_fail(c->r, need->text.pos,
				"'%.60s' needs more than %u modules; put some in between that "
				"need a part of them each",
				m->name.s, MP_NEEDS_MAX);
			return;
		}
		c->edges +=
			instances_of(m) * (need->instance == MP_NEED_ALL ? instances_of(other) : 1);
		if (c->edges > MP_EDGES_MAX) {
			mp_pipeline_reader_fail(c->r, need->text.pos,
				"the modules have more than %u dependencies", MP_EDGES_MAX);
			return;
		}
	}
}

static void
check_edges(struct check *c, uint32_t *group_seen)
{
	for (uint32_t i = 0; i < c->p->module_count && c->edges <= MP_EDGES_MAX; i++) {
		struct mp_names one;

		mp_names_init(&one, c->r->box->alloc);
		check_needs(c, i, group_seen, &one);
		mp_names_fini(&one);
	}
}

/* ---- cycles ---- */

struct frame {
	uint32_t group;
	uint32_t next; /* need to look at next */
};

enum {
	WHITE,
	GREY, /* on the stack */
	BLACK,
};

/* "a -> b -> c -> a"; a long one keeps its beginning and says how many are left out. */
static void
report_cycle(struct check *c, const struct frame *stack, size_t from, size_t top,
	const struct mp_need *need)
{
	char text[400];
	size_t n = 0;
	size_t i = from;

	for (; i <= top; i++) {
		const char *name = c->p->modules[stack[i].group].name.s;
		size_t len = strlen(name);

		if (n + len + 4 >= sizeof(text) - 1)
			break;
		memcpy(text + n, name, len);
		memcpy(text + n + len, " -> ", 4);
		n += len + 4;
	}
	text[n] = '\0';
	if (i <= top)
		mp_pipeline_reader_fail(c->r, need->text.pos, "cycle: %s(%zu more) -> %.60s", text,
			top + 1 - i, need->text.s);
	else
		mp_pipeline_reader_fail(c->r, need->text.pos, "cycle: %s%.60s", text, need->text.s);
}

/* Depth first from one module; position tells where on the stack a grey one is. */
static void
walk(struct check *c, uint32_t start, struct frame *stack, uint8_t *colour, uint32_t *position)
{
	size_t depth = 1;

	stack[0] = (struct frame){.group = start};
	colour[start] = GREY;
	position[start] = 0;
	while (depth > 0) {
		struct frame *f = &stack[depth - 1];
		const struct mp_pipeline_module *m = &c->p->modules[f->group];
		const struct mp_need *need;

		if (f->next == m->need_count) {
			colour[f->group] = BLACK;
			depth--;
			continue;
		}
		need = &m->needs[f->next++];
		if (need->group == UINT32_MAX || colour[need->group] == BLACK)
			continue;
		if (colour[need->group] == GREY) {
			report_cycle(c, stack, position[need->group], depth - 1, need);
			continue;
		}
		colour[need->group] = GREY;
		position[need->group] = (uint32_t)depth;
		stack[depth++] = (struct frame){.group = need->group};
	}
}

/* All instances of a group need the same, so a cycle of instances is one of groups. */
static void
check_cycles(struct check *c, struct frame *stack, uint8_t *colour, uint32_t *position)
{
	for (uint32_t i = 0; i < c->p->module_count; i++)
		if (colour[i] == WHITE)
			walk(c, i, stack, colour, position);
}

static void
check_graph(struct check *c)
{
	size_t n = c->p->module_count;
	struct mp_arena scratch;
	struct frame *stack;
	uint32_t *numbers;
	uint8_t *colour;

	mp_arena_init(&scratch, c->r->box->alloc, SIZE_MAX);
	stack = mp_arena_take_n(&scratch, n, sizeof(*stack));
	numbers = mp_arena_take_n(&scratch, n, sizeof(*numbers));
	colour = mp_arena_take_n(&scratch, n, sizeof(*colour));
	if (stack == NULL || numbers == NULL || colour == NULL) {
		c->r->rc = MP_ENOMEM;
	} else {
		check_edges(c, numbers);
		if (c->edges <= MP_EDGES_MAX)
			check_cycles(c, stack, colour, numbers);
	}
	mp_arena_fini(&scratch);
}

void
mp_pipeline_check(struct mp_pipeline_reader *r)
{
	struct check c = {.r = r, .p = &r->box->p, .budget = MATRIX_WORK_MAX};

	for (uint32_t i = 0; i < c.p->params.n; i++)
		c.unsafe[i] = !mp_shell_safe(c.p->params.v[i].value.s);
	if (c.p->name.s != NULL)
		check_text(&c, &c.p->name, NULL, PLACE_LITERAL);
	check_values(&c, &c.p->params, NULL, PLACE_LITERAL);
	check_values(&c, &c.p->env, NULL, PLACE_PARAMS);
	check_texts(&c, &c.p->inputs, NULL, PLACE_LITERAL);
	check_globs(&c, &c.p->inputs);
	check_matrices(&c);
	for (uint32_t i = 0; i < c.p->module_count; i++)
		check_module(&c, &c.p->modules[i]);
	mp_check_secrets(r);
	check_graph(&c);
}
