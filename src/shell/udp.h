/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram socket. Knows when it has been drained, so that nobody is judged by a stale view. */
#ifndef MP_SHELL_UDP_H
#define MP_SHELL_UDP_H

#include "mp/base.h"
#include "mp/error.h"

#include <uv.h>

struct mp_udp {
	uv_udp_t handle;
	uint64_t received; /* datagrams handed over; compare before and after to see a drained loop
			    */
	void (*datagram)(void *ctx, const struct mp_addr *from, struct mp_span bytes);
	void (*closed)(void *ctx);
	void *ctx;
	bool open;
	int family;
	uint8_t buffer[2048];
};

/* Binds. port 0 takes a free one. MP_EBUSY (taken), MP_EINVAL (not an address of ours), MP_EIO. */
int mp_udp_open(struct mp_udp *udp, uv_loop_t *loop, const struct sockaddr *addr,
	void (*datagram)(void *ctx, const struct mp_addr *from, struct mp_span bytes), void *ctx,
	struct mp_error *err);
/* The address it is bound to. */
int mp_udp_address(const struct mp_udp *udp, struct mp_addr *out);
/* Lost when the socket is full, as the network may lose it. */
void mp_udp_send(struct mp_udp *udp, const struct mp_addr *to, struct mp_span bytes);
/* closed(ctx) once, on the loop. */
void mp_udp_close(struct mp_udp *udp, void (*closed)(void *ctx), void *ctx);

#endif
