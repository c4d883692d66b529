/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/peers_int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "codec/cbor.h"
#include "crypto/key.h"
#include "mp/limits.h"
#include "shell/stream.h"

#define PROTO_MIN       1
#define PROTO_MAX       1
#define RETIRED_MS      5000  /* a retired stream is closed by its opener after this */
#define ABANDONED_MS    30000 /* or by the other side, if the opener does not */
#define SAME_TIME_MS    5000  /* two streams this close were opened at the same time */
#define WATCH_S         3     /* a path that is watched is asked after so long without bytes */
#define ASK_S           1     /* again, until it answers */
#define PENDING_MAX     (2 * MP_MSG_MAX)
#define WRITING_CAP_MAX 65536 /* what an idle stream keeps of its buffer */

static mp_time
conn_now(const struct mp_conn *c)
{
	return (mp_time)uv_now(c->peers->config.loop);
}

static void
conn_set(struct mp_conn *c, enum mp_conn_state state)
{
	c->state = state;
	c->since_ms = uv_now(c->peers->config.loop);
	if (mp_conn_hurries(c))
		mp_peers_hurry(c->peers);
}

/* Kernels ask each other, so that the path costs nothing where bytes pass anyway. */
static void
conn_keepalive(struct mp_conn *c, unsigned idle_s)
{
	int ask_s = ASK_S;
	uv_os_fd_t fd;

	(void)uv_tcp_keepalive(&c->tcp, 1, idle_s);
	if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &ask_s, sizeof(ask_s));
}

static void
conn_used(struct mp_conn *c)
{
	c->used_ms = uv_now(c->peers->config.loop);
	if (c->watched || c->state != MP_CONN_OPEN)
		return;
	c->watched = true;
	conn_keepalive(c, WATCH_S);
	mp_peers_hurry(c->peers);
}

void
mp_conn_proved(struct mp_conn *c)
{
	if (!c->unproved)
		return;
	c->peers->unproved--;
	c->unproved = false;
	if (c->state != MP_CONN_CLOSING && c->state > MP_CONN_CONNECTING)
		mp_gate_give(&c->peers->gate, &c->addr);
}

/* Why a stream is refused; judged: it is about who it is. */
static enum mp_peers_refusal
conn_refusal(bool judged, int code)
{
	switch (code) {
	case MP_ESIG:
		return judged ? MP_REFUSED_CERT_FORGED : MP_REFUSED_HANDSHAKE_FORGED;
	case MP_EVERSION:
		return judged ? MP_REFUSED_CERT_MALFORMED : MP_REFUSED_HANDSHAKE_VERSION;
	case MP_ETIMEOUT:
		return MP_REFUSED_HANDSHAKE_TIMEOUT;
	case MP_ECLOSED:
		return MP_REFUSED_HANDSHAKE_CLOSED;
	case MP_ECLUSTER:
		return MP_REFUSED_CERT_CLUSTER;
	case MP_EEXPIRED:
		return MP_REFUSED_CERT_EXPIRED;
	case MP_EROLE:
		return MP_REFUSED_CERT_ROLE;
	case MP_EREVOKED:
		return MP_REFUSED_CERT_REVOKED;
	case MP_EAUTH:
	case MP_EEXIST:
		return MP_REFUSED_CERT_UNPROVED;
	case MP_EFORMAT:
	case MP_ETRUNC:
	case MP_EINVAL:
	case MP_ELIMIT:
		return judged ? MP_REFUSED_CERT_MALFORMED : MP_REFUSED_HANDSHAKE_MALFORMED;
	default:
		return MP_REFUSED_COUNT;
	}
}

static void
conn_count_refusal(const struct mp_conn *c, const struct mp_error *err)
{
	struct mp_peers_stats *stats = &c->peers->stats;
	enum mp_peers_refusal why = conn_refusal(c->judged, err != NULL ? err->code : MP_ECLOSED);

	if (c->crowded) {
		stats->crowded++;
		return;
	}
	if (c->opener)
		stats->distrusted++;
	else
		stats->rejected++;
	if (why != MP_REFUSED_COUNT)
		stats->refused[why]++;
}

