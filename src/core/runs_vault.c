/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets of runs of which this node is an elector or the mirror: vault.h has the picture. */
#include "core/mutant.h"
#include "core/runs_int.h"
#include "core/vault.h"

/* A leader without them asks the other electors so often. */
#define ASK_MS 2000

/* ---- on this disk ---- */

static void
vault_put(struct mp_env *env, const struct known *k)
{
	mp_out_put(env->out, MP_TABLE_SECRET, mp_span(k->id.b, sizeof(k->id.b)),
		mp_buf_span(&k->sealed));
}

void
vault_drop(struct mp_env *env, struct known *k)
{
	if (k->sealed.n == 0 || MP_MUTANT(SECRETS_KEPT))
		return;
	mp_buf_fini(&k->sealed);
	mp_out_delete(env->out, MP_TABLE_SECRET, mp_span(k->id.b, sizeof(k->id.b)));
}

void
mp_runs_purge(struct mp_runs *runs, struct mp_env *env)
{
	for (struct known *k = runs->known; k != NULL; k = k->next)
		vault_drop(env, k);
}

int
vault_restore(struct mp_runs *runs, const struct mp_row *row)
{
	struct mp_run_id id;
	struct known *k;

	if (row->key.n != sizeof(id.b) || row->value.n == 0)
		return MP_ECORRUPT;
	memcpy(id.b, row->key.p, sizeof(id.b));
	k = known_find(runs, &id);
	if (k != NULL && !k->ended)
		return mp_buf_append(&k->sealed, row->value.p, row->value.n);
	if (runs->stray_count < mp_countof(runs->strays))
		runs->strays[runs->stray_count++] = id;
	return 0;
}

void
vault_start(struct mp_runs *runs, struct mp_env *env)
{
	for (size_t i = 0; i < runs->stray_count; i++)
		mp_out_delete(env->out, MP_TABLE_SECRET,
			mp_span(runs->strays[i].b, sizeof(runs->strays[i].b)));
	runs->stray_count = 0;
}

/* ---- taking ---- */

/* Signed, and of this run. */
static int
sealed_read(struct mp_env *env, const struct known *k, struct mp_span bytes, struct mp_sealed *out)
{
	int rc = mp_sealed_open(env->crypto, bytes, out);

	if (rc != 0)
		return rc;
	return mp_run_id_eq(&out->run, &k->id) &&
			       memcmp(out->cluster.b, env->cluster.b, sizeof(out->cluster.b)) == 0
		       ? 0
		       : MP_EAUTH;
}

/* Others take what it signed. What is on this disk was taken when it was a member, and stays good
 * when it is shut out: the values are the submitter's. */
static bool
signer_counts(const struct mp_runs *runs, const struct mp_sealed *sealed)
{
	const struct mp_member *m = mp_roster_find(runs->parts.roster, &sealed->signer);

	return m != NULL && !m->revoked && (m->roles & MP_ROLE_NODE) != 0;
}

int
vault_take(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span bytes)
{
	struct mp_sealed sealed, ours;
	struct mp_buf copy;
	int rc;

	if (bytes.n == 0 || k->ended)
		return 0;
	rc = sealed_read(env, k, bytes, &sealed);
	if (rc == 0 && !signer_counts(runs, &sealed))
		rc = MP_EAUTH;
	if (rc != 0)
		return rc;
	/* What came first stays, unless this node cannot open it. */
	if (k->sealed.n > 0 && ((sealed_read(env, k, mp_buf_span(&k->sealed), &ours) == 0 &&
					mp_sealed_has(&ours, &env->self)) ||
				       !mp_sealed_has(&sealed, &env->self)))
		return MP_EEXIST;
	mp_buf_init(&copy, runs->alloc, MP_SEALED_MAX + 128);
	rc = mp_buf_append(&copy, bytes.p, bytes.n);
	if (rc != 0)
		return rc;
	mp_buf_fini(&k->sealed);
	k->sealed = copy;
	vault_put(env, k);
	return 0;
}

/* ---- leading ---- */

/* The values in clear, while this node leads. True when they are there, or none are needed. */
static bool
vault_open(struct mp_env *env, struct mp_run_box *box)
{
	const struct known *k = box->known;
	struct mp_sealed sealed;
	struct mp_error err;

	if (box->graph->secrets.n == 0 || box->secrets.n > 0)
		return true;
	if (k->sealed.n == 0 || sealed_read(env, k, mp_buf_span(&k->sealed), &sealed) != 0 ||
		mp_sealed_values(env->crypto, env->secret, &sealed, &env->self, &box->secrets) != 0)
		return false;
	if (mp_vault_check(&box->graph->secrets, mp_buf_span(&box->secrets), &err) == 0)
		return true;
	vault_close(box);
	return false;
}

void
vault_close(struct mp_run_box *box)
{
	mp_buf_wipe(&box->secrets);
	mp_buf_fini(&box->secrets);
}

