/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that can happen to a node. The shell (libuv or the simulator) turns whatever happened
 * into one struct mp_event and calls mp_node_step().
 *
 * Memory: an event and all it points to belongs to the shell and is borrowed by the node until the
 * effects of that step have been carried out. The node copies what it keeps.
 */
#ifndef MP_EVENT_H
#define MP_EVENT_H

#include "mp/base.h"
#include "mp/store.h"
#include "mp/work.h"

enum mp_event_kind {
	MP_EV_RESTORE,   /* one stored row; any number of these, before START */
	MP_EV_START,     /* every row was restored; exactly once */
	MP_EV_TICK,      /* the deadline came */
	MP_EV_DATAGRAM,  /* bytes on the UDP socket */
	MP_EV_LINK,      /* a stream to a peer came up or went down */
	MP_EV_SEEDS,     /* where a joiner's seeds are, as far as they are found */
	MP_EV_MESSAGE,   /* one whole message on a stream */
	MP_EV_PERSISTED, /* rows up to a sequence number are on disk */
	MP_EV_ROWS_READ, /* the answer to MP_FX_ROWS_READ */
	MP_EV_CONTROL,   /* a request of mpctl */
	MP_EV_CONTROL_CLOSED,
	MP_EV_BLOB_STAT, /* the answer to MP_FX_BLOB_STAT */
	MP_EV_BLOB_READ,
	MP_EV_BLOB_WRITTEN,
	MP_EV_BLOB_SYNCED,
	MP_EV_BLOB_LIST,
	MP_EV_CACHE_FOUND, /* the answer to MP_FX_CACHE_FIND */
	MP_EV_CACHE_GOT,
	MP_EV_LOG_READ, /* the answer to MP_FX_LOG_READ */
	MP_EV_EXEC,     /* the executor reports on an attempt */
	MP_EV_CAPS,     /* what this node can do has changed */
	MP_EV_STOP,     /* SIGTERM: stop gracefully; a second one: at once */
};

/* Streams come in two classes, so that a vote never waits behind a blob. */
enum mp_class {
	MP_CLASS_CONTROL,
	MP_CLASS_BULK,
};

enum mp_link_state {
	MP_LINK_UP,      /* a stream is open; messages are delivered in order until DOWN */
	MP_LINK_DOWN,    /* it closed; messages not yet delivered are lost */
	MP_LINK_REFUSED, /* connecting was actively refused: nobody listens there */
	MP_LINK_FAILED,  /* connecting timed out or the network said no */
};

struct mp_event {
	enum mp_event_kind kind;
	mp_time now_ms;   /* CLOCK_BOOTTIME, never falls within one boot of the node */
	mp_time wall_ms;  /* Unix time, may jump */
	uint64_t entropy; /* 64 fresh random bits */
	union {
		struct mp_row restore; /* op is MP_ROW_PUT */
		struct {
			struct mp_addr from;
			struct mp_span bytes;
		} datagram;
		struct {
			struct mp_node_id peer;
			enum mp_class klass;
			enum mp_link_state state;
			struct mp_span credential; /* with UP: what the peer proved itself with */
			struct mp_addr addr;
			bool joiner; /* with UP: the credential carries no admission yet */
		} link;
		struct {
			const struct mp_addr *addrs;
			size_t count; /* 0: none of them, by now */
		} seeds;
		struct {
			struct mp_node_id peer;
			enum mp_class klass;
			struct mp_span bytes;
		} message;
		struct {
			uint64_t seq;
		} persisted;
		struct {
			uint64_t token;
			int rc; /* 0, MP_ECORRUPT (damaged; rows before it may be given), MP_EIO,
				 * MP_ENOMEM */
			const struct mp_row *rows; /* durable ones; op is PUT */
			size_t count;
			bool more; /* there are more, after the last one */
		} rows_read;
		struct {
			uint64_t request; /* named by the shell, unique while it is open */
			struct mp_span bytes;
		} control;
		struct {
			uint64_t token;
			const struct mp_blob_state
				*states; /* as many, in the same order, as asked */
			size_t count;
		} blob_stat;
		struct {
			uint64_t token;
			int rc;        /* 0, MP_ENOENT, MP_ECORRUPT or MP_EIO */
			uint64_t size; /* of the whole blob */
			uint64_t offset;
			struct mp_span bytes;
		} blob_read;
		struct {
			uint64_t token;
			int rc; /* 0, MP_EFULL, MP_EIO; MP_ESIG: complete but the digest differs */
			bool complete; /* every byte is there and the digest holds */
		} blob_written;
		struct {
			uint64_t token;
			int rc;
		} blob_synced;
		struct {
			int rc;                         /* 0, or MP_EIO: it is not whole */
			const struct mp_blob_ref *refs; /* ascending by digest */
			size_t count;                   /* below max: there are no more */
		} blob_list;
		struct {
			uint64_t token;
			int rc; /* 0; MP_EIO, MP_ECORRUPT, MP_ENOMEM: and nothing was found */
			const struct mp_cache_ref *refs;
			size_t count;
		} cache_found;
		struct {
			uint64_t token;
			int rc;
			const struct mp_span *records; /* as many, in the same order, as asked;
							* an empty one: it is not here */
			size_t count;
		} cache_got;
		struct {
			uint64_t token;
			int rc;          /* 0, MP_ENOENT: that attempt does not run here; MP_EIO */
			uint64_t offset; /* of bytes; more than asked when the middle was dropped */
			struct mp_span bytes;
		} log_read;
		struct mp_exec_report exec;
		struct {
			struct mp_span caps; /* encoded capabilities, see mp/member.h */
			uint32_t slots;      /* of them */
		} caps;
	} u;
};

#endif
