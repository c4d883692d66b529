/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/daemon_int.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/caps.h"
#include "core/env.h"
#include "crypto/key.h"
#include "mp/limits.h"
#include "util/clock.h"

void
mp_notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, n);
	if (un.sun_path[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	(void)close(fd);
}

/* ---- the node ---- */

static int
on_row(void *ctx, const struct mp_row *row)
{
	struct mp_event ev = {.kind = MP_EV_RESTORE};

	ev.u.restore = *row;
	mp_daemon_event(ctx, &ev);
	return 0;
}

static int
open_node(struct mp_daemon *d, struct mp_error *err)
{
	const struct mp_state *state = d->config.state;
	struct mp_node_config config = {.alloc = &mp_heap,
		.crypto = &mp_crypto_sodium,
		.secret = state->secret,
		.self = state->id,
		.credential = mp_span(state->credential, state->credential_size),
		.cluster = state->cluster,
		.returned_ms = state->returned_ms,
		.addrs = d->advertised,
		.addr_count = d->advertised_count,
		.joining = state->joining,
		.profile = state->network.wan ? &mp_profile_wan : &mp_profile_lan};
	uint8_t gossip_key[MP_SYMKEY_SIZE];
	struct mp_buf buf;
	int rc = mp_daemon_check_seeds(state, err);

	if (rc != 0)
		return rc;
	mp_buf_init(&buf, &mp_heap, MP_CAPS_BYTES_MAX);
	rc = mp_daemon_caps_now(d, &d->caps.settings, &buf, &config.slots, err);
	config.caps = mp_buf_span(&buf);
	if (state->founder) {
		mp_key_random(gossip_key, sizeof(gossip_key));
		config.gossip_key = mp_span(gossip_key, sizeof(gossip_key));
	}
	if (rc == 0)
		rc = mp_node_new(&config, &d->node, err);
	mp_crypto_sodium.wipe(gossip_key, sizeof(gossip_key));
	mp_buf_fini(&buf);
	return rc;
}

static int
start_node(struct mp_daemon *d, struct mp_error *err)
{
	struct mp_event ev = {.kind = MP_EV_START};
	int rc = mp_control_load(d->control, on_row, d, err);

	if (rc != 0)
		return rc;
	mp_daemon_event(d, &ev);
	/* One that is shut out has ended by itself: mp_daemon_run() says so. */
	if (d->ended.code != 0 && d->ended.code != MP_EAUTH) {
		*err = d->ended;
		return err->code;
	}
	return 0;
}

/* ---- setting up ---- */

static int
open_loop(struct mp_daemon *d, struct mp_error *err)
{
	int rc = uv_loop_init(&d->loop);

	if (rc != 0)
		return mp_fail(err, MP_EIO, "event loop: %s", uv_strerror(rc));
	d->has_loop = true;
	(void)uv_timer_init(&d->loop, &d->timer);
	(void)uv_idle_init(&d->loop, &d->idle);
	(void)uv_check_init(&d->loop, &d->check);
	(void)uv_async_init(&d->loop, &d->resolved, mp_daemon_on_resolved);
	d->resolved.data = d;
	(void)uv_signal_init(&d->loop, &d->sigterm);
	(void)uv_signal_init(&d->loop, &d->sigint);
	d->sigterm.data = d->sigint.data = d;
	(void)uv_signal_start(&d->sigterm, mp_daemon_on_signal, SIGTERM);
	(void)uv_signal_start(&d->sigint, mp_daemon_on_signal, SIGINT);
	(void)uv_signal_init(&d->loop, &d->caps.sighup);
	(void)uv_timer_init(&d->loop, &d->caps.disk);
	d->caps.sighup.data = d->caps.disk.data = d;
	(void)uv_signal_start(&d->caps.sighup, mp_daemon_on_hup, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int
open_databases(struct mp_daemon *d, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	struct mp_control_config control = {.path = path,
		.loop = &d->loop,
		.patience_ms = MP_CONTROL_PATIENCE_MS,
		.durable = mp_daemon_on_durable,
		.health = mp_daemon_on_disk,
		.ctx = d};
	int rc;

	if (!mp_state_path(d->config.state, "control.db", path))
		return mp_fail(err, MP_ELIMIT, "the state directory's path is too long");
	rc = mp_control_open(&control, &d->control, err);
	if (rc != 0)
		return rc;
	(void)mp_state_path(d->config.state, "cache.db", path);
	return mp_cache_open(path, &d->cache, err);
}

/* Whom modules run as. */
static int
find_user(const char *name, struct mp_run_as *out, struct mp_error *err)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		return mp_fail(err, MP_EUSAGE, "--run-as %.100s: there is no such user", name);
	if (pw->pw_uid == 0)
		return mp_fail(err, MP_EUSAGE, "--run-as %.100s: not root", name);
	if (geteuid() != 0)
		return mp_fail(err, MP_EUSAGE,
			"--run-as needs a node that was started by root; without it modules run as "
			"the user of the node");
	*out = (struct mp_run_as){.uid = pw->pw_uid, .gid = MP_RUN_AS_GID};
	return 0;
}

static int
open_exec(struct mp_daemon *d, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	struct mp_exec_config config = {.loop = &d->loop,
		.executor = d->executor,
		.cache = d->cache,
		.work_dir = path,
		.node_name = d->config.state->name.s,
		.path = getenv("PATH"),
		.keep_failed = d->config.keep_failed,
		.report = mp_daemon_on_exec,
		.failed = mp_daemon_on_exec_failed,
		.ctx = d};
	struct mp_run_as who;
	int rc = 0;

	(void)mp_state_path(d->config.state, "work", path);
	if (d->config.run_as != NULL) {
		rc = find_user(d->config.run_as, &who, err);
		config.run_as = &who;
		if (rc == 0)
			rc = mp_state_open_to(d->config.state, false, 0, true, err);
	}
	if (rc == 0)
		rc = mp_exec_open(&config, &d->exec, err);
	if (rc == 0)
		d->has_executor = false; /* it is exec's now */
	return rc;
}

static int
open_lines(struct mp_daemon *d, struct mp_error *err)
{
	int rc = 0;

	if (d->config.log != NULL)
		rc = mp_lines_open(fileno(d->config.log), &d->log);
	if (rc == 0 && d->config.ready != NULL)
		rc = mp_lines_open(fileno(d->config.ready), &d->ready);
	return rc == 0 ? 0 : mp_fail(err, rc, "%s", mp_strerror(rc));
}

static int
daemon_open(struct mp_daemon *d, struct mp_error *err)
{
	int rc = mp_executor_start(d->config.state->lock_fd, &d->executor, err);

	if (rc != 0)
		return rc;
	d->has_executor = true;
	if ((rc = open_lines(d, err)) != 0 || (rc = open_loop(d, err)) != 0 ||
		(rc = open_databases(d, err)) != 0 || (rc = open_exec(d, err)) != 0 ||
		(rc = mp_daemon_open_sockets(d, err)) != 0 ||
		(rc = mp_daemon_open_caps(d, err)) != 0 || (rc = open_node(d, err)) != 0 ||
		(rc = mp_daemon_open_control(d, err)) != 0)
		return rc;
	rc = start_node(d, err);
	if (rc == 0)
		mp_daemon_caps_start(d);
	return rc;
}

int
mp_daemon_open(const struct mp_daemon_config *config, struct mp_daemon **out, struct mp_error *err)
{
	struct mp_daemon *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	d->config = *config;
	d->started_ms = mp_clock_wall_ms();
	d->armed = MP_TIME_NEVER;
	d->queue_last = &d->queue;
	d->jobs_last = &d->jobs;
	rc = daemon_open(d, err);
	if (rc != 0) {
		mp_daemon_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

int
mp_daemon_run(struct mp_daemon *d, struct mp_error *err)
{
	while (!d->stop && uv_run(&d->loop, UV_RUN_DEFAULT) != 0)
		;
	if (d->ended.code != 0 && err != NULL)
		*err = d->ended;
	return d->ended.code;
}

/* ---- taking down ---- */

static void
on_handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void
close_parts(struct mp_daemon *d)
{
	if (d->ctlsock != NULL) {
		d->closing++;
		mp_ctlsock_close(d->ctlsock, mp_daemon_part_closed, d);
	}
	if (d->exec != NULL) {
		d->closing++;
		mp_exec_close(d->exec, mp_daemon_part_closed, d);
	}
	mp_daemon_unbind(d);
	mp_daemon_resolve_end(d);
	atomic_store(&d->caps.stop, true);
	while (d->works > 0)
		(void)uv_run(&d->loop, UV_RUN_ONCE);
	if (d->control != NULL) {
		int rc;

		d->closing++;
		rc = mp_control_close(d->control, mp_daemon_part_closed, d);
		mp_daemon_loop_drain(d);
		if (rc != 0)
			mp_daemon_log(d, "control.db: the last rows could not be written: %s",
				mp_strerror(rc));
	}
}

void
mp_daemon_close(struct mp_daemon *d)
{
	if (d == NULL)
		return;
	d->stop = true;
	if (d->has_loop) {
		close_parts(d);
		uv_close((uv_handle_t *)&d->timer, on_handle_closed);
		uv_close((uv_handle_t *)&d->idle, on_handle_closed);
		uv_close((uv_handle_t *)&d->check, on_handle_closed);
		uv_close((uv_handle_t *)&d->resolved, on_handle_closed);
		uv_close((uv_handle_t *)&d->sigterm, on_handle_closed);
		uv_close((uv_handle_t *)&d->sigint, on_handle_closed);
		uv_close((uv_handle_t *)&d->caps.sighup, on_handle_closed);
		uv_close((uv_handle_t *)&d->caps.disk, on_handle_closed);
		(void)uv_run(&d->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&d->loop);
	}
	if (d->has_executor)
		mp_executor_stop(&d->executor);
	mp_node_free(d->node);
	mp_cache_close(d->cache);
	mp_lines_close(d->ready);
	mp_lines_close(d->log);
	free(d->members.said);
	while (d->queue != NULL) {
		struct mp_daemon_queued *q = d->queue;

		d->queue = q->next;
		free(q);
	}
	free(d);
}
