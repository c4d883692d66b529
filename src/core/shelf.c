/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_work.h"
#include "core/lend.h"
#include "core/roster.h"
#include "core/shelf_int.h"
#include "mp/limits.h"

/* Questions to one member that wait for its answer. More wait here, for it has nothing for more
 * than MP_CACHE_PEER_MAX, and those that were given up may still count. */
#define PEER_OPEN_MAX (MP_CACHE_PEER_MAX / 2)

struct peer {
	struct mp_map_node node;
	struct mp_node_id id;
	struct mp_dlist queue; /* calls that are not sent yet */
	struct mp_dlist open;  /* calls that wait for its answer */
	uint32_t open_count;
	mp_time avoid_ms; /* it was silent: not asked before then */
};

/* One question of one job to one member. */
struct call {
	struct mp_dlist of_peer;
	struct mp_dlist of_job;
	struct mp_dlist all; /* in mp_shelf.calls once it is sent */
	struct peer *peer;
	struct mp_shelf_job *job;
	uint64_t seq;
	mp_time sent_ms;
	bool sent;
	bool slow; /* hold: the next member is asked beside it */
};

/* A get, or a hold. */
struct mp_shelf_job {
	struct mp_dlist link; /* in jobs, then in done */
	struct mp_dlist calls;
	struct mp_shelf_get_req *get; /* or NULL */
	struct mp_shelf_hold_req *hold;
	mp_time start_ms;
	struct mp_node_id nodes[MP_SHELF_NODES_MAX];
	size_t node_count;
	size_t next; /* of them to ask */
	struct mp_hash key;
	uint32_t copies;
	bool finished;
	int rc;
	struct mp_node_id holders[MP_HOLDERS_MAX + 1];
	size_t holder_count;
	size_t size; /* of what follows: the record that came, or the result */
	uint8_t bytes[MP_CACHE_RECORD_MAX];
};

int
mp_shelf_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, struct mp_shelf **out)
{
	struct mp_shelf *shelf = mp_realloc(env->alloc, NULL, 0, sizeof(*shelf));

	if (shelf == NULL)
		return MP_ENOMEM;
	*shelf =
		(struct mp_shelf){.alloc = env->alloc, .roster = roster, .check_ms = MP_TIME_NEVER};
	if (mp_lend_new(env, roster, fetch, hold, &shelf->lend) != 0) {
		mp_dealloc(env->alloc, shelf, sizeof(*shelf));
		return MP_ENOMEM;
	}
	mp_dlist_init(&shelf->asks);
	mp_dlist_init(&shelf->asked);
	mp_map_init(&shelf->peers, env->alloc);
	mp_dlist_init(&shelf->calls);
	mp_dlist_init(&shelf->jobs);
	mp_dlist_init(&shelf->done);
	*out = shelf;
	return 0;
}

uint64_t
shelf_seq(struct mp_shelf *shelf, const struct mp_env *env, uint64_t n)
{
	uint64_t first = (env->boot << 32) + shelf->last_seq + 1;

	shelf->last_seq += n;
	return first;
}

/* ---- peers ---- */

static struct peer *
peer_find(const struct mp_shelf *shelf, const struct mp_node_id *id)
{
	struct mp_map_node *n = mp_map_find(&shelf->peers, mp_hash64(id->b, sizeof(id->b), 0));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	return NULL;
}

