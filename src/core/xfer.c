/* SPDX-License-Identifier: Apache-2.0 */
#include "core/xfer.h"

#include "core/fetch.h"
#include "core/roster.h"
#include "mp/error.h"

/* A peer that owes pieces and says nothing for so long has failed. */
#define SILENCE_MS 10000

/* Pause before the second round; it doubles, so many times. */
#define PAUSE_MS      500
#define PAUSE_DOUBLES 3

/* Times that wrong bytes are thrown away before the blob counts as lost. */
#define WRONG_MAX 16

/* Transfers that are looked at in one go when their sources are all busy. */
#define BLOCKED_MAX 64

/* A token of a write names transfer and piece. */
#define TOKEN_PIECE_BITS 17
#define TOKEN_ID_MASK    ((1ull << 34) - 1)

enum piece_state {
	PIECE_WANTED,
	PIECE_ASKED,
	PIECE_WRITING,
	PIECE_WRITTEN,
};

/* One piece that was asked for. */
struct get {
	struct mp_dlist of_peer;
	struct mp_dlist of_xfer;
	struct xfer_peer *peer;
	struct xfer *xfer;
	uint32_t piece;
	mp_time sent_ms;
};

void
xfers_init(struct xfers *xs, struct mp_env *env, const struct mp_roster *roster)
{
	*xs = (struct xfers){.alloc = env->alloc, .roster = roster, .self = env->self};
	mp_map_init(&xs->by_digest, env->alloc);
	mp_map_init(&xs->by_id, env->alloc);
	mp_map_init(&xs->peers, env->alloc);
	mp_dlist_init(&xs->ready);
	mp_dlist_init(&xs->paused);
	mp_dlist_init(&xs->active);
	xs->paused_ms = MP_TIME_NEVER;
}

/* ---- peers ---- */

static struct xfer_peer *
peer_find(const struct xfers *xs, const struct mp_node_id *id)
{
	uint64_t hash = mp_hash64(id->b, sizeof(id->b), 0);
	struct mp_map_node *n;

	for (n = mp_map_find(&xs->peers, hash); n != NULL; n = mp_map_find_next(n)) {
		struct xfer_peer *peer = mp_container_of(n, struct xfer_peer, node);

		if (mp_node_id_eq(&peer->id, id))
			return peer;
	}
	return NULL;
}

