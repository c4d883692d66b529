/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "core/sched.h"
#include "unit/graph.h"
#include "unit/roster.h"

struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct unit_graph graph;
	struct mp_roster roster;
	struct mp_sched *sched;
};

static void
fixture_init(struct fixture *f, size_t members, uint32_t slots)
{
	f->heap = (struct unit_heap){0};
	f->alloc = UNIT_ALLOC(&f->heap);
	unit_roster_init(&f->roster, members, slots);
	assert_int_equal(mp_sched_new(&f->alloc, &f->graph.graph, &f->roster, &f->sched), 0);
	assert_int_equal(mp_sched_members(f->sched), 0);
}

static void
fixture_fini(struct fixture *f)
{
	mp_sched_free(f->sched);
	assert_int_equal(f->heap.live, 0);
}

static void
push(struct fixture *f, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++)
		assert_int_equal(mp_sched_push(f->sched, i, 0), 0);
}

/* Places all it can; counts[i] is how many went to worker i. */
static uint32_t
place(struct fixture *f, mp_time now_ms, uint32_t *counts)
{
	struct mp_placement p;
	uint32_t n = 0;

	memset(counts, 0, UNIT_ROSTER_MAX * sizeof(*counts));
	while (mp_sched_next(f->sched, now_ms, NULL, NULL, &p)) {
		counts[p.worker]++;
		n++;
	}
	return n;
}

static void
test_balance_and_ahead(void **state)
{
	uint32_t counts[UNIT_ROSTER_MAX];
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 40);
	fixture_init(&f, 3, 2);
	push(&f, 0, 6);
	assert_int_equal(place(&f, 0, counts), 6);
	for (int i = 0; i < 3; i++)
		assert_int_equal(counts[i], 2);
	/* As much as there are slots waits here, and is not handed over ahead. */
	push(&f, 6, 6);
	assert_int_equal(place(&f, 0, counts), 0);
	push(&f, 12, 4);
	assert_int_equal(place(&f, 0, counts), 4);
	push(&f, 16, 24);
	assert_int_equal(place(&f, 0, counts), 2);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(mp_sched_outstanding(f.sched, i), 4);
	mp_sched_done(f.sched, 1, 0);
	assert_int_equal(place(&f, 0, counts), 1);
	assert_int_equal(counts[1], 1);
	fixture_fini(&f);
}

static void
test_requirements(void **state)
{
	static const char *const gcc[] = {"gcc"}, *const clang[] = {"clang"};
	static const char *const fast[] = {"fast"};
	uint32_t counts[UNIT_ROSTER_MAX];
	struct mp_error why;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 4);
	f.graph.modules[0].tools = (struct mp_names_list){gcc, 1};
	f.graph.modules[1].tools = (struct mp_names_list){clang, 1};
	f.graph.modules[1].tags = (struct mp_names_list){fast, 1};
	f.graph.modules[2].os = "macos";
	f.graph.modules[3].os = "linux";
	f.graph.modules[3].arch = "x86_64";
	fixture_init(&f, 3, 4);
	unit_roster_tool(&f.roster, 1, "gcc");
	unit_roster_tool(&f.roster, 2, "clang");
	assert_int_equal(mp_sched_members(f.sched), 0);
	push(&f, 0, 4);
	assert_int_equal(place(&f, 0, counts), 2);
	assert_int_equal(counts[1], 1);
	assert_int_equal(mp_sched_ready(f.sched), 2);
	assert_true(mp_sched_unplaceable(f.sched, 1, &why));
	assert_string_equal(
		why.text, "no live member can run it; n2 comes nearest but lacks tag fast");
	assert_true(mp_sched_unplaceable(f.sched, 2, &why));
	assert_false(mp_sched_unplaceable(f.sched, 3, &why));
	assert_int_equal(mp_sched_unplaceable_count(f.sched), 2);
	/* Looked at again when the members change. */
	unit_roster_tag(&f.roster, 2, "fast");
	assert_int_equal(mp_sched_members(f.sched), 0);
	assert_false(mp_sched_unplaceable(f.sched, 1, &why));
	assert_int_equal(place(&f, 0, counts), 1);
	assert_int_equal(counts[2], 1);
	f.roster.members[2].state = MP_MEMBER_DEAD;
	assert_int_equal(mp_sched_members(f.sched), 0);
	assert_true(mp_sched_unplaceable(f.sched, 1, &why));
	fixture_fini(&f);
}

