/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_secret.h"
#include "core/worker_int.h"
#include "mp/limits.h"
#include "util/utf8.h"

/* ---- memory ---- */

static uint64_t
key_hash(const struct mp_run_id *run, const struct mp_attempt_id *id)
{
	uint64_t h = mp_hash64(run->b, sizeof(run->b), id->term);

	return mp_hash64(&h, sizeof(h), (uint64_t)id->module << 32 | id->counter);
}

struct attempt *
attempt_find(
	const struct mp_worker *worker, const struct mp_run_id *run, const struct mp_attempt_id *id)
{
	struct mp_map_node *n = mp_map_find(&worker->attempts, key_hash(run, id));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct attempt *a = mp_container_of(n, struct attempt, node);

		if (mp_attempt_eq(&a->id, id) && mp_run_id_eq(&a->run->id, run))
			return a;
	}
	return NULL;
}

static void on_outputs(struct mp_manifest_use *use, struct mp_env *env, int rc);
static void on_held(struct mp_hold_req *req, struct mp_env *env, int rc,
	const struct mp_node_id *holders, size_t holder_count);

struct attempt *
attempt_new(struct mp_worker *worker, struct wrun *run, const struct mp_attempt_id *id)
{
	struct attempt *a = mp_realloc(worker->alloc, NULL, 0, sizeof(*a));

	if (a == NULL)
		return NULL;
	*a = (struct attempt){.worker = worker, .run = run, .id = *id};
	a->outputs.done = on_outputs;
	a->hold.done = on_held;
	mp_buf_init(&a->secrets, worker->alloc, MP_SECRETS_ENCODED_MAX);
	mp_dlist_init(&a->of_run);
	mp_dlist_init(&a->queue);
	mp_dlist_init(&a->unsent);
	mp_dlist_init(&a->using);
	if (mp_map_add(&worker->attempts, &a->node, key_hash(&run->id, id)) != 0) {
		mp_dealloc(worker->alloc, a, sizeof(*a));
		return NULL;
	}
	mp_dlist_push(&run->attempts, &a->of_run);
	run->attempt_count++;
	worker->active++;
	return a;
}

/* What was needed to run it, and to store what came out. */
static void
attempt_strip(struct attempt *a)
{
	const struct mp_alloc *alloc = a->worker->alloc;

	for (size_t i = 0; i < a->source_count; i++) {
		mp_fetch_cancel(a->worker->fetch, &a->sources[i].fetch);
		mp_manifests_put(a->worker->manifests, &a->sources[i].use);
	}
	mp_manifests_put(a->worker->manifests, &a->outputs);
	mp_hold_cancel(a->worker->hold, &a->hold);
	if (a->deps != NULL)
		mp_dealloc(alloc, a->deps, (a->source_count - 1) * sizeof(*a->deps));
	mp_dealloc(alloc, a->files, a->file_room * sizeof(*a->files));
	mp_dealloc(alloc, a->file_sources, a->file_room * sizeof(*a->file_sources));
	mp_dealloc(alloc, a->sources, a->source_count * sizeof(*a->sources));
	mp_dealloc(alloc, a->text, a->text_size);
	secrets_wipe(a);
	a->deps = NULL;
	a->files = NULL;
	a->file_sources = NULL;
	a->file_room = 0;
	a->file_count = 0;
	a->sources = NULL;
	a->source_count = 0;
	a->text = NULL;
	using_end(a);
	mp_dlist_remove(&a->queue);
	if (a->beginning)
		a->worker->running--;
	a->beginning = false;
	lease_drop(a);
}

/* It is over as far as slots and the queue's bound go. */
static bool
attempt_is_active(const struct attempt *a)
{
	return a->phase <= MP_WORK_RUNNING;
}

