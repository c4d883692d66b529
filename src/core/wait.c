/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wait.h"

#include "codec/cbor.h"
#include "codec/token.h"

struct place {
	bool used;
	mp_time seen_ms; /* the last knock */
	struct mp_waiting shown;
	uint8_t request[MP_REQUEST_MAX];
};

struct grant {
	struct mp_node_id id;
	mp_time until_ms;    /* wall */
	struct mp_buf token; /* empty: free, and there is no row */
};

static const char row_tag[] = "grant ";

#define ROW_TAG  (sizeof(row_tag) - 1)
#define ROW_SIZE (ROW_TAG + sizeof(struct mp_node_id))

struct mp_wait {
	const struct mp_alloc *alloc;
	struct place places[MP_WAIT_MAX];
	struct grant grants[MP_WAIT_GRANTS_MAX];
};

int
mp_wait_new(struct mp_env *env, struct mp_wait **out)
{
	struct mp_wait *wait = mp_realloc(env->alloc, NULL, 0, sizeof(*wait));

	if (wait == NULL)
		return MP_ENOMEM;
	memset(wait, 0, sizeof(*wait));
	wait->alloc = env->alloc;
	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++)
		mp_buf_init(&wait->grants[i].token, env->alloc, MP_TOKEN_MAX);
	*out = wait;
	return 0;
}

void
mp_wait_free(struct mp_wait *wait)
{
	if (wait == NULL)
		return;
	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++)
		mp_buf_fini(&wait->grants[i].token);
	mp_dealloc(wait->alloc, wait, sizeof(*wait));
}

static bool
place_taken(struct place *p, const struct mp_env *env)
{
	if (p->used && env->now_ms - p->seen_ms > MP_WAIT_MS)
		p->used = false;
	return p->used;
}

/* Its place, or a free one; NULL when there is none for that source. */
static struct place *
place_for(struct mp_wait *wait, const struct mp_env *env, const struct mp_node_id *id,
	const struct mp_addr *addr)
{
	struct mp_addr source = mp_addr_source(addr), other;
	struct place *vacant = NULL;
	size_t same = 0;

	for (size_t i = 0; i < MP_WAIT_MAX; i++) {
		struct place *p = &wait->places[i];

		if (!place_taken(p, env)) {
			vacant = vacant != NULL ? vacant : p;
			continue;
		}
		if (mp_node_id_eq(&p->shown.who.id, id))
			return p;
		other = mp_addr_source(&p->shown.addr);
		same += mp_addr_eq(&other, &source);
	}
	return same < MP_WAIT_SOURCE_MAX ? vacant : NULL;
}

/* ---- grants ---- */

static bool
held(const struct grant *g, const struct mp_env *env)
{
	return g->token.n > 0 && g->until_ms > env->wall_ms;
}

static struct grant *
grant_of(struct mp_wait *wait, const struct mp_env *env, const struct mp_node_id *id)
{
	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++) {
		struct grant *g = &wait->grants[i];

		if (held(g, env) && mp_node_id_eq(&g->id, id))
			return g;
	}
	return NULL;
}

int
mp_wait_knock(struct mp_wait *wait, struct mp_env *env, struct mp_span request,
	const struct mp_addr *addr, struct mp_span *token, struct mp_error *err)
{
	const struct grant *g;
	struct mp_request who;
	struct place *p;
	int rc = mp_request_open(env->crypto, request, &who, err);

	if (rc != 0)
		return rc;
	g = grant_of(wait, env, &who.id);
	if (g != NULL) {
		*token = mp_buf_span(&g->token);
		return 0;
	}
	p = place_for(wait, env, &who.id, addr);
	if (p == NULL)
		return mp_fail(err, MP_EBUSY, "too many wait here to be admitted");
	if (!p->used)
		p->shown.since_ms = env->wall_ms;
	p->used = true;
	p->seen_ms = env->now_ms;
	p->shown.who = who;
	p->shown.addr = *addr;
	memcpy(p->request, request.p, request.n);
	p->shown.request = mp_span(p->request, request.n);
	*token = mp_span(NULL, 0);
	return 0;
}

/* Is it what an authority of ours gives to this one? */
static int
token_check(const struct mp_env *env, const struct mp_trust *trust, const struct mp_node_id *id,
	const struct mp_token *token, struct mp_error *err)
{
	if (!mp_cluster_id_eq(&token->invite.cluster, &env->cluster))
		return mp_fail(err, MP_ECLUSTER, "the token is of another cluster");
	if (trust->authority != NULL &&
		!mp_authority_has(trust->authority, token->invite.signer, MP_TIME_NEVER))
		return mp_fail(err, MP_EAUTH, "the token is not signed by an authority");
	if (!token->invite.bound || !mp_invite_is_for(&token->invite, id))
		return mp_fail(err, MP_EAUTH, "the token is not for this key alone");
	/* One that begins later is for other clocks than ours. */
	return env->wall_ms <= token->invite.expires_ms
		       ? 0
		       : mp_invite_check_time(&token->invite, env->wall_ms, err);
}

static int
grant_check(const struct mp_env *env, const struct mp_trust *trust, const struct mp_node_id *id,
	struct mp_span text, mp_time *expires_ms, struct mp_error *err)
{
	struct mp_token *token = mp_realloc(env->alloc, NULL, 0, sizeof(*token));
	struct mp_buf bytes;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, env->alloc, MP_TOKEN_MAX);
	rc = mp_token_decode(env->crypto, text, &bytes, token, err);
	if (rc == 0)
		rc = token_check(env, trust, id, token, err);
	*expires_ms = token->invite.expires_ms;
	if (bytes.p != NULL)
		env->crypto->wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	env->crypto->wipe(token, sizeof(*token));
	mp_dealloc(env->alloc, token, sizeof(*token));
	return rc;
}

