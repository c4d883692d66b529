/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ctl/writer_int.h"
#include "util/utf8.h"

struct mp_writer *
mp_writer_new(enum mp_writer_kind kind, FILE *out)
{
	struct mp_writer *w = kind == MP_WRITER_JSON ? mp_writer_json_new() : mp_writer_text_new();

	if (w != NULL)
		w->out = out;
	return w;
}

void
mp_writer_free(struct mp_writer *w)
{
	if (w != NULL)
		w->ops->free(w);
}

void
mp_writer_terminal(struct mp_writer *w, size_t width, bool color)
{
	w->width = width;
	w->color = color;
}

void
mp_writer_stdout(struct mp_writer *w)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = {.ws_col = 0};

	if (!isatty(STDOUT_FILENO))
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		size.ws_col = 0;
	mp_writer_terminal(w, size.ws_col,
		(no_color == NULL || no_color[0] == '\0') && term != NULL &&
			strcmp(term, "dumb") != 0);
}

void
mp_w_paint(struct mp_writer *w, const char *key, enum mp_paint paint)
{
	mp_assert(w->depth > 0 && key != NULL);
	if (w->ops->paint != NULL)
		w->ops->paint(w, key, paint);
}

void
mp_w_row(struct mp_writer *w, const char *key, const char *text)
{
	mp_assert(w->depth > 0 && w->list[w->depth - 1]);
	if (w->ops->row != NULL)
		w->ops->row(w, key, mp_span_str(text));
}

int
mp_writer_finish(struct mp_writer *w, struct mp_error *err)
{
	mp_assert(w->depth == 0);
	if (w->rc != 0)
		return mp_fail(err, w->rc, "output: %s", mp_strerror(w->rc));
	errno = 0;
	if (fflush(w->out) == 0 && ferror(w->out) == 0)
		return 0;
	return mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EIO, "output: %s",
		errno != 0 ? strerror(errno) : "write error");
}

static void
writer_start(struct mp_writer *w, const char *key, bool list, const struct mp_column *columns,
	size_t count)
{
	mp_assert(w->depth < WRITER_DEPTH);
	mp_assert((key == NULL) == (w->depth == 0 || w->list[w->depth - 1]));
	w->ops->start(w, key, list, columns, count);
	if (w->depth > 0)
		w->items[w->depth - 1]++;
	w->list[w->depth] = list;
	w->items[w->depth] = 0;
	w->depth++;
}

void
mp_w_object(struct mp_writer *w, const char *key, const struct mp_column *columns, size_t count)
{
	writer_start(w, key, false, columns, count);
}

void
mp_w_list(struct mp_writer *w, const char *key, const struct mp_column *columns, size_t count)
{
	writer_start(w, key, true, columns, count);
}

void
mp_w_end(struct mp_writer *w)
{
	mp_assert(w->depth > 0);
	w->depth--;
	w->ops->end(w);
}

static void
writer_value(struct mp_writer *w, const struct mp_writer_value *v)
{
	mp_assert(w->depth > 0 && (v->key == NULL) == w->list[w->depth - 1]);
	w->ops->value(w, v);
	if (!v->text_only)
		w->items[w->depth - 1]++;
}

void
mp_w_span(struct mp_writer *w, const char *key, struct mp_span text)
{
	struct mp_writer_value v = {.key = key, .text = text, .is_string = true};

	writer_value(w, &v);
}

void
mp_w_text(struct mp_writer *w, const char *key, const char *text)
{
	if (text == NULL)
		mp_w_null(w, key);
	else
		mp_w_span(w, key, mp_span_str(text));
}

static void
write_plain(struct mp_writer *w, const char *key, const char *json, const char *text)
{
	struct mp_writer_value v = {
		.key = key, .json = mp_span_str(json), .text = mp_span_str(text)};

	writer_value(w, &v);
}

void
mp_w_uint(struct mp_writer *w, const char *key, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	write_plain(w, key, text, text);
}

