/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters and tokens in the state directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/cbor.h"
#include "codec/record_trust.h"
#include "codec/token.h"
#include "core/drain.h"
#include "core/join.h"
#include "crypto/key.h"
#include "shell/control.h"
#include "shell/heap.h"
#include "shell/signing.h"
#include "shell/state_int.h"
#include "util/hex.h"

/* ---- the credential ---- */

/* Its authority log, empty when it is damaged. */
static struct mp_span
credential_log(const struct mp_state *state)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, mp_span(state->credential, state->credential_size));
	mp_cbor_r_array_exact(&r, 4);
	return mp_cbor_r_item(&r);
}

/* Or MP_ECORRUPT. */
static int
credential_authority(const struct mp_state *state, struct mp_authority *out, struct mp_error *err)
{
	int rc = mp_authority_open(&mp_crypto_sodium, credential_log(state), out, err);

	return rc == 0 || rc == MP_ENOMEM
		       ? rc
		       : mp_fail(err, MP_ECORRUPT, "%s/credential: is damaged", state->dir);
}

int
mp_state_read_credential(struct mp_state *state, struct mp_error *err)
{
	struct mp_authority *authority = calloc(1, sizeof(*authority));
	struct mp_cbor_r r;
	int rc;

	if (authority == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	rc = credential_authority(state, authority, err);
	state->cluster = authority->cluster;
	free(authority);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, mp_span(state->credential, state->credential_size));
	mp_cbor_r_array_exact(&r, 4);
	for (int i = 0; i < 3; i++)
		(void)mp_cbor_r_item(&r);
	/* A joiner's admission comes with the answer of a member, and is kept with the members. */
	state->founder = mp_cbor_r_peek(&r) != MP_CBOR_NULL;
	if (mp_join_credential_name(
		    mp_span(state->credential, state->credential_size), &state->name) != 0)
		return mp_fail(err, MP_ECORRUPT, "%s/credential: is damaged", state->dir);
	return 0;
}

static int
keep_credential(struct mp_state *state, struct mp_span bytes, struct mp_error *err)
{
	int rc = mp_state_write(state, "credential", bytes.p, bytes.n, err);

	if (rc != 0)
		return rc;
	memcpy(state->credential, bytes.p, bytes.n);
	state->credential_size = bytes.n;
	state->has_credential = true;
	state->renamed = false;
	return mp_state_read_credential(state, err);
}

/* ---- founding ---- */

static struct mp_signer
signer_of(const struct mp_secret *secret)
{
	struct mp_signer s = {.secret = secret};

	mp_secret_public(secret, s.key);
	return s;
}

int
mp_state_found(struct mp_state *state, struct mp_error *err)
{
	struct mp_secret *authority = NULL, *inviter = NULL;
	struct mp_genesis genesis = {.xkey = state->xkey,
		.name = mp_span_str(state->name.s),
		.wall_ms = mp_state_wall_ms()};
	struct mp_cluster_id cluster;
	char path[MP_PATH_MAX + 1];
	struct mp_buf buf;
	int rc = mp_key_generate(&authority, MP_KEY_SIGNING);

	mp_buf_init(&buf, &mp_heap, MP_CREDENTIAL_MAX);
	if (rc == 0)
		rc = mp_key_generate(&inviter, MP_KEY_SIGNING);
	if (rc != 0) {
		(void)mp_fail(err, rc, "cannot make keys: %s", mp_strerror(rc));
		goto out;
	}
	genesis.authority = signer_of(authority);
	genesis.inviter = signer_of(inviter);
	genesis.node = signer_of(state->secret);
	mp_key_random(genesis.nonce, sizeof(genesis.nonce));
	rc = mp_trust_genesis(&mp_crypto_sodium, &genesis, &cluster, &buf);
	if (rc != 0) {
		(void)mp_fail(err, rc, "cannot found a cluster: %s", mp_strerror(rc));
		goto out;
	}
	(void)mp_state_path(state, "authority.key", path);
	(void)unlink(path); /* of a founding that was cut short: nothing depends on it */
	rc = mp_key_save(authority, path, err);
	if (rc == 0)
		rc = keep_credential(state, mp_buf_span(&buf), err);
	if (rc == 0)
		mp_state_waited(state);
out:
	mp_secret_free(authority);
	mp_secret_free(inviter);
	mp_buf_fini(&buf);
	return rc;
}

