/* SPDX-License-Identifier: Apache-2.0 */
/* From a pipeline file to a run: what submit and run share. */
#ifndef MP_CTL_SUBMITTER_H
#define MP_CTL_SUBMITTER_H

#include "ctl/cmd.h"
#include "ctl/inputs.h"
#include "ctl/load.h"

struct mp_submitter {
	struct mp_loaded loaded;
	struct mp_inputs inputs;
	struct mp_buf secrets; /* values from the environment */
};

/* Everything that needs no node: reads, checks, expands, finds and hashes inputs. 0, or the exit
 * code after what is wrong was printed. Finish it in both cases; it must stay where it is. */
int mp_submitter_prepare(struct mp_cmd_ctx *ctx, struct mp_submitter *s, const char *path);

/* Sends inputs and pipeline, and gets the run's id. The same codes. key may be NULL. */
int mp_submitter_send(
	struct mp_cmd_ctx *ctx, struct mp_submitter *s, const char *key, struct mp_run_id *run);

void mp_submitter_fini(struct mp_submitter *s);

#endif
