/* SPDX-License-Identifier: Apache-2.0 */
/* From the pipeline as written, and parameters, to the graph that is scheduled. */
#include "codec/pipeline_text.h"
#include "codec/tool.h"
#include "mp/limits.h"
#include "util/arena.h"
#include "util/glob.h"
#include "util/near.h"
#include "util/sort.h"
#include "util/utf8.h"

#define ENV_SLOTS_MAX (2 * MP_ENV_MAX + MP_AXES_MAX)

struct graph_box {
	struct mp_graph g; /* first: mp_graph_free gets this */
	const struct mp_alloc *alloc;
	struct mp_arena arena;
};

/* One variable of a module's environment before it is expanded. */
struct env_slot {
	const char *name;
	struct mp_text value;
	uint32_t axis; /* the value is that axis's, unless UINT32_MAX */
	bool done;     /* the value is final already */
};

struct expansion {
	const struct mp_pipeline *p;
	struct mp_diags *diags;
	struct graph_box *box;
	struct mp_arena scratch;  /* of the whole expansion */
	struct mp_arena instance; /* of one instance */
	struct mp_buf text;       /* one expanded text */
	struct mp_buf spec;
	struct mp_scope scope;
	struct env_slot *base; /* the pipeline's environment, by strcmp */
	uint32_t base_count;
	struct env_slot *env; /* the module's; ENV_SLOTS_MAX of them */
	uint32_t env_count;
	struct mp_demands demands; /* of the group's instances */
	struct mp_names_list secrets;
	uint32_t *first; /* index of the first instance, for each group and one more */
	uint64_t bytes;  /* left of MP_GRAPH_BYTES_MAX */
	bool failed;     /* a diagnostic was made */
	int rc;          /* MP_ENOMEM, or MP_ELIMIT when there is no use in going on */
};

static void fail(struct expansion *e, struct mp_pos pos, const char *fmt, ...) MP_PRINTF(3, 4);

static void
fail(struct expansion *e, struct mp_pos pos, const char *fmt, ...)
{
	va_list ap;

	e->failed = true;
	va_start(ap, fmt);
	mp_diags_vadd(e->diags, pos, fmt, ap);
	va_end(ap);
}

static void *
take(struct expansion *e, struct mp_arena *arena, size_t n, size_t size)
{
	void *p = mp_arena_take_n(arena, n, size);

	if (p == NULL)
		e->rc = MP_ENOMEM;
	return p;
}

static const char *
keep(struct expansion *e, struct mp_arena *arena, const char *s, size_t n)
{
	const char *p = mp_arena_text(arena, s, n);

	if (p == NULL)
		e->rc = MP_ENOMEM;
	return p;
}

/* ---- parameters ---- */

static void
unknown_param(struct expansion *e, const char *name)
{
	struct mp_near near;

	mp_near_init(&near, name);
	for (uint32_t i = 0; i < e->p->params.n; i++)
		mp_near_offer(&near, e->p->params.v[i].name.s);
	if (near.best != NULL)
		fail(e, (struct mp_pos){0, 0},
			"there is no parameter '%.60s': did you mean '%.60s'?", name, near.best);
	else
		fail(e, (struct mp_pos){0, 0}, "there is no parameter '%.60s'", name);
}

static void
bind_params(struct expansion *e, const struct mp_param *params, size_t n)
{
	struct mp_binding *list = take(e, &e->scratch, e->p->params.n, sizeof(*list));
	bool given[MP_PARAMS_MAX] = {false};

	if (list == NULL)
		return;
	if (e->p->params.n > 0)
		memcpy(list, e->p->params.v, e->p->params.n * sizeof(*list));
	e->scope.params = (struct mp_bindings){.v = list, .n = e->p->params.n};
	for (size_t i = 0; i < n; i++) {
		struct mp_span value = mp_span_str(params[i].value);
		const struct mp_binding *b =
			mp_bindings_find(e->scope.params, params[i].name, strlen(params[i].name));

		if (b == NULL) {
			unknown_param(e, params[i].name);
		} else if (given[b - list]) {
			fail(e, (struct mp_pos){0, 0}, "parameter '%.60s' is given twice",
				params[i].name);
		} else if (value.n > MP_RUN_PARAM_MAX || mp_utf8_prefix(value) != value.n) {
			fail(e, (struct mp_pos){0, 0},
				"the value of parameter '%.60s' is not UTF-8 text of at most %d "
				"bytes",
				params[i].name, MP_RUN_PARAM_MAX);
		} else {
			given[b - list] = true;
			list[b - list].value.s = params[i].value;
		}
	}
}

