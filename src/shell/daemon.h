/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node in a process: the libuv shell around struct mp_node. It turns what happens into events,
 * carries out effects, and decides nothing.
 *
 *   mp_daemon_open() -> mp_daemon_run() (until SIGTERM, SIGINT or a fatal effect) -> close
 */
#ifndef MP_SHELL_DAEMON_H
#define MP_SHELL_DAEMON_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/member.h"
#include "shell/state.h"

#include <stdio.h>

struct mp_daemon;

enum mp_reach {
	MP_REACH_KEPT, /* as the last time; at first, all */
	MP_REACH_ALL,
	MP_REACH_OUT, /* nobody can open a stream to it: it opens them to all others */
};

/* Timings, core/env.h. */
enum mp_timing {
	MP_TIMING_KEPT, /* as the last time; at first, LAN */
	MP_TIMING_LAN,
	MP_TIMING_WAN,
};

struct mp_daemon_config {
	struct mp_state *state; /* borrowed; holds the lock, keys, credential and seeds */
	/* HOST:PORT; port 0 is the kept one, or picks; NULL: as the last time, or 7117 of all. */
	const char *listen;
	/* HOST or HOST:PORT; none: as the last time unless `listen` is given, or where it listens.
	 */
	const char *const *advertise;
	size_t advertise_count; /* at most MP_ADDRS_MAX */
	enum mp_reach reach;
	enum mp_timing timing;
	const struct mp_settings
		*options; /* that it was started with; node.conf counts before them */
	/* Whoever may submit may run commands: what comes from elsewhere is only taken with one of
	 * these. */
	bool trust_submitters;
	const char *control_group; /* may use the control socket as the owner does; NULL: none */
	const char *run_as;        /* user whom modules run as; NULL: this process's */
	FILE *ready;               /* the ready line goes here; NULL for none */
	FILE *log;                 /* one line an event */
	bool keep_failed;          /* leave the workspaces of attempts that fail */
};

/*
 * Forks the executor, opens databases and sockets, starts the node. Call it while the process has
 * one thread; from then on SIGPIPE is ignored, SIGTERM and SIGINT stop it, and SIGHUP
 * makes it read node.conf again and look anew at what the machine has. MP_EBUSY: the port
 * is taken; MP_EUSAGE: there is no seed to join through; others as the parts say. The text says
 * what to do.
 */
int mp_daemon_open(
	const struct mp_daemon_config *config, struct mp_daemon **out, struct mp_error *err);

/* The loop. 0 after a graceful stop, else the error that ended it; MP_EAUTH: the node is shut out,
 * and to start it again does not help. */
int mp_daemon_run(struct mp_daemon *daemon, struct mp_error *err);

void mp_daemon_close(struct mp_daemon *daemon);

#endif
