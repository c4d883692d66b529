/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches what a run is made of, has it checked (ctl/proof.h), and says what came out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "codec/msg_ctl_proof.h"
#include "crypto/key.h"
#include "ctl/authority.h"
#include "ctl/commands.h"
#include "ctl/identity.h"
#include "ctl/pages.h"
#include "ctl/provenance.h"
#include "ctl/verify_blobs.h"
#include "util/hex.h"

struct found {
	struct mp_finding *items;
	size_t count, room;
};

struct verify {
	struct mp_cmd_ctx *ctx;
	char run[MP_CMD_RUN_SIZE];
	struct mp_cluster_id cluster;
	const char *pinned; /* by what */
	struct mp_proof proof;
	struct mp_verify_blobs blobs;
	struct found found;
	struct mp_buf end; /* of the run, as the node has it */
};

static const char *const weights[] = {
	[MP_PROOF_NOTE] = "note",
	[MP_PROOF_OPEN] = "open",
	[MP_PROOF_BROKEN] = "broken",
};

/* ---- which cluster ---- */

static int
cluster_parse(struct verify *v, const char *text)
{
	size_t digits = 2 * sizeof(v->cluster.b);

	if (mp_unhex(v->cluster.b, sizeof(v->cluster.b), mp_span_str(text)))
		return 0;
	return mp_fail(&v->ctx->err, MP_EUSAGE,
		"--cluster: the id of a cluster has %zu digits, as mpctl authority show prints it",
		digits);
}

/* What the node's own state directory begins with, if we may read it. */
static bool
cluster_of_state(struct verify *v)
{
	char path[MP_PATH_MAX + 32];
	struct mp_authority *a = calloc(1, sizeof(*a));
	struct mp_error err = {0};
	struct mp_cbor_r r;
	struct mp_buf bytes;
	int rc;

	mp_buf_init(&bytes, v->ctx->alloc, MP_CREDENTIAL_MAX);
	rc = a != NULL ? mp_cmd_state_dir(v->ctx, &err) : MP_ENOMEM;
	(void)snprintf(path, sizeof(path), "%s/credential", v->ctx->state_dir);
	if (rc == 0)
		rc = mp_file_read(path, &bytes, &err);
	if (rc == 0) {
		mp_cbor_r_init(&r, mp_buf_span(&bytes));
		mp_cbor_r_array_exact(&r, 4);
		rc = mp_authority_open(&mp_crypto_sodium, mp_cbor_r_item(&r), a, &err);
	}
	if (rc == 0)
		v->cluster = a->cluster;
	mp_buf_fini(&bytes);
	free(a);
	return rc == 0;
}

static int
cluster_of_identity(struct verify *v)
{
	struct mp_identity identity;
	int rc = mp_identity_open(&identity, v->ctx->alloc, v->ctx->identity, &v->ctx->err);

	if (rc != 0)
		return rc;
	v->cluster = identity.cluster;
	v->pinned = identity.pinned ? "identity" : v->pinned;
	mp_identity_close(&identity);
	return 0;
}

/* From anywhere but the node that is asked, if that can be. */
static int
cluster_pin(struct verify *v, const struct mp_cluster_id *told)
{
	const char *given = mp_cmd_value(v->ctx, "cluster");
	int rc = 0;

	v->cluster = *told;
	v->pinned = "node";
	if (given != NULL) {
		v->pinned = "option";
		return cluster_parse(v, given);
	}
	if (v->ctx->node != NULL)
		rc = cluster_of_identity(v);
	else if (cluster_of_state(v))
		v->pinned = "state";
	return rc;
}

/* ---- fetching ---- */

static int
senseless(struct verify *v, int rc)
{
	return mp_cmd_nonsense(v->ctx, rc, &v->ctx->err);
}

static int
no_memory(struct verify *v, int rc)
{
	return rc == 0 ? 0 : mp_fail(&v->ctx->err, rc, "%s", mp_strerror(rc));
}

static void
on_finding(void *ctx, const struct mp_finding *finding)
{
	struct verify *v = mp_container_of((struct mp_verify_blobs *)ctx, struct verify, blobs);

	if (mp_proof_grow(&v->proof, (void **)&v->found.items, sizeof(*v->found.items),
		    v->found.count, &v->found.room) == 0)
		v->found.items[v->found.count++] = *finding;
}

static int
on_blob(void *ctx, const struct mp_hash *digest, struct mp_buf *buf)
{
	return mp_verify_fetch(ctx, digest, buf);
}

