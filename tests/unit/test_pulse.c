/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeats of three nodes that share many runs, over a network without delay. */
#include "unit/unit.h"

#include "codec/msg_raft.h"
#include "core/pulse.h"
#include "unit/fake_crypto.h"

#define NODES    3
#define RUNS_MAX 1000

struct packet {
	struct packet *next;
	int from, to;
	bool datagram;
	size_t n;
	uint8_t bytes[];
};

struct node {
	struct world *w;
	struct mp_env env;
	struct mp_secret secret;
	struct mp_pulse *pulse;
	struct mp_raft *rafts[RUNS_MAX];
	size_t strays; /* messages of runs that it does not have */
};

struct world {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_profile profile;
	mp_time now;
	size_t runs;
	struct node nodes[NODES];
	struct packet *first, **last;
	size_t datagrams, pulses, streams, biggest;
	bool no_datagrams, no_links;
};

static int
world_node(struct world *w, const struct mp_node_id *id)
{
	for (int i = 0; i < NODES; i++)
		if (mp_node_id_eq(&w->nodes[i].env.self, id))
			return i;
	fail_msg("a message to nobody");
	return -1;
}

static void
post(struct world *w, int from, int to, bool datagram, struct mp_span bytes)
{
	struct packet *p = malloc(sizeof(*p) + bytes.n);

	assert_non_null(p);
	*p = (struct packet){.from = from, .to = to, .datagram = datagram, .n = bytes.n};
	memcpy(p->bytes, bytes.p, bytes.n);
	*w->last = p;
	w->last = &p->next;
}

static void
on_datagram(void *ctx, struct mp_env *env, const struct mp_node_id *to, struct mp_span record)
{
	struct node *n = ctx;
	struct mp_msg_pulse msg;

	assert_ptr_equal(env, &n->env);
	assert_true(record.n <= MP_PULSE_RECORD_MAX);
	assert_int_equal(mp_msg_pulse_decode(record, &msg), 0);
	assert_true(msg.record);
	n->w->datagrams++;
	n->w->pulses += !msg.ack;
	if (record.n > n->w->biggest)
		n->w->biggest = record.n;
	if (!n->w->no_datagrams)
		post(n->w, (int)(n - n->w->nodes), world_node(n->w, to), true, record);
}

static bool
on_link_up(void *ctx, const struct mp_node_id *peer)
{
	struct node *n = ctx;

	(void)peer;
	return !n->w->no_links;
}

static struct mp_env *
begin(struct world *w, int i)
{
	w->nodes[i].env.now_ms = w->now;
	w->nodes[i].env.wall_ms = w->now;
	mp_out_begin(w->nodes[i].env.out);
	return &w->nodes[i].env;
}

/* Disks are instant: what was put is durable with the next step. */
static void
end(struct world *w, int i)
{
	struct node *n = &w->nodes[i];
	const struct mp_effect *fx;
	size_t count;
	uint64_t seq = 0;

	mp_out_end(n->env.out, &fx, &count);
	for (size_t k = 0; k < count; k++) {
		if (fx[k].kind == MP_FX_PERSIST) {
			seq = fx[k].u.persist.seq;
			continue;
		}
		assert_int_equal(fx[k].kind, MP_FX_SEND);
		w->streams += mp_msg_raft_run(fx[k].u.send.bytes, &(struct mp_run_id){{0}},
				      &(uint64_t){0}) != 0;
		if (!w->no_links)
			post(w, i, world_node(w, &fx[k].u.send.peer), false, fx[k].u.send.bytes);
	}
	if (seq == 0)
		return;
	(void)begin(w, i);
	mp_out_persisted(n->env.out, seq);
	for (size_t r = 0; r < w->runs; r++)
		if (n->rafts[r] != NULL)
			mp_raft_persisted(n->rafts[r], &n->env, seq);
	end(w, i);
}

static void
deliver(struct world *w)
{
	while (w->first != NULL) {
		struct packet *p = w->first;
		struct node *n = &w->nodes[p->to];
		struct mp_env *env = begin(w, p->to);
		struct mp_span bytes = mp_span(p->bytes, p->n);
		const struct mp_node_id *from = &w->nodes[p->from].env.self;
		struct mp_run_id run;

		w->first = p->next;
		if (w->first == NULL)
			w->last = &w->first;
		if (mp_msg_raft_run(bytes, &run, &(uint64_t){0}) == 0) {
			struct mp_raft *raft = mp_pulse_find(n->pulse, &run);

			if (raft != NULL)
				assert_int_equal(mp_raft_message(raft, env, from, bytes), 0);
			else
				n->strays++;
		} else {
			assert_int_equal(mp_pulse_receive(n->pulse, env, from, bytes), 0);
		}
		end(w, p->to);
		free(p);
	}
}

