/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network. Datagrams are delayed each on its own, so they overtake each other; they are lost
 * and doubled. A stream delivers in order: while its path is cut what was sent waits, as TCP would
 * have it, and after ten seconds of that both ends hear that it is down. When a stream breaks,
 * what is still under way may be lost, from some message on. When a machine loses power nobody
 * says so: the other end hears of it after a while, or when the machine is back.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

#define STREAM_GIVES_UP (10 * SIM_SEC)
#define CONNECT_TIMEOUT (3 * SIM_SEC)
#define CLASSES         2
/* In a second, by one host: more, and it answers each refusal with a new message. */
#define REFUSALS_MAX 50

struct held {
	struct held *next;
	struct sim_host *from;
	size_t size;
	uint8_t bytes[];
};

enum pair_state {
	PAIR_CLOSED,
	PAIR_CONNECTING,
	PAIR_OPEN,
};

/* One stream between two hosts, of one class; `number` tells it from earlier ones. */
struct pair {
	enum pair_state state;
	uint32_t number;
	sim_time ready[2];  /* no later message of that direction arrives before this */
	sim_time lost[2];   /* of the stream before: later messages are lost */
	sim_time over_at;   /* both ends have heard that the stream before is down */
	sim_time refused_s; /* the second of the last refusal, and how many it had */
	uint32_t refusals;
	struct held *first, **last; /* sent while connecting or cut */
};

struct sim_net {
	struct sim *sim;
	bool cut[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
	struct pair pairs[SIM_HOSTS_MAX][SIM_HOSTS_MAX][CLASSES]; /* lower index first */
};

struct sim_net *
sim_net_new(struct sim *sim)
{
	struct sim_net *net = calloc(1, sizeof(*net));

	mp_assert(net != NULL);
	net->sim = sim;
	return net;
}

static void
pair_forget(struct pair *p)
{
	while (p->first != NULL) {
		struct held *h = p->first;

		p->first = h->next;
		free(h);
	}
	p->last = &p->first;
}

void
sim_net_free(struct sim_net *net)
{
	for (size_t a = 0; a < SIM_HOSTS_MAX; a++) {
		for (size_t b = 0; b < SIM_HOSTS_MAX; b++) {
			for (size_t c = 0; c < CLASSES; c++)
				pair_forget(&net->pairs[a][b][c]);
		}
	}
	free(net);
}

static struct pair *
pair_of(struct sim_net *net, const struct sim_host *a, const struct sim_host *b,
	enum mp_class klass)
{
	if (a->index < b->index)
		return &net->pairs[a->index][b->index][klass];
	return &net->pairs[b->index][a->index][klass];
}

static bool
path_cut(const struct sim_net *net, const struct sim_host *a, const struct sim_host *b)
{
	return net->cut[a->index][b->index] || net->cut[b->index][a->index];
}

static struct sim_host *
host_at(struct sim *sim, const struct mp_addr *addr)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (mp_addr_eq(&sim->hosts[i].addr, addr))
			return &sim->hosts[i];
	}
	return NULL;
}

static sim_time
net_delay(struct sim *sim)
{
	sim_time d = sim_between(sim, sim->plan.delay_min, sim->plan.delay_max);

	return sim_chance(sim, 10) ? d * 10 : d; /* a heavy tail */
}

void
sim_net_datagram(struct sim_host *from, const struct mp_addr *to, struct mp_span bytes)
{
	struct sim *sim = from->sim;
	struct sim_host *host = host_at(sim, to);
	struct mp_event ev = {.kind = MP_EV_DATAGRAM};
	int copies = 1;

	sim->datagrams++;
	if (host == NULL || host->node == NULL)
		return;
	if (sim->net->cut[from->index][host->index] ||
		(!sim->healed && sim_chance(sim, sim->plan.loss))) {
		sim->sometimes[SIM_DATAGRAM_LOST]++;
		return;
	}
	ev.u.datagram.from = from->addr;
	ev.u.datagram.bytes = bytes;
	if (!sim->healed && sim_chance(sim, sim->plan.duplicate)) {
		sim->sometimes[SIM_DATAGRAM_DOUBLED]++;
		copies++;
	}
	while (copies-- > 0)
		sim_deliver(host, sim->now + net_delay(sim), &ev);
}

/* ---- streams ---- */

#define AT_ONCE (-1)