void
mp_w_int(struct mp_writer *w, const char *key, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	write_plain(w, key, text, text);
}

void
mp_w_bool(struct mp_writer *w, const char *key, bool value)
{
	write_plain(w, key, value ? "true" : "false", value ? "yes" : "no");
}

void
mp_w_null(struct mp_writer *w, const char *key)
{
	write_plain(w, key, "null", "-");
}

void
mp_w_hex(struct mp_writer *w, const char *key, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;
	char text[2 * 64];

	mp_assert(n <= 64);
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[b[i] >> 4];
		text[2 * i + 1] = digits[b[i] & 15];
	}
	mp_w_span(w, key, mp_span(text, 2 * n));
}

void
mp_w_time(struct mp_writer *w, const char *key, mp_time ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char number[32], date[64];
	struct tm tm;

	if (ms == 0) {
		mp_w_null(w, key);
		return;
	}
	(void)snprintf(number, sizeof(number), "%" PRId64, ms);
	if (localtime_r(&seconds, &tm) == NULL ||
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(date, sizeof(date), "%s", number);
	write_plain(w, key, number, date);
}

void
mp_w_show(struct mp_writer *w, const char *key, const char *fmt, ...)
{
	char text[1024];
	struct mp_writer_value v = {.key = key, .text_only = true};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v.text = mp_span_str(text);
	writer_value(w, &v);
}

void
mp_w_raw(struct mp_writer *w, struct mp_span bytes)
{
	w->ops->raw(w, bytes);
}

/* ---- lines ---- */

/* At most `most` bytes of text that end where a character does. */
static struct mp_span
first_bytes(struct mp_span text, size_t most)
{
	size_t n = mp_min_size(text.n, most);

	for (int i = 0; i < 3 && n > 1 && n < text.n && (text.p[n] & 0xc0) == 0x80; i++)
		n--;
	return mp_span(text.p, n);
}

static void
print_clean(FILE *out, struct mp_span text)
{
	uint8_t clean[512];

	while (text.n > 0) {
		struct mp_span piece = first_bytes(text, sizeof(clean));

		(void)fwrite(clean, 1, mp_utf8_clean(piece, clean), out);
		text = mp_span(text.p + piece.n, text.n - piece.n);
	}
}

void
mp_w_lines(FILE *out, const char *indent, struct mp_span text, size_t line_max)
{
	while (text.n > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
		struct mp_span line = mp_span(text.p, n);
		bool cut = line_max > 0 && n > line_max;

		(void)fputs(indent, out);
		print_clean(out, cut ? first_bytes(line, line_max) : line);
		(void)fputs(cut ? "...\n" : "\n", out);
		n += end != NULL;
		text = mp_span(text.p + n, text.n - n);
	}
}

/* ---- small forms ---- */

void
mp_w_duration(char out[MP_W_SHORT], mp_time ms)
{
	int64_t s = ms < 0 ? 0 : ms / 1000;

	if (ms < 10000)
		(void)snprintf(out, MP_W_SHORT, "%" PRId64 ".%" PRId64 "s", s,
			ms < 0 ? 0 : ms % 1000 / 100);
	else if (s < 60)
		(void)snprintf(out, MP_W_SHORT, "%" PRId64 "s", s);
	else if (s < 3600)
		(void)snprintf(out, MP_W_SHORT, "%" PRId64 "m %02" PRId64 "s", s / 60, s % 60);
	else
		(void)snprintf(
			out, MP_W_SHORT, "%" PRId64 "h %02" PRId64 "m", s / 3600, s / 60 % 60);
}

void
mp_w_size(char out[MP_W_SHORT], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	uint64_t whole = bytes, part = 0;
	size_t unit = 0;

	while (whole >= 1024) {
		part = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0)
		(void)snprintf(out, MP_W_SHORT, "%" PRIu64 " B", whole);
	else
		(void)snprintf(out, MP_W_SHORT, "%" PRIu64 ".%" PRIu64 " %s", whole,
			part * 10 / 1024, units[unit]);
}
