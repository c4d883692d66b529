/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"

/* SQLite does not pass errno on from everywhere; the thread's own is what the failed call left. */
static int
sql_code(int rc, int sys)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return MP_EFULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return MP_ECORRUPT;
	case SQLITE_NOMEM:
		return MP_ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return MP_EBUSY;
	case SQLITE_TOOBIG:
		return MP_ELIMIT;
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
		return MP_EBUG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return mp_sys_error(sys);
	default:
		return MP_EIO;
	}
}

int
mp_sql_fail(int rc, struct mp_error *err)
{
	int sys = errno;
	int code = sql_code(rc, sys);
	bool io = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;

	if (code == 0)
		return mp_fail(err, MP_EBUG, "no error");
	if (code == MP_EFULL)
		return mp_fail(err, code, "%s", mp_strerror(code));
	if (io && sys != 0)
		return mp_fail(err, code, "%s (SQLite %d)", strerror(sys), rc);
	return mp_fail(err, code, "%s (SQLite %d)", sqlite3_errstr(rc), rc);
}

int
mp_sql_exec(sqlite3 *db, const char *sql, struct mp_error *err)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : mp_sql_fail(rc, err);
}

int
mp_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct mp_error *err)
{
	int rc;

	errno = 0;
	rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? 0 : mp_sql_fail(rc, err);
}

int
mp_sql_run(sqlite3_stmt *st, struct mp_error *err)
{
	int rc, code;

	errno = 0;
	rc = sqlite3_step(st);
	code = rc == SQLITE_DONE ? 0 : mp_sql_fail(rc, err);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return code;
}

int
mp_sql_int(sqlite3 *db, const char *sql, int64_t *out, struct mp_error *err)
{
	sqlite3_stmt *st;
	int code, rc;

	code = mp_sql_prepare(db, sql, &st, err);
	if (code != 0)
		return code;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	else
		code = mp_sql_fail(rc == SQLITE_DONE ? SQLITE_ERROR : rc, err);
	(void)sqlite3_finalize(st);
	return code;
}

struct mp_span
mp_sql_span(sqlite3_stmt *st, int column)
{
	const void *p = sqlite3_column_blob(st, column);
	int n = sqlite3_column_bytes(st, column);

	return mp_span(p, p == NULL || n < 0 ? 0 : (size_t)n);
}

int
mp_sql_bind(sqlite3_stmt *st, int index, struct mp_span bytes)
{
	if (bytes.n > INT_MAX)
		return SQLITE_TOOBIG;
	if (bytes.n == 0)
		return sqlite3_bind_zeroblob(st, index, 0);
	return sqlite3_bind_blob(st, index, bytes.p, (int)bytes.n, SQLITE_STATIC);
}

