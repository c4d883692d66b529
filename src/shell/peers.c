/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/peers.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/cbor.h"
#include "codec/frame.h"
#include "crypto/key.h"
#include "mp/limits.h"

#define PROTO_MIN       1
#define PROTO_MAX       1
#define SWEEP_MS        1000
#define RETIRED_MS      5000  /* a retired stream is closed by its opener after this */
#define SAME_TIME_MS    5000  /* two streams this close were opened at the same time */
#define PATH_TIMEOUT_MS 10000 /* bytes unacknowledged for so long: the path is cut */
#define READ_SIZE       65536

enum conn_state {
	CONN_CONNECTING,
	CONN_GREETING,
	CONN_OPEN,
	CONN_RETIRED,
	CONN_CLOSING,
};

/* A message that waits for the handshake. */
struct pending {
	struct pending *next;
	size_t size;
	uint8_t bytes[];
};

struct conn {
	struct conn *next, **prev;
	struct mp_peers *peers;
	enum conn_state state;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct mp_buf writing; /* what uv_write borrows */
	bool write_busy;
	struct mp_session session;
	bool has_session;
	bool opener; /* we opened it */
	bool joiner;
	bool id_known; /* who we want, or who it turned out to be */
	struct mp_node_id id;
	enum mp_class klass;
	struct mp_addr addr;
	uint64_t since_ms; /* loop time of the last change of state */
	struct pending *first, **last;
	size_t pending_bytes;
};

struct mp_peers {
	struct mp_peers_config config;
	uv_tcp_t listener;
	bool listening;
	uv_timer_t sweep;
	struct conn *conns;
	size_t greeting;
	size_t handles; /* open uv handles, for closing */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
	uint8_t read_buffer[READ_SIZE];
};

/* ---- addresses ---- */

void
mp_addr_from_sockaddr(struct mp_addr *out, const struct sockaddr *sa)
{
	*out = (struct mp_addr){.port = 0};
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		out->ip[10] = out->ip[11] = 0xff;
		memcpy(out->ip + 12, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(out->ip, &in6->sin6_addr, 16);
		out->port = ntohs(in6->sin6_port);
	}
}

static bool
addr_is_v4(const struct mp_addr *addr)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(addr->ip, mapped, sizeof(mapped)) == 0;
}

void
mp_addr_to_sockaddr(struct sockaddr_storage *out, const struct mp_addr *addr)
{
	memset(out, 0, sizeof(*out));
	if (addr_is_v4(addr)) {
		struct sockaddr_in *in = (void *)out;

		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, addr->ip + 12, 4);
		in->sin_port = htons(addr->port);
	} else {
		struct sockaddr_in6 *in6 = (void *)out;

		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, addr->ip, 16);
		in6->sin6_port = htons(addr->port);
	}
}

void
mp_addr_format(char out[MP_ADDR_TEXT], const struct mp_addr *addr)
{
	char ip[46] = "?";

	if (addr_is_v4(addr)) {
		(void)uv_inet_ntop(AF_INET, addr->ip + 12, ip, sizeof(ip));
		(void)snprintf(out, MP_ADDR_TEXT, "%s:%u", ip, addr->port);
	} else {
		(void)uv_inet_ntop(AF_INET6, addr->ip, ip, sizeof(ip));
		(void)snprintf(out, MP_ADDR_TEXT, "[%s]:%u", ip, addr->port);
	}
}

/* ---- one stream ---- */

static void conn_flush(struct conn *c);

static void
handle_closed(struct mp_peers *peers)
{
	mp_assert(peers->handles > 0);
	if (--peers->handles > 0 || !peers->closing)
		return;
	if (peers->closed != NULL)
		peers->closed(peers->closed_ctx);
	free(peers);
}

static void
conn_forget_pending(struct conn *c)
{
	while (c->first != NULL) {
		struct pending *p = c->first;

		c->first = p->next;
		free(p);
	}
	c->last = &c->first;
	c->pending_bytes = 0;
}

