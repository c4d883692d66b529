/* SPDX-License-Identifier: Apache-2.0 */
/* A leader whose workers send back what they were given, or do nothing with it. */
#include "unit/lead_world.h"

static void
test_rejects(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	world_init_one(&w);
	world_settle(&w);
	first = w.items[0];
	assert_int_equal(first.worker, 1);
	/* Busy: left alone for a second, or until it says that there is room. */
	assert_int_equal(world_reject(&w, &first, MP_REJECT_BUSY), 0);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	assert_true(mp_lead_deadline(w.lead) <= w.env.now_ms + MP_LEAD_BUSY_MS);
	mp_lead_room(w.lead, world_id(&w, 1));
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	assert_int_equal(w.items[0].attempt_number, 1);
	assert_int_equal(w.run.modules[0].attempts, 1);
	/* An attempt that is not waited for any more. */
	assert_int_equal(world_reject(&w, &first, MP_REJECT_BUSY), 0);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	/* Stopping: nothing more for it, until it has started again. */
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_STOPPING), 0);
	world_sleep(&w, 60000);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	w.roster.members[1].incarnation = 2ull << 32;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	/* Bad: that attempt is over. */
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BAD), 0);
	world_settle(&w);
	assert_int_equal(w.run.modules[0].lost, 1);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	/* Its disk is full: so is that one, and it is left alone for longer. */
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_TROUBLE), 0);
	world_settle(&w);
	assert_int_equal(w.run.modules[0].lost, 2);
	assert_int_equal(w.run.modules[0].failures, 0);
	world_sleep(&w, MP_LEAD_TROUBLE_MS - 1000);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	world_sleep(&w, 1000);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	world_fini(&w);
}

/* What nobody has is no running module, and what it waits for is told. */
static void
test_waits(void **state)
{
	struct mp_error why = {0};
	bool unplaceable;
	struct world w;

	(void)state;
	world_init_one(&w);
	world_settle(&w);
	while (world_state(&w, 0) != MP_MODULE_RUNNING) {
		world_sleep(&w, 10);
		world_settle(&w);
	}
	assert_false(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BUSY), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_true(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_false(unplaceable);
	assert_string_equal(why.text, "waits for a slot on n1");
	assert_int_equal(mp_lead_returned_count(w.lead), 1);
	w.roster.members[1].status = MP_NODE_DRAINING;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_true(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_false(unplaceable);
	assert_string_equal(why.text, "who could run it is draining, stopping or out of reach: n1");
	/* Also where the log has it as running. */
	w.roster.members[1].state = MP_MEMBER_DEAD;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_true(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_true(unplaceable);
	w.roster.members[1].state = MP_MEMBER_ALIVE;
	w.roster.members[1].status = MP_NODE_AVAILABLE;
	mp_lead_members(w.lead, &w.env);
	world_sleep(&w, MP_LEAD_BUSY_MS);
	world_settle(&w);
	assert_false(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_int_equal(mp_lead_returned_count(w.lead), 0);
	world_fini(&w);
}

/* Each question to a full worker is an entry of the log, so it is asked less and less often. */
static void
test_busy_for_long(void **state)
{
	struct world w;
	uint32_t asked = 0;

	(void)state;
	world_init_one(&w);
	world_settle(&w);
	for (mp_time end_ms = w.env.now_ms + 300000; w.env.now_ms < end_ms; asked++) {
		assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BUSY), 0);
		world_settle(&w);
		while (mp_lead_outstanding(w.lead) == 0 && w.env.now_ms < end_ms) {
			world_sleep(&w, 500);
			world_settle(&w);
		}
	}
	assert_in_range(asked, 300000 / MP_LEAD_BUSY_MAX_MS, 20);
	/* Its word, and a stream that is new, for the word may have been on the old one. */
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_UP);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	world_fini(&w);
}

/* What comes back before it was logged is nobody's business. */
static void
test_unlogged(void **state)
{
	struct world w;

	(void)state;
	world_init_one(&w);
	world_plan(&w);
	world_commit(&w);
	mp_lead_plan(w.lead, &w.env);
	world_collect(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BUSY), 0);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 0);
	assert_int_equal(world_state(&w, 0), MP_MODULE_READY);
	mp_lead_room(w.lead, world_id(&w, 1));
	world_settle(&w);
	assert_int_equal(w.items[0].attempt_number, 1);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	world_fini(&w);
}

