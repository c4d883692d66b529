/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests in memory, each once: a run's inputs are read by every attempt of it. What nobody uses
 * any more stays for a while, within bounds.
 */
#ifndef MP_CORE_MANIFESTS_H
#define MP_CORE_MANIFESTS_H

#include "codec/manifest.h"
#include "core/env.h"
#include "core/fetch.h"
#include "mp/base.h"
#include "util/dlist.h"

struct mp_manifests;
struct mp_manifests_item;

/* One use of one manifest, embedded in who uses it. Idle when zeroed but for `done`. */
struct mp_manifest_use {
	/* The manifest is here (rc 0) or cannot be had: the errors of mp_fetch_read() and of
	 * mp_manifest_decode(). Never called from inside mp_manifests_get(). */
	void (*done)(struct mp_manifest_use *use, struct mp_env *env, int rc);
	const struct mp_manifest *manifest; /* NULL until it is here */
	uint64_t size;                      /* of the blob */
	struct mp_manifests_item *item;     /* NULL when idle */
	struct mp_dlist waiting;
};

/* Borrows the fetcher for its life. 0 or MP_ENOMEM. */
int mp_manifests_new(struct mp_env *env, struct mp_fetch *fetch, struct mp_manifests **out);
/* Every use was put back. NULL is fine. */
void mp_manifests_free(struct mp_manifests *ms);

/* 0: use->manifest is set, or `done` will tell. Else MP_ENOMEM, and the use is idle. */
int mp_manifests_get(struct mp_manifests *ms, struct mp_env *env, struct mp_manifest_use *use,
	const struct mp_hash *digest, const struct mp_node_id *holders, size_t holder_count);
/* The use is over, or not wanted any more; nothing on an idle one. */
void mp_manifests_put(struct mp_manifests *ms, struct mp_manifest_use *use);

#endif
