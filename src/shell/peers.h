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
 *
 * What is sent waits for the handshake, and is written before the loop next sleeps. A peer that
 * does not take MP_STREAM_QUEUE_MAX loses what is over it, and the stream when its kernel is silent
 * or its window closed for path_ms. A stream that was used within MP_PEERS_WATCH_MS is asked for a
 * sign of life when nothing passes: who waits for an answer on it learns soon that there will be
 * none, even where only the other side has seen the path cut.
 *
 * A stream that carried no message for close_ms is closed by whoever opened it, if that node is
 * quiet: nobody there waits for anything. The next message opens another one.
 *
 * Two kinds of guests are no peers: one that knocks says in its handshake who it is, gets one
 * answer, and is no more than that; a client has proved that it may control the node from
 * elsewhere, and asks and is answered as on the control socket.
 */
#ifndef MP_SHELL_PEERS_H
#define MP_SHELL_PEERS_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/effect.h"
#include "mp/error.h"
#include "mp/event.h"
#include "mp/member.h"
#include "shell/addr.h"

#include <uv.h>

struct mp_peers;

struct mp_peers_guest {
	uint64_t number; /* of its stream */
	bool knocks;
	struct mp_node_id id;
	struct mp_name name;
	uint32_t roles; /* of a client */
	struct mp_addr addr;
	/* What a client has proved itself by, to be judged again: its stream may outlast that.
	 * Borrowed for the call. */
	struct mp_span credential;
	struct mp_xkey xkey;
};

struct mp_peers_config {
	uv_loop_t *loop; /* all borrowed until closed */
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	const struct mp_secret *secret;
	struct mp_xkey static_key;
	struct mp_cluster_id cluster;
	struct mp_node_id self;
	unsigned idle_s; /* a stream that is not used is asked for a sign of life that often */
	mp_time path_ms; /* bytes unacknowledged, or no way to an address, for so long: it is cut */
	mp_time close_ms;         /* 0: never for being idle */
	bool (*quiet)(void *ctx); /* with close_ms */
	/* As mp_node_check_peer(). */
	int (*check)(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
		struct mp_node_id *id, bool *joiner, struct mp_error *err);
	/* May it control this node? Fills id, name and roles. As check; NULL: nobody may. */
	int (*client)(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
		struct mp_peers_guest *out, struct mp_error *err);
	/* A guest speaks: a client its request, and one that knocks, once, who it is (a request of
	 * codec/record_cert.h that was verified). Answered by mp_peers_answer(). */
	void (*guest)(void *ctx, const struct mp_peers_guest *guest, struct mp_span bytes);
	/* It has gone. May be called from inside mp_peers_answer(). */
	void (*guest_gone)(void *ctx, uint64_t number);
	/* Has this joiner become a member? */
	bool (*member)(void *ctx, const struct mp_node_id *id);
	/* Does a member say that it is at this source (mp_addr_source())? May be NULL. */
	bool (*member_at)(void *ctx, const struct mp_addr *source);
	struct mp_span (*credential)(void *ctx);
	/* LINK and MESSAGE events, without times; borrowed for the call. LINK that is not UP may be
	 * called from inside mp_peers_send() and the like. */
	void (*event)(void *ctx, struct mp_event *ev);
	/* A stream that came to nothing, for the log; addr is where it was from or to. */
	void (*trouble)(void *ctx, const struct mp_addr *addr, const struct mp_error *err);
	void *ctx;
};

/* Bounds: accepted streams that have not proved membership yet; one source (mp_addr_source()) may
 * have a part of them. More: the one that has greeted for longest is closed for the new one, those
 * from where no member is before the others, so that whoever holds many does not keep out who needs
 * a moment. How fast they are taken: gate.h. */
