/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that are taken over after most of their electors are gone. */
#include "core/takeover.h"
#include "unit/runs_case.h"

struct asked {
	struct mp_takeover_req req;
	bool done;
	int rc;
	uint8_t bytes[MP_TAKEOVER_MAX];
	size_t size;
};

static void
on_done(struct mp_takeover_req *req, struct mp_env *env, int rc, struct mp_span takeover,
	const char *text)
{
	struct asked *a = mp_container_of(req, struct asked, req);

	(void)env;
	assert_non_null(text);
	assert_false(a->done);
	a->done = true;
	a->rc = rc;
	a->size = takeover.n;
	if (takeover.n > 0)
		memcpy(a->bytes, takeover.p, takeover.n);
}

static void
ask(struct cluster *c, int node, const struct mp_run_id *run, struct asked *a)
{
	struct mp_error err = {0};

	*a = (struct asked){.req = {.done = on_done}};
	step_begin(c, node);
	assert_int_equal(
		mp_runs_takeover(c->nodes[node].runs, &c->nodes[node].env, run, &a->req, &err), 0);
	step_end(c, node);
	cluster_run(c, MP_TAKEOVER_ASK_MS + 100);
	assert_true(a->done);
}

/* As the shell does it: the key is named, and signs. */
static int
take(struct cluster *c, int node, const struct asked *a, uint8_t key)
{
	struct mp_secret secret;
	uint8_t bytes[MP_TAKEOVER_MAX];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_error err = {0};
	struct mp_takeover t;
	struct mp_sig sig;
	struct mp_hash h;
	int rc;

	memset(secret.public_key, key, sizeof(secret.public_key));
	assert_int_equal(mp_takeover_decode(mp_span(a->bytes, a->size), &t), 0);
	memcpy(t.signer, secret.public_key, sizeof(t.signer));
	assert_int_equal(mp_takeover_encode(&buf, &t), 0);
	h = mp_record_hash(&fake_crypto, mp_buf_span(&buf));
	fake_crypto.sign(&secret, &sig, mp_span(h.b, sizeof(h.b)));
	step_begin(c, node);
	rc = mp_runs_take(c->nodes[node].runs, &c->nodes[node].env, mp_buf_span(&buf), &sig, &err);
	step_end(c, node);
	return rc;
}

static uint64_t
generation_at(const struct cluster *c, int node, const struct mp_run_id *run)
{
	const struct mp_raft *raft = mp_runs_raft(c->nodes[node].runs, run);

	return raft != NULL ? mp_raft_generation(raft) : 0;
}

/* Which nodes elect; the first `n` of who[]. */
static int
electors(const struct cluster *c, const struct mp_run_id *run, int who[CLUSTER_MAX])
{
	int n = 0;

	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up && mp_runs_raft(c->nodes[i].runs, run) != NULL)
			who[n++] = i;
	}
	return n;
}

/* Two of three electors go for good, in the middle of the run. The third, and two that had nothing
 * of it, finish it; what was finished is not run again. */
