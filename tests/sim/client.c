/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: each request is one of these, and each is to be answered once. */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/manifest.h"
#include "codec/msg_ctl.h"
#include "codec/record_cert.h"
#include "codec/record_run.h"
#include "mp/pipeline.h"

#define OPEN_MAX 64

struct request {
	uint64_t number; /* 0: free */
	uint32_t host;
	enum mp_ctl_number what;
	uint32_t run; /* SUBMIT, CANCEL, WAIT: which one; DRAIN: 1 on, 0 off */
	sim_time asked;
	struct sim_word word; /* RESOLVE */
};

struct sim_client {
	struct request open[OPEN_MAX];
	uint64_t numbers;
	bool acknowledged[SIM_RUNS_MAX];
	struct mp_run_id runs[SIM_RUNS_MAX];
};

struct sim_client *
sim_client_new(struct sim *sim)
{
	struct sim_client *client = calloc(1, sizeof(*client));

	(void)sim;
	mp_assert(client != NULL);
	return client;
}

void
sim_client_free(struct sim_client *client)
{
	free(client);
}

/* NULL: too many are open. */
static struct request *
client_ask(struct sim_host *host, enum mp_ctl_number what, uint32_t run, struct mp_span bytes)
{
	struct sim_client *client = host->sim->client;
	struct mp_event ev = {.kind = MP_EV_CONTROL};

	for (size_t i = 0; i < OPEN_MAX; i++) {
		struct request *r = &client->open[i];

		if (r->number != 0)
			continue;
		*r = (struct request){.number = ++client->numbers,
			.host = host->index,
			.what = what,
			.run = run,
			.asked = host->sim->now};
		ev.u.control.request = r->number;
		ev.u.control.bytes = bytes;
		sim_deliver(host, host->sim->now, &ev);
		return r;
	}
	return NULL;
}

/* ---- submitting ---- */

static void
pipeline_cbor(struct sim *sim, uint32_t run_number, struct mp_buf *out)
{
	struct mp_pipeline *pipeline;
	struct mp_diags diags;
	struct mp_buf yaml;

	mp_buf_init(&yaml, &sim->alloc, 1 << 20);
	sim_plan_pipeline(sim, run_number, &yaml);
	mp_diags_init(&diags, &sim->alloc, "sim.yaml");
	if (mp_pipeline_parse("sim.yaml", mp_buf_span(&yaml), &sim->alloc, &pipeline, &diags) !=
		0) {
		char line[MP_DIAG_LINE_MAX] = "";

		if (diags.n > 0)
			mp_diags_format(&diags, 0, line);
		(void)fprintf(stderr, "%s\n%.*s", line, (int)yaml.n, (const char *)yaml.p);
		mp_unreachable();
	}
	mp_assert(mp_pipeline_encode(pipeline, out) == 0);
	mp_pipeline_free(pipeline);
	mp_diags_fini(&diags);
	mp_buf_fini(&yaml);
}

static struct mp_hash
put_inputs(struct sim_host *host, uint32_t run_number)
{
	struct sim_input inputs[2];
	struct mp_file files[2] = {0};
	struct mp_hash digest;
	struct mp_buf buf;

	sim_model_inputs(host->sim, run_number, inputs);
	for (size_t i = 0; i < 2; i++) {
		struct mp_span text = mp_span_str(inputs[i].text);

		files[i].path = mp_span_str(inputs[i].path);
		files[i].size = text.n;
		files[i].digest = sim_blob_put(host, text, false);
	}
	mp_buf_init(&buf, &host->sim->alloc, 4096);
	mp_assert(mp_manifest_encode(&buf, files, 2, NULL) == 0);
	digest = sim_blob_put(host, mp_buf_span(&buf), false);
	mp_buf_fini(&buf);
	return digest;
}

void
sim_client_submit(struct sim_host *host, uint32_t run_number)
{
	struct sim *sim = host->sim;
	struct mp_hash inputs = {{0}};
	struct mp_buf cbor, bytes, secrets;

	mp_assert(run_number < SIM_RUNS_MAX);
	mp_buf_init(&cbor, &sim->alloc, 1 << 20);
	mp_buf_init(&bytes, &sim->alloc, 1 << 20);
	mp_buf_init(&secrets, &sim->alloc, 4096);
	if (sim->plan.secrets)
		sim_secrets(run_number, &secrets);
	pipeline_cbor(sim, run_number, &cbor);
	if (sim->plan.inputs)
		inputs = put_inputs(host, run_number);
	mp_assert(mp_ctl_submit_encode(&bytes, mp_buf_span(&cbor), NULL, 0,
			  sim->plan.inputs ? &inputs : NULL, NULL, mp_buf_span(&secrets)) == 0);
	sim_trace(sim, host, "submit run %" PRIu32, run_number);
	mp_assert(client_ask(host, MP_CTL_SUBMIT, run_number, mp_buf_span(&bytes)) != NULL);
	mp_buf_fini(&cbor);
	mp_buf_fini(&bytes);
	mp_buf_fini(&secrets);
}