/* ---- text ---- */

static bool
charge(struct expansion *e, struct mp_pos pos, size_t n)
{
	if (n <= e->bytes) {
		e->bytes -= n;
		return true;
	}
	fail(e, pos, "the modules expand to more than %llu bytes",
		(unsigned long long)MP_GRAPH_BYTES_MAX);
	e->rc = MP_ELIMIT;
	return false;
}

/*
 * The text with everything replaced; borrowed from the pipeline when there is nothing to replace,
 * else in `arena`. NULL once it is refused.
 */
static const char *
expand(struct expansion *e, struct mp_arena *arena, const struct mp_text *t, bool shell)
{
	struct mp_ref bad;
	int rc;

	if (!charge(e, t->pos, strlen(t->s)))
		return NULL;
	if (!mp_text_has_ref(t->s))
		return t->s;
	mp_buf_clear(&e->text);
	rc = mp_text_expand(&e->scope, t->s, shell, &e->text, &bad);
	if (rc == MP_ENOMEM) {
		e->rc = rc;
	} else if (rc == MP_ELIMIT) {
		fail(e, t->pos, "expands to more than %d bytes", MP_ARG_MAX);
	} else if (rc != 0) {
		fail(e, t->pos,
			"the value of '%.*s' may not stand in a shell command: use the list form "
			"of "
			"run, or env",
			(int)mp_min_size((size_t)(bad.end - bad.start), 80), bad.start);
	} else if (charge(e, t->pos, e->text.n)) {
		return keep(e, arena, (const char *)e->text.p, e->text.n);
	}
	return NULL;
}

static struct mp_names_list
expand_list(struct expansion *e, struct mp_arena *arena, const struct mp_texts *list)
{
	const char **v = take(e, arena, (size_t)list->n + 1, sizeof(*v));

	for (uint32_t i = 0; v != NULL && i < list->n; i++) {
		v[i] = expand(e, arena, &list->v[i], false);
		if (v[i] == NULL)
			v[i] = "";
	}
	return (struct mp_names_list){.v = v, .n = v == NULL ? 0 : list->n};
}

static struct mp_names_list
expand_globs(struct expansion *e, const struct mp_texts *list)
{
	struct mp_names_list globs = expand_list(e, &e->instance, list);
	struct mp_error err;

	for (uint32_t i = 0; i < globs.n && !e->failed; i++)
		if (globs.v[i] != list->v[i].s && mp_glob_check(globs.v[i], &err) != 0)
			fail(e, list->v[i].pos, "'%.60s' %s", globs.v[i], err.text);
	return globs;
}

/* Into the graph: what placement looks at. */
static const char *
expand_label(struct expansion *e, const struct mp_text *t)
{
	const char *s;

	if (t->s == NULL)
		return NULL;
	s = expand(e, &e->instance, t, false);
	if (s != NULL && !mp_is_label(s)) {
		fail(e, t->pos,
			"expected a name of at most %d bytes without spaces and '/', found '%.60s'",
			MP_NAME_MAX, s);
		return NULL;
	}
	return s == NULL ? NULL : keep(e, &e->box->arena, s, strlen(s));
}

static struct mp_names_list
expand_labels(struct expansion *e, const struct mp_texts *list)
{
	const char **v = take(e, &e->box->arena, list->n, sizeof(*v));

	for (uint32_t i = 0; v != NULL && i < list->n; i++)
		v[i] = expand_label(e, &list->v[i]);
	return (struct mp_names_list){.v = v, .n = v == NULL ? 0 : list->n};
}

static struct mp_names_list
expand_tools(struct expansion *e, const struct mp_texts *list)
{
	struct mp_names_list tools = expand_labels(e, list);
	struct mp_error err;

	for (uint32_t i = 0; i < tools.n && !e->failed; i++)
		if (tools.v[i] != NULL && mp_tool_check(tools.v[i], &err) != 0)
			fail(e, list->v[i].pos, "%s", err.text);
	return tools;
}

/* ---- environment ---- */

