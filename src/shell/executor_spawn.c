/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_spawn.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum spawn_stage {
	SPAWN_DIR = 1,
	SPAWN_FDS,
	SPAWN_EXEC,
};

/* Written by the child in the memory that both share. */
struct spawn_failure {
	volatile int stage;
	volatile int error;
};

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

/* Between vfork and exec: system calls only, and nothing changed in memory but *f. */
static MP_NORETURN void
spawn_child(const struct mp_spawn *s, const char *file, struct spawn_failure *f)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
	(void)umask(022);
	f->stage = SPAWN_DIR;
	if (chdir(s->dir) == 0) {
		f->stage = SPAWN_FDS;
		if (spawn_move_fds(s)) {
			(void)close_range(3, ~0u, 0); /* all are close-on-exec besides */
			(void)sigprocmask(SIG_SETMASK, &none, NULL);
			f->stage = SPAWN_EXEC;
			(void)execve(file, s->argv, s->env);
		}
	}
	f->error = errno;
	_exit(127);
}

static __attribute__((noinline)) pid_t
spawn_fork(const struct mp_spawn *s, const char *file, struct spawn_failure *f)
{
	pid_t pid = vfork();

	if (pid == 0)
		spawn_child(s, file, f);
	return pid;
}

static int
spawn_fail(const struct mp_spawn *s, const struct spawn_failure *f, struct mp_error *err)
{
	switch (f->stage) {
	case SPAWN_DIR:
		return mp_fail(err, MP_EIO, "%s: %s", s->dir, strerror(f->error));
	case SPAWN_EXEC:
		return mp_fail(err, f->error == ENOENT ? MP_ENOENT : MP_EIO, "%s: %s", s->argv[0],
			strerror(f->error));
	default:
		return mp_fail(err, MP_EIO, "cannot start: %s", strerror(f->error));
	}
}

int
mp_spawn(const struct mp_spawn *s, pid_t *pid, struct mp_error *err)
{
	struct spawn_failure f = {0};
	char found[PATH_MAX];
	const char *file = s->argv[0];
	pid_t child;

	if (strchr(file, '/') == NULL) {
		if (*file == '\0' || !spawn_search(file, spawn_path(s->env), found, sizeof(found)))
			return mp_fail(err, MP_ENOENT, "%s: command not found", file);
		file = found;
	}
	child = spawn_fork(s, file, &f);
	if (child < 0)
		return mp_fail(err, MP_EIO, "cannot start: %s", strerror(errno));
	if (f.error != 0) {
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			continue;
		return spawn_fail(s, &f, err);
	}
	*pid = child;
	return 0;
}
