/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a node can ask for. mp_node_step() leaves a bounded list of these; the shell carries
 * them out in order.
 *
 * Memory: effects and all they point to belong to the node (or to the event of the same step) and
 * stay valid until the next mp_node_step(). The shell copies what it needs longer.
 *
 * Nothing here needs an answer to be correct: a datagram or message that the shell cannot send is
 * lost, and the node's own deadlines see to it.
 */
#ifndef MP_EFFECT_H
#define MP_EFFECT_H

#include "mp/base.h"
#include "mp/event.h"
#include "mp/store.h"
#include "mp/work.h"

enum mp_effect_kind {
	MP_FX_DATAGRAM,  /* send bytes by UDP */
	MP_FX_CONNECT,   /* open a stream to an address whose node is not known yet (a seed) */
	MP_FX_RESOLVE,   /* a joiner's seeds: where are they now? MP_EV_SEEDS follows */
	MP_FX_SEND,      /* send one message on a stream, opening it when there is none */
	MP_FX_DROP_PEER, /* close the peer's streams */
	MP_FX_PERSIST, /* write rows in one transaction, then MP_EV_PERSISTED; at most one a step */
	MP_FX_ROWS_READ,  /* read rows back, in order of their keys */
	MP_FX_REPLY,      /* answer a control request */
	MP_FX_BLOB_STAT,  /* which of these blobs are complete? */
	MP_FX_BLOB_READ,  /* read up to size bytes from offset */
	MP_FX_BLOB_WRITE, /* keep a piece of a blob that comes from a peer */
	MP_FX_BLOB_SYNC,  /* all blobs complete by now are to survive a power cut */
	MP_FX_CACHE_PUT,  /* keep records of the result cache; one that is lost is only a miss */
	MP_FX_CACHE_FIND, /* which records are here for these bases? */
	MP_FX_CACHE_GET,  /* read records */
	MP_FX_BLOB_LIST,  /* which blobs are complete? one at a time */
	MP_FX_EXEC_START,
	MP_FX_LOG_READ,   /* what has an attempt written that runs here? */
	MP_FX_EXEC_KILL,  /* SIGTERM, grace, SIGKILL to the whole tree; DONE follows */
	MP_FX_EXEC_LEASE, /* what needs one has a longer lease */
	MP_FX_READY,      /* this node can take work: print the line, tell systemd */
	MP_FX_STOPPED,    /* graceful stop is complete: exit 0 */
	MP_FX_FATAL,      /* cannot go on: print the text, and end with an error */
};

struct mp_effect {
	enum mp_effect_kind kind;
	union {
		struct {
			struct mp_addr to;
			struct mp_span bytes; /* at most MP_DGRAM_MAX */
		} datagram;
		struct {
			struct mp_addr to;
		} connect;
		struct {
			struct mp_node_id peer;
			enum mp_class klass;
			struct mp_addr
				addrs[4]; /* where to connect if need be; port 0 ends the list */
			struct mp_span bytes; /* at most MP_MSG_MAX */
		} send;
		struct {
			struct mp_node_id peer;
		} drop;
		struct {
			uint64_t seq; /* one more than the last one */
			const struct mp_row *rows;
			size_t count;
		} persist;
		struct {
			uint64_t token;
			enum mp_table table;
			struct mp_span from, to; /* from <= key < to, bytewise */
			uint32_t size;           /* keys and values of about so many bytes */
		} rows_read;
		struct {
			uint64_t request;
			struct mp_span bytes;
			bool last; /* false: more replies to this request will follow */
		} reply;
		struct {
			uint64_t token;
			const struct mp_hash *digests;
			size_t count;
		} blob_stat;
		struct {
			uint64_t token;
			struct mp_hash digest;
			uint64_t offset;
			uint32_t size;
		} blob_read;
		struct {
			uint64_t token;
			struct mp_hash digest;
			uint64_t size;   /* of the whole blob */
			uint64_t offset; /* a multiple of MP_CHUNK_SIZE */
			struct mp_span bytes;
		} blob_write;
		struct {
			uint64_t token;
		} blob_sync;
		struct {
			struct mp_hash after; /* exclusive; zero: from the beginning */
			uint32_t max;
		} blob_list;
		struct {
			const struct mp_cached *items; /* replace what has the same key */
			size_t count;
		} cache_put;
		struct {
			uint64_t token;
			const struct mp_hash *bases; /* at most MP_CACHE_ASK_MAX */
			size_t count;
		} cache_find;
		struct {
			uint64_t token;
			const struct mp_hash *keys; /* at most MP_CACHE_GET_MAX */
			size_t count;
		} cache_get;
		struct {
			uint64_t token;
			struct mp_log_piece piece;
		} log_read;
		struct mp_exec_request exec_start;
		struct {
			struct mp_attempt_key key;
		} exec_kill;
		struct {
			struct mp_attempt_key key;
			mp_time until_ms; /* as lease_until_ms of the request */
		} exec_lease;
		struct {
			int code; /* MP_E*; MP_EAUTH: this node is shut out, and stays so */
			const char *text;
		} fatal;
	} u;
};

#endif
