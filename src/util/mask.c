/* SPDX-License-Identifier: Apache-2.0 */
#include "util/mask.h"

#include "mp/error.h"
#include "util/mask_forms.h"

/* The longest escape: a surrogate pair. */
#define PENDING_MAX 12
/* Between digits so many bytes are skipped: CR LF. */
#define SKIPS_MAX 2
/* Source bytes of one byte of a secret: \u0041, and of a base64 digit between line breaks. */
#define STRETCH 6
/* Taken in before what can go is let go. */
#define STRIDE 4096

/* One way to read the stream. */
struct view {
	uint32_t state;
	uint8_t pending[PENDING_MAX]; /* of an escape, not undone yet */
	size_t pending_n;
	unsigned skips;
	uint64_t *starts; /* where the last bytes that were read begin in the stream; a ring */
	uint64_t count;   /* of bytes read */
};

/* Of the stream, [from, to) is covered. */
struct cover {
	uint64_t from, to;
};

struct mp_masker {
	const struct mp_mask *mask;
	struct view views[MP_MASK_FORMS];
	uint64_t starts_mask; /* size of those rings, less 1 */
	uint8_t *ring;        /* the stream from `gone` to `pos` */
	uint64_t ring_mask;
	uint64_t pos, gone;
	struct cover *covers; /* ascending, with gaps between them */
	size_t cover_first, cover_end, cover_cap;
	bool covered; /* the last byte that went was */
	uint8_t *mem;
	size_t mem_size;
};

