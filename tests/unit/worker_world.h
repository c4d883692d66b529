/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the worker, over blob_world.h: node 0 works; nodes 1, 2 and 3 are the electors of a
 * run, whose side the tests play by hand. What node 0 sends them is kept for heard().
 */
#ifndef MP_TESTS_WORKER_WORLD_H
#define MP_TESTS_WORKER_WORLD_H

#include "unit/blob_world.h"

#include "codec/manifest.h"
#include "codec/record_run.h"
#include "core/worker.h"
#include "mp/pipeline.h"

#define MESSAGES_MAX 64
#define ROWS_MAX     64

struct message {
	int to;
	uint64_t number; /* 0: it was heard */
	uint8_t bytes[8192];
	size_t n;
};

struct stored_row {
	enum mp_table table;
	uint8_t key[64], value[8192];
	size_t key_n, value_n;
};

static struct {
	struct mp_worker *worker;
	struct mp_run_record rec;
	uint8_t record[2048];
	size_t record_n;
	struct message messages[MESSAGES_MAX];
	size_t message_count;
	struct stored_row rows[ROWS_MAX];
	size_t row_count;
	bool hold_disk; /* PERSIST is not answered */
	uint64_t seq;   /* of the last PERSIST */
	size_t starts;
	size_t kills;
	size_t leases;
	mp_time lease_until_ms; /* of the last start, or the last lease */
	struct mp_attempt_key started[64];
	size_t file_count; /* of the last start */
	char files[16][32];
	size_t dep_count;
} T;

/* ---- the shell of node 0 ---- */

static void
persisted(uint64_t seq)
{
	struct mp_event ev = {.kind = MP_EV_PERSISTED};

	ev.u.persisted.seq = seq;
	world_push(0, &ev, NULL, 0, mp_span(NULL, 0));
}

static void
row_apply(const struct mp_row *row)
{
	struct stored_row *at = T.rows;

	assert_int_not_equal(row->op, MP_ROW_DELETE_RANGE);
	while (at < T.rows + T.row_count && (at->table != row->table || at->key_n != row->key.n ||
						    memcmp(at->key, row->key.p, row->key.n) != 0))
		at++;
	if (row->op == MP_ROW_DELETE) {
		if (at < T.rows + T.row_count)
			*at = T.rows[--T.row_count];
		return;
	}
	T.row_count += at == T.rows + T.row_count;
	assert_true(T.row_count <= ROWS_MAX && row->value.n <= sizeof(at->value));
	at->table = row->table;
	at->key_n = row->key.n;
	memcpy(at->key, row->key.p, row->key.n);
	at->value_n = row->value.n;
	memcpy(at->value, row->value.p, row->value.n);
}

static void
start_note(const struct mp_exec_request *x)
{
	T.started[T.starts++ % mp_countof(T.started)] = x->key;
	T.dep_count = x->dep_count;
	T.lease_until_ms = x->lease_until_ms;
	T.file_count = x->file_count;
	for (size_t i = 0; i < x->file_count; i++) {
		assert_true(world_has(0, &x->files[i].digest));
		assert_true(i < mp_countof(T.files) && x->files[i].path.n < sizeof(T.files[i]));
		memcpy(T.files[i], x->files[i].path.p, x->files[i].path.n);
		T.files[i][x->files[i].path.n] = '\0';
	}
}

static void
on_effect(int node, const struct mp_effect *fx)
{
	assert_int_equal(node, 0);
	if (fx->kind == MP_FX_PERSIST) {
		for (size_t i = 0; i < fx->u.persist.count; i++)
			row_apply(&fx->u.persist.rows[i]);
		T.seq = fx->u.persist.seq;
		if (!T.hold_disk)
			persisted(T.seq);
	} else if (fx->kind == MP_FX_EXEC_START) {
		start_note(&fx->u.exec_start);
	} else if (fx->kind == MP_FX_EXEC_KILL) {
		T.kills++;
	} else if (fx->kind == MP_FX_EXEC_LEASE) {
		T.leases++;
		T.lease_until_ms = fx->u.exec_lease.until_ms;
	}
}

