/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <stdio.h>

#include "ctl/writer.h"

static const struct mp_column head[] = {{"name", "name", false, 0}, {"because", "why", false, 0}};
static const struct mp_column columns[] = {
	{"module", "MODULE", false, 0},
	{"n", "N", true, 0},
	{"note", "NOTE", false, 0},
};

struct sink {
	FILE *out;
	char *text;
	size_t size;
	struct mp_writer *w;
};

static void
sink_open(struct sink *s, enum mp_writer_kind kind)
{
	s->out = open_memstream(&s->text, &s->size);
	assert_non_null(s->out);
	s->w = mp_writer_new(kind, s->out);
	assert_non_null(s->w);
}

static void
sink_is(struct sink *s, const char *want)
{
	struct mp_error err = {0};

	assert_int_equal(mp_writer_finish(s->w, &err), 0);
	mp_writer_free(s->w);
	assert_int_equal(fclose(s->out), 0);
	assert_string_equal(s->text, want);
	free(s->text);
}

/* What every kind of value does. */
static void
write_all(struct mp_writer *w)
{
	mp_w_object(w, NULL, head, mp_countof(head));
	mp_w_text(w, "name", "r\xc3\xa4t");
	mp_w_null(w, "because");
	mp_w_list(w, "electors", NULL, 0);
	mp_w_text(w, NULL, "a");
	mp_w_uint(w, NULL, UINT64_MAX);
	mp_w_end(w);
	mp_w_list(w, "modules", columns, mp_countof(columns));
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "module", "build");
	mp_w_int(w, "n", -5);
	mp_w_bool(w, "hidden", true);
	mp_w_list(w, "outputs", NULL, 0);
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "n", "not a cell");
	mp_w_end(w);
	mp_w_end(w);
	mp_w_show(w, "note", "%d of %d", 1, 2);
	mp_w_end(w);
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "module", "t");
	mp_w_uint(w, "n", 1000);
	mp_w_text(w, "note", "");
	mp_w_end(w);
	mp_w_end(w);
	mp_w_hex(w, "id", "\x01\xfe", 2);
	mp_w_time(w, "at", 0);
	mp_w_end(w);
}

static void
test_json(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s, MP_WRITER_JSON);
	write_all(s.w);
	mp_w_raw(s.w, mp_span_str("not JSON"));
	sink_is(&s, "{\"name\":\"r\xc3\xa4t\",\"because\":null,"
		    "\"electors\":[\n\"a\",\n18446744073709551615],\"modules\":[\n"
		    "{\"module\":\"build\",\"n\":-5,\"hidden\":true,"
		    "\"outputs\":[{\"n\":\"not a cell\"}]},\n"
		    "{\"module\":\"t\",\"n\":1000,\"note\":\"\"}],\"id\":\"01fe\",\"at\":null}\n");
}

static void
test_text(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s, MP_WRITER_TEXT);
	write_all(s.w);
	mp_w_raw(s.w, mp_span_str("raw\n"));
	sink_is(&s, "name  r\xc3\xa4t\n"
		    "why   -\n"
		    "\n"
		    "MODULE     N  NOTE\n"
		    "build     -5  1 of 2\n"
		    "t       1000\n"
		    "raw\n");
}

/* Six characters in twelve bytes. */
#define SIX "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"

static void
write_wide(struct mp_writer *w)
{
	static const struct mp_column wide[] = {
		{"a", "NAME", false, 0}, {"b", "MORE", false, 2}, {"c", "SOME", true, 1}};

	mp_w_object(w, NULL, NULL, 0);
	mp_w_list(w, "all", wide, mp_countof(wide));
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "a", "dead one");
	mp_w_paint(w, "a", MP_PAINT_BAD);
	mp_w_text(w, "b", SIX);
	mp_w_uint(w, "c", 7);
	mp_w_end(w);
	mp_w_end(w);
	mp_w_end(w);
}

/* On a terminal: colours, and no line longer than it is wide, as long as there is a choice. */
static void
test_terminal(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s, MP_WRITER_TEXT);
	write_wide(s.w);
	sink_is(&s, "NAME      MORE    SOME\ndead one  " SIX "     7\n");
	sink_open(&s, MP_WRITER_TEXT);
	mp_writer_terminal(s.w, 22, true);
	write_wide(s.w);
	sink_is(&s, "NAME      MORE    SOME\n\033[31mdead one\033[0m  " SIX "     7\n");
	sink_open(&s, MP_WRITER_TEXT);
	mp_writer_terminal(s.w, 21, false);
	write_wide(s.w);
	sink_is(&s, "NAME      SOME\ndead one     7\n");
	sink_open(&s, MP_WRITER_TEXT);
	mp_writer_terminal(s.w, 3, false);
	write_wide(s.w);
	sink_is(&s, "NAME\ndead one\n");
	sink_open(&s, MP_WRITER_JSON);
	mp_writer_terminal(s.w, 3, true);
	write_wide(s.w);
	sink_is(&s, "{\"all\":[\n{\"a\":\"dead one\",\"b\":\"" SIX "\",\"c\":7}]}\n");
}

