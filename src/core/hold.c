/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hold.h"

#include "codec/msg_blob.h"
#include "core/keep.h"
#include "core/mutant.h"
#include "core/roster.h"
#include "mp/limits.h"
#include "util/dlist.h"
#include "util/map.h"

/* A target that neither answers nor fetches from us for so long is given up. */
#define SILENCE_MS 20000

/* Pause before members that failed are asked again; it doubles up to the second. */
#define RETRY_MS     1000
#define RETRY_MAX_MS 10000

/* Several requests share one message up to so many blobs. */
#define BATCH_REFS 4096

/* Members that a request has asked in vain, until the next pause. */
#define TRIED_MAX 16

/* Of syncs for what peers asked us to keep; other tokens count up. */
#define TOKEN_KEEP MP_TOKEN_HOLD

#define TARGETS_MAX (MP_HOLD_COPIES_MAX - 1)

/* A member that we ask to keep copies. */
struct peer {
	struct mp_map_node node;
	struct mp_node_id id;
	struct mp_dlist with_pending; /* in mp_hold.pending while pending is not empty */
	struct mp_dlist pending;      /* parts to ask for at the end of the step */
	struct mp_dlist batches;
};

/* One HOLD that was sent. */
struct batch {
	struct mp_dlist of_peer;
	struct mp_dlist all;
	struct mp_dlist parts;
	struct peer *peer;
	uint64_t req;
	mp_time sent_ms;
};

/* One copy of one request, on its way: in a peer's pending list or in a batch. */
struct part {
	struct mp_dlist link;
	struct mp_hold_job *job;
	struct peer *peer; /* NULL: not in use */
	struct batch *batch;
};

struct mp_hold_job {
	struct mp_dlist link; /* in jobs, then in done */
	struct mp_dlist sync; /* in sync_next, then in sync_now */
	struct mp_hold_req *req;
	size_t copies;
	struct part parts[TARGETS_MAX];
	size_t part_count; /* in use */
	struct mp_node_id holders[MP_HOLD_COPIES_MAX];
	size_t holder_count; /* this node is the first */
	struct mp_node_id tried[TRIED_MAX];
	size_t tried_count;
	mp_time started_ms;
	mp_time retry_ms; /* MP_TIME_NEVER: not waiting for another try */
	mp_time pause_ms;
	bool synced;
	bool finished;
	int rc;
	size_t memory;
	size_t ref_count;
	struct mp_blob_ref refs[];
};

struct mp_hold {
	const struct mp_alloc *alloc;
	const struct mp_roster *roster;
	struct mp_fetch *fetch;
	struct mp_keep *keep;
	struct mp_map peers;
	struct mp_dlist jobs;
	struct mp_dlist done;
	struct mp_dlist pending;  /* peers */
	struct mp_dlist batches;  /* oldest first */
	struct mp_dlist sync_now; /* what the sync that is under way is for */
	struct mp_dlist sync_next;
	uint64_t sync_token; /* 0: none under way */
	uint64_t last_sync;
	uint32_t last_req;
	mp_time check_ms; /* not after anything that is due */
};

int
mp_hold_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold **out)
{
	struct mp_hold *hold = mp_realloc(env->alloc, NULL, 0, sizeof(*hold));

	if (hold == NULL)
		return MP_ENOMEM;
	*hold = (struct mp_hold){
		.alloc = env->alloc, .roster = roster, .fetch = fetch, .check_ms = MP_TIME_NEVER};
	if (mp_keep_new(env, fetch, &hold->keep) != 0) {
		mp_dealloc(env->alloc, hold, sizeof(*hold));
		return MP_ENOMEM;
	}
	mp_map_init(&hold->peers, env->alloc);
	mp_dlist_init(&hold->jobs);
	mp_dlist_init(&hold->done);
	mp_dlist_init(&hold->pending);
	mp_dlist_init(&hold->batches);
	mp_dlist_init(&hold->sync_now);
	mp_dlist_init(&hold->sync_next);
	*out = hold;
	return 0;
}

