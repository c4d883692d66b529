/* SPDX-License-Identifier: Apache-2.0 */
/* `matrix`: axes, what is excluded, and the numbers of the instances that remain. */
#include "codec/pipeline_read.h"
#include "codec/pipeline_text.h"
#include "mp/limits.h"

static void
read_axis_values(struct mp_pipeline_reader *r, struct mp_axis *axis, const struct mp_value *v)
{
	struct mp_names seen;

	if (!mp_read_texts(r, v, MP_NAME_MAX, "a list of values", &axis->values))
		return;
	if (axis->values.n == 0)
		mp_pipeline_reader_fail(r, v->pos, "axis '%.60s' is empty", axis->name.s);
	mp_names_init(&seen, r->box->alloc);
	for (uint32_t i = 0; i < axis->values.n; i++) {
		const struct mp_text *value = &axis->values.v[i];
		uint32_t first = i;
		int rc = mp_names_add(&seen, value->s, &first);

		if (!mp_is_matrix_value(value->s))
			mp_pipeline_reader_fail(r, value->pos,
				"expected a printable value without '/', '\\', ',', '[' and ']', "
				"found '%.60s'",
				value->s);
		else if (rc == MP_EEXIST)
			mp_read_twice(r, value->pos, value->s, axis->values.v[first].pos);
		else if (rc == MP_ELIMIT)
			mp_pipeline_reader_fail(r, value->pos, "too many values collide");
		else if (rc != 0)
			r->rc = rc;
		if (axis->unsafe == UINT32_MAX && !mp_shell_safe(value->s))
			axis->unsafe = i;
	}
	mp_names_fini(&seen);
}

/* MP_MATRIX_CC is one variable, however the axis is written. */
static bool
same_variable(const char *a, const char *b)
{
	while (*a != '\0' && (*a | 0x20) == (*b | 0x20) && (*a == '_') == (*b == '_')) {
		a++;
		b++;
	}
	return *a == '\0' && *b == '\0';
}

static void
read_axis(struct mp_pipeline_reader *r, struct mp_matrix *matrix, struct mp_axis *axes,
	const struct mp_value *name, const struct mp_value *values)
{
	struct mp_axis *axis = &axes[matrix->axis_count];

	if (name->kind == MP_VALUE_BAD)
		return;
	if (name->kind != MP_VALUE_TEXT || !mp_is_identifier(name->s, false)) {
		mp_read_expected(r, name, "the name of an axis: letters, digits and '_'");
		return;
	}
	if (matrix->axis_count == MP_AXES_MAX) {
		mp_pipeline_reader_fail(r, name->pos, "more than %d axes", MP_AXES_MAX);
		return;
	}
	for (uint32_t i = 0; i < matrix->axis_count; i++)
		if (same_variable(axes[i].name.s, name->s)) {
			mp_read_twice(r, name->pos, name->s, axes[i].name.pos);
			return;
		}
	*axis = (struct mp_axis){.unsafe = UINT32_MAX};
	if (!mp_read_text(r, name, MP_NAME_MAX, "a name", &axis->name))
		return;
	matrix->axis_count++;
	read_axis_values(r, axis, values);
}

static bool
any_key(struct mp_pipeline_reader *r, const struct mp_value *key)
{
	(void)r;
	return key->kind != MP_VALUE_BAD;
}

static uint32_t
axis_find(const struct mp_matrix *matrix, const char *name)
{
	uint32_t i = 0;

	while (i < matrix->axis_count && strcmp(matrix->axes[i].name.s, name) != 0)
		i++;
	return i;
}