static void
test_hostile(void **state)
{
	static const char bad[] = "\"\\\n\t\x01\x7f\x1b[31m\xff\xc3\xed\xa0\x80\xc2\x9b";
	struct sink s;

	(void)state;
	sink_open(&s, MP_WRITER_JSON);
	mp_w_object(s.w, NULL, NULL, 0);
	mp_w_span(s.w, "k\"", mp_span(bad, sizeof(bad))); /* the NUL too */
	mp_w_end(s.w);
	sink_is(&s, "{\"k\\\"\":\"\\\"\\\\\\n\\t\\u0001\\u007f\\u001b[31m"
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		    "\xc2\x9b\\u0000\"}\n");

	sink_open(&s, MP_WRITER_TEXT);
	mp_w_object(s.w, NULL, head, mp_countof(head));
	mp_w_span(s.w, "name", mp_span(bad, sizeof(bad)));
	mp_w_end(s.w);
	sink_is(&s, "name  \"\\? ???[31m???????\n");
}

static void
test_empty(void **state)
{
	struct sink s;

	(void)state;
	for (int kind = MP_WRITER_TEXT; kind <= MP_WRITER_JSON; kind++) {
		sink_open(&s, (enum mp_writer_kind)kind);
		mp_w_object(s.w, NULL, NULL, 0);
		mp_w_list(s.w, "runs", columns, mp_countof(columns));
		mp_w_end(s.w);
		mp_w_end(s.w);
		sink_is(&s, kind == MP_WRITER_TEXT ? "" : "{\"runs\":[]}\n");
	}
}

/* More rows than are kept: widths stay those of the first ones. */
static void
test_long(void **state)
{
	size_t lines = 0;
	struct sink s;

	(void)state;
	sink_open(&s, MP_WRITER_TEXT);
	mp_w_object(s.w, NULL, NULL, 0);
	mp_w_list(s.w, "modules", columns, mp_countof(columns));
	for (unsigned i = 0; i < 5000; i++) {
		mp_w_object(s.w, NULL, NULL, 0);
		mp_w_text(s.w, "module", "m");
		mp_w_uint(s.w, "n", i);
		mp_w_text(s.w, "note", i == 4999 ? "last" : "x");
		mp_w_end(s.w);
	}
	mp_w_end(s.w);
	mp_w_end(s.w);
	assert_int_equal(mp_writer_finish(s.w, NULL), 0);
	mp_writer_free(s.w);
	(void)fclose(s.out);
	for (const char *p = s.text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 5001);
	assert_non_null(strstr(s.text, "m       4999  last\n"));
	free(s.text);
}

static void
test_error(void **state)
{
	FILE *full = fopen("/dev/full", "we");
	struct mp_error err = {0};
	struct mp_writer *w;

	(void)state;
	if (full == NULL)
		skip();
	w = mp_writer_new(MP_WRITER_JSON, full);
	mp_w_object(w, NULL, NULL, 0);
	mp_w_end(w);
	assert_int_equal(mp_writer_finish(w, &err), MP_EFULL);
	mp_writer_free(w);
	(void)fclose(full);
}

static void
test_small(void **state)
{
	char s[MP_W_SHORT];

	(void)state;
	mp_w_duration(s, -1);
	assert_string_equal(s, "0.0s");
	mp_w_duration(s, 9990);
	assert_string_equal(s, "9.9s");
	mp_w_duration(s, 59999);
	assert_string_equal(s, "59s");
	mp_w_duration(s, 83000);
	assert_string_equal(s, "1m 23s");
	mp_w_duration(s, 3600000 * 30);
	assert_string_equal(s, "30h 00m");
	mp_w_duration(s, INT64_MAX);
	mp_w_size(s, 1023);
	assert_string_equal(s, "1023 B");
	mp_w_size(s, 1536);
	assert_string_equal(s, "1.5 KiB");
	mp_w_size(s, UINT64_MAX);
	assert_string_equal(s, "15.9 EiB");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
