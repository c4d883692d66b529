/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wait.h"

#include "codec/token.h"

struct place {
	bool used;
	mp_time seen_ms; /* the last knock */
	struct mp_waiting shown;
	uint8_t request[MP_REQUEST_MAX];
};

struct grant {
	struct mp_node_id id;
	mp_time until_ms; /* 0: free */
	struct mp_buf token;
};

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

static struct grant *
grant_of(struct mp_wait *wait, const struct mp_env *env, const struct mp_node_id *id)
{
	for (size_t i = 0; i < MP_WAIT_GRANTS_MAX; i++) {
		struct grant *g = &wait->grants[i];

		if (g->until_ms > env->now_ms && mp_node_id_eq(&g->id, id))
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
grant_check(const struct mp_env *env, const struct mp_trust *trust, const struct mp_node_id *id,
	struct mp_span text, struct mp_error *err)
{
	struct mp_token *token = mp_realloc(env->alloc, NULL, 0, sizeof(*token));
	struct mp_buf bytes;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, env->alloc, MP_TOKEN_MAX);
	rc = mp_token_decode(env->crypto, text, &bytes, token, err);
	if (rc == 0 && !mp_cluster_id_eq(&token->invite.cluster, &env->cluster))
		rc = mp_fail(err, MP_ECLUSTER, "the token is of another cluster");
	if (rc == 0 && trust->authority != NULL &&
		!mp_authority_has(trust->authority, token->invite.signer, MP_TIME_NEVER))
		rc = mp_fail(err, MP_EAUTH, "the token is not signed by an authority");
	if (rc == 0 && (!token->invite.bound || !mp_invite_is_for(&token->invite, id)))
		rc = mp_fail(err, MP_EAUTH, "the token is not for this key alone");
	if (bytes.p != NULL)
		env->crypto->wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	env->crypto->wipe(token, sizeof(*token));
	mp_dealloc(env->alloc, token, sizeof(*token));
	return rc;
}

/* A free one, or the oldest. */
static struct grant *
grant_take(struct mp_wait *wait, const struct mp_env *env, const struct mp_node_id *id)
{
	struct grant *best = grant_of(wait, env, id);

	for (size_t i = 0; best == NULL && i < MP_WAIT_GRANTS_MAX; i++) {
		if (wait->grants[i].until_ms <= env->now_ms)
			best = &wait->grants[i];
	}
	if (best != NULL)
		return best;
	best = &wait->grants[0];
	for (size_t i = 1; i < MP_WAIT_GRANTS_MAX; i++) {
		if (wait->grants[i].until_ms < best->until_ms)
			best = &wait->grants[i];
	}
	return best;
}

int
mp_wait_grant(struct mp_wait *wait, struct mp_env *env, const struct mp_trust *trust,
	const struct mp_node_id *id, struct mp_span token, struct mp_error *err)
{
	struct grant *g;
	int rc = grant_check(env, trust, id, token, err);

	if (rc != 0)
		return rc;
	g = grant_take(wait, env, id);
	g->until_ms = 0;
	mp_buf_clear(&g->token);
	rc = mp_buf_append(&g->token, token.p, token.n);
	if (rc != 0)
		return mp_fail(err, rc, "out of memory");
	g->id = *id;
	g->until_ms = env->now_ms + MP_WAIT_GRANT_MS;
	for (size_t i = 0; i < MP_WAIT_MAX; i++) {
		if (mp_node_id_eq(&wait->places[i].shown.who.id, id))
			wait->places[i].used = false;
	}
	return 0;
}

bool
mp_wait_granted(const struct mp_wait *wait, const struct mp_env *env, size_t i,
	struct mp_node_id *id, struct mp_span *token)
{
	for (size_t k = 0; k < MP_WAIT_GRANTS_MAX; k++) {
		const struct grant *g = &wait->grants[k];

		if (g->until_ms <= env->now_ms || i-- > 0)
			continue;
		*id = g->id;
		*token = mp_buf_span(&g->token);
		return true;
	}
	return false;
}

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
