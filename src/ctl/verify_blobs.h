/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a run that was checked (ctl/proof.h): every copy that the log names is read, on the
 * node that has it, and hashed here. What no named node has is looked for everywhere.
 */
#ifndef MP_CTL_VERIFY_BLOBS_H
#define MP_CTL_VERIFY_BLOBS_H

#include "ctl/cmd.h"
#include "ctl/proof.h"
#include "util/map.h"

enum mp_copy {
	MP_COPY_GOOD,
	MP_COPY_MISSING, /* the node says that it has none */
	MP_COPY_DAMAGED, /* it found out itself; it has none now */
	MP_COPY_WRONG,   /* it hands out other bytes */
	MP_COPY_AWAY,    /* it cannot be asked */
};

#define MP_VERIFY_COPIES (MP_HOLDERS_MAX + 2)
#define MP_VERIFY_AWAY   64

/* A blob that was read, or was to be. */
struct mp_verified {
	struct mp_map_node in_map;
	struct mp_hash digest;
	uint64_t size;      /* when good */
	uint8_t sha256[32]; /* likewise */
	bool good;          /* somebody has it */
	bool wanted;        /* it was looked for everywhere */
	bool kept;          /* its bytes are here */
	size_t count;
	struct mp_node_id nodes[MP_VERIFY_COPIES];
	enum mp_copy copies[MP_VERIFY_COPIES];
	struct mp_buf bytes; /* of a manifest */
};

/* Something that is in no place where the log says that it is. */
struct mp_verify_lost {
	struct mp_verified *blob;
	uint32_t module; /* MP_MODULES_MAX: of the run */
	uint64_t entry;
	bool manifest;
	char what[160];
};

struct mp_verify_blobs {
	struct mp_cmd_ctx *ctx;
	struct mp_proof *proof;
	struct mp_node_id self; /* the node that is asked */
	bool one;               /* one good copy of each is enough */
	struct mp_map map;
	struct mp_verify_lost *lost;
	size_t lost_count, lost_room;
	struct mp_node_id away[MP_VERIFY_AWAY]; /* that were asked in vain: not again */
	size_t away_count;
	uint64_t blobs, bytes; /* that were read at least once */
	uint64_t copies;       /* that are good */
};

void mp_verify_blobs_init(
	struct mp_verify_blobs *v, struct mp_cmd_ctx *ctx, struct mp_proof *proof);
void mp_verify_blobs_fini(struct mp_verify_blobs *v);

/* Reads all of the run's inputs and of what its modules left. What does not hold is told to the
 * proof. 0, or why it could not go on, in ctx->err. */
int mp_verify_blobs(struct mp_verify_blobs *v);

/* As the `blob` of struct mp_proof, whose ctx this is. */
int mp_verify_fetch(struct mp_verify_blobs *v, const struct mp_hash *digest, struct mp_buf *buf);

/* What was found out about a blob; NULL: nothing. */
const struct mp_verified *mp_verify_find(
	const struct mp_verify_blobs *v, const struct mp_hash *digest);

#endif
