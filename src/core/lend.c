/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lend.h"

#include "codec/manifest.h"
#include "core/roster.h"
#include "mp/limits.h"
#include "util/dlist.h"

/* Questions that are open, of all members together. More: there is nothing for them. */
#define OPEN_MAX 4096

/*
 * One question of one member.
 *
 *   ASK, GET   wait for the store
 *   HOLD       the manifest is read ─▶ what it names is fetched ─▶ and held
 */
struct loan {
	struct mp_dlist link;
	struct mp_lend *lend;
	struct mp_node_id from;
	uint64_t seq;
	uint64_t number;      /* of the message */
	uint64_t token;       /* ASK, GET */
	struct mp_hash *keys; /* GET: in the order in which they were asked for */
	size_t key_count;
	/* HOLD */
	struct mp_fetch_req fetch;
	struct mp_hold_req hold;
	struct mp_result result; /* its text is not kept */
	uint32_t copies;
	struct mp_node_id sources[MP_HOLDERS_MAX + 1]; /* who may have what it names */
	size_t source_count;
	struct mp_blob_ref *refs; /* all of that */
	size_t ref_count;
	size_t ref_room;
};

struct mp_lend {
	const struct mp_alloc *alloc;
	const struct mp_roster *roster;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct mp_dlist loans; /* oldest first */
	size_t loan_count;
	uint64_t last_token;
};

int
mp_lend_new(struct mp_env *env, const struct mp_roster *roster, struct mp_fetch *fetch,
	struct mp_hold *hold, struct mp_lend **out)
{
	struct mp_lend *lend = mp_realloc(env->alloc, NULL, 0, sizeof(*lend));

	if (lend == NULL)
		return MP_ENOMEM;
	*lend = (struct mp_lend){
		.alloc = env->alloc, .roster = roster, .fetch = fetch, .hold = hold};
	mp_dlist_init(&lend->loans);
	*out = lend;
	return 0;
}

static void
loan_free(struct loan *loan)
{
	struct mp_lend *lend = loan->lend;

	mp_fetch_cancel(lend->fetch, &loan->fetch);
	mp_hold_cancel(lend->hold, &loan->hold);
	mp_dlist_remove(&loan->link);
	lend->loan_count--;
	mp_dealloc(lend->alloc, loan->refs, loan->ref_room * sizeof(*loan->refs));
	mp_dealloc(lend->alloc, loan->keys, loan->key_count * sizeof(*loan->keys));
	mp_dealloc(lend->alloc, loan, sizeof(*loan));
}

void
mp_lend_free(struct mp_lend *lend)
{
	struct mp_dlist *l;

	if (lend == NULL)
		return;
	while ((l = mp_dlist_first(&lend->loans)) != NULL)
		loan_free(mp_container_of(l, struct loan, link));
	mp_dealloc(lend->alloc, lend, sizeof(*lend));
}

static bool
loan_allowed(const struct mp_lend *lend, const struct mp_node_id *from, uint64_t number)
{
	size_t open = 0;

	for (const struct mp_dlist *l = lend->loans.next; l != &lend->loans; l = l->next) {
		const struct loan *loan = mp_container_of(l, const struct loan, link);

		open += loan->number == number && mp_node_id_eq(&loan->from, from);
	}
	return open < MP_CACHE_PEER_MAX && lend->loan_count < OPEN_MAX;
}

/* NULL: no, see loan_allowed(), or out of memory. */
static struct loan *
loan_new(struct mp_lend *lend, const struct mp_node_id *from, uint64_t number, uint64_t seq)
{
	struct loan *loan = NULL;

	if (loan_allowed(lend, from, number))
		loan = mp_realloc(lend->alloc, NULL, 0, sizeof(*loan));
	if (loan == NULL)
		return NULL;
	*loan = (struct loan){.lend = lend,
		.from = *from,
		.seq = seq,
		.number = number,
		.token = ++lend->last_token};
	mp_dlist_init(&loan->link);
	mp_dlist_push(&lend->loans, &loan->link);
	lend->loan_count++;
	return loan;
}

