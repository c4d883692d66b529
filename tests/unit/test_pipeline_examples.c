/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown to people is right: contrib/examples, and the example in the manual page. */
#include "unit/pipeline_case.h"

static char text[1u << 20];

static size_t
read_source(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", top == NULL ? "." : top, name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s cannot be read", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	return n;
}

static void
check(const char *yaml, uint32_t groups, const char *names)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc, yaml);
	struct mp_graph *g;
	char got[1000];
	size_t n = 0;

	assert_int_equal(p->module_count, groups);
	assert_int_equal(mp_graph_expand(p, NULL, 0, &alloc, &g, NULL), 0);
	for (uint32_t i = 0; i < g->module_count; i++)
		n += (size_t)snprintf(
			got + n, sizeof(got) - n, "%s%s", i == 0 ? "" : " ", g->modules[i].name);
	assert_string_equal(got, names);
	mp_graph_free(g);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

static void
test_hello(void **state)
{
	(void)state;
	(void)read_source("contrib/examples/hello.yaml");
	check(text, 4, "fetch validate-environment process publish");
}

static void
test_release(void **state)
{
	(void)state;
	(void)read_source("contrib/examples/release.yaml");
	check(text, 4,
		"restore build[gcc,debug] build[gcc,release] build[clang,release] test publish");
}

static void
test_man_page(void **state)
{
	static const char begin[] = ".Bd -literal -offset indent\n";
	char *from;
	char *to;

	(void)state;
	(void)read_source("man/meshpipe-pipeline.5");
	from = strstr(text, begin);
	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, ".Ed\n");
	assert_non_null(to);
	*to = '\0';
	check(from, 2, "build[gcc,debug] build[gcc,release] build[clang,release] test");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_man_page),
	};

	return cmocka_run_group_tests_name("pipeline_examples", tests, NULL, NULL);
}
