/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tools are on PATH, and their versions (DESIGN 4).
 *
 * A version is asked for by running the tool, two seconds at most, and is the first thing with
 * digits and a dot that a run which succeeds has printed. That takes a second or more for a whole
 * list, so what was found is kept for a day in a file that all nodes of a user share,
 * $XDG_CACHE_HOME/meshpipe/tools (root: /var/cache/meshpipe/tools), by path, argument and identity
 * of the file.
 */
#ifndef MP_SHELL_TOOLS_PROBE_H
#define MP_SHELL_TOOLS_PROBE_H

#include "codec/settings.h"
#include "mp/base.h"
#include "mp/member.h"

#include <stdatomic.h>

/* Fills caps->tools with what is on PATH, of those that are always looked for and those that the
 * settings (may be NULL) name; without versions. */
void mp_tools_find(struct mp_caps *caps, const struct mp_settings *settings);

/* Fills in the versions that are kept, and takes the other tools out of caps->tools. True: all were
 * kept. Does not block. */
bool mp_tools_kept(struct mp_caps *caps, const struct mp_settings *settings);

/*
 * Fills in the versions of caps->tools. fresh: does not believe what was kept. Blocks: on the
 * thread pool; once *stop is set it comes to an end within a tenth of a second. A version that
 * cannot be found out is "".
 */
void mp_tools_versions(struct mp_caps *caps, const struct mp_settings *settings, bool fresh,
	const atomic_bool *stop);

/* The version in what a tool has printed. */
void mp_tools_version_of(const char *text, char out[MP_WORD_MAX]);

#endif
