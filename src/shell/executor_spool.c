/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/mask.h"

#include "util/fd.h"

#define SPOOL_READ (64u * 1024)

/* The hole grows by at least so much at a time. */
#define SPOOL_PUNCH (256u * 1024)

/* What a pipe can hold at most, unless somebody enlarged it; then the rest is dropped. */
#define SPOOL_DRAIN_MAX (16u * 1024 * 1024)

int
mp_spool_open(struct mp_spool *s, const char *path, uint64_t keep_max)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*s = (struct mp_spool){.pipe = fds[0], .file = -1, .path = path, .keep_max = keep_max};
	return fds[1];
}

/* Frees what lies between the first half and the last one. */
static void
spool_punch(struct mp_spool *s)
{
	uint64_t half = s->keep_max / 2, from = s->punched < half ? half : s->punched, to;

	if (s->size <= s->keep_max)
		return;
	s->cut = true;
	to = s->size - half;
	to -= to % 4096;
	if (to < from + SPOOL_PUNCH)
		return;
	if (fallocate(s->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
		    (off_t)(to - from)) == 0)
		s->punched = to;
	else
		s->no_holes = true;
}

static void
spool_keep(struct mp_spool *s, const uint8_t *p, size_t n)
{
	uint64_t room;

	if (s->lost)
		return;
	if (s->no_holes) {
		room = s->size < s->keep_max ? s->keep_max - s->size : 0;
		s->cut = s->cut || n > room;
		if (room == 0)
			return;
		n = n > room ? (size_t)room : n;
	}
	if (s->file < 0)
		s->file = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	s->lost = s->file < 0 || !mp_fd_write(s->file, mp_span(p, n));
}

static void
spool_take(void *ctx, const uint8_t *p, size_t n)
{
	struct mp_spool *s = ctx;

	spool_keep(s, p, n);
	s->size += n;
	if (s->file >= 0 && !s->lost && !s->no_holes)
		spool_punch(s);
}

/* False when there was nothing to read. */
static bool
spool_step(struct mp_spool *s)
{
	static uint8_t buf[SPOOL_READ];
	ssize_t n = read(s->pipe, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		(void)close(s->pipe);
		s->pipe = -1;
		return false;
	}
	if (s->masker != NULL)
		mp_masker_feed(s->masker, mp_span(buf, (size_t)n), spool_take, s);
	else
		spool_take(s, buf, (size_t)n);
	s->read += (uint64_t)n;
	return true;
}

void
mp_spool_read(struct mp_spool *s)
{
	int i;

	for (i = 0; i < 4 && s->pipe >= 0; i++)
		if (!spool_step(s))
			return;
}

void
mp_spool_close(struct mp_spool *s)
{
	uint64_t start = s->read;

	while (s->pipe >= 0 && s->read - start < SPOOL_DRAIN_MAX && spool_step(s))
		continue;
	if (s->pipe >= 0)
		(void)close(s->pipe);
	if (s->masker != NULL)
		mp_masker_end(s->masker, spool_take, s);
	if (s->file >= 0)
		(void)close(s->file);
	s->pipe = s->file = -1;
}
