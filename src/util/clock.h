/* SPDX-License-Identifier: Apache-2.0 */
/* The system's clocks; for shells and programs, never for pure code. */
#ifndef MP_UTIL_CLOCK_H
#define MP_UTIL_CLOCK_H

#include "mp/base.h"

/* What people call the time, since 1970. It may jump. */
mp_time mp_clock_wall_ms(void);

/* Since the machine started, CLOCK_MONOTONIC: never back, and not while it sleeps. */
mp_time mp_clock_ms(void);
int64_t mp_clock_us(void);

/* The same, CLOCK_BOOTTIME: while it sleeps, too. */
mp_time mp_clock_boot_ms(void);

#endif
