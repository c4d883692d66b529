/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of one run's log in memory, as the bytes that were hashed, with what is asked of them
 * often kept beside. Each entry names the hash of the one before, so that two logs that agree on
 * one hash agree on everything up to it.
 */
#ifndef MP_CORE_RAFT_LOG_H
#define MP_CORE_RAFT_LOG_H

#include "codec/record_run.h"
#include "mp/base.h"
#include "mp/crypto.h"

/* A row of the log on disk: the beginning of the entry's hash, so that damage to the last one shows
 * too, then the entry's bytes. */
#define MP_LOG_ROW_HEAD 8

struct mp_log_slot {
	uint8_t *row;  /* owned; the body is at the end */
	uint32_t size; /* of the entry's bytes, without the head of the row */
	uint32_t body_size;
	uint64_t term;
	mp_time wall_ms;
	struct mp_hash hash;
	enum mp_entry_kind kind;
};

static inline struct mp_span
mp_log_slot_bytes(const struct mp_log_slot *slot)
{
	return mp_span(slot->row + MP_LOG_ROW_HEAD, slot->size);
}

struct mp_raft_log {
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	struct mp_run_id run;
	struct mp_hash base; /* what the first entry names as the one before */
	struct mp_log_slot *slots;
	size_t count, cap;
	uint64_t bytes; /* held by entries */
};

/* Borrows alloc and crypto. Takes no memory yet. */
void mp_raft_log_init(struct mp_raft_log *log, const struct mp_alloc *alloc,
	const struct mp_crypto *crypto, const struct mp_run_id *run, const struct mp_hash *base);
void mp_raft_log_fini(struct mp_raft_log *log);

static inline uint64_t
mp_raft_log_last(const struct mp_raft_log *log)
{
	return log->count;
}

/* index is in the log. */
const struct mp_log_slot *mp_raft_log_at(const struct mp_raft_log *log, uint64_t index);
/* Also of index 0: term 0, and the hash of the run record. */
uint64_t mp_raft_log_term(const struct mp_raft_log *log, uint64_t index);
const struct mp_hash *mp_raft_log_hash(const struct mp_raft_log *log, uint64_t index);

/* The first index whose entry has the same term as this one's. */
uint64_t mp_raft_log_term_first(const struct mp_raft_log *log, uint64_t index);

/* Over MP_LOG_ENTRIES_MAX or MP_LOG_BYTES_MAX with `more` bytes, `spare` entries aside. */
bool mp_raft_log_full(const struct mp_raft_log *log, size_t more, size_t spare);

/* Makes the next entry and appends it; encodes in scratch. 0, MP_ENOMEM, MP_ELIMIT. */
int mp_raft_log_make(struct mp_raft_log *log, struct mp_buf *scratch, uint64_t term,
	enum mp_entry_kind kind, mp_time wall_ms, struct mp_span body);

/* Could these bytes be the entry at index, which is at most one after the last? 0; an error of
 * mp_entry_decode(); MP_EAUTH: of another run; MP_ECORRUPT: not chained to the one before. */
int mp_raft_log_check(
	const struct mp_raft_log *log, uint64_t index, struct mp_span bytes, struct mp_entry *out);

/* Appends a copy of bytes, which mp_raft_log_check() accepted as `entry` after the last one.
 * 0, MP_ENOMEM, MP_ELIMIT. */
int mp_raft_log_append(struct mp_raft_log *log, const struct mp_entry *entry, struct mp_span bytes);

/* Forgets every entry after index. */
void mp_raft_log_truncate(struct mp_raft_log *log, uint64_t index);

#endif
