/* SPDX-License-Identifier: Apache-2.0 */
/* What health has found: in words, and with a way out. */
#ifndef MP_CTL_PROBLEMS_H
#define MP_CTL_PROBLEMS_H

#include "ctl/writer.h"
#include "mp/base.h"

/* More are counted, and not told. */
#define MP_PROBLEMS_MAX 200

struct mp_problem {
	const char *what; /* a word that stays what it is, for scripts; static */
	bool note;        /* worth to be known, and nothing is wrong */
	char about[128];  /* a node or a run; empty: the node that is asked */
	char text[400];
	char advice[300];
};

struct mp_problems {
	struct mp_problem *list;
	size_t count, wrong, left_out;
};

/* Adds one, whose text is then set by printf into *text; NULL when there is no room: skip it. */
struct mp_problem *mp_problem_add(
	struct mp_problems *all, const char *what, bool note, const char *about);
void mp_problem_say(struct mp_problem *p, const char *fmt, ...) MP_PRINTF(2, 3);
void mp_problem_advise(struct mp_problem *p, const char *fmt, ...) MP_PRINTF(2, 3);

/* "healthy" and "problems", in the object that is open; problems before notes. */
void mp_problems_write(struct mp_writer *w, const struct mp_problems *all);
void mp_problems_free(struct mp_problems *all);

#endif
