/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run tables of a few nodes in one process: real logs, heartbeats and leaders; a roster that
 * the test writes; disks, streams and workers that do what they are told. Included by one test
 * program only.
 */
#ifndef MP_TESTS_RUNS_CLUSTER_H
#define MP_TESTS_RUNS_CLUSTER_H

#include "unit/unit.h"

#include "codec/msg_cache.h"
#include "codec/record_run.h"
#include "codec/msg_show.h"
#include "codec/msg_work.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "core/pulse.h"
#include "core/runs.h"
#include "core/shelf.h"
#include "unit/fake_crypto.h"
#include "unit/roster.h"

#define CLUSTER_MAX 5
#define QUEUE_MAX   65536
#define JOBS_MAX    256
#define FILED_MAX   16

static const struct mp_profile cluster_profile = {
	.push_pull_ms = 30000,
	.heartbeat_ms = 250,
	.lease_ms = 1200,
	.election_ms = 1500,
};

struct cluster_row {
	struct cluster_row *next;
	enum mp_table table;
	uint8_t key[64];
	size_t key_size;
	uint8_t *value;
	size_t value_size;
};

enum cluster_what {
	CLUSTER_MESSAGE,
	CLUSTER_PULSE,
	CLUSTER_PERSISTED,
	CLUSTER_ROWS, /* what was asked of the disk: from and to, one after the other */
	CLUSTER_JOB,  /* a worker's command ends */
};

struct cluster_event {
	enum cluster_what what;
	mp_time at_ms;
	int from, to;
	unsigned life; /* of the receiver, when it was sent */
	uint8_t *bytes;
	size_t size;
	uint64_t seq; /* PERSISTED; JOB: index; ROWS: token */
	enum mp_table table;
};

/* What a worker has of the run; the result is kept until it is settled. */
struct cluster_job {
	int node;
	struct mp_attempt_id id;
	struct mp_run_id run;
	struct mp_result result;
	bool done;
	bool gone;
};

struct cluster_node {
	struct mp_env env;
	struct mp_secret secret;
	struct mp_pulse *pulse;
	struct mp_runs *runs;
	struct cluster_row *rows; /* the disk, in order */
	unsigned life;
	bool up;
	bool deaf; /* messages to and from it are lost */
	/* As a worker. */
	uint64_t fence;
	int leader;
	uint64_t sent; /* messages it has sent */
	/* What it put into its result cache. */
	size_t filed;
	struct mp_cache_ref filings[FILED_MAX];
	size_t filed_good; /* whose record has a result with that key and one holder */
};

struct cluster {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_roster roster;
	struct cluster_node nodes[CLUSTER_MAX];
	int count;
	mp_time now_ms;
	struct cluster_event queue[QUEUE_MAX]; /* a heap would be quicker, order is what counts */
	size_t queued;
	struct cluster_job jobs[JOBS_MAX];
	size_t job_count;
	mp_time job_ms;     /* how long a command takes */
	struct mp_hash key; /* of the result of the next command; the one after has the next key */
	size_t started[64]; /* commands that were run, per module */
	bool one_way;       /* what n0 is told is lost, and others hear only of it */
	size_t refused;     /* messages that were not taken */
};

static struct cluster *the_cluster;

/* ---- stand-ins for what is not under test ---- */

int
mp_fetch_read(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_hash *digest, size_t max, const struct mp_node_id *holders,
	size_t holder_count)
{
	(void)fetch;
	(void)env;
	(void)req;
	(void)digest;
	(void)max;
	(void)holders;
	(void)holder_count;
	return MP_EUNSUPPORTED;
}

void
mp_fetch_cancel(struct mp_fetch *fetch, struct mp_fetch_req *req)
{
	(void)fetch;
	(void)req;
}

/* Nobody has a shelf: the table of runs is made without one. */
int
mp_shelf_ask(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_ask_req *req,
	const struct mp_hash *bases, size_t n)
{
	(void)shelf;
	(void)env;
	(void)req;
	(void)bases;
	(void)n;
	return MP_EUNSUPPORTED;
}

int
mp_shelf_get(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_get_req *req,
	const struct mp_hash *key, const struct mp_node_id *nodes, size_t n)
{
	(void)shelf;
	(void)env;
	(void)req;
	(void)key;
	(void)nodes;
	(void)n;
	return MP_EUNSUPPORTED;
}

