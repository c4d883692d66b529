/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/daemon.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/caps.h"
#include "core/roster.h"
#include "crypto/key.h"
#include "shell/daemon_int.h"
#include "util/clock.h"
#include "util/hex.h"

#define DRAIN_ROUNDS_MAX 64    /* of MP_UDP_ROUND datagrams before a tick */
#define QUIET_MS         10000 /* between two lines about one source */

/* ---- log ---- */

void
mp_daemon_log(struct mp_daemon *d, const char *fmt, ...)
{
	static const char name[] = "mpnode: ";
	char line[MP_LINE_MAX];
	size_t n = sizeof(name) - 1;
	va_list ap;
	int more;

	memcpy(line, name, n);
	va_start(ap, fmt);
	more = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n = mp_min_size(n + (more > 0 ? (size_t)more : 0), sizeof(line) - 1);
	line[n++] = '\n';
	mp_lines_put(d->log, mp_span(line, n));
}

/* ---- events and effects ---- */

static void
daemon_stop_loop(struct mp_daemon *d, int code, const char *text)
{
	if (code != 0 && d->ended.code == 0)
		(void)mp_fail(&d->ended, code, "%s", text);
	d->stop = true;
	uv_stop(&d->loop);
}

void
mp_daemon_no_memory(struct mp_daemon *d)
{
	daemon_stop_loop(d, MP_ENOMEM, "out of memory: the node would wait for ever");
}

/* What the state directory is to say of a node that has become a member. */
struct joined_job {
	struct mp_daemon_job job;
	bool joined;
	bool timings;
	struct mp_state_network network;
};

static int
joined_work(struct mp_daemon_job *job)
{
	struct joined_job *j = mp_container_of(job, struct joined_job, job);
	const struct mp_state *state = job->d->config.state;

	if (j->joined)
		mp_state_keep_joined(state);
	return j->timings ? mp_state_keep_network(state, &j->network, &job->err) : 0;
}

static void
joined_done(struct mp_daemon_job *job)
{
	if (job->rc != 0)
		mp_daemon_log(job->d, "the timings are not kept: %s", job->err.text);
	free(mp_container_of(job, struct joined_job, job));
}