/* ---- making and closing ---- */

struct mp_conn *
mp_conn_new(struct mp_peers *peers, bool opener)
{
	struct mp_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (uv_tcp_init(peers->config.loop, &c->tcp) != 0) {
		free(c);
		return NULL;
	}
	peers->handles++;
	c->peers = peers;
	c->opener = opener;
	c->unproved = !opener;
	peers->unproved += c->unproved;
	c->last = &c->first;
	mp_buf_init(&c->writing, peers->config.alloc, MP_STREAM_QUEUE_MAX);
	mp_buf_init(&c->credential, peers->config.alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&c->ahead, peers->config.alloc, MP_PEERS_READ_SIZE);
	mp_dlist_init(&c->dirty);
	mp_dlist_init(&c->turn);
	mp_dlist_push(&peers->conns, &c->link);
	conn_set(c, MP_CONN_CONNECTING);
	return c;
}

static void
pending_free(struct mp_conn_pending *p)
{
	explicit_bzero(p->bytes, p->size); /* secrets may be among it */
	free(p);
}

static void
conn_forget_pending(struct mp_conn *c)
{
	while (c->first != NULL) {
		struct mp_conn_pending *p = c->first;

		c->first = p->next;
		pending_free(p);
	}
	c->last = &c->first;
	c->pending_bytes = 0;
}

/* Behind what `to` has already. */
static void
conn_move_pending(struct mp_conn *from, struct mp_conn *to)
{
	if (from->first == NULL)
		return;
	*to->last = from->first;
	to->last = from->last;
	to->pending_bytes += from->pending_bytes;
	from->first = NULL;
	conn_forget_pending(from);
}

static void
on_closed(uv_handle_t *handle)
{
	struct mp_conn *c = mp_container_of(handle, struct mp_conn, tcp);
	struct mp_peers *peers = c->peers;

	conn_forget_pending(c);
	if (c->has_session)
		mp_session_fini(&c->session);
	mp_buf_fini(&c->writing);
	mp_buf_fini(&c->credential);
	mp_buf_fini(&c->ahead);
	free(c);
	mp_peers_handle_closed(peers);
}

static void
conn_event(struct mp_conn *c, enum mp_link_state state)
{
	struct mp_event ev = {.kind = MP_EV_LINK};

	if (c->id_known)
		ev.u.link.peer = c->id;
	ev.u.link.klass = c->klass;
	ev.u.link.state = state;
	ev.u.link.addr = c->addr;
	c->peers->config.event(c->peers->config.ctx, &ev);
}