/* ---- whose cluster it is ---- */

struct contents {
	struct mp_node_id self;
	bool member;   /* this node was admitted */
	size_t others; /* members but this node */
	size_t runs;
};

static int
on_row(void *ctx, const struct mp_row *row)
{
	struct contents *found = ctx;
	bool own = mp_span_eq(row->key, mp_span(found->self.b, sizeof(found->self.b)));

	found->member = found->member || (row->table == MP_TABLE_MEMBER && own);
	found->others += row->table == MP_TABLE_MEMBER && !own;
	found->runs += row->table == MP_TABLE_RUN || row->table == MP_TABLE_KNOWN;
	return 0;
}

static void
on_durable(void *ctx, uint64_t seq)
{
	(void)ctx;
	(void)seq;
}

static void
on_health(void *ctx, const struct mp_error *err)
{
	(void)ctx;
	(void)err;
}

/* Opens a control database for as long as `use` takes. Its error, or one of opening or closing. */
static int
with_control(const struct mp_state *state, const char *leaf,
	int (*use)(struct mp_control *control, void *ctx, struct mp_error *err), void *ctx,
	struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	uv_loop_t loop;
	struct mp_control_config config = {
		.path = path, .loop = &loop, .durable = on_durable, .health = on_health};
	struct mp_control *control;
	int rc, closed = 0;

	if (!mp_state_path(state, leaf, path) || uv_loop_init(&loop) != 0)
		return mp_fail(err, MP_EIO, "%s/%s: cannot be opened", state->dir, leaf);
	rc = mp_control_open(&config, &control, err);
	if (rc == 0) {
		rc = use(control, ctx, err);
		closed = mp_control_close(control, NULL, NULL);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
	if (rc == 0 && closed != 0)
		return mp_fail(err, closed, "%s: %s", path, mp_strerror(closed));
	return rc;
}

static int
load_contents(struct mp_control *control, void *ctx, struct mp_error *err)
{
	return mp_control_load(control, on_row, ctx, err);
}

/* What control.db knows; nothing when there is none. */
static int
read_contents(const struct mp_state *state, struct contents *out, struct mp_error *err)
{
	*out = (struct contents){.self = state->id};
	if (faccessat(state->dir_fd, "control.db", F_OK, 0) != 0)
		return 0;
	return with_control(state, "control.db", load_contents, out, err);
}

void
mp_state_short_id(char out[17], const struct mp_cluster_id *cluster)
{
	mp_hex(out, cluster->b, 8);
}

/* May a token of that cluster be taken here? *member: there is nothing to take any more. */
static int
check_cluster(const struct mp_state *state, const struct mp_cluster_id *cluster, bool *member,
	struct mp_error *err)
{
	bool same = mp_cluster_id_eq(cluster, &state->cluster);
	struct contents found;
	char ours[17], theirs[17];
	int rc;

	*member = false;
	if (!state->has_credential)
		return 0;
	rc = read_contents(state, &found, err);
	if (rc != 0)
		return rc;
	*member = same && (found.member || !state->joining);
	if (same || (found.others == 0 && found.runs == 0 && (state->founder || state->joining)))
		return 0;
	mp_state_short_id(ours, &state->cluster);
	mp_state_short_id(theirs, cluster);
	return mp_fail(err, MP_ECLUSTER,
		"%s: belongs to cluster %s, which has %zu other members and %zu runs here; the "
		"token is "
		"of cluster %s; give another directory with --state",
		state->dir, ours, found.others, found.runs, theirs);
}

int
mp_state_is_alone(const struct mp_state *state, bool *alone, struct mp_error *err)
{
	struct contents found = {.others = 0};
	int rc = state->has_credential ? read_contents(state, &found, err) : 0;

	*alone = found.others == 0 && found.runs == 0 &&
		 (!state->has_credential || state->founder || state->joining);
	return rc;
}

/* ---- taking a token ---- */

static bool
seed_is_line(struct mp_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	}
	return s.n > 0 && s.n < MP_STATE_SEED_SIZE;
}

