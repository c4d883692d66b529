/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/udp.h"

#include "mp/limits.h"
#include "shell/peers.h"

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct mp_udp *udp = mp_container_of(handle, struct mp_udp, handle);

	(void)suggested;
	*buf = uv_buf_init((char *)udp->buffer, sizeof(udp->buffer));
}

static void
on_recv(uv_udp_t *handle, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned flags)
{
	struct mp_udp *udp = mp_container_of(handle, struct mp_udp, handle);
	struct mp_addr addr;

	if (from == NULL || n <= 0)
		return;
	udp->received++;
	/* One that was cut is longer than any of ours: junk either way, and counted as such. */
	if ((flags & UV_UDP_PARTIAL) != 0)
		n = 1;
	mp_addr_from_sockaddr(&addr, from);
	udp->datagram(udp->ctx, &addr, mp_span(buf->base, (size_t)n));
}

int
mp_udp_open(struct mp_udp *udp, uv_loop_t *loop, const struct sockaddr *addr,
	void (*datagram)(void *ctx, const struct mp_addr *from, struct mp_span bytes), void *ctx,
	struct mp_error *err)
{
	int size = 1024 * 1024;
	int rc;

	*udp = (struct mp_udp){.datagram = datagram, .ctx = ctx, .family = addr->sa_family};
	rc = uv_udp_init(loop, &udp->handle);
	if (rc != 0)
		return mp_fail(err, MP_EIO, "%s", uv_strerror(rc));
	udp->open = true;
	rc = uv_udp_bind(&udp->handle, addr, 0);
	if (rc == 0)
		rc = uv_udp_recv_start(&udp->handle, on_alloc, on_recv);
	if (rc != 0)
		return mp_peers_bind_error(rc, err);
	/* A stall of the loop is to cost latency, not datagrams; the kernel gives what it may. */
	(void)uv_recv_buffer_size((uv_handle_t *)&udp->handle, &size);
	return 0;
}

int
mp_udp_address(const struct mp_udp *udp, struct mp_addr *out)
{
	struct sockaddr_storage ss = {0};
	int size = sizeof(ss);
	int rc = uv_udp_getsockname(&udp->handle, (struct sockaddr *)&ss, &size);

	if (rc != 0)
		return MP_EIO;
	mp_addr_from_sockaddr(out, (const struct sockaddr *)&ss);
	return 0;
}

void
mp_udp_send(struct mp_udp *udp, const struct mp_addr *to, struct mp_span bytes)
{
	struct sockaddr_storage ss;
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);

	if (udp->family == AF_INET6)
		mp_addr_to_sockaddr6(&ss, to);
	else
		mp_addr_to_sockaddr(&ss, to);
	if (udp->open && (int)ss.ss_family == udp->family)
		(void)uv_udp_try_send(&udp->handle, &buf, 1, (const struct sockaddr *)&ss);
}

static void
on_closed(uv_handle_t *handle)
{
	struct mp_udp *udp = mp_container_of(handle, struct mp_udp, handle);

	udp->closed(udp->ctx);
}

void
mp_udp_close(struct mp_udp *udp, void (*closed)(void *ctx), void *ctx)
{
	mp_assert(udp->open);
	udp->open = false;
	udp->closed = closed;
	udp->ctx = ctx;
	uv_close((uv_handle_t *)&udp->handle, on_closed);
}
