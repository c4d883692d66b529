/* SPDX-License-Identifier: Apache-2.0 */
/* libc's heap as a struct mp_alloc, for the parts of a shell that use pure code. */
#ifndef MP_SHELL_HEAP_H
#define MP_SHELL_HEAP_H

#include "mp/base.h"

/* Unbounded, thread-safe, lives for ever. */
extern const struct mp_alloc mp_heap;

#endif
