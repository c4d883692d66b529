/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "crypto/key.h"
#include "mp/limits.h"
#include "util/clock.h"

#define SOCKET_NAME "control.sock"
#define FRAME_HEAD  4

mp_time
mp_client_now_ms(void)
{
	return mp_clock_ms();
}

/* By the folder's descriptor, for its path may be longer than a socket address takes. */
static int
client_connect(int dir_fd)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, dir_fd);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
mp_client_open(struct mp_client *c, const struct mp_alloc *alloc, const char *state_dir,
	struct mp_error *err)
{
	int dir_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*c = (struct mp_client){.fd = -1, .alloc = alloc, .deadline_ms = MP_TIME_NEVER};
	if (dir_fd >= 0) {
		int saved;

		c->fd = client_connect(dir_fd);
		saved = errno;
		(void)close(dir_fd);
		errno = saved;
	}
	if (c->fd < 0 && errno == EACCES)
		return mp_fail(err, MP_EAUTH,
			"%s: permission denied; the node runs as another user", state_dir);
	if (c->fd < 0 && (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR))
		return mp_fail(err, MP_EREFUSED,
			"no node runs with the state directory %s; start one with "
			"mpnode start --state %s, or name another by --state",
			state_dir, state_dir);
	if (c->fd < 0)
		return mp_fail(err, MP_EIO, "%s/" SOCKET_NAME ": %s", state_dir, strerror(errno));
	mp_buf_init(&c->in, alloc, FRAME_HEAD + MP_MSG_MAX);
	return 0;
}

static void
client_shut(struct mp_client *c)
{
	if (c->remote)
		mp_stream_close(&c->stream);
	else if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

void
mp_client_close(struct mp_client *c)
{
	if (c->alloc == NULL)
		return;
	client_shut(c);
	mp_secret_free(c->secret);
	c->secret = NULL;
	mp_buf_fini(&c->in);
	c->alloc = NULL;
}

static int
client_poll(struct mp_client *c, short events, struct mp_error *err)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int rc;

	do {
		int timeout = -1;

		if (c->deadline_ms != MP_TIME_NEVER) {
			mp_time left = c->deadline_ms - mp_client_now_ms();

			timeout = left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
		}
		if (c->stop != NULL && *c->stop != 0)
			return mp_fail(err, MP_ECANCELED, "interrupted");
		rc = poll(&p, 1, timeout);
		if (rc == 0 && c->deadline_ms <= mp_client_now_ms())
			return mp_fail(err, MP_ETIMEOUT, "the node did not answer in time");
	} while (rc == 0 || (rc < 0 && errno == EINTR));
	return rc > 0 ? 0 : mp_fail(err, MP_EIO, "poll: %s", strerror(errno));
}

static int
client_send(struct mp_client *c, struct mp_span bytes, struct mp_error *err)
{
	while (bytes.n > 0) {
		int rc = client_poll(c, POLLOUT, err);
		ssize_t n;

		if (rc != 0)
			return rc;
		n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return mp_fail(err, MP_ECLOSED, "the node closed the connection");
		bytes = mp_span(bytes.p + n, bytes.n - (size_t)n);
	}
	return 0;
}

/* Reads until n bytes are there. */
static int
client_receive(struct mp_client *c, size_t n, struct mp_error *err)
{
	int rc = c->in.n < n ? mp_buf_reserve(&c->in, n - c->in.n) : 0;

	if (rc != 0)
		return mp_fail(err, rc, "the answer takes too much memory");
	while (c->in.n < n) {
		ssize_t got;

		rc = client_poll(c, POLLIN, err);
		if (rc != 0)
			return rc;
		got = recv(c->fd, c->in.p + c->in.n, n - c->in.n, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return mp_fail(err, MP_ECLOSED, "the node closed the connection");
		c->in.n += (size_t)got;
	}
	return 0;
}

static int
client_exchange(
	struct mp_client *c, struct mp_span request, struct mp_span *answer, struct mp_error *err)
{
	uint8_t head[FRAME_HEAD];
	size_t n = 0;
	int rc;

	if (request.n > MP_MSG_MAX)
		return mp_fail(err, MP_ELIMIT, "the request is longer than %u MiB",
			MP_MSG_MAX / (1024 * 1024));
	for (size_t i = 0; i < FRAME_HEAD; i++)
		head[i] = (uint8_t)(request.n >> (24 - 8 * i));
	mp_buf_clear(&c->in);
	rc = client_send(c, mp_span(head, sizeof(head)), err);
	if (rc == 0)
		rc = client_send(c, request, err);
	/* A refusal may have come before all was sent, and says more than the broken pipe. */
	if (rc != 0 && rc != MP_ECLOSED)
		return rc;
	rc = client_receive(c, FRAME_HEAD, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < FRAME_HEAD; i++)
		n = n << 8 | c->in.p[i];
	if (n > MP_MSG_MAX)
		return mp_fail(err, MP_EFORMAT, "the node's answer makes no sense");
	rc = client_receive(c, FRAME_HEAD + n, err);
	if (rc == 0)
		*answer = mp_span(c->in.p + FRAME_HEAD, n);
	return rc;
}

int
mp_client_call(
	struct mp_client *c, struct mp_span request, struct mp_span *payload, struct mp_error *err)
{
	struct mp_error mine = {0};
	struct mp_span answer = mp_span(NULL, 0);
	int rc;

	*payload = mp_span(NULL, 0);
	if (c->fd < 0)
		return mp_fail(err, MP_ECLOSED, "the node closed the connection");
	if (c->remote)
		rc = mp_client_exchange_remote(c, request, &answer, &mine);
	else
		rc = client_exchange(c, request, &answer, &mine);
	if (rc != 0) {
		client_shut(c);
		return mp_fail(err, rc, "%s", mine.text);
	}
	return mp_ctl_answer_decode(answer, payload, err);
}