static void
check_at(struct mp_hold *hold, mp_time at)
{
	if (at < hold->check_ms)
		hold->check_ms = at;
}

/* ---- peers ---- */

static struct peer *
peer_find(const struct mp_hold *hold, const struct mp_node_id *id)
{
	uint64_t hash = mp_hash64(id->b, sizeof(id->b), 0);
	struct mp_map_node *n;

	for (n = mp_map_find(&hold->peers, hash); n != NULL; n = mp_map_find_next(n)) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	return NULL;
}

static struct peer *
peer_make(struct mp_hold *hold, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(hold, id);

	if (peer != NULL)
		return peer;
	peer = mp_realloc(hold->alloc, NULL, 0, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = (struct peer){.id = *id};
	mp_dlist_init(&peer->with_pending);
	mp_dlist_init(&peer->pending);
	mp_dlist_init(&peer->batches);
	if (mp_map_add(&hold->peers, &peer->node, mp_hash64(id->b, sizeof(id->b), 0)) != 0) {
		mp_dealloc(hold->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

/* ---- parts and batches ---- */

static void
batch_free(struct mp_hold *hold, struct batch *batch)
{
	mp_assert(mp_dlist_empty(&batch->parts));
	mp_dlist_remove(&batch->of_peer);
	mp_dlist_remove(&batch->all);
	mp_dealloc(hold->alloc, batch, sizeof(*batch));
}

/* Out of its batch or pending list, and unused. */
static void
part_clear(struct mp_hold *hold, struct part *part)
{
	struct batch *batch = part->batch;
	struct peer *peer = part->peer;

	mp_dlist_remove(&part->link);
	part->peer = NULL;
	part->batch = NULL;
	mp_assert(part->job->part_count > 0);
	part->job->part_count--;
	if (batch != NULL && mp_dlist_empty(&batch->parts))
		batch_free(hold, batch);
	if (batch == NULL && mp_dlist_empty(&peer->pending))
		mp_dlist_remove(&peer->with_pending);
}

/* ---- jobs ---- */

static void
job_finish(struct mp_hold *hold, struct mp_hold_job *job, int rc)
{
	if (job->finished)
		return;
	for (size_t i = 0; i < TARGETS_MAX; i++) {
		if (job->parts[i].peer != NULL)
			part_clear(hold, &job->parts[i]);
	}
	job->finished = true;
	job->rc = rc;
	mp_dlist_remove(&job->sync);
	mp_dlist_remove(&job->link);
	mp_dlist_push(&hold->done, &job->link);
}

static bool
is_among(const struct mp_node_id *ids, size_t n, const struct mp_node_id *id)
{
	for (size_t i = 0; i < n; i++) {
		if (mp_node_id_eq(&ids[i], id))
			return true;
	}
	return false;
}

static bool
job_uses(const struct mp_hold_job *job, const struct mp_node_id *id)
{
	for (size_t i = 0; i < TARGETS_MAX; i++) {
		if (job->parts[i].peer != NULL && mp_node_id_eq(&job->parts[i].peer->id, id))
			return true;
	}
	return is_among(job->holders, job->holder_count, id);
}

static bool
member_counts(const struct mp_member *m)
{
	if (m->state != MP_MEMBER_ALIVE && m->state != MP_MEMBER_SUSPECT)
		return false;
	if (mp_member_reaches_out(m)) /* not all could have it from there */
		return false;
	return m->status == MP_NODE_AVAILABLE || m->status == MP_NODE_BUSY;
}

static const char *
zone_of(const struct mp_member *m)
{
	return m == NULL || m->caps == NULL ? "" : m->caps->zone;
}

static bool
zone_is(const struct mp_hold *hold, const struct mp_node_id *id, const char *zone)
{
	return strcmp(zone_of(mp_roster_find(hold->roster, id)), zone) == 0;
}

/* Is this zone known, and in none of the places where a copy is or will be? */
static bool
zone_is_new(const struct mp_hold *hold, const struct mp_hold_job *job, const char *zone)
{
	if (zone[0] == '\0')
		return false;
	for (size_t i = 0; i < job->holder_count; i++) {
		if (zone_is(hold, &job->holders[i], zone))
			return false;
	}
	for (size_t i = 0; i < TARGETS_MAX; i++) {
		if (job->parts[i].peer != NULL && zone_is(hold, &job->parts[i].peer->id, zone))
			return false;
	}
	return true;
}

/*
 * The best member to ask next, or NULL: those who are alive before those who are suspected, those
 * in a zone without a copy before others, then in rendezvous order. *waiting: somebody is alive and
 * has failed us so far.
 */
static const struct mp_member *
job_pick(const struct mp_hold *hold, const struct mp_hold_job *job, bool *waiting)
{
	static const struct mp_hash none;
	const struct mp_hash *key = job->ref_count > 0 ? &job->refs[0].digest : &none;
	const struct mp_member *best = NULL;
	uint64_t best_score = 0;
	int best_rank = 0;

	*waiting = false;
	for (size_t i = 0; i < mp_roster_count(hold->roster); i++) {
		const struct mp_member *m = mp_roster_at(hold->roster, i);
		uint64_t score;
		int rank;

		if (!member_counts(m) || job_uses(job, &m->id))
			continue;
		if (is_among(job->tried, job->tried_count, &m->id)) {
			*waiting = *waiting || m->state == MP_MEMBER_ALIVE;
			continue;
		}
		rank = m->state == MP_MEMBER_ALIVE ? 2 : 0;
		rank += zone_is_new(hold, job, zone_of(m)) ? 1 : 0;
		score = mp_rendezvous(key, &m->id);
		if (best == NULL || rank > best_rank || (rank == best_rank && score > best_score)) {
			best = m;
			best_score = score;
			best_rank = rank;
		}
	}
	return best;
}

static bool
job_ask(struct mp_hold *hold, struct mp_hold_job *job, const struct mp_node_id *id)
{
	struct peer *peer = peer_make(hold, id);
	struct part *part = job->parts;

	if (peer == NULL)
		return false;
	while (part->peer != NULL)
		part++;
	part->peer = peer;
	part->batch = NULL;
	job->part_count++;
	if (mp_dlist_empty(&peer->pending))
		mp_dlist_push(&hold->pending, &peer->with_pending);
	mp_dlist_push(&peer->pending, &part->link);
	return true;
}

/* Nobody is left to ask: enough, or a pause. */
static void
job_short(struct mp_hold *hold, struct mp_env *env, struct mp_hold_job *job, bool waiting)
{
	if (!waiting || env->now_ms - job->started_ms >= MP_HOLD_PATIENCE_MS) {
		job->copies = job->holder_count;
		return;
	}
	if (job->retry_ms != MP_TIME_NEVER)
		return;
	job->retry_ms = env->now_ms + job->pause_ms;
	job->pause_ms = job->pause_ms * 2 < RETRY_MAX_MS ? job->pause_ms * 2 : RETRY_MAX_MS;
	check_at(hold, job->retry_ms);
}

/* Asks as many members as copies are missing; finishes when none is. */
static void
job_plan(struct mp_hold *hold, struct mp_env *env, struct mp_hold_job *job)
{
	while (!job->finished && job->holder_count + job->part_count < job->copies) {
		bool waiting;
		const struct mp_member *m = job_pick(hold, job, &waiting);

		if (m != NULL && job_ask(hold, job, &m->id))
			continue;
		if (job->part_count == 0)
			job_short(hold, env, job, waiting || m != NULL);
		break;
	}
	if ((job->synced || MP_MUTANT(HOLDERS_NOT_SYNCED)) && job->holder_count >= job->copies)
		job_finish(hold, job, 0);
}

/* The target of this part did not do it. */
static void
part_fail(struct mp_hold *hold, struct mp_env *env, struct part *part)
{
	struct mp_hold_job *job = part->job;

	if (job->tried_count < TRIED_MAX)
		job->tried[job->tried_count++] = part->peer->id;
	part_clear(hold, part);
	job_plan(hold, env, job);
}

static void
batch_fail(struct mp_hold *hold, struct mp_env *env, struct batch *batch)
{
	struct mp_dlist parts, *l;

	/* Moved to a list of our own, for the last one to leave the batch frees it. */
	mp_dlist_init(&parts);
	while ((l = mp_dlist_first(&batch->parts)) != NULL) {
		mp_dlist_remove(l);
		mp_container_of(l, struct part, link)->batch = NULL;
		mp_dlist_push(&parts, l);
	}
	batch_free(hold, batch);
	while ((l = mp_dlist_first(&parts)) != NULL)
		part_fail(hold, env, mp_container_of(l, struct part, link));
}

int
mp_hold_request(struct mp_hold *hold, struct mp_env *env, struct mp_hold_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, size_t copies)
{
	size_t memory = sizeof(struct mp_hold_job) + ref_count * sizeof(*refs);
	const struct mp_member *self = mp_roster_find(hold->roster, &env->self);
	struct mp_hold_job *job;

	mp_assert(req->job == NULL);
	if (ref_count > MP_HOLD_REFS_MAX)
		return MP_ELIMIT;
	job = mp_realloc(hold->alloc, NULL, 0, memory);
	if (job == NULL)
		return MP_ENOMEM;
	/* What only this node has, and others like it could not have from it, is also elsewhere. */
	if (self != NULL && mp_member_reaches_out(self) && copies < 2)
		copies = 2;
	*job = (struct mp_hold_job){.req = req,
		.copies = mp_min_size(copies, MP_HOLD_COPIES_MAX),
		.holders = {env->self},
		.holder_count = 1,
		.started_ms = env->now_ms,
		.retry_ms = MP_TIME_NEVER,
		.pause_ms = RETRY_MS,
		.memory = memory,
		.ref_count = ref_count};
	if (ref_count > 0)
		memcpy(job->refs, refs, ref_count * sizeof(*refs));
	for (size_t i = 0; i < TARGETS_MAX; i++) {
		job->parts[i].job = job;
		mp_dlist_init(&job->parts[i].link);
	}
	mp_dlist_init(&job->link);
	mp_dlist_push(&hold->jobs, &job->link);
	mp_dlist_init(&job->sync);
	mp_dlist_push(&hold->sync_next, &job->sync);
	req->job = job;
	job_plan(hold, env, job);
	return 0;
}

static void
job_free(struct mp_hold *hold, struct mp_hold_job *job)
{
	mp_dlist_remove(&job->link);
	mp_dealloc(hold->alloc, job, job->memory);
}

void
mp_hold_cancel(struct mp_hold *hold, struct mp_hold_req *req)
{
	struct mp_hold_job *job = req->job;

	if (job == NULL)
		return;
	req->job = NULL;
	job_finish(hold, job, MP_ECANCELED);
	job_free(hold, job);
}

/* Tells whoever asked. */
static void
hold_settle(struct mp_hold *hold, struct mp_env *env)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&hold->done)) != NULL) {
		struct mp_hold_job *job = mp_container_of(l, struct mp_hold_job, link);
		struct mp_hold_req *req = job->req;

		mp_dlist_remove(l);
		req->job = NULL;
		req->done(req, env, job->rc, job->holders, job->rc == 0 ? job->holder_count : 0);
		job_free(hold, job);
	}
}

