/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/gate.h"

#define ONE 1000 /* connection, in thousandths */

static void
bucket_fill(struct mp_gate_bucket *b, uint64_t now_ms, uint64_t rate, uint64_t burst)
{
	uint64_t more = b->at_ms == 0 ? burst * ONE : (now_ms - b->at_ms) * rate;

	b->at_ms = now_ms;
	b->thousandths += more;
	if (b->thousandths > burst * ONE)
		b->thousandths = burst * ONE;
}

static size_t
gate_find(const struct mp_gate *gate, const struct mp_addr *source)
{
	size_t i = 0;

	while (i < MP_GATE_SOURCES &&
		(gate->sources[i].at_ms == 0 || !mp_addr_eq(&gate->sources[i].source, source)))
		i++;
	return i;
}

static struct mp_gate_bucket *
gate_of(struct mp_gate *gate, const struct mp_addr *source, uint64_t now_ms)
{
	size_t at = gate_find(gate, source);
	struct mp_gate_bucket *b = &gate->sources[at < MP_GATE_SOURCES ? at : 0];

	if (at == MP_GATE_SOURCES) {
		for (size_t i = 1; i < MP_GATE_SOURCES; i++) {
			if (gate->sources[i].at_ms < b->at_ms)
				b = &gate->sources[i];
		}
		*b = (struct mp_gate_bucket){.source = *source};
	}
	if (b->asked_ms == 0 || now_ms - b->asked_ms >= MP_GATE_MEMBER_MS) {
		b->asked_ms = now_ms;
		b->member = gate->member != NULL && gate->member(gate->ctx, source);
	}
	return b;
}

bool
mp_gate_take(struct mp_gate *gate, const struct mp_addr *addr, uint64_t now_ms)
{
	struct mp_addr source = mp_addr_source(addr);
	struct mp_gate_bucket *b = gate_of(gate, &source, now_ms);
	struct mp_gate_bucket *all = b->member ? &gate->members : &gate->all;

	bucket_fill(b, now_ms, MP_GATE_SOURCE_RATE, MP_GATE_SOURCE_BURST);
	bucket_fill(all, now_ms, MP_GATE_ALL_RATE, MP_GATE_ALL_BURST);
	if (b->thousandths < ONE || all->thousandths < ONE)
		return false;
	b->thousandths -= ONE;
	all->thousandths -= ONE;
	return true;
}

void
mp_gate_give(struct mp_gate *gate, const struct mp_addr *addr)
{
	struct mp_addr source = mp_addr_source(addr);
	size_t at = gate_find(gate, &source);
	bool member = at < MP_GATE_SOURCES && gate->sources[at].member;

	if (at < MP_GATE_SOURCES)
		gate->sources[at].thousandths += ONE;
	(member ? &gate->members : &gate->all)->thousandths += ONE;
}

bool
mp_gate_is_member(const struct mp_gate *gate, const struct mp_addr *addr)
{
	struct mp_addr source = mp_addr_source(addr);
	size_t at = gate_find(gate, &source);

	return at < MP_GATE_SOURCES && gate->sources[at].member;
}
