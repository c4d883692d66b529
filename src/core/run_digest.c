/* SPDX-License-Identifier: Apache-2.0 */
/* A digest of a run's state. */
#include "core/run.h"

struct digest {
	const struct mp_crypto *crypto;
	struct mp_hash hash;
	uint8_t bytes[4096];
	size_t n;
};

static void
digest_flush(struct digest *d)
{
	const struct mp_span parts[] = {
		mp_span(d->hash.b, sizeof(d->hash.b)),
		mp_span(d->bytes, d->n),
	};
	struct mp_hash next;

	d->crypto->hash(&next, parts, mp_countof(parts));
	d->hash = next;
	d->n = 0;
}

static void
digest_u64(struct digest *d, uint64_t v)
{
	if (d->n + 8 > sizeof(d->bytes))
		digest_flush(d);
	for (int i = 0; i < 8; i++)
		d->bytes[d->n++] = (uint8_t)(v >> (56 - 8 * i));
}

static void
digest_bytes(struct digest *d, const void *p, size_t n)
{
	mp_assert(n <= sizeof(d->bytes));
	if (d->n + n > sizeof(d->bytes))
		digest_flush(d);
	memcpy(d->bytes + d->n, p, n);
	d->n += n;
}

static void
digest_module(struct digest *d, const struct mp_run_module *m)
{
	digest_u64(d, (uint64_t)m->cached << 40 | (uint64_t)m->state << 32 |
			      (uint64_t)m->lost << 16 | m->failures);
	digest_u64(d, (uint64_t)m->attempts << 32 | m->waiting);
	digest_u64(d, m->attempt.term);
	digest_u64(d, (uint64_t)m->attempt.counter << 32 | m->worker);
	digest_u64(d, m->entry);
	digest_u64(d, (uint64_t)m->queued_ms);
	digest_u64(d, (uint64_t)m->assigned_ms);
	digest_u64(d, (uint64_t)m->ended_ms);
	digest_u64(d, (uint64_t)m->not_before_ms);
}

void
mp_run_digest(const struct mp_run *run, const struct mp_crypto *crypto, struct mp_hash *out)
{
	struct digest d = {.crypto = crypto};

	digest_u64(&d, run->applied);
	digest_u64(&d, run->term);
	digest_bytes(&d, run->leader.b, sizeof(run->leader.b));
	digest_bytes(&d, run->leader_before.b, sizeof(run->leader_before.b));
	digest_u64(&d, (uint64_t)run->opened << 1 | (uint64_t)run->cancelled);
	digest_bytes(&d, run->cancelled_by.s, strlen(run->cancelled_by.s));
	digest_u64(&d, (uint64_t)run->outcome);
	digest_u64(&d, (uint64_t)run->ended_ms);
	digest_u64(&d, run->end_index);
	digest_bytes(&d, run->end_hash.b, sizeof(run->end_hash.b));
	for (uint32_t i = 0; i < run->node_count; i++)
		digest_bytes(&d, mp_run_node(run, i)->b, sizeof(struct mp_node_id));
	for (uint32_t i = 0; i < run->graph->module_count; i++)
		digest_module(&d, &run->modules[i]);
	digest_flush(&d);
	*out = d.hash;
}