static void
test_majority_lost(void **state)
{
	struct cluster *c = cluster_new(5);
	int who[CLUSTER_MAX], other = -1;
	struct submission s;
	struct asked a;

	(void)state;
	c->job_ms = 5000;
	submit_ok(c, 0, &s);
	cluster_run(c, 6000);
	assert_int_equal(electors(c, &s.run, who), 3);
	assert_int_equal(who[0], 0);
	for (int i = 0; i < c->count; i++) {
		if (i != who[0] && i != who[1] && i != who[2])
			other = i;
	}
	ask(c, other, &s.run, &a);
	assert_int_equal(a.rc, MP_EBUSY); /* it goes on by itself */
	node_crash(c, who[0]);
	node_crash(c, who[1]);
	c->roster.members[who[0]].state = c->roster.members[who[1]].state = MP_MEMBER_DEAD;
	cluster_run(c, 30000);
	assert_false(mp_runs_ended(c->nodes[other].runs, &s.run));
	ask(c, other, &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, other, &a, 0x17), MP_EAUTH); /* no authority */
	assert_int_equal(take(c, other, &a, 0xad), 0);
	assert_int_equal(take(c, other, &a, 0xad), MP_EEXIST);
	cluster_run(c, 30000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(c->started[0], 1);
	assert_int_equal(generation_at(c, who[2], &s.run), 2);
	assert_int_equal(state_at(c, other, &s.run, NULL), MP_RUN_SUCCEEDED);
	/* Those who were given up come back: they forget what they decided, and learn the end. */
	node_start(c, who[0]);
	node_start(c, who[1]);
	c->roster.members[who[0]].state = c->roster.members[who[1]].state = MP_MEMBER_ALIVE;
	cluster_run(c, 90000);
	for (int i = 0; i < 2; i++)
		assert_true(mp_runs_ended(c->nodes[who[i]].runs, &s.run));
	cluster_free(c);
}

/* The run has ended, and of those who are left only one that is no elector has heard of that. */
static void
test_ended_elsewhere(void **state)
{
	struct cluster *c = cluster_new(4);
	int who[CLUSTER_MAX], other;
	struct submission s;
	struct asked a;

	(void)state;
	submit_ok(c, 0, &s);
	assert_int_equal(electors(c, &s.run, who), 3);
	other = 6 - who[0] - who[1] - who[2];
	c->nodes[who[2]].deaf = true;
	for (int i = 0; i < 100 && !mp_runs_ended(c->nodes[other].runs, &s.run); i++)
		cluster_run(c, 100);
	assert_true(mp_runs_ended(c->nodes[other].runs, &s.run));
	for (int i = 0; i < 2; i++) {
		node_crash(c, who[i]);
		c->roster.members[who[i]].state = MP_MEMBER_DEAD;
	}
	cluster_run(c, 5000);
	c->nodes[who[2]].deaf = false;
	assert_false(mp_runs_ended(c->nodes[who[2]].runs, &s.run));
	ask(c, who[2], &s.run, &a);
	assert_int_equal(a.rc, MP_EEXIST);
	assert_true(mp_runs_ended(c->nodes[who[2]].runs, &s.run));
	cluster_free(c);
}

/* An elector of the new generation that is restarted goes on in it. */
static void
test_restart_after(void **state)
{
	struct cluster *c = cluster_new(5);
	int who[CLUSTER_MAX];
	struct submission s;
	struct asked a;

	(void)state;
	c->job_ms = 4000;
	submit_ok(c, 0, &s);
	cluster_run(c, 5000);
	assert_int_equal(electors(c, &s.run, who), 3);
	for (int i = 0; i < 2; i++) {
		node_crash(c, who[i]);
		c->roster.members[who[i]].state = MP_MEMBER_DEAD;
	}
	cluster_run(c, 5000);
	ask(c, who[2], &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, who[2], &a, 0xad), 0);
	cluster_run(c, 3000);
	for (int i = 0; i < c->count; i++) {
		if (!c->nodes[i].up)
			continue;
		assert_int_equal(generation_at(c, i, &s.run), 2);
		node_crash(c, i);
		node_start(c, i);
		cluster_run(c, 3000);
		assert_int_equal(generation_at(c, i, &s.run), 2);
	}
	cluster_run(c, 60000);
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up)
			assert_int_equal(state_at(c, i, &s.run, NULL), MP_RUN_SUCCEEDED);
	}
	cluster_free(c);
}

/* Of two nodes the elector goes; the mirror holds the log and decides from then on. Its elector
 * comes back, with entries that never count, and mirrors. */
