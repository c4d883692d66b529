/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "mp/limits.h"
#include "util/glob.h"

static void
test_match(void **state)
{
	static const struct {
		const char *pattern;
		const char *path;
		bool want;
	} rows[] = {
		{"Makefile", "Makefile", true},
		{"Makefile", "makefile", false},
		{"Makefile", "src/Makefile", false},
		{"*.c", "a.c", true},
		{"*.c", ".c", true},
		{"*.c", "a.h", false},
		{"*.c", "src/a.c", false},
		{"*", ".hidden", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"?", "é", true},
		{"?", "ab", false},
		{"??", "é", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]]", "]", true},
		{"[a-]", "-", true},
		{"[à-ü]", "é", true},
		{"[*]", "*", true},
		{"[*]", "a", false},
		{"src/*", "src/a", true},
		{"src/*", "src/a/b", false},
		{"src/*", "src", false},
		{"src/**", "src", false},
		{"src/**", "src/a", true},
		{"src/**", "src/a/b/.c", true},
		{"src/**", "srcs/a", false},
		{"**", "a", true},
		{"**", "a/b/c", true},
		{"**/*.c", "a.c", true},
		{"**/*.c", "a/b/a.c", true},
		{"**/*.c", "a/b/a.c/d", false},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/b/c/y", false},
		{"a/**/m/**/z", "a/m/x/m/y/z", true},
		{"a/**/m/n/**/z", "a/m/x/m/n/z", true},
		{"**/**", "a", true},
		{"a/**/**/b", "a/b", true},
		{"bin/app-*", "bin/app-gcc", true},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		assert_int_equal(mp_glob_check(rows[i].pattern, NULL), 0);
		assert_int_equal(mp_path_check(rows[i].path, NULL), 0);
		if (mp_glob_match(rows[i].pattern, rows[i].path) != rows[i].want)
			print_error("# %s %s\n", rows[i].pattern, rows[i].path);
		assert_int_equal(mp_glob_match(rows[i].pattern, rows[i].path), rows[i].want);
	}
}

/* The definition, as a recursion that may take for ever: what the quick one must agree with. */
static bool
slow_match(const char *p, const char *s, bool whole)
{
	if (whole && strncmp(p, "**", 2) == 0 && (p[2] == '/' || p[2] == '\0')) {
		if (p[2] == '\0')
			return *s != '\0';
		if (slow_match(p + 3, s, true))
			return true;
		while (*s != '\0' && *s != '/')
			s++;
		return *s == '/' && slow_match(p, s + 1, true);
	}
	if (*p == '*')
		return slow_match(p + 1, s, false) ||
		       (*s != '\0' && *s != '/' && slow_match(p, s + 1, false));
	if (*p == '\0' || *s == '\0')
		return *p == *s;
	return *p == *s && slow_match(p + 1, s + 1, *p == '/');
}

/* Every string of up to n letters of an alphabet, one after the other. */
static bool
next_string(char *s, const char *alphabet, size_t n)
{
	size_t i = 0;

	for (;; i++) {
		const char *at = strchr(alphabet, s[i]);

		if (i == n)
			return false;
		if (s[i] == '\0') {
			s[i] = alphabet[0];
			return true;
		}
		if (at[1] != '\0') {
			s[i] = at[1];
			return true;
		}
		s[i] = alphabet[0];
	}
}

static void
test_agrees_with_definition(void **state)
{
	char pattern[8] = "";
	size_t compared = 0;

	(void)state;
	while (next_string(pattern, "a*/", 7)) {
		char path[7] = "";

		if (mp_glob_check(pattern, NULL) != 0)
			continue;
		while (next_string(path, "ab/", 5)) {
			if (mp_path_check(path, NULL) != 0)
				continue;
			compared++;
			if (mp_glob_match(pattern, path) != slow_match(pattern, path, true))
				fail_msg("%s %s", pattern, path);
		}
	}
	assert_true(compared > 1000);
}

