/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/ctlsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shell/ctlsock_int.h"
#include "shell/heap.h"
#include "util/fd.h"

#define FRAME_HEAD 4
/* Read ahead of a request that is under way; more is left in the socket. */
#define AHEAD_MAX    65536u
#define SWEEP_MS     1000
#define REQUEST_NONE 0

struct mp_ctlsock_client {
	struct mp_ctlsock_client *next, **prev;
	struct mp_ctlsock *sock;
	uv_pipe_t pipe;
	uint64_t request; /* under way, REQUEST_NONE between two */
	bool local;       /* answered here: the core knows nothing of it */
	bool answered;    /* its last answer is being written */
	bool reading;
	bool doomed; /* closed once everything was written */
	bool closing;
	struct mp_buf in;
	size_t unwritten;
	uint64_t since_ms; /* loop time: of the oldest thing that is waited for */
};

/* One answer on its way. */
struct answer {
	uv_write_t req;
	struct mp_ctlsock_client *client;
	size_t size;
	uint8_t bytes[];
};

static void client_next(struct mp_ctlsock_client *c);
static void on_connection(uv_stream_t *listener, int status);

/* ---- the end of things ---- */

void
mp_ctlsock_finish(struct mp_ctlsock *sock)
{
	if (!sock->closing || sock->handles > 0 || sock->works > 0)
		return;
	mp_ctlsock_guests_free(sock);
	if (sock->closed != NULL)
		sock->closed(sock->closed_ctx);
	free(sock->path);
	free(sock);
}

static void
on_client_closed(uv_handle_t *handle)
{
	struct mp_ctlsock_client *c = mp_container_of(handle, struct mp_ctlsock_client, pipe);
	struct mp_ctlsock *sock = c->sock;

	mp_buf_fini(&c->in);
	free(c);
	sock->handles--;
	mp_ctlsock_finish(sock);
}

static void
client_close(struct mp_ctlsock_client *c)
{
	struct mp_ctlsock *sock = c->sock;
	uint64_t request = c->request;

	if (c->closing)
		return;
	c->closing = true;
	c->request = REQUEST_NONE;
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	sock->client_count--;
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
	if (request != REQUEST_NONE && !c->local && !c->answered && !sock->closing)
		sock->config.closed(sock->config.ctx, request);
}

/* ---- answers ---- */

static void
on_written(uv_write_t *req, int status)
{
	struct answer *a = mp_container_of(req, struct answer, req);
	struct mp_ctlsock_client *c = a->client;

	c->unwritten -= a->size;
	free(a);
	if (c->closing)
		return;
	if (status != 0) {
		client_close(c);
		return;
	}
	c->since_ms = uv_now(c->sock->config.loop);
	if (c->unwritten > 0 || !c->answered)
		return;
	if (c->doomed) {
		client_close(c);
		return;
	}
	c->request = REQUEST_NONE;
	c->answered = false;
	client_next(c);
}

static void
client_write(struct mp_ctlsock_client *c, struct mp_span bytes)
{
	struct answer *a;
	uv_buf_t buf;

	if (bytes.n > MP_MSG_MAX || c->unwritten + bytes.n > MP_CTLSOCK_QUEUE_MAX) {
		client_close(c);
		return;
	}
	a = malloc(sizeof(*a) + FRAME_HEAD + bytes.n);
	if (a == NULL) {
		client_close(c);
		return;
	}
	a->client = c;
	a->size = FRAME_HEAD + bytes.n;
	for (size_t i = 0; i < FRAME_HEAD; i++)
		a->bytes[i] = (uint8_t)(bytes.n >> (24 - 8 * i));
	if (bytes.n > 0)
		memcpy(a->bytes + FRAME_HEAD, bytes.p, bytes.n);
	buf = uv_buf_init((char *)a->bytes, (unsigned)a->size);
	if (uv_write(&a->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written) != 0) {
		free(a);
		client_close(c);
		return;
	}
	if (c->unwritten == 0)
		c->since_ms = uv_now(c->sock->config.loop);
	c->unwritten += a->size;
}

