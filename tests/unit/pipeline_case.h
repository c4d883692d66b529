/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines from text, for tests. */
#ifndef MP_TESTS_UNIT_PIPELINE_CASE_H
#define MP_TESTS_UNIT_PIPELINE_CASE_H

#include "unit/unit.h"

#include <stdio.h>

#include "mp/limits.h"
#include "mp/pipeline.h"
#include "util/buf.h"

/* All diagnostics, one line each, in out. */
static inline void
case_lines(const struct mp_diags *d, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < d->n + (d->dropped > 0); i++) {
		char line[MP_DIAG_LINE_MAX];

		mp_diags_format(d, i, line);
		assert_true(n + strlen(line) + 2 < size);
		n += (size_t)snprintf(out + n, size - n, "%s%s", i == 0 ? "" : "\n", line);
	}
}

/* Parses; fails the test when that does not give rc and, as lines, want (NULL: not compared). */
static inline struct mp_pipeline *
case_parse(const struct mp_alloc *alloc, const char *text, size_t n, int rc, const char *want)
{
	struct mp_pipeline *p = NULL;
	struct mp_diags diags;
	static char lines[100000];
	int got;

	mp_diags_init(&diags, alloc, "p.yaml");
	got = mp_pipeline_parse("dir/p.yaml", mp_span(text, n), alloc, &p, &diags);
	case_lines(&diags, lines, sizeof(lines));
	if (got != rc || (want != NULL && strcmp(lines, want) != 0))
		print_error("# %.300s\n# got %s:\n%s\n# want:\n%s\n", text, mp_strerror(got), lines,
			want == NULL ? "" : want);
	assert_int_equal(got, rc);
	if (want != NULL)
		assert_string_equal(lines, want);
	assert_true((p != NULL) == (rc == 0));
	assert_true((diags.n > 0) == (rc == MP_EPIPELINE));
	mp_diags_fini(&diags);
	return p;
}

static inline struct mp_pipeline *
case_good(const struct mp_alloc *alloc, const char *text)
{
	return case_parse(alloc, text, strlen(text), 0, "");
}

#endif
