/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the control socket. */
#include "shell/daemon_int.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- what the node itself is asked ---- */

void
mp_daemon_answer(struct mp_daemon *d, uint64_t request, int rc, struct mp_span payload,
	const struct mp_error *err)
{
	if (!d->stop) /* or the socket may be gone */
		mp_ctlsock_answer(d->ctlsock, request, rc, payload, err);
}

/* What an authority's key is needed for: it is a file. */
struct sign_job {
	struct mp_daemon_job job;
	uint64_t request;
	struct mp_ctl_local m; /* its bytes, and `log`, are in `bytes` */
	struct mp_span log;
	char seeds[MP_ADDRS_MAX][MP_ADDR_TEXT];
	size_t seed_count;
	struct mp_buf payload;
	uint8_t bytes[];
};

static int
sign_takeover(struct sign_job *j, const struct mp_state *state)
{
	struct mp_buf takeover;
	struct mp_cbor_w w;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&takeover, &mp_heap, MP_CTL_TAKEOVER_MAX);
	rc = mp_state_sign_takeover(state, j->log, j->m.bytes, &takeover, &sig, &j->job.err);
	if (rc == 0) {
		mp_cbor_w_init(&w, &j->payload);
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_span(&w, mp_buf_span(&takeover));
		mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
		rc = w.rc;
	}
	mp_buf_fini(&takeover);
	return rc;
}

static int
sign_token(struct sign_job *j, const struct mp_state *state)
{
	const char *seeds[MP_ADDRS_MAX];
	const struct mp_ctl_local *m = &j->m;
	struct mp_buf token;
	struct mp_cbor_w w;
	int rc;

	for (size_t i = 0; i < j->seed_count; i++)
		seeds[i] = j->seeds[i];
	mp_buf_init(&token, &mp_heap, MP_CTL_TOKEN_MAX);
	if (m->number == MP_CTL_ADMIT)
		rc = mp_state_admit(state, j->log, m->bytes, m->roles, (mp_time)m->expires_ms,
			&token, &j->job.err);
	else
		rc = mp_state_invite(state, j->log, m->roles, (mp_time)m->expires_ms, seeds,
			j->seed_count, &token, &j->job.err);
	if (rc == 0) {
		mp_cbor_w_init(&w, &j->payload);
		mp_cbor_w_text_n(&w, (const char *)token.p, token.n);
		rc = w.rc;
	}
	mp_buf_fini(&token);
	return rc;
}

static int
sign_work(struct mp_daemon_job *job)
{
	struct sign_job *j = mp_container_of(job, struct sign_job, job);
	const struct mp_state *state = job->d->config.state;

	return j->m.number == MP_CTL_SIGN_TAKEOVER ? sign_takeover(j, state) : sign_token(j, state);
}

static void
sign_done(struct mp_daemon_job *job)
{
	struct sign_job *j = mp_container_of(job, struct sign_job, job);

	mp_daemon_answer(job->d, j->request, job->rc, mp_buf_span(&j->payload), &job->err);
	mp_buf_fini(&j->payload);
	free(j);
}

/* Keys may have been added and removed since this node was admitted, and may be meanwhile. */
static int
sign_begin(struct mp_daemon *d, uint64_t request, const struct mp_ctl_local *m)
{
	const struct mp_authority *authority =
		mp_charter_log(mp_roster_charter(mp_node_roster(d->node)));
	struct mp_span log = authority != NULL ? authority->log : mp_span(NULL, 0);
	struct sign_job *j = calloc(1, sizeof(*j) + m->bytes.n + log.n);

	if (j == NULL)
		return MP_ENOMEM;
	j->job = (struct mp_daemon_job){.work = sign_work, .done = sign_done};
	j->request = request;
	j->m = *m;
	j->m.bytes = mp_span(j->bytes, m->bytes.n);
	j->log = mp_span(j->bytes + m->bytes.n, log.n);
	if (m->bytes.n > 0)
		memcpy(j->bytes, m->bytes.p, m->bytes.n);
	if (log.n > 0)
		memcpy(j->bytes + m->bytes.n, log.p, log.n);
	for (; j->seed_count < d->advertised_count; j->seed_count++)
		mp_addr_format(j->seeds[j->seed_count], &d->advertised[j->seed_count]);
	mp_buf_init(&j->payload, &mp_heap, MP_CTL_TOKEN_MAX + MP_CTL_TAKEOVER_MAX);
	mp_daemon_do(d, &j->job);
	return 0;
}

static int
set_begin(struct mp_daemon *d, uint64_t request, const struct mp_ctl_local *m, struct mp_error *err)
{
	struct mp_settings change;
	struct mp_cbor_r r;
	int rc;

	mp_cbor_r_init(&r, m->settings);
	mp_settings_read(&r, &change);
	rc = mp_cbor_r_end(&r);
	return rc != 0 ? mp_fail(err, rc, "no node can be told this")
		       : mp_daemon_caps_set(d, &change, request);
}

static void
on_own(void *ctx, uint64_t request, const struct mp_ctl_local *m)
{
	struct mp_daemon *d = ctx;
	struct mp_error err = {0};
	int rc = m->number == MP_CTL_NODE_SET ? set_begin(d, request, m, &err)
					      : sign_begin(d, request, m);

	if (rc != 0)
		mp_daemon_answer(d, request, rc, mp_span(NULL, 0), &err);
}

/* ---- the socket ---- */

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
		.own = on_own,
		.guest_answer = mp_daemon_guest_answer,
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
