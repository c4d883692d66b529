/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/resolve.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"

#define TEXT_MAX 512
#define SLICE_MS 50

/* Of whoever asks and of the thread: the last one frees it. */
struct mp_resolve {
	pthread_mutex_t lock;
	pthread_cond_t cond; /* it was answered */
	void (*told)(void *ctx);
	void *ctx;
	bool answered, dropped;
	enum mp_addr_use use;
	char text[TEXT_MAX];
	struct mp_resolved answer;
};

static void
resolve_free(struct mp_resolve *r)
{
	(void)pthread_cond_destroy(&r->cond);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *
resolve_thread(void *arg)
{
	struct mp_resolve *r = arg;
	struct mp_resolved answer = {.count = 0};
	bool dropped;

	(void)mp_addr_resolve(
		r->text, r->use, answer.addrs, MP_RESOLVE_MAX, &answer.count, &answer.err);
	(void)pthread_mutex_lock(&r->lock);
	dropped = r->dropped;
	r->answer = answer;
	r->answered = true;
	(void)pthread_cond_signal(&r->cond);
	if (!dropped && r->told != NULL)
		r->told(r->ctx);
	(void)pthread_mutex_unlock(&r->lock);
	if (dropped)
		resolve_free(r);
	return NULL;
}

/* Signals are for the threads that we have. */
static int
thread_start(struct mp_resolve *r)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, resolve_thread, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return rc;
}

int
mp_resolve_start(const char *text, enum mp_addr_use use, void (*told)(void *ctx), void *ctx,
	struct mp_resolve **out, struct mp_error *err)
{
	size_t n = strlen(text);
	pthread_condattr_t clock;
	struct mp_resolve *r;

	if (n >= TEXT_MAX)
		return mp_fail(err, MP_EINVAL, "%.64s...: HOST:PORT is expected", text);
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	r->told = told;
	r->ctx = ctx;
	r->use = use;
	memcpy(r->text, text, n + 1);
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->cond, &clock);
	(void)pthread_condattr_destroy(&clock);
	if (thread_start(r) != 0) {
		resolve_free(r);
		return mp_fail(err, MP_ENOMEM, "%.64s: no thread to ask the resolver with", text);
	}
	*out = r;
	return 0;
}

bool
mp_resolve_answer(struct mp_resolve *r, struct mp_resolved *out)
{
	bool answered;

	(void)pthread_mutex_lock(&r->lock);
	answered = r->answered;
	if (answered)
		*out = r->answer;
	(void)pthread_mutex_unlock(&r->lock);
	return answered;
}

void
mp_resolve_drop(struct mp_resolve *r)
{
	bool answered;

	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->lock);
	answered = r->answered;
	r->dropped = true;
	(void)pthread_mutex_unlock(&r->lock);
	if (answered)
		resolve_free(r);
}

/* Until it is answered, for a while at most: a signal does not end it. */
static void
resolve_pause(struct mp_resolve *r)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += SLICE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&r->lock);
	if (!r->answered)
		(void)pthread_cond_timedwait(&r->cond, &r->lock, &until);
	(void)pthread_mutex_unlock(&r->lock);
}

int
mp_resolve_wait(const char *text, enum mp_addr_use use, mp_time until_ms,
	const volatile sig_atomic_t *stop, struct mp_resolved *out, struct mp_error *err)
{
	struct mp_resolve *r = NULL;
	int rc = mp_resolve_start(text, use, NULL, NULL, &r, err);

	if (rc != 0)
		return rc;
	while (rc == 0 && !mp_resolve_answer(r, out)) {
		if (stop != NULL && *stop != 0)
			rc = mp_fail(err, MP_ECANCELED, "interrupted");
		else if (mp_clock_ms() >= until_ms)
			rc = mp_fail(err, MP_ETIMEOUT, "%s: the resolver does not answer", text);
		else
			resolve_pause(r);
	}
	mp_resolve_drop(r);
	if (rc == 0 && out->err.code != 0) {
		*err = out->err;
		rc = err->code;
	}
	return rc;
}
