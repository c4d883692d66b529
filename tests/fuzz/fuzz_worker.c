/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker with its fetcher and holder hears any rows and messages, in any order, under
 * cryptography that lets everything pass: nothing may fail an assertion, run without bound, or
 * keep memory.
 *
 * The input is a sequence of [kind, length (2 bytes, little-endian), bytes]: 0 a row of fences, 1 a
 * row of results, 2 to 5 a message of member 1 to 4, 6 an answer to what was asked of the store,
 * 7 the executor ends an attempt, 8 rows are durable, 9 time passes.
 */
#include "fuzz.h"

#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "core/roster.h"
#include "core/worker.h"

#define MEMBERS   5
#define ASKED_MAX 64

struct mp_secret {
	uint8_t unused;
};

static struct mp_member members[MEMBERS];

const struct mp_member *
mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id)
{
	(void)roster;
	for (size_t i = 0; i < MEMBERS; i++) {
		if (mp_node_id_eq(&members[i].id, id))
			return &members[i];
	}
	return NULL;
}

bool
mp_roster_may_take_over(const struct mp_roster *roster, const struct mp_run_record *rec)
{
	(void)roster;
	return rec->now.generation < 3;
}

size_t
mp_roster_count(const struct mp_roster *roster)
{
	(void)roster;
	return MEMBERS;
}

const struct mp_member *
mp_roster_at(const struct mp_roster *roster, size_t i)
{
	(void)roster;
	return &members[i];
}

/* All records have one hash, so that every run, specification and result is the one meant. */
static void
same_hash(struct mp_hash *out, const struct mp_span *parts, size_t n)
{
	(void)parts;
	(void)n;
	memset(out->b, 'h', sizeof(out->b));
}

static void
any_sign(const struct mp_secret *secret, struct mp_sig *out, struct mp_span msg)
{
	(void)secret;
	(void)msg;
	memset(out->b, 's', sizeof(out->b));
}

static int
any_verify(const uint8_t key[32], const struct mp_sig *sig, struct mp_span msg)
{
	(void)key;
	(void)sig;
	(void)msg;
	return 0;
}

static const struct mp_crypto any_crypto = {
	.hash = same_hash, .sign = any_sign, .verify = any_verify};

struct fuzz_node {
	struct mp_env env;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct mp_worker *worker;
	uint64_t seq;
	struct mp_effect asked[ASKED_MAX]; /* of the store; pointers in them are not used */
	size_t asked_count;
	struct mp_attempt_key started[ASKED_MAX];
	size_t started_count;
};

static void
message(struct fuzz_node *n, const struct mp_node_id *from, struct mp_span bytes)
{
	uint64_t number = mp_msg_number(bytes);

	if (number >= MP_MSG_BLOB_GET && number <= MP_MSG_BLOB_NONE)
		(void)mp_fetch_message(n->fetch, &n->env, from, bytes);
	else if (number == MP_MSG_HOLD || number == MP_MSG_HELD)
		(void)mp_hold_message(n->hold, &n->env, from, bytes);
	else
		(void)mp_worker_message(n->worker, &n->env, from, bytes);
}

static void
effects_take(struct fuzz_node *n)
{
	const struct mp_effect *fx;
	struct mp_span bytes;
	size_t count;

	mp_worker_flush(n->worker, &n->env);
	mp_hold_flush(n->hold, &n->env);
	while (mp_out_loop(n->env.out, &bytes))
		message(n, &n->env.self, bytes);
	mp_out_end(n->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		if (fx[i].kind == MP_FX_PERSIST)
			n->seq = fx[i].u.persist.seq;
		else if (fx[i].kind == MP_FX_EXEC_START && n->started_count < ASKED_MAX)
			n->started[n->started_count++] = fx[i].u.exec_start.key;
		else if (fx[i].kind >= MP_FX_BLOB_STAT && fx[i].kind <= MP_FX_BLOB_SYNC &&
			 n->asked_count < ASKED_MAX)
			n->asked[n->asked_count++] = fx[i];
	}
}

static void
stat_answer(struct fuzz_node *n, const struct mp_effect *fx, bool yes, size_t size)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_STAT};
	struct mp_blob_state *states = calloc(fx->u.blob_stat.count + 1, sizeof(*states));

	mp_assert(states != NULL);
	for (size_t i = 0; i < fx->u.blob_stat.count; i++)
		states[i] = (struct mp_blob_state){yes, size};
	ev.u.blob_stat.token = fx->u.blob_stat.token;
	ev.u.blob_stat.states = states;
	ev.u.blob_stat.count = fx->u.blob_stat.count;
	mp_fetch_event(n->fetch, &n->env, &ev);
	free(states);
}