/* ---- what comes back ---- */

static void
on_held(struct mp_hold *hold, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_held *m)
{
	struct peer *peer = peer_find(hold, from);
	struct batch *batch = NULL;

	if (peer == NULL)
		return;
	for (struct mp_dlist *l = peer->batches.next; l != &peer->batches; l = l->next) {
		batch = mp_container_of(l, struct batch, of_peer);
		if (batch->req == m->req)
			break;
		batch = NULL;
	}
	if (batch != NULL && !m->ok)
		batch_fail(hold, env, batch);
	while (batch != NULL && m->ok) {
		struct part *part = mp_container_of(batch->parts.next, struct part, link);
		struct mp_hold_job *job = part->job;

		if (batch->parts.next == batch->parts.prev)
			batch = NULL; /* its last part: clearing it frees the batch */
		job->holders[job->holder_count++] = *from;
		part_clear(hold, part);
		job_plan(hold, env, job);
	}
}

static void
on_synced(struct mp_hold *hold, struct mp_env *env, int rc)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&hold->sync_now)) != NULL) {
		struct mp_hold_job *job = mp_container_of(l, struct mp_hold_job, sync);

		mp_dlist_remove(l);
		job->synced = true;
		if (rc != 0)
			job_finish(hold, job, rc);
		else
			job_plan(hold, env, job);
	}
	hold->sync_token = 0;
}

