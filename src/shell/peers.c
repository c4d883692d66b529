/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/peers.h"

#include <stdlib.h>

#include "shell/peers_int.h"

#define SWEEP_MS       1000
#define LISTEN_BACKLOG 1024

static void on_connection(uv_stream_t *listener, int status);

/* ---- handles ---- */

void
mp_peers_handle_closed(struct mp_peers *peers)
{
	mp_assert(peers->handles > 0);
	if (--peers->handles > 0)
		return;
	mp_assert(peers->closing);
	if (peers->closed != NULL)
		peers->closed(peers->closed_ctx);
	free(peers);
}

static void
on_sweep_closed(uv_handle_t *handle)
{
	mp_peers_handle_closed(mp_container_of(handle, struct mp_peers, sweep));
}

static void
on_idle_closed(uv_handle_t *handle)
{
	mp_peers_handle_closed(mp_container_of(handle, struct mp_peers, idle));
}

static void
on_writer_closed(uv_handle_t *handle)
{
	mp_peers_handle_closed(mp_container_of(handle, struct mp_peers, writer));
}

static void
on_turner_closed(uv_handle_t *handle)
{
	mp_peers_handle_closed(mp_container_of(handle, struct mp_peers, turner));
}

static void
on_listener_closed(uv_handle_t *handle)
{
	mp_peers_handle_closed(mp_container_of(handle, struct mp_peers, listener));
}

/* ---- what streams ask for ---- */

struct mp_conn *
mp_peers_find(const struct mp_peers *peers, const struct mp_node_id *id, enum mp_class klass,
	const struct mp_conn *but)
{
	struct mp_conn *best = NULL;

	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		if (c == but || c->is_guest || c->state >= MP_CONN_RETIRED || !c->id_known ||
			c->klass != klass || !mp_node_id_eq(&c->id, id))
			continue;
		if (c->state == MP_CONN_OPEN)
			return c;
		if (c->opener)
			best = c;
	}
	return best;
}

/* Once a second while a stream has a deadline. Closing one may change the list in any way. */
static void
on_sweep(uv_timer_t *timer)
{
	struct mp_peers *peers = mp_container_of(timer, struct mp_peers, sweep);
	struct mp_dlist *l = peers->conns.next;
	bool again = peers->unaccepted;

	if (peers->unaccepted)
		on_connection((uv_stream_t *)&peers->listener, 0);
	while (l != &peers->conns) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		mp_conn_timeout(c);
		again = again || mp_conn_hurries(c);
		l = c->state == MP_CONN_CLOSING ? peers->conns.next : l->next;
	}
	if (again)
		mp_peers_hurry(peers);
}

/* Now and then, where idle streams are closed. */
static void
on_idle(uv_timer_t *timer)
{
	struct mp_peers *peers = mp_container_of(timer, struct mp_peers, idle);
	struct mp_dlist *l = peers->conns.next;

	if (!peers->config.quiet(peers->config.ctx))
		return;
	while (l != &peers->conns) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		if (mp_conn_idle(c))
			mp_conn_close(c, MP_LINK_DOWN, NULL);
		l = c->state == MP_CONN_CLOSING ? peers->conns.next : l->next;
	}
}

void
mp_peers_hurry(struct mp_peers *peers)
{
	if (!peers->closing && uv_is_active((uv_handle_t *)&peers->sweep) == 0)
		(void)uv_timer_start(&peers->sweep, on_sweep, SWEEP_MS, 0);
}

static void
peers_write(struct mp_peers *peers)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&peers->dirty)) != NULL)
		mp_conn_flush(mp_container_of(l, struct mp_conn, dirty));
}

static void
on_prepare(uv_prepare_t *writer)
{
	struct mp_peers *peers = mp_container_of(writer, struct mp_peers, writer);

	peers_write(peers);
	(void)uv_prepare_stop(writer);
}

void
mp_peers_dirty(struct mp_peers *peers, struct mp_conn *c)
{
	if (mp_dlist_linked(&c->dirty))
		return;
	mp_dlist_push(&peers->dirty, &c->dirty);
	if (!peers->closing)
		(void)uv_prepare_start(&peers->writer, on_prepare);
}

/* ---- accepting ---- */

