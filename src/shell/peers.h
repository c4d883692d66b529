/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams to other nodes: TCP under the sessions of codec/frame.h, one per peer and class.
 *
 *   CONNECTING -> GREETING -> OPEN -> (RETIRED) -> CLOSING
 *
 * A stream carries messages in order from LINK_UP to LINK_DOWN. When both sides open one at the
 * same time, both stay, the one opened by the lower node id is used for sending from then on, and
 * the other is retired: it is read until its opener closes it. A stream that the same side opens
 * again, or that comes long after, replaces the one before: the peer has restarted.
 */
#ifndef MP_SHELL_PEERS_H
#define MP_SHELL_PEERS_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/effect.h"
#include "mp/error.h"
#include "mp/event.h"

#include <uv.h>

struct mp_peers;

struct mp_peers_config {
	uv_loop_t *loop; /* all borrowed until closed */
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	const struct mp_secret *secret;
	struct mp_xkey static_key;
	struct mp_cluster_id cluster;
	struct mp_node_id self;
	/* As mp_node_check_peer(). */
	int (*check)(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
		struct mp_node_id *id, bool *joiner, struct mp_error *err);
	struct mp_span (*credential)(void *ctx);
	/* LINK and MESSAGE events, without times; borrowed for the call. May be called from inside
	 * mp_peers_send() and the like. */
	void (*event)(void *ctx, struct mp_event *ev);
	/* A stream that came to nothing, for the log; addr is where it was from or to. */
	void (*trouble)(void *ctx, const struct mp_addr *addr, const struct mp_error *err);
	void *ctx;
};

/* Bounds: streams that have not proved anything yet; one source may have a part of them. */
#define MP_PEERS_GREETING_MAX        256
#define MP_PEERS_GREETING_SOURCE_MAX 64
#define MP_PEERS_GREETING_MS         5000

int mp_peers_new(const struct mp_peers_config *config, struct mp_peers **out);

/* MP_EBUSY: the port is taken; MP_EINVAL: not an address of this machine; MP_EIO. */
int mp_peers_listen(struct mp_peers *peers, const struct sockaddr *addr, struct mp_error *err);

void mp_peers_send(struct mp_peers *peers, const struct mp_effect *send);
void mp_peers_connect(struct mp_peers *peers, const struct mp_addr *addr);
void mp_peers_drop(struct mp_peers *peers, const struct mp_node_id *id);

/* Closes every stream; closed(ctx) once, on the loop, then *peers is gone. */
void mp_peers_close(struct mp_peers *peers, void (*closed)(void *ctx), void *ctx);

/* ---- addresses ---- */

void mp_addr_from_sockaddr(struct mp_addr *out, const struct sockaddr *sa);
void mp_addr_to_sockaddr(struct sockaddr_storage *out, const struct mp_addr *addr);
/* "127.0.0.1:7117", "[::1]:7117"; out has room for MP_ADDR_TEXT. */
#define MP_ADDR_TEXT 56
void mp_addr_format(char out[MP_ADDR_TEXT], const struct mp_addr *addr);

#endif
