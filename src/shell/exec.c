/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shell/exec_impl.h"
#include "shell/heap.h"

/* ---- attempts ---- */

static uint64_t
exec_hash(const struct mp_attempt_key *key)
{
	uint64_t words[5] = {key->attempt.term, key->attempt.module, key->attempt.counter, 0, 0};

	memcpy(&words[3], key->run.b, sizeof(key->run.b));
	return mp_hash64(words, sizeof(words), 0);
}

static struct exec_attempt *
exec_find(const struct mp_exec *x, const struct mp_attempt_key *key)
{
	struct mp_map_node *node;

	for (node = mp_map_find(&x->attempts, exec_hash(key)); node != NULL;
		node = mp_map_find_next(node)) {
		struct exec_attempt *a = mp_container_of(node, struct exec_attempt, node);

		if (mp_run_id_eq(&a->req.key.run, &key->run) &&
			mp_attempt_eq(&a->req.key.attempt, &key->attempt))
			return a;
	}
	return NULL;
}

/* ---- the end of all ---- */

static void
exec_free(struct mp_exec *x)
{
	mp_map_fini(&x->attempts);
	free(x->node_name);
	free(x->path);
	free(x);
}

static void
exec_stop_work(uv_work_t *work)
{
	struct mp_exec *x = mp_container_of(work, struct mp_exec, stop);

	if (x->lost)
		mp_executor_lost(&x->executor);
	else
		mp_executor_stop(&x->executor);
	mp_workspace_root_close(x->root);
}

static void
exec_stopped(uv_work_t *work, int status)
{
	struct mp_exec *x = mp_container_of(work, struct mp_exec, stop);
	void (*closed)(void *ctx) = x->closed;
	void *ctx = x->closed_ctx;

	(void)status;
	exec_free(x);
	if (closed != NULL)
		closed(ctx);
}

static void
exec_try_stop(struct mp_exec *x)
{
	int rc;

	if (!x->closing || x->handles > 0 || x->works > 0)
		return;
	rc = uv_queue_work(x->config.loop, &x->stop, exec_stop_work, exec_stopped);
	mp_assert(rc == 0);
}

void
exec_on_handle_closed(struct mp_exec *x)
{
	mp_assert(x->handles > 0);
	x->handles--;
	exec_try_stop(x);
}

/* ---- from phase to phase ---- */

static void
exec_report(struct exec_attempt *a)
{
	struct mp_exec *x = a->exec;

	mp_map_remove(&x->attempts, &a->node);
	a->report.key = a->req.key;
	a->report.phase = MP_EXEC_DONE;
	x->config.report(x->config.ctx, &a->report);
}

static void
exec_leave_work(uv_work_t *work)
{
	exec_leave(mp_container_of(work, struct exec_attempt, work));
}

static void
exec_left(uv_work_t *work, int status)
{
	struct exec_attempt *a = mp_container_of(work, struct exec_attempt, work);
	struct mp_exec *x = a->exec;

	(void)status;
	exec_attempt_free(a);
	x->works--;
	exec_try_stop(x);
}

static void
exec_finish_work(uv_work_t *work)
{
	exec_finish(mp_container_of(work, struct exec_attempt, work));
}

static void
exec_finished(uv_work_t *work, int status)
{
	struct exec_attempt *a = mp_container_of(work, struct exec_attempt, work);
	struct mp_exec *x = a->exec;

	int rc;

	(void)status;
	if (!a->orphan)
		exec_report(a);
	if (a->ws.fd < 0) {
		exec_left(work, 0);
		return;
	}
	rc = uv_queue_work(x->config.loop, &a->work, exec_leave_work, exec_left);
	mp_assert(rc == 0);
}

void
exec_on_ended(struct exec_attempt *a)
{
	int rc;

	a->phase = EXEC_FINISHING;
	a->exec->works++;
	rc = uv_queue_work(a->exec->config.loop, &a->work, exec_finish_work, exec_finished);
	mp_assert(rc == 0);
}

void
exec_on_started(struct exec_attempt *a)
{
	const struct mp_exec_report report = {.key = a->req.key, .phase = MP_EXEC_STARTED};

	a->exec->config.report(a->exec->config.ctx, &report);
}

static void
exec_fail_waiting(struct mp_exec *x, int code, const char *text)
{
	struct mp_dlist *l = mp_dlist_first(&x->waiting);
	struct exec_attempt *a;

	if (l == NULL)
		return;
	a = mp_container_of(l, struct exec_attempt, link);
	mp_dlist_remove(&a->link);
	a->report.status = MP_STATUS_NOT_STARTED;
	(void)mp_fail(&a->err, code, "%s", text);
	exec_on_ended(a);
}

static size_t
exec_waiting_count(const struct mp_exec *x)
{
	const struct mp_dlist *l;
	size_t n = 0;

	for (l = x->waiting.next; l != &x->waiting; l = l->next)
		n++;
	return n;
}

