/* SPDX-License-Identifier: Apache-2.0 */
/* What state.c, the directory and its small files, shares with state_trust.c, who is in them,
 * and state_wait.c, who is not yet. */
#ifndef MP_SHELL_STATE_INT_H
#define MP_SHELL_STATE_INT_H

#include "shell/state.h"

mp_time mp_state_wall_ms(void);

/* Up to size bytes. MP_ENOENT without a text when there is none; MP_EAUTH, MP_EIO. */
int mp_state_read(const struct mp_state *state, const char *leaf, void *p, size_t size, size_t *n,
	struct mp_error *err);
/* Whole and on disk, or not at all. MP_EFULL, MP_EAUTH, MP_EIO. */
int mp_state_write(const struct mp_state *state, const char *leaf, const void *p, size_t n,
	struct mp_error *err);
/* Gone, or never there. */
void mp_state_remove(const struct mp_state *state, const char *leaf);

/* `waiting`, if it is there. */
int mp_state_load_waiting(struct mp_state *state, struct mp_error *err);
/* MP_ECLUSTER: it waits for another one. */
int mp_state_check_pin(
	const struct mp_state *state, const struct mp_cluster_id *cluster, struct mp_error *err);
/* It waits no more. */
void mp_state_waited(struct mp_state *state);
/* The start of it, in hex. */
void mp_state_short_id(char out[17], const struct mp_cluster_id *cluster);

/* Cluster and name out of the credential, and whether it has the founder's admission. MP_ECORRUPT.
 */
int mp_state_read_credential(struct mp_state *state, struct mp_error *err);

#endif
