/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mutant.h"
#include "core/roster.h"
#include "core/worker_int.h"
#include "mp/limits.h"

/* A run that nobody answered for is asked about again after this. */
#define ASK_AGAIN_MS 1000

/* ---- runs ---- */

static uint64_t
run_hash(const struct mp_run_id *id)
{
	return mp_hash64(id->b, sizeof(id->b), 0);
}

struct wrun *
wrun_find(const struct mp_worker *worker, const struct mp_run_id *id)
{
	struct mp_map_node *n = mp_map_find(&worker->runs, run_hash(id));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct wrun *run = mp_container_of(n, struct wrun, node);

		if (mp_run_id_eq(&run->id, id))
			return run;
	}
	return NULL;
}

void
wrun_drop_deferred(struct mp_worker *worker, struct wrun *run)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&run->deferred)) != NULL) {
		struct deferred *d = mp_container_of(l, struct deferred, link);

		mp_dlist_remove(l);
		explicit_bzero(d->bytes, d->size); /* secrets may be among it */
		mp_dealloc(worker->alloc, d, sizeof(*d) + d->size);
	}
	run->deferred_count = 0;
	run->deferred_bytes = 0;
	mp_dlist_remove(&run->deferring);
}

void
wrun_free(struct mp_worker *worker, struct wrun *run)
{
	mp_assert(run->attempt_count == 0);
	wrun_drop_deferred(worker, run);
	mp_dlist_remove(&run->age);
	mp_dlist_remove(&run->dirty);
	mp_dlist_remove(&run->holding);
	mp_dlist_remove(&run->leasing);
	mp_map_remove(&worker->runs, &run->node);
	mp_buf_fini(&run->certificate);
	mp_buf_fini(&run->record);
	mp_dealloc(worker->alloc, run, sizeof(*run));
}

/* Makes room for one more by forgetting the oldest fence that nothing depends on. */
static bool
runs_have_room(struct mp_worker *worker, struct mp_env *env)
{
	if (worker->runs.count < MP_WORKER_RUNS_MAX)
		return true;
	for (struct mp_dlist *l = worker->runs_by_age.next; l != &worker->runs_by_age;
		l = l->next) {
		struct wrun *run = mp_container_of(l, struct wrun, age);

		if (run->attempt_count > 0)
			continue;
		mp_out_delete(env->out, MP_TABLE_FENCE, mp_span(run->id.b, sizeof(run->id.b)));
		wrun_free(worker, run);
		return true;
	}
	return false;
}

static struct wrun *
run_new(struct mp_worker *worker, const struct mp_run_id *id)
{
	struct wrun *run = mp_realloc(worker->alloc, NULL, 0, sizeof(*run));

	if (run == NULL)
		return NULL;
	*run = (struct wrun){
		.id = *id, .resend_ms = MP_TIME_NEVER, .resend_pause_ms = WORKER_RESEND_MS};
	mp_buf_init(&run->certificate, worker->alloc, MP_CERTIFICATE_MAX);
	mp_buf_init(&run->record, worker->alloc, MP_SIGNED_RECORD_MAX);
	mp_dlist_init(&run->age);
	mp_dlist_init(&run->deferred);
	mp_dlist_init(&run->deferring);
	mp_dlist_init(&run->attempts);
	mp_dlist_init(&run->unsent);
	mp_dlist_init(&run->dirty);
	mp_dlist_init(&run->holding);
	mp_dlist_init(&run->leasing);
	if (mp_map_add(&worker->runs, &run->node, run_hash(id)) != 0) {
		mp_dealloc(worker->alloc, run, sizeof(*run));
		return NULL;
	}
	mp_dlist_push(&worker->runs_by_age, &run->age);
	return run;
}

static void
run_touch(struct mp_worker *worker, struct wrun *run)
{
	mp_dlist_remove(&run->age);
	mp_dlist_push(&worker->runs_by_age, &run->age);
}

/* ---- the fence ---- */

bool
fence_durable(const struct wrun *run, const struct mp_env *env)
{
	return run->fence_seq <= mp_out_durable(env->out) || MP_MUTANT(FENCE_NOT_SYNCED);
}

