/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/lead_world.h"

static void
test_diamond(void **state)
{
	struct world w;

	(void)state;
	unit_graph_diamond(&w.graph);
	world_init(&w, 2);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_OPEN), 1);
	assert_int_equal(w.sent_count, 0);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_OPEN), 1);
	world_commit(&w);
	world_plan(&w);
	/* Handed out before ASSIGNED is committed, introduced first, and once. */
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 1);
	assert_int_equal(w.sent_count, 2);
	assert_int_equal(w.sent[0].number, MP_MSG_WORK_LEAD);
	assert_int_equal(w.sent[1].number, MP_MSG_WORK_ASSIGN);
	assert_int_equal(w.items[0].attempt_number, 1);
	world_commit(&w);
	world_plan(&w);
	assert_int_equal(w.sent_count, 2);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	/* The result releases nothing before it is committed, and counts once. */
	assert_int_equal(world_ok(&w, 0), 0);
	assert_int_equal(world_ok(&w, 0), 0);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 1);
	assert_int_equal(w.sent_count, 2);
	world_commit(&w);
	world_forget(&w);
	world_plan(&w);
	assert_true(world_named(&w, w.items[0].worker, MP_MSG_WORK_SETTLED, &w.items[0].id));
	assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN),
		w.items[1].worker == w.items[2].worker ? 1 : 2);
	assert_int_equal(w.items[1].deps, 1);
	assert_int_equal(world_ok(&w, 2), 0);
	assert_int_equal(world_ok(&w, 1), 0);
	world_settle(&w);
	assert_int_equal(w.items[3].deps, 2);
	assert_int_equal(world_ok(&w, 3), 0);
	world_forget(&w);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	assert_int_equal(world_entries(&w, MP_ENTRY_END), 1);
	assert_int_equal(world_count(&w, w.items[3].worker, MP_MSG_WORK_END), 1);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	assert_true(mp_lead_deadline(w.lead) == MP_TIME_NEVER);
	world_fini(&w);
}

static void
test_nothing_without_lease(void **state)
{
	struct world w;

	(void)state;
	unit_graph_diamond(&w.graph);
	world_init(&w, 2);
	w.raft.lease = false;
	world_settle(&w);
	assert_int_equal(w.raft.count, 1);
	assert_true(mp_lead_deadline(w.lead) == MP_TIME_NEVER);
	w.raft.lease = true;
	world_settle(&w);
	assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN), 1);
	world_fini(&w);
}

/* The log refuses for a while: nothing is handed out that was not proposed. */
static void
test_log_refuses(void **state)
{
	struct world w;

	(void)state;
	unit_graph_diamond(&w.graph);
	world_init(&w, 2);
	world_plan(&w);
	world_commit(&w);
	w.raft.refuses = true;
	world_plan(&w);
	/* What was handed out before the log was asked; its result cannot be logged before it. */
	assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN), 1);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 0);
	assert_int_not_equal(world_ok(&w, 0), 0);
	assert_true(mp_lead_deadline(w.lead) < MP_TIME_NEVER);
	w.raft.refuses = false;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 1);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	world_fini(&w);
}

/* Four modules: m0 runs on n1 and m1 on n2 when the leader changes; m2 and m3 had no slot. */
static void
take_over(struct world *w)
{
	unit_graph_init(&w->graph, 4);
	world_init(w, 1);
	w->roster.caps[3].slots = 0;
	world_settle(w);
	assert_int_equal(mp_lead_outstanding(w->lead), 2);
	world_forget(w);
	world_sleep(w, 5000);
	w->roster.caps[3].slots = 8;
	world_lead(w, 2);
}

