/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts on the loop: lays the workspace on the thread pool, has a keeper of the executor run
 * the command, collects on the thread pool, reports; then the workspace goes. The client side of
 * executor.h.
 */
#ifndef MP_SHELL_EXEC_H
#define MP_SHELL_EXEC_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/work.h"
#include "shell/cache.h"
#include "shell/executor.h"
#include "shell/workspace.h"

#include <uv.h>

struct mp_exec;

struct mp_exec_config {
	uv_loop_t *loop;                /* borrowed until closed */
	struct mp_executor executor;    /* taken on success */
	struct mp_cache *cache;         /* borrowed until closed */
	const char *work_dir;           /* STATE/work, absolute; copied */
	const char *node_name;          /* MP_NODE; copied */
	const char *path;               /* PATH of commands; NULL for a default; copied */
	const struct mp_run_as *run_as; /* NULL: as this process; copied */
	bool keep_failed;               /* leave the workspaces of attempts that fail */
	/* On the loop's thread, never from inside a call. The report and all in it is good until it
	 * returns. Per request: STARTED at most once, then DONE exactly once. */
	void (*report)(void *ctx, const struct mp_exec_report *report);
	/* The executor died; every attempt was killed and is reported DONE. The node is to stop. */
	void (*failed)(void *ctx, const struct mp_error *err);
	void *ctx;
};

/* MP_ENOMEM, MP_EIO, MP_EFULL: the work directory could not be made or emptied. */
int mp_exec_open(const struct mp_exec_config *config, struct mp_exec **out, struct mp_error *err);

/* Copies what it needs. Whatever goes wrong is in the DONE report. */
void mp_exec_start(struct mp_exec *exec, const struct mp_exec_request *req);

/* SIGTERM, grace, SIGKILL to the whole tree; DONE follows. Unknown keys: nothing. */
void mp_exec_kill(struct mp_exec *exec, const struct mp_attempt_key *key);

/* What was started with a lease may live until then, on CLOCK_BOOTTIME; its end is watched outside
 * of this process. Unknown keys: nothing. */
void mp_exec_lease(struct mp_exec *exec, const struct mp_attempt_key *key, mp_time until_ms);

enum mp_exec_log {
	MP_EXEC_LOG_OUT,
	MP_EXEC_LOG_ERR,
};

/*
 * Where the output of a running attempt is. Offsets in that file are offsets in the stream; it is
 * made with the first byte. Beyond MP_OUTPUT_KEEP_MAX the middle is punched out and reads as
 * zeros: of a file of `size` bytes only the first and the last half of MP_OUTPUT_KEEP_MAX count.
 * MP_ENOENT: no such attempt, or it does not run yet; MP_ELIMIT: size is too small.
 */
int mp_exec_log_path(struct mp_exec *exec, const struct mp_attempt_key *key, enum mp_exec_log which,
	char *path, size_t size);
/* Reads on from *offset in such a file, which may not exist yet. Of a log whose middle was dropped
 * (MP_OUTPUT_KEEP_MAX) it is stepped over: *offset is then where the bytes begin. 0 or MP_EIO. Any
 * thread may call it. */
int mp_exec_log_read(const char *path, uint64_t *offset, void *p, size_t room, size_t *got);

/* Attempts that are not DONE. */
size_t mp_exec_count(const struct mp_exec *exec);

/* Kills what runs at once, without reports, and stops the executor; closed(ctx) on the loop. */
void mp_exec_close(struct mp_exec *exec, void (*closed)(void *ctx), void *ctx);

#endif