static void
message_note(int node, struct mp_span bytes)
{
	struct message *m = &T.messages[T.message_count];

	assert_int_not_equal(node, 0);
	assert_true(T.message_count++ < MESSAGES_MAX && bytes.n <= sizeof(m->bytes));
	m->to = node;
	m->number = mp_msg_number(bytes);
	m->n = bytes.n;
	memcpy(m->bytes, bytes.p, bytes.n);
}

static void
on_other(int node, const struct mp_event *ev)
{
	struct world_node *n = &W.nodes[node];

	if (ev->kind == MP_EV_PERSISTED) {
		mp_out_persisted(n->out, ev->u.persisted.seq);
		mp_worker_persisted(T.worker, &n->env);
	} else if (ev->kind == MP_EV_LINK) {
		mp_worker_link(T.worker, &n->env, &ev->u.link.peer, ev->u.link.state);
	} else if (ev->kind == MP_EV_MESSAGE) {
		message_note(node, ev->u.message.bytes);
	}
}

static void
on_flush(int node)
{
	if (node == 0)
		mp_worker_flush(T.worker, &W.nodes[0].env);
}

static void
on_tick(int node)
{
	if (node == 0)
		mp_worker_tick(T.worker, &W.nodes[0].env);
}

static mp_time
on_deadline(int node)
{
	return node == 0 ? mp_worker_deadline(T.worker) : MP_TIME_NEVER;
}

/* Rows of one table of the process before. */
static inline void
restore(enum mp_table table)
{
	for (size_t i = 0; i < T.row_count; i++) {
		struct mp_row row = {.table = T.rows[i].table,
			.key = mp_span(T.rows[i].key, T.rows[i].key_n),
			.value = mp_span(T.rows[i].value, T.rows[i].value_n)};

		if (row.table == table)
			assert_int_equal(mp_worker_restore(T.worker, &W.nodes[0].env, &row), 0);
	}
}

static inline size_t
rows(enum mp_table table)
{
	size_t n = 0;

	for (size_t i = 0; i < T.row_count; i++)
		n += T.rows[i].table == table;
	return n;
}

/* ---- what a leader says ---- */

/* Node 0 hears it; its buffer is given back. */
static int
say(int from, struct mp_buf *buf)
{
	int rc;

	world_begin(0);
	rc = mp_worker_message(T.worker, &W.nodes[0].env, &W.members[from].id, mp_buf_span(buf));
	world_end(0);
	world_settle();
	mp_buf_fini(buf);
	return rc;
}

static struct mp_work_head
head(uint64_t term)
{
	return (struct mp_work_head){T.rec.id, 1, term};
}

static void
certificate(struct mp_buf *buf, int leader, uint64_t term, int voters)
{
	struct mp_leader_cert cert = {
		.run = T.rec.id, .generation = 1, .term = term, .leader = W.members[leader].id};
	struct mp_vote vote = {.run = T.rec.id,
		.generation = 1,
		.naming = T.rec.hash,
		.term = term,
		.candidate = W.members[leader].id};

	for (int i = 0; i < voters; i++) {
		cert.votes[cert.vote_count].elector = (uint32_t)i;
		mp_vote_sign(&fake_crypto, &W.nodes[i + 1].secret, &vote,
			&cert.votes[cert.vote_count++].sig);
	}
	assert_int_equal(mp_leader_cert_encode(buf, &cert), 0);
}

static int
lead_with(int leader, uint64_t term, int voters)
{
	struct mp_msg_work_lead m = {.record = mp_span(T.record, T.record_n)};
	struct mp_buf cert, buf;

	mp_buf_init(&cert, &W.own, 4096);
	mp_buf_init(&buf, &W.own, 8192);
	certificate(&cert, leader, term, voters);
	m.certificate = mp_buf_span(&cert);
	assert_int_equal(mp_msg_work_lead_encode(&buf, &m), 0);
	mp_buf_fini(&cert);
	return say(leader, &buf);
}