static struct xfer_peer *
peer_make(struct xfers *xs, const struct mp_node_id *id)
{
	struct xfer_peer *peer = peer_find(xs, id);

	if (peer != NULL)
		return peer;
	peer = mp_realloc(xs->alloc, NULL, 0, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	*peer = (struct xfer_peer){.id = *id};
	mp_dlist_init(&peer->active);
	mp_dlist_init(&peer->gets);
	if (mp_map_add(&xs->peers, &peer->node, mp_hash64(id->b, sizeof(id->b), 0)) != 0) {
		mp_dealloc(xs->alloc, peer, sizeof(*peer));
		return NULL;
	}
	return peer;
}

/* Who is held dead and has a stream to us was cut off, and is back before the news of it. */
static bool
peer_reachable(const struct xfers *xs, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(xs->roster, id);

	return m != NULL && (m->state == MP_MEMBER_ALIVE || m->state == MP_MEMBER_SUSPECT ||
				    (m->state == MP_MEMBER_DEAD && m->link_up));
}

/* ---- pieces that were asked for ---- */

static int
get_send(struct xfers *xs, struct mp_env *env, struct xfer *x, uint32_t piece,
	struct xfer_peer *peer)
{
	struct mp_msg_blob_get m = {.digest = x->digest, .size = MP_CHUNK_SIZE};
	struct get *get = mp_realloc(xs->alloc, NULL, 0, sizeof(*get));
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (get == NULL)
		return MP_ENOMEM;
	*get = (struct get){.peer = peer, .xfer = x, .piece = piece, .sent_ms = env->now_ms};
	mp_dlist_push(&peer->gets, &get->of_peer);
	mp_dlist_push(&x->gets, &get->of_xfer);
	if (peer->get_count++ == 0)
		mp_dlist_push(&xs->active, &peer->active);
	x->get_count++;
	xs->in_flight++;
	x->pieces[piece] = PIECE_ASKED;
	m.offset = (uint64_t)piece * MP_CHUNK_SIZE;
	if (mp_msg_blob_get_encode(buf, &m) == 0)
		mp_out_send(env->out, &peer->id, MP_CLASS_BULK, mp_buf_span(buf), 0);
	return 0;
}

static void
get_free(struct xfers *xs, struct get *get)
{
	mp_assert(get->peer->get_count > 0 && get->xfer->get_count > 0 && xs->in_flight > 0);
	mp_dlist_remove(&get->of_peer);
	mp_dlist_remove(&get->of_xfer);
	if (--get->peer->get_count == 0)
		mp_dlist_remove(&get->peer->active);
	get->xfer->get_count--;
	xs->in_flight--;
	mp_dealloc(xs->alloc, get, sizeof(*get));
}

/* ---- transfers ---- */

static struct xfer *
xfer_find(const struct xfers *xs, const struct mp_hash *digest)
{
	uint64_t hash = mp_hash64(digest->b, sizeof(digest->b), 0);
	struct mp_map_node *n;

	for (n = mp_map_find(&xs->by_digest, hash); n != NULL; n = mp_map_find_next(n)) {
		struct xfer *x = mp_container_of(n, struct xfer, by_digest);

		if (mp_hash_eq(&x->digest, digest))
			return x;
	}
	return NULL;
}

static uint64_t
id_hash(uint64_t id)
{
	return mp_hash64(&id, sizeof(id), 1);
}

static void
xfer_wake(struct xfers *xs, struct xfer *x)
{
	x->paused = false;
	mp_dlist_remove(&x->queue);
	mp_dlist_push(&xs->ready, &x->queue);
}

/* Forgets what was asked for and what is being written. */
static void
xfer_drop_pieces(struct xfers *xs, struct xfer *x)
{
	while (!mp_dlist_empty(&x->gets))
		get_free(xs, mp_container_of(mp_dlist_first(&x->gets), struct get, of_xfer));
	mp_assert(xs->in_flight >= x->write_count);
	xs->in_flight -= x->write_count;
	x->write_count = 0;
	if (x->pieces != &x->single)
		mp_dealloc(xs->alloc, x->pieces, x->piece_count);
	x->single = PIECE_WANTED;
	x->pieces = &x->single;
	x->piece_count = 1;
	x->left = 1;
	x->cursor = 0;
	x->size_known = false;
}

static void
xfer_free(struct xfers *xs, struct xfer *x)
{
	mp_assert(mp_dlist_empty(&x->links));
	xfer_drop_pieces(xs, x);
	mp_dlist_remove(&x->queue);
	mp_map_remove(&xs->by_digest, &x->by_digest);
	mp_map_remove(&xs->by_id, &x->by_id);
	mp_dealloc(xs->alloc, x, sizeof(*x));
}

static struct xfer *
xfer_new(struct xfers *xs, struct mp_env *env, const struct mp_hash *digest)
{
	struct xfer *x = mp_realloc(xs->alloc, NULL, 0, sizeof(*x));

	if (x == NULL)
		return NULL;
	*x = (struct xfer){.digest = *digest,
		.id = ++xs->last_id & TOKEN_ID_MASK,
		.pieces = &x->single,
		.piece_count = 1,
		.left = 1,
		.fallback_bound = UINT64_MAX,
		.progress_ms = env->now_ms};
	mp_dlist_init(&x->queue);
	mp_dlist_init(&x->links);
	mp_dlist_init(&x->gets);
	if (mp_map_add(&xs->by_digest, &x->by_digest, mp_hash64(digest->b, sizeof(digest->b), 0)) !=
		0)
		goto fail;
	if (mp_map_add(&xs->by_id, &x->by_id, id_hash(x->id)) != 0) {
		mp_map_remove(&xs->by_digest, &x->by_digest);
		goto fail;
	}
	return x;
fail:
	mp_dealloc(xs->alloc, x, sizeof(*x));
	return NULL;
}

void
xfers_fini(struct xfers *xs)
{
	struct mp_map_node *n;

	while ((n = mp_map_any(&xs->by_digest)) != NULL) {
		struct xfer *x = mp_container_of(n, struct xfer, by_digest);

		while (!mp_dlist_empty(&x->links))
			mp_dlist_remove(mp_dlist_first(&x->links));
		xfer_free(xs, x);
	}
	while ((n = mp_map_any(&xs->peers)) != NULL) {
		mp_map_remove(&xs->peers, n);
		mp_dealloc(xs->alloc, mp_container_of(n, struct xfer_peer, node),
			sizeof(struct xfer_peer));
	}
	mp_map_fini(&xs->by_digest);
	mp_map_fini(&xs->by_id);
	mp_map_fini(&xs->peers);
}

/* Tells its links that have no more patience than that, and is gone when none is left: false. */
static bool
xfer_tell(struct xfers *xs, struct xfer *x, int rc, enum mp_fetch_patience most)
{
	struct mp_dlist *l, *next;
	struct mp_dlist links;
	uint64_t size = x->size;
	bool left;

	mp_dlist_init(&links);
	for (l = x->links.next; l != &x->links; l = next) {
		struct xfer_link *link = mp_container_of(l, struct xfer_link, of_xfer);

		next = l->next;
		if (link->patience > most)
			continue;
		mp_dlist_remove(l);
		link->xfer = NULL;
		mp_dlist_push(&links, l);
	}
	left = !mp_dlist_empty(&x->links);
	if (!left)
		xfer_free(xs, x);
	while ((l = mp_dlist_first(&links)) != NULL) {
		mp_dlist_remove(l);
		xs->done(xs->ctx, mp_container_of(l, struct xfer_link, of_xfer), rc, size);
	}
	return left;
}

/* Ends the transfer and tells every link. */
static void
xfer_end(struct xfers *xs, struct xfer *x, int rc)
{
	(void)xfer_tell(xs, x, rc, MP_FETCH_STEADFAST);
}

/* ---- sources ---- */

static struct source *
source_find(struct xfer *x, const struct xfer_peer *peer)
{
	for (size_t i = 0; i < x->source_count; i++) {
		if (x->sources[i].peer == peer)
			return &x->sources[i];
	}
	return x->fallback.peer == peer ? &x->fallback : NULL;
}

/* A full list gives up who failed for who is new. */
static void
source_add(struct xfer *x, struct xfer_peer *peer)
{
	struct source *s = source_find(x, peer);
	size_t i = 0;

	if (s != NULL) {
		if (s->state == SOURCE_FAILED)
			s->state = SOURCE_GOOD;
		return;
	}
	if (x->source_count < MP_FETCH_HOLDERS_MAX) {
		x->sources[x->source_count++] = (struct source){.peer = peer};
		return;
	}
	while (i < x->source_count && x->sources[i].state != SOURCE_FAILED)
		i++;
	if (i < x->source_count && !x->sources[i].gave)
		x->sources[i] = (struct source){.peer = peer};
}

int
xfer_join(struct xfers *xs, struct mp_env *env, struct xfer_link *link,
	const struct mp_node_id *holders, size_t holder_count)
{
	struct xfer *x = xfer_find(xs, &link->ref.digest);

	if (x == NULL)
		x = xfer_new(xs, env, &link->ref.digest);
	if (x == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; i < holder_count; i++) {
		struct xfer_peer *peer = NULL;

		if (!mp_node_id_eq(&holders[i], &xs->self))
			peer = peer_make(xs, &holders[i]);
		if (peer != NULL)
			source_add(x, peer);
	}
	link->xfer = x;
	mp_dlist_push(&x->links, &link->of_xfer);
	xfer_wake(xs, x);
	return 0;
}

void
xfer_leave(struct xfers *xs, struct xfer_link *link)
{
	struct xfer *x = link->xfer;

	if (x == NULL)
		return;
	link->xfer = NULL;
	mp_dlist_remove(&link->of_xfer);
	if (mp_dlist_empty(&x->links))
		xfer_free(xs, x);
}

/* The next alive member in rendezvous order that was not asked in this round. */
static bool
fallback_next(struct xfers *xs, struct xfer *x)
{
	const struct mp_member *best = NULL;
	uint64_t best_score = 0;

	x->fallback = (struct source){.peer = NULL};
	for (size_t i = 0; i < mp_roster_count(xs->roster); i++) {
		const struct mp_member *m = mp_roster_at(xs->roster, i);
		struct xfer_peer *peer;
		uint64_t score;

		if (m->state != MP_MEMBER_ALIVE || mp_node_id_eq(&m->id, &xs->self))
			continue;
		score = mp_rendezvous(&x->digest, &m->id);
		if (score >= x->fallback_bound || (best != NULL && score <= best_score))
			continue;
		peer = peer_find(xs, &m->id);
		if (peer != NULL && source_find(x, peer) != NULL)
			continue;
		best = m;
		best_score = score;
	}
	if (best == NULL)
		return false;
	x->fallback_bound = best_score;
	x->fallback.peer = peer_make(xs, &best->id);
	return x->fallback.peer != NULL;
}

/* The least busy good source, or with `solo` the first one. *busy: there are some, but all have as
 * much to do as they may. */
static struct source *
source_pick(struct xfers *xs, struct xfer *x, bool *busy)
{
	struct source *best = NULL;
	bool good = false;

	for (size_t i = 0; i < x->source_count; i++) {
		struct source *s = &x->sources[i];

		if (s->state != SOURCE_GOOD)
			continue;
		if (!peer_reachable(xs, &s->peer->id)) {
			s->state = SOURCE_FAILED;
			continue;
		}
		if (x->solo && good)
			break;
		good = true;
		if (s->peer->get_count < MP_FETCH_PEER_MAX &&
			(best == NULL || s->peer->get_count < best->peer->get_count))
			best = s;
	}
	if (!good) {
		if (x->fallback.peer == NULL || x->fallback.state != SOURCE_GOOD)
			good = fallback_next(xs, x);
		else
			good = true;
		if (good && x->fallback.peer->get_count < MP_FETCH_PEER_MAX)
			best = &x->fallback;
	}
	*busy = good && best == NULL;
	return best;
}

/* ---- asking ---- */

static void
xfer_restart(struct xfers *xs, struct xfer *x)
{
	xfer_drop_pieces(xs, x);
	mp_map_remove(&xs->by_id, &x->by_id);
	x->id = ++xs->last_id & TOKEN_ID_MASK;
	if (mp_map_add(&xs->by_id, &x->by_id, id_hash(x->id)) != 0)
		mp_unreachable(); /* there was room for the one that was removed */
	for (size_t i = 0; i < x->source_count; i++)
		x->sources[i].gave = false;
	x->fallback.gave = false;
	x->solo_peer = NULL;
}

/* One who has it may come back. */
static bool
xfer_holder_is_away(const struct xfers *xs, const struct xfer *x)
{
	for (size_t i = 0; i < x->source_count; i++) {
		const struct mp_member *m = mp_roster_find(xs->roster, &x->sources[i].peer->id);

		if (m != NULL && mp_member_is_away(m))
			return true;
	}
	return false;
}

/* Whose patience is over, when everybody was asked in vain? */
static enum mp_fetch_patience
xfer_patience(const struct xfers *xs, const struct mp_env *env, const struct xfer *x)
{
	mp_time spent = env->now_ms - x->progress_ms;

	if (x->round < MP_FETCH_ROUNDS && spent < MP_FETCH_GIVE_UP_MS)
		return MP_FETCH_HASTY;
	return spent < MP_FETCH_AWAY_MS && xfer_holder_is_away(xs, x) ? MP_FETCH_PATIENT
								      : MP_FETCH_STEADFAST;
}

/* A pause, or the end. */
static void
xfer_round_over(struct xfers *xs, struct mp_env *env, struct xfer *x)
{
	x->round++;
	if (!xfer_tell(xs, x, MP_ENOENT, xfer_patience(xs, env, x)))
		return;
	for (size_t i = 0; i < x->source_count; i++) {
		if (x->sources[i].state == SOURCE_FAILED)
			x->sources[i].state = SOURCE_GOOD;
	}
	x->fallback = (struct source){.peer = NULL};
	x->fallback_bound = UINT64_MAX;
	x->resume_ms =
		env->now_ms + ((mp_time)PAUSE_MS << mp_min_size(x->round - 1, PAUSE_DOUBLES));
	if (x->resume_ms < xs->paused_ms)
		xs->paused_ms = x->resume_ms;
	x->paused = true;
	mp_dlist_remove(&x->queue);
	mp_dlist_push(&xs->paused, &x->queue);
}

enum ask {
	ASK_SENT,
	ASK_IDLE,    /* nothing to ask for until something happens to this transfer */
	ASK_BLOCKED, /* its sources are busy with others */
	ASK_OVER,    /* the transfer was moved elsewhere, or ended */
};

static enum ask
xfer_ask(struct xfers *xs, struct mp_env *env, struct xfer *x)
{
	struct source *s;
	bool busy;

	while (x->cursor < x->piece_count && x->pieces[x->cursor] != PIECE_WANTED)
		x->cursor++;
	if (x->cursor == x->piece_count)
		return ASK_IDLE;
	s = source_pick(xs, x, &busy);
	if (s == NULL && busy)
		return ASK_BLOCKED;
	if (s == NULL && x->get_count + x->write_count > 0)
		return ASK_IDLE;
	if (s == NULL) {
		xfer_round_over(xs, env, x);
		return ASK_OVER;
	}
	if (x->solo && x->solo_peer != s->peer) {
		xfer_restart(xs, x);
		x->solo_peer = s->peer;
	}
	if (!x->asked)
		x->progress_ms = env->now_ms;
	x->asked = true;
	if (get_send(xs, env, x, x->cursor, s->peer) != 0) {
		xfer_end(xs, x, MP_ENOMEM);
		return ASK_OVER;
	}
	return ASK_SENT;
}

void
xfers_pump(struct xfers *xs, struct mp_env *env)
{
	size_t blocked = 0;

	while (xs->in_flight < MP_FETCH_ALL_MAX && blocked < BLOCKED_MAX) {
		struct mp_dlist *l = mp_dlist_first(&xs->ready);

		if (l == NULL)
			return;
		switch (xfer_ask(xs, env, mp_container_of(l, struct xfer, queue))) {
		case ASK_BLOCKED:
			mp_dlist_remove(l);
			mp_dlist_push(&xs->ready, l);
			blocked++;
			break;
		case ASK_IDLE:
			mp_dlist_remove(l);
			break;
		case ASK_SENT:
		case ASK_OVER:
			break;
		}
	}
}

/* ---- answers ---- */

static struct get *
get_find(const struct xfers *xs, const struct mp_node_id *from, const struct mp_hash *digest,
	const uint64_t *offset)
{
	struct xfer_peer *peer = peer_find(xs, from);

	if (peer == NULL)
		return NULL;
	for (struct mp_dlist *l = peer->gets.next; l != &peer->gets; l = l->next) {
		struct get *get = mp_container_of(l, struct get, of_peer);

		if (mp_hash_eq(&get->xfer->digest, digest) &&
			(offset == NULL || *offset == (uint64_t)get->piece * MP_CHUNK_SIZE))
			return get;
	}
	return NULL;
}

/* What was asked for did not come: the source rests until the next round. */
static void
get_fail(struct xfers *xs, struct get *get)
{
	struct xfer *x = get->xfer;
	struct source *s = source_find(x, get->peer);

	if (s != NULL && s->state == SOURCE_GOOD)
		s->state = SOURCE_FAILED;
	x->pieces[get->piece] = PIECE_WANTED;
	if (get->piece < x->cursor)
		x->cursor = get->piece;
	get_free(xs, get);
	xfer_wake(xs, x);
}

/* The first answer says how large the blob is; everybody else has to agree. */
static bool
size_agrees(struct xfers *xs, struct xfer *x, uint64_t total)
{
	uint64_t count = total == 0 ? 1 : (total + MP_CHUNK_SIZE - 1) / MP_CHUNK_SIZE;

	if (x->size_known)
		return x->size == total;
	mp_assert(x->pieces == &x->single && count <= UINT32_MAX);
	if (count > 1) {
		uint8_t *pieces = mp_realloc(xs->alloc, NULL, 0, (size_t)count);

		if (pieces == NULL)
			return false;
		memset(pieces, PIECE_WANTED, (size_t)count);
		pieces[0] = x->single;
		x->pieces = pieces;
		x->piece_count = (uint32_t)count;
		x->left = (uint32_t)count;
	}
	x->size = total;
	x->size_known = true;
	return true;
}

void
xfers_data(struct xfers *xs, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_blob_data *m)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_WRITE};
	struct get *get = get_find(xs, from, &m->digest, &m->offset);
	struct source *s;
	struct xfer *x;
	uint32_t piece;

	if (get == NULL)
		return; /* late: it was given up, or another one was faster */
	x = get->xfer;
	piece = get->piece;
	get->peer->heard_ms = env->now_ms;
	if (!size_agrees(xs, x, m->total) ||
		m->bytes.n != mp_min_size(MP_CHUNK_SIZE, x->size - m->offset)) {
		xs->wrong++;
		get_fail(xs, get);
		return;
	}
	s = source_find(x, get->peer);
	if (s != NULL)
		s->gave = true;
	get_free(xs, get);
	x->pieces[piece] = PIECE_WRITING;
	x->write_count++;
	xs->in_flight++;
	fx.u.blob_write.token = xs->token | x->id << TOKEN_PIECE_BITS | piece;
	fx.u.blob_write.digest = x->digest;
	fx.u.blob_write.size = x->size;
	fx.u.blob_write.offset = m->offset;
	fx.u.blob_write.bytes = m->bytes; /* the event's, which outlives the effect */
	mp_out_effect(env->out, &fx);
	xfer_wake(xs, x);
}

