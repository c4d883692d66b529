/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run tables of a few nodes in one process: real logs, heartbeats and leaders; a roster that
 * the test writes; disks, streams and workers that do what they are told. Included by one test
 * program only.
 */
#ifndef MP_TESTS_RUNS_CLUSTER_H
#define MP_TESTS_RUNS_CLUSTER_H

#include "unit/runs_world.h"

/* ---- steps ---- */

static void
step_begin(struct cluster *c, int node)
{
	c->nodes[node].env.now_ms = c->now_ms;
	c->nodes[node].env.wall_ms = 1700000000000 + c->now_ms;
	mp_out_begin(c->nodes[node].env.out);
}

/* What its pings tell the others. */
static void
step_say(struct cluster *c, int node)
{
	struct cluster_node *n = &c->nodes[node];
	uint32_t runs = mp_runs_say(n->runs, &n->env);

	if (runs == 0 || n->deaf)
		return;
	c->roster.members[node].runs = runs;
	c->roster.members[node].runs_ms = c->now_ms;
}

static void
step_end(struct cluster *c, int node)
{
	struct cluster_node *n = &c->nodes[node];
	const struct mp_effect *fx;
	struct mp_span bytes;
	size_t count;

	mp_runs_flush(n->runs, &n->env);
	step_say(c, node);
	while (mp_out_loop(n->env.out, &bytes))
		cluster_say(c, node, node, bytes);
	mp_out_end(n->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		if (fx[i].kind == MP_FX_SEND) {
			n->sent++;
			cluster_say(c, node, cluster_index(&fx[i].u.send.peer), fx[i].u.send.bytes);
			continue;
		}
		if (fx[i].kind == MP_FX_CACHE_PUT) {
			cache_put(n, &fx[i]);
			continue;
		}
		if (fx[i].kind == MP_FX_ROWS_READ) {
			disk_ask(c, node, &fx[i]);
			continue;
		}
		assert_int_equal(fx[i].kind, MP_FX_PERSIST);
		for (size_t k = 0; k < fx[i].u.persist.count; k++)
			disk_write(n, &fx[i].u.persist.rows[k]);
		cluster_push(c,
			(struct cluster_event){.what = CLUSTER_PERSISTED,
				.at_ms = c->now_ms + 2,
				.to = node,
				.seq = fx[i].u.persist.seq},
			mp_span(NULL, 0));
	}
}

/* ---- the worker of a node ---- */

static void
worker_reply(struct cluster *c, int node, struct mp_buf *buf, int rc)
{
	assert_int_equal(rc, 0);
	if (c->nodes[node].leader >= 0)
		cluster_say(c, node, c->nodes[node].leader, mp_buf_span(buf));
	mp_buf_fini(buf);
}

static void
worker_result(struct cluster *c, const struct cluster_job *job)
{
	struct cluster_node *n = &c->nodes[job->node];
	const struct mp_work_head head = {job->run, mp_term_generation(n->fence), n->fence};
	struct mp_buf record, both, msg;
	struct mp_result_sig sig;
	struct mp_span span;
	struct mp_cbor_w w;

	mp_buf_init(&record, &c->alloc, 4096);
	mp_buf_init(&both, &c->alloc, 4096);
	mp_buf_init(&msg, &c->alloc, 65536);
	assert_int_equal(mp_result_encode(&record, &job->result), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&fake_crypto, &n->secret, &span, 1, &sig);
	assert_int_equal(mp_signed_result_encode(&both, span, &sig), 0);
	mp_cbor_w_init(&w, &msg);
	mp_work_result_begin(&w, &head, 1);
	mp_work_result_item(&w, &job->id, mp_buf_span(&both), &n->env.self, 1);
	worker_reply(c, job->node, &msg, w.rc);
	mp_buf_fini(&record);
	mp_buf_fini(&both);
}