static int
write_seeds(struct mp_state *state, const struct mp_span *seeds, size_t count, struct mp_error *err)
{
	struct mp_buf text;
	int rc = 0;

	mp_buf_init(&text, &mp_heap, MP_STATE_SEEDS_MAX * MP_STATE_SEED_SIZE);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!seed_is_line(seeds[i]))
			rc = mp_fail(err, MP_EINVAL, "seed %.*s: HOST:PORT is expected",
				(int)mp_min_size(seeds[i].n, 64), (const char *)seeds[i].p);
		else if ((rc = mp_buf_append(&text, seeds[i].p, seeds[i].n)) != 0 ||
			 (rc = mp_buf_append(&text, "\n", 1)) != 0)
			(void)mp_fail(err, rc, "seeds: %s", mp_strerror(rc));
	}
	if (rc == 0)
		rc = mp_state_write(state, "joining", text.p, text.n, err);
	mp_buf_fini(&text);
	if (rc != 0)
		return rc;
	state->seed_count = mp_min_size(count, MP_STATE_SEEDS_MAX);
	for (size_t i = 0; i < state->seed_count; i++) {
		memcpy(state->seeds[i], seeds[i].p, seeds[i].n);
		state->seeds[i][seeds[i].n] = '\0';
	}
	return 0;
}

int
mp_state_set_seeds(
	struct mp_state *state, const char *const *seeds, size_t seed_count, struct mp_error *err)
{
	struct mp_span spans[MP_STATE_SEEDS_MAX];

	if (seed_count > MP_STATE_SEEDS_MAX)
		return mp_fail(err, MP_EINVAL, "at most %d seeds", MP_STATE_SEEDS_MAX);
	for (size_t i = 0; i < seed_count; i++)
		spans[i] = mp_span_str(seeds[i]);
	return write_seeds(state, spans, seed_count, err);
}

void
mp_state_keep_joined(const struct mp_state *state)
{
	mp_state_remove(state, "joining");
}

static int
token_credential(const struct mp_state *state, const struct mp_token *token, struct mp_buf *out,
	struct mp_error *err)
{
	struct mp_join_request request = {.log = token->log,
		.invite = token->invite_bytes,
		.xkey = state->xkey,
		.name = mp_span_str(state->name.s),
		.roles = token->invite.roles,
		.serial = 1,
		.wall_ms = mp_state_wall_ms()};
	struct mp_secret *inviter = NULL;
	int rc = mp_secret_from_bytes(&inviter, token->seed, NULL);

	if (rc != 0)
		return mp_fail(err, rc, "token: %s", mp_strerror(rc));
	request.inviter = signer_of(inviter);
	request.node = signer_of(state->secret);
	rc = mp_trust_join(&mp_crypto_sodium, &request, out, err);
	mp_secret_free(inviter);
	return rc;
}

/* The credential says which cluster it is: what is of another one goes before it comes, and is
 * not missed if it never does. The authority key goes last. */
static int
token_take(struct mp_state *state, const struct mp_token *token, const char *const *seeds,
	size_t seed_count, struct mp_error *err)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &mp_heap, MP_CREDENTIAL_MAX);
	rc = token_credential(state, token, &buf, err);
	if (rc == 0 && seed_count > 0)
		rc = mp_state_set_seeds(state, seeds, seed_count, err);
	else if (rc == 0)
		rc = write_seeds(state, token->invite.seeds, token->invite.seed_count, err);
	if (rc == 0 && !mp_cluster_id_eq(&state->cluster, &token->authority.cluster)) {
		mp_state_remove(state, "control.db");
		mp_state_remove(state, "control.db-wal");
		mp_state_remove(state, "control.db-shm");
	}
	if (rc == 0)
		rc = keep_credential(state, mp_buf_span(&buf), err);
	if (rc == 0) {
		state->joining = true;
		mp_state_waited(state);
		mp_state_remove(state, "authority.key");
	}
	mp_buf_fini(&buf);
	return rc;
}

