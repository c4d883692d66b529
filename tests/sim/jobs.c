/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor: an attempt starts, takes its time, and ends as the seed says. A module whose name
 * begins with "o" leaves one output, whose bytes depend on its name and on what it reads.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/manifest.h"

struct job {
	bool used;
	uint32_t number; /* tells it from an earlier job in the same place */
	struct mp_attempt_key key;
	char name[MP_NAME_MAX + 1];
	sim_time started;
	bool killed;
	bool whole;       /* its inputs are there */
	uint64_t reads;   /* see sim_model_read() */
	mp_time lease_ms; /* on its host's clock; 0: needs none */
};

#define JOBS_MAX 64
/* Nothing happens to them any more, and what is left of the run is to end soon. */
#define HEALED_MAX (3 * SIM_SEC)

struct sim_jobs {
	struct job jobs[JOBS_MAX];
	uint32_t numbers;
};

struct sim_jobs *
sim_jobs_new(struct sim_host *host)
{
	struct sim_jobs *jobs = calloc(1, sizeof(*jobs));

	(void)host;
	mp_assert(jobs != NULL);
	return jobs;
}

void
sim_jobs_free(struct sim_jobs *jobs)
{
	free(jobs);
}

void
sim_jobs_crash(struct sim_host *host)
{
	for (size_t i = 0; i < JOBS_MAX; i++)
		host->jobs->jobs[i].used = false;
}

static void
job_output(struct sim_host *host, const struct job *job, struct mp_exec_report *report)
{
	struct sim_output out;
	struct mp_buf buf;

	sim_model_output(job->name, job->reads, &out);
	(void)sim_blob_put(host, mp_span(out.text, out.file.size), false);
	mp_buf_init(&buf, &host->sim->alloc, 4096);
	mp_assert(mp_manifest_encode(&buf, &out.file, 1, NULL) == 0);
	report->manifest = sim_blob_put(host, mp_buf_span(&buf), false);
	report->output_files = 1;
	report->output_bytes = out.file.size;
	mp_buf_fini(&buf);
}

/* Names a job of a host: host, place, number. */
static uint64_t
job_arg(const struct sim_host *host, const struct job *job)
{
	return host->index | (uint64_t)(job - host->jobs->jobs) << 8 | (uint64_t)job->number << 16;
}

static void
job_done(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[arg & 0xff];
	struct job *job = &host->jobs->jobs[arg >> 8 & 0xff];
	struct mp_event ev = {.kind = MP_EV_EXEC};
	struct mp_exec_report *r = &ev.u.exec;

	if (!job->used || job->number != (uint32_t)(arg >> 16))
		return;
	r->key = job->key;
	r->phase = MP_EXEC_DONE;
	r->exit_code = 0;
	r->started_ms = sim_host_wall(host) - (sim->now - job->started) / SIM_MS;
	r->ended_ms = sim_host_wall(host);
	r->wall_us = (uint64_t)(sim->now - job->started);
	if (job->killed) {
		r->status = MP_STATUS_CANCELLED;
		r->exit_code = -1;
		r->signal = 15;
	} else if (!job->whole) {
		r->status = MP_STATUS_NOT_STARTED;
		r->exit_code = -1;
		r->error = mp_span_str("an input is gone");
	} else if (!sim->healed && sim_chance(sim, sim->plan.job_fail)) {
		static const enum mp_status ends[] = {MP_STATUS_FAILED, MP_STATUS_FAILED,
			MP_STATUS_FAILED, MP_STATUS_TIMED_OUT, MP_STATUS_NO_OUTPUT};

		r->status = ends[sim_between(sim, 0, mp_countof(ends) - 1)];
		r->exit_code = r->status == MP_STATUS_TIMED_OUT ? -1 : 1;
		r->error = mp_span_str("it failed");
	} else if (job->name[0] == 'o') {
		job_output(host, job, r);
	}
	job->used = false;
	sim_trace(sim, host, "job %s done, status %d", job->name, (int)r->status);
	sim_deliver(host, sim->now, &ev);
}

static sim_time
job_longest(const struct sim *sim)
{
	return sim->healed && sim->plan.job_max > HEALED_MAX ? HEALED_MAX : sim->plan.job_max;
}