static void
conn_end(struct mp_conn *c)
{
	conn_set(c, MP_CONN_CLOSING);
	mp_conn_proved(c); /* or not: it is not to prove anything any more */
	mp_dlist_remove(&c->link);
	mp_dlist_remove(&c->dirty);
	mp_dlist_remove(&c->turn);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void
mp_conn_close(struct mp_conn *c, enum mp_link_state state, const struct mp_error *err)
{
	struct mp_peers *peers = c->peers;
	enum mp_conn_state was = c->state;

	if (was == MP_CONN_CLOSING)
		return;
	conn_end(c);
	if (peers->closing)
		return;
	if (was == MP_CONN_GREETING && (!c->opener || err != NULL))
		conn_count_refusal(c, err);
	else if (c->crowded)
		peers->stats.crowded++;
	else if (was >= MP_CONN_OPEN && err != NULL)
		peers->stats.broken++;
	if (err != NULL && err->code != 0)
		peers->config.trouble(peers->config.ctx, &c->addr, err);
	if (c->is_guest && was == MP_CONN_OPEN)
		peers->config.guest_gone(peers->config.ctx, c->guest.number);
	else if (was == MP_CONN_OPEN)
		conn_event(c, MP_LINK_DOWN);
	else if (was < MP_CONN_OPEN && c->opener)
		conn_event(c, state == MP_LINK_REFUSED ? MP_LINK_REFUSED : MP_LINK_FAILED);
}

void
mp_conn_fail(struct mp_conn *c, int code, const char *text)
{
	struct mp_error err = {0};

	(void)mp_fail(&err, code, "%s", text);
	mp_conn_close(c, MP_LINK_FAILED, &err);
}

bool
mp_conn_hurries(const struct mp_conn *c)
{
	return c->state <= MP_CONN_GREETING || c->state == MP_CONN_RETIRED ||
	       (c->state == MP_CONN_OPEN &&
		       (c->joiner || c->watched || (c->is_guest && c->guest.knocks)));
}

bool
mp_conn_idle(const struct mp_conn *c)
{
	uint64_t used = c->used_ms > c->since_ms ? c->used_ms : c->since_ms;

	return c->state == MP_CONN_OPEN && c->opener && !c->joiner && !c->is_guest &&
	       !c->write_busy &&
	       uv_now(c->peers->config.loop) - used >= (uint64_t)c->peers->config.close_ms;
}

/* ---- sending ---- */

static void
conn_put_off(struct mp_conn *c, struct mp_span bytes)
{
	struct mp_conn_pending *p = NULL;

	if (c->pending_bytes + bytes.n <= PENDING_MAX)
		p = malloc(sizeof(*p) + bytes.n);
	if (p == NULL) {
		c->peers->stats.lost++;
		return;
	}
	*p = (struct mp_conn_pending){.size = bytes.n};
	if (bytes.n > 0)
		memcpy(p->bytes, bytes.p, bytes.n);
	*c->last = p;
	c->last = &p->next;
	c->pending_bytes += bytes.n;
}

void
mp_conn_send(struct mp_conn *c, struct mp_span bytes)
{
	int rc;

	if (c->state < MP_CONN_OPEN) {
		conn_put_off(c, bytes);
		return;
	}
	rc = c->state == MP_CONN_CLOSING ? MP_ECLOSED
					 : mp_session_send(&c->session, bytes, conn_now(c));
	if (rc == MP_ELIMIT && !c->write_busy) {
		mp_conn_flush(c);
		if (c->state != MP_CONN_CLOSING)
			rc = mp_session_send(&c->session, bytes, conn_now(c));
	}
	if (rc == 0) {
		conn_used(c);
		mp_peers_dirty(c->peers, c);
	} else {
		c->peers->stats.lost++;
	}
}

static void
conn_send_pending(struct mp_conn *c)
{
	while (c->first != NULL) {
		struct mp_conn_pending *p = c->first;

		mp_conn_send(c, mp_span(p->bytes, p->size));
		c->first = p->next;
		pending_free(p);
	}
	conn_forget_pending(c);
}

static void
on_write(uv_write_t *req, int status)
{
	struct mp_conn *c = mp_container_of(req, struct mp_conn, write);

	c->write_busy = false;
	mp_buf_clear(&c->writing);
	if (c->writing.cap > WRITING_CAP_MAX)
		mp_buf_fini(&c->writing);
	if (status != 0)
		mp_conn_close(c, MP_LINK_DOWN, NULL);
	else
		mp_conn_flush(c);
	mp_guest_written(c);
}

void
mp_conn_flush(struct mp_conn *c)
{
	struct mp_span out;
	uv_buf_t buf;
	int n;

	mp_dlist_remove(&c->dirty);
	if (c->write_busy || c->state == MP_CONN_CLOSING || !c->has_session)
		return;
	out = mp_session_output(&c->session);
	if (out.n == 0)
		return;
	buf = uv_buf_init((char *)(uintptr_t)out.p, (unsigned)out.n);
	n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		mp_conn_close(c, MP_LINK_DOWN, NULL);
		return;
	}
	if (n > 0)
		mp_session_sent(&c->session, (size_t)n);
	if (mp_session_output(&c->session).n == 0)
		return;
	mp_session_take(&c->session, &c->writing);
	buf = uv_buf_init((char *)c->writing.p, (unsigned)c->writing.n);
	c->write_busy = true;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_write) != 0) {
		c->write_busy = false;
		mp_conn_close(c, MP_LINK_DOWN, NULL);
	}
}

/* ---- who is used ---- */

/* `old` is OPEN to the same peer: which one is used? See the top of the header. True: c has taken
 * its place, which is news. May close either. */
