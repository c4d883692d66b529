/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline as it was written (struct mp_pipeline), the graph that it expands to and that the
 * core schedules (struct mp_graph), and what an executor needs of one module (struct mp_spec).
 *
 *   YAML ─┐ parse                                  expand
 *   CBOR ─┴─────▶ mp_pipeline ─── encode ──▶ CBOR    │  mp_graph ─ modules[i].spec ─▶ mp_spec
 *                      └──────────────────────────────┘
 *
 * The CBOR form (contrib/meshpipe.cddl) is what is stored, sent and hashed: the pipeline digest is
 * the hash of those bytes. Everything here is a pure function of its arguments: the same bytes and
 * parameters give the same graph, on every machine and in every version that accepts them.
 *
 * Each of the three owns all that hangs on it, borrows nothing but the allocator, and is freed
 * whole. Strings are NUL-terminated valid UTF-8; lists may be NULL when their count is 0.
 */
#ifndef MP_PIPELINE_H
#define MP_PIPELINE_H

#include "mp/base.h"
#include "mp/member.h"
#include "mp/error.h"
#include "mp/work.h"

struct mp_buf;

/* ---- diagnostics ---- */

/* Where something was written. Lines and columns (in characters) count from 1; line 0: column is
 * the offset in bytes, plus 1, in a CBOR file, or 0 when there is no place to point at. */
struct mp_pos {
	uint32_t line;
	uint32_t column;
};

struct mp_diag {
	struct mp_pos pos;
	char text[MP_ERROR_TEXT_MAX]; /* one line, printable, no full stop */
};

/* Diagnostics kept of one file; more are counted in `dropped`. */
#define MP_DIAGS_MAX 100

struct mp_diags {
	const struct mp_alloc *alloc;
	const char *file_name; /* for mp_diags_format */
	struct mp_diag *v;     /* by position */
	size_t n;
	size_t cap;
	size_t dropped;
};

/* Borrows alloc and file_name for its life. */
void mp_diags_init(struct mp_diags *d, const struct mp_alloc *alloc, const char *file_name);
void mp_diags_fini(struct mp_diags *d);

/* Adds one; control characters and what is not UTF-8 become '?'. d may be NULL. */
void mp_diags_add(struct mp_diags *d, struct mp_pos pos, const char *fmt, ...) MP_PRINTF(3, 4);
void mp_diags_vadd(struct mp_diags *d, struct mp_pos pos, const char *fmt, va_list ap)
	MP_PRINTF(3, 0);

/* The longest line that mp_diags_format writes, its NUL included. */
#define MP_DIAG_LINE_MAX (MP_ERROR_TEXT_MAX + 320)

/* Writes diagnostic i as "file:line:column: text" ("file:byte N: text" for CBOR), without newline.
 * i == n tells how many were dropped; call it only when some were. */
void mp_diags_format(const struct mp_diags *d, size_t i, char out[MP_DIAG_LINE_MAX]);

/* ---- the pipeline as written ---- */

enum mp_on_failure {
	MP_ON_FAILURE_STOP, /* what does not depend on the failure finishes, the rest is skipped */
};

#define MP_ELECTORS_DEFAULT 3
#define MP_COPIES_DEFAULT   2

/* A scalar as written, with ${...} not yet replaced. */
struct mp_text {
	const char *s;
	struct mp_pos pos;
};

struct mp_texts {
	const struct mp_text *v;
	uint32_t n;
	bool set; /* written, if only as an empty list */
};

/* A name with a value; lists of them are sorted by mp_name_cmp and hold each name once. */
struct mp_binding {
	struct mp_text name;
	struct mp_text value;
};

struct mp_bindings {
	const struct mp_binding *v;
	uint32_t n;
};

/* RFC 8949 section 4.2.1 order of text keys: shorter first, then by bytes. */
int mp_name_cmp(const char *a, const char *b);

#define MP_NEED_ALL UINT32_MAX

struct mp_need {
	struct mp_text text; /* "build" or "build[gcc,linux]" */
	uint32_t group;      /* index in modules */
	uint32_t instance;   /* which of the group's instances, or MP_NEED_ALL */
};

struct mp_axis {
	struct mp_text name;
	struct mp_texts values;
	uint32_t unsafe; /* index of a value that the string form of run may not take, or UINT32_MAX
			  */
};

/* One entry of `exclude`: instances whose values equal all of these do not exist. */
struct mp_exclude {
	struct mp_bindings match;
	struct mp_pos pos;
};

struct mp_matrix {
	struct mp_pos pos;
	const struct mp_axis *axes; /* as written; the first is the slowest */
	uint32_t axis_count;
	const struct mp_exclude *excludes;
	uint32_t exclude_count;
	uint32_t combination_count; /* product of the axes */
	uint32_t instance_count;    /* less what is excluded */
	const uint32_t
		*instances; /* combination to instance, UINT32_MAX when excluded; NULL: same */
};

