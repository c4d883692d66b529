/* SPDX-License-Identifier: Apache-2.0 */
#include "util/buf.h"

void
mp_buf_init(struct mp_buf *b, const struct mp_alloc *alloc, size_t max)
{
	*b = (struct mp_buf){.alloc = alloc, .max = max};
}

void
mp_buf_fini(struct mp_buf *b)
{
	mp_dealloc(b->alloc, b->p, b->cap);
	mp_buf_init(b, b->alloc, b->max);
}

int
mp_buf_reserve(struct mp_buf *b, size_t n)
{
	size_t cap = b->cap < 64 ? 64 : b->cap;
	uint8_t *p;

	mp_assert(b->n <= b->cap);
	if (n > b->max || b->n > b->max - n)
		return MP_ELIMIT;
	if (b->cap - b->n >= n)
		return 0;
	while (cap < b->n + n)
		cap = cap > b->max / 2 ? b->n + n : cap * 2;
	p = mp_realloc(b->alloc, b->p, b->cap, cap);
	if (p == NULL)
		return MP_ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int
mp_buf_append(struct mp_buf *b, const void *p, size_t n)
{
	int rc = mp_buf_reserve(b, n);

	if (rc != 0)
		return rc;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

void
mp_buf_consume(struct mp_buf *b, size_t n)
{
	mp_assert(n <= b->n);
	if (n > 0 && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
mp_buf_wipe(struct mp_buf *b)
{
	if (b->cap > 0)
		explicit_bzero(b->p, b->cap);
	b->n = 0;
}