static int
lead(int leader, uint64_t term)
{
	return lead_with(leader, term, 2);
}

/* What a module is given. */
struct give {
	int deps;
	const char *names[8];
	struct mp_span results[8]; /* signed */
	const char *input_glob;    /* NULL: all */
	bool forged;
	bool no_cache;
	bool once;
	struct mp_demands resources;
};

static size_t
spec_bytes(const struct give *g, uint8_t out[256])
{
	const char *argv[] = {"true", NULL};
	const char *globs[] = {g->input_glob, NULL};
	struct mp_spec spec = {.argv = {argv, 1},
		.all_inputs = g->input_glob == NULL,
		.inputs = {globs, g->input_glob != NULL},
		.grace_ms = MP_GRACE_MS_DEFAULT,
		.no_cache = g->no_cache,
		.once = g->once,
		.resources = g->resources};
	struct mp_buf buf;
	size_t n;

	mp_buf_init(&buf, &W.own, 256);
	assert_int_equal(mp_spec_encode(&spec, &buf), 0);
	n = buf.n;
	memcpy(out, buf.p, n);
	mp_buf_fini(&buf);
	return n;
}

static struct mp_sig
offer_sig(int leader, const struct mp_attempt_id *id, const struct give *g, struct mp_span spec)
{
	struct mp_offer offer = {
		.run = T.rec.id, .generation = 1, .attempt = *id, .worker = W.members[0].id};
	struct mp_hash deps[8], h;
	struct mp_span bytes;
	struct mp_sig sig;
	struct mp_buf buf;

	for (int i = 0; i < g->deps; i++) {
		struct mp_result_sig rs;

		assert_int_equal(mp_signed_result_decode(g->results[i], &bytes, &rs), 0);
		fake_hash(&deps[i], &bytes, 1);
	}
	fake_hash(&offer.spec, &spec, 1);
	assert_int_equal(mp_inputs_hash(&fake_crypto, &W.own,
				 mp_hash_is_zero(&T.rec.inputs) ? NULL : &T.rec.inputs, deps,
				 (size_t)g->deps, &offer.inputs),
		0);
	mp_buf_init(&buf, &W.own, 1024);
	assert_int_equal(mp_offer_encode(&buf, &offer), 0);
	bytes = mp_buf_span(&buf);
	fake_hash(&h, &bytes, 1);
	fake_sign(&W.nodes[leader].secret, &sig, mp_span(h.b, sizeof(h.b)));
	mp_buf_fini(&buf);
	sig.b[5] ^= g->forged ? 1 : 0;
	return sig;
}

/* Modules first .. first + n - 1, each with counter 1; node 4 holds all that they read. */
static int
assign_many(int leader, uint64_t term, uint32_t first, uint32_t n, const struct give *give)
{
	static const struct give nothing;
	const struct give *g = give == NULL ? &nothing : give;
	struct mp_work_head hd = head(term);
	uint8_t spec[256];
	size_t spec_n = spec_bytes(g, spec);
	struct mp_cbor_w w;
	struct mp_buf buf;

	mp_buf_init(&buf, &W.own, 65536);
	mp_cbor_w_init(&w, &buf);
	mp_work_assign_begin(&w, &hd, n, false);
	for (uint32_t i = 0; i < n; i++) {
		struct mp_attempt_id id = {term, first + i, 1};
		struct mp_work_item item = {.module = first + i,
			.counter = 1,
			.attempt_number = 1,
			.name = mp_span_str("module"),
			.spec = mp_span(spec, spec_n)};

		item.offer_sig = offer_sig(leader, &id, g, item.spec);
		mp_work_assign_item(&w, &item, (size_t)g->deps);
		for (int k = 0; k < g->deps; k++)
			mp_work_assign_dep(
				&w, mp_span_str(g->names[k]), g->results[k], &W.members[4].id, 1);
	}
	mp_work_assign_end(&w, &W.members[4].id, 1, mp_span(NULL, 0));
	assert_int_equal(w.rc, 0);
	return say(leader, &buf);
}

