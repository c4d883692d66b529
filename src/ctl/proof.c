/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/proof.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "util/hex.h"

int
mp_proof_init(struct mp_proof *p, const struct mp_alloc *alloc, const struct mp_crypto *crypto,
	const struct mp_cluster_id *cluster, mp_finding_cb found, void *ctx)
{
	const struct mp_env env = {.alloc = alloc, .crypto = crypto, .cluster = *cluster};

	*p = (struct mp_proof){.alloc = alloc,
		.crypto = crypto,
		.cluster = *cluster,
		.found = found,
		.ctx = ctx,
		.inputs_rc = 1};
	mp_buf_init(&p->record, alloc, MP_MSG_MAX);
	mp_buf_init(&p->pipeline, alloc, MP_MSG_MAX);
	mp_buf_init(&p->input_bytes, alloc, MP_MANIFEST_BYTES_MAX);
	mp_proof_at(p, 0, MP_MODULES_MAX, NULL);
	return mp_charter_new(&env, &p->charter);
}

void
mp_proof_fini(struct mp_proof *p)
{
	for (size_t i = 0; p->modules != NULL && i < p->graph->module_count; i++)
		mp_dealloc(p->alloc, p->modules[i].body, p->modules[i].size);
	if (p->modules != NULL)
		mp_dealloc(p->alloc, p->modules, p->graph->module_count * sizeof(*p->modules));
	if (p->has_run)
		mp_run_fini(&p->run);
	if (p->inputs_rc == 0)
		mp_manifest_fini(&p->inputs);
	mp_graph_free(p->graph);
	for (size_t i = 0; i < p->member_count; i++)
		mp_dealloc(p->alloc, p->members[i].bytes, p->members[i].size);
	mp_dealloc(p->alloc, p->members, p->member_room * sizeof(*p->members));
	mp_dealloc(p->alloc, p->terms, p->term_room * sizeof(*p->terms));
	mp_dealloc(p->alloc, p->assigned, p->assigned_room * sizeof(*p->assigned));
	mp_charter_free(p->charter);
	mp_buf_fini(&p->record);
	mp_buf_fini(&p->pipeline);
	mp_buf_fini(&p->input_bytes);
}

int
mp_proof_grow(struct mp_proof *p, void **items, size_t size, size_t count, size_t *room)
{
	size_t want = *room == 0 ? 16 : *room * 2;
	void *grown;

	if (count < *room)
		return 0;
	grown = mp_realloc(p->alloc, *items, *room * size, want * size);
	if (grown == NULL)
		return MP_ENOMEM;
	*items = grown;
	*room = want;
	return 0;
}

/* ---- findings ---- */

void
mp_proof_at(struct mp_proof *p, uint64_t entry, uint32_t module, const struct mp_node_id *node)
{
	p->at = (struct mp_finding){.entry = entry, .module = module, .has_node = node != NULL};
	if (node != NULL)
		p->at.node = *node;
}

static void
proof_tell(struct mp_proof *p, struct mp_finding *f, enum mp_proof_weight weight, const char *check)
{
	f->weight = weight;
	f->check = check;
	p->counts[weight]++;
	p->found(p->ctx, f);
}

void
mp_proof_say(
	struct mp_proof *p, enum mp_proof_weight weight, const char *check, const char *fmt, ...)
{
	struct mp_finding f = p->at;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	proof_tell(p, &f, weight, check);
}

void
mp_proof_unlike(struct mp_proof *p, const char *check, const char *expected, const char *actual,
	const char *text)
{
	struct mp_finding f = p->at;

	(void)snprintf(f.text, sizeof(f.text), "%s", text);
	(void)snprintf(f.expected, sizeof(f.expected), "%s", expected);
	(void)snprintf(f.actual, sizeof(f.actual), "%s", actual);
	proof_tell(p, &f, MP_PROOF_BROKEN, check);
}

void
mp_proof_differ(struct mp_proof *p, const char *check, const uint8_t expected[32],
	const uint8_t actual[32], const char *text)
{
	char want[MP_PROOF_VALUE], got[MP_PROOF_VALUE];

	mp_hex(want, expected, 32);
	mp_hex(got, actual, 32);
	mp_proof_unlike(p, check, want, got, text);
}

void
mp_proof_time(char out[MP_PROOF_TIME], mp_time wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
		strftime(out, MP_PROOF_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, MP_PROOF_TIME, "?");
}

/* ---- reading ---- */

bool
mp_proof_result(const struct mp_proof *p, uint32_t module, struct mp_finished *finished,
	struct mp_result *result)
{
	const struct proof_module *m = &p->modules[module];
	struct mp_raft_entry entry = {
		.kind = (enum mp_entry_kind)m->kind, .body = mp_span(m->body, m->size)};

	return m->body != NULL && mp_run_result(&entry, finished, result) == 0;
}