static void
vault_send(struct mp_env *env, const struct mp_node_id *to, const struct known *k, bool ask)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	runs_send(env, to, buf,
		mp_msg_run_secrets_encode(
			buf, &k->id, ask ? mp_span(NULL, 0) : mp_buf_span(&k->sealed)));
}

/* To all other electors, and the mirror. */
static void
vault_spread(struct mp_env *env, const struct known *k, bool ask)
{
	const struct mp_electorate *who = &k->rec.now;

	for (uint32_t i = 0; i < who->elector_count; i++) {
		if (!mp_node_id_eq(&who->electors[i], &env->self))
			vault_send(env, &who->electors[i], k, ask);
	}
	if (who->mirrored && !mp_node_id_eq(&who->mirror, &env->self))
		vault_send(env, &who->mirror, k, ask);
}

void
vault_step(struct mp_env *env, struct mp_run_box *box)
{
	if (box->lead == NULL || box->ended || box->graph->secrets.n == 0 || box->secrets.n > 0)
		return;
	if (vault_open(env, box)) {
		mp_lead_secrets(box->lead);
		return;
	}
	if (env->now_ms >= box->vault_ms) {
		box->vault_ms = env->now_ms + ASK_MS;
		vault_spread(env, box->known, true);
	}
	if (box->vault_ms < box->retry_ms)
		box->retry_ms = box->vault_ms;
}

/* ---- between electors ---- */

/* Sealed to all electors of today, in the place of what was for others. */
static int
vault_reseal(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span values)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, runs->alloc, MP_SEALED_MAX + 128);
	rc = mp_vault_seal(env, runs->parts.roster, &k->rec.now, values, &buf);
	if (rc != 0) {
		mp_buf_fini(&buf);
		return rc;
	}
	mp_buf_fini(&k->sealed);
	k->sealed = buf;
	vault_put(env, k);
	return 0;
}

/* One that leads has none: it gets what is sealed to it. */
static int
vault_asked(
	struct mp_runs *runs, struct mp_env *env, struct known *k, const struct mp_node_id *from)
{
	struct mp_run_box *box = k->box;
	bool had = box->secrets.n > 0;
	struct mp_sealed sealed;
	int rc = 0;

	if (k->sealed.n == 0 || k->ended)
		return MP_ENOENT;
	if (sealed_read(env, k, mp_buf_span(&k->sealed), &sealed) != 0 ||
		!signer_counts(runs, &sealed) || !mp_sealed_has(&sealed, from)) {
		rc = box->graph->secrets.n > 0 && vault_open(env, box) ? 0 : MP_ENOENT;
		if (rc == 0)
			rc = vault_reseal(runs, env, k, mp_buf_span(&box->secrets));
		if (!had)
			vault_close(box);
	}
	if (rc == 0)
		vault_send(env, from, k, false);
	return rc;
}

int
vault_on_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_span sealed;
	struct mp_run_id run;
	struct known *k;
	int rc = mp_msg_run_secrets_decode(bytes, &run, &sealed);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k == NULL || k->box == NULL || k->box->broken || k->box->loading)
		return MP_ENOENT;
	if (!mp_electorate_has(&k->rec.now, from) || !mp_electorate_has(&k->rec.now, &env->self))
		return MP_EAUTH;
	if (sealed.n == 0)
		return vault_asked(runs, env, k, from);
	rc = vault_take(runs, env, k, sealed);
	return rc == MP_EEXIST ? 0 : rc;
}

/* ---- the submitter is asked again ---- */

static int
vault_leader(const struct mp_runs *runs, const struct mp_run_id *run, struct mp_run_box **box)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL)
		return MP_ENOENT;
	*box = k->box;
	return k->box == NULL || k->box->lead == NULL || k->ended ? MP_ENOTLEADER : 0;
}

int
mp_runs_lacks(const struct mp_runs *runs, const struct mp_run_id *run, struct mp_names_list *names)
{
	struct mp_run_box *box;
	int rc = vault_leader(runs, run, &box);

	*names = (struct mp_names_list){.n = 0};
	if (rc == 0 && box->secrets.n == 0)
		*names = box->graph->secrets;
	return rc;
}

int
mp_runs_give(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_span values, struct mp_error *err)
{
	struct mp_run_box *box;
	int rc = vault_leader(runs, run, &box);

	if (rc != 0)
		return rc;
	if (box->secrets.n > 0 || box->graph->secrets.n == 0)
		return mp_fail(err, MP_EEXIST, "the run lacks no secrets");
	rc = mp_vault_check(&box->graph->secrets, values, err);
	if (rc != 0)
		return rc;
	rc = vault_reseal(runs, env, box->known, values);
	if (rc != 0)
		return mp_fail(err, rc, "seal secrets: %s", mp_strerror(rc));
	vault_spread(env, box->known, false);
	vault_step(env, box);
	return 0;
}
