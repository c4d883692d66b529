/* SPDX-License-Identifier: Apache-2.0 */
/* ${params.x}, ${matrix.x} and ${needs.x} in the scalars of a pipeline, and names. */
#ifndef MP_CODEC_PIPELINE_TEXT_H
#define MP_CODEC_PIPELINE_TEXT_H

#include "mp/pipeline.h"
#include "util/buf.h"

enum mp_ref_kind {
	MP_REF_NONE,   /* no more: the rest of the text is literal */
	MP_REF_ESCAPE, /* "$${", which stands for "${" */
	MP_REF_PARAM,
	MP_REF_MATRIX,
	MP_REF_NEEDS,
	MP_REF_BAD, /* begins like one of them and does not end like it */
};

struct mp_ref {
	enum mp_ref_kind kind;
	const char *start; /* of '$', or the end of the text */
	const char *end;   /* after '}' */
	const char *name;  /* after the dot */
	size_t name_len;
};

/* The next one at or after s. */
struct mp_ref mp_ref_next(const char *s);

/* Does the text hold anything that mp_text_expand would replace? */
bool mp_text_has_ref(const char *s);

/* What the names stand for. Both may be empty. */
struct mp_scope {
	struct mp_bindings params;
	const struct mp_matrix *matrix;
	const uint32_t *choice; /* index of the value, for each axis */
};

/* The value of a PARAM or MATRIX reference, or NULL. */
const char *mp_scope_find(const struct mp_scope *scope, const struct mp_ref *ref);

/*
 * Appends text to out with everything replaced. 0, MP_ENOMEM or MP_ELIMIT of the buffer, or
 * MP_EPIPELINE with *bad set to a reference that is unknown, or whose value may not stand in a
 * shell command when `shell` is true.
 */
int mp_text_expand(const struct mp_scope *scope, const char *text, bool shell, struct mp_buf *out,
	struct mp_ref *bad);

/* Only [A-Za-z0-9._/:@%+=,-]: nothing that a shell looks at. */
bool mp_shell_safe(const char *s);

/* The binding of that name, by bisection, or NULL. */
const struct mp_binding *mp_bindings_find(struct mp_bindings list, const char *name, size_t n);

/* [A-Za-z_][A-Za-z0-9_]*, and '-' after the first when dash is true; 1 to MP_NAME_MAX bytes. */
bool mp_is_identifier(const char *s, bool dash);

/* [A-Za-z0-9_][A-Za-z0-9_.-]*, 1 to MP_NAME_MAX bytes. */
bool mp_is_module_name(const char *s);

/* A value of a matrix: printable, not empty, without '/', '\', ',', '[' and ']'. */
bool mp_is_matrix_value(const char *s);

/* A tag, tool, os or architecture: printable, without spaces and '/', 1 to MP_NAME_MAX bytes. */
bool mp_is_label(const char *s);

#endif
