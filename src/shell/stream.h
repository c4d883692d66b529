/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One encrypted stream to a node from a program that is none: mpctl from elsewhere, or mpnode that
 * waits to be admitted. Plain blocking calls with a deadline over the sessions of codec/frame.h.
 */
#ifndef MP_SHELL_STREAM_H
#define MP_SHELL_STREAM_H

#include "codec/frame.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"

#include <signal.h>

/* Payloads of a handshake: [class, credential bstr], the class being the opener's to say and 0 in
 * the answer. The first ones are those of enum mp_class. Who knocks is answered with [cluster32],
 * and says a signed request of codec/record_cert.h. */
#define MP_STREAM_CLASS_CLIENT 2

struct mp_stream_config {
	const struct mp_alloc *alloc; /* this and the next: borrowed until closed */
	const struct mp_secret *secret;
	struct mp_xkey static_key;
	struct mp_cluster_id cluster; /* ignored by one that knocks */
	bool knock;
	struct mp_span proof; /* what we say in the handshake's last message; borrowed by open */
	/* Is it who we want? It has proved that key, and says this. Called once, by open. */
	int (*check)(
		void *ctx, struct mp_span says, const struct mp_xkey *xkey, struct mp_error *err);
	void *ctx;
};

struct mp_stream {
	int fd; /* below 0: closed */
	bool has_session;
	struct mp_session session;
	mp_time deadline_ms;               /* CLOCK_MONOTONIC; MP_TIME_NEVER is none */
	const volatile sig_atomic_t *stop; /* not 0: calls end with MP_ECANCELED; may be NULL */
	uint8_t *read;                     /* a buffer, and what of it is not used yet */
	struct mp_span unused;
};

/* CLOCK_MONOTONIC. */
mp_time mp_stream_now_ms(void);

/*
 * Connects to HOST:PORT and greets. s->deadline_ms and s->stop are set by the caller before, the
 * rest is filled. MP_EREFUSED: nobody is reached there; MP_EAUTH, MP_ESIG, MP_EVERSION, MP_EFORMAT:
 * not who we want, or it does not want us; MP_EINVAL: no address; MP_ETIMEOUT, MP_ECANCELED,
 * MP_ENOMEM, or what check says. On error it is closed.
 */
int mp_stream_open(struct mp_stream *s, const struct mp_stream_config *config, const char *where,
	struct mp_error *err);
/* Fine on one that is closed, or zeroed with fd below 0. */
void mp_stream_close(struct mp_stream *s);

/* One message. MP_ECLOSED, MP_ETIMEOUT, MP_ECANCELED, MP_ELIMIT, MP_ENOMEM. */
int mp_stream_send(struct mp_stream *s, struct mp_span message, struct mp_error *err);
/* The next one; borrowed until the next call. As sending, and what codec/frame.h finds wrong. */
int mp_stream_receive(struct mp_stream *s, struct mp_span *message, struct mp_error *err);

#endif
