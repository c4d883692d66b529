/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of `once` modules. */
#include "unit/worker_world.h"

#include "mp/limits.h"

static const struct give once = {.once = true};

/* When the last lease was asked for; -1: it was not. */
static mp_time
asked(int leader)
{
	const struct message *got = heard(MP_MSG_WORK_RENEW);
	struct mp_msg_work_lease m;

	if (got == NULL)
		return -1;
	assert_int_equal(got->to, leader);
	assert_int_equal(
		mp_msg_work_lease_decode(mp_span(got->bytes, got->n), MP_MSG_WORK_RENEW, &m), 0);
	return m.asked_ms;
}

static int
lease(int leader, uint64_t term, mp_time asked_ms)
{
	const struct mp_msg_work_lease m = {head(term), asked_ms};
	struct mp_buf buf;

	mp_buf_init(&buf, &W.own, 1024);
	assert_int_equal(mp_msg_work_lease_encode(&buf, MP_MSG_WORK_LEASE, &m), 0);
	return say(leader, &buf);
}

static void
begin(mp_time *at)
{
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, &once), 0);
	world_pass(1);
	*at = asked(1);
	assert_true(*at >= 0);
}

/* Nothing is started without a lease, nor before its row is on disk. */
static void
test_starts(void **state)
{
	struct mp_result r;
	size_t holders;
	mp_time at;

	(void)state;
	begin(&at);
	assert_int_equal(T.starts, 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
	T.hold_disk = true;
	assert_int_equal(lease(1, 1, at), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 1);
	assert_int_equal(T.starts, 0);
	T.hold_disk = false;
	persisted(T.seq);
	world_settle();
	assert_int_equal(T.starts, 1);
	assert_true(T.lease_until_ms == at + MP_ONCE_LEASE_MS);
	exec_done(1, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders) && r.status == MP_STATUS_OK);
	assert_int_equal(rows(MP_TABLE_HELD), 1);
	assert_int_equal(list(1, 1, MP_MSG_WORK_SETTLED, 0, 1), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
}

/* A lease counts from when it was asked for, is longer each time, and comes from any leader. */
static void
test_renewed(void **state)
{
	mp_time at, now;

	(void)state;
	begin(&at);
	assert_int_equal(lease(1, 1, at), 0);
	assert_int_equal(T.starts, 1);
	world_pass(5001);
	now = asked(1);
	assert_true(now >= at + 5000);
	assert_int_equal(T.leases, 0);
	assert_int_equal(lease(1, 1, now), 0);
	assert_int_equal(T.leases, 1);
	assert_true(T.lease_until_ms == now + MP_ONCE_LEASE_MS);
	assert_int_equal(lease(1, 1, at), 0);            /* an old one */
	assert_int_equal(lease(1, 1, now + 1000000), 0); /* one that nobody asked for */
	assert_int_equal(T.leases, 1);
	/* The next leader is asked at once, and the one before has nothing to give. */
	assert_int_equal(lead(2, 2), 0);
	world_pass(1);
	now = asked(2);
	assert_true(now >= 0);
	assert_int_equal(lease(1, 1, now), MP_EREPLAY);
	assert_int_equal(T.leases, 1);
	assert_int_equal(lease(2, 2, now), 0);
	assert_int_equal(T.leases, 2);
	/* Nobody answers: the electors are asked who leads. */
	world_pass(12000);
	assert_non_null(heard(MP_MSG_WORK_WHO));
}

static void
restart(void)
{
	mp_worker_free(T.worker);
	T.message_count = 0;
	T.starts = 0;
	worker_new(2);
	restore(MP_TABLE_FENCE);
	restore(MP_TABLE_HELD);
	world_begin(0);
	mp_worker_start(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
}

/* A node that went down says that it may have run, and never starts it again. */
static void
test_restart(void **state)
{
	int phases[8];
	mp_time at;

	(void)state;
	begin(&at);
	assert_int_equal(lease(1, 1, at), 0);
	assert_int_equal(T.starts, 1);
	restart();
	assert_int_equal(T.starts, 0);
	assert_int_equal(status(1, 1, phases), 0);
	assert_int_equal(phases[0], MP_WORK_UNSURE);
	assert_int_equal(assign(1, 1, 0, &once), 0);
	assert_int_equal(T.starts, 0);
	/* It goes on saying so until it is settled. */
	world_pass(10000);
	assert_non_null(heard(MP_MSG_WORK_WHO));
	assert_int_equal(list(1, 1, MP_MSG_WORK_SETTLED, 0, 1), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
}

/* What had not started is given back, and what runs is killed and reported. */
static void
test_stop(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_result r;
	size_t holders;
	mp_time at;

	(void)state;
	begin(&at);
	assert_int_equal(lease(1, 1, at), 0);
	assert_int_equal(T.starts, 1);
	T.hold_disk = true;
	assert_int_equal(assign(1, 1, 1, &once), 0);
	assert_int_equal(T.starts, 1);
	world_begin(0);
	mp_worker_stop(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	T.hold_disk = false;
	persisted(T.seq);
	world_settle();
	assert_int_equal(rejected(1, &m), MP_REJECT_STOPPING);
	assert_int_equal(rows(MP_TABLE_HELD), 1);
	for (int i = 0; i < 10; i++) {
		T.message_count = 0;
		world_pass(MP_WORKER_STOP_MS / 10 + 1);
	}
	assert_int_equal(T.kills, 1);
	exec_done_with(
		1, 0, &(struct mp_exec_report){.status = MP_STATUS_CANCELLED, .exit_code = -1});
	assert_true(result(1, &r, &holders) && r.status == MP_STATUS_CANCELLED);
	assert_int_equal(rejected(1, &m), 0);
}

/* What gets no lease takes no slot from what needs none, and, when that lasts, no room either. */
static void
test_no_slot_without(void **state)
{
	struct mp_msg_work_reject m;
	mp_time at;

	(void)state;
	begin(&at);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(assign(1, 1, i, &once), 0);
	world_pass(1000);
	assert_int_equal(T.starts, 0);
	assert_int_equal(mp_worker_slots_used(T.worker), 0);
	T.message_count = 0;
	assert_int_equal(assign(1, 1, 4, NULL), 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY); /* it may come any moment */
	for (int i = 0; i < 30; i++) {
		T.message_count = 0;
		world_pass(1000);
	}
	at = asked(1);
	T.message_count = 0;
	for (uint32_t i = 5; i < 7; i++)
		assert_int_equal(assign(1, 1, i, NULL), 0);
	assert_int_equal(rejected(1, &m), 0);
	assert_int_equal(T.starts, 2);
	assert_int_equal(lease(1, 1, at), 0);
	assert_int_equal(T.starts, 2);
	exec_done(1, 5, MP_STATUS_OK);
	assert_int_equal(T.starts, 3);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_starts),
		T(test_renewed),
		T(test_restart),
		T(test_stop),
		T(test_no_slot_without),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
