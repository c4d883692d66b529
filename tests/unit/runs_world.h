/* SPDX-License-Identifier: Apache-2.0 */
/* What the nodes of runs_cluster.h live in: their queue of events, and their disks. */
#ifndef MP_TESTS_RUNS_WORLD_H
#define MP_TESTS_RUNS_WORLD_H

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

#define CLUSTER_MAX 6
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
	mp_time returned_ms; /* when it came back without its rows */
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

static inline size_t
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

#endif