static int
assign(int leader, uint64_t term, uint32_t module, const struct give *give)
{
	return assign_many(leader, term, module, 1, give);
}

static inline int
list(int leader, uint64_t term, enum mp_msg_work number, uint32_t module, uint64_t of_term)
{
	struct mp_attempt_id id = {of_term, module, 1};
	struct mp_work_head hd = head(term);
	struct mp_buf buf;

	mp_buf_init(&buf, &W.own, 1024);
	assert_int_equal(mp_msg_work_list_encode(&buf, number, &hd, &id, 1), 0);
	return say(leader, &buf);
}

static inline int
end(int leader, uint64_t term)
{
	struct mp_work_head hd = head(term);
	struct mp_buf buf;

	mp_buf_init(&buf, &W.own, 1024);
	assert_int_equal(mp_msg_work_end_encode(&buf, &hd), 0);
	return say(leader, &buf);
}

/* ---- what it hears ---- */

/* The last message of this kind, once; NULL: there is none. */
static const struct message *
heard(uint64_t number)
{
	for (size_t i = T.message_count; i-- > 0;) {
		if (T.messages[i].number == number) {
			T.messages[i].number = 0;
			return &T.messages[i];
		}
	}
	return NULL;
}

/* Why the last WORK_REJECT was said; 0: there was none. */
static int
rejected(int to, struct mp_msg_work_reject *m)
{
	const struct message *got = heard(MP_MSG_WORK_REJECT);

	if (got == NULL)
		return 0;
	assert_int_equal(got->to, to);
	assert_int_equal(mp_msg_work_reject_decode(mp_span(got->bytes, got->n), m), 0);
	return (int)m->why;
}

/* Asks for the phases of the first 8 modules; -1: it does not know it. */
static int
status(int leader, uint64_t term, int phases[8])
{
	struct mp_msg_work_status_req req = {.head = head(term), .seq = 9};
	struct mp_msg_work_status m;
	const struct message *got;
	struct mp_work_state s;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &W.own, 1024);
	assert_int_equal(mp_msg_work_status_req_encode(&buf, &req), 0);
	rc = say(leader, &buf);
	got = heard(MP_MSG_WORK_STATUS);
	for (int i = 0; i < 8; i++)
		phases[i] = -1;
	if (got == NULL)
		return rc;
	assert_int_equal(got->to, leader);
	assert_int_equal(mp_msg_work_status_decode(mp_span(got->bytes, got->n), &m), 0);
	assert_true(m.seq == 9 && m.boot == W.nodes[0].env.boot && m.head.term == term);
	while (mp_work_states_next(&m.states, &s)) {
		if (s.attempt.module < 8)
			phases[s.attempt.module] = (int)s.phase;
	}
	return rc;
}

/* The last result that was sent, verified; the first one of its message. */
static inline bool
result(int to, struct mp_result *out, size_t *holders)
{
	const struct message *got = heard(MP_MSG_WORK_RESULT);
	struct mp_msg_work_result m;
	struct mp_work_done done;
	struct mp_node_id id;

	if (got == NULL)
		return false;
	assert_int_equal(got->to, to);
	assert_int_equal(mp_msg_work_result_decode(mp_span(got->bytes, got->n), &m), 0);
	assert_true(mp_work_done_next(&m.results, &done));
	assert_int_equal(mp_signed_result_open(&fake_crypto, done.result, out, NULL), 0);
	assert_true(mp_attempt_eq(&out->attempt, &done.attempt));
	assert_true(mp_node_id_eq(&out->node, &W.members[0].id));
	for (*holders = 0; mp_holders_next(&done.holders, &id); ++*holders)
		assert_true(*holders > 0 || mp_node_id_eq(&id, &W.members[0].id));
	return true;
}

