/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into mpnode: appends a line to $MP_LOOPDISK for each call by which the thread of the
 * event loop would wait for a disk, from the first turn on after the control socket was opened.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t daemon_pid; /* of the process that it was loaded into; not of what that forks */
static bool opened;      /* these are of the loop's thread alone */
static bool turning;

static bool
on_loop(void)
{
	return getpid() == daemon_pid && syscall(SYS_gettid) == daemon_pid;
}

static void
saw(const char *call, const char *path)
{
	static const char *const no_disk[] = {"/proc", "/sys", "/dev"};
	const char *to = getenv("MP_LOOPDISK");
	char line[512];
	int fd, n;

	if (!turning || to == NULL || !on_loop())
		return;
	for (size_t i = 0; i < sizeof(no_disk) / sizeof(no_disk[0]); i++) {
		if (strncmp(path, no_disk[i], strlen(no_disk[i])) == 0)
			return;
	}
	fd = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT, 0600);
	n = snprintf(line, sizeof(line), "%s %s\n", call, path);
	if (fd >= 0 && n > 0)
		(void)!syscall(SYS_write, fd, line, (size_t)n);
	(void)close(fd);
}

#define NEXT(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void
loaded(void)
{
	daemon_pid = getpid();
}

int
bind(int fd, const struct sockaddr *addr, socklen_t size)
{
	opened = opened || (addr->sa_family == AF_UNIX && on_loop());
	return NEXT(bind)(fd, addr, size);
}

int
epoll_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
	turning = turning || (opened && on_loop());
	return NEXT(epoll_wait)(epfd, events, count, timeout);
}

int
epoll_pwait(int epfd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
	turning = turning || (opened && on_loop());
	return NEXT(epoll_pwait)(epfd, events, count, timeout, mask);
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		saw(#name, path);                                                                  \
		return NEXT(name)(path, flags, mode);                                              \
	}
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
	int name(int dir, const char *path, int flags, ...)                                        \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
		saw(#name, path);                                                                  \
		return NEXT(name)(dir, path, flags, mode);                                         \
	}
OPENAT(openat)
OPENAT(openat64)

#define OF_FD(name)                                                                                \
	int name(int fd)                                                                           \
	{                                                                                          \
		saw(#name, "");                                                                    \
		return NEXT(name)(fd);                                                             \
	}
OF_FD(fsync)
OF_FD(fdatasync)

#define OF_PATH(name, type)                                                                        \
	int name(const char *path, type more)                                                      \
	{                                                                                          \
		saw(#name, path);                                                                  \
		return NEXT(name)(path, more);                                                     \
	}
OF_PATH(access, int)
OF_PATH(mkdir, mode_t)
OF_PATH(stat, struct stat *)
OF_PATH(lstat, struct stat *)
OF_PATH(stat64, struct stat64 *)
OF_PATH(statvfs, struct statvfs *)
OF_PATH(statvfs64, struct statvfs64 *)
OF_PATH(rename, const char *)

FILE *
fopen(const char *path, const char *mode)
{
	saw("fopen", path);
	return NEXT(fopen)(path, mode);
}

DIR *
opendir(const char *path)
{
	saw("opendir", path);
	return NEXT(opendir)(path);
}

int
unlink(const char *path)
{
	saw("unlink", path);
	return NEXT(unlink)(path);
}

int
unlinkat(int dir, const char *path, int flags)
{
	saw("unlinkat", path);
	return NEXT(unlinkat)(dir, path, flags);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	saw("renameat", to);
	return NEXT(renameat)(from_dir, from, to_dir, to);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd == STDOUT_FILENO || fd == STDERR_FILENO)
		saw("write", fd == STDOUT_FILENO ? "stdout" : "stderr");
	return NEXT(write)(fd, p, n);
}