void
exec_on_idle(struct mp_exec *x)
{
	struct mp_dlist *l, *k;

	while (!x->closing && (l = mp_dlist_first(&x->waiting)) != NULL &&
		(k = mp_dlist_first(&x->idle)) != NULL) {
		struct exec_attempt *a = mp_container_of(l, struct exec_attempt, link);

		mp_dlist_remove(&a->link);
		exec_keeper_spawn(mp_container_of(k, struct exec_keeper, idle), a);
	}
	if (x->closing || mp_dlist_empty(&x->waiting))
		return;
	while (!x->lost && x->asked < exec_waiting_count(x) && mp_executor_ask(&x->executor) == 0)
		x->asked++;
	while (x->lost && !mp_dlist_empty(&x->waiting))
		exec_fail_waiting(x, MP_ECLOSED, "the executor is gone");
}

static void
exec_lay_work(uv_work_t *work)
{
	exec_lay(mp_container_of(work, struct exec_attempt, work));
}

static void
exec_laid(uv_work_t *work, int status)
{
	struct exec_attempt *a = mp_container_of(work, struct exec_attempt, work);
	struct mp_exec *x = a->exec;

	(void)status;
	x->works--;
	if (a->orphan || a->killed || a->err.code != 0) {
		exec_on_ended(a);
		return;
	}
	a->phase = EXEC_WAITING;
	mp_dlist_push(&x->waiting, &a->link);
	exec_on_idle(x);
}

/* ---- the executor ---- */

static void
exec_lost(struct mp_exec *x)
{
	struct mp_dlist *l, *next;

	x->lost = true;
	(void)uv_poll_stop(&x->poll);
	/* Whatever it left is dead before anybody hears of it. */
	mp_executor_lost(&x->executor);
	for (l = x->idle.next; l != &x->idle; l = next) {
		next = l->next;
		exec_keeper_close(mp_container_of(l, struct exec_keeper, idle));
	}
	if (x->trouble.code == 0)
		(void)mp_fail(&x->trouble, MP_ECLOSED,
			"the executor process is gone; every command was killed");
	(void)uv_async_send(&x->async);
	exec_on_idle(x);
}

static void
exec_on_poll(uv_poll_t *poll, int status, int events)
{
	struct mp_exec *x = poll->data;
	int fd, rc = MP_ECLOSED;
	pid_t pid;

	(void)events;
	while (status >= 0 && (rc = mp_executor_recv(&x->executor, &fd, &pid)) != MP_EBUSY &&
		rc != MP_ECLOSED) {
		if (x->asked > 0)
			x->asked--;
		if (rc == 0)
			rc = exec_keeper_new(x, fd, pid);
		if (rc != 0 && x->keeper_count > 0)
			x->no_more = true; /* those that there are must do */
		else if (rc != 0)
			exec_fail_waiting(x, rc,
				rc == MP_ENOMEM ? "no process can be made to supervise it: out of "
						  "memory, descriptors or processes"
						: "no process can be made to supervise it");
	}
	if (rc == MP_ECLOSED)
		exec_lost(x);
	else
		exec_on_idle(x);
}

static void
exec_on_async(uv_async_t *async)
{
	struct mp_exec *x = async->data;

	if (x->trouble.code == 0 || x->told)
		return;
	x->told = true;
	x->config.failed(x->config.ctx, &x->trouble);
}

/* ---- the interface ---- */

void
mp_exec_start(struct mp_exec *x, const struct mp_exec_request *req)
{
	struct exec_attempt *a = calloc(1, sizeof(*a));
	int rc;

	mp_assert(!x->closing);
	if (a == NULL || exec_copy_request(a, req) != 0 ||
		mp_map_add(&x->attempts, &a->node, exec_hash(&req->key)) != 0) {
		if (a != NULL)
			exec_attempt_free(a);
		(void)mp_fail(&x->trouble, MP_ENOMEM, "start a command: out of memory");
		(void)uv_async_send(&x->async);
		return;
	}
	a->exec = x;
	a->id = ++x->next_id;
	a->ws.fd = -1;
	a->phase = EXEC_LAYING;
	mp_dlist_init(&a->link);
	x->works++;
	rc = uv_queue_work(x->config.loop, &a->work, exec_lay_work, exec_laid);
	mp_assert(rc == 0);
}

void
mp_exec_kill(struct mp_exec *x, const struct mp_attempt_key *key)
{
	struct exec_attempt *a = exec_find(x, key);

	if (a == NULL || a->killed || a->phase == EXEC_FINISHING)
		return;
	a->killed = true;
	switch (a->phase) {
	case EXEC_WAITING:
		mp_dlist_remove(&a->link);
		exec_on_ended(a);
		break;
	case EXEC_RUNNING:
		exec_keeper_kill(a->keeper);
		break;
	case EXEC_LAYING:
	case EXEC_FINISHING:
		break;
	}
}

