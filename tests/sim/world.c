/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* One thing that will happen. Ties go by the number of insertion. */
struct sim_entry {
	sim_time when;
	uint64_t number;
	sim_call fn; /* or, when NULL, an event for a host */
	uint64_t arg;
	struct sim_host *host;
	uint32_t life;
	bool tick;
	uint64_t stream;        /* of a message; 0: not on a stream */
	struct mp_event *event; /* owned, with its bytes behind it */
};

static bool
entry_before(const struct sim_entry *a, const struct sim_entry *b)
{
	return a->when != b->when ? a->when < b->when : a->number < b->number;
}

static void
heap_push(struct sim *sim, struct sim_entry entry)
{
	size_t i = sim->heap_count++;

	if (i == sim->heap_cap) {
		sim->heap_cap = sim->heap_cap == 0 ? 1024 : sim->heap_cap * 2;
		sim->heap = realloc(sim->heap, sim->heap_cap * sizeof(*sim->heap));
		mp_assert(sim->heap != NULL);
	}
	entry.number = sim->inserted++;
	if (entry.when < sim->now)
		entry.when = sim->now;
	while (i > 0 && entry_before(&entry, &sim->heap[(i - 1) / 2])) {
		sim->heap[i] = sim->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	sim->heap[i] = entry;
}

static struct sim_entry
heap_pop(struct sim *sim)
{
	struct sim_entry top = sim->heap[0];
	struct sim_entry last = sim->heap[--sim->heap_count];
	size_t i = 0;

	for (;;) {
		size_t c = 2 * i + 1;

		if (c >= sim->heap_count)
			break;
		if (c + 1 < sim->heap_count && entry_before(&sim->heap[c + 1], &sim->heap[c]))
			c++;
		if (!entry_before(&sim->heap[c], &last))
			break;
		sim->heap[i] = sim->heap[c];
		i = c;
	}
	sim->heap[i] = last;
	return top;
}

static void *
sim_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	struct sim *sim = ctx;

	sim->alloc_live += size - old_size;
	if (size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, size);
}

struct sim *
sim_new(const struct sim_plan *plan, bool trace)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	mp_assert(sim != NULL && plan->hosts <= SIM_HOSTS_MAX);
	sim->plan = *plan;
	sim->trace = trace;
	sim->rng.state = plan->seed * 0x9e3779b97f4a7c15ull + 1;
	sim->alloc = (struct mp_alloc){.realloc = sim_realloc, .ctx = sim};
	sim->profile = mp_profile_lan;
	sim->profile.append_max = plan->append_max;
	sim->net = sim_net_new(sim);
	sim->check = sim_check_new(sim);
	sim->client = sim_client_new(sim);
	sim->figure8 = sim_figure8_new();
	for (uint32_t i = 0; i < plan->hosts; i++)
		sim_host_init(sim, i);
	return sim;
}

int
sim_end(struct sim *sim, char *why, size_t size)
{
	int rc;

	for (uint32_t i = 0; i < sim->plan.hosts; i++)
		sim_host_fini(&sim->hosts[i]);
	sim_client_free(sim->client);
	sim_figure8_free(sim->figure8);
	sim_check_free(sim->check);
	if (sim->alloc_live != 0)
		sim_fail(sim, "%zu bytes are leaked", sim->alloc_live);
	for (size_t i = 0; i < sim->heap_count; i++)
		free(sim->heap[i].event);
	free(sim->heap);
	sim_net_free(sim->net);
	rc = sim->failure[0] == '\0' ? 0 : -1;
	(void)snprintf(why, size, "%s", sim->failure);
	free(sim);
	return rc;
}

void
sim_at(struct sim *sim, sim_time when, sim_call fn, uint64_t arg)
{
	heap_push(sim, (struct sim_entry){.when = when, .fn = fn, .arg = arg});
}

