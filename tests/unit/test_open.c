/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/open_world.h"

#define ASK_MS     3000 /* for a small pipeline */
#define ABORT_MS   60000
#define BEGIN_MS   60000
#define TIP_MS     300
#define OWN_TIP_MS 3000

/* ---- what is refused at once ---- */

static void
assert_refused(struct world *w, const struct mp_submission *s, int rc, const char *text)
{
	struct mp_error err = {0};
	size_t live = w->heap.live;

	assert_int_equal(submit_as(w, s, &err), rc);
	if (strstr(err.text, text) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", err.text, text);
	assert_null(w->req.opening);
	assert_int_equal(w->done, 0);
	assert_int_equal(w->heap.live, live);
	assert_int_equal(mp_open_deadline(w->open), MP_TIME_NEVER);
	assert_int_equal(w->said_count, 0);
}

/* A file that `mpctl compile` would not have made. */
static void
need(struct world *w, char module)
{
	static const char needs[] = "needs\x81\x61";
	size_t i = 0;

	while (memcmp(w->pipeline.p + i, needs, sizeof(needs) - 1) != 0)
		assert_true(++i + sizeof(needs) < w->pipeline.n);
	w->pipeline.p[i + sizeof(needs) - 1] = (uint8_t)module;
}

static void
test_checked_whole(void **state)
{
	static const char two[] = "meshpipe: 1\nname: c\nmodules:\n"
				  "  a: { needs: [b], run: [\"true\"] }\n"
				  "  b: { run: [\"true\"] }\n";
	const struct mp_param stranger = {.name = "speed", .value = "9"};
	struct mp_submission s;
	struct world w;

	(void)state;
	world_init_yaml(&w, 3, two);
	s = (struct mp_submission){.pipeline = mp_buf_span(&w.pipeline)};
	need(&w, 'a');
	assert_refused(&w, &s, MP_EPIPELINE, "a -> a");
	need(&w, 'x');
	assert_refused(&w, &s, MP_EPIPELINE, "x");
	need(&w, 'b');
	s.params = &stranger;
	s.param_count = 1;
	assert_refused(&w, &s, MP_EPIPELINE, "speed");
	s.param_count = 0;
	s.key = "nightly";
	assert_refused(&w, &s, MP_EUNSUPPORTED, "submission keys");
	s.key = NULL;
	s.pipeline.n--;
	assert_refused(&w, &s, MP_EPIPELINE, "pipeline");
	s.pipeline = mp_span_str("junk");
	assert_refused(&w, &s, MP_EPIPELINE, "pipeline");
	s.pipeline.n = 0;
	assert_refused(&w, &s, MP_EPIPELINE, "pipeline");
	world_fini(&w);
}

static void
nothing(struct mp_submit_req *req, struct mp_env *env, int rc, const struct mp_run_id *run,
	const char *text)
{
	(void)req;
	(void)env;
	(void)rc;
	(void)run;
	(void)text;
}

static void
test_too_many(void **state)
{
	struct mp_submit_req reqs[MP_OPEN_MAX];
	struct mp_submission s;
	struct mp_error err = {0};
	struct world w;

	(void)state;
	world_init(&w, 1);
	s = (struct mp_submission){.pipeline = mp_buf_span(&w.pipeline)};
	for (size_t i = 0; i < MP_OPEN_MAX; i++) {
		reqs[i] = (struct mp_submit_req){.done = nothing};
		assert_int_equal(mp_open_submit(w.open, &w.env, &s, &reqs[i], &err), 0);
	}
	assert_int_equal(submit_as(&w, &s, &err), MP_EBUSY);
	assert_null(w.req.opening);
	assert_non_null(strstr(err.text, "64"));
	tick(&w, 0);
	assert_int_equal(refuse(&w, 0, &w.rec.id, "no"), 0);
	assert_int_equal(submit_as(&w, &s, &err), 0);
	world_fini(&w);
}

/* ---- the record, and who is asked ---- */

static void
test_record(void **state)
{
	static const char yaml[] =
		"meshpipe: 1\nname: two\ncopies: 3\nparams: { b: \"1\", a: \"2\" }\n"
		"modules:\n  m: { run: [\"true\"] }\n";
	const struct mp_param params[] = {{"b", "x"}, {"a", "y"}};
	struct mp_submission s = {.params = params, .param_count = 2};
	struct mp_run_param p;
	struct mp_error err = {0};
	struct mp_hash digest;
	struct world w;
	size_t at = 0;

	(void)state;
	world_init_yaml(&w, 3, yaml);
	s.pipeline = mp_buf_span(&w.pipeline);
	assert_int_equal(submit_as(&w, &s, &err), 0);
	tick(&w, 0);
	assert_int_equal(told(&w, MP_MSG_RUN_OPEN), 7);
	fake_hash(&digest, &s.pipeline, 1);
	assert_true(mp_hash_eq(&w.rec.pipeline, &digest));
	assert_true(mp_node_id_eq(&w.rec.opener, &w.env.self));
	assert_int_equal(w.rec.submitted_ms, w.env.wall_ms);
	assert_string_equal(w.rec.name, "two");
	assert_int_equal(w.rec.copies, 3);
	assert_true(mp_hash_is_zero(&w.rec.inputs));
	assert_false(w.rec.mirrored);
	assert_int_equal(electors(&w), 7);
	assert_int_equal(w.rec.param_count, 2);
	assert_true(mp_run_param_next(&w.rec, &at, &p));
	assert_true(p.key.p[0] == 'a' && p.value.p[0] == 'y');
	world_fini(&w);
}

static const char five[] =
	"meshpipe: 1\nname: five\nelectors: 5\nmodules:\n  a: { run: [\"true\"] }\n";
static const char survivor[] = "meshpipe: 1\nname: two\nelectors: 1\nfailover: survivor\n"
			       "modules:\n  a: { run: [\"true\"] }\n";

/* As many as wanted, else three, else one with the next for its mirror. */
static void
test_how_many(void **state)
{
	static const struct {
		const char *yaml;
		size_t members, electors;
		bool mirrored;
	} cases[] = {
		{one_module, 1, 1, false},
		{one_module, 2, 1, true},
		{one_module, 3, 3, false},
		{one_module, 8, 3, false},
		{five, 4, 3, false},
		{five, 5, 5, false},
		{five, 2, 1, true},
		{survivor, 4, 1, true},
		{survivor, 1, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++) {
		struct world w;

		world_init_yaml(&w, cases[i].members, cases[i].yaml);
		ask(&w);
		assert_int_equal(w.rec.elector_count, cases[i].electors);
		assert_int_equal(told(&w, MP_MSG_RUN_OPEN), electors(&w));
		assert_true(electors(&w) & 1);
		assert_int_equal(w.rec.mirrored, cases[i].mirrored);
		assert_int_equal(w.rec.survivor, cases[i].mirrored && cases[i].yaml == survivor);
		if (cases[i].mirrored)
			assert_int_equal(electors(&w) & 1u << member_of(&w.rec.mirror), 0);
		world_fini(&w);
	}
}

/* Everybody's turn comes, but for those who cannot. */
static void
test_who(void **state)
{
	unsigned seen = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world w;

		world_init(&w, 8);
		w.env.rng.state = seed;
		w.roster.members[1].state = MP_MEMBER_SUSPECT;
		w.roster.members[2].status = MP_NODE_DRAINING;
		w.roster.members[3].refused = true;
		w.roster.members[4].roles = MP_ROLE_SUBMIT;
		w.roster.members[5].status = MP_NODE_BUSY;
		ask(&w);
		assert_int_equal(w.rec.elector_count, 3);
		seen |= electors(&w);
		world_fini(&w);
	}
	assert_int_equal(seen, 0xe1);
}

static void
test_zones(void **state)
{
	static const char *const zones[] = {"a", "a", "a", "b", "c", "b"};

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world w;

		world_init(&w, 6);
		w.env.rng.state = seed;
		for (size_t i = 0; i < 6; i++)
			memcpy(w.roster.caps[i].zone, zones[i], 2);
		ask(&w);
		assert_int_equal(electors(&w) & 0x6, 0);
		assert_int_equal(electors(&w) & 0x11, 0x11);
		world_fini(&w);
	}
}