static void
worker_take(struct cluster *c, int node, const struct mp_work_head *head,
	const struct mp_work_item *item)
{
	struct cluster_job *job = &c->jobs[c->job_count];
	struct mp_offer offer = {.cluster = c->nodes[node].env.cluster,
		.run = head->run,
		.generation = head->generation,
		.attempt = {.module = item->module, .term = head->term, .counter = item->counter},
		.worker = c->nodes[node].env.self};
	struct mp_hash deps[64];
	struct mp_list list = item->deps;
	struct mp_work_dep dep;
	struct mp_span span;
	struct mp_buf buf;
	size_t n = 0;

	assert_true(c->job_count < JOBS_MAX);
	while (mp_work_dep_next(&list, &dep)) {
		struct mp_result result;

		assert_int_equal(
			mp_signed_result_open(&fake_crypto, dep.result, &result, &span), 0);
		fake_hash(&deps[n++], &span, 1);
	}
	assert_int_equal(mp_inputs_hash(&fake_crypto, &c->alloc, NULL, deps, n, &offer.inputs), 0);
	fake_hash(&offer.spec, &item->spec, 1);
	mp_buf_init(&buf, &c->alloc, 4096);
	assert_int_equal(mp_offer_encode(&buf, &offer), 0);
	span = mp_buf_span(&buf);
	*job = (struct cluster_job){.node = node, .id = offer.attempt, .run = head->run};
	job->result = (struct mp_result){.cluster = offer.cluster,
		.run = offer.run,
		.generation = offer.generation,
		.attempt = offer.attempt,
		.node = offer.worker,
		.leader = c->nodes[c->nodes[node].leader].env.self,
		.offer_sig = item->offer_sig,
		.spec = offer.spec,
		.inputs = offer.inputs,
		.status = MP_STATUS_OK,
		.cache_key = c->key};
	if (c->key.b[0] != 0)
		c->key.b[31]++;
	fake_hash(&job->result.offer, &span, 1);
	mp_buf_fini(&buf);
	c->started[item->module]++;
	cluster_push(c,
		(struct cluster_event){.what = CLUSTER_JOB,
			.at_ms = c->now_ms + c->job_ms,
			.to = node,
			.seq = c->job_count++},
		mp_span(NULL, 0));
}

static void
worker_status(struct cluster *c, int node, const struct mp_msg_work_status_req *m)
{
	struct mp_msg_work_status status = {.head = m->head, .seq = m->seq, .boot = 1, .slots = 2};
	struct mp_work_state states[JOBS_MAX];
	struct mp_buf buf;
	size_t n = 0;

	for (size_t i = 0; i < c->job_count; i++) {
		const struct cluster_job *job = &c->jobs[i];

		if (job->node == node && !job->gone && mp_run_id_eq(&job->run, &m->head.run))
			states[n++] = (struct mp_work_state){
				job->id, job->done ? MP_WORK_DONE : MP_WORK_RUNNING};
	}
	mp_buf_init(&buf, &c->alloc, 65536);
	worker_reply(c, node, &buf, mp_msg_work_status_encode(&buf, &status, states, n));
}

static void
worker_forget(struct cluster *c, int node, struct mp_span bytes, enum mp_msg_work number)
{
	struct mp_msg_work_list m;
	struct mp_attempt_id id;

	assert_int_equal(mp_msg_work_list_decode(bytes, number, &m), 0);
	while (mp_attempts_next(&m.attempts, &id)) {
		for (size_t i = 0; i < c->job_count; i++) {
			struct cluster_job *job = &c->jobs[i];

			if (job->node == node && mp_attempt_eq(&job->id, &id) &&
				mp_run_id_eq(&job->run, &m.head.run))
				job->gone = true;
		}
	}
}

