/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "codec/manifest.h"
#include "crypto/hasher.h"
#include "mp/limits.h"
#include "shell/cache.h"
#include "shell/heap.h"
#include "shell/workspace.h"
#include "shell/workspace_impl.h"

struct fixture {
	struct scratch scratch;
	struct mp_cache *cache;
	struct mp_workspace_root *root;
	struct mp_workspace ws;
	struct mp_exec_request req;
	struct mp_error err;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make(&f->scratch);
	f->ws.fd = -1;
	f->req.key = (struct mp_attempt_key){.run = {{0xab}}, .attempt = {3, 7, 1}};
	f->req.module_name = mp_span_str("build[cc=gcc,/x]");
	assert_int_equal(
		mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &f->err), 0);
	if (mp_workspace_root_open(scratch_path(&f->scratch, "work"), &f->root, &f->err) != 0)
		fail_msg("%s", f->err.text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->ws.fd >= 0)
		(void)mp_workspace_remove(f->root, &f->ws, false, NULL);
	mp_workspace_root_close(f->root);
	mp_cache_close(f->cache);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static struct mp_file
file(struct fixture *f, const char *path, enum mp_file_kind kind, const char *bytes)
{
	struct mp_blob_ref ref;

	assert_int_equal(mp_cache_put_bytes(f->cache, mp_span_str(bytes), &ref, NULL), 0);
	return (struct mp_file){mp_span_str(path), kind, ref.size, ref.digest};
}

static void
must_lay(struct fixture *f)
{
	enum mp_status status;

	if (mp_workspace_lay(f->root, f->cache, &f->req, &f->ws, &status, &f->err) != 0)
		fail_msg("%s", f->err.text);
}

static void
lay_files(struct fixture *f, const struct mp_file *files, size_t n)
{
	f->req.files = files;
	f->req.file_count = n;
	must_lay(f);
}

/* The path of something in the attempt's directory. */
static const char *
at(struct fixture *f, const char *name)
{
	static char buf[4][PATH_MAX];
	static unsigned next;
	char *p = buf[next++ % 4];

	(void)snprintf(p, PATH_MAX, "%s/%s", f->ws.path, name);
	return p;
}

static void
expect_text(struct fixture *f, const char *name, const char *text)
{
	char *got = scratch_read(at(f, name), NULL);

	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void
write_text(struct fixture *f, const char *name, const char *text)
{
	scratch_write(at(f, name), text, strlen(text));
}

static size_t
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 2;
}

/* ---- laying ---- */

static void
test_an_empty_one(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	must_lay(f);
	assert_non_null(strstr(
		f->ws.path, "/work/ab000000000000000000000000000000/build_cc_gcc__x_.7-3-1"));
	assert_int_equal(stat(at(f, "w"), &st), 0);
	assert_int_equal(stat(at(f, "home"), &st), 0);
	assert_int_equal(stat(at(f, "tmp"), &st), 0);
	assert_int_equal(access(at(f, "deps"), F_OK), -1);
	assert_int_equal(access(at(f, "value"), F_OK), -1);
}

static void
test_files_are_laid(void **state)
{
	struct fixture *f = *state;
	const struct mp_file files[] = {
		file(f, "Makefile", MP_FILE_REGULAR, "all:\n"),
		file(f, "src/a/b/deep.c", MP_FILE_REGULAR, "deep"),
		file(f, "src/a/b/empty", MP_FILE_REGULAR, ""),
		file(f, "src/link", MP_FILE_SYMLINK, "a/b/deep.c"),
		file(f, "src/run.sh", MP_FILE_EXECUTABLE, "#!/bin/sh\n"),
		file(f, "src/up", MP_FILE_SYMLINK, "../Makefile"),
		file(f, "zebra", MP_FILE_REGULAR, "z"),
		file(f, "src/a/late", MP_FILE_REGULAR, "late"),
	};

	lay_files(f, files, mp_countof(files));
	expect_text(f, "w/Makefile", "all:\n");
	expect_text(f, "w/src/a/b/deep.c", "deep");
	expect_text(f, "w/src/a/b/empty", "");
	expect_text(f, "w/src/link", "deep");
	expect_text(f, "w/src/up", "all:\n");
	expect_text(f, "w/zebra", "z");
	expect_text(f, "w/src/a/late", "late");
	assert_int_equal(access(at(f, "w/src/run.sh"), X_OK), 0);
}

