/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are large or made to hurt: soon refused, or soon read, in bounded memory. */
#include "unit/pipeline_case.h"

#include <time.h>

#define BIG (10u * 1024 * 1024)

/* Like unit_realloc, with the most that was ever held. */
struct peak_heap {
	struct unit_heap heap;
	size_t peak;
};

static void *
peak_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	struct peak_heap *h = ctx;
	void *q = unit_realloc(&h->heap, p, old_size, size);

	if (h->heap.live > h->peak)
		h->peak = h->heap.live;
	return q;
}

static double
cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Generous, for slow machines and sanitizers: what is quadratic takes minutes. */
#define SECONDS_MAX 30.0

static void
try_big(const char *text, size_t n, int want, const char *part)
{
	struct peak_heap heap = {{0}, 0};
	struct mp_alloc alloc = {.realloc = peak_realloc, .ctx = &heap};
	struct mp_pipeline *p = NULL;
	struct mp_diags diags;
	double start = cpu_seconds();
	bool found = false;
	int rc;

	mp_diags_init(&diags, &alloc, "p.yaml");
	rc = mp_pipeline_parse("p.yaml", mp_span(text, n), &alloc, &p, &diags);
	for (size_t i = 0; part != NULL && i < diags.n; i++)
		found = found || strstr(diags.v[i].text, part) != NULL;
	if (rc != want || (part != NULL && !found))
		print_error("# %.60s: %s: %s\n", text, mp_strerror(rc),
			diags.n > 0 ? diags.v[0].text : "");
	assert_int_equal(rc, want);
	assert_true(part == NULL || found);
	assert_true(cpu_seconds() - start < SECONDS_MAX);
	assert_true(heap.peak < 300u << 20);
	mp_pipeline_free(p);
	mp_diags_fini(&diags);
	assert_int_equal(heap.heap.live, 0);
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
test_noise(void **state)
{
	static const char letters[] = "ab:-[]{}\"'#&*!|>%@`?,\n  \t";
	uint64_t seed = 88172645463325252u;
	char *text = malloc(BIG);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < BIG; i++)
		text[i] = (char)next_random(&seed);
	text[0] = 'x';
	try_big(text, BIG, MP_EPIPELINE, "not UTF-8");
	text[0] = (char)0xa3;
	try_big(text, BIG, MP_EPIPELINE, "not a pipeline in CBOR");
	for (size_t i = 0; i < BIG; i++)
		text[i] = letters[next_random(&seed) % (sizeof(letters) - 1)];
	try_big(text, BIG, MP_EPIPELINE, NULL);
	for (size_t i = 0; i < BIG; i++)
		text[i] = (char)('a' + next_random(&seed) % 26);
	try_big(text, BIG, MP_EPIPELINE, "too long");
	free(text);
}

/* The same piece over and over after a beginning. */
static void
try_repeat(const char *begin, const char *piece, size_t size, const char *part)
{
	size_t n = strlen(begin);
	size_t len = strlen(piece);
	char *text = malloc(size + len + n);

	assert_non_null(text);
	memcpy(text, begin, n);
	for (; n < size; n += len)
		memcpy(text + n, piece, len);
	try_big(text, n, MP_EPIPELINE, part);
	free(text);
}

static void
test_repeats(void **state)
{
	static const struct {
		const char *begin;
		const char *piece;
		const char *part;
	} rows[] = {
		{"", "[", "too long"},
		{"a: ", "[", "too long"},
		{"", "{", "too long"},
		{"", "- ", "expected a map"},
		{"a:\n ", "- ", "nested too deeply"},
		{"", "? ", NULL},
		{"", "a: ", "not YAML"},
		{"", "&a ", NULL},
		{"x: ", "&a ", NULL},
		{"", "# comment\n", "too long"},
		{"", "\n", "too long"},
		{"", "---\n", NULL},
		{"", "%TAG !a! b\n", "not YAML"},
		{"x: \"", "\\n", "too long"},
		{"x: [", "a,", NULL},
		{"x: {", "a,", NULL},
		{"x: ", "word ", "too long"},
		{"x: ", "\"a\" ", NULL},
		{"x: |\n", " line\n", "too long"},
		{"", "a: b\n", "unknown key"},
		{"modules:\n", " a: {run: b}\n", "written twice"},
		{"meshpipe: 1\nmodules:\n a: {run: x, needs: [", "b,", NULL},
		{"meshpipe: 1\nmodules:\n a: {run: x, env: {", "b: c,", NULL},
		{"meshpipe: 1\nmodules:\n a: {run: x, matrix: {x: [", "b,", NULL},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++)
		try_repeat(rows[i].begin, rows[i].piece, 1200u << 10, rows[i].part);
}