/* A node that only submits is none; and without anybody it is told so. */
static void
test_nobody(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2);
	w.roster.members[0].roles = MP_ROLE_SUBMIT;
	ask(&w);
	assert_int_equal(electors(&w), 2);
	world_fini(&w);
	world_init(&w, 1);
	w.roster.members[0].roles = MP_ROLE_SUBMIT;
	ask(&w);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, MP_ENOQUORUM);
	assert_non_null(strstr(w.text, "no node"));
	assert_int_equal(w.said_count, 0);
	world_fini(&w);
}

/* ---- acknowledged ---- */

static void
test_acknowledged(void **state)
{
	const struct mp_run_id other = {{1}};
	struct world w;
	struct mp_run_id run;

	(void)state;
	world_init(&w, 4);
	ask(&w);
	run = w.rec.id;
	/* One elector is no majority, however often it says so; nor is who is none. */
	assert_int_equal(accept(&w, member_of(&w.rec.electors[1]), &run), 0);
	assert_int_equal(accept(&w, member_of(&w.rec.electors[1]), &run), 0);
	for (int i = 0; i < 4; i++) {
		if ((electors(&w) & 1u << i) == 0)
			assert_int_equal(accept(&w, i, &run), MP_ENOENT);
	}
	assert_int_equal(accept(&w, 0, &other), MP_ENOENT);
	begun(&w, &run);
	assert_int_equal(w.opened + w.done, 0);
	assert_int_equal(accept(&w, 0, &run), 0);
	assert_int_equal(w.opened, 1);
	/* It is theirs now, but not yet for others to go on with. */
	assert_int_equal(w.done, 0);
	assert_int_equal(accept(&w, member_of(&w.rec.electors[2]), &run), MP_ENOENT);
	assert_int_equal(refuse(&w, member_of(&w.rec.electors[2]), &run, "late"), MP_ENOENT);
	link_of(&w, member_of(&w.rec.electors[2]), MP_LINK_FAILED);
	begun(&w, &other);
	assert_int_equal(w.done, 0);
	tick(&w, BEGIN_MS - 1);
	assert_int_equal(w.done, 0);
	begun(&w, &run);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, 0);
	assert_true(mp_run_id_eq(&w.run, &run));
	assert_int_equal(w.opened, 1);
	begun(&w, &run);
	assert_int_equal(w.done, 1);
	assert_int_equal(mp_open_deadline(w.open), MP_TIME_NEVER);
	world_fini(&w);
}

