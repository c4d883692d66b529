/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining without a token: the node knocks at its seeds, is shown there to who may admit it
 * (mpctl pending), and knocks again until it is given a token for its key alone (DESIGN 3).
 *
 * The first seed that answers says which cluster it is of. That is shown to the person, kept, and
 * every other cluster is refused from then on. The node says its name and proves its keys; it
 * learns nothing but that cluster's id before it is admitted.
 */
#ifndef MP_SHELL_AWAIT_H
#define MP_SHELL_AWAIT_H

#include <stdio.h>

#include "mp/error.h"
#include "shell/state.h"

/*
 * Blocks, until the state directory has a credential and whom to ask (as mp_state_take_token()
 * leaves it). Seeds are those of mp_state_wait(). What happens is told on log. MP_ECANCELED:
 * SIGTERM or SIGINT; MP_EAUTH, MP_EEXIST: refused for good; or the errors of mp_state_take_token().
 */
int mp_await_admission(struct mp_state *state, FILE *log, struct mp_error *err);

#endif
