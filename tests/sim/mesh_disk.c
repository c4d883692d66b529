/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks. A row is a number: of bytes that are in memory once for all nodes that have them. Rosters
 * hold the same bytes (credentials and statements, which never change) and are given those instead
 * of their copies: they are 60 % of what 1,000 nodes need.
 */
#include "mesh.h"

#include <stdlib.h>
#include <sys/mman.h>

#define REGION ((size_t)1 << 29)
#define ALIGN  16u

void
mesh_disk_init(struct mesh *mesh)
{
	mesh->interned = mmap(NULL, REGION, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mp_assert(mesh->interned != MAP_FAILED);
	mesh->interned_size = ALIGN; /* 0 is none */
	mesh->blobs_size = 4096;
	mesh->blobs = calloc(mesh->blobs_size, sizeof(*mesh->blobs));
	mp_assert(mesh->blobs != NULL);
}

void
mesh_disk_fini(struct mesh *mesh)
{
	(void)munmap(mesh->interned, REGION);
	free(mesh->blobs);
}

bool
mesh_is_interned(const struct mesh *mesh, const void *p)
{
	uintptr_t at = (uintptr_t)p, from = (uintptr_t)mesh->interned;

	return at >= from && at < from + REGION;
}

/* A blob is its size and its bytes. */
struct mp_span
mesh_blob(const struct mesh *mesh, uint32_t blob)
{
	const uint8_t *p = mesh->interned + (size_t)blob * ALIGN;
	uint64_t size;

	memcpy(&size, p, sizeof(size));
	return mp_span(p + sizeof(size), size);
}

static uint32_t *
blob_place(const struct mesh *mesh, uint32_t *blobs, size_t size, struct mp_span bytes)
{
	size_t i = mp_hash64(bytes.p, bytes.n, 3) & (size - 1);

	while (blobs[i] != 0 && !mp_span_eq(mesh_blob(mesh, blobs[i]), bytes))
		i = (i + 1) & (size - 1);
	return &blobs[i];
}

static void
blobs_grow(struct mesh *mesh)
{
	size_t size = mesh->blobs_size * 2;
	uint32_t *blobs = calloc(size, sizeof(*blobs));

	mp_assert(blobs != NULL);
	for (size_t i = 0; i < mesh->blobs_size; i++) {
		if (mesh->blobs[i] != 0)
			*blob_place(mesh, blobs, size, mesh_blob(mesh, mesh->blobs[i])) =
				mesh->blobs[i];
	}
	free(mesh->blobs);
	mesh->blobs = blobs;
	mesh->blobs_size = size;
}

uint32_t
mesh_intern(struct mesh *mesh, struct mp_span bytes)
{
	uint32_t *place = blob_place(mesh, mesh->blobs, mesh->blobs_size, bytes);
	uint8_t *p = mesh->interned + mesh->interned_size;
	uint64_t size = bytes.n;
	uint32_t blob;

	if (*place != 0)
		return *place;
	mp_assert(mesh->interned_size + sizeof(size) + bytes.n + ALIGN <= REGION);
	memcpy(p, &size, sizeof(size));
	memcpy(p + sizeof(size), bytes.p, bytes.n);
	*place = blob = (uint32_t)(mesh->interned_size / ALIGN);
	mesh->interned_size += (sizeof(size) + bytes.n + ALIGN - 1) / ALIGN * ALIGN;
	if (++mesh->blob_count * 2 > mesh->blobs_size)
		blobs_grow(mesh);
	return blob;
}

/* ---- rows ---- */

/* The roster's copy becomes the one of all. The bytes are the same. */
static void
share(struct mesh_node *node, struct mp_span *own, struct mp_span row, size_t at)
{
	if (own->n == 0 || mesh_is_interned(node->mesh, own->p) || at + own->n > row.n ||
		memcmp(row.p + at, own->p, own->n) != 0)
		return; /* an earlier one of the same step */
	mp_dealloc(&node->mesh->alloc, (void *)(uintptr_t)own->p, own->n);
	own->p = row.p + at;
}

static void
row_share(struct mesh_node *node, const struct mesh_node *of, struct mp_span row)
{
	const struct mp_member *m = mesh_view(node, of);
	struct mp_member *edit = mp_roster_edit(node->roster, m);
	struct mp_cbor_r r;
	struct mp_span credential;

	mp_cbor_r_init(&r, row);
	mp_cbor_r_array_exact(&r, 2);
	credential = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	mp_assert(r.rc == 0);
	share(node, &edit->credential, row, (size_t)(credential.p - row.p));
	share(node, &edit->statement, row, (size_t)(r.p - row.p));
}

enum kept { KEPT_MEMBER, KEPT_KEYS, KEPT_LOG, KEPT_SHUT };

struct write {
	enum kept kind;
	uint32_t of, blob;
};

/* What is written there, and of whom. */
static struct write
write_of(struct mesh *mesh, const struct mp_row *row)
{
	struct write w = {.blob = mesh_intern(mesh, row->value), .of = MESH_NONE};
	struct mp_node_id id;

	mp_assert(row->op == MP_ROW_PUT);
	if (row->table == MP_TABLE_META) {
		w.kind = mp_span_eq(row->key, mp_span_str(MP_DGRAM_META)) ? KEPT_KEYS : KEPT_LOG;
		return w;
	}
	w.kind = row->table == MP_TABLE_REVOKED ? KEPT_SHUT : KEPT_MEMBER;
	memcpy(id.b, row->key.p, sizeof(id.b));
	w.of = mesh_find(mesh, &id)->index;
	return w;
}

void
mesh_persist(struct mesh_node *node, const struct mp_effect *fx)
{
	struct mesh *mesh = node->mesh;
	size_t count = fx->u.persist.count;
	struct write *writes = calloc(count, sizeof(*writes));
	struct mesh_event *e;

	mp_assert(writes != NULL);
	for (size_t i = 0; i < count; i++)
		writes[i] = write_of(mesh, &fx->u.persist.rows[i]);
	for (size_t i = 0; i < count; i++) {
		if (writes[i].kind == KEPT_MEMBER)
			row_share(
				node, &mesh->nodes[writes[i].of], mesh_blob(mesh, writes[i].blob));
	}
	e = mesh_event_new(MESH_PERSISTED, node->index, mp_span(writes, count * sizeof(*writes)));
	e->u.persisted.seq = fx->u.persist.seq;
	/* In order: a disk has one queue. */
	mesh_post(node, mesh->now + 2 * SIM_MS, e);
	free(writes);
}

void
mesh_persisted(struct mesh_node *node, const struct mesh_event *e)
{
	for (size_t at = 0; at < e->size; at += sizeof(struct write)) {
		struct write w;

		memcpy(&w, e->bytes + at, sizeof(w));
		if (w.kind == KEPT_KEYS) {
			node->keys_row = w.blob;
		} else if (w.kind == KEPT_LOG) {
			node->log_row = w.blob;
		} else if (w.kind == KEPT_SHUT) {
			node->shut_rows[w.of] = w.blob;
		} else {
			node->members_durable += node->rows[w.of] == 0;
			node->rows[w.of] = w.blob;
		}
	}
	mesh_begin(node);
	mp_out_persisted(node->env.out, e->u.persisted.seq);
	mp_join_persisted(node->join, &node->env);
	mesh_finish(node);
}

void
mesh_disk_put(struct mesh_node *node, const struct mesh_node *of, struct mp_span credential,
	struct mp_span statement)
{
	struct mp_buf buf;
	struct mp_cbor_w w;

	mp_buf_init(&buf, &node->mesh->alloc, 2 * MP_CREDENTIAL_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_span(&w, credential);
	if (statement.n > 0)
		mp_cbor_w_raw(&w, statement);
	else
		mp_cbor_w_null(&w);
	mp_assert(w.rc == 0);
	node->members_durable += node->rows[of->index] == 0;
	node->rows[of->index] = mesh_intern(node->mesh, mp_buf_span(&buf));
	mp_buf_fini(&buf);
}

static void
restore_keys(struct mesh_node *node)
{
	int rc;

	if (node->keys_row != 0)
		rc = mp_dgram_restore(node->dgram, &node->env, mp_span_str(MP_DGRAM_META),
			mesh_blob(node->mesh, node->keys_row));
	else if (node->rows[node->index] != 0) /* founded with the others */
		rc = mp_dgram_key_add(node->dgram, &node->env, 1, mesh_gossip_key(node), true);
	else
		return;
	if (rc != 0)
		mesh_fail(node->mesh, "gossip keys cannot be read back: %s", mp_strerror(rc));
}

/* Before those of members. */
static void
restore_charter(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	int rc = 0;

	node->shut_seen = 0;
	if (node->log_row != 0)
		rc = mp_roster_restore_meta(
			node->roster, mp_span_str("authority"), mesh_blob(mesh, node->log_row));
	for (uint32_t i = 0; rc == 0 && i < mesh->plan.nodes; i++) {
		const struct mp_node_id *id = &mesh->nodes[i].id;

		if (node->shut_rows[i] == 0)
			continue;
		rc = mp_roster_restore_revoked(node->roster, mp_span(id->b, sizeof(id->b)),
			mesh_blob(mesh, node->shut_rows[i]));
		node->shut_seen++;
	}
	if (rc != 0)
		mesh_fail(mesh, "what authorities said cannot be read back: %s", mp_strerror(rc));
}

void
mesh_restore(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;

	restore_keys(node);
	restore_charter(node);
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		struct mesh_node *of = &mesh->nodes[i];
		struct mp_span row;
		int rc;

		if (node->rows[i] == 0)
			continue;
		row = mesh_blob(mesh, node->rows[i]);
		rc = mp_roster_restore(
			node->roster, &node->env, mp_span(of->id.b, sizeof(of->id.b)), row);
		if (rc != 0)
			mesh_fail(mesh, "a row cannot be read back: %s", mp_strerror(rc));
		else
			row_share(node, of, row);
	}
}