/* Two of three accept, and then nothing more is heard of it: it may start all the same. */
static void
test_not_begun(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	ask(&w);
	assert_int_equal(accept(&w, 1, &w.rec.id), 0);
	assert_int_equal(accept(&w, 2, &w.rec.id), 0);
	assert_int_equal(w.opened, 1);
	tick(&w, BEGIN_MS);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, MP_ETIMEOUT);
	assert_non_null(strstr(w.text, "may start"));
	assert_int_equal(w.said_count, 0);
	world_fini(&w);
}

static int
tip(struct world *w, int member, uint64_t index)
{
	const struct mp_run_tip t = {
		.run = w->rec.id, .generation = 1, .index = index, .term = index > 0};

	return mp_open_tip(w->open, &w->env, &w->roster.members[member].id, &t);
}

/* The opener keeps nothing of it: it asks those who do whether it has begun. */
static void
test_opened_elsewhere(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 4);
	w.begins = false;
	w.roster.members[0].roles = MP_ROLE_SUBMIT;
	ask(&w);
	assert_int_equal(tip(&w, 1, 1), MP_ENOENT);
	assert_int_equal(accept(&w, 1, &w.rec.id), 0);
	assert_int_equal(accept(&w, 2, &w.rec.id), 0);
	assert_int_equal(w.opened, 1);
	w.said_count = 0;
	tick(&w, TIP_MS);
	assert_int_equal(w.said_count, 3);
	assert_int_equal(w.said[0].kind, MP_MSG_RUN_TIP_ASK);
	/* One has nothing yet, and one is no majority. */
	assert_int_equal(tip(&w, 1, 0), 0);
	assert_int_equal(tip(&w, 2, 1), 0);
	assert_int_equal(tip(&w, 0, 1), MP_ENOENT);
	w.said_count = 0;
	tick(&w, TIP_MS);
	assert_int_equal(w.said_count + w.done, 2);
	assert_int_equal(tip(&w, w.said[1].to, 1), 0);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, 0);
	world_fini(&w);
}

