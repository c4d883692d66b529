/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of the membership world. Datagrams are delayed each on its own, lost, doubled, and
 * replayed. A stream delivers in order; while its path is cut what was sent waits, and after ten
 * seconds of that both ends hear that it is down. Traffic is counted as it would be on a wire.
 */
#include "mesh.h"

#include <inttypes.h>
#include <stdlib.h>

#define GIVES_UP        (10 * SIM_SEC)
#define CONNECT_TIMEOUT (3 * SIM_SEC)
#define IDLE            (10 * 60 * SIM_SEC) /* streams that say nothing are closed */
#define UDP_HEAD        28                  /* IPv4 and UDP */
#define TCP_HEAD        52                  /* IPv4 and TCP with time stamps */
#define FRAME           18                  /* length and tag of an encrypted frame */
#define GREETING        160 /* keys and tags of a handshake, beside the credential */
#define GREETING_HEADS  3   /* segments of it, each way */
#define TCP_SEGMENT     1400

/* ---- datagrams ---- */

/* A datagram that comes more than once. */
struct mesh_twin {
	unsigned refs;
	uint32_t to, from, life; /* life of the receiver that let it in; 0: not yet */
	size_t size;
	uint8_t bytes[MP_DGRAM_MAX];
};

void
mesh_twin_unref(struct mesh_twin *twin)
{
	if (twin != NULL && --twin->refs == 0)
		free(twin);
}

struct mp_addr
mesh_addr(uint32_t place)
{
	struct mp_addr addr = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 7117};

	addr.ip[13] = (uint8_t)(place >> 16);
	addr.ip[14] = (uint8_t)(place >> 8);
	addr.ip[15] = (uint8_t)place;
	return addr;
}

static uint32_t
place_of(const struct mp_addr *addr)
{
	return (uint32_t)addr->ip[13] << 16 | (uint32_t)addr->ip[14] << 8 | addr->ip[15];
}

/* Who listens there; NULL: nobody ever did. */
static struct mesh_node *
node_at(struct mesh *mesh, const struct mp_addr *addr)
{
	uint32_t place = place_of(addr);

	if (place >= mesh->plan.nodes || mesh->at[place] == MESH_NONE)
		return NULL;
	return &mesh->nodes[mesh->at[place]];
}

sim_time
mesh_delay(struct mesh *mesh)
{
	sim_time d = mesh_between(mesh, mesh->plan.delay_min, mesh->plan.delay_max);

	return mesh_chance(mesh, 10) ? d * 10 : d; /* a heavy tail */
}

bool
mesh_hears(const struct mesh *mesh, const struct mesh_node *to, const struct mesh_node *from)
{
	switch (mesh->cut) {
	case MESH_WHOLE:
		return true;
	case MESH_HALVES:
		return to->side == from->side;
	case MESH_ONE_WAY:
		return to->side != 0 || from->side == 0;
	case MESH_BRIDGE:
		return to->side == from->side || to->side == 2 || from->side == 2;
	}
	mp_unreachable();
}

static bool
path_cut(const struct mesh *mesh, const struct mesh_node *a, const struct mesh_node *b)
{
	return mesh->streams_blocked || !mesh_hears(mesh, a, b) || !mesh_hears(mesh, b, a);
}

void
mesh_cut_set(struct mesh *mesh, enum mesh_cut cut)
{
	mesh->cut = cut;
	mesh->cut_changed = mesh->now;
}

static void
datagram_count(struct mesh_node *node, size_t size)
{
	struct mesh *mesh = node->mesh;

	mesh->datagrams++;
	node->datagrams++;
	node->udp_bytes += size + UDP_HEAD;
	if (mesh->now - node->window_at >= SIM_SEC) {
		node->window_at = mesh->now;
		node->window_datagrams = 0;
	}
	if (++node->window_datagrams > node->window_peak)
		node->window_peak = node->window_datagrams;
}

static struct mesh_twin *
twin_new(const struct mesh_node *from, const struct mesh_node *to, struct mp_span bytes)
{
	struct mesh_twin *twin = malloc(sizeof(*twin));

	mp_assert(twin != NULL && bytes.n <= MP_DGRAM_MAX);
	*twin = (struct mesh_twin){
		.refs = 1, .to = to->index, .from = from->index, .size = bytes.n};
	memcpy(twin->bytes, bytes.p, bytes.n);
	return twin;
}