/* The bytes that an event points to and that do not outlive the caller. */
static struct mp_span *
event_bytes(struct mp_event *ev)
{
	switch (ev->kind) {
	case MP_EV_DATAGRAM:
		return &ev->u.datagram.bytes;
	case MP_EV_MESSAGE:
		return &ev->u.message.bytes;
	case MP_EV_CONTROL:
		return &ev->u.control.bytes;
	case MP_EV_LINK:
		return &ev->u.link.credential;
	case MP_EV_BLOB_READ:
		return &ev->u.blob_read.bytes;
	case MP_EV_LOG_READ:
		return &ev->u.log_read.bytes;
	case MP_EV_EXEC:
		return &ev->u.exec.error;
	case MP_EV_RESTORE:
	case MP_EV_START:
	case MP_EV_SEEDS:
	case MP_EV_TICK:
	case MP_EV_PERSISTED:
	case MP_EV_CONTROL_CLOSED:
	case MP_EV_BLOB_STAT:
	case MP_EV_BLOB_WRITTEN:
	case MP_EV_BLOB_SYNCED:
	case MP_EV_CACHE_FOUND:
	case MP_EV_CACHE_GOT:
	case MP_EV_BLOB_LIST:
	case MP_EV_ROWS_READ:
	case MP_EV_CAPS:
	case MP_EV_STOP:
		break;
	}
	return NULL;
}

/* Some carry an array instead. */
static struct mp_span
event_array(const struct mp_event *ev)
{
	if (ev->kind == MP_EV_BLOB_STAT)
		return mp_span(ev->u.blob_stat.states,
			ev->u.blob_stat.count * sizeof(*ev->u.blob_stat.states));
	if (ev->kind == MP_EV_BLOB_LIST)
		return mp_span(ev->u.blob_list.refs,
			ev->u.blob_list.count * sizeof(*ev->u.blob_list.refs));
	if (ev->kind == MP_EV_CACHE_FOUND)
		return mp_span(ev->u.cache_found.refs,
			ev->u.cache_found.count * sizeof(*ev->u.cache_found.refs));
	if (ev->kind == MP_EV_CACHE_GOT)
		return mp_span(ev->u.cache_got.records,
			ev->u.cache_got.count * sizeof(*ev->u.cache_got.records));
	return mp_span(NULL, 0);
}

/* An array is copied behind the event like bytes are. */
static struct mp_event *
event_copy(const struct mp_event *ev)
{
	const struct mp_span *from = event_bytes((struct mp_event *)(uintptr_t)ev);
	struct mp_span bytes = from != NULL ? *from : event_array(ev), *to;
	struct mp_event *copy;

	copy = malloc(sizeof(*copy) + bytes.n);
	mp_assert(copy != NULL);
	*copy = *ev;
	if (bytes.n > 0)
		memcpy(copy + 1, bytes.p, bytes.n);
	to = event_bytes(copy);
	if (to != NULL)
		*to = mp_span(copy + 1, bytes.n);
	else if (ev->kind == MP_EV_BLOB_STAT)
		copy->u.blob_stat.states = (const struct mp_blob_state *)(copy + 1);
	else if (ev->kind == MP_EV_BLOB_LIST)
		copy->u.blob_list.refs = (const struct mp_blob_ref *)(copy + 1);
	else if (ev->kind == MP_EV_CACHE_FOUND)
		copy->u.cache_found.refs = (const struct mp_cache_ref *)(copy + 1);
	else if (ev->kind == MP_EV_CACHE_GOT)
		copy->u.cache_got.records = (const struct mp_span *)(copy + 1);
	return copy;
}

void
sim_deliver(struct sim_host *host, sim_time when, const struct mp_event *ev)
{
	heap_push(host->sim,
		(struct sim_entry){
			.when = when, .host = host, .life = host->life, .event = event_copy(ev)});
}

void
sim_deliver_stream(struct sim_host *host, sim_time when, const struct mp_event *ev, uint64_t stream)
{
	heap_push(host->sim, (struct sim_entry){.when = when,
				     .host = host,
				     .life = host->life,
				     .stream = stream,
				     .event = event_copy(ev)});
}

void
sim_tick_at(struct sim_host *host)
{
	mp_time deadline = mp_node_deadline(host->node);
	sim_time when;

	if (deadline == MP_TIME_NEVER)
		return;
	/* When its clock will show that. */
	if (deadline - host->clock_base_ms > INT32_MAX)
		return;
	when = deadline <= host->clock_base_ms
		       ? 0
		       : host->clock_from + ((deadline - host->clock_base_ms) * 1000000000 +
						    999999 + host->clock_ppm) /
						    (1000000 + host->clock_ppm);
	if (when <= host->sim->now)
		when = host->sim->now + 1;
	if (host->tick_at <= when)
		return;
	host->tick_at = when;
	heap_push(host->sim,
		(struct sim_entry){.when = when, .host = host, .life = host->life, .tick = true});
}