static void
answer(struct mp_env *env, const struct mp_node_id *to, const struct mp_buf *buf, int rc)
{
	if (rc == 0)
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

/* ---- what the store has ---- */

void
mp_lend_ask(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_list *m)
{
	struct mp_effect fx = {.kind = MP_FX_CACHE_FIND};
	struct mp_msg_cache_list list = *m;
	struct mp_hash *bases = mp_out_mem(env->out, m->count * sizeof(*bases) + 1);
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct loan *loan = NULL;

	if (bases != NULL)
		loan = loan_new(lend, from, MP_MSG_CACHE_ASK, m->seq);
	if (loan == NULL) {
		answer(env, from, buf, mp_msg_cache_have_encode(buf, m->seq, NULL, 0));
		return;
	}
	for (size_t i = 0; i < m->count; i++)
		bases[i] = mp_msg_cache_next(&list);
	fx.u.cache_find.token = loan->token;
	fx.u.cache_find.bases = bases;
	fx.u.cache_find.count = m->count;
	mp_out_effect(env->out, &fx);
}

/* The store says what it has in the order in which it was asked. False: out of memory. */
static bool
loan_keys(struct loan *loan, struct mp_msg_cache_list *list, struct mp_hash *keys)
{
	size_t n = list->count;

	if (n == 0)
		return true;
	loan->keys = mp_realloc(loan->lend->alloc, NULL, 0, n * sizeof(*keys));
	if (loan->keys == NULL)
		return false;
	loan->key_count = n;
	for (size_t i = 0; i < n; i++)
		keys[i] = loan->keys[i] = mp_msg_cache_next(list);
	return true;
}

void
mp_lend_get(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_list *m)
{
	struct mp_effect fx = {.kind = MP_FX_CACHE_GET};
	struct mp_msg_cache_list list = *m;
	struct mp_hash *keys = mp_out_mem(env->out, m->count * sizeof(*keys) + 1);
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct loan *loan = NULL;

	if (keys != NULL)
		loan = loan_new(lend, from, MP_MSG_CACHE_GET, m->seq);
	if (loan == NULL || !loan_keys(loan, &list, keys)) {
		answer(env, from, buf, mp_msg_cache_got_encode(buf, m->seq, NULL, NULL, 0));
		if (loan != NULL)
			loan_free(loan);
		return;
	}
	fx.u.cache_get.token = loan->token;
	fx.u.cache_get.keys = keys;
	fx.u.cache_get.count = m->count;
	mp_out_effect(env->out, &fx);
}

static struct loan *
loan_find(const struct mp_lend *lend, uint64_t token)
{
	for (struct mp_dlist *l = lend->loans.next; l != &lend->loans; l = l->next) {
		struct loan *loan = mp_container_of(l, struct loan, link);

		if (loan->token == token)
			return loan;
	}
	return NULL;
}

/* A store that fails has nothing. */
void
mp_lend_event(struct mp_lend *lend, struct mp_env *env, const struct mp_event *event)
{
	bool found = event->kind == MP_EV_CACHE_FOUND;
	struct loan *loan =
		loan_find(lend, found ? event->u.cache_found.token : event->u.cache_got.token);
	struct mp_buf *buf = mp_out_scratch(env->out);
	size_t n;
	int rc;

	if (loan == NULL || loan->number != (found ? MP_MSG_CACHE_ASK : MP_MSG_CACHE_GET))
		return;
	if (found) {
		n = event->u.cache_found.rc == 0 ? event->u.cache_found.count : 0;
		rc = mp_msg_cache_have_encode(buf, loan->seq, event->u.cache_found.refs,
			mp_min_size(n, MP_CACHE_HAVE_MAX));
	} else {
		n = event->u.cache_got.rc == 0 ? loan->key_count : 0;
		rc = mp_msg_cache_got_encode(
			buf, loan->seq, loan->keys, event->u.cache_got.records, n);
	}
	answer(env, &loan->from, buf, rc);
	loan_free(loan);
}

/* ---- copies of what a result names ---- */

static void
held_send(struct mp_env *env, const struct mp_node_id *to, uint64_t seq,
	const struct mp_node_id *holders, size_t n)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	answer(env, to, buf, mp_msg_cache_held_encode(buf, seq, holders, n));
}

static void
loan_held(struct loan *loan, struct mp_env *env, const struct mp_node_id *holders, size_t n)
{
	held_send(env, &loan->from, loan->seq, holders, n);
	loan_free(loan);
}

