/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster's authorities have said: who may sign, and who is shut out (DESIGN 3). Both only
 * grow, and both merge by union in any order, so that two sides of a partition on which two admins
 * were at work agree as soon as they have exchanged what they have. The roster owns it.
 *
 * The authority log. Every branch that was ever shown is kept (MP_BRANCHES_MAX of them), and the
 * one that comes first by mp_authority_cmp() counts. A branch that another one outranks is void:
 * what it adds and removes does not hold, and is to be said again. What forks from the log that
 * counts is taken from a member only, over its stream: whoever shows a credential, or a token, may
 * extend what is known, and nothing else. Otherwise an old key that was removed since could rewrite
 * how it was.
 *
 * Revocations. One that is new here, by an operator, needs a signer that is an authority now. One
 * that a member tells needs a signer that ever was one, on any branch: it was new at some member,
 * which has asked this, and what one member believes all have to, or they would never agree again
 * when a key is removed on one side while it revokes on the other. So a key that was removed shuts
 * nobody out any more without a member's help. That is the price of a union: if only signers in
 * force counted, to remove a key would let in again whom it had shut out, by itself, and at each
 * node when it hears of that; who was told that it is shut out has stopped. Of two for the same
 * subject the one with the lower hash stays.
 *
 * Rows: MP_TABLE_META "authority" -> [log...], the one that counts first; MP_TABLE_REVOKED, subject
 * -> the signed record.
 */
#ifndef MP_CORE_CHARTER_H
#define MP_CORE_CHARTER_H

#include "codec/cbor.h"
#include "codec/record_revoke.h"
#include "core/env.h"

struct mp_charter;

/* MP_ENOMEM. */
int mp_charter_new(const struct mp_env *env, struct mp_charter **out);
void mp_charter_free(struct mp_charter *charter);

/* A row of MP_TABLE_META: MP_ENOENT when it is another one's, MP_ECORRUPT, MP_ENOMEM. */
int mp_charter_restore_meta(struct mp_charter *charter, struct mp_span key, struct mp_span value);
/* A row of MP_TABLE_REVOKED. MP_ECORRUPT, MP_ENOMEM, MP_ELIMIT. */
int mp_charter_restore(struct mp_charter *charter, struct mp_span key, struct mp_span value);

/* ---- the log ---- */

/* The one that counts; NULL while none is known. Good until the next change. */
const struct mp_authority *mp_charter_log(const struct mp_charter *charter);
size_t mp_charter_branch_count(const struct mp_charter *charter);
const struct mp_authority *mp_charter_branch(const struct mp_charter *charter, size_t i);

/* Takes a log, and puts the row (without env it does not). 0 when something is new; MP_EEXIST when
 * nothing is; MP_EAUTH when it forks and `fork` is false; MP_ELIMIT when there are too many
 * branches that outrank it; MP_ECLUSTER, MP_ENOMEM, and the errors of mp_authority_open(). */
int mp_charter_learn(struct mp_charter *charter, struct mp_env *env, struct mp_span log, bool fork);

/* ---- who is shut out ---- */

/* NULL when this key is not. Good until the next change. */
const struct mp_revocation *mp_charter_revoked(
	const struct mp_charter *charter, const struct mp_node_id *id);
/* Its signed record; empty when there is none. */
struct mp_span mp_charter_record(const struct mp_charter *charter, const struct mp_node_id *id);
size_t mp_charter_revoked_count(const struct mp_charter *charter);
/* In order of subjects. */
struct mp_span mp_charter_record_at(const struct mp_charter *charter, size_t i);

/*
 * Takes a signed revocation, and puts its row; *subject may be NULL. `told`: by a member, not by an
 * operator here. 0 when it is new, or replaces another for the same subject; MP_EEXIST when it is
 * known; MP_EAUTH when its signer may not, as far as is known here; MP_ECLUSTER, MP_ELIMIT,
 * MP_ENOMEM, and the errors of mp_revocation_open().
 */
int mp_charter_revoke(struct mp_charter *charter, struct mp_env *env, struct mp_span record,
	bool told, struct mp_node_id *subject);

/* ---- between members ---- */

/* Equal where the same is known. */
uint64_t mp_charter_digest(const struct mp_charter *charter);
/* [[log...], [record...]], as two items. */
void mp_charter_write(const struct mp_charter *charter, struct mp_cbor_w *w);

#endif
