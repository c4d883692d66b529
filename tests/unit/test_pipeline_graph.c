/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/pipeline_case.h"

#define HEAD "meshpipe: 1\nname: t\n"

static struct mp_graph *
expand(const struct mp_alloc *alloc, const char *text, const struct mp_param *params, size_t n,
	const char *want)
{
	static char lines[10000];
	struct mp_pipeline *p = case_good(alloc, text);
	struct mp_graph *g = NULL;
	struct mp_diags diags;
	int rc;

	mp_diags_init(&diags, alloc, "p.yaml");
	rc = mp_graph_expand(p, params, n, alloc, &g, &diags);
	case_lines(&diags, lines, sizeof(lines));
	assert_string_equal(lines, want);
	assert_int_equal(rc, want[0] == '\0' ? 0 : MP_EPIPELINE);
	assert_true((g != NULL) == (rc == 0));
	mp_diags_fini(&diags);
	mp_pipeline_free(p); /* the graph does not look at it */
	return g;
}

/* "name<needs>dependants", for all modules. */
static void
check_shape(const struct mp_graph *g, const char *want)
{
	char out[4000];
	size_t n = 0;

	for (uint32_t i = 0; i < g->module_count; i++) {
		const struct mp_graph_module *m = &g->modules[i];

		n += (size_t)snprintf(
			out + n, sizeof(out) - n, "%s%s<", i == 0 ? "" : " ", m->name);
		for (uint32_t k = 0; k < m->need_count; k++)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n, "%s%u", k == 0 ? "" : ",", m->needs[k]);
		n += (size_t)snprintf(out + n, sizeof(out) - n, ">");
		for (uint32_t k = 0; k < m->dependant_count; k++)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%u", k == 0 ? "" : ",",
				m->dependants[k]);
	}
	assert_string_equal(out, want);
}

static void
test_shape(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_graph *g;

	(void)state;
	g = expand(&alloc,
		HEAD "modules:\n"
		     "  publish: { run: x, needs: [process, validate-environment] }\n"
		     "  fetch: { run: x }\n"
		     "  validate-environment: { run: x }\n"
		     "  process: { run: x, needs: [fetch] }\n",
		NULL, 0, "");
	check_shape(g, "publish<2,3> fetch<>3 validate-environment<>0 process<1>0");
	assert_int_equal(g->edge_count, 3);
	mp_graph_free(g);

	g = expand(&alloc,
		HEAD "modules:\n"
		     "  test: { run: x, needs: [build, \"build[1,y]\"], matrix: { t: [p, q] } }\n"
		     "  build: { run: x, needs: [a],\n"
		     "           matrix: { k: [1, 2], l: [x, y], exclude: [{ k: 2, l: x }] } }\n"
		     "  one: { run: x, needs: [\"build[2,y]\", a] }\n"
		     "  a: { run: x }\n",
		NULL, 0, "");
	check_shape(g, "test[p]<2,3,4> test[q]<2,3,4> build[1,x]<6>0,1 build[1,y]<6>0,1 "
		       "build[2,y]<6>0,1,5 one<4,6> a<>2,3,4,5");
	assert_int_equal(g->edge_count, 11);
	assert_int_equal(g->modules[4].group, 1);
	assert_int_equal(g->modules[4].instance, 2);
	mp_graph_free(g);
	assert_int_equal(heap.live, 0);
}