int
mp_state_take_token(struct mp_state *state, struct mp_span text, const char *const *seeds,
	size_t seed_count, struct mp_error *err)
{
	struct mp_token *token = calloc(1, sizeof(*token));
	bool member = false;
	struct mp_buf bytes;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, &mp_heap, MP_TOKEN_MAX);
	rc = mp_token_decode(&mp_crypto_sodium, text, &bytes, token, err);
	if (rc == 0)
		rc = mp_state_check_pin(state, &token->authority.cluster, err);
	if (rc == 0)
		rc = check_cluster(state, &token->authority.cluster, &member, err);
	if (rc == 0 && member) {
		mp_state_keep_joined(state);
		state->joining = false;
		mp_state_waited(state);
	} else if (rc == 0) {
		rc = mp_invite_check_time(&token->invite, mp_state_wall_ms(), err);
		if (rc == 0)
			rc = token_take(state, token, seeds, seed_count, err);
	}
	if (bytes.p != NULL)
		mp_crypto_sodium.wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	mp_crypto_sodium.wipe(token, sizeof(*token));
	free(token);
	return rc;
}

/* ---- what the authority signs ---- */

/* The key that is kept here; *secret is owned, and borrowed by *by. */
static int
authority_load(const struct mp_state *state, struct mp_span log, struct mp_signing *by,
	struct mp_secret **secret, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	int rc;

	(void)mp_state_path(state, "authority.key", path);
	rc = mp_key_load(secret, MP_KEY_SIGNING, path, err);
	if (rc == MP_ENOENT)
		return mp_fail(err, MP_EAUTH,
			"no authority key is kept on this node; ask where one is, as on the node "
			"that founded the cluster, or give its file with --authority");
	if (rc == 0)
		*by = (struct mp_signing){.signer = signer_of(*secret),
			.log = log.n > 0 ? log : credential_log(state),
			.wall_ms = mp_state_wall_ms()};
	return rc;
}

int
mp_state_sign_takeover(const struct mp_state *state, struct mp_span log, struct mp_span takeover,
	struct mp_buf *out, struct mp_sig *sig, struct mp_error *err)
{
	struct mp_secret *secret = NULL;
	struct mp_signing by;
	int rc = authority_load(state, log, &by, &secret, err);

	if (rc == 0)
		rc = mp_signing_takeover(&by, takeover, out, sig, err);
	mp_secret_free(secret);
	return rc;
}

int
mp_state_invite(const struct mp_state *state, struct mp_span log, uint32_t roles, mp_time valid_ms,
	const char *const *seeds, size_t seed_count, struct mp_buf *text, struct mp_error *err)
{
	struct mp_secret *secret = NULL;
	struct mp_signing by;
	int rc = authority_load(state, log, &by, &secret, err);

	if (rc == 0)
		rc = mp_signing_invite(&by, roles, valid_ms, seeds, seed_count, text, err);
	mp_secret_free(secret);
	return rc;
}

int
mp_state_admit(const struct mp_state *state, struct mp_span log, struct mp_span request,
	uint32_t roles, mp_time valid_ms, struct mp_buf *text, struct mp_error *err)
{
	struct mp_secret *secret = NULL;
	struct mp_signing by;
	int rc = authority_load(state, log, &by, &secret, err);

	if (rc == 0)
		rc = mp_signing_admit(&by, request, roles, valid_ms, text, err);
	mp_secret_free(secret);
	return rc;
}

/* ---- coming back ---- */

/* The next control.db, until the one before is out of its way. */
#define NEXT_DB "control.db.next"

static int
on_drain(void *ctx, const struct mp_row *row)
{
	return mp_buf_append(ctx, row->value.p, row->value.n);
}