int
mp_hold_message(struct mp_hold *hold, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_hold ask;
	struct mp_msg_held answer;
	int rc = 0;

	if (mp_msg_held_decode(bytes, &answer) == 0)
		on_held(hold, env, from, &answer);
	else if ((rc = mp_msg_hold_decode(bytes, &ask)) == 0)
		mp_keep_ask(hold->keep, env, from, &ask);
	hold_settle(hold, env);
	return rc;
}

bool
mp_hold_owns(uint64_t token)
{
	return (token & 0xffull << 56) == MP_TOKEN_HOLD;
}

void
mp_hold_lost(struct mp_hold *hold, struct mp_env *env, const struct mp_node_id *id)
{
	struct peer *peer = peer_find(hold, id);
	struct mp_dlist *l;

	while (peer != NULL && (l = mp_dlist_first(&peer->batches)) != NULL)
		batch_fail(hold, env, mp_container_of(l, struct batch, of_peer));
	hold_settle(hold, env);
}

void
mp_hold_event(struct mp_hold *hold, struct mp_env *env, const struct mp_event *event)
{
	if (event->kind == MP_EV_LINK && event->u.link.klass == MP_CLASS_CONTROL &&
		event->u.link.state != MP_LINK_UP)
		mp_hold_lost(hold, env, &event->u.link.peer);
	if (event->kind == MP_EV_BLOB_SYNCED && event->u.blob_synced.token == TOKEN_KEEP)
		mp_keep_synced(hold->keep, env, event->u.blob_synced.rc);
	else if (event->kind == MP_EV_BLOB_SYNCED && event->u.blob_synced.token == hold->sync_token)
		on_synced(hold, env, event->u.blob_synced.rc);
	hold_settle(hold, env);
}

