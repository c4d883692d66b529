/* SPDX-License-Identifier: Apache-2.0 */
/* What a node has counted, as its owner is told: [154] on its control socket (codec/msg_ctl.h). */
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

uint64_t
counted(const char *state, const char *const *names)
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
