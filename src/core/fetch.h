/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs between nodes: brings blobs into the local store from whoever has them, reads small ones
 * into memory, and serves peers that ask (DESIGN 8).
 *
 *   want ─▶ BLOB_STAT ─▶ pieces: BLOB_GET ─▶ peer ─▶ BLOB_DATA ─▶ BLOB_WRITE ─▶ store verifies
 *                              ▲  none, down, silent, wrong bytes: another source  │
 *                              └───────────────────────────────────────────────────┘
 *
 * Sources are the holders that were named, several at a time, and when none of them has it every
 * alive member in rendezvous order, one at a time. All of them are asked again after a growing
 * pause, until MP_FETCH_ROUNDS rounds or MP_FETCH_GIVE_UP_MS are over: then the blob is lost, and
 * MP_ENOENT tells so. Who is steadfast waits MP_FETCH_AWAY_MS for holders that are away and may
 * come back. Several wants for one blob share one transfer. A break costs only the pieces that were
 * under way.
 *
 * node.c gives this module BLOB_STAT, BLOB_READ and BLOB_WRITTEN events whose token satisfies
 * mp_fetch_owns(), messages 80 to 82, and every LINK event of the bulk class.
 */
#ifndef MP_CORE_FETCH_H
#define MP_CORE_FETCH_H

#include "codec/msg_blob.h"
#include "core/env.h"
#include "mp/base.h"
#include "mp/event.h"

struct mp_fetch;
struct mp_roster;
struct mp_fetch_want;

#define MP_FETCH_ROUNDS     5
#define MP_FETCH_GIVE_UP_MS 30000
#define MP_FETCH_AWAY_MS    120000

/* Ascending. */
enum mp_fetch_patience {
	MP_FETCH_HASTY = -1, /* one round: MP_ENOENT when nobody has it now */
	MP_FETCH_PATIENT,
	MP_FETCH_STEADFAST, /* not while a named holder is down, and no more than that */
};

/* Tokens of this module's effects have this in their top byte. */
#define MP_TOKEN_FETCH (0xf1ull << 56)

/* Borrows the roster for its life. 0 or MP_ENOMEM. */
int mp_fetch_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch **out);
/* Requests that are open are forgotten without a word. */
void mp_fetch_free(struct mp_fetch *fetch);

/*
 * A request, embedded in what asks. Idle when zeroed. From success of mp_fetch_get() or
 * mp_fetch_read() until `done` or mp_fetch_cancel() it must stay where it is. `done` is called
 * exactly once, never from inside the call that started it, and may start or cancel requests,
 * this one included.
 */
struct mp_fetch_req {
	/*
	 * rc 0: every blob is complete in the local store (read: `bytes` has the blob, borrowed
	 * until done returns). MP_ENOENT: nobody has `blob`. MP_ECORRUPT: its size is not the one
	 * that was said. MP_ELIMIT: read only, it is larger than asked for. MP_EFULL, MP_EIO: the
	 * local store says so. MP_ENOMEM.
	 */
	void (*done)(struct mp_fetch_req *req, struct mp_env *env, int rc,
		const struct mp_hash *blob, struct mp_span bytes);
	struct mp_fetch_want *want;      /* NULL when idle */
	enum mp_fetch_patience patience; /* set before it starts */
	/* get only, likewise: a blob that cannot be had does not keep the others from coming; done
	 * tells of the first such one when nothing more is under way. */
	bool all;
};

/*
 * Wants n blobs in the local store. The lists are copied; a size may be MP_SIZE_UNKNOWN. Holders
 * are where to ask first; this node among them is skipped. 0 or MP_ENOMEM.
 */
int mp_fetch_get(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, const struct mp_node_id *holders,
	size_t holder_count);

/* Wants the bytes of one blob of at most max bytes, fetching it first when it is not here. */
int mp_fetch_read(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_hash *digest, size_t max, const struct mp_node_id *holders,
	size_t holder_count);

/* Forgets a request that is open; nothing on an idle one. Pieces that are here already stay. */
void mp_fetch_cancel(struct mp_fetch *fetch, struct mp_fetch_req *req);

bool mp_fetch_owns(uint64_t token);

/* BLOB_STAT, BLOB_READ, BLOB_WRITTEN, and LINK of the bulk class. */
void mp_fetch_event(struct mp_fetch *fetch, struct mp_env *env, const struct mp_event *event);

/* Messages 80 to 82 of a member. 0, or why it was dropped: MP_EFORMAT, MP_ETRUNC, MP_ELIMIT; a
 * request over MP_SERVE_QUEUE_MAX is MP_EBUSY. */
int mp_fetch_message(struct mp_fetch *fetch, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

void mp_fetch_tick(struct mp_fetch *fetch, struct mp_env *env);
mp_time mp_fetch_deadline(const struct mp_fetch *fetch);

/* Times that a peer gave what was not the blob. */
uint64_t mp_fetch_wrong(const struct mp_fetch *fetch);

/* When this peer last asked us for a piece; 0 never. Whoever waits for a peer to fetch uses it. */
mp_time mp_fetch_served_ms(const struct mp_fetch *fetch, const struct mp_node_id *peer);

/* A member's place in the rendezvous order of a digest: the highest is the first. */
uint64_t mp_rendezvous(const struct mp_hash *digest, const struct mp_node_id *member);

#endif
