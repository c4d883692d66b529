/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "core/cachekey.h"
#include "crypto/key.h"
#include "unit/hex.h"
#include "util/buf.h"

static const struct mp_crypto *const c = &mp_crypto_sodium;
static struct unit_heap heap;
static const struct mp_alloc alloc = {.realloc = unit_realloc, .ctx = &heap};

static struct mp_span deps[] = {{(const uint8_t *)"fetch", 5}, {(const uint8_t *)"gen[a,b]", 8}};
static const char *argv[] = {"make", "CC=gcc", NULL};
static const char *outputs[] = {"bin/*", NULL};
static const char *tools[] = {"gcc", "make", NULL};
static const struct mp_env_var env[] = {{"CI", "1"}, {"MP_MATRIX_CC", "gcc"}};

static struct mp_spec
spec_of(void)
{
	return (struct mp_spec){.argv = {argv, 2},
		.env = env,
		.env_count = 2,
		.all_inputs = true,
		.outputs = {outputs, 1},
		.grace_ms = MP_GRACE_MS_DEFAULT,
		.tools = {tools, 2}};
}

static struct mp_hash
base_of(const char *name, const struct mp_spec *spec, size_t dep_count)
{
	struct mp_hash h;

	assert_int_equal(mp_cache_base(c, &alloc, mp_span_str(name), spec, deps, dep_count, &h), 0);
	assert_int_equal(heap.live, 0);
	return h;
}

static void
test_base(void **state)
{
	static const char *other[] = {"make", "CC=clang", NULL};
	struct mp_spec spec = spec_of(), changed;
	struct mp_hash base = base_of("build", &spec, 2), h;
	struct mp_env_var vars[] = {env[0], env[1]};
	struct mp_spec bare = {.shell = "true"};

	(void)state;
	unit_assert_hex(
		base.b, 32, "cf70e7fdcb79d9309bc91ff1613d1ad01700f2048011dfb67cb4056cf1ba3ac1");
	h = base_of("m", &bare, 0);
	unit_assert_hex(
		h.b, 32, "34d92a792386425eb83e0cadef1d191ef0d2ea4091d35a64cdd870996aeb7d25");
	/* What does not count. */
	changed = spec;
	changed.timeout_ms = 5;
	changed.grace_ms = 6;
	changed.all_inputs = false;
	changed.inputs = changed.outputs;
	h = base_of("build", &changed, 2);
	assert_true(mp_hash_eq(&h, &base));
	/* What does. */
	h = base_of("build2", &spec, 2);
	assert_false(mp_hash_eq(&h, &base));
	h = base_of("build", &spec, 1);
	assert_false(mp_hash_eq(&h, &base));
	changed = spec;
	changed.argv.v = other;
	h = base_of("build", &changed, 2);
	assert_false(mp_hash_eq(&h, &base));
	changed = spec;
	changed.outputs.n = 0;
	h = base_of("build", &changed, 2);
	assert_false(mp_hash_eq(&h, &base));
	changed = spec;
	changed.tools.n = 1;
	h = base_of("build", &changed, 2);
	assert_false(mp_hash_eq(&h, &base));
	changed = spec;
	vars[0].value = "2";
	changed.env = vars;
	h = base_of("build", &changed, 2);
	assert_false(mp_hash_eq(&h, &base));
	changed = spec;
	changed.argv.n = 0;
	changed.shell = "make CC=gcc";
	h = base_of("build", &changed, 2);
	assert_false(mp_hash_eq(&h, &base));
}

