/* SPDX-License-Identifier: Apache-2.0 */
/* What a node has counted, as its owner is told: [154] on its control socket (codec/msg_ctl.h); and
 * whether that is what was tried. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"

/* Items of the answer before the counters. */
#define INFO_COUNTERS 6

static int
control_open(const char *state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (snprintf(un.sun_path, sizeof(un.sun_path), "%s/control.sock", state) >=
			(int)sizeof(un.sun_path) ||
		fd < 0 || connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0)
		die("%s: no node is there", state);
	return fd;
}

static bool
is_one_of(const struct bytes *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (name->n == strlen(*names) && memcmp(name->p, *names, name->n) == 0)
			return true;
	}
	return false;
}

static uint64_t
counters_sum(const struct bytes *answer, const char *const *names)
{
	struct reader r = reader_of(answer);
	uint64_t sum = 0;
	size_t n;

	(void)read_array(&r);
	if (read_uint(&r) != 200)
		die("a node does not say how it is");
	(void)read_array(&r);
	for (size_t i = 0; i < INFO_COUNTERS; i++)
		(void)read_item(&r);
	for (n = read_array(&r); n > 0; n--) {
		struct bytes name;
		uint64_t v;

		(void)read_array(&r);
		name = read_blob(&r);
		v = read_uint(&r);
		sum += is_one_of(&name, names) ? v : 0;
	}
	return sum;
}

static uint64_t
counted_by(const char *state, const char *const *names)
{
	static const uint8_t ask[] = {0, 0, 0, 3, 0x81, 0x18, 154};
	struct bytes answer = {0};
	int fd = control_open(state);
	uint8_t head[4], byte;
	uint64_t sum;
	size_t n;

	if (!send_all(fd, ask, sizeof(ask)) || !receive_all(fd, head, sizeof(head), CLOSES_MS))
		die("%s: the node does not answer", state);
	n = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	for (; n > 0 && receive_all(fd, &byte, 1, CLOSES_MS); n--)
		bytes_put(&answer, &byte, 1);
	(void)close(fd);
	sum = counters_sum(&answer, names);
	bytes_free(&answer);
	return sum;
}

uint64_t
counted(const char *states, const char *const *names)
{
	uint64_t sum = 0;

	for (;;) {
		size_t n = strcspn(states, ",");
		char state[4096];

		(void)snprintf(state, sizeof(state), "%.*s", (int)n, states);
		sum += counted_by(state, names);
		if (states[n] == '\0')
			return sum;
		states += n + 1;
	}
}

/* ---- kinds of attempts ---- */

#define KINDS_MAX    64
#define COUNTERS_MAX 16
#define COUNTED_MS   10000

struct tally {
	const char *what;
	const char *counters[COUNTERS_MAX];
	uint64_t before, throttled_before;
	uint64_t attempted, refused, counted, throttled;
};

static struct tally tallies[KINDS_MAX];
static size_t tally_count;

static const char throttle[] = "streams_throttled";

static uint64_t
throttled(const struct aim *a)
{
	static const char *const names[] = {throttle, NULL};

	return counted(a->victim, names);
}

/* Streams that are closed are counted a moment later. One that came too fast has not even been
 * looked at, so it was no attempt. */
static void
tally_end(const struct aim *a, struct tally *t)
{
	if (t->counters[0] == NULL)
		t->counted = t->refused;
	for (int ms = 0; t->counters[0] != NULL && ms < COUNTED_MS; ms += 10) {
		t->counted = counted(a->victim, t->counters) - t->before;
		if (t->counted >= t->attempted)
			break;
		(void)poll(NULL, 0, 10);
	}
	t->throttled = throttled(a) - t->throttled_before;
	for (size_t i = 0; t->counters[i] != NULL; i++) {
		if (strcmp(t->counters[i], throttle) == 0)
			t->throttled = 0;
	}
}

void
kind(const struct aim *a, const char *what, const char *const *counters)
{
	struct tally *t = &tallies[tally_count];

	if (tally_count > 0)
		tally_end(a, t - 1);
	if (tally_count++ == KINDS_MAX)
		die("there are too many kinds");
	*t = (struct tally){.what = what, .throttled_before = throttled(a)};
	for (size_t i = 0; counters != NULL && counters[i] != NULL; i++) {
		if (i == COUNTERS_MAX - 1)
			die("there are too many counters");
		t->counters[i] = counters[i];
	}
	t->before = counted(a->victim, t->counters);
}

void
tried(bool refused, const char *fmt, ...)
{
	va_list ap;

	if (tally_count == 0)
		die("an attempt of no kind");
	tallies[tally_count - 1].attempted++;
	tallies[tally_count - 1].refused += refused;
	if (refused)
		return;
	(void)fputs("not refused: ", stdout);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

bool
kinds_end(const struct aim *a)
{
	bool good = true;

	if (tally_count > 0)
		tally_end(a, &tallies[tally_count - 1]);
	for (size_t i = 0; i < tally_count; i++) {
		const struct tally *t = &tallies[i];

		good = good && t->refused == t->attempted && t->counted == t->attempted &&
		       t->throttled == 0;
		(void)printf("kind %llu %llu %llu %llu %s\n", (unsigned long long)t->attempted,
			(unsigned long long)t->refused, (unsigned long long)t->counted,
			(unsigned long long)t->throttled, t->what);
	}
	return good;
}
