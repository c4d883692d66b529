/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "ctl/diagnose.h"

static struct mp_diagnosis
fresh(void)
{
	return (struct mp_diagnosis){.id = {{1}}, .name = "alpha", .version = "0.1.0"};
}

static struct mp_snap_member
member(uint8_t id, const char *name)
{
	return (struct mp_snap_member){.node = {.id = {{id}}, .name = mp_span_str(name)},
		.state = MP_MEMBER_ALIVE,
		.status = MP_NODE_AVAILABLE,
		.path = MP_PATH_UDP,
		.silent_ms = 100,
		.rtt_ms = 1};
}

/* The only thing that was found. */
static void
found(struct mp_diagnosis *d, const char *what, bool note, const char *word)
{
	assert_int_equal(d->problems.count, 1);
	assert_string_equal(d->problems.list[0].what, what);
	assert_true(d->problems.list[0].note == note && d->problems.wrong == !note);
	assert_non_null(strstr(d->problems.list[0].text, word));
	assert_true(d->problems.list[0].advice[0] != '\0');
	mp_problems_free(&d->problems);
}

static void
test_members(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_caps caps = {.version = "0.1.0", .disk_bytes = 1000, .disk_free_bytes = 50};
	struct mp_snap_member m = member(2, "beta");

	(void)state;
	mp_diagnose_member(&d, &m, &caps);
	assert_int_equal(d.problems.count, 0);
	m.state = MP_MEMBER_SUSPECT;
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "suspect", false, "beta does not answer");
	m.state = MP_MEMBER_DEAD;
	m.silent_ms = 90000;
	m.has_skew = true;
	m.skew_ms = 1000000; /* what a dead one has said before does not count */
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "dead", false, "1m 30s");
	m = member(2, "beta");
	m.path = MP_PATH_TCP;
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "tcp_only", false, "datagrams between this node and beta");
	m = member(2, "beta");
	m.status = MP_NODE_DRAINING;
	m.load.drained = true;
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "draining", true, "is drained");
	m.status = MP_NODE_DOUBLED; /* dead or not */
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "doubled", false, "beta is shut out: two nodes");
	m.state = MP_MEMBER_DEAD;
	mp_diagnose_member(&d, &m, NULL);
	found(&d, "doubled", false, "beta is shut out: two nodes");
	m.state = MP_MEMBER_LEFT;
	mp_diagnose_member(&d, &m, NULL);
	assert_int_equal(d.problems.count, 0);
}

static void
test_caps(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_caps caps = {.version = "0.0.9", .disk_bytes = 1000, .disk_free_bytes = 50};
	struct mp_snap_member m = member(2, "beta");

	(void)state;
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "version", true, "beta runs version 0.0.9, this node 0.1.0");
	caps.version[0] = '\0'; /* of a node that does not tell */
	caps.disk_free_bytes = 20;
	mp_diagnose_member(&d, &m, &caps);
	found(&d, "disk_low", false, "disk");
	caps.disk_bytes = caps.disk_free_bytes = 0;
	mp_diagnose_member(&d, &m, &caps);
	mp_diagnose_member(&d, &m, NULL);
	assert_int_equal(d.problems.count, 0);
}

static void
test_timings(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_caps lan = {.slots = 1}, wan = {.wan = true};
	struct mp_snap_member a = member(2, "beta"), b = member(3, "gamma");

	(void)state;
	mp_diagnose_member(&d, &a, &lan);
	mp_diagnose_member(&d, &a, &lan);
	mp_diagnose_self(&d);
	assert_int_equal(d.problems.count, 0);
	mp_diagnose_member(&d, &b, &wan);
	mp_diagnose_self(&d);
	found(&d, "timings", false, "1 of 3 nodes have the timings of --profile wan");
	d = fresh();
	mp_diagnose_member(&d, &b, &wan);
	mp_diagnose_member(&d, &b, &wan);
	for (int i = 0; i < 200; i++)
		mp_diagnose_member(&d, &b, &wan);
	mp_diagnose_member(&d, &a, &lan);
	mp_diagnose_self(&d);
	found(&d, "timings", false, "the others those of wan: beta");
}