static void
test_dependencies_are_laid(void **state)
{
	struct fixture *f = *state;
	const struct mp_file outputs[] = {file(f, "bin/app", MP_FILE_EXECUTABLE, "app")};
	const struct mp_file value = file(f, "", MP_FILE_REGULAR, "version 5");
	const struct mp_exec_dep deps[] = {
		{mp_span_str("build[gcc,a/b]"), mp_span_str("record"), value.digest, outputs, 1},
		{.name = mp_span_str("restore"), .result = mp_span_str("other")},
	};

	f->req.deps = deps;
	f->req.dep_count = 2;
	must_lay(f);
	expect_text(f, "deps/build[gcc,a/b]/bin/app", "app");
	expect_text(f, "deps/build[gcc,a/b]/.result", "record");
	expect_text(f, "deps/build[gcc,a/b]/.value", "version 5");
	expect_text(f, "deps/restore/.result", "other");
	assert_int_equal(access(at(f, "deps/restore/.value"), F_OK), -1);
}

static void
expect_refused(struct fixture *f, enum mp_status expected, const char *text)
{
	enum mp_status status = MP_STATUS_OK;

	assert_int_not_equal(
		mp_workspace_lay(f->root, f->cache, &f->req, &f->ws, &status, &f->err), 0);
	assert_int_equal(status, expected);
	if (strstr(f->err.text, text) == NULL)
		fail_msg("unclear: %s", f->err.text);
	assert_int_equal(f->ws.fd, -1);
	assert_null(f->ws.path);
}

static void
test_paths_that_lead_out(void **state)
{
	static const char *const bad[] = {
		"../x", "/etc/x", "a/../../x", "", "a//b", "./a", "a/", "\xff", "a/..", "."};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < mp_countof(bad); i++) {
		struct mp_file one = file(f, bad[i], MP_FILE_REGULAR, "x");

		f->req.files = &one;
		f->req.file_count = 1;
		expect_refused(f, MP_STATUS_NOT_STARTED, "");
	}
}

static void
test_links_that_lead_out(void **state)
{
	struct fixture *f = *state;
	const struct mp_file chain[] = {
		file(f, "d/s", MP_FILE_SYMLINK, ".."),
		file(f, "d/t", MP_FILE_SYMLINK, "s/../../x"),
	};
	const struct mp_file through[] = {
		file(f, "e/y", MP_FILE_REGULAR, "a folder behind the link"),
		file(f, "d", MP_FILE_SYMLINK, "e"),
		file(f, "d/x", MP_FILE_REGULAR, "written through a link"),
	};

	assert_true(workspace_link_stays("a", 0));
	assert_true(workspace_link_stays("../a/b", 1));
	assert_true(workspace_link_stays(".././../a", 2));
	assert_true(workspace_link_stays("..", 1));
	assert_true(workspace_link_stays("...", 0));
	assert_false(workspace_link_stays("..", 0));
	assert_false(workspace_link_stays("../../a", 1));
	assert_false(workspace_link_stays("a/../b", 5));
	assert_false(workspace_link_stays("/a", 5));
	assert_false(workspace_link_stays("", 5));
	f->req.files = chain;
	f->req.file_count = 2;
	expect_refused(f, MP_STATUS_NOT_STARTED, "d/t: the link leads out");
	f->req.files = through;
	f->req.file_count = 3;
	expect_refused(f, MP_STATUS_CONFLICT, "d/x");
	f->req.files = through + 1; /* there is no such folder */
	f->req.file_count = 2;
	expect_refused(f, MP_STATUS_CONFLICT, "d/x");
}

