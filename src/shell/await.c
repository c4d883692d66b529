/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/await.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/cbor.h"
#include "codec/msg_ctl.h"
#include "codec/record_cert.h"
#include "crypto/key.h"
#include "shell/daemon_int.h"
#include "shell/stream.h"
#include "util/hex.h"

#define KNOCK_MS     10000 /* one attempt */
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 10000
#define SLICE_MS     100

static volatile sig_atomic_t stopped;

struct await {
	struct mp_state *state;
	FILE *log;
	const char *seed; /* that is being asked */
	struct mp_buf request;
	struct mp_buf token;
	bool refused;                 /* by the node itself, for good */
	char said[MP_ERROR_TEXT_MAX]; /* the last trouble that was told */
};

static void
on_signal(int signum)
{
	(void)signum;
	stopped = 1;
}

static void
say_what_to_do(const struct await *a)
{
	char hex[65];

	mp_hex(hex, a->state->id.b, sizeof(a->state->id.b));
	(void)fprintf(a->log,
		"mpnode: %s waits to be admitted; where the cluster's authority key is, run\n"
		"mpnode:   mpctl admit %s\n",
		a->state->name.s, hex);
	(void)fflush(a->log);
}

/* Each trouble once, until there is another one. */
static void
say_trouble(struct await *a, const struct mp_error *err)
{
	char text[MP_ERROR_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%.200s: %.300s", a->seed, err->text);
	if (strcmp(text, a->said) == 0)
		return;
	memcpy(a->said, text, sizeof(text));
	(void)fprintf(a->log, "mpnode: %s; trying again\n", text);
	(void)fflush(a->log);
}

/* ---- one knock ---- */

/* What the node says of its cluster is believed the first time. */
static int
on_greeting(void *ctx, struct mp_span says, const struct mp_xkey *xkey, struct mp_error *err)
{
	struct await *a = ctx;
	bool first = !a->state->pinned;
	struct mp_cluster_id cluster;
	struct mp_cbor_r r;
	char hex[65];
	int rc;

	(void)xkey;
	mp_cbor_r_init(&r, says);
	mp_cbor_r_array_exact(&r, 1);
	mp_cbor_r_fixed(&r, cluster.b, sizeof(cluster.b));
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return mp_fail(err, rc, "its greeting makes no sense");
	rc = mp_state_pin(a->state, &cluster, err);
	if (rc != 0 || !first)
		return rc;
	mp_hex(hex, cluster.b, sizeof(cluster.b));
	(void)fprintf(a->log,
		"mpnode: %s is of cluster %s, and no other one is joined from now on; mpctl "
		"pending there shows the same\n",
		a->seed, hex);
	(void)fflush(a->log);
	return 0;
}

static int
knock(struct await *a, struct mp_error *err)
{
	struct mp_stream_config config = {
		.alloc = &mp_heap,
		.secret = a->state->secret,
		.static_key = a->state->xkey,
		.knock = true,
		.proof = mp_buf_span(&a->request),
		.check = on_greeting,
		.ctx = a,
	};
	struct mp_stream stream = {
		.fd = -1, .deadline_ms = mp_stream_now_ms() + KNOCK_MS, .stop = &stopped};
	struct mp_span answer, payload, token = mp_span(NULL, 0);
	int rc = mp_stream_open(&stream, &config, a->seed, err);

	if (rc != 0)
		return rc;
	rc = mp_stream_receive(&stream, &answer, err);
	if (rc == 0) {
		rc = mp_ctl_answer_decode(answer, &payload, err);
		a->refused = mp_error_denies(rc) || rc == MP_EEXIST;
	}
	if (rc == 0 && mp_ctl_knocked_decode(payload, &token) != 0)
		rc = mp_fail(err, MP_EFORMAT, "its answer makes no sense");
	mp_buf_clear(&a->token);
	if (rc == 0 && mp_buf_append(&a->token, token.p, token.n) != 0)
		rc = mp_fail(err, MP_ENOMEM, "out of memory");
	mp_stream_close(&stream);
	return rc;
}

/* At all seeds in turn. MP_EBUSY: nothing yet. */
static int
knock_round(struct await *a, struct mp_error *err)
{
	for (size_t i = 0; i < a->state->seed_count; i++) {
		struct mp_error trouble = {0};
		int rc;

		a->seed = a->state->seeds[i];
		rc = knock(a, &trouble);
		if (rc == 0 && a->token.n > 0)
			return 0;
		if (a->refused || rc == MP_ECANCELED) {
			*err = trouble;
			(void)mp_wrap(err, "%.200s", a->seed);
			return rc;
		}
		if (rc != 0)
			say_trouble(a, &trouble);
	}
	return MP_EBUSY;
}

/* ---- again and again ---- */

/* About so long, and not all who wait at the same time. */
static void
pause_ms(int64_t ms)
{
	struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
	uint32_t random;

	mp_key_random(&random, sizeof(random));
	ms = ms * 3 / 4 + (int64_t)(random % (uint32_t)(ms / 2));
	for (mp_time end = mp_stream_now_ms() + ms; stopped == 0 && mp_stream_now_ms() < end;)
		(void)nanosleep(&slice, NULL);
}

static int
await_token(struct await *a, struct mp_error *err)
{
	int64_t ms = PAUSE_MIN_MS;
	int rc;

	while ((rc = knock_round(a, err)) == MP_EBUSY && stopped == 0) {
		mp_notify_systemd("STATUS=waiting to be admitted\nEXTEND_TIMEOUT_USEC=60000000");
		pause_ms(ms);
		ms = ms * 3 / 2 < PAUSE_MAX_MS ? ms * 3 / 2 : PAUSE_MAX_MS;
	}
	return stopped != 0 ? mp_fail(err, MP_ECANCELED, "stopped") : rc;
}

int
mp_await_admission(struct mp_state *state, FILE *log, struct mp_error *err)
{
	struct sigaction act = {.sa_handler = on_signal}, before[2];
	struct mp_request request = {.xkey = state->xkey, .name = state->name};
	struct mp_signer self = {.secret = state->secret};
	struct await a = {.state = state, .log = log};
	char seeds[MP_STATE_SEEDS_MAX][MP_STATE_SEED_SIZE];
	const char *list[MP_STATE_SEEDS_MAX];
	int rc;

	(void)sigaction(SIGTERM, &act, &before[0]);
	(void)sigaction(SIGINT, &act, &before[1]);
	memcpy(self.key, state->id.b, sizeof(self.key));
	mp_buf_init(&a.request, &mp_heap, MP_REQUEST_MAX);
	mp_buf_init(&a.token, &mp_heap, MP_CTL_TOKEN_MAX);
	rc = mp_request_sign(&mp_crypto_sodium, &request, &self, &a.request);
	if (rc != 0)
		(void)mp_fail(err, rc, "request: %s", mp_strerror(rc));
	if (rc == 0) {
		say_what_to_do(&a);
		rc = await_token(&a, err);
	}
	memcpy(seeds, state->seeds, sizeof(seeds));
	for (size_t i = 0; i < state->seed_count; i++)
		list[i] = seeds[i];
	if (rc == 0)
		rc = mp_state_take_token(
			state, mp_buf_span(&a.token), list, state->seed_count, err);
	if (a.token.p != NULL)
		mp_crypto_sodium.wipe(a.token.p, a.token.cap);
	mp_buf_fini(&a.token);
	mp_buf_fini(&a.request);
	(void)sigaction(SIGTERM, &before[0], NULL);
	(void)sigaction(SIGINT, &before[1], NULL);
	return rc;
}
