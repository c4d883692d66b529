/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine can do (DESIGN 4). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "shell/daemon.h"

/* Looked for on PATH; sorted, as capabilities are encoded. Versions are not asked for: running
 * every tool at each start costs more than it tells. */
static const char *const tools[] = {"awk", "bash", "bazel", "cargo", "clang", "cmake", "curl",
	"docker", "g++", "gcc", "git", "go", "java", "make", "ninja", "node", "perl", "podman",
	"python3", "rsync", "ruby", "rustc", "sed", "tar", "zstd"};

static bool
on_path(const char *tool)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (const char *p = path != NULL ? path : "/usr/bin:/bin"; *p != '\0';) {
		size_t n = strcspn(p, ":");
		int len = snprintf(file, sizeof(file), "%.*s/%s", (int)n, p, tool);
		struct stat st;

		if (n > 0 && len > 0 && (size_t)len < sizeof(file) && stat(file, &st) == 0 &&
			S_ISREG(st.st_mode) && access(file, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

static int
tag_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
probe_tags(struct mp_caps *caps, const char *const *tags, size_t tag_count)
{
	for (size_t i = 0; i < tag_count && caps->tag_count < MP_TAGS_MAX; i++) {
		bool known = false;

		for (uint32_t k = 0; k < caps->tag_count; k++)
			known = known || strcmp(caps->tags[k], tags[i]) == 0;
		if (!known && strlen(tags[i]) < MP_WORD_MAX)
			memcpy(caps->tags[caps->tag_count++], tags[i], strlen(tags[i]) + 1);
	}
	qsort(caps->tags, caps->tag_count, sizeof(caps->tags[0]), tag_cmp);
}

static void
probe_word(char out[MP_WORD_MAX], const char *word, bool lower)
{
	size_t i;

	for (i = 0; word[i] != '\0' && i < MP_WORD_MAX - 1; i++)
		out[i] = lower ? (char)tolower((unsigned char)word[i]) : word[i];
	out[i] = '\0';
}

void
mp_caps_probe(struct mp_caps *caps, int slots, const char *const *tags, size_t tag_count)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	struct utsname un;

	*caps = (struct mp_caps){.cpus = cpus > 0 ? (uint32_t)cpus : 1};
	caps->slots = slots >= 0 ? (uint32_t)slots : caps->cpus;
	if (pages > 0 && page > 0)
		caps->memory_bytes = (uint64_t)pages * (uint64_t)page;
	if (uname(&un) == 0) {
		probe_word(caps->os, un.sysname, true);
		probe_word(caps->arch, un.machine, false);
	}
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (on_path(tools[i]))
			probe_word(caps->tools[caps->tool_count++].name, tools[i], false);
	}
	probe_tags(caps, tags, tag_count);
}
