/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is there: SWIM (Das, Gupta, Motivala, 2002) with Lifeguard's three rules (Dadgar, Phillips,
 * Currey, 2017) over the full roster (DESIGN 4). Its view is advice, never authority.
 *
 *   ALIVE --probe failed, or accused--> SUSPECT --nobody refuted in time--> DEAD
 *     ^-------- a signed statement with a higher incarnation -------'--------'
 *   any --signed by itself--> LEFT, for ever
 *
 * A subject raises its incarnation, nobody else its boot counter (the upper 32 bits): an
 * accusation of a boot that its subject has not signed is not believed, but makes us ask. Every
 * statement and accusation that is believed raises the incarnation held. DEAD by hearsay is a
 * suspicion with all its confirmations, so that a subject always has time to answer.
 */
#ifndef MP_CORE_SWIM_H
#define MP_CORE_SWIM_H

#include "core/dgram.h"
#include "core/env.h"
#include "core/roster.h"

struct mp_swim;

struct mp_swim_config {
	struct mp_name name;
	const struct mp_addr *addrs; /* where others reach this node, copied */
	size_t addr_count;           /* at most MP_ADDRS_MAX; 0: nobody reaches it, it dials all */
	struct mp_span caps;         /* encoded; copied */
};

/* Borrows roster and dgram. MP_ENOMEM, MP_EINVAL. */
int mp_swim_new(struct mp_env *env, struct mp_roster *roster, struct mp_dgram *dgram,
	const struct mp_swim_config *config, struct mp_swim **out);
void mp_swim_free(struct mp_swim *swim);

/*
 * This node is a member: its credential is in the roster and there is a gossip key. Says that it is
 * alive, pings some members, pulls their view. Once, at MP_EV_START or when mp_join_done().
 * Returns 0, MP_ENOMEM, or MP_EAUTH when this node has left for ever.
 */
int mp_swim_start(struct mp_swim *swim, struct mp_env *env);
bool mp_swim_started(const struct mp_swim *swim);

/* This node's signed statement as it is now; good before mp_swim_start() too (for JOIN). */
int mp_swim_statement(struct mp_swim *swim, struct mp_env *env, struct mp_span *out);

/* ---- input ---- */

/* A datagram was opened: once for it, before its records. `from` is where it came from. */
void mp_swim_heard(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	uint64_t boot, const struct mp_addr *from);

/*
 * One record (kinds 1-29) of a datagram from a member; `from` is where answers go, NULL when it
 * came as a message on a stream. 0 or MP_E* (malformed, not verified): it is dropped then.
 */
int mp_swim_record(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	const struct mp_addr *from, struct mp_span record);

/* One message (kinds 1-29, 32-35, 39 and 96) on a stream. MP_EAUTH when the sender is no member. */
int mp_swim_message(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes);

/* MP_EV_LINK. With UP and a credential that is not a joiner's, the peer becomes a member here if
 * it was not known. */
void mp_swim_link(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state, struct mp_span credential);

/* Any message of any other part from a member, so that it counts as a sign of life. */
void mp_swim_sign_of_life(
	struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *sender);

void mp_swim_tick(struct mp_swim *swim, struct mp_env *env);
mp_time mp_swim_deadline(const struct mp_swim *swim);

/* A member was admitted here (src/core/join) or learned otherwise: tells the others. */
void mp_swim_spread_credential(
	struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *id);

/* A statement from elsewhere than a datagram (JOIN, JOINED). As mp_swim_record(). */
int mp_swim_take_statement(struct mp_swim *swim, struct mp_env *env,
	const struct mp_node_id *sender, struct mp_span statement);

/* That member has been found where somebody said that it is: pulls its view. */
void mp_swim_meet(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);

/* Where datagrams to that member go now; NULL: nowhere. */
const struct mp_addr *mp_swim_where(const struct mp_swim *swim, const struct mp_member *m);

/* ---- this node's own word ---- */

void mp_swim_set_load(struct mp_swim *swim, const struct mp_load *load);
/* A change is a new statement. MP_ENOMEM; caps: errors of mp_caps_decode(). */
int mp_swim_set_status(struct mp_swim *swim, struct mp_env *env, enum mp_member_status status);
int mp_swim_set_caps(struct mp_swim *swim, struct mp_env *env, struct mp_span caps);

/* Leaves for ever: signs, persists and tells. mp_swim_left() holds once it has been told enough
 * times; the node may stop then. MP_ENOMEM. */
int mp_swim_leave(struct mp_swim *swim, struct mp_env *env);

/* Others have heard what our key signed, and we did not: another node has the same state directory,
 * or this one was restored from an older copy. The node is to take part in nothing, and to stop
 * when mp_swim_shut() holds. It never ends. */
bool mp_swim_doubled(const struct mp_swim *swim);
bool mp_swim_left(const struct mp_swim *swim, mp_time now_ms);

/* So many members fell silent at once that it must be us who are cut off: start nothing new. */
bool mp_swim_isolated(const struct mp_swim *swim);

/* ---- trust: who is shut out, who may sign, gossip keys ----
 *
 * A revocation is the first thing in every datagram. With the authority log and the gossip keys it
 * also goes to some members over streams, which pass it on; what did not come that way is pulled
 * when the digest of a view differs, or when a member's datagram does not open. Keys go over
 * streams alone, and never without the revocations, so whoever has the key that was made for a
 * revocation refuses its subject.
 */

/* An operator's word here: a signed revocation; a longer authority log; or a fresh gossip key, one
 * epoch above the highest. mp_roster_revoke(), mp_roster_learn(); MP_EEXIST, MP_ENOMEM. */
int mp_swim_revoke(struct mp_swim *swim, struct mp_env *env, struct mp_span record);
int mp_swim_charter(struct mp_swim *swim, struct mp_env *env, struct mp_span log);
int mp_swim_rotate(struct mp_swim *swim, struct mp_env *env, const uint8_t key[MP_SYMKEY_SIZE]);

/* What a joiner is told of it before it is a member. MP_ENOMEM. */
int mp_swim_take_charter(struct mp_swim *swim, struct mp_env *env, struct mp_part *logs,
	struct mp_part *revocations);

/* A datagram was not opened: it may be by one who is shut out, who is told, or sealed with a key
 * that is not here yet, which is fetched. */
void mp_swim_dropped(struct mp_swim *swim, struct mp_env *env, const struct mp_dgram_in *in,
	const struct mp_addr *from);

/* Is that peer shut out? When its stream has come up it is told so, and dropped. */
bool mp_swim_refuses(struct mp_swim *swim, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state);

/* This node's own key is shut out, or it is doubled, and the others know: it is to stop. */
bool mp_swim_shut(const struct mp_swim *swim, mp_time now_ms);

/* ---- for health and tests ---- */

enum mp_swim_stat {
	MP_SWIM_STAT_PROBES,
	MP_SWIM_STAT_PROBES_FAILED,
	MP_SWIM_STAT_SUSPICIONS, /* raised by this node's own probes */
	MP_SWIM_STAT_DEATHS,
	MP_SWIM_STAT_REFUTED,       /* accusations of this node that it answered */
	MP_SWIM_STAT_ITEMS_REFUSED, /* of messages that have many */
	MP_SWIM_STAT_PULLS,
	MP_SWIM_STAT_VERIFIED, /* signatures of statements checked */
	MP_SWIM_STAT_COUNT
};
uint64_t mp_swim_stat(const struct mp_swim *swim, enum mp_swim_stat which);
uint32_t mp_swim_health(const struct mp_swim *swim); /* local health multiplier, 0 is well */
uint64_t mp_swim_view_digest(const struct mp_swim *swim);

#endif