/* The opener is an elector whose disk is full: the others have begun without it. */
static void
test_begun_by_others(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	ask(&w);
	assert_int_equal(accept(&w, 1, &w.rec.id), 0);
	assert_int_equal(accept(&w, 2, &w.rec.id), 0);
	assert_int_equal(tip(&w, 1, 1), MP_ENOENT);
	w.said_count = 0;
	tick(&w, OWN_TIP_MS - 1);
	assert_int_equal(w.said_count, 0);
	tick(&w, 1);
	assert_int_equal(w.said_count, 3);
	assert_int_equal(tip(&w, 0, 0), 0);
	assert_int_equal(tip(&w, 1, 1), 0);
	assert_int_equal(w.done, 0);
	assert_int_equal(tip(&w, 2, 1), 0);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, 0);
	world_fini(&w);
}

/* Who asked goes away; what it asked for goes on. */
static void
test_forgotten(void **state)
{
	struct world w;
	struct mp_run_id run;

	(void)state;
	world_init(&w, 3);
	assert_int_equal(submit(&w), 0);
	mp_open_forget(w.open, &w.req);
	assert_null(w.req.opening);
	tick(&w, 0);
	run = w.rec.id;
	assert_int_equal(accept(&w, 0, &run), 0);
	assert_int_equal(accept(&w, 2, &run), 0);
	assert_int_equal(w.opened, 1);
	begun(&w, &run);
	assert_int_equal(w.done, 0);
	assert_int_equal(mp_open_deadline(w.open), MP_TIME_NEVER);
	world_fini(&w);
}

/* ---- given up ---- */

/* Of five members three are asked, and the two others are silent. Nobody else is asked before so
 * many have forgotten the record that it cannot start, this node among them. */
static void
test_silent(void **state)
{
	struct world w;
	struct mp_run_id first;
	int a, b;

	(void)state;
	world_init(&w, 5);
	ask(&w);
	first = w.rec.id;
	a = member_of(&w.rec.electors[1]);
	b = member_of(&w.rec.electors[2]);
	assert_int_equal(accept(&w, 0, &first), 0);
	tick(&w, ASK_MS - 1);
	assert_int_equal(w.said_count, 0);
	tick(&w, 1);
	assert_int_equal(told(&w, MP_MSG_RUN_ABORT), electors(&w));
	assert_int_equal(told(&w, MP_MSG_RUN_OPEN), 0);
	/* It is too late for that, and it is not to be counted. */
	assert_int_equal(accept(&w, a, &first), MP_ENOENT);
	assert_int_equal(refuse(&w, a, &first, "given up as asked"), 0);
	assert_int_equal(refuse(&w, b, &first, "given up as asked"), 0);
	assert_int_equal(w.said_count, 0);
	tick(&w, ASK_MS);
	assert_int_equal(told(&w, MP_MSG_RUN_ABORT), 1);
	assert_int_equal(refuse(&w, 0, &first, "given up as asked"), 0);
	assert_int_equal(told(&w, MP_MSG_RUN_OPEN), electors(&w));
	assert_int_equal(told(&w, MP_MSG_RUN_ABORT), 0);
	assert_false(mp_run_id_eq(&w.rec.id, &first));
	assert_int_equal(electors(&w), 0x1f & ~(1u << a) & ~(1u << b));
	assert_int_equal(accept(&w, a, &first), MP_ENOENT);
	assert_int_equal(refuse(&w, a, &first, "late"), MP_ENOENT);
	assert_int_equal(accept(&w, member_of(&w.rec.electors[1]), &w.rec.id), 0);
	assert_int_equal(w.opened, 0);
	assert_int_equal(accept(&w, 0, &w.rec.id), 0);
	begun(&w, &w.rec.id);
	assert_int_equal(w.rc, 0);
	assert_true(w.done == 1 && mp_run_id_eq(&w.run, &w.rec.id));
	world_fini(&w);
}

