/* SPDX-License-Identifier: Apache-2.0 */
/* Resources on a worker: what attempts of all runs take together. */
#include "unit/worker_world.h"

static const struct mp_demand one[] = {{"rig", 1}}, two[] = {{"rig", 2}},
			      both[] = {{"rig", 1}, {"cpus", 2}};
static const struct mp_demand nine[] = {{"rig", 9}};

/* Two slots, and so many rigs. */
static void
rigs(uint64_t count)
{
	static struct mp_caps caps;

	caps = (struct mp_caps){.slots = 2, .cpus = 2, .resource_count = 1};
	memcpy(caps.resources[0].name, "rig", 4);
	caps.resources[0].count = count;
	W.members[0].caps = &caps;
}

static void
give(uint32_t module, const struct mp_demand *demands, uint32_t n)
{
	const struct give g = {.resources = {demands, n}};

	assert_int_equal(assign(1, 1, module, n > 0 ? &g : NULL), 0);
}

static void
test_waits(void **state)
{
	int phases[8];

	(void)state;
	rigs(2);
	assert_int_equal(lead(1, 1), 0);
	give(0, one, 1);
	give(1, two, 1);
	assert_int_equal(T.starts, 1);
	/* Whoever needs none goes past, whoever needs some does not. */
	give(2, one, 1);
	give(3, NULL, 0);
	assert_int_equal(T.starts, 2);
	assert_int_equal(status(1, 1, phases), 0);
	assert_true(phases[0] == MP_WORK_RUNNING && phases[3] == MP_WORK_RUNNING);
	assert_true(phases[1] != MP_WORK_RUNNING && phases[2] != MP_WORK_RUNNING);
	exec_done(1, 3, MP_STATUS_OK);
	assert_int_equal(T.starts, 2);
	exec_done(1, 0, MP_STATUS_OK);
	assert_int_equal(T.starts, 3);
	exec_done(1, 1, MP_STATUS_FAILED);
	assert_int_equal(T.starts, 4);
}

/* What this node has not got, or not any more, goes back. */
static void
test_never(void **state)
{
	struct mp_msg_work_reject m;

	(void)state;
	rigs(3);
	assert_int_equal(lead(1, 1), 0);
	give(0, nine, 1);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	T.message_count = 0;
	give(1, both, 2);
	assert_int_equal(T.starts, 1);
	give(2, two, 1);
	assert_int_equal(T.starts, 2);
	give(3, one, 1);
	rigs(0);
	exec_done(1, 2, MP_STATUS_OK);
	assert_int_equal(T.starts, 2);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_int_equal(mp_worker_slots_used(T.worker), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never, setup, teardown),
	};

	return cmocka_run_group_tests_name("using", tests, NULL, NULL);
}