/* Keeps slots sorted by strcmp; one that is there already gets the new value. */
static uint32_t
env_put(struct env_slot *slots, uint32_t n, struct env_slot slot)
{
	uint32_t lo = 0;
	uint32_t hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = strcmp(slots[mid].name, slot.name);

		if (order == 0) {
			slots[mid] = slot;
			return n;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(slots + lo + 1, slots + lo, (n - lo) * sizeof(*slots));
	slots[lo] = slot;
	return n + 1;
}

static void
expand_base_env(struct expansion *e)
{
	e->base = take(e, &e->scratch, MP_ENV_MAX, sizeof(*e->base));
	e->env = take(e, &e->scratch, ENV_SLOTS_MAX, sizeof(*e->env));
	for (uint32_t i = 0; i < e->p->env.n && e->rc == 0; i++) {
		const struct mp_binding *b = &e->p->env.v[i];
		struct env_slot slot = {b->name.s, b->value, UINT32_MAX, true};

		slot.value.s = expand(e, &e->scratch, &b->value, false);
		if (slot.value.s != NULL)
			e->base_count = env_put(e->base, e->base_count, slot);
	}
}

/* MP_MATRIX_CC for the axis cc. */
static const char *
axis_variable(struct expansion *e, const char *axis)
{
	char name[sizeof("MP_MATRIX_") + MP_NAME_MAX] = "MP_MATRIX_";
	size_t n = strlen(name);

	for (; *axis != '\0'; axis++)
		name[n++] = (char)(*axis >= 'a' && *axis <= 'z' ? *axis - 'a' + 'A' : *axis);
	return keep(e, &e->scratch, name, n);
}

static void
prepare_env(struct expansion *e, const struct mp_pipeline_module *m)
{
	e->env_count = e->base_count;
	memcpy(e->env, e->base, e->base_count * sizeof(*e->env));
	for (uint32_t i = 0; i < m->env.n; i++)
		e->env_count = env_put(e->env, e->env_count,
			(struct env_slot){
				m->env.v[i].name.s, m->env.v[i].value, UINT32_MAX, false});
	for (uint32_t i = 0; m->matrix != NULL && i < m->matrix->axis_count; i++) {
		struct env_slot slot = {.axis = i, .done = true};

		slot.name = axis_variable(e, m->matrix->axes[i].name.s);
		if (slot.name != NULL)
			e->env_count = env_put(e->env, e->env_count, slot);
	}
}

static void
expand_env(struct expansion *e, struct mp_spec *spec)
{
	struct mp_env_var *vars = take(e, &e->instance, e->env_count, sizeof(*vars));

	for (uint32_t i = 0; vars != NULL && i < e->env_count; i++) {
		const struct env_slot *slot = &e->env[i];
		const struct mp_matrix *matrix = e->scope.matrix;

		vars[i].name = slot->name;
		if (slot->axis != UINT32_MAX)
			vars[i].value =
				matrix->axes[slot->axis].values.v[e->scope.choice[slot->axis]].s;
		else if (slot->done)
			vars[i].value = slot->value.s;
		else
			vars[i].value = expand(e, &e->instance, &slot->value, false);
		if (vars[i].value == NULL)
			vars[i].value = "";
		if (strlen(vars[i].name) + 1 + strlen(vars[i].value) > MP_ARG_MAX)
			fail(e, slot->value.pos, "'%.60s' and its value have more than %d bytes",
				slot->name, MP_ARG_MAX);
	}
	spec->env = vars;
	spec->env_count = e->env_count;
}

/* ---- modules ---- */

static void
expand_spec(struct expansion *e, const struct mp_pipeline_module *m, struct mp_graph_module *out)
{
	struct mp_spec spec = {.all_inputs = !m->inputs.set,
		.timeout_ms = m->timeout_ms,
		.grace_ms = m->grace_ms,
		.no_cache = !m->cache,
		.tools = out->tools,
		.once = m->once,
		.resources = out->resources,
		.secrets = out->secrets};
	int rc;

	if (m->shell.s != NULL)
		spec.shell = expand(e, &e->instance, &m->shell, true);
	else
		spec.argv = expand_list(e, &e->instance, &m->argv);
	expand_env(e, &spec);
	spec.inputs = expand_globs(e, &m->inputs);
	spec.outputs = expand_globs(e, &m->outputs);
	if (e->rc != 0 || e->failed)
		return;
	if (spec.shell == NULL && spec.argv.v[0][0] == '\0')
		fail(e, m->argv.v[0].pos, "the command is empty");
	mp_buf_clear(&e->spec);
	rc = mp_spec_encode(&spec, &e->spec);
	if (rc == MP_ELIMIT) {
		fail(e, m->name.pos,
			"command, environment and globs of '%.60s' have more than %u bytes",
			m->name.s, MP_SPEC_MAX);
	} else if (rc != 0) {
		e->rc = rc;
	} else if (charge(e, m->name.pos, e->spec.n)) {
		out->spec = mp_span(
			keep(e, &e->box->arena, (const char *)e->spec.p, e->spec.n), e->spec.n);
	}
}

/* "build[gcc,linux]" */
static const char *
instance_name(struct expansion *e, const struct mp_pipeline_module *m)
{
	char name[MP_NAME_MAX + 1];
	size_t n = strlen(m->name.s);

	if (m->matrix == NULL)
		return keep(e, &e->box->arena, m->name.s, n);
	memcpy(name, m->name.s, n);
	for (uint32_t i = 0; i < m->matrix->axis_count; i++) {
		const char *value = m->matrix->axes[i].values.v[e->scope.choice[i]].s;
		size_t len = strlen(value);

		mp_assert(n + 1 + len + 1 <= MP_NAME_MAX);
		name[n++] = i == 0 ? '[' : ',';
		memcpy(name + n, value, len);
		n += len;
	}
	name[n++] = ']';
	return keep(e, &e->box->arena, name, n);
}

/* The same for all instances. */
static void
prepare_demands(struct expansion *e, const struct mp_pipeline_module *m)
{
	struct mp_demand *list;

	e->demands = (struct mp_demands){.n = 0};
	if (m->resources.n == 0)
		return;
	list = take(e, &e->box->arena, m->resources.n, sizeof(*list));
	for (uint32_t i = 0; list != NULL && i < m->resources.n; i++) {
		const struct mp_demand *d = &m->resources.v[i];

		list[i].name = keep(e, &e->box->arena, d->name, strlen(d->name));
		list[i].count = d->count;
	}
	if (e->rc == 0)
		e->demands = (struct mp_demands){.v = list, .n = m->resources.n};
}

static int
name_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct mp_names_list
keep_names(struct expansion *e, const struct mp_texts *names)
{
	const char **list = names->n == 0 ? NULL : take(e, &e->box->arena, names->n, sizeof(*list));

	if (list == NULL)
		return (struct mp_names_list){.n = 0};
	for (uint32_t i = 0; i < names->n; i++)
		list[i] = keep(e, &e->box->arena, names->v[i].s, strlen(names->v[i].s));
	if (e->rc == 0)
		mp_sort(list, names->n, sizeof(*list), name_order);
	return (struct mp_names_list){.v = list, .n = names->n};
}

static void
expand_instance(struct expansion *e, const struct mp_pipeline_module *m, uint32_t group,
	uint32_t instance, const struct mp_retry *retry)
{
	struct mp_graph_module *out = &e->box->g.modules[e->first[group] + instance];

	mp_arena_reset(&e->instance);
	*out = (struct mp_graph_module){
		.group = group,
		.instance = instance,
		.retry = *retry,
		.timeout_ms = m->timeout_ms,
		.placement_timeout_ms = m->placement_timeout_ms,
		.cache = m->cache,
		.once = m->once,
	};
	out->name = instance_name(e, m);
	if (m->requires != NULL) {
		out->os = expand_label(e, &m->requires->os);
		out->arch = expand_label(e, &m->requires->arch);
		out->tools = expand_tools(e, &m->requires->tools);
		out->tags = expand_labels(e, &m->requires->tags);
	}
	out->resources = e->demands;
	out->secrets = e->secrets;
	expand_spec(e, m, out);
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

/* Stops at the first instance that is refused: the others would be for the same reason. */
static void
expand_group(struct expansion *e, uint32_t group)
{
	const struct mp_pipeline_module *m = &e->p->modules[group];
	uint32_t combinations = m->matrix == NULL ? 1 : m->matrix->combination_count;
	uint32_t choice[MP_AXES_MAX] = {0};
	struct mp_retry retry = m->retry;
	bool failed = e->failed;

	e->scope.matrix = m->matrix;
	e->scope.choice = choice;
	e->failed = false;
	retry.exits = (const uint8_t *)keep(
		e, &e->box->arena, (const char *)m->retry.exits, m->retry.exit_count);
	prepare_env(e, m);
	prepare_demands(e, m);
	e->secrets = keep_names(e, &m->secrets);
	for (uint32_t i = 0; i < combinations && e->rc == 0 && !e->failed; i++) {
		uint32_t instance = i;

		if (m->matrix != NULL && m->matrix->instances != NULL)
			instance = m->matrix->instances[i];
		if (instance != UINT32_MAX)
			expand_instance(e, m, group, instance, &retry);
		if (m->matrix != NULL)
			choice_next(m->matrix, choice);
	}
	e->failed = e->failed || failed;
}

static void
expand_modules(struct expansion *e)
{
	struct mp_graph *g = &e->box->g;
	uint32_t n = e->p->module_count;

	e->first = take(e, &e->scratch, (size_t)n + 1, sizeof(*e->first));
	for (uint32_t i = 0; e->first != NULL && i < n; i++) {
		const struct mp_matrix *matrix = e->p->modules[i].matrix;

		e->first[i + 1] = e->first[i] + (matrix == NULL ? 1 : matrix->instance_count);
		mp_assert(e->first[i + 1] <= MP_MODULES_MAX);
	}
	if (e->rc != 0)
		return;
	g->module_count = e->first[n];
	g->modules = take(e, &e->box->arena, g->module_count, sizeof(*g->modules));
	for (uint32_t i = 0; i < n && e->rc == 0; i++)
		expand_group(e, i);
}

/* ---- edges ---- */

/*
 * All instances of a group need the same, so each needed instance keeps a list of groups. Filling
 * such lists in the order of groups, and reading them in the order of instances, sorts both ways.
 */
struct edges {
	uint32_t *start; /* of each instance's part of groups, and one more */
	uint32_t *groups;
	uint32_t *mark; /* which group touched this instance last, plus 1 */
};

/* Counts into start (groups NULL), or fills groups. */
static void
visit_needs(struct expansion *e, struct edges *edges, uint32_t group)
{
	const struct mp_pipeline_module *m = &e->p->modules[group];

	for (uint32_t i = 0; i < m->need_count; i++) {
		const struct mp_need *need = &m->needs[i];
		uint32_t from = e->first[need->group];
		uint32_t to = e->first[need->group + 1];

		if (need->instance != MP_NEED_ALL) {
			from += need->instance;
			to = from + 1;
		}
		for (uint32_t x = from; x < to; x++) {
			if (edges->mark[x] == group + 1)
				continue;
			edges->mark[x] = group + 1;
			if (edges->groups == NULL)
				edges->start[x + 1]++;
			else
				edges->groups[edges->start[x]++] = group;
		}
	}
}

static void
collect_edges(struct expansion *e, struct edges *edges)
{
	uint32_t n = e->box->g.module_count;

	edges->start = take(e, &e->scratch, (size_t)n + 1, sizeof(*edges->start));
	edges->mark = take(e, &e->scratch, n, sizeof(*edges->mark));
	edges->groups = NULL;
	if (e->rc != 0)
		return;
	for (uint32_t i = 0; i < e->p->module_count; i++)
		visit_needs(e, edges, i);
	for (uint32_t x = 0; x < n; x++)
		edges->start[x + 1] += edges->start[x];
	edges->groups = take(e, &e->scratch, edges->start[n], sizeof(*edges->groups));
	if (e->rc != 0)
		return;
	memset(edges->mark, 0, n * sizeof(*edges->mark));
	for (uint32_t i = 0; i < e->p->module_count; i++)
		visit_needs(e, edges, i);
	/* Filling moved every start to the next one's place. */
	memmove(edges->start + 1, edges->start, n * sizeof(*edges->start));
	edges->start[0] = 0;
}

static uint32_t
group_size(const struct expansion *e, uint32_t group)
{
	return e->first[group + 1] - e->first[group];
}

static void
link_dependants(struct expansion *e, const struct edges *edges)
{
	struct mp_graph *g = &e->box->g;
	uint64_t total = 0;
	uint32_t *all;

	for (uint32_t k = 0; k < edges->start[g->module_count]; k++)
		total += group_size(e, edges->groups[k]);
	mp_assert(total <= MP_EDGES_MAX);
	g->edge_count = (uint32_t)total;
	all = take(e, &e->box->arena, (size_t)total, sizeof(*all));
	for (uint32_t x = 0; all != NULL && x < g->module_count; x++) {
		struct mp_graph_module *m = &g->modules[x];

		m->dependants = all;
		for (uint32_t k = edges->start[x]; k < edges->start[x + 1]; k++)
			for (uint32_t i = 0; i < group_size(e, edges->groups[k]); i++)
				*all++ = e->first[edges->groups[k]] + i;
		m->dependant_count = (uint32_t)(all - m->dependants);
	}
}

/* Instances of a group share one list. */
static void
link_needs(struct expansion *e, const struct edges *edges)
{
	struct mp_graph *g = &e->box->g;
	uint32_t n = e->p->module_count;
	uint32_t *count = take(e, &e->scratch, (size_t)n + 1, sizeof(*count));
	uint32_t *all = take(e, &e->box->arena, edges->start[g->module_count], sizeof(*all));

	if (e->rc != 0)
		return;
	for (uint32_t k = 0; k < edges->start[g->module_count]; k++)
		count[edges->groups[k] + 1]++;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t x = e->first[i]; x < e->first[i + 1]; x++) {
			g->modules[x].needs = all + count[i];
			g->modules[x].need_count = count[i + 1];
		}
		count[i + 1] += count[i];
	}
	for (uint32_t x = 0; x < g->module_count; x++)
		for (uint32_t k = edges->start[x]; k < edges->start[x + 1]; k++)
			all[count[edges->groups[k]]++] = x;
}