static void
test_scalars(void **state)
{
	static const char text[] =
		"meshpipe: 1\r\nmodules:\r\n  a:\r\n    run:\r\n"
		"      - plain words\r\n        go on\r\n"
		"      - 'it''s'\n"
		"      - \"tab\\t \\x41 \\u20ac \\U0001F600 \\\"\\\n         end\"\n"
		"      - |\n        one\n          two\n\n        three\n"
		"      - >-\n        one\n        two\n\n        three\n"
		"      - ''\n"
		"      - ''\n";
	static const char *const want[] = {"plain words go on", "it's", "tab\t A € 😀 \"end",
		"one\n  two\n\nthree\n", "one two\nthree", "", ""};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc, text);

	(void)state;
	assert_int_equal(p->modules[0].argv.n, mp_countof(want));
	for (size_t i = 0; i < mp_countof(want); i++)
		assert_string_equal(p->modules[0].argv.v[i].s, want[i]);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

/* Text of many lengths, so that characters lie across whatever pieces the file is read in. */
static void
test_pieces(void **state)
{
	static const char word[] = "é€😀x";
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	char *text = malloc(1u << 20);
	struct mp_pipeline *p;
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, 1u << 20, "meshpipe: 1\nmodules:\n  a:\n    run:\n");
	for (int i = 0; i < 300; i++) {
		n += (size_t)snprintf(text + n, 100, "      - %s", i % 2 == 0 ? "" : "\"");
		for (int k = 0; k < i; k++)
			n += (size_t)snprintf(text + n, 100, "%s", word);
		n += (size_t)snprintf(text + n, 100, "%s\n", i == 0 ? "." : i % 2 == 0 ? "" : "\"");
	}
	p = case_good(&alloc, text);
	assert_int_equal(p->modules[0].argv.n, 300);
	for (size_t i = 1; i < 300; i++) {
		const char *s = p->modules[0].argv.v[i].s;

		assert_int_equal(strlen(s), i * strlen(word));
		for (size_t k = 0; k < i; k++)
			assert_memory_equal(s + k * strlen(word), word, strlen(word));
	}
	mp_pipeline_free(p);
	free(text);
	assert_int_equal(heap.live, 0);
}

/* Nine levels of nine references each would be four hundred million values. */
static void
test_alias_bomb(void **state)
{
	char text[2000];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 90; i++) {
		if (i % 9 == 0)
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "a%d: &a%d [", i / 9, i / 9);
		n += (size_t)(i < 9 ? snprintf(text + n, sizeof(text) - n, "lol")
				    : snprintf(text + n, sizeof(text) - n, "*a%d", i / 9 - 1));
		n += (size_t)snprintf(text + n, sizeof(text) - n, i % 9 == 8 ? "]\n" : ", ");
	}
	try_big(text, strlen(text), MP_EPIPELINE, "anchors and aliases are not possible");
}

/* A long chain, a wide fan and a great cycle, with the names the wrong way round. */
static void
test_large(void **state)
{
	size_t size = 64u << 20;
	char *text = malloc(size);
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)snprintf(text, size, "meshpipe: 1\nname: x\nmodules:\n");
	for (unsigned i = 0; i < 30000; i++)
		n += (size_t)snprintf(text + n, size - n,
			"  module-%u:\n    needs: [module-%u]\n    run: [\"gcc\", \"-c\", "
			"\"f%u.c\"]\n"
			"    outputs: [\"f%u.o\"]\n",
			i, i + 1, i, i);
	n += (size_t)snprintf(text + n, size - n, "  module-30000:\n    run: x\n");
	try_big(text, n, 0, NULL);
	n += (size_t)snprintf(text + n, size - n, "    needs: [module-0]\n");
	try_big(text, n, MP_EPIPELINE, "cycle: module-0 -> module-1 -> ");
	n += (size_t)snprintf(text + n, size - n, "  all:\n    run: x\n    needs:\n");
	for (unsigned i = 0; i < 30000; i++)
		n += (size_t)snprintf(text + n, size - n, "      - modulo-%u\n", i);
	try_big(text, n, MP_EPIPELINE, "there is no module 'modulo-7'");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
