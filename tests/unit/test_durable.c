/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to survive a power cut is on the disk before anybody is told. No test can cut the power;
 * this one stands between the program and the system calls that write through, SQLite's included,
 * and notes them in their order.
 */
#include "unit/scratch.h"

#include <sys/syscall.h>
#include <uv.h>

#include "crypto/key.h"
#include "shell/cache.h"
#include "shell/control.h"
#include "shell/state_int.h"

/* ---- the notes: NAME for what was synced, FROM>TO for what was renamed ---- */

static struct scratch dir;
static char notes[4096];
static uv_mutex_t lock;

static void note(const char *fmt, ...) MP_PRINTF(1, 2);

static void
note(const char *fmt, ...)
{
	va_list ap;
	size_t n;

	uv_mutex_lock(&lock);
	n = strlen(notes);
	va_start(ap, fmt);
	if (n < sizeof(notes) - 512)
		(void)vsnprintf(notes + n, sizeof(notes) - n, fmt, ap);
	va_end(ap);
	uv_mutex_unlock(&lock);
}

static void
notes_clear(void)
{
	uv_mutex_lock(&lock);
	notes[0] = '\0';
	uv_mutex_unlock(&lock);
}

static bool
noted(const char *what)
{
	bool found;

	uv_mutex_lock(&lock);
	found = strstr(notes, what) != NULL;
	uv_mutex_unlock(&lock);
	return found;
}

/* Its name below the test's directory, "." for that itself. */
static void
note_synced(int fd)
{
	char link[64], path[PATH_MAX];
	size_t base = strlen(dir.path);
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (strncmp(path, dir.path, base) == 0)
		note("%s ", path[base] == '/' ? path + base + 1 : ".");
}

int
fsync(int fd)
{
	note_synced(fd);
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	note_synced(fd);
	return (int)syscall(SYS_fdatasync, fd);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	note("%s>%s ", from, to);
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(mp_key_init(), 0);
	assert_int_equal(uv_mutex_init(&lock), 0);
	scratch_make(&dir);
	notes_clear();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(&dir);
	uv_mutex_destroy(&lock);
	return 0;
}

/* ---- control.db ---- */

static int told;

static void
on_durable(void *ctx, uint64_t seq)
{
	assert_int_equal(seq, ++told);
	assert_true(noted("control.db-wal"));
	notes_clear();
	uv_stop(ctx);
}

static void
on_health(void *ctx, const struct mp_error *err)
{
	(void)ctx;
	fail_msg("%s", err->text);
}

static void
test_rows(void **state)
{
	struct mp_row row = {.op = MP_ROW_PUT,
		.table = MP_TABLE_RUN,
		.key = mp_span("key", 3),
		.value = mp_span("value", 5)};
	uv_loop_t loop;
	struct mp_control_config config = {.path = scratch_path(&dir, "control.db"),
		.loop = &loop,
		.durable = on_durable,
		.health = on_health,
		.ctx = &loop};
	struct mp_control *control;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(mp_control_open(&config, &control, NULL), 0);
	assert_true(noted(". ")); /* the file's name, before anything is in it */
	told = 0;
	for (uint64_t seq = 1; seq <= 3; seq++) {
		notes_clear();
		assert_int_equal(mp_control_write(control, seq, &row, 1), 0);
		(void)uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(told, seq);
	}
	(void)mp_control_close(control, NULL, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- cache.db ---- */

/* Its log goes into the database now and then: what is overwritten then was synced before. */
static void
test_blobs(void **state)
{
	static uint8_t bytes[1u << 20];
	struct mp_blob_ref ref;
	struct mp_cache *cache;

	(void)state;
	assert_int_equal(mp_cache_open(scratch_path(&dir, "cache.db"), &cache, NULL), 0);
	assert_int_equal(mp_cache_put_bytes(cache, mp_span("blob", 4), &ref, NULL), 0);
	notes_clear();
	assert_int_equal(mp_cache_sync(cache, NULL), 0);
	assert_string_equal(notes, "cache.db-wal ");
	notes_clear();
	for (int i = 0; i < 64; i++) {
		mp_key_random(bytes, sizeof(bytes));
		assert_int_equal(
			mp_cache_put_bytes(cache, mp_span(bytes, sizeof(bytes)), &ref, NULL), 0);
	}
	assert_true(noted("cache.db-wal cache.db "));
	mp_cache_close(cache);
}

/* ---- small files ---- */

static void
test_files(void **state)
{
	struct mp_error err = {0};
	struct mp_state st;

	(void)state;
	assert_int_equal(mp_state_open(dir.path, NULL, &st, &err), 0);
	assert_true(noted("meshpipe.new meshpipe.new>meshpipe . "));
	assert_true(noted("node.key"));
	notes_clear();
	assert_int_equal(mp_state_set_port(&st, 7118, &err), 0);
	assert_string_equal(notes, "port.new port.new>port . ");
	notes_clear();
	assert_int_equal(mp_state_found(&st, &err), 0);
	assert_true(noted("authority.key"));
	assert_true(noted("credential.new credential.new>credential . "));
	mp_state_close(&st);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(test_rows),
		T(test_blobs),
		T(test_files),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
