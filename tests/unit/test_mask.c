/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>

#include "mask_plainly.h"
#include "util/rng.h"

/* ---- a masker and what comes out of it ---- */

#define OUT_MAX 65536

struct world {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_mask *mask;
	struct mp_masker *masker;
	char out[OUT_MAX];
	size_t n;
};

static void
take(void *ctx, const uint8_t *p, size_t n)
{
	struct world *w = ctx;

	assert_true(w->n + n < sizeof(w->out));
	memcpy(w->out + w->n, p, n);
	w->n += n;
	w->out[w->n] = '\0';
}

static void
world_begin_n(struct world *w, const struct mp_span *values, size_t n)
{
	*w = (struct world){.out = ""};
	w->alloc = UNIT_ALLOC(&w->heap);
	assert_int_equal(mp_mask_new(&w->alloc, values, n, &w->mask), 0);
	assert_int_equal(mp_masker_new(w->mask, &w->masker), 0);
}

static void
world_begin(struct world *w, const char *value)
{
	struct mp_span span = mp_span_str(value);

	world_begin_n(w, &span, 1);
}

static void
world_end(struct world *w)
{
	mp_masker_free(w->masker);
	mp_mask_free(w->mask);
	assert_int_equal(w->heap.live, 0);
}

static void
feed(struct world *w, const char *text)
{
	mp_masker_feed(w->masker, mp_span_str(text), take, w);
}

static void
check(const char *value, const char *in, const char *out)
{
	struct world w;

	for (size_t cut = 0; cut <= strlen(in); cut++) {
		world_begin(&w, value);
		mp_masker_feed(w.masker, mp_span(in, cut), take, &w);
		feed(&w, in + cut);
		mp_masker_end(w.masker, take, &w);
		assert_string_equal(w.out, out);
		world_end(&w);
	}
}

/* ---- one by one ---- */

static void
test_plain(void **state)
{
	(void)state;
	check("hunter2-hunter", "", "");
	check("hunter2-hunter", "nothing here\n", "nothing here\n");
	check("hunter2-hunter", "the hunter2-hunter is\n", "the *** is\n");
	check("hunter2-hunter", "hunter2-hunter2-hunter", "***");
	check("hunter2-hunter", "hunter2-hunterhunter2-hunter", "***");
	check("hunter2-hunter", "hunter2-hunte hunter2-hunter", "hunter2-hunte ***");
	check("aaaa", "aaabaaaaaaab", "aaab***b");
	check("x", "a x b xx", "a *** b ***");
	check("", "nothing", "nothing");
	check("\n", "not\nhing", "not\nhing");
	check("token\n", "a token\nb", "a ***\nb");
}

static void
test_lines(void **state)
{
	(void)state;
	check("-----BEGIN-----\r\nabcdef\r\n  ghij\r\n}\r\n", "abcdef\n>  ghij\n}\n",
		"***\n>  ***\n}\n");
	check("ab'cd", "echo 'ab'\\''cd' 'ab'\"'\"'cd'", "echo '***' '***'");
}

static void
test_url(void **state)
{
	(void)state;
	check("p@ss w+rd/%", "x=p%40ss%20w%2Brd%2F%25&", "x=***&");
	check("p@ss w+rd/%", "x=p%40ss+w%2brd%2f%25&", "x=***&");
	check("p@ss w+rd/%", "x=p@ss+w+rd/%25&", "x=***&");
	check("p@ss", "%70%40%73%73%", "***%");
	check("p@ss", "p%4%40ss p%4", "p%4%40ss p%4");
	check("%40x%4", "%40x%4", "***");
}

static void
test_json(void **state)
{
	(void)state;
	check("a\"b\\c/\n\t\x1b<\xc3\xa4\xf0\x9f\x98\x80",
		"{\"k\":\"a\\\"b\\\\c\\/\\n\\t\\u001B\\u003c\\u00e4\\ud83D\\uDE00\"}",
		"{\"k\":\"***\"}");
	check("a\"b\\c/\n\t\x1b<\xc3\xa4\xf0\x9f\x98\x80",
		"\"a\\\"b\\\\c/\\u000a\\t\\u001b<\xc3\xa4\xf0\x9f\x98\x80\"", "\"***\"");
	check("\\ud83d\\u0041", "\\ud83d\\u0041 \\ud83dA", "*** \\ud83dA");
	check("\xe2\x82\xac!", "\\u20ac! \\u20a", "*** \\u20a");
}

