/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines and tables. The rows of a table are kept until there are ROWS_MAX of them or the table
 * ends, then the widths are known and it goes on without keeping.
 */
#include <stdlib.h>

#include "ctl/writer_int.h"
#include "util/utf8.h"

#define COLUMNS_MAX 16
#define ROWS_MAX    1024
#define GAP         2

struct row {
	char *cells[COLUMNS_MAX];
	uint8_t paint[COLUMNS_MAX]; /* enum mp_paint */
};

/* One object or list that is open. */
struct frame {
	const struct mp_column *columns;
	size_t count;
	bool muted; /* nothing of it is shown */
	bool row;   /* an object of a table */
};

struct text_writer {
	struct mp_writer base;
	struct frame frames[WRITER_DEPTH];
	struct row row; /* the one being filled: of an object or a table */
	struct row *rows;
	size_t row_count;
	size_t widths[COLUMNS_MAX];
	bool hidden[COLUMNS_MAX]; /* no room for it */
	bool flowing;             /* widths are fixed, the head is written */
	bool blank;               /* something was written: a table is set off by an empty line */
};

/* A copy that a terminal can take; NULL: no memory. */
static char *
clean(struct mp_span text)
{
	char *out = malloc(text.n + 1);

	if (out != NULL)
		out[mp_utf8_clean(text, (uint8_t *)out)] = '\0';
	return out;
}

/* Characters, which is near enough to columns. */
static size_t
width_of(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

static void
row_clear(struct row *row)
{
	for (size_t i = 0; i < COLUMNS_MAX; i++)
		free(row->cells[i]);
	*row = (struct row){.cells = {NULL}};
}

static void
pad(FILE *out, size_t n)
{
	while (n-- > 0)
		(void)putc(' ', out);
}

static void
cell_print(const struct text_writer *t, const char *s, uint8_t paint)
{
	static const char *const codes[] = {
		[MP_PAINT_GOOD] = "32",
		[MP_PAINT_WARN] = "33",
		[MP_PAINT_BAD] = "31",
		[MP_PAINT_FAINT] = "2",
		[MP_PAINT_STRONG] = "1",
	};

	if (t->base.color && paint != MP_PAINT_NONE)
		(void)fprintf(t->base.out, "\033[%sm%s\033[0m", codes[paint], s);
	else
		(void)fputs(s, t->base.out);
}

/* Hides columns until a line fits, if it can be made to. */
static void
table_fit(struct text_writer *t, const struct frame *f)
{
	size_t total;

	memset(t->hidden, 0, sizeof(t->hidden));
	do {
		size_t worst = f->count;

		total = 0;
		for (size_t i = 0; i < f->count; i++) {
			if (t->hidden[i])
				continue;
			total += (total > 0 ? GAP : 0) + t->widths[i];
			if (f->columns[i].rank > 0 &&
				(worst == f->count || f->columns[i].rank > f->columns[worst].rank))
				worst = i;
		}
		if (t->base.width == 0 || total <= t->base.width || worst == f->count)
			return;
		t->hidden[worst] = true;
	} while (true);
}

static void
row_print(struct text_writer *t, const struct frame *f, const struct row *row)
{
	FILE *out = t->base.out;
	size_t owed = 0; /* spaces that stand only if something follows */

	for (size_t i = 0; i < f->count; i++) {
		const char *s = row->cells[i] != NULL ? row->cells[i] : "-";
		size_t n = width_of(s), left = t->widths[i] > n ? t->widths[i] - n : 0;

		if (t->hidden[i])
			continue;
		if (*s != '\0') {
			pad(out, owed + (f->columns[i].right ? left : 0));
			cell_print(t, s, row->paint[i]);
			owed = f->columns[i].right ? 0 : left;
		} else {
			owed += left;
		}
		owed += GAP;
	}
	(void)putc('\n', out);
}

static void
widen(struct text_writer *t, const struct frame *f, const struct row *row)
{
	for (size_t i = 0; i < f->count; i++) {
		size_t n = row->cells[i] != NULL ? width_of(row->cells[i]) : 1;

		if (n > t->widths[i])
			t->widths[i] = n;
	}
}

/* Writes what was kept; a table without rows shows nothing. */
static void
table_flow(struct text_writer *t, const struct frame *f)
{
	struct row head = {.cells = {NULL}};
	bool titled = false;

	if (t->flowing || t->row_count == 0)
		return;
	for (size_t i = 0; i < f->count; i++) {
		head.cells[i] = (char *)(uintptr_t)f->columns[i].title;
		titled = titled || *f->columns[i].title != '\0';
	}
	widen(t, f, &head);
	table_fit(t, f);
	if (t->blank)
		(void)putc('\n', t->base.out);
	t->blank = true;
	if (titled)
		row_print(t, f, &head);
	for (size_t i = 0; i < t->row_count; i++) {
		row_print(t, f, &t->rows[i]);
		row_clear(&t->rows[i]);
	}
	t->row_count = 0;
	t->flowing = true;
}

static void
table_row(struct text_writer *t, const struct frame *f)
{
	if (t->flowing) {
		row_print(t, f, &t->row);
		row_clear(&t->row);
		return;
	}
	if (t->rows == NULL)
		t->rows = calloc(ROWS_MAX, sizeof(*t->rows));
	if (t->rows == NULL) {
		t->base.rc = MP_ENOMEM;
		row_clear(&t->row);
		return;
	}
	widen(t, f, &t->row);
	t->rows[t->row_count++] = t->row;
	t->row = (struct row){.cells = {NULL}};
	if (t->row_count == ROWS_MAX)
		table_flow(t, f);
}

static void
lines_print(struct text_writer *t, const struct frame *f)
{
	size_t width = 0;

	for (size_t i = 0; i < f->count; i++) {
		if (t->row.cells[i] != NULL && width_of(f->columns[i].title) > width)
			width = width_of(f->columns[i].title);
	}
	for (size_t i = 0; i < f->count; i++) {
		if (t->row.cells[i] == NULL)
			continue;
		(void)fputs(f->columns[i].title, t->base.out);
		pad(t->base.out, width - width_of(f->columns[i].title) + GAP);
		cell_print(t, t->row.cells[i], t->row.paint[i]);
		(void)putc('\n', t->base.out);
		t->blank = true;
	}
	row_clear(&t->row);
}

static void
text_start(struct mp_writer *w, const char *key, bool list, const struct mp_column *columns,
	size_t count)
{
	struct text_writer *t = (struct text_writer *)(void *)w;
	struct frame *f = &t->frames[w->depth];
	struct frame *outer = w->depth > 0 ? f - 1 : NULL;

	(void)key;
	mp_assert(count <= COLUMNS_MAX);
	*f = (struct frame){.columns = columns, .count = count};
	if (outer != NULL && outer->row)
		f->muted = true;
	else if (outer != NULL && outer->muted)
		f->muted = true;
	else if (outer != NULL && w->list[w->depth - 1])
		*f = (struct frame){.columns = outer->columns, .count = outer->count, .row = true};
	else if (columns == NULL && w->depth > 0)
		f->muted = true;
	if (f->muted)
		return;
	/* What an object has shown so far stands above what is inside it. */
	if (outer != NULL && !outer->muted && !f->row)
		lines_print(t, outer);
	if (list) {
		memset(t->widths, 0, sizeof(t->widths));
		t->flowing = false;
	}
}

static void
text_end(struct mp_writer *w)
{
	struct text_writer *t = (struct text_writer *)(void *)w;
	const struct frame *f = &t->frames[w->depth];

	if (f->muted)
		return;
	if (f->row)
		table_row(t, f);
	else if (w->list[w->depth])
		table_flow(t, f);
	else
		lines_print(t, f);
}

static void
text_value(struct mp_writer *w, const struct mp_writer_value *v)
{
	struct text_writer *t = (struct text_writer *)(void *)w;
	const struct frame *f = &t->frames[w->depth - 1];

	if (f->muted || v->key == NULL)
		return;
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->columns[i].key, v->key) != 0)
			continue;
		free(t->row.cells[i]);
		t->row.cells[i] = clean(v->text);
		if (t->row.cells[i] == NULL)
			w->rc = MP_ENOMEM;
	}
}

