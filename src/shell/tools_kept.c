/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/tools_kept.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_MAX 256
#define FILE_MAX    65536
#define AGE_S       (24 * 60 * 60)
#define WAIT_TRIES  3000
#define WAIT_NS     20000000

/* Of one tool: a line of the file. */
struct entry {
	uint64_t what; /* hash of path and argument */
	uint64_t dev, ino, size;
	int64_t mtime_ns;
	int64_t kept_s;
	char version[MP_WORD_MAX];
};

struct mp_tools_kept {
	int fd;
	bool changed;
	size_t count;
	struct entry entries[ENTRIES_MAX];
};

/* Of one folder that may have to be made. */
static bool
join(char *path, size_t size, const char *base, const char *leaf)
{
	int n = snprintf(path, size, "%s/%s", base, leaf);

	if (n < 0 || (size_t)n >= size)
		return false;
	(void)mkdir(path, 0700);
	return true;
}

static int
kept_file(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char base[2048], dir[2100], path[2200];
	struct stat st;
	int fd, n = 0;

	if (cache != NULL && cache[0] == '/')
		n = snprintf(base, sizeof(base), "%s", cache);
	else if (geteuid() == 0)
		n = snprintf(base, sizeof(base), "/var/cache");
	else if (home == NULL || home[0] != '/' || !join(base, sizeof(base), home, ".cache"))
		return -1;
	if (n < 0 || (size_t)n >= sizeof(base))
		return -1;
	(void)mkdir(base, 0700);
	if (!join(dir, sizeof(dir), base, "meshpipe"))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/tools", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static bool
kept_lock(int fd, const atomic_bool *stop)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};

	for (int i = 0; i < WAIT_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (stop == NULL || atomic_load(stop))
			break;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static void
kept_read(struct mp_tools_kept *kept)
{
	static const char digits[] = "0123456789.";
	char *text = malloc(FILE_MAX + 1), *line, *rest = NULL;
	ssize_t n = text != NULL ? pread(kept->fd, text, FILE_MAX, 0) : -1;

	if (n > 0)
		text[n] = '\0';
	for (line = n > 0 ? strtok_r(text, "\n", &rest) : NULL;
		line != NULL && kept->count < ENTRIES_MAX; line = strtok_r(NULL, "\n", &rest)) {
		struct entry e = {.what = 0};

		if (sscanf(line,
			    "%" SCNx64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64
			    " %63s",
			    &e.what, &e.dev, &e.ino, &e.size, &e.mtime_ns, &e.kept_s,
			    e.version) != 7)
			continue;
		if (strcmp(e.version, "-") == 0)
			e.version[0] = '\0';
		if (strspn(e.version, digits) == strlen(e.version))
			kept->entries[kept->count++] = e;
	}
	free(text);
}

struct mp_tools_kept *
mp_tools_kept_open(const atomic_bool *stop)
{
	struct mp_tools_kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return NULL;
	kept->fd = kept_file();
	if (kept->fd < 0 || !kept_lock(kept->fd, stop)) {
		if (kept->fd >= 0)
			(void)close(kept->fd);
		free(kept);
		return NULL;
	}
	kept_read(kept);
	return kept;
}

void
mp_tools_kept_close(struct mp_tools_kept *kept)
{
	FILE *f;

	if (kept == NULL)
		return;
	f = kept->changed && ftruncate(kept->fd, 0) == 0 ? fdopen(kept->fd, "r+e") : NULL;
	for (size_t i = 0; f != NULL && i < kept->count; i++) {
		const struct entry *e = &kept->entries[i];

		(void)fprintf(f,
			"%" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64
			" %s\n",
			e->what, e->dev, e->ino, e->size, e->mtime_ns, e->kept_s,
			e->version[0] != '\0' ? e->version : "-");
	}
	if (f != NULL)
		(void)fclose(f);
	else
		(void)close(kept->fd);
	free(kept);
}

/* FNV-1a (Fowler, Noll, Vo) of both texts with their ends. False: no such file. */
static bool
entry_of(const char *file, const char *arg, struct entry *out)
{
	const char *texts[] = {file, arg};
	struct stat st;

	*out = (struct entry){.what = 0xcbf29ce484222325ull};
	for (size_t i = 0; i < mp_countof(texts); i++) {
		for (const char *p = texts[i];; p++) {
			out->what = (out->what ^ (uint8_t)*p) * 0x100000001b3ull;
			if (*p == '\0')
				break;
		}
	}
	if (stat(file, &st) != 0)
		return false;
	out->dev = (uint64_t)st.st_dev;
	out->ino = (uint64_t)st.st_ino;
	out->size = (uint64_t)st.st_size;
	out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	out->kept_s = (int64_t)time(NULL);
	return true;
}

bool
mp_tools_kept_get(const struct mp_tools_kept *kept, const char *file, const char *arg,
	char version[MP_WORD_MAX])
{
	struct entry now;

	if (kept == NULL || !entry_of(file, arg, &now))
		return false;
	for (size_t i = 0; i < kept->count; i++) {
		const struct entry *e = &kept->entries[i];

		if (e->what != now.what)
			continue;
		memcpy(version, e->version, sizeof(e->version));
		return e->dev == now.dev && e->ino == now.ino && e->size == now.size &&
		       e->mtime_ns == now.mtime_ns && e->kept_s <= now.kept_s &&
		       now.kept_s - e->kept_s < AGE_S;
	}
	return false;
}

void
mp_tools_kept_put(
	struct mp_tools_kept *kept, const char *file, const char *arg, const char *version)
{
	struct entry now;
	size_t at = 0, oldest = 0;

	if (kept == NULL || !entry_of(file, arg, &now))
		return;
	memcpy(now.version, version, strlen(version) + 1);
	for (; at < kept->count && kept->entries[at].what != now.what; at++) {
		if (kept->entries[at].kept_s < kept->entries[oldest].kept_s)
			oldest = at;
	}
	if (at == ENTRIES_MAX)
		at = oldest;
	else if (at == kept->count)
		kept->count++;
	kept->entries[at] = now;
	kept->changed = true;
}
