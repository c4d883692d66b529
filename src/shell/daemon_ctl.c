/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the control socket. */
#include "shell/daemon_int.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>

#include "core/roster.h"
#include "mp/limits.h"

static void
on_request(void *ctx, uint64_t request, struct mp_span bytes)
{
	struct mp_event ev = {.kind = MP_EV_CONTROL};

	ev.u.control.request = request;
	ev.u.control.bytes = bytes;
	mp_daemon_event(ctx, &ev);
}

static void
on_request_closed(void *ctx, uint64_t request)
{
	struct mp_event ev = {.kind = MP_EV_CONTROL_CLOSED};

	ev.u.control.request = request;
	mp_daemon_event(ctx, &ev);
}

static int
on_sign_takeover(void *ctx, struct mp_span takeover, struct mp_buf *out, struct mp_sig *sig,
	struct mp_error *err)
{
	const struct mp_daemon *d = ctx;

	return mp_state_sign_takeover(d->config.state, takeover, out, sig, err);
}

/* Keys may have been added and removed since this node was admitted. */
static void
learn_log(struct mp_daemon *d)
{
	const struct mp_authority *log = mp_charter_log(mp_roster_charter(mp_node_roster(d->node)));

	d->config.state->authority_log = log != NULL ? log->log : mp_span(NULL, 0);
}

static int
on_invite(
	void *ctx, uint32_t roles, uint64_t expires_ms, struct mp_buf *token, struct mp_error *err)
{
	struct mp_daemon *d = ctx;
	char text[MP_ADDRS_MAX][MP_ADDR_TEXT];
	const char *seeds[MP_ADDRS_MAX];

	for (size_t i = 0; i < d->advertised_count; i++) {
		mp_addr_format(text[i], &d->advertised[i]);
		seeds[i] = text[i];
	}
	learn_log(d);
	return mp_state_invite(d->config.state, roles, (mp_time)expires_ms, seeds,
		d->advertised_count, token, err);
}

static int
on_admit(void *ctx, struct mp_span request, uint32_t roles, uint64_t expires_ms,
	struct mp_buf *token, struct mp_error *err)
{
	struct mp_daemon *d = ctx;

	learn_log(d);
	return mp_state_admit(d->config.state, request, roles, (mp_time)expires_ms, token, err);
}

static int
on_set(void *ctx, const struct mp_settings *change, struct mp_error *err)
{
	return mp_daemon_caps_set(ctx, change, err);
}

static int
find_group(const char *name, gid_t *out, struct mp_error *err)
{
	const struct group *g = getgrnam(name);

	if (g == NULL)
		return mp_fail(
			err, MP_EUSAGE, "--control-group %.100s: there is no such group", name);
	*out = g->gr_gid;
	return 0;
}

int
mp_daemon_open_control(struct mp_daemon *d, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	struct mp_ctlsock_config config = {.loop = &d->loop,
		.cache = d->cache,
		.path = path,
		.request = on_request,
		.closed = on_request_closed,
		.invite = on_invite,
		.admit = on_admit,
		.guest_answer = mp_daemon_guest_answer,
		.sign_takeover = on_sign_takeover,
		.set = on_set,
		.info = mp_daemon_on_info,
		.ctx = d};

	if (!mp_state_path(d->config.state, "control.sock", path))
		return mp_fail(err, MP_ELIMIT, "the state directory's path is too long");
	config.has_group = d->config.control_group != NULL;
	if (config.has_group && find_group(d->config.control_group, &config.group, err) != 0)
		return err->code;
	if (mp_state_open_to(d->config.state, config.has_group, config.group,
		    d->config.run_as != NULL, err) != 0)
		return err->code;
	return mp_ctlsock_open(&config, &d->ctlsock, err);
}