/* ---- what the executor says ---- */

static void
exec_done_with(uint64_t term, uint32_t module, const struct mp_exec_report *with)
{
	struct mp_exec_report report = *with;

	report.key = (struct mp_attempt_key){T.rec.id, {term, module, 1}};
	report.phase = MP_EXEC_DONE;
	world_begin(0);
	mp_worker_exec(T.worker, &W.nodes[0].env, &report);
	world_end(0);
	world_settle();
}

static inline void
exec_done(uint64_t term, uint32_t module, enum mp_status how)
{
	exec_done_with(term, module, &(struct mp_exec_report){.status = how});
}

/* ---- what there is to work on ---- */

static inline struct mp_hash
put_manifest(int node, const struct mp_file *files, size_t n)
{
	struct mp_blob_ref ref;
	struct mp_buf buf;

	mp_buf_init(&buf, &W.own, 4096);
	assert_int_equal(mp_manifest_encode(&buf, files, n, NULL), 0);
	ref = world_put(node, buf.p, buf.n);
	mp_buf_fini(&buf);
	return ref.digest;
}

static inline struct mp_file
put_file(int node, const char *path, const char *text)
{
	struct mp_blob_ref ref = world_put(node, text, strlen(text));

	return (struct mp_file){.path = mp_span_str(path), .size = ref.size, .digest = ref.digest};
}

/* The signed result of a dependency with these outputs on node 4. */
static inline struct mp_span
dep_result(const struct mp_file *files, size_t n, uint8_t out[1024])
{
	struct mp_result r = {
		.run = T.rec.id, .generation = 1, .attempt = {1, 100, 1}, .node = W.members[4].id};
	struct mp_result_sig sig;
	struct mp_span record;
	struct mp_buf buf, all;
	size_t len;

	r.manifest = put_manifest(4, files, n);
	mp_buf_init(&buf, &W.own, 1024);
	mp_buf_init(&all, &W.own, 1024);
	assert_int_equal(mp_result_encode(&buf, &r), 0);
	record = mp_buf_span(&buf);
	mp_result_sign(&fake_crypto, &W.nodes[4].secret, &record, 1, &sig);
	assert_int_equal(mp_signed_result_encode(&all, record, &sig), 0);
	len = all.n;
	memcpy(out, all.p, len);
	mp_buf_fini(&buf);
	mp_buf_fini(&all);
	return mp_span(out, len);
}

static void
open_run(const struct mp_hash *inputs)
{
	struct mp_buf buf;

	T.rec = (struct mp_run_record){.opener = W.members[1].id,
		.name = "test",
		.elector_count = 3,
		.electors = {W.members[1].id, W.members[2].id, W.members[3].id},
		.copies = 2};
	if (inputs != NULL)
		T.rec.inputs = *inputs;
	mp_buf_init(&buf, &W.own, sizeof(T.record));
	assert_int_equal(mp_run_record_sign(&fake_crypto, &W.nodes[1].secret, &T.rec, &buf), 0);
	T.record_n = buf.n;
	memcpy(T.record, buf.p, buf.n);
	mp_buf_fini(&buf);
}

static void
worker_new(uint32_t slots)
{
	assert_int_equal(mp_worker_new(&W.nodes[0].env, NULL, W.nodes[0].fetch, W.nodes[0].hold,
				 slots, &T.worker),
		0);
}

static int
setup(void **state)
{
	(void)state;
	world_init();
	memset(&T, 0, sizeof(T));
	W.effect = on_effect;
	W.other = on_other;
	W.flush = on_flush;
	W.tick = on_tick;
	W.deadline = on_deadline;
	for (int i = 0; i < WORLD_NODES; i++)
		W.members[i].roles = MP_ROLE_NODE;
	worker_new(2);
	open_run(NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mp_worker_free(T.worker);
	world_fini();
	return 0;
}

#endif