static void
expand_edges(struct expansion *e)
{
	struct edges edges;

	collect_edges(e, &edges);
	if (e->rc == 0)
		link_dependants(e, &edges);
	if (e->rc == 0)
		link_needs(e, &edges);
}

/* ---- the whole ---- */

static void
expand_all(struct expansion *e, const struct mp_param *params, size_t param_count)
{
	struct mp_graph *g = &e->box->g;

	g->electors = e->p->electors;
	g->copies = e->p->copies;
	g->survivor = e->p->survivor;
	g->on_failure = e->p->on_failure;
	g->secrets = keep_names(e, &e->p->secrets);
	g->name = keep(e, &e->box->arena, e->p->name.s, strlen(e->p->name.s));
	bind_params(e, params, param_count);
	if (e->rc == 0)
		expand_base_env(e);
	if (e->rc == 0)
		expand_modules(e);
	if (e->rc == 0 && !e->failed)
		expand_edges(e);
}

int
mp_graph_expand(const struct mp_pipeline *p, const struct mp_param *params, size_t param_count,
	const struct mp_alloc *alloc, struct mp_graph **out, struct mp_diags *diags)
{
	struct expansion e = {.p = p, .diags = diags, .bytes = MP_GRAPH_BYTES_MAX};

	e.box = mp_realloc(alloc, NULL, 0, sizeof(*e.box));
	if (e.box == NULL)
		return MP_ENOMEM;
	*e.box = (struct graph_box){.alloc = alloc};
	mp_arena_init(&e.box->arena, alloc, SIZE_MAX);
	mp_arena_init(&e.scratch, alloc, SIZE_MAX);
	mp_arena_init(&e.instance, alloc, SIZE_MAX);
	mp_buf_init(&e.text, alloc, MP_ARG_MAX);
	mp_buf_init(&e.spec, alloc, MP_SPEC_MAX);
	expand_all(&e, params, param_count);
	mp_buf_fini(&e.spec);
	mp_buf_fini(&e.text);
	mp_arena_fini(&e.instance);
	mp_arena_fini(&e.scratch);
	if (e.rc == 0 && !e.failed) {
		*out = &e.box->g;
		return 0;
	}
	mp_graph_free(&e.box->g);
	return e.rc == MP_ENOMEM ? MP_ENOMEM : MP_EPIPELINE;
}

void
mp_graph_free(struct mp_graph *g)
{
	struct graph_box *box;

	if (g == NULL)
		return;
	box = mp_container_of(g, struct graph_box, g);
	mp_arena_fini(&box->arena);
	mp_dealloc(box->alloc, box, sizeof(*box));
}