/* The oldest thing asked of the store is answered, as the bytes say. */
static void
store_answer(struct fuzz_node *n, struct mp_span bytes)
{
	struct mp_effect fx = n->asked[0];
	struct mp_event ev = {.kind = MP_EV_BLOB_SYNCED};
	bool yes = bytes.n > 0 && (bytes.p[0] & 1) != 0;

	memmove(n->asked, n->asked + 1, --n->asked_count * sizeof(n->asked[0]));
	if (fx.kind == MP_FX_BLOB_STAT) {
		stat_answer(n, &fx, yes, bytes.n);
	} else if (fx.kind == MP_FX_BLOB_READ) {
		ev.kind = MP_EV_BLOB_READ;
		ev.u.blob_read.token = fx.u.blob_read.token;
		ev.u.blob_read.rc = yes ? 0 : MP_ENOENT;
		ev.u.blob_read.size = yes ? bytes.n - 1 : 0;
		ev.u.blob_read.bytes = yes ? mp_span(bytes.p + 1, bytes.n - 1) : mp_span(NULL, 0);
		mp_fetch_event(n->fetch, &n->env, &ev);
	} else if (fx.kind == MP_FX_BLOB_WRITE) {
		ev.kind = MP_EV_BLOB_WRITTEN;
		ev.u.blob_written.token = fx.u.blob_write.token;
		ev.u.blob_written.rc = yes ? 0 : bytes.n > 1 ? MP_ESIG : MP_EIO;
		ev.u.blob_written.complete = yes && bytes.n > 1;
		mp_fetch_event(n->fetch, &n->env, &ev);
	} else {
		ev.u.blob_synced.token = fx.u.blob_sync.token;
		ev.u.blob_synced.rc = yes ? 0 : MP_EIO;
		mp_hold_event(n->hold, &n->env, &ev);
	}
}

static void
exec_end(struct fuzz_node *n, struct mp_span bytes)
{
	struct mp_exec_report report = {.phase = MP_EXEC_DONE};
	size_t at = bytes.n > 0 ? bytes.p[0] % n->started_count : 0;

	report.key = n->started[at];
	report.status = bytes.n > 1 ? (enum mp_status)(bytes.p[1] % 7) : MP_STATUS_OK;
	if (bytes.n > 2)
		report.manifest.b[0] = bytes.p[2];
	if (bytes.n > 3)
		report.out_log.b[0] = bytes.p[3];
	report.error = bytes;
	n->started[at] = n->started[--n->started_count];
	mp_worker_exec(n->worker, &n->env, &report);
}

static void
step(struct fuzz_node *n, uint8_t kind, struct mp_span bytes)
{
	size_t key = kind == 0 ? 16 : 32;
	struct mp_row row = {.table = kind == 0 ? MP_TABLE_FENCE : MP_TABLE_HELD};

	mp_out_begin(n->env.out);
	if (kind <= 1 && bytes.n >= key) {
		row.key = mp_span(bytes.p, key);
		row.value = mp_span(bytes.p + key, bytes.n - key);
		(void)mp_worker_restore(n->worker, &n->env, &row);
	} else if (kind >= 2 && kind <= 5) {
		message(n, &members[kind - 1].id, bytes);
	} else if (kind == 6 && n->asked_count > 0) {
		store_answer(n, bytes);
	} else if (kind == 7 && n->started_count > 0) {
		exec_end(n, bytes);
	} else if (kind == 8) {
		mp_out_persisted(n->env.out, n->seq);
		mp_worker_persisted(n->worker, &n->env);
	} else if (kind == 9) {
		n->env.now_ms += (mp_time)bytes.n * 1000;
		mp_worker_tick(n->worker, &n->env);
		mp_fetch_tick(n->fetch, &n->env);
		mp_hold_tick(n->hold, &n->env);
	}
	effects_take(n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 64u << 20};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_secret secret = {0};
	struct fuzz_node n = {.asked_count = 0};

	for (size_t i = 0; i < MEMBERS; i++) {
		memset(members[i].id.b, 'a' + (int)i, sizeof(members[i].id.b));
		members[i].roles = MP_ROLE_NODE;
	}
	n.env = (struct mp_env){.alloc = &alloc,
		.crypto = &any_crypto,
		.secret = &secret,
		.self = members[0].id,
		.boot = 1,
		.now_ms = 1,
		.out = mp_out_new(&alloc, &members[0].id, NULL, NULL)};
	mp_assert(n.env.out != NULL);
	mp_assert(mp_fetch_new(&n.env, NULL, &n.fetch) == 0);
	mp_assert(mp_hold_new(&n.env, NULL, n.fetch, &n.hold) == 0);
	mp_assert(mp_worker_new(&n.env, NULL, n.fetch, n.hold, 2, &n.worker) == 0);
	while (size >= 3) {
		size_t len = (size_t)data[1] | (size_t)data[2] << 8;

		len = len < size - 3 ? len : size - 3;
		step(&n, data[0], mp_span(data + 3, len));
		data += 3 + len;
		size -= 3 + len;
	}
	mp_worker_free(n.worker);
	mp_hold_free(n.hold);
	mp_fetch_free(n.fetch);
	mp_out_free(n.env.out);
	mp_assert(heap.live == 0);
	return 0;
}