int
mp_shelf_hold(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_hold_req *req,
	struct mp_span result, uint32_t copies, const struct mp_node_id *nodes, size_t n)
{
	(void)shelf;
	(void)env;
	(void)req;
	(void)result;
	(void)copies;
	(void)nodes;
	(void)n;
	return MP_EUNSUPPORTED;
}

void
mp_shelf_ask_cancel(struct mp_shelf *shelf, struct mp_shelf_ask_req *req)
{
	(void)shelf;
	(void)req;
}

void
mp_shelf_get_cancel(struct mp_shelf *shelf, struct mp_shelf_get_req *req)
{
	(void)shelf;
	(void)req;
}

void
mp_shelf_hold_cancel(struct mp_shelf *shelf, struct mp_shelf_hold_req *req)
{
	(void)shelf;
	(void)req;
}

int
mp_hold_request(struct mp_hold *hold, struct mp_env *env, struct mp_hold_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, size_t copies)
{
	(void)hold;
	(void)env;
	(void)req;
	(void)refs;
	(void)ref_count;
	(void)copies;
	return MP_EUNSUPPORTED;
}

void
mp_hold_cancel(struct mp_hold *hold, struct mp_hold_req *req)
{
	(void)hold;
	(void)req;
}

/* ---- events ---- */

static int
cluster_index(const struct mp_node_id *id)
{
	return id->b[0] - 1;
}

static void
cluster_push(struct cluster *c, struct cluster_event e, struct mp_span bytes)
{
	size_t i = c->queued;

	assert_true(c->queued < QUEUE_MAX);
	e.life = c->nodes[e.to].life;
	e.size = bytes.n;
	e.bytes = malloc(bytes.n + 1);
	assert_non_null(e.bytes);
	if (bytes.n > 0)
		memcpy(e.bytes, bytes.p, bytes.n);
	/* Ascending by time; what comes later stands behind what is due at the same time. */
	for (; i > 0 && c->queue[i - 1].at_ms > e.at_ms; i--)
		c->queue[i] = c->queue[i - 1];
	c->queue[i] = e;
	c->queued++;
}

static bool
cluster_linked(const struct cluster *c, int a, int b)
{
	return a == b || (!c->nodes[a].deaf && !c->nodes[b].deaf);
}

static void
cluster_say(struct cluster *c, int from, int to, struct mp_span bytes)
{
	if (c->one_way && from != to && (to == 0 || from != 0))
		return;
	if (cluster_linked(c, from, to))
		cluster_push(c,
			(struct cluster_event){.what = CLUSTER_MESSAGE,
				.at_ms = c->now_ms + (from == to ? 0 : 1),
				.from = from,
				.to = to},
			bytes);
}

static void
pulse_datagram(void *ctx, struct mp_env *env, const struct mp_node_id *to, struct mp_span record)
{
	struct cluster *c = the_cluster;
	int from = cluster_index(&env->self);

	(void)ctx;
	c->nodes[from].sent++;
	if (cluster_linked(c, from, cluster_index(to)))
		cluster_push(c,
			(struct cluster_event){.what = CLUSTER_PULSE,
				.at_ms = c->now_ms + 1,
				.from = from,
				.to = cluster_index(to)},
			record);
}

static bool
pulse_link_up(void *ctx, const struct mp_node_id *peer)
{
	(void)ctx;
	(void)peer;
	return true;
}

/* ---- disks ---- */

static int
row_cmp(const struct cluster_row *a, enum mp_table table, struct mp_span key)
{
	int rc;

	if (a->table != table)
		return a->table < table ? -1 : 1;
	rc = memcmp(a->key, key.p, mp_min_size(a->key_size, key.n));
	if (rc != 0)
		return rc;
	return a->key_size < key.n ? -1 : a->key_size > key.n;
}

static void
row_drop(struct cluster_row **at)
{
	struct cluster_row *row = *at;

	*at = row->next;
	free(row->value);
	free(row);
}