static int
charter_take(struct verify *v, struct mp_ctl_charter *c)
{
	struct mp_proof *p = &v->proof;
	int rc = cluster_pin(v, &c->cluster);

	if (rc == 0)
		rc = no_memory(v, mp_proof_init(p, v->ctx->alloc, &mp_crypto_sodium, &v->cluster,
					  on_finding, &v->blobs));
	p->blob = on_blob;
	v->blobs.self = c->id;
	for (size_t i = 0; rc == 0 && i < c->log_count; i++)
		rc = no_memory(v, mp_proof_authority(p, mp_cbor_r_item(&c->logs)));
	for (size_t i = 0; rc == 0 && i < c->revocation_count; i++)
		rc = no_memory(v, mp_proof_revocation(
					  p, mp_cbor_r_bytes(&c->revocations, MP_REVOCATION_MAX)));
	return rc;
}

static int
fetch_charter(struct verify *v)
{
	struct mp_ctl_charter c;
	struct mp_span payload;
	struct mp_buf buf, copy;
	int rc;

	mp_buf_init(&buf, v->ctx->alloc, 64);
	mp_buf_init(&copy, v->ctx->alloc, MP_MSG_MAX);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_CHARTER, NULL);
	rc = mp_cmd_call(v->ctx, rc, &buf, &payload, &v->ctx->err);
	if (rc == 0)
		rc = no_memory(v, mp_buf_append(&copy, payload.p, payload.n));
	if (rc == 0) {
		rc = mp_ctl_charter_decode(mp_buf_span(&copy), &c);
		rc = rc != 0 ? senseless(v, rc) : charter_take(v, &c);
	}
	mp_buf_fini(&copy);
	return rc;
}

static int
on_credential(void *arg, struct mp_span record)
{
	struct verify *v = arg;

	return no_memory(v, mp_proof_credential(&v->proof, record));
}

static int
on_entry(void *arg, struct mp_span record)
{
	struct verify *v = arg;

	return no_memory(v, mp_proof_entry(&v->proof, record));
}

/* take: hands it to the proof, too; else only the end is read again. */
static int
fetch_record(struct verify *v, bool take)
{
	struct mp_ctl_record record;
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, v->ctx->alloc, 256);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_RECORD, v->run);
	rc = mp_cmd_call(v->ctx, rc, &buf, &payload, &v->ctx->err);
	if (rc != 0)
		return rc;
	rc = mp_ctl_record_decode(payload, &record);
	if (rc != 0)
		return senseless(v, rc);
	mp_buf_clear(&v->end);
	rc = mp_buf_append(&v->end, record.end.p, record.end.n);
	if (rc == 0 && take)
		rc = mp_proof_run(&v->proof, v->run, record.record, record.pipeline);
	return rc == MP_EFORMAT ? rc : no_memory(v, rc);
}

static int
verify_log(struct verify *v)
{
	int rc = mp_cmd_pages(v->ctx, MP_CTL_ENTRIES, v->run, on_entry, v);

	/* It may have ended in between. */
	if (rc == 0 && v->end.n == 0 && (unsigned)v->proof.run.outcome != 0)
		rc = fetch_record(v, false);
	return rc == 0 ? no_memory(v, mp_proof_end(&v->proof, mp_buf_span(&v->end))) : rc;
}

/* 0, though there are findings, or why it could not go on. */
static int
verify_all(struct verify *v)
{
	int rc = mp_cmd_run_name(v->ctx, v->ctx->args[0], v->run, &v->ctx->err);

	if (rc == 0)
		rc = fetch_charter(v);
	if (rc == 0)
		rc = mp_cmd_pages(v->ctx, MP_CTL_CREDENTIALS, NULL, on_credential, v);
	if (rc == 0)
		rc = no_memory(v, mp_proof_settle(&v->proof));
	if (rc == 0)
		rc = fetch_record(v, true);
	if (rc == MP_EFORMAT && v->proof.counts[MP_PROOF_BROKEN] > 0)
		return 0; /* it is told, and there is nothing more to walk */
	if (rc == 0)
		rc = verify_log(v);
	return rc == 0 ? mp_verify_blobs(&v->blobs) : rc;
}

/* ---- what came out ---- */

static int
exit_code(const struct verify *v)
{
	if (v->proof.counts[MP_PROOF_BROKEN] > 0)
		return MP_EXIT_BROKEN;
	return v->proof.counts[MP_PROOF_OPEN] > 0 ? MP_EXIT_OPEN : MP_EXIT_DONE;
}

