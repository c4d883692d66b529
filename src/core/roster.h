/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every certified member there ever was: certificate, last signed statement, what was heard of it.
 * A member is never forgotten (DESIGN 4); only its liveness is soft.
 */
#ifndef MP_CORE_ROSTER_H
#define MP_CORE_ROSTER_H

#include "codec/msg_swim.h"
#include "codec/record_trust.h"
#include "core/charter.h"
#include "core/env.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/member.h"

struct mp_member {
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_name name;
	uint32_t roles;
	struct mp_addr addrs[MP_ADDRS_MAX];
	uint32_t addr_count;
	/* The view (SWIM). */
	enum mp_member_state state;
	enum mp_member_status status;
	uint64_t incarnation;  /* boot counter << 32 | refutations; never falls */
	mp_time last_heard_ms; /* now_ms of the last datagram or message from it; 0 never */
	/* Soft. */
	const struct mp_caps *caps; /* NULL until pulled */
	bool caps_old;              /* those from before: the ones it names now are not here yet */
	struct mp_load load;        /* as it said last */
	uint32_t runs;              /* what it said of runs when it last did, */
	mp_time runs_ms;            /* and when */
	uint32_t rtt_ms;            /* of the last direct probe; 0 not known */
	int64_t skew_ms; /* its clock less ours, as of that probe, give or take half the round trip
			  */
	bool has_skew;
	enum mp_path path;           /* by which it answered last */
	bool link_up;                /* a control stream to it is open */
	bool revoked;                /* its key is shut out; its state is LEFT then */
	bool refused;                /* its address refused our last connection attempt */
	struct mp_span credential;   /* owned by the roster */
	struct mp_span statement;    /* its last signed one, owned by the roster; empty: none yet */
	uint64_t signed_incarnation; /* of that statement */
	bool has_caps;
	struct mp_hash caps_digest; /* with has_caps: of what it can do now */
	uint64_t serial;            /* of its certificate */
	uint32_t slot;    /* from 0 in order of arrival, for tables that others keep beside */
	uint64_t changed; /* mp_roster_version() after its last change */
};

/* The boot counter is always the subject's own word: accusations cannot raise it. */
static inline uint64_t
mp_member_boot(const struct mp_member *m)
{
	return m->incarnation >> 32;
}

/* Does it say that it can only be talked to on streams of its own? */
static inline bool
mp_member_reaches_out(const struct mp_member *m)
{
	return m->statement.n > 0 && m->addr_count == 0;
}

/* Out of reach, as far as we know, and may come back. */
static inline bool
mp_member_is_away(const struct mp_member *m)
{
	return !m->revoked && m->state != MP_MEMBER_LEFT &&
	       (m->state != MP_MEMBER_ALIVE || m->refused);
}

struct mp_roster;

/* ---- reading ---- */

/* NULL when there is none. A member stays where it is for the roster's life. */
const struct mp_member *mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id);

/* The i-th member, in order of ids, whose id begins so; NULL when there is none. Of a beginning of
 * 8 bytes there is one at most, unless somebody has made two on purpose. */
const struct mp_member *mp_roster_find_prefix(
	const struct mp_roster *roster, const uint8_t *prefix, size_t size, size_t i);

/* All members, this node included, in ascending order of id. */
size_t mp_roster_count(const struct mp_roster *roster);
const struct mp_member *mp_roster_at(const struct mp_roster *roster, size_t i);

/* The member with this slot; slots are 0 .. count - 1. */
const struct mp_member *mp_roster_slot(const struct mp_roster *roster, uint32_t slot);

/*
 * Grows with every change of who is a member and of state, status, boot, addresses, capabilities,
 * path, link_up and refused; not with load, round trip and last_heard_ms. A reader that remembers
 * the version it saw looks at the members whose `changed` is above it.
 */
uint64_t mp_roster_version(const struct mp_roster *roster);

/* How many members are in this state, this node included. */
size_t mp_roster_state_count(const struct mp_roster *roster, enum mp_member_state state);

/* By name, the living before the dead; NULL when there is none. */
const struct mp_member *mp_roster_find_name(const struct mp_roster *roster, const char *name);

/* An mp_out_addrs_cb; ctx is the roster. */
void mp_roster_addrs(void *roster, const struct mp_node_id *peer, struct mp_addr addrs[4]);

/* ---- changing; node.c calls new, free and restore, the rest is for swim and join ---- */

