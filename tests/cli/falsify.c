/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits a log in a control.db as somebody who has the disk, knows all formats, and lacks the keys:
 *
 *   falsify FILE ENTRY OFFSET
 *
 * flips a bit in that byte (below 0: from the end) of that entry of the only run in there, chains
 * all later entries to it anew, and puts all checksums right. 0, or 1 with a reason.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/record_run.h"
#include "core/raft_log.h"
#include "crypto/hasher.h"
#include "mp/store.h"
#include "shell/heap.h"
#include "util/sum.h"

#define HEAD MP_LOG_ROW_HEAD

static int
complain(const char *why)
{
	(void)fprintf(stderr, "falsify: %s\n", why);
	return 1;
}

static struct mp_span
column(sqlite3_stmt *s, int i)
{
	return mp_span(sqlite3_column_blob(s, i), (size_t)sqlite3_column_bytes(s, i));
}

/* The row's value with its head and sum put right. */
static int
put(sqlite3 *db, struct mp_span key, struct mp_buf *value, struct mp_hash *tip)
{
	struct mp_span bytes = mp_span(value->p, value->n);
	sqlite3_stmt *s;
	int rc;

	mp_hasher_once(tip, mp_span(value->p + HEAD, value->n - HEAD));
	memcpy(value->p, tip->b, HEAD);
	if (sqlite3_prepare_v2(
		    db, "UPDATE entry SET value = ?, sum = ? WHERE key = ?", -1, &s, NULL) != 0)
		return complain(sqlite3_errmsg(db));
	(void)sqlite3_bind_blob(s, 1, bytes.p, (int)bytes.n, SQLITE_STATIC);
	(void)sqlite3_bind_int64(
		s, 2, (sqlite3_int64)mp_sum64(mp_sum64((uint64_t)MP_TABLE_ENTRY, key), bytes));
	(void)sqlite3_bind_blob(s, 3, key.p, (int)key.n, SQLITE_STATIC);
	rc = sqlite3_step(s) == SQLITE_DONE ? 0 : complain(sqlite3_errmsg(db));
	(void)sqlite3_finalize(s);
	return rc;
}

static int
flip(struct mp_buf *value, long offset)
{
	size_t size = value->n - HEAD;

	offset += offset < 0 ? (long)size : 0;
	if (offset < 0 || (size_t)offset >= size)
		return complain("no such byte");
	value->p[HEAD + offset] ^= 1;
	return 0;
}

static int
chain(struct mp_buf *value, const struct mp_hash *tip)
{
	struct mp_buf old = *value;
	struct mp_entry entry;
	int rc = mp_entry_decode(mp_span(old.p + HEAD, old.n - HEAD), &entry);

	entry.prev = *tip;
	mp_buf_init(value, &mp_heap, MP_ENTRY_MAX);
	if (rc == 0)
		rc = mp_buf_append(value, old.p, HEAD);
	if (rc == 0)
		rc = mp_entry_encode(value, &entry);
	mp_buf_fini(&old);
	return rc == 0 ? 0 : complain("an entry that is none");
}

/* All of them first: who updates what it walks meets it again. */
#define ROWS_MAX 1024
static struct mp_buf keys[ROWS_MAX], values[ROWS_MAX];

static long
read_all(sqlite3 *db)
{
	sqlite3_stmt *s;
	long n = 0;

	if (sqlite3_prepare_v2(db, "SELECT key, value FROM entry ORDER BY key", -1, &s, NULL) != 0)
		return 0;
	for (; n < ROWS_MAX && sqlite3_step(s) == SQLITE_ROW; n++) {
		struct mp_span key = column(s, 0), value = column(s, 1);

		mp_buf_init(&keys[n], &mp_heap, 64);
		mp_buf_init(&values[n], &mp_heap, MP_ENTRY_MAX);
		if (mp_buf_append(&keys[n], key.p, key.n) != 0 ||
			mp_buf_append(&values[n], value.p, value.n) != 0)
			break;
	}
	(void)sqlite3_finalize(s);
	return n;
}

int
main(int argc, char *argv[])
{
	long first = argc == 4 ? strtol(argv[2], NULL, 10) - 1 : -1, count;
	struct mp_hash tip = {{0}};
	sqlite3 *db;
	int rc = 0;

	if (first < 0 || sqlite3_open(argv[1], &db) != 0)
		return complain("usage: falsify FILE ENTRY OFFSET");
	count = read_all(db);
	if (first >= count)
		return complain("no such entry");
	for (long i = first; rc == 0 && i < count; i++) {
		rc = i == first ? flip(&values[i], strtol(argv[3], NULL, 10))
				: chain(&values[i], &tip);
		if (rc == 0)
			rc = put(db, mp_buf_span(&keys[i]), &values[i], &tip);
	}
	(void)sqlite3_close(db);
	return rc;
}
