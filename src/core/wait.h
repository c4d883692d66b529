/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting room of one node: who has knocked without an invite, and what an authority has given
 * to those that it lets in (DESIGN 3).
 *
 *   knock -> waits here, and is listed -> (an authority signs a token for this key alone)
 *         -> grant -> the next knock is answered with the token
 *
 * Whoever waits knocks again from time to time, and is forgotten when it does not: that is kept in
 * memory only. What is granted is told to all members and is on their disks, so that it is found
 * whoever is down, or was. A node proves its key by the request that it knocks with; its name is a
 * wish.
 *
 * Rows: MP_TABLE_META "grant " and the id -> [until_ms (wall), token].
 */
#ifndef MP_CORE_WAIT_H
#define MP_CORE_WAIT_H

#include "codec/record_trust.h"
#include "core/env.h"
#include "mp/base.h"
#include "mp/error.h"

/* Who waits here, in all and from one source (mp_addr_source()). More: refused. */
#define MP_WAIT_MAX        128
#define MP_WAIT_SOURCE_MAX 16
/* Tokens that are to be fetched. More: the one that ends first is forgotten. */
#define MP_WAIT_GRANTS_MAX 128
/* Silence after which it is forgotten; and for how long a token is kept for it, if it is good for
 * so long. */
#define MP_WAIT_MS       60000
#define MP_WAIT_GRANT_MS (24ll * 60 * 60 * 1000)

struct mp_wait;

struct mp_waiting {
	struct mp_request who;
	struct mp_addr addr;    /* where it came from */
	mp_time since_ms;       /* wall */
	struct mp_span request; /* its bytes */
};

/* MP_ENOMEM. */
int mp_wait_new(struct mp_env *env, struct mp_wait **out);
void mp_wait_free(struct mp_wait *wait);

/*
 * One knocks with a signed request (codec/record_cert.h) from that address. 0; *token is what was
 * granted to it, or empty: it waits. Borrowed until the next call. MP_EBUSY with a text: too many
 * wait; or the errors of mp_request_open().
 */
int mp_wait_knock(struct mp_wait *wait, struct mp_env *env, struct mp_span request,
	const struct mp_addr *addr, struct mp_span *token, struct mp_error *err);

/* A row, before the start: 0, or MP_ENOENT when it is another one's. One that is damaged is left
 * alone: who waits for it is admitted again. */
int mp_wait_restore(
	struct mp_wait *wait, struct mp_env *env, struct mp_span key, struct mp_span value);

/* A token for it: it waits no more, and the row is put. The token must be of this cluster, of an
 * authority, bound to that id, and not expired: MP_EAUTH, MP_EEXPIRED, MP_ENOMEM, or the errors of
 * mp_token_decode(). */
int mp_wait_grant(struct mp_wait *wait, struct mp_env *env, const struct mp_trust *trust,
	const struct mp_node_id *id, struct mp_span token, struct mp_error *err);

/* It has come, and needs it no more. */
void mp_wait_came(struct mp_wait *wait, struct mp_env *env, const struct mp_node_id *id);

/* What is held for somebody, the i-th; false after the last. *token is borrowed until the next call
 * of another function. */
bool mp_wait_granted(const struct mp_wait *wait, const struct mp_env *env, size_t i,
	struct mp_node_id *id, struct mp_span *token);

/* Who waits, the i-th; NULL after the last. Borrowed until the next call of another function. */
size_t mp_wait_count(const struct mp_wait *wait, const struct mp_env *env);
const struct mp_waiting *mp_wait_at(struct mp_wait *wait, struct mp_env *env, size_t i);

#endif