static void
read_exclude(struct mp_pipeline_reader *r, struct mp_matrix *matrix, const struct mp_value *v)
{
	struct mp_exclude *list;

	if (v->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, "a list of maps from axis to value");
		return;
	}
	if (v->count > MP_EXCLUDES_MAX) {
		mp_pipeline_reader_fail(r, v->pos, "more than %d entries", MP_EXCLUDES_MAX);
		return;
	}
	list = mp_read_take(r, v->count, sizeof(*list));
	if (list == NULL)
		return;
	matrix->excludes = list;
	for (const struct mp_value *item = v->first; item != NULL; item = item->next) {
		struct mp_exclude *e = &list[matrix->exclude_count];

		e->pos = item->pos;
		if (!mp_read_bindings(
			    r, item, MP_AXES_MAX, any_key, "a map from axis to value", &e->match))
			continue;
		if (e->match.n == 0) {
			mp_pipeline_reader_fail(r, item->pos, "an empty entry excludes everything");
			continue;
		}
		for (uint32_t i = 0; i < e->match.n; i++)
			if (axis_find(matrix, e->match.v[i].name.s) == matrix->axis_count)
				mp_pipeline_reader_fail(r, e->match.v[i].name.pos,
					"the matrix has no axis '%.60s'", e->match.v[i].name.s);
		matrix->exclude_count++;
	}
}

/* People write the axes as keys of one map; CBOR, whose maps have no order, as a list of pairs. */
static const struct mp_value *
read_axes_yaml(struct mp_pipeline_reader *r, struct mp_matrix *matrix, struct mp_axis *axes,
	const struct mp_value *v)
{
	const struct mp_value *exclude = NULL;

	for (const struct mp_value *key = v->first; key != NULL; key = key->next->next) {
		if (key->kind == MP_VALUE_TEXT && strcmp(key->s, "include") == 0)
			mp_pipeline_reader_fail(
				r, key->pos, "'include' is not implemented in this version");
		else if (key->kind != MP_VALUE_TEXT || strcmp(key->s, "exclude") != 0)
			read_axis(r, matrix, axes, key, key->next);
		else if (exclude != NULL)
			mp_pipeline_reader_fail(r, key->pos, "'exclude' is written twice");
		else
			exclude = key->next;
	}
	return exclude;
}

static const struct mp_value *
read_axes_cbor(struct mp_pipeline_reader *r, struct mp_matrix *matrix, struct mp_axis *axes,
	const struct mp_value *v)
{
	const struct mp_value *key = v->first;

	if (v->count == 0 || v->count > 2 || strcmp(key->s, "axes") != 0 ||
		(v->count == 2 && strcmp(key->next->next->s, "exclude") != 0) ||
		key->next->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, "a map of axes and exclude");
		return NULL;
	}
	for (const struct mp_value *pair = key->next->first; pair != NULL; pair = pair->next) {
		if (pair->kind == MP_VALUE_LIST && pair->count == 2)
			read_axis(r, matrix, axes, pair->first, pair->first->next);
		else
			mp_read_expected(r, pair, "a name and a list of values");
	}
	return v->count == 2 ? key->next->next->next : NULL;
}

void
mp_read_matrix(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d)
{
	struct mp_matrix *matrix;
	struct mp_axis *axes;
	const struct mp_value *exclude;

	if (v->kind != MP_VALUE_MAP) {
		mp_read_expected(r, v, "a map of axes");
		return;
	}
	matrix = mp_read_take(r, 1, sizeof(*matrix));
	axes = mp_read_take(r, MP_AXES_MAX, sizeof(*axes));
	if (matrix == NULL || axes == NULL)
		return;
	matrix->pos = v->pos;
	matrix->axes = axes;
	exclude = r->cbor ? read_axes_cbor(r, matrix, axes, v) : read_axes_yaml(r, matrix, axes, v);
	if (matrix->axis_count == 0 && !r->failed)
		mp_pipeline_reader_fail(r, v->pos, "the matrix has no axis");
	if (exclude != NULL)
		read_exclude(r, matrix, exclude);
	d->m.matrix = matrix;
}

/* What an entry asks of each axis: the index of a value, or UINT32_MAX for any. */
struct rule {
	uint32_t want[MP_AXES_MAX];
};

/* False when no combination has these values. */
static bool
rule_make(const struct mp_matrix *matrix, const struct mp_exclude *e, struct rule *rule)
{
	memset(rule, 0xff, sizeof(*rule));
	for (uint32_t i = 0; i < e->match.n; i++) {
		uint32_t axis = axis_find(matrix, e->match.v[i].name.s);
		const struct mp_texts *values;
		uint32_t k = 0;

		if (axis == matrix->axis_count)
			return false;
		values = &matrix->axes[axis].values;
		while (k < values->n && strcmp(values->v[k].s, e->match.v[i].value.s) != 0)
			k++;
		if (k == values->n)
			return false;
		rule->want[axis] = k;
	}
	return true;
}

