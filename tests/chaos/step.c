/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command of every module under chaos, and the judge of what it made.
 *
 *   step run JOURNAL MS BYTES NAME [NEED...]
 *	Writes `begin NAME ATTEMPT NODE FENCE UNIX-MS` to the journal, works for MS, makes NAME.out
 *	of the NEED.out that lie here, and writes the same line with `end`. A line is one write to
 *	a file opened with O_APPEND, so lines of all nodes stand whole and in their true order.
 *	Nothing ends while there is a file JOURNAL.hold. Exit 75 (EX_TEMPFAIL) when the disk is
 *full.
 *
 *   step check DIR BYTES <"NAME VALUE" lines
 *	DIR/NAME/NAME.out is what a module with this value makes, for each line. Says what is not.
 *
 * NAME.out: the value in decimal, a newline, and bytes that follow from the value, BYTES in all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_OUT (1u << 20)
#define VALUE_PRIME  1000003u

static int
complain(const char *what)
{
	int rc = errno == ENOSPC ? 75 : 1;

	(void)fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
	return rc;
}

static size_t
artifact_make(char *out, size_t size, unsigned long value)
{
	uint64_t x = value + 1;
	int n = snprintf(out, size, "%lu\n", value);

	for (size_t i = (size_t)n; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (char)(x >> 56);
	}
	return size;
}

static const char *
env_of(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] != '\0' ? v : "-";
}

static int
journal_add(const char *path, const char *what, const char *name)
{
	struct timespec ts;
	char line[512];
	ssize_t done;
	int fd, n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	n = snprintf(line, sizeof(line), "%s %s %s %s %s %lld\n", what, name, env_of("MP_ATTEMPT"),
		env_of("MP_NODE"), env_of("MP_FENCE"),
		(long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return complain(path);
	done = write(fd, line, (size_t)n);
	(void)close(fd);
	return done == n ? 0 : complain(path);
}

static int
need_read(const char *name, unsigned long *value)
{
	char path[256];
	FILE *f;
	int n;

	(void)snprintf(path, sizeof(path), "%s.out", name);
	f = fopen(path, "r");
	if (f == NULL)
		return complain(path);
	n = fscanf(f, "%lu", value);
	(void)fclose(f);
	return n == 1 ? 0 : complain(path);
}

static int
artifact_write(const char *name, size_t size, unsigned long value)
{
	char path[256], *bytes = malloc(size);
	FILE *f;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "%s.out", name);
	f = fopen(path, "w");
	if (f == NULL || bytes == NULL) {
		free(bytes);
		return complain(path);
	}
	if (fwrite(bytes, 1, artifact_make(bytes, size, value), f) != size)
		rc = complain(path);
	if (fclose(f) != 0 && rc == 0)
		rc = complain(path);
	free(bytes);
	return rc;
}

static void
hold_wait(const char *journal)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s.hold", journal);
	while (access(path, F_OK) == 0)
		(void)nanosleep(&pause, NULL);
}

static int
step_run(const char *journal, long ms, size_t size, int count, char **names)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	unsigned long sum = 1, value;
	int rc = journal_add(journal, "begin", names[0]);

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
	hold_wait(journal);
	for (int i = 1; i < count && rc == 0; i++) {
		rc = need_read(names[i], &value);
		sum = (sum * 31 + value) % VALUE_PRIME;
	}
	if (rc == 0)
		rc = artifact_write(names[0], size, sum);
	return rc != 0 ? rc : journal_add(journal, "end", names[0]);
}

static bool
artifact_is(const char *dir, const char *name, size_t size, const char *wanted, char *got)
{
	char path[4096];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s/%s.out", dir, name, name);
	f = fopen(path, "r");
	if (f != NULL) {
		n = fread(got, 1, size + 1, f);
		(void)fclose(f);
	}
	return n == size && memcmp(wanted, got, size) == 0;
}

static int
step_check(const char *dir, size_t size)
{
	char name[128], *wanted = malloc(size), *got = malloc(size + 1);
	unsigned long value, wrong = 0, all = 0;

	while (wanted != NULL && got != NULL && scanf("%127s %lu", name, &value) == 2) {
		(void)artifact_make(wanted, size, value);
		all++;
		if (artifact_is(dir, name, size, wanted, got))
			continue;
		if (wrong++ < 10)
			(void)printf("%s is missing or wrong\n", name);
	}
	(void)printf("%lu of %lu artifacts are right\n", all - wrong, all);
	free(wanted);
	free(got);
	return all > 0 && wrong == 0 ? 0 : 1;
}

static long
number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *end == '\0' && n >= 0 && n <= (long)SIZE_MAX_OUT ? n : -1;
}

int
main(int argc, char **argv)
{
	long size = argc >= 4 ? number(argv[argc == 4 ? 3 : 4]) : -1;

	if (argc >= 6 && strcmp(argv[1], "run") == 0 && size >= 16 && number(argv[3]) >= 0)
		return step_run(argv[2], number(argv[3]), (size_t)size, argc - 5, argv + 5);
	if (argc == 4 && strcmp(argv[1], "check") == 0 && size >= 16)
		return step_check(argv[2], (size_t)size);
	(void)fprintf(stderr, "usage: step run JOURNAL MS BYTES NAME [NEED...]\n"
			      "       step check DIR BYTES\n");
	return 2;
}
