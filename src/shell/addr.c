/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/addr.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_PORT "7117"

void
mp_addr_from_sockaddr(struct mp_addr *out, const struct sockaddr *sa)
{
	*out = (struct mp_addr){.port = 0};
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		out->ip[10] = out->ip[11] = 0xff;
		memcpy(out->ip + 12, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(out->ip, &in6->sin6_addr, 16);
		out->port = ntohs(in6->sin6_port);
	}
}

bool
mp_addr_is_v4(const struct mp_addr *addr)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(addr->ip, mapped, sizeof(mapped)) == 0;
}

void
mp_addr_to_sockaddr6(struct sockaddr_storage *out, const struct mp_addr *addr)
{
	struct sockaddr_in6 *in6 = (void *)out;

	memset(out, 0, sizeof(*out));
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, addr->ip, 16);
	in6->sin6_port = htons(addr->port);
}

void
mp_addr_to_sockaddr(struct sockaddr_storage *out, const struct mp_addr *addr)
{
	struct sockaddr_in *in = (void *)out;

	if (!mp_addr_is_v4(addr)) {
		mp_addr_to_sockaddr6(out, addr);
		return;
	}
	memset(out, 0, sizeof(*out));
	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, addr->ip + 12, 4);
	in->sin_port = htons(addr->port);
}

void
mp_addr_format(char out[MP_ADDR_TEXT], const struct mp_addr *addr)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (mp_addr_is_v4(addr)) {
		(void)inet_ntop(AF_INET, addr->ip + 12, ip, sizeof(ip));
		(void)snprintf(out, MP_ADDR_TEXT, "%s:%u", ip, addr->port);
	} else {
		(void)inet_ntop(AF_INET6, addr->ip, ip, sizeof(ip));
		(void)snprintf(out, MP_ADDR_TEXT, "[%s]:%u", ip, addr->port);
	}
}

bool
mp_addr_is_any(const struct mp_addr *addr)
{
	static const uint8_t none[16];

	return memcmp(addr->ip, none, sizeof(none)) == 0 ||
	       (mp_addr_is_v4(addr) && memcmp(addr->ip + 12, none, 4) == 0);
}

/* Link-local addresses mean nothing without an interface, and do not travel. */
static bool
reachable(const struct ifaddrs *i, int family)
{
	if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family ||
		(i->ifa_flags & IFF_LOOPBACK) != 0 || (i->ifa_flags & IFF_UP) == 0)
		return false;
	return family == AF_INET ||
	       !IN6_IS_ADDR_LINKLOCAL(
		       &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr);
}

/* What a packet to the world would have as its source. Connecting a datagram socket sends nothing.
 */
static bool
source_of(int family, struct mp_addr *out)
{
	static const struct mp_addr world[2] = {
		{.ip = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}, .port = 9},
		{.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .port = 9}};
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	mp_addr_to_sockaddr(&ss, &world[family == AF_INET6]);
	found = connect(fd, (const struct sockaddr *)&ss,
			family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6)) == 0 &&
		getsockname(fd, (struct sockaddr *)&ss, &size) == 0;
	(void)close(fd);
	if (found)
		mp_addr_from_sockaddr(out, (const struct sockaddr *)&ss);
	return found;
}

static bool
interface_of(int family, struct mp_addr *out)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		found = reachable(i, family);
		if (found)
			mp_addr_from_sockaddr(out, i->ifa_addr);
	}
	freeifaddrs(list);
	return found;
}

size_t
mp_addr_of_machine(bool v6, struct mp_addr out[2])
{
	static const struct mp_addr loopback = {
		.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
	size_t n = 0;

	if (source_of(AF_INET, &out[n]) || interface_of(AF_INET, &out[n]))
		n++;
	if (v6 && (source_of(AF_INET6, &out[n]) || interface_of(AF_INET6, &out[n])))
		n++;
	if (n == 0)
		out[n++] = loopback;
	for (size_t i = 0; i < n; i++)
		out[i].port = 0;
	return n;
}

/* ---- text ---- */

static int
parse_port(const char *text, const char *port, enum mp_addr_use use, struct mp_error *err)
{
	size_t n = strspn(port, "0123456789");
	unsigned long value = strtoul(port, NULL, 10);

	if (n == 0 || port[n] != '\0' || n > 5 || value > UINT16_MAX)
		return mp_fail(err, MP_EINVAL,
			"%s: the port is to be a number up to 65535; HOST:PORT is expected", text);
	if (value == 0 && use == MP_ADDR_REACH)
		return mp_fail(err, MP_EINVAL, "%s: nobody can be reached at port 0", text);
	return 0;
}

/* Host without brackets, and the port. */
static int
split(const char *text, enum mp_addr_use use, char host[256], const char **port,
	struct mp_error *err)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	size_t n = strlen(text), skip = 0;
	int rc;

	*port = use == MP_ADDR_OWN ? "0" : DEFAULT_PORT;
	if (text[0] == '[' ? bracket != NULL && colon == bracket + 1
			   : colon != NULL && colon == strchr(text, ':')) {
		rc = parse_port(text, colon + 1, use, err);
		if (rc != 0)
			return rc;
		n = (size_t)(colon - text);
		*port = colon + 1;
	}
	if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
		skip = 1;
		n -= 2;
	}
	if (n >= 256 || (n == 0 && use != MP_ADDR_LISTEN))
		return mp_fail(err, MP_EINVAL, "%.64s: HOST:PORT is expected", text);
	memcpy(host, text + skip, n);
	host[n] = '\0';
	return 0;
}

int
mp_addr_resolve(const char *text, enum mp_addr_use use, struct mp_addr *addrs, size_t max,
	size_t *count, struct mp_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	const char *port;
	char host[256];
	int rc = split(text, use, host, &port, err);

	if (rc != 0)
		return rc;
	if (use == MP_ADDR_LISTEN)
		hints.ai_flags |= AI_PASSIVE;
	rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
	if (rc != 0)
		return mp_fail(err, rc == EAI_AGAIN ? MP_ETIMEOUT : MP_EREFUSED, "%s: %s", text,
			gai_strerror(rc));
	*count = 0;
	for (struct addrinfo *a = list; a != NULL && *count < max; a = a->ai_next) {
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			mp_addr_from_sockaddr(&addrs[(*count)++], a->ai_addr);
	}
	freeaddrinfo(list);
	return *count > 0 ? 0 : mp_fail(err, MP_EREFUSED, "%s: has no address", text);
}

int
mp_addr_check(const char *text, enum mp_addr_use use, struct mp_error *err)
{
	const char *port;
	char host[256];

	return split(text, use, host, &port, err);
}