static void
on_conn_closed(uv_handle_t *handle)
{
	struct conn *c = mp_container_of(handle, struct conn, tcp);
	struct mp_peers *peers = c->peers;

	conn_forget_pending(c);
	if (c->has_session)
		mp_session_fini(&c->session);
	mp_buf_fini(&c->writing);
	free(c);
	handle_closed(peers);
}

static void
conn_set(struct conn *c, enum conn_state state)
{
	if (c->state == CONN_GREETING && state != CONN_GREETING)
		c->peers->greeting--;
	if (state == CONN_GREETING && c->state != CONN_GREETING)
		c->peers->greeting++;
	c->state = state;
	c->since_ms = uv_now(c->peers->config.loop);
}

static void
conn_event(struct conn *c, enum mp_link_state state)
{
	struct mp_event ev = {.kind = MP_EV_LINK};

	if (!c->id_known || c->peers->closing)
		return;
	ev.u.link.peer = c->id;
	ev.u.link.klass = c->klass;
	ev.u.link.state = state;
	ev.u.link.addr = c->addr;
	ev.u.link.joiner = c->joiner;
	c->peers->config.event(c->peers->config.ctx, &ev);
}

/* Closes; tells about it as `state` when the peer was being used or wanted. err may be NULL. */
static void
conn_close(struct conn *c, enum mp_link_state state, const struct mp_error *err)
{
	enum conn_state was = c->state;

	if (was == CONN_CLOSING)
		return;
	conn_set(c, CONN_CLOSING);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
	if (err != NULL && err->code != 0 && !c->peers->closing)
		c->peers->config.trouble(c->peers->config.ctx, &c->addr, err);
	if (was == CONN_OPEN)
		conn_event(c, MP_LINK_DOWN);
	else if (was != CONN_RETIRED && c->opener)
		conn_event(c, state == MP_LINK_REFUSED ? MP_LINK_REFUSED : MP_LINK_FAILED);
}

static void
conn_fail(struct conn *c, int code, const char *text)
{
	struct mp_error err = {0};

	(void)mp_fail(&err, code, "%s", text);
	conn_close(c, MP_LINK_FAILED, &err);
}

static struct conn *
conn_new(struct mp_peers *peers, bool opener)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (uv_tcp_init(peers->config.loop, &c->tcp) != 0) {
		free(c);
		return NULL;
	}
	peers->handles++;
	c->peers = peers;
	c->opener = opener;
	c->state = CONN_CONNECTING;
	c->since_ms = uv_now(peers->config.loop);
	c->last = &c->first;
	mp_buf_init(&c->writing, peers->config.alloc, SIZE_MAX / 2);
	c->next = peers->conns;
	if (c->next != NULL)
		c->next->prev = &c->next;
	c->prev = &peers->conns;
	peers->conns = c;
	return c;
}

static int
conn_greet(struct conn *c)
{
	struct mp_session_config config = {
		.role = c->opener ? MP_NOISE_INITIATOR : MP_NOISE_RESPONDER,
		.alloc = c->peers->config.alloc,
		.crypto = c->peers->config.crypto,
		.secret = c->peers->config.secret,
		.static_key = c->peers->config.static_key,
		.cluster = c->peers->config.cluster,
		.proto_min = PROTO_MIN,
		.proto_max = PROTO_MAX,
	};
	unsigned timeout = PATH_TIMEOUT_MS;
	uint8_t entropy[32];
	uv_os_fd_t fd;
	int rc;

	mp_key_random(entropy, sizeof(entropy));
	rc = mp_session_init(&c->session, &config, entropy);
	mp_crypto_sodium.wipe(entropy, sizeof(entropy));
	c->has_session = true;
	if (rc != 0)
		return rc;
	(void)uv_tcp_nodelay(&c->tcp, 1);
	(void)uv_tcp_keepalive(&c->tcp, 1, 15);
	if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	conn_set(c, CONN_GREETING);
	return 0;
}