static uint64_t
power_of_two(uint64_t n)
{
	uint64_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

int
mp_masker_new(const struct mp_mask *mask, struct mp_masker **out)
{
	size_t longest = mp_mask_longest(mask);
	size_t starts = power_of_two(longest + 1);
	size_t ring = power_of_two(longest * STRETCH + 2 * STRIDE + PENDING_MAX);
	size_t covers = ring / 2 + 2;
	struct mp_masker *m = mp_realloc(mask->alloc, NULL, 0, sizeof(*m));
	uint64_t *at;

	if (m == NULL)
		return MP_ENOMEM;
	*m = (struct mp_masker){.mask = mask,
		.starts_mask = starts - 1,
		.ring_mask = ring - 1,
		.cover_cap = covers,
		.mem_size = MP_MASK_FORMS * starts * sizeof(uint64_t) +
			    covers * sizeof(struct cover) + ring};
	m->mem = mp_realloc(mask->alloc, NULL, 0, m->mem_size);
	if (m->mem == NULL) {
		mp_dealloc(mask->alloc, m, sizeof(*m));
		return MP_ENOMEM;
	}
	at = (uint64_t *)(void *)m->mem;
	for (size_t i = 0; i < MP_MASK_FORMS; i++, at += starts)
		m->views[i].starts = at;
	m->covers = (struct cover *)(void *)at;
	m->ring = (uint8_t *)(m->covers + covers);
	*out = m;
	return 0;
}

void
mp_masker_free(struct mp_masker *m)
{
	const struct mp_alloc *alloc;

	if (m == NULL)
		return;
	alloc = m->mask->alloc;
	explicit_bzero(m->mem, m->mem_size);
	mp_dealloc(alloc, m->mem, m->mem_size);
	explicit_bzero(m, sizeof(*m));
	mp_dealloc(alloc, m, sizeof(*m));
}

/* ---- what is covered ---- */

/* Ends come almost in order: the place is near the end of the list. */
static void
cover_add(struct mp_masker *m, uint64_t from, uint64_t to)
{
	struct cover *v = m->covers;
	size_t at, first;

	if (to <= m->gone)
		return; /* it went as covered */
	if (from < m->gone)
		from = m->gone;
	for (at = m->cover_end; at > m->cover_first && v[at - 1].from > to; at--)
		continue;
	for (first = at; first > m->cover_first && v[first - 1].to >= from; first--) {
		from = v[first - 1].from < from ? v[first - 1].from : from;
		to = v[first - 1].to > to ? v[first - 1].to : to;
	}
	if (first == at) {
		if (m->cover_first > 0 && m->cover_end == m->cover_cap) {
			memmove(v, v + m->cover_first,
				(m->cover_end - m->cover_first) * sizeof(*v));
			at -= m->cover_first;
			m->cover_end -= m->cover_first;
			m->cover_first = 0;
			first = at;
		}
		mp_assert(m->cover_end < m->cover_cap);
		memmove(v + at + 1, v + at, (m->cover_end - at) * sizeof(*v));
		m->cover_end++;
	} else {
		memmove(v + first + 1, v + at, (m->cover_end - at) * sizeof(*v));
		m->cover_end -= at - first - 1;
	}
	v[first] = (struct cover){from, to};
}

/* ---- reading ---- */

/* Before what parts its digits, there are enough of what is found. */
static bool
view_broken(const struct mp_masker *m, size_t form, uint32_t found)
{
	const struct view *v = &m->views[form];
	uint64_t first = v->count - found;

	for (uint32_t i = 1; i < mp_mask_unparted((enum mp_mask_form)form) && i < found; i++) {
		if (v->starts[(first + i) & m->starts_mask] !=
			v->starts[(first + i - 1) & m->starts_mask] + 1)
			return true;
	}
	return false;
}

/* One byte of a secret, or not, that stands at [from, to) in the stream. */
static void
view_push(struct mp_masker *m, size_t form, uint8_t byte, uint64_t from, uint64_t to)
{
	const struct mp_match *match = &m->mask->forms[form];
	struct view *v = &m->views[form];
	uint32_t at, found;

	v->skips = 0;
	v->starts[v->count++ & m->starts_mask] = from;
	v->state = mp_match_step(match, v->state, byte);
	at = v->state;
	while ((found = mp_match_found(match, at)) > 0 && view_broken(m, form, found))
		at = mp_match_shorter(match, at);
	if (found > 0)
		cover_add(m, v->starts[(v->count - found) & m->starts_mask], to);
}

/* What parts digits of base64 or hex. */
static void
view_skip(struct mp_masker *m, size_t form)
{
	struct view *v = &m->views[form];

	if (++v->skips > SKIPS_MAX || mp_match_depth(&m->mask->forms[form], v->state) <
					      mp_mask_unparted((enum mp_mask_form)form))
		v->state = 0;
}

/* Reads what it can of what is pending, all of it at the end. */
static void
view_read(struct mp_masker *m, size_t form, bool end)
{
	struct view *v = &m->views[form];
	uint8_t bytes[MP_MASK_UNDO_MAX];
	size_t used, n;

	while (v->pending_n > 0) {
		uint64_t from = m->pos - v->pending_n;

		n = mp_mask_undo(
			(enum mp_mask_form)form, v->pending, v->pending_n, end, bytes, &used);
		if (used == 0)
			return;
		if (n == 0)
			view_skip(m, form);
		for (size_t i = 0; i < n; i++)
			view_push(m, form, bytes[i], from, from + used);
		v->pending_n -= used;
		memmove(v->pending, v->pending + used, v->pending_n);
	}
}

/* The first byte of the stream that an occurrence may still cover in this view. */
static uint64_t
view_holds(const struct mp_masker *m, size_t form)
{
	const struct view *v = &m->views[form];
	uint32_t depth = mp_match_depth(&m->mask->forms[form], v->state);

	if (depth > 0)
		return v->starts[(v->count - depth) & m->starts_mask];
	return m->pos - v->pending_n;
}

/* ---- letting go ---- */

static void
emit_plain(struct mp_masker *m, uint64_t to, mp_mask_emit *emit, void *ctx)
{
	while (m->gone < to) {
		size_t at = m->gone & m->ring_mask;
		size_t n = mp_min_size(to - m->gone, m->ring_mask + 1 - at);

		emit(ctx, m->ring + at, n);
		m->gone += n;
		m->covered = false;
	}
}

/* All before `to`, and what follows and is covered anyway. */
static void
release(struct mp_masker *m, uint64_t to, mp_mask_emit *emit, void *ctx)
{
	while (m->cover_first < m->cover_end && m->covers[m->cover_first].from <= to) {
		const struct cover *c = &m->covers[m->cover_first++];

		emit_plain(m, c->from, emit, ctx);
		if (!m->covered)
			emit(ctx, (const uint8_t *)MP_MASK_TEXT, strlen(MP_MASK_TEXT));
		m->covered = true;
		m->gone = c->to;
	}
	if (m->cover_first == m->cover_end)
		m->cover_first = m->cover_end = 0;
	emit_plain(m, to, emit, ctx);
}

static void
release_free(struct mp_masker *m, mp_mask_emit *emit, void *ctx)
{
	uint64_t to = m->pos;

	for (size_t form = 0; form < MP_MASK_FORMS; form++) {
		uint64_t holds = view_holds(m, form);

		to = holds < to ? holds : to;
	}
	release(m, to, emit, ctx);
}

void
mp_masker_feed(struct mp_masker *m, struct mp_span bytes, mp_mask_emit *emit, void *ctx)
{
	for (size_t i = 0; i < bytes.n; i++) {
		m->ring[m->pos++ & m->ring_mask] = bytes.p[i];
		for (size_t form = 0; form < MP_MASK_FORMS; form++) {
			struct view *v = &m->views[form];

			if (m->mask->forms[form].longest == 0)
				continue;
			v->pending[v->pending_n++] = bytes.p[i];
			view_read(m, form, false);
		}
		if (i % STRIDE == STRIDE - 1)
			release_free(m, emit, ctx);
	}
	release_free(m, emit, ctx);
}

void
mp_masker_end(struct mp_masker *m, mp_mask_emit *emit, void *ctx)
{
	for (size_t form = 0; form < MP_MASK_FORMS; form++) {
		view_read(m, form, true);
		m->views[form].state = 0;
		m->views[form].skips = 0;
	}
	release(m, m->pos, emit, ctx);
	m->covered = false;
}
