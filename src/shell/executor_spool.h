/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One output stream of a command, from its pipe to a file that followers read while it grows.
 * Offsets in the file are offsets in the stream. Of more than `keep_max` bytes the first and the
 * last half are kept: the middle is punched out, so the disk never holds much more than that. On a
 * file system that cannot do so only the beginning is kept.
 */
#ifndef MP_SHELL_EXECUTOR_SPOOL_H
#define MP_SHELL_EXECUTOR_SPOOL_H

#include "mp/base.h"

struct mp_masker;

struct mp_spool {
	int pipe;         /* reading end, non-blocking; -1 when it ended */
	int file;         /* -1 until there is a byte */
	const char *path; /* borrowed */
	uint64_t keep_max;
	struct mp_masker *masker; /* borrowed; what goes through it is the stream. NULL: none */
	uint64_t size;            /* of the stream so far */
	uint64_t read;            /* of the pipe so far */
	uint64_t punched;         /* the hole ends here */
	bool cut;                 /* the middle, or the end, is missing */
	bool lost;                /* the file could not be written */
	bool no_holes;
};

/* Makes the pipe; its writing end is returned, to be closed when the command has it. -1: errno. */
int mp_spool_open(struct mp_spool *spool, const char *path, uint64_t keep_max);

/* Takes what is in the pipe, as much as is fair; call it when the pipe is readable. */
void mp_spool_read(struct mp_spool *spool);

/* Takes all that is left in the pipe, whoever may still hold its other end, and closes it. */
void mp_spool_close(struct mp_spool *spool);

#endif
