/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many patterns looked for at once in a stream of bytes, in time linear in the stream (Aho and
 * Corasick, "Efficient string matching: an aid to bibliographic search", 1975).
 *
 * A state stands for the longest end of what was read that begins some pattern; 0 is nothing. The
 * patterns are secrets: all memory is wiped before it is given back.
 */
#ifndef MP_UTIL_MATCH_H
#define MP_UTIL_MATCH_H

#include "mp/base.h"

struct match_node;

struct mp_match {
	const struct mp_alloc *alloc;
	struct match_node *nodes; /* the first is state 0 */
	uint32_t count, cap;
	uint32_t longest; /* pattern */
	uint32_t first[256];
};

/* Borrows alloc for its life. Takes no memory yet. */
void mp_match_init(struct mp_match *m, const struct mp_alloc *alloc);
void mp_match_fini(struct mp_match *m);

/* One more pattern, not empty; before mp_match_build(). 0, MP_ENOMEM; MP_ELIMIT: all patterns
 * together have more than 2^31 bytes. */
int mp_match_add(struct mp_match *m, struct mp_span pattern);

/* After the last pattern, once. 0 or MP_ENOMEM. */
int mp_match_build(struct mp_match *m);

/* The state after one more byte. Nothing is found without patterns. */
uint32_t mp_match_step(const struct mp_match *m, uint32_t state, uint8_t byte);

/* Bytes of that beginning; and of the longest pattern that ends here, 0: none does. */
uint32_t mp_match_depth(const struct mp_match *m, uint32_t state);
uint32_t mp_match_found(const struct mp_match *m, uint32_t state);

/* The longest shorter end of what was read that begins some pattern. */
uint32_t mp_match_shorter(const struct mp_match *m, uint32_t state);

#endif