#define MP_PEERS_GREETING_MAX        256
#define MP_PEERS_GREETING_SOURCE_MAX 64
/* To greet, or path_ms if that is more; for a joiner to become a member. */
#define MP_PEERS_GREETING_MS 5000
#define MP_PEERS_JOINER_MS   30000
/* Clients at a time. More: refused. */
#define MP_PEERS_CLIENTS_MAX        64
#define MP_PEERS_CLIENTS_OF_ONE_MAX 32 /* by one key: nobody keeps all others out */
/* A stream is watched for so long after its last message. */
#define MP_PEERS_WATCH_MS 20000

/* Why a stream was not good. */
enum mp_peers_refusal {
	MP_REFUSED_HANDSHAKE_MALFORMED, /* not our protocol */
	MP_REFUSED_HANDSHAKE_FORGED,    /* mangled, repeated, or for another cluster */
	MP_REFUSED_HANDSHAKE_VERSION,
	MP_REFUSED_HANDSHAKE_TIMEOUT,
	MP_REFUSED_HANDSHAKE_CLOSED, /* by the other side */
	MP_REFUSED_CERT_MALFORMED,
	MP_REFUSED_CERT_FORGED, /* a signature is bad */
	MP_REFUSED_CERT_CLUSTER,
	MP_REFUSED_CERT_EXPIRED,
	MP_REFUSED_CERT_ROLE,
	MP_REFUSED_CERT_REVOKED,
	MP_REFUSED_CERT_UNPROVED, /* not of this cluster's authority, not admitted, not its own */
	MP_REFUSED_COUNT
};

struct mp_peers_stats {
	uint64_t rejected;   /* streams that came in and were not good: by reason, or for want of
			      * memory or room */
	uint64_t distrusted; /* that this node opened, and who answered was not good */
	uint64_t refused[MP_REFUSED_COUNT]; /* of both */
	uint64_t crowded;   /* that were closed for another one, by the bounds above */
	uint64_t broken;    /* that were good, and closed for what came over them later */
	uint64_t throttled; /* closed at once, because they came too fast */
	uint64_t lost;      /* messages for which there was no room or no way */
	size_t unproved;    /* now: streams that have not proved membership, */
	size_t clients;     /* and clients */
};

int mp_peers_new(const struct mp_peers_config *config, struct mp_peers **out);

/* MP_EBUSY: the port is taken; MP_EAUTH: not for this user; MP_EINVAL: not an address of this
 * machine; MP_EIO. */
int mp_peers_listen(struct mp_peers *peers, const struct sockaddr *addr, struct mp_error *err);
/* From now on what comes in is taken; before, it waits in the kernel. A node that cannot act on a
 * message yet must not let a peer believe that it has got it. */
void mp_peers_accept(struct mp_peers *peers);

/* An address that cannot be reached is followed by the next one of the effect. One without any has
 * to have opened a stream itself: LINK_FAILED when it has not. */
void mp_peers_send(struct mp_peers *peers, const struct mp_effect *send);
/* LINK_UP with who it is, a member; or REFUSED or FAILED with that address and a zero id. */
void mp_peers_connect(struct mp_peers *peers, const struct mp_addr *addr);
void mp_peers_drop(struct mp_peers *peers, const struct mp_node_id *id);
/* A message to a guest; nothing when it has gone. */
void mp_peers_answer(struct mp_peers *peers, uint64_t number, struct mp_span bytes);

/* Another path_ms, for streams that are opened from now on. */
void mp_peers_set_path(struct mp_peers *peers, mp_time path_ms);

void mp_peers_stats(const struct mp_peers *peers, struct mp_peers_stats *out);

/* Writes what sockets take now and closes every stream; closed(ctx) once, on the loop, then *peers
 * is gone. No callback of the config is called any more. */
void mp_peers_close(struct mp_peers *peers, void (*closed)(void *ctx), void *ctx);

/* What a bind(2) or listen(2) that failed means: fills err. rc is libuv's. */
int mp_peers_bind_error(int rc, struct mp_error *err);

#endif