void
attempt_free(struct attempt *a)
{
	struct mp_worker *worker = a->worker;
	struct wrun *run = a->run;

	mp_assert(!a->executing);
	attempt_strip(a);
	using_fini(a);
	if (attempt_is_active(a))
		worker->active--;
	if (a->phase >= MP_WORK_DONE) {
		worker->held--;
		if (--run->held_count == 0)
			mp_dlist_remove(&run->holding);
	}
	mp_dealloc(worker->alloc, a->result, a->result_size);
	mp_dlist_remove(&a->unsent);
	mp_dlist_remove(&a->of_run);
	run->attempt_count--;
	mp_map_remove(&worker->attempts, &a->node);
	mp_dealloc(worker->alloc, a, sizeof(*a));
}

/* ---- its row ---- */

static void
key_write(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

/* run, then term, module and counter: in big-endian, so that rows of a run stand together. */
void
held_key(const struct attempt *a, uint8_t key[HELD_KEY])
{
	memcpy(key, a->run->id.b, 16);
	key_write(key + 16, a->id.term, 8);
	key_write(key + 24, a->id.module, 4);
	key_write(key + 28, a->id.counter, 4);
}

static void
held_delete(const struct attempt *a, struct mp_env *env)
{
	uint8_t key[HELD_KEY];

	held_key(a, key);
	mp_out_delete(env->out, MP_TABLE_HELD, mp_span(key, sizeof(key)));
}

void
attempt_drop(struct attempt *a, struct mp_env *env)
{
	if (a->phase >= MP_WORK_DONE || a->started_seq != 0)
		held_delete(a, env);
	attempt_free(a);
}

/* ---- results ---- */

void
attempt_resend(struct attempt *a)
{
	if (mp_dlist_linked(&a->unsent))
		return;
	mp_dlist_push(&a->run->unsent, &a->unsent);
	if (!mp_dlist_linked(&a->run->dirty))
		mp_dlist_push(&a->worker->dirty, &a->run->dirty);
}

/* Nothing of it runs any more; it is kept until its leader has settled it. */
static void
attempt_keep(struct attempt *a, enum mp_work_phase phase)
{
	struct mp_worker *worker = a->worker;

	if (attempt_is_active(a))
		worker->active--;
	a->phase = phase;
	worker->held++;
	if (a->run->held_count++ == 0)
		mp_dlist_push(&worker->holding, &a->run->holding);
	attempt_strip(a);
}

/* The signed result is there. */
static void
attempt_done(struct attempt *a)
{
	attempt_keep(a, MP_WORK_DONE);
	attempt_resend(a);
}

void
attempt_restore_unsure(struct attempt *a)
{
	attempt_keep(a, MP_WORK_UNSURE);
}

static int
result_copy(struct attempt *a, struct mp_span bytes)
{
	a->result = mp_realloc(a->worker->alloc, NULL, 0, bytes.n);
	if (a->result == NULL)
		return MP_ENOMEM;
	a->result_size = bytes.n;
	memcpy(a->result, bytes.p, bytes.n);
	return 0;
}

int
attempt_restore(struct attempt *a, struct mp_span result, struct mp_list *holders)
{
	int rc = result_copy(a, result);

	if (rc != 0)
		return rc;
	while (a->holder_count < MP_HOLDERS_MAX &&
		mp_holders_next(holders, &a->holders[a->holder_count]))
		a->holder_count++;
	attempt_done(a);
	return 0;
}

/* ["mp-held", 1, signed result, [holder...]] */
static void
held_put(const struct attempt *a, struct mp_env *env)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	uint8_t key[HELD_KEY];
	struct mp_cbor_w w;

	held_key(a, key);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_text(&w, "mp-held");
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_bytes(&w, a->result, a->result_size);
	mp_holders_write(&w, a->holders, a->holder_count);
	if (w.rc == 0)
		mp_out_put(env->out, MP_TABLE_HELD, mp_span(key, sizeof(key)), mp_buf_span(buf));
}

