/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/cbor.h"
#include "mp/limits.h"

/* A reader of these bytes, until the next one is made. */
static struct mp_cbor_r
of_hex(const char *hex)
{
	static uint8_t bytes[64];
	size_t n = strlen(hex) / 2;
	struct mp_cbor_r r;

	assert_true(n <= sizeof(bytes));
	for (size_t i = 0; i < n; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		bytes[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	mp_cbor_r_init(&r, mp_span(bytes, n));
	return r;
}

static int
skip_hex(const char *hex)
{
	struct mp_cbor_r r = of_hex(hex);

	mp_cbor_r_skip(&r);
	return mp_cbor_r_end(&r);
}

static void
test_round_trip(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_buf buf;
	struct mp_cbor_w w;
	struct mp_cbor_r r;
	uint8_t fixed[4];
	char str[16];

	(void)state;
	mp_buf_init(&buf, &alloc, 1024);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 8);
	mp_cbor_w_uint(&w, UINT64_MAX);
	mp_cbor_w_int(&w, -1000);
	mp_cbor_w_bool(&w, true);
	mp_cbor_w_null(&w);
	mp_cbor_w_bytes(&w, "\1\2\3\4", 4);
	mp_cbor_w_text(&w, "päth");
	mp_cbor_w_map(&w, 1);
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_array(&w, 0);
	mp_cbor_w_uint(&w, 7);
	assert_int_equal(w.rc, 0);

	mp_cbor_r_init(&r, mp_buf_span(&buf));
	mp_cbor_r_array_exact(&r, 8);
	assert_true(mp_cbor_r_uint(&r, UINT64_MAX) == UINT64_MAX);
	assert_int_equal(mp_cbor_r_int(&r), -1000);
	assert_true(mp_cbor_r_bool(&r));
	mp_cbor_r_null(&r);
	mp_cbor_r_fixed(&r, fixed, sizeof(fixed));
	assert_memory_equal(fixed, "\1\2\3\4", 4);
	mp_cbor_r_str(&r, str, sizeof(str));
	assert_string_equal(str, "päth");
	assert_int_equal(mp_cbor_r_item(&r).n, 3);
	assert_int_equal(mp_cbor_r_uint(&r, 10), 7);
	assert_int_equal(mp_cbor_r_end(&r), 0);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *hex;
		int rc;
	} bad[] = {
		{"", MP_ETRUNC},
		{"1800", MP_EFORMAT},              /* 0 in two bytes */
		{"190017", MP_EFORMAT},            /* 23 in three */
		{"5801ff", MP_EFORMAT},            /* length 1 in two */
		{"9f00ff", MP_EFORMAT},            /* indefinite array */
		{"5f4100ff", MP_EFORMAT},          /* indefinite bytes */
		{"c000", MP_EFORMAT},              /* a tag */
		{"f93c00", MP_EFORMAT},            /* a float */
		{"f7", MP_EFORMAT},                /* undefined */
		{"61ff", MP_EFORMAT},              /* not UTF-8 */
		{"62c080", MP_EFORMAT},            /* overlong NUL */
		{"63eda080", MP_EFORMAT},          /* a surrogate */
		{"8201", MP_ETRUNC},               /* an item is missing */
		{"9bffffffffffffffff", MP_ETRUNC}, /* more items than bytes */
		{"5bffffffffffffffff00", MP_ETRUNC},
		{"0000", MP_EFORMAT}, /* trailing byte */
		{"818181818181818181818181818181818181818100", MP_ELIMIT},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(bad); i++) {
		if (skip_hex(bad[i].hex) != bad[i].rc)
			print_error("# %s: %s\n", bad[i].hex, mp_strerror(skip_hex(bad[i].hex)));
		assert_int_equal(skip_hex(bad[i].hex), bad[i].rc);
	}
}

static void
test_sticky(void **state)
{
	struct mp_cbor_r r;
	uint8_t out[4] = {9, 9, 9, 9};

	(void)state;
	mp_cbor_r_init(&r, mp_span("\x01\x02", 2));
	mp_cbor_r_fixed(&r, out, sizeof(out));
	assert_int_equal(r.rc, MP_EFORMAT);
	assert_int_equal(out[0], 0);
	assert_int_equal(mp_cbor_r_uint(&r, 10), 0);
	assert_int_equal(mp_cbor_r_offset(&r), 0);
	assert_int_equal(mp_cbor_r_peek(&r), MP_CBOR_END);
}