/* ["mp-fence", 1, generation, naming, term, leader, certificate, signed record, ended] */
void
fence_put(struct wrun *run, struct mp_env *env)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 9);
	mp_cbor_w_text(&w, "mp-fence");
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_uint(&w, run->generation);
	mp_cbor_w_bytes(&w, run->naming.b, sizeof(run->naming.b));
	mp_cbor_w_uint(&w, run->term);
	mp_cbor_w_bytes(&w, run->leader.b, sizeof(run->leader.b));
	mp_cbor_w_span(&w, mp_buf_span(&run->certificate));
	mp_cbor_w_span(&w, mp_buf_span(&run->record));
	mp_cbor_w_bool(&w, run->ended);
	if (w.rc == 0)
		mp_out_put(env->out, MP_TABLE_FENCE, mp_span(run->id.b, sizeof(run->id.b)),
			mp_buf_span(buf));
	run->fence_seq = w.rc == 0 ? mp_out_seq(env->out) : UINT64_MAX;
	run->fence_ms = env->now_ms;
}

static int
buf_set(struct mp_buf *buf, struct mp_span bytes)
{
	mp_buf_clear(buf);
	return mp_buf_append(buf, bytes.p, bytes.n);
}

/* -1, 0 or 1: below, at or above the fence. naming NULL: the fence's. */
static int
fence_cmp(const struct wrun *run, uint64_t generation, const struct mp_hash *naming, uint64_t term)
{
	int order = 0;

	if (generation != run->generation)
		return generation < run->generation ? -1 : 1;
	if (naming != NULL)
		order = memcmp(naming->b, run->naming.b, sizeof(naming->b));
	if (order != 0)
		return order < 0 ? -1 : 1;
	return term < run->term ? -1 : term > run->term;
}

void
worker_reject(struct mp_env *env, const struct mp_node_id *to, const struct mp_work_head *head,
	enum mp_reject_why why, const struct mp_attempt_id *ids, size_t n, const struct wrun *proof)
{
	struct mp_msg_work_reject m = {.head = *head, .why = why};
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (proof != NULL) {
		m.certificate = mp_buf_span(&proof->certificate);
		m.record = mp_buf_span(&proof->record);
	}
	if (mp_msg_work_reject_encode(buf, &m, ids, n) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf),
			proof != NULL ? proof->fence_seq : 0);
}

static void
who_send(struct mp_env *env, const struct mp_node_id *to, const struct mp_run_id *run)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_work_who_encode(buf, run) == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

/* Who leads this run? Not more often than it can be answered. */
static void
who(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *to,
	const struct mp_run_id *run)
{
	for (size_t i = 0; i < ASKED_MAX; i++) {
		if (worker->asked[i].at_ms != 0 && mp_run_id_eq(&worker->asked[i].run, run) &&
			env->now_ms - worker->asked[i].at_ms < ASK_AGAIN_MS)
			return;
	}
	worker->asked[worker->asked_next].run = *run;
	worker->asked[worker->asked_next].at_ms = env->now_ms;
	worker->asked_next = (worker->asked_next + 1) % ASKED_MAX;
	who_send(env, to, run);
}

void
fence_seek(const struct wrun *run, struct mp_env *env)
{
	struct mp_run_record rec;

	if (mp_run_record_verify(env->crypto, &env->cluster, mp_buf_span(&run->record), &rec) != 0)
		return;
	for (uint32_t i = 0; i < rec.now.elector_count; i++)
		who_send(env, &rec.now.electors[i], &run->id);
	if (rec.now.mirrored)
		who_send(env, &rec.now.mirror, &run->id);
}

/* ---- WORK_LEAD ---- */

void
wrun_resend(struct wrun *run)
{
	struct mp_dlist *next;

	run->resend_pause_ms = WORKER_RESEND_MS;
	for (struct mp_dlist *l = run->attempts.next; l != &run->attempts; l = next) {
		struct attempt *a = mp_container_of(l, struct attempt, of_run);

		next = l->next;
		if (a->phase == MP_WORK_DONE)
			attempt_resend(a);
	}
}