/* One of three is silent or says no: that is still a majority. */
static void
test_one_missing(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	ask(&w);
	assert_int_equal(refuse(&w, 2, &w.rec.id, "no"), 0);
	assert_int_equal(w.said_count, 0);
	assert_int_equal(accept(&w, 2, &w.rec.id), 0); /* it was asked twice, by a slow network */
	assert_int_equal(accept(&w, 0, &w.rec.id), 0);
	assert_int_equal(w.opened, 1);
	world_fini(&w);
}

/* They never say that they forgot it: nobody may promise that it will not start. */
static void
test_abort_unheard(void **state)
{
	mp_time began;
	struct world w;

	(void)state;
	world_init(&w, 5);
	ask(&w);
	assert_int_equal(refuse(&w, 0, &w.rec.id, "no"), 0);
	tick(&w, ASK_MS);
	began = w.env.now_ms;
	while (w.done == 0) {
		unsigned silent = electors(&w) & ~1u;

		assert_int_equal(told(&w, MP_MSG_RUN_ABORT), silent);
		assert_int_equal(told(&w, MP_MSG_RUN_OPEN), 0);
		assert_in_range(w.env.now_ms - began, 0, ABORT_MS);
		tick(&w, mp_open_deadline(w.open) - w.env.now_ms);
	}
	assert_int_equal(w.env.now_ms - began, ABORT_MS);
	assert_int_equal(w.rc, MP_ETIMEOUT);
	assert_non_null(strstr(w.text, "may start"));
	world_fini(&w);
}

/* Nobody keeps it: the submitter hears why, not that it was given up as it had to be. */
static void
test_all_refuse(void **state)
{
	char text[2 * MP_ERROR_TEXT_MAX];
	struct world w;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	world_init(&w, 3);
	ask(&w);
	assert_int_equal(refuse(&w, 2, &w.rec.id, text), 0);
	assert_int_equal(refuse(&w, 1, &w.rec.id, "this node is stopping"), 0);
	assert_int_equal(refuse(&w, 0, &w.rec.id, "given up as asked"), 0);
	assert_int_equal(told(&w, MP_MSG_RUN_OPEN), 1);
	tick(&w, ASK_MS);
	assert_int_equal(refuse(&w, 0, &w.rec.id, "given up as asked"), 0);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.rc, MP_ENOQUORUM);
	assert_string_equal(w.text, "this node is stopping");
	assert_int_equal(w.said_count, 0);
	world_fini(&w);
	world_init(&w, 1);
	ask(&w);
	assert_int_equal(refuse(&w, 0, &w.rec.id, text), 0);
	assert_int_equal(strlen(w.text), MP_ERROR_TEXT_MAX - 1);
	world_fini(&w);
}

/* One after the other, and not for ever, though there are always new ones. */
static void
test_gives_up(void **state)
{
	static const char yaml[] =
		"meshpipe: 1\nname: n\nelectors: 1\nmodules:\n  a: { run: [\"true\"] }\n";
	struct world w;
	int times = 0;

	(void)state;
	world_init_yaml(&w, 8, yaml);
	ask(&w);
	for (; w.done == 0; times++) {
		const struct mp_node_id who = w.rec.electors[0];
		const struct mp_run_id run = w.rec.id;

		assert_int_equal(w.rec.elector_count, 1);
		w.roster.members[7].id.b[1]++;
		begin(&w);
		assert_int_equal(mp_open_refuse(w.open, &w.env, &who, &run, mp_span_str("")), 0);
		end(&w);
	}
	assert_int_equal(times, 8);
	assert_int_equal(w.rc, MP_ENOQUORUM);
	assert_non_null(strstr(w.text, "do not answer"));
	world_fini(&w);
}

/* ---- streams ---- */