static void
pass(struct world *w, mp_time ms)
{
	for (mp_time until = w->now + ms; w->now < until; w->now += 10) {
		for (int i = 0; i < NODES; i++) {
			struct node *n = &w->nodes[i];
			struct mp_env *env = begin(w, i);

			if (mp_pulse_deadline(n->pulse) <= w->now)
				mp_pulse_tick(n->pulse, env);
			for (size_t r = 0; r < w->runs; r++)
				if (n->rafts[r] != NULL && mp_raft_deadline(n->rafts[r]) <= w->now)
					mp_raft_tick(n->rafts[r], env);
			end(w, i);
		}
		deliver(w);
	}
}

static void
run_add(struct world *w, int i, size_t r, bool eager)
{
	struct node *n = &w->nodes[i];
	struct mp_env *env = begin(w, i);
	struct mp_electorate who = {.generation = 1, .elector_count = NODES};
	struct mp_raft_config config = {.who = &who};

	for (int k = 0; k < NODES; k++)
		who.electors[k] = w->nodes[k].env.self;
	memcpy(who.run.b, &r, sizeof(r));
	who.run.b[15] = 1;
	assert_int_equal(mp_raft_new(env, &config, &n->rafts[r]), 0);
	mp_raft_start(n->rafts[r], env, eager);
	assert_int_equal(mp_pulse_add(n->pulse, env, n->rafts[r]), 0);
	assert_int_equal(mp_pulse_add(n->pulse, env, n->rafts[r]), MP_EEXIST);
	end(w, i);
}

static void
run_drop(struct world *w, int i, size_t r)
{
	mp_pulse_remove(w->nodes[i].pulse, w->nodes[i].rafts[r]);
	mp_raft_free(w->nodes[i].rafts[r]);
	w->nodes[i].rafts[r] = NULL;
}

/* Runs led by node 0, known to all. */
static struct world *
world_new(size_t runs)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->alloc = UNIT_ALLOC(&w->heap);
	w->last = &w->first;
	w->now = 5000;
	w->runs = runs;
	w->profile =
		(struct mp_profile){.heartbeat_ms = 250, .lease_ms = 1200, .election_ms = 1500};
	for (int i = 0; i < NODES; i++) {
		struct node *n = &w->nodes[i];
		struct mp_pulse_io io = {n, on_datagram, on_link_up};

		n->w = w;
		n->secret = (struct mp_secret){{(uint8_t)(i + 1)}};
		n->env = (struct mp_env){.alloc = &w->alloc,
			.crypto = &fake_crypto,
			.secret = &n->secret,
			.profile = &w->profile,
			.self = {{(uint8_t)(i + 1)}},
			.rng = {(uint64_t)i}};
		n->env.out = mp_out_new(&w->alloc, &n->env.self, NULL, NULL);
		assert_non_null(n->env.out);
		assert_int_equal(mp_pulse_new(&n->env, &io, &n->pulse), 0);
		assert_int_equal(mp_pulse_deadline(n->pulse), MP_TIME_NEVER);
	}
	for (size_t r = 0; r < runs; r++)
		for (int i = NODES - 1; i >= 0; i--)
			run_add(w, i, r, i == 0);
	deliver(w);
	return w;
}

static void
world_free(struct world *w)
{
	while (w->first != NULL) {
		struct packet *p = w->first;

		w->first = p->next;
		free(p);
	}
	for (int i = 0; i < NODES; i++) {
		for (size_t r = 0; r < w->runs; r++)
			if (w->nodes[i].rafts[r] != NULL && r % 2 == 0)
				run_drop(w, i, r);
		mp_pulse_free(w->nodes[i].pulse);
		for (size_t r = 0; r < w->runs; r++)
			mp_raft_free(w->nodes[i].rafts[r]);
		mp_out_free(w->nodes[i].env.out);
	}
	assert_int_equal(w->heap.live, 0);
	free(w);
}

