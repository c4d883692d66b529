/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/tools_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/tools_kept.h"
#include "util/clock.h"

#define RUN_MS  2000
#define LOOK_MS 50 /* how often a run that takes its time looks whether it is to stop */

/* What is always looked for; sorted. */
static const struct {
	const char *name, *arg;
} tools[] = {
	{"awk", "--version"},
	{"bash", "--version"},
	{"bazel", "--version"},
	{"cargo", "--version"},
	{"clang", "--version"},
	{"cmake", "--version"},
	{"curl", "--version"},
	{"docker", "--version"},
	{"g++", "--version"},
	{"gcc", "--version"},
	{"git", "--version"},
	{"go", "version"},
	{"java", "-version"},
	{"make", "--version"},
	{"ninja", "--version"},
	{"node", "--version"},
	{"perl", "--version"},
	{"podman", "--version"},
	{"python3", "--version"},
	{"rsync", "--version"},
	{"ruby", "--version"},
	{"rustc", "--version"},
	{"sed", "--version"},
	{"tar", "--version"},
	{"zstd", "--version"},
};

/* ---- where it is ---- */

static bool
path_find(const char *tool, char file[4096])
{
	const char *path = getenv("PATH");

	for (const char *p = path != NULL ? path : "/usr/bin:/bin"; *p != '\0';) {
		size_t n = strcspn(p, ":");
		int len = snprintf(file, 4096, "%.*s/%s", (int)n, p, tool);
		struct stat st;

		if (n > 0 && len > 0 && len < 4096 && stat(file, &st) == 0 && S_ISREG(st.st_mode) &&
			access(file, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

static void
tool_find(struct mp_caps *caps, const char *name)
{
	char file[4096];

	for (uint32_t i = 0; i < caps->tool_count; i++) {
		if (strcmp(caps->tools[i].name, name) == 0)
			return;
	}
	if (caps->tool_count == MP_TOOLS_MAX || !path_find(name, file))
		return;
	caps->tools[caps->tool_count] = (struct mp_tool){.version = ""};
	memcpy(caps->tools[caps->tool_count++].name, name, strlen(name) + 1);
}

void
mp_tools_find(struct mp_caps *caps, const struct mp_settings *settings)
{
	caps->tool_count = 0;
	for (size_t i = 0; i < mp_countof(tools); i++)
		tool_find(caps, tools[i].name);
	for (uint32_t i = 0; settings != NULL && i < settings->tool_count; i++)
		tool_find(caps, settings->tools[i].name);
}

static const char *
tool_arg(const char *name, const struct mp_settings *settings)
{
	for (uint32_t i = 0; settings != NULL && i < settings->tool_count; i++) {
		if (strcmp(settings->tools[i].name, name) == 0 && settings->tools[i].arg[0] != '\0')
			return settings->tools[i].arg;
	}
	for (size_t i = 0; i < mp_countof(tools); i++) {
		if (strcmp(tools[i].name, name) == 0)
			return tools[i].arg;
	}
	return "--version";
}

/* ---- what it says ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

void
mp_tools_version_of(const char *text, char out[MP_WORD_MAX])
{
	out[0] = '\0';
	for (const char *p = text; *p != '\0';) {
		size_t n = strspn(p, "0123456789."), dots = 0;

		if (!is_digit(*p)) {
			p++;
			continue;
		}
		while (n > 0 && p[n - 1] == '.')
			n--;
		for (size_t i = 0; i < n; i++)
			dots += p[i] == '.';
		if (dots > 0 && n < MP_WORD_MAX) {
			memcpy(out, p, n);
			out[n] = '\0';
			return;
		}
		p += n > 0 ? n : 1;
	}
}

/* Starts it with its output on fd, in a process group of its own. */
static bool
tool_start(const char *file, const char *name, const char *arg, int fd, pid_t *pid)
{
	char *argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)arg, NULL};
	char path[8192], home[4096], lang[] = "LC_ALL=C";
	char *envp[] = {path, lang, home, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	bool ok = false;

	(void)snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "");
	(void)snprintf(home, sizeof(home), "HOME=%s", getenv("HOME") ? getenv("HOME") : "/");
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return false;
	if (posix_spawnattr_init(&attr) == 0) {
		(void)posix_spawnattr_setflags(&attr,
			POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		(void)posix_spawnattr_setsigmask(&attr, &none);
		(void)posix_spawnattr_setsigdefault(&attr, &all);
		ok = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
		     posix_spawn_file_actions_adddup2(&actions, fd, 1) == 0 &&
		     posix_spawn_file_actions_adddup2(&actions, fd, 2) == 0 &&
		     posix_spawn(pid, file, &actions, &attr, argv, envp) == 0;
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return ok;
}

/* Until it closes its output, the time is over or we are to stop. */
static void
tool_read(int fd, int64_t until_ms, const atomic_bool *stop, char *text, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && mp_clock_ms() < until_ms && !atomic_load(stop)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		got = read(fd, text + n, size - 1 - n);
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	text[n] = '\0';
}

/* Waits for its end, and makes it one when the time is over. True: it succeeded. */
static bool
tool_end(pid_t pid, int64_t until_ms, const atomic_bool *stop)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int status = 0;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && mp_clock_ms() < until_ms &&
		!atomic_load(stop))
		(void)nanosleep(&pause, NULL);
	(void)kill(-pid, SIGKILL);
	if (got == 0)
		got = waitpid(pid, &status, 0);
	return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
tool_run(const char *file, const char *name, const char *arg, const atomic_bool *stop,
	char version[MP_WORD_MAX])
{
	int64_t until_ms = mp_clock_ms() + RUN_MS;
	char text[4096];
	int fds[2];
	pid_t pid;

	version[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0)
		return;
	if (tool_start(file, name, arg, fds[1], &pid)) {
		(void)close(fds[1]);
		tool_read(fds[0], until_ms, stop, text, sizeof(text));
		if (tool_end(pid, until_ms, stop))
			mp_tools_version_of(text, version);
	} else {
		(void)close(fds[1]);
	}
	(void)close(fds[0]);
}

void
mp_tools_versions(struct mp_caps *caps, const struct mp_settings *settings, bool fresh,
	const atomic_bool *stop)
{
	struct mp_tools_kept *kept = mp_tools_kept_open(stop);
	char file[4096];

	for (uint32_t i = 0; i < caps->tool_count && !atomic_load(stop); i++) {
		struct mp_tool *tool = &caps->tools[i];
		const char *arg = tool_arg(tool->name, settings);

		if (!path_find(tool->name, file) ||
			(!fresh && mp_tools_kept_get(kept, file, arg, tool->version)))
			continue;
		tool_run(file, tool->name, arg, stop, tool->version);
		if (!atomic_load(stop))
			mp_tools_kept_put(kept, file, arg, tool->version);
	}
	mp_tools_kept_close(kept);
}

bool
mp_tools_kept(struct mp_caps *caps, const struct mp_settings *settings)
{
	struct mp_tools_kept *kept = mp_tools_kept_open(NULL);
	uint32_t known = 0, all = caps->tool_count;
	char file[4096];

	for (uint32_t i = 0; i < all; i++) {
		struct mp_tool tool = caps->tools[i];

		if (path_find(tool.name, file) &&
			mp_tools_kept_get(kept, file, tool_arg(tool.name, settings), tool.version))
			caps->tools[known++] = tool;
	}
	mp_tools_kept_close(kept);
	caps->tool_count = known;
	return known == all;
}
