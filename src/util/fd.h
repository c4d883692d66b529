/* SPDX-License-Identifier: Apache-2.0 */
/* What every user of a descriptor needs; for shells and programs, never for pure code. */
#ifndef MP_UTIL_FD_H
#define MP_UTIL_FD_H

#include "mp/base.h"

/* All of it to a blocking descriptor, signals or not. False: errno says why, and a part may have
 * been written. */
bool mp_fd_write(int fd, struct mp_span bytes);

#endif
