/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blob on its way here: which pieces are asked for, of whom, and what to do when they do not
 * come. The inner half of core/fetch.h, which owns the requests that wait for it.
 */
#ifndef MP_CORE_XFER_H
#define MP_CORE_XFER_H

#include "codec/msg_blob.h"
#include "core/env.h"
#include "core/fetch.h"
#include "mp/base.h"
#include "mp/limits.h"
#include "util/dlist.h"
#include "util/map.h"

struct mp_roster;

/* A member that pieces are asked of. */
struct xfer_peer {
	struct mp_map_node node;
	struct mp_node_id id;
	struct mp_dlist active; /* in xfers.active while gets is not empty */
	struct mp_dlist gets;   /* oldest first */
	uint32_t get_count;
	mp_time heard_ms;
};

enum source_state {
	SOURCE_GOOD,
	SOURCE_FAILED, /* in this round */
	SOURCE_BAD,    /* it sent other bytes: never again */
};

struct source {
	struct xfer_peer *peer; /* NULL: none */
	enum source_state state;
	bool gave; /* a piece, since the last restart */
};

/* A request's part in a transfer. */
struct xfer_link {
	struct mp_dlist of_xfer;
	struct xfer *xfer; /* NULL: in none */
	void *owner;
	struct mp_blob_ref ref;
	enum mp_fetch_patience patience;
};

struct xfer {
	struct mp_map_node by_digest;
	struct mp_map_node by_id;
	struct mp_dlist queue; /* in ready, in paused, or in none */
	struct mp_dlist links;
	struct mp_dlist gets;
	struct mp_hash digest;
	uint64_t id; /* changes at each restart, so that late answers are not taken for new */
	uint64_t size;
	uint8_t *pieces; /* enum piece_state; &single when there is one */
	uint32_t piece_count;
	uint32_t left;   /* not written */
	uint32_t cursor; /* no piece before it is wanted */
	uint32_t get_count;
	uint32_t write_count;
	uint32_t round;
	uint32_t wrong; /* times that the bytes were not the digest's */
	mp_time progress_ms;
	mp_time resume_ms;
	uint64_t fallback_bound; /* members with a higher score were asked */
	struct source sources[MP_FETCH_HOLDERS_MAX];
	struct source fallback;
	struct xfer_peer *solo_peer;
	uint8_t source_count;
	uint8_t single;
	bool size_known;
	bool solo; /* one source at a time, to find out who sends wrong bytes */
	bool paused;
	bool asked; /* anybody, ever */
};

struct xfers {
	const struct mp_alloc *alloc;
	const struct mp_roster *roster;
	struct mp_node_id self;
	struct mp_map by_digest;
	struct mp_map by_id;
	struct mp_map peers;
	struct mp_dlist ready;  /* may have pieces to ask for */
	struct mp_dlist paused; /* wait for the next round */
	struct mp_dlist active; /* peers that owe pieces */
	uint32_t in_flight;     /* pieces asked for or being written */
	uint64_t last_id;
	mp_time paused_ms; /* not after the first resume_ms */
	uint64_t token;    /* ored into tokens of writes */
	uint64_t wrong;    /* times that bytes were not the digest's, or not as many as said */
	/* Every link was told by this that its blob is here (rc 0) or is not coming; it is no
	 * longer in the transfer. */
	void (*done)(void *ctx, struct xfer_link *link, int rc, uint64_t size);
	void *ctx;
};

void xfers_init(struct xfers *xs, struct mp_env *env, const struct mp_roster *roster);
void xfers_fini(struct xfers *xs);

/* Puts a link (with its ref) into the transfer of its blob, which is made if need be, and names
 * sources. 0 or MP_ENOMEM. */
int xfer_join(struct xfers *xs, struct mp_env *env, struct xfer_link *link,
	const struct mp_node_id *holders, size_t holder_count);
/* Takes it out; the last one ends the transfer. */
void xfer_leave(struct xfers *xs, struct xfer_link *link);

/* Asks for as many pieces as the bounds allow. */
void xfers_pump(struct xfers *xs, struct mp_env *env);

void xfers_data(struct xfers *xs, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_blob_data *m);
void xfers_none(struct xfers *xs, const struct mp_node_id *from, const struct mp_hash *digest);
void xfers_written(struct xfers *xs, struct mp_env *env, uint64_t token, int rc, bool complete);
void xfers_lost(struct xfers *xs, const struct mp_node_id *peer);
void xfers_tick(struct xfers *xs, struct mp_env *env);
mp_time xfers_deadline(const struct xfers *xs);

#endif
