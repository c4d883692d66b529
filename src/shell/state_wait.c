/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for admission, in the state directory: lines of KEY VALUE in `waiting`. */
#include <stdio.h>

#include "shell/state_int.h"
#include "util/hex.h"

int
mp_state_load_waiting(struct mp_state *state, struct mp_error *err)
{
	char text[(2 + MP_STATE_SEEDS_MAX) * MP_STATE_SEED_SIZE], *line, *rest = text;
	size_t n = 0;
	int rc = mp_state_read(state, "waiting", text, sizeof(text) - 1, &n, err);

	if (rc != 0)
		return rc == MP_ENOENT ? 0 : rc;
	text[n] = '\0';
	state->waiting = true;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *value = strchr(line, ' ');

		if (value == NULL || strlen(++value) >= MP_STATE_SEED_SIZE)
			continue;
		if (strncmp(line, "cluster ", 8) == 0)
			state->pinned =
				mp_unhex(state->pin.b, sizeof(state->pin.b), mp_span_str(value));
		else if (strncmp(line, "name ", 5) == 0 && strlen(value) <= MP_NAME_MAX &&
			 !state->has_credential)
			memcpy(state->name.s, value, strlen(value) + 1);
		else if (strncmp(line, "seed ", 5) == 0 && !state->joining &&
			 state->seed_count < MP_STATE_SEEDS_MAX)
			memcpy(state->seeds[state->seed_count++], value, strlen(value) + 1);
	}
	return 0;
}

static int
waiting_write(struct mp_state *state, struct mp_error *err)
{
	char text[(2 + MP_STATE_SEEDS_MAX) * MP_STATE_SEED_SIZE];
	char hex[MP_HEX_SIZE(sizeof(state->pin.b))];
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "name %s\n", state->name.s);
	if (state->pinned) {
		mp_hex(hex, state->pin.b, sizeof(state->pin.b));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "cluster %s\n", hex);
	}
	for (size_t i = 0; i < state->seed_count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "seed %s\n", state->seeds[i]);
	state->waiting = true;
	return mp_state_write(state, "waiting", text, n, err);
}

int
mp_state_hint(struct mp_state *state, const char *const *seeds, size_t count, struct mp_error *err)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(seeds[i]);

		if (n == 0 || n >= MP_STATE_SEED_SIZE || strpbrk(seeds[i], " \n") != NULL)
			return mp_fail(
				err, MP_EINVAL, "seed %.64s: HOST:PORT is expected", seeds[i]);
	}
	if (count > 0)
		state->seed_count = mp_min_size(count, MP_STATE_SEEDS_MAX);
	for (size_t i = 0; i < mp_min_size(count, MP_STATE_SEEDS_MAX); i++)
		memcpy(state->seeds[i], seeds[i], strlen(seeds[i]) + 1);
	return 0;
}

int
mp_state_wait(struct mp_state *state, const char *const *seeds, size_t count, struct mp_error *err)
{
	int rc = mp_state_hint(state, seeds, count, err);

	return rc == 0 ? waiting_write(state, err) : rc;
}

int
mp_state_pin(struct mp_state *state, const struct mp_cluster_id *cluster, struct mp_error *err)
{
	if (state->pinned)
		return mp_state_check_pin(state, cluster, err);
	state->pin = *cluster;
	state->pinned = true;
	return waiting_write(state, err);
}

int
mp_state_check_pin(
	const struct mp_state *state, const struct mp_cluster_id *cluster, struct mp_error *err)
{
	char ours[17], theirs[17];

	if (!state->waiting || !state->pinned || mp_cluster_id_eq(&state->pin, cluster))
		return 0;
	mp_state_short_id(ours, &state->pin);
	mp_state_short_id(theirs, cluster);
	return mp_fail(err, MP_ECLUSTER,
		"this node waits to be let into cluster %s, and that is cluster %s; to join it "
		"instead, remove %s/waiting first",
		ours, theirs, state->dir);
}

void
mp_state_waited(struct mp_state *state)
{
	if (state->waiting)
		mp_state_remove(state, "waiting");
	state->waiting = state->pinned = false;
}