static void
datagram_post(struct mesh_node *to, uint32_t from, struct mp_span bytes, struct mesh_twin *twin)
{
	struct mesh_event *e = mesh_event_new(MESH_DATAGRAM, from, bytes);

	e->u.datagram.twin = twin;
	if (twin != NULL)
		twin->refs++;
	mesh_post(to, to->mesh->now + mesh_delay(to->mesh), e);
}

/* Somebody on the path has kept an old one. */
static void
datagram_replay(struct mesh *mesh, struct mesh_twin *fresh)
{
	struct mesh_twin **slot =
		&mesh->recorded[mp_rng_below(&mesh->rng, mp_countof(mesh->recorded))];

	if (*slot != NULL) {
		struct mesh_twin *old = *slot;

		datagram_post(
			&mesh->nodes[old->to], old->from, mp_span(old->bytes, old->size), old);
		mesh_twin_unref(old);
	}
	*slot = fresh;
	fresh->refs++;
}

void
mesh_datagram(struct mesh_node *from, const struct mp_addr *addr, struct mp_span bytes)
{
	struct mesh *mesh = from->mesh;
	struct mesh_node *to = node_at(mesh, addr);
	struct mesh_twin *twin = NULL;
	bool again;

	datagram_count(from, bytes.n);
	if (bytes.n > MP_DGRAM_MAX)
		mesh_fail(mesh, "M4: a datagram of %zu bytes", bytes.n);
	if (to == NULL || to->roster == NULL || from->no_udp || to->no_udp ||
		!mesh_hears(mesh, to, from) || mesh_chance(mesh, mesh->plan.loss))
		return;
	again = mesh_chance(mesh, mesh->plan.duplicate);
	if (again || mesh->plan.replay)
		twin = twin_new(from, to, bytes);
	if (again)
		datagram_post(to, from->index, bytes, twin);
	if (mesh->plan.replay && mesh_chance(mesh, 20))
		datagram_replay(mesh, twin);
	datagram_post(to, from->index, bytes, twin);
	mesh_twin_unref(twin);
}

void
mesh_datagram_in(struct mesh_node *node, const struct mesh_event *e)
{
	struct mesh *mesh = node->mesh;
	struct mp_addr from = mesh_addr(mesh->nodes[e->from].place);
	struct mp_dgram_in *in = &mesh->in;
	struct mesh_twin *twin = e->u.datagram.twin;
	struct mp_span record;
	int rc;

	mesh_begin(node);
	rc = mp_dgram_open(node->dgram, &node->env, mp_span(e->bytes, e->size), in);
	if (rc != 0)
		mp_swim_dropped(node->swim, &node->env, in, &from);
	mesh->replays_refused += rc == MP_EREPLAY;
	mesh->strangers_refused += rc == MP_ESIG || rc == MP_EAUTH;
	if (rc == 0 && mesh->nodes[e->from].cluster != node->cluster)
		mesh_fail(mesh, "M3: node %" PRIu32 " listens to another cluster", node->index);
	if (rc == 0 && twin != NULL) {
		if (twin->life == node->life)
			mesh_fail(mesh, "M9: node %" PRIu32 " takes a datagram twice", node->index);
		twin->life = node->life;
	}
	if (rc == 0) {
		mp_swim_heard(node->swim, &node->env, &in->sender->id, in->boot, &from);
		while (mp_list_next(&in->records, &record))
			(void)mp_swim_record(
				node->swim, &node->env, &in->sender->id, &from, record);
	}
	mesh_finish(node);
}

/* ---- streams ---- */

struct held {
	struct held *next;
	uint32_t from;
	size_t size;
	uint8_t bytes[];
};

enum link_state {
	LINK_CLOSED,
	LINK_CONNECTING,
	LINK_OPEN,
};

