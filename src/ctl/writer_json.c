/* SPDX-License-Identifier: Apache-2.0 */
/* JSON (RFC 8259) as it comes, on one line but for a line break before each item of the outermost
 * list, so that long answers can be read and cut by lines. */
#include <stdlib.h>

#include "ctl/writer_int.h"
#include "util/utf8.h"

void
mp_json_string(FILE *out, struct mp_span text)
{
	static const char digits[] = "0123456789abcdef";

	(void)putc('"', out);
	for (size_t i = 0; i < text.n;) {
		uint8_t c = text.p[i];
		size_t n = mp_utf8_sequence(text.p + i, text.n - i);

		if (n == 0) {
			(void)fputs("\xef\xbf\xbd", out);
			n = 1;
		} else if (c == '"' || c == '\\') {
			(void)putc('\\', out);
			(void)putc(c, out);
		} else if (c == '\n') {
			(void)fputs("\\n", out);
		} else if (c == '\t') {
			(void)fputs("\\t", out);
		} else if (c < 0x20 || c == 0x7f) {
			(void)fputs("\\u00", out);
			(void)putc(digits[c >> 4], out);
			(void)putc(digits[c & 15], out);
		} else {
			(void)fwrite(text.p + i, 1, n, out);
		}
		i += n;
	}
	(void)putc('"', out);
}

static void
json_key(struct mp_writer *w, const char *key)
{
	if (w->depth == 0)
		return;
	if (w->items[w->depth - 1] > 0)
		(void)putc(',', w->out);
	if (w->depth == 2 && w->list[1])
		(void)putc('\n', w->out);
	if (key != NULL) {
		mp_json_string(w->out, mp_span_str(key));
		(void)putc(':', w->out);
	}
}

static void
json_start(struct mp_writer *w, const char *key, bool list, const struct mp_column *columns,
	size_t count)
{
	(void)columns;
	(void)count;
	json_key(w, key);
	(void)putc(list ? '[' : '{', w->out);
}

static void
json_end(struct mp_writer *w)
{
	(void)putc(w->list[w->depth] ? ']' : '}', w->out);
	if (w->depth == 0)
		(void)putc('\n', w->out);
}

static void
json_value(struct mp_writer *w, const struct mp_writer_value *v)
{
	if (v->text_only)
		return;
	json_key(w, v->key);
	if (v->is_string)
		mp_json_string(w->out, v->text);
	else
		(void)fwrite(v->json.p, 1, v->json.n, w->out);
}

static void
json_raw(struct mp_writer *w, struct mp_span bytes)
{
	(void)w;
	(void)bytes;
}

static void
json_free(struct mp_writer *w)
{
	free(w);
}

static const struct mp_writer_ops json_ops = {
	.start = json_start,
	.end = json_end,
	.value = json_value,
	.raw = json_raw,
	.free = json_free,
};

struct mp_writer *
mp_writer_json_new(void)
{
	struct mp_writer *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->ops = &json_ops;
	return w;
}
