/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mp/limits.h"
#include "shell/control.h"

struct fixture {
	struct scratch scratch;
	uv_loop_t loop;
	struct mp_control *control;
	uint64_t durable;
	unsigned durable_calls;
	uint64_t patience_ms;
	int health; /* code of the last report */
	unsigned health_calls;
	bool closed;
};

static void
on_durable(void *ctx, uint64_t seq)
{
	struct fixture *f = ctx;

	assert_true(seq > f->durable);
	f->durable = seq;
	f->durable_calls++;
}

static void
on_health(void *ctx, const struct mp_error *err)
{
	struct fixture *f = ctx;

	f->health = err->code;
	f->health_calls++;
}

static void
on_closed(void *ctx)
{
	struct fixture *f = ctx;

	f->closed = true;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make(&f->scratch);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(uv_loop_close(&f->loop), 0);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static int
open_control(struct fixture *f, struct mp_error *err)
{
	const struct mp_control_config config = {.path = scratch_path(&f->scratch, "control.db"),
		.loop = &f->loop,
		.patience_ms = f->patience_ms,
		.durable = on_durable,
		.health = on_health,
		.ctx = f};

	f->durable = 0;
	return mp_control_open(&config, &f->control, err);
}

static void
must_open(struct fixture *f)
{
	struct mp_error err = {0};

	if (open_control(f, &err) != 0)
		fail_msg("%s", err.text);
}

static int
close_control(struct fixture *f)
{
	int rc = mp_control_close(f->control, on_closed, f);

	f->closed = false;
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_true(f->closed);
	return rc;
}

static void
put(struct fixture *f, uint64_t seq, enum mp_table table, const char *key, const char *value)
{
	const struct mp_row row = {
		MP_ROW_PUT, table, mp_span_str(key), mp_span(value, strlen(value))};

	assert_int_equal(mp_control_write(f->control, seq, &row, 1), 0);
}

static void
wait_durable(struct fixture *f, uint64_t seq)
{
	while (f->durable < seq)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
}

struct dump {
	char text[4096];
	size_t n;
	size_t rows;
};

static int
on_row(void *ctx, const struct mp_row *row)
{
	struct dump *d = ctx;

	assert_int_equal(row->op, MP_ROW_PUT);
	d->rows++;
	if (d->n < sizeof(d->text))
		d->n += (size_t)snprintf(d->text + d->n, sizeof(d->text) - d->n, "%d:%.*s=%.*s ",
			(int)row->table, (int)row->key.n, (const char *)row->key.p,
			(int)row->value.n, (const char *)row->value.p);
	return 0;
}

/* What is restored at the start, then the entries. */
static int
load_all(struct fixture *f, struct dump *d, struct mp_error *err)
{
	uint8_t last[64];
	int rc = mp_control_load(f->control, on_row, d, err);

	memset(last, 0xff, sizeof(last));
	if (rc == 0)
		rc = mp_control_read(f->control, MP_TABLE_ENTRY, mp_span("", 1),
			mp_span(last, sizeof(last)), on_row, d, err);
	return rc;
}

static void
expect_rows(struct fixture *f, const char *text)
{
	struct dump d = {0};
	struct mp_error err = {0};

	if (load_all(f, &d, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(d.text, text);
}

/* ---- tests ---- */

static void
test_rows_come_back_in_order(void **state)
{
	struct fixture *f = *state;
	const struct mp_row rows[] = {
		{MP_ROW_PUT, MP_TABLE_ENTRY, mp_span_str("b"), mp_span_str("2")},
		{MP_ROW_PUT, MP_TABLE_ENTRY, mp_span_str("a\xff"), mp_span_str("1")},
		{MP_ROW_PUT, MP_TABLE_META, mp_span_str("z"), {NULL, 0}},
		{MP_ROW_PUT, MP_TABLE_ENTRY, mp_span_str("b"), mp_span_str("3")},
	};

	must_open(f);
	assert_int_equal(mp_control_write(f->control, 7, rows, mp_countof(rows)), 0);
	wait_durable(f, 7);
	expect_rows(f, "0:z= 4:a\xff=1 4:b=3 ");
	assert_int_equal(close_control(f), 0);
	must_open(f);
	expect_rows(f, "0:z= 4:a\xff=1 4:b=3 ");
	assert_int_equal(close_control(f), 0);
}

static void
test_delete_and_range(void **state)
{
	struct fixture *f = *state;
	const struct mp_row rows[] = {
		{MP_ROW_DELETE, MP_TABLE_RUN, mp_span_str("a"), {NULL, 0}},
		{MP_ROW_DELETE, MP_TABLE_RUN, mp_span_str("none"), {NULL, 0}},
		{MP_ROW_DELETE_RANGE, MP_TABLE_RUN, mp_span_str("c"), mp_span_str("e")},
	};

	must_open(f);
	put(f, 1, MP_TABLE_RUN, "a", "1");
	put(f, 2, MP_TABLE_RUN, "b", "2");
	put(f, 3, MP_TABLE_RUN, "c", "3");
	put(f, 4, MP_TABLE_RUN, "d", "4");
	put(f, 5, MP_TABLE_RUN, "e", "5");
	put(f, 6, MP_TABLE_VOTE, "d", "other table");
	assert_int_equal(mp_control_write(f->control, 7, rows, mp_countof(rows)), 0);
	assert_int_equal(mp_control_write(f->control, 8, NULL, 0), 0);
	wait_durable(f, 8);
	expect_rows(f, "2:b=2 2:e=5 3:d=other table ");
	assert_int_equal(close_control(f), 0);
}

static void
test_read_a_range(void **state)
{
	struct fixture *f = *state;
	struct dump d = {.n = 0};

	must_open(f);
	put(f, 1, MP_TABLE_ENTRY, "a", "1");
	put(f, 2, MP_TABLE_ENTRY, "aa", "2");
	put(f, 3, MP_TABLE_ENTRY, "b", "3");
	put(f, 4, MP_TABLE_VOTE, "aa", "4");
	wait_durable(f, 4);
	assert_int_equal(mp_control_read(f->control, MP_TABLE_ENTRY, mp_span("aa", 2),
				 mp_span("b", 1), on_row, &d, NULL),
		0);
	assert_string_equal(d.text, "4:aa=2 ");
	d = (struct dump){.n = 0};
	assert_int_equal(mp_control_load(f->control, on_row, &d, NULL), 0);
	assert_string_equal(d.text, "3:aa=4 ");
	assert_int_equal(close_control(f), 0);
}

static void
test_many_writes_share_commits(void **state)
{
	struct fixture *f = *state;
	struct dump d = {0};
	char key[16];
	uint64_t i;
	size_t queued = 1;

	must_open(f);
	for (i = 1; i <= 2000; i++) {
		(void)snprintf(key, sizeof(key), "%06d", (int)i);
		put(f, i, MP_TABLE_ENTRY, key, "value");
	}
	wait_durable(f, 2000);
	assert_true(f->durable_calls < 1000);
	mp_control_state(f->control, NULL, &queued);
	assert_int_equal(queued, 0);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_int_equal(d.rows, 2000);
	assert_int_equal(close_control(f), 0);
}

static void
forget(struct fixture *f, uint64_t seq, const char *key)
{
	const struct mp_row row = {MP_ROW_DELETE, MP_TABLE_HELD, mp_span_str(key), {NULL, 0}};

	assert_int_equal(mp_control_write(f->control, seq, &row, 1), 0);
}

static void
test_what_nobody_waits_for_goes_with_the_next(void **state)
{
	struct fixture *f = *state;
	struct dump d = {0};
	uint64_t seq = 0;

	f->patience_ms = 3600 * 1000;
	must_open(f);
	put(f, ++seq, MP_TABLE_HELD, "a", "1");
	wait_durable(f, seq);
	f->durable_calls = 0;
	for (unsigned i = 1; i <= 50; i++) {
		forget(f, ++seq, "a");
		put(f, ++seq, MP_TABLE_HELD, "a", "2");
		wait_durable(f, seq);
		assert_int_equal(f->durable_calls, i);
	}
	forget(f, ++seq, "a");
	assert_int_equal(close_control(f), 0);
	f->patience_ms = 1;
	must_open(f);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_int_equal(d.rows, 0);
	forget(f, 1, "b");
	wait_durable(f, 1);
	assert_int_equal(close_control(f), 0);
}

static void
test_close_flushes(void **state)
{
	struct fixture *f = *state;
	struct dump d = {0};
	char key[16];
	uint64_t i;

	must_open(f);
	for (i = 1; i <= 300; i++) {
		(void)snprintf(key, sizeof(key), "%06d", (int)i);
		put(f, i, MP_TABLE_HELD, key, "value");
	}
	assert_int_equal(close_control(f), 0);
	must_open(f);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_int_equal(d.rows, 300);
	assert_int_equal(close_control(f), 0);
}

static int
on_row_stop(void *ctx, const struct mp_row *row)
{
	(void)row;
	++*(int *)ctx;
	return MP_ECANCELED;
}

static void
test_load_stops_when_told(void **state)
{
	struct fixture *f = *state;
	int calls = 0;

	must_open(f);
	put(f, 1, MP_TABLE_META, "a", "1");
	put(f, 2, MP_TABLE_META, "b", "2");
	wait_durable(f, 2);
	assert_int_equal(mp_control_load(f->control, on_row_stop, &calls, NULL), MP_ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_equal(close_control(f), 0);
}

static void
test_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	const size_t size = MP_CONTROL_QUEUE_MAX;
	struct mp_row row = {MP_ROW_PUT, MP_TABLE_META, mp_span_str("k"), {NULL, 0}};

	must_open(f);
	row.value = mp_span(calloc(1, size), size);
	assert_non_null(row.value.p);
	assert_int_equal(mp_control_write(f->control, 1, &row, 1), MP_ELIMIT);
	put(f, 1, MP_TABLE_META, "k", "v");
	wait_durable(f, 1);
	free((void *)(uintptr_t)row.value.p);
	assert_int_equal(close_control(f), 0);
}

static void
sql(struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(scratch_path(&f->scratch, "control.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
expect_refused(struct fixture *f, int code, const char *text)
{
	struct mp_error err = {0};

	assert_int_equal(open_control(f, &err), code);
	if (strstr(err.text, text) == NULL || strstr(err.text, "control.db: ") == NULL)
		fail_msg("unclear: %s", err.text);
}

static void
test_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	must_open(f);
	assert_int_equal(close_control(f), 0);
	sql(f, "PRAGMA user_version=2");
	expect_refused(f, MP_EVERSION, "newer Meshpipe (schema 2, this one knows 1)");
}

static void
test_foreign_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char junk[9000];

	sql(f, "CREATE TABLE shopping (item TEXT)");
	expect_refused(f, MP_EINVAL, "not a Meshpipe control database");
	memset(junk, 'x', sizeof(junk));
	scratch_write(scratch_path(&f->scratch, "control.db"), junk, sizeof(junk));
	expect_refused(f, MP_ECORRUPT, "sets it aside");
}

static void
test_missing_folder_and_link(void **state)
{
	struct fixture *f = *state;
	struct mp_control_config config = {.path = scratch_path(&f->scratch, "none/control.db"),
		.loop = &f->loop,
		.durable = on_durable,
		.health = on_health,
		.ctx = f};
	struct mp_error err = {0};

	assert_int_equal(mp_control_open(&config, &f->control, &err), MP_EIO);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(symlink("elsewhere", scratch_path(&f->scratch, "control.db")), 0);
	assert_int_equal(open_control(f, &err), MP_ECORRUPT);
}

/* One byte is changed at a time, all over the file: the rows are right, or there is an error. */
static void
test_damage_is_seen(void **state)
{
	struct fixture *f = *state;
	const char *path;
	size_t i, n = 1, seen = 0, at;
	char key[16], *whole;

	must_open(f);
	for (i = 1; i <= 400; i++) {
		(void)snprintf(key, sizeof(key), "%06d", (int)i);
		put(f, i, MP_TABLE_ENTRY, key, "the same text in every row");
	}
	assert_int_equal(close_control(f), 0);
	path = scratch_path(&f->scratch, "control.db");
	whole = scratch_read(path, &n);
	assert_non_null(whole);
	for (i = 0; i < 250; i++) {
		struct mp_error err = {0};
		struct dump d = {0};
		int rc;

		at = i < 100 ? i : (i * 7919u * 31u) % n;
		whole[at] = (char)(whole[at] ^ 0x55);
		scratch_write(scratch_path(&f->scratch, "control.db"), whole, n);
		(void)unlink(scratch_path(&f->scratch, "control.db-wal"));
		(void)unlink(scratch_path(&f->scratch, "control.db-shm"));
		rc = open_control(f, &err);
		if (rc == 0) {
			rc = load_all(f, &d, &err);
			assert_int_equal(close_control(f), 0);
		}
		if (rc == 0)
			assert_int_equal(d.rows, 400);
		else
			seen++;
		whole[at] = (char)(whole[at] ^ 0x55);
	}
	free(whole);
	assert_true(seen > 50);
}

static void
test_wrong_value_is_seen(void **state)
{
	struct fixture *f = *state;
	struct mp_error err = {0};
	struct dump d = {0};

	must_open(f);
	put(f, 1, MP_TABLE_VOTE, "run", "term 5");
	assert_int_equal(close_control(f), 0);
	sql(f, "UPDATE vote SET value = CAST('term 4' AS BLOB)");
	must_open(f);
	assert_int_equal(load_all(f, &d, &err), MP_ECORRUPT);
	assert_non_null(strstr(err.text, "a row of vote"));
	assert_int_equal(d.rows, 0);
	assert_int_equal(close_control(f), 0);
}

/* ---- a disk that is full ---- */

static uint64_t
write_until_trouble(struct fixture *f, uint64_t seq)
{
	static char value[20000];
	char key[16];
	struct mp_row row = {MP_ROW_PUT, MP_TABLE_ENTRY, {NULL, 0}, {NULL, 0}};
	int i;

	memset(value, 'v', sizeof(value));
	for (i = 0; f->health == 0 && i < 1000; i++) {
		seq++;
		(void)snprintf(key, sizeof(key), "%08d", (int)seq);
		row.key = mp_span_str(key);
		row.value = mp_span(value, sizeof(value));
		assert_int_equal(mp_control_write(f->control, seq, &row, 1), 0);
		while (f->durable < seq && f->health == 0)
			(void)uv_run(&f->loop, UV_RUN_ONCE);
	}
	return seq;
}

static void
expect_recovery(struct fixture *f, uint64_t seq, void (*mend)(struct fixture *f))
{
	struct mp_error err;
	struct dump d = {0};
	size_t queued = 0;

	seq = write_until_trouble(f, seq);
	assert_int_equal(f->health, MP_EFULL);
	assert_int_equal(f->durable, seq - 1);
	seq++;
	put(f, seq, MP_TABLE_VOTE, "run", "waits too");
	mp_control_state(f->control, &err, &queued);
	assert_int_equal(err.code, MP_EFULL);
	assert_non_null(strstr(err.text, "control.db: disk full"));
	assert_true(queued > 20000);
	mend(f);
	while (f->durable < seq || f->health != 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->health_calls, 2);
	mp_control_state(f->control, &err, &queued);
	assert_int_equal(err.code, 0);
	assert_int_equal(close_control(f), 0);
	must_open(f);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_int_equal(d.rows, seq);
	assert_int_equal(close_control(f), 0);
}

static void
mend_tmpfs(struct fixture *f)
{
	assert_int_equal(unlink(scratch_path(&f->scratch, "ballast")), 0);
}

static void
test_full_disk(void **state)
{
	struct fixture *f = *state;
	char *ballast;

	if (!scratch_shrink(&f->scratch, 3u << 20))
		skip();
	ballast = calloc(1, 1u << 20);
	assert_non_null(ballast);
	scratch_write(scratch_path(&f->scratch, "ballast"), ballast, 1u << 20);
	free(ballast);
	must_open(f);
	expect_recovery(f, 0, mend_tmpfs);
}

static void
mend_rlimit(struct fixture *f)
{
	struct rlimit lim;

	(void)f;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static void
test_file_size_limit(void **state)
{
	struct fixture *f = *state;
	struct rlimit lim;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	must_open(f);
	lim.rlim_cur = 512u * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	expect_recovery(f, 0, mend_rlimit);
}

static void
test_close_while_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit lim;
	struct dump d = {0};
	uint64_t seq;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	must_open(f);
	lim.rlim_cur = 512u * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	seq = write_until_trouble(f, 0);
	assert_int_equal(close_control(f), MP_EFULL);
	mend_rlimit(f);
	must_open(f);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_int_equal(d.rows, seq - 1);
	assert_int_equal(close_control(f), 0);
}

/* ---- a process that is killed ---- */

static void
killed_child(struct fixture *f, int fd)
{
	uint64_t seq, told = 0;
	char key[16];

	must_open(f);
	for (seq = 1;; seq++) {
		(void)snprintf(key, sizeof(key), "%08d", (int)seq);
		put(f, seq, MP_TABLE_ENTRY, key, "value");
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		if (f->durable > told) {
			told = f->durable;
			if (write(fd, &told, sizeof(told)) != sizeof(told))
				_exit(1);
		}
		if (seq - told > 50)
			wait_durable(f, told + 1);
	}
}

static void
test_killed_process_keeps_what_it_told(void **state)
{
	struct fixture *f = *state;
	struct dump d = {0};
	uint64_t told = 0;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		assert_int_equal(uv_loop_fork(&f->loop), 0);
		killed_child(f, fds[1]);
		_exit(1);
	}
	(void)close(fds[1]);
	while (told < 200)
		assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (read(fds[0], &told, sizeof(told)) == sizeof(told))
		continue;
	(void)close(fds[0]);
	must_open(f);
	assert_int_equal(load_all(f, &d, NULL), 0);
	assert_true(d.rows >= told);
	assert_int_equal(close_control(f), 0);
}

/* Does a file of the database hold these bytes? */
static bool
disk_holds(struct fixture *f, const char *name, const char *text)
{
	FILE *file = fopen(scratch_path(&f->scratch, name), "rb");
	static char bytes[8u * 1024 * 1024];
	size_t n;

	if (file == NULL)
		return false;
	n = fread(bytes, 1, sizeof(bytes), file);
	assert_true(n < sizeof(bytes));
	(void)fclose(file);
	return memmem(bytes, n, text, strlen(text)) != NULL;
}

static bool
is_somewhere(struct fixture *f, const char *text)
{
	return disk_holds(f, "control.db", text) || disk_holds(f, "control.db-wal", text);
}

/* A secret that is deleted is nowhere, in the database or in its log, while all goes on. */
static void
test_secrets_leave_nothing(void **state)
{
	struct mp_row row = {MP_ROW_DELETE, MP_TABLE_SECRET, mp_span_str("run"), {NULL, 0}};
	struct fixture *f = *state;
	static char big[20000];
	uint64_t seq = 0;

	must_open(f);
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big + 15000, "sealed-with-wax", 15);
	for (int i = 0; i < 50; i++) {
		put(f, ++seq, MP_TABLE_META, "other", big + 19000 + i);
		put(f, ++seq, MP_TABLE_SECRET, "run", big);
	}
	wait_durable(f, seq);
	assert_true(is_somewhere(f, "sealed-with-wax"));
	assert_int_equal(mp_control_write(f->control, ++seq, &row, 1), 0);
	wait_durable(f, seq);
	assert_false(is_somewhere(f, "sealed-with-wax"));
	assert_int_equal(close_control(f), 0);
}

/* The log cannot be cut while somebody reads: it is when that is over, without another write. */
static void
test_secrets_wait_for_readers(void **state)
{
	struct mp_row row = {MP_ROW_DELETE, MP_TABLE_SECRET, mp_span_str("run"), {NULL, 0}};
	struct fixture *f = *state;
	sqlite3 *db = NULL;

	must_open(f);
	put(f, 1, MP_TABLE_SECRET, "run", "sealed-with-wax");
	wait_durable(f, 1);
	assert_int_equal(sqlite3_open(scratch_path(&f->scratch, "control.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN; SELECT * FROM secret", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(mp_control_write(f->control, 2, &row, 1), 0);
	wait_durable(f, 2);
	assert_true(is_somewhere(f, "sealed-with-wax"));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	while (is_somewhere(f, "sealed-with-wax"))
		(void)sched_yield();
	assert_int_equal(close_control(f), 0);
}

static void
copy_file(struct fixture *f, const char *from, const char *to)
{
	static char bytes[1024 * 1024];
	FILE *in = fopen(scratch_path(&f->scratch, from), "rb"), *out;
	size_t n;

	assert_non_null(in);
	out = fopen(scratch_path(&f->scratch, to), "wb");
	assert_non_null(out);
	n = fread(bytes, 1, sizeof(bytes), in);
	assert_true(n < sizeof(bytes) && fwrite(bytes, 1, n, out) == n);
	assert_int_equal(fclose(in) | fclose(out), 0);
}

/* Killed when the row was deleted and the log not cut yet: the next start does that. */
static void
test_secrets_of_a_killed_process(void **state)
{
	struct mp_row row = {MP_ROW_DELETE, MP_TABLE_SECRET, mp_span_str("run"), {NULL, 0}};
	struct fixture *f = *state;
	sqlite3 *db = NULL;

	must_open(f);
	put(f, 1, MP_TABLE_SECRET, "run", "sealed-with-wax");
	wait_durable(f, 1);
	assert_int_equal(sqlite3_open(scratch_path(&f->scratch, "control.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN; SELECT * FROM secret", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(mp_control_write(f->control, 2, &row, 1), 0);
	wait_durable(f, 2);
	copy_file(f, "control.db", "killed.db");
	copy_file(f, "control.db-wal", "killed.db-wal");
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(close_control(f), 0);
	copy_file(f, "killed.db", "control.db");
	copy_file(f, "killed.db-wal", "control.db-wal");
	assert_true(is_somewhere(f, "sealed-with-wax"));
	must_open(f);
	while (is_somewhere(f, "sealed-with-wax"))
		(void)sched_yield();
	assert_int_equal(close_control(f), 0);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rows_come_back_in_order),
		T(test_delete_and_range),
		T(test_read_a_range),
		T(test_many_writes_share_commits),
		T(test_what_nobody_waits_for_goes_with_the_next),
		T(test_close_flushes),
		T(test_load_stops_when_told),
		T(test_queue_is_bounded),
		T(test_newer_schema_is_refused),
		T(test_foreign_files_are_refused),
		T(test_missing_folder_and_link),
		T(test_damage_is_seen),
		T(test_wrong_value_is_seen),
		T(test_full_disk),
		T(test_file_size_limit),
		T(test_close_while_full),
		T(test_killed_process_keeps_what_it_told),
		T(test_secrets_leave_nothing),
		T(test_secrets_wait_for_readers),
		T(test_secrets_of_a_killed_process),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
