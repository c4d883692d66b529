/* SPDX-License-Identifier: Apache-2.0 */
/* Inside exec.h: what the loop's side (exec.c, exec_keeper.c) and the thread pool's side
 * (exec_work.c) share. */
#ifndef MP_SHELL_EXEC_IMPL_H
#define MP_SHELL_EXEC_IMPL_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/pipeline.h"
#include "mp/work.h"
#include "shell/exec.h"
#include "shell/executor_msg.h"
#include "shell/workspace.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/dlist.h"
#include "util/map.h"

#include <uv.h>

/*
 *   LAYING ──▶ WAITING ──▶ RUNNING ──▶ FINISHING ──▶ reported ──▶ freed
 *   (pool)     (a keeper)  (keeper)    (pool)           (pool, with its workspace)
 *     └───────────┴─ killed, failed ──────▲
 */
enum exec_phase {
	EXEC_LAYING,
	EXEC_WAITING,
	EXEC_RUNNING,
	EXEC_FINISHING,
};

struct exec_attempt {
	struct mp_exec *exec;
	struct mp_map_node node;
	struct mp_dlist link; /* among those that wait */
	enum exec_phase phase;
	uint64_t id;
	uv_work_t work;
	struct exec_keeper *keeper;
	bool killed;  /* mp_exec_kill() came */
	bool spawned; /* `end` counts */
	bool stale;   /* the store has not whole what the command reads */
	bool orphan;  /* exec was closed: nobody is told */

	struct mp_arena arena; /* of the request and what is made of it */
	struct mp_exec_request req;
	struct mp_spec *spec;
	struct mp_workspace ws;
	struct mp_keeper_spawn spawn;

	struct mp_keeper_exited end;
	struct mp_exec_report report;
	struct mp_error err; /* text of the report; code 0: none */
};

/* A socket to a keeper process. */
struct exec_keeper {
	struct mp_exec *exec;
	struct mp_dlist link; /* among all */
	struct mp_dlist idle;
	uv_poll_t poll;
	int fd;
	pid_t pid;
	struct mp_buf in, out;
	struct exec_attempt *attempt; /* NULL: idle */
	bool closing;
};

struct mp_exec {
	struct mp_exec_config config;
	char *node_name, *path;
	struct mp_workspace_root *root;
	struct mp_executor executor;
	uv_poll_t poll;   /* of the executor */
	uv_async_t async; /* tells of what failed inside a call */
	struct mp_error trouble;
	bool lost; /* the executor is gone */
	bool told; /* and failed() was called */
	bool closing;
	bool no_more; /* keepers: those that there are must do */
	size_t asked; /* keepers that the executor was asked for */
	size_t keeper_count, handles, works;
	struct mp_map attempts;
	struct mp_dlist waiting;
	struct mp_dlist keepers, idle;
	uint64_t next_id;
	uv_work_t stop;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- exec_work.c: on the thread pool, touching nothing but its attempt ---- */

/* Copies a request into the attempt's arena. 0 or MP_ENOMEM. On the loop. */
int exec_copy_request(struct exec_attempt *a, const struct mp_exec_request *req);

/* Workspace, arguments and environment; on error report.status and err tell. */
void exec_lay(struct exec_attempt *a);

/* Outputs, value and logs into the cache, the report made; and the workspace kept for the next, if
 * it is clean. */
void exec_finish(struct exec_attempt *a);

/* Its workspace goes, if it is there. Nobody waits for that: what is laid next lies elsewhere. */
void exec_leave(struct exec_attempt *a);

void exec_attempt_free(struct exec_attempt *a);

/* ---- exec_keeper.c ---- */

/* Takes the descriptor. 0 or MP_ENOMEM. */
int exec_keeper_new(struct mp_exec *x, int fd, pid_t pid);

/* Closes the socket; what runs there is killed. */
void exec_keeper_close(struct exec_keeper *k);

/* Hands an attempt to an idle keeper. */
void exec_keeper_spawn(struct exec_keeper *k, struct exec_attempt *a);
void exec_keeper_kill(struct exec_keeper *k);
void exec_keeper_lease(struct exec_keeper *k, uint64_t until_ms);

/* ---- exec.c ---- */

/* The command of an attempt runs, or is over (a->end, or a->err when it could not be started). */
void exec_on_started(struct exec_attempt *a);
void exec_on_ended(struct exec_attempt *a);

/* A keeper has nothing to do, or is gone. */
void exec_on_idle(struct mp_exec *x);

/* One of the handles that mp_exec_close() waits for is closed. */
void exec_on_handle_closed(struct mp_exec *x);

#endif
