/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which versions of tools are kept, see shell/tools_probe.h. Without it, or when it
 * cannot be written, everything works and takes longer. */
#ifndef MP_SHELL_TOOLS_KEPT_H
#define MP_SHELL_TOOLS_KEPT_H

#include "mp/base.h"
#include "mp/member.h"

#include <stdatomic.h>

struct mp_tools_kept;

/* Reads it, and keeps others from it until it is closed; waits for them up to a minute, or until
 * *stop, or with NULL for stop not at all. NULL: there is none, which the others take. */
struct mp_tools_kept *mp_tools_kept_open(const atomic_bool *stop);
/* Writes it, if something was put. */
void mp_tools_kept_close(struct mp_tools_kept *kept);

/* False: it is not known, or the file is another one, or a day has passed. */
bool mp_tools_kept_get(const struct mp_tools_kept *kept, const char *file, const char *arg,
	char version[MP_WORD_MAX]);
void mp_tools_kept_put(
	struct mp_tools_kept *kept, const char *file, const char *arg, const char *version);

#endif