void
xfers_none(struct xfers *xs, const struct mp_node_id *from, const struct mp_hash *digest)
{
	struct get *get = get_find(xs, from, digest, NULL);

	if (get != NULL)
		get_fail(xs, get);
}

static void
source_wrong(struct xfer *x)
{
	struct source *giver = NULL;
	size_t givers = 0;

	for (size_t i = 0; i <= x->source_count; i++) {
		struct source *s = i < x->source_count ? &x->sources[i] : &x->fallback;

		if (s->peer != NULL && s->gave) {
			giver = s;
			givers++;
		}
	}
	if (givers > 1)
		x->solo = true;
	else if (givers == 1)
		giver->state = SOURCE_BAD;
}

/* The store threw the bytes away. When it had pieces from an earlier attempt nobody is to blame. */
static void
xfer_wrong(struct xfers *xs, struct xfer *x)
{
	xs->wrong++;
	if (++x->wrong > WRONG_MAX) {
		xfer_end(xs, x, MP_ENOENT);
		return;
	}
	if (x->left == 0)
		source_wrong(x);
	xfer_restart(xs, x);
	xfer_wake(xs, x);
}

static struct xfer *
xfer_by_id(const struct xfers *xs, uint64_t id)
{
	struct mp_map_node *n = mp_map_find(&xs->by_id, id_hash(id));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct xfer *x = mp_container_of(n, struct xfer, by_id);

		if (x->id == id)
			return x;
	}
	return NULL;
}

