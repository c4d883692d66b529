/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Looks of mp_tree_kill() that may find somebody new; a stopped process forks no more. */
#define TREE_ROUNDS 50

struct tree_process {
	pid_t pid, parent;
	bool below, dead;
};

struct tree {
	struct tree_process *v;
	size_t n, cap;
};

/* "pid (name) state parent ...", and the name may hold anything. */
static bool
tree_read(int proc, const char *name, struct tree_process *out)
{
	char path[64], text[512];
	const char *p;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%.20s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL || p[1] != ' ' || p[2] == '\0')
		return false;
	out->pid = (pid_t)strtol(name, NULL, 10);
	out->parent = (pid_t)strtol(p + 3, NULL, 10);
	out->dead = p[2] == 'Z' || p[2] == 'X';
	out->below = false;
	return true;
}

static bool
tree_add(struct tree *t, const struct tree_process *p)
{
	struct tree_process *v;

	if (t->n == t->cap) {
		v = realloc(t->v, (t->cap * 2 + 256) * sizeof(*v));
		if (v == NULL)
			return false;
		t->v = v;
		t->cap = t->cap * 2 + 256;
	}
	t->v[t->n++] = *p;
	return true;
}

static int
tree_order(const void *a, const void *b)
{
	const struct tree_process *p = a, *q = b;

	return (p->pid > q->pid) - (p->pid < q->pid);
}

static void
tree_load(struct tree *t)
{
	struct tree_process p;
	struct dirent *e;
	DIR *dir = opendir("/proc");

	*t = (struct tree){0};
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
			tree_read(dirfd(dir), e->d_name, &p) && !tree_add(t, &p))
			break;
	(void)closedir(dir);
	if (t->n > 0)
		qsort(t->v, t->n, sizeof(*t->v), tree_order);
}

/* Marks what is below root, in as many passes as the tree is deep at worst. */
static void
tree_mark(struct tree *t, pid_t root, bool (*spare)(void *ctx, pid_t pid), void *ctx)
{
	bool more = t->n > 0;
	size_t i;

	while (more) {
		more = false;
		for (i = 0; i < t->n; i++) {
			struct tree_process *p = &t->v[i], key = {.pid = p->parent}, *parent;

			if (p->below || p->pid == root)
				continue;
			parent = bsearch(&key, t->v, t->n, sizeof(key), tree_order);
			if (p->parent != root && (parent == NULL || !parent->below))
				continue;
			if (spare != NULL && spare(ctx, p->pid))
				continue;
			p->below = true;
			more = true;
		}
	}
}

/* How many there are; those that `seen` lacks are counted in *news. */
static size_t
tree_send(const struct tree *t, int sig, const struct tree *seen, size_t *news)
{
	size_t i, n = 0;

	for (i = 0; i < t->n; i++) {
		const struct tree_process *p = &t->v[i], *old = NULL;

		if (!p->below || p->dead)
			continue;
		n++;
		if (seen != NULL && seen->n > 0)
			old = bsearch(p, seen->v, seen->n, sizeof(*p), tree_order);
		if (old == NULL || !old->below)
			(*news)++;
		(void)kill(p->pid, sig);
	}
	return n;
}

size_t
mp_tree_signal(pid_t root, int sig, bool (*spare)(void *ctx, pid_t pid), void *ctx)
{
	struct tree t;
	size_t n, news = 0;

	tree_load(&t);
	tree_mark(&t, root, spare, ctx);
	n = tree_send(&t, sig, NULL, &news);
	free(t.v);
	return n;
}

size_t
mp_tree_kill(pid_t root, bool (*spare)(void *ctx, pid_t pid), void *ctx)
{
	struct tree seen = {0}, t;
	size_t news, n;
	int round;

	for (round = 0; round < TREE_ROUNDS; round++) {
		news = 0;
		tree_load(&t);
		tree_mark(&t, root, spare, ctx);
		n = tree_send(&t, SIGSTOP, &seen, &news);
		free(seen.v);
		seen = t;
		if (n == 0 || news == 0)
			break;
	}
	news = 0;
	n = tree_send(&seen, SIGKILL, NULL, &news);
	free(seen.v);
	return n;
}
