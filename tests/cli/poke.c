/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends what comes on standard input to a socket, as somebody who does not know the protocol:
 *
 *   poke tcp|udp PORT      on 127.0.0.1
 *   poke unix PATH
 *   poke hold tcp|udp      takes a free port of 127.0.0.1, prints it, and keeps it for 20 s
 *   poke notify PATH       takes datagrams there, each a line on standard output, for 60 s
 *   poke node PATH VERSION a control socket of a node whose answers nobody understands, but for its
 *                          version, for 60 s
 *   poke flood PORT        thousands of streams a second from 127.0.0.2 to 127.0.0.9, which say
 *                          nothing and are cut after a while, for 20 s
 *
 * Streams are then read to their end; at most 20 s pass. Datagrams have 1,200 bytes each. Prints
 * how many bytes came back. 0, or 1 when it could not even connect.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
open_inet(int type, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, type, 0);

	in.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0 ? fd : -1;
}

static int
open_unix(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(un.sun_path))
		return -1;
	memcpy(un.sun_path, path, strlen(path));
	return fd >= 0 && connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ? fd : -1;
}

static int
hold(int type)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, type, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&in, sizeof(in)) != 0 ||
		(type == SOCK_STREAM && listen(fd, 1) != 0) ||
		getsockname(fd, (struct sockaddr *)&in, &n) != 0) {
		perror("poke");
		return 1;
	}
	(void)printf("%u\n", ntohs(in.sin_port));
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

static int
notify(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char line[1200];
	ssize_t n;

	if (fd < 0 || strlen(path) >= sizeof(un.sun_path))
		return 1;
	memcpy(un.sun_path, path, strlen(path));
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
		perror("poke");
		return 1;
	}
	(void)alarm(60);
	while ((n = recv(fd, line, sizeof(line), 0)) > 0) {
		(void)printf("%.*s\n", (int)n, line);
		(void)fflush(stdout);
	}
	return 0;
}

static bool
read_whole(int fd, uint8_t *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* One client: [200, 0] to all but INFO (codec/msg_ctl.h). */
static void
answer(int fd, const char *version)
{
	static const uint8_t zero[] = {0, 0, 0, 4, 0x82, 0x18, 200, 0};
	uint8_t info[64] = {0, 0, 0, 0, 0x82, 0x18, 200, 0x85, 0, 0, 0, 0};
	uint8_t head[4], request[4096];
	size_t n = strlen(version);

	info[3] = (uint8_t)(9 + n);
	info[12] = (uint8_t)(0x60 + n);
	memcpy(info + 13, version, n);
	while (read_whole(fd, head, sizeof(head))) {
		size_t size = (size_t)head[2] << 8 | head[3];
		bool is_info;

		if (size > sizeof(request) || !read_whole(fd, request, size))
			break;
		is_info = size > 2 && request[1] == 0x18 && request[2] == 154;
		if (send(fd, is_info ? info : zero, is_info ? 13 + n : sizeof(zero), 0) < 0)
			break;
	}
	(void)close(fd);
}

static int
node(const char *path, const char *version)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int client, fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || strlen(path) >= sizeof(un.sun_path) || strlen(version) > 20)
		return 1;
	memcpy(un.sun_path, path, strlen(path));
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) != 0 || listen(fd, 8) != 0) {
		perror("poke");
		return 1;
	}
	(void)alarm(60);
	while ((client = accept(fd, NULL, NULL)) >= 0)
		answer(client, version);
	return 0;
}

static _Noreturn void
flood(const char *port)
{
	static int held[512];
	struct timespec pause = {.tv_nsec = 1000000};
	struct sockaddr_in to = {.sin_family = AF_INET}, from = {.sin_family = AF_INET};
	struct linger cut = {.l_onoff = 1};

	to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0;; i++) {
		int *fd = &held[i % (sizeof(held) / sizeof(held[0]))];

		if (*fd > 0)
			(void)close(*fd);
		*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i % 8));
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
		(void)bind(*fd, (const struct sockaddr *)&from, sizeof(from));
		(void)connect(*fd, (const struct sockaddr *)&to, sizeof(to));
		if (i % 8 == 7)
			(void)nanosleep(&pause, NULL);
	}
}

int
main(int argc, char **argv)
{
	char buf[1200];
	unsigned long back = 0;
	ssize_t n;
	int fd = -1;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm(20);
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(strcmp(argv[2], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM);
	if (argc == 3 && strcmp(argv[1], "notify") == 0)
		return notify(argv[2]);
	if (argc == 4 && strcmp(argv[1], "node") == 0)
		return node(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "flood") == 0)
		flood(argv[2]);
	if (argc == 3 && strcmp(argv[1], "tcp") == 0)
		fd = open_inet(SOCK_STREAM, argv[2]);
	else if (argc == 3 && strcmp(argv[1], "udp") == 0)
		fd = open_inet(SOCK_DGRAM, argv[2]);
	else if (argc == 3 && strcmp(argv[1], "unix") == 0)
		fd = open_unix(argv[2]);
	if (fd < 0) {
		perror("poke");
		return 1;
	}
	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0) {
		if (send(fd, buf, (size_t)n, 0) < 0)
			break; /* it has had enough of us */
	}
	if (strcmp(argv[1], "udp") == 0)
		return 0;
	(void)shutdown(fd, SHUT_WR);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		back += (unsigned long)n;
	(void)printf("%lu\n", back);
	return 0;
}