static void
test_mirror_takes_over(void **state)
{
	struct cluster *c = cluster_new(2);
	struct mp_hash digest[2];
	struct submission s;
	uint64_t index[2];
	struct asked a;

	(void)state;
	c->job_ms = 5000;
	submit_ok(c, 0, &s);
	cluster_run(c, 6000);
	c->nodes[1].deaf = true; /* what is decided now is lost with node 0 */
	cluster_run(c, 3000);
	node_crash(c, 0);
	c->nodes[1].deaf = false;
	c->roster.members[0].state = MP_MEMBER_DEAD;
	cluster_run(c, 10000);
	assert_int_equal(mp_runs_led(c->nodes[1].runs), 0);
	ask(c, 1, &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, 1, &a, 0xad), 0);
	cluster_run(c, 1000);
	assert_int_equal(mp_runs_led(c->nodes[1].runs), 1);
	node_start(c, 0);
	c->roster.members[0].state = MP_MEMBER_ALIVE;
	cluster_run(c, 90000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(generation_at(c, 0, &s.run), 2);
	assert_int_equal(mp_runs_led(c->nodes[0].runs), 0);
	for (int i = 0; i < 2; i++)
		assert_true(mp_runs_state_digest(
			c->nodes[i].runs, &c->nodes[i].env, &s.run, &index[i], &digest[i]));
	assert_int_equal(index[0], index[1]);
	assert_true(mp_hash_eq(&digest[0], &digest[1]));
	cluster_free(c);
}

#define SURVIVOR                                                                                   \
	"meshpipe: 1\nname: two\nfailover: survivor\nmodules:\n"                                   \
	"  a: { run: [\"true\"] }\n"                                                               \
	"  b: { needs: [a], run: [\"true\"] }\n"                                                   \
	"  c: { needs: [b], run: [\"true\"] }\n"