static void
test_clocks(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_snap_member m = member(2, "beta");

	(void)state;
	m.has_skew = true;
	m.skew_ms = -5001;
	m.rtt_ms = 2000; /* that is how well it is known */
	mp_diagnose_member(&d, &m, NULL);
	assert_int_equal(d.problems.count, 0);
	m.rtt_ms = 0;
	mp_diagnose_member(&d, &m, NULL);
	found(&d, "clock_skew", false, "behind this node's");
	m.skew_ms = 60000;
	mp_diagnose_member(&d, &m, NULL);
	found(&d, "clock_skew", false, "1m 00s ahead of this node's");
	/* All say the same: it is our own. */
	d = fresh();
	for (uint8_t i = 0; i < 3; i++)
		mp_diagnose_member(&d, &m, NULL);
	mp_diagnose_self(&d);
	assert_int_equal(d.problems.count, 4);
	assert_string_equal(d.problems.list[3].what, "own_clock");
	mp_problems_free(&d.problems);
}

static void
test_self(void **state)
{
	struct mp_diagnosis d = fresh();

	(void)state;
	mp_diagnose_self(&d);
	d.self = (struct mp_member_self){.known = true, .said = {.health = 2}};
	mp_diagnose_self(&d);
	assert_int_equal(d.problems.count, 0);
	d.self.said.health = 7;
	mp_diagnose_self(&d);
	found(&d, "slow", false, "7 of 7");
	d.self.said.isolated = true;
	mp_diagnose_self(&d);
	found(&d, "isolated", false, "cut off");
	d.self = (struct mp_member_self){
		.known = true, .said = {.drains = true}, .drained_by = "me@here"};
	mp_diagnose_self(&d);
	found(&d, "draining", true, "me@here");
	d = fresh();
	mp_diagnose_counter(&d, "datagrams_junk", 30);
	mp_diagnose_counter(&d, "messages_fenced", 1000);
	mp_diagnose_self(&d);
	assert_int_equal(d.problems.count, 0);
	mp_diagnose_counter(&d, "datagrams_forged", 20);
	mp_diagnose_self(&d);
	found(&d, "refused", true, "30 datagrams_junk, 20 datagrams_forged");
	mp_diagnose_counter(&d, "out_of_memory", 1);
	found(&d, "memory", false, "out of memory");
}

static void
test_runs(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_show show = {.name = mp_span_str("release"),
		.state = MP_RUN_RUNNING,
		.text = mp_span_str("beta is missing")};

	(void)state;
	mp_diagnose_run(&d, "0123456789abcdef0123456789abcdef", &show, "");
	assert_int_equal(d.problems.count, 0);
	show.state = MP_RUN_STALLED;
	mp_diagnose_run(&d, "0123456789abcdef0123456789abcdef", &show, "");
	found(&d, "stalled", false, "release (0123456789ab) stands still: beta is missing");
	mp_diagnose_run(&d, "0123456789abcdef0123456789abcdef", NULL, "nobody is there");
	found(&d, "no_elector", false, "nobody is there");
}

/* More than there is room for are counted. */
static void
test_many(void **state)
{
	struct mp_diagnosis d = fresh();
	struct mp_snap_member m = member(2, "beta");

	(void)state;
	m.state = MP_MEMBER_DEAD;
	for (int i = 0; i < MP_PROBLEMS_MAX + 7; i++)
		mp_diagnose_member(&d, &m, NULL);
	assert_int_equal(d.problems.count, MP_PROBLEMS_MAX);
	assert_int_equal(d.problems.left_out, 7);
	assert_int_equal(d.problems.wrong, MP_PROBLEMS_MAX + 7);
	mp_problems_free(&d.problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_timings),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