static void
result_fill(const struct attempt *a, const struct mp_env *env, struct mp_result *r)
{
	const struct mp_exec_report *x = &a->report;

	*r = (struct mp_result){.cluster = env->cluster,
		.run = a->run->id,
		.generation = a->generation,
		.attempt = a->id,
		.node = env->self,
		.offer = a->offer,
		.leader = a->leader,
		.offer_sig = a->offer_sig,
		.spec = a->spec_hash,
		.inputs = a->inputs_hash,
		.status = x->status,
		.exit_code = x->exit_code,
		.signal = x->signal,
		.started_ms = x->started_ms,
		.ended_ms = x->ended_ms,
		.wall_us = x->wall_us,
		.user_us = x->user_us,
		.sys_us = x->sys_us,
		.rss_max_kib = x->rss_max_kib,
		.manifest = x->manifest,
		.output_files = x->output_files,
		.output_bytes = x->output_bytes,
		.out_log = x->out_log,
		.out_size = x->out_size,
		.out_cut = x->out_cut,
		.err_log = x->err_log,
		.err_size = x->err_size,
		.err_cut = x->err_cut,
		.value = x->value,
		.error = mp_span_str(a->error.text)};
	if (x->status == MP_STATUS_OK) {
		r->cache_key = a->cache_key;
		r->where = a->where;
	}
}

/* Whatever a path or an executor put into the text, records hold UTF-8. */
static void
text_clean(char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n;) {
		size_t step = mp_utf8_sequence((const uint8_t *)text + i, n - i);

		if (step == 0)
			text[i] = '?';
		i += step > 0 ? step : 1;
	}
}

/* Signs the result, keeps it and puts it on its way. Without memory the attempt is as good as
 * lost: it stays in its phase, and the leader finds that it makes no progress. */
static void
attempt_seal(struct attempt *a, struct mp_env *env)
{
	struct mp_buf record, *buf;
	struct mp_result_sig sig;
	struct mp_result result;
	struct mp_span bytes;
	int rc;

	text_clean(a->error.text);
	result_fill(a, env, &result);
	mp_buf_init(&record, a->worker->alloc, MP_RESULT_MAX);
	rc = mp_result_encode(&record, &result);
	if (rc == 0) {
		bytes = mp_buf_span(&record);
		mp_result_sign(env->crypto, env->secret, &bytes, 1, &sig);
		buf = mp_out_scratch(env->out);
		rc = mp_signed_result_encode(buf, bytes, &sig);
		if (rc == 0)
			rc = result_copy(a, mp_buf_span(buf));
	}
	mp_buf_fini(&record);
	if (rc != 0) {
		attempt_forget(a, env);
		return;
	}
	held_put(a, env);
	attempt_done(a);
}

/* It ends without having run. */
static void
attempt_fail(struct attempt *a, struct mp_env *env, enum mp_status status)
{
	mp_assert(!a->executing && attempt_is_active(a));
	a->report = (struct mp_exec_report){.status = status,
		.exit_code = -1,
		.started_ms = env->wall_ms,
		.ended_ms = env->wall_ms};
	a->holders[0] = env->self;
	a->holder_count = 1;
	attempt_seal(a, env);
}

/* This node cannot, whatever the module does; another may. Frees it. */
static void
attempt_trouble(struct attempt *a, struct mp_env *env)
{
	struct mp_work_head head = {a->run->id, a->run->generation, a->run->term};

	worker_reject(env, &a->run->leader, &head, MP_REJECT_TROUBLE, &a->id, 1, NULL);
	attempt_drop(a, env);
}

/* What it needs cannot be brought, with the text set. Frees it if that is this node's trouble. */
static void
attempt_unready(struct attempt *a, struct mp_env *env, int rc)
{
	if (rc == MP_EFULL || rc == MP_ENOMEM)
		attempt_trouble(a, env);
	else
		attempt_fail(a, env, rc == MP_EEXIST ? MP_STATUS_CONFLICT : MP_STATUS_NOT_STARTED);
}

/* ---- bringing what it needs ---- */

static void
attempt_ready(struct attempt *a, struct mp_env *env)
{
	mp_dlist_push(&a->worker->ready, &a->queue);
	attempts_pump(a->worker, env);
}