size_t
mp_peers_clients(const struct mp_peers *peers)
{
	size_t n = 0;

	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		const struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		n += c->is_guest && !c->guest.knocks;
	}
	return n;
}

/* Is it to go rather than `other` (which may be NULL), which came before it? Strangers before who
 * comes from where a member is, and what greets before what has greeted. */
static bool
goes_first(const struct mp_conn *c, const struct mp_conn *other)
{
	if (other == NULL || c->stranger != other->stranger)
		return other == NULL || c->stranger;
	return c->state == MP_CONN_GREETING && other->state != MP_CONN_GREETING;
}

/* There is one more stream that has proved nothing: the bounds hold again. */
static void
make_room(struct mp_peers *peers, const struct mp_conn *news)
{
	const struct mp_addr source = mp_addr_source(&news->addr);
	struct mp_conn *same_first = NULL, *first = NULL;
	size_t same = 0;

	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);
		struct mp_addr other = mp_addr_source(&c->addr);

		if (!c->unproved)
			continue;
		first = c != news && goes_first(c, first) ? c : first;
		if (!mp_addr_eq(&other, &source))
			continue;
		same++;
		same_first = c != news && goes_first(c, same_first) ? c : same_first;
	}
	if (same > MP_PEERS_GREETING_SOURCE_MAX)
		first = same_first;
	else if (peers->unproved <= MP_PEERS_GREETING_MAX)
		return;
	mp_assert(first != NULL);
	first->crowded = true;
	mp_conn_fail(first, MP_ELIMIT, "too many streams that have not proved membership");
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct mp_peers *peers = mp_container_of(listener, struct mp_peers, listener);
	struct sockaddr_storage ss = {0};
	int size = sizeof(ss);
	struct mp_conn *c;

	if (status != 0 || peers->closing)
		return;
	if (!peers->accepting) {
		peers->unaccepted = true; /* libuv waits until it was taken */
		return;
	}
	c = mp_conn_new(peers, false);
	peers->unaccepted = c == NULL;
	if (c == NULL) {
		mp_peers_hurry(peers);
		return;
	}
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
		mp_conn_close(c, MP_LINK_FAILED, NULL);
		return;
	}
	(void)uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&ss, &size);
	mp_addr_from_sockaddr(&c->addr, (const struct sockaddr *)&ss);
	if (!mp_gate_take(&peers->gate, &c->addr, uv_now(peers->config.loop) + 1)) {
		peers->stats.throttled++;
		mp_conn_fail(c, MP_EBUSY, "streams come too fast");
		return;
	}
	c->stranger = !mp_gate_is_member(&peers->gate, &c->addr);
	make_room(peers, c);
	mp_conn_greet(c);
}

int
mp_peers_bind_error(int rc, struct mp_error *err)
{
	if (rc == UV_EADDRINUSE)
		return mp_fail(err, MP_EBUSY, "the port is in use");
	if (rc == UV_EADDRNOTAVAIL)
		return mp_fail(err, MP_EINVAL, "this machine does not have that address");
	if (rc == UV_EACCES)
		return mp_fail(err, MP_EAUTH, "this user may not use that port");
	return mp_fail(err, MP_EIO, "%s", uv_strerror(rc));
}

/* ---- the interface ---- */

int
mp_peers_new(const struct mp_peers_config *config, struct mp_peers **out)
{
	struct mp_peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return MP_ENOMEM;
	peers->config = *config;
	peers->gate.member = config->member_at;
	peers->gate.ctx = config->ctx;
	mp_dlist_init(&peers->conns);
	mp_dlist_init(&peers->dirty);
	mp_dlist_init(&peers->turns);
	(void)uv_timer_init(config->loop, &peers->sweep); /* these four cannot fail */
	(void)uv_timer_init(config->loop, &peers->idle);
	(void)uv_prepare_init(config->loop, &peers->writer);
	(void)uv_idle_init(config->loop, &peers->turner);
	peers->handles = 4;
	if (config->close_ms > 0)
		(void)uv_timer_start(&peers->idle, on_idle, (uint64_t)config->close_ms / 8,
			(uint64_t)config->close_ms / 8);
	*out = peers;
	return 0;
}

