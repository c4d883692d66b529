/* SPDX-License-Identifier: Apache-2.0 */
/* Answers peers that ask for pieces of blobs; the other half of core/fetch.h, which drives it. */
#ifndef MP_CORE_SERVE_H
#define MP_CORE_SERVE_H

#include "codec/msg_blob.h"
#include "core/env.h"
#include "mp/base.h"
#include "mp/event.h"

struct mp_serve;

#define MP_TOKEN_SERVE (0xf3ull << 56)

/* 0 or MP_ENOMEM. */
int mp_serve_new(struct mp_env *env, struct mp_serve **out);
void mp_serve_free(struct mp_serve *serve);

/* A peer asks for a piece. 0, MP_EBUSY (over MP_SERVE_QUEUE_MAX: not answered), MP_ENOMEM. */
int mp_serve_get(struct mp_serve *serve, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_blob_get *get);

/* A BLOB_READ event whose token is this module's. */
void mp_serve_event(struct mp_serve *serve, struct mp_env *env, const struct mp_event *event);

/* The peer's stream is gone: what waits to be read for it is forgotten. */
void mp_serve_lost(struct mp_serve *serve, const struct mp_node_id *peer);

/* When this peer last asked; 0 never. */
mp_time mp_serve_last_ms(const struct mp_serve *serve, const struct mp_node_id *peer);

#endif
