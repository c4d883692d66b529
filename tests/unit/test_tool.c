/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/caps.h"
#include "codec/tool.h"
#include "core/want.h"

static void
test_written(void **state)
{
	static const char *const good[] = {
		"gcc", "g++", "gcc>=12", "python3=3.11", "c++<1.2.3", "x>=0", "clang-14>=14.0.6"};
	static const char *const bad[] = {"", ">=1", "gcc>", "gcc>=", "gcc>12", "gcc<=12",
		"gcc==12", "gcc>=x", "gcc>=1.", "gcc>=.1", "gcc>=1..2", "gcc>=1.2-rc1", "gcc=1<2",
		"gcc>=1234567890", "=3"};
	struct mp_error err = {0};

	(void)state;
	for (size_t i = 0; i < mp_countof(good); i++)
		assert_int_equal(mp_tool_check(good[i], &err), 0);
	for (size_t i = 0; i < mp_countof(bad); i++)
		assert_int_equal(mp_tool_check(bad[i], &err), MP_EINVAL);
	assert_non_null(strstr(err.text, "as in gcc>=12; found '=3'"));
	assert_int_equal(mp_tool_name_size("gcc>=12"), 3);
	assert_int_equal(mp_tool_name_size("gcc"), 3);
}

static void
test_fits(void **state)
{
	static const struct {
		const char *asked, *version;
		bool fits;
	} cases[] = {
		{"gcc", "", true},
		{"gcc", "12.2.0", true},
		{"gcc>=12", "", false},
		{"gcc<12", "", false},
		{"gcc>=12", "12", true},
		{"gcc>=12", "12.2.0", true},
		{"gcc>=12.2.0", "12.2", true},
		{"gcc>=12.2.1", "12.2", false},
		{"gcc>=12", "9.5", false},
		{"gcc>=9", "12.2", true},
		{"gcc>=1.10", "1.9.9", false},
		{"gcc<14", "13.99", true},
		{"gcc<14", "14", false},
		{"gcc<14", "14.0.1", false},
		{"gcc<14.0.1", "14", true},
		{"p=3.11", "3.11", true},
		{"p=3.11", "3.11.4", true},
		{"p=3.11", "3.1", false},
		{"p=3.11", "3.110", false},
		{"p=3.11", "3", false},
		{"p=3.0", "3", false},
		{"p>=1", "99999999999999999999999999999999999999999.1", true},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++) {
		if (mp_tool_fits(cases[i].asked, cases[i].version) != cases[i].fits)
			fail_msg("%s of %s", cases[i].asked, cases[i].version);
	}
}

static void
test_lacks(void **state)
{
	struct mp_caps caps = {.tool_count = 2,
		.tools = {{.name = "gcc", .version = "11.4.0"}, {.name = "ld", .version = ""}}};
	const char *const asked[] = {"gcc>=12", "gcc<14", "gcc", "ld=2", "cc>=1"};
	const struct mp_graph_module want = {
		.tools = {.v = (const char **)(uintptr_t)asked, .n = mp_countof(asked)}};
	struct mp_error why = {0};

	(void)state;
	assert_string_equal(mp_caps_tool(&caps, "gcc>=12"), "11.4.0");
	assert_null(mp_caps_tool(&caps, "gc>=12"));
	assert_null(mp_caps_tool(&caps, "gccx"));
	assert_int_equal(mp_want_lacks(&want, &caps, &why), 3);
	assert_string_equal(why.text, "tool gcc>=12 (it has 11.4.0), tool ld=2 (it has one of no "
				      "known version), tool cc>=1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_lacks),
	};

	return cmocka_run_group_tests_name("tool", tests, NULL, NULL);
}
