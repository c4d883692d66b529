/* SPDX-License-Identifier: Apache-2.0 */
/*
 * However a stream is cut, the masker makes of it what tests/unit/mask_plainly.h does.
 * Input: two values and the stream, each after the other and a NUL; the pieces are as long as the
 * bytes of the first value say.
 */
#include "fuzz.h"

#include "../unit/mask_plainly.h"

struct sink {
	const uint8_t *want;
	size_t n, at;
};

static void
take(void *ctx, const uint8_t *p, size_t n)
{
	struct sink *s = ctx;

	mp_assert(n <= s->n - s->at && memcmp(s->want + s->at, p, n) == 0);
	s->at += n;
}

static struct mp_span
cut(struct mp_span *rest, uint8_t by)
{
	const uint8_t *at = rest->n == 0 ? NULL : memchr(rest->p, by, rest->n);
	struct mp_span head = mp_span(rest->p, at == NULL ? rest->n : (size_t)(at - rest->p));
	size_t used = head.n + (at != NULL);

	*rest = mp_span(rest->p + used, rest->n - used);
	return head;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 64u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span rest = mp_span(data, mp_min_size(size, 4096)), values[2];
	struct mp_masker *masker;
	struct mp_mask *mask;
	struct sink s = {0};
	uint8_t *want;

	/* 0 parts them, so that a value can have lines. */
	values[0] = cut(&rest, 0);
	values[1] = cut(&rest, 0);
	want = mask_plainly(rest, values, 2, &s.n);
	s.want = want;
	mp_assert(mp_mask_new(&alloc, values, 2, &mask) == 0);
	mp_assert(mp_masker_new(mask, &masker) == 0);
	for (size_t i = 0; rest.n > 0; i++) {
		size_t step = values[0].n == 0 ? 1 : values[0].p[i % values[0].n] % 7u;

		step = mp_min_size(step == 0 ? 1 : step, rest.n);
		mp_masker_feed(masker, mp_span(rest.p, step), take, &s);
		rest = mp_span(rest.p + step, rest.n - step);
	}
	mp_masker_end(masker, take, &s);
	mp_assert(s.at == s.n);
	mp_masker_free(masker);
	mp_mask_free(mask);
	free(want);
	mp_assert(heap.live == 0);
	return 0;
}
