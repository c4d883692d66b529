/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is tried against a node, one function each, in kinds of attempts. Each attempt has to come
 * to nothing, and to be counted by the node under a reason of its kind; whether the node lives is
 * for the script to see.
 */
#ifndef TESTS_ATTACK_ATTACK_H
#define TESTS_ATTACK_ATTACK_H

#include "wire.h"

/* Where it goes, and what the peer has: a token, or the state directory of a node. */
struct aim {
	uint16_t port;
	/* Its state directory, to ask what it has counted; or some, with commas: of all nodes that
	 * may. */
	const char *victim;
	struct token token;
	struct keys self;
	struct bytes credential; /* of self */
	int argc;                /* what else was given */
	char **argv;
};

/*
 * From here on attempts are of this kind, until the next one: the node counts each of them, and
 * nothing else, by one of these counters (NULL ends them; texts are borrowed). NULL for counters:
 * who tries looks itself whether the node has counted it, and it was not refused if not.
 */
void kind(const struct aim *a, const char *what, const char *const *counters);
#define KIND(a, what, ...) kind(a, what, (const char *const[]){__VA_ARGS__, NULL})
/* One attempt, and whether it came to nothing. */
void tried(bool refused, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends the last kind, and prints a line for each. False when one is not as it should be. */
bool kinds_end(const struct aim *a);

#define HANDSHAKES                                                                                 \
	"handshakes_malformed", "handshakes_forged", "handshakes_version", "handshakes_closed"
#define CERTIFICATES                                                                               \
	"certificates_malformed", "certificates_forged", "certificates_cluster",                   \
		"certificates_expired", "certificates_role", "certificates_revoked",               \
		"certificates_unproved"

/* Makes an identity that was invited and is nobody yet. */
void aim_stranger(struct aim *a, uint64_t seed, const char *name);

/* How long it may take until a node has closed. */
#define CLOSES_MS 10000

/* A whole greeting, right but for what it says; one attempt. */
void greet(struct aim *a, const struct bytes *hello, const char *what);

/* ---- one that is in ---- */

struct node {
	uint8_t id[32];
	char name[64];
};

/* A member: a stream of class control to the node that is attacked, and what it was told. */
struct member {
	struct stream control;
	struct bytes credential;
	uint32_t boot;
	unsigned owed;   /* refusals to let it in that come before that of member_settle() */
	uint64_t seq;    /* of datagrams sent */
	uint8_t key[32]; /* gossip, the one that seals */
	uint64_t epoch;
	size_t keys;
	struct node nodes[16];
	size_t node_count;
	struct bytes statements; /* one behind the other */
	size_t statement_count;
	struct bytes charter; /* [[log...], [revocation...]] */
	int udp;
	uint16_t udp_port;
	/* member_learn_run() */
	struct bytes run_signed; /* its signed record */
	uint8_t run[16];
	uint8_t electors[5][32];
	size_t elector_count;
};

/* Comes in with the key of that state directory, which is in a->self afterwards. */
void member_enter(struct member *m, struct aim *a, const char *state);
const uint8_t *member_id(const struct member *m, const char *name);
/* All that was said on its stream has been looked at. */
void member_settle(struct member *m);
void member_learn_run(struct member *m);
/* Its next datagram, a good one, to that member; and sends one to a port. */
struct dgram member_dgram(struct member *m, const struct aim *a, const char *to);
void member_shoot(const struct member *m, uint16_t port, const struct bytes *b);
/* Number of a message; the next one of that number. */
uint64_t message_kind(const struct bytes *message);
bool message_await(struct stream *s, uint64_t kind, struct bytes *message);

/* A request of a client, as well made as its number needs. */
void request_of_client_put(struct bytes *ask, unsigned number);

/* The sum of these counters (NULL ends them) of the node with this state directory, or of some with
 * commas between. */
uint64_t counted(const char *states, const char *const *names);

void attack_bytes(struct aim *a);
void attack_order(struct aim *a);
void attack_versions(struct aim *a);
void attack_certificates(struct aim *a);
void attack_knocks(struct aim *a);
void attack_strangers(struct aim *a);
void attack_lies(struct aim *a);
void attack_people(struct aim *a);
void attack_fingerprint(struct aim *a);
void attack_invite_revoked(struct aim *a);
void attack_authority_removed(struct aim *a);
void attack_crowd(struct aim *a);
void attack_slow(struct aim *a);
void attack_frames(struct aim *a);
void attack_junk(struct aim *a);
void attack_hint(struct aim *a);
void attack_datagrams(struct aim *a);
void attack_replay(struct aim *a);
void attack_caps(struct aim *a);
void attack_worker(struct aim *a);
void attack_blobs(struct aim *a);
void attack_dialled(struct aim *a);
void attack_listen(struct aim *a);
void attack_revoked(struct aim *a);
void attack_waits(struct aim *a);
void attack_fetches(struct aim *a);
void attack_places(struct aim *a);
void attack_talkers(struct aim *a);

#endif