static void
test_conflicts_name_both(void **state)
{
	struct fixture *f = *state;
	const struct mp_file a = file(f, "out/x", MP_FILE_REGULAR, "from a"),
			     b = file(f, "out/x", MP_FILE_REGULAR, "from b"), both[] = {a, b},
			     same[] = {a, a},
			     dir[] = {file(f, "out", MP_FILE_REGULAR, "a file"), a};
	const struct mp_exec_dep deps[] = {
		{.name = mp_span_str("alpha"), .files = &a, .file_count = 1},
		{.name = mp_span_str("beta"), .files = &b, .file_count = 1},
	};

	f->req.files = both;
	f->req.file_count = 2;
	f->req.deps = deps;
	f->req.dep_count = 2;
	expect_refused(f, MP_STATUS_CONFLICT, "out/x: alpha and beta give different bytes");
	f->req.files = dir;
	expect_refused(f, MP_STATUS_CONFLICT, "out/x");
	f->req.files = same;
	must_lay(f);
	expect_text(f, "w/out/x", "from a");
}

static void
test_missing_blobs(void **state)
{
	struct fixture *f = *state;
	struct mp_file one = file(f, "x", MP_FILE_REGULAR, "x");

	one.digest.b[0] ^= 1;
	f->req.files = &one;
	f->req.file_count = 1;
	expect_refused(f, MP_STATUS_NOT_STARTED, "x: no such blob");
}

/* ---- collecting ---- */

struct listing {
	char text[4096];
	size_t n;
};

static void
list_manifest(struct fixture *f, const struct mp_hash *digest, struct listing *out)
{
	struct mp_manifest m;
	uint8_t *p;
	size_t n, i;

	*out = (struct listing){0};
	assert_int_equal(mp_cache_get_bytes(f->cache, digest, 1u << 20, &p, &n, NULL), 0);
	assert_int_equal(mp_manifest_decode(&mp_heap, mp_span(p, n), &m, &f->err), 0);
	for (i = 0; i < m.count; i++) {
		uint8_t *bytes;
		size_t size;

		assert_int_equal(mp_cache_get_bytes(f->cache, &m.files[i].digest, 1u << 20, &bytes,
					 &size, NULL),
			0);
		assert_int_equal(size, m.files[i].size);
		out->n += (size_t)snprintf(out->text + out->n, sizeof(out->text) - out->n,
			"%.*s:%d=%.*s ", (int)m.files[i].path.n, (const char *)m.files[i].path.p,
			(int)m.files[i].kind, (int)size, (const char *)bytes);
		free(bytes);
	}
	mp_manifest_fini(&m);
	free(p);
}

static void
expect_collected(struct fixture *f, const char *const *globs, size_t n, const char *text)
{
	struct mp_workspace_yield y;
	struct listing l;

	if (mp_workspace_collect(&f->ws, f->cache, globs, n, &y, &f->err) != 0)
		fail_msg("%s", f->err.text);
	list_manifest(f, &y.manifest, &l);
	assert_string_equal(l.text, text);
}

static void
expect_uncollected(struct fixture *f, const char *glob, int code, const char *text)
{
	struct mp_workspace_yield y;

	assert_int_equal(mp_workspace_collect(&f->ws, f->cache, &glob, 1, &y, &f->err), code);
	if (strstr(f->err.text, text) == NULL)
		fail_msg("unclear: %s", f->err.text);
}

static void
make_dirs(struct fixture *f)
{
	must_lay(f);
	assert_int_equal(mkdir(at(f, "w/bin"), 0755), 0);
	assert_int_equal(mkdir(at(f, "w/bin/sub"), 0755), 0);
	assert_int_equal(mkdir(at(f, "w/none"), 0755), 0);
	write_text(f, "w/a.txt", "a");
	write_text(f, "w/b.txt", "b");
	write_text(f, "w/bin/app", "app");
	assert_int_equal(chmod(at(f, "w/bin/app"), 0755), 0);
	write_text(f, "w/bin/sub/x", "");
	assert_int_equal(symlink("app", at(f, "w/bin/link")), 0);
}

static void
test_outputs_are_collected(void **state)
{
	struct fixture *f = *state;
	static const char *const some[] = {"bin/*", "*.txt"}, *const below[] = {"bin/**"},
				 *const dir[] = {"bin/sub"}, *const one[] = {"a.txt"},
				 *const all[] = {"**"};

	make_dirs(f);
	expect_collected(
		f, some, 2, "a.txt:0=a b.txt:0=b bin/app:1=app bin/link:2=app bin/sub/x:0= ");
	expect_collected(f, below, 1, "bin/app:1=app bin/link:2=app bin/sub/x:0= ");
	expect_collected(f, dir, 1, "bin/sub/x:0= ");
	expect_collected(f, one, 1, "a.txt:0=a ");
	expect_collected(
		f, all, 1, "a.txt:0=a b.txt:0=b bin/app:1=app bin/link:2=app bin/sub/x:0= ");
}

