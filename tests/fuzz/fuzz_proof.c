/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over what a node that may be a liar hands out of a run, all signatures taken to hold. An
 * input is a list of [kind, length, length, bytes...], kinds below, in the order in which mpctl
 * verify has them: what comes out of its turn is nothing.
 */
#include "fuzz.h"

#include "ctl/proof.h"
#include "null_crypto.h"

enum piece_kind {
	PIECE_AUTHORITY,
	PIECE_REVOCATION,
	PIECE_CREDENTIAL,
	PIECE_PIPELINE, /* comes before its record */
	PIECE_RECORD,
	PIECE_INPUTS, /* what a cache key may want to read */
	PIECE_ENTRY,
	PIECE_END,
};

struct walk {
	struct mp_proof proof;
	struct mp_span pipeline, inputs;
	bool settled, has_run;
	size_t found;
};

static void
on_finding(void *ctx, const struct mp_finding *f)
{
	struct walk *w = ctx;

	w->found++;
	mp_assert(f->check != NULL && f->weight <= MP_PROOF_BROKEN);
	mp_assert(memchr(f->text, '\0', sizeof(f->text)) != NULL && f->text[0] != '\0');
	mp_assert((f->expected[0] == '\0') == (f->actual[0] == '\0'));
	mp_assert(f->module == MP_MODULES_MAX || f->module < w->proof.graph->module_count);
}

static int
on_blob(void *ctx, const struct mp_hash *digest, struct mp_buf *buf)
{
	struct walk *w = ctx;

	(void)digest;
	return w->inputs.n == 0 ? MP_ENOENT : mp_buf_append(buf, w->inputs.p, w->inputs.n);
}

static bool
piece_next(struct mp_span *rest, uint8_t *kind, struct mp_span *piece)
{
	size_t n;

	if (rest->n < 3)
		return false;
	*kind = rest->p[0] % 8;
	n = mp_min_size((size_t)rest->p[1] << 8 | rest->p[2], rest->n - 3);
	*piece = mp_span(rest->p + 3, n);
	*rest = mp_span(rest->p + 3 + n, rest->n - 3 - n);
	return true;
}

/* MP_ENOMEM ends the walk. */
static int
walk_piece(struct walk *w, uint8_t kind, struct mp_span piece)
{
	struct mp_proof *p = &w->proof;
	int rc = 0;

	if (kind == PIECE_PIPELINE)
		w->pipeline = piece;
	else if (kind == PIECE_INPUTS)
		w->inputs = piece;
	else if (kind == PIECE_AUTHORITY && !w->settled)
		rc = mp_proof_authority(p, piece);
	else if (kind == PIECE_REVOCATION && !w->settled)
		rc = mp_proof_revocation(p, piece);
	else if (kind == PIECE_CREDENTIAL && !w->settled)
		rc = mp_proof_credential(p, piece);
	else if (kind == PIECE_RECORD && !w->settled) {
		w->settled = true;
		rc = mp_proof_settle(p);
		if (rc == 0)
			rc = mp_proof_run(p, "", piece, w->pipeline);
		mp_assert(rc == 0 || rc == MP_ENOMEM || p->counts[MP_PROOF_BROKEN] > 0);
		w->has_run = rc == 0;
	} else if (kind == PIECE_ENTRY && w->has_run)
		rc = mp_proof_entry(p, piece);
	return rc;
}

static void
walk_end(struct walk *w, struct mp_span end)
{
	struct mp_proof *p = &w->proof;
	struct mp_finished finished;
	struct mp_result result;

	if (!w->has_run || mp_proof_end(p, end) != 0)
		return;
	mp_assert(p->recalled <= p->results);
	mp_assert(!p->ended || p->end.last_index <= p->last || p->counts[MP_PROOF_BROKEN] > 0);
	for (uint32_t i = 0; i < p->graph->module_count; i++) {
		if (mp_proof_result(p, i, &finished, &result))
			mp_assert(p->modules[i].entry > 0 && p->modules[i].entry <= p->last);
	}
	mp_assert(w->found ==
		  p->counts[MP_PROOF_NOTE] + p->counts[MP_PROOF_OPEN] + p->counts[MP_PROOF_BROKEN]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 64u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span rest = mp_span(data, size), piece, end = mp_span(NULL, 0);
	static struct walk w;
	struct mp_cluster_id cluster;
	uint8_t kind;

	memset(&w, 0, sizeof(w));
	memset(cluster.b, 2, sizeof(cluster.b)); /* as null_crypto hashes the first entry */
	if (mp_proof_init(&w.proof, &alloc, &null_crypto, &cluster, on_finding, &w) == 0) {
		w.proof.blob = on_blob;
		while (end.p == NULL && piece_next(&rest, &kind, &piece)) {
			if (kind == PIECE_END)
				end = piece;
			else if (walk_piece(&w, kind, piece) == MP_ENOMEM)
				break;
		}
		walk_end(&w, end);
	}
	mp_proof_fini(&w.proof);
	mp_assert(heap.live == 0);
	return 0;
}