static void
test_takeover(void **state)
{
	struct mp_work_state running;
	struct world_item first;
	struct world w;

	(void)state;
	take_over(&w);
	first = w.items[0];
	world_plan(&w);
	for (int i = 1; i < WORLD_NODES; i++) {
		assert_int_equal(world_count(&w, i, MP_MSG_WORK_LEAD), 1);
		assert_int_equal(world_count(&w, i, MP_MSG_WORK_STATUS_REQ), 1);
	}
	/* It runs: adopted, and its result counts. */
	running = (struct mp_work_state){first.id, MP_WORK_RUNNING};
	assert_int_equal(
		world_status(&w, first.worker, world_asked(&w, first.worker), 1, &running, 1), 0);
	world_settle(&w);
	assert_int_equal(world_status(&w, 0, world_asked(&w, 0), 1, NULL, 0), 0);
	assert_int_equal(world_status(&w, 3, world_asked(&w, 3), 1, NULL, 0), 0);
	/* What runs is withheld until its worker has answered; the rest, until all have. */
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 2);
	assert_true(mp_lead_deadline(w.lead) <= w.env.now_ms + 250);
	mp_lead_link(w.lead, &w.env, world_id(&w, 2), MP_LINK_REFUSED);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 4);
	assert_int_equal(w.items[2].id.term, 2);
	assert_int_equal(w.items[2].worker, 3);
	assert_int_equal(w.items[0].id.term, 1);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	assert_int_equal(w.run.modules[0].lost, 0);
	world_fini(&w);
}

/* A worker that gives itself work of a leader before this one, or has it from somebody who could
 * never lead, has no offer for it. */
static void
test_takeover_forged(void **state)
{
	struct mp_work_state done;
	struct world_item first;
	struct world w;

	(void)state;
	take_over(&w);
	first = w.items[0];
	assert_int_equal(first.worker, 1);
	world_plan(&w);
	assert_int_equal(world_result(&w, &first, MP_STATUS_OK, SPOIL_LEADER), MP_EAUTH);
	done = (struct mp_work_state){first.id, MP_WORK_DONE};
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, &done, 1), 0);
	assert_int_equal(world_result(&w, &first, MP_STATUS_OK, SPOIL_LEADER), MP_EAUTH);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 0);
	world_fini(&w);
}

/* Who is silent does not hold up the others for long. */
static void
test_takeover_silent(void **state)
{
	struct mp_work_state running;
	struct world w;

	(void)state;
	take_over(&w);
	world_plan(&w);
	/* Who led before is not waited for long. */
	w.run.leader_before = *world_id(&w, 2);
	running = (struct mp_work_state){w.items[0].id, MP_WORK_RUNNING};
	assert_int_equal(w.items[0].worker, 1);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, &running, 1), 0);
	assert_int_equal(world_status(&w, 0, world_asked(&w, 0), 1, NULL, 0), 0);
	assert_int_equal(world_status(&w, 3, world_asked(&w, 3), 1, NULL, 0), 0);
	world_sleep(&w, 240 - MP_LEAD_UNLOGGED_MS);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 2);
	world_sleep(&w, 10 + MP_LEAD_UNLOGGED_MS);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 4);
	world_fini(&w);
	/* Of the others a busy one may take longer. */
	take_over(&w);
	world_plan(&w);
	world_sleep(&w, 900);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 2);
	world_sleep(&w, 100);
	world_settle(&w);
	assert_int_equal(mp_lead_outstanding(w.lead), 4);
	world_fini(&w);
}

static void
test_disowned(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	take_over(&w);
	first = w.items[0];
	world_plan(&w);
	assert_int_equal(
		world_status(&w, first.worker, world_asked(&w, first.worker), 1, NULL, 0), 0);
	world_forget(&w);
	world_settle(&w);
	/* Once may be a message that crossed another; asked again at once. */
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	assert_int_equal(world_count(&w, first.worker, MP_MSG_WORK_STATUS_REQ), 1);
	assert_int_equal(
		world_status(&w, first.worker, world_asked(&w, first.worker), 1, NULL, 0), 0);
	world_sleep(&w, 1000);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	assert_int_equal(w.run.modules[0].lost, 1);
	assert_int_equal(w.items[0].id.term, 2);
	assert_int_equal(w.items[0].attempt_number, 2);
	world_fini(&w);
}