/* Only members with the right to submit open runs, and the opener names the electors. */
static bool
opener_may(const struct mp_worker *worker, const struct mp_run_record *rec)
{
	const struct mp_member *m = mp_roster_find(worker->roster, &rec->opener);

	return m != NULL && (m->roles & (MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_ADMIN)) != 0;
}

/* Votes of electors that were shut out since do not (core/raft.h). */
static bool
cert_counts(const struct mp_worker *worker, const struct mp_electorate *who,
	const struct mp_leader_cert *cert)
{
	size_t n = 0;

	for (size_t i = 0; i < cert->vote_count; i++) {
		const struct mp_member *m =
			mp_roster_find(worker->roster, &who->electors[cert->votes[i].elector]);

		n += m == NULL || !m->revoked;
	}
	return n > who->elector_count / 2;
}

/* A certificate above the fence becomes the fence, and is acted on once it is durable. */
static int
lead_raise(struct mp_worker *worker, struct mp_env *env, const struct mp_run_record *rec,
	const struct mp_msg_work_lead *m)
{
	struct wrun *run = wrun_find(worker, &rec->id);
	struct mp_leader_cert cert;
	int rc = mp_leader_cert_verify(env->crypto, m->certificate, &rec->now, &cert);

	if (rc != 0)
		return rc == MP_ENOQUORUM ? MP_ESIG : rc;
	if (!cert_counts(worker, &rec->now, &cert))
		return MP_EAUTH;
	if (!mp_roster_may_take_over(worker->roster, rec))
		return MP_EAUTH;
	if (run == NULL) {
		if (!opener_may(worker, rec))
			return MP_EAUTH;
		if (!runs_have_room(worker, env))
			return MP_EBUSY;
		run = run_new(worker, &rec->id);
	}
	if (run == NULL)
		return MP_ENOMEM;
	/* Both fit, for the decoder bounded them; without memory the fence holds back all. */
	run->generation = cert.generation;
	run->term = cert.term;
	run->leader = cert.leader;
	run->naming = rec->now.naming;
	run->copies = rec->copies;
	run->inputs = rec->inputs;
	run->ended = false;
	assign_give_back(worker, env, run);
	wrun_drop_deferred(worker, run);
	rc = buf_set(&run->certificate, m->certificate);
	if (rc == 0)
		rc = buf_set(&run->record, m->record);
	if (rc != 0) {
		run->fence_seq = UINT64_MAX;
		return rc;
	}
	fence_put(run, env);
	run_touch(worker, run);
	wrun_resend(run);
	lease_hurry(run, env);
	return 0;
}

int
fence_lead(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_work_lead m;
	struct mp_run_record rec;
	struct mp_leader_cert cert;
	struct mp_hash naming;
	struct wrun *run;
	int order, rc = mp_msg_work_lead_decode(bytes, &m);

	if (rc == 0)
		rc = mp_leader_cert_decode(m.certificate, &cert);
	if (rc == 0)
		rc = mp_run_naming(env->crypto, m.record, &naming);
	if (rc != 0)
		return rc;
	run = wrun_find(worker, &cert.run);
	order = run == NULL ? 1 : fence_cmp(run, cert.generation, &naming, cert.term);
	if (MP_MUTANT(NO_FENCE) && order < 0)
		order = 1;
	if (order < 0) {
		struct mp_work_head head = {cert.run, cert.generation, cert.term};

		worker_reject(env, from, &head, MP_REJECT_FENCED, NULL, 0, run);
		return MP_EREPLAY;
	}
	if (order == 0 && run->fence_seq != UINT64_MAX) {
		if (!mp_node_id_eq(&run->leader, &cert.leader))
			return MP_EAUTH;
		wrun_resend(run);
		return 0;
	}
	rc = mp_run_record_verify(env->crypto, &env->cluster, m.record, &rec);
	if (rc == 0 && !mp_run_id_eq(&rec.id, &cert.run))
		rc = MP_ESIG;
	return rc != 0 ? rc : lead_raise(worker, env, &rec, &m);
}

/* ---- what only the leader may say ---- */