/* ---- greeting ---- */

/* Payload of the handshake: [class, credential]. The class is the opener's to say. */
static int
conn_reply(struct conn *c, bool empty)
{
	struct mp_peers *peers = c->peers;
	struct mp_buf buf;
	struct mp_cbor_w w;
	int rc;

	mp_buf_init(&buf, peers->config.alloc, MP_FRAME_MAX);
	mp_cbor_w_init(&w, &buf);
	if (!empty) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, c->opener ? (uint64_t)c->klass : 0);
		mp_cbor_w_span(&w, peers->config.credential(peers->config.ctx));
	}
	rc = w.rc;
	if (rc == 0)
		rc = mp_session_reply(
			&c->session, mp_buf_span(&buf), (mp_time)uv_now(peers->config.loop));
	mp_buf_fini(&buf);
	return rc;
}

/* Another open stream of that peer and class. */
static struct conn *
peers_find(const struct mp_peers *peers, const struct mp_node_id *id, enum mp_class klass,
	const struct conn *but)
{
	struct conn *best = NULL;

	for (struct conn *c = peers->conns; c != NULL; c = c->next) {
		if (c == but || c->state >= CONN_RETIRED || !c->id_known || c->klass != klass ||
			!mp_node_id_eq(&c->id, id))
			continue;
		if (c->state == CONN_OPEN)
			return c;
		if (c->opener)
			best = c;
	}
	return best;
}

/* A second stream to the same peer is there: which one is used? See the top of the header. */
static void
conn_second(struct conn *c, struct conn *old)
{
	struct mp_peers *peers = c->peers;
	bool at_once = uv_now(peers->config.loop) - old->since_ms < SAME_TIME_MS;
	bool ours_wins = mp_node_id_cmp(&peers->config.self, &c->id) < 0;

	if (c->opener == old->opener || !at_once) {
		conn_close(old, MP_LINK_DOWN, NULL);
		conn_set(c, CONN_OPEN);
		return;
	}
	if (c->opener == ours_wins) {
		conn_set(c, CONN_OPEN);
		conn_set(old, CONN_RETIRED);
	} else {
		conn_set(c, CONN_RETIRED);
	}
}

static void
conn_up(struct conn *c, struct mp_span credential)
{
	struct mp_peers *peers = c->peers;
	struct conn *old = peers_find(peers, &c->id, c->klass, c);
	bool news = true;

	if (old != NULL && old->state == CONN_OPEN) {
		bool replaced = c->opener == old->opener;

		conn_second(c, old);
		news = replaced || old->state == CONN_CLOSING;
	} else {
		conn_set(c, CONN_OPEN);
	}
	if (news) {
		struct mp_event ev = {.kind = MP_EV_LINK};

		ev.u.link.peer = c->id;
		ev.u.link.klass = c->klass;
		ev.u.link.state = MP_LINK_UP;
		ev.u.link.credential = credential;
		ev.u.link.addr = c->addr;
		ev.u.link.joiner = c->joiner;
		peers->config.event(peers->config.ctx, &ev);
	}
	while (c->first != NULL && c->state < CONN_CLOSING) {
		struct pending *p = c->first;

		(void)mp_session_send(&c->session, mp_span(p->bytes, p->size),
			(mp_time)uv_now(peers->config.loop));
		c->first = p->next;
		free(p);
	}
	conn_forget_pending(c);
}

