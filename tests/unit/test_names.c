/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <stdio.h>

#include "util/names.h"
#include "util/near.h"
#include "util/utf8.h"

static void
test_names(void **state)
{
	static char text[20000][8];
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_names names;
	uint32_t value = 0;

	(void)state;
	mp_names_init(&names, &alloc);
	assert_false(mp_names_find(&names, "a", 1, &value));
	for (uint32_t i = 0; i < mp_countof(text); i++) {
		value = i;
		(void)snprintf(text[i], sizeof(text[i]), "m%u", i);
		assert_int_equal(mp_names_add(&names, text[i], &value), 0);
	}
	for (uint32_t i = 0; i < mp_countof(text); i++) {
		assert_true(mp_names_find(&names, text[i], strlen(text[i]), &value));
		assert_int_equal(value, i);
	}
	value = 1;
	assert_int_equal(mp_names_add(&names, "m77", &value), MP_EEXIST);
	assert_int_equal(value, 77);
	assert_true(mp_names_find(&names, "m12345", 3, &value));
	assert_int_equal(value, 12);
	assert_false(mp_names_find(&names, "m12345", 1, &value));
	mp_names_fini(&names);
	assert_int_equal(heap.live, 0);
	heap.fail_at = heap.calls + 1;
	assert_int_equal(mp_names_add(&names, "x", &value), MP_ENOMEM);
	mp_names_fini(&names);
}

/* Whatever somebody makes collide is refused, and soon: a table full of one hash. */
static void
test_collisions(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_names names;
	uint32_t value = 0;

	(void)state;
	mp_names_init(&names, &alloc);
	assert_int_equal(mp_names_add(&names, "a", &value), 0);
	names.n = 0; /* so that the table is filled up and does not grow */
	for (size_t i = 0; i < names.cap; i++)
		names.slots[i] = (struct mp_names_slot){.name = "taken"};
	names.n = 1;
	assert_int_equal(mp_names_add(&names, "b", &value), MP_ELIMIT);
	assert_false(mp_names_find(&names, "b", 1, &value));
	mp_names_fini(&names);
}

static const char *
nearest(const char *word, const char *const *offers, size_t n)
{
	struct mp_near near;

	mp_near_init(&near, word);
	for (size_t i = 0; i < n; i++)
		mp_near_offer(&near, offers[i]);
	return near.best == NULL ? "" : near.best;
}

static void
test_near(void **state)
{
	static const char *const words[] = {"timeout", "retry", "run", "os", "requires"};
	static const char longer[] =
		"a word that is longer than any name could be, and then it goes on";

	(void)state;
	assert_string_equal(nearest("timeouut", words, 5), "timeout");
	assert_string_equal(nearest("tmieout", words, 5), "timeout");
	assert_string_equal(nearest("time_out", words, 5), "timeout");
	assert_string_equal(nearest("rnu", words, 5), "run");
	assert_string_equal(nearest("require", words, 5), "requires");
	assert_string_equal(nearest("so", words, 5), "os");
	assert_string_equal(nearest("xy", words, 5), "");
	assert_string_equal(nearest("completely", words, 5), "");
	assert_string_equal(nearest("", words, 5), "");
	assert_string_equal(nearest(longer, words, 5), "");
}

static void
test_utf8(void **state)
{
	uint8_t clean[16];

	(void)state;
	assert_int_equal(mp_utf8_prefix(mp_span_str("aé€😀")), 10);
	assert_int_equal(mp_utf8_prefix(mp_span_str("ab\xed\xa0\x80")), 2);
	assert_int_equal(mp_utf8_prefix(mp_span_str("ab\xc0\x80")), 2);
	assert_int_equal(mp_utf8_prefix(mp_span_str("ab\xf5\x80\x80\x80")), 2);
	assert_int_equal(mp_utf8_prefix(mp_span("\xe2\x82", 2)), 0);
	assert_true(mp_utf8_printable(mp_span_str("é x")));
	assert_false(mp_utf8_printable(mp_span_str("\xc2\x85")));
	assert_false(mp_utf8_printable(mp_span_str("a\tb")));
	assert_int_equal(mp_utf8_clean(mp_span_str("é\t\033[1m\xc2\x85\xff\n"), clean), 10);
	assert_memory_equal(clean, "é ?[1m???", 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