struct link {
	struct mp_map_node node;
	uint32_t lo, hi; /* nodes */
	enum link_state state;
	bool from_hi;    /* who connects */
	uint32_t place;  /* and to where */
	uint64_t number; /* tells this stream from earlier ones */
	sim_time ready[2];
	sim_time used;              /* when anything was sent last, or it was opened */
	sim_time held_since;        /* the first of these, when it is open and cut */
	struct held *first, **last; /* sent while connecting or cut */
};

static struct link *
link_find(const struct mesh *mesh, uint32_t a, uint32_t b)
{
	uint32_t pair[2] = {a < b ? a : b, a < b ? b : a};
	struct mp_map_node *at = mp_map_find(&mesh->links, mp_hash64(pair, sizeof(pair), 0));

	for (; at != NULL; at = mp_map_find_next(at)) {
		struct link *l = mp_container_of(at, struct link, node);

		if (l->lo == pair[0] && l->hi == pair[1])
			return l;
	}
	return NULL;
}

static struct link *
link_make(struct mesh *mesh, uint32_t a, uint32_t b)
{
	struct link *l = link_find(mesh, a, b);
	uint32_t pair[2] = {a < b ? a : b, a < b ? b : a};

	if (l != NULL)
		return l;
	l = calloc(1, sizeof(*l));
	mp_assert(l != NULL);
	l->lo = pair[0];
	l->hi = pair[1];
	l->last = &l->first;
	mp_assert(mp_map_add(&mesh->links, &l->node, mp_hash64(pair, sizeof(pair), 0)) == 0);
	return l;
}

static void
link_forget(struct link *l)
{
	while (l->first != NULL) {
		struct held *h = l->first;

		l->first = h->next;
		free(h);
	}
	l->last = &l->first;
}

void
mesh_net_fini(struct mesh *mesh)
{
	struct mp_map_node *at;

	while ((at = mp_map_any(&mesh->links)) != NULL) {
		struct link *l = mp_container_of(at, struct link, node);

		mp_map_remove(&mesh->links, at);
		link_forget(l);
		free(l);
	}
	mp_map_fini(&mesh->links);
}

/* The one that is up and a member has grown by its admission. */
static struct mp_span
credential_of(const struct mesh_node *node)
{
	const struct mp_member *m = mesh_view(node, node);

	return m != NULL ? m->credential : node->credential;
}

static void
link_tell(
	struct mesh_node *to, const struct mesh_node *peer, enum mp_link_state state, sim_time when)
{
	struct mesh_event *e;

	if (to->roster == NULL)
		return;
	e = mesh_event_new(MESH_LINK, peer->index,
		state == MP_LINK_UP ? credential_of(peer) : mp_span(NULL, 0));
	e->u.link.state = state;
	e->u.link.addr = mesh_addr(peer->place);
	mesh_post(to, when, e);
}

static bool
admits(const struct mesh_node *node, const struct mesh_node *peer)
{
	struct mp_node_id id;
	bool joiner;

	return mp_join_check_peer(node->roster, credential_of(peer), &peer->xkey, node->env.wall_ms,
		       &id, &joiner, NULL) == 0;
}

static void
link_deliver(struct mesh *mesh, struct link *l, uint32_t from, struct mp_span bytes)
{
	struct mesh_node *to = &mesh->nodes[from == l->lo ? l->hi : l->lo];
	struct mesh_event *e = mesh_event_new(MESH_MESSAGE, from, bytes);
	sim_time *ready = &l->ready[from == l->hi];
	sim_time when = mesh->now + mesh_delay(mesh) + (sim_time)(bytes.n / 100);

	if (when <= *ready)
		when = *ready + 1;
	*ready = when;
	e->stream = l->number;
	mesh_post(to, when, e);
}

static void
link_flush(struct mesh *mesh, struct link *l)
{
	while (l->first != NULL) {
		struct held *h = l->first;

		l->first = h->next;
		link_deliver(mesh, l, h->from, mp_span(h->bytes, h->size));
		free(h);
	}
	l->last = &l->first;
}

bool
mesh_stream_lost(const struct mesh *mesh, const struct mesh_node *to, const struct mesh_event *e)
{
	const struct link *l = link_find(mesh, to->index, e->from);

	return l->number != e->stream;
}