/* Who is it, and may it? Fills id, class and joiner. */
static int
conn_check(struct conn *c, const struct mp_session_event *ev, struct mp_span *credential)
{
	struct mp_peers *peers = c->peers;
	struct mp_error err = {0};
	struct mp_node_id id;
	struct mp_cbor_r r;
	uint64_t klass;
	int rc;

	mp_cbor_r_init(&r, ev->data);
	mp_cbor_r_array_exact(&r, 2);
	klass = mp_cbor_r_uint(&r, MP_CLASS_BULK);
	*credential = mp_cbor_r_bytes(&r, MP_FRAME_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return mp_fail(&err, rc, "malformed greeting");
	rc = peers->config.check(peers->config.ctx, *credential, &ev->peer, &id, &c->joiner, &err);
	if (rc == 0 && mp_node_id_eq(&id, &peers->config.self))
		rc = mp_fail(&err, MP_EEXIST, "that is this node itself, or a copy of its key");
	if (rc == 0 && c->opener && c->id_known && !mp_node_id_eq(&id, &c->id))
		rc = mp_fail(&err, MP_EAUTH, "another node answers at this address");
	if (rc != 0) {
		conn_close(c, MP_LINK_FAILED, &err);
		return rc;
	}
	if (!c->opener)
		c->klass = (enum mp_class)klass;
	c->id = id;
	c->id_known = true;
	return 0;
}

static int
conn_handshake(struct conn *c, const struct mp_session_event *ev)
{
	struct mp_span credential;
	uint8_t copy[MP_FRAME_MAX];
	int rc;

	if (ev->step == 1)
		return conn_reply(c, false);
	if (conn_check(c, ev, &credential) != 0)
		return 0; /* closed */
	memcpy(copy, credential.p, credential.n);
	rc = conn_reply(c, ev->step == 3);
	if (rc == 0)
		conn_up(c, mp_span(copy, credential.n));
	return rc;
}

/* ---- bytes ---- */

static void
conn_message(struct conn *c, struct mp_span bytes)
{
	struct mp_event ev = {.kind = MP_EV_MESSAGE};

	ev.u.message.peer = c->id;
	ev.u.message.klass = c->klass;
	ev.u.message.bytes = bytes;
	c->peers->config.event(c->peers->config.ctx, &ev);
}

static void
conn_input(struct conn *c, struct mp_span input)
{
	struct mp_session_event ev;
	int rc = 0;

	while (rc == 0 && c->state != CONN_CLOSING) {
		rc = mp_session_next(&c->session, &input, &ev);
		if (rc != 0 || ev.type == MP_SESSION_NONE)
			break;
		if (ev.type == MP_SESSION_HANDSHAKE)
			rc = conn_handshake(c, &ev);
		else
			conn_message(c, ev.data);
	}
	if (c->state == CONN_CLOSING)
		return;
	conn_flush(c);
	if (rc != 0 && c->state != CONN_CLOSING)
		conn_close(c, MP_LINK_FAILED, mp_session_error(&c->session));
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = mp_container_of(handle, struct conn, tcp);

	(void)suggested;
	*buf = uv_buf_init((char *)c->peers->read_buffer, READ_SIZE);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = mp_container_of(stream, struct conn, tcp);

	if (n > 0)
		conn_input(c, mp_span(buf->base, (size_t)n));
	else if (n < 0 && c->state == CONN_GREETING && n == UV_EOF)
		conn_fail(c, MP_ECLOSED, "the other side closed during the greeting");
	else if (n < 0)
		conn_close(c, MP_LINK_DOWN, NULL);
}

static void
on_write(uv_write_t *req, int status)
{
	struct conn *c = mp_container_of(req, struct conn, write);

	c->write_busy = false;
	mp_buf_clear(&c->writing);
	if (status != 0)
		conn_close(c, MP_LINK_DOWN, NULL);
	else
		conn_flush(c);
}

/* Writes at once what the socket takes, and leaves the rest to the loop. */
static void
conn_flush(struct conn *c)
{
	struct mp_span out;
	uv_buf_t buf;
	int n;

	if (c->write_busy || c->state == CONN_CLOSING || c->state == CONN_CONNECTING)
		return;
	out = mp_session_output(&c->session);
	if (out.n == 0)
		return;
	buf = uv_buf_init((char *)(uintptr_t)out.p, (unsigned)mp_min_size(out.n, INT32_MAX));
	n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n > 0)
		mp_session_sent(&c->session, (size_t)n);
	else if (n < 0 && n != UV_EAGAIN) {
		conn_close(c, MP_LINK_DOWN, NULL);
		return;
	}
	if (mp_session_output(&c->session).n == 0)
		return;
	mp_session_take(&c->session, &c->writing);
	buf = uv_buf_init((char *)c->writing.p, (unsigned)c->writing.n);
	c->write_busy = true;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_write) != 0) {
		c->write_busy = false;
		conn_close(c, MP_LINK_DOWN, NULL);
	}
}

