/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/runs_case.h"

/* Nobody says anything any more. */
static void
assert_at_rest(struct cluster *c)
{
	uint64_t before[CLUSTER_MAX];
	mp_time have = cluster_profile.push_pull_ms;

	for (int i = 0; i < c->count; i++)
		before[i] = c->nodes[i].sent;
	cluster_run(c, have);
	for (int i = 0; i < c->count; i++)
		assert_true(c->nodes[i].sent - before[i] <= 8); /* what is known, now and then */
}

static void
test_three_nodes(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s;
	struct mp_show show;

	(void)state;
	submit_ok(c, 1, &s);
	cluster_run(c, 5000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c->started[i], 1);
	assert_int_equal(state_at(c, 0, &s.run, &show), MP_RUN_SUCCEEDED);
	assert_int_equal(show.elector_count, 3);
	assert_int_equal(show.states[MP_MODULE_SUCCEEDED], 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mp_runs_led(c->nodes[i].runs), 0);
	assert_int_equal(c->refused, 0);
	assert_at_rest(c);
	cluster_free(c);
}

static void
die(struct cluster *c, int node)
{
	node_crash(c, node);
	c->roster.members[node].state = MP_MEMBER_DEAD;
	c->roster.members[node].refused = true;
	c->roster.version++;
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up)
			mp_runs_members(c->nodes[i].runs, &c->nodes[i].env);
	}
}

/* Who comes back without its rows has no say in what was before until it was let in again. */
static void
test_returned(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission old, new;
	const struct mp_raft *raft;

	(void)state;
	c->job_ms = 3000;
	submit_ok(c, 1, &old);
	cluster_run(c, 2000);
	assert_non_null(mp_runs_raft(c->nodes[2].runs, &old.run));
	node_crash(c, 2);
	node_lose_disk(c, 2);
	node_start(c, 2);
	cluster_run(c, 300);
	raft = mp_runs_raft(c->nodes[2].runs, &old.run);
	assert_non_null(raft);
	assert_true(mp_raft_loss(raft) != 0);
	cluster_run(c, 700);
	assert_false(mp_raft_lost(raft));
	/* Restarted, it is what it was. */
	node_crash(c, 2);
	node_start(c, 2);
	cluster_run(c, 100);
	raft = mp_runs_raft(c->nodes[2].runs, &old.run);
	assert_non_null(raft);
	assert_false(mp_raft_lost(raft));
	cluster_run(c, 60000);
	assert_all_ended(c, &old.run, MP_RUN_SUCCEEDED);
	submit_ok(c, 0, &new);
	cluster_run(c, 500);
	raft = mp_runs_raft(c->nodes[2].runs, &new.run);
	assert_non_null(raft);
	assert_int_equal(mp_raft_loss(raft), 0);
	cluster_run(c, 60000);
	assert_all_ended(c, &new.run, MP_RUN_SUCCEEDED);
	cluster_free(c);
}

/* One is replaced, then another one dies, who leads: there is a majority. */
static void
test_returned_votes(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s;

	(void)state;
	c->job_ms = 3000;
	submit_ok(c, 1, &s);
	cluster_run(c, 2000);
	node_crash(c, 2);
	node_lose_disk(c, 2);
	node_start(c, 2);
	cluster_run(c, 1000);
	assert_int_equal(leader_of(c), 1);
	die(c, 1);
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	cluster_free(c);
}

