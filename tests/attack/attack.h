/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is tried against a node, one function each. They print what was not refused, and main() how
 * many attempts there were; whether the node counted them and lives is for the script to see.
 */
#ifndef TESTS_ATTACK_ATTACK_H
#define TESTS_ATTACK_ATTACK_H

#include "wire.h"

/* One attempt, and whether it came to nothing. */
void tried(bool refused, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where it goes, and what the peer has: a token, or the state directory of a node. */
struct aim {
	uint16_t port;
	struct token token;
	struct keys self;
	struct bytes credential; /* of self */
	int argc;                /* what else was given */
	char **argv;
};

/* Makes an identity that was invited and is nobody yet. */
void aim_stranger(struct aim *a, uint64_t seed, const char *name);

/* How long it may take until a node has closed. */
#define CLOSES_MS 10000

/* A whole greeting, right but for what it says; one attempt. */
void greet(struct aim *a, const struct bytes *hello, const char *what);

void attack_bytes(struct aim *a);
void attack_order(struct aim *a);
void attack_versions(struct aim *a);
void attack_certificates(struct aim *a);
void attack_knocks(struct aim *a);
void attack_strangers(struct aim *a);

#endif
