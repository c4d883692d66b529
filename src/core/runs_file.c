/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run leaves in the result cache. Every elector files what it applies, so that the results
 * are where the log is; a result that was recalled is filed again, for then it is the newest, and
 * its holders are those of today. What is lost on the way is a later miss and no more.
 */
#include "codec/msg_cache.h"
#include "core/cachekey.h"
#include "core/runs_int.h"
#include "mp/limits.h"

/* Records in one effect. */
#define FILING_MAX 256

/* The result that an entry brings, for a module of this run. False: none that counts. */
static bool
entry_result(const struct mp_raft_entry *entry, uint32_t *module, struct mp_finished *finished,
	struct mp_hash *key)
{
	struct mp_recalled recalled;
	struct mp_result result;

	if ((entry->kind != MP_ENTRY_FINISHED && entry->kind != MP_ENTRY_CACHED) ||
		mp_run_result(entry, finished, &result) != 0)
		return false;
	*module = finished->attempt.module;
	if (entry->kind == MP_ENTRY_CACHED) {
		if (mp_body_cached_decode(entry->body, &recalled) != 0)
			return false;
		*module = recalled.module;
	}
	*key = result.cache_key;
	return result.status == MP_STATUS_OK && !mp_hash_is_zero(key);
}

static struct mp_span
record_of(struct mp_env *env, const struct mp_finished *finished)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct mp_node_id holders[MP_HOLDERS_MAX + 1];
	struct mp_list list = finished->holders;
	size_t n = 0;

	while (mp_holders_next(&list, &holders[n]))
		n++;
	if (mp_cache_record_encode(buf, finished->result, holders, n) != 0)
		return mp_span(NULL, 0);
	return mp_out_copy(env->out, mp_buf_span(buf));
}

void
box_file(struct mp_runs *runs, struct mp_env *env, const struct mp_run_box *box,
	const struct mp_raft_entry *entry)
{
	struct mp_finished finished;
	struct mp_cached item;
	uint32_t module;

	if (!entry_result(entry, &module, &finished, &item.key) ||
		mp_cache_base_of(env->crypto, runs->alloc, box->graph, module, &item.base) != 0)
		return;
	item.record = record_of(env, &finished);
	if (runs->filing == NULL)
		runs->filing = mp_out_mem(env->out, FILING_MAX * sizeof(*runs->filing));
	if (item.record.p == NULL || runs->filing == NULL)
		return;
	runs->filing[runs->filing_count++] = item;
	if (runs->filing_count == FILING_MAX)
		runs_file_flush(runs, env);
}

void
runs_file_flush(struct mp_runs *runs, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_CACHE_PUT};

	fx.u.cache_put.items = runs->filing;
	fx.u.cache_put.count = runs->filing_count;
	if (runs->filing_count > 0)
		mp_out_effect(env->out, &fx);
	runs->filing = NULL;
	runs->filing_count = 0;
}
