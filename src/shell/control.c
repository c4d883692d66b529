/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/control.h"

#include <stdlib.h>
#include <string.h>

#include "mp/limits.h"
#include "shell/sql.h"
#include "util/sum.h"

/* Pauses between attempts to write while the disk refuses. */
#define CONTROL_BACKOFF_MIN_MS 50u
#define CONTROL_BACKOFF_MAX_MS 2000u

#define CONTROL_KEY_MAX 64

/* Rows of one mp_control_write(): one block of memory, the bytes behind the rows. */
struct control_batch {
	struct control_batch *next;
	uint64_t seq;
	size_t size; /* of the block, for the bound */
	size_t count;
	struct mp_row rows[];
};

struct control_table {
	sqlite3_stmt *put;
	sqlite3_stmt *del;
	sqlite3_stmt *del_range;
};

struct mp_control {
	struct mp_control_config config;
	char *path;
	sqlite3 *db; /* the writer's, once it runs */
	struct control_table tables[MP_TABLE_COUNT];
	sqlite3_stmt *begin, *commit, *rollback;
	bool secure; /* what is deleted is overwritten, too */
	bool purge;  /* what was deleted may still be in the log beside the database */
	uv_async_t async;
	uv_thread_t thread;
	void (*closed)(void *ctx);
	void *closed_ctx;

	uv_mutex_t lock; /* of all below */
	uv_cond_t wake;
	struct control_batch *head, **tail;
	size_t queued;
	bool hurry;           /* somebody waits for a row that is queued */
	uint64_t queued_seq;  /* of the last one taken in */
	uint64_t durable_seq; /* 0: none yet */
	struct mp_error trouble;
	unsigned trouble_count; /* changes of it */
	bool stopping;

	/* The loop's: what was told. */
	uint64_t told_seq;
	unsigned told_trouble;
};

static const char *const control_names[] = {
#define X(name, sql) sql,
	MP_TABLES(X)
#undef X
};

static const enum mp_table control_restored[] = {
#define X(name) MP_TABLE_##name,
	MP_TABLES_RESTORED(X)
#undef X
};

static const struct mp_sql_kind control_kind = {
	.what = "control database",
	.application_id = 0x4d50434c, /* "MPCL" */
	.version = MP_CONTROL_SCHEMA,
	.oldest = 1,
	.create =
#define X(name, sql)                                                                               \
	"CREATE TABLE IF NOT EXISTS " sql " (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"  \
	" sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
		MP_TABLES(X),
#undef X
	.tune = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cell_size_check=ON;"
		"PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-1024",
	.damaged =
		"mpnode join --again HOST:PORT, with the address of another member, sets it aside "
		"and comes back as the same node; runs live on with their other electors",
	.check = true,
};

static uint64_t
control_sum(enum mp_table table, struct mp_span key, struct mp_span value)
{
	return mp_sum64(mp_sum64((uint64_t)table, key), value);
}

/* ---- the writer ---- */

static int
control_write_row(struct mp_control *c, const struct mp_row *row, struct mp_error *err)
{
	struct control_table *t = &c->tables[row->table];
	sqlite3_stmt *st = NULL;
	int rc;

	switch (row->op) {
	case MP_ROW_PUT:
		st = t->put;
		rc = mp_sql_bind(st, 2, row->value);
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_int64(
				st, 3, (int64_t)control_sum(row->table, row->key, row->value));
		break;
	case MP_ROW_DELETE:
		st = t->del;
		rc = SQLITE_OK;
		break;
	case MP_ROW_DELETE_RANGE:
		st = t->del_range;
		rc = mp_sql_bind(st, 2, row->value);
		break;
	default:
		mp_unreachable();
	}
	if (rc == SQLITE_OK)
		rc = mp_sql_bind(st, 1, row->key);
	if (rc != SQLITE_OK) {
		(void)sqlite3_clear_bindings(st);
		return mp_sql_fail(rc, err);
	}
	return mp_sql_run(st, err);
}