static const char *
module_name(const struct verify *v, uint32_t module)
{
	return v->proof.graph != NULL && module < v->proof.graph->module_count
		       ? v->proof.graph->modules[module].name
		       : NULL;
}

static void
write_or_null(struct mp_writer *w, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		mp_w_text(w, key, text);
	else
		mp_w_null(w, key);
}

static void
write_finding(const struct verify *v, const struct mp_finding *f)
{
	static const enum mp_paint paints[] = {
		[MP_PROOF_NOTE] = MP_PAINT_FAINT,
		[MP_PROOF_OPEN] = MP_PAINT_WARN,
		[MP_PROOF_BROKEN] = MP_PAINT_BAD,
	};
	struct mp_writer *w = v->ctx->writer;
	char row[MP_PROOF_VALUE + 16];

	mp_w_object(w, NULL, NULL, 0);
	mp_w_text(w, "weight", weights[f->weight]);
	mp_w_paint(w, "weight", paints[f->weight]);
	mp_w_text(w, "check", f->check);
	write_or_null(w, "module", module_name(v, f->module));
	write_or_null(w, "node", f->has_node ? mp_proof_name(&v->proof, &f->node) : NULL);
	if (f->has_node)
		mp_w_hex(w, "node_id", f->node.b, sizeof(f->node.b));
	else
		mp_w_null(w, "node_id");
	if (f->entry > 0)
		mp_w_uint(w, "entry", f->entry);
	else
		mp_w_null(w, "entry");
	mp_w_text(w, "text", f->text);
	write_or_null(w, "expected", f->expected);
	write_or_null(w, "actual", f->actual);
	mp_w_end(w);
	if (f->expected[0] == '\0')
		return;
	(void)snprintf(row, sizeof(row), "expected %s", f->expected);
	mp_w_row(w, "text", row);
	(void)snprintf(row, sizeof(row), "actual   %s", f->actual);
	mp_w_row(w, "text", row);
}

static const char *
verdict(const struct verify *v)
{
	switch (exit_code(v)) {
	case MP_EXIT_DONE:
		return "holds";
	case MP_EXIT_OPEN:
		return "open";
	default:
		return "broken";
	}
}

static void
write_run(const struct verify *v)
{
	const struct mp_proof *p = &v->proof;
	struct mp_writer *w = v->ctx->writer;

	if (!p->has_run) {
		write_or_null(w, "run", v->run);
		return;
	}
	mp_w_hex(w, "run", p->rec.id.b, sizeof(p->rec.id.b));
	mp_w_text(w, "name", p->graph->name);
	mp_w_text(w, "state", mp_run_state_word(mp_run_state(&p->run)));
	mp_w_uint(w, "modules", p->graph->module_count);
	mp_w_uint(w, "succeeded", p->run.counts[MP_MODULE_SUCCEEDED]);
	mp_w_show(w, "modules", "%u, of which %u succeeded", p->graph->module_count,
		p->run.counts[MP_MODULE_SUCCEEDED]);
	mp_w_uint(w, "generation", p->rec.now.generation);
	mp_w_uint(w, "entries", p->last);
	mp_w_uint(w, "terms", p->term_count);
	mp_w_show(w, "entries", "%" PRIu64 " entries in %zu terms", p->last, p->term_count);
	mp_w_uint(w, "results", p->results);
	mp_w_uint(w, "recalled", p->recalled);
	mp_w_show(w, "results", "%" PRIu64 ", of which %" PRIu64 " of other runs", p->results,
		p->recalled);
	mp_w_uint(w, "blobs", v->blobs.blobs);
	mp_w_uint(w, "copies", v->blobs.copies);
	mp_w_uint(w, "bytes", v->blobs.bytes);
	mp_w_show(w, "blobs", "%" PRIu64 " in %" PRIu64 " good copies", v->blobs.blobs,
		v->blobs.copies);
}

