/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram socket. Knows when it has been drained, so that nobody is judged by a stale view. */
#ifndef MP_SHELL_UDP_H
#define MP_SHELL_UDP_H

#include "mp/base.h"
#include "mp/error.h"

#include <uv.h>

struct mp_udp {
	uv_udp_t handle;
	uint64_t received; /* datagrams handed over; whoever compares sees a socket drained */
	void (*datagram)(void *ctx, const struct mp_addr *from, struct mp_span bytes);
	void (*closed)(void *ctx);
	void *ctx;
	bool open;
	int family; /* AF_* of the socket */
	uint8_t buffer[2048];
};

/* Most datagrams that libuv reads before it looks at other sockets. */
#define MP_UDP_ROUND 32

/* Binds; port 0 takes a free one, and :: is IPv4 too. Errors as mp_peers_listen(); the handle is to
 * be closed if `open` was set. */
int mp_udp_open(struct mp_udp *udp, uv_loop_t *loop, const struct sockaddr *addr,
	void (*datagram)(void *ctx, const struct mp_addr *from, struct mp_span bytes), void *ctx,
	struct mp_error *err);
/* The address it is bound to. */
int mp_udp_address(const struct mp_udp *udp, struct mp_addr *out);
/* Lost when the socket is full or of another family, as the network may lose it. */
void mp_udp_send(struct mp_udp *udp, const struct mp_addr *to, struct mp_span bytes);
/* closed(ctx) once, on the loop. */
void mp_udp_close(struct mp_udp *udp, void (*closed)(void *ctx), void *ctx);

#endif
