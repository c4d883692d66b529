/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks to the node from elsewhere and is no node: clients, and those that knock. */
#include "shell/daemon_int.h"

#include "codec/ctl_roles.h"
#include "core/join.h"
#include "util/clock.h"

static void
answer_error(struct mp_daemon *d, uint64_t guest, int code, const char *text)
{
	struct mp_buf buf;

	mp_buf_init(&buf, &mp_heap, 4096);
	if (mp_ctl_error_encode(&buf, code, text) == 0)
		mp_peers_answer(d->peers, guest, mp_buf_span(&buf));
	mp_buf_fini(&buf);
}

int
mp_daemon_on_client(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
	struct mp_peers_guest *out, struct mp_error *err)
{
	struct mp_daemon *d = ctx;
	struct mp_cert cert;
	int rc = mp_join_check_client(
		mp_node_roster(d->node), credential, xkey, mp_clock_wall_ms(), &cert, err);

	if (rc != 0)
		return rc;
	out->id = cert.id;
	out->name = cert.name;
	out->roles = cert.roles;
	return 0;
}

static bool
lets_run(const struct mp_daemon *d)
{
	return d->config.trust_submitters || d->config.run_as != NULL;
}

/* Its certificate may have ended, or its invite been revoked, since it came. */
static int
check_client(struct mp_daemon *d, const struct mp_peers_guest *guest, struct mp_span request,
	struct mp_error *err)
{
	struct mp_peers_guest now;
	int rc = mp_daemon_on_client(d, guest->credential, &guest->xkey, &now, err);

	return rc == 0 ? mp_ctl_check_role(request, now.roles, lets_run(d), err) : rc;
}

void
mp_daemon_on_guest(void *ctx, const struct mp_peers_guest *guest, struct mp_span bytes)
{
	struct mp_daemon *d = ctx;
	uint64_t number = guest->number;
	struct mp_error err = {0};
	struct mp_buf knock;
	int rc;

	if (d->ctlsock == NULL || d->stop)
		return;
	mp_buf_init(&knock, &mp_heap, 4096);
	if (guest->knocks) {
		rc = mp_ctl_knock_encode(&knock, bytes, &guest->addr);
		bytes = mp_buf_span(&knock);
	} else {
		rc = check_client(d, guest, bytes, &err);
		d->requests_refused += rc != 0;
	}
	if (rc == 0)
		rc = mp_ctlsock_guest_ask(d->ctlsock, number, bytes);
	if (rc != 0)
		answer_error(d, number, rc, err.code != 0 ? err.text : mp_strerror(rc));
	mp_buf_fini(&knock);
}

void
mp_daemon_on_guest_gone(void *ctx, uint64_t guest)
{
	struct mp_daemon *d = ctx;

	if (d->ctlsock != NULL)
		mp_ctlsock_guest_gone(d->ctlsock, guest);
}

void
mp_daemon_guest_answer(void *ctx, uint64_t guest, struct mp_span bytes)
{
	struct mp_daemon *d = ctx;

	mp_peers_answer(d->peers, guest, bytes);
}