static void
has(struct fixture *f, uint32_t member, const char *name, uint64_t count)
{
	struct mp_caps *caps = &f->roster.caps[member];

	caps->resource_count = 1;
	memcpy(caps->resources[0].name, name, strlen(name) + 1);
	caps->resources[0].count = count;
}

/* What attempts have taken is not given twice, and what nobody has is told. */
static void
test_resources(void **state)
{
	static const struct mp_demand one[] = {{"rig", 1}}, two[] = {{"rig", 2}};
	static const struct mp_demand big[] = {{"cpus", 1}, {"memory", 1 << 20}, {"rig", 9}};
	uint32_t counts[UNIT_ROSTER_MAX];
	struct mp_error why;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 8);
	for (uint32_t i = 0; i < 6; i++)
		f.graph.modules[i].resources = (struct mp_demands){i < 4 ? one : two, 1};
	f.graph.modules[6].resources = (struct mp_demands){big, 3};
	fixture_init(&f, 3, 4);
	has(&f, 1, "rig", 2);
	has(&f, 2, "rig", 1);
	assert_int_equal(mp_sched_members(f.sched), 0);
	push(&f, 0, 8);
	/* Three of one, and the module that takes nothing. */
	assert_int_equal(place(&f, 0, counts), 4);
	assert_true(counts[1] >= 2 && counts[2] >= 1);
	assert_false(mp_sched_unplaceable(f.sched, 4, &why));
	assert_true(mp_sched_unplaceable(f.sched, 6, &why));
	assert_non_null(strstr(why.text, "n0 comes nearest but lacks resource cpus, resource "
					 "memory, resource rig"));
	mp_sched_done(f.sched, 2, 0);
	assert_int_equal(place(&f, 0, counts), 1);
	assert_int_equal(counts[2], 1);
	mp_sched_done(f.sched, 1, 1);
	assert_int_equal(place(&f, 0, counts), 0); /* one is left there, and two are wanted */
	mp_sched_done(f.sched, 1, 2);
	assert_int_equal(place(&f, 0, counts), 1);
	assert_int_equal(counts[1], 1);
	/* An attempt that another leader has begun. */
	mp_sched_done(f.sched, 1, 4);
	mp_sched_taken(f.sched, 1, 0);
	assert_int_equal(place(&f, 0, counts), 0);
	fixture_fini(&f);
}

static void
test_who_gets_nothing(void **state)
{
	uint32_t counts[UNIT_ROSTER_MAX];
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 20);
	fixture_init(&f, 6, 1);
	f.roster.members[0].status = MP_NODE_DRAINING;
	f.roster.members[1].state = MP_MEMBER_SUSPECT;
	f.roster.members[2].refused = true;
	f.roster.caps[3].slots = 0;
	f.roster.members[4].caps = NULL;
	assert_int_equal(mp_sched_members(f.sched), 0);
	push(&f, 0, 1);
	assert_int_equal(place(&f, 0, counts), 1);
	assert_int_equal(counts[5], 1);
	/* It stops: nothing until it has started again. */
	mp_sched_done(f.sched, 5, 0);
	mp_sched_closed(f.sched, 5);
	push(&f, 1, 1);
	assert_int_equal(place(&f, 0, counts), 0);
	assert_int_equal(mp_sched_members(f.sched), 0);
	assert_int_equal(place(&f, 0, counts), 0);
	f.roster.members[5].incarnation = 2ull << 32;
	assert_int_equal(mp_sched_members(f.sched), 0);
	assert_int_equal(place(&f, 0, counts), 1);
	fixture_fini(&f);
}