static void
test_one_node(void **state)
{
	struct cluster *c = cluster_new(1);
	struct submission s;

	(void)state;
	submit_ok(c, 0, &s);
	cluster_run(c, 5000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	/* Restarted: it is as it was, and nothing is written about it again. */
	node_crash(c, 0);
	node_start(c, 0);
	assert_int_equal(mp_runs_count(c->nodes[0].runs), 0);
	bring_back(c, 0, &s.run);
	assert_int_equal(state_at(c, 0, &s.run, NULL), MP_RUN_SUCCEEDED);
	assert_int_equal(mp_out_seq(c->nodes[0].env.out), 0);
	cluster_run(c, 60000);
	assert_int_equal(mp_out_seq(c->nodes[0].env.out), 0);
	cluster_free(c);
}

/* Two nodes: the opener alone decides, the other has it all. */
static void
test_two_nodes(void **state)
{
	struct cluster *c = cluster_new(2);
	struct submission s;

	(void)state;
	submit_ok(c, 0, &s);
	cluster_run(c, 5000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(mp_runs_count(c->nodes[0].runs), 1);
	assert_int_equal(mp_runs_count(c->nodes[1].runs), 1);
	assert_int_equal(mp_runs_have(c->nodes[1].runs, &s.run), MP_RUNS_HAVE_LATEST);
	cluster_run(c, 60000);
	assert_int_equal(state_at(c, 1, &s.run, NULL), MP_RUN_SUCCEEDED);
	cluster_free(c);
}

/* A mirror that was away gets what it missed, of a run that has ended too; and nobody waits for
 * it meanwhile. */
static void
test_mirror_catches_up(void **state)
{
	struct cluster *c = cluster_new(2);
	struct mp_hash digest[2];
	struct submission s;
	uint64_t index[2];

	(void)state;
	submit_ok(c, 0, &s);
	node_crash(c, 1);
	cluster_run(c, 30000);
	cluster_run(c, 60000);
	node_start(c, 1);
	cluster_run(c, 60000);
	for (int i = 0; i < 2; i++) {
		assert_true(mp_runs_state_digest(
			c->nodes[i].runs, &c->nodes[i].env, &s.run, &index[i], &digest[i]));
		assert_int_equal(state_at(c, i, &s.run, NULL), MP_RUN_SUCCEEDED);
	}
	assert_int_equal(index[0], index[1]);
	assert_true(mp_hash_eq(&digest[0], &digest[1]));
	/* Without the opener it shows what there is, and decides nothing. */
	node_crash(c, 0);
	cluster_run(c, 60000);
	assert_int_equal(state_at(c, 1, &s.run, NULL), MP_RUN_SUCCEEDED);
	assert_int_equal(mp_runs_led(c->nodes[1].runs), 0);
	cluster_free(c);
}

static void
test_leader_dies(void **state)
{
	struct cluster *c = cluster_new(4);
	struct submission s;
	int leader;

	(void)state;
	c->job_ms = 4000;
	submit_ok(c, 0, &s);
	cluster_run(c, 6000);
	leader = leader_of(c);
	assert_int_equal(leader, 0);
	/* One module has finished, two run. */
	assert_int_equal(c->started[0], 1);
	assert_int_equal(c->started[1] + c->started[2], 2);
	die(c, leader);
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(c->started[0], 1);
	/* It comes back, and learns how it ended. */
	c->roster.members[leader].state = MP_MEMBER_ALIVE;
	c->roster.members[leader].refused = false;
	c->roster.version++;
	node_start(c, leader);
	cluster_run(c, 90000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(mp_runs_have(c->nodes[0].runs, &s.run), MP_RUNS_HAVE_LATEST);
	assert_at_rest(c);
	cluster_free(c);
}

/* The opener dies when it has just told the submitter, and one elector has nothing of the run yet:
 * it gets it from the other, who heard that the run is open. */
static void
test_opener_dies(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_error err = {0};
	struct submission s;

	(void)state;
	c->nodes[2].deaf = true;
	assert_int_equal(submit(c, 0, DIAMOND, &s, &err), 0);
	for (int i = 0; i < 100 && !s.done; i++)
		cluster_run(c, 1);
	assert_true(s.done);
	assert_int_equal(s.rc, 0);
	die(c, 0);
	cluster_run(c, 2);
	assert_int_equal(mp_runs_have(c->nodes[2].runs, &s.run), MP_RUNS_HAVE_NOTHING);
	c->nodes[2].deaf = false;
	cluster_run(c, 60000);
	for (int i = 1; i < 3; i++)
		assert_int_equal(state_at(c, i, &s.run, NULL), MP_RUN_SUCCEEDED);
	cluster_free(c);
}

/* An elector that is cut off does not hold the run up, and catches up when it is back. */
static void
test_elector_away(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s;

	(void)state;
	c->nodes[2].deaf = true;
	submit_ok(c, 0, &s);
	cluster_run(c, 40000);
	assert_int_equal(state_at(c, 0, &s.run, NULL), MP_RUN_SUCCEEDED);
	assert_int_equal(mp_runs_have(c->nodes[2].runs, &s.run), MP_RUNS_HAVE_NOTHING);
	c->nodes[2].deaf = false;
	cluster_run(c, 90000);
	assert_true(mp_runs_ended(c->nodes[2].runs, &s.run));
	cluster_free(c);
}

/* Crashed in mid-run with its log: it lags, stands, and wakes those who are at rest. */
static void
test_elector_lags(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s;

	(void)state;
	c->job_ms = 2000;
	submit_ok(c, 0, &s);
	cluster_run(c, 1000);
	node_crash(c, 2);
	c->roster.members[2].state = MP_MEMBER_DEAD;
	c->roster.members[2].refused = true;
	c->roster.version++;
	for (int i = 0; i < 2; i++)
		mp_runs_members(c->nodes[i].runs, &c->nodes[i].env);
	cluster_run(c, 60000);
	assert_int_equal(state_at(c, 0, &s.run, NULL), MP_RUN_SUCCEEDED);
	assert_at_rest(c);
	c->roster.members[2].state = MP_MEMBER_ALIVE;
	c->roster.members[2].refused = false;
	c->roster.version++;
	node_start(c, 2);
	cluster_run(c, 90000);
	assert_int_equal(mp_runs_have(c->nodes[2].runs, &s.run), MP_RUNS_HAVE_LATEST);
	assert_int_equal(state_at(c, 2, &s.run, NULL), MP_RUN_SUCCEEDED);
	assert_at_rest(c);
	cluster_free(c);
}

/* Everybody loses power in mid-run. */
static void
test_all_restart(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s;

	(void)state;
	c->job_ms = 2000;
	submit_ok(c, 0, &s);
	cluster_run(c, 3000);
	for (int i = 0; i < 3; i++)
		node_crash(c, i);
	for (int i = 0; i < 3; i++)
		node_start(c, i);
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(c->started[0], 1);
	/* And once more when all is over. */
	for (int i = 0; i < 3; i++)
		node_crash(c, i);
	for (int i = 0; i < 3; i++)
		node_start(c, i);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_at_rest(c);
	cluster_free(c);
}

/* Of many ended runs only a few stay in memory, and all can be looked at. */
static void
test_ended_runs_go_away(void **state)
{
	enum { RUNS = MP_RUNS_RESTING_MAX + 4 };
	struct cluster *c = cluster_new(3);
	struct mp_hash before[RUNS], after;
	struct submission s[RUNS];
	uint64_t index;

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		submit_ok(c, i % 3, &s[i]);
		cluster_run(c, 2000);
		assert_true(mp_runs_state_digest(
			c->nodes[0].runs, &c->nodes[0].env, &s[i].run, &index, &before[i]));
	}
	cluster_run(c, 60000);
	for (int node = 0; node < 3; node++)
		assert_int_equal(mp_runs_count(c->nodes[node].runs), MP_RUNS_RESTING_MAX);
	for (int i = 0; i < RUNS; i++) {
		if (mp_runs_have(c->nodes[0].runs, &s[i].run) == MP_RUNS_HAVE_AWAY)
			bring_back(c, 0, &s[i].run);
		assert_int_equal(state_at(c, 0, &s[i].run, NULL), MP_RUN_SUCCEEDED);
		assert_true(mp_runs_state_digest(
			c->nodes[0].runs, &c->nodes[0].env, &s[i].run, &index, &after));
		assert_true(mp_hash_eq(&before[i], &after));
	}
	assert_int_equal(mp_runs_count(c->nodes[0].runs), MP_RUNS_RESTING_MAX);
	assert_at_rest(c);
	cluster_free(c);
}

/* A worker that still holds a result of a run that is away is told to forget it. */
static void
test_worker_of_a_run_away(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_buf *buf;
	struct submission s;

	(void)state;
	submit_ok(c, 0, &s);
	cluster_run(c, 60000);
	for (int i = 0; i < 3; i++)
		node_crash(c, i);
	for (int i = 0; i < 3; i++)
		node_start(c, i);
	cluster_run(c, 1000);
	assert_int_equal(mp_runs_have(c->nodes[0].runs, &s.run), MP_RUNS_HAVE_AWAY);
	for (int i = 0; i < 3; i++) {
		step_begin(c, 0);
		buf = mp_out_scratch(c->nodes[0].env.out);
		assert_int_equal(mp_msg_work_who_encode(buf, &s.run), 0);
		cluster_say(c, 1, 0, mp_buf_span(buf));
		step_end(c, 0);
		cluster_run(c, 2000);
	}
	assert_int_equal(mp_runs_have(c->nodes[0].runs, &s.run), MP_RUNS_HAVE_LATEST);
	assert_int_equal(leader_of(c), 0);
	cluster_run(c, 60000);
	assert_int_equal(leader_of(c), -1);
	assert_at_rest(c);
	cluster_free(c);
}

#define NOWHERE                                                                                    \
	"meshpipe: 1\nname: nowhere\nmodules:\n"                                                   \
	"  a: { run: [\"true\"], requires: { tools: [no-such] }, placement_timeout: 2s }\n"        \
	"  b: { needs: [a], run: [\"true\"] }\n"                                                   \
	"  c: { needs: [b], run: [\"true\"] }\n"

static void
assert_tells(struct mp_list *modules, enum mp_module_state state, const char *part)
{
	struct mp_show_module m;
	char text[MP_ERROR_TEXT_MAX];

	assert_true(mp_show_module_next(modules, &m));
	assert_int_equal(m.state, state);
	assert_true(m.text.n < sizeof(text));
	memcpy(text, m.text.p, m.text.n);
	text[m.text.n] = '\0';
	assert_non_null(strstr(text, part));
}

/* What has ended without a result says why. */
static void
test_ending_without_result(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_error err = {0};
	struct submission s;
	struct mp_show show;
	struct mp_buf buf;

	(void)state;
	assert_int_equal(submit(c, 0, NOWHERE, &s, &err), 0);
	cluster_run(c, 10000);
	assert_all_ended(c, &s.run, MP_RUN_FAILED);
	mp_buf_init(&buf, &c->alloc, 1u << 20);
	assert_int_equal(
		mp_runs_snapshot(c->nodes[0].runs, &c->nodes[0].env, &s.run, 0, 100, &buf), 0);
	assert_int_equal(mp_show_decode(mp_buf_span(&buf), &show), 0);
	assert_tells(&show.modules, MP_MODULE_FAILED, "no-such");
	assert_tells(&show.modules, MP_MODULE_SKIPPED, "a did not succeed");
	assert_tells(&show.modules, MP_MODULE_SKIPPED, "b was skipped");
	mp_buf_fini(&buf);
	cluster_free(c);
}

static void
test_find_and_list(void **state)
{
	static const char digits[] = "0123456789abcdef";
	struct cluster *c = cluster_new(1);
	struct submission s[2];
	struct mp_show_run run;
	struct mp_run_id id;
	struct mp_list list;
	struct mp_buf buf;
	char text[9];

	(void)state;
	submit_ok(c, 0, &s[0]);
	cluster_run(c, 5000);
	submit_ok(c, 0, &s[1]);
	for (int i = 0; i < 8; i++)
		text[i] = digits[i % 2 == 0 ? s[0].run.b[i / 2] >> 4 : s[0].run.b[i / 2] & 15];
	assert_int_equal(mp_runs_find(c->nodes[0].runs, mp_span(text, 8), &id), 0);
	assert_true(mp_run_id_eq(&id, &s[0].run));
	assert_int_equal(mp_runs_find(c->nodes[0].runs, mp_span(text, 3), &id), MP_EINVAL);
	assert_int_equal(mp_runs_find(c->nodes[0].runs, mp_span_str("wxyz"), &id), MP_EINVAL);
	mp_buf_init(&buf, &c->alloc, 1u << 20);
	assert_int_equal(mp_runs_list(c->nodes[0].runs, &c->nodes[0].env, &buf), 0);
	assert_int_equal(mp_show_list_decode(mp_buf_span(&buf), &list), 0);
	assert_true(mp_show_list_next(&list, &run));
	assert_true(mp_run_id_eq(&run.run, &s[1].run));
	assert_true(mp_show_list_next(&list, &run));
	assert_int_equal(run.state, MP_RUN_SUCCEEDED);
	mp_buf_fini(&buf);
	cluster_free(c);
}

static void
test_refused_submissions(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_submission what = {.pipeline = mp_span_str("junk")};
	struct mp_error err = {0};
	struct submission s = {.req = {.done = submitted}};

	(void)state;
	step_begin(c, 0);
	assert_int_equal(mp_runs_submit(c->nodes[0].runs, &c->nodes[0].env, &what, &s.req, &err),
		MP_EPIPELINE);
	assert_true(err.text[0] != '\0');
	mp_runs_stop(c->nodes[0].runs, &c->nodes[0].env);
	step_end(c, 0);
	assert_int_equal(submit(c, 0, DIAMOND, &s, &err), MP_EBUSY);
	assert_int_equal(disk_count(&c->nodes[0], MP_TABLE_RUN), 0);
	cluster_free(c);
}

static size_t
boxes(const struct cluster *c)
{
	size_t n = 0;

	for (int i = 0; i < c->count; i++)
		n += mp_runs_count(c->nodes[i].runs);
	return n;
}

/* Electors take the run and forget it as asked, but no word of theirs comes back: nobody else is
 * asked before they have confirmed it. */
static void
test_unconfirmed_abort(void **state)
{
	struct cluster *c = cluster_new(5);
	struct mp_error err = {0};
	struct submission s;

	(void)state;
	c->one_way = true;
	assert_int_equal(submit(c, 0, DIAMOND, &s, &err), 0);
	cluster_run(c, 2000);
	assert_int_equal(boxes(c), 3);
	cluster_run(c, 18000);
	assert_false(s.done);
	assert_int_equal(boxes(c), 0);
	c->one_way = false;
	cluster_run(c, 20000);
	assert_true(s.done);
	assert_int_equal(s.rc, 0);
	cluster_run(c, 20000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(boxes(c), 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c->started[i], 1);
	cluster_free(c);
}

/* Both other electors have the run when their opener is cut off: they start it between them. The
 * submitter cannot be told, but there is no second run. */
static void
test_one_submission_one_run(void **state)
{
	struct cluster *c = cluster_new(5);
	struct mp_error err = {0};
	struct submission s;

	(void)state;
	c->roster.caps[0].slots = 0;
	c->one_way = true;
	assert_int_equal(submit(c, 0, DIAMOND, &s, &err), 0);
	cluster_run(c, 2000);
	c->nodes[0].deaf = true;
	c->one_way = false;
	cluster_run(c, 20000);
	assert_false(s.done);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c->started[i], 1);
	c->nodes[0].deaf = false;
	cluster_run(c, 120000);
	assert_true(s.done);
	assert_int_equal(s.rc, MP_ETIMEOUT);
	assert_int_equal(boxes(c), 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c->started[i], 1);
	cluster_free(c);
}

/* The other electors cannot be reached. The opener has the record on its disk, and would hand it on
 * if it were started again: it asks nobody else before it has forgotten it there. */
static void
test_opener_forgets_first(void **state)
{
	struct cluster *c = cluster_new(5);
	struct mp_error err = {0};
	struct submission s;
	uint64_t sent;

	(void)state;
	for (int i = 1; i < 5; i++)
		c->nodes[i].deaf = true;
	assert_int_equal(submit(c, 0, DIAMOND, &s, &err), 0);
	cluster_run(c, 10);
	assert_int_equal(disk_count(&c->nodes[0], MP_TABLE_RUN), 1);
	sent = c->nodes[0].sent;
	step_begin(c, 0);
	for (int i = 1; i < 5; i++)
		mp_runs_link(c->nodes[0].runs, &c->nodes[0].env, &c->roster.members[i].id,
			MP_LINK_REFUSED);
	step_end(c, 0);
	assert_int_equal(c->nodes[0].sent, sent);
	for (int i = 1; i < 5; i++)
		c->nodes[i].deaf = false;
	cluster_run(c, 20000);
	assert_true(s.done);
	assert_int_equal(s.rc, 0);
	assert_int_equal(boxes(c), 3);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	cluster_free(c);
}

static void
drain(struct cluster *c, int node, bool on)
{
	c->roster.members[node].status = on ? MP_NODE_DRAINING : MP_NODE_AVAILABLE;
	c->roster.version++;
	step_begin(c, node);
	mp_runs_drain(c->nodes[node].runs, on);
	if (on)
		mp_runs_hand_over(c->nodes[node].runs, &c->nodes[node].env);
	step_end(c, node);
	for (int i = 0; i < c->count; i++) {
		step_begin(c, i);
		mp_runs_members(c->nodes[i].runs, &c->nodes[i].env);
		step_end(c, i);
	}
}

/* Who drains gives away what it leads, but not to one that drains as well, and takes nothing new.
 */
static void
test_drain(void **state)
{
	struct cluster *c = cluster_new(4);
	struct mp_error err = {0};
	struct submission s, second;
	struct mp_show show;

	(void)state;
	drain(c, 3, true);
	c->job_ms = 5000;
	submit_ok(c, 0, &s);
	assert_int_equal(leader_of(c), 0);
	assert_int_equal(mp_runs_leading(c->nodes[0].runs), 1);
	drain(c, 1, true);
	drain(c, 0, true);
	cluster_run(c, 500);
	assert_int_equal(leader_of(c), 2);
	assert_int_equal(mp_runs_leading(c->nodes[0].runs), 0);
	drain(c, 2, true); /* nobody is left: it goes on */
	cluster_run(c, 1000);
	assert_int_equal(leader_of(c), 2);
	assert_int_equal(submit(c, 0, DIAMOND, &second, &err), MP_EBUSY);
	assert_non_null(strstr(err.text, "draining"));
	drain(c, 0, false);
	drain(c, 1, false);
	drain(c, 2, false);
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	submit_ok(c, 0, &second);
	(void)state_at(c, 0, &second.run, &show);
	assert_int_equal(show.elector_count, 3);
	assert_int_equal(mp_runs_count(c->nodes[3].runs), 0);
	cluster_free(c);
}

/* Who refuses is replaced. */
static void
test_refusers_are_replaced(void **state)
{
	struct cluster *c = cluster_new(5);
	struct submission s;
	struct mp_show show;

	(void)state;
	for (int i = 1; i < 3; i++) {
		step_begin(c, i);
		mp_runs_stop(c->nodes[i].runs, &c->nodes[i].env);
		step_end(c, i);
	}
	for (int tries = 0; tries < 5; tries++) {
		submit_ok(c, 0, &s);
		cluster_run(c, 5000);
		assert_int_equal(state_at(c, 0, &s.run, &show), MP_RUN_SUCCEEDED);
		assert_int_equal(show.elector_count, 3);
	}
	assert_true(mp_runs_count(c->nodes[3].runs) + mp_runs_count(c->nodes[4].runs) >= 5);
	cluster_free(c);
}

/* Every elector has the four results, each under a base of its own. */
static void
expect_filed(const struct cluster *c, int node)
{
	const struct cluster_node *n = &c->nodes[node];

	assert_int_equal(n->filed, 4);
	assert_int_equal(n->filed_good, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(n->filings[i].key.b[31], i);
		assert_true(mp_hash_eq(&n->filings[i].base, &c->nodes[0].filings[i].base));
		for (size_t k = 0; k < i; k++)
			assert_false(mp_hash_eq(&n->filings[i].base, &n->filings[k].base));
	}
}

static void
test_results_are_filed(void **state)
{
	struct cluster *c = cluster_new(3);
	struct submission s, again;

	(void)state;
	c->key.b[0] = 1;
	submit_ok(c, 0, &s);
	cluster_run(c, 20000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	for (int i = 0; i < 3; i++)
		expect_filed(c, i);
	/* What was filed in an earlier life is not filed again. */
	node_crash(c, 1);
	node_start(c, 1);
	cluster_run(c, 5000);
	assert_true(mp_runs_ended(c->nodes[1].runs, &s.run));
	expect_filed(c, 1);
	/* Another run of the same modules: the same bases. */
	submit_ok(c, 2, &again);
	cluster_run(c, 20000);
	assert_all_ended(c, &again.run, MP_RUN_SUCCEEDED);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(c->nodes[i].filed, 8);
		assert_true(mp_hash_eq(&c->nodes[i].filings[4].base, &c->nodes[i].filings[0].base));
	}
	cluster_free(c);
}

static void
test_what_is_not_filed(void **state)
{
	struct cluster *c = cluster_new(1);
	struct submission s;
	struct mp_error err;

	(void)state;
	submit_ok(c, 0, &s); /* its workers name no key */
	cluster_run(c, 10000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(c->nodes[0].filed, 0);
	c->key.b[0] = 1;
	assert_int_equal(submit(c, 0,
				 "meshpipe: 1\nname: not\nmodules:\n"
				 "  a: { cache: false, run: [\"true\"] }\n",
				 &s, &err),
		0);
	cluster_run(c, 10000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(c->nodes[0].filed, 0);
	cluster_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_nodes),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_returned_votes),
		cmocka_unit_test(test_one_node),
		cmocka_unit_test(test_two_nodes),
		cmocka_unit_test(test_mirror_catches_up),
		cmocka_unit_test(test_leader_dies),
		cmocka_unit_test(test_opener_dies),
		cmocka_unit_test(test_elector_away),
		cmocka_unit_test(test_elector_lags),
		cmocka_unit_test(test_all_restart),
		cmocka_unit_test(test_ended_runs_go_away),
		cmocka_unit_test(test_worker_of_a_run_away),
		cmocka_unit_test(test_ending_without_result),
		cmocka_unit_test(test_find_and_list),
		cmocka_unit_test(test_refused_submissions),
		cmocka_unit_test(test_unconfirmed_abort),
		cmocka_unit_test(test_one_submission_one_run),
		cmocka_unit_test(test_opener_forgets_first),
		cmocka_unit_test(test_refusers_are_replaced),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_results_are_filed),
		cmocka_unit_test(test_what_is_not_filed),
	};

	return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
