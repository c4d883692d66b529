/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mpnode and a keeper say to each other: frames of a 32-bit big-endian length and one CBOR
 * array. Both ends are the same program at the same version, so there is no version number; it is
 * decoded as strictly as everything else.
 */
#ifndef MP_SHELL_EXECUTOR_MSG_H
#define MP_SHELL_EXECUTOR_MSG_H

#include <sys/types.h>

#include "mp/base.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "util/buf.h"

#define MP_KEEPER_FRAME_MAX (1024u * 1024)
#define MP_KEEPER_WORDS_MAX 65536u

enum mp_keeper_kind {
	MP_KEEPER_SPAWN = 1, /* mpnode: run this; the keeper is idle */
	MP_KEEPER_KILL = 2,  /* mpnode: SIGTERM, grace, SIGKILL */
	MP_KEEPER_STARTED = 3,
	MP_KEEPER_EXITED = 4, /* everything of it is gone; the keeper is idle again */
	MP_KEEPER_FAILED = 5, /* it was not started; the keeper is idle again */
	MP_KEEPER_LEASE = 6,  /* mpnode: it may live until then */
};

struct mp_keeper_spawn {
	const char *dir;  /* working directory, absolute */
	char **argv;      /* NULL-terminated */
	char **env;       /* NULL-terminated, KEY=VALUE */
	uint32_t secrets; /* so many of them, the last ones, are to be masked in what it prints */
	const char *out;  /* where stdout is spooled; made when there is any */
	const char *err;
	uint64_t timeout_ms; /* 0: none */
	uint64_t grace_ms;   /* between SIGTERM and SIGKILL */
	uint64_t keep_max;   /* of stdout and stderr each */
	uid_t uid;           /* as struct mp_spawn has them */
	gid_t gid;
	uint64_t lease_ms; /* CLOCK_BOOTTIME: it may live until then; 0: for ever */
	void *mem;         /* of a decoded one, for mp_keeper_msg_fini() */
	size_t mem_size;
};

struct mp_keeper_exited {
	int32_t exit_code; /* -1 when it did not exit by itself */
	int32_t signal;    /* 0 when no signal killed it */
	bool timed_out;
	bool killed;     /* by MP_KEEPER_KILL, before it had ended */
	bool unleased;   /* its lease was over, before it had ended */
	uint32_t strays; /* processes that were left when the command ended, and killed */
	uint32_t left;   /* processes that would not die; the keeper closes its socket */
	int64_t started_ms, ended_ms;                   /* wall */
	uint64_t wall_us, user_us, sys_us, rss_max_kib; /* of the whole tree */
	uint64_t out_size, err_size;                    /* as written by the tree */
	bool out_cut, err_cut;   /* the middle is missing in the spool file */
	bool out_lost, err_lost; /* the spool file could not be written (disk full) */
};

struct mp_keeper_msg {
	enum mp_keeper_kind kind;
	uint64_t id; /* of the attempt, chosen by mpnode */
	union {
		struct mp_keeper_spawn spawn;
		struct {
			pid_t pid;
		} started;
		struct mp_keeper_exited exited;
		struct {
			uint64_t until_ms; /* as lease_ms of the spawn, and not 0 */
		} lease;
		struct {
			int32_t code; /* MP_E*; MP_EFULL and MP_ENOMEM are this node's fault */
			char text[MP_ERROR_TEXT_MAX];
		} failed;
	} u;
};

/* Appends one frame. 0, MP_ENOMEM or MP_ELIMIT. */
int mp_keeper_msg_encode(struct mp_buf *buf, const struct mp_keeper_msg *msg);

/*
 * Decodes the frame at the beginning of bytes; *used is its length. MP_ETRUNC: it is not whole yet.
 * MP_EFORMAT or MP_ELIMIT: junk. A SPAWN owns memory: mp_keeper_msg_fini().
 */
int mp_keeper_msg_decode(struct mp_span bytes, struct mp_keeper_msg *out, size_t *used);
void mp_keeper_msg_fini(struct mp_keeper_msg *msg);

#endif
