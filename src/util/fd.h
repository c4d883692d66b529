/* SPDX-License-Identifier: Apache-2.0 */
/* What every user of a descriptor needs; for shells and programs, never for pure code. */
#ifndef MP_UTIL_FD_H
#define MP_UTIL_FD_H

#include "mp/base.h"
#include "mp/error.h"

/* All of it to a blocking descriptor, signals or not. False: errno says why, and a part may have
 * been written. */
bool mp_fd_write(int fd, struct mp_span bytes);

/* What errno stands for: MP_EFULL (a disk, a quota, a largest size), MP_ENOMEM (the machine is out
 * of memory, descriptors or processes, which others may give back), MP_EAUTH, or else MP_EIO. */
int mp_sys_error(int sys);

#endif