/* ---- opening and accepting ---- */

static void
on_connect(uv_connect_t *req, int status)
{
	struct conn *c = mp_container_of(req, struct conn, connect);

	if (c->state == CONN_CLOSING)
		return;
	if (status != 0) {
		struct mp_error err = {0};

		if (!c->id_known)
			(void)mp_fail(&err, MP_EREFUSED, "cannot connect: %s", uv_strerror(status));
		conn_close(c, status == UV_ECONNREFUSED ? MP_LINK_REFUSED : MP_LINK_FAILED, &err);
		return;
	}
	if (conn_greet(c) != 0 || uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
		conn_close(c, MP_LINK_FAILED, NULL);
		return;
	}
	conn_flush(c);
}

static struct conn *
peers_open(struct mp_peers *peers, const struct mp_addr *addr, const struct mp_node_id *id,
	enum mp_class klass)
{
	struct sockaddr_storage ss;
	struct conn *c;

	if (addr->port == 0)
		return NULL;
	c = conn_new(peers, true);
	if (c == NULL)
		return NULL;
	c->addr = *addr;
	c->klass = klass;
	if (id != NULL) {
		c->id = *id;
		c->id_known = true;
	}
	mp_addr_to_sockaddr(&ss, addr);
	if (uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&ss, on_connect) != 0) {
		conn_close(c, MP_LINK_FAILED, NULL);
		return NULL;
	}
	return c;
}

static size_t
greeting_from(const struct mp_peers *peers, const struct mp_addr *addr)
{
	size_t n = 0;

	for (const struct conn *c = peers->conns; c != NULL; c = c->next) {
		if (c->state == CONN_GREETING && !c->opener &&
			memcmp(c->addr.ip, addr->ip, sizeof(addr->ip)) == 0)
			n++;
	}
	return n;
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct mp_peers *peers = mp_container_of(listener, struct mp_peers, listener);
	struct sockaddr_storage ss = {0};
	int size = sizeof(ss);
	struct conn *c;

	if (status != 0 || peers->closing)
		return;
	c = conn_new(peers, false);
	if (c == NULL)
		return;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
		conn_close(c, MP_LINK_FAILED, NULL);
		return;
	}
	(void)uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&ss, &size);
	mp_addr_from_sockaddr(&c->addr, (const struct sockaddr *)&ss);
	if (peers->greeting >= MP_PEERS_GREETING_MAX ||
		greeting_from(peers, &c->addr) >= MP_PEERS_GREETING_SOURCE_MAX)
		conn_fail(c, MP_ELIMIT, "too many connections that have not said who they are");
	else if (conn_greet(c) != 0 ||
		 uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		conn_close(c, MP_LINK_FAILED, NULL);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct mp_peers *peers = mp_container_of(timer, struct mp_peers, sweep);
	uint64_t now = uv_now(peers->config.loop);
	struct conn *next;

	for (struct conn *c = peers->conns; c != NULL; c = next) {
		next = c->next;
		if (c->state <= CONN_GREETING && now - c->since_ms > MP_PEERS_GREETING_MS) {
			conn_fail(c, MP_ETIMEOUT, "the greeting takes too long");
			next = peers->conns; /* the callback may have changed the list */
		} else if (c->state == CONN_RETIRED && c->opener && !c->write_busy &&
			   now - c->since_ms > RETIRED_MS) {
			conn_close(c, MP_LINK_DOWN, NULL);
		}
	}
}