static void
test_missing_outputs(void **state)
{
	struct fixture *f = *state;

	make_dirs(f);
	expect_uncollected(f, "*.html", MP_ENOENT, "declared output *.html is missing");
	expect_uncollected(f, "bin/none", MP_ENOENT, "bin/none is missing");
	expect_uncollected(f, "none", MP_ENOENT, "none is missing");
	expect_uncollected(f, "none/**", MP_ENOENT, "none/** is missing");
}

static void
test_what_may_not_leave(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_dirs(f);
	assert_int_equal(symlink("/etc/passwd", at(f, "w/abs")), 0);
	assert_int_equal(symlink("../../home", at(f, "w/up")), 0);
	assert_int_equal(mkfifo(at(f, "w/pipe"), 0600), 0);
	scratch_write(at(f, "w/bad\xffname"), "x", 1);
	assert_int_equal(chdir(f->ws.path), 0);
	memcpy(addr.sun_path, "w/sock", sizeof("w/sock"));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	(void)close(fd);
	assert_int_equal(chdir("/"), 0);
	expect_uncollected(f, "abs", MP_EINVAL, "abs: a link that leads out of the workspace");
	expect_uncollected(f, "up", MP_EINVAL, "up: a link that leads out");
	expect_uncollected(f, "pipe", MP_EINVAL, "pipe: a pipe cannot be an output");
	expect_uncollected(f, "sock", MP_EINVAL, "sock: a socket cannot be an output");
	expect_uncollected(f, "bad*", MP_EINVAL, "bad");
}

/* A directory that is a link is a link, not a way to the files behind it. */
static void
test_links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	static const char *const globs[] = {"**"};

	must_lay(f);
	write_text(f, "secret", "not yours");
	assert_int_equal(mkdir(at(f, "w/d"), 0755), 0);
	assert_int_equal(symlink(".", at(f, "w/d/loop")), 0);
	expect_collected(f, globs, 1, "d/loop:2=. ");
	assert_int_equal(symlink("..", at(f, "w/out")), 0);
	expect_uncollected(f, "out/**", MP_ENOENT, "out/** is missing");
}

static void
test_a_deep_tree_may_not_leave(void **state)
{
	struct fixture *f = *state;
	char path[512] = "w", *end = path + 1;

	must_lay(f);
	for (int i = 0; i < 129; i++) {
		end += snprintf(end, 3, "/d");
		assert_int_equal(mkdir(at(f, path), 0755), 0);
	}
	expect_uncollected(f, "**", MP_EINVAL, "more than 128 directories deep");
}

static void
test_unreadable_outputs(void **state)
{
	struct fixture *f = *state;
	static const char *const globs[] = {"bin/**"};

	make_dirs(f);
	assert_int_equal(chmod(at(f, "w/bin/sub/x"), 0), 0);
	assert_int_equal(chmod(at(f, "w/bin/sub"), 0), 0);
	expect_collected(f, globs, 1, "bin/app:1=app bin/link:2=app bin/sub/x:0= ");
}