/* What could not be reached has nothing of it; where a stream broke, nobody knows. */
static void
test_links(void **state)
{
	static const struct {
		enum mp_link_state before, then;
		bool was_up;
		bool without;
	} cases[] = {
		{MP_LINK_FAILED, MP_LINK_FAILED, false, true},
		{MP_LINK_REFUSED, MP_LINK_REFUSED, false, true},
		{MP_LINK_FAILED, MP_LINK_FAILED, true, false},
		{MP_LINK_DOWN, MP_LINK_DOWN, false, false},
		{MP_LINK_DOWN, MP_LINK_FAILED, false, false},
		{MP_LINK_UP, MP_LINK_FAILED, false, false},
		{MP_LINK_UP, MP_LINK_REFUSED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++) {
		struct world w;
		struct mp_run_id first;

		world_init(&w, 3);
		w.roster.members[1].link_up = w.roster.members[2].link_up = cases[i].was_up;
		ask(&w);
		first = w.rec.id;
		for (int m = 1; m < 3; m++) {
			link_of(&w, m, cases[i].before);
			link_of(&w, m, cases[i].then);
		}
		/* Two are of no use: it is given up, and this node itself has to forget it. */
		assert_int_equal(refuse(&w, 0, &first, "given up as asked"), 0);
		assert_int_equal(told(&w, MP_MSG_RUN_OPEN) != 0, cases[i].without);
		assert_int_equal(mp_run_id_eq(&w.rec.id, &first), !cases[i].without);
		world_fini(&w);
	}
}

/* Whoever comes back is told at once that it is given up. */
static void
test_link_back(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 3);
	ask(&w);
	link_of(&w, 1, MP_LINK_DOWN);
	assert_int_equal(w.said_count, 0);
	link_of(&w, 0, MP_LINK_DOWN); /* nobody has one to itself */
	assert_int_equal(w.said_count, 0);
	link_of(&w, 2, MP_LINK_DOWN);
	assert_int_equal(told(&w, MP_MSG_RUN_ABORT), 7);
	link_of(&w, 1, MP_LINK_UP);
	assert_true(told(&w, MP_MSG_RUN_ABORT) & 2);
	world_fini(&w);
}

/* ---- no memory ---- */

/* All electors say yes to what they are asked, and to forget what they are told to. True: it ended
 * well; false: with a reason. */
static bool
runs_through(struct world *w)
{
	int rc = submit(w);

	if (rc != 0) {
		assert_int_equal(rc, MP_ENOMEM);
		assert_null(w->req.opening);
		return false;
	}
	for (int i = 0; i < 50 && w->done == 0; i++) {
		struct said said[8];
		size_t n;

		tick(w, mp_open_deadline(w->open) - w->env.now_ms);
		n = mp_min_size(w->said_count, mp_countof(said));
		memcpy(said, w->said, n * sizeof(said[0]));
		for (size_t k = 0; k < n && w->done == 0; k++) {
			if (said[k].kind == MP_MSG_RUN_OPEN)
				(void)accept(w, said[k].to, &said[k].run);
			else
				(void)refuse(w, said[k].to, &said[k].run, "");
		}
		if (w->opened > 0)
			begun(w, &w->rec.id);
	}
	assert_int_equal(w->done, 1);
	return w->rc == 0;
}

static void
test_no_memory(void **state)
{
	bool through = false;

	(void)state;
	for (size_t n = 1; !through; n++) {
		struct world w;
		size_t calls;

		assert_true(n < 1000);
		world_init(&w, 3);
		calls = w.heap.calls;
		w.heap.fail_at = calls + n;
		through = runs_through(&w);
		if (!through && w.done > 0)
			assert_int_equal(w.rc, MP_ENOMEM);
		/* A message that was dropped for want of it costs time only. */
		through = through && w.heap.calls < w.heap.fail_at;
		world_fini(&w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checked_whole),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_acknowledged),
		cmocka_unit_test(test_not_begun),
		cmocka_unit_test(test_opened_elsewhere),
		cmocka_unit_test(test_begun_by_others),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_one_missing),
		cmocka_unit_test(test_abort_unheard),
		cmocka_unit_test(test_all_refuse),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_link_back),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
