/* SPDX-License-Identifier: Apache-2.0 */
/* Where a joiner asks: its seeds' names, resolved as often as the node has asked all in vain. */
#include "shell/daemon_int.h"

#include <stdlib.h>

#include "core/join.h"
#include "shell/addr.h"
#include "util/sum.h"

struct seeds_work {
	uv_work_t req;
	struct mp_daemon *d; /* which outlives it; its seeds do not change */
	struct mp_addr addrs[MP_SEEDS_MAX];
	size_t count;
	struct mp_error trouble[MP_STATE_SEEDS_MAX]; /* by seed */
};

/* Of a name with many addresses so many are taken that there is room for the others. */
static void
seeds_resolve(uv_work_t *req)
{
	struct seeds_work *w = mp_container_of(req, struct seeds_work, req);
	const struct mp_state *state = w->d->config.state;

	for (size_t i = 0; i < state->seed_count && w->count < MP_SEEDS_MAX; i++) {
		size_t left = MP_SEEDS_MAX - w->count, others = state->seed_count - i - 1;
		size_t n = 0;

		if (mp_addr_resolve(state->seeds[i], MP_ADDR_REACH, w->addrs + w->count,
			    left > others ? left - others : 1, &n, &w->trouble[i]) == 0)
			w->count += n;
	}
}

/* Each trouble of a seed once, until there is another one. */
static void
say_trouble(struct mp_daemon *d, size_t i, const struct mp_error *err)
{
	uint64_t sum = err->code != 0 ? mp_sum64(1, mp_span_str(err->text)) : 0;

	if (sum == d->seed_trouble[i])
		return;
	d->seed_trouble[i] = sum;
	if (sum != 0)
		mp_daemon_log(d, "seed %s; trying again", err->text);
	else
		mp_daemon_log(d, "seed %s: has an address now", d->config.state->seeds[i]);
}

static void
seeds_resolved(uv_work_t *req, int status)
{
	struct seeds_work *w = mp_container_of(req, struct seeds_work, req);
	struct mp_daemon *d = w->d;
	struct mp_event ev = {.kind = MP_EV_SEEDS};

	(void)status;
	mp_daemon_work_done(d);
	d->resolving = false;
	for (size_t i = 0; !d->stop && i < d->config.state->seed_count; i++)
		say_trouble(d, i, &w->trouble[i]);
	ev.u.seeds.addrs = w->addrs;
	ev.u.seeds.count = w->count;
	mp_daemon_event(d, &ev);
	free(w);
}

void
mp_daemon_resolve(struct mp_daemon *d)
{
	struct seeds_work *w;

	if (d->resolving)
		return;
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	w->d = d;
	d->resolving = true;
	mp_daemon_work(d, &w->req, seeds_resolve, seeds_resolved);
}

int
mp_daemon_check_seeds(const struct mp_state *state, struct mp_error *err)
{
	if (!state->joining)
		return 0;
	for (size_t i = 0; i < state->seed_count; i++) {
		if (mp_addr_check(state->seeds[i], MP_ADDR_REACH, err) == 0)
			return 0;
	}
	if (state->seed_count > 0)
		return mp_wrap(err, "no seed can be reached");
	return mp_fail(err, MP_EUSAGE,
		"this node was invited and is not a member yet; name one: mpnode join SEED:PORT");
}
