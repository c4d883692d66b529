/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/key.h"
#include "shell/resolve.h"
#include "util/clock.h"

#define PROTO     1
#define READ_SIZE 65536
/* For an address that does not answer, where there are others. */
#define ADDR_MS 3000

mp_time
mp_stream_now_ms(void)
{
	return mp_clock_ms();
}

/* Until the socket is ready. */
static int
stream_poll(struct mp_stream *s, short events, struct mp_error *err)
{
	struct pollfd p = {.fd = s->fd, .events = events};
	int rc;

	do {
		int timeout = -1;

		if (s->deadline_ms != MP_TIME_NEVER) {
			mp_time left = s->deadline_ms - mp_stream_now_ms();

			timeout = left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
		}
		if (s->stop != NULL && *s->stop != 0)
			return mp_fail(err, MP_ECANCELED, "interrupted");
		rc = poll(&p, 1, timeout);
		if (rc == 0 && s->deadline_ms <= mp_stream_now_ms())
			return mp_fail(err, MP_ETIMEOUT, "the node did not answer in time");
	} while (rc == 0 || (rc < 0 && errno == EINTR));
	return rc > 0 ? 0 : mp_fail(err, MP_EIO, "poll: %s", strerror(errno));
}

/* ---- connecting ---- */

static int
connect_one(struct mp_stream *s, const struct mp_addr *addr, struct mp_error *err)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(int);
	int failed = 0, rc;

	mp_addr_to_sockaddr(&ss, addr);
	s->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return mp_fail(err, MP_EIO, "socket: %s", strerror(errno));
	rc = connect(s->fd, (const struct sockaddr *)&ss,
		ss.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	if (rc != 0 && errno != EINPROGRESS)
		return mp_fail(err, MP_EREFUSED, "cannot connect: %s", strerror(errno));
	rc = stream_poll(s, POLLOUT, err);
	if (rc != 0)
		return rc;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failed, &n) != 0)
		failed = errno;
	return failed == 0 ? 0 : mp_fail(err, MP_EREFUSED, "cannot connect: %s", strerror(failed));
}

static int
connect_any(struct mp_stream *s, const char *where, struct mp_error *err)
{
	const mp_time deadline_ms = s->deadline_ms;
	struct mp_resolved found;
	int rc = mp_resolve_wait(where, MP_ADDR_REACH, deadline_ms, s->stop, &found, err);

	for (size_t i = 0; rc == 0 && i < found.count; i++) {
		bool last = i + 1 == found.count;
		mp_time until_ms = mp_stream_now_ms() + ADDR_MS;

		s->deadline_ms = last || until_ms > deadline_ms ? deadline_ms : until_ms;
		rc = connect_one(s, &found.addrs[i], err);
		s->deadline_ms = deadline_ms;
		if (rc == 0)
			return 0;
		if (s->fd >= 0)
			(void)close(s->fd);
		s->fd = -1;
		if ((rc == MP_EREFUSED || rc == MP_ETIMEOUT) && !last)
			rc = 0;
	}
	return rc;
}

/* ---- bytes ---- */

static int
stream_flush(struct mp_stream *s, struct mp_error *err)
{
	struct mp_span out;

	while ((out = mp_session_output(&s->session)).n > 0) {
		int rc = stream_poll(s, POLLOUT, err);
		ssize_t n;

		if (rc != 0)
			return rc;
		n = send(s->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return mp_fail(err, MP_ECLOSED, "the node closed the connection");
		mp_session_sent(&s->session, (size_t)n);
	}
	return 0;
}

static int
stream_next(struct mp_stream *s, struct mp_session_event *ev, struct mp_error *err)
{
	for (;;) {
		ssize_t n;
		int rc = mp_session_next(&s->session, &s->unused, ev);

		if (rc != 0)
			return mp_fail(err, rc, "%s", mp_session_error(&s->session)->text);
		if (ev->type != MP_SESSION_NONE)
			return 0;
		rc = stream_poll(s, POLLIN, err);
		if (rc != 0)
			return rc;
		n = recv(s->fd, s->read, READ_SIZE, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return mp_fail(err, MP_ECLOSED, "the node closed the connection");
		s->unused = mp_span(s->read, (size_t)n);
	}
}

/* Message 2 comes, and 3 goes. */
static int
stream_greet(struct mp_stream *s, const struct mp_stream_config *config, struct mp_error *err)
{
	struct mp_session_event ev;
	int rc = stream_flush(s, err);

	if (rc == 0)
		rc = stream_next(s, &ev, err);
	if (rc == MP_ECLOSED)
		return mp_fail(err, MP_EAUTH, "the node does not take this connection");
	if (rc == 0)
		rc = config->check(config->ctx, ev.data, &ev.peer, err);
	if (rc == MP_EFORMAT || rc == MP_ETRUNC || rc == MP_ELIMIT) {
		err->code = rc = MP_EAUTH;
		(void)mp_wrap(err, "what answers there is no node");
	}
	if (rc != 0)
		return rc;
	rc = mp_session_reply(&s->session, config->proof, mp_stream_now_ms());
	if (rc != 0)
		return mp_fail(err, rc, "greeting: %s", mp_strerror(rc));
	return stream_flush(s, err);
}

int
mp_stream_open(struct mp_stream *s, const struct mp_stream_config *config, const char *where,
	struct mp_error *err)
{
	struct mp_session_config session = {
		.role = MP_NOISE_INITIATOR,
		.alloc = config->alloc,
		.crypto = &mp_crypto_sodium,
		.secret = config->secret,
		.static_key = config->static_key,
		.cluster = config->cluster,
		.knock = config->knock,
		.proto_min = PROTO,
		.proto_max = PROTO,
	};
	uint8_t entropy[32];
	int rc;

	s->fd = -1;
	s->has_session = false;
	s->unused = mp_span(NULL, 0);
	s->read = malloc(READ_SIZE);
	rc = s->read != NULL ? connect_any(s, where, err)
			     : mp_fail(err, MP_ENOMEM, "out of memory");
	if (rc == 0) {
		mp_key_random(entropy, sizeof(entropy));
		s->has_session = true;
		rc = mp_session_init(&s->session, &session, entropy);
		mp_crypto_sodium.wipe(entropy, sizeof(entropy));
		rc = rc != 0 ? mp_fail(err, rc, "%s", mp_strerror(rc))
			     : stream_greet(s, config, err);
	}
	if (rc != 0)
		mp_stream_close(s);
	return rc;
}

void
mp_stream_close(struct mp_stream *s)
{
	if (s->has_session)
		mp_session_fini(&s->session);
	s->has_session = false;
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	free(s->read);
	s->read = NULL;
}

int
mp_stream_send(struct mp_stream *s, struct mp_span message, struct mp_error *err)
{
	int rc;

	if (s->fd < 0)
		return mp_fail(err, MP_ECLOSED, "the connection is closed");
	rc = mp_session_send(&s->session, message, mp_stream_now_ms());
	if (rc != 0)
		return mp_fail(err, rc, "%s", mp_strerror(rc));
	return stream_flush(s, err);
}

int
mp_stream_receive(struct mp_stream *s, struct mp_span *message, struct mp_error *err)
{
	struct mp_session_event ev;
	int rc;

	if (s->fd < 0)
		return mp_fail(err, MP_ECLOSED, "the connection is closed");
	rc = stream_next(s, &ev, err);
	if (rc != 0)
		return rc;
	*message = ev.data;
	return 0;
}
