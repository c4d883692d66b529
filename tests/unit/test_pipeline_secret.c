/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in a pipeline: their names, and nothing else. */
#include "unit/pipeline_case.h"

#define HEAD "meshpipe: 1\nname: t\n"

static struct unit_heap heap;
static const struct mp_alloc alloc = UNIT_ALLOC(&heap);

static const char good[] = HEAD "secrets: [TOKEN, A_LONGER_ONE, KEY]\n"
				"modules:\n"
				"  a: { run: x, secrets: [TOKEN, KEY], env: { B: c } }\n"
				"  b: { run: x, secrets: [KEY], cache: true }\n"
				"  c: { run: x }\n"
				"  d: { run: x, secrets: [] }\n"
				"  e: { run: x, secrets: [KEY], matrix: { v: [\"1\", \"2\"] } }\n"
				"defaults: { cache: true }\n";

static void
test_read(void **state)
{
	struct mp_pipeline *p = case_good(&alloc, good);

	(void)state;
	assert_int_equal(p->secrets.n, 3);
	assert_string_equal(p->secrets.v[0].s, "KEY");
	assert_string_equal(p->secrets.v[1].s, "TOKEN");
	assert_string_equal(p->secrets.v[2].s, "A_LONGER_ONE");
	assert_int_equal(p->modules[0].secrets.n, 2);
	/* Only where the module itself says so. */
	assert_false(p->modules[0].cache);
	assert_true(p->modules[1].cache);
	assert_true(p->modules[2].cache);
	assert_true(p->modules[3].cache);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

static void
test_cbor(void **state)
{
	struct mp_pipeline *p = case_good(&alloc, good), *again = NULL;
	struct mp_buf buf, other;

	(void)state;
	mp_buf_init(&buf, &alloc, 65536);
	mp_buf_init(&other, &alloc, 65536);
	assert_int_equal(mp_pipeline_encode(p, &buf), 0);
	assert_int_equal(mp_pipeline_decode(mp_buf_span(&buf), &alloc, &again, NULL), 0);
	assert_int_equal(again->secrets.n, 3);
	assert_int_equal(again->modules[0].secrets.n, 2);
	assert_int_equal(mp_pipeline_encode(again, &other), 0);
	assert_true(mp_span_eq(mp_buf_span(&buf), mp_buf_span(&other)));
	mp_pipeline_free(p);
	mp_pipeline_free(again);
	mp_buf_fini(&buf);
	mp_buf_fini(&other);
	assert_int_equal(heap.live, 0);
}

static void
test_spec(void **state)
{
	struct mp_pipeline *p = case_good(&alloc, good);
	struct mp_graph *g = NULL;
	struct mp_spec *spec = NULL;

	(void)state;
	assert_int_equal(mp_graph_expand(p, NULL, 0, &alloc, &g, NULL), 0);
	assert_int_equal(g->secrets.n, 3);
	assert_string_equal(g->secrets.v[0], "A_LONGER_ONE");
	assert_string_equal(g->secrets.v[2], "TOKEN");
	assert_int_equal(g->modules[0].secrets.n, 2);
	assert_int_equal(g->modules[2].secrets.n, 0);
	assert_int_equal(g->modules[5].secrets.n, 1);
	assert_int_equal(mp_spec_decode(g->modules[0].spec, &alloc, &spec), 0);
	assert_int_equal(spec->secrets.n, 2);
	assert_string_equal(spec->secrets.v[0], "KEY");
	assert_string_equal(spec->secrets.v[1], "TOKEN");
	assert_true(spec->no_cache);
	mp_spec_free(spec);
	mp_graph_free(g);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

static int
spec_try(const char *const *names, uint32_t n, const struct mp_env_var *env, uint32_t env_count)
{
	struct mp_spec s = {.shell = "x",
		.all_inputs = true,
		.grace_ms = MP_GRACE_MS_DEFAULT,
		.env = env,
		.env_count = env_count,
		.secrets = {names, n}};
	struct mp_spec *out = NULL;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &alloc, MP_SPEC_MAX);
	assert_int_equal(mp_spec_encode(&s, &buf), 0);
	rc = mp_spec_decode(mp_buf_span(&buf), &alloc, &out);
	mp_spec_free(rc == 0 ? out : NULL);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
	return rc;
}

static void
test_bad_spec(void **state)
{
	static const char *const fine[] = {"A", "B"}, *const order[] = {"B", "A"};
	static const char *const twice[] = {"A", "A"}, *const odd[] = {"A=B"};
	static const char *many[MP_SECRETS_MAX + 1];
	static const struct mp_env_var env[] = {{"B", "x"}};
	static char names[MP_SECRETS_MAX + 1][8];

	(void)state;
	for (size_t i = 0; i < mp_countof(many); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "N%03zu", i);
		many[i] = names[i];
	}
	assert_int_equal(spec_try(fine, 2, NULL, 0), 0);
	assert_int_equal(spec_try(fine, 1, env, 1), 0);
	assert_int_equal(spec_try(fine, 2, env, 1), MP_EFORMAT);
	assert_int_equal(spec_try(order, 2, NULL, 0), MP_EFORMAT);
	assert_int_equal(spec_try(twice, 2, NULL, 0), MP_EFORMAT);
	assert_int_equal(spec_try(odd, 1, NULL, 0), MP_EFORMAT);
	assert_int_equal(spec_try(many, MP_SECRETS_MAX, NULL, 0), 0);
	assert_int_equal(spec_try(many, MP_SECRETS_MAX + 1, NULL, 0), MP_ELIMIT);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{HEAD "secrets: TOKEN\nmodules: { a: { run: x } }\n",
			"p.yaml:3:10: expected a list of names of environment variables, found "
			"'TOKEN'"},
		{HEAD "secrets: { TOKEN: abc }\nmodules: { a: { run: x } }\n",
			"p.yaml:3:10: expected a list of names of environment variables, found a "
			"map"},
		{HEAD "secrets: [A, 1B, A-B, MP_RUN, [x], ]\nmodules: { a: { run: x } }\n",
			"p.yaml:3:14: '1B' cannot name an environment variable: letters, digits "
			"and '_', no digit first\n"
			"p.yaml:3:18: 'A-B' cannot name an environment variable: letters, digits "
			"and '_', no digit first\n"
			"p.yaml:3:23: 'MP_RUN': names that begin with MP_ are taken\n"
			"p.yaml:3:31: expected the name of an environment variable, found a list"},
		{HEAD "secrets: [A, B, A]\nmodules: { a: { run: x, secrets: [B, B] } }\n",
			"p.yaml:3:17: 'A' is written twice, first at line 3\n"
			"p.yaml:4:38: 'B' is written twice, first at line 4"},
		{HEAD "modules: { a: { run: x, secrets: [TOKEN] } }\n",
			"p.yaml:3:35: 'TOKEN' is not among the 'secrets' of the pipeline"},
		{HEAD "secrets: [TOKEN]\nmodules: { a: { run: x, secrets: [TOKNE] } }\n",
			"p.yaml:4:35: 'TOKNE' is not among the 'secrets' of the pipeline: did you "
			"mean 'TOKEN'?"},
		{HEAD "secrets: [T]\nenv: { T: x }\nmodules: { a: { run: x, env: { T: y } } }\n",
			"p.yaml:4:8: 'T' is a secret: it cannot stand in 'env' too\n"
			"p.yaml:5:32: 'T' is a secret: it cannot stand in 'env' too"},
		{HEAD "modules: { a: { run: x } }\ndefaults: { secrets: [A] }\n",
			"p.yaml:4:13: unknown key 'secrets'"},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++)
		(void)case_parse(
			&alloc, cases[i].text, strlen(cases[i].text), MP_EPIPELINE, cases[i].want);
	assert_int_equal(heap.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_cbor),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_bad_spec),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
