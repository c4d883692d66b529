/* SPDX-License-Identifier: Apache-2.0 */
/* mpctl's end of the control socket, or of a stream to a node elsewhere (codec/msg_ctl.h): plain
 * blocking calls with a deadline. */
#ifndef MP_CTL_CLIENT_H
#define MP_CTL_CLIENT_H

#include "mp/base.h"
#include "mp/error.h"
#include "shell/stream.h"
#include "util/buf.h"

#include <signal.h>

struct mp_client {
	int fd;                            /* below 0: closed */
	const struct mp_alloc *alloc;      /* borrowed */
	mp_time deadline_ms;               /* CLOCK_MONOTONIC; MP_TIME_NEVER is none */
	const volatile sig_atomic_t *stop; /* not 0: calls end with MP_ECANCELED; may be NULL */
	struct mp_buf in;
	bool remote; /* by `stream`, whose socket fd is */
	bool fresh;  /* nothing was answered yet */
	struct mp_stream stream;
	struct mp_secret *secret; /* the stream borrows it */
};

/* The clock of deadlines. */
mp_time mp_client_now_ms(void);

/* Connects to STATE/control.sock. MP_EREFUSED: no node runs with that state directory; MP_EAUTH: it
 * belongs to somebody else; MP_ELIMIT, MP_EIO. */
int mp_client_open(struct mp_client *c, const struct mp_alloc *alloc, const char *state_dir,
	struct mp_error *err);
/*
 * Connects to a node elsewhere as that identity (ctl/identity.h), which is admitted by it if it may
 * be. MP_EAUTH: it is not, and what is to be done; MP_EREFUSED: nobody is reached, or nobody who
 * answers in time; MP_ECLUSTER, or the errors of mp_identity_open().
 */
int mp_client_open_remote(struct mp_client *c, const struct mp_alloc *alloc, const char *node,
	const char *identity, struct mp_error *err);
/* One request, one answer, for mp_client_call(). */
int mp_client_exchange_remote(
	struct mp_client *c, struct mp_span request, struct mp_span *answer, struct mp_error *err);
/* Fine on one that is zeroed or closed. */
void mp_client_close(struct mp_client *c);

/*
 * One request, one answer. *payload is borrowed until the next call. The node's own error, or
 * MP_ECLOSED (it went away: open again), MP_ETIMEOUT (the deadline; the connection is closed then),
 * MP_ECANCELED (likewise), MP_EFORMAT, MP_ELIMIT (of the answer), MP_ENOMEM.
 */
int mp_client_call(
	struct mp_client *c, struct mp_span request, struct mp_span *payload, struct mp_error *err);

#endif