static void
link_close(struct mesh *mesh, struct link *l)
{
	struct mesh_node *a = &mesh->nodes[l->lo], *b = &mesh->nodes[l->hi];
	bool open = l->state == LINK_OPEN;

	link_forget(l);
	l->state = LINK_CLOSED;
	l->number++;
	if (open) {
		link_tell(a, b, MP_LINK_DOWN, mesh->now + mesh_delay(mesh));
		link_tell(b, a, MP_LINK_DOWN, mesh->now + mesh_delay(mesh));
	}
}

static void
idle_close(struct mesh *mesh, uint64_t arg)
{
	struct mp_map_node *at = NULL;
	size_t bucket = 0;

	while ((at = mp_map_walk(&mesh->links, &bucket, at)) != NULL) {
		struct link *l = mp_container_of(at, struct link, node);

		if (l->state == LINK_OPEN && l->first == NULL && mesh->now - l->used >= IDLE)
			link_close(mesh, l);
	}
	mesh_at(mesh, mesh->now + IDLE / 8, idle_close, arg);
}

void
mesh_net_init(struct mesh *mesh)
{
	mesh_at(mesh, IDLE / 8, idle_close, 0);
}

static uint64_t
link_arg(const struct link *l)
{
	return (uint64_t)l->lo << 44 | (uint64_t)l->hi << 24 | (l->number & 0xffffff);
}

/* NULL: another stream is there by now. */
static struct link *
link_of_arg(struct mesh *mesh, uint64_t arg)
{
	struct link *l = link_find(mesh, (uint32_t)(arg >> 44), (uint32_t)(arg >> 24 & 0xfffff));

	return (l->number & 0xffffff) == (arg & 0xffffff) ? l : NULL;
}

static void
greeting_count(struct mesh_node *node)
{
	node->stream_bytes += credential_of(node).n + GREETING + GREETING_HEADS * TCP_HEAD;
}

/* Somebody else listens where it was: the handshake shows that, or should. */
static void
occupant_check(struct mesh *mesh, const struct mesh_node *from, const struct mesh_node *there)
{
	if (there->cluster != from->cluster && there->roster != NULL && admits(there, from) &&
		admits(from, there))
		mesh_fail(mesh,
			"M3: a stream between node %" PRIu32 " and %" PRIu32 " of another cluster",
			from->index, there->index);
}

static void
connect_done(struct mesh *mesh, uint64_t arg)
{
	struct link *l = link_of_arg(mesh, arg);
	enum mp_link_state state = MP_LINK_UP;
	struct mesh_node *from, *to;

	if (l == NULL || l->state != LINK_CONNECTING)
		return;
	from = &mesh->nodes[l->from_hi ? l->hi : l->lo];
	to = &mesh->nodes[l->from_hi ? l->lo : l->hi];
	if (from->roster == NULL)
		state = MP_LINK_FAILED;
	else if (mesh->at[l->place] != to->index) {
		occupant_check(mesh, from, &mesh->nodes[mesh->at[l->place]]);
		state = MP_LINK_FAILED;
	} else if (path_cut(mesh, from, to) || to->paused_until > mesh->now)
		state = MP_LINK_FAILED;
	else if (to->roster == NULL)
		state = MP_LINK_REFUSED;
	else if (!admits(to, from) || !admits(from, to))
		state = MP_LINK_FAILED;
	if (state != MP_LINK_UP) {
		link_forget(l);
		l->state = LINK_CLOSED;
		l->number++;
		link_tell(from, to, state, mesh->now);
		return;
	}
	l->state = LINK_OPEN;
	l->used = mesh->now;
	greeting_count(from);
	greeting_count(to);
	link_tell(from, to, MP_LINK_UP, mesh->now);
	link_tell(to, from, MP_LINK_UP, mesh->now);
	link_flush(mesh, l);
}

static void
link_connect(
	struct mesh *mesh, struct link *l, const struct mesh_node *from, const struct mp_addr *addr)
{
	const struct mesh_node *to = &mesh->nodes[from->index == l->lo ? l->hi : l->lo];
	bool deaf = path_cut(mesh, from, to) || to->paused_until > mesh->now;

