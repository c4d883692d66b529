/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into mpnode: its machine's clock is $MP_ILL_CLOCK_S seconds ahead of what it is, and of
 * its disks only $MP_ILL_DISK percent are free.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	const char *ahead = getenv("MP_ILL_CLOCK_S");
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && id == CLOCK_REALTIME && ahead != NULL)
		ts->tv_sec += strtol(ahead, NULL, 10);
	return rc;
}

int
statvfs(const char *path, struct statvfs *vfs)
{
	const char *free = getenv("MP_ILL_DISK");
	int rc = NEXT(statvfs)(path, vfs);

	if (rc == 0 && free != NULL)
		vfs->f_bavail = vfs->f_bfree =
			vfs->f_blocks / 100 * (fsblkcnt_t)strtoul(free, NULL, 10);
	return rc;
}
