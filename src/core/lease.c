/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may not start twice: the worker's side of `once` modules (DESIGN 5; the leader's: once.c).
 *
 * Before such an attempt is given to the executor, a row says that it may have been started; it is
 * there until the result takes its place, or the leader has settled the attempt. A node that finds
 * it when it starts never starts the attempt again, and tells the leader that it may have run.
 *
 * It is started with a lease and lives on leases, which any certified leader of the run gives. The
 * executor kills what has none, also while this process stands still.
 */
#include "core/worker_int.h"
#include "mp/limits.h"

/* A lease is renewed so often, and asked for so often until it is given. */
#define RENEW_MS 5000
#define HURRY_MS 1000
/* After so many that were not answered, the electors are asked who leads; after so many more, what
 * waits for a lease makes room for what does not. */
#define UNHEARD_MAX   2
#define UNHEARD_BENCH 20

static bool
lease_holds(const struct wrun *run, const struct mp_env *env)
{
	return env->now_ms < run->lease_until_ms;
}

bool
lease_may_begin(const struct attempt *a, const struct mp_env *env)
{
	return !a->leasing || lease_holds(a->run, env);
}

static uint32_t
run_benched(const struct wrun *run)
{
	uint32_t n = 0;

	if (run->lease_unheard < UNHEARD_BENCH)
		return 0;
	for (const struct mp_dlist *l = run->attempts.next; l != &run->attempts; l = l->next) {
		const struct attempt *a = mp_container_of(l, const struct attempt, of_run);

		n += a->leasing && !a->executing && a->phase <= MP_WORK_RUNNING;
	}
	return n;
}

uint32_t
lease_benched(const struct mp_worker *worker)
{
	uint32_t n = 0;

	for (const struct mp_dlist *l = worker->leasing.next; l != &worker->leasing; l = l->next)
		n += run_benched(mp_container_of(l, const struct wrun, leasing));
	return n;
}

void
lease_want(struct attempt *a, struct mp_env *env)
{
	struct wrun *run = a->run;

	mp_assert(!a->leasing);
	a->leasing = true;
	if (run->leasing_count++ > 0)
		return;
	mp_dlist_push(&a->worker->leasing, &run->leasing);
	run->lease_ask_ms = env->now_ms;
}

void
lease_drop(struct attempt *a)
{
	if (!a->leasing)
		return;
	a->leasing = false;
	if (--a->run->leasing_count == 0)
		mp_dlist_remove(&a->run->leasing);
}

void
lease_hurry(struct wrun *run, struct mp_env *env)
{
	run->lease_ask_ms = env->now_ms;
}

/* ["mp-started", 1] */
static void
started_put(struct attempt *a, struct mp_env *env)
{
	struct mp_buf *buf = mp_out_scratch(env->out);
	uint8_t key[HELD_KEY];
	struct mp_cbor_w w;

	held_key(a, key);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_text(&w, "mp-started");
	mp_cbor_w_uint(&w, 1);
	if (w.rc != 0)
		return;
	mp_out_put(env->out, MP_TABLE_HELD, mp_span(key, sizeof(key)), mp_buf_span(buf));
	a->started_seq = mp_out_seq(env->out);
}

/* Over before the disk was ready: others may have the slot until there is another. */
static void
lease_step_back(struct attempt *a)
{
	attempt_wait(a);
	a->beginning = false;
	a->worker->running--;
}

static void
lease_try(struct attempt *a, struct mp_env *env)
{
	if (!lease_holds(a->run, env)) {
		lease_step_back(a);
		return;
	}
	if (a->started_seq == 0)
		started_put(a, env);
	if (a->started_seq == 0 || a->started_seq > mp_out_durable(env->out))
		return;
	mp_dlist_remove(&a->queue);
	a->beginning = false;
	a->worker->running--;
	attempt_start(a, env);
}

void
lease_begin(struct attempt *a, struct mp_env *env)
{
	a->beginning = true;
	a->worker->running++;
	mp_dlist_push(&a->worker->beginning, &a->queue);
	lease_try(a, env);
}

void
lease_pump(struct mp_worker *worker, struct mp_env *env)
{
	struct mp_dlist *next;

	for (struct mp_dlist *l = worker->beginning.next; l != &worker->beginning; l = next) {
		next = l->next;
		lease_try(mp_container_of(l, struct attempt, queue), env);
	}
}

static void
lease_extend(struct wrun *run, struct mp_env *env, mp_time until_ms)
{
	run->lease_until_ms = until_ms;
	run->lease_unheard = 0;
	run->lease_ask_ms = env->now_ms + RENEW_MS;
	for (struct mp_dlist *l = run->attempts.next; l != &run->attempts; l = l->next) {
		const struct attempt *a = mp_container_of(l, struct attempt, of_run);
		struct mp_effect fx = {.kind = MP_FX_EXEC_LEASE};

		if (!a->executing || !a->leasing)
			continue;
		fx.u.exec_lease.key = (struct mp_attempt_key){run->id, a->id};
		fx.u.exec_lease.until_ms = until_ms;
		mp_out_effect(env->out, &fx);
	}
}

int
lease_take(struct mp_worker *worker, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_work_lease m;
	struct wrun *run;
	int rc = mp_msg_work_lease_decode(bytes, MP_MSG_WORK_LEASE, &m);

	if (rc != 0 || worker_gate(worker, env, from, &m.head, bytes, &run, &rc) != GATE_OPEN)
		return rc;
	/* What we never asked for, or what is no longer than what there is. */
	if (m.asked_ms > env->now_ms || m.asked_ms + MP_ONCE_LEASE_MS <= run->lease_until_ms)
		return 0;
	lease_extend(run, env, m.asked_ms + MP_ONCE_LEASE_MS);
	lease_pump(worker, env);
	return 0;
}

static void
lease_ask(struct wrun *run, struct mp_env *env)
{
	const struct mp_msg_work_lease m = {
		.head = {run->id, run->generation, run->term}, .asked_ms = env->now_ms};
	struct mp_buf *buf = mp_out_scratch(env->out);

	run->lease_ask_ms = env->now_ms + HURRY_MS;
	if (mp_msg_work_lease_encode(buf, MP_MSG_WORK_RENEW, &m) == 0)
		mp_out_send(env->out, &run->leader, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	if (run->lease_unheard++ >= UNHEARD_MAX)
		fence_seek(run, env);
}

void
lease_tick(struct mp_worker *worker, struct mp_env *env)
{
	for (struct mp_dlist *l = worker->leasing.next; l != &worker->leasing; l = l->next) {
		struct wrun *run = mp_container_of(l, struct wrun, leasing);

		if (run->lease_ask_ms <= env->now_ms)
			lease_ask(run, env);
	}
}

mp_time
lease_deadline(const struct mp_worker *worker)
{
	mp_time at = MP_TIME_NEVER;

	for (const struct mp_dlist *l = worker->leasing.next; l != &worker->leasing; l = l->next) {
		const struct wrun *run = mp_container_of(l, const struct wrun, leasing);

		if (run->lease_ask_ms < at)
			at = run->lease_ask_ms;
	}
	return at;
}
