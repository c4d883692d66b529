/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed assertion does in the real programs: say where, and abort. */
#include "mp/base.h"

#include <stdio.h>
#include <stdlib.h>

void
mp_assert_fail(const char *what, const char *file, int line, const char *func)
{
	(void)fprintf(stderr, "meshpipe: bug: %s:%d: %s: %s\n", file, line, func, what);
	abort();
}