static void
test_base64(void **state)
{
	(void)state;
	check("hunter22", "aHVudGVyMjI= aHVudGVyMjI", "*** ***");
	/* "x:hunter22\n", "xy:hunter22", "xyz:hunter22!" */
	check("hunter22", "eDpodW50ZXIyMgo=", "eDp***go=");
	check("hunter22", "eHk6aHVudGVyMjI=", "eHk6***");
	check("hunter22", "eHl6Omh1bnRlcjIyIQ==", "eHl6Om***IQ==");
	/* Both alphabets. */
	check("\xfb\xff\xfe\xfb\xff", "+//++/8= -__--_8", "*** ***");
	/* In lines, the first of them with only two of its digits. */
	check("hunter22", "aHVudGVy\r\nMjI= aH\nVudGVyMjI=", "*** aH\n***");
	check("ab", "YWI= YWI", "*** YWI");
}

static void
test_hex(void **state)
{
	(void)state;
	check("hunter22", "68756e7465723232 68756E7465723232!", "*** ***!");
	check("hunter22", "x=0x7868756e74657232327800", "x=0x78***7800");
	/* xxd -p, od -An -tx1, openssl */
	check("hunter22", "68756e74\r\n65723232\n", "***\n");
	check("hunter22", " 68 75 6e 74\n 65 72 32 32\n", " ***\n");
	check("hunter22", "68:75:6E:74:65:72:32:32", "***");
	check("hunter22", "68   75 6e 74 65 72 32 32", "68   75 6e 74 65 72 32 32");
	/* Less would be found where it is not. */
	check("abc", "616263", "***");
	check("ab", "6162", "6162");
}

static void
test_escapes(void **state)
{
	(void)state;
	check("it's\n\x01\xff", "$'it\\'s\\n\\001\\377' b'it\\'s\\n\\x01\\xFF'", "$'***' b'***'");
	check("a\x1b\a\v", "a\\e\\a\\v a\\E\\x07\\013", "*** ***");
	check("a\\x4", "a\\x4 a\\\\x4 \\x4", "*** *** \\x4");
	check("pA", "p\\x41 p\\101 p\\10 p\\x4", "*** *** p\\10 p\\x4");
}

static void
test_several(void **state)
{
	const struct mp_span values[] = {
		mp_span_str("abcdef"), mp_span_str("cdefgh"), mp_span_str("cd"), mp_span_str("")};
	struct world w;

	(void)state;
	world_begin_n(&w, values, mp_countof(values));
	feed(&w, "-abcdefgh- -abcdeg- cd\n");
	assert_string_equal(w.out, "-***- -ab***eg- ***\n");
	world_end(&w);
}

/* What cannot be one any more goes at once, and a line that ends a process is not lost. */
static void
test_prompt(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "secret-value");
	feed(&w, "> ");
	assert_string_equal(w.out, "> ");
	feed(&w, "sec");
	assert_string_equal(w.out, "> ");
	feed(&w, "rets, secret-");
	assert_string_equal(w.out, "> secrets, ");
	feed(&w, "value");
	assert_string_equal(w.out, "> secrets, ***");
	feed(&w, "\nsecre");
	assert_string_equal(w.out, "> secrets, ***\n");
	mp_masker_end(w.masker, take, &w);
	assert_string_equal(w.out, "> secrets, ***\nsecre");
	world_end(&w);
}

static void
test_memory(void **state)
{
	const struct mp_span value = mp_span_str("it's a secret\nof two lines");

	(void)state;
	for (size_t at = 1;; at++) {
		struct world w = {.out = ""};
		int rc;

		w.heap.fail_at = at;
		w.alloc = UNIT_ALLOC(&w.heap);
		rc = mp_mask_new(&w.alloc, &value, 1, &w.mask);
		if (rc == 0) {
			rc = mp_masker_new(w.mask, &w.masker);
			mp_masker_free(rc == 0 ? w.masker : NULL);
			mp_mask_free(w.mask);
		}
		assert_int_equal(w.heap.live, 0);
		if (rc == 0)
			break;
		assert_int_equal(rc, MP_ENOMEM);
	}
}