static enum gate
gate_defer(struct mp_worker *worker, struct wrun *run, struct mp_span bytes)
{
	struct deferred *d;

	if (run->deferred_count >= MP_WORKER_WAIT_MAX ||
		run->deferred_bytes + bytes.n > MP_WORKER_WAIT_BYTES_MAX)
		return GATE_DEFERRED;
	d = mp_realloc(worker->alloc, NULL, 0, sizeof(*d) + bytes.n);
	if (d == NULL)
		return GATE_DEFERRED;
	d->size = bytes.n;
	memcpy(d->bytes, bytes.p, bytes.n);
	mp_dlist_init(&d->link);
	mp_dlist_push(&run->deferred, &d->link);
	run->deferred_count++;
	run->deferred_bytes += bytes.n;
	if (!mp_dlist_linked(&run->deferring))
		mp_dlist_push(&worker->deferring, &run->deferring);
	return GATE_DEFERRED;
}

/* May this be acted on? If not because it is from the past, the sender is told. */
enum gate
worker_gate(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_work_head *head, struct mp_span bytes, struct wrun **out, int *rc)
{
	struct wrun *run = wrun_find(worker, &head->run);
	int order = run == NULL ? 1 : fence_cmp(run, head->generation, NULL, head->term);

	*out = run;
	if (MP_MUTANT(NO_FENCE) && order < 0)
		order = 1;
	if (order > 0) {
		who(worker, env, from, &head->run);
		*rc = MP_ENOENT;
		return GATE_SHUT;
	}
	if (order < 0) {
		*rc = MP_EREPLAY;
		return GATE_SHUT;
	}
	if (!mp_node_id_eq(from, &run->leader)) {
		*rc = MP_EAUTH;
		return GATE_SHUT;
	}
	*rc = 0;
	return fence_durable(run, env) ? GATE_OPEN : gate_defer(worker, run, bytes);
}

/* ---- restart ---- */

static int
fence_decode(
	struct wrun *run, struct mp_span value, struct mp_span *certificate, struct mp_span *record)
{
	struct mp_cbor_r r;
	char domain[16];

	mp_cbor_r_init(&r, value);
	mp_cbor_r_array_exact(&r, 9);
	mp_cbor_r_str(&r, domain, sizeof(domain));
	if (r.rc != 0 || strcmp(domain, "mp-fence") != 0 || mp_cbor_r_uint(&r, UINT64_MAX) != 1)
		return MP_ECORRUPT;
	run->generation = mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, run->naming.b, sizeof(run->naming.b));
	run->term = mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, run->leader.b, sizeof(run->leader.b));
	*certificate = mp_cbor_r_bytes(&r, MP_CERTIFICATE_MAX);
	*record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	run->ended = mp_cbor_r_bool(&r);
	return mp_cbor_r_end(&r) == 0 ? 0 : MP_ECORRUPT;
}

int
fence_restore(struct mp_worker *worker, struct mp_env *env, const struct mp_row *row)
{
	struct mp_span certificate, record;
	struct mp_run_record rec;
	struct mp_run_id id;
	struct wrun *run;
	int rc;

	if (row->key.n != sizeof(id.b))
		return MP_ECORRUPT;
	memcpy(id.b, row->key.p, sizeof(id.b));
	if (wrun_find(worker, &id) != NULL)
		return MP_ECORRUPT;
	run = run_new(worker, &id);
	if (run == NULL)
		return MP_ENOMEM;
	rc = fence_decode(run, row->value, &certificate, &record);
	if (rc == 0 && (mp_run_record_verify(env->crypto, &env->cluster, record, &rec) != 0 ||
			       !mp_run_id_eq(&rec.id, &id)))
		rc = MP_ECORRUPT;
	if (rc == 0)
		rc = mp_buf_append(&run->certificate, certificate.p, certificate.n);
	if (rc == 0)
		rc = mp_buf_append(&run->record, record.p, record.n);
	if (rc != 0) {
		wrun_free(worker, run);
		return rc;
	}
	run->copies = rec.copies;
	run->inputs = rec.inputs;
	return 0;
}
