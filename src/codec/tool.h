/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tool as a module asks for it: its name, and behind that, if the version matters, >=, < or = and
 * a version, which is numbers with dots. They are compared number by number, one that is missing is
 * zero; to be = a version it has to begin with its numbers: 3.11.4 is =3.11, and 3.1 is not.
 */
#ifndef MP_CODEC_TOOL_H
#define MP_CODEC_TOOL_H

#include "mp/base.h"
#include "mp/error.h"

/* The length of the name. */
size_t mp_tool_name_size(const char *asked);
/* Is it written like that? MP_EINVAL with a text. */
int mp_tool_check(const char *asked, struct mp_error *err);
/* Is that version good? "", which nobody knows, is when none is asked for. */
bool mp_tool_fits(const char *asked, const char *version);

#endif