int
mp_sql_check(sqlite3 *db, bool indexes, struct mp_error *err)
{
	sqlite3_stmt *st;
	int code, rc;

	code = mp_sql_prepare(
		db, indexes ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", &st, err);
	if (code != 0)
		return code;
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		code = mp_sql_fail(rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, err);
	else if (!mp_span_eq(mp_sql_span(st, 0), mp_span_str("ok")))
		code = mp_fail(
			err, MP_ECORRUPT, "%.200s", (const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	return code;
}

static int
sql_create(sqlite3 *db, const struct mp_sql_kind *kind, bool older, struct mp_error *err)
{
	char ids[128];
	int code;

	(void)snprintf(ids, sizeof(ids), "PRAGMA application_id=%d; PRAGMA user_version=%d",
		kind->application_id, kind->version);
	code = mp_sql_exec(db, "BEGIN IMMEDIATE", err);
	if (code != 0)
		return code;
	code = mp_sql_exec(db, kind->create, err);
	if (code == 0 && older)
		code = mp_sql_exec(db, ids, err);
	if (code == 0)
		code = mp_sql_exec(db, "COMMIT", err);
	if (code != 0)
		(void)mp_sql_exec(db, "ROLLBACK", NULL);
	return code;
}

/* Is it ours, and of a version that we know? *fresh: it is empty. *older: that is to be changed. */
static int
sql_identify(
	sqlite3 *db, const struct mp_sql_kind *kind, bool *fresh, bool *older, struct mp_error *err)
{
	int64_t id = 0, version = 0, things = 0;
	int code;

	code = mp_sql_int(db, "PRAGMA application_id", &id, err);
	if (code == 0)
		code = mp_sql_int(db, "PRAGMA user_version", &version, err);
	if (code == 0)
		code = mp_sql_int(db, "SELECT count(*) FROM sqlite_schema", &things, err);
	if (code != 0)
		return code;
	*fresh = id == 0 && version == 0 && things == 0;
	*older = version < kind->version;
	if (*fresh)
		return 0;
	if (id != kind->application_id)
		return mp_fail(err, MP_EINVAL,
			"not a Meshpipe %s; is this the right state directory?", kind->what);
	if (version > kind->version)
		return mp_fail(err, MP_EVERSION,
			"written by a newer Meshpipe (schema %lld, this one knows %d): use that "
			"one",
			(long long)version, kind->version);
	if (version < kind->oldest)
		return mp_fail(err, MP_EVERSION, "schema %lld is not known", (long long)version);
	return 0;
}

/* SQLite's own bound, which it does not tell of; files beside it have the longest name. */
static int
sql_check_path(const char *path, struct mp_error *err)
{
	size_t max = (size_t)sqlite3_vfs_find(NULL)->mxPathname - strlen("-journal");

	return strlen(path) < max ? 0
				  : mp_fail(err, MP_ELIMIT,
					    "the path is too long: a database has one of less "
					    "than %zu bytes",
					    max);
}

/* The file with its mode, and its name in the folder, durable before anything is in it. */
static int
sql_touch(const char *path, struct mp_error *err)
{
	char folder[PATH_MAX];
	int fd, rc;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && (errno == EISDIR || errno == ELOOP))
		return mp_fail(err, MP_ECORRUPT, "it is no file");
	if (fd < 0)
		return mp_fail(err, mp_sys_error(errno), "%s", strerror(errno));
	(void)close(fd);
	if (strlen(path) >= sizeof(folder))
		return mp_fail(err, MP_EINVAL, "path too long");
	memcpy(folder, path, strlen(path) + 1);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -1 : fsync(fd);
	if (rc != 0)
		(void)mp_fail(err, MP_EIO, "%s", strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return rc == 0 ? 0 : MP_EIO;
}

static int
sql_connect(const char *path, int flags, sqlite3 **out, struct mp_error *err)
{
	sqlite3 *db = NULL;
	int rc;

	errno = 0;
	rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		rc = mp_sql_fail(rc, err);
		(void)sqlite3_close(db);
		return rc;
	}
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_busy_timeout(db, MP_SQL_BUSY_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	*out = db;
	return 0;
}

static int
sql_prepare_file(sqlite3 *db, const struct mp_sql_kind *kind, struct mp_error *err)
{
	bool fresh, older;
	int code;

	code = sql_identify(db, kind, &fresh, &older, err);
	if (code == 0 && kind->check && !fresh)
		code = mp_sql_check(db, false, err);
	if (code == 0)
		code = mp_sql_exec(db, kind->tune, err);
	if (code == 0)
		code = sql_create(db, kind, older, err);
	return code;
}

int
mp_sql_open(const char *path, const struct mp_sql_kind *kind, sqlite3 **out, struct mp_error *err)
{
	sqlite3 *db = NULL;
	int code;

	code = sql_check_path(path, err);
	if (code == 0)
		code = sql_touch(path, err);
	if (code == 0)
		code = sql_connect(path, SQLITE_OPEN_READWRITE, &db, err);
	if (code == 0)
		code = sql_prepare_file(db, kind, err);
	if (code == MP_ECORRUPT && err != NULL) {
		struct mp_error why = *err;

		(void)mp_fail(err, code, "damaged: %.200s; %s", why.text, kind->damaged);
	}
	if (code != 0) {
		(void)mp_wrap(err, "%s", path);
		mp_sql_close(db);
		return code;
	}
	*out = db;
	return 0;
}

int
mp_sql_open_reader(const char *path, sqlite3 **out, struct mp_error *err)
{
	/* Not READONLY: a reader must be able to recover the WAL's index. */
	int code = sql_connect(path, SQLITE_OPEN_READWRITE, out, err);

	if (code != 0)
		return code;
	code = mp_sql_exec(*out, "PRAGMA query_only=ON; PRAGMA cache_size=-512", err);
	if (code != 0)
		mp_sql_close(*out);
	return code;
}

void
mp_sql_close(sqlite3 *db)
{
	int rc = sqlite3_close(db);

	mp_assert(rc == SQLITE_OK);
}
