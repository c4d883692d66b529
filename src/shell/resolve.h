/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of machines. The resolver may take half a minute to answer, and nothing interrupts it, so
 * it is asked on a thread that nobody waits for: who does not want the answer any more drops the
 * question, and the thread ends when it can, or with the process.
 */
#ifndef MP_SHELL_RESOLVE_H
#define MP_SHELL_RESOLVE_H

#include "shell/addr.h"

#include <signal.h>

/* Of one name. */
#define MP_RESOLVE_MAX 16

struct mp_resolve;

struct mp_resolved {
	struct mp_addr addrs[MP_RESOLVE_MAX];
	size_t count;
	struct mp_error err; /* of mp_addr_resolve(); code 0: there are addresses */
};

/* Asks for what mp_addr_resolve() would give. told(ctx) is called once there is an answer, on the
 * other thread, and not after mp_resolve_drop(). MP_ENOMEM. */
int mp_resolve_start(const char *text, enum mp_addr_use use, void (*told)(void *ctx), void *ctx,
	struct mp_resolve **out, struct mp_error *err);
/* False: there is no answer yet. */
bool mp_resolve_answer(struct mp_resolve *r, struct mp_resolved *out);
/* NULL is fine. Does not wait. */
void mp_resolve_drop(struct mp_resolve *r);

/* For who may block: asks, and waits until then (mp_clock_ms(); may be MP_TIME_NEVER) or until
 * *stop, which may be NULL. The errors of mp_addr_resolve(), MP_ENOMEM, MP_ECANCELED. */
int mp_resolve_wait(const char *text, enum mp_addr_use use, mp_time until_ms,
	const volatile sig_atomic_t *stop, struct mp_resolved *out, struct mp_error *err);

#endif