void
mp_hold_stop(struct mp_hold *hold)
{
	mp_keep_stop(hold->keep);
}

/* ---- the end of a step ---- */

/* One HOLD with as many pending parts as one message may have. */
static void
peer_flush(struct mp_hold *hold, struct mp_env *env, struct peer *peer)
{
	struct batch *batch = mp_realloc(hold->alloc, NULL, 0, sizeof(*batch));
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct mp_dlist *l;
	size_t refs = 0;
	int rc;

	if (batch == NULL) {
		part_fail(hold, env, mp_container_of(peer->pending.next, struct part, link));
		return;
	}
	*batch = (struct batch){
		.peer = peer, .req = env->boot << 32 | ++hold->last_req, .sent_ms = env->now_ms};
	mp_dlist_init(&batch->parts);
	mp_dlist_init(&batch->of_peer);
	mp_dlist_init(&batch->all);
	mp_dlist_push(&peer->batches, &batch->of_peer);
	mp_dlist_push(&hold->batches, &batch->all);
	while ((l = mp_dlist_first(&peer->pending)) != NULL) {
		struct part *part = mp_container_of(l, struct part, link);

		if (refs > 0 && refs + part->job->ref_count > BATCH_REFS)
			break;
		refs += part->job->ref_count;
		part->batch = batch;
		mp_dlist_remove(l);
		mp_dlist_push(&batch->parts, l);
	}
	if (mp_dlist_empty(&peer->pending))
		mp_dlist_remove(&peer->with_pending);
	check_at(hold, env->now_ms + SILENCE_MS);
	rc = mp_msg_hold_head(buf, batch->req, refs);
	for (l = batch->parts.next; l != &batch->parts; l = l->next) {
		const struct mp_hold_job *job = mp_container_of(l, struct part, link)->job;

		for (size_t i = 0; i < job->ref_count && rc == 0; i++)
			rc = mp_msg_hold_ref(buf, &job->refs[i]);
	}
	if (rc == 0)
		mp_out_send(env->out, &peer->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

static void
sync_send(struct mp_env *env, uint64_t token)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_SYNC};

	fx.u.blob_sync.token = token;
	mp_out_effect(env->out, &fx);
}