/* An answer to a request from before an attempt was handed out says nothing about it. */
static void
test_old_answer(void **state)
{
	uint64_t seq;
	struct world w;

	(void)state;
	take_over(&w);
	world_plan(&w);
	seq = world_asked(&w, 3);
	assert_true(seq > 0);
	world_sleep(&w, 1000);
	world_plan(&w);
	assert_int_equal(w.items[2].worker, 3);
	assert_int_equal(world_status(&w, 3, seq, 1, NULL, 0), 0);
	assert_int_equal(world_status(&w, 3, seq, 1, NULL, 0), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	world_fini(&w);
}

/* The log has m1 on a worker that had no room for it; where it went then went down with the old
 * leader, and it runs there. */
static void
test_adopts_given_back(void **state)
{
	struct mp_work_state running = {{.module = 1, .term = 1, .counter = 77}, MP_WORK_RUNNING};
	struct world w;
	int before;

	(void)state;
	take_over(&w);
	before = w.items[1].worker;
	world_plan(&w);
	assert_int_equal(world_state(&w, 1), MP_MODULE_RUNNING);
	assert_int_equal(world_status(&w, 3, world_asked(&w, 3), 1, &running, 1), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(world_status(&w, before, world_asked(&w, before), 1, NULL, 0), 0);
		world_settle(&w);
	}
	world_sleep(&w, 1000);
	world_settle(&w);
	assert_true(mp_attempt_eq(&w.run.modules[1].attempt, &running.attempt));
	assert_int_equal(world_state(&w, 1), MP_MODULE_RUNNING);
	assert_int_equal(w.run.modules[1].lost, 0);
	assert_int_equal(w.run.modules[1].attempts, 1);
	world_fini(&w);
}

/* n2 has m2, whose ASSIGNED went down with the old leader. */
static void
adopts_unlogged(enum mp_work_phase phase)
{
	struct mp_work_state states[2];
	struct world w;

	take_over(&w);
	w.roster.caps[3].slots = 0;
	mp_lead_members(w.lead, &w.env);
	world_plan(&w);
	assert_int_equal(world_state(&w, 2), MP_MODULE_READY);
	states[0] = (struct mp_work_state){w.items[1].id, MP_WORK_RUNNING};
	states[1] = (struct mp_work_state){{.module = 2, .term = 1, .counter = 77}, phase};
	assert_int_equal(world_status(&w, w.items[1].worker, world_asked(&w, w.items[1].worker), 1,
				 states, 2),
		0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 2), MP_MODULE_RUNNING);
	assert_true(mp_attempt_eq(&w.run.modules[2].attempt, &states[1].attempt));
	assert_int_equal(mp_lead_outstanding(w.lead), 3);
	world_fini(&w);
}

static void
test_adopts_unlogged(void **state)
{
	(void)state;
	adopts_unlogged(MP_WORK_QUEUED);
	adopts_unlogged(MP_WORK_RUNNING);
	adopts_unlogged(MP_WORK_DONE);
}

/* What ended before is killed where it still runs and settled where it is held. */
static void
test_status_of_ended(void **state)
{
	struct mp_work_state states[2];
	struct world w;

	(void)state;
	take_over(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 0);
	world_plan(&w);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	states[0] =
		(struct mp_work_state){{.module = 0, .term = 1, .counter = 50}, MP_WORK_RUNNING};
	states[1] = (struct mp_work_state){w.items[0].id, MP_WORK_DONE};
	world_forget(&w);
	assert_int_equal(world_status(&w, 3, 0, 1, states, 2), 0);
	world_plan(&w);
	assert_true(world_named(&w, 3, MP_MSG_WORK_KILL, &states[0].attempt));
	assert_true(world_named(&w, 3, MP_MSG_WORK_SETTLED, &states[1].attempt));
	assert_false(world_named(&w, 3, MP_MSG_WORK_SETTLED, &states[0].attempt));
	world_fini(&w);
}