/* Does it change what is kept of secrets; does it take some away? */
static bool
control_touches(const struct control_batch *list, bool deletes)
{
	for (; list != NULL; list = list->next) {
		for (size_t i = 0; i < list->count; i++)
			if (list->rows[i].table == MP_TABLE_SECRET &&
				(!deletes || list->rows[i].op != MP_ROW_PUT))
				return true;
	}
	return false;
}

/* Of what held secrets neither the database nor its log keeps anything. While somebody reads, the
 * log cannot be cut: the next time, then. */
static void
control_purge(struct mp_control *c)
{
	int left = 0;

	if (!c->purge)
		return;
	(void)sqlite3_busy_timeout(c->db, 0);
	if (sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &left, NULL) ==
			SQLITE_OK &&
		left == 0)
		c->purge = false;
	(void)sqlite3_busy_timeout(c->db, MP_SQL_BUSY_MS);
}

static int
control_secure(struct mp_control *c, bool on, struct mp_error *err)
{
	int rc = 0;

	if (c->secure != on)
		rc = mp_sql_exec(
			c->db, on ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF", err);
	if (rc == 0)
		c->secure = on;
	return rc;
}

/* One transaction. After an error nothing of it is there. */
static int
control_write_batches(struct mp_control *c, const struct control_batch *list, struct mp_error *err)
{
	const struct control_batch *b;
	size_t i;
	int rc;

	rc = control_secure(c, control_touches(list, false), err);
	if (rc == 0)
		rc = mp_sql_run(c->begin, err);
	for (b = list; rc == 0 && b != NULL; b = b->next)
		for (i = 0; rc == 0 && i < b->count; i++)
			rc = control_write_row(c, &b->rows[i], err);
	if (rc == 0)
		rc = mp_sql_run(c->commit, err);
	if (rc != 0 && sqlite3_get_autocommit(c->db) == 0)
		(void)mp_sql_run(c->rollback, NULL);
	c->purge = c->purge || (rc == 0 && control_touches(list, true));
	return rc;
}

static void
control_free_batches(struct control_batch *list)
{
	struct control_batch *next;

	for (; list != NULL; list = next) {
		next = list->next;
		free(list);
	}
}

/* Under the lock: what was taken is on disk. */
static void
control_done(struct mp_control *c, const struct control_batch *list)
{
	for (; list != NULL; list = list->next) {
		c->queued -= list->size;
		c->durable_seq = list->seq;
	}
	if (c->trouble.code != 0) {
		c->trouble = (struct mp_error){0};
		c->trouble_count++;
	}
	(void)uv_async_send(&c->async);
}

/* Under the lock: it failed. */
static void
control_trouble(struct mp_control *c, const struct mp_error *err)
{
	if (c->trouble.code != err->code) {
		c->trouble = *err;
		c->trouble_count++;
		(void)uv_async_send(&c->async);
	}
}

/* Under the lock, released while writing. True when the list was written; false only when the
 * control database is closed and the disk still refuses. */
static bool
control_write_until_done(struct mp_control *c, const struct control_batch *list)
{
	uint64_t pause_ms = CONTROL_BACKOFF_MIN_MS;
	struct mp_error err;
	bool last;
	int rc;

	for (;;) {
		last = c->stopping;
		uv_mutex_unlock(&c->lock);
		rc = control_write_batches(c, list, &err);
		if (rc != 0)
			(void)mp_wrap(&err, "write %s", c->path);
		control_purge(c);
		uv_mutex_lock(&c->lock);
		if (rc == 0) {
			control_done(c, list);
			return true;
		}
		control_trouble(c, &err);
		if (last)
			return false;
		if (!c->stopping)
			(void)uv_cond_timedwait(&c->wake, &c->lock, pause_ms * 1000000u);
		pause_ms = pause_ms * 2 > CONTROL_BACKOFF_MAX_MS ? CONTROL_BACKOFF_MAX_MS
								 : pause_ms * 2;
	}
}

/* Under the lock, released while waiting: what nobody waits for goes with what comes next. */
static void
control_gather(struct mp_control *c)
{
	while (!c->hurry && !c->stopping &&
		uv_cond_timedwait(&c->wake, &c->lock, c->config.patience_ms * 1000000u) == 0)
		;
	c->hurry = false;
}

/* Under the lock, released while waiting. */
static void
control_wait(struct mp_control *c)
{
	if (!c->purge) {
		uv_cond_wait(&c->wake, &c->lock);
		return;
	}
	(void)uv_cond_timedwait(&c->wake, &c->lock, CONTROL_BACKOFF_MIN_MS * 1000000u);
	uv_mutex_unlock(&c->lock);
	control_purge(c);
	uv_mutex_lock(&c->lock);
}

static void
control_thread(void *arg)
{
	struct mp_control *c = arg;
	struct control_batch *list;
	bool written = true;

	uv_mutex_lock(&c->lock);
	while (written) {
		while (c->head == NULL && !c->stopping)
			control_wait(c);
		if (c->head == NULL)
			break;
		control_gather(c);
		list = c->head;
		c->head = NULL;
		c->tail = &c->head;
		written = control_write_until_done(c, list);
		control_free_batches(list);
	}
	uv_mutex_unlock(&c->lock);
}

/* ---- the loop's side ---- */

static void
control_async(uv_async_t *async)
{
	struct mp_control *c = async->data;
	struct mp_error trouble;
	unsigned count;
	uint64_t seq;

	uv_mutex_lock(&c->lock);
	seq = c->durable_seq;
	trouble = c->trouble;
	count = c->trouble_count;
	uv_mutex_unlock(&c->lock);
	if (seq > c->told_seq) {
		c->told_seq = seq;
		c->config.durable(c->config.ctx, seq);
	}
	if (count != c->told_trouble) {
		c->told_trouble = count;
		c->config.health(c->config.ctx, &trouble);
	}
}

static struct control_batch *
control_copy(uint64_t seq, const struct mp_row *rows, size_t count)
{
	size_t size = sizeof(struct control_batch) + count * sizeof(*rows);
	struct control_batch *b;
	uint8_t *p;
	size_t i;

	for (i = 0; i < count; i++)
		size += rows[i].key.n + rows[i].value.n;
	b = malloc(size);
	if (b == NULL)
		return NULL;
	*b = (struct control_batch){.seq = seq, .size = size, .count = count};
	p = (uint8_t *)&b->rows[count];
	for (i = 0; i < count; i++) {
		const struct mp_row *r = &rows[i];

		mp_assert(r->table < MP_TABLE_COUNT);
		mp_assert(r->key.n > 0 && r->key.n <= CONTROL_KEY_MAX);
		b->rows[i] = *r;
		b->rows[i].key.p = memcpy(p, r->key.p, r->key.n);
		p += r->key.n;
		b->rows[i].value.p = p;
		if (r->value.n > 0)
			memcpy(p, r->value.p, r->value.n);
		p += r->value.n;
	}
	return b;
}

/* A result that is settled is forgotten; if that is forgotten, it is settled once more. */
static bool
control_hurries(const struct mp_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].table != MP_TABLE_HELD || rows[i].op == MP_ROW_PUT)
			return true;
	return false;
}