void
xfers_written(struct xfers *xs, struct mp_env *env, uint64_t token, int rc, bool complete)
{
	struct xfer *x = xfer_by_id(xs, token >> TOKEN_PIECE_BITS & TOKEN_ID_MASK);
	uint32_t piece = (uint32_t)(token & ((1u << TOKEN_PIECE_BITS) - 1));

	if (x == NULL || piece >= x->piece_count || x->pieces[piece] != PIECE_WRITING)
		return;
	x->pieces[piece] = PIECE_WRITTEN;
	x->left--;
	x->write_count--;
	xs->in_flight--;
	if (rc == 0 && complete) {
		xfer_end(xs, x, 0);
	} else if (rc == MP_ESIG || (rc == 0 && x->left == 0)) {
		xfer_wrong(xs, x);
	} else if (rc != 0) {
		xfer_end(xs, x, rc);
	} else {
		x->progress_ms = env->now_ms;
		x->round = 0;
		if (!x->paused)
			xfer_wake(xs, x);
	}
}

void
xfers_lost(struct xfers *xs, const struct mp_node_id *id)
{
	struct xfer_peer *peer = peer_find(xs, id);

	while (peer != NULL && !mp_dlist_empty(&peer->gets))
		get_fail(xs, mp_container_of(mp_dlist_first(&peer->gets), struct get, of_peer));
}