/* Inputs are there when it starts, unless a fault took one away just then. */
static bool
job_files(struct sim_host *host, const struct job *job, const struct mp_exec_request *req)
{
	for (size_t i = 0; i < req->file_count; i++) {
		if (sim_blob_has(host, &req->files[i].digest))
			continue;
		if (host->sim->plan.blob_every == 0)
			sim_fail(host->sim,
				"%s starts on host %" PRIu32 " without the bytes of %.*s",
				job->name, host->index, (int)req->files[i].path.n,
				(const char *)req->files[i].path.p);
		return false;
	}
	return true;
}

static struct job *
job_find(struct sim_host *host, const struct mp_attempt_key *key)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *job = &host->jobs->jobs[i];

		if (job->used && mp_run_id_eq(&job->key.run, &key->run) &&
			mp_attempt_eq(&job->key.attempt, &key->attempt))
			return job;
	}
	return NULL;
}

static void
job_kill(struct sim_host *host, struct job *job)
{
	job->killed = true;
	sim_at(host->sim, host->sim->now + 5 * SIM_MS, job_done, job_arg(host, job));
}

void
sim_jobs_kill(struct sim_host *host, const struct mp_attempt_key *key)
{
	struct job *job = job_find(host, key);

	if (job != NULL)
		job_kill(host, job);
}

/* The executor looks whether its lease holds, also while its host is paused. */
static void
job_lease(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[arg & 0xff];
	struct job *job = &host->jobs->jobs[arg >> 8 & 0xff];
	mp_time left;

	if (!job->used || job->killed || job->number != (uint32_t)(arg >> 16))
		return;
	left = job->lease_ms - sim_host_clock(host);
	if (left > 0) {
		sim_at(sim, sim->now + (left < 1000 ? left : 1000) * SIM_MS, job_lease, arg);
		return;
	}
	sim_trace(sim, host, "job %s has no lease any more", job->name);
	sim->sometimes[SIM_LEASE_OVER]++;
	job_kill(host, job);
}

void
sim_jobs_lease(struct sim_host *host, const struct mp_attempt_key *key, mp_time until_ms)
{
	struct job *job = job_find(host, key);

	if (job != NULL)
		job->lease_ms = until_ms;
}

bool
sim_jobs_elsewhere(const struct sim *sim, const struct mp_attempt_key *key)
{
	for (uint32_t h = 0; h < sim->plan.hosts; h++) {
		for (size_t i = 0; i < JOBS_MAX; i++) {
			const struct job *job = &sim->hosts[h].jobs->jobs[i];

			if (job->used && mp_run_id_eq(&job->key.run, &key->run) &&
				job->key.attempt.module == key->attempt.module &&
				!mp_attempt_eq(&job->key.attempt, &key->attempt))
				return true;
		}
	}
	return false;
}

void
sim_jobs_start(struct sim_host *host, const struct mp_exec_request *req)
{
	struct sim *sim = host->sim;
	struct mp_event ev = {.kind = MP_EV_EXEC};
	struct job *job = NULL;
	size_t place, running = 0;

	for (place = JOBS_MAX; place-- > 0;) {
		if (host->jobs->jobs[place].used)
			running++;
		else
			job = &host->jobs->jobs[place];
	}
	if (running >= host->slots || job == NULL) {
		sim_fail(sim, "host %" PRIu32 " runs more than its %" PRIu32 " slots", host->index,
			host->slots);
		return;
	}
	*job = (struct job){.used = true,
		.number = ++host->jobs->numbers,
		.key = req->key,
		.started = sim->now,
		.lease_ms = req->lease_until_ms};
	memcpy(job->name, req->module_name.p, mp_min_size(req->module_name.n, MP_NAME_MAX));
	job->whole = job_files(host, job, req);
	for (size_t i = 0; i < req->file_count; i++)
		job->reads += sim_model_read(req->files[i].path, &req->files[i].digest);
	sim_trace(sim, host, "job %s start, term %" PRIu64, job->name, req->key.attempt.term);
	ev.u.exec.key = req->key;
	ev.u.exec.phase = MP_EXEC_STARTED;
	ev.u.exec.started_ms = sim_host_wall(host);
	sim_deliver(host, sim->now + SIM_MS, &ev);
	sim_at(sim, sim->now + SIM_MS + sim_between(sim, sim->plan.job_min, job_longest(sim)),
		job_done, job_arg(host, job));
	if (job->lease_ms != 0)
		job_lease(sim, job_arg(host, job));
}