static bool
rule_matches(const struct rule *rule, const uint32_t *choice, uint32_t axes)
{
	uint32_t i = 0;

	while (i < axes && (rule->want[i] == UINT32_MAX || rule->want[i] == choice[i]))
		i++;
	return i == axes;
}

/* The last axis moves first. */
static void
choice_next(const struct mp_matrix *matrix, uint32_t *choice)
{
	for (uint32_t i = matrix->axis_count; i-- > 0;) {
		if (++choice[i] < matrix->axes[i].values.n)
			return;
		choice[i] = 0;
	}
}

static bool
number_instances(struct mp_pipeline_reader *r, struct mp_matrix *matrix)
{
	uint32_t choice[MP_AXES_MAX] = {0};
	uint32_t *instances = mp_read_take(r, matrix->combination_count, sizeof(*instances));
	struct rule *rules = mp_read_take(r, matrix->exclude_count, sizeof(*rules));
	uint32_t rule_count = 0;
	uint32_t n = 0;

	if (instances == NULL || rules == NULL)
		return false;
	for (uint32_t i = 0; i < matrix->exclude_count; i++)
		if (rule_make(matrix, &matrix->excludes[i], &rules[rule_count]))
			rule_count++;
	for (uint32_t i = 0; i < matrix->combination_count; i++) {
		uint32_t k = 0;

		while (k < rule_count && !rule_matches(&rules[k], choice, matrix->axis_count))
			k++;
		instances[i] = k < rule_count ? UINT32_MAX : n++;
		choice_next(matrix, choice);
	}
	matrix->instances = instances;
	matrix->instance_count = n;
	return true;
}

bool
mp_matrix_count(struct mp_pipeline_reader *r, struct mp_matrix *matrix, uint64_t *budget)
{
	uint64_t product = matrix->axis_count > 0 ? 1 : 0;
	uint64_t values = 0;
	uint64_t work;

	for (uint32_t i = 0; i < matrix->axis_count && product <= MP_MODULES_MAX; i++) {
		product *= matrix->axes[i].values.n;
		values += matrix->axes[i].values.n;
	}
	if (product > MP_MODULES_MAX) {
		mp_pipeline_reader_fail(
			r, matrix->pos, "the matrix has more than %u combinations", MP_MODULES_MAX);
		return false;
	}
	matrix->combination_count = (uint32_t)product;
	matrix->instance_count = (uint32_t)product;
	work = (product + values) * (matrix->exclude_count + 1);
	if (work > *budget) {
		mp_pipeline_reader_fail(
			r, matrix->pos, "the matrices have too many combinations and exclusions");
		return false;
	}
	*budget -= work;
	if (product == 0)
		return false; /* reported where it was read */
	if (matrix->exclude_count > 0 && !number_instances(r, matrix))
		return false;
	if (matrix->instance_count == 0)
		mp_pipeline_reader_fail(
			r, matrix->pos, "the matrix is empty: every combination is excluded");
	return matrix->instance_count > 0;
}

uint32_t
mp_matrix_find(const struct mp_matrix *matrix, const char *values)
{
	uint32_t combination = 0;

	for (uint32_t i = 0; i < matrix->axis_count; i++) {
		const struct mp_axis *axis = &matrix->axes[i];
		size_t n = strcspn(values, ",]");
		uint32_t k = 0;

		while (k < axis->values.n && (strncmp(axis->values.v[k].s, values, n) != 0 ||
						     axis->values.v[k].s[n] != '\0'))
			k++;
		if (k == axis->values.n || values[n] != (i + 1 < matrix->axis_count ? ',' : ']'))
			return MP_NEED_ALL;
		combination = combination * axis->values.n + k;
		values += n + 1;
	}
	if (*values != '\0')
		return MP_NEED_ALL;
	return matrix->instances == NULL ? combination : matrix->instances[combination];
}
