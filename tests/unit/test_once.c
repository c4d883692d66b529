/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's side of `once` modules. */
#include "unit/lead_world.h"

#include "mp/limits.h"

/* m1 needs m0, which may not start twice. n1 is the only worker. */
static void
once_init(struct world *w)
{
	unit_graph_init(&w->graph, 2);
	unit_graph_need(&w->graph, 1, 0);
	w->graph.modules[0].once = true;
	world_init(w, 1);
	world_only_n1(w);
}

static int
renew(struct world *w, int from, mp_time asked_ms)
{
	const struct mp_msg_work_lease m = {{w->record.id, 1, w->raft.term}, asked_ms};
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &w->alloc, 1024);
	assert_int_equal(mp_msg_work_lease_encode(&buf, MP_MSG_WORK_RENEW, &m), 0);
	rc = world_say(w, from, &buf);
	mp_buf_fini(&buf);
	world_collect(w);
	return rc;
}

static int
resolve(struct world *w, enum mp_once_how how)
{
	struct mp_raft_at at = {0, 0};
	int rc = mp_lead_resolve(w->lead, &w->env, 0, how, mp_span_str("anna"), &at);

	assert_true((rc == 0) == (at.index == w->raft.count && at.term == w->raft.term));
	return rc;
}

/* The worker does not hear of it before its beginning is committed. */
static void
test_begins(void **state)
{
	struct world w;

	(void)state;
	once_init(&w);
	world_plan(&w);
	world_commit(&w); /* OPEN */
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_ONCE_BEGIN), 1);
	assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN), 0);
	/* Nor is it missed in answers meanwhile. */
	for (uint64_t seq = 1; seq < 5; seq++)
		assert_int_equal(world_status(&w, 1, seq, 1, NULL, 0), 0);
	assert_int_equal(world_asked(&w, 1), 0);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	world_settle(&w);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_ASSIGN), 1);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 0);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(w.items[1].deps, 1);
	assert_int_equal(world_ok(&w, 1), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_END), 1);
	world_fini(&w);
}

static void
test_returned(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	first = w.items[0];
	assert_int_equal(world_reject(&w, &first, MP_REJECT_BUSY), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_ONCE_END), 1);
	assert_int_equal(world_state(&w, 0), MP_MODULE_READY);
	world_sleep(&w, MP_LEAD_BUSY_MS);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_false(mp_attempt_eq(&w.items[0].id, &first.id));
	assert_int_equal(w.items[0].attempt_number, 1);
	world_fini(&w);
}

/* It waits for an operator, who says that it is to run again. */
static void
test_rerun(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	first = w.items[0];
	assert_int_equal(resolve(&w, MP_ONCE_RERUN), MP_EINVAL);
	w.roster.members[1].refused = true;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	/* Where nobody listens nobody is asked again: that would be refused too, and so on. */
	world_forget(&w);
	mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_REFUSED);
	world_settle(&w);
	assert_int_equal(world_asked(&w, 1), 0);
	world_sleep(&w, 1000000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	w.roster.members[1].refused = false;
	assert_int_equal(resolve(&w, MP_ONCE_RERUN), 0);
	assert_int_equal(resolve(&w, MP_ONCE_DONE), MP_EINVAL);
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(w.items[0].attempt_number, 2);
	/* The first one lives after all: it is of the past. */
	world_forget(&w);
	assert_int_equal(
		world_status(&w, 1, 0, 1, &(struct mp_work_state){first.id, MP_WORK_RUNNING}, 1),
		0);
	world_settle(&w);
	assert_true(world_named(&w, 1, MP_MSG_WORK_KILL, &first.id));
	world_fini(&w);
}

