/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/daemon.h"
#include "shell/state.h"

#define STOP_MS      10000 /* a stop with grace; then one at once */
#define STOP_HARD_MS 5000

/* ---- the child ---- */

static int
serve(const struct mp_embedded *e, const struct mp_embedded_config *config, FILE *ready,
	struct mp_error *err)
{
	struct mp_daemon_config daemon_config = {
		.listen = "127.0.0.1:0", .options = config->options, .ready = ready};
	struct mp_daemon *daemon = NULL;
	struct mp_state state;
	int rc = mp_state_open(e->dir, NULL, &state, err);

	if (rc != 0)
		return rc;
	if (!state.has_credential)
		rc = mp_state_found(&state, err);
	daemon_config.state = &state;
	if (rc == 0)
		rc = mp_daemon_open(&daemon_config, &daemon, err);
	if (rc == 0)
		rc = mp_daemon_run(daemon, err);
	mp_daemon_close(daemon);
	mp_state_close(&state);
	return rc;
}

/* What goes wrong before the node is ready is told on the same pipe. */
MP_NORETURN static void
child_main(
	const struct mp_embedded *e, const struct mp_embedded_config *config, int fd, pid_t parent)
{
	FILE *ready = fdopen(fd, "w");
	struct mp_error err = {0};
	int rc;

	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)setsid(); /* a terminal's signals are for the parent, which stops this one */
	/* Without the parent nobody waits for the run: no grace, its executor kills what runs. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || ready == NULL)
		_exit(1);
	rc = serve(e, config, ready, &err);
	if (rc != 0) {
		(void)fprintf(ready, "error %d %s\n", rc, err.text);
		(void)fflush(ready);
	}
	_exit(rc != 0 ? 1 : 0);
}

/* ---- the parent ---- */

static int
make_folder(struct mp_embedded *e, const struct mp_embedded_config *config, struct mp_error *err)
{
	const char *base = getenv("TMPDIR");
	int n;

	if (config->state != NULL) {
		n = snprintf(e->dir, sizeof(e->dir), "%s", config->state);
		return n >= 0 && (size_t)n < sizeof(e->dir)
			       ? 0
			       : mp_fail(err, MP_ELIMIT, "the state directory's path is too long");
	}
	n = snprintf(e->dir, sizeof(e->dir), "%s/meshpipe-run-XXXXXX",
		base != NULL && base[0] == '/' ? base : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(e->dir))
		return mp_fail(err, MP_ELIMIT, "$TMPDIR is too long");
	if (mkdtemp(e->dir) == NULL)
		return mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EIO, "%s: %s", e->dir,
			strerror(errno));
	e->temporary = true;
	return 0;
}

/* The child's first line: "ready ..." or "error CODE TEXT". */
static int
read_line(int fd, struct mp_error *err)
{
	char line[MP_ERROR_TEXT_MAX + 64];
	size_t n = 0;
	ssize_t got;
	char *end;
	long code;

	while (n < sizeof(line) - 1) {
		got = read(fd, line + n, 1);
		if (got < 0 && errno == EINTR)
			return mp_fail(err, MP_ECANCELED, "interrupted");
		if (got <= 0 || line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	if (strncmp(line, "ready ", 6) == 0)
		return 0;
	if (strncmp(line, "error ", 6) != 0)
		return mp_fail(err, MP_EBUG, "the embedded node ended before it was ready");
	code = strtol(line + 6, &end, 10);
	if (code >= 0 || code < INT32_MIN)
		code = MP_EBUG;
	return mp_fail(err, (int)code, "embedded node: %s", *end == ' ' ? end + 1 : end);
}

int
mp_embedded_start(
	struct mp_embedded *e, const struct mp_embedded_config *config, struct mp_error *err)
{
	pid_t parent = getpid();
	int fds[2], rc;

	*e = (struct mp_embedded){.pid = 0};
	rc = make_folder(e, config, err);
	if (rc != 0)
		return rc;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		(void)mp_fail(err, MP_EIO, "pipe: %s", strerror(errno));
		mp_embedded_stop(e);
		return err->code;
	}
	(void)fflush(NULL);
	e->pid = fork();
	if (e->pid == 0) {
		(void)close(fds[0]);
		child_main(e, config, fds[1], parent);
	}
	(void)close(fds[1]);
	if (e->pid < 0) {
		e->pid = 0;
		rc = mp_fail(err, MP_EIO, "fork: %s", strerror(errno));
	} else {
		rc = read_line(fds[0], err);
	}
	(void)close(fds[0]);
	if (rc != 0)
		mp_embedded_stop(e);
	return rc;
}

/* ---- the end ---- */

static int
remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	(void)(flag == FTW_DP ? rmdir(path) : unlink(path));
	return 0;
}

/* Modules may leave folders that nobody may write. */
static int
open_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)ftw;
	if ((flag == FTW_D || flag == FTW_DNR) && (st->st_mode & S_IRWXU) != S_IRWXU)
		(void)chmod(path, st->st_mode | S_IRWXU);
	return 0;
}

static bool
wait_for(pid_t pid, long ms)
{
	struct timespec pause = {.tv_nsec = 5 * 1000000L};

	for (; ms > 0; ms -= 5) {
		pid_t rc = waitpid(pid, NULL, WNOHANG);

		if (rc == pid || (rc < 0 && errno != EINTR))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

void
mp_embedded_stop(struct mp_embedded *e)
{
	if (e->pid > 0) {
		(void)kill(e->pid, SIGTERM);
		if (!wait_for(e->pid, STOP_MS)) {
			(void)kill(e->pid, SIGTERM);
			if (!wait_for(e->pid, STOP_HARD_MS)) {
				(void)kill(e->pid, SIGKILL);
				(void)waitpid(e->pid, NULL, 0);
			}
		}
	}
	e->pid = 0;
	if (!e->temporary)
		return;
	(void)nftw(e->dir, open_entry, 16, FTW_PHYS);
	(void)nftw(e->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	e->temporary = false;
}
