/* SPDX-License-Identifier: Apache-2.0 */
/* What this node can do: machine, options and node.conf put together, and told when it changes. */
#include "shell/daemon_int.h"

#include <stdlib.h>

#include "codec/caps.h"
#include "shell/caps_probe.h"
#include "shell/tools_probe.h"

#define DISK_MS 30000

int
mp_daemon_caps_now(const struct mp_daemon *d, const struct mp_settings *settings,
	struct mp_buf *buf, uint32_t *slots, struct mp_error *err)
{
	struct mp_caps *caps = malloc(sizeof(*caps));
	int rc = 0;

	if (caps == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	*caps = d->caps.machine;
	caps->wan = d->config.state->network.wan;
	if (d->config.options != NULL)
		rc = mp_settings_apply(d->config.options, caps, err);
	if (rc == 0)
		rc = mp_settings_apply(settings, caps, err);
	if (rc == 0 && (rc = mp_caps_encode(caps, buf)) != 0)
		(void)mp_fail(err, rc, "capabilities: %s", mp_strerror(rc));
	*slots = caps->slots;
	free(caps);
	return rc;
}

/* Tells the node, which tells the others if anything changed. */
static void
caps_tell(struct mp_daemon *d)
{
	struct mp_event ev = {.kind = MP_EV_CAPS};
	struct mp_error err = {0};
	struct mp_buf buf;

	mp_buf_init(&buf, &mp_heap, MP_CAPS_BYTES_MAX);
	if (mp_daemon_caps_now(d, &d->caps.settings, &buf, &ev.u.caps.slots, &err) == 0) {
		ev.u.caps.caps = mp_buf_span(&buf);
		mp_daemon_event(d, &ev);
	} else {
		mp_daemon_log(d, "what this node can do has not changed: %s", err.text);
	}
	mp_buf_fini(&buf);
}

/* ---- tools ---- */

struct probe {
	uv_work_t req;
	struct mp_daemon *d;
	bool fresh;
	struct mp_settings settings;
	struct mp_caps caps;
};

static void
on_probe(uv_work_t *req)
{
	struct probe *p = mp_container_of(req, struct probe, req);

	mp_tools_find(&p->caps, &p->settings);
	mp_tools_versions(&p->caps, &p->settings, p->fresh, &p->d->caps.stop);
}

static void probe_begin(struct mp_daemon *d, bool fresh);

static void
on_probed(uv_work_t *req, int status)
{
	struct probe *p = mp_container_of(req, struct probe, req);
	struct mp_daemon *d = p->d;

	mp_daemon_work_done(d);
	d->caps.probing = false;
	if (status == 0 && !atomic_load(&d->caps.stop)) {
		d->caps.machine.tool_count = p->caps.tool_count;
		memcpy(d->caps.machine.tools, p->caps.tools, sizeof(p->caps.tools));
		caps_tell(d);
		if (d->caps.again)
			probe_begin(d, true);
	}
	free(p);
}

static void
probe_begin(struct mp_daemon *d, bool fresh)
{
	struct probe *p;

	d->caps.again = d->caps.probing;
	if (d->caps.probing)
		return;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return;
	p->d = d;
	p->fresh = fresh;
	p->settings = d->caps.settings;
	mp_daemon_work(d, &p->req, on_probe, on_probed);
	d->caps.probing = true;
}

/* ---- the machine ---- */

/* All but tools, which take longer. */
static void
machine_set(struct mp_daemon *d, struct mp_caps *caps)
{
	caps->tool_count = d->caps.machine.tool_count;
	memcpy(caps->tools, d->caps.machine.tools, sizeof(caps->tools));
	d->caps.machine = *caps;
}

/* A job about what this node can do. */
struct caps_job {
	struct mp_daemon_job job;
	struct mp_settings settings;
	struct mp_caps caps;
	uint64_t request; /* mpctl node set */
	bool tools;       /* that names some */
	bool changed;
};

static struct caps_job *
caps_job_of(struct mp_daemon_job *job)
{
	return mp_container_of(job, struct caps_job, job);
}

static int
disk_begin(struct mp_daemon_job *job)
{
	caps_job_of(job)->caps = job->d->caps.machine;
	return 0;
}

static int
disk_work(struct mp_daemon_job *job)
{
	struct caps_job *j = caps_job_of(job);

	j->changed = mp_disk_probe(&j->caps, job->d->config.state->dir);
	return 0;
}

static void
disk_done(struct mp_daemon_job *job)
{
	struct mp_daemon *d = job->d;
	struct caps_job *j = caps_job_of(job);

	d->caps.disk_asked = false;
	d->caps.machine.disk_bytes = j->caps.disk_bytes;
	d->caps.machine.disk_free_bytes = j->caps.disk_free_bytes;
	if (j->changed)
		caps_tell(d);
	free(j);
}

static void
disk_ask(struct mp_daemon *d)
{
	struct caps_job *j = d->caps.disk_asked ? NULL : calloc(1, sizeof(*j));

	if (j == NULL)
		return;
	j->job = (struct mp_daemon_job){.begin = disk_begin, .work = disk_work, .done = disk_done};
	d->caps.disk_asked = true;
	mp_daemon_do(d, &j->job);
}

static void
on_disk_timer(uv_timer_t *timer)
{
	struct mp_daemon *d = timer->data;

	if (d->caps.untold)
		caps_tell(d);
	d->caps.untold = false;
	disk_ask(d);
}

void
mp_daemon_caps_tell_soon(struct mp_daemon *d)
{
	d->caps.untold = true;
	(void)uv_timer_start(&d->caps.disk, on_disk_timer, 0, DISK_MS);
}

int
mp_daemon_open_caps(struct mp_daemon *d, struct mp_error *err)
{
	int rc = mp_state_load_settings(d->config.state, &d->caps.settings, err);

	if (rc != 0)
		return rc;
	mp_caps_probe(&d->caps.machine, d->config.state->dir);
	mp_tools_find(&d->caps.machine, &d->caps.settings);
	d->caps.again = !mp_tools_kept(&d->caps.machine, &d->caps.settings);
	return 0;
}

void
mp_daemon_caps_start(struct mp_daemon *d)
{
	(void)uv_timer_start(&d->caps.disk, on_disk_timer, DISK_MS, DISK_MS);
	if (d->caps.again)
		probe_begin(d, false);
}

/* ---- changes ---- */

static int
set_begin(struct mp_daemon_job *job)
{
	struct caps_job *j = caps_job_of(job);
	struct mp_settings settings = job->d->caps.settings;
	struct mp_buf buf;
	uint32_t slots;
	int rc = mp_settings_merge(&settings, &j->settings, &job->err);

	mp_buf_init(&buf, &mp_heap, MP_CAPS_BYTES_MAX);
	if (rc == 0)
		rc = mp_daemon_caps_now(job->d, &settings, &buf, &slots, &job->err);
	mp_buf_fini(&buf);
	j->tools = j->settings.tool_count > 0;
	j->settings = settings;
	return rc;
}

static int
set_work(struct mp_daemon_job *job)
{
	return mp_state_save_settings(job->d->config.state, &caps_job_of(job)->settings, &job->err);
}

static void
set_done(struct mp_daemon_job *job)
{
	static const uint8_t null = 0xf6;
	struct caps_job *j = caps_job_of(job);
	struct mp_daemon *d = job->d;

	if (job->rc == 0) {
		d->caps.settings = j->settings;
		caps_tell(d);
		if (j->tools)
			probe_begin(d, false);
	}
	mp_daemon_answer(d, j->request, job->rc, mp_span(&null, 1), &job->err);
	free(j);
}

int
mp_daemon_caps_set(struct mp_daemon *d, const struct mp_settings *change, uint64_t request)
{
	struct caps_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return MP_ENOMEM;
	j->job = (struct mp_daemon_job){.begin = set_begin, .work = set_work, .done = set_done};
	j->settings = *change;
	j->request = request;
	mp_daemon_do(d, &j->job);
	return 0;
}

static int
hup_begin(struct mp_daemon_job *job)
{
	job->d->caps.hup_asked = false; /* what changes from now on needs another look */
	return 0;
}

static int
hup_work(struct mp_daemon_job *job)
{
	struct caps_job *j = caps_job_of(job);
	const struct mp_state *state = job->d->config.state;
	int rc = mp_state_load_settings(state, &j->settings, &job->err);

	if (rc == 0)
		mp_caps_probe(&j->caps, state->dir);
	return rc;
}

static void
hup_done(struct mp_daemon_job *job)
{
	struct caps_job *j = caps_job_of(job);
	struct mp_daemon *d = job->d;

	if (job->rc != 0) {
		mp_daemon_log(d, "SIGHUP: %s; everything stays as it was", job->err.text);
	} else {
		mp_daemon_log(d, "SIGHUP: looking anew at what this node can do");
		d->caps.settings = j->settings;
		machine_set(d, &j->caps);
		caps_tell(d);
		probe_begin(d, true);
	}
	free(j);
}

void
mp_daemon_on_hup(uv_signal_t *handle, int signum)
{
	struct mp_daemon *d = handle->data;
	struct caps_job *j = d->caps.hup_asked ? NULL : calloc(1, sizeof(*j));

	(void)signum;
	if (j == NULL)
		return;
	j->job = (struct mp_daemon_job){.begin = hup_begin, .work = hup_work, .done = hup_done};
	d->caps.hup_asked = true;
	mp_daemon_do(d, &j->job);
}
