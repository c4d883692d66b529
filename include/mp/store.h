/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node keeps on disk. control.db holds small rows that must survive a power cut before
 * anything that depends on them is said (synchronous=FULL); cache.db holds blobs (DESIGN 8).
 *
 * The core sees control.db as named tables of (key, value) rows, so that the simulator's disk can
 * be a sorted map and a shell can map each table onto an SQL table of its own. Integers in keys
 * are big-endian, so that byte order is numeric order.
 */
#ifndef MP_STORE_H
#define MP_STORE_H

#include "mp/base.h"
#include "mp/limits.h"

/* X(name, SQL table). The numbers go into checksums: add at the end only. */
#define MP_TABLES(X)                                                                               \
	X(META, "meta")       /* text name -> value: boot counter, gossip keys, … */             \
	X(MEMBER, "member")   /* node id -> credential, last signed statement, left */             \
	X(RUN, "run")         /* run id -> signed run record and pipeline */                       \
	X(VOTE, "vote")       /* run id -> term and vote */                                        \
	X(ENTRY, "entry")     /* run id, index (u64) -> log entry */                               \
	X(FENCE, "fence")     /* run id -> highest (generation, term) and its certificate */       \
	X(HELD, "held")       /* run id, attempt -> result that is not committed yet */            \
	X(KNOWN, "known")     /* run id -> signed record and end summary, of any run */            \
	X(REVOKED, "revoked") /* key -> signed revocation */                                       \
	X(SECRET, "secret")   /* run id -> its secrets, sealed; gone for good when it is deleted */

enum mp_table {
#define X(name, sql) MP_TABLE_##name,
	MP_TABLES(X)
#undef X
		MP_TABLE_COUNT
};

/*
 * The tables whose rows are restored at the start, in this order, keys ascending. Logs are long,
 * and most are of runs that have ended: the core asks for entries (MP_FX_ROWS_READ), and knows from
 * KNOWN which runs have ended before it meets them in RUN.
 */
#define MP_TABLES_RESTORED(X)                                                                      \
	X(META) X(REVOKED) X(MEMBER) X(KNOWN) X(RUN) X(SECRET) X(VOTE) X(FENCE) X(HELD)

enum mp_row_op {
	MP_ROW_PUT,
	MP_ROW_DELETE,
	MP_ROW_DELETE_RANGE, /* every key k with key <= k < value (bytewise) */
};

struct mp_row {
	enum mp_row_op op;
	enum mp_table table;
	struct mp_span key;   /* 1 to 64 bytes */
	struct mp_span value; /* of PUT; the open end of DELETE_RANGE */
};

/* What cache.db knows of a blob. */
struct mp_blob_state {
	bool complete;
	uint64_t size; /* when complete */
};

struct mp_blob_ref {
	struct mp_hash digest;
	uint64_t size;
};

/*
 * One result that may stand for another execution (DESIGN 8). `key` is over everything that the
 * result depends on; `base` over the part of it that is known before anything has run, so that a
 * run can ask at its start for all that may be of use to it.
 */
struct mp_cached {
	struct mp_hash base;
	struct mp_hash key;
	struct mp_span record; /* see mp_cache_record_decode() in codec/msg_cache.h */
};

/* That there is such a record. Of one base at most MP_CACHE_PER_BASE, the newest, are named. */
struct mp_cache_ref {
	struct mp_hash base;
	struct mp_hash key;
};

/* What cache.db has. */
struct mp_cache_totals {
	uint64_t blobs;
	uint64_t bytes;  /* of complete blobs, uncompressed */
	uint64_t stored; /* of the database file */
	uint64_t results;
	uint64_t result_bytes; /* of their records */
};

/* What was found wrong with the file, and with the records of results, which are gone then. */
struct mp_cache_sound {
	char wrong[256]; /* for people; empty when nothing is */
	uint64_t results;
	uint64_t damaged;
};

/* What was found wrong with some blobs, which are gone then. */
struct mp_cache_checked {
	uint64_t blobs; /* that were read */
	uint64_t bytes;
	bool more; /* there are others */
	struct mp_hash last;
	size_t damaged_count;
	struct mp_hash damaged[MP_CACHE_CHECK_MAX];
};

#endif
