/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for a disk, on the thread pool: the loop never does. */
#include "shell/daemon_int.h"

void
mp_daemon_work(struct mp_daemon *d, uv_work_t *req, uv_work_cb work, uv_after_work_cb done)
{
	int rc = uv_queue_work(&d->loop, req, work, done);

	mp_assert(rc == 0);
	d->works++;
}

void
mp_daemon_work_done(struct mp_daemon *d)
{
	mp_assert(d->works > 0);
	d->works--;
}

/* ---- one after the other ---- */

static void jobs_go_on(struct mp_daemon *d);

/* The first one is over. */
static void
jobs_end(struct mp_daemon *d)
{
	struct mp_daemon_job *job = d->jobs;

	d->jobs = job->next;
	if (d->jobs == NULL)
		d->jobs_last = &d->jobs;
	job->done(job);
}

static void
on_job(uv_work_t *req)
{
	struct mp_daemon_job *job = mp_container_of(req, struct mp_daemon_job, req);

	job->rc = job->work(job);
}

static void
on_job_done(uv_work_t *req, int status)
{
	struct mp_daemon *d = mp_container_of(req, struct mp_daemon_job, req)->d;

	(void)status;
	mp_daemon_work_done(d);
	d->job_runs = false;
	jobs_end(d);
	jobs_go_on(d);
}

static void
jobs_go_on(struct mp_daemon *d)
{
	while (!d->job_runs && d->jobs != NULL) {
		struct mp_daemon_job *job = d->jobs;

		if (job->begin != NULL)
			job->rc = job->begin(job);
		if (job->rc != 0) {
			jobs_end(d);
			continue;
		}
		d->job_runs = true;
		mp_daemon_work(d, &job->req, on_job, on_job_done);
	}
}

void
mp_daemon_do(struct mp_daemon *d, struct mp_daemon_job *job)
{
	job->d = d;
	job->next = NULL;
	job->rc = 0;
	job->err = (struct mp_error){0};
	*d->jobs_last = job;
	d->jobs_last = &job->next;
	jobs_go_on(d);
}
