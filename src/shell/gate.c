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

static struct mp_gate_bucket *
gate_find(struct mp_gate *gate, const struct mp_addr *source)
{
	for (size_t i = 0; i < MP_GATE_SOURCES; i++) {
		if (gate->sources[i].at_ms != 0 && mp_addr_eq(&gate->sources[i].source, source))
			return &gate->sources[i];
	}
	return NULL;
}

static struct mp_gate_bucket *
gate_of(struct mp_gate *gate, const struct mp_addr *source)
{
	struct mp_gate_bucket *b = gate_find(gate, source);

	if (b != NULL)
		return b;
	b = &gate->sources[0];
	for (size_t i = 1; i < MP_GATE_SOURCES; i++) {
		if (gate->sources[i].at_ms < b->at_ms)
			b = &gate->sources[i];
	}
	*b = (struct mp_gate_bucket){.source = *source};
	return b;
}

bool
mp_gate_take(struct mp_gate *gate, const struct mp_addr *addr, uint64_t now_ms)
{
	struct mp_addr source = mp_addr_source(addr);
	struct mp_gate_bucket *b = gate_of(gate, &source);

	bucket_fill(b, now_ms, MP_GATE_SOURCE_RATE, MP_GATE_SOURCE_BURST);
	bucket_fill(&gate->all, now_ms, MP_GATE_ALL_RATE, MP_GATE_ALL_BURST);
	if (b->thousandths < ONE || gate->all.thousandths < ONE)
		return false;
	b->thousandths -= ONE;
	gate->all.thousandths -= ONE;
	return true;
}

void
mp_gate_give(struct mp_gate *gate, const struct mp_addr *addr)
{
	struct mp_addr source = mp_addr_source(addr);
	struct mp_gate_bucket *b = gate_find(gate, &source);

	if (b != NULL)
		b->thousandths += ONE;
	gate->all.thousandths += ONE;
}
