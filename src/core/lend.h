/* SPDX-License-Identifier: Apache-2.0 */
/* Answers members that ask for what this node's result cache has, or for copies of what a result
 * names; the other half of core/shelf.h, which drives it. */
#ifndef MP_CORE_LEND_H
#define MP_CORE_LEND_H

#include "codec/msg_cache.h"
#include "core/env.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "mp/base.h"
#include "mp/event.h"

struct mp_lend;
struct mp_roster;

/* Borrows all three for its life. 0 or MP_ENOMEM. */
int mp_lend_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, struct mp_lend **out);
void mp_lend_free(struct mp_lend *lend);

/* Questions of a member, each answered once, in time. Over MP_CACHE_PEER_MAX of one kind, or out of
 * memory, the answer is at once that there is nothing. */
void mp_lend_ask(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_list *m);
void mp_lend_get(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_list *m);
/* Nothing too when the result is none that is worth keeping: of this cluster, signed by a member,
 * and a success. */
void mp_lend_hold(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_hold *m);

/* CACHE_FOUND, CACHE_GOT. */
void mp_lend_event(struct mp_lend *lend, struct mp_env *env, const struct mp_event *event);

#endif