static struct mp_ctlsock_client *
client_find(const struct mp_ctlsock *sock, uint64_t request)
{
	for (struct mp_ctlsock_client *c = sock->clients; c != NULL; c = c->next) {
		if (c->request == request)
			return c;
	}
	return NULL;
}

void
mp_ctlsock_reply(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes, bool last)
{
	struct mp_ctlsock_client *c;

	if (request != REQUEST_NONE && mp_ctlsock_guest_reply(sock, request, bytes, last))
		return;
	if (request == REQUEST_NONE || (c = client_find(sock, request)) == NULL || c->answered)
		return;
	c->answered = last;
	client_write(c, bytes);
}

void
mp_ctlsock_answer(struct mp_ctlsock *sock, uint64_t request, int rc, struct mp_span payload,
	const struct mp_error *err)
{
	struct mp_buf buf;

	mp_buf_init(&buf, &mp_heap, MP_MSG_MAX);
	if (rc == 0)
		rc = mp_ctl_ok_encode(&buf, payload);
	if (rc != 0) {
		bool told = err != NULL && err->text[0] != '\0';

		mp_buf_clear(&buf);
		(void)mp_ctl_error_encode(&buf, rc, told ? err->text : mp_strerror(rc));
	}
	mp_ctlsock_reply(sock, request, mp_buf_span(&buf), true);
	mp_buf_fini(&buf);
}

/* Says what is wrong, and closes once that was written. */
static void
client_refuse(struct mp_ctlsock_client *c, int code, const char *text)
{
	struct mp_error err = {0};

	c->doomed = true;
	c->local = true;
	c->request = ++c->sock->last_request;
	mp_buf_clear(&c->in);
	(void)mp_fail(&err, code, "%s", text);
	mp_ctlsock_answer(c->sock, c->request, code, mp_span(NULL, 0), &err);
}

/* ---- requests ---- */

/* The whole frame at the start of what was read; p NULL when it is not there yet. */
static int
client_frame(const struct mp_ctlsock_client *c, struct mp_span *frame)
{
	size_t n = 0;

	*frame = mp_span(NULL, 0);
	if (c->in.n < FRAME_HEAD)
		return 0;
	for (size_t i = 0; i < FRAME_HEAD; i++)
		n = n << 8 | c->in.p[i];
	if (n > MP_MSG_MAX)
		return MP_ELIMIT;
	if (c->in.n >= FRAME_HEAD + n)
		*frame = mp_span(c->in.p + FRAME_HEAD, n);
	return 0;
}

static bool
is_request(struct mp_span frame)
{
	struct mp_cbor_r r;
	uint64_t number;

	mp_cbor_r_init(&r, frame);
	(void)mp_cbor_r_array(&r, 16);
	number = mp_cbor_r_uint(&r, 199);
	return r.rc == 0 && number >= 100 && number != MP_CTL_KNOCK;
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct mp_ctlsock_client *c = mp_container_of(handle, struct mp_ctlsock_client, pipe);

	(void)suggested;
	if (mp_buf_reserve(&c->in, AHEAD_MAX / 2) != 0)
		*buf = uv_buf_init(NULL, 0); /* comes back as UV_ENOBUFS */
	else
		*buf = uv_buf_init((char *)c->in.p + c->in.n, AHEAD_MAX / 2);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mp_ctlsock_client *c = mp_container_of(stream, struct mp_ctlsock_client, pipe);

	(void)buf;
	if (n < 0) {
		client_close(c);
		return;
	}
	if (n == 0 || c->doomed)
		return;
	if (c->in.n == 0)
		c->since_ms = uv_now(c->sock->config.loop);
	c->in.n += (size_t)n;
	if (c->request == REQUEST_NONE)
		client_next(c);
	/* Reading goes on, so that its going away is seen, unless it sends more and more. */
	if (!c->closing && c->request != REQUEST_NONE && c->in.n > AHEAD_MAX && c->reading) {
		(void)uv_read_stop((uv_stream_t *)&c->pipe);
		c->reading = false;
	}
}