struct mp_requires {
	struct mp_text os; /* s NULL when not asked for */
	struct mp_text arch;
	struct mp_texts tools;
	struct mp_texts tags;
};

/* What one attempt takes of what a node has so many of; see mp_demand_total(). */
struct mp_demand {
	const char *name; /* at most MP_WORD_MAX - 1 bytes */
	uint64_t count;   /* above 0 */
};

/* In the order of mp_name_cmp(), each name once; at most MP_RESOURCES_MAX. */
struct mp_demands {
	const struct mp_demand *v;
	uint32_t n;
};

bool mp_demands_same(const struct mp_demands *a, const struct mp_demands *b);

/* How many a node has: of `cpus` its processors, of `memory` bytes, of others its resources. */
uint64_t mp_demand_total(const struct mp_caps *caps, const char *name);

struct mp_retry {
	uint32_t attempts; /* in all; 1 means no retry */
	uint64_t backoff_ms;
	uint64_t max_backoff_ms;
	const uint8_t *exits; /* exit codes that are tried again, ascending */
	uint32_t exit_count;
	bool on_exit; /* every exit code but 0 */
	bool on_signal;
	bool on_timeout;
};

#define MP_RETRY_BACKOFF_MS_DEFAULT     1000
#define MP_RETRY_MAX_BACKOFF_MS_DEFAULT 60000
#define MP_GRACE_MS_DEFAULT             5000

struct mp_pipeline_module {
	struct mp_text name;
	struct mp_text shell; /* s NULL when run is an argv list */
	struct mp_texts argv;
	struct mp_need *needs;
	uint32_t need_count;
	struct mp_bindings env;
	struct mp_texts secrets; /* names, by mp_name_cmp; all are among the pipeline's */
	struct mp_texts inputs;  /* !set: all inputs of the pipeline */
	struct mp_texts outputs;
	struct mp_matrix *matrix;           /* NULL: one instance */
	const struct mp_requires *requires; /* NULL: runs anywhere */
	struct mp_demands resources;
	struct mp_retry retry;
	uint64_t timeout_ms;           /* of one attempt; 0: none */
	uint64_t placement_timeout_ms; /* unplaceable for so long: failed; 0: waits for ever */
	uint64_t grace_ms;             /* between SIGTERM and SIGKILL */
	bool cache;
	bool once; /* never started twice: retry.attempts is 1, and cache false unless written */
};

/* What `cache` is where it is not written. */
static inline bool
mp_module_caches(const struct mp_pipeline_module *m)
{
	return !m->once && m->secrets.n == 0;
}

struct mp_pipeline {
	struct mp_text name;
	struct mp_bindings params; /* defaults */
	struct mp_bindings env;
	struct mp_texts secrets; /* names, by mp_name_cmp; none is in an env, nor says MP_ */
	struct mp_texts inputs;  /* globs, relative to the file's directory */
	enum mp_on_failure on_failure;
	uint32_t electors; /* 1, 3 or 5 */
	uint32_t copies;
	bool survivor;                      /* `failover: survivor`; then no module is `once` */
	struct mp_pipeline_module *modules; /* as written; `defaults` are merged in */
	uint32_t module_count;
};

/*
 * Reads YAML or CBOR, told apart by the first byte. file_name names the pipeline (without folder
 * and extension) when a YAML file does not. 0; MP_EPIPELINE when the file is wrong, with at least
 * one diagnostic; or MP_ENOMEM. Up to MP_DIAGS_MAX mistakes are reported at once. Borrows bytes
 * for the call, and alloc for the life of the pipeline. diags may be NULL.
 */
int mp_pipeline_parse(const char *file_name, struct mp_span bytes, const struct mp_alloc *alloc,
	struct mp_pipeline **out, struct mp_diags *diags);

/* The same for CBOR only: what the core links. Accepts exactly what mp_pipeline_encode makes. */
int mp_pipeline_decode(struct mp_span cbor, const struct mp_alloc *alloc, struct mp_pipeline **out,
	struct mp_diags *diags);

/* Appends the deterministic CBOR form. 0, MP_ENOMEM or MP_ELIMIT of the buffer. */
int mp_pipeline_encode(const struct mp_pipeline *p, struct mp_buf *out);

void mp_pipeline_free(struct mp_pipeline *p); /* NULL is fine */

/* ---- the graph that is scheduled ---- */

struct mp_param {
	const char *name;
	const char *value;
};

struct mp_names_list {
	const char *const *v;
	uint32_t n;
};

struct mp_graph_module {
	const char *name;      /* "build", or "build[gcc,linux]" for an instance of a matrix */
	uint32_t group;        /* index of the module as written */
	uint32_t instance;     /* index within the group */
	const uint32_t *needs; /* indices in modules, ascending, each once */
	uint32_t need_count;
	uint32_t dependant_count;
	const uint32_t *dependants; /* likewise */
	struct mp_span spec;        /* see mp_spec_decode; at most MP_SPEC_MAX bytes */
	const char *os;             /* NULL when not asked for */
	const char *arch;
	struct mp_names_list tools;
	struct mp_names_list tags;
	struct mp_demands resources; /* the spec has it too */
	struct mp_retry retry;
	uint64_t timeout_ms; /* of one attempt; 0: none. The executor has it in its spec too */
	uint64_t placement_timeout_ms; /* 0: waits for ever */
	struct mp_names_list secrets;  /* by strcmp; the spec has them too */
	bool cache;
	bool once; /* the spec has it too */
};

