/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps copies for peers that ask; the other half of core/hold.h, which drives it. */
#ifndef MP_CORE_KEEP_H
#define MP_CORE_KEEP_H

#include "codec/msg_blob.h"
#include "core/env.h"
#include "core/fetch.h"
#include "mp/base.h"

struct mp_keep;

/* Borrows the fetcher for its life. 0 or MP_ENOMEM. */
int mp_keep_new(struct mp_env *env, struct mp_fetch *fetch, struct mp_keep **out);
void mp_keep_free(struct mp_keep *keep);

/* A peer's HOLD: answered with HELD at once when it cannot be done, else in time. */
void mp_keep_ask(struct mp_keep *keep, struct mp_env *env, const struct mp_node_id *from,
	struct mp_msg_hold *m);

/* Refuses from now on; what it has begun goes on. */
void mp_keep_stop(struct mp_keep *keep);

/* At the end of a step: is there something to sync, and no sync under way? Then one is. */
bool mp_keep_wants_sync(struct mp_keep *keep);
/* It came back. */
void mp_keep_synced(struct mp_keep *keep, struct mp_env *env, int rc);

#endif
