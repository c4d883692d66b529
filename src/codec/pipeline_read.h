/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From values to a pipeline: the one place that knows the keys of DESIGN 9. A source (YAML, CBOR)
 * feeds it top-level keys and modules in the order of the file; every mistake becomes a diagnostic,
 * and reading goes on. Internal to the codec.
 */
#ifndef MP_CODEC_PIPELINE_READ_H
#define MP_CODEC_PIPELINE_READ_H

#include "codec/pipeline_value.h"
#include "util/arena.h"
#include "util/names.h"

/* What a mp_pipeline is a part of. */
struct mp_pipeline_box {
	struct mp_pipeline p; /* first: mp_pipeline_free gets this */
	const struct mp_alloc *alloc;
	struct mp_arena arena;
	size_t module_cap; /* p.modules is not in the arena: it grows */
};

/* What a module, or `defaults`, said; the rest comes from elsewhere. */
enum {
	MP_SET_TIMEOUT = 1 << 0,
	MP_SET_PLACEMENT = 1 << 1,
	MP_SET_GRACE = 1 << 2,
	MP_SET_CACHE = 1 << 3,
	MP_SET_RETRY = 1 << 4, /* the key; its parts follow */
	MP_SET_ATTEMPTS = 1 << 5,
	MP_SET_BACKOFF = 1 << 6,
	MP_SET_MAX_BACKOFF = 1 << 7,
	MP_SET_ON = 1 << 8,
	MP_SET_RUN = 1 << 9,
	MP_SET_RESOURCES = 1 << 10,
};

/* A module on its way. */
struct mp_draft {
	struct mp_pipeline_module m;
	struct mp_requires *requires; /* m.requires, while it can still change */
	struct mp_pos retry_pos;
	unsigned set; /* MP_SET_* */
};

#define MP_READ_FIELDS_MAX 32

struct mp_pipeline_reader {
	struct mp_pipeline_box *box;
	struct mp_diags *diags;
	bool cbor;               /* the values come from CBOR */
	bool failed;             /* a diagnostic was made */
	int rc;                  /* MP_ENOMEM, else 0 */
	struct mp_names names;   /* of modules, to their index */
	struct mp_draft *drafts; /* of modules; merged and dropped at the end */
	size_t draft_cap;
	struct mp_draft defaults;
	struct mp_pos failover_pos;
	struct mp_pos seen[MP_READ_FIELDS_MAX]; /* top-level keys */
	size_t suggestions;                     /* names still compared for "did you mean" */
};

/* 0 or MP_ENOMEM. Borrows alloc for the life of the pipeline, diags (may be NULL) until fini. */
int mp_pipeline_reader_init(struct mp_pipeline_reader *r, const struct mp_alloc *alloc,
	struct mp_diags *diags, bool cbor);

/* One top-level key; value is NULL for `modules`, whose members follow by the next function. */
void mp_pipeline_reader_key(
	struct mp_pipeline_reader *r, const struct mp_value *key, const struct mp_value *value);

void mp_pipeline_reader_module(
	struct mp_pipeline_reader *r, const struct mp_value *name, const struct mp_value *value);

/*
 * Ends the file: what is missing, defaults, and all that needs the whole (mp_pipeline_check). root
 * is where the file's map begins; default_name stands in when there is no name (NULL: none does).
 * 0 with the pipeline, MP_EPIPELINE or MP_ENOMEM.
 */
int mp_pipeline_reader_end(struct mp_pipeline_reader *r, struct mp_pos root,
	const char *default_name, struct mp_pipeline **out);

void mp_pipeline_reader_fini(struct mp_pipeline_reader *r);

/* Adds a diagnostic; the pipeline will be refused. */
void mp_pipeline_reader_fail(struct mp_pipeline_reader *r, struct mp_pos pos, const char *fmt, ...)
	MP_PRINTF(3, 4);

/* ---- pieces, in pipeline_scalar.c: each reports what is wrong and then returns false ---- */

/* "expected WHAT, found ..." */
void mp_read_expected(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what);

/* "'NAME' is written twice" at pos; first is where it stands too. */
void mp_read_twice(
	struct mp_pipeline_reader *r, struct mp_pos pos, const char *name, struct mp_pos first);

/* Copies text; refuses more than max bytes. */
bool mp_read_text(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max,
	const char *what, struct mp_text *out);
bool mp_read_texts(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max,
	const char *what, struct mp_texts *out);

/* A map of words to words, sorted; identifiers of the given kind as keys. */
bool mp_read_bindings(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max,
	bool (*key_check)(struct mp_pipeline_reader *, const struct mp_value *), const char *what,
	struct mp_bindings *out);

bool mp_read_uint(struct mp_pipeline_reader *r, const struct mp_value *v, uint64_t least,
	uint64_t most, const char *what, uint64_t *out);
bool mp_read_bool(struct mp_pipeline_reader *r, const struct mp_value *v, bool *out);

/* "1h30m", in milliseconds. */
bool mp_read_duration(struct mp_pipeline_reader *r, const struct mp_value *v, uint64_t *out);

/* Is it the plain text that stands for nothing? */
bool mp_read_is_nothing(const struct mp_value *v);

/* One key of a map. read is NULL for a key that this version refuses. */
struct mp_field {
	const char *name;
	void (*read)(struct mp_pipeline_reader *r, void *into, const struct mp_value *v);
};

/* Every key once, known and in `fields`; what says what should stand where v is no map. */
void mp_read_map(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what,
	const struct mp_field *fields, size_t n, void *into);

/* Room in the arena; NULL sets r->rc. */
void *mp_read_take(struct mp_pipeline_reader *r, size_t n, size_t size);

/* ---- in pipeline_module.c ---- */

void mp_read_module(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d);
void mp_read_defaults(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d);
bool mp_read_env_name(struct mp_pipeline_reader *r, const struct mp_value *key);

/* ---- in pipeline_demand.c ---- */

void mp_read_demands(
	struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_demands *out);

/* ---- in pipeline_secret.c ---- */

/* A list of names, sorted. */
void mp_read_secrets(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_texts *out);

/* That modules take what is declared, and that no `env` tells what is. */
void mp_check_secrets(struct mp_pipeline_reader *r);

/* ---- in pipeline_check.c ---- */

/* Everything that needs the whole pipeline: names, edges, matrices, references, cycles. */
void mp_pipeline_check(struct mp_pipeline_reader *r);

/* ---- in pipeline_matrix.c ---- */

/* Reads `matrix` of a module. */
void mp_read_matrix(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d);

/* Counts combinations and instances; *budget is the work that is left. False when refused. */
bool mp_matrix_count(struct mp_pipeline_reader *r, struct mp_matrix *matrix, uint64_t *budget);

/* The instance that "gcc,linux]" names, or MP_NEED_ALL when there is none. */
uint32_t mp_matrix_find(const struct mp_matrix *matrix, const char *values);

#endif
