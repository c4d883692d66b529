/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some struct mp_peers on loopback in one loop, with real cryptography, and what each of them has
 * heard. A credential is 'c' (or 'j': a joiner's) and the node id; its stream key is looked up.
 *
 * Including it replaces uv_now(): world_skew_ms lets deadlines come without waiting for them.
 */
#ifndef MP_TESTS_PEERS_WORLD_H
#define MP_TESTS_PEERS_WORLD_H

#include "unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/cbor.h"
#include "codec/frame.h"
#include "crypto/key.h"
#include "mp/limits.h"
#include "shell/peers.h"

#define SIDES   4
#define NEWS    256
#define SPIN_MS 20000

enum { A, B, C, D };

struct side;

/* One thing that a side has heard. */
struct news {
	enum mp_event_kind kind;
	enum mp_link_state state;
	struct mp_node_id peer;
	enum mp_class klass;
	bool joiner;
	struct mp_addr addr;
	size_t size;  /* of a message */
	uint64_t sum; /* of its bytes */
};

struct side {
	struct mp_peers *peers;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_secret *secret;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_addr addr;
	uint8_t credential[33];
	bool admitted;                  /* a joiner of it has become a member */
	const struct mp_node_id *shuns; /* is refused */
	struct news news[NEWS];
	size_t count;
	int ups, downs, refused, failed, messages, troubles;
	struct mp_error trouble; /* the last one */
	uint64_t codes;          /* of all of them, as bits */
	/* Called with what is heard. */
	void (*react)(struct side *s, const struct mp_event *ev);
	bool closed;
	bool busy;      /* it waits for something: its idle streams stay */
	unsigned looks; /* at idle streams */
};

static uv_loop_t world_loop;
static struct side side[SIDES];
static struct mp_cluster_id world_cluster;
static uint64_t world_skew_ms;
static bool world_late;

uint64_t
uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return uv_hrtime() / 1000000 + world_skew_ms;
}

static inline uint64_t
sum_of(struct mp_span bytes)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < bytes.n; i++)
		sum = (sum ^ bytes.p[i]) * 1099511628211u;
	return sum;
}

/* ---- callbacks ---- */

static inline int
on_check(void *ctx, struct mp_span credential, const struct mp_xkey *xkey, struct mp_node_id *id,
	bool *joiner, struct mp_error *err)
{
	const struct side *s = ctx;

	if (credential.n != 33)
		return mp_fail(err, MP_EFORMAT, "no credential");
	memcpy(id->b, credential.p + 1, 32);
	*joiner = credential.p[0] == 'j';
	if (s->shuns != NULL && mp_node_id_eq(s->shuns, id))
		return mp_fail(err, MP_EAUTH, "shunned");
	for (int i = 0; i < SIDES; i++) {
		if (mp_node_id_eq(&side[i].id, id) && memcmp(&side[i].xkey, xkey, 32) == 0)
			return 0;
	}
	return mp_fail(err, MP_EAUTH, "a stranger");
}

static inline bool
on_member(void *ctx, const struct mp_node_id *id)
{
	(void)id;
	return ((const struct side *)ctx)->admitted;
}

static inline struct mp_span
on_credential(void *ctx)
{
	return mp_span(((const struct side *)ctx)->credential, 33);
}

static inline void
on_event(void *ctx, struct mp_event *ev)
{
	struct side *s = ctx;
	struct news *n = &s->news[s->count++ % NEWS];

	*n = (struct news){.kind = ev->kind};
	if (ev->kind == MP_EV_LINK) {
		n->state = ev->u.link.state;
		n->peer = ev->u.link.peer;
		n->klass = ev->u.link.klass;
		n->joiner = ev->u.link.joiner;
		n->addr = ev->u.link.addr;
		s->ups += n->state == MP_LINK_UP;
		s->downs += n->state == MP_LINK_DOWN;
		s->refused += n->state == MP_LINK_REFUSED;
		s->failed += n->state == MP_LINK_FAILED;
		assert_int_equal(ev->u.link.credential.n, n->state == MP_LINK_UP ? 33 : 0);
	} else {
		assert_int_equal(ev->kind, MP_EV_MESSAGE);
		n->peer = ev->u.message.peer;
		n->klass = ev->u.message.klass;
		n->size = ev->u.message.bytes.n;
		n->sum = sum_of(ev->u.message.bytes);
		s->messages++;
	}
	if (s->react != NULL)
		s->react(s, ev);
}

static inline void
on_trouble(void *ctx, const struct mp_addr *addr, const struct mp_error *err)
{
	struct side *s = ctx;

	(void)addr;
	s->troubles++;
	s->trouble = *err;
	s->codes |= 1ull << (-20001 - err->code);
}

static inline bool
had_trouble(int i, int code)
{
	return (side[i].codes >> (-20001 - code) & 1) != 0;
}

static inline void
on_closed(void *ctx)
{
	((struct side *)ctx)->closed = true;
}

/* ---- the loop ---- */

static uv_timer_t world_watch;

static inline void
on_late(uv_timer_t *timer)
{
	(void)timer;
	world_late = true;
}

static inline void
spin_begin(void)
{
	world_late = false;
	assert_int_equal(uv_timer_start(&world_watch, on_late, SPIN_MS, 0), 0);
}

static inline bool
spin_round(void)
{
	(void)uv_run(&world_loop, UV_RUN_ONCE);
	return !world_late;
}