static int
write_report(const struct verify *v)
{
	static const struct mp_column head[] = {
		{"run", "run", false, 0},
		{"name", "name", false, 0},
		{"state", "state", false, 0},
		{"cluster", "cluster", false, 0},
		{"modules", "modules", false, 0},
		{"entries", "log", false, 0},
		{"results", "results", false, 0},
		{"blobs", "blobs", false, 0},
		{"verdict", "verdict", false, 0},
	};
	static const struct mp_column columns[] = {
		{"weight", "WEIGHT", false, 0},
		{"check", "CHECK", false, 0},
		{"module", "MODULE", false, 0},
		{"node", "NODE", false, 0},
		{"entry", "ENTRY", true, 2},
		{"text", "WHAT", false, 0},
	};
	struct mp_writer *w = v->ctx->writer;

	mp_w_object(w, NULL, head, mp_countof(head));
	write_run(v);
	mp_w_hex(w, "cluster", v->cluster.b, sizeof(v->cluster.b));
	mp_w_text(w, "pinned", v->pinned);
	mp_w_text(w, "verdict", verdict(v));
	mp_w_paint(w, "verdict", exit_code(v) == MP_EXIT_DONE ? MP_PAINT_GOOD : MP_PAINT_BAD);
	mp_w_uint(w, "broken", v->proof.counts[MP_PROOF_BROKEN]);
	mp_w_uint(w, "open", v->proof.counts[MP_PROOF_OPEN]);
	mp_w_list(w, "findings", columns, mp_countof(columns));
	for (size_t i = 0; i < v->found.count; i++)
		write_finding(v, &v->found.items[i]);
	mp_w_end(w);
	mp_w_end(w);
	return mp_cmd_done(v->ctx, exit_code(v));
}

/* A statement says nothing of what is wrong: then there is none. */
static int
write_statement(const struct verify *v)
{
	int rc;

	for (size_t i = 0; i < v->found.count; i++) {
		const struct mp_finding *f = &v->found.items[i];
		const char *module = module_name(v, f->module);

		if (f->weight != MP_PROOF_NOTE)
			mp_cmd_error(v->ctx, "%s: %s%s%s", f->check, module != NULL ? module : "",
				module != NULL ? ": " : "", f->text);
	}
	if (exit_code(v) != MP_EXIT_DONE)
		return exit_code(v);
	if (!v->proof.ended)
		return mp_cmd_fail(v->ctx, &(struct mp_error){MP_EUSAGE,
						   "the run has not ended yet: a statement is made "
						   "of what is final"});
	rc = mp_provenance_write(&v->blobs, &v->ctx->err);
	return rc != 0 ? mp_cmd_fail(v->ctx, &v->ctx->err) : MP_EXIT_DONE;
}

static int
verify_run(struct mp_cmd_ctx *ctx)
{
	const char *format = mp_cmd_value(ctx, "format");
	struct verify *v = calloc(1, sizeof(*v));
	int rc, code;

	if (v == NULL)
		return MP_EXIT_BUG;
	if (format != NULL && strcmp(format, "slsa") != 0) {
		mp_cmd_error(ctx, "--format: only slsa is known");
		free(v);
		return MP_EXIT_USAGE;
	}
	v->ctx = ctx;
	mp_buf_init(&v->end, ctx->alloc, MP_MSG_MAX);
	mp_verify_blobs_init(&v->blobs, ctx, &v->proof);
	v->proof.alloc = ctx->alloc;
	v->blobs.one = mp_cmd_has(ctx, "one-copy");
	rc = verify_all(v);
	if (rc == 0 && v->pinned != NULL && strcmp(v->pinned, "node") == 0)
		mp_cmd_note(ctx, "the cluster is the one that the node says it is of; --cluster ID "
				 "says which one it has to be");
	code = rc != 0          ? mp_cmd_fail(ctx, &ctx->err)
	       : format != NULL ? write_statement(v)
				: write_report(v);
	mp_dealloc(ctx->alloc, v->found.items, v->found.room * sizeof(*v->found.items));
	mp_verify_blobs_fini(&v->blobs);
	mp_proof_fini(&v->proof);
	mp_buf_fini(&v->end);
	free(v);
	return code;
}

static const struct mp_option options[] = {
	{"format", 0, "slsa", "write SLSA provenance as an in-toto statement instead"},
	{"cluster", 0, "ID", "the cluster that it has to be of"},
	{"one-copy", 0, NULL, "read one good copy of each blob, not all"},
};

const struct mp_cmd mp_cmd_verify = {
	.name = "verify",
	.args = "RUN",
	.summary = "check the signatures from pipeline to artifact",
	.details = "Everything is checked here; the node that is asked only hands out records.\n"
		   "The exit status is 0 when all holds, 8 when something does not, and 9 when\n"
		   "nothing speaks against it but not all could be checked.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = verify_run,
};