static int
put_drain(struct mp_control *control, void *ctx, struct mp_error *err)
{
	struct mp_row row = {.op = MP_ROW_PUT,
		.table = MP_TABLE_META,
		.key = mp_span_str(MP_DRAIN_KEY),
		.value = mp_buf_span(ctx)};
	int rc = mp_control_write(control, 1, &row, 1);

	return rc != 0 ? mp_fail(err, rc, "%s", mp_strerror(rc)) : 0;
}

static void
remove_next(const struct mp_state *state)
{
	mp_state_remove(state, NEXT_DB);
	mp_state_remove(state, NEXT_DB "-wal");
	mp_state_remove(state, NEXT_DB "-shm");
}

/* Of all that control.db knows one thing is good for the next one: that somebody took this node out
 * of work. What was begun before a crash is kept when the old one is out of the way already. */
static int
carry_drain(const struct mp_state *state, enum mp_state_drain *drain, struct mp_error *err)
{
	static const uint8_t end[] = MP_DRAIN_KEY; /* with its NUL: just behind the key */
	struct mp_error why = {0};
	char path[MP_PATH_MAX + 1];
	struct mp_buf value;
	int rc;

	*drain = MP_STATE_DRAIN_UNKNOWN;
	if (faccessat(state->dir_fd, "control.db", F_OK, 0) != 0) {
		if (faccessat(state->dir_fd, NEXT_DB, F_OK, 0) == 0)
			*drain = MP_STATE_DRAINS;
		return 0;
	}
	remove_next(state);
	if (!mp_state_path(state, "control.db", path))
		return mp_fail(err, MP_ELIMIT, "%s: path too long", state->dir);
	mp_buf_init(&value, &mp_heap, MP_DRAIN_VALUE_MAX);
	rc = mp_control_read_file(path, MP_TABLE_META, mp_span_str(MP_DRAIN_KEY),
		mp_span(end, sizeof(end)), on_drain, &value, &why);
	if (rc == 0)
		*drain = value.n > 0 ? MP_STATE_DRAINS : MP_STATE_DRAINS_NOT;
	rc = *drain == MP_STATE_DRAINS ? with_control(state, NEXT_DB, put_drain, &value, err) : 0;
	mp_buf_fini(&value);
	return rc;
}

static int
set_aside(const struct mp_state *state, const char *aside, struct mp_error *err)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char from[64], to[80];

	for (size_t i = 0; i < mp_countof(ends); i++) {
		(void)snprintf(from, sizeof(from), "control.db%s", ends[i]);
		(void)snprintf(to, sizeof(to), "%s%s", aside, ends[i]);
		if (renameat(state->dir_fd, from, state->dir_fd, to) != 0 && errno != ENOENT)
			return mp_fail(err, MP_EIO, "%s/%s: cannot be set aside: %s", state->dir,
				from, strerror(errno));
	}
	if (renameat(state->dir_fd, NEXT_DB, state->dir_fd, "control.db") != 0 && errno != ENOENT)
		return mp_fail(err, MP_EIO, "%s/" NEXT_DB ": %s", state->dir, strerror(errno));
	return 0;
}

int
mp_state_return(struct mp_state *state, const char *const *seeds, size_t seed_count,
	mp_time wall_ms, struct mp_state_back *back, struct mp_error *err)
{
	char text[32];
	int rc;

	if (!state->has_credential || seed_count == 0)
		return mp_fail(err, MP_EINVAL,
			"--again: for a node that was a member, with the address of another one");
	(void)snprintf(text, sizeof(text), "%lld", (long long)wall_ms);
	(void)snprintf(back->aside, sizeof(back->aside), "control.db.lost-%s", text);
	rc = carry_drain(state, &back->drain, err);
	if (rc == 0)
		rc = mp_state_write(state, "returned", text, strlen(text), err);
	if (rc == 0)
		rc = mp_state_set_seeds(state, seeds, seed_count, err);
	if (rc == 0)
		rc = set_aside(state, back->aside, err);
	if (rc != 0)
		return rc;
	(void)fsync(state->dir_fd);
	state->returned_ms = wall_ms;
	state->founder = false;
	state->joining = true;
	return 0;
}