static void
test_busy(void **state)
{
	uint32_t counts[UNIT_ROSTER_MAX];
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 20);
	fixture_init(&f, 1, 4);
	assert_true(mp_sched_deadline(f.sched) == MP_TIME_NEVER);
	mp_sched_busy(f.sched, 0, 1000);
	push(&f, 0, 1);
	assert_int_equal(place(&f, 10, counts), 0);
	assert_true(mp_sched_deadline(f.sched) == 1000);
	mp_sched_room(f.sched, 0);
	assert_int_equal(place(&f, 10, counts), 1);
	mp_sched_busy(f.sched, 0, 2000);
	push(&f, 1, 1);
	assert_int_equal(place(&f, 1999, counts), 0);
	assert_int_equal(place(&f, 2000, counts), 1);
	assert_true(mp_sched_deadline(f.sched) == MP_TIME_NEVER);
	fixture_fini(&f);
}

/* m0 stands alone; m1 begins a chain, which is the longer way to the end. */
static void
test_order(void **state)
{
	struct mp_placement p;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 5);
	unit_graph_need(&f.graph, 2, 1);
	unit_graph_need(&f.graph, 3, 2);
	fixture_init(&f, 1, 8);
	push(&f, 0, 2);
	push(&f, 4, 1);
	push(&f, 4, 1);
	assert_true(mp_sched_next(f.sched, 0, NULL, NULL, &p));
	assert_int_equal(p.module, 1);
	mp_sched_drop(f.sched, 0);
	mp_sched_drop(f.sched, 0);
	assert_int_equal(mp_sched_ready(f.sched), 1);
	push(&f, 0, 1);
	assert_true(mp_sched_next(f.sched, 0, NULL, NULL, &p));
	assert_int_equal(p.module, 0);
	assert_true(mp_sched_next(f.sched, 0, NULL, NULL, &p));
	assert_int_equal(p.module, 4);
	assert_false(mp_sched_next(f.sched, 0, NULL, NULL, &p));
	assert_int_equal(mp_sched_ready(f.sched), 0);
	fixture_fini(&f);
}

static size_t
prefer_two(void *ctx, uint32_t module, uint32_t workers[MP_SCHED_PREFER_MAX])
{
	(void)ctx;
	(void)module;
	workers[0] = 2;
	workers[1] = 1;
	workers[2] = 2;
	return 3;
}

static void
test_locality(void **state)
{
	static const uint32_t expect[] = {2, 2, 1, 1, 0, 0};
	struct mp_placement p;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 6);
	fixture_init(&f, 3, 2);
	push(&f, 0, 6);
	for (size_t i = 0; i < mp_countof(expect); i++) {
		assert_true(mp_sched_next(f.sched, 0, prefer_two, NULL, &p));
		assert_int_equal(p.worker, expect[i]);
	}
	fixture_fini(&f);
}

static void
test_placement_timeout(void **state)
{
	struct mp_error why;
	uint32_t module;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 3);
	for (int i = 0; i < 3; i++)
		f.graph.modules[i].os = "macos";
	f.graph.modules[0].placement_timeout_ms = 60000;
	f.graph.modules[2].placement_timeout_ms = 5000;
	fixture_init(&f, 2, 1);
	push(&f, 0, 3);
	assert_false(mp_sched_expired(f.sched, 1000, &module, &why));
	assert_true(mp_sched_deadline(f.sched) == 2000);
	assert_false(mp_sched_expired(f.sched, 5999, &module, &why));
	assert_true(mp_sched_expired(f.sched, 7000, &module, &why));
	assert_int_equal(module, 2);
	assert_non_null(strstr(why.text, "lacks os macos"));
	assert_false(mp_sched_expired(f.sched, 7000, &module, &why));
	assert_true(mp_sched_expired(f.sched, 61000, &module, &why));
	assert_int_equal(module, 0);
	assert_false(mp_sched_expired(f.sched, 61000, &module, &why));
	assert_int_equal(mp_sched_ready(f.sched), 1);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance_and_ahead),
		cmocka_unit_test(test_requirements),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_who_gets_nothing),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_locality),
		cmocka_unit_test(test_placement_timeout),
	};

	return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
