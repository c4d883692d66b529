/* SPDX-License-Identifier: Apache-2.0 */
/* Names of machines: those of seeds, resolved as often as the node has asked all in vain, and its
 * own. */
#include "shell/daemon_int.h"

#include "core/join.h"
#include "shell/resolve.h"
#include "util/sum.h"

/* Each trouble of a seed once, until there is another one. */
static void
say_trouble(struct mp_daemon *d, struct mp_daemon_seed *seed, const struct mp_error *err)
{
	uint64_t sum = err->code != 0 ? mp_sum64(1, mp_span_str(err->text)) : 0;

	if (sum == seed->trouble)
		return;
	seed->trouble = sum;
	if (sum != 0)
		mp_daemon_log(d, "seed %s; trying again", err->text);
	else
		mp_daemon_log(
			d, "seed %s: has an address now", d->config.state->seeds[seed - d->seeds]);
}

/* All that is known now. Of names with many addresses so many are taken that there is room for the
 * others. */
static void
tell_seeds(struct mp_daemon *d)
{
	struct mp_event ev = {.kind = MP_EV_SEEDS};
	struct mp_addr addrs[MP_SEEDS_MAX];
	size_t n = 0;

	for (size_t at = 0; at < MP_RESOLVE_MAX; at++) {
		for (size_t i = 0; i < d->config.state->seed_count && n < mp_countof(addrs); i++) {
			if (at < d->seeds[i].known.count)
				addrs[n++] = d->seeds[i].known.addrs[at];
		}
	}
	ev.u.seeds.addrs = addrs;
	ev.u.seeds.count = n;
	mp_daemon_event(d, &ev);
}

/* One that does not answer keeps nobody from asking the others. */
void
mp_daemon_on_resolved(uv_async_t *async)
{
	struct mp_daemon *d = async->data;
	struct mp_resolved answer;
	bool news = false;

	for (size_t i = 0; i < d->config.state->seed_count && !d->stop; i++) {
		struct mp_daemon_seed *seed = &d->seeds[i];

		if (seed->asked == NULL || !mp_resolve_answer(seed->asked, &answer))
			continue;
		mp_resolve_drop(seed->asked);
		seed->asked = NULL;
		if (answer.count > 0)
			seed->known = answer;
		say_trouble(d, seed, &answer.err);
		news = true;
	}
	if (news)
		tell_seeds(d);
}

static void
told(void *ctx)
{
	struct mp_daemon *d = ctx;

	(void)uv_async_send(&d->resolved);
}

void
mp_daemon_resolve(struct mp_daemon *d)
{
	struct mp_error err = {0};

	for (size_t i = 0; i < d->config.state->seed_count; i++) {
		if (d->seeds[i].asked == NULL &&
			mp_resolve_start(d->config.state->seeds[i], MP_ADDR_REACH, told, d,
				&d->seeds[i].asked, &err) != 0)
			mp_daemon_no_memory(d);
	}
}

void
mp_daemon_resolve_end(struct mp_daemon *d)
{
	for (size_t i = 0; i < mp_countof(d->seeds); i++) {
		mp_resolve_drop(d->seeds[i].asked);
		d->seeds[i].asked = NULL;
	}
}

int
mp_daemon_resolve_now(struct mp_daemon *d, const char *text, enum mp_addr_use use,
	struct mp_resolved *out, struct mp_error *err)
{
	struct mp_resolve *asked;
	int rc = mp_resolve_start(text, use, told, d, &asked, err);

	if (rc != 0)
		return rc;
	while (!mp_resolve_answer(asked, out) && !d->stop)
		(void)uv_run(&d->loop, UV_RUN_ONCE);
	mp_resolve_drop(asked);
	if (d->stop)
		return mp_fail(err, MP_ECANCELED, "stopped");
	if (out->err.code != 0)
		*err = out->err;
	return out->err.code;
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