/* Runs the loop until the expression is true. */
#define spin(e)                                                                                    \
	do {                                                                                       \
		spin_begin();                                                                      \
		while (!(e) && spin_round())                                                       \
			;                                                                          \
		assert_true(e);                                                                    \
	} while (0)

/* So much later; what is due then is done within a second. */
static inline void
later(uint64_t ms)
{
	world_skew_ms += ms;
}

/* ---- sides ---- */

static mp_time world_close_ms; /* of sides that are opened */

static inline bool
on_quiet(void *ctx)
{
	struct side *s = ctx;

	s->looks++;
	return !s->busy;
}

static inline struct mp_addr
loopback(uint16_t port)
{
	return (struct mp_addr){
		.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = port};
}

static inline bool
on_member_at(void *ctx, const struct mp_addr *source)
{
	const struct mp_addr home = loopback(0);

	(void)ctx;
	return mp_addr_eq(source, &home);
}

static inline void
side_init(int i)
{
	struct side *s = &side[i];

	*s = (struct side){.alloc = {.realloc = unit_realloc, .ctx = &s->heap}};
	assert_int_equal(mp_key_generate(&s->secret, MP_KEY_NODE), 0);
	mp_secret_public(s->secret, s->id.b);
	mp_secret_xkey(s->secret, &s->xkey);
	s->credential[0] = 'c';
	memcpy(s->credential + 1, s->id.b, 32);
}

static inline struct mp_peers_config
side_config(int i)
{
	struct side *s = &side[i];

	return (struct mp_peers_config){.loop = &world_loop,
		.alloc = &s->alloc,
		.crypto = &mp_crypto_sodium,
		.secret = s->secret,
		.static_key = s->xkey,
		.cluster = world_cluster,
		.self = s->id,
		.idle_s = 120,
		.path_ms = 4000,
		.close_ms = world_close_ms,
		.quiet = on_quiet,
		.check = on_check,
		.member = on_member,
		.member_at = on_member_at,
		.credential = on_credential,
		.event = on_event,
		.trouble = on_trouble,
		.ctx = s};
}

/* A port that is free now. */
static inline uint16_t
free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	(void)close(fd);
	return ntohs(in.sin_port);
}

static inline int
side_listen(int i, const struct mp_addr *addr, struct mp_error *err)
{
	struct sockaddr_storage ss;

	mp_addr_to_sockaddr(&ss, addr);
	return mp_peers_listen(side[i].peers, (const struct sockaddr *)&ss, err);
}

static inline void
side_open(int i)
{
	struct mp_peers_config config = side_config(i);
	struct side *s = &side[i];
	struct mp_error err = {0};

	assert_int_equal(mp_peers_new(&config, &s->peers), 0);
	s->closed = false;
	s->addr = loopback(free_port());
	assert_int_equal(side_listen(i, &s->addr, &err), 0);
	mp_peers_accept(s->peers);
}

static inline void
side_close(int i)
{
	struct side *s = &side[i];

	if (s->peers == NULL)
		return;
	mp_peers_close(s->peers, on_closed, s);
	s->peers = NULL;
	spin(s->closed);
	assert_int_equal(s->heap.live, 0);
}

/* A and B, in the order of their ids, and others that are not open. */
static inline int
world_setup(void **state)
{
	(void)state;
	assert_int_equal(mp_key_init(), 0);
	(void)signal(SIGPIPE, SIG_IGN);
	world_skew_ms = 0;
	world_close_ms = 0;
	memset(&world_cluster, 7, sizeof(world_cluster));
	assert_int_equal(uv_loop_init(&world_loop), 0);
	assert_int_equal(uv_timer_init(&world_loop, &world_watch), 0);
	for (int i = 0; i < SIDES; i++)
		side_init(i);
	while (mp_node_id_cmp(&side[A].id, &side[B].id) > 0) {
		mp_secret_free(side[B].secret);
		side_init(B);
	}
	side_open(A);
	side_open(B);
	return 0;
}

static inline int
world_teardown(void **state)
{
	(void)state;
	for (int i = 0; i < SIDES; i++) {
		side_close(i);
		mp_secret_free(side[i].secret);
	}
	uv_close((uv_handle_t *)&world_watch, NULL);
	assert_int_equal(uv_run(&world_loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&world_loop), 0);
	return 0;
}

static inline void
send_bytes(int from, int to, enum mp_class klass, const void *p, size_t n)
{
	struct mp_effect fx = {.kind = MP_FX_SEND};

	fx.u.send.peer = side[to].id;
	fx.u.send.klass = klass;
	fx.u.send.addrs[0] = side[to].addr;
	fx.u.send.bytes = mp_span(p, n);
	mp_peers_send(side[from].peers, &fx);
}

static inline void
send_text(int from, int to, const char *text)
{
	send_bytes(from, to, MP_CLASS_CONTROL, text, strlen(text));
}

static inline struct mp_peers_stats
stats(int i)
{
	struct mp_peers_stats out;

	mp_peers_stats(side[i].peers, &out);
	return out;
}

/* ---- a plain socket ---- */

/* From 127.0.0.host. */
static inline int
raw_connect_from(uint8_t host, const struct mp_addr *to)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
	struct sockaddr_storage ss;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	mp_addr_to_sockaddr(&ss, to);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)), 0);
	return fd;
}

static inline int
raw_connect(const struct mp_addr *to)
{
	return raw_connect_from(1, to);
}

/* Has the other side closed? Reads what is there. */
static inline bool
raw_closed(int fd)
{
	char bytes[4096];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

#endif
