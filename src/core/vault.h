/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets of a run on their way to where they are needed (DESIGN 3).
 *
 *   mpctl ──values──▶ opener ──sealed to each elector──▶ electors' disks (MP_TABLE_SECRET)
 *                                                          │ the leader opens its own
 *   submitter, asked again ──values──▶ leader              ▼
 *                      its module's ──values──▶ worker ──▶ child's environment, never a disk
 *
 * An elector that leads and has none asks the others (RUN_SECRETS): who has them seals them to the
 * electors of today. When nobody has, for the ones that had are lost for good, modules that take
 * secrets wait, and say so, until the submitter gives them again (mpctl secrets). Everything goes
 * when the run ends.
 */
#ifndef MP_CORE_VAULT_H
#define MP_CORE_VAULT_H

#include "codec/record_run.h"
#include "codec/record_secret.h"
#include "core/env.h"
#include "core/roster.h"
#include "mp/error.h"
#include "mp/pipeline.h"

/* Are these the values of exactly what is declared? An empty span has none. 0, or with *err that
 * names them all: MP_EINVAL (some are missing, or not declared), or a decoder's error. */
int mp_vault_check(
	const struct mp_names_list *declared, struct mp_span values, struct mp_error *err);

/* "A, B and C", cut when it is too long. */
void mp_vault_names(const struct mp_names_list *names, char *out, size_t size);

/* Appends values sealed to all electors and the mirror that are not revoked. 0, MP_ENOENT (one is
 * no member), MP_ESIG, MP_ENOMEM. */
int mp_vault_seal(struct mp_env *env, const struct mp_roster *roster,
	const struct mp_electorate *who, struct mp_span values, struct mp_buf *out);

/* Takes all values out of a text that names no others. */
void mp_vault_mask(const struct mp_alloc *alloc, struct mp_span values, char *text, size_t size);

#endif
