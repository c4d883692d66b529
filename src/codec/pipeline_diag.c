/* SPDX-License-Identifier: Apache-2.0 */
#include "mp/pipeline.h"

#include "util/utf8.h"

void
mp_diags_init(struct mp_diags *d, const struct mp_alloc *alloc, const char *file_name)
{
	*d = (struct mp_diags){.alloc = alloc, .file_name = file_name};
}

void
mp_diags_fini(struct mp_diags *d)
{
	mp_dealloc(d->alloc, d->v, d->cap * sizeof(*d->v));
	mp_diags_init(d, d->alloc, d->file_name);
}

/* What a file says may not reach a terminal as it is. A sequence that was cut is not UTF-8. */
static void
diag_clean(char *s)
{
	uint8_t *p = (uint8_t *)s;
	size_t n = strlen(s);

	for (size_t i = 0; i < n;) {
		size_t len = mp_utf8_sequence(p + i, n - i);

		if (len == 0 || !mp_utf8_printable(mp_span(p + i, len))) {
			p[i] = '?';
			len = 1;
		}
		i += len;
	}
}

static bool
diag_before(struct mp_pos a, struct mp_pos b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static bool
diags_grow(struct mp_diags *d)
{
	size_t cap = d->cap == 0 ? 8 : mp_min_size(d->cap * 2, MP_DIAGS_MAX);
	struct mp_diag *v;

	if (d->n < d->cap)
		return true;
	if (d->n == MP_DIAGS_MAX)
		return false;
	v = mp_realloc(d->alloc, d->v, d->cap * sizeof(*v), cap * sizeof(*v));
	if (v == NULL)
		return false;
	d->v = v;
	d->cap = cap;
	return true;
}

void
mp_diags_vadd(struct mp_diags *d, struct mp_pos pos, const char *fmt, va_list ap)
{
	struct mp_error err;
	size_t at;

	if (d == NULL)
		return;
	if (!diags_grow(d)) {
		d->dropped++;
		return;
	}
	(void)mp_vfail(&err, MP_EPIPELINE, fmt, ap);
	diag_clean(err.text);
	for (at = d->n; at > 0 && diag_before(pos, d->v[at - 1].pos); at--)
		d->v[at] = d->v[at - 1];
	d->v[at].pos = pos;
	memcpy(d->v[at].text, err.text, sizeof(err.text));
	d->n++;
}

void
mp_diags_add(struct mp_diags *d, struct mp_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mp_diags_vadd(d, pos, fmt, ap);
	va_end(ap);
}

void
mp_diags_format(const struct mp_diags *d, size_t i, char out[MP_DIAG_LINE_MAX])
{
	const struct mp_diag *diag = &d->v[i];
	struct mp_error place;

	if (i == d->n)
		(void)mp_fail(&place, 0, "%.255s: %zu more mistakes", d->file_name, d->dropped);
	else if (diag->pos.line > 0)
		(void)mp_fail(&place, 0, "%.255s:%u:%u: ", d->file_name, (unsigned)diag->pos.line,
			(unsigned)diag->pos.column);
	else if (diag->pos.column > 0)
		(void)mp_fail(&place, 0, "%.255s:byte %u: ", d->file_name,
			(unsigned)diag->pos.column - 1);
	else
		(void)mp_fail(&place, 0, "%.255s: ", d->file_name);
	_Static_assert(255 + 32 + MP_ERROR_TEXT_MAX <= MP_DIAG_LINE_MAX, "both fit");
	memcpy(out, place.text, strlen(place.text) + 1);
	if (i < d->n)
		memcpy(out + strlen(out), diag->text, strlen(diag->text) + 1);
}