/* Takes the next request out of what was read, if it is there. */
static void
client_next(struct mp_ctlsock_client *c)
{
	struct mp_ctlsock *sock = c->sock;
	struct mp_span frame;
	struct mp_buf taken;

	if (!c->reading) {
		if (uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
			client_close(c);
			return;
		}
		c->reading = true;
	}
	if (client_frame(c, &frame) != 0) {
		client_refuse(c, MP_ELIMIT, "the request is too long");
		return;
	}
	if (frame.p == NULL)
		return;
	if (!is_request(frame)) {
		client_refuse(c, MP_EFORMAT, "not a request; are mpctl and mpnode of one version?");
		return;
	}
	c->request = ++sock->last_request;
	c->local = mp_ctl_is_local(frame);
	/* A callback may lead to a reply, and that to more reading: the bytes are moved away. */
	taken = c->in;
	mp_buf_init(&c->in, &mp_heap, FRAME_HEAD + MP_MSG_MAX + AHEAD_MAX);
	if (taken.n > FRAME_HEAD + frame.n &&
		mp_buf_append(&c->in, frame.p + frame.n, taken.n - FRAME_HEAD - frame.n) != 0)
		client_close(c);
	else if (c->local)
		mp_ctlsock_local(sock, c->request, frame);
	else
		sock->config.request(sock->config.ctx, c->request, frame);
	mp_buf_fini(&taken);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct mp_ctlsock *sock = mp_container_of(timer, struct mp_ctlsock, sweep);
	uint64_t now = uv_now(sock->config.loop);
	struct mp_ctlsock_client *next;

	if (sock->unaccepted)
		on_connection((uv_stream_t *)&sock->listener, 0);
	for (struct mp_ctlsock_client *c = sock->clients; c != NULL; c = next) {
		bool waits = c->unwritten > 0 || (c->request == REQUEST_NONE && c->in.n > 0);

		next = c->next;
		if (waits && now - c->since_ms > MP_CTLSOCK_SLOW_MS)
			client_close(c);
	}
	if (sock->client_count == 0 && !sock->unaccepted)
		(void)uv_timer_stop(&sock->sweep);
}

/* ---- connections ---- */

/* Is it in that group, its first one or another? */
static bool
peer_in_group(int fd, const struct ucred *cred, gid_t group)
{
	gid_t groups[256];
	socklen_t size = sizeof(groups);

	if (cred->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

static bool
peer_allowed(const struct mp_ctlsock *sock, const uv_pipe_t *pipe)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)pipe, &fd) != 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid() ||
	       (sock->config.has_group && peer_in_group(fd, &cred, sock->config.group));
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct mp_ctlsock *sock = mp_container_of(listener, struct mp_ctlsock, listener);
	struct mp_ctlsock_client *c;

	if (status != 0 || sock->closing)
		return;
	if (uv_is_active((const uv_handle_t *)&sock->sweep) == 0)
		(void)uv_timer_start(&sock->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	c = calloc(1, sizeof(*c));
	sock->unaccepted = c == NULL;
	if (c == NULL)
		return;
	(void)uv_pipe_init(sock->config.loop, &c->pipe, 0); /* cannot fail */
	sock->handles++;
	c->sock = sock;
	mp_buf_init(&c->in, &mp_heap, FRAME_HEAD + MP_MSG_MAX + AHEAD_MAX);
	c->next = sock->clients;
	if (c->next != NULL)
		c->next->prev = &c->next;
	c->prev = &sock->clients;
	sock->clients = c;
	c->since_ms = uv_now(sock->config.loop);
	sock->client_count++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0)
		client_close(c);
	else if (!peer_allowed(sock, &c->pipe))
		client_refuse(c, MP_EAUTH,
			"only this node's user, root and its control group may use the socket");
	else if (sock->client_count > MP_CTLSOCK_CLIENTS_MAX)
		client_refuse(c, MP_EBUSY, "too many clients; try again");
	else
		client_next(c);
}

/* ---- opening ---- */

