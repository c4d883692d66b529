/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for the end of a run, with what a person wants to see meanwhile on stderr. */
#ifndef MP_CTL_FOLLOW_H
#define MP_CTL_FOLLOW_H

#include "ctl/cmd.h"

#include <stdio.h>

struct mp_follow_config {
	const char *run;    /* whole id or the start of one */
	mp_time timeout_ms; /* 0: none */
	FILE *logs;         /* output of all modules goes there as it comes; NULL */
	bool failures;      /* at the end, show what failed and the end of its stderr */
	bool submitted;     /* by this command, to this node: it was there */
	bool ours;          /* nobody goes on with the run when this command ends */
};

/* The exit code of the run, MP_EXIT_TIMEOUT, or the one of what went wrong, which was printed. A
 * node that was there and restarts meanwhile is waited for. */
int mp_follow(struct mp_cmd_ctx *ctx, const struct mp_follow_config *config);

/* --timeout of the command. MP_EUSAGE. */
int mp_follow_timeout(struct mp_cmd_ctx *ctx, mp_time *timeout_ms, struct mp_error *err);
#define MP_OPTION_TIMEOUT                                                                          \
	{                                                                                          \
		"timeout", 0, "TIME", "give up after so long, with exit status 7"                  \
	}

/* Is stderr a terminal that can redraw a line? */
bool mp_follow_terminal(void);

#endif
