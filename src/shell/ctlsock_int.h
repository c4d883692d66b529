/* SPDX-License-Identifier: Apache-2.0 */
/* What ctlsock.c, which owns the connections, shares with ctlsock_local.c, which answers, and
 * ctlsock_guest.c, whose requests come over streams. */
#ifndef MP_SHELL_CTLSOCK_INT_H
#define MP_SHELL_CTLSOCK_INT_H

#include "shell/ctlsock.h"

struct mp_ctlsock {
	struct mp_ctlsock_config config;
	char *path;
	uv_pipe_t listener;
	uv_timer_t sweep; /* runs while there are clients, or one that is not accepted */
	bool unaccepted;  /* for want of memory; libuv takes no others before it */
	struct mp_ctlsock_client *clients;
	size_t client_count;
	struct mp_ctlsock_guest *guests; /* requests of theirs that are under way */
	uint64_t last_request;
	size_t handles; /* open uv handles, of clients too */
	size_t works;   /* on the thread pool */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* A request of 150–199 that has come whole. Answers by mp_ctlsock_answer(), now or later. */
void mp_ctlsock_local(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes);

/* Is it a guest's request? Then it was answered. */
bool mp_ctlsock_guest_reply(
	struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes, bool last);
void mp_ctlsock_guests_free(struct mp_ctlsock *sock);

/* After the last work is done: completes a close that waits for it. */
void mp_ctlsock_finish(struct mp_ctlsock *sock);

#endif