static struct mp_span
row_key(const struct mp_node_id *id, uint8_t out[ROW_SIZE])
{
	memcpy(out, row_tag, ROW_TAG);
	memcpy(out + ROW_TAG, id->b, sizeof(id->b));
	return mp_span(out, ROW_SIZE);
}

static void
grant_drop(struct grant *g, struct mp_env *env)
{
	uint8_t key[ROW_SIZE];

	if (g->token.n > 0)
		mp_out_delete(env->out, MP_TABLE_META, row_key(&g->id, key));
	mp_buf_clear(&g->token);
}

static int
grant_set(struct grant *g, const struct mp_node_id *id, mp_time until_ms, struct mp_span token)
{
	int rc;

	mp_buf_clear(&g->token);
	rc = mp_buf_append(&g->token, token.p, token.n);
	g->id = *id;
	g->until_ms = until_ms;
	return rc;
}

static int
row_put(struct mp_env *env, const struct grant *g)
{
	uint8_t key[ROW_SIZE];
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_int(&w, g->until_ms);
	mp_cbor_w_span(&w, mp_buf_span(&g->token));
	if (w.rc == 0)
		mp_out_put(env->out, MP_TABLE_META, row_key(&g->id, key), mp_buf_span(w.buf));
	return w.rc;
}

/* A free one; else the one that ends first, or has ended. */
static struct grant *
grant_take(struct mp_wait *wait, struct mp_env *env)
{
	struct grant *best = &wait->grants[0];

	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++) {
		if (wait->grants[i].token.n == 0)
			return &wait->grants[i];
		if (wait->grants[i].until_ms < best->until_ms)
			best = &wait->grants[i];
	}
	grant_drop(best, env);
	return best;
}

int
mp_wait_restore(struct mp_wait *wait, struct mp_env *env, struct mp_span key, struct mp_span value)
{
	struct mp_node_id id;
	struct mp_span token;
	struct mp_cbor_r r;
	mp_time until_ms;

	if (key.n != ROW_SIZE || memcmp(key.p, row_tag, ROW_TAG) != 0)
		return MP_ENOENT;
	memcpy(id.b, key.p + ROW_TAG, sizeof(id.b));
	mp_cbor_r_init(&r, value);
	mp_cbor_r_array_exact(&r, 2);
	until_ms = mp_cbor_r_int(&r);
	token = mp_cbor_r_bytes(&r, MP_TOKEN_MAX);
	if (mp_cbor_r_end(&r) != 0 || token.n == 0)
		return 0;
	return grant_set(grant_take(wait, env), &id, until_ms, token);
}

int
mp_wait_grant(struct mp_wait *wait, struct mp_env *env, const struct mp_trust *trust,
	const struct mp_node_id *id, struct mp_span token, struct mp_error *err)
{
	struct grant *g = grant_of(wait, env, id);
	mp_time until_ms = 0;
	int rc;

	if (g != NULL && mp_span_eq(token, mp_buf_span(&g->token)))
		return 0; /* members tell each other again and again */
	rc = grant_check(env, trust, id, token, &until_ms, err);
	if (rc != 0)
		return rc;
	if (until_ms > env->wall_ms + MP_WAIT_GRANT_MS)
		until_ms = env->wall_ms + MP_WAIT_GRANT_MS;
	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++) {
		if (!held(&wait->grants[i], env))
			grant_drop(&wait->grants[i], env);
	}
	if (g == NULL)
		g = grant_take(wait, env);
	rc = grant_set(g, id, until_ms, token);
	if (rc == 0)
		rc = row_put(env, g);
	if (rc != 0)
		return mp_fail(err, rc, "out of memory");
	for (size_t i = 0; i < MP_WAIT_MAX; i++) {
		if (mp_node_id_eq(&wait->places[i].shown.who.id, id))
			wait->places[i].used = false;
	}
	return 0;
}

void
mp_wait_came(struct mp_wait *wait, struct mp_env *env, const struct mp_node_id *id)
{
	struct grant *g = grant_of(wait, env, id);

	if (g != NULL)
		grant_drop(g, env);
}

bool
mp_wait_granted(const struct mp_wait *wait, const struct mp_env *env, size_t i,
	struct mp_node_id *id, struct mp_span *token)
{
	for (size_t k = 0; k < MP_WAIT_GRANTS_MAX; k++) {
		const struct grant *g = &wait->grants[k];

		if (!held(g, env) || i-- > 0)
			continue;
		*id = g->id;
		*token = mp_buf_span(&g->token);
		return true;
	}
	return false;
}

/* ---- who waits ---- */

const struct mp_waiting *
mp_wait_at(struct mp_wait *wait, struct mp_env *env, size_t i)
{
	for (size_t k = 0; k < MP_WAIT_MAX; k++) {
		if (place_taken(&wait->places[k], env) && i-- == 0)
			return &wait->places[k].shown;
	}
	return NULL;
}

size_t
mp_wait_count(const struct mp_wait *wait, const struct mp_env *env)
{
	size_t n = 0;

	for (size_t i = 0; i < MP_WAIT_MAX; i++)
		n += wait->places[i].used && env->now_ms - wait->places[i].seen_ms <= MP_WAIT_MS;
	return n;
}