/* The mirror goes on by itself, when it was told that it may and the other is gone. */
static void
survivor(bool refused)
{
	struct cluster *c = cluster_new(2);
	struct mp_error err = {0};
	struct submission s;

	c->job_ms = 4000;
	assert_int_equal(submit(c, 0, SURVIVOR, &s, &err), 0);
	cluster_run(c, 6000);
	assert_true(s.done && s.rc == 0);
	assert_int_equal(c->started[1], 1);
	node_crash(c, 0);
	c->roster.members[0].refused = refused;
	cluster_run(c, refused ? 2000 : 20000);
	/* It may be slow, or we alone may be cut off. */
	assert_int_equal(mp_runs_led(c->nodes[1].runs), 0);
	c->roster.members[0].state = MP_MEMBER_SUSPECT;
	cluster_run(c, 5000);
	assert_int_equal(generation_at(c, 1, &s.run), 2);
	assert_int_equal(mp_runs_led(c->nodes[1].runs), 1);
	cluster_run(c, 30000);
	assert_true(mp_runs_ended(c->nodes[1].runs, &s.run));
	node_start(c, 0);
	c->roster.members[0].state = MP_MEMBER_ALIVE;
	c->roster.members[0].refused = false;
	cluster_run(c, 90000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_int_equal(mp_runs_led(c->nodes[0].runs), 0);
	cluster_free(c);
}

static void
test_survivor(void **state)
{
	(void)state;
	survivor(true);
	survivor(false);
}

static void
there(struct cluster *c, int node)
{
	c->roster.members[node].refused = false;
	c->roster.members[node].state = MP_MEMBER_ALIVE;
	for (int i = 0; i < c->count; i++) {
		step_begin(c, i);
		mp_runs_members(c->nodes[i].runs, &c->nodes[i].env);
		step_end(c, i);
	}
}

/* Of two nodes that lost each other the elector ends the run, and the mirror takes it over. */
static void
part_and_end(struct cluster *c, struct submission *s)
{
	struct mp_error err = {0};

	c->job_ms = 4000;
	assert_int_equal(submit(c, 0, SURVIVOR, s, &err), 0);
	cluster_run(c, 6000);
	assert_true(s->done && s->rc == 0);
	c->nodes[1].deaf = true;
	for (int i = 0; i < 2; i++) {
		c->roster.members[i].refused = true;
		c->roster.members[i].state = MP_MEMBER_SUSPECT;
	}
	for (int i = 0; i < 600 && !mp_runs_ended(c->nodes[0].runs, &s->run); i++)
		cluster_run(c, 100);
	assert_true(mp_runs_ended(c->nodes[0].runs, &s->run));
	assert_int_equal(generation_at(c, 1, &s->run), 2);
	there(c, 1);
}

static void
meet(struct cluster *c)
{
	c->nodes[1].deaf = false;
	there(c, 0);
	for (int i = 0; i < 2; i++) {
		step_begin(c, i);
		mp_runs_link(c->nodes[i].runs, &c->nodes[i].env, &c->roster.members[1 - i].id,
			MP_LINK_UP);
		step_end(c, i);
	}
}

static void
assert_one_end(const struct cluster *c, const struct mp_run_id *run, uint64_t generation)
{
	const struct mp_end *first = NULL;

	for (int i = 0; i < c->count; i++) {
		const struct mp_end *end =
			c->nodes[i].up ? mp_runs_end(c->nodes[i].runs, run) : NULL;

		if (!c->nodes[i].up)
			continue;
		assert_non_null(end);
		first = first != NULL ? first : end;
		assert_int_equal(end->generation, generation);
		assert_int_equal(end->last_index, first->last_index);
		assert_true(mp_hash_eq(&end->last_hash, &first->last_hash));
	}
}

/* An end is of a generation: who hears of a later one goes on in that. `rows`: the run was read
 * from the disk meanwhile; `after`: the later generation has ended, too. */
static void
end_of_before(bool rows, bool after)
{
	struct cluster *c = cluster_new(2);
	struct submission s;

	part_and_end(c, &s);
	if (rows) {
		cluster_run(c, 1000);
		node_crash(c, 0);
		node_start(c, 0);
		assert_int_equal(mp_runs_have(c->nodes[0].runs, &s.run), MP_RUNS_HAVE_AWAY);
	}
	if (after)
		cluster_run(c, 60000);
	assert_int_equal(mp_runs_ended(c->nodes[1].runs, &s.run), after);
	meet(c);
	for (int i = 0; i < 400 && generation_at(c, 0, &s.run) < 2; i++)
		cluster_run(c, 100);
	assert_int_equal(generation_at(c, 0, &s.run), 2);
	assert_int_equal(mp_runs_ended(c->nodes[0].runs, &s.run), after);
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	assert_one_end(c, &s.run, 2);
	cluster_free(c);
}

static void
test_end_of_before(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		end_of_before(i / 2 > 0, i % 2 > 0);
}

static void
all_seem(struct cluster *c, enum mp_member_state state)
{
	for (int i = 0; i < c->count; i++)
		c->roster.members[i].state = c->nodes[i].up ? state : MP_MEMBER_DEAD;
}

/* Two operators who do not hear each other take a run over, and each sees it end. Then they meet,
 * and one of the two holds for all; returns whether it is the one of who was alone. */
static bool
rivals(mp_time later)
{
	struct cluster *c = cluster_new(5);
	const struct mp_end *end;
	int who[CLUSTER_MAX];
	struct submission s;
	struct asked a;
	bool alone;

	c->job_ms = 5000;
	submit_ok(c, 0, &s);
	cluster_run(c, 6000 + later);
	assert_int_equal(electors(c, &s.run, who), 3);
	node_crash(c, who[0]);
	c->nodes[who[1]].deaf = true;
	cluster_run(c, 5000);
	all_seem(c, MP_MEMBER_DEAD);
	ask(c, who[1], &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, who[1], &a, 0xad), 0);
	all_seem(c, MP_MEMBER_ALIVE);
	c->roster.members[who[1]].state = MP_MEMBER_DEAD;
	ask(c, who[2], &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, who[2], &a, 0xad), 0);
	/* All have one roster here, and nobody is dead in his own eyes. */
	all_seem(c, MP_MEMBER_ALIVE);
	step_begin(c, who[1]);
	mp_runs_members(c->nodes[who[1]].runs, &c->nodes[who[1]].env);
	step_end(c, who[1]);
	cluster_run(c, 120000);
	assert_true(mp_runs_ended(c->nodes[who[1]].runs, &s.run));
	assert_true(mp_runs_ended(c->nodes[who[2]].runs, &s.run));
	c->nodes[who[1]].deaf = false;
	all_seem(c, MP_MEMBER_ALIVE);
	cluster_run(c, 200000);
	assert_one_end(c, &s.run, 2);
	end = mp_runs_end(c->nodes[who[1]].runs, &s.run);
	alone = mp_node_id_eq(&end->leader, &c->roster.members[who[1]].id);
	cluster_free(c);
	return alone;
}

