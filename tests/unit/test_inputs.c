/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include "codec/manifest.h"
#include "crypto/hasher.h"
#include "crypto/key.h"
#include "ctl/inputs.h"

struct fixture {
	struct scratch dir;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_diags diags;
	struct mp_inputs in;
	struct mp_error err;
};

static void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){.err = {0}};
	assert_int_equal(mp_key_init(), 0);
	scratch_make(&f->dir);
	f->alloc = UNIT_ALLOC(&f->heap);
	mp_diags_init(&f->diags, &f->alloc, "p.yaml");
}

static void
fixture_fini(struct fixture *f)
{
	mp_inputs_fini(&f->in);
	mp_diags_fini(&f->diags);
	scratch_remove(&f->dir);
	assert_int_equal(f->heap.live, 0);
}

static int
find(struct fixture *f, const char *const *globs, uint32_t n)
{
	struct mp_text v[8];
	struct mp_texts texts = {.v = v, .n = n, .set = true};

	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct mp_text){.s = globs[i], .pos = {.line = 4, .column = i + 1}};
	mp_inputs_fini(&f->in);
	return mp_inputs_find(&f->in, &f->alloc, f->dir.path, &texts, &f->diags, &f->err);
}

static void
put(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	const char *path = scratch_path(&f->dir, name);

	scratch_write(path, text, strlen(text));
	assert_int_equal(chmod(path, mode), 0);
}

static void
folder(struct fixture *f, const char *name)
{
	assert_int_equal(mkdir(scratch_path(&f->dir, name), 0755), 0);
}

static void
test_kinds(void **state)
{
	static const char *const globs[] = {"src/**", "Makefile", "src/a*"};
	static const struct {
		const char *path;
		enum mp_file_kind kind;
		const char *bytes;
	} want[] = {
		{"Makefile", MP_FILE_REGULAR, ""},
		{"src/a-b", MP_FILE_EXECUTABLE, "#!"},
		{"src/a/deep", MP_FILE_REGULAR, "deep"},
		{"src/link", MP_FILE_SYMLINK, "a/../a-b"},
	};
	struct mp_manifest m;
	struct mp_hash digest;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	folder(&f, "src");
	folder(&f, "src/a");
	folder(&f, "other");
	put(&f, "src/a/deep", "deep", 0644);
	put(&f, "src/a-b", "#!", 0755);
	put(&f, "other/x", "x", 0644);
	put(&f, "Makefile", "", 0600);
	assert_int_equal(symlink("a/../a-b", scratch_path(&f.dir, "src/link")), 0);
	assert_int_equal(symlink("/etc", scratch_path(&f.dir, "other/out")), 0); /* no glob */
	assert_int_equal(find(&f, globs, 3), 0);
	assert_int_equal(mp_manifest_decode(&f.alloc, mp_buf_span(&f.in.manifest), &m, NULL), 0);
	assert_int_equal(m.count, mp_countof(want));
	for (size_t i = 0; i < m.count; i++) {
		assert_true(mp_span_eq(m.files[i].path, mp_span_str(want[i].path)));
		assert_int_equal(m.files[i].kind, want[i].kind);
		assert_int_equal(m.files[i].size, strlen(want[i].bytes));
		mp_hasher_once(&digest, mp_span_str(want[i].bytes));
		assert_true(mp_hash_eq(&m.files[i].digest, &digest));
	}
	mp_hasher_once(&digest, mp_buf_span(&f.in.manifest));
	assert_true(mp_hash_eq(&f.in.manifest_digest, &digest));
	assert_int_equal(f.in.bytes, 2 + 4 + 8);
	mp_manifest_fini(&m);
	fixture_fini(&f);
}

static void
test_nothing(void **state)
{
	static const char *const globs[] = {"nothing/*", "here"};
	char line[MP_DIAG_LINE_MAX];
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(find(&f, NULL, 0), 0);
	assert_true(mp_hash_is_zero(&f.in.manifest_digest));
	put(&f, "here", "x", 0644);
	assert_int_equal(find(&f, globs, 2), MP_EPIPELINE);
	assert_int_equal(f.diags.n, 1);
	mp_diags_format(&f.diags, 0, line);
	assert_string_equal(line, "p.yaml:4:1: inputs: no file matches 'nothing/*'");
	fixture_fini(&f);
}

static void
test_refused(void **state)
{
	static const char *const globs[] = {"*"};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	assert_int_equal(symlink("../x", scratch_path(&f.dir, "out")), 0);
	assert_int_equal(symlink("/x", scratch_path(&f.dir, "absolute")), 0);
	assert_int_equal(mkfifo(scratch_path(&f.dir, "pipe"), 0644), 0);
	put(&f, "bad\xff", "x", 0644);
	put(&f, "good", "x", 0644);
	assert_int_equal(find(&f, globs, 1), MP_EPIPELINE);
	assert_int_equal(f.diags.n, 4);
	fixture_fini(&f);
}

static void
test_links(void **state)
{
	(void)state;
	assert_true(mp_link_stays("a", "b"));
	assert_true(mp_link_stays("a/b", "../c"));
	assert_true(mp_link_stays("a/b/c", "../.././/x/..//y"));
	assert_true(mp_link_stays("a", "./b/../c"));
	assert_false(mp_link_stays("a", ""));
	assert_false(mp_link_stays("a", "/b"));
	assert_false(mp_link_stays("a", ".."));
	assert_false(mp_link_stays("a/b", "../../a"));
	assert_false(mp_link_stays("a", "b/../../a"));
	assert_true(mp_link_stays("a", "..."));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