static void
text_row(struct mp_writer *w, const char *key, struct mp_span text)
{
	struct text_writer *t = (struct text_writer *)(void *)w;
	const struct frame *f = &t->frames[w->depth - 1];

	if (f->muted)
		return;
	for (size_t i = 0; i < f->count; i++) {
		bool here = strcmp(f->columns[i].key, key) == 0;

		t->row.cells[i] = clean(here ? text : mp_span(NULL, 0));
		if (t->row.cells[i] == NULL)
			w->rc = MP_ENOMEM;
	}
	table_row(t, f);
}

static void
text_paint(struct mp_writer *w, const char *key, enum mp_paint paint)
{
	struct text_writer *t = (struct text_writer *)(void *)w;
	const struct frame *f = &t->frames[w->depth - 1];

	for (size_t i = 0; !f->muted && i < f->count; i++) {
		if (strcmp(f->columns[i].key, key) == 0)
			t->row.paint[i] = (uint8_t)paint;
	}
}

static void
text_raw(struct mp_writer *w, struct mp_span bytes)
{
	(void)fwrite(bytes.p, 1, bytes.n, w->out);
}

static void
text_free(struct mp_writer *w)
{
	struct text_writer *t = (struct text_writer *)(void *)w;

	for (size_t i = 0; i < t->row_count; i++)
		row_clear(&t->rows[i]);
	row_clear(&t->row);
	free(t->rows);
	free(t);
}

static const struct mp_writer_ops text_ops = {
	.start = text_start,
	.end = text_end,
	.value = text_value,
	.paint = text_paint,
	.row = text_row,
	.raw = text_raw,
	.free = text_free,
};

struct mp_writer *
mp_writer_text_new(void)
{
	struct text_writer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->base.ops = &text_ops;
	return &t->base;
}