static void
disk_write(struct cluster_node *node, const struct mp_row *r)
{
	struct cluster_row **at = &node->rows, *row;

	while (*at != NULL && row_cmp(*at, r->table, r->key) < 0)
		at = &(*at)->next;
	if (r->op == MP_ROW_DELETE_RANGE) {
		while (*at != NULL && row_cmp(*at, r->table, r->value) < 0)
			row_drop(at);
		return;
	}
	if (*at != NULL && row_cmp(*at, r->table, r->key) == 0)
		row_drop(at);
	if (r->op == MP_ROW_DELETE)
		return;
	row = calloc(1, sizeof(*row));
	assert_non_null(row);
	row->table = r->table;
	row->key_size = r->key.n;
	memcpy(row->key, r->key.p, r->key.n);
	row->value_size = r->value.n;
	row->value = malloc(r->value.n + 1);
	assert_non_null(row->value);
	memcpy(row->value, r->value.p, r->value.n);
	row->next = *at;
	*at = row;
}

static size_t
disk_count(const struct cluster_node *node, enum mp_table table)
{
	size_t n = 0;

	for (const struct cluster_row *row = node->rows; row != NULL; row = row->next)
		n += row->table == table;
	return n;
}

static void
cache_put(struct cluster_node *n, const struct mp_effect *fx)
{
	struct mp_cache_record record;
	struct mp_result result;

	for (size_t i = 0; i < fx->u.cache_put.count; i++) {
		const struct mp_cached *item = &fx->u.cache_put.items[i];

		assert_true(n->filed < FILED_MAX);
		n->filings[n->filed++] = (struct mp_cache_ref){item->base, item->key};
		assert_int_equal(mp_cache_record_decode(item->record, &record), 0);
		assert_int_equal(
			mp_signed_result_open(&fake_crypto, record.result, &result, NULL), 0);
		n->filed_good +=
			mp_hash_eq(&result.cache_key, &item->key) && record.holders.left == 1;
	}
}

/* Rows from <= key < to, at most two at a time: bytes has both keys, `to` one byte longer. */
static void
disk_read(const struct cluster_event *e, struct cluster_node *node, struct mp_event *ev)
{
	static struct mp_row rows[2];
	struct mp_span from = mp_span(e->bytes, (e->size - 1) / 2);
	struct mp_span to = mp_span(e->bytes + from.n, from.n + 1);

	*ev = (struct mp_event){.kind = MP_EV_ROWS_READ};
	ev->u.rows_read.token = e->seq;
	ev->u.rows_read.rows = rows;
	for (const struct cluster_row *row = node->rows; row != NULL; row = row->next) {
		if (row_cmp(row, e->table, from) < 0 || row_cmp(row, e->table, to) >= 0)
			continue;
		if (ev->u.rows_read.count == mp_countof(rows)) {
			ev->u.rows_read.more = true;
			return;
		}
		rows[ev->u.rows_read.count++] = (struct mp_row){.table = row->table,
			.key = mp_span(row->key, row->key_size),
			.value = mp_span(row->value, row->value_size)};
	}
}

static void
disk_ask(struct cluster *c, int node, const struct mp_effect *fx)
{
	struct mp_span from = fx->u.rows_read.from, to = fx->u.rows_read.to;
	uint8_t keys[128];

	assert_int_equal(to.n, from.n + 1);
	memcpy(keys, from.p, from.n);
	memcpy(keys + from.n, to.p, to.n);
	cluster_push(c,
		(struct cluster_event){.what = CLUSTER_ROWS,
			.at_ms = c->now_ms + 1,
			.to = node,
			.table = fx->u.rows_read.table,
			.seq = fx->u.rows_read.token},
		mp_span(keys, from.n + to.n));
}

/* ---- steps ---- */

static void
step_begin(struct cluster *c, int node)
{
	c->nodes[node].env.now_ms = c->now_ms;
	c->nodes[node].env.wall_ms = 1700000000000 + c->now_ms;
	mp_out_begin(c->nodes[node].env.out);
}

static void
step_end(struct cluster *c, int node)
{
	struct cluster_node *n = &c->nodes[node];
	const struct mp_effect *fx;
	struct mp_span bytes;
	size_t count;

	mp_runs_flush(n->runs, &n->env);
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
	const struct mp_work_head head = {job->run, 1, n->fence};
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
	const struct mp_runs_parts parts = {.roster = &c->roster};
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