/* Which file of the attempt is this? For people. */
static void
missing_text(struct attempt *a, const struct mp_hash *blob, int rc)
{
	for (size_t i = 0; i < a->file_count; i++) {
		struct mp_span path = a->files[i].path;

		if (!mp_hash_eq(&a->files[i].digest, blob))
			continue;
		(void)mp_fail(&a->error, rc, "fetch %.*s: %s", (int)mp_min_size(path.n, 200),
			(const char *)path.p, rc == MP_ENOENT ? "no node has it" : mp_strerror(rc));
		return;
	}
	(void)mp_fail(&a->error, rc, "fetch what a dependency left: %s",
		rc == MP_ENOENT ? "no node has it" : mp_strerror(rc));
}

static void
on_blobs(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct attempt *a = mp_container_of(req, struct source, fetch)->attempt;

	(void)bytes;
	if (rc != 0) {
		missing_text(a, blob, rc);
		attempt_unready(a, env, rc);
	} else if (--a->waiting == 0) {
		attempt_ready(a, env);
	}
}

/* Files and value that come from this source. */
static int
source_fetch(struct attempt *a, struct mp_env *env, size_t source, size_t files)
{
	struct source *s = &a->sources[source];
	size_t count = 0, room = files + 1;
	struct mp_blob_ref *refs;

	if (files == 0 && mp_hash_is_zero(&s->value))
		return 0;
	refs = mp_out_mem(env->out, room * sizeof(*refs));
	if (refs == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; files > 0 && i < a->file_count; i++) {
		if (a->file_sources[i] == source)
			refs[count++] = (struct mp_blob_ref){a->files[i].digest, a->files[i].size};
	}
	if (!mp_hash_is_zero(&s->value))
		refs[count++] = (struct mp_blob_ref){s->value, MP_SIZE_UNKNOWN};
	mp_assert(count <= room);
	if (mp_fetch_get(a->worker->fetch, env, &s->fetch, refs, count, s->holders,
		    s->holder_count) != 0)
		return MP_ENOMEM;
	a->waiting++;
	return 0;
}

/* All manifests are here. */
static void
attempt_fetch(struct attempt *a, struct mp_env *env)
{
	size_t *counts = mp_out_mem(env->out, a->source_count * sizeof(*counts));
	int rc = attempt_lay(a, env, &a->error);

	if (rc != 0) {
		attempt_unready(a, env, rc);
		return;
	}
	a->phase = MP_WORK_FETCHING;
	if (a->once)
		lease_want(a, env);
	for (size_t i = 0; counts != NULL && i < a->file_count; i++)
		counts[a->file_sources[i]]++;
	for (size_t i = 0; counts != NULL && i < a->source_count && rc == 0; i++)
		rc = source_fetch(a, env, i, counts[i]);
	if (rc != 0 || counts == NULL) {
		attempt_trouble(a, env);
	} else if (a->waiting == 0) {
		attempt_ready(a, env);
	}
}

static void
on_manifest(struct mp_manifest_use *use, struct mp_env *env, int rc)
{
	struct source *s = mp_container_of(use, struct source, use);
	struct attempt *a = s->attempt;

	if (rc != 0) {
		struct mp_span of = s == a->sources ? mp_span_str("the run's inputs") : s->name;

		(void)mp_fail(&a->error, rc, "list of files of %.*s: %s",
			(int)mp_min_size(of.n, MP_NAME_MAX), (const char *)of.p,
			rc == MP_ENOENT ? "no node has it" : mp_strerror(rc));
		attempt_unready(a, env, rc);
	} else if (--a->waiting == 0) {
		attempt_fetch(a, env);
	}
}

void
attempt_begin(struct attempt *a, struct mp_env *env)
{
	for (size_t i = 0; i < a->source_count; i++) {
		struct source *s = &a->sources[i];

		s->attempt = a;
		s->use.done = on_manifest;
		s->fetch.done = on_blobs;
		s->fetch.patience = MP_FETCH_STEADFAST;
		if (mp_hash_is_zero(&s->manifest))
			continue;
		if (mp_manifests_get(a->worker->manifests, env, &s->use, &s->manifest, s->holders,
			    s->holder_count) != 0) {
			attempt_trouble(a, env);
			return;
		}
		if (s->use.manifest == NULL)
			a->waiting++;
	}
	if (a->waiting == 0)
		attempt_fetch(a, env);
}

/* ---- running ---- */

