/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mp/limits.h"

/* Of a long log the middle was dropped and reads as zeros: it is stepped over. */
static void
log_step_over(uint64_t size, uint64_t *offset, size_t *room)
{
	uint64_t half = MP_OUTPUT_KEEP_MAX / 2;

	if (size <= MP_OUTPUT_KEEP_MAX)
		return;
	if (*offset >= half && *offset < size - half)
		*offset = size - half;
	else if (*offset<half && * room> half - *offset)
		*room = (size_t)(half - *offset);
}

int
mp_exec_log_read(const char *path, uint64_t *offset, void *p, size_t room, size_t *got)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;
	struct stat st;
	ssize_t n = 0;

	*got = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : MP_EIO; /* it is made with the first byte */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = MP_EIO;
	} else {
		log_step_over((uint64_t)st.st_size, offset, &room);
		n = pread(fd, p, room, (off_t)*offset);
		rc = n < 0 ? MP_EIO : 0;
	}
	(void)close(fd);
	*got = n > 0 ? (size_t)n : 0;
	return rc;
}