int
mp_control_write(struct mp_control *c, uint64_t seq, const struct mp_row *rows, size_t count)
{
	bool hurry = control_hurries(rows, count);
	struct control_batch *b;
	int rc = 0;

	b = control_copy(seq, rows, count);
	if (b == NULL)
		return MP_ENOMEM;
	uv_mutex_lock(&c->lock);
	mp_assert(!c->stopping && seq > c->queued_seq);
	if (b->size > MP_CONTROL_QUEUE_MAX - c->queued) {
		rc = MP_ELIMIT;
	} else {
		c->queued += b->size;
		c->queued_seq = seq;
		c->hurry = c->hurry || hurry;
		if (hurry || c->head == NULL)
			uv_cond_signal(&c->wake);
		*c->tail = b;
		c->tail = &b->next;
	}
	uv_mutex_unlock(&c->lock);
	if (rc != 0)
		free(b);
	return rc;
}

void
mp_control_state(struct mp_control *c, struct mp_error *err, size_t *queued)
{
	uv_mutex_lock(&c->lock);
	if (err != NULL)
		*err = c->trouble;
	if (queued != NULL)
		*queued = c->queued;
	uv_mutex_unlock(&c->lock);
}

/* ---- reading ---- */

static int
control_check_row(const struct mp_row *row, int64_t sum, struct mp_error *err)
{
	if (row->key.n > 0 && row->key.n <= CONTROL_KEY_MAX &&
		(uint64_t)sum == control_sum(row->table, row->key, row->value))
		return 0;
	return mp_fail(err, MP_ECORRUPT, "damaged: a row of %s has a wrong sum; %s",
		control_names[row->table], control_kind.damaged);
}

