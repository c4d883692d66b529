/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the data of a command goes. A command describes what it has, once; a writer prints it: as
 * JSON, with every key that was given (DESIGN 10), or as text, with those that the columns name.
 *
 *   object  in text: one line per column, "title  value"
 *   list    in text: a table, one row per object; a list inside a row is left out; titles that are
 *           all empty are no row
 *
 *   mp_w_object(w, NULL, NULL, 0);
 *   mp_w_list(w, "runs", columns, n);
 *   mp_w_object(w, NULL, NULL, 0); mp_w_text(w, "run", id); ... mp_w_end(w);
 *   mp_w_end(w);
 *   mp_w_end(w);
 *   rc = mp_writer_finish(w, &err);
 *
 * Strings may hold anything: JSON gets U+FFFD for what is not UTF-8, text a '?' for that and for
 * control characters (a blank for a tab). Errors stay until mp_writer_finish().
 */
#ifndef MP_CTL_WRITER_H
#define MP_CTL_WRITER_H

#include "mp/base.h"
#include "mp/error.h"

#include <stdio.h>

enum mp_writer_kind {
	MP_WRITER_TEXT,
	MP_WRITER_JSON,
};

struct mp_column {
	const char *key;
	const char *title;
	bool right;   /* aligned */
	uint8_t rank; /* what a terminal has no room for goes, the highest first; 0: always shown */
};

enum mp_paint {
	MP_PAINT_NONE,
	MP_PAINT_GOOD,
	MP_PAINT_WARN,
	MP_PAINT_BAD,
	MP_PAINT_FAINT,
	MP_PAINT_STRONG,
};

struct mp_writer;

/* Writes to out, which stays the caller's. NULL: out of memory. */
struct mp_writer *mp_writer_new(enum mp_writer_kind kind, FILE *out);
/* out is a terminal that is so wide (0: not known), and shows colours or does not. */
void mp_writer_terminal(struct mp_writer *w, size_t width, bool color);
/* The same by what standard output is, and NO_COLOR. */
void mp_writer_stdout(struct mp_writer *w);
/* Flushes. MP_EIO, MP_EFULL, MP_ENOMEM. */
int mp_writer_finish(struct mp_writer *w, struct mp_error *err);
void mp_writer_free(struct mp_writer *w);

/* key is NULL for the first object and inside lists; columns are borrowed until the end, NULL where
 * text shows nothing of its own. */
void mp_w_object(
	struct mp_writer *w, const char *key, const struct mp_column *columns, size_t count);
void mp_w_list(struct mp_writer *w, const char *key, const struct mp_column *columns, size_t count);
void mp_w_end(struct mp_writer *w);

/* Values; key is NULL inside lists. */
void mp_w_span(struct mp_writer *w, const char *key, struct mp_span text);
void mp_w_text(struct mp_writer *w, const char *key, const char *text);
void mp_w_uint(struct mp_writer *w, const char *key, uint64_t v);
void mp_w_int(struct mp_writer *w, const char *key, int64_t v);
void mp_w_bool(struct mp_writer *w, const char *key, bool v);
void mp_w_null(struct mp_writer *w, const char *key);
void mp_w_hex(struct mp_writer *w, const char *key, const void *p, size_t n);
/* Unix milliseconds; 0 is null. In text a local date and time. */
void mp_w_time(struct mp_writer *w, const char *key, mp_time ms);

/* Text only: a value for a column that JSON does not have, or has in another form; the last value
 * given for a key counts. */
void mp_w_show(struct mp_writer *w, const char *key, const char *fmt, ...) MP_PRINTF(3, 4);
/* Text only: how the value of that key is shown where there are colours. */
void mp_w_paint(struct mp_writer *w, const char *key, enum mp_paint paint);
/* Text only, in a list, after an object: one more row, in which only that column has something. */
void mp_w_row(struct mp_writer *w, const char *key, const char *text);
/* Text only: bytes as they are. */
void mp_w_raw(struct mp_writer *w, struct mp_span bytes);

/* "1m 23s" of milliseconds; "12.3 MiB" of bytes. */
#define MP_W_SHORT 32
void mp_w_duration(char out[MP_W_SHORT], mp_time ms);
void mp_w_size(char out[MP_W_SHORT], uint64_t bytes);

/* Prints text line by line, each as a terminal can take it, and of each at most so many bytes (0:
 * all), behind indent. */
void mp_w_lines(FILE *out, const char *indent, struct mp_span text, size_t line_max);

/* Appends text as a JSON string, quotes included, to out. */
void mp_json_string(FILE *out, struct mp_span text);

#endif