	l->state = LINK_CONNECTING;
	l->number++;
	l->from_hi = from->index == l->hi;
	l->place = place_of(addr);
	l->ready[0] = l->ready[1] = 0;
	mesh_at(mesh, mesh->now + (deaf ? CONNECT_TIMEOUT : 3 * mesh_delay(mesh)), connect_done,
		link_arg(l));
}

void
mesh_connect(struct mesh_node *from, const struct mp_addr *addr)
{
	struct mesh *mesh = from->mesh;
	struct mesh_node *to = node_at(mesh, addr);
	struct link *l;

	if (to == NULL || to == from)
		return;
	l = link_make(mesh, from->index, to->index);
	if (l->state == LINK_CLOSED)
		link_connect(mesh, l, from, addr);
	else if (l->state == LINK_OPEN)
		link_tell(from, to, MP_LINK_UP, mesh->now);
}

/* What waits for a cut path to be whole goes then, or is given up. */
static void
stream_retry(struct mesh *mesh, uint64_t arg)
{
	struct link *l = link_of_arg(mesh, arg);

	if (l == NULL || l->state != LINK_OPEN)
		return;
	if (!path_cut(mesh, &mesh->nodes[l->lo], &mesh->nodes[l->hi]))
		link_flush(mesh, l);
	else if (mesh->now - l->held_since >= GIVES_UP)
		link_close(mesh, l);
	else
		mesh_at(mesh, mesh->now + SIM_SEC, stream_retry, arg);
}

static void
link_hold(struct link *l, uint32_t from, struct mp_span bytes)
{
	struct held *h = malloc(sizeof(*h) + bytes.n);

	mp_assert(h != NULL);
	*h = (struct held){.from = from, .size = bytes.n};
	memcpy(h->bytes, bytes.p, bytes.n);
	*l->last = h;
	l->last = &h->next;
}

void
mesh_send(struct mesh_node *from, const struct mp_effect *fx)
{
	struct mesh *mesh = from->mesh;
	struct mesh_node *to = mesh_find(mesh, &fx->u.send.peer);
	struct mp_span bytes = fx->u.send.bytes;
	struct link *l;

	mp_assert(to != NULL && to != from);
	mesh->messages++;
	from->stream_bytes += bytes.n + FRAME + TCP_HEAD * (1 + bytes.n / TCP_SEGMENT);
	to->stream_bytes += TCP_HEAD; /* acknowledges it */
	l = link_make(mesh, from->index, to->index);
	l->used = mesh->now;
	if (l->state == LINK_OPEN && !path_cut(mesh, from, to)) {
		link_deliver(mesh, l, from->index, bytes);
		return;
	}
	if (l->state == LINK_OPEN && l->first == NULL) {
		l->held_since = mesh->now;
		mesh_at(mesh, mesh->now + SIM_SEC, stream_retry, link_arg(l));
	}
	if (l->state == LINK_CLOSED)
		link_connect(mesh, l, from, &fx->u.send.addrs[0]);
	link_hold(l, from->index, bytes);
}

static void
drop_done(struct mesh *mesh, uint64_t arg)
{
	struct link *l = link_of_arg(mesh, arg);

	if (l != NULL && l->state != LINK_CLOSED)
		link_close(mesh, l);
}

/* What was written before still arrives. */
void
mesh_drop(struct mesh_node *from, const struct mp_node_id *peer)
{
	struct mesh *mesh = from->mesh;
	struct mesh_node *to = mesh_find(mesh, peer);
	struct link *l = to != NULL ? link_find(mesh, from->index, to->index) : NULL;
	sim_time written = l != NULL ? l->ready[from->index == l->hi] : 0;

	if (l != NULL && l->state == LINK_OPEN && written >= mesh->now)
		mesh_at(mesh, written + 1, drop_done, link_arg(l));
	else if (l != NULL && l->state != LINK_CLOSED)
		link_close(mesh, l);
}

void
mesh_net_down(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	struct mp_map_node *at = NULL;
	size_t bucket = 0;

	while ((at = mp_map_walk(&mesh->links, &bucket, at)) != NULL) {
		struct link *l = mp_container_of(at, struct link, node);

		if (l->state != LINK_CLOSED && (l->lo == node->index || l->hi == node->index))
			link_close(mesh, l);
	}
}