static void
test_late_result(void **state)
{
	struct world_item first;
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 1);
	world_init(&w, 1);
	world_settle(&w);
	first = w.items[0];
	w.roster.members[first.worker].state = MP_MEMBER_LEFT;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	assert_true(w.items[0].worker != first.worker);
	assert_int_equal(w.items[0].attempt_number, 2);
	/* A late failure is not the running attempt's business; a late success is. */
	world_forget(&w);
	assert_int_equal(world_result(&w, &first, MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_true(world_named(&w, first.worker, MP_MSG_WORK_SETTLED, &first.id));
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(world_result(&w, &first, MP_STATUS_OK, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	assert_true(world_named(&w, w.items[0].worker, MP_MSG_WORK_KILL, &w.items[0].id));
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	world_fini(&w);
}

static void
test_lost_by_boot(void **state)
{
	struct mp_work_state held;
	struct world w;

	(void)state;
	world_run_one(&w);
	held = (struct mp_work_state){w.items[0].id, MP_WORK_DONE};
	/* It comes back with a result that it kept: nothing is lost. */
	assert_int_equal(world_status(&w, 1, 0, 1, &held, 1), 0);
	w.roster.members[1].incarnation = 2ull << 32;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_STATUS_REQ), 1);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 2, &held, 1), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	/* And once more without it: lost at once. */
	w.roster.members[1].incarnation = 3ull << 32;
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	world_sleep(&w, MP_LEAD_ASK_MS);
	world_settle(&w);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 3, NULL, 0), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	world_fini(&w);
}

static void
test_lost_by_refusal(void **state)
{
	struct world w;

	(void)state;
	world_run_one(&w);
	w.roster.members[1].refused = true;
	mp_lead_link(w.lead, &w.env, world_id(&w, 1), MP_LINK_REFUSED);
	mp_lead_members(w.lead, &w.env);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	world_fini(&w);
}

static void
test_lost_by_silence(void **state)
{
	struct world w;

	(void)state;
	world_run_one(&w);
	world_pass(&w, 13, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	world_pass(&w, 4, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	world_fini(&w);
}

static void
test_old_attempts_have_more_time(void **state)
{
	struct world w;

	(void)state;
	world_run_one(&w);
	world_pass(&w, 1000, true);
	world_pass(&w, 98, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	world_pass(&w, 20, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	world_fini(&w);
}

/* Silence while we could not act ourselves does not count. */
static void
test_silence_of_ours(void **state)
{
	struct world w;

	(void)state;
	world_run_one(&w);
	w.raft.lease = false;
	world_plan(&w);
	world_sleep(&w, 100000);
	w.raft.lease = true;
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 0);
	assert_int_equal(world_count(&w, 1, MP_MSG_WORK_STATUS_REQ), 1);
	world_pass(&w, 17, false);
	assert_int_equal(world_entries(&w, MP_ENTRY_LOST), 1);
	world_fini(&w);
}

static void
test_retry(void **state)
{
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 1);
	w.graph.modules[0].retry = (struct mp_retry){
		.attempts = 3, .backoff_ms = 4000, .max_backoff_ms = 60000, .on_exit = true};
	world_init(&w, 1);
	world_settle(&w);
	assert_int_equal(world_result(&w, &w.items[0], MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_RETRY), 1);
	assert_int_equal(world_state(&w, 0), MP_MODULE_BACKOFF);
	world_sleep(&w, 3999);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_BACKOFF);
	world_sleep(&w, 2001);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(w.items[0].attempt_number, 2);
	/* Twice as long the second time, and then no more. */
	assert_int_equal(world_result(&w, &w.items[0], MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	world_settle(&w);
	world_sleep(&w, 7999);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_BACKOFF);
	world_sleep(&w, 4001);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	assert_int_equal(w.items[0].attempt_number, 3);
	assert_int_equal(world_result(&w, &w.items[0], MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_FAILED);
	assert_int_equal(world_entries(&w, MP_ENTRY_RETRY), 2);
	world_fini(&w);
}

/* A leader that takes over finds a module waiting, and its own clock elsewhere. */
static void
test_retry_survives_a_leader(void **state)
{
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 1);
	w.graph.modules[0].retry = (struct mp_retry){
		.attempts = 2, .backoff_ms = 4000, .max_backoff_ms = 60000, .on_exit = true};
	world_init(&w, 1);
	world_settle(&w);
	assert_int_equal(world_result(&w, &w.items[0], MP_STATUS_FAILED, SPOIL_NOTHING), 0);
	world_settle(&w);
	w.env.wall_ms -= 3600000;
	world_lead(&w, 2);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_BACKOFF);
	assert_true(mp_lead_deadline(w.lead) <= w.env.now_ms + 90001);
	world_sleep(&w, 90001);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_RUNNING);
	world_fini(&w);
}