struct mp_graph {
	const char *name;
	uint32_t electors;
	uint32_t copies;
	bool survivor;
	enum mp_on_failure on_failure;
	struct mp_names_list secrets; /* that the submitter gives, by strcmp */
	uint32_t module_count;        /* at most MP_MODULES_MAX */
	uint32_t edge_count;          /* at most MP_EDGES_MAX */
	struct mp_graph_module
		*modules; /* groups as written, instances with the first axis slowest */
};

/*
 * Expands matrices and replaces ${...}. Borrows everything for the call, except alloc, which it
 * borrows for the life of the graph; the graph does not refer to the pipeline. 0; MP_EPIPELINE
 * (unknown parameter, a value that is not allowed where it is used, a module over MP_SPEC_MAX)
 * with diagnostics; or MP_ENOMEM.
 */
int mp_graph_expand(const struct mp_pipeline *p, const struct mp_param *params, size_t param_count,
	const struct mp_alloc *alloc, struct mp_graph **out, struct mp_diags *diags);

void mp_graph_free(struct mp_graph *g); /* NULL is fine */

/*
 * Is an attempt that ended in this way, and that was number `used` of those the module failed by
 * itself, tried again? exit_code is -1 when a signal ended it. What produced no declared output or
 * could not be started counts as an exit that is not 0; what was cancelled or met a conflict of
 * inputs is never tried again.
 */
bool mp_retry_applies(
	const struct mp_retry *r, enum mp_status status, int32_t exit_code, uint32_t used);

/* Back-off before attempt number used + 1: backoff_ms doubled per attempt, at most max_backoff_ms.
 * The caller adds jitter. */
uint64_t mp_retry_backoff_ms(const struct mp_retry *r, uint32_t used);

/* ---- what an executor needs ---- */

/*
 * Encoded as a CBOR map with ascending unsigned keys; what is absent has its default, so that keys
 * added later leave the hashes of today's modules alone:
 *   0 version, 1    1 argv, array of text     2 shell, text      3 env, array of [name, value]
 *   4 inputs, array of globs (absent: all)    5 outputs, array of globs
 *   6 timeout_ms (absent: none)               7 grace_ms (absent: MP_GRACE_MS_DEFAULT)
 *   8 true: no result cache                   9 tools, array of names, as the module asks for
 *   10 once, true (absent: false)             11 resources, array of [name, count]
 *  12 secrets, array of names
 */
struct mp_env_var {
	const char *name;
	const char *value;
};

struct mp_spec {
	struct mp_names_list argv;    /* v[n] is NULL as for execve; n is 0 when shell is set */
	const char *shell;            /* for sh -eu -c, or NULL */
	const struct mp_env_var *env; /* by strcmp of the names, each once; MP_MATRIX_* included */
	uint32_t env_count;
	bool all_inputs; /* else those that match `inputs` */
	struct mp_names_list inputs;
	struct mp_names_list outputs;
	uint64_t timeout_ms;
	uint64_t grace_ms;
	bool no_cache;              /* no result of it counts for another execution */
	struct mp_names_list tools; /* whose versions count when a result is looked up */
	bool once;                  /* never started twice */
	struct mp_demands resources;
	struct mp_names_list secrets; /* by strcmp, each once, and none is in env */
};

/* Strict: accepts exactly what mp_graph_expand makes. 0, MP_EFORMAT, MP_ETRUNC, MP_ELIMIT,
 * MP_EVERSION (a version or key of later days) or MP_ENOMEM. */
int mp_spec_decode(struct mp_span spec, const struct mp_alloc *alloc, struct mp_spec **out);

/* Appends the encoding. 0, MP_ENOMEM or MP_ELIMIT of the buffer. For tests and tools too. */
int mp_spec_encode(const struct mp_spec *s, struct mp_buf *out);

/* What it takes of what a node can count, without decoding the rest; how many. 0 also of what
 * cannot be read. */
size_t mp_spec_resources(struct mp_span spec, struct mp_resource out[MP_RESOURCES_MAX]);

/* The names of the secrets that it takes, likewise; borrowed from the specification. */
size_t mp_spec_secrets(struct mp_span spec, struct mp_span out[MP_SECRETS_MAX]);

void mp_spec_free(struct mp_spec *s); /* NULL is fine */

/* Does the module get this file of the run's inputs? path: at most MP_PATH_MAX bytes. */
bool mp_spec_takes(const struct mp_spec *s, struct mp_span path);

#endif
