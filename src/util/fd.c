/* SPDX-License-Identifier: Apache-2.0 */
#include "util/fd.h"

#include <errno.h>
#include <unistd.h>

bool
mp_fd_write(int fd, struct mp_span bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes = mp_span(bytes.p + n, bytes.n - (size_t)n);
	}
	return true;
}

int
mp_sys_error(int sys)
{
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return MP_EFULL;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return MP_ENOMEM;
	case EACCES:
	case EPERM:
	case EROFS:
		return MP_EAUTH;
	default:
		return MP_EIO;
	}
}
