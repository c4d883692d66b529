/* SPDX-License-Identifier: Apache-2.0 */
/* mpctl from another machine: an encrypted stream instead of the control socket. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/cbor.h"
#include "codec/msg_ctl.h"
#include "crypto/key.h"
#include "ctl/client.h"
#include "ctl/identity.h"
#include "util/hex.h"

#define KNOCK_MS 10000
#define OPEN_MS  10000

struct remote {
	struct mp_identity identity;
	const char *node;
	struct mp_client *client;
};

static void
stream_config(struct mp_stream_config *out, const struct remote *r)
{
	*out = (struct mp_stream_config){
		.alloc = r->client->alloc,
		.secret = r->identity.secret,
		.static_key = r->identity.who.xkey,
		.cluster = r->identity.cluster,
	};
}

/* ---- being admitted ---- */

static int
on_greeting(void *ctx, struct mp_span says, const struct mp_xkey *xkey, struct mp_error *err)
{
	struct remote *r = ctx;
	struct mp_cluster_id cluster;
	struct mp_cbor_r c;

	(void)xkey;
	mp_cbor_r_init(&c, says);
	mp_cbor_r_array_exact(&c, 1);
	mp_cbor_r_fixed(&c, cluster.b, sizeof(cluster.b));
	if (mp_cbor_r_end(&c) != 0)
		return mp_fail(err, MP_EFORMAT, "its greeting makes no sense");
	return mp_identity_pin(&r->identity, &cluster, err);
}

static int
not_admitted(const struct remote *r, const char *why, struct mp_error *err)
{
	char id[MP_HEX_SIZE(32)], cluster[MP_HEX_SIZE(8)];

	mp_hex(id, r->identity.who.id.b, 32);
	mp_hex(cluster, r->identity.cluster.b, 8);
	return mp_fail(err, MP_EAUTH,
		"this identity %s in cluster %s...; where its authority key is, run: mpctl admit "
		"%s --role observe (or submit, or admin), then try again",
		why, cluster, id);
}

/* Is there a token for us? */
static int
knock(struct remote *r, const char *why, struct mp_error *err)
{
	struct mp_stream stream = {
		.fd = -1, .deadline_ms = mp_stream_now_ms() + KNOCK_MS, .stop = r->client->stop};
	struct mp_stream_config config;
	struct mp_span answer, payload, token = mp_span(NULL, 0);
	int rc;

	stream_config(&config, r);
	config.knock = true;
	config.proof = mp_buf_span(&r->identity.request);
	config.check = on_greeting;
	config.ctx = r;
	rc = mp_stream_open(&stream, &config, r->node, err);
	if (rc != 0)
		return rc;
	rc = mp_stream_receive(&stream, &answer, err);
	if (rc == 0)
		rc = mp_ctl_answer_decode(answer, &payload, err);
	if (rc == 0 && mp_ctl_knocked_decode(payload, &token) != 0)
		rc = mp_fail(err, MP_EFORMAT, "the node's answer makes no sense");
	if (rc == 0)
		rc = token.n > 0 ? mp_identity_accept(&r->identity, token, err)
				 : not_admitted(r, why, err);
	mp_stream_close(&stream);
	return rc;
}

/* ---- a stream ---- */

/* It must be a node of our cluster that proved the key in its certificate. */
static int
on_node(void *ctx, struct mp_span says, const struct mp_xkey *xkey, struct mp_error *err)
{
	struct remote *r = ctx;
	struct mp_trust trust = {.crypto = &mp_crypto_sodium, .cluster = r->identity.cluster};
	struct mp_credential c;
	struct mp_span bytes;
	struct mp_cbor_r p;
	int rc;

	mp_cbor_r_init(&p, says);
	mp_cbor_r_array_exact(&p, 2);
	(void)mp_cbor_r_uint(&p, UINT64_MAX);
	bytes = mp_cbor_r_bytes(&p, MP_CREDENTIAL_MAX);
	rc = mp_cbor_r_end(&p);
	if (rc != 0)
		return mp_fail(err, rc, "malformed greeting");
	rc = mp_credential_verify(&trust, bytes, &c, err);
	if (rc != 0)
		return rc;
	if (c.standing == MP_STANDING_JOINER || (c.cert.roles & MP_ROLE_NODE) == 0 ||
		memcmp(c.cert.xkey.b, xkey->b, sizeof(xkey->b)) != 0)
		return mp_fail(err, MP_EAUTH, "what answers there is no node of this cluster");
	return 0;
}

static int
connect_as(struct remote *r, struct mp_error *err)
{
	struct mp_client *c = r->client;
	struct mp_stream_config config;
	struct mp_cbor_w w;
	struct mp_buf proof;
	int rc;

	mp_buf_init(&proof, c->alloc, MP_HANDSHAKE_MAX);
	mp_cbor_w_init(&w, &proof);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_STREAM_CLASS_CLIENT);
	mp_cbor_w_span(&w, mp_buf_span(&r->identity.credential));
	stream_config(&config, r);
	config.proof = mp_buf_span(&proof);
	config.check = on_node;
	config.ctx = r;
	c->stream.deadline_ms = mp_stream_now_ms() + OPEN_MS;
	c->stream.stop = c->stop;
	rc = w.rc != 0 ? mp_fail(err, w.rc, "greeting: %s", mp_strerror(w.rc))
		       : mp_stream_open(&c->stream, &config, r->node, err);
	mp_buf_fini(&proof);
	return rc;
}

/* The deadlines so far are ours: no --timeout has passed. */
static int
not_reached(const char *node, struct mp_error *err)
{
	if (strncmp(err->text, node, strlen(node)) != 0)
		(void)mp_wrap(err, "%.200s", node);
	return err->code = MP_EREFUSED;
}

int
mp_client_open_remote(struct mp_client *c, const struct mp_alloc *alloc, const char *node,
	const char *identity, struct mp_error *err)
{
	struct remote r = {.node = node, .client = c};
	int rc;

	*c = (struct mp_client){
		.fd = -1, .alloc = alloc, .deadline_ms = MP_TIME_NEVER, .stream = {.fd = -1}};
	mp_buf_init(&c->in, alloc, MP_MSG_MAX);
	rc = mp_identity_open(&r.identity, alloc, identity, err);
	if (rc != 0)
		return rc;
	if (r.identity.credential.n == 0)
		rc = knock(&r, "is not admitted yet", err);
	else if (r.identity.expires_ms < (mp_time)time(NULL) * 1000)
		rc = knock(&r, "has expired", err);
	if (rc == 0)
		rc = connect_as(&r, err);
	if (rc == MP_EREFUSED || rc == MP_ETIMEOUT)
		rc = not_reached(node, err);
	/* The session borrows the secret. */
	c->secret = r.identity.secret;
	r.identity.secret = NULL;
	mp_identity_close(&r.identity);
	c->remote = rc == 0;
	c->fresh = true;
	c->fd = c->stream.fd;
	if (rc != 0)
		mp_client_close(c);
	return rc;
}

int
mp_client_exchange_remote(
	struct mp_client *c, struct mp_span request, struct mp_span *answer, struct mp_error *err)
{
	int rc;

	c->stream.deadline_ms = c->deadline_ms;
	c->stream.stop = c->stop;
	rc = mp_stream_send(&c->stream, request, err);
	if (rc == 0)
		rc = mp_stream_receive(&c->stream, answer, err);
	if (rc == MP_ECLOSED && c->fresh)
		rc = mp_fail(err, MP_EAUTH,
			"the node does not take this identity: it was revoked, has expired by the "
			"node's clock, or too many clients are there");
	c->fresh = false;
	return rc;
}