/* ---- the interface ---- */

int
mp_peers_new(const struct mp_peers_config *config, struct mp_peers **out)
{
	struct mp_peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL)
		return MP_ENOMEM;
	peers->config = *config;
	if (uv_timer_init(config->loop, &peers->sweep) != 0) {
		free(peers);
		return MP_ENOMEM;
	}
	peers->handles = 1;
	(void)uv_timer_start(&peers->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	*out = peers;
	return 0;
}

int
mp_peers_listen(struct mp_peers *peers, const struct sockaddr *addr, struct mp_error *err)
{
	int rc = uv_tcp_init(peers->config.loop, &peers->listener);

	if (rc == 0) {
		peers->handles++;
		peers->listening = true;
		rc = uv_tcp_bind(&peers->listener, addr, 0);
	}
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&peers->listener, 128, on_connection);
	if (rc == 0)
		return 0;
	return mp_fail(err,
		rc == UV_EADDRINUSE      ? MP_EBUSY
		: rc == UV_EADDRNOTAVAIL ? MP_EINVAL
					 : MP_EIO,
		"%s", uv_strerror(rc));
}

static void
conn_put_off(struct conn *c, struct mp_span bytes)
{
	struct pending *p;

	if (c->pending_bytes + bytes.n > 2 * MP_MSG_MAX)
		return; /* lost, as on a connection that breaks */
	p = malloc(sizeof(*p) + bytes.n);
	if (p == NULL)
		return;
	*p = (struct pending){.size = bytes.n};
	if (bytes.n > 0)
		memcpy(p->bytes, bytes.p, bytes.n);
	*c->last = p;
	c->last = &p->next;
	c->pending_bytes += bytes.n;
}

void
mp_peers_send(struct mp_peers *peers, const struct mp_effect *send)
{
	struct conn *c;

	if (peers->closing)
		return;
	c = peers_find(peers, &send->u.send.peer, send->u.send.klass, NULL);
	if (c == NULL)
		c = peers_open(
			peers, &send->u.send.addrs[0], &send->u.send.peer, send->u.send.klass);
	if (c == NULL)
		return;
	if (c->state != CONN_OPEN) {
		conn_put_off(c, send->u.send.bytes);
		return;
	}
	if (mp_session_send(&c->session, send->u.send.bytes, (mp_time)uv_now(peers->config.loop)) ==
		0)
		conn_flush(c);
}

void
mp_peers_connect(struct mp_peers *peers, const struct mp_addr *addr)
{
	if (!peers->closing)
		(void)peers_open(peers, addr, NULL, MP_CLASS_CONTROL);
}

void
mp_peers_drop(struct mp_peers *peers, const struct mp_node_id *id)
{
	struct conn *next;

	for (struct conn *c = peers->conns; c != NULL; c = next) {
		next = c->next;
		if (c->id_known && mp_node_id_eq(&c->id, id))
			conn_close(c, MP_LINK_DOWN, NULL);
	}
}

static void
on_sweep_closed(uv_handle_t *handle)
{
	handle_closed(mp_container_of(handle, struct mp_peers, sweep));
}

static void
on_listener_closed(uv_handle_t *handle)
{
	handle_closed(mp_container_of(handle, struct mp_peers, listener));
}

void
mp_peers_close(struct mp_peers *peers, void (*closed)(void *ctx), void *ctx)
{
	peers->closing = true;
	peers->closed = closed;
	peers->closed_ctx = ctx;
	while (peers->conns != NULL)
		conn_close(peers->conns, MP_LINK_DOWN, NULL);
	if (peers->listening)
		uv_close((uv_handle_t *)&peers->listener, on_listener_closed);
	uv_close((uv_handle_t *)&peers->sweep, on_sweep_closed);
}