static size_t
led(const struct world *w, int i)
{
	size_t n = 0;

	for (size_t r = 0; r < w->runs; r++)
		n += w->nodes[i].rafts[r] != NULL &&
		     mp_raft_may_dispatch(w->nodes[i].rafts[r], w->now);
	return n;
}

static void
test_one_for_all(void **state)
{
	struct world *w = world_new(10);

	(void)state;
	assert_int_equal(led(w, 0), 10);
	pass(w, 250);
	w->datagrams = w->pulses = 0;
	pass(w, 10000);
	assert_int_equal(led(w, 0), 10);
	assert_int_equal(w->pulses, 2 * 40); /* two peers, four a second */
	assert_int_equal(w->datagrams, 2 * w->pulses);
	assert_int_equal(w->streams, 0);
	assert_int_equal(mp_raft_term(w->nodes[0].rafts[0]), 1);
	/* The heartbeat also tells what is committed. */
	assert_int_equal(mp_raft_commit(w->nodes[2].rafts[9]), 1);
	assert_true(mp_raft_settled(w->nodes[0].rafts[9]));
	world_free(w);
}

static void
test_thousand_runs(void **state)
{
	struct world *w = world_new(RUNS_MAX);

	(void)state;
	pass(w, 250);
	w->datagrams = w->pulses = 0;
	pass(w, 2500);
	assert_int_equal(led(w, 0), RUNS_MAX);
	assert_in_range(w->pulses, 10 * 2 * 20, 10 * 2 * 30);
	assert_true(w->biggest > 900);
	world_free(w);
}

static void
test_nothing_shared_nothing_said(void **state)
{
	struct world *w = world_new(3);

	(void)state;
	pass(w, 500);
	for (size_t r = 0; r < 3; r++)
		for (int i = 0; i < NODES; i++)
			run_drop(w, i, r);
	w->datagrams = 0;
	pass(w, 3000);
	assert_int_equal(w->datagrams, 0);
	assert_int_equal(mp_pulse_deadline(w->nodes[0].pulse), MP_TIME_NEVER);
	world_free(w);
}

static void
test_unknown_run_does_not_count(void **state)
{
	struct world *w = world_new(3);

	(void)state;
	run_drop(w, 1, 1);
	pass(w, 2000);
	/* It is told something of that run, so that it can ask what that is. */
	assert_in_range(w->nodes[1].strays, 1, 4);
	assert_int_equal(led(w, 0), 3); /* the other two still make a majority */
	run_drop(w, 2, 1);
	pass(w, 1600);
	assert_int_equal(led(w, 0), 2);
	assert_int_not_equal(mp_raft_role(w->nodes[0].rafts[1]), MP_RAFT_LEADER);
	world_free(w);
}

static void
test_higher_term_is_told(void **state)
{
	struct world *w = world_new(2);
	struct mp_msg_raft vote = {.kind = MP_MSG_VOTE, .generation = 1, .term = 7};
	uint8_t bytes[128];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_env *env;

	(void)state;
	pass(w, 500);
	vote.run = *mp_raft_run(w->nodes[1].rafts[0]);
	vote.u.vote.transfer = true;
	vote.u.vote.last_index = vote.u.vote.last_term = 99;
	assert_int_equal(mp_msg_raft_encode(&buf, &vote), 0);
	env = begin(w, 1);
	assert_int_equal(mp_raft_message(w->nodes[1].rafts[0], env, &w->nodes[2].env.self,
				 mp_buf_span(&buf)),
		0);
	end(w, 1);
	pass(w, 300);
	assert_true(mp_raft_term(w->nodes[0].rafts[0]) >= 7);
	assert_int_equal(mp_raft_term(w->nodes[0].rafts[1]), 1);
	world_free(w);
}

static void
test_stream_when_datagrams_are_lost(void **state)
{
	struct world *w = world_new(50);

	(void)state;
	pass(w, 500);
	w->no_datagrams = true;
	pass(w, 5000);
	assert_int_equal(led(w, 0), 50);
	assert_int_equal(mp_raft_term(w->nodes[0].rafts[0]), 1);
	assert_in_range(w->streams, 2 * 2 * 16, 2 * 2 * 20);
	w->no_datagrams = false;
	pass(w, 500);
	w->streams = 0;
	pass(w, 5000);
	assert_int_equal(w->streams, 0);
	/* With both gone there is no lease. */
	w->no_datagrams = w->no_links = true;
	pass(w, 1600);
	assert_int_equal(led(w, 0), 0);
	world_free(w);
}