static void
test_cancel(void **state)
{
	struct world_item running[2];
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 3);
	unit_graph_need(&w.graph, 2, 1);
	world_init(&w, 2);
	world_settle(&w);
	running[0] = w.items[0];
	running[1] = w.items[1];
	world_forget(&w);
	assert_int_equal(world_cancel(&w, "anna"), 0);
	world_settle(&w);
	for (int i = 0; i < 2; i++)
		assert_true(world_named(&w, running[i].worker, MP_MSG_WORK_KILL, &running[i].id));
	assert_int_equal(world_result(&w, &running[0], MP_STATUS_CANCELLED, SPOIL_NOTHING), 0);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_RUNNING);
	/* The other was given back before it started. */
	assert_int_equal(world_reject(&w, &running[1], MP_REJECT_STOPPING), 0);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_CANCELLED);
	assert_int_equal(world_cancel(&w, "bert"), 0);
	assert_int_equal(world_entries(&w, MP_ENTRY_CANCEL), 1);
	world_fini(&w);
}

/* Once END is in the log, nothing follows it. */
static void
test_cancel_at_the_end(void **state)
{
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 1);
	world_init(&w, 1);
	world_settle(&w);
	assert_int_equal(world_ok(&w, 0), 0);
	world_commit(&w);
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_END), 1);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_RUNNING);
	assert_int_equal(world_cancel(&w, "anna"), 0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_CANCEL), 0);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	world_fini(&w);
}

static unsigned verified;

static int
counting_verify(const uint8_t pub[32], const struct mp_sig *sig, struct mp_span msg)
{
	verified++;
	return fake_verify(pub, sig, msg);
}

/* What a leader signed itself it does not verify: of its own attempts only the worker's word. */
static void
test_own_offers_are_known(void **state)
{
	struct mp_crypto counting = fake_crypto;
	struct world w;

	(void)state;
	counting.verify = counting_verify;
	unit_graph_init(&w.graph, 2);
	world_init(&w, 1);
	world_settle(&w);
	w.env.crypto = &counting;
	verified = 0;
	assert_int_equal(world_ok(&w, 0), 0);
	assert_int_equal(verified, 1);
	assert_int_equal(world_result(&w, &w.items[1], MP_STATUS_OK, SPOIL_OFFER_SIG), MP_ESIG);
	assert_int_equal(verified, 3);
	w.env.crypto = &fake_crypto;
	world_settle(&w);
	assert_int_equal(world_ok(&w, 1), 0);
	world_settle(&w);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	world_fini(&w);
}

