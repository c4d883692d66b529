/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of mpctl: one file and one constant descriptor each. Usage, --help and the list of
 * commands come from the descriptors; main() parses, runs and exits with what `run` returned.
 *
 * Data goes through the writer to stdout; everything else by mp_cmd_error() and mp_cmd_note() to
 * stderr.
 */
#ifndef MP_CTL_CMD_H
#define MP_CTL_CMD_H

#include "ctl/client.h"
#include "ctl/writer.h"
#include "mp/base.h"
#include "mp/error.h"
#include "mp/limits.h"

/* DESIGN 10. */
enum mp_exit {
	MP_EXIT_DONE = 0,
	MP_EXIT_FAILED = 1, /* the run failed */
	MP_EXIT_USAGE = 2,
	MP_EXIT_PIPELINE = 3,
	MP_EXIT_NO_NODE = 4,
	MP_EXIT_AUTH = 5,
	MP_EXIT_CANCELLED = 6,
	MP_EXIT_TIMEOUT = 7,
	MP_EXIT_BROKEN = 8, /* verify: something does not hold */
	MP_EXIT_OPEN = 9,   /* verify: nothing speaks against it, but not all could be checked */
	MP_EXIT_BUG = 70,   /* or nothing of what DESIGN 10 has a code for: output, memory */
};

struct mp_option {
	const char *name; /* after "--" */
	char letter;      /* after "-"; 0: none */
	const char *arg;  /* what the value is called; NULL: it has none */
	const char *help; /* one line */
};

#define MP_CMD_ARGS_MAX  8
#define MP_CMD_GIVEN_MAX 1100 /* options given on one command line */

struct mp_cmd_ctx;

struct mp_cmd {
	const char *name;
	const char *args;    /* "RUN [MODULE]"; "" for none */
	const char *summary; /* one line, lower case, no full stop */
	const char *details; /* more lines of help, or NULL */
	const struct mp_option *options;
	size_t option_count;
	size_t args_min, args_max;
	int (*run)(struct mp_cmd_ctx *ctx); /* enum mp_exit; NULL: not in this version */
};

/* All commands, in the order in which help shows them. */
extern const struct mp_cmd *const mp_cmds[];
extern const size_t mp_cmd_count;

struct mp_cmd_given {
	const struct mp_option *option;
	const char *value;
};

struct mp_cmd_ctx {
	const struct mp_cmd *cmd; /* NULL until it is known */
	const char *args[MP_CMD_ARGS_MAX];
	size_t arg_count;
	struct mp_cmd_given given[MP_CMD_GIVEN_MAX];
	size_t given_count;
	const char *state;           /* --state, or NULL */
	const char *node, *identity; /* --node and --identity, or NULL */
	bool json;
	bool quiet;
	bool help;
	bool version;
	const struct mp_alloc *alloc;
	struct mp_writer *writer;
	struct mp_client client;
	bool connected;
	mp_time deadline_ms;               /* of calls, mp_client_now_ms(); 0: none */
	const volatile sig_atomic_t *stop; /* as in struct mp_client */
	char state_dir[MP_PATH_MAX + 1];
	struct mp_error err; /* for commands to use */
};

/* ---- the command line: args.c ---- */

/* Fills ctx from argv. MP_EUSAGE with a text. argv is borrowed. */
int mp_cmd_parse(struct mp_cmd_ctx *ctx, int argc, char *const argv[], struct mp_error *err);
const struct mp_cmd *mp_cmd_find(const char *name);
/* Was it given? The last value of an option, or NULL. Options are those of the command. */
bool mp_cmd_has(const struct mp_cmd_ctx *ctx, const char *option);
const char *mp_cmd_value(const struct mp_cmd_ctx *ctx, const char *option);
/* "90", "1.5s", "30m", "24h", "7d": a number is seconds. False: no such time, or above a year. */
bool mp_cmd_duration(const char *text, mp_time *ms);

/* Help on out. */
void mp_cmd_help(FILE *out, const struct mp_cmd *cmd);
void mp_cmd_help_all(FILE *out);

/* ---- what commands share: common.c ---- */

/* "mpctl: COMMAND: text". */
void mp_cmd_error(const struct mp_cmd_ctx *ctx, const char *fmt, ...) MP_PRINTF(2, 3);
/* The same unless --quiet. */
void mp_cmd_note(const struct mp_cmd_ctx *ctx, const char *fmt, ...) MP_PRINTF(2, 3);
/* Prints err and returns the exit code that its code stands for. */
int mp_cmd_fail(const struct mp_cmd_ctx *ctx, const struct mp_error *err);
/* Finishes the writer: `code`, or the failure of that. */
int mp_cmd_done(struct mp_cmd_ctx *ctx, int code);

/* Where the node's state is; in ctx->state_dir. MP_EUSAGE, MP_ELIMIT. */
int mp_cmd_state_dir(struct mp_cmd_ctx *ctx, struct mp_error *err);
/* Connects unless it is. The errors of mp_client_open() and mp_client_open_remote(). */
int mp_cmd_connect(struct mp_cmd_ctx *ctx, struct mp_error *err);
/* Encoded request (rc is its encoder's) to the answer's payload, connecting if need be. buf is
 * finished. *payload is borrowed until the next call. */
int mp_cmd_call(struct mp_cmd_ctx *ctx, int rc, struct mp_buf *buf, struct mp_span *payload,
	struct mp_error *err);
/* The node's answer makes no sense (rc is its decoder's): asks the node what it is, and says in err
 * what to do. MP_EVERSION when it is of another version, or rc. */
int mp_cmd_nonsense(struct mp_cmd_ctx *ctx, int rc, struct mp_error *err);
/* The id of a run: an id or the start of one as it is, and of "last" the newest one's. */
#define MP_CMD_RUN_SIZE (MP_NAME_MAX + 1)
int mp_cmd_run_name(
	struct mp_cmd_ctx *ctx, const char *arg, char out[MP_CMD_RUN_SIZE], struct mp_error *err);
/* "address": HOST:PORT, or null. */
void mp_cmd_write_address(struct mp_writer *w, const struct mp_addr *addr);
/* Who asks, as it is logged: user@host. */
void mp_cmd_who(char out[MP_NAME_MAX + 1]);
/* Whole text of an id in hex. */
void mp_cmd_run_hex(char out[33], const struct mp_run_id *run);

#endif
