/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE/control.sock: requests of mpctl, framed as codec/msg_ctl.h says.
 *
 * Who connects must be this process's user or root (SO_PEERCRED), or where there is a control group
 * a member of it (SO_PEERGROUPS); others are cut off. A connection
 * has one request under way, and the next one is taken when its answer was written. Requests
 * 150–199 are answered here, from the cache on the thread pool or by the callbacks; all others go
 * to `request`. What is no request at all is answered with an error, and the connection closed. A
 * client that does not take its answer, or sends half a request, for MP_CTLSOCK_SLOW_MS is cut off.
 */
#ifndef MP_SHELL_CTLSOCK_H
#define MP_SHELL_CTLSOCK_H

#include "codec/msg_ctl.h"
#include "mp/base.h"
#include "mp/error.h"
#include "shell/cache.h"
#include "util/buf.h"

#include <sys/types.h>
#include <uv.h>

/* Connections at a time. More: closed at once. */
#define MP_CTLSOCK_CLIENTS_MAX 128
/* Bytes of answers that one client has not taken. More: cut off. */
#define MP_CTLSOCK_QUEUE_MAX (2u * MP_MSG_MAX)
#define MP_CTLSOCK_SLOW_MS   60000

struct mp_ctlsock;

/* All callbacks come on the loop's thread, and never from inside mp_ctlsock_reply() except
 * `closed`. None may wait for a disk. */
struct mp_ctlsock_config {
	uv_loop_t *loop;        /* borrowed until closed */
	struct mp_cache *cache; /* likewise */
	const char *path;       /* of the socket; copied */
	bool has_group;         /* members of `group` may connect */
	gid_t group;
	/* A request for the core; bytes are borrowed for the call. */
	void (*request)(void *ctx, uint64_t request, struct mp_span bytes);
	/* Who asked has gone; do not answer any more. Only for what has no last answer yet. */
	void (*closed)(void *ctx, uint64_t request);
	/* INVITE, ADMIT, SIGN_TAKEOVER or NODE_SET, answered by mp_ctlsock_answer(), now or later;
	 * *m is borrowed for the call. */
	void (*own)(void *ctx, uint64_t request, const struct mp_ctl_local *m);
	/* To a guest. */
	void (*guest_answer)(void *ctx, uint64_t guest, struct mp_span bytes);
	/* Fills all but `items`; what it points to is good until the callback is called again. */
	void (*info)(void *ctx, struct mp_ctl_info *info);
	void *ctx;
};

/* The process ignores SIGPIPE. Replaces a socket that is there already: the caller holds the state
 * directory's lock. MP_EBUSY: the path is something else; MP_ELIMIT: it is too long; MP_EIO,
 * MP_EFULL, MP_ENOMEM. */
int mp_ctlsock_open(
	const struct mp_ctlsock_config *config, struct mp_ctlsock **out, struct mp_error *err);

/* bytes is a whole answer; copied. last: the request is over. Nothing for a request that is closed
 * or over. */
void mp_ctlsock_reply(struct mp_ctlsock *sock, uint64_t request, struct mp_span bytes, bool last);

/* The last answer to a request: a payload, or with rc != 0 an error, whose text is err's or that of
 * rc. Nothing for a request that is closed or over. */
void mp_ctlsock_answer(struct mp_ctlsock *sock, uint64_t request, int rc, struct mp_span payload,
	const struct mp_error *err);

/*
 * A request that came over a stream (shell/peers.h), from one who may ask it; answered by
 * guest_answer, maybe before this returns. MP_EBUSY: the last one of this guest is not answered
 * yet; MP_ENOMEM.
 */
int mp_ctlsock_guest_ask(struct mp_ctlsock *sock, uint64_t guest, struct mp_span bytes);
/* It has gone, whether it waits for an answer or not. */
void mp_ctlsock_guest_gone(struct mp_ctlsock *sock, uint64_t guest);

/* Cuts off everybody and removes the socket; closed(ctx) once, on the loop, then *sock is gone. No
 * callback of the config is called any more. */
void mp_ctlsock_close(struct mp_ctlsock *sock, void (*closed)(void *ctx), void *ctx);

#endif
