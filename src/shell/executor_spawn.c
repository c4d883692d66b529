/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

enum spawn_stage {
	SPAWN_USER = 1,
	SPAWN_DIR,
	SPAWN_FDS,
	SPAWN_EXEC,
};

/* The child says through a pipe why it cannot exec. Memory that both share would do on Linux, but
 * vfork() may be a fork(), and valgrind and ThreadSanitizer make it one. */
struct spawn_failure {
	int stage;
	int error;
};

#define SPAWN_PIPE_FD 3 /* in the child, closed by exec */

static const char *
spawn_path(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

static bool
spawn_is_command(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Folders of PATH that are not absolute do not count: who knows what lies in a workspace. */
static bool
spawn_search(const char *name, const char *path, char *out, size_t size)
{
	const char *p = path, *end;

	while (*p != '\0') {
		end = strchrnul(p, ':');
		if (*p == '/' &&
			(size_t)snprintf(out, size, "%.*s/%s", (int)(end - p), p, name) < size &&
			spawn_is_command(out))
			return true;
		p = *end == '\0' ? end : end + 1;
	}
	return false;
}

static bool
spawn_move_fds(const struct mp_spawn *s)
{
	return dup2(s->in, 0) == 0 && dup2(s->out, 1) == 1 && dup2(s->err, 2) == 2;
}

/* The C library's functions change all threads of a process; this one borrows its caller's memory
 * and is none of them. A change of user forgets the death signal. */
static bool
spawn_drop(const struct mp_spawn *s)
{
	if (s->uid == 0)
		return true;
	return syscall(SYS_setgroups, 0L, NULL) == 0 &&
	       syscall(SYS_setresgid, s->gid, s->gid, s->gid) == 0 &&
	       syscall(SYS_setresuid, s->uid, s->uid, s->uid) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L) == 0;
}

/* Between vfork and exec: system calls only, and nothing changed in memory but our own frame. */
static MP_NORETURN void
spawn_child(const struct mp_spawn *s, const char *file, int pipe_fd)
{
	struct spawn_failure f = {.stage = SPAWN_USER};
	bool dropped;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	(void)umask(022);
	dropped = spawn_drop(s);
	if (dropped)
		f.stage = SPAWN_DIR;
	if (dropped && chdir(s->dir) == 0) {
		f.stage = SPAWN_FDS;
		if (spawn_move_fds(s) &&
			(pipe_fd == SPAWN_PIPE_FD ||
				dup3(pipe_fd, SPAWN_PIPE_FD, O_CLOEXEC) == SPAWN_PIPE_FD)) {
			pipe_fd = SPAWN_PIPE_FD;
			/* All are close-on-exec besides. */
			(void)close_range(SPAWN_PIPE_FD + 1, ~0u, 0);
			(void)sigprocmask(SIG_SETMASK, &none, NULL);
			f.stage = SPAWN_EXEC;
			(void)execve(file, s->argv, s->env);
		}
	}
	f.error = errno;
	(void)!write(pipe_fd, &f, sizeof(f));
	_exit(127);
}

static __attribute__((noinline)) pid_t
spawn_fork(const struct mp_spawn *s, const char *file, int pipe_fd)
{
	pid_t pid = vfork();

	if (pid == 0)
		spawn_child(s, file, pipe_fd);
	return pid;
}

/* True when the child sent why it failed; false: it has become the command. */
static bool
spawn_has_failed(int pipe_fd, struct spawn_failure *f)
{
	ssize_t n;

	do {
		n = read(pipe_fd, f, sizeof(*f));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*f);
}

static int
spawn_fail(const struct mp_spawn *s, const struct spawn_failure *f, struct mp_error *err)
{
	switch (f->stage) {
	case SPAWN_USER:
		return mp_fail(err, mp_sys_error(f->error),
			"cannot become user %ld of --run-as: %s", (long)s->uid, strerror(f->error));
	case SPAWN_DIR:
		return mp_fail(err, mp_sys_error(f->error), "%s: %s", s->dir, strerror(f->error));
	case SPAWN_EXEC:
		return mp_fail(err, f->error == ENOENT ? MP_ENOENT : mp_sys_error(f->error),
			"%s: %s", s->argv[0], strerror(f->error));
	default:
		return mp_fail(err, mp_sys_error(f->error), "cannot start: %s", strerror(f->error));
	}
}

int
mp_spawn(const struct mp_spawn *s, pid_t *pid, struct mp_error *err)
{
	char found[PATH_MAX];
	const char *file = s->argv[0];
	struct spawn_failure f;
	int fds[2], rc = 0;
	pid_t child;

	if (strchr(file, '/') == NULL) {
		if (*file == '\0' || !spawn_search(file, spawn_path(s->env), found, sizeof(found)))
			return mp_fail(err, MP_ENOENT, "%s: command not found", file);
		file = found;
	}
	if (pipe2(fds, O_CLOEXEC) != 0)
		return mp_fail(err, mp_sys_error(errno), "cannot start: %s", strerror(errno));
	child = spawn_fork(s, file, fds[1]);
	if (child < 0)
		rc = mp_fail(err, mp_sys_error(errno), "cannot start: %s", strerror(errno));
	(void)close(fds[1]);
	if (child > 0 && spawn_has_failed(fds[0], &f)) {
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			continue;
		rc = spawn_fail(s, &f, err);
	}
	(void)close(fds[0]);
	if (rc == 0)
		*pid = child;
	return rc;
}