int
mp_peers_listen(struct mp_peers *peers, const struct sockaddr *addr, struct mp_error *err)
{
	int rc = uv_tcp_init(peers->config.loop, &peers->listener);

	mp_assert(!peers->listening);
	if (rc == 0) {
		peers->handles++;
		peers->listening = true;
		rc = uv_tcp_bind(&peers->listener, addr, 0);
	}
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&peers->listener, LISTEN_BACKLOG, on_connection);
	return rc == 0 ? 0 : mp_peers_bind_error(rc, err);
}

void
mp_peers_accept(struct mp_peers *peers)
{
	peers->accepting = true;
	if (peers->unaccepted)
		on_connection((uv_stream_t *)&peers->listener, 0);
}

static struct mp_conn *
peers_open(struct mp_peers *peers, const struct mp_addr *addr, enum mp_class klass)
{
	struct mp_conn *c = addr->port != 0 ? mp_conn_new(peers, true) : NULL;

	if (c == NULL)
		return NULL;
	c->addr = *addr;
	c->klass = klass;
	return c;
}

static void
peers_unreachable(struct mp_peers *peers, const struct mp_effect *send)
{
	struct mp_event ev = {.kind = MP_EV_LINK};

	peers->stats.lost++;
	ev.u.link.peer = send->u.send.peer;
	ev.u.link.klass = send->u.send.klass;
	ev.u.link.state = MP_LINK_FAILED;
	peers->config.event(peers->config.ctx, &ev);
}

void
mp_peers_send(struct mp_peers *peers, const struct mp_effect *send)
{
	struct mp_conn *c;

	if (peers->closing)
		return;
	c = mp_peers_find(peers, &send->u.send.peer, send->u.send.klass, NULL);
	if (c != NULL) {
		mp_conn_send(c, send->u.send.bytes);
		return;
	}
	if (send->u.send.addrs[0].port == 0) {
		peers_unreachable(peers, send);
		return;
	}
	c = peers_open(peers, &send->u.send.addrs[0], send->u.send.klass);
	if (c == NULL) {
		peers->stats.lost++;
		return;
	}
	memcpy(c->others, send->u.send.addrs + 1, sizeof(c->others));
	c->id = send->u.send.peer;
	c->id_known = true;
	mp_conn_send(c, send->u.send.bytes);
	mp_conn_connect(c);
}

void
mp_peers_connect(struct mp_peers *peers, const struct mp_addr *addr)
{
	struct mp_conn *c = peers->closing ? NULL : peers_open(peers, addr, MP_CLASS_CONTROL);

	if (c != NULL)
		mp_conn_connect(c);
}

static struct mp_conn *
peers_doomed(const struct mp_peers *peers)
{
	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		if (c->doomed)
			return c;
	}
	return NULL;
}

void
mp_peers_drop(struct mp_peers *peers, const struct mp_node_id *id)
{
	struct mp_conn *c;

	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		c = mp_container_of(l, struct mp_conn, link);
		c->doomed = c->id_known && mp_node_id_eq(&c->id, id);
	}
	while ((c = peers_doomed(peers)) != NULL) {
		mp_conn_flush(c); /* the last word may be why */
		mp_conn_close(c, MP_LINK_DOWN, NULL);
	}
}

void
mp_peers_set_path(struct mp_peers *peers, mp_time path_ms)
{
	peers->config.path_ms = path_ms;
}

void
mp_peers_stats(const struct mp_peers *peers, struct mp_peers_stats *out)
{
	*out = peers->stats;
	out->unproved = peers->unproved;
	out->clients = mp_peers_clients(peers);
}

void
mp_peers_close(struct mp_peers *peers, void (*closed)(void *ctx), void *ctx)
{
	struct mp_dlist *l;

	peers->closing = true;
	peers->closed = closed;
	peers->closed_ctx = ctx;
	peers_write(peers);
	while ((l = mp_dlist_first(&peers->conns)) != NULL)
		mp_conn_close(mp_container_of(l, struct mp_conn, link), MP_LINK_DOWN, NULL);
	if (peers->listening)
		uv_close((uv_handle_t *)&peers->listener, on_listener_closed);
	uv_close((uv_handle_t *)&peers->sweep, on_sweep_closed);
	uv_close((uv_handle_t *)&peers->idle, on_idle_closed);
	uv_close((uv_handle_t *)&peers->turner, on_turner_closed);
	uv_close((uv_handle_t *)&peers->writer, on_writer_closed);
}