void
mp_hold_flush(struct mp_hold *hold, struct mp_env *env)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&hold->pending)) != NULL)
		peer_flush(hold, env, mp_container_of(l, struct peer, with_pending));
	if (mp_keep_wants_sync(hold->keep))
		sync_send(env, TOKEN_KEEP);
	if (hold->sync_token != 0 || mp_dlist_empty(&hold->sync_next))
		return;
	while ((l = mp_dlist_first(&hold->sync_next)) != NULL) {
		mp_dlist_remove(l);
		mp_dlist_push(&hold->sync_now, l);
	}
	hold->sync_token = MP_TOKEN_HOLD | ++hold->last_sync;
	sync_send(env, hold->sync_token);
}

/* ---- time ---- */

static mp_time
batch_deadline(const struct mp_hold *hold, const struct batch *batch)
{
	mp_time served_ms = mp_fetch_served_ms(hold->fetch, &batch->peer->id);

	return (served_ms > batch->sent_ms ? served_ms : batch->sent_ms) + SILENCE_MS;
}

static void
job_retry(struct mp_hold *hold, struct mp_env *env, struct mp_hold_job *job)
{
	if (job->retry_ms > env->now_ms) {
		check_at(hold, job->retry_ms);
		return;
	}
	job->retry_ms = MP_TIME_NEVER;
	job->tried_count = 0;
	job_plan(hold, env, job);
}

void
mp_hold_tick(struct mp_hold *hold, struct mp_env *env)
{
	struct mp_dlist *l, *next;

	if (env->now_ms < hold->check_ms)
		return;
	hold->check_ms = MP_TIME_NEVER;
	for (l = hold->batches.next; l != &hold->batches; l = next) {
		struct batch *batch = mp_container_of(l, struct batch, all);

		next = l->next;
		if (batch_deadline(hold, batch) <= env->now_ms)
			batch_fail(hold, env, batch);
		else
			check_at(hold, batch_deadline(hold, batch));
	}
	for (l = hold->jobs.next; l != &hold->jobs; l = next) {
		next = l->next;
		job_retry(hold, env, mp_container_of(l, struct mp_hold_job, link));
	}
	hold_settle(hold, env);
}

mp_time
mp_hold_deadline(const struct mp_hold *hold)
{
	return hold->check_ms;
}

void
mp_hold_free(struct mp_hold *hold)
{
	struct mp_map_node *n;
	struct mp_dlist *l;

	if (hold == NULL)
		return;
	while ((l = mp_dlist_first(&hold->jobs)) != NULL)
		job_finish(hold, mp_container_of(l, struct mp_hold_job, link), 0);
	while ((l = mp_dlist_first(&hold->done)) != NULL)
		job_free(hold, mp_container_of(l, struct mp_hold_job, link));
	while ((n = mp_map_any(&hold->peers)) != NULL) {
		struct peer *peer = mp_container_of(n, struct peer, node);

		mp_map_remove(&hold->peers, n);
		mp_dealloc(hold->alloc, peer, sizeof(*peer));
	}
	mp_map_fini(&hold->peers);
	mp_keep_free(hold->keep);
	mp_dealloc(hold->alloc, hold, sizeof(*hold));
}