static void
on_held(struct mp_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t holder_count)
{
	loan_held(
		mp_container_of(req, struct loan, hold), env, holders, rc == 0 ? holder_count : 0);
}

static void
ref_add(struct loan *loan, const struct mp_hash *digest, uint64_t size)
{
	if (!mp_hash_is_zero(digest))
		loan->refs[loan->ref_count++] = (struct mp_blob_ref){*digest, size};
}

/* All blobs of the result, whose manifest is this; empty when it has none. */
static int
loan_refs(struct loan *loan, struct mp_span bytes)
{
	const struct mp_alloc *alloc = loan->lend->alloc;
	const struct mp_result *r = &loan->result;
	struct mp_manifest m = {0};
	int rc = 0;

	if (!mp_hash_is_zero(&r->manifest))
		rc = mp_manifest_decode(alloc, bytes, &m, NULL);
	if (rc != 0)
		return rc;
	loan->ref_room = m.count + 4;
	loan->refs = mp_realloc(alloc, NULL, 0, loan->ref_room * sizeof(*loan->refs));
	if (loan->refs != NULL) {
		ref_add(loan, &r->manifest, bytes.n);
		for (size_t i = 0; i < m.count; i++)
			ref_add(loan, &m.files[i].digest, m.files[i].size);
		ref_add(loan, &r->out_log, MP_SIZE_UNKNOWN);
		ref_add(loan, &r->err_log, MP_SIZE_UNKNOWN);
		ref_add(loan, &r->value, MP_SIZE_UNKNOWN);
	}
	mp_manifest_fini(&m);
	return loan->refs != NULL ? 0 : MP_ENOMEM;
}

static void
on_fetched(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct loan *loan = mp_container_of(req, struct loan, fetch);

	(void)blob;
	(void)bytes;
	if (rc == 0)
		rc = mp_hold_request(loan->lend->hold, env, &loan->hold, loan->refs,
			loan->ref_count, loan->copies);
	if (rc != 0)
		loan_held(loan, env, NULL, 0);
}

static void
loan_fetch(struct loan *loan, struct mp_env *env, struct mp_span manifest)
{
	int rc = loan_refs(loan, manifest);

	loan->fetch.done = on_fetched;
	if (rc == 0)
		rc = mp_fetch_get(loan->lend->fetch, env, &loan->fetch, loan->refs, loan->ref_count,
			loan->sources, loan->source_count);
	if (rc != 0)
		loan_held(loan, env, NULL, 0);
}

static void
on_manifest(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct loan *loan = mp_container_of(req, struct loan, fetch);

	(void)blob;
	if (rc == 0)
		loan_fetch(loan, env, bytes);
	else
		loan_held(loan, env, NULL, 0);
}

/* Is it worth anybody's disk? */
static bool
result_good(const struct mp_lend *lend, const struct mp_env *env, struct mp_span bytes,
	struct mp_result *out)
{
	return mp_signed_result_open(env->crypto, bytes, out, NULL) == 0 &&
	       out->status == MP_STATUS_OK && mp_cluster_id_eq(&out->cluster, &env->cluster) &&
	       mp_roster_find(lend->roster, &out->node) != NULL;
}

void
mp_lend_hold(struct mp_lend *lend, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_msg_cache_hold *m)
{
	struct mp_list sources = m->holders;
	struct mp_result result;
	struct loan *loan = NULL;

	if (result_good(lend, env, m->result, &result))
		loan = loan_new(lend, from, MP_MSG_CACHE_HOLD, m->seq);
	if (loan == NULL) {
		held_send(env, from, m->seq, NULL, 0);
		return;
	}
	loan->result = result;
	loan->result.error = mp_span(NULL, 0);
	loan->copies = m->copies;
	loan->hold.done = on_held;
	loan->fetch.done = on_manifest;
	loan->fetch.patience = MP_FETCH_HASTY;
	while (mp_holders_next(&sources, &loan->sources[loan->source_count]))
		loan->source_count++;
	if (mp_hash_is_zero(&result.manifest))
		loan_fetch(loan, env, mp_span(NULL, 0));
	else if (mp_fetch_read(lend->fetch, env, &loan->fetch, &result.manifest,
			 MP_MANIFEST_BYTES_MAX, loan->sources, loan->source_count) != 0)
		loan_held(loan, env, NULL, 0);
}
