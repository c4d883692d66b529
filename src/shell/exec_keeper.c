/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shell/exec_impl.h"
#include "shell/heap.h"

#define KEEPER_READ 4096

static void keeper_on_poll(uv_poll_t *poll, int status, int events);

static void
keeper_watch(struct exec_keeper *k)
{
	int events = UV_READABLE | (k->out.n > 0 ? UV_WRITABLE : 0);
	int rc = uv_poll_start(&k->poll, events, keeper_on_poll);

	mp_assert(rc == 0);
}

static void
keeper_on_closed(uv_handle_t *handle)
{
	struct exec_keeper *k = handle->data;
	struct mp_exec *x = k->exec;

	(void)close(k->fd);
	mp_buf_fini(&k->in);
	mp_buf_fini(&k->out);
	free(k);
	exec_on_handle_closed(x);
}

void
exec_keeper_close(struct exec_keeper *k)
{
	if (k->closing)
		return;
	k->closing = true;
	(void)shutdown(k->fd, SHUT_RDWR); /* at once, not only when the loop comes round */
	mp_dlist_remove(&k->link);
	mp_dlist_remove(&k->idle);
	k->exec->keeper_count--;
	uv_close((uv_handle_t *)&k->poll, keeper_on_closed);
}

/* The keeper died, or speaks nonsense: what it ran is lost. */
static void
keeper_lost(struct exec_keeper *k)
{
	struct exec_attempt *a = k->attempt;
	struct mp_exec *x = k->exec;

	k->attempt = NULL;
	x->no_more = false;
	exec_keeper_close(k);
	if (a != NULL) {
		a->keeper = NULL;
		a->spawned = true;
		a->end = (struct mp_keeper_exited){.exit_code = -1, .signal = SIGKILL};
		a->report.status = MP_STATUS_FAILED;
		(void)mp_fail(&a->err, MP_EIO, "killed together with its supervisor");
		exec_on_ended(a);
	}
	exec_on_idle(x);
}

static void
keeper_flush(struct exec_keeper *k)
{
	ssize_t n;

	while (k->out.n > 0) {
		n = send(k->fd, k->out.p, k->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* a broken socket is seen when it is read */
		mp_buf_consume(&k->out, (size_t)n);
	}
}

static int
keeper_send(struct exec_keeper *k, const struct mp_keeper_msg *m)
{
	bool waiting = k->out.n > 0;
	int rc = mp_keeper_msg_encode(&k->out, m);

	if (rc == 0 && !waiting) {
		keeper_flush(k);
		if (k->out.n > 0)
			keeper_watch(k);
	}
	return rc;
}

void
exec_keeper_spawn(struct exec_keeper *k, struct exec_attempt *a)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_SPAWN, .id = a->id};
	int rc;

	mp_assert(k->attempt == NULL && !k->closing);
	mp_dlist_remove(&k->idle);
	k->attempt = a;
	a->keeper = k;
	a->phase = EXEC_RUNNING;
	m.u.spawn = a->spawn;
	m.u.spawn.lease_ms = (uint64_t)a->req.lease_until_ms;
	rc = keeper_send(k, &m);
	if (rc == 0)
		return;
	k->attempt = NULL;
	a->keeper = NULL;
	mp_dlist_push(&k->exec->idle, &k->idle);
	a->report.status = MP_STATUS_NOT_STARTED;
	(void)mp_fail(&a->err, rc, "command and environment: %s", mp_strerror(rc));
	exec_on_ended(a);
}

void
exec_keeper_kill(struct exec_keeper *k)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_KILL, .id = k->attempt->id};

	if (keeper_send(k, &m) != 0)
		keeper_lost(k); /* no memory for six bytes: that kills as well */
}

void
exec_keeper_lease(struct exec_keeper *k, uint64_t until_ms)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_LEASE, .id = k->attempt->id};

	m.u.lease.until_ms = until_ms;
	if (keeper_send(k, &m) != 0)
		keeper_lost(k);
}

