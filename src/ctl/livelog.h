/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a run's modules as it comes: of those that run on this node while they run, of others
 * once an attempt has ended. Each poll prints what is new.
 */
#ifndef MP_CTL_LIVELOG_H
#define MP_CTL_LIVELOG_H

#include <stdio.h>

#include "ctl/cmd.h"
#include "ctl/visit.h"

#define MP_LIVELOG_OUT 0x1u
#define MP_LIVELOG_ERR 0x2u

struct mp_livelog_config {
	const char *run;
	const char *module; /* only that one, its bytes as they are; NULL: all, line by line, each
			     * behind the module's name */
	unsigned streams;
	FILE *out;
};

struct mp_livelog;

/* Borrows all. MP_ENOMEM. */
int mp_livelog_new(
	struct mp_cmd_ctx *ctx, const struct mp_livelog_config *config, struct mp_livelog **out);
/* *state is the run's. The errors of mp_visit(); what was printed is not printed again. */
int mp_livelog_poll(struct mp_livelog *log, enum mp_run_state *state, struct mp_error *err);
/* Prints lines that never ended, too. */
/* errno of the first thing that could not be printed; 0: none. */
int mp_livelog_broken(const struct mp_livelog *log);
void mp_livelog_free(struct mp_livelog *log);

/* The last `lines` lines of a stream that has ended, whose blob was brought (ctl/products.h), each
 * behind `indent`. */
int mp_livelog_last_lines(struct mp_cmd_ctx *ctx, const struct mp_show_log *log, size_t lines,
	const char *indent, FILE *out, struct mp_error *err);

#endif