static void
worker_message(struct cluster *c, int node, int from, struct mp_span bytes)
{
	struct cluster_node *n = &c->nodes[node];
	struct mp_msg_work_assign assign;
	struct mp_msg_work_status_req req;
	struct mp_msg_work_lead lead;
	struct mp_run_record rec;
	struct mp_leader_cert cert;
	struct mp_work_item item;

	switch (mp_msg_number(bytes)) {
	case MP_MSG_WORK_LEAD:
		assert_int_equal(mp_msg_work_lead_decode(bytes, &lead), 0);
		assert_int_equal(
			mp_run_record_verify(&fake_crypto, &n->env.cluster, lead.record, &rec), 0);
		assert_int_equal(
			mp_leader_cert_verify(&fake_crypto, lead.certificate, &rec.now, &cert), 0);
		if (cert.term < n->fence)
			return;
		n->fence = cert.term;
		n->leader = from;
		for (size_t i = 0; i < c->job_count; i++) {
			if (c->jobs[i].node == node && c->jobs[i].done && !c->jobs[i].gone)
				worker_result(c, &c->jobs[i]);
		}
		return;
	case MP_MSG_WORK_ASSIGN:
		assert_int_equal(mp_msg_work_assign_decode(bytes, &assign), 0);
		while (assign.head.term == n->fence && mp_work_item_next(&assign.items, &item))
			worker_take(c, node, &assign.head, &item);
		return;
	case MP_MSG_WORK_STATUS_REQ:
		assert_int_equal(mp_msg_work_status_req_decode(bytes, &req), 0);
		if (req.head.term == n->fence)
			worker_status(c, node, &req);
		return;
	case MP_MSG_WORK_SETTLED:
		worker_forget(c, node, bytes, MP_MSG_WORK_SETTLED);
		return;
	case MP_MSG_WORK_KILL:
		worker_forget(c, node, bytes, MP_MSG_WORK_KILL);
		return;
	default:
		return;
	}
}

static void
worker_job(struct cluster *c, int node, size_t index)
{
	struct cluster_job *job = &c->jobs[index];

	if (job->gone)
		return;
	job->done = true;
	assert_int_equal(job->node, node);
	worker_result(c, job);
}

/* ---- time ---- */

static void
cluster_deliver(struct cluster *c, const struct cluster_event *e)
{
	struct cluster_node *n = &c->nodes[e->to];
	struct mp_span bytes = mp_span(e->bytes, e->size);
	const struct mp_node_id *from = &c->roster.members[e->from].id;

	if (!n->up || e->life != n->life)
		return;
	if (e->what == CLUSTER_JOB) {
		worker_job(c, e->to, (size_t)e->seq);
		return;
	}
	if (e->what == CLUSTER_MESSAGE && mp_msg_number(bytes) >= 60 && mp_msg_number(bytes) < 70) {
		worker_message(c, e->to, e->from, bytes);
		return;
	}
	step_begin(c, e->to);
	if (e->what == CLUSTER_PULSE)
		assert_int_equal(mp_pulse_receive(n->pulse, &n->env, from, bytes), 0);
	else if (e->what == CLUSTER_MESSAGE)
		c->refused += mp_runs_message(n->runs, &n->env, from, bytes) != 0;
	if (e->what == CLUSTER_ROWS) {
		struct mp_event ev;

		disk_read(e, n, &ev);
		mp_runs_rows(n->runs, &n->env, &ev);
	}
	if (e->what == CLUSTER_PERSISTED) {
		mp_out_persisted(n->env.out, e->seq);
		mp_runs_persisted(n->runs, &n->env, e->seq);
	}
	step_end(c, e->to);
}

static mp_time
node_deadline(const struct cluster_node *n)
{
	mp_time a = mp_pulse_deadline(n->pulse), b = mp_runs_deadline(n->runs);

	return a < b ? a : b;
}

static void
cluster_tick(struct cluster *c, int node)
{
	struct cluster_node *n = &c->nodes[node];

	step_begin(c, node);
	if (mp_pulse_deadline(n->pulse) <= c->now_ms)
		mp_pulse_tick(n->pulse, &n->env);
	if (mp_runs_deadline(n->runs) <= c->now_ms)
		mp_runs_tick(n->runs, &n->env);
	step_end(c, node);
}

/* The next thing that happens, if it happens before `until`. */
static bool
cluster_next(struct cluster *c, mp_time until)
{
	mp_time first = c->queued > 0 ? c->queue[0].at_ms : MP_TIME_NEVER;
	int who = -1;

	for (int i = 0; i < c->count; i++) {
		mp_time due = c->nodes[i].up ? node_deadline(&c->nodes[i]) : MP_TIME_NEVER;

		if (due < first) {
			first = due;
			who = i;
		}
	}
	if (first > until)
		return false;
	if (first > c->now_ms)
		c->now_ms = first;
	if (who >= 0) {
		cluster_tick(c, who);
		return true;
	}
	struct cluster_event e = c->queue[0];

	c->queued--;
	memmove(c->queue, c->queue + 1, c->queued * sizeof(c->queue[0]));
	cluster_deliver(c, &e);
	free(e.bytes);
	return true;
}