/* Handed out once more, refused once more and cancelled, all before the log has the second
 * ASSIGNED: the LOST that is proposed then names the first attempt. */
static void
test_cancel_between_attempts(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	world_init_one(&w);
	world_settle(&w);
	first = w.items[0];
	assert_int_equal(world_reject(&w, &first, MP_REJECT_BUSY), 0);
	assert_int_equal(world_cancel(&w, "anna"), 0);
	mp_lead_room(w.lead, world_id(&w, 1));
	world_plan(&w);
	assert_false(mp_attempt_eq(&first.id, &w.items[0].id));
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BUSY), 0);
	world_commit_one(&w);
	assert_true(w.run.cancelled);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	world_settle(&w);
	for (int i = 0; i < 3 && mp_run_state(&w.run) == MP_RUN_RUNNING; i++) {
		(void)world_status(&w, 1, world_asked(&w, 1), 1, NULL, 0);
		world_settle(&w);
	}
	assert_int_equal(mp_run_state(&w.run), MP_RUN_CANCELLED);
	world_fini(&w);
}

/* An attempt that was given up failed, and the next was refused: its ASSIGNED is first in the log.
 */
static void
test_failure_in_vain(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	world_init_one(&w);
	world_settle(&w);
	first = w.items[0];
	world_sleep(&w, 2 * MP_LEAD_SILENCE_MIN_MS);
	world_plan(&w);
	world_commit(&w);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, NULL, 0), 0);
	world_plan(&w);
	assert_false(mp_attempt_eq(&first.id, &w.items[0].id));
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BUSY), 0);
	assert_int_equal(world_result(&w, &first, MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 1);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	world_fini(&w);
}

/* A second certificate that a majority did not sign changes nothing. */
static void
test_fenced_by_forgery(void **state)
{
	struct mp_msg_work_reject m = {.why = MP_REJECT_FENCED};
	struct mp_buf buf;
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 1);
	world_init(&w, 1);
	world_settle(&w);
	m.head = (struct mp_work_head){w.record.id, 1, 1};
	m.certificate = mp_span_str("forged");
	mp_buf_init(&buf, &w.alloc, 4096);
	assert_int_equal(mp_msg_work_reject_encode(&buf, &m, &w.items[0].id, 1), 0);
	assert_int_equal(world_say(&w, w.items[0].worker, &buf), 0);
	assert_int_equal(w.raft.heard_term, 0);
	mp_buf_fini(&buf);
	world_fini(&w);
}

/* A node may be alive and do nothing: what it got would be lost again and again. */
static void
test_silent_gets_nothing(void **state)
{
	struct world w;

	(void)state;
	world_run_one(&w);
	world_pass(&w, 100, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_UP);
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	/* It is asked all the time, and goes on when it answers. */
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_STATUS_REQ), 1);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, NULL, 0), 0);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	/* As it does in another boot, and when it says that a slot is free. */
	world_pass(&w, 100, false);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	w.roster.members[1].incarnation = 2ull << 32;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	world_pass(&w, 100, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 3);
	mp_lead_room(w.lead, world_id(&w, 1));
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_silent_gets_nothing),
		cmocka_unit_test(test_busy_for_long),
		cmocka_unit_test(test_unlogged),
		cmocka_unit_test(test_cancel_between_attempts),
		cmocka_unit_test(test_failure_in_vain),
		cmocka_unit_test(test_fenced_by_forgery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