/* An address for path; a long one goes by its folder's descriptor, which is *dir_fd then. */
static int
make_address(const char *path, struct sockaddr_un *un, int *dir_fd, struct mp_error *err)
{
	const char *leaf = strrchr(path, '/');
	char dir[MP_PATH_MAX + 1];
	size_t n = strlen(path);
	int len;

	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	*dir_fd = -1;
	if (n < sizeof(un->sun_path)) {
		memcpy(un->sun_path, path, n);
		return 0;
	}
	if (leaf == NULL || n > MP_PATH_MAX)
		return mp_fail(err, MP_ELIMIT, "%s: the path is too long for a socket", path);
	memcpy(dir, path, (size_t)(leaf - path));
	dir[leaf - path] = '\0';
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0)
		return mp_fail(err, MP_EIO, "%s: %s", dir, strerror(errno));
	len = snprintf(
		un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d/%s", *dir_fd, leaf + 1);
	if (len < 0 || (size_t)len >= sizeof(un->sun_path)) {
		(void)close(*dir_fd);
		return mp_fail(err, MP_ELIMIT, "%s: the name is too long for a socket", path);
	}
	return 0;
}

static int
remove_old(const char *path, struct mp_error *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return mp_fail(err, MP_EBUSY, "%s exists and is not a socket", path);
	if (unlink(path) != 0)
		return mp_fail(err, MP_EIO, "%s: %s", path, strerror(errno));
	return 0;
}

/* A bound socket, or below 0 with *err. */
static int
bind_socket(const char *path, struct mp_error *err)
{
	struct sockaddr_un un;
	int dir_fd, fd = -1, rc;
	mode_t mask;

	if (remove_old(path, err) != 0 || make_address(path, &un, &dir_fd, err) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	rc = fd >= 0 ? bind(fd, (const struct sockaddr *)&un, sizeof(un)) : -1;
	if (rc != 0)
		(void)mp_fail(err, mp_sys_error(errno), "%s: %s", path, strerror(errno));
	(void)umask(mask);
	if (rc != 0 && fd >= 0) {
		(void)close(fd);
		fd = -1;
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return fd;
}

static void
on_part_closed(uv_handle_t *handle)
{
	struct mp_ctlsock *sock = handle->data;

	sock->handles--;
	mp_ctlsock_finish(sock);
}

int
mp_ctlsock_open(
	const struct mp_ctlsock_config *config, struct mp_ctlsock **out, struct mp_error *err)
{
	struct mp_ctlsock *sock = calloc(1, sizeof(*sock));
	int fd, rc;

	if (sock == NULL || (sock->path = strdup(config->path)) == NULL) {
		free(sock);
		return mp_fail(err, MP_ENOMEM, "out of memory");
	}
	sock->config = *config;
	fd = bind_socket(config->path, err);
	if (fd >= 0 && config->has_group &&
		(lchown(config->path, (uid_t)-1, config->group) != 0 ||
			chmod(config->path, 0660) != 0)) {
		(void)mp_fail(err, MP_EAUTH, "%s: cannot be given to the control group: %s",
			config->path, strerror(errno));
		(void)close(fd);
		fd = -1;
	}
	if (fd < 0) {
		free(sock->path);
		free(sock);
		return err != NULL ? err->code : MP_EIO;
	}
	(void)uv_pipe_init(config->loop, &sock->listener, 0);
	(void)uv_timer_init(config->loop, &sock->sweep);
	sock->listener.data = sock->sweep.data = sock;
	sock->handles = 2;
	rc = uv_pipe_open(&sock->listener, fd);
	if (rc != 0)
		(void)close(fd);
	else
		rc = uv_listen((uv_stream_t *)&sock->listener, 64, on_connection);
	if (rc != 0) {
		mp_ctlsock_close(sock, NULL, NULL);
		return mp_fail(err, MP_EIO, "%s: %s", config->path, uv_strerror(rc));
	}
	*out = sock;
	return 0;
}

void
mp_ctlsock_close(struct mp_ctlsock *sock, void (*closed)(void *ctx), void *ctx)
{
	if (sock->closing)
		return;
	sock->closing = true;
	sock->closed = closed;
	sock->closed_ctx = ctx;
	(void)unlink(sock->path);
	while (sock->clients != NULL)
		client_close(sock->clients);
	uv_close((uv_handle_t *)&sock->listener, on_part_closed);
	uv_close((uv_handle_t *)&sock->sweep, on_part_closed);
}