static bool
conn_second(struct mp_conn *c, struct mp_conn *old)
{
	struct mp_peers *peers = c->peers;
	bool at_once = uv_now(peers->config.loop) - old->since_ms < SAME_TIME_MS;
	bool ours_wins = mp_node_id_cmp(&peers->config.self, &c->id) < 0;

	if (c->opener == old->opener || !at_once) {
		conn_set(c, MP_CONN_OPEN);
		conn_send_pending(c);
		mp_conn_close(old, MP_LINK_DOWN, NULL);
		return true;
	}
	if (c->opener == ours_wins) {
		conn_set(c, MP_CONN_OPEN);
		conn_set(old, MP_CONN_RETIRED);
	} else {
		conn_set(c, MP_CONN_RETIRED);
	}
	return false;
}

/* The session is open, and the peer is good. */
static void
conn_up(struct mp_conn *c, struct mp_span credential)
{
	struct mp_peers *peers = c->peers;
	struct mp_conn *old = mp_peers_find(peers, &c->id, c->klass, c);
	struct mp_event ev = {.kind = MP_EV_LINK};
	bool news = true;

	if (!c->joiner)
		mp_conn_proved(c);
	if (old != NULL && old->state == MP_CONN_OPEN) {
		news = conn_second(c, old);
	} else {
		conn_set(c, MP_CONN_OPEN);
		if (old != NULL)
			conn_move_pending(old, c);
	}
	conn_send_pending(c);
	if (!news || c->state == MP_CONN_CLOSING)
		return;
	ev.u.link.peer = c->id;
	ev.u.link.klass = c->klass;
	ev.u.link.state = MP_LINK_UP;
	ev.u.link.credential = credential;
	ev.u.link.addr = c->addr;
	ev.u.link.joiner = c->joiner;
	peers->config.event(peers->config.ctx, &ev);
}

/* ---- greeting ---- */

/* Payload of the handshake: [class, credential]. The class is the opener's to say. */
static int
conn_reply(struct mp_conn *c, bool empty)
{
	struct mp_peers *peers = c->peers;
	struct mp_buf buf;
	struct mp_cbor_w w;
	int rc;

	mp_buf_init(&buf, peers->config.alloc, MP_FRAME_MAX);
	mp_cbor_w_init(&w, &buf);
	if (!empty && mp_session_knocks(&c->session)) {
		w.rc = mp_guest_greeting(c, &buf);
	} else if (!empty) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, c->opener ? (uint64_t)c->klass : 0);
		mp_cbor_w_span(&w, peers->config.credential(peers->config.ctx));
	}
	rc = w.rc;
	if (rc == 0)
		rc = mp_session_reply(&c->session, mp_buf_span(&buf), conn_now(c));
	mp_buf_fini(&buf);
	return rc;
}

/* Who is it, and may it? Fills id, class and joiner, or err. */
static int
conn_check(struct mp_conn *c, const struct mp_session_event *ev, struct mp_span *credential,
	struct mp_error *err)
{
	struct mp_peers *peers = c->peers;
	struct mp_node_id id;
	struct mp_cbor_r r;
	uint64_t klass;
	bool joiner;
	int rc;

	if (mp_session_knocks(&c->session))
		return mp_guest_knock(c, ev, credential, err);
	mp_cbor_r_init(&r, ev->data);
	mp_cbor_r_array_exact(&r, 2);
	klass = mp_cbor_r_uint(&r, c->opener ? MP_CLASS_BULK : MP_STREAM_CLASS_CLIENT);
	*credential = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return mp_fail(err, rc, "malformed greeting");
	if (klass == MP_STREAM_CLASS_CLIENT)
		return mp_guest_client(c, ev, *credential, err);
	rc = peers->config.check(peers->config.ctx, *credential, &ev->peer, &id, &joiner, err);
	if (rc != 0)
		return rc;
	if (mp_node_id_eq(&id, &peers->config.self))
		return mp_fail(err, MP_EEXIST, "that is this node itself, or a copy of its key");
	if (c->opener && !c->id_known && joiner)
		return mp_fail(err, MP_EAUTH, "what answers there is no member itself");
	if (c->id_known && !mp_node_id_eq(&id, &c->id))
		return mp_fail(err, MP_EAUTH, "another node answers at this address");
	if (!c->opener)
		c->klass = (enum mp_class)klass;
	c->joiner = joiner && !c->opener;
	c->id = id;
	c->id_known = true;
	return 0;
}