void
attempt_start(struct attempt *a, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_EXEC_START};

	a->phase = MP_WORK_RUNNING;
	a->executing = true;
	a->worker->running++;
	fx.u.exec_start = (struct mp_exec_request){.key = {a->run->id, a->id},
		/* The highest leader that let it go on, not the one that began it. */
		.fence_term = a->run->term,
		.lease_until_ms = a->leasing ? a->run->lease_until_ms : 0,
		.module_name = a->name,
		.attempt_number = a->number,
		.spec = a->spec,
		.secrets = mp_buf_span(&a->secrets),
		.files = a->files,
		.file_count = a->file_count,
		.deps = a->deps,
		.dep_count = a->source_count - 1};
	mp_out_effect(env->out, &fx);
}

/* It asks for more than this node has now: its leader knows better by now. */
static void
attempt_unfit(struct attempt *a, struct mp_env *env)
{
	struct mp_work_head head = {a->run->id, a->run->generation, a->run->term};

	worker_reject(env, &a->run->leader, &head, MP_REJECT_BUSY, &a->id, 1, NULL);
	worker_note_busy(a->worker, &a->run->leader);
	attempt_drop(a, env);
}

void
attempt_wait(struct attempt *a)
{
	using_end(a);
	mp_dlist_remove(&a->queue);
	mp_dlist_push(&a->worker->ready, &a->queue);
}

void
attempts_pump(struct mp_worker *worker, struct mp_env *env)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = worker->ready.next;
		l != &worker->ready && worker->running < worker->slots && !worker->stopping;
		l = next) {
		struct attempt *a = mp_container_of(l, struct attempt, queue);
		enum using_verdict verdict;

		next = l->next;
		if (!lease_may_begin(a, env))
			continue;
		verdict = using_may(a, env);
		if (verdict == USING_NEVER)
			attempt_unfit(a, env);
		if (verdict != USING_MAY)
			continue;
		mp_dlist_remove(&a->queue);
		using_begin(a);
		if (a->leasing)
			lease_begin(a, env);
		else
			attempt_start(a, env);
	}
}

static void
executor_kill(const struct attempt *a, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_EXEC_KILL};

	fx.u.exec_kill.key = (struct mp_attempt_key){a->run->id, a->id};
	mp_out_effect(env->out, &fx);
}

void
attempt_kill(struct attempt *a, struct mp_env *env)
{
	if (a->executing && a->fate == FATE_REPORT) {
		a->fate = FATE_CANCEL;
		executor_kill(a, env);
	} else if (!a->executing && attempt_is_active(a)) {
		attempt_fail(a, env, MP_STATUS_CANCELLED);
	}
}

void
attempt_forget(struct attempt *a, struct mp_env *env)
{
	if (!a->executing) {
		attempt_drop(a, env);
		return;
	}
	if (a->started_seq != 0)
		held_delete(a, env);
	a->started_seq = 0;
	if (a->fate == FATE_REPORT)
		executor_kill(a, env);
	a->fate = FATE_FORGET;
}

bool
attempt_return(struct attempt *a, struct mp_env *env, bool now)
{
	if (!a->executing)
		return attempt_is_active(a);
	if (now && a->fate == FATE_REPORT) {
		a->fate = FATE_RETURN;
		executor_kill(a, env);
	}
	return false;
}

/* ---- storing what came out ---- */

/* What was to be kept cannot be: the module has not done what it was to do. */
static void
attempt_unstored(struct attempt *a, struct mp_env *env, int rc)
{
	struct mp_exec_report *x = &a->report;

	if ((rc == MP_EFULL || rc == MP_ENOMEM) && !a->leasing) {
		attempt_trouble(a, env);
		return;
	}
	if (x->status == MP_STATUS_OK)
		x->status = MP_STATUS_NO_OUTPUT;
	x->manifest = x->value = x->out_log = x->err_log = (struct mp_hash){{0}};
	x->output_files = x->output_bytes = x->out_size = x->err_size = 0;
	(void)mp_fail(&a->error, rc, "keep the outputs: %s", mp_strerror(rc));
	a->holders[0] = env->self;
	a->holder_count = 1;
	attempt_seal(a, env);
}

