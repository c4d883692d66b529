/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come over streams of other machines: answered as those of the socket. */
#include <stdlib.h>

#include "shell/ctlsock_int.h"

struct mp_ctlsock_guest {
	struct mp_ctlsock_guest *next;
	uint64_t guest;
	uint64_t request;
	bool local;
};

static struct mp_ctlsock_guest **
guest_find(struct mp_ctlsock *sock, uint64_t guest)
{
	struct mp_ctlsock_guest **at = &sock->guests;

	while (*at != NULL && (*at)->guest != guest)
		at = &(*at)->next;
	return at;
}

static void
guest_free(struct mp_ctlsock_guest **at)
{
	struct mp_ctlsock_guest *g = *at;

	*at = g->next;
	free(g);
}

int
mp_ctlsock_guest_ask(struct mp_ctlsock *sock, uint64_t guest, struct mp_span bytes)
{
	struct mp_ctlsock_guest *g;

	if (sock->closing || *guest_find(sock, guest) != NULL)
		return MP_EBUSY;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return MP_ENOMEM;
	g->guest = guest;
	g->request = ++sock->last_request;
	g->local = mp_ctl_is_local(bytes);
	g->next = sock->guests;
	sock->guests = g;
	if (g->local) /* either may answer at once, and *g be gone */
		mp_ctlsock_local(sock, g->request, bytes);
	else
		sock->config.request(sock->config.ctx, g->request, bytes);
	return 0;
}

void
mp_ctlsock_guest_gone(struct mp_ctlsock *sock, uint64_t guest)
{
	struct mp_ctlsock_guest **at = guest_find(sock, guest);
	uint64_t request;
	bool local;

	if (*at == NULL)
		return;
	request = (*at)->request;
	local = (*at)->local;
	guest_free(at);
	if (!local && !sock->closing)
		sock->config.closed(sock->config.ctx, request);
}

bool
mp_ctlsock_guest_reply(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes, bool last)
{
	struct mp_ctlsock_guest **at = &sock->guests;
	uint64_t guest;

	while (*at != NULL && (*at)->request != request)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	guest = (*at)->guest;
	if (last)
		guest_free(at);
	if (!sock->closing)
		sock->config.guest_answer(sock->config.ctx, guest, bytes);
	return true;
}

void
mp_ctlsock_guests_free(struct mp_ctlsock *sock)
{
	while (sock->guests != NULL)
		guest_free(&sock->guests);
}
