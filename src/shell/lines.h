/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for people and scripts, written by a thread of its own: a disk that hangs, or a pipe that
 * nobody reads, keeps nobody waiting but that thread. What comes while MP_LINES_BYTES_MAX wait is
 * lost, and the next one that there is room for comes after one that says how many were.
 */
#ifndef MP_SHELL_LINES_H
#define MP_SHELL_LINES_H

#include "mp/base.h"

#define MP_LINES_BYTES_MAX 65536u
#define MP_LINE_MAX        2048 /* bytes of one; longer ones are cut */
/* How long the end waits for what is left to be written. */
#define MP_LINES_LAST_MS 2000

struct mp_lines;

/* Starts the thread, for a descriptor that stays open until mp_lines_close(). MP_ENOMEM. */
int mp_lines_open(int fd, struct mp_lines **out);

/* One line, its \n too; copied. Never waits; any thread. NULL: nothing. */
void mp_lines_put(struct mp_lines *lines, struct mp_span line);

/* Lines that were lost so far. NULL: none. */
uint64_t mp_lines_lost(struct mp_lines *lines);

/* Waits for the last lines, and MP_LINES_LAST_MS at most: what cannot be written by then is lost,
 * and its thread, with what it has in hand, is left to the end of the process. NULL: nothing. */
void mp_lines_close(struct mp_lines *lines);

#endif
