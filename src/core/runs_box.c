/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pulse.h"
#include "core/runs_int.h"
#include "mp/limits.h"

bool
box_unlink(struct mp_runs *runs, struct mp_run_box *box)
{
	struct mp_run_box **at = box->archived ? &runs->archived : &runs->boxes;

	while (*at != NULL && *at != box)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = box->next;
	return true;
}

void
box_free(struct mp_runs *runs, struct mp_run_box *box)
{
	if (box_unlink(runs, box))
		runs->box_count--;
	mp_lead_free(box->lead);
	if (box->raft != NULL) {
		mp_pulse_remove(runs->parts.pulse, box->raft);
		mp_raft_free(box->raft);
	}
	if (box->has_run)
		mp_run_fini(&box->run);
	mp_graph_free(box->graph);
	mp_buf_fini(&box->pipeline);
	if (box->known != NULL)
		box->known->box = NULL;
	mp_dealloc(runs->alloc, box, sizeof(*box));
}

/* The graph that record and pipeline make. MP_EPIPELINE when they do not belong together. */
static int
box_graph(struct mp_run_box *box, struct mp_env *env, const struct mp_alloc *alloc)
{
	const struct mp_run_record *rec = &box->known->rec;
	struct mp_span bytes = mp_buf_span(&box->pipeline);
	struct mp_pipeline *pipeline = NULL;
	struct mp_run_param p;
	struct mp_param *params;
	struct mp_hash digest;
	size_t at = 0, n = 0;
	int rc;

	env->crypto->hash(&digest, &bytes, 1);
	if (!mp_hash_eq(&digest, &rec->pipeline))
		return MP_EPIPELINE;
	params = mp_out_mem(env->out, (rec->param_count + 1) * sizeof(*params));
	while (params != NULL && mp_run_param_next(rec, &at, &p)) {
		/* Spans are not NUL-terminated: copies with one more byte, which is zero, are. */
		char *key = mp_out_mem(env->out, p.key.n + 1);
		char *value = mp_out_mem(env->out, p.value.n + 1);

		if (key == NULL || value == NULL)
			return MP_ENOMEM;
		memcpy(key, p.key.p, p.key.n);
		if (p.value.n > 0)
			memcpy(value, p.value.p, p.value.n);
		params[n++] = (struct mp_param){.name = key, .value = value};
	}
	if (params == NULL)
		return MP_ENOMEM;
	rc = mp_pipeline_decode(bytes, alloc, &pipeline, NULL);
	if (rc == 0)
		rc = mp_graph_expand(pipeline, params, n, alloc, &box->graph, NULL);
	mp_pipeline_free(pipeline);
	return rc;
}

static int
box_fill(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	const struct mp_run_record *rec = &box->known->rec;
	struct mp_raft_config config = {.run = rec->id,
		.generation = 1,
		.electors = rec->electors,
		.elector_count = rec->elector_count,
		.record_hash = rec->hash};
	int rc = box_graph(box, env, runs->alloc);

	if (rc == 0)
		rc = mp_run_init(&box->run, runs->alloc, box->graph, &rec->id, 1);
	if (rc != 0)
		return rc;
	box->has_run = true;
	rc = mp_raft_new(env, &config, &box->raft);
	if (rc == 0)
		rc = mp_pulse_add(runs->parts.pulse, env, box->raft);
	return rc;
}

int
box_new(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span pipeline,
	struct mp_list inputs, struct mp_run_box **out)
{
	struct mp_run_box *box = mp_realloc(runs->alloc, NULL, 0, sizeof(*box));
	int rc;

	if (box == NULL)
		return MP_ENOMEM;
	*box = (struct mp_run_box){.known = k};
	mp_buf_init(&box->pipeline, runs->alloc, MP_MSG_MAX);
	while (box->input_count < mp_countof(box->inputs) &&
		mp_holders_next(&inputs, &box->inputs[box->input_count]))
		box->input_count++;
	rc = mp_buf_append(&box->pipeline, pipeline.p, pipeline.n);
	if (rc == 0)
		rc = box_fill(runs, env, box);
	if (rc != 0) {
		box->known = NULL;
		box_free(runs, box);
		return rc;
	}
	k->box = box;
	box->next = runs->boxes;
	runs->boxes = box;
	runs->box_count++;
	*out = box;
	return 0;
}

int
box_put(struct mp_run_box *box, struct mp_env *env)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_span(&w, mp_buf_span(&box->known->record));
	mp_cbor_w_span(&w, mp_buf_span(&box->pipeline));
	mp_holders_write(&w, box->inputs, box->input_count);
	if (w.rc != 0)
		return w.rc;
	mp_out_put(env->out, MP_TABLE_RUN, mp_span(box->known->id.b, sizeof(box->known->id.b)),
		mp_buf_span(w.buf));
	box->row_seq = mp_out_seq(env->out);
	return 0;
}