/* Gives the rows of a statement that selects key, value and sum. */
static int
control_load_rows(sqlite3_stmt *st, enum mp_table table, mp_control_load_cb cb, void *ctx,
	struct mp_error *err)
{
	int rc, code = 0;

	while (code == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		struct mp_row row = {.op = MP_ROW_PUT, .table = table};

		if (rc != SQLITE_ROW)
			return mp_sql_fail(rc, err);
		row.key = mp_sql_span(st, 0);
		row.value = mp_sql_span(st, 1);
		code = control_check_row(&row, sqlite3_column_int64(st, 2), err);
		if (code == 0)
			code = cb(ctx, &row);
	}
	return code;
}

static int
control_load_table(
	sqlite3 *db, enum mp_table table, mp_control_load_cb cb, void *ctx, struct mp_error *err)
{
	sqlite3_stmt *st;
	char sql[96];
	int code;

	(void)sqlite3_snprintf(sizeof(sql), sql, "SELECT key, value, sum FROM %s ORDER BY key",
		control_names[table]);
	code = mp_sql_prepare(db, sql, &st, err);
	if (code != 0)
		return code;
	code = control_load_rows(st, table, cb, ctx, err);
	(void)sqlite3_finalize(st);
	return code;
}

int
mp_control_load(struct mp_control *c, mp_control_load_cb cb, void *ctx, struct mp_error *err)
{
	sqlite3 *db;
	int rc;

	rc = mp_sql_open_reader(c->path, &db, err);
	if (rc == 0) {
		for (size_t i = 0; rc == 0 && i < mp_countof(control_restored); i++)
			rc = control_load_table(db, control_restored[i], cb, ctx, err);
		mp_sql_close(db);
	}
	if (rc != 0)
		(void)mp_wrap(err, "read %s", c->path);
	return rc;
}

static int
control_read_range(sqlite3 *db, enum mp_table table, struct mp_span from, struct mp_span to,
	mp_control_load_cb cb, void *ctx, struct mp_error *err)
{
	sqlite3_stmt *st;
	char sql[128];
	int code;

	(void)sqlite3_snprintf(sizeof(sql), sql,
		"SELECT key, value, sum FROM %s WHERE key >= ?1 AND key < ?2 ORDER BY key",
		control_names[table]);
	code = mp_sql_prepare(db, sql, &st, err);
	if (code != 0)
		return code;
	if (mp_sql_bind(st, 1, from) != SQLITE_OK || mp_sql_bind(st, 2, to) != SQLITE_OK)
		code = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	else
		code = control_load_rows(st, table, cb, ctx, err);
	(void)sqlite3_finalize(st);
	return code;
}

int
mp_control_read_file(const char *path, enum mp_table table, struct mp_span from, struct mp_span to,
	mp_control_load_cb cb, void *ctx, struct mp_error *err)
{
	sqlite3 *db;
	int rc;

	rc = mp_sql_open_reader(path, &db, err);
	if (rc == 0) {
		rc = control_read_range(db, table, from, to, cb, ctx, err);
		mp_sql_close(db);
	}
	if (rc < 0)
		(void)mp_wrap(err, "read %s", path);
	return rc;
}

int
mp_control_read(struct mp_control *c, enum mp_table table, struct mp_span from, struct mp_span to,
	mp_control_load_cb cb, void *ctx, struct mp_error *err)
{
	return mp_control_read_file(c->path, table, from, to, cb, ctx, err);
}

/* ---- opening and closing ---- */