/* It may have taken other timings from the cluster that it joined. */
static void
daemon_joined(struct mp_daemon *d)
{
	struct mp_state *state = d->config.state;
	bool wan = mp_node_env(d->node)->profile->wan;
	bool timings = wan != state->network.wan;
	struct joined_job *j;

	if (!state->joining && !timings)
		return;
	j = calloc(1, sizeof(*j));
	if (j == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	*j = (struct joined_job){.job = {.work = joined_work, .done = joined_done},
		.joined = state->joining,
		.timings = timings};
	state->joining = false;
	state->network.wan = wan;
	j->network = state->network;
	mp_daemon_do(d, &j->job);
	if (!timings)
		return;
	mp_daemon_log(d, "the timings of this cluster are those of --profile %s: taken",
		wan ? "wan" : "lan");
	mp_daemon_net_timings(d);
	mp_daemon_caps_tell_soon(d);
}

static void
daemon_ready(struct mp_daemon *d)
{
	char addr[MP_ADDR_TEXT] = "-", hex[MP_HEX_SIZE(32)];
	char line[MP_NAME_MAX + sizeof(addr) + sizeof(hex) + 16];
	int n;

	mp_peers_accept(d->peers);
	if (d->config.state->joining)
		mp_daemon_resolve_end(d);
	else
		mp_daemon_resolve(d); /* where an operator says that others are */
	daemon_joined(d);
	mp_hex(hex, d->config.state->id.b, sizeof(d->config.state->id.b));
	if (d->advertised_count > 0)
		mp_addr_format(addr, &d->advertised[0]);
	mp_notify_systemd("READY=1");
	n = snprintf(line, sizeof(line), "ready %s %s %s\n", d->config.state->name.s, hex, addr);
	mp_lines_put(d->ready, mp_span(line, (size_t)n));
}

static void
daemon_persist(struct mp_daemon *d, const struct mp_effect *fx)
{
	int rc = mp_control_write(
		d->control, fx->u.persist.seq, fx->u.persist.rows, fx->u.persist.count);

	if (rc != 0)
		daemon_stop_loop(
			d, rc, "control.db: too much waits to be written; is the disk full?");
}

static void
daemon_effect(struct mp_daemon *d, const struct mp_effect *fx)
{
	switch (fx->kind) {
	case MP_FX_DATAGRAM:
		mp_udp_send(&d->udp, &fx->u.datagram.to, fx->u.datagram.bytes);
		break;
	case MP_FX_CONNECT:
		mp_peers_connect(d->peers, &fx->u.connect.to);
		break;
	case MP_FX_RESOLVE:
		mp_daemon_resolve(d);
		break;
	case MP_FX_SEND:
		mp_peers_send(d->peers, fx);
		break;
	case MP_FX_DROP_PEER:
		mp_peers_drop(d->peers, &fx->u.drop.peer);
		break;
	case MP_FX_PERSIST:
		daemon_persist(d, fx);
		break;
	case MP_FX_ROWS_READ:
		mp_daemon_read_rows(d, fx);
		break;
	case MP_FX_REPLY:
		mp_ctlsock_reply(
			d->ctlsock, fx->u.reply.request, fx->u.reply.bytes, fx->u.reply.last);
		break;
	case MP_FX_BLOB_STAT:
	case MP_FX_BLOB_READ:
	case MP_FX_BLOB_WRITE:
	case MP_FX_BLOB_SYNC:
	case MP_FX_BLOB_LIST:
		mp_daemon_blob(d, fx);
		break;
	case MP_FX_CACHE_PUT:
	case MP_FX_CACHE_FIND:
	case MP_FX_CACHE_GET:
		mp_daemon_result(d, fx);
		break;
	case MP_FX_LOG_READ:
		mp_daemon_read_log(d, fx);
		break;
	case MP_FX_EXEC_START:
		mp_exec_start(d->exec, &fx->u.exec_start);
		break;
	case MP_FX_EXEC_KILL:
		mp_exec_kill(d->exec, &fx->u.exec_kill.key);
		break;
	case MP_FX_EXEC_LEASE:
		mp_exec_lease(d->exec, &fx->u.exec_lease.key, fx->u.exec_lease.until_ms);
		break;
	case MP_FX_READY:
		daemon_ready(d);
		break;
	case MP_FX_STOPPED:
		daemon_stop_loop(d, 0, "");
		break;
	case MP_FX_FATAL:
		daemon_stop_loop(d, fx->u.fatal.code, fx->u.fatal.text);
		break;
	}
}

static void
daemon_arm(struct mp_daemon *d)
{
	mp_time deadline = mp_node_deadline(d->node);
	mp_time now = mp_clock_boot_ms();

	if (deadline == d->armed || d->tick_due)
		return;
	d->armed = deadline;
	if (deadline == MP_TIME_NEVER) {
		(void)uv_timer_stop(&d->timer);
		return;
	}
	/* The loop's clock is read once a round, and begins its milliseconds elsewhere than ours:
	 * one more, or it would wake up just before the deadline and again at it. */
	uv_update_time(&d->loop);
	(void)uv_timer_start(&d->timer, mp_daemon_on_timer,
		deadline > now ? (uint64_t)(deadline - now) + 1 : 0, 0);
}

/* Random bits are fetched for many steps at a time: a system call each would cost more than most
 * steps. They only stir the node's generator; keys are never made of them. */
static uint64_t
daemon_entropy(struct mp_daemon *d)
{
	uint64_t bits;

	if (d->entropy_left == 0) {
		mp_key_random(d->entropy, sizeof(d->entropy));
		d->entropy_left = mp_countof(d->entropy);
	}
	bits = d->entropy[--d->entropy_left];
	d->entropy[d->entropy_left] = 0;
	return bits;
}

static void
daemon_step(struct mp_daemon *d, struct mp_event *ev)
{
	const struct mp_effect *fx;
	size_t count;

	ev->now_ms = mp_clock_boot_ms();
	ev->wall_ms = mp_clock_wall_ms();
	ev->entropy = daemon_entropy(d);
	mp_node_step(d->node, ev, &fx, &count);
	d->stepping = true;
	for (size_t i = 0; i < count; i++)
		daemon_effect(d, &fx[i]);
	d->stepping = false;
}

/* While effects are carried out their memory is the node's until its next step. What comes then,
 * from inside the parts that carry them out, carries no bytes, and waits. */
static void
daemon_put_off(struct mp_daemon *d, const struct mp_event *ev)
{
	struct mp_daemon_queued *q = malloc(sizeof(*q));

	mp_assert(ev->kind == MP_EV_CONTROL_CLOSED ||
		  (ev->kind == MP_EV_LINK && ev->u.link.state != MP_LINK_UP));
	if (q == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	*q = (struct mp_daemon_queued){.event = *ev};
	*d->queue_last = q;
	d->queue_last = &q->next;
}

void
mp_daemon_event(struct mp_daemon *d, struct mp_event *ev)
{
	if (d->stop || d->node == NULL)
		return;
	if (d->stepping) {
		daemon_put_off(d, ev);
		return;
	}
	daemon_step(d, ev);
	while (d->queue != NULL && !d->stop) {
		struct mp_daemon_queued *q = d->queue;

		d->queue = q->next;
		if (d->queue == NULL)
			d->queue_last = &d->queue;
		daemon_step(d, &q->event);
		free(q);
	}
	mp_daemon_watch_members(d);
	if (!d->stop)
		daemon_arm(d);
}

/* ---- time: a tick is judged only after the sockets were drained (DESIGN 4) ---- */

static void
on_idle(uv_idle_t *idle)
{
	(void)idle; /* its being active keeps the poll from sleeping */
}

void
mp_daemon_on_timer(uv_timer_t *timer)
{
	struct mp_daemon *d = mp_container_of(timer, struct mp_daemon, timer);

	d->armed = MP_TIME_NEVER;
	d->tick_due = true;
	d->drain_rounds = 0;
	d->drain_seen = d->udp.received;
	(void)uv_idle_start(&d->idle, on_idle);
	(void)uv_check_start(&d->check, mp_daemon_on_check);
}

/* After each poll while a tick waits. A round that gave fewer datagrams than libuv reads at most
 * has emptied the socket. A flood never does: then it is what a socket holds that is waited for. */
void
mp_daemon_on_check(uv_check_t *check)
{
	struct mp_daemon *d = mp_container_of(check, struct mp_daemon, check);
	struct mp_event ev = {.kind = MP_EV_TICK};
	uint64_t got = d->udp.received - d->drain_seen;

	d->drain_seen = d->udp.received;
	if (got >= MP_UDP_ROUND && ++d->drain_rounds < DRAIN_ROUNDS_MAX)
		return;
	d->tick_due = false;
	(void)uv_idle_stop(&d->idle);
	(void)uv_check_stop(&d->check);
	mp_daemon_event(d, &ev);
}

/* ---- what happens ---- */

void
mp_daemon_on_datagram(void *ctx, const struct mp_addr *from, struct mp_span bytes)
{
	struct mp_event ev = {.kind = MP_EV_DATAGRAM};

	ev.u.datagram.from = *from;
	ev.u.datagram.bytes = bytes;
	mp_daemon_event(ctx, &ev);
}

void
mp_daemon_on_peer(void *ctx, struct mp_event *ev)
{
	mp_daemon_event(ctx, ev);
}

int
mp_daemon_on_check_peer(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
	struct mp_node_id *id, bool *joiner, struct mp_error *err)
{
	struct mp_daemon *d = ctx;

	return mp_node_check_peer(d->node, credential, xkey, mp_clock_wall_ms(), id, joiner, err);
}

struct mp_span
mp_daemon_on_credential(void *ctx)
{
	struct mp_daemon *d = ctx;

	return mp_node_credential(d->node);
}

bool
mp_daemon_quiet(void *ctx)
{
	struct mp_daemon *d = ctx;

	return d->node != NULL && mp_node_quiet(d->node);
}

bool
mp_daemon_member(void *ctx, const struct mp_node_id *id)
{
	struct mp_daemon *d = ctx;

	return mp_roster_find(mp_node_roster(d->node), id) != NULL;
}

/* One line per source and ten seconds, and of so many sources (DESIGN 3); the others are counted.
 */
static bool
daemon_may_say(struct mp_daemon *d, const uint8_t source[16])
{
	uint64_t now = uv_now(&d->loop);
	struct mp_daemon_trouble *slot = NULL;
	bool said = false;

	for (size_t i = 0; i < mp_countof(d->trouble) && !said; i++) {
		struct mp_daemon_trouble *t = &d->trouble[i];
		bool same = memcmp(t->source, source, sizeof(t->source)) == 0;

		if (t->until_ms <= now)
			slot = slot == NULL || same ? t : slot;
		else
			said = same;
	}
	if (said || slot == NULL) {
		d->quiet++;
		d->held++;
		return false;
	}
	memcpy(slot->source, source, sizeof(slot->source));
	slot->until_ms = now + QUIET_MS;
	if (d->quiet > 0)
		mp_daemon_log(d, "%" PRIu64 " more like the last ones", d->quiet);
	d->quiet = 0;
	return true;
}

void
mp_daemon_on_trouble(void *ctx, const struct mp_addr *addr, const struct mp_error *err)
{
	struct mp_daemon *d = ctx;
	const uint8_t *cluster = d->config.state->cluster.b;
	char text[MP_ADDR_TEXT];

	if (!daemon_may_say(d, mp_addr_source(addr).ip))
		return;
	mp_addr_format(text, addr);
	if (err->code == MP_ESIG && d->config.state->joining)
		mp_daemon_log(d,
			"stream: %s: is of another cluster than the invite (%02x%02x%02x%02x...), "
			"as it seems; mpctl health there tells, mpctl invite there makes another; "
			"trying again",
			text, cluster[0], cluster[1], cluster[2], cluster[3]);
	else
		mp_daemon_log(d, "stream: %s: %s", text, err->text);
}

void
mp_daemon_log_cache(struct mp_daemon *d, const struct mp_error *err)
{
	static const uint8_t source[16] = "cache.db";

	if (daemon_may_say(d, source))
		mp_daemon_log(d, "cache.db: %s", err->text);
}

void
mp_daemon_on_durable(void *ctx, uint64_t seq)
{
	struct mp_event ev = {.kind = MP_EV_PERSISTED};

	ev.u.persisted.seq = seq;
	mp_daemon_event(ctx, &ev);
}

void
mp_daemon_on_disk(void *ctx, const struct mp_error *err)
{
	struct mp_daemon *d = ctx;

	if (err->code == 0)
		mp_daemon_log(d, "control.db: writing works again");
	else
		mp_daemon_log(d, "control.db: %s", err->text);
	if (err->code == MP_ECORRUPT)
		daemon_stop_loop(d, err->code, err->text);
}

void
mp_daemon_on_exec(void *ctx, const struct mp_exec_report *report)
{
	struct mp_event ev = {.kind = MP_EV_EXEC};

	ev.u.exec = *report;
	mp_daemon_event(ctx, &ev);
}

void
mp_daemon_on_exec_failed(void *ctx, const struct mp_error *err)
{
	daemon_stop_loop(ctx, err->code, err->text);
}

void
mp_daemon_on_signal(uv_signal_t *handle, int signum)
{
	struct mp_daemon *d = handle->data;
	struct mp_event ev = {.kind = MP_EV_STOP};

	if (d->stopping || d->node == NULL) {
		daemon_stop_loop(d, 0, "");
		return;
	}
	d->stopping = true;
	mp_daemon_log(
		d, "%s: stopping; again to stop at once", signum == SIGTERM ? "SIGTERM" : "SIGINT");
	mp_notify_systemd("STOPPING=1");
	mp_daemon_event(d, &ev);
}