static void
test_forged_results(void **state)
{
	static const enum world_spoil spoils[] = {SPOIL_SIGNATURE, SPOIL_SPEC, SPOIL_INPUTS,
		SPOIL_OFFER, SPOIL_OFFER_SIG, SPOIL_LEADER, SPOIL_NODE};
	struct world w;

	(void)state;
	for (size_t i = 0; i < mp_countof(spoils); i++) {
		unit_graph_init(&w.graph, 1);
		world_init(&w, 1);
		world_settle(&w);
		assert_int_not_equal(world_result(&w, &w.items[0], MP_STATUS_OK, spoils[i]), 0);
		world_settle(&w);
		assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 0);
		/* Whoever sends such a thing is not waited for. */
		assert_int_equal(w.run.modules[0].lost, 1);
		assert_int_equal(world_ok(&w, 0), 0);
		world_settle(&w);
		assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
		world_fini(&w);
	}
}

static void
test_unplaceable(void **state)
{
	struct mp_error why;
	bool unplaceable;
	struct world w;

	(void)state;
	unit_graph_init(&w.graph, 2);
	w.graph.modules[0].os = "macos";
	w.graph.modules[0].placement_timeout_ms = 5000;
	unit_graph_need(&w.graph, 1, 0);
	world_init(&w, 1);
	world_settle(&w);
	assert_true(mp_lead_waits(w.lead, 0, &unplaceable, &why));
	assert_true(unplaceable);
	assert_false(mp_lead_waits(w.lead, 1, &unplaceable, &why));
	for (int i = 0; i < 8; i++) {
		world_sleep(&w, 1000);
		if (mp_lead_deadline(w.lead) <= w.env.now_ms)
			world_settle(&w);
	}
	assert_int_equal(world_entries(&w, MP_ENTRY_SKIP), 1);
	assert_int_equal(world_state(&w, 0), MP_MODULE_FAILED);
	assert_int_equal(world_state(&w, 1), MP_MODULE_SKIPPED);
	assert_int_equal(mp_run_state(&w.run), MP_RUN_FAILED);
	world_fini(&w);
}

/* A worker that answers a new leader only with its result. */
static void
test_results_before_status(void **state)
{
	struct mp_work_state done;
	struct world w;

	(void)state;
	take_over(&w);
	done = (struct mp_work_state){w.items[0].id, MP_WORK_DONE};
	assert_int_equal(world_ok(&w, 0), 0); /* not begun: it will say it again */
	world_plan(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_FINISHED), 0);
	world_forget(&w);
	assert_int_equal(world_status(&w, w.items[0].worker, 1, 1, &done, 1), 0);
	world_plan(&w);
	assert_int_equal(world_count(&w, w.items[0].worker, MP_MSG_WORK_LEAD), 1);
	assert_int_equal(world_ok(&w, 0), 0);
	world_settle(&w);
	assert_int_equal(world_state(&w, 0), MP_MODULE_SUCCEEDED);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diamond),
		cmocka_unit_test(test_nothing_without_lease),
		cmocka_unit_test(test_log_refuses),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_takeover_silent),
		cmocka_unit_test(test_takeover_forged),
		cmocka_unit_test(test_disowned),
		cmocka_unit_test(test_old_answer),
		cmocka_unit_test(test_adopts_given_back),
		cmocka_unit_test(test_adopts_unlogged),
		cmocka_unit_test(test_status_of_ended),
		cmocka_unit_test(test_late_result),
		cmocka_unit_test(test_lost_by_boot),
		cmocka_unit_test(test_lost_by_refusal),
		cmocka_unit_test(test_lost_by_silence),
		cmocka_unit_test(test_old_attempts_have_more_time),
		cmocka_unit_test(test_silence_of_ours),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_retry_survives_a_leader),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_at_the_end),
		cmocka_unit_test(test_forged_results),
		cmocka_unit_test(test_own_offers_are_known),
		cmocka_unit_test(test_unplaceable),
		cmocka_unit_test(test_results_before_status),
	};

	return cmocka_run_group_tests_name("lead", tests, NULL, NULL);
}
