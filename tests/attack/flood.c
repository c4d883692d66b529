/* SPDX-License-Identifier: Apache-2.0 */
/* Much of it: connections that wait, frames that are too large, junk. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

#define CROWD         10000
#define CROWD_SOURCES 20
#define CROWD_RATE    900.0
#define CROWD_BURST   1000
#define HELD_MAX      600 /* at a time; as descriptors allow */
#define SLOW          40
#define MESSAGE_MAX   (16u << 20)
#define BATCH         64

static double
now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- connections that wait ---- */

/* May one who was invited speak, within some tries? Those that fail are counted like the crowd. */
static bool
is_heard(struct aim *a)
{
	struct bytes hello = greeting(0, &a->credential), word = {0}, answer = {0};
	bool heard = false;

	put_array(&word, 1);
	put_uint(&word, 36);
	for (int i = 0; i < 40; i++) {
		struct stream s;

		heard = stream_open(&s, a->port, &a->self, a->token.cluster, &hello) &&
			message_send(&s, &word) && message_receive(&s, &answer, CLOSES_MS);
		stream_close(&s);
		if (heard)
			break;
		tried(true, "one who was invited, in the crowd");
		(void)poll(NULL, 0, 250);
	}
	bytes_free(&hello);
	bytes_free(&word);
	bytes_free(&answer);
	return heard;
}

static size_t
descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return (size_t)limit.rlim_cur;
}

/* Connections that have said nothing, or a part of a greeting, as many as may be open at a time;
 * `rate` a second, from so many addresses. */
static void
crowd(struct aim *a, size_t count, double rate, size_t sources, const char *what)
{
	static int fds[HELD_MAX];
	size_t held = descriptors() < HELD_MAX + 64 ? 256 : HELD_MAX;
	struct bytes first = {0};
	double since = now_s();
	struct stream s;

	stream_begin(&s, &a->self, a->token.cluster, 1, NULL, &first);
	for (size_t i = 0; i < count; i++) {
		int *fd = &fds[i % held];

		while ((double)i > CROWD_BURST + rate * (now_s() - since))
			(void)poll(NULL, 0, 2);
		if (i >= held)
			(void)close(*fd);
		*fd = connect_from(a->port, INADDR_LOOPBACK + 1 + (uint32_t)(i % sources));
		if (*fd < 0)
			die("connection %zu is not even taken", i);
		(void)send_all(*fd, first.p, i % (first.n + 1));
		tried(true, "%s", what);
	}
	if (!is_heard(a))
		tried(false, "a crowd that waits keeps out all others");
	for (size_t i = 0; i < held && i < count; i++)
		(void)close(fds[i]);
	bytes_free(&first);
}

void
attack_crowd(struct aim *a)
{
	aim_stranger(a, 5, "mallory");
	KIND(a, "half-open connections, 600 at a time", "streams_crowded", "handshakes_closed",
		"handshakes_timeout");
	crowd(a, CROWD, CROWD_RATE, CROWD_SOURCES, "a connection that waits");
	KIND(a, "half-open connections, as fast as they can", "streams_throttled",
		"streams_crowded", "handshakes_closed", "handshakes_timeout");
	crowd(a, CROWD / 2, 1e9, 1, "a connection that comes too fast");
}

/* A byte now and then, as long as it lasts. */
void
attack_slow(struct aim *a)
{
	struct bytes first[SLOW] = {{0}};
	struct stream s[SLOW];
	size_t open = SLOW;

	aim_stranger(a, 6, "mallory");
	KIND(a, "greetings of one byte now and then", "handshakes_timeout");
	for (size_t i = 0; i < SLOW; i++) {
		stream_begin(&s[i], &a->self, a->token.cluster, i, NULL, &first[i]);
		s[i].fd = connect_calmly(a->port);
	}
	for (size_t at = 0; at < 40 && open > 0; at++) {
		for (size_t i = 0; i < SLOW; i++) {
			if (s[i].fd < 0)
				continue;
			(void)send_all(s[i].fd, first[i].p + at, 1);
			if (!is_closed(s[i].fd, 0, 0))
				continue;
			stream_close(&s[i]);
			open--;
		}
		(void)poll(NULL, 0, 400);
	}
	for (size_t i = 0; i < SLOW; i++) {
		tried(s[i].fd < 0, "a greeting of one byte now and then");
		stream_close(&s[i]);
		bytes_free(&first[i]);
	}
}

/* ---- frames ---- */

/* One who was invited, whose stream is open. */
static void
frames_open(struct aim *a, struct stream *s)
{
	struct bytes hello = greeting(0, &a->credential);

	if (!stream_open(s, a->port, &a->self, a->token.cluster, &hello))
		die("an invited node may not even ask");
	bytes_free(&hello);
}

static void
frames_end(struct stream *s, const struct bytes *out, const char *what)
{
	(void)send_all(s->fd, out->p, out->n);
	/* What it may have said before it saw that is little. */
	tried(is_closed(s->fd, 4096, CLOSES_MS), "%s", what);
	stream_close(s);
}