static void
check_list(struct mp_names_list list, const char *const *want, uint32_t n)
{
	assert_int_equal(list.n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_string_equal(list.v[i], want[i]);
}

static const char template[] = HEAD
	"params: { v: \"1.0\", w: '' }\n"
	"env: { Z: \"z ${params.v}\", B: base, KEEP: \"${params.v}\" }\n"
	"modules:\n"
	"  a:\n"
	"    matrix: { cc: [gcc, clang], Opt: [\"-O2 -g\"] }\n"
	"    requires: { os: linux, tools: [\"${matrix.cc}\"], tags: [\"v${matrix.cc}\"] }\n"
	"    retry: { attempts: 2, on: [7] }\n"
	"    run: [make, \"CC=${matrix.cc}\", \"${params.w}\", \"$${params.v}\", $$, \"${HOME}\"]\n"
	"    env: { B: \"${matrix.Opt}\" }\n"
	"    inputs: [\"src/${matrix.cc}/*\"]\n"
	"    outputs: [\"bin/${matrix.cc}-${params.v}\"]\n"
	"    timeout: 2s\n"
	"    grace: 1s\n"
	"  b:\n"
	"    run: echo ${params.w} $${x}\n"
	"    cache: false\n";

static void
test_module(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_graph *g = expand(&alloc, template, &(struct mp_param){"w", "2"}, 1, "");
	const struct mp_graph_module *m = &g->modules[1];
	struct mp_spec *s;

	(void)state;
	assert_string_equal(g->name, "t");
	assert_int_equal(g->electors, MP_ELECTORS_DEFAULT);
	assert_string_equal(m->name, "a[clang,-O2 -g]");
	check_list(m->tools, (const char *const[]){"clang"}, 1);
	check_list(m->tags, (const char *const[]){"vclang"}, 1);
	assert_string_equal(m->os, "linux");
	assert_null(m->arch);
	assert_true(m->timeout_ms == 2000 && m->cache);
	assert_int_equal(m->retry.attempts, 2);
	assert_int_equal(m->retry.exits[0], 7);
	assert_false(g->modules[2].cache);
	assert_int_equal(mp_spec_decode(g->modules[2].spec, &alloc, &s), 0);
	assert_string_equal(s->shell, "echo 2 ${x}");
	assert_int_equal(s->argv.n, 0);
	assert_true(s->all_inputs && s->timeout_ms == 0 && s->grace_ms == MP_GRACE_MS_DEFAULT);
	assert_true(s->no_cache);
	assert_int_equal(s->tools.n, 0);
	mp_spec_free(s);
	mp_graph_free(g);
	assert_int_equal(heap.live, 0);
}

static void
test_spec(void **state)
{
	/* A value is put in once: what it holds is not looked at again. */
	static const struct mp_param params[] = {{"w", "two"}, {"v", "${matrix.cc}"}};
	static const char *const env[][2] = {{"B", "-O2 -g"}, {"KEEP", "${matrix.cc}"},
		{"MP_MATRIX_CC", "clang"}, {"MP_MATRIX_OPT", "-O2 -g"}, {"Z", "z ${matrix.cc}"}};
	static const char *const argv[] = {
		"make", "CC=clang", "two", "${params.v}", "$$", "${HOME}"};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_graph *g = expand(&alloc, template, params, 2, "");
	struct mp_spec *s;

	(void)state;
	assert_int_equal(mp_spec_decode(g->modules[1].spec, &alloc, &s), 0);
	check_list(s->argv, argv, 6);
	assert_null(s->argv.v[6]);
	assert_null(s->shell);
	assert_int_equal(s->env_count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_string_equal(s->env[i].name, env[i][0]);
		assert_string_equal(s->env[i].value, env[i][1]);
	}
	assert_false(s->all_inputs);
	check_list(s->inputs, (const char *const[]){"src/clang/*"}, 1);
	check_list(s->outputs, (const char *const[]){"bin/clang-${matrix.cc}"}, 1);
	assert_true(s->timeout_ms == 2000 && s->grace_ms == 1000);
	assert_false(s->no_cache);
	check_list(s->tools, (const char *const[]){"clang"}, 1);
	mp_spec_free(s);
	mp_graph_free(g);
	assert_int_equal(heap.live, 0);
}

static void
test_bad_params(void **state)
{
	static char big[MP_RUN_PARAM_MAX + 2];
	static const struct {
		const char *name;
		const char *value;
		const char *lines;
	} rows[] = {
		{"ww", "", "p.yaml: there is no parameter 'ww': did you mean 'w'?"},
		{"nothing", "", "p.yaml: there is no parameter 'nothing'"},
		{"w", "a b",
			"p.yaml:17:10: the value of '${params.w}' may not stand in a shell "
			"command: "
			"use the list form of run, or env"},
		{"w", "\xff",
			"p.yaml: the value of parameter 'w' is not UTF-8 text of at most 65536 "
			"bytes"},
		{"w", big,
			"p.yaml: the value of parameter 'w' is not UTF-8 text of at most 65536 "
			"bytes"},
		{"v", "../../x",
			"p.yaml:13:15: 'bin/gcc-../../x' has a '..' component and would leave the "
			"workspace"},
		{"v", "", ""},
	};
	static const struct mp_param twice[] = {{"v", "1"}, {"v", "2"}};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (size_t i = 0; i < mp_countof(rows); i++) {
		struct mp_param param = {rows[i].name, rows[i].value};

		mp_graph_free(expand(&alloc, template, &param, 1, rows[i].lines));
		assert_int_equal(heap.live, 0);
	}
	(void)expand(&alloc, template, twice, 2, "p.yaml: parameter 'v' is given twice");
}

static void
test_bad_values(void **state)
{
	static const struct {
		const char *module;
		const char *param;
		const char *lines;
	} rows[] = {
		{"run: [\"${params.p}\"]", "", "p.yaml:5:14: the command is empty"},
		{"run: [x], requires: { tags: [\"${params.p}\"] }", "a b",
			"p.yaml:5:37: expected a name of at most 128 bytes without spaces and '/', "
			"found "
			"'a b'"},
		{"run: [x], inputs: [\"${params.p}/*\"]", "/etc",
			"p.yaml:5:27: '/etc/*' is absolute: paths are relative to the workspace"},
	};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	char text[1000];

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		struct mp_param param = {"p", rows[i].param};

		(void)snprintf(text, sizeof(text), HEAD "params: { p: x }\nmodules:\n  a: { %s }\n",
			rows[i].module);
		(void)expand(&alloc, text, &param, 1, rows[i].lines);
		assert_int_equal(heap.live, 0);
	}
}

