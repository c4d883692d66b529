/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <netinet/in.h>

#include "shell/addr.h"

#define V4(a, b, c, d)                                                                             \
	{                                                                                          \
		[10] = 0xff, [11] = 0xff, [12] = a, [13] = b, [14] = c, [15] = d                   \
	}

static int
resolve(const char *text, enum mp_addr_use use, struct mp_addr *out, size_t *count)
{
	struct mp_error err = {0};
	int rc = mp_addr_resolve(text, use, out, 4, count, &err);

	assert_true((rc == 0) == (err.text[0] == '\0'));
	return rc;
}

static void
test_text(void **state)
{
	static const struct {
		const char *text, *shown;
		enum mp_addr_use use;
	} good[] = {
		{"127.0.0.1:1", "127.0.0.1:1", MP_ADDR_REACH},
		{"127.0.0.1", "127.0.0.1:7117", MP_ADDR_REACH},
		{"127.0.0.1", "127.0.0.1:0", MP_ADDR_OWN},
		{"[::1]:65535", "[::1]:65535", MP_ADDR_REACH},
		{"[::1]", "[::1]:7117", MP_ADDR_REACH},
		{"fd00::2", "[fd00::2]:7117", MP_ADDR_REACH},
		{"[::]:0", "[::]:0", MP_ADDR_LISTEN},
		{"::ffff:10.0.0.1", "10.0.0.1:7117", MP_ADDR_REACH},
	};
	static const char *const bad[] = {"", ":1", "[::1]x", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:65536", "127.0.0.1:0", "127.0.0.1:-1", "[::1]:123456", "[]:1",
		"no such name:1"};
	struct mp_addr addrs[4];
	char text[MP_ADDR_TEXT];
	size_t count;

	(void)state;
	for (size_t i = 0; i < mp_countof(good); i++) {
		assert_int_equal(resolve(good[i].text, good[i].use, addrs, &count), 0);
		assert_int_equal(count, 1);
		mp_addr_format(text, &addrs[0]);
		assert_string_equal(text, good[i].shown);
	}
	for (size_t i = 0; i < mp_countof(bad); i++)
		assert_int_not_equal(resolve(bad[i], MP_ADDR_REACH, addrs, &count), 0);
}

/* No host is all addresses, and says so for each family. */
static void
test_any(void **state)
{
	struct mp_addr addrs[4];
	size_t count;

	(void)state;
	assert_int_equal(resolve(":7200", MP_ADDR_LISTEN, addrs, &count), 0);
	assert_in_range(count, 1, 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(mp_addr_is_any(&addrs[i]));
		assert_int_equal(addrs[i].port, 7200);
	}
	assert_int_not_equal(resolve(":7200", MP_ADDR_REACH, addrs, &count), 0);
}

static void
test_sockets(void **state)
{
	static const struct mp_addr list[] = {{.ip = V4(10, 1, 2, 3), .port = 4},
		{.ip = {0xfd, [15] = 9}, .port = 65535}, {.ip = V4(0, 0, 0, 0), .port = 0}};
	struct sockaddr_storage ss;
	struct mp_addr back;

	(void)state;
	for (size_t i = 0; i < mp_countof(list); i++) {
		mp_addr_to_sockaddr(&ss, &list[i]);
		assert_int_equal(ss.ss_family, mp_addr_is_v4(&list[i]) ? AF_INET : AF_INET6);
		mp_addr_from_sockaddr(&back, (const struct sockaddr *)&ss);
		assert_true(mp_addr_eq(&back, &list[i]));
		/* As an IPv6 socket sees it. */
		mp_addr_to_sockaddr6(&ss, &list[i]);
		assert_int_equal(ss.ss_family, AF_INET6);
		mp_addr_from_sockaddr(&back, (const struct sockaddr *)&ss);
		assert_true(mp_addr_eq(&back, &list[i]));
	}
}

static void
test_machine(void **state)
{
	struct mp_addr addrs[2];
	size_t n = mp_addr_of_machine(false, addrs), both;

	(void)state;
	assert_int_equal(n, 1);
	assert_true(mp_addr_is_v4(&addrs[0]));
	both = mp_addr_of_machine(true, addrs);
	assert_in_range(both, 1, 2);
	for (size_t i = 0; i < both; i++)
		assert_false(mp_addr_is_any(&addrs[i]) || addrs[i].port != 0);
	assert_true(both == 1 || !mp_addr_is_v4(&addrs[1]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_machine),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