/* Not 0: the stream was closed, or its session says why it is to be. */
static int
conn_handshake(struct mp_conn *c, const struct mp_session_event *ev)
{
	uint8_t copy[MP_CREDENTIAL_MAX]; /* the session's memory is its own after the reply */
	struct mp_error err = {0};
	struct mp_span credential;
	int rc;

	if (ev->step == 1)
		return conn_reply(c, false);
	c->judged = true;
	rc = conn_check(c, ev, &credential, &err);
	if (rc != 0) {
		mp_conn_close(c, MP_LINK_FAILED, &err);
		return rc;
	}
	if (credential.n > 0)
		memcpy(copy, credential.p, credential.n);
	rc = conn_reply(c, ev->step == 3);
	if (rc == 0 && c->is_guest) {
		if (!c->guest.knocks)
			mp_conn_proved(c);
		conn_set(c, MP_CONN_OPEN);
		mp_guest_up(c, mp_span(copy, credential.n));
	} else if (rc == 0) {
		conn_up(c, mp_span(copy, credential.n));
	}
	return rc;
}

/* ---- bytes ---- */

static void
conn_message(struct mp_conn *c, struct mp_span bytes)
{
	struct mp_event ev = {.kind = MP_EV_MESSAGE};

	conn_used(c);
	if (c->is_guest) {
		mp_guest_message(c, bytes);
		return;
	}
	ev.u.message.peer = c->id;
	ev.u.message.klass = c->klass;
	ev.u.message.bytes = bytes;
	c->peers->config.event(c->peers->config.ctx, &ev);
}

bool
mp_conn_input(struct mp_conn *c, struct mp_span *input)
{
	struct mp_session_event ev;
	bool spoke = false;
	int rc = 0;

	do {
		rc = mp_session_next(&c->session, input, &ev);
		if (rc != 0 || ev.type == MP_SESSION_NONE)
			break;
		spoke = ev.type != MP_SESSION_HANDSHAKE;
		if (spoke)
			conn_message(c, ev.data);
		else
			rc = conn_handshake(c, &ev);
	} while (rc == 0 && c->state != MP_CONN_CLOSING && !mp_guest_is_client(c));
	if (c->state == MP_CONN_CLOSING)
		return spoke;
	mp_conn_flush(c); /* even a session that died may have a preface to show */
	if (rc != 0)
		mp_conn_close(c, MP_LINK_FAILED, mp_session_error(&c->session));
	return spoke;
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct mp_conn *c = mp_container_of(handle, struct mp_conn, tcp);

	(void)suggested;
	*buf = uv_buf_init((char *)c->peers->read_buffer, MP_PEERS_READ_SIZE);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mp_conn *c = mp_container_of(stream, struct mp_conn, tcp);
	struct mp_span input = mp_span(buf->base, n > 0 ? (size_t)n : 0);

	if (n > 0 && !mp_guest_is_client(c))
		(void)mp_conn_input(c, &input);
	if (n > 0 && mp_guest_is_client(c) && input.n > 0)
		mp_guest_input(c, input);
	else if (n < 0 && c->state == MP_CONN_GREETING)
		mp_conn_fail(c, MP_ECLOSED, "the other side closed during the greeting");
	else if (n < 0)
		mp_conn_close(c, MP_LINK_DOWN, NULL);
}

void
mp_conn_read(struct mp_conn *c, bool on)
{
	if (!on)
		(void)uv_read_stop((uv_stream_t *)&c->tcp);
	else if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		mp_conn_close(c, MP_LINK_DOWN, NULL);
}

/* ---- getting there ---- */