/* ---- against the plain way ---- */

static size_t
random_text(struct mp_rng *rng, const char *alphabet, uint8_t *out, size_t max)
{
	size_t n = mp_rng_below(rng, max + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)alphabet[mp_rng_below(rng, strlen(alphabet))];
	return n;
}

/* Something that may cover it: the value in a random form. */
static size_t
random_form(struct mp_rng *rng, struct mp_span value, uint8_t *out)
{
	uint8_t text[64] = "xyz";
	size_t before = mp_rng_below(rng, 4), n = 0, how = mp_rng_below(rng, 7);

	if (how == 0) {
		memcpy(text + before, value.p, value.n);
		plainly_base64(text, before + value.n, out);
		return (before + value.n + 2) / 3 * 4 - mp_rng_below(rng, 2);
	}
	for (size_t i = 0; i < value.n; i++) {
		if (how == 5)
			n += (size_t)snprintf((char *)out + n, 8,
				mp_rng_below(rng, 4) == 0 ? "%02X " : "%02x", value.p[i]);
		else if (how == 6 && mp_rng_below(rng, 2) == 0)
			n += (size_t)snprintf((char *)out + n, 8,
				mp_rng_below(rng, 2) == 0 ? "\\x%02x" : "\\%03o", value.p[i]);
		else if (how == 1 && mp_rng_below(rng, 2) == 0)
			n += (size_t)snprintf((char *)out + n, 8, "%%%02x", value.p[i]);
		else if (how == 2 && mp_rng_below(rng, 2) == 0)
			n += (size_t)snprintf((char *)out + n, 8, "\\u%04X", value.p[i]);
		else
			out[n++] = value.p[i];
		if (how == 3 && mp_rng_below(rng, 16) == 0)
			n--;
	}
	return n;
}

static void
random_case(struct mp_rng *rng)
{
	static const char *const alphabets[] = {
		"ab", "a'\n\\u0041 +%", "aB3-_=\nYW", "\"\\/nud8c", "f6 :\n\r", "\\x061'"};
	const char *alphabet = alphabets[mp_rng_below(rng, mp_countof(alphabets))];
	size_t n = 1 + mp_rng_below(rng, 3), size = 0, want;
	uint8_t mem[3][16], text[1024], *expect;
	struct mp_span values[3];
	struct world w;

	for (size_t i = 0; i < n; i++)
		values[i] = mp_span(mem[i], random_text(rng, alphabet, mem[i], sizeof(mem[i])));
	while (size < 600) {
		size += random_text(rng, alphabet, text + size, 40);
		size += random_form(rng, values[mp_rng_below(rng, n)], text + size);
	}
	expect = mask_plainly(mp_span(text, size), values, n, &want);
	world_begin_n(&w, values, n);
	for (size_t at = 0; at < size;) {
		size_t step = mp_min_size(1 + mp_rng_below(rng, 20), size - at);

		mp_masker_feed(w.masker, mp_span(text + at, step), take, &w);
		at += step;
	}
	mp_masker_end(w.masker, take, &w);
	assert_int_equal(w.n, want);
	assert_memory_equal(w.out, expect, want);
	free(expect);
	world_end(&w);
}

static void
test_random(void **state)
{
	struct mp_rng rng = {20261121};

	(void)state;
	for (int i = 0; i < 20000; i++)
		random_case(&rng);
}

/* More than the window, at once and byte by byte. */
static void
test_long(void **state)
{
	static char in[20001];
	struct world w;

	(void)state;
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		memset(in, 'a', sizeof(in) - 1);
		in[10000] = 'b';
		world_begin(&w, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		for (size_t i = 0; bytewise && i < sizeof(in) - 1; i++)
			mp_masker_feed(w.masker, mp_span(in + i, 1), take, &w);
		if (!bytewise)
			feed(&w, in);
		mp_masker_end(w.masker, take, &w);
		assert_string_equal(w.out, "***b***");
		world_end(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
