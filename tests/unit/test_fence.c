/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a worker obeys, and from when on. */
#include "unit/worker_world.h"

/* Nothing is done on a leader's word before its fence is on disk. */
static void
test_fence_first(void **state)
{
	int phases[8];

	(void)state;
	T.hold_disk = true;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	assert_int_equal(status(1, 1, phases), 0);
	assert_int_equal(phases[0], -1);
	assert_int_equal(T.starts, 0);
	assert_int_equal(T.message_count, 0);
	persisted(T.seq);
	world_settle();
	assert_int_equal(T.starts, 1);
	assert_non_null(heard(MP_MSG_WORK_STATUS));
}

/* A disk that is full takes no fence: what was assigned goes back, and counts for nothing. */
static void
test_fence_never(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_attempt_id id;
	int phases[8];

	(void)state;
	T.hold_disk = true;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	assert_int_equal(status(1, 1, phases), 0);
	world_pass(1999);
	assert_int_equal(T.message_count, 0);
	world_pass(1);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_int_equal(m.attempts.left, 1);
	/* What comes later does not wait that long again. */
	assert_int_equal(assign_many(1, 1, 1, 2, NULL), 0);
	world_pass(1);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_int_equal(m.attempts.left, 2);
	assert_null(heard(MP_MSG_WORK_FREE));
	assert_int_equal(T.starts, 0);
	/* Who leads next is told at once: nobody else could. */
	assert_int_equal(assign(1, 1, 3, NULL), 0);
	assert_int_equal(lead(2, 2), 0);
	assert_int_equal(rejected(2, &m), MP_REJECT_BUSY);
	assert_true(m.head.term == 2 && mp_attempts_next(&m.attempts, &id));
	assert_true(id.term == 1 && id.module == 3);
	/* Everything else is kept. */
	assert_int_equal(status(2, 2, phases), 0);
	T.hold_disk = false;
	persisted(T.seq);
	world_settle();
	assert_non_null(heard(MP_MSG_WORK_STATUS));
	assert_int_equal(assign(2, 2, 4, NULL), 0);
	assert_int_equal(T.starts, 1);
}

static void
test_fenced(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_leader_cert cert;
	struct mp_attempt_id id;
	int phases[8];

	(void)state;
	assert_int_equal(lead(1, 3), 0);
	assert_int_equal(lead(2, 5), 0);
	/* The old one goes on as if nothing had happened. */
	assert_int_equal(assign(1, 3, 7, NULL), MP_EREPLAY);
	assert_int_equal(T.starts, 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_FENCED);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 7 && id.term == 3);
	assert_int_equal(mp_leader_cert_verify(&fake_crypto, m.certificate, &T.rec.now, &cert), 0);
	assert_true(cert.term == 5 && mp_node_id_eq(&cert.leader, &W.members[2].id));
	assert_int_equal(lead(1, 3), MP_EREPLAY);
	assert_int_equal(rejected(1, &m), MP_REJECT_FENCED);
	assert_int_equal(list(1, 3, MP_MSG_WORK_KILL, 0, 3), MP_EREPLAY);
	assert_int_equal(end(1, 3), MP_EREPLAY);
	assert_int_equal(status(1, 3, phases), MP_EREPLAY);
	/* Nor does another member speak for the leader. */
	assert_int_equal(assign(1, 5, 0, NULL), MP_EAUTH);
	assert_int_equal(T.starts, 0);
	assert_int_equal(rows(MP_TABLE_FENCE), 1);
}

static void
test_uncertified(void **state)
{
	struct mp_msg_work_reject m;

	(void)state;
	assert_int_equal(assign(1, 1, 0, NULL), MP_ENOENT);
	assert_non_null(heard(MP_MSG_WORK_WHO));
	assert_int_equal(assign(1, 1, 0, NULL), MP_ENOENT);
	assert_null(heard(MP_MSG_WORK_WHO)); /* not so soon again */
	assert_int_equal(lead_with(1, 1, 1), MP_ESIG);
	T.record[T.record_n - 1] ^= 1;
	assert_int_equal(lead(1, 1), MP_ESIG);
	T.record[T.record_n - 1] ^= 1;
	W.members[1].roles = MP_ROLE_OBSERVE;
	assert_int_equal(lead(1, 1), MP_EAUTH);
	assert_int_equal(rows(MP_TABLE_FENCE), 0);
	W.members[1].roles = MP_ROLE_SUBMIT;
	assert_int_equal(lead(1, 1), 0);
	/* An offer that the leader did not sign. */
	assert_int_equal(assign(1, 1, 0, &(struct give){.forged = true}), MP_ESIG);
	assert_int_equal(rejected(1, &m), MP_REJECT_BAD);
	assert_int_equal(T.starts, 0);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_fence_first),
		CASE(test_fence_never),
		CASE(test_fenced),
		CASE(test_uncertified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
