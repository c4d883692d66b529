/* SPDX-License-Identifier: Apache-2.0 */
/* A heap sort, in place and not stable: the core may not reach qsort(), which allocates. */
#ifndef MP_UTIL_SORT_H
#define MP_UTIL_SORT_H

#include "mp/base.h"

/* As qsort(3). */
void mp_sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b));

#endif
