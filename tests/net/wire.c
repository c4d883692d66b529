/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire DELAY-MS LOSS-PERCENT SEED INTERFACE...: a hub between network interfaces, far away from
 * each of them. What comes in at one goes out at all others so much later, or is lost. Prints a
 * line when it is ready, and goes on until it is killed. For where the kernel has no netem.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX   16
#define FRAME_MAX   65600
#define WAITING_MAX (64u << 20) /* bytes; more is lost, as on any wire */

struct frame {
	struct frame *next;
	int64_t due_us;
	int from;
	size_t size;
	uint8_t bytes[];
};

static struct pollfd ports[PORTS_MAX];
static int port_count;
static struct frame *first, **last = &first;
static size_t waiting;
static uint64_t state;

static int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* xorshift64*; the upper bits. */
static unsigned
percent(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * 2685821657736338717ull) >> 33) % 100;
}

static int
port_open(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int size = 8 << 20, on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));

	at.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || at.sll_ifindex == 0 ||
		bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		(void)fprintf(stderr, "wire: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	/* Checksums and segments that the kernel has put off are passed on as they are. */
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0) {
		(void)fprintf(stderr, "wire: PACKET_VNET_HDR: %s\n", strerror(errno));
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return fd;
}

static void
take(int port, int64_t delay_us, unsigned loss)
{
	static uint8_t bytes[FRAME_MAX];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(ports[port].fd, bytes, sizeof(bytes), MSG_DONTWAIT,
			(struct sockaddr *)&from, &len)) > 0) {
		struct frame *f;

		if (from.sll_pkttype == PACKET_OUTGOING || percent() < loss ||
			waiting + (size_t)n > WAITING_MAX)
			continue;
		f = malloc(sizeof(*f) + (size_t)n);
		if (f == NULL)
			continue;
		*f = (struct frame){.due_us = now_us() + delay_us, .from = port, .size = (size_t)n};
		memcpy(f->bytes, bytes, f->size);
		waiting += f->size;
		*last = f;
		last = &f->next;
	}
}

static void
give(void)
{
	while (first != NULL && first->due_us <= now_us()) {
		struct frame *f = first;

		for (int i = 0; i < port_count; i++) {
			if (i != f->from)
				(void)send(ports[i].fd, f->bytes, f->size, MSG_DONTWAIT);
		}
		waiting -= f->size;
		first = f->next;
		if (first == NULL)
			last = &first;
		free(f);
	}
}

int
main(int argc, char **argv)
{
	int64_t delay_us;
	unsigned loss;

	if (argc < 5 || argc - 4 > PORTS_MAX) {
		(void)fprintf(stderr, "usage: wire DELAY-MS LOSS-PERCENT SEED INTERFACE...\n");
		return 2;
	}
	delay_us = (int64_t)strtol(argv[1], NULL, 10) * 1000;
	loss = (unsigned)strtoul(argv[2], NULL, 10);
	state = strtoull(argv[3], NULL, 10) * 2 + 1;
	for (port_count = 0; port_count < argc - 4; port_count++)
		ports[port_count] =
			(struct pollfd){.fd = port_open(argv[4 + port_count]), .events = POLLIN};
	(void)printf("ready\n");
	(void)fflush(stdout);
	for (;;) {
		int64_t left = first == NULL ? 1000000 : first->due_us - now_us();

		(void)poll(ports, (nfds_t)port_count, left <= 0 ? 0 : (int)(left / 1000) + 1);
		for (int i = 0; i < port_count; i++)
			take(i, delay_us, loss);
		give();
	}
}