/* Answers that are late count for when their question was sent; very late ones not at all. */
static void
test_late_answers(void **state)
{
	struct world *w = world_new(1);
	struct packet *held = NULL, **at = &held;

	(void)state;
	pass(w, 500);
	/* Hold back all answers of one and a half seconds, then let them in. */
	for (int i = 0; i < 150; i++) {
		struct mp_env *env = begin(w, 0);

		mp_pulse_tick(w->nodes[0].pulse, env);
		end(w, 0);
		while (w->first != NULL) {
			*at = w->first;
			at = &w->first->next;
			w->first = *at;
			*at = NULL;
		}
		w->last = &w->first;
		w->now += 10;
	}
	assert_false(mp_raft_may_dispatch(w->nodes[0].rafts[0], w->now));
	w->first = held;
	w->last = at;
	deliver(w);
	/* The last of them were sent lately. */
	assert_true(mp_raft_may_dispatch(w->nodes[0].rafts[0], w->now));
	assert_false(mp_raft_may_dispatch(w->nodes[0].rafts[0], w->now + 1200));
	world_free(w);
}

static void
test_junk(void **state)
{
	struct world *w = world_new(1);
	struct mp_pulse_run run = {.run = {{9}}, .term = 3};
	struct mp_node_id stranger = {{77}};
	uint8_t bytes[128];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_env *env = begin(w, 0);

	(void)state;
	for (int ack = 0; ack < 2; ack++) {
		buf.n = 0;
		assert_int_equal(mp_msg_pulse_encode(&buf,
					 ack ? MP_MSG_PULSE_ACK_RECORD : MP_MSG_PULSE_RECORD,
					 1u << 30, &run, 1),
			0);
		for (size_t n = 0; n < buf.n; n++)
			assert_int_not_equal(mp_pulse_receive(w->nodes[0].pulse, env, &stranger,
						     mp_span(bytes, n)),
				0);
	}
	/* Answers to what was never asked, by a stranger and by a peer. */
	assert_int_equal(mp_pulse_receive(w->nodes[0].pulse, env, &stranger, mp_buf_span(&buf)), 0);
	assert_int_equal(
		mp_pulse_receive(w->nodes[0].pulse, env, &w->nodes[1].env.self, mp_buf_span(&buf)),
		0);
	/* One beats for a run that it may not lead; of another generation others have to say. */
	w->no_links = true;
	run = (struct mp_pulse_run){.run = *mp_raft_run(w->nodes[0].rafts[0]), .term = 1000};
	for (int later = 0; later < 2; later++) {
		run.generation = mp_raft_generation(w->nodes[0].rafts[0]) + (uint64_t)later;
		buf.n = 0;
		assert_int_equal(mp_msg_pulse_encode(&buf, MP_MSG_PULSE, 1u << 30, &run, 1), 0);
		assert_int_equal(
			mp_pulse_receive(w->nodes[0].pulse, env, &stranger, mp_buf_span(&buf)),
			later ? 0 : MP_EAUTH);
	}
	end(w, 0);
	assert_int_equal(led(w, 0), 1);
	world_free(w);
}

static void
test_memory(void **state)
{
	struct world *w = world_new(2);
	int rc = MP_ENOMEM;
	struct mp_env *env;

	(void)state;
	mp_pulse_remove(w->nodes[0].pulse, w->nodes[0].rafts[0]);
	mp_pulse_remove(w->nodes[0].pulse, w->nodes[0].rafts[1]);
	env = begin(w, 0);
	for (size_t i = 1; rc != 0; i++) {
		w->heap.fail_at = w->heap.calls + i;
		rc = mp_pulse_add(w->nodes[0].pulse, env, w->nodes[0].rafts[0]);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		w->heap.fail_at = 0;
		assert_true((rc == 0) == (mp_pulse_find(w->nodes[0].pulse,
						  mp_raft_run(w->nodes[0].rafts[0])) != NULL));
	}
	end(w, 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_for_all),
		cmocka_unit_test(test_thousand_runs),
		cmocka_unit_test(test_nothing_shared_nothing_said),
		cmocka_unit_test(test_unknown_run_does_not_count),
		cmocka_unit_test(test_higher_term_is_told),
		cmocka_unit_test(test_stream_when_datagrams_are_lost),
		cmocka_unit_test(test_late_answers),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