static void
test_bounded(void **state)
{
	char pattern[MP_PATH_MAX + 1];
	char path[MP_PATH_MAX + 1];
	size_t n = 0;
	size_t k = 0;

	(void)state;
	while (n + 4 < 250) {
		memcpy(pattern + n, "*a", 3);
		n += 2;
	}
	pattern[n++] = 'b';
	pattern[n] = '\0';
	memset(path, 'a', 250);
	path[250] = '\0';
	assert_false(mp_glob_match(pattern, path));

	for (n = 0; n + 6 < MP_PATH_MAX; n += 5)
		memcpy(pattern + n, "**/a/", 6);
	memcpy(pattern + n, "b", 2);
	for (k = 0; k + 3 < MP_PATH_MAX; k += 2)
		memcpy(path + k, "a/", 3);
	memcpy(path + k, "c", 2);
	assert_int_equal(mp_glob_check(pattern, NULL), 0);
	assert_false(mp_glob_match(pattern, path));
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *text;
		const char *glob; /* part of the refusal; NULL: accepted */
		const char *path;
	} rows[] = {
		{"", "is empty", "is empty"},
		{"/etc/passwd", "is absolute", "is absolute"},
		{"../x", "leave the workspace", "leave the workspace"},
		{"a/../x", "leave the workspace", "leave the workspace"},
		{"a/..", "leave the workspace", "leave the workspace"},
		{"a//b", "empty component", "empty component"},
		{"a/", "empty component", "empty component"},
		{"./a", "'.' component", "'.' component"},
		{"a\nb", "printable", "printable"},
		{"a\x1b[31mb", "printable", "printable"},
		{"a\xff", "printable", "printable"},
		{"a\xc2\x9b", "printable", "printable"},
		{"[a", "not closed", NULL},
		{"[]", "not closed", NULL},
		{"[z-a]", "backwards", NULL},
		{"[a/b]", "not closed", NULL},
		{"a**", "inside a component", NULL},
		{"**a/b", "inside a component", NULL},
		{"***", "inside a component", NULL},
		{"a\\*", "backslash", NULL},
		{"..a/b..", NULL, NULL},
		{"[!a]/**/?*", NULL, NULL},
	};
	char longer[MP_PATH_MAX + 2];
	struct mp_error err;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		int rc = mp_glob_check(rows[i].text, &err);

		assert_int_equal(rc, rows[i].glob == NULL ? 0 : MP_EINVAL);
		if (rc != 0)
			assert_non_null(strstr(err.text, rows[i].glob));
		rc = mp_path_check(rows[i].text, &err);
		assert_int_equal(rc, rows[i].path == NULL ? 0 : MP_EINVAL);
		if (rc != 0)
			assert_non_null(strstr(err.text, rows[i].path));
	}
	memset(longer, 'a', sizeof(longer));
	for (size_t i = 100; i < MP_PATH_MAX; i += 100)
		longer[i] = '/';
	longer[MP_PATH_MAX] = '\0';
	assert_int_equal(mp_path_check(longer, NULL), 0);
	longer[MP_PATH_MAX] = 'a';
	longer[MP_PATH_MAX + 1] = '\0';
	assert_int_equal(mp_path_check(longer, NULL), MP_EINVAL);
}

static void
test_may_enter(void **state)
{
	(void)state;
	assert_true(mp_glob_may_enter("src/*.c", ""));
	assert_true(mp_glob_may_enter("src/*.c", "src"));
	assert_false(mp_glob_may_enter("src/*.c", "src/sub"));
	assert_false(mp_glob_may_enter("src/*.c", "doc"));
	assert_true(mp_glob_may_enter("**/*.c", "any/where"));
	assert_true(mp_glob_may_enter("s*/a/b", "src/a"));
	assert_false(mp_glob_may_enter("Makefile", "Makefile"));
	assert_true(mp_glob_is_literal("src/Makefile"));
	assert_false(mp_glob_is_literal("src/[M]akefile"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_agrees_with_definition),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_may_enter),
	};

	return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