static void
link_event(struct sim_host *host, const struct sim_host *peer, enum mp_class klass,
	enum mp_link_state state, sim_time when)
{
	struct mp_event ev = {.kind = MP_EV_LINK};

	if (host->node == NULL)
		return;
	ev.u.link.peer = peer->id;
	ev.u.link.klass = klass;
	ev.u.link.state = state;
	ev.u.link.addr = peer->addr;
	if (state == MP_LINK_UP) {
		struct mp_node_id id;

		mp_assert(peer->node != NULL);
		ev.u.link.credential = mp_node_credential(peer->node);
		/* Both were asked by connect_done() whether they want this peer. */
		(void)mp_node_check_peer(host->node, ev.u.link.credential, &peer->xkey,
			sim_host_wall(host), &id, &ev.u.link.joiner, NULL);
	}
	if (when == AT_ONCE)
		sim_host_step(host, &ev);
	else
		sim_deliver(host, when, &ev);
}

static bool
admits(const struct sim_host *host, const struct sim_host *peer)
{
	struct mp_node_id id;
	bool joiner;

	return mp_node_check_peer(host->node, mp_node_credential(peer->node), &peer->xkey,
		       sim_host_wall(host), &id, &joiner, NULL) == 0 &&
	       mp_node_id_eq(&id, &peer->id);
}

/* arg: lower index, higher index, class, who asked, number of the stream. */
static uint64_t
pair_arg(const struct pair *p, const struct sim_host *a, const struct sim_host *b,
	enum mp_class klass)
{
	uint64_t lo = a->index < b->index ? a->index : b->index;
	uint64_t hi = a->index < b->index ? b->index : a->index;

	return lo | hi << 8 | (uint64_t)klass << 16 | (uint64_t)(a->index > b->index) << 17 |
	       (uint64_t)p->number << 32;
}

struct pair_ref {
	struct sim_host *from, *to;
	enum mp_class klass;
	struct pair *pair; /* NULL: another stream is there by now */
};

static struct pair_ref
pair_resolve(struct sim *sim, uint64_t arg)
{
	struct pair_ref r;
	struct sim_host *lo = &sim->hosts[arg & 0xff], *hi = &sim->hosts[arg >> 8 & 0xff];

	r.klass = (arg >> 16 & 1) != 0 ? MP_CLASS_BULK : MP_CLASS_CONTROL;
	r.from = (arg >> 17 & 1) != 0 ? hi : lo;
	r.to = (arg >> 17 & 1) != 0 ? lo : hi;
	r.pair = pair_of(sim->net, lo, hi, r.klass);
	if (r.pair->number != (uint32_t)(arg >> 32))
		r.pair = NULL;
	return r;
}

static void
pair_deliver(struct sim *sim, struct pair *p, struct sim_host *from, struct sim_host *to,
	enum mp_class klass, struct mp_span bytes)
{
	struct mp_event ev = {.kind = MP_EV_MESSAGE};
	sim_time *ready = &p->ready[from->index > to->index];
	sim_time when = sim->now + net_delay(sim) + (sim_time)(bytes.n / 100);

	if (when <= *ready)
		when = *ready + 1;
	*ready = when;
	ev.u.message.peer = from->id;
	ev.u.message.klass = klass;
	ev.u.message.bytes = bytes;
	sim_deliver_stream(to, when, &ev, pair_arg(p, from, to, klass));
}

static void
pair_flush(struct sim *sim, struct pair *p, struct sim_host *a, struct sim_host *b,
	enum mp_class klass)
{
	while (p->first != NULL) {
		struct held *h = p->first;

		p->first = h->next;
		pair_deliver(
			sim, p, h->from, h->from == a ? b : a, klass, mp_span(h->bytes, h->size));
		free(h);
	}
	p->last = &p->first;
}

bool
sim_net_lost(struct sim *sim, uint64_t stream)
{
	struct pair_ref r = pair_resolve(sim, stream);
	uint32_t number = (uint32_t)(stream >> 32);
	const struct pair *p = pair_of(sim->net, r.from, r.to, r.klass);

	if (p->number == number)
		return false;
	if (p->number == number + 1 && sim->now <= p->lost[r.from->index > r.to->index])
		return false;
	sim->sometimes[SIM_STREAM_LOST]++;
	return true;
}