/* Borrows what env has set once. MP_ENOMEM. */
int mp_roster_new(const struct mp_env *env, struct mp_roster **out);
void mp_roster_free(struct mp_roster *roster);

/* Is this node itself in it? */
bool mp_roster_is_member(const struct mp_roster *roster);

/* Was the latest takeover of a verified run record signed by who may: an authority's key, or the
 * survivor of the two that the record leaves it to? True in the first generation. */
struct mp_run_record;
bool mp_roster_may_take_over(const struct mp_roster *roster, const struct mp_run_record *rec);

/* What credentials are verified against: its cluster, its authority log, its members. The
 * admissions of a member that was shut out do not count; when another member knows whom it let in
 * before, mp_roster_add() takes that member's word. */
const struct mp_trust *mp_roster_trust(const struct mp_roster *roster);

/* Who may sign and who is shut out. Changes of it go by the two functions below. */
struct mp_charter *mp_roster_charter(const struct mp_roster *roster);

/* Is this key shut out, a member's or not? */
bool mp_roster_revoked(const struct mp_roster *roster, const struct mp_node_id *id);
/* mp_charter_revoke(); a member whose key it is has left then, and *m is it (else NULL). */
int mp_roster_revoke(struct mp_roster *roster, struct mp_env *env, struct mp_span record, bool told,
	struct mp_node_id *subject, struct mp_member **m);
/* mp_charter_learn(). */
int mp_roster_learn(struct mp_roster *roster, struct mp_env *env, struct mp_span log, bool fork);

/* Cluster, id, keys, name, roles and serial that a credential claims, unverified. MP_EFORMAT,
 * MP_ETRUNC, MP_ELIMIT, MP_EVERSION. */
int mp_roster_peek(struct mp_span credential, struct mp_cert *out);

/*
 * One row of MP_TABLE_MEMBER, [credential bstr, statement|null]. MP_ECORRUPT, MP_ENOMEM, MP_ELIMIT.
 * Restored members are MP_MEMBER_SUSPECT until something is heard of them, or LEFT.
 */
int mp_roster_restore(
	struct mp_roster *roster, struct mp_env *env, struct mp_span key, struct mp_span value);

/* Rows of MP_TABLE_META and MP_TABLE_REVOKED, before those of members. As mp_charter_restore_meta()
 * and mp_charter_restore(). */
int mp_roster_restore_meta(struct mp_roster *roster, struct mp_span key, struct mp_span value);
int mp_roster_restore_revoked(struct mp_roster *roster, struct mp_span key, struct mp_span value);

/*
 * A credential with its admission: verifies it, copies it, puts its row. 0 with *out (may be NULL)
 * when it is new or newer; MP_EEXIST with *out when it is known or older than the one known; the
 * errors of mp_credential_verify(); MP_EAUTH when it has no admission by a member known here;
 * MP_ELIMIT for more than MP_MEMBERS_MAX; MP_ENOMEM. A new member is MP_MEMBER_DEAD until it
 * speaks.
 */
int mp_roster_add(struct mp_roster *roster, struct mp_env *env, struct mp_span credential,
	struct mp_member **out);

/*
 * A statement of a member, whose signature the caller has verified and whose incarnation is above
 * that of the last one: copies it, puts its row, takes over what it says. MP_ENOMEM.
 */
int mp_roster_state_word(struct mp_roster *roster, struct mp_env *env, struct mp_member *m,
	const struct mp_statement *statement, struct mp_span bytes);

/* For writers: not const, and `changed` is theirs to call. */
struct mp_member *mp_roster_edit(struct mp_roster *roster, const struct mp_member *m);
void mp_roster_changed(struct mp_roster *roster, struct mp_member *m);
void mp_roster_set_state(struct mp_roster *roster, struct mp_member *m, enum mp_member_state state);

/* Capabilities are kept once per digest. `bytes` hash to digest; every member that names it gets
 * them. MP_EFORMAT and others of mp_caps_decode(), MP_ENOMEM; MP_ENOENT when no member names it. */
int mp_roster_caps(struct mp_roster *roster, const struct mp_hash *digest, struct mp_span bytes);
/* The bytes with that digest; empty when they are not here. */
struct mp_span mp_roster_caps_bytes(const struct mp_roster *roster, const struct mp_hash *digest);
/* The bytes of m->caps; empty when there are none. */
struct mp_span mp_roster_caps_of(const struct mp_member *m);

#endif