void
mp_exec_lease(struct mp_exec *x, const struct mp_attempt_key *key, mp_time until_ms)
{
	struct exec_attempt *a = exec_find(x, key);

	if (a == NULL || a->killed)
		return;
	a->req.lease_until_ms = until_ms;
	if (a->phase == EXEC_RUNNING)
		exec_keeper_lease(a->keeper, (uint64_t)until_ms);
}

int
mp_exec_log_path(struct mp_exec *x, const struct mp_attempt_key *key, enum mp_exec_log which,
	char *path, size_t size)
{
	struct exec_attempt *a = exec_find(x, key);
	const char *from;

	if (a == NULL || a->phase != EXEC_RUNNING)
		return MP_ENOENT;
	from = which == MP_EXEC_LOG_OUT ? a->spawn.out : a->spawn.err;
	if (strlen(from) >= size)
		return MP_ELIMIT;
	memcpy(path, from, strlen(from) + 1);
	return 0;
}

size_t
mp_exec_count(const struct mp_exec *x)
{
	return x->attempts.count;
}

static int
exec_watch(struct mp_exec *x, struct mp_error *err)
{
	int rc;

	x->poll.data = x;
	x->async.data = x;
	if (uv_async_init(x->config.loop, &x->async, exec_on_async) != 0)
		return mp_fail(err, MP_EIO, "too many open files");
	x->handles++;
	rc = uv_poll_init(x->config.loop, &x->poll, x->executor.fd);
	if (rc != 0)
		return mp_fail(err, MP_EIO, "watch the executor: %s", uv_strerror(rc));
	x->handles++;
	rc = uv_poll_start(&x->poll, UV_READABLE, exec_on_poll);
	mp_assert(rc == 0);
	return 0;
}

static void
exec_on_unopened(uv_handle_t *handle)
{
	exec_free(handle->data);
}

/* Opening failed: the executor stays the caller's, memory goes when the loop lets go of it. */
static void
exec_unopen(struct mp_exec *x)
{
	mp_workspace_root_close(x->root);
	if (x->handles == 0)
		exec_free(x);
	else
		uv_close((uv_handle_t *)&x->async, exec_on_unopened);
}

int
mp_exec_open(const struct mp_exec_config *config, struct mp_exec **out, struct mp_error *err)
{
	struct mp_exec *x = calloc(1, sizeof(*x));
	int rc = 0;

	if (x == NULL)
		return mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	x->config = *config;
	x->executor = config->executor;
	mp_map_init(&x->attempts, &mp_heap);
	mp_dlist_init(&x->waiting);
	mp_dlist_init(&x->keepers);
	mp_dlist_init(&x->idle);
	x->node_name = strdup(config->node_name);
	x->path = config->path == NULL ? NULL : strdup(config->path);
	if (x->node_name == NULL || (config->path != NULL && x->path == NULL))
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	if (rc == 0)
		rc = mp_workspace_root_open(config->work_dir, &x->root, err);
	if (rc == 0 && config->run_as != NULL)
		rc = mp_workspace_root_share(x->root, config->run_as, err);
	if (rc == 0)
		rc = exec_watch(x, err);
	if (rc == 0) {
		*out = x;
		return 0;
	}
	exec_unopen(x);
	return rc;
}

static void
exec_on_closed(uv_handle_t *handle)
{
	exec_on_handle_closed(handle->data);
}

/* Attempts that a pool thread works on are freed when it is done, the others now. */
static void
exec_abandon(struct mp_exec *x)
{
	struct mp_map_node *node;

	while ((node = mp_map_any(&x->attempts)) != NULL) {
		struct exec_attempt *a = mp_container_of(node, struct exec_attempt, node);

		mp_map_remove(&x->attempts, node);
		a->orphan = true;
		if (a->phase == EXEC_LAYING || a->phase == EXEC_FINISHING)
			continue;
		mp_dlist_remove(&a->link);
		if (a->keeper != NULL)
			a->keeper->attempt = NULL;
		a->keeper = NULL;
		(void)mp_workspace_remove(x->root, &a->ws, true, NULL);
		exec_attempt_free(a);
	}
}

void
mp_exec_close(struct mp_exec *x, void (*closed)(void *ctx), void *ctx)
{
	struct mp_dlist *l;

	mp_assert(!x->closing);
	x->closing = true;
	x->closed = closed;
	x->closed_ctx = ctx;
	exec_abandon(x);
	while ((l = mp_dlist_first(&x->keepers)) != NULL)
		exec_keeper_close(mp_container_of(l, struct exec_keeper, link));
	uv_close((uv_handle_t *)&x->poll, exec_on_closed);
	uv_close((uv_handle_t *)&x->async, exec_on_closed);
}