static void
test_writer_bound(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_buf buf;
	struct mp_cbor_w w;

	(void)state;
	mp_buf_init(&buf, &alloc, 8);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_text(&w, "longer than eight");
	assert_int_equal(w.rc, MP_ELIMIT);
	mp_cbor_w_uint(&w, 1);
	assert_int_equal(w.rc, MP_ELIMIT);
	mp_buf_fini(&buf);

	heap.fail_at = heap.calls + 1;
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_uint(&w, 1);
	assert_int_equal(w.rc, MP_ENOMEM);
	mp_buf_fini(&buf);
}

/* ---- bounds of what is read ---- */

static void
test_counts(void **state)
{
	struct mp_cbor_r r = of_hex("83010203");
	size_t extra;

	(void)state;
	assert_int_equal(mp_cbor_r_array(&r, 3), 3);
	r = of_hex("83010203");
	assert_int_equal(mp_cbor_r_array(&r, 2), 0);
	assert_int_equal(r.rc, MP_ELIMIT);
	r = of_hex("83010203");
	mp_cbor_r_array_exact(&r, 2);
	assert_int_equal(r.rc, MP_EFORMAT);
	r = of_hex("83010203");
	mp_cbor_r_array_min(&r, 2, 3, &extra);
	assert_true(r.rc == 0 && extra == 1);
	r = of_hex("83010203");
	mp_cbor_r_array_min(&r, 4, 9, &extra);
	assert_true(r.rc == MP_EFORMAT && extra == 0);
	/* Nobody takes memory for items that cannot be there. */
	r = of_hex("9a000f4240010203");
	assert_int_equal(mp_cbor_r_array(&r, SIZE_MAX / 2), 0);
	assert_int_equal(r.rc, MP_ETRUNC);
	r = of_hex("a201020304");
	assert_int_equal(mp_cbor_r_map(&r, 2), 2);
	r = of_hex("a2010203");
	assert_int_equal(mp_cbor_r_map(&r, 2), 0);
	assert_int_equal(r.rc, MP_ETRUNC);
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *hex;
		int64_t value;
		int rc;
	} cases[] = {
		{"1b7fffffffffffffff", INT64_MAX, 0},
		{"1b8000000000000000", 0, MP_ELIMIT},
		{"3b7fffffffffffffff", INT64_MIN, 0},
		{"3b8000000000000000", 0, MP_ELIMIT},
		{"3bffffffffffffffff", 0, MP_ELIMIT},
		{"20", -1, 0},
		{"4101", 0, MP_EFORMAT},
	};
	struct mp_cbor_r r;

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++) {
		r = of_hex(cases[i].hex);
		assert_true(mp_cbor_r_int(&r) == cases[i].value);
		assert_int_equal(r.rc, cases[i].rc);
	}
	r = of_hex("0b");
	assert_int_equal(mp_cbor_r_uint(&r, 10), 0);
	assert_int_equal(r.rc, MP_ELIMIT);
	r = of_hex("01");
	assert_false(mp_cbor_r_bool(&r));
	assert_int_equal(r.rc, MP_EFORMAT);
	r = of_hex("f4");
	mp_cbor_r_null(&r);
	assert_int_equal(r.rc, MP_EFORMAT);
	assert_int_equal(mp_cbor_r_offset(&r), 0); /* what was refused is not read */
}

static void
test_strings(void **state)
{
	uint8_t fixed[4];
	struct mp_cbor_r r;
	char text[5];

	(void)state;
	for (size_t n = 2; n <= 4; n++) {
		r = of_hex("43010203");
		memset(fixed, 9, sizeof(fixed));
		mp_cbor_r_fixed(&r, fixed, n);
		assert_int_equal(r.rc, n == 2 ? MP_ELIMIT : n == 3 ? 0 : MP_EFORMAT);
		assert_int_equal(fixed[0], n == 3 ? 1 : 0);
		assert_int_equal(fixed[1], n == 3 ? 2 : 0);
	}
	r = of_hex("43010203");
	assert_int_equal(mp_cbor_r_bytes(&r, 2).n, 0);
	assert_int_equal(r.rc, MP_ELIMIT);
	r = of_hex("6461626364");
	mp_cbor_r_str(&r, text, sizeof(text));
	assert_int_equal(r.rc, 0);
	assert_string_equal(text, "abcd");
	r = of_hex("6461626364");
	mp_cbor_r_str(&r, text, sizeof(text) - 1);
	assert_int_equal(r.rc, MP_ELIMIT);
	assert_string_equal(text, "");
	r = of_hex("63610062");
	mp_cbor_r_str(&r, text, sizeof(text));
	assert_int_equal(r.rc, MP_EFORMAT);
	assert_string_equal(text, "");
	r = of_hex("6161");
	assert_int_equal(mp_cbor_r_bytes(&r, 9).n, 0);
	assert_int_equal(r.rc, MP_EFORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_writer_bound),
	};

	return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}
