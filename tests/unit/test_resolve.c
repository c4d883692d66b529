/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <sched.h>
#include <stdatomic.h>

#include "shell/resolve.h"
#include "util/clock.h"

static void
on_told(void *ctx)
{
	atomic_fetch_add((atomic_int *)ctx, 1);
}

static void
test_answer(void **state)
{
	struct mp_error err = {0};
	struct mp_resolved got;
	struct mp_resolve *r;
	atomic_int told = 0;

	(void)state;
	assert_int_equal(
		mp_resolve_start("127.0.0.1:5", MP_ADDR_REACH, on_told, &told, &r, &err), 0);
	while (!mp_resolve_answer(r, &got))
		(void)sched_yield();
	assert_int_equal(atomic_load(&told), 1);
	assert_int_equal(got.err.code, 0);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.addrs[0].port, 5);
	mp_resolve_drop(r);
	mp_resolve_drop(NULL);
}

/* Whoever of the two is last frees it: that is for a sanitizer to see. */
static void
test_drop(void **state)
{
	struct mp_error err = {0};
	struct mp_resolve *r;
	atomic_int told = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
			mp_resolve_start("[::1]:1", MP_ADDR_REACH, on_told, &told, &r, &err), 0);
		mp_resolve_drop(r);
	}
	assert_true(atomic_load(&told) <= 50);
}

static void
test_wait(void **state)
{
	volatile sig_atomic_t stop = 0;
	struct mp_error err = {0};
	struct mp_resolved got;
	char text[600];

	(void)state;
	assert_int_equal(
		mp_resolve_wait("127.0.0.1", MP_ADDR_OWN, MP_TIME_NEVER, &stop, &got, &err), 0);
	assert_int_equal(got.count, 1);
	assert_int_equal(
		mp_resolve_wait("127.0.0.1:x", MP_ADDR_REACH, MP_TIME_NEVER, NULL, &got, &err),
		MP_EINVAL);
	assert_non_null(strstr(err.text, "the port is to be a number"));
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(
		mp_resolve_wait(text, MP_ADDR_REACH, MP_TIME_NEVER, NULL, &got, &err), MP_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_wait),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