/* ---- time ---- */

static mp_time
peer_deadline(const struct xfer_peer *peer)
{
	const struct get *oldest = mp_container_of(peer->gets.next, const struct get, of_peer);
	mp_time since = oldest->sent_ms > peer->heard_ms ? oldest->sent_ms : peer->heard_ms;

	return since + SILENCE_MS;
}

void
xfers_tick(struct xfers *xs, struct mp_env *env)
{
	struct mp_dlist *l, *next;

	for (l = xs->active.next; l != &xs->active; l = next) {
		struct xfer_peer *peer = mp_container_of(l, struct xfer_peer, active);

		next = l->next;
		if (peer_deadline(peer) <= env->now_ms)
			xfers_lost(xs, &peer->id);
	}
	if (env->now_ms < xs->paused_ms)
		return;
	xs->paused_ms = MP_TIME_NEVER;
	for (l = xs->paused.next; l != &xs->paused; l = next) {
		struct xfer *x = mp_container_of(l, struct xfer, queue);

		next = l->next;
		if (x->resume_ms <= env->now_ms)
			xfer_wake(xs, x);
		else if (x->resume_ms < xs->paused_ms)
			xs->paused_ms = x->resume_ms;
	}
}

mp_time
xfers_deadline(const struct xfers *xs)
{
	mp_time at = xs->paused_ms;

	for (const struct mp_dlist *l = xs->active.next; l != &xs->active; l = l->next) {
		mp_time t = peer_deadline(mp_container_of(l, const struct xfer_peer, active));

		if (t < at)
			at = t;
	}
	return at;
}
