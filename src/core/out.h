/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: the effects of the step that is running, the memory they point to, and the messages
 * that wait for a disk.
 *
 * A message that must not be said before rows are durable is sent with `after` set to
 * mp_out_seq() at the time the rows were put (in this step or an earlier one). The outbox keeps
 * it until the shell reports that sequence number, so a reply before its fsync cannot be written.
 * Order between messages to one peer is kept only among those with the same `after`.
 */
#ifndef MP_CORE_OUT_H
#define MP_CORE_OUT_H

#include "mp/base.h"
#include "mp/effect.h"
#include "util/buf.h"

struct mp_out;

/* Where a peer listens, asked when a message goes out; the roster answers. */
typedef void (*mp_out_addrs_cb)(void *ctx, const struct mp_node_id *peer, struct mp_addr addrs[4]);

/* self: messages to this node do not leave it, see mp_out_loop(). NULL: there are none. */
struct mp_out *mp_out_new(const struct mp_alloc *alloc, const struct mp_node_id *self,
	mp_out_addrs_cb addrs, void *ctx);
void mp_out_free(struct mp_out *out);

/* Forgets the last step's effects and memory. */
void mp_out_begin(struct mp_out *out);
/* Puts the step's rows into one PERSIST effect. The list stays valid until mp_out_begin(). */
void mp_out_end(struct mp_out *out, const struct mp_effect **effects, size_t *count);

/* Rows up to seq are durable: releases what waited for them. Called inside a step. */
void mp_out_persisted(struct mp_out *out, uint64_t seq);

/* The sequence number that rows put in this step have or will have; of earlier rows when none was
 * put in this step. */
uint64_t mp_out_seq(const struct mp_out *out);
uint64_t mp_out_durable(const struct mp_out *out);

/* Step memory: zeroed, valid until the next mp_out_begin(). NULL when memory is out. */
void *mp_out_mem(struct mp_out *out, size_t size);
struct mp_span mp_out_copy(
	struct mp_out *out, struct mp_span bytes); /* p NULL when out of memory */

/* A scratch buffer for encoding, cleared, good until the next call. Its bytes are copied by the
 * functions below. */
struct mp_buf *mp_out_scratch(struct mp_out *out);

/* All of these copy their bytes. Out of memory: the effect is dropped, as a lossy network would,
 * except rows and what is asked of this machine (blobs, children), whose answer somebody waits
 * for: then mp_out_failed() holds and the node stops with a FATAL effect. */
void mp_out_put(struct mp_out *out, enum mp_table table, struct mp_span key, struct mp_span value);
void mp_out_delete(struct mp_out *out, enum mp_table table, struct mp_span key);
void mp_out_delete_range(
	struct mp_out *out, enum mp_table table, struct mp_span from, struct mp_span to);
bool mp_out_failed(const struct mp_out *out);

/* after: 0 for at once, else see above. */
void mp_out_send(struct mp_out *out, const struct mp_node_id *peer, enum mp_class klass,
	struct mp_span bytes, uint64_t after);
void mp_out_datagram(struct mp_out *out, const struct mp_addr *to, struct mp_span bytes);
void mp_out_reply(
	struct mp_out *out, uint64_t request, struct mp_span bytes, bool last, uint64_t after);

/* The next message that this node sent to itself, in order; false when there is none. Its bytes are
 * good until the end of the step. Whoever runs the step delivers them all before it ends. */
bool mp_out_loop(struct mp_out *out, struct mp_span *bytes);
/* How many there are now. */
size_t mp_out_loop_count(const struct mp_out *out);

/* Any other effect, copied shallowly: what it points to is the caller's until the next begin
 * (use mp_out_mem or mp_out_copy). */
void mp_out_effect(struct mp_out *out, const struct mp_effect *fx);

/* How many messages wait for the disk, for tests and the bound in limits.h. */
size_t mp_out_waiting(const struct mp_out *out);

#endif
