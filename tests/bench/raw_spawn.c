/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine can do at best: raw_spawn COUNT K runs /bin/true COUNT times with K in flight
 * and prints how many microseconds that took.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int
reap(void)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(-1, &status, 0);
	} while (pid < 0 && errno == EINTR);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	char name[] = "/bin/true";
	char *args[] = {name, NULL}, *env[] = {NULL};
	long count = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
	long most = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	long running = 0;
	long long since = now_us();

	if (count <= 0 || most <= 0) {
		(void)fprintf(stderr, "usage: raw_spawn COUNT IN-FLIGHT\n");
		return 2;
	}
	for (long i = 0; i < count; i++) {
		pid_t pid;
		int rc;

		if (running == most && reap() != 0)
			return 1;
		running -= running == most;
		rc = posix_spawn(&pid, name, NULL, NULL, args, env);
		if (rc != 0) {
			(void)fprintf(stderr, "raw_spawn: %s: %s\n", name, strerror(rc));
			return 1;
		}
		running++;
	}
	for (; running > 0; running--) {
		if (reap() != 0)
			return 1;
	}
	(void)printf("%lld\n", now_us() - since);
	return 0;
}
