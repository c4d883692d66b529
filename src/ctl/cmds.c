/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

/* DESIGN 10 has these; they are known, and refused with a reason. */
#define ABSENT(ident, word, arguments, text)                                                       \
	static const struct mp_cmd absent_##ident = {                                              \
		.name = word, .args = arguments, .summary = text}

ABSENT(explain, "explain", "RUN MODULE", "tell why a module waits, or where it was placed");
ABSENT(pause, "pause", "RUN", "start nothing new of a run");
ABSENT(resume, "resume", "RUN", "end a pause");
ABSENT(retry, "retry", "RUN", "run again what failed");
ABSENT(priority, "priority", "RUN N", "change how urgent a run is");
ABSENT(trace, "trace", "RUN", "print when what ran");

const struct mp_cmd *const mp_cmds[] = {
	&mp_cmd_run,
	&mp_cmd_submit,
	&mp_cmd_runs,
	&mp_cmd_show,
	&mp_cmd_wait,
	&mp_cmd_logs,
	&mp_cmd_outputs,
	&mp_cmd_cancel,
	&mp_cmd_resolve,
	&mp_cmd_secrets,
	&mp_cmd_takeover,
	&mp_cmd_verify,
	&mp_cmd_nodes,
	&mp_cmd_drain,
	&mp_cmd_undrain,
	&mp_cmd_node,
	&mp_cmd_health,
	&mp_cmd_top,
	&mp_cmd_cache,
	&mp_cmd_invite,
	&mp_cmd_pending,
	&mp_cmd_admit,
	&mp_cmd_identity,
	&mp_cmd_revoke,
	&mp_cmd_keys,
	&mp_cmd_authority,
	&mp_cmd_validate,
	&mp_cmd_compile,
	&mp_cmd_plan,
	&mp_cmd_graph,
	&absent_explain,
	&absent_pause,
	&absent_resume,
	&absent_retry,
	&absent_priority,
	&absent_trace,
};

const size_t mp_cmd_count = mp_countof(mp_cmds);
