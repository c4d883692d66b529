/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: fuzz_TARGET FILE|DIRECTORY...
 *
 * Gives each file, and each file of each directory, to the target once. The stand-in for libFuzzer
 * in builds without it, so that every compiler and valgrind can replay what fuzzing has found.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static size_t replayed;

static void
die(const char *path)
{
	(void)fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	exit(1);
}

/* The copy has the exact size, so that reading past the end is seen. */
static void
replay_file(const char *path, size_t size)
{
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	FILE *f = fopen(path, "rb");

	if (bytes == NULL || f == NULL || fread(bytes, 1, size, f) != size)
		die(path);
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	replayed++;
}

static void
replay(const char *path)
{
	struct dirent **entries;
	struct stat st;
	char *name;
	int n;

	if (stat(path, &st) != 0)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0)
		die(path);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
				die(path);
			replay(name);
			free(name);
		}
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (replayed == 0) {
		(void)fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	(void)fprintf(stderr, "%zu inputs\n", replayed);
	return 0;
}