static void
on_held(struct mp_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t holder_count)
{
	struct attempt *a = mp_container_of(req, struct attempt, hold);

	if (rc != 0) {
		attempt_unstored(a, env, rc);
		return;
	}
	a->holder_count = mp_min_size(holder_count, MP_HOLDERS_MAX);
	memcpy(a->holders, holders, a->holder_count * sizeof(*holders));
	attempt_seal(a, env);
}

static void
ref_add(struct mp_blob_ref *refs, size_t *count, const struct mp_hash *digest, uint64_t size)
{
	if (!mp_hash_is_zero(digest))
		refs[(*count)++] = (struct mp_blob_ref){*digest, size};
}

/* The manifest of the outputs is here, if there is one. */
static void
attempt_copy(struct attempt *a, struct mp_env *env)
{
	const struct mp_manifest *m = a->outputs.manifest;
	size_t files = m == NULL ? 0 : m->count, count = 0;
	struct mp_blob_ref *refs = mp_out_mem(env->out, (files + 4) * sizeof(*refs));
	int rc = MP_ENOMEM;

	if (refs != NULL) {
		ref_add(refs, &count, &a->report.manifest, a->outputs.size);
		for (size_t i = 0; i < files; i++)
			refs[count++] = (struct mp_blob_ref){m->files[i].digest, m->files[i].size};
		ref_add(refs, &count, &a->report.out_log, MP_SIZE_UNKNOWN);
		ref_add(refs, &count, &a->report.err_log, MP_SIZE_UNKNOWN);
		ref_add(refs, &count, &a->report.value, MP_SIZE_UNKNOWN);
		rc = mp_hold_request(a->worker->hold, env, &a->hold, refs, count, a->run->copies);
	}
	if (rc != 0)
		attempt_unstored(a, env, rc);
}

static void
on_outputs(struct mp_manifest_use *use, struct mp_env *env, int rc)
{
	struct attempt *a = mp_container_of(use, struct attempt, outputs);

	if (rc != 0)
		attempt_unstored(a, env, rc);
	else
		attempt_copy(a, env);
}

static void
attempt_store(struct attempt *a, struct mp_env *env)
{
	const struct mp_exec_report *x = &a->report;

	a->holders[0] = env->self;
	a->holder_count = 1;
	if (mp_hash_is_zero(&x->manifest) && mp_hash_is_zero(&x->out_log) &&
		mp_hash_is_zero(&x->err_log) && mp_hash_is_zero(&x->value)) {
		attempt_seal(a, env);
		return;
	}
	if (mp_hash_is_zero(&x->manifest))
		attempt_copy(a, env);
	else if (mp_manifests_get(a->worker->manifests, env, &a->outputs, &x->manifest, NULL, 0) !=
		 0)
		attempt_unstored(a, env, MP_ENOMEM);
	else if (a->outputs.manifest != NULL)
		attempt_copy(a, env);
}

int
attempt_ended(struct attempt *a, struct mp_env *env, const struct mp_exec_report *report)
{
	size_t n = mp_min_size(report->error.n, MP_RESULT_ERROR_MAX - 1);

	mp_assert(a->executing);
	a->executing = false;
	a->worker->running--;
	a->worker->active--;
	using_end(a);
	a->phase = MP_WORK_STORING;
	if (a->fate == FATE_RETURN && !a->leasing)
		return MP_REJECT_STOPPING;
	if (a->fate == FATE_FORGET) {
		attempt_free(a);
		return 0;
	}
	/* What a `once` module did is not undone by a full disk. */
	if (report->trouble && a->fate == FATE_REPORT &&
		(!a->leasing || report->status == MP_STATUS_NOT_STARTED))
		return MP_REJECT_TROUBLE;
	a->report = *report;
	if (n > 0)
		memcpy(a->error.text, report->error.p, n);
	a->error.text[n] = '\0';
	secrets_mask(a);
	if (a->fate != FATE_REPORT && report->status != MP_STATUS_OK)
		a->report.status = MP_STATUS_CANCELLED;
	attempt_store(a, env);
	return 0;
}
