/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	capture FILE
 *
 * Writes all that goes over the loopback of this network namespace to FILE, packet after packet,
 * until SIGTERM; prints "ready" when it has begun, and "packets N lost N" at the end. 1 when it may
 * not, and when something was lost.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (64 * 1024 * 1024)

static volatile sig_atomic_t over;

static void
on_signal(int sig)
{
	(void)sig;
	over = 1;
}

static int
capture_open(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), room = ROOM;

	if (fd < 0)
		return -1;
	at.sll_ifindex = (int)if_nametoindex("lo");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 ? fd : -1;
}

int
main(int argc, char **argv)
{
	struct tpacket_stats stats = {0};
	socklen_t n = sizeof(stats);
	static char packet[256 * 1024];
	struct pollfd wait;
	FILE *out;
	ssize_t got;

	if (argc != 2 || (out = fopen(argv[1], "wb")) == NULL)
		return 1;
	(void)setvbuf(out, NULL, _IONBF, 0); /* what was seen is looked at while this goes on */
	(void)signal(SIGTERM, on_signal);
	wait = (struct pollfd){.fd = capture_open(), .events = POLLIN};
	if (wait.fd < 0) {
		perror("capture");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	while (poll(&wait, 1, 100) == 1 || over == 0) {
		if ((got = recv(wait.fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0 &&
			fwrite(packet, 1, (size_t)got, out) != (size_t)got)
			return 1;
	}
	(void)getsockopt(wait.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &n);
	(void)printf("packets %u lost %u\n", stats.tp_packets, stats.tp_drops);
	return fclose(out) == 0 && stats.tp_drops == 0 ? 0 : 1;
}
