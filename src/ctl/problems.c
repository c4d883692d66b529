/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/problems.h"

#include <stdarg.h>
#include <stdlib.h>

struct mp_problem *
mp_problem_add(struct mp_problems *all, const char *what, bool note, const char *about)
{
	struct mp_problem *p;

	all->wrong += !note;
	if (all->list == NULL)
		all->list = calloc(MP_PROBLEMS_MAX, sizeof(*all->list));
	if (all->list == NULL || all->count == MP_PROBLEMS_MAX) {
		all->left_out++;
		return NULL;
	}
	p = &all->list[all->count++];
	p->what = what;
	p->note = note;
	(void)snprintf(p->about, sizeof(p->about), "%s", about);
	return p;
}

void
mp_problem_say(struct mp_problem *p, const char *fmt, ...)
{
	va_list ap;

	if (p == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}

void
mp_problem_advise(struct mp_problem *p, const char *fmt, ...)
{
	va_list ap;

	if (p == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(p->advice, sizeof(p->advice), fmt, ap);
	va_end(ap);
}

static void
write_one(struct mp_writer *w, const struct mp_problem *p)
{
	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "level", p->note ? "note" : "problem");
	mp_w_text(w, "what", p->what);
	if (p->about[0] != '\0')
		mp_w_text(w, "about", p->about);
	else
		mp_w_null(w, "about");
	mp_w_text(w, "text", p->text);
	mp_w_text(w, "advice", p->advice);
	mp_w_paint(w, "level", p->note ? MP_PAINT_WARN : MP_PAINT_BAD);
	mp_w_end(w);
	mp_w_row(w, "text", p->advice);
}

void
mp_problems_write(struct mp_writer *w, const struct mp_problems *all)
{
	static const struct mp_column columns[] = {
		{"level", "", false, 0},
		{"text", "", false, 0},
	};

	mp_w_bool(w, "healthy", all->wrong == 0);
	mp_w_list(w, "problems", columns, mp_countof(columns));
	for (int note = 0; note < 2; note++) {
		for (size_t i = 0; i < all->count; i++) {
			if (all->list[i].note == (note == 1))
				write_one(w, &all->list[i]);
		}
	}
	mp_w_end(w);
}

void
mp_problems_free(struct mp_problems *all)
{
	free(all->list);
	*all = (struct mp_problems){.count = 0};
}