static void
keeper_ended(struct exec_keeper *k, const struct mp_keeper_msg *m)
{
	struct exec_attempt *a = k->attempt;
	struct mp_exec *x = k->exec;

	k->attempt = NULL;
	a->keeper = NULL;
	x->no_more = false;
	if (m->kind == MP_KEEPER_EXITED) {
		a->spawned = true;
		a->end = m->u.exited;
	} else {
		a->report.status = MP_STATUS_NOT_STARTED;
		(void)mp_fail(&a->err, m->u.failed.code, "%s", m->u.failed.text);
	}
	if (m->kind == MP_KEEPER_EXITED && m->u.exited.left > 0)
		exec_keeper_close(k);
	else
		mp_dlist_push(&x->idle, &k->idle);
	exec_on_ended(a);
	exec_on_idle(x);
}

/* False: it speaks nonsense. */
static bool
keeper_take(struct exec_keeper *k, const struct mp_keeper_msg *m)
{
	if (k->attempt == NULL || k->attempt->id != m->id)
		return false;
	switch (m->kind) {
	case MP_KEEPER_STARTED:
		exec_on_started(k->attempt);
		return true;
	case MP_KEEPER_EXITED:
	case MP_KEEPER_FAILED:
		keeper_ended(k, m);
		return true;
	case MP_KEEPER_SPAWN:
	case MP_KEEPER_KILL:
	case MP_KEEPER_LEASE:
		return false;
	}
	return false;
}

static void
keeper_decode(struct exec_keeper *k)
{
	struct mp_keeper_msg m;
	size_t used;
	int rc;

	while (!k->closing) {
		rc = mp_keeper_msg_decode(mp_buf_span(&k->in), &m, &used);
		if (rc == MP_ETRUNC)
			return;
		if (rc == 0) {
			mp_buf_consume(&k->in, used);
			rc = keeper_take(k, &m) ? 0 : MP_EFORMAT;
			mp_keeper_msg_fini(&m);
		}
		if (rc != 0 && !k->closing)
			keeper_lost(k);
	}
}

static void
keeper_read(struct exec_keeper *k)
{
	ssize_t n;

	if (mp_buf_reserve(&k->in, KEEPER_READ) != 0) {
		keeper_lost(k);
		return;
	}
	n = recv(k->fd, k->in.p + k->in.n, KEEPER_READ, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		keeper_lost(k);
		return;
	}
	k->in.n += (size_t)n;
	keeper_decode(k);
}

static void
keeper_on_poll(uv_poll_t *poll, int status, int events)
{
	struct exec_keeper *k = poll->data;

	if ((events & UV_WRITABLE) != 0) {
		keeper_flush(k);
		if (k->out.n == 0)
			keeper_watch(k);
	}
	if (status < 0 || (events & UV_READABLE) != 0)
		keeper_read(k);
}

int
exec_keeper_new(struct mp_exec *x, int fd, pid_t pid)
{
	struct exec_keeper *k = calloc(1, sizeof(*k));

	if (k == NULL || uv_poll_init(x->config.loop, &k->poll, fd) != 0) {
		free(k);
		(void)close(fd);
		return MP_ENOMEM;
	}
	k->exec = x;
	k->fd = fd;
	k->pid = pid;
	k->poll.data = k;
	mp_buf_init(&k->in, &mp_heap, 2 * MP_KEEPER_FRAME_MAX);
	mp_buf_init(&k->out, &mp_heap, 4 * MP_KEEPER_FRAME_MAX);
	mp_dlist_init(&k->link);
	mp_dlist_init(&k->idle);
	mp_dlist_push(&x->keepers, &k->link);
	mp_dlist_push(&x->idle, &k->idle);
	x->keeper_count++;
	x->handles++;
	keeper_watch(k);
	return 0;
}