/* Text that grows beyond a bound when values are put in. */
static void
test_bounds(void **state)
{
	static char value[60001];
	static char text[10000];
	static const struct mp_param big = {"p", value};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	int n;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	(void)expand(&alloc,
		HEAD "params: { p: x }\nmodules:\n"
		     "  a: { run: [a, \"${params.p}${params.p}${params.p}\"] }\n",
		&big, 1, "p.yaml:5:17: expands to more than 131071 bytes");
	(void)expand(&alloc,
		HEAD
		"params: { p: x }\nmodules:\n  a: { run: [a, \"${params.p}\", \"${params.p}\", "
		"\"${params.p}\", \"${params.p}\", \"${params.p}\"] }\n",
		&big, 1,
		"p.yaml:5:3: command, environment and globs of 'a' have more than 262144 bytes");

	/* 20 x 20 x 20 x 2 instances of 120 kB are more than half a gigabyte. */
	n = snprintf(text, sizeof(text),
		HEAD "params: { p: x }\nmodules:\n  a:\n"
		     "    run: [a, \"${params.p}${params.p}\"]\n    matrix: { d: [1, 2]");
	for (int i = 0; i < 3 * 20; i++)
		n += i % 20 == 0 ? snprintf(text + n, sizeof(text) - (size_t)n, ", %c: [0",
					   'a' + i / 20)
				 : snprintf(text + n, sizeof(text) - (size_t)n, ", %d%s", i % 20,
					   i % 20 == 19 ? "]" : "");
	(void)snprintf(text + n, sizeof(text) - (size_t)n, " }\n");
	(void)expand(&alloc, text, &big, 1,
		"p.yaml:6:14: the modules expand to more than 536870912 bytes");
	assert_int_equal(heap.live, 0);
}

static void
test_retry(void **state)
{
	static const uint8_t exits[] = {1, 75};
	const struct mp_retry some = {.attempts = 3,
		.exits = exits,
		.exit_count = 2,
		.on_signal = true,
		.backoff_ms = 1000,
		.max_backoff_ms = 5000};
	const struct mp_retry any = {.attempts = 2, .on_exit = true, .on_timeout = true};

	(void)state;
	assert_true(mp_retry_applies(&some, MP_STATUS_FAILED, 75, 2));
	assert_false(mp_retry_applies(&some, MP_STATUS_FAILED, 75, 3));
	assert_false(mp_retry_applies(&some, MP_STATUS_FAILED, 2, 1));
	assert_true(mp_retry_applies(&some, MP_STATUS_FAILED, -1, 1));
	assert_false(mp_retry_applies(&some, MP_STATUS_TIMED_OUT, -1, 1));
	assert_false(mp_retry_applies(&some, MP_STATUS_NO_OUTPUT, 0, 1));
	assert_true(mp_retry_applies(&any, MP_STATUS_FAILED, 2, 1));
	assert_false(mp_retry_applies(&any, MP_STATUS_FAILED, -1, 1));
	assert_true(mp_retry_applies(&any, MP_STATUS_TIMED_OUT, -1, 1));
	assert_true(mp_retry_applies(&any, MP_STATUS_NO_OUTPUT, 0, 1));
	assert_true(mp_retry_applies(&any, MP_STATUS_NOT_STARTED, -1, 1));
	assert_false(mp_retry_applies(&any, MP_STATUS_CANCELLED, -1, 1));
	assert_false(mp_retry_applies(&any, MP_STATUS_CONFLICT, -1, 1));
	assert_false(mp_retry_applies(&any, MP_STATUS_OK, 0, 1));

	assert_true(mp_retry_backoff_ms(&some, 1) == 1000);
	assert_true(mp_retry_backoff_ms(&some, 2) == 2000);
	assert_true(mp_retry_backoff_ms(&some, 3) == 4000);
	assert_true(mp_retry_backoff_ms(&some, 4) == 5000);
	assert_true(mp_retry_backoff_ms(&some, 100000) == 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_module),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_bad_params),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_retry),
	};

	return cmocka_run_group_tests_name("pipeline_graph", tests, NULL, NULL);
}
