/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "shell/gate.h"

static struct mp_gate gate;

static int
setup(void **state)
{
	(void)state;
	gate = (struct mp_gate){.all = {.at_ms = 0}};
	return 0;
}

/* 10.0.0.x, or an address of the network 2001:db8:x::/64. */
static struct mp_addr
v4(uint8_t x)
{
	return (struct mp_addr){
		.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = x}, .port = 7117};
}

static struct mp_addr
v6(uint8_t net, uint8_t host)
{
	return (struct mp_addr){
		.ip = {0x20, 0x01, 0x0d, 0xb8, [5] = net, [15] = host}, .port = host};
}

/* How many of n pass at one moment. */
static size_t
pass(struct mp_addr addr, size_t n, uint64_t now_ms)
{
	size_t passed = 0;

	for (size_t i = 0; i < n; i++)
		passed += mp_gate_take(&gate, &addr, now_ms);
	return passed;
}

static void
a_source_has_its_share(void **state)
{
	(void)state;
	assert_int_equal(pass(v4(1), 1000, 5), MP_GATE_SOURCE_BURST);
	assert_int_equal(pass(v4(2), 1000, 5), MP_GATE_SOURCE_BURST);
	assert_int_equal(pass(v4(1), 1000, 505), MP_GATE_SOURCE_RATE / 2);
	assert_int_equal(pass(v4(1), 1000, 1000005), MP_GATE_SOURCE_BURST);
}

/* Whoever has one address of IPv6 has 2^64. */
static void
a_network_is_one(void **state)
{
	size_t passed = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * MP_GATE_SOURCE_BURST; i++)
		passed += pass(v6(1, (uint8_t)i), 1, 5);
	assert_int_equal(passed, MP_GATE_SOURCE_BURST);
	assert_int_equal(pass(v6(2, 1), 1, 5), 1);
}

static void
all_have_theirs(void **state)
{
	size_t passed = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		passed += pass(v4((uint8_t)i), MP_GATE_SOURCE_BURST, 5);
	assert_int_equal(passed, MP_GATE_ALL_BURST);
	assert_int_equal(pass(v4(99), 5000, 105), MP_GATE_ALL_RATE / 10);
}

static void
who_proves_itself_is_free(void **state)
{
	struct mp_addr addr = v4(1);

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		assert_true(mp_gate_take(&gate, &addr, 5));
		mp_gate_give(&gate, &addr);
	}
	mp_gate_give(&gate, &(struct mp_addr){.port = 1}); /* forgotten meanwhile */
	assert_int_equal(pass(addr, 1000, 5), MP_GATE_SOURCE_BURST);
}

static bool
lives_at_seven(void *ctx, const struct mp_addr *source)
{
	*(int *)ctx += 1;
	return source->ip[15] == 7 || (source->ip[0] == 0x20 && source->ip[5] == 7);
}

/* Strangers, from however many sources, use up nothing of members, nor members of them. */
static void
members_have_theirs(void **state)
{
	int asked = 0;

	(void)state;
	gate.member = lives_at_seven;
	gate.ctx = &asked;
	for (unsigned i = 0; i < 2 * MP_GATE_SOURCES; i++)
		(void)pass(v6((uint8_t)(8 + i % 240), 1), MP_GATE_SOURCE_BURST, 5);
	assert_int_equal(pass(v4(1), 1, 5), 0);
	assert_int_equal(pass(v4(7), 1000, 5), MP_GATE_SOURCE_BURST);
	assert_int_equal(pass(v6(7, 1), 1, 5), 1); /* its network is enough */
	assert_true(mp_gate_is_member(
		&gate, &(struct mp_addr){.ip = {0x20, 0x01, 0x0d, 0xb8, [5] = 7, [15] = 200}}));
	assert_false(mp_gate_is_member(&gate, &(struct mp_addr){.port = 1}));
	assert_int_equal(pass(v4(1), 1000, 105), MP_GATE_ALL_RATE / 10);
	/* What proves itself gives back where it took. */
	for (size_t i = 0; i < 10000; i++) {
		struct mp_addr addr = v6(7, 1);

		assert_true(mp_gate_take(&gate, &addr, 105));
		mp_gate_give(&gate, &addr);
	}
	assert_int_equal(pass(v4(1), 1, 105), 0);
}

/* Who is a member is asked once in a while only. */
static void
members_are_looked_up(void **state)
{
	int asked = 0;

	(void)state;
	gate.member = lives_at_seven;
	gate.ctx = &asked;
	(void)pass(v4(1), 1000, 5);
	(void)pass(v4(1), 1000, 4 + MP_GATE_MEMBER_MS);
	assert_int_equal(asked, 1);
	(void)pass(v4(1), 1000, 5 + MP_GATE_MEMBER_MS);
	assert_int_equal(asked, 2);
}

/* The source that came longest ago goes, and comes back as new. */
static void
many_sources(void **state)
{
	(void)state;
	assert_int_equal(pass(v4(0), 1000, 5), MP_GATE_SOURCE_BURST);
	for (unsigned i = 1; i <= MP_GATE_SOURCES; i++)
		assert_int_equal(pass(v6((uint8_t)(i & 0xff), 1), 1, 100 * i), 1);
	assert_int_equal(pass(v4(0), 1000, 100 * MP_GATE_SOURCES), MP_GATE_SOURCE_BURST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_has_its_share, setup),
		cmocka_unit_test_setup(a_network_is_one, setup),
		cmocka_unit_test_setup(all_have_theirs, setup),
		cmocka_unit_test_setup(who_proves_itself_is_free, setup),
		cmocka_unit_test_setup(members_have_theirs, setup),
		cmocka_unit_test_setup(members_are_looked_up, setup),
		cmocka_unit_test_setup(many_sources, setup),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