static void
test_value(void **state)
{
	struct fixture *f = *state;
	struct mp_workspace_yield y;
	uint8_t *p;
	size_t n;
	char *big;

	must_lay(f);
	assert_int_equal(mp_workspace_collect(&f->ws, f->cache, NULL, 0, &y, NULL), 0);
	assert_true(mp_hash_is_zero(&y.value) && mp_hash_is_zero(&y.manifest));
	write_text(f, "value", "");
	assert_int_equal(mp_workspace_collect(&f->ws, f->cache, NULL, 0, &y, NULL), 0);
	assert_true(mp_hash_is_zero(&y.value));
	write_text(f, "value", "42");
	assert_int_equal(mp_workspace_collect(&f->ws, f->cache, NULL, 0, &y, NULL), 0);
	assert_int_equal(mp_cache_get_bytes(f->cache, &y.value, 10, &p, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(p, "42", 2);
	free(p);
	big = calloc(1, MP_VALUE_MAX + 1);
	scratch_write(at(f, "value"), big, MP_VALUE_MAX + 1);
	free(big);
	assert_int_equal(mp_workspace_collect(&f->ws, f->cache, NULL, 0, &y, &f->err), MP_EINVAL);
	assert_int_equal(unlink(at(f, "value")), 0);
	assert_int_equal(symlink("/etc/passwd", at(f, "value")), 0);
	assert_int_not_equal(mp_workspace_collect(&f->ws, f->cache, NULL, 0, &y, &f->err), 0);
}

/* ---- logs ---- */

static void
expect_log(struct fixture *f, uint64_t size, uint64_t keep_max, const char *text)
{
	struct mp_hash digest;
	uint8_t *p;
	size_t n;

	assert_int_equal(
		mp_workspace_log(&f->ws, f->cache, "out", size, keep_max, &digest, &f->err), 0);
	if (text == NULL) {
		assert_true(mp_hash_is_zero(&digest));
		return;
	}
	assert_int_equal(mp_cache_get_bytes(f->cache, &digest, 1u << 20, &p, &n, NULL), 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(p, text, n);
	free(p);
}

static void
test_logs(void **state)
{
	struct fixture *f = *state;
	char all[301];
	int i;

	must_lay(f);
	expect_log(f, 0, 100, NULL);
	expect_log(f, 5, 100, NULL); /* lost before the first byte */
	write_text(f, "out", "hello");
	expect_log(f, 5, 100, "hello");
	expect_log(f, 12, 1000, "hello\n[meshpipe: 7 bytes are missing here]\n");
	for (i = 0; i < 300; i++)
		all[i] = (char)('a' + i % 26);
	all[300] = '\0';
	write_text(f, "out", all);
	expect_log(f, 300, 100, "abcdefghij\n[meshpipe: 280 bytes are missing here]\nefghijklmn");
}

/* ---- removing ---- */

static void
test_clean_ones_are_used_again(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	must_lay(f);
	assert_int_equal(fstat(f->ws.fd, &before), 0);
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	f->req.key.attempt.counter++;
	must_lay(f);
	assert_int_equal(fstat(f->ws.fd, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	write_text(f, "tmp/left", "x");
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	must_lay(f);
	assert_int_equal(count_entries(at(f, "tmp")), 0);
	assert_int_equal(chmod(at(f, "home"), 0777), 0);
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	must_lay(f);
	assert_int_equal(fstatat(f->ws.fd, "home", &after, 0), 0);
	assert_int_equal(after.st_mode & 07777, 0700);
	assert_int_equal(chmod(f->ws.path, 0777), 0); /* by its own command, from inside */
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	must_lay(f);
	assert_int_equal(fstat(f->ws.fd, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0700);
}

/* Were the directories of the workspace somebody else's before? Marks them for the next question.
 */
static bool
was_used_before(struct fixture *f)
{
	const struct timespec mark[2] = {{.tv_sec = 7}, {.tv_sec = 7}};
	struct stat st;
	bool used;

	assert_int_equal(fstatat(f->ws.fd, "w", &st, 0), 0);
	used = st.st_mtim.tv_sec == 7;
	assert_int_equal(utimensat(f->ws.fd, "w", mark, 0), 0);
	return used;
}

static void
test_what_is_beside_goes_alone(void **state)
{
	const struct mp_exec_dep dep = {.name = mp_span_str("a"), .result = mp_span_str("record")};
	struct fixture *f = *state;

	f->req.deps = &dep;
	f->req.dep_count = 1;
	must_lay(f);
	assert_false(was_used_before(f));
	write_text(f, "out", "said");
	write_text(f, "value", "1");
	assert_false(mp_workspace_put_back(f->root, &f->ws));
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	f->req.dep_count = 0;
	must_lay(f);
	assert_true(was_used_before(f));
	assert_int_equal(count_entries(f->ws.path), 3);
	assert_true(mp_workspace_put_back(f->root, &f->ws));
	must_lay(f);
	assert_true(was_used_before(f));
	f->ws.haunted = true;
	assert_false(mp_workspace_put_back(f->root, &f->ws));
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	must_lay(f);
	assert_false(was_used_before(f));
}

static void
test_run_folders_go(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 5; i++) {
		f->req.key.run.b[1] = (uint8_t)i;
		must_lay(f);
		assert_int_equal(mp_workspace_remove(f->root, &f->ws, false, NULL), 0);
	}
	assert_int_equal(count_entries(scratch_path(&f->scratch, "work")), 2); /* .clean, last */
	mp_workspace_root_close(f->root);
	assert_int_equal(count_entries(scratch_path(&f->scratch, "work")), 0);
	assert_int_equal(
		mp_workspace_root_open(scratch_path(&f->scratch, "work"), &f->root, NULL), 0);
}

static void
test_keep(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	must_lay(f);
	(void)snprintf(path, sizeof(path), "%s", at(f, "w"));
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, true, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
}

/* Deeper than descriptors or the stack would allow, and locked up. */
static void
test_deep_trees_go(void **state)
{
	struct fixture *f = *state;
	int fd, next, i;

	must_lay(f);
	fd = openat(f->ws.fd, "w", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		assert_int_equal(symlinkat("/etc", next, "link"), 0);
		if (i % 500 == 0)
			assert_int_equal(fchmod(fd, 0), 0);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	if (mp_workspace_remove(f->root, &f->ws, false, &f->err) != 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	must_lay(f);
}

static void
test_what_a_dead_node_left_goes(void **state)
{
	struct fixture *f = *state;

	make_dirs(f);
	assert_int_equal(mp_workspace_remove(f->root, &f->ws, true, NULL), 0);
	mp_workspace_root_close(f->root);
	assert_int_equal(
		mp_workspace_root_open(scratch_path(&f->scratch, "work"), &f->root, NULL), 0);
	assert_int_equal(count_entries(scratch_path(&f->scratch, "work")), 1); /* .clean */
}

static void
test_full_disk(void **state)
{
	struct fixture *f = *state;
	struct mp_file one;
	char *big = malloc((2u << 20) + 1);

	memset(big, 'x', 2u << 20);
	big[2u << 20] = '\0';
	one = file(f, "big", MP_FILE_REGULAR, big);
	free(big);
	mp_workspace_root_close(f->root);
	f->root = NULL;
	mp_cache_close(f->cache);
	assert_int_equal(mkdir(scratch_path(&f->scratch, "small"), 0700), 0);
	assert_int_equal(
		rename(scratch_path(&f->scratch, "cache.db"), scratch_path(&f->scratch, "kept.db")),
		0);
	{
		struct scratch small = {0};

		(void)snprintf(small.path, sizeof(small.path), "%.200s/small", f->scratch.path);
		if (!scratch_shrink(&small, 1u << 20)) {
			assert_int_equal(mp_cache_open(scratch_path(&f->scratch, "kept.db"),
						 &f->cache, NULL),
				0);
			skip();
		}
	}
	assert_int_equal(mp_cache_open(scratch_path(&f->scratch, "kept.db"), &f->cache, NULL), 0);
	assert_int_equal(
		mp_workspace_root_open(scratch_path(&f->scratch, "small/work"), &f->root, NULL), 0);
	f->req.files = &one;
	f->req.file_count = 1;
	expect_refused(f, MP_STATUS_NOT_STARTED, "big: disk full");
	f->req.file_count = 0;
	must_lay(f);
	(void)mp_workspace_remove(f->root, &f->ws, false, NULL);
	mp_workspace_root_close(f->root);
	f->root = NULL;
	(void)umount2(scratch_path(&f->scratch, "small"), MNT_DETACH);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_an_empty_one),
		T(test_files_are_laid),
		T(test_dependencies_are_laid),
		T(test_paths_that_lead_out),
		T(test_links_that_lead_out),
		T(test_conflicts_name_both),
		T(test_missing_blobs),
		T(test_outputs_are_collected),
		T(test_missing_outputs),
		T(test_what_may_not_leave),
		T(test_links_are_not_followed),
		T(test_a_deep_tree_may_not_leave),
		T(test_unreadable_outputs),
		T(test_value),
		T(test_logs),
		T(test_clean_ones_are_used_again),
		T(test_what_is_beside_goes_alone),
		T(test_run_folders_go),
		T(test_keep),
		T(test_deep_trees_go),
		T(test_what_a_dead_node_left_goes),
		T(test_full_disk),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
