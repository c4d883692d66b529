/* SPDX-License-Identifier: Apache-2.0 */
#include "core/raft_log.h"

void
mp_raft_log_init(struct mp_raft_log *log, const struct mp_alloc *alloc,
	const struct mp_crypto *crypto, const struct mp_run_id *run, const struct mp_hash *base)
{
	*log = (struct mp_raft_log){.alloc = alloc, .crypto = crypto, .run = *run, .base = *base};
}

void
mp_raft_log_fini(struct mp_raft_log *log)
{
	mp_raft_log_truncate(log, 0);
	mp_dealloc(log->alloc, log->slots, log->cap * sizeof(*log->slots));
	log->slots = NULL;
	log->cap = 0;
}

const struct mp_log_slot *
mp_raft_log_at(const struct mp_raft_log *log, uint64_t index)
{
	mp_assert(index >= 1 && index <= log->count);
	return &log->slots[index - 1];
}

uint64_t
mp_raft_log_term(const struct mp_raft_log *log, uint64_t index)
{
	return index == 0 ? 0 : mp_raft_log_at(log, index)->term;
}

const struct mp_hash *
mp_raft_log_hash(const struct mp_raft_log *log, uint64_t index)
{
	return index == 0 ? &log->base : &mp_raft_log_at(log, index)->hash;
}

/* Terms never fall along the log. */
uint64_t
mp_raft_log_term_first(const struct mp_raft_log *log, uint64_t index)
{
	uint64_t term = mp_raft_log_term(log, index);
	uint64_t below = 0, at = index; /* term(below) < term, term(at) == term */

	while (at - below > 1) {
		uint64_t mid = below + (at - below) / 2;

		if (mp_raft_log_term(log, mid) < term)
			below = mid;
		else
			at = mid;
	}
	return at;
}

bool
mp_raft_log_full(const struct mp_raft_log *log, size_t more, size_t spare)
{
	return log->count + spare >= MP_LOG_ENTRIES_MAX ||
	       log->bytes + more + spare * MP_ENTRY_OVERHEAD > MP_LOG_BYTES_MAX;
}

static int
log_reserve(struct mp_raft_log *log)
{
	size_t cap = log->cap == 0 ? 16 : log->cap * 2;
	void *p;

	if (log->count < log->cap)
		return 0;
	p = mp_realloc(
		log->alloc, log->slots, log->cap * sizeof(*log->slots), cap * sizeof(*log->slots));
	if (p == NULL)
		return MP_ENOMEM;
	log->slots = p;
	log->cap = cap;
	return 0;
}

int
mp_raft_log_append(struct mp_raft_log *log, const struct mp_entry *entry, struct mp_span bytes)
{
	struct mp_log_slot *slot;
	uint8_t *row;
	int rc;

	mp_assert(entry->index == log->count + 1);
	mp_assert(entry->term >= mp_raft_log_term(log, log->count));
	mp_assert(mp_hash_eq(&entry->prev, mp_raft_log_hash(log, log->count)));
	if (mp_raft_log_full(log, bytes.n, 0))
		return MP_ELIMIT;
	rc = log_reserve(log);
	if (rc != 0)
		return rc;
	row = mp_realloc(log->alloc, NULL, 0, MP_LOG_ROW_HEAD + bytes.n);
	if (row == NULL)
		return MP_ENOMEM;
	memcpy(row + MP_LOG_ROW_HEAD, bytes.p, bytes.n);
	slot = &log->slots[log->count++];
	*slot = (struct mp_log_slot){.row = row,
		.size = (uint32_t)bytes.n,
		.body_size = (uint32_t)entry->body.n,
		.term = entry->term,
		.wall_ms = entry->wall_ms,
		.kind = entry->kind,
		.hash = mp_record_hash(log->crypto, bytes)};
	memcpy(row, slot->hash.b, MP_LOG_ROW_HEAD);
	log->bytes += bytes.n;
	return 0;
}

int
mp_raft_log_make(struct mp_raft_log *log, struct mp_buf *scratch, uint64_t term,
	enum mp_entry_kind kind, mp_time wall_ms, struct mp_span body)
{
	struct mp_entry entry = {.run = log->run,
		.index = log->count + 1,
		.term = term,
		.kind = kind,
		.prev = *mp_raft_log_hash(log, log->count),
		.wall_ms = wall_ms,
		.body = body};
	int rc;

	if (body.n > MP_ENTRY_MAX - MP_ENTRY_OVERHEAD)
		return MP_ELIMIT;
	mp_buf_clear(scratch);
	rc = mp_entry_encode(scratch, &entry);
	if (rc != 0)
		return rc;
	return mp_raft_log_append(log, &entry, mp_buf_span(scratch));
}

int
mp_raft_log_check(
	const struct mp_raft_log *log, uint64_t index, struct mp_span bytes, struct mp_entry *out)
{
	int rc = mp_entry_decode(bytes, out);

	mp_assert(index >= 1 && index <= log->count + 1);
	if (rc != 0)
		return rc;
	if (!mp_run_id_eq(&out->run, &log->run))
		return MP_EAUTH;
	if (out->index != index || out->term < mp_raft_log_term(log, index - 1) ||
		!mp_hash_eq(&out->prev, mp_raft_log_hash(log, index - 1)))
		return MP_ECORRUPT;
	return 0;
}

void
mp_raft_log_truncate(struct mp_raft_log *log, uint64_t index)
{
	while (log->count > index) {
		struct mp_log_slot *slot = &log->slots[--log->count];

		log->bytes -= slot->size;
		mp_dealloc(log->alloc, slot->row, MP_LOG_ROW_HEAD + slot->size);
	}
}
