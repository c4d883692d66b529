/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts: how they are named, what the executor is asked for, and what it reports. */
#ifndef MP_WORK_H
#define MP_WORK_H

#include "mp/base.h"

/* (module, term, counter): two leaders never mint the same (DESIGN 5). */
struct mp_attempt_id {
	uint64_t term;
	uint32_t module;  /* index in the expanded graph */
	uint32_t counter; /* per term, from 1 */
};

static inline bool
mp_attempt_eq(const struct mp_attempt_id *a, const struct mp_attempt_id *b)
{
	return a->term == b->term && a->module == b->module && a->counter == b->counter;
}

/* One attempt of one run, everywhere. */
struct mp_attempt_key {
	struct mp_run_id run;
	struct mp_attempt_id attempt;
};

/* How an attempt ended. The numbers are signed in results: add at the end only. */
enum mp_status {
	MP_STATUS_OK = 0,
	MP_STATUS_FAILED = 1, /* exit code other than 0, or a signal */
	MP_STATUS_TIMED_OUT = 2,
	MP_STATUS_CANCELLED = 3, /* killed on the leader's word */
	MP_STATUS_NO_OUTPUT = 4, /* a declared output is missing or may not leave */
	MP_STATUS_NOT_STARTED =
		5,              /* command not found, workspace or inputs could not be laid out */
	MP_STATUS_CONFLICT = 6, /* two dependencies gave different bytes for one path */
};

/* The kind of a file in a manifest; hashed, so add at the end only. */
enum mp_file_kind {
	MP_FILE_REGULAR = 0,
	MP_FILE_EXECUTABLE = 1,
	MP_FILE_SYMLINK = 2, /* the blob holds the target; it never leads out of the workspace */
};

struct mp_file {
	struct mp_span path; /* workspace-relative UTF-8, no NUL at the end */
	enum mp_file_kind kind;
	uint64_t size;
	struct mp_hash digest;
};

/* What the executor is asked to run. All blobs named here are complete in the local store. */
struct mp_exec_dep {
	struct mp_span name;         /* instance name of the dependency */
	struct mp_span result;       /* its result record */
	struct mp_hash value;        /* what it left in $MP_OUTPUT; zero when nothing */
	const struct mp_file *files; /* its outputs, laid under $MP_DEPS/NAME/ */
	size_t file_count;
};

struct mp_exec_request {
	struct mp_attempt_key key;
	uint64_t fence_term;         /* for MP_FENCE */
	mp_time lease_until_ms;      /* CLOCK_BOOTTIME; killed then. 0: needs no lease */
	struct mp_span module_name;  /* instance name */
	uint32_t attempt_number;     /* 1 for the first, for MP_ATTEMPT */
	struct mp_span spec;         /* see mp_spec_decode() */
	struct mp_span secrets;      /* that it takes: values of codec/record_secret.h, or empty */
	const struct mp_file *files; /* laid into the workspace: inputs and dependencies' outputs */
	size_t file_count;
	const struct mp_exec_dep *deps;
	size_t dep_count;
};

enum mp_exec_phase {
	MP_EXEC_STARTED, /* the command runs */
	MP_EXEC_DONE,    /* everything of it is gone; its outputs are in the local store */
};

struct mp_exec_report {
	struct mp_attempt_key key;
	enum mp_exec_phase phase;
	/* The rest with DONE only. */
	enum mp_status status;
	bool trouble;       /* not OK because disk or memory of this node are full, or its copy of
			     * what the command reads is damaged */
	int32_t exit_code;  /* -1 when it did not exit by itself */
	int32_t signal;     /* 0 when it was not killed by one */
	mp_time started_ms; /* wall */
	mp_time ended_ms;
	uint64_t wall_us;
	uint64_t user_us;
	uint64_t sys_us;
	uint64_t rss_max_kib;
	struct mp_hash manifest; /* blob with the outputs; zero when there are none */
	uint64_t output_files;
	uint64_t output_bytes;
	struct mp_hash out_log, err_log; /* blobs; zero when empty */
	uint64_t out_size, err_size;
	bool out_cut, err_cut; /* the middle was dropped, see MP_OUTPUT_KEEP_MAX */
	struct mp_hash value;  /* blob with what was left in $MP_OUTPUT; zero when nothing */
	struct mp_span error;  /* text for people when status says that something is wrong */
};

/* A piece of what a running attempt has written. */
struct mp_log_piece {
	struct mp_attempt_key key;
	bool err; /* standard error */
	uint64_t offset;
	uint32_t size; /* at most so many bytes */
};

#endif
