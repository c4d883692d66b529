/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	attack WHAT PORT STATE TOKEN-FILE [ARG...]
 *
 * Tries WHAT against the node at 127.0.0.1:PORT, whose state directory is STATE, with what a token
 * of its cluster tells. Prints a line for each attempt that was not refused, and at last one for
 * each kind: "kind ATTEMPTED REFUSED COUNTED THROTTLED WHAT". 0, or 1 when an attempt was not
 * refused, not counted, or could not even be made.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack.h"

static const struct {
	const char *name;
	void (*run)(struct aim *a);
} attacks[] = {
	{"bytes", attack_bytes},
	{"order", attack_order},
	{"versions", attack_versions},
	{"certificates", attack_certificates},
	{"knocks", attack_knocks},
	{"strangers", attack_strangers},
	{"lies", attack_lies},
	{"people", attack_people},
	{"fingerprint", attack_fingerprint},
	{"invite-revoked", attack_invite_revoked},
	{"authority-removed", attack_authority_removed},
	{"crowd", attack_crowd},
	{"slow", attack_slow},
	{"frames", attack_frames},
	{"junk", attack_junk},
	{"hint", attack_hint},
	{"datagrams", attack_datagrams},
	{"replay", attack_replay},
	{"caps", attack_caps},
	{"worker", attack_worker},
	{"blobs", attack_blobs},
	{"revoked", attack_revoked},
	{"dialled", attack_dialled},
	{"listen", attack_listen},
	{"waits", attack_waits},
	{"fetches", attack_fetches},
	{"places", attack_places},
	{"talkers", attack_talkers},
};

void
aim_stranger(struct aim *a, uint64_t seed, const char *name)
{
	struct cert c;

	a->self = keys_make(seed);
	c = cert_of(&a->token, &a->self, name);
	bytes_free(&a->credential);
	a->credential = credential_of(&a->token, &c);
}

int
main(int argc, char **argv)
{
	struct aim a = {.argc = argc - 5, .argv = argv + 5};

	if (argc < 5 || sodium_init() < 0)
		die("usage: attack WHAT PORT STATE TOKEN-FILE [ARG...]");
	(void)signal(SIGPIPE, SIG_IGN);
	a.port = (uint16_t)strtoul(argv[2], NULL, 10);
	a.victim = argv[3];
	a.token = token_read(argv[4]);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		attacks[i].run(&a);
		return kinds_end(&a) ? 0 : 1;
	}
	die("%s: nobody knows how", argv[1]);
}
