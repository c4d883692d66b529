/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors; cmds.c puts them in order. */
#ifndef MP_CTL_COMMANDS_H
#define MP_CTL_COMMANDS_H

#include "ctl/cmd.h"

extern const struct mp_cmd mp_cmd_admit;
extern const struct mp_cmd mp_cmd_authority;
extern const struct mp_cmd mp_cmd_cache;
extern const struct mp_cmd mp_cmd_cancel;
extern const struct mp_cmd mp_cmd_compile;
extern const struct mp_cmd mp_cmd_drain;
extern const struct mp_cmd mp_cmd_graph;
extern const struct mp_cmd mp_cmd_health;
extern const struct mp_cmd mp_cmd_identity;
extern const struct mp_cmd mp_cmd_invite;
extern const struct mp_cmd mp_cmd_keys;
extern const struct mp_cmd mp_cmd_logs;
extern const struct mp_cmd mp_cmd_node;
extern const struct mp_cmd mp_cmd_nodes;
extern const struct mp_cmd mp_cmd_outputs;
extern const struct mp_cmd mp_cmd_pending;
extern const struct mp_cmd mp_cmd_plan;
extern const struct mp_cmd mp_cmd_resolve;
extern const struct mp_cmd mp_cmd_revoke;
extern const struct mp_cmd mp_cmd_run;
extern const struct mp_cmd mp_cmd_runs;
extern const struct mp_cmd mp_cmd_secrets;
extern const struct mp_cmd mp_cmd_show;
extern const struct mp_cmd mp_cmd_submit;
extern const struct mp_cmd mp_cmd_takeover;
extern const struct mp_cmd mp_cmd_top;
extern const struct mp_cmd mp_cmd_undrain;
extern const struct mp_cmd mp_cmd_validate;
extern const struct mp_cmd mp_cmd_verify;
extern const struct mp_cmd mp_cmd_wait;

#endif