static int
conn_start(struct mp_conn *c)
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
	unsigned timeout = (unsigned)c->peers->config.path_ms;
	uint8_t entropy[32];
	uv_os_fd_t fd;
	int rc;

	mp_key_random(entropy, sizeof(entropy));
	rc = mp_session_init(&c->session, &config, entropy);
	config.crypto->wipe(entropy, sizeof(entropy));
	c->has_session = true;
	if (rc != 0)
		return rc;
	(void)uv_tcp_nodelay(&c->tcp, 1);
	conn_keepalive(c, c->peers->config.idle_s);
	if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	return uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

void
mp_conn_greet(struct mp_conn *c)
{
	conn_set(c, MP_CONN_GREETING);
	if (conn_start(c) != 0)
		mp_conn_fail(c, MP_ENOMEM, "cannot greet: out of memory");
	else
		mp_conn_flush(c);
}

/* This address is of no use: a new stream tries the next one. False when there is none. */
static bool
conn_next_address(struct mp_conn *c, bool refused)
{
	struct mp_conn *next;

	if (c->others[0].port == 0 || (next = mp_conn_new(c->peers, true)) == NULL)
		return false;
	next->klass = c->klass;
	next->id = c->id;
	next->id_known = c->id_known;
	next->addr = c->others[0];
	memcpy(next->others, c->others + 1, sizeof(c->others) - sizeof(c->others[0]));
	next->unreached = c->unreached || !refused;
	conn_move_pending(c, next);
	conn_end(c);
	mp_conn_connect(next);
	return true;
}

static void
conn_unreachable(struct mp_conn *c, bool refused, const char *text)
{
	struct mp_error err = {0};

	if (conn_next_address(c, refused))
		return;
	if (!c->id_known)
		(void)mp_fail(&err, MP_EREFUSED, "cannot connect: %s", text);
	mp_conn_close(c, refused && !c->unreached ? MP_LINK_REFUSED : MP_LINK_FAILED, &err);
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct mp_conn *c = mp_container_of(req, struct mp_conn, connect);

	if (c->state == MP_CONN_CLOSING)
		return;
	if (status != 0)
		conn_unreachable(c, status == UV_ECONNREFUSED, uv_strerror(status));
	else
		mp_conn_greet(c);
}

void
mp_conn_connect(struct mp_conn *c)
{
	struct sockaddr_storage ss;
	int rc;

	mp_addr_to_sockaddr(&ss, &c->addr);
	rc = uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&ss, on_connect);
	if (rc != 0)
		conn_unreachable(c, false, uv_strerror(rc));
}

/* ---- time ---- */

static void
conn_timeout_joiner(struct mp_conn *c)
{
	struct mp_peers *peers = c->peers;

	if (peers->config.member(peers->config.ctx, &c->id)) {
		c->joiner = false;
		mp_conn_proved(c);
	} else {
		mp_conn_fail(c, MP_ETIMEOUT, "was invited, and has not become a member");
	}
}

void
mp_conn_timeout(struct mp_conn *c)
{
	uint64_t now = uv_now(c->peers->config.loop), age = now - c->since_ms;
	uint64_t path = (uint64_t)c->peers->config.path_ms;

	if (c->state == MP_CONN_CONNECTING && age > path)
		conn_unreachable(c, false, "no answer");
	else if (c->state == MP_CONN_GREETING && age > path && age > MP_PEERS_GREETING_MS)
		mp_conn_fail(c, MP_ETIMEOUT, "the greeting takes too long");
	else if (c->state == MP_CONN_RETIRED && !c->write_busy &&
		 age > (c->opener ? RETIRED_MS : ABANDONED_MS))
		mp_conn_close(c, MP_LINK_DOWN, NULL);
	else if (c->state == MP_CONN_OPEN && c->is_guest && c->guest.knocks &&
		 age > MP_PEERS_GREETING_MS)
		mp_conn_close(c, MP_LINK_DOWN, NULL);
	else if (c->state == MP_CONN_OPEN && c->joiner && age > MP_PEERS_JOINER_MS)
		conn_timeout_joiner(c);
	if (c->state != MP_CONN_CLOSING && c->watched && now - c->used_ms > MP_PEERS_WATCH_MS) {
		c->watched = false;
		conn_keepalive(c, c->peers->config.idle_s);
	}
}