/* Of the graph: the same as of its parts, and nothing of a module without the cache. */
static void
test_base_of(void **state)
{
	struct mp_spec spec = spec_of();
	const uint32_t needs[] = {0, 1};
	struct mp_graph_module modules[] = {{.name = "fetch", .cache = true},
		{.name = "gen[a,b]", .cache = true},
		{.name = "build", .cache = true, .needs = needs, .need_count = 2}};
	const struct mp_graph graph = {.module_count = 3, .modules = modules};
	struct mp_hash h, base = base_of("build", &spec, 2);
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	assert_int_equal(mp_spec_encode(&spec, &buf), 0);
	modules[2].spec = mp_buf_span(&buf);
	assert_int_equal(mp_cache_base_of(c, &alloc, &graph, 2, &h), 0);
	assert_true(mp_hash_eq(&h, &base));
	modules[2].spec.n--;
	assert_int_not_equal(mp_cache_base_of(c, &alloc, &graph, 2, &h), 0);
	modules[2].cache = false;
	assert_int_equal(mp_cache_base_of(c, &alloc, &graph, 2, &h), MP_ENOENT);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_inputs(void **state)
{
	struct mp_file files[] = {{.path = mp_span_str("a"), .size = 1, .digest = {{1}}},
		{.path = mp_span_str("b"), .size = 2, .digest = {{2}}},
		{.path = mp_span_str("c"), .kind = MP_FILE_EXECUTABLE, .digest = {{3}}}};
	static const char *globs[] = {"a", "[c-d]"};
	const struct mp_spec every = {.all_inputs = true}, few = {.inputs = {globs, 2}};
	struct mp_hash all, some, h;

	(void)state;
	assert_int_equal(mp_cache_inputs(c, &alloc, &every, files, 3, &all), 0);
	unit_assert_hex(
		all.b, 32, "d473a3d7a84f4632b84165e5dda07bb2a73a2257f1cc5243d9d5179d04c2fe59");
	assert_int_equal(mp_cache_inputs(c, &alloc, &few, files, 3, &some), 0);
	files[1] = files[2];
	assert_int_equal(mp_cache_inputs(c, &alloc, &every, files, 2, &h), 0);
	assert_true(mp_hash_eq(&h, &some));
	files[1].kind = MP_FILE_REGULAR;
	assert_int_equal(mp_cache_inputs(c, &alloc, &every, files, 2, &h), 0);
	assert_false(mp_hash_eq(&h, &some));
	files[1].kind = MP_FILE_EXECUTABLE;
	files[1].digest.b[5] = 1;
	assert_int_equal(mp_cache_inputs(c, &alloc, &every, files, 2, &h), 0);
	assert_false(mp_hash_eq(&h, &some));
	assert_int_equal(mp_cache_inputs(c, &alloc, &every, files, 0, &h), 0);
	assert_false(mp_hash_is_zero(&h));
	assert_int_equal(heap.live, 0);
}

static struct mp_hash
where_of(const struct mp_caps *caps)
{
	const struct mp_names_list ask = {tools, 2};
	struct mp_hash h;

	assert_int_equal(mp_cache_where(c, &alloc, caps, ask, &h), 0);
	assert_int_equal(heap.live, 0);
	return h;
}

static struct mp_hash
key_of(const struct mp_cache_what *what)
{
	struct mp_hash h;

	assert_int_equal(mp_cache_key(c, &alloc, what, &h), 0);
	assert_int_equal(heap.live, 0);
	return h;
}

/* Each field on its own. */
static void
test_key(void **state)
{
	struct mp_cache_dep read[] = {{{{1}}, {{0}}}, {{{0}}, {{2}}}};
	struct mp_caps caps = {.os = "linux",
		.arch = "x86_64",
		.tool_count = 2,
		.tools = {{"gcc", "12.2.0"}, {"ninja", "1.11"}}};
	struct mp_cache_what what = {.base = {{7}},
		.inputs = {{8}},
		.deps = read,
		.dep_count = 2,
		.where = where_of(&caps)};
	struct mp_hash key = key_of(&what), h;

	(void)state;
	unit_assert_hex(
		key.b, 32, "2f032780f6d93920cb6b9f8d3763870f29c7823e48c18b8ead7ee30cc0d3d7fb");
	what.base.b[31] = 1;
	h = key_of(&what);
	assert_false(mp_hash_eq(&h, &key));
	what.base.b[31] = 0;
	what.inputs.b[0] = 0;
	h = key_of(&what);
	assert_false(mp_hash_eq(&h, &key));
	what.inputs.b[0] = 8;
	what.dep_count = 1;
	h = key_of(&what);
	assert_false(mp_hash_eq(&h, &key));
	what.dep_count = 2;
	read[1].manifest = read[1].value;
	read[1].value = read[0].value;
	h = key_of(&what);
	assert_false(mp_hash_eq(&h, &key));
	read[1].value = read[1].manifest;
	read[1].manifest = read[0].value;
	h = key_of(&what);
	assert_true(mp_hash_eq(&h, &key));
	what.where.b[31] ^= 1;
	h = key_of(&what);
	assert_false(mp_hash_eq(&h, &key));
}

static void
test_where(void **state)
{
	struct mp_caps caps = {.os = "linux",
		.arch = "x86_64",
		.tool_count = 2,
		.tools = {{"gcc", "12.2.0"}, {"ninja", "1.11"}}};
	struct mp_hash where = where_of(&caps), h;

	(void)state;
	unit_assert_hex(
		where.b, 32, "015bffd34ea22ce5989db5d60d7ef469db3ba88ff76603de638cbc881648f882");
	memcpy(caps.arch, "arm64", 6);
	h = where_of(&caps);
	assert_false(mp_hash_eq(&h, &where));
	memcpy(caps.arch, "x86_64", 7);
	memcpy(caps.os, "freebsd", 8);
	h = where_of(&caps);
	assert_false(mp_hash_eq(&h, &where));
	memcpy(caps.os, "linux", 6);
	/* Tools that the module does not ask for do not count. */
	memcpy(caps.tools[1].version, "9.9", 4);
	h = where_of(&caps);
	assert_true(mp_hash_eq(&h, &where));
	memcpy(caps.tools[0].version, "13", 3);
	h = where_of(&caps);
	assert_false(mp_hash_eq(&h, &where));
}

static void
test_same_where(void **state)
{
	struct mp_caps a = {
		.os = "linux", .arch = "x86_64", .tool_count = 1, .tools = {{"gcc", "12"}}};
	struct mp_caps b = a;
	const struct mp_names_list ask = {tools, 2}, none = {NULL, 0};

	(void)state;
	assert_true(mp_cache_same_where(&a, &b, ask));
	memcpy(b.tools[0].version, "13", 3);
	assert_false(mp_cache_same_where(&a, &b, ask));
	assert_true(mp_cache_same_where(&a, &b, none));
	memcpy(b.arch, "arm64", 6);
	assert_false(mp_cache_same_where(&a, &b, none));
}

static void
test_no_memory(void **state)
{
	struct mp_spec spec = spec_of();
	struct mp_hash h;

	(void)state;
	heap = (struct unit_heap){.fail_at = 1};
	assert_int_equal(mp_cache_base(c, &alloc, mp_span_str("m"), &spec, deps, 2, &h), MP_ENOMEM);
	assert_int_equal(heap.live, 0);
	heap = (struct unit_heap){0};
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_base_of),
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_same_where),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