/* Closes and tells those who live; a link event never overtakes a message sent before it. */
static void
pair_close(struct sim *sim, struct pair *p, struct sim_host *a, struct sim_host *b,
	enum mp_class klass)
{
	for (int side = 0; side < 2 && p->state == PAIR_OPEN; side++) {
		struct sim_host *to = side == 0 ? a : b;
		struct sim_host *from = side == 0 ? b : a;
		size_t way = from->index > to->index;
		sim_time when = sim->now + net_delay(sim);
		sim_time last = p->ready[way];

		if (last > sim->now && sim_chance(sim, 500))
			last = sim_between(sim, sim->now, last);
		p->lost[way] = last;
		if (when <= last)
			when = last + 1;
		if (p->over_at < when)
			p->over_at = when;
		link_event(to, from, klass, MP_LINK_DOWN, when);
	}
	pair_forget(p);
	p->state = PAIR_CLOSED;
	p->number++;
}

static void
pair_refused(struct sim *sim, const struct pair_ref *r)
{
	struct pair *p = r->pair;

	p->refusals = p->refused_s == sim->now / SIM_SEC ? p->refusals + 1 : 1;
	p->refused_s = sim->now / SIM_SEC;
	if (p->refusals > REFUSALS_MAX)
		sim_fail(sim, "host %" PRIu32 " dials host %" PRIu32 " without end", r->from->index,
			r->to->index);
}

static void
connect_done(struct sim *sim, uint64_t arg)
{
	struct pair_ref r = pair_resolve(sim, arg);
	enum mp_link_state state = MP_LINK_UP;

	if (r.pair == NULL || r.pair->state != PAIR_CONNECTING || r.from->node == NULL)
		return;
	/* Who is paused has not noticed yet, and goes on queueing for it. */
	if (sim->now <= r.pair->over_at || r.from->paused_until >= sim->now) {
		sim_at(sim,
			1 + (sim->now <= r.pair->over_at ? r.pair->over_at : r.from->paused_until),
			connect_done, arg);
		return;
	}
	/* Who is paused does not shake hands. */
	if (path_cut(sim->net, r.from, r.to) || r.to->paused_until > sim->now)
		state = MP_LINK_FAILED;
	else if (r.to->node == NULL)
		state = MP_LINK_REFUSED;
	else if (!admits(r.to, r.from) || !admits(r.from, r.to))
		state = MP_LINK_FAILED;
	if (state != MP_LINK_UP) {
		r.pair->state = PAIR_CLOSED;
		r.pair->number++;
		pair_forget(r.pair);
		link_event(r.from, r.to, r.klass, state, AT_ONCE); /* or it sends once more */
		if (state == MP_LINK_REFUSED)
			pair_refused(sim, &r);
		return;
	}
	r.pair->state = PAIR_OPEN;
	r.pair->ready[0] = r.pair->ready[1] = sim->now + 1;
	link_event(r.from, r.to, r.klass, MP_LINK_UP, sim->now);
	link_event(r.to, r.from, r.klass, MP_LINK_UP, sim->now);
	pair_flush(sim, r.pair, r.from, r.to, r.klass);
}

static void
pair_connect(struct sim *sim, struct pair *p, struct sim_host *from, struct sim_host *to,
	enum mp_class klass)
{
	bool deaf = path_cut(sim->net, from, to) || to->paused_until > sim->now;
	sim_time wait = deaf ? CONNECT_TIMEOUT : 3 * net_delay(sim);

	p->state = PAIR_CONNECTING;
	p->number++;
	p->last = &p->first;
	sim_at(sim, sim->now + wait, connect_done, pair_arg(p, from, to, klass));
}

void
sim_net_connect(struct sim_host *from, const struct mp_addr *to)
{
	struct sim_host *host = host_at(from->sim, to);
	struct pair *p;

	if (host == NULL || host == from)
		return;
	p = pair_of(from->sim->net, from, host, MP_CLASS_CONTROL);
	if (p->state == PAIR_CLOSED)
		pair_connect(from->sim, p, from, host, MP_CLASS_CONTROL);
	else if (p->state == PAIR_OPEN && host->node != NULL) /* else its end will show */
		link_event(from, host, MP_CLASS_CONTROL, MP_LINK_UP, from->sim->now);
}

static void
stream_gives_up(struct sim *sim, uint64_t arg)
{
	struct pair_ref r = pair_resolve(sim, arg);

	if (r.pair != NULL && r.pair->state == PAIR_OPEN && path_cut(sim->net, r.from, r.to))
		pair_close(sim, r.pair, r.from, r.to, r.klass);
}