/* A host that is paused gets it when it wakes: sockets first, then the timers, or the reverse. */
static bool
entry_postpone(struct sim *sim, struct sim_entry *e)
{
	if (e->host->paused_until <= sim->now)
		return false;
	e->when = e->host->paused_until;
	if (e->tick != sim->plan.tick_first)
		e->when++;
	if (e->tick)
		e->host->tick_at = e->when;
	heap_push(sim, *e);
	return true;
}

/* A deadline that a tick does not move would keep a processor busy for ever. */
static void
entry_spins(struct sim *sim, struct sim_host *host)
{
	sim_time ms = sim->now / SIM_MS;

	host->ticks = host->ticks_ms == ms ? host->ticks + 1 : 0;
	host->ticks_ms = ms;
	if (host->ticks > 200)
		sim_fail(sim, "host %" PRIu32 " asks for one tick after the other", host->index);
}

static void
entry_run(struct sim *sim, struct sim_entry *e)
{
	struct mp_event tick = {.kind = MP_EV_TICK};

	if (e->fn != NULL) {
		e->fn(sim, e->arg);
		return;
	}
	if (e->host->node == NULL || e->life != e->host->life ||
		(e->stream != 0 && sim_net_lost(sim, e->stream))) {
		free(e->event);
		return;
	}
	if (entry_postpone(sim, e))
		return;
	if (e->tick) {
		if (e->host->tick_at != e->when)
			return; /* an earlier one was asked for since */
		e->host->tick_at = SIM_NEVER;
		entry_spins(sim, e->host);
		sim_host_step(e->host, &tick);
	} else {
		sim_host_step(e->host, e->event);
		free(e->event);
	}
}

void
sim_run_until(struct sim *sim, sim_time until)
{
	while (sim->heap_count > 0 && sim->heap[0].when <= until && sim->failure[0] == '\0') {
		struct sim_entry e = heap_pop(sim);

		sim->now = e.when;
		entry_run(sim, &e);
	}
	if (sim->failure[0] == '\0' && sim->now < until)
		sim->now = until;
}

void
sim_run_while(struct sim *sim, sim_time until, bool (*going)(struct sim *sim))
{
	while (sim->now < until && sim->failure[0] == '\0' && going(sim))
		sim_run_until(sim, sim->now + 100 * SIM_MS);
}

const char *sim_blind;

void
sim_fail(struct sim *sim, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (sim->failure[0] != '\0' ||
		(sim_blind != NULL && strncmp(fmt, sim_blind, strlen(sim_blind)) == 0))
		return;
	n = snprintf(sim->failure, sizeof(sim->failure), "at %.6f s: ", (double)sim->now / 1e6);
	va_start(ap, fmt);
	(void)vsnprintf(sim->failure + n, sizeof(sim->failure) - (size_t)n, fmt, ap);
	va_end(ap);
	sim_trace(sim, NULL, "FAILED %s", sim->failure);
}

void
sim_trace(struct sim *sim, const struct sim_host *host, const char *fmt, ...)
{
	va_list ap;

	if (!sim->trace)
		return;
	(void)printf("%12.6f ", (double)sim->now / 1e6);
	if (host != NULL)
		(void)printf("n%-3" PRIu32, host->index);
	else
		(void)printf("-   ");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

void
sim_mix(struct sim *sim, uint64_t value)
{
	struct mp_rng r = {.state = sim->trace_hash ^ value};

	sim->trace_hash = mp_rng_next(&r);
}

sim_time
sim_between(struct sim *sim, sim_time min, sim_time max)
{
	mp_assert(min <= max);
	return min + (sim_time)mp_rng_below(&sim->rng, (uint64_t)(max - min) + 1);
}

bool
sim_chance(struct sim *sim, uint32_t per_mille)
{
	return per_mille > 0 && mp_rng_below(&sim->rng, 1000) < per_mille;
}
