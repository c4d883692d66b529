/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "mp/error.h"

struct line {
	struct line *next;
	uint64_t lost; /* before it, that nobody was told of */
	size_t n;
	char text[];
};

struct mp_lines {
	int fd;
	uv_thread_t thread;
	uv_mutex_t lock; /* of all below */
	uv_cond_t wake;
	uv_cond_t over;
	struct line *first, **last;
	size_t bytes;  /* of those that wait, and of the one that is being written */
	uint64_t lost; /* ever */
	uint64_t told; /* of them */
	bool closing;
	bool done; /* the thread touches nothing any more */
};

/* Somebody else may have made the descriptor one that does not block. A reader that is gone takes
 * no lines: those are nobody's loss. */
static void
line_write(int fd, const char *p, size_t n)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			(void)poll(&pfd, 1, -1);
		else if (k < 0)
			return;
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
}

/* Under the lock, released while writing. */
static void
lines_take(struct mp_lines *l)
{
	struct line *line = l->first;
	char text[80];

	l->first = line->next;
	if (l->first == NULL)
		l->last = &l->first;
	uv_mutex_unlock(&l->lock);
	if (line->lost > 0) {
		int n = snprintf(text, sizeof(text),
			"mpnode: %" PRIu64 " lines were lost: nobody took them\n", line->lost);

		line_write(l->fd, text, (size_t)n);
	}
	line_write(l->fd, line->text, line->n);
	uv_mutex_lock(&l->lock);
	l->bytes -= line->n;
	free(line);
}

static void
lines_main(void *arg)
{
	struct mp_lines *l = arg;

	uv_mutex_lock(&l->lock);
	while (l->first != NULL || !l->closing) {
		if (l->first != NULL)
			lines_take(l);
		else
			uv_cond_wait(&l->wake, &l->lock);
	}
	l->done = true;
	uv_cond_signal(&l->over);
	uv_mutex_unlock(&l->lock);
}

static void
lines_free(struct mp_lines *l)
{
	uv_cond_destroy(&l->over);
	uv_cond_destroy(&l->wake);
	uv_mutex_destroy(&l->lock);
	free(l);
}

int
mp_lines_open(int fd, struct mp_lines **out)
{
	struct mp_lines *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return MP_ENOMEM;
	l->fd = fd;
	l->last = &l->first;
	if (uv_mutex_init(&l->lock) != 0 || uv_cond_init(&l->wake) != 0 ||
		uv_cond_init(&l->over) != 0) {
		free(l);
		return MP_ENOMEM;
	}
	if (uv_thread_create(&l->thread, lines_main, l) != 0) {
		lines_free(l);
		return MP_ENOMEM;
	}
	*out = l;
	return 0;
}

void
mp_lines_put(struct mp_lines *l, struct mp_span text)
{
	struct line *line;

	if (l == NULL)
		return;
	line = malloc(sizeof(*line) + text.n);
	uv_mutex_lock(&l->lock);
	if (line == NULL || text.n > MP_LINES_BYTES_MAX - l->bytes) {
		l->lost++;
		free(line);
	} else {
		*line = (struct line){.lost = l->lost - l->told, .n = text.n};
		memcpy(line->text, text.p, text.n);
		l->told = l->lost;
		l->bytes += text.n;
		*l->last = line;
		l->last = &line->next;
		uv_cond_signal(&l->wake);
	}
	uv_mutex_unlock(&l->lock);
}

uint64_t
mp_lines_lost(struct mp_lines *l)
{
	uint64_t lost;

	if (l == NULL)
		return 0;
	uv_mutex_lock(&l->lock);
	lost = l->lost;
	uv_mutex_unlock(&l->lock);
	return lost;
}

void
mp_lines_close(struct mp_lines *l)
{
	uint64_t now = uv_hrtime(), until = now + MP_LINES_LAST_MS * UINT64_C(1000000);
	bool done;

	if (l == NULL)
		return;
	uv_mutex_lock(&l->lock);
	l->closing = true;
	uv_cond_signal(&l->wake);
	for (; !l->done && now < until; now = uv_hrtime())
		(void)uv_cond_timedwait(&l->over, &l->lock, until - now);
	done = l->done;
	uv_mutex_unlock(&l->lock);
	if (!done)
		return;
	(void)uv_thread_join(&l->thread);
	lines_free(l);
}