/* ---- the rest ---- */

static void
run_hex(const struct mp_run_id *id, char text[2 * sizeof(id->b) + 1])
{
	for (size_t i = 0; i < sizeof(id->b); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", id->b[i]);
}

bool
sim_client_cancel(struct sim_host *host, uint32_t run_number)
{
	struct sim *sim = host->sim;
	char hex[2 * sizeof(struct mp_run_id) + 1];
	struct mp_buf bytes;

	if (!sim->client->acknowledged[run_number])
		return false;
	run_hex(&sim->client->runs[run_number], hex);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	mp_assert(mp_ctl_cancel_encode(&bytes, hex, "somebody") == 0);
	sim_trace(sim, host, "cancel run %" PRIu32, run_number);
	(void)client_ask(host, MP_CTL_CANCEL, run_number, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
	return true;
}

void
sim_client_leave(struct sim_host *host)
{
	struct mp_buf bytes;

	mp_buf_init(&bytes, &host->sim->alloc, 64);
	mp_assert(mp_ctl_simple_encode(&bytes, MP_CTL_LEAVE, NULL) == 0);
	sim_trace(host->sim, host, "leave");
	(void)client_ask(host, MP_CTL_LEAVE, 0, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
}

void
sim_client_resolve(
	struct sim_host *host, const struct sim_word *word, const char *module, bool rerun)
{
	struct request *r;
	struct sim *sim = host->sim;
	char hex[2 * sizeof(struct mp_run_id) + 1];
	struct mp_buf bytes;

	run_hex(&word->run, hex);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	mp_assert(mp_ctl_resolve_encode(&bytes, hex, module, rerun, "somebody") == 0);
	sim_trace(sim, host, "resolve %s: %s", module, rerun ? "rerun" : "done");
	r = client_ask(host, MP_CTL_RESOLVE, 0, mp_buf_span(&bytes));
	if (r != NULL)
		r->word = *word;
	mp_buf_fini(&bytes);
}

void
sim_client_trust(struct sim_host *host, struct mp_span bytes)
{
	(void)client_ask(host, MP_CTL_TRUST, 0, bytes);
}

bool
sim_client_drain(struct sim_host *host, bool on)
{
	const struct request *open = host->sim->client->open;
	struct mp_buf bytes;
	char name[16];

	for (size_t i = 0; i < OPEN_MAX; i++) {
		if (open[i].number != 0 && open[i].host == host->index &&
			open[i].what == MP_CTL_DRAIN)
			return false;
	}
	(void)snprintf(name, sizeof(name), "n%" PRIu32, host->index);
	mp_buf_init(&bytes, &host->sim->alloc, 256);
	mp_assert(mp_ctl_drain_encode(&bytes, name, on, "somebody") == 0);
	sim_trace(host->sim, host, on ? "drain" : "undrain");
	(void)client_ask(host, MP_CTL_DRAIN, on, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
	return true;
}

#define STRANGERS 5

/* One that has no invite knocks, or somebody asks who has. */
static void
client_stranger(struct sim_host *host)
{
	struct sim *sim = host->sim;
	uint64_t which = sim->client->numbers / 4 % STRANGERS;
	struct mp_request q = {.name = {"stranger"}};
	struct mp_addr addr = {.ip = {7}, .port = 7};
	struct mp_signer self = {.secret = NULL};
	enum mp_ctl_number what = MP_CTL_KNOCK;
	struct mp_buf record, bytes;
	struct mp_secret *secret;

	mp_buf_init(&record, &sim->alloc, 4096);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	secret = sim_secret_new(2000000 + which, &q.id, &q.xkey);
	self.secret = secret;
	memcpy(self.key, q.id.b, sizeof(self.key));
	if (mp_rng_below(&sim->rng, 2) == 0) {
		what = MP_CTL_PENDING;
		mp_assert(mp_ctl_simple_encode(&bytes, what, NULL) == 0);
	} else {
		mp_assert(mp_request_sign(&sim_crypto, &q, &self, &record) == 0);
		mp_assert(mp_ctl_knock_encode(&bytes, mp_buf_span(&record), &addr) == 0);
	}
	(void)client_ask(host, what, 0, mp_buf_span(&bytes));
	sim_secret_free(secret);
	mp_buf_fini(&record);
	mp_buf_fini(&bytes);
}

/* ---- taking over ---- */

void
sim_client_takeover(struct sim_host *host, uint32_t run_number)
{
	struct sim *sim = host->sim;
	char hex[2 * sizeof(struct mp_run_id) + 1];
	struct mp_buf bytes;

	run_hex(&sim->client->runs[run_number], hex);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	mp_assert(mp_ctl_simple_encode(&bytes, MP_CTL_TAKEOVER, hex) == 0);
	sim_trace(sim, host, "take over run %" PRIu32, run_number);
	(void)client_ask(host, MP_CTL_TAKEOVER, run_number, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
}

/* What the node proposes is signed, and goes back to it. */
static void
takeover_sign(struct sim_host *host, uint32_t run_number, struct mp_span payload)
{
	struct sim *sim = host->sim;
	struct mp_buf record, bytes;
	struct mp_takeover t;
	struct mp_cbor_r r;
	struct mp_span proposed;
	struct mp_sig sig;

	mp_cbor_r_init(&r, payload);
	proposed = mp_cbor_r_bytes(&r, MP_CTL_TAKEOVER_MAX);
	if (mp_cbor_r_end(&r) != 0 || mp_takeover_decode(proposed, &t) != 0) {
		sim_fail(sim, "host %" PRIu32 " proposes no takeover", host->index);
		return;
	}
	mp_buf_init(&record, &sim->alloc, MP_TAKEOVER_MAX);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	sim_trust_take_over(sim, &t, &record, &sig);
	mp_assert(mp_ctl_take_encode(&bytes, mp_buf_span(&record), &sig) == 0);
	(void)client_ask(host, MP_CTL_TAKE, run_number, mp_buf_span(&bytes));
	mp_buf_fini(&record);
	mp_buf_fini(&bytes);
}

void
sim_client_look(struct sim_host *host)
{
	static const enum mp_ctl_number kinds[] = {
		MP_CTL_RUNS, MP_CTL_NODES, MP_CTL_SHOW, MP_CTL_WAIT};
	struct sim *sim = host->sim;
	enum mp_ctl_number what = kinds[mp_rng_below(&sim->rng, mp_countof(kinds))];
	uint32_t run = (uint32_t)mp_rng_below(&sim->rng, sim->plan.runs + 1);
	char hex[2 * sizeof(struct mp_run_id) + 1];
	struct mp_buf bytes;
	int rc = 0;

	if (sim->client->numbers % 4 == 3) {
		client_stranger(host);
		return;
	}
	if ((what == MP_CTL_SHOW || what == MP_CTL_WAIT) && !sim->client->acknowledged[run])
		what = MP_CTL_RUNS;
	run_hex(&sim->client->runs[run], hex);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	if (what == MP_CTL_RUNS)
		rc = mp_ctl_simple_encode(&bytes, what, NULL);
	else if (what == MP_CTL_WAIT)
		rc = mp_ctl_simple_encode(&bytes, what, hex);
	else
		rc = mp_ctl_page_encode(&bytes, what, what == MP_CTL_SHOW ? hex : NULL, 0, 1000);
	mp_assert(rc == 0);
	(void)client_ask(host, what, run, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
}

/* ---- answers ---- */

static void
submitted(struct sim_host *host, uint32_t run_number, int rc, struct mp_span payload,
	const struct mp_error *err)
{
	struct sim *sim = host->sim;
	struct sim_client *client = sim->client;

	if (rc != 0 || mp_ctl_submitted_decode(payload, &client->runs[run_number]) != 0) {
		sim->sometimes[SIM_REFUSED]++;
		sim_trace(
			sim, host, "submission %" PRIu32 " is refused: %s", run_number, err->text);
		return;
	}
	client->acknowledged[run_number] = true;
	sim_check_acknowledged(host, &client->runs[run_number]);
}

/* Whoever waits has proved its key, is listed once, and nothing was given to it. */
static void
check_stranger(struct sim *sim, const struct request *r, struct mp_span payload)
{
	struct mp_node_id seen[STRANGERS];
	struct mp_ctl_pending p;
	struct mp_request who;
	struct mp_span token;
	struct mp_cbor_r list;
	size_t n;

	if (r->what == MP_CTL_KNOCK) {
		if (mp_ctl_knocked_decode(payload, &token) != 0 || token.n != 0)
			sim_fail(sim, "a stranger was given something");
		return;
	}
	mp_cbor_r_init(&list, payload);
	n = mp_cbor_r_array(&list, MP_CTL_PENDING_MAX);
	if (n > STRANGERS)
		sim_fail(sim, "%zu wait, of %d", n, STRANGERS);
	for (size_t i = 0; i < n && i < STRANGERS; i++) {
		mp_ctl_pending_next(&list, &p);
		if (list.rc != 0 || mp_request_open(&sim_crypto, p.request, &who, NULL) != 0)
			sim_fail(sim, "one waits that has proved nothing");
		seen[i] = who.id;
		for (size_t k = 0; k < i; k++) {
			if (mp_node_id_eq(&seen[k], &who.id))
				sim_fail(sim, "one waits twice");
		}
	}
	sim->sometimes[SIM_LISTED] += n > 0;
}

void
sim_client_reply(struct sim_host *host, uint64_t request, struct mp_span bytes, bool last)
{
	struct sim *sim = host->sim;
	struct mp_error err = {0};
	struct request *r = NULL;
	struct mp_span payload;
	int rc;

	for (size_t i = 0; i < OPEN_MAX; i++) {
		if (request != 0 && sim->client->open[i].number == request)
			r = &sim->client->open[i];
	}
	if (r == NULL || r->host != host->index) {
		sim_fail(sim, "host %" PRIu32 " answers a request that is not open", host->index);
		return;
	}
	rc = mp_ctl_answer_decode(bytes, &payload, &err);
	if (rc == 0 && r->what == MP_CTL_CANCEL)
		sim_check_cancelled(host, &sim->client->runs[r->run]);
	if (rc == 0 && r->what == MP_CTL_RESOLVE)
		sim_check_resolved(host, &r->word);
	if (rc == 0 && r->what == MP_CTL_DRAIN)
		sim_drain_said(host, r->run != 0);
	if (r->what == MP_CTL_SUBMIT)
		submitted(host, r->run, rc, payload, &err);
	else if (rc != 0)
		sim_trace(sim, host, "request %d is refused: %s", (int)r->what, err.text);
	else if (r->what == MP_CTL_KNOCK || r->what == MP_CTL_PENDING)
		check_stranger(sim, r, payload);
	host->left = host->left || (r->what == MP_CTL_LEAVE && rc == 0);
	if (host->left)
		sim_check_secrets_left(host);
	if (r->what == MP_CTL_WAIT && rc == 0)
		sim_check_told_end(host, &sim->client->runs[r->run]);
	sim->sometimes[SIM_ROTATED] += rc == 0 && r->what == MP_CTL_TRUST;
	sim->sometimes[SIM_TAKEN_OVER] += rc == 0 && r->what == MP_CTL_TAKE;
	if (last)
		r->number = 0;
	if (rc == 0 && r->what == MP_CTL_TAKEOVER)
		takeover_sign(host, r->run, payload);
}

void
sim_client_down(struct sim_host *host)
{
	for (size_t i = 0; i < OPEN_MAX; i++) {
		struct request *r = &host->sim->client->open[i];

		if (r->host == host->index)
			r->number = 0;
	}
}

const struct mp_run_id *
sim_client_run(const struct sim *sim, uint32_t run_number)
{
	return sim->client->acknowledged[run_number] ? &sim->client->runs[run_number] : NULL;
}

uint64_t
sim_client_acknowledged(const struct sim *sim)
{
	uint64_t n = 0;

	for (size_t i = 0; i < SIM_RUNS_MAX; i++)
		n += sim->client->acknowledged[i];
	return n;
}

bool
sim_client_waits(const struct sim *sim, char *why, size_t size)
{
	for (size_t i = 0; i < OPEN_MAX; i++) {
		const struct request *r = &sim->client->open[i];

		if (r->number == 0)
			continue;
		if (why != NULL)
			(void)snprintf(why, size,
				"request %d to host %" PRIu32 ", of %.3f s, is not answered",
				(int)r->what, r->host, (double)r->asked / 1e6);
		return true;
	}
	return false;
}
