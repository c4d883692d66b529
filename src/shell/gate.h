/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast connections are taken before anything is known of who is behind them: a handshake costs
 * about a third of a millisecond, and whoever can reach the port can ask for one.
 *
 * Each source (mp_addr_source()) and all of them together have a bucket that fills by RATE a second
 * up to BURST, and a connection takes one from both. One that proves itself gives its own back, so
 * members and people who come often are not slowed down. Sources that members have addresses in
 * share a bucket of their own instead of that of all: strangers, however many, do not keep a member
 * from coming back.
 */
#ifndef MP_SHELL_GATE_H
#define MP_SHELL_GATE_H

#include "mp/base.h"

#define MP_GATE_SOURCE_RATE  200
#define MP_GATE_SOURCE_BURST 400
#define MP_GATE_ALL_RATE     1000
#define MP_GATE_ALL_BURST    2000
/* Sources that are remembered; one more takes the place of the one that came longest ago. */
#define MP_GATE_SOURCES 256
/* So long it is believed whether a source is a member's: to find out is to look at all of them. */
#define MP_GATE_MEMBER_MS 1000

struct mp_gate_bucket {
	struct mp_addr source;
	uint64_t at_ms; /* of the last connection; 0: nobody's */
	uint64_t thousandths;
	uint64_t asked_ms;
	bool member;
};

/* Zero is an empty one, with all buckets full. */
struct mp_gate {
	/* Does a member say that it is at this source? NULL: none does. */
	bool (*member)(void *ctx, const struct mp_addr *source);
	void *ctx;
	struct mp_gate_bucket all, members, sources[MP_GATE_SOURCES];
};

/* now_ms begins above 0. False: it came too fast, and is to be closed. */
bool mp_gate_take(struct mp_gate *gate, const struct mp_addr *addr, uint64_t now_ms);
void mp_gate_give(struct mp_gate *gate, const struct mp_addr *addr);
/* Is it from a member's source, as the last one from there was judged? */
bool mp_gate_is_member(const struct mp_gate *gate, const struct mp_addr *addr);

#endif