static void
test_rivals(void **state)
{
	int alone = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		alone += rivals(100 * i);
	assert_in_range(alone, 1, 7); /* not who is more, but what the record says */
}

static void
test_nobody_has_it(void **state)
{
	struct cluster *c = cluster_new(5);
	int who[CLUSTER_MAX];
	struct submission s;
	struct asked a;
	int other = 0;

	(void)state;
	c->job_ms = 60000;
	submit_ok(c, 0, &s);
	cluster_run(c, 2000);
	assert_int_equal(electors(c, &s.run, who), 3);
	for (int i = 0; i < 3; i++)
		node_crash(c, who[i]);
	while (!c->nodes[other].up)
		other++;
	ask(c, other, &s.run, &a);
	assert_int_equal(a.rc, MP_ENOQUORUM);
	/* Whoever asked may go away. */
	a = (struct asked){.req = {.done = on_done}};
	step_begin(c, other);
	assert_int_equal(mp_runs_takeover(c->nodes[other].runs, &c->nodes[other].env, &s.run,
				 &a.req, &(struct mp_error){0}),
		0);
	mp_runs_takeover_forget(c->nodes[other].runs, &a.req);
	step_end(c, other);
	cluster_run(c, 5000);
	assert_false(a.done);
	cluster_free(c);
}

/* Two of three electors are gone. Of three others the two become electors that are in other zones
 * than the last one; `near`: who is not. */
static void
zones_of_next(int near)
{
	struct cluster *c = cluster_new(6);
	int who[CLUSTER_MAX], next[CLUSTER_MAX], others[3], n = 0;
	struct submission s;
	struct asked a;

	c->job_ms = 60000;
	submit_ok(c, 0, &s);
	assert_int_equal(electors(c, &s.run, who), 3);
	for (int i = 0; i < c->count; i++) {
		if (i != who[0] && i != who[1] && i != who[2])
			others[n++] = i;
	}
	for (int i = 0; i < 3; i++)
		c->roster.caps[others[i]].zone[0] = i == near ? 'a' : (char)('b' + i);
	c->roster.caps[who[2]].zone[0] = 'a';
	for (int i = 0; i < 2; i++) {
		node_crash(c, who[i]);
		c->roster.members[who[i]].state = MP_MEMBER_DEAD;
	}
	cluster_run(c, 30000);
	ask(c, others[0], &s.run, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(take(c, others[0], &a, 0xad), 0);
	cluster_run(c, 10000);
	assert_int_equal(electors(c, &s.run, next), 3);
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(next[i], others[near]);
	cluster_free(c);
}

static void
test_zones(void **state)
{
	(void)state;
	for (int near = 0; near < 3; near++)
		zones_of_next(near);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_majority_lost),
		cmocka_unit_test(test_ended_elsewhere),
		cmocka_unit_test(test_restart_after),
		cmocka_unit_test(test_mirror_takes_over),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_survivor),
		cmocka_unit_test(test_end_of_before),
		cmocka_unit_test(test_rivals),
		cmocka_unit_test(test_nobody_has_it),
	};

	return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}