static int
control_prepare_table(struct mp_control *c, int table, struct mp_error *err)
{
	static const char *const form[] = {
		"INSERT OR REPLACE INTO %s (key, value, sum) VALUES (?1, ?2, ?3)",
		"DELETE FROM %s WHERE key = ?1",
		"DELETE FROM %s WHERE key >= ?1 AND key < ?2",
	};
	struct control_table *t = &c->tables[table];
	sqlite3_stmt **const out[] = {&t->put, &t->del, &t->del_range};
	char sql[128];
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < mp_countof(form); i++) {
		(void)sqlite3_snprintf(sizeof(sql), sql, form[i], control_names[table]);
		rc = mp_sql_prepare(c->db, sql, out[i], err);
	}
	return rc;
}

static int
control_prepare(struct mp_control *c, struct mp_error *err)
{
	int table, rc;

	rc = mp_sql_open(c->path, &control_kind, &c->db, err);
	for (table = 0; rc == 0 && table < MP_TABLE_COUNT; table++)
		rc = control_prepare_table(c, table, err);
	if (rc == 0)
		rc = mp_sql_prepare(c->db, "BEGIN IMMEDIATE", &c->begin, err);
	if (rc == 0)
		rc = mp_sql_prepare(c->db, "COMMIT", &c->commit, err);
	if (rc == 0)
		rc = mp_sql_prepare(c->db, "ROLLBACK", &c->rollback, err);
	return rc;
}

static void
control_unprepare(struct mp_control *c)
{
	int i;

	for (i = 0; i < MP_TABLE_COUNT; i++) {
		(void)sqlite3_finalize(c->tables[i].put);
		(void)sqlite3_finalize(c->tables[i].del);
		(void)sqlite3_finalize(c->tables[i].del_range);
	}
	(void)sqlite3_finalize(c->begin);
	(void)sqlite3_finalize(c->commit);
	(void)sqlite3_finalize(c->rollback);
	mp_sql_close(c->db);
	memset(c->tables, 0, sizeof(c->tables));
	c->begin = c->commit = c->rollback = NULL;
	c->db = NULL;
}

static void
control_free(struct mp_control *c)
{
	control_unprepare(c);
	uv_cond_destroy(&c->wake);
	uv_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
}

static void
control_on_failed_open(uv_handle_t *handle)
{
	control_free(handle->data);
}

int
mp_control_open(
	const struct mp_control_config *config, struct mp_control **out, struct mp_error *err)
{
	struct mp_control *c;
	int rc;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	c->config = *config;
	c->tail = &c->head;
	c->purge = true; /* the process before may have been killed when it was to be done */
	c->async.data = c;
	c->path = strdup(config->path);
	rc = uv_mutex_init(&c->lock);
	mp_assert(rc == 0);
	rc = uv_cond_init(&c->wake);
	mp_assert(rc == 0);
	rc = c->path == NULL ? mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM))
			     : control_prepare(c, err);
	if (rc == 0 && uv_async_init(config->loop, &c->async, control_async) != 0)
		rc = mp_fail(err, MP_EIO, "too many open files");
	if (rc != 0) {
		control_free(c);
		return rc;
	}
	if (uv_thread_create(&c->thread, control_thread, c) != 0) {
		uv_close((uv_handle_t *)&c->async, control_on_failed_open);
		return mp_fail(err, MP_EIO, "cannot make a thread");
	}
	*out = c;
	return 0;
}

static void
control_on_close(uv_handle_t *handle)
{
	struct mp_control *c = handle->data;
	void (*closed)(void *ctx) = c->closed;
	void *ctx = c->closed_ctx;

	control_free(c);
	if (closed != NULL)
		closed(ctx);
}

int
mp_control_close(struct mp_control *c, void (*closed)(void *ctx), void *ctx)
{
	int rc;

	uv_mutex_lock(&c->lock);
	c->stopping = true;
	uv_cond_signal(&c->wake);
	uv_mutex_unlock(&c->lock);
	rc = uv_thread_join(&c->thread);
	mp_assert(rc == 0);
	rc = c->trouble.code;
	control_free_batches(c->head);
	control_unprepare(c);
	c->closed = closed;
	c->closed_ctx = ctx;
	uv_close((uv_handle_t *)&c->async, control_on_close);
	return rc;
}
