/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array of bytes with a bound. */
#ifndef MP_UTIL_BUF_H
#define MP_UTIL_BUF_H

#include "mp/base.h"
#include "mp/error.h"

struct mp_buf {
	uint8_t *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* bound; appending beyond it is MP_ELIMIT */
	const struct mp_alloc *alloc;
};

/* Borrows alloc for the buffer's life. Takes no memory yet. */
void mp_buf_init(struct mp_buf *b, const struct mp_alloc *alloc, size_t max);
void mp_buf_fini(struct mp_buf *b);

/* 0, MP_ENOMEM or MP_ELIMIT; on error nothing was appended. p may be NULL when n is 0. */
int mp_buf_append(struct mp_buf *b, const void *p, size_t n);

/* Room for n more bytes at b->p + b->n, not yet counted in b->n. 0, MP_ENOMEM or MP_ELIMIT. */
int mp_buf_reserve(struct mp_buf *b, size_t n);

/* Forgets what it holds, in memory too: for secrets. Parts that moved while it grew may be left. */
void mp_buf_wipe(struct mp_buf *b);

/* Drops the first n bytes. */
void mp_buf_consume(struct mp_buf *b, size_t n);

static inline void
mp_buf_clear(struct mp_buf *b)
{
	b->n = 0;
}

static inline struct mp_span
mp_buf_span(const struct mp_buf *b)
{
	return mp_span(b->p, b->n);
}

#endif
