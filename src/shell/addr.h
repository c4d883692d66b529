/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: those of sockets, those that people write, and those that travel (struct mp_addr). */
#ifndef MP_SHELL_ADDR_H
#define MP_SHELL_ADDR_H

#include "mp/base.h"
#include "mp/error.h"

#include <sys/socket.h>

/* All zero for a family that is neither IPv4 nor IPv6. */
void mp_addr_from_sockaddr(struct mp_addr *out, const struct sockaddr *sa);

/* AF_INET for an IPv4 address, or as IPv6 in any case (what an IPv6 socket takes). */
void mp_addr_to_sockaddr(struct sockaddr_storage *out, const struct mp_addr *addr);
void mp_addr_to_sockaddr6(struct sockaddr_storage *out, const struct mp_addr *addr);

/* "127.0.0.1:7117", "[::1]:7117". */
#define MP_ADDR_TEXT 56
void mp_addr_format(char out[MP_ADDR_TEXT], const struct mp_addr *addr);

/* 0.0.0.0 or ::, whatever the port. */
bool mp_addr_is_any(const struct mp_addr *addr);

/* ::ffff:a.b.c.d is how an IPv4 address is kept. */
bool mp_addr_is_v4(const struct mp_addr *addr);

/* The IPs of this machine that others may reach, with port 0: what it has towards the rest of the
 * world, or else one of an interface that is up; IPv4 first, IPv6 only if asked for; loopback when
 * there is no other. How many: 1 or 2. */
size_t mp_addr_of_machine(bool v6, struct mp_addr out[2]);

enum mp_addr_use {
	MP_ADDR_LISTEN, /* port 0 is fine, no host means all addresses */
	MP_ADDR_REACH,  /* where somebody is */
	MP_ADDR_OWN,    /* where others reach us; port 0, or none, is the one we listen on */
};

/*
 * HOST:PORT, [IPv6]:PORT, IPv6 or HOST, a name or a number; without a port it is 7117 (OWN: 0).
 * Asks the resolver, and so may block. *addrs gets up to max of the addresses; *count is above 0.
 * MP_EINVAL with a text: it is not written like that; MP_EREFUSED: there is no such name;
 * MP_ETIMEOUT: the resolver does not answer now.
 */
int mp_addr_resolve(const char *text, enum mp_addr_use use, struct mp_addr *addrs, size_t max,
	size_t *count, struct mp_error *err);

/* Is it written like that? Asks nobody. MP_EINVAL with a text. */
int mp_addr_check(const char *text, enum mp_addr_use use, struct mp_error *err);

#endif
