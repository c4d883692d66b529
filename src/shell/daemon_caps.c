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

static void
machine_probe(struct mp_daemon *d)
{
	struct mp_caps *caps = malloc(sizeof(*caps));

	if (caps == NULL)
		return;
	mp_caps_probe(caps, d->config.state->dir);
	caps->tool_count = d->caps.machine.tool_count;
	memcpy(caps->tools, d->caps.machine.tools, sizeof(caps->tools));
	d->caps.machine = *caps;
	free(caps);
}

static void
on_disk_timer(uv_timer_t *timer)
{
	struct mp_daemon *d = timer->data;

	if (mp_disk_probe(&d->caps.machine, d->config.state->dir) || d->caps.untold)
		caps_tell(d);
	d->caps.untold = false;
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
	machine_probe(d);
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

int
mp_daemon_caps_set(struct mp_daemon *d, const struct mp_settings *change, struct mp_error *err)
{
	struct mp_settings settings = d->caps.settings;
	struct mp_buf buf;
	uint32_t slots;
	int rc = mp_settings_merge(&settings, change, err);

	mp_buf_init(&buf, &mp_heap, MP_CAPS_BYTES_MAX);
	if (rc == 0)
		rc = mp_daemon_caps_now(d, &settings, &buf, &slots, err);
	mp_buf_fini(&buf);
	if (rc == 0)
		rc = mp_state_save_settings(d->config.state, &settings, err);
	if (rc != 0)
		return rc;
	d->caps.settings = settings;
	caps_tell(d);
	if (change->tool_count > 0)
		probe_begin(d, false);
	return 0;
}

void
mp_daemon_on_hup(uv_signal_t *handle, int signum)
{
	struct mp_daemon *d = handle->data;
	struct mp_settings settings;
	struct mp_error err = {0};

	(void)signum;
	if (mp_state_load_settings(d->config.state, &settings, &err) != 0) {
		mp_daemon_log(d, "SIGHUP: %s; everything stays as it was", err.text);
		return;
	}
	mp_daemon_log(d, "SIGHUP: looking anew at what this node can do");
	d->caps.settings = settings;
	machine_probe(d);
	caps_tell(d);
	probe_begin(d, true);
}