void
sim_net_send(struct sim_host *from, const struct mp_effect *fx)
{
	struct sim *sim = from->sim;
	struct sim_host *to = sim_host_find(sim, &fx->u.send.peer);
	enum mp_class klass = fx->u.send.klass;
	struct mp_span bytes = fx->u.send.bytes;
	struct held *h;
	struct pair *p;

	if (to == NULL || to == from ||
		(klass == MP_CLASS_CONTROL && sim_figure8_holds(from, to->index, bytes)))
		return;
	sim->messages++;
	p = pair_of(sim->net, from, to, klass);
	if (p->state == PAIR_OPEN && to->node == NULL)
		return;
	if (p->state == PAIR_OPEN && !path_cut(sim->net, from, to)) {
		pair_deliver(sim, p, from, to, klass, bytes);
		return;
	}
	if (p->state == PAIR_CLOSED)
		pair_connect(sim, p, from, to, klass);
	h = malloc(sizeof(*h) + bytes.n);
	mp_assert(h != NULL);
	*h = (struct held){.from = from, .size = bytes.n};
	if (bytes.n > 0)
		memcpy(h->bytes, bytes.p, bytes.n);
	if (p->first == NULL)
		p->last = &p->first;
	*p->last = h;
	p->last = &h->next;
}

void
sim_net_drop(struct sim_host *from, const struct mp_node_id *peer)
{
	struct sim_host *to = sim_host_find(from->sim, peer);

	for (int c = 0; to != NULL && to != from && c < CLASSES; c++) {
		struct pair *p = pair_of(from->sim->net, from, to, (enum mp_class)c);

		if (p->state != PAIR_CLOSED)
			pair_close(from->sim, p, from, to, (enum mp_class)c);
	}
}

/* The other end has waited long enough for one that is gone. */
static void
stream_silent(struct sim *sim, uint64_t arg)
{
	struct pair_ref r = pair_resolve(sim, arg);

	if (r.pair != NULL && r.pair->state == PAIR_OPEN)
		pair_close(sim, r.pair, r.from, r.to, r.klass);
}

void
sim_net_host_down(struct sim_host *host, bool silent)
{
	struct sim *sim = host->sim;

	for (uint32_t i = 0; i < sim->plan.hosts * CLASSES; i++) {
		struct sim_host *peer = &sim->hosts[i / CLASSES];
		enum mp_class klass = i % CLASSES == 0 ? MP_CLASS_CONTROL : MP_CLASS_BULK;
		struct pair *p = pair_of(sim->net, host, peer, klass);

		if (peer == host || p->state == PAIR_CLOSED)
			continue;
		if (silent && p->state == PAIR_OPEN && peer->node != NULL) {
			sim->sometimes[SIM_STREAM_SILENT]++;
			sim_at(sim, sim->now + sim_between(sim, SIM_SEC, STREAM_GIVES_UP),
				stream_silent, pair_arg(p, host, peer, klass));
		} else {
			pair_close(sim, p, host, peer, klass);
		}
	}
}

void
sim_net_cut(struct sim *sim, uint32_t from, uint32_t to, bool cut)
{
	struct sim_host *a = &sim->hosts[from], *b = &sim->hosts[to];

	if (from == to || sim->net->cut[from][to] == cut)
		return;
	sim->net->cut[from][to] = cut;
	for (int c = 0; c < CLASSES; c++) {
		struct pair *p = pair_of(sim->net, a, b, (enum mp_class)c);

		if (p->state != PAIR_OPEN)
			continue;
		if (cut)
			sim_at(sim, sim->now + STREAM_GIVES_UP, stream_gives_up,
				pair_arg(p, a, b, (enum mp_class)c));
		else if (!path_cut(sim->net, a, b))
			pair_flush(sim, p, a, b, (enum mp_class)c);
	}
}

void
sim_net_heal(struct sim *sim)
{
	for (uint32_t a = 0; a < sim->plan.hosts; a++) {
		for (uint32_t b = 0; b < sim->plan.hosts; b++)
			sim_net_cut(sim, a, b, false);
	}
}

bool
sim_net_is_cut(const struct sim *sim, uint32_t from, uint32_t to)
{
	return sim->net->cut[from][to];
}
