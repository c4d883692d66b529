/* SPDX-License-Identifier: Apache-2.0 */
/* What control.c and cache.c share: opening a database of ours, and SQLite's errors as ours. */
#ifndef MP_SHELL_SQL_H
#define MP_SHELL_SQL_H

#include "mp/base.h"
#include "mp/error.h"

#include <sqlite3.h>

/* A writing connection waits so long for others. */
#define MP_SQL_BUSY_MS 10000

struct mp_sql_kind {
	const char *what; /* "control database" */
	int32_t application_id;
	int32_t version;     /* of the schema; in user_version */
	int32_t oldest;      /* schemas from this one on lack nothing but what `create` makes */
	const char *create;  /* makes the tables that are not there */
	const char *tune;    /* pragmas of each writing connection */
	const char *damaged; /* what to do about it; ends the sentence */
	bool check;          /* read and check every page when opening */
};

/*
 * Opens for writing, making the file (mode 0600) when there is none. One thread at a time uses a
 * connection. MP_EVERSION, MP_EINVAL (not ours), MP_ECORRUPT, MP_EFULL, MP_EIO, MP_ENOMEM,
 * MP_EBUSY, MP_ELIMIT (the path is too long).
 */
int mp_sql_open(
	const char *path, const struct mp_sql_kind *kind, sqlite3 **out, struct mp_error *err);

/* A reading connection to a database that mp_sql_open() has opened. */
int mp_sql_open_reader(const char *path, sqlite3 **out, struct mp_error *err);

/* NULL is fine; every statement was finalised. */
void mp_sql_close(sqlite3 *db);

/* The MP_E* of what SQLite just returned, with a text; reads errno, too. */
int mp_sql_fail(int rc, struct mp_error *err);

/* Statements without results. */
int mp_sql_exec(sqlite3 *db, const char *sql, struct mp_error *err);

/* A statement that is kept; *out is NULL on error. */
int mp_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct mp_error *err);

/* Steps a statement that gives no row and resets it, forgetting its bindings. */
int mp_sql_run(sqlite3_stmt *st, struct mp_error *err);

/* Reads and checks every page; with `indexes`, too, that they say what the tables do. MP_ECORRUPT
 * with the first thing that is wrong. */
int mp_sql_check(sqlite3 *db, bool indexes, struct mp_error *err);

/* The integer that a statement or pragma gives. */
int mp_sql_int(sqlite3 *db, const char *sql, int64_t *out, struct mp_error *err);

/* Bytes of a statement's column, borrowed until its next step. */
struct mp_span mp_sql_span(sqlite3_stmt *st, int column);

/* Borrows the bytes until the statement is reset. Empty is an empty blob and not null. */
int mp_sql_bind(sqlite3_stmt *st, int index, struct mp_span bytes);

#endif