static void
cluster_run(struct cluster *c, mp_time ms)
{
	mp_time until = c->now_ms + ms;
	size_t steps = 0;

	while (cluster_next(c, until))
		assert_true(++steps < 200000); /* a deadline that never moves on */
	c->now_ms = until;
}

/* ---- life ---- */

static void
node_start(struct cluster *c, int i)
{
	const struct mp_pulse_io io = {
		.ctx = c, .datagram = pulse_datagram, .link_up = pulse_link_up};
	struct cluster_node *n = &c->nodes[i];
	const struct mp_runs_parts parts = {.roster = &c->roster, .returned_ms = n->returned_ms};
	struct mp_runs_parts with = parts;

	n->env.rng.state = (uint64_t)i * 77 + n->life;
	n->env.now_ms = c->now_ms;
	n->env.out = mp_out_new(&c->alloc, &n->env.self, NULL, NULL);
	assert_non_null(n->env.out);
	step_begin(c, i);
	assert_int_equal(mp_pulse_new(&n->env, &io, &n->pulse), 0);
	with.pulse = n->pulse;
	assert_int_equal(mp_runs_new(&n->env, &with, &n->runs), 0);
	for (const struct cluster_row *row = n->rows; row != NULL; row = row->next) {
		const struct mp_row r = {.table = row->table,
			.key = mp_span(row->key, row->key_size),
			.value = mp_span(row->value, row->value_size)};

		if (r.table == MP_TABLE_KNOWN)
			assert_int_equal(mp_runs_restore(n->runs, &n->env, &r), 0);
	}
	for (const struct cluster_row *row = n->rows; row != NULL; row = row->next) {
		const struct mp_row r = {.table = row->table,
			.key = mp_span(row->key, row->key_size),
			.value = mp_span(row->value, row->value_size)};

		if (r.table == MP_TABLE_RUN || r.table == MP_TABLE_VOTE)
			assert_int_equal(mp_runs_restore(n->runs, &n->env, &r), 0);
	}
	mp_runs_start(n->runs, &n->env);
	n->up = true;
	step_end(c, i);
}

static void
node_crash(struct cluster *c, int i)
{
	struct cluster_node *n = &c->nodes[i];

	mp_runs_free(n->runs);
	mp_pulse_free(n->pulse);
	mp_out_free(n->env.out);
	n->up = false;
	n->life++;
	/* What ran is gone, results that it kept are not. */
	for (size_t k = 0; k < c->job_count; k++) {
		if (c->jobs[k].node == i && !c->jobs[k].done)
			c->jobs[k].gone = true;
	}
}

static inline void
node_lose_disk(struct cluster *c, int i)
{
	while (c->nodes[i].rows != NULL)
		row_drop(&c->nodes[i].rows);
	c->nodes[i].returned_ms = 1700000000000 + c->now_ms;
}

static struct cluster *
cluster_new(int count)
{
	struct cluster *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	the_cluster = c;
	c->alloc = UNIT_ALLOC(&c->heap);
	c->count = count;
	c->now_ms = 1000;
	c->job_ms = 300;
	unit_roster_init(&c->roster, (size_t)count, 2);
	for (int i = 0; i < count; i++) {
		struct cluster_node *n = &c->nodes[i];

		memcpy(n->secret.public_key, c->roster.members[i].id.b, 32);
		n->leader = -1;
		n->env = (struct mp_env){.alloc = &c->alloc,
			.crypto = &fake_crypto,
			.secret = &n->secret,
			.profile = &cluster_profile,
			.self = c->roster.members[i].id,
			.cluster = {{9}},
			.boot = 1};
		node_start(c, i);
	}
	return c;
}

static void
cluster_free(struct cluster *c)
{
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up)
			node_crash(c, i);
		while (c->nodes[i].rows != NULL)
			row_drop(&c->nodes[i].rows);
	}
	for (size_t i = 0; i < c->queued; i++)
		free(c->queue[i].bytes);
	assert_int_equal(c->heap.live, 0);
	free(c);
}

#endif