/* Whoever needs it gets nothing of it. */
static void
test_done(void **state)
{
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	/* Its worker went down and came back. */
	assert_int_equal(world_status(&w, 1, 0, 2,
				 &(struct mp_work_state){w.items[0].id, MP_WORK_UNSURE}, 1),
		0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	world_forget(&w);
	assert_int_equal(world_status(&w, 1, 0, 2,
				 &(struct mp_work_state){w.items[0].id, MP_WORK_UNSURE}, 1),
		0);
	world_settle(&w);
	assert_true(world_named(&w, 1, MP_MSG_WORK_SETTLED, &w.items[0].id));
	assert_int_equal(resolve(&w, MP_ONCE_DONE), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	assert_int_equal(world_state(&w, 1), MP_MODULE_RUNNING);
	assert_int_equal(w.items[1].deps, 0);
	assert_int_equal(world_ok(&w, 1), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_END), 1);
	world_fini(&w);
}

/* What was given up too early goes on, and its result counts. */
static void
test_after_all(void **state)
{
	struct mp_work_state running;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	running = (struct mp_work_state){w.items[0].id, MP_WORK_RUNNING};
	w.roster.members[1].refused = true;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	assert_int_equal(world_status(&w, 1, 0, 1, &running, 1), 0);
	w.roster.members[1].refused = false;
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(w.run.modules[0].attempts, 1);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	world_fini(&w);
}

/* A silent worker's attempt is given up when it must be dead, and not before. */
static void
test_lease(void **state)
{
	struct mp_work_state running;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	running = (struct mp_work_state){w.items[0].id, MP_WORK_RUNNING};
	world_sleep(&w, 10000);
	w.raft.lease = false;
	assert_int_equal(renew(&w, 1, 5), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 0);
	w.raft.lease = true;
	/* Nor before it has said what it has. */
	assert_int_equal(renew(&w, 1, 5), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 0);
	assert_int_equal(world_status(&w, 1, 1, 1, &running, 1), 0);
	assert_int_equal(renew(&w, 1, 5), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 1);
	world_sleep(&w, MP_ONCE_LEASE_MS + MP_ONCE_KILL_MS);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	world_fini(&w);
}

/* What was given up before it started is there again with its worker: it has no lease before its
 * leader knows of it, and then goes on. */
static void
test_late(void **state)
{
	struct mp_work_state held;
	struct world w;
	uint64_t asked;

	(void)state;
	once_init(&w);
	world_settle(&w);
	held = (struct mp_work_state){w.items[0].id, MP_WORK_RUNNING};
	assert_int_equal(world_status(&w, 1, 1, 1, &held, 1), 0);
	world_sleep(&w, MP_ONCE_LEASE_MS + MP_ONCE_KILL_MS + 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	asked = world_asked(&w, 1);
	world_forget(&w);
	assert_int_equal(renew(&w, 1, 5), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 0);
	/* An operator's word does not make it the last one. */
	assert_int_equal(resolve(&w, MP_ONCE_RERUN), 0);
	assert_int_equal(world_status(&w, 1, asked, 1, &held, 1), 0);
	assert_int_equal(renew(&w, 1, 5), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 0);
	world_settle(&w);
	assert_false(mp_attempt_eq(&w.items[0].id, &held.attempt));
	assert_int_equal(world_status(&w, 1, asked + 1, 1, &held, 1), 0);
	world_settle(&w);
	assert_true(world_named(&w, 1, MP_MSG_WORK_KILL, &held.attempt));
	world_fini(&w);
}

/* What a worker was told to kill it may not have heard when the stream to it broke: it is asked
 * when it wants the next lease, and has that once it has answered. The same at first. */
static void
test_broken_stream(void **state)
{
	struct mp_work_state running;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	running = (struct mp_work_state){w.items[0].id, MP_WORK_RUNNING};
	for (uint64_t seq = 1; seq < 3; seq++) {
		world_forget(&w);
		assert_int_equal(renew(&w, 1, 5), 0);
		assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 0);
		world_settle(&w);
		assert_int_equal(world_asked(&w, 1), seq);
		assert_int_equal(world_status(&w, 1, seq, 1, &running, 1), 0);
		assert_int_equal(renew(&w, 1, 6), 0);
		assert_int_equal(world_count(&w, 1, MP_MSG_WORK_LEASE), 1);
		mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_FAILED);
	}
	world_fini(&w);
}

/* Its leader was lost, and it was killed for want of a lease: its worker, asked by the next leader,
 * has nothing but the result, which tells how it ended, and does not decide. */
static void
test_killed(void **state)
{
	struct mp_attempt_id first;
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	first = w.items[0].id;
	w.roster.members[1].refused = true;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			world_result(&w, &w.items[0], MP_STATUS_CANCELLED, SPOIL_NOTHING), 0);
		world_settle(&w);
		assert_true(world_named(&w, 1, MP_MSG_WORK_SETTLED, &first));
		assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
		assert_int_equal(w.run.modules[0].lost, 1);
		assert_true(world_entries(&w, MP_ENTRY_FINISHED) > 0);
	}
	w.roster.members[1].refused = false;
	assert_int_equal(resolve(&w, MP_ONCE_DONE), 0);
	world_settle(&w);
	assert_int_equal(world_result(&w, &w.items[0], MP_STATUS_CANCELLED, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	world_fini(&w);
}

/* A word that it is to run again counts only when what was given up cannot be alive. */
static void
test_rerun_early(void **state)
{
	struct world w;
	uint64_t asked;

	(void)state;
	once_init(&w);
	world_settle(&w);
	w.roster.members[1].refused = true;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_MAYBE_RAN);
	assert_int_equal(resolve(&w, MP_ONCE_RERUN), MP_EBUSY);
	/* It is asked, and again when a stream to it is there. */
	asked = world_asked(&w, 1);
	assert_true(asked > 0);
	w.roster.members[1].refused = false;
	mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_UP);
	world_settle(&w);
	assert_int_equal(world_asked(&w, 1), asked + 1);
	/* It does not have it. */
	assert_int_equal(world_status(&w, 1, asked + 1, 1, NULL, 0), 0);
	assert_int_equal(resolve(&w, MP_ONCE_RERUN), 0);
	world_fini(&w);
}

/* The next leader neither begins it again nor gives it up for the leases of the one before. */
static void
test_takeover(void **state)
{
	struct world w;

	(void)state;
	once_init(&w);
	world_settle(&w);
	world_sleep(&w, MP_ONCE_LEASE_MS);
	world_lead(&w, 2);
	world_settle(&w);
	world_sleep(&w, MP_ONCE_LEASE_MS + MP_ONCE_KILL_MS);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(world_entries(&w, MP_ENTRY_ONCE_BEGIN), 1);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_rerun),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_after_all),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_broken_stream),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_rerun_early),
		cmocka_unit_test(test_takeover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
