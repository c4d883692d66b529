/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs of a run into a folder: what outputs --to and run --to share. */
#ifndef MP_CTL_GATHER_H
#define MP_CTL_GATHER_H

#include "ctl/cmd.h"

/* Writes DIR/MODULE/PATH for all modules, or one. 0 with *files, or an error with a text: of the
 * first file that could not be written, after the others were tried. */
int mp_gather(struct mp_cmd_ctx *ctx, const char *run, const char *module, const char *dir,
	size_t *files, struct mp_error *err);

#endif
