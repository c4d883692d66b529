/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming a member, and letting others become one (DESIGN 3).
 *
 * The joiner connects to its seeds in turn, sends its credential (without admission) and its
 * signed statement, and gets back the admission, the gossip keys and the roster. Any member admits:
 * it verifies the credential at its own clock, countersigns an admission record, and answers when
 * that is on its disk. Asking again with the same key gives the same admission.
 *
 *   IDLE -> CONNECTING -> ASKING -> SAVING -> DONE        with back-off from seed to seed;
 *                 ^----------'                            REFUSED when a member said no
 *
 * A member that was told of seeds connects to them in the same way, until one is reached, and then
 * pulls its view: where all others have other addresses by now, nothing else leads to them.
 *
 * Names of seeds may not be known yet, or change what they stand for, so after every round in which
 * no seed was of help the shell is asked anew where they are.
 */
#ifndef MP_CORE_JOIN_H
#define MP_CORE_JOIN_H

#include "core/dgram.h"
#include "core/env.h"
#include "core/roster.h"
#include "core/swim.h"
#include "mp/error.h"

enum mp_join_state {
	MP_JOIN_IDLE, /* this node is a member, or has not begun */
	MP_JOIN_CONNECTING,
	MP_JOIN_ASKING,
	MP_JOIN_SAVING,
	MP_JOIN_DONE,
	MP_JOIN_REFUSED, /* mp_join_error() says why; node.c gives up with FATAL */
};

struct mp_join;

/* Borrows roster, dgram and swim. MP_ENOMEM. */
int mp_join_new(struct mp_env *env, struct mp_roster *roster, struct mp_dgram *dgram,
	struct mp_swim *swim, struct mp_join **out);
void mp_join_free(struct mp_join *join);

/* ---- the joiner ---- */

/* Begins. Copies seeds (up to MP_SEEDS_MAX, more are left out; none: they are asked for) and the
 * credential without admission. MP_EINVAL: it has begun; MP_ENOMEM. */
#define MP_SEEDS_MAX 16
int mp_join_start(struct mp_join *join, struct mp_env *env, const struct mp_addr *seeds,
	size_t seed_count, struct mp_span credential);

/* MP_EV_SEEDS. From the next round on these are asked, if there are any; at once, if none was
 * known. A member begins to look for them. */
void mp_join_seeds(
	struct mp_join *join, struct mp_env *env, const struct mp_addr *seeds, size_t seed_count);

enum mp_join_state mp_join_state(const struct mp_join *join);
const struct mp_error *mp_join_error(const struct mp_join *join);

/* True once: the admission is on disk, roster and keys are filled; call mp_swim_start() now. */
bool mp_join_done(struct mp_join *join);

/* ---- both ---- */

/* MP_EV_LINK, after mp_swim_link() for a member; for a joiner's link only this. */
void mp_join_link(struct mp_join *join, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_class klass, enum mp_link_state state, struct mp_span credential,
	const struct mp_addr *addr);

/* Messages 36-38. The sender is whoever proved its key on that stream, a member or a joiner.
 * 0 or MP_E*; a refused joiner is told. */
int mp_join_message(struct mp_join *join, struct mp_env *env, const struct mp_node_id *sender,
	struct mp_span bytes);

/* That peer's key was revoked: if it asks to join, it hears why it may not. */
void mp_join_turn_away(struct mp_env *env, const struct mp_node_id *peer);

void mp_join_persisted(struct mp_join *join, struct mp_env *env);
void mp_join_tick(struct mp_join *join, struct mp_env *env);
mp_time mp_join_deadline(const struct mp_join *join);

/* The name that a credential claims, for mp_swim_config. Errors of mp_roster_peek(). */
int mp_join_credential_name(struct mp_span credential, struct mp_name *out);

/*
 * May a stream with this peer be opened? What mp_node_check_peer() is made of: the credential
 * verifies in this cluster, names xkey, and its holder has not left. 0 with *id and *joiner (true:
 * it may only ask to join), MP_EAUTH, MP_ECLUSTER, MP_ESIG, MP_EFORMAT.
 */
int mp_join_check_peer(const struct mp_roster *roster, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_node_id *id, bool *joiner,
	struct mp_error *err);

/* May one with this credential control nodes from elsewhere, as somebody with cert->roles? It is
 * no node, its invite is good at that wall time, and it names xkey. Errors as above. */
int mp_join_check_client(const struct mp_roster *roster, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_cert *cert, struct mp_error *err);

/* This node's own credential is to be good, and of its own key; what it is called in it. MP_EAUTH,
 * MP_ENOMEM, or the errors of mp_credential_verify(), with a text. */
int mp_join_check_own(const struct mp_alloc *alloc, const struct mp_trust *trust,
	struct mp_span credential, const struct mp_node_id *self, struct mp_name *name,
	struct mp_error *err);

#endif