static void
frame_types(struct aim *a)
{
	struct bytes out = {0};
	struct stream s;

	for (unsigned type = 0; type < 256; type++) {
		if (type == 1)
			continue;
		frames_open(a, &s);
		out.n = 0;
		frame_put(&s, type, "word", type == 0 ? 0 : 4, &out);
		frames_end(&s, &out, "a frame of a type that is none, or of nothing");
	}
	bytes_free(&out);
}

static void
frame_bytes(struct aim *a)
{
	struct bytes out = {0};
	struct stream s;
	size_t size = 2 + 17 + 4;

	for (size_t at = 0; at < size * 8; at++) {
		frames_open(a, &s);
		out.n = 0;
		frame_put(&s, 1, "word", 4, &out);
		out.p[at / 8] ^= (uint8_t)(1u << at % 8);
		/* A length that grew wants more of it. */
		frame_put(&s, 1, "word", 4, &out);
		while (out.n < 70000)
			bytes_put(&out, "0123456789abcdef", 16);
		frames_end(&s, &out, "a frame with one bit changed");
	}
	for (unsigned n = 0; n < 17; n++) {
		uint8_t head[2] = {0, (uint8_t)n};

		frames_open(a, &s);
		out.n = 0;
		bytes_put(&out, head, sizeof(head));
		bytes_put(&out, "0123456789abcdef", 16);
		frames_end(&s, &out, "a frame that is too short");
	}
	bytes_free(&out);
}

static void
frame_order(struct aim *a)
{
	struct bytes one = {0}, two = {0}, out = {0};
	struct stream s;

	frames_open(a, &s);
	frame_put(&s, 1, "\x81\x00", 2, &one);
	bytes_put(&out, one.p, one.n);
	bytes_put(&out, one.p, one.n);
	frames_end(&s, &out, "a frame again");
	frames_open(a, &s);
	one.n = out.n = 0;
	frame_put(&s, 1, "\x81\x00", 2, &one);
	frame_put(&s, 1, "\x81\x00", 2, &two);
	bytes_put(&out, two.p, two.n);
	bytes_put(&out, one.p, one.n);
	frames_end(&s, &out, "frames the other way round");
	frames_open(a, &s);
	out.n = 0;
	frame_put(&s, 2, NULL, 0, &out);
	frame_put(&s, 1, "\x81\x00", 2, &out);
	frames_end(&s, &out, "a frame under the key before");
	bytes_free(&one);
	bytes_free(&two);
	bytes_free(&out);
}

void
attack_frames(struct aim *a)
{
	static uint8_t data[65535 - 17];
	struct bytes out = {0};
	struct stream s;

	aim_stranger(a, 7, "mallory");
	KIND(a, "frames bent, repeated, too large", "streams_broken");
	frame_types(a);
	frame_bytes(a);
	frame_order(a);
	frames_open(a, &s);
	for (size_t n = 0; n <= MESSAGE_MAX; n += sizeof(data))
		frame_put(&s, 0, data, sizeof(data), &out);
	frames_end(&s, &out, "a message that never ends");
	bytes_free(&out);
}

/* ---- junk ---- */

/* So many of them, as large as they like; those that begin as datagrams do cost most. */
static void
junk_make(uint8_t *p, size_t size, uint64_t seed, const uint8_t hint[2])
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 56);
	}
	memcpy(p, hint, 2);
}

/* RATE a second, for SECONDS, against the port. The first two bytes stand in every datagram that
 * goes over the wire, so that an enemy knows them: HINT is the second one. */
void
attack_junk(struct aim *a)
{
	static uint8_t junk[BATCH][1232];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	static struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	double rate, seconds, since;
	unsigned long sent = 0;
	uint8_t hint[2] = {2, 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (a->argc != 3 || fd < 0)
		die("usage: attack junk PORT STATE TOKEN-FILE RATE SECONDS HINT");
	rate = strtod(a->argv[0], NULL);
	seconds = strtod(a->argv[1], NULL);
	hint[1] = (uint8_t)strtoul(a->argv[2], NULL, 16);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < BATCH; i++) {
		junk_make(junk[i], sizeof(junk[i]), i, hint);
		parts[i] = (struct iovec){.iov_base = junk[i], .iov_len = 120 + i * 17};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &in,
			.msg_namelen = sizeof(in),
			.msg_iov = &parts[i],
			.msg_iovlen = 1};
	}
	since = now_s();
	while (now_s() - since < seconds) {
		if ((double)sent > rate * (now_s() - since)) {
			(void)poll(NULL, 0, 1);
			continue;
		}
		if (sendmmsg(fd, messages, BATCH, 0) == BATCH)
			sent += BATCH;
	}
	(void)printf("sent %lu %.0f\n", sent, (double)sent / (now_s() - since));
	(void)close(fd);
}

/* Prints the byte that says which gossip key seals, as anybody sees it in each datagram. */
void
attack_hint(struct aim *a)
{
	uint8_t hint[32];
	struct member m;

	if (a->argc != 1)
		die("usage: attack hint PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(&m, a, a->argv[0]);
	hash_bytes(hint, m.key, sizeof(m.key));
	(void)printf("hint %02x\n", hint[0]);
	stream_close(&m.control);
}