static struct peer *
peer_make(struct mp_shelf *shelf, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(shelf, id);

	if (peer != NULL)
		return peer;
	peer = mp_realloc(shelf->alloc, NULL, 0, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = (struct peer){.id = *id};
	mp_dlist_init(&peer->queue);
	mp_dlist_init(&peer->open);
	if (mp_map_add(&shelf->peers, &peer->node, mp_hash64(id->b, sizeof(id->b), 0)) != 0) {
		mp_dealloc(shelf->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

/* ---- calls ---- */

static int
call_encode(const struct call *call, struct mp_buf *buf)
{
	const struct mp_shelf_job *job = call->job;

	if (job->get != NULL)
		return mp_msg_cache_get_encode(buf, call->seq, &job->key, 1);
	return mp_msg_cache_hold_encode(buf, call->seq, mp_span(job->bytes, job->size), job->copies,
		job->nodes, job->node_count);
}

static mp_time
call_due(const struct call *call)
{
	return call->sent_ms + (call->job->get != NULL ? MP_SHELF_GET_MS : MP_SHELF_NEXT_MS);
}

static void
call_send(struct mp_shelf *shelf, struct mp_env *env, struct call *call)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct peer *peer = call->peer;

	call->sent = true;
	call->sent_ms = env->now_ms;
	mp_dlist_remove(&call->of_peer);
	mp_dlist_push(&peer->open, &call->of_peer);
	peer->open_count++;
	mp_dlist_push(&shelf->calls, &call->all);
	shelf_check_at(shelf, call_due(call));
	if (call_encode(call, buf) == 0)
		mp_out_send(env->out, &peer->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

static void
peer_pump(struct mp_shelf *shelf, struct mp_env *env, struct peer *peer)
{
	struct mp_dlist *l;

	while (peer->open_count < PEER_OPEN_MAX && (l = mp_dlist_first(&peer->queue)) != NULL)
		call_send(shelf, env, mp_container_of(l, struct call, of_peer));
}

static void
call_free(struct mp_shelf *shelf, struct call *call)
{
	if (call->sent)
		call->peer->open_count--;
	mp_dlist_remove(&call->of_peer);
	mp_dlist_remove(&call->of_job);
	mp_dlist_remove(&call->all);
	mp_dealloc(shelf->alloc, call, sizeof(*call));
}

static bool
call_new(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_job *job,
	const struct mp_node_id *to)
{
	struct peer *peer = peer_make(shelf, to);
	struct call *call;

	if (peer == NULL || peer->avoid_ms > env->now_ms)
		return false;
	call = mp_realloc(shelf->alloc, NULL, 0, sizeof(*call));
	if (call == NULL)
		return false;
	*call = (struct call){.peer = peer, .job = job, .seq = shelf_seq(shelf, env, 1)};
	mp_dlist_init(&call->of_peer);
	mp_dlist_init(&call->of_job);
	mp_dlist_init(&call->all);
	mp_dlist_push(&peer->queue, &call->of_peer);
	mp_dlist_push(&job->calls, &call->of_job);
	peer_pump(shelf, env, peer);
	return true;
}

/* ---- jobs ---- */

static void
job_finish(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_job *job, int rc)
{
	struct mp_dlist *l;

	job->finished = true;
	job->rc = rc;
	while ((l = mp_dlist_first(&job->calls)) != NULL) {
		struct peer *peer = mp_container_of(l, struct call, of_job)->peer;

		call_free(shelf, mp_container_of(l, struct call, of_job));
		peer_pump(shelf, env, peer);
	}
	mp_dlist_remove(&job->link);
	mp_dlist_push(&shelf->done, &job->link);
}

static bool
node_counts(const struct mp_shelf *shelf, const struct mp_env *env, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(shelf->roster, id);

	return mp_node_id_eq(id, &env->self) || (m != NULL && m->state == MP_MEMBER_ALIVE);
}

/* Asks the next member; the job is over when there is none and nobody owes an answer. */
static void
job_next(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_job *job)
{
	while (job->next < job->node_count) {
		const struct mp_node_id *to = &job->nodes[job->next++];

		if (node_counts(shelf, env, to) && call_new(shelf, env, job, to))
			return;
	}
	if (mp_dlist_empty(&job->calls))
		job_finish(shelf, env, job, MP_ENOENT);
}

/* It did not give what it was asked for. */
static void
call_fail(struct mp_shelf *shelf, struct mp_env *env, struct call *call)
{
	struct mp_shelf_job *job = call->job;
	struct peer *peer = call->peer;
	bool slow = call->slow;

	call_free(shelf, call);
	peer_pump(shelf, env, peer);
	if (!slow || mp_dlist_empty(&job->calls))
		job_next(shelf, env, job);
}

static void
peer_lost(struct mp_shelf *shelf, struct mp_env *env, struct peer *peer)
{
	struct mp_dlist *l;

	/* Those that wait first, so that none of them is sent in the place of another. */
	while ((l = mp_dlist_first(&peer->queue)) != NULL ||
		(l = mp_dlist_first(&peer->open)) != NULL)
		call_fail(shelf, env, mp_container_of(l, struct call, of_peer));
}

static struct mp_shelf_job *
job_new(struct mp_shelf *shelf, struct mp_env *env, struct mp_span bytes,
	const struct mp_node_id *nodes, size_t n)
{
	struct mp_shelf_job *job = mp_realloc(shelf->alloc, NULL, 0, sizeof(*job));

	if (job == NULL)
		return NULL;
	memset(job, 0, offsetof(struct mp_shelf_job, bytes));
	job->start_ms = env->now_ms;
	job->size = bytes.n;
	if (bytes.n > 0)
		memcpy(job->bytes, bytes.p, bytes.n);
	for (size_t i = 0; i < n && job->node_count < MP_SHELF_NODES_MAX; i++) {
		size_t k = 0;

		while (k < job->node_count && !mp_node_id_eq(&job->nodes[k], &nodes[i]))
			k++;
		if (k == job->node_count)
			job->nodes[job->node_count++] = nodes[i];
	}
	mp_dlist_init(&job->calls);
	mp_dlist_init(&job->link);
	mp_dlist_push(&shelf->jobs, &job->link);
	return job;
}

static void
job_free(struct mp_shelf *shelf, struct mp_shelf_job *job)
{
	mp_dlist_remove(&job->link);
	mp_dealloc(shelf->alloc, job, sizeof(*job));
}

static void
job_cancel(struct mp_shelf *shelf, struct mp_shelf_job *job)
{
	struct mp_dlist *l;

	if (job == NULL)
		return;
	while ((l = mp_dlist_first(&job->calls)) != NULL) {
		struct call *call = mp_container_of(l, struct call, of_job);

		/* What waits for its place goes out with a tick, which is to come at once. */
		if (call->sent && !mp_dlist_empty(&call->peer->queue))
			shelf_check_at(shelf, 0);
		call_free(shelf, call);
	}
	job_free(shelf, job);
}

int
mp_shelf_get(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_get_req *req,
	const struct mp_hash *key, const struct mp_node_id *nodes, size_t n)
{
	struct mp_shelf_job *job;

	mp_assert(req->job == NULL);
	job = job_new(shelf, env, mp_span(NULL, 0), nodes, n);
	if (job == NULL)
		return MP_ENOMEM;
	job->get = req;
	job->key = *key;
	req->job = job;
	job_next(shelf, env, job);
	return 0;
}

void
mp_shelf_get_cancel(struct mp_shelf *shelf, struct mp_shelf_get_req *req)
{
	job_cancel(shelf, req->job);
	req->job = NULL;
}

/* When the time of a hold is over, as things are. */
static mp_time
hold_due(const struct mp_shelf *shelf, const struct mp_shelf_job *job)
{
	mp_time since = job->start_ms > shelf->moved_ms ? job->start_ms : shelf->moved_ms;

	return since + MP_SHELF_HOLD_MS;
}

int
mp_shelf_hold(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_hold_req *req,
	struct mp_span result, uint32_t copies, const struct mp_node_id *nodes, size_t n)
{
	struct mp_shelf_job *job;

	mp_assert(req->job == NULL && result.n <= MP_SIGNED_RESULT_MAX);
	job = job_new(shelf, env, result, nodes, n);
	if (job == NULL)
		return MP_ENOMEM;
	job->hold = req;
	job->copies = copies;
	req->job = job;
	shelf_check_at(shelf, hold_due(shelf, job));
	job_next(shelf, env, job);
	return 0;
}

void
mp_shelf_hold_cancel(struct mp_shelf *shelf, struct mp_shelf_hold_req *req)
{
	job_cancel(shelf, req->job);
	req->job = NULL;
}

/* ---- what comes back ---- */

static struct call *
call_find(const struct mp_shelf *shelf, const struct mp_node_id *from, uint64_t seq)
{
	struct peer *peer = peer_find(shelf, from);

	if (peer == NULL)
		return NULL;
	for (struct mp_dlist *l = peer->open.next; l != &peer->open; l = l->next) {
		struct call *call = mp_container_of(l, struct call, of_peer);

		if (call->seq == seq)
			return call;
	}
	return NULL;
}

static void
on_got(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_cache_list *m)
{
	struct call *call = call_find(shelf, from, m->seq);

	if (call == NULL || call->job->get == NULL)
		return;
	while (m->count > 0) {
		struct mp_span record;
		struct mp_hash key = mp_msg_cache_got_next(m, &record);

		if (!mp_hash_eq(&key, &call->job->key))
			continue;
		call->job->size = record.n;
		memcpy(call->job->bytes, record.p, record.n);
		job_finish(shelf, env, call->job, 0);
		return;
	}
	call_fail(shelf, env, call);
}

static void
on_held(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_cache_held *m)
{
	struct call *call = call_find(shelf, from, m->seq);
	struct mp_shelf_job *job = call == NULL ? NULL : call->job;

	if (job == NULL || job->hold == NULL)
		return;
	while (mp_holders_next(&m->holders, &job->holders[job->holder_count]))
		job->holder_count++;
	if (job->holder_count == 0) {
		call_fail(shelf, env, call);
		return;
	}
	shelf->moved_ms = env->now_ms;
	job_finish(shelf, env, job, 0);
}

/* Tells whoever asked. */
static void
shelf_settle(struct mp_shelf *shelf, struct mp_env *env)
{
	struct mp_dlist *l;

	shelf_ask_settle(shelf, env);
	while ((l = mp_dlist_first(&shelf->done)) != NULL) {
		struct mp_shelf_job *job = mp_container_of(l, struct mp_shelf_job, link);
		struct mp_span record = mp_span(job->bytes, job->rc == 0 ? job->size : 0);

		mp_dlist_remove(l);
		if (job->get != NULL) {
			job->get->job = NULL;
			job->get->done(job->get, env, job->rc, record);
		} else {
			job->hold->job = NULL;
			job->hold->done(job->hold, env, job->rc, job->holders, job->holder_count);
		}
		job_free(shelf, job);
	}
}

static int
shelf_route(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_cache_list list;
	struct mp_msg_cache_hold hold;
	struct mp_msg_cache_held held;
	int rc;

	switch (mp_msg_number(bytes)) {
	case MP_MSG_CACHE_ASK:
		rc = mp_msg_cache_ask_decode(bytes, &list);
		if (rc == 0)
			mp_lend_ask(shelf->lend, env, from, &list);
		return rc;
	case MP_MSG_CACHE_HAVE:
		rc = mp_msg_cache_have_decode(bytes, &list);
		if (rc == 0)
			shelf_ask_have(shelf, from, &list);
		return rc;
	case MP_MSG_CACHE_GET:
		rc = mp_msg_cache_get_decode(bytes, &list);
		if (rc == 0)
			mp_lend_get(shelf->lend, env, from, &list);
		return rc;
	case MP_MSG_CACHE_GOT:
		rc = mp_msg_cache_got_decode(bytes, &list);
		if (rc == 0)
			on_got(shelf, env, from, &list);
		return rc;
	case MP_MSG_CACHE_HOLD:
		rc = mp_msg_cache_hold_decode(bytes, &hold);
		if (rc == 0)
			mp_lend_hold(shelf->lend, env, from, &hold);
		return rc;
	case MP_MSG_CACHE_HELD:
		rc = mp_msg_cache_held_decode(bytes, &held);
		if (rc == 0)
			on_held(shelf, env, from, &held);
		return rc;
	default:
		return MP_EFORMAT;
	}
}

int
mp_shelf_message(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	int rc = shelf_route(shelf, env, from, bytes);

	shelf_settle(shelf, env);
	return rc;
}

void
mp_shelf_lost(struct mp_shelf *shelf, struct mp_env *env, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(shelf, id);

	shelf_ask_lost(shelf, id);
	if (peer != NULL)
		peer_lost(shelf, env, peer);
	shelf_settle(shelf, env);
}

void
mp_shelf_event(struct mp_shelf *shelf, struct mp_env *env, const struct mp_event *event)
{
	if (event->kind == MP_EV_LINK && event->u.link.klass == MP_CLASS_CONTROL &&
		event->u.link.state != MP_LINK_UP)
		mp_shelf_lost(shelf, env, &event->u.link.peer);
	else if (event->kind == MP_EV_CACHE_FOUND || event->kind == MP_EV_CACHE_GOT)
		mp_lend_event(shelf->lend, env, event);
	shelf_settle(shelf, env);
}

/* ---- time ---- */

/* Nothing was heard of it in time. */
static void
call_late(struct mp_shelf *shelf, struct mp_env *env, struct call *call)
{
	if (call->job->get != NULL) {
		call->peer->avoid_ms = env->now_ms + MP_SHELF_AVOID_MS;
		peer_lost(shelf, env, call->peer);
		return;
	}
	call->slow = true;
	job_next(shelf, env, call->job);
}

static void
calls_tick(struct mp_shelf *shelf, struct mp_env *env)
{
	struct mp_dlist *l = shelf->calls.next;

	while (l != &shelf->calls) {
		struct call *call = mp_container_of(l, struct call, all);

		l = l->next;
		if (call->slow)
			continue;
		if (call_due(call) > env->now_ms) {
			shelf_check_at(shelf, call_due(call));
			continue;
		}
		call_late(shelf, env, call);
		l = shelf->calls.next; /* any of them may be gone */
	}
}

static void
holds_tick(struct mp_shelf *shelf, struct mp_env *env)
{
	struct mp_dlist *l, *next;

	for (l = shelf->jobs.next; l != &shelf->jobs; l = next) {
		struct mp_shelf_job *job = mp_container_of(l, struct mp_shelf_job, link);

		next = l->next;
		if (job->hold == NULL)
			continue;
		if (hold_due(shelf, job) <= env->now_ms)
			job_finish(shelf, env, job, MP_ENOENT);
		else
			shelf_check_at(shelf, hold_due(shelf, job));
	}
}

static void
peers_tick(struct mp_shelf *shelf, struct mp_env *env)
{
	struct mp_map_node *n = NULL;
	size_t bucket = 0;

	while ((n = mp_map_walk(&shelf->peers, &bucket, n)) != NULL)
		peer_pump(shelf, env, mp_container_of(n, struct peer, node));
}

void
mp_shelf_tick(struct mp_shelf *shelf, struct mp_env *env)
{
	if (env->now_ms >= shelf->check_ms) {
		shelf->check_ms = MP_TIME_NEVER;
		shelf_ask_tick(shelf, env);
		holds_tick(shelf, env);
		calls_tick(shelf, env);
		peers_tick(shelf, env);
	}
	shelf_settle(shelf, env);
}

mp_time
mp_shelf_deadline(const struct mp_shelf *shelf)
{
	bool done = !mp_dlist_empty(&shelf->done) || !mp_dlist_empty(&shelf->asked);

	return done ? 0 : shelf->check_ms;
}

void
mp_shelf_free(struct mp_shelf *shelf)
{
	struct mp_map_node *n;
	struct mp_dlist *l;

	if (shelf == NULL)
		return;
	shelf_ask_free_all(shelf);
	while ((l = mp_dlist_first(&shelf->jobs)) != NULL ||
		(l = mp_dlist_first(&shelf->done)) != NULL)
		job_cancel(shelf, mp_container_of(l, struct mp_shelf_job, link));
	while ((n = mp_map_any(&shelf->peers)) != NULL) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		mp_map_remove(&shelf->peers, n);
		mp_dealloc(shelf->alloc, peer, sizeof(*peer));
	}
	mp_map_fini(&shelf->peers);
	mp_lend_free(shelf->lend);
	mp_dealloc(shelf->alloc, shelf, sizeof(*shelf));
}
