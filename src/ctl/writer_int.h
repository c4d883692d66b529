/* SPDX-License-Identifier: Apache-2.0 */
/* What a kind of writer does: writer.c calls these, writer_json.c and writer_text.c are them. */
#ifndef MP_CTL_WRITER_INT_H
#define MP_CTL_WRITER_INT_H

#include "ctl/writer.h"

#define WRITER_DEPTH 8

/* What text makes of a value is decided before: both forms come. */
struct mp_writer_value {
	const char *key;
	struct mp_span json; /* as it stands in JSON, but for strings */
	struct mp_span text; /* as it stands in a table, cleaned; a string in JSON */
	bool is_string;
	bool text_only;
};

struct mp_writer_ops {
	void (*start)(struct mp_writer *w, const char *key, bool list,
		const struct mp_column *columns, size_t count);
	void (*end)(struct mp_writer *w);
	void (*value)(struct mp_writer *w, const struct mp_writer_value *v);
	void (*paint)(struct mp_writer *w, const char *key, enum mp_paint paint); /* or NULL */
	void (*row)(struct mp_writer *w, const char *key, struct mp_span text);   /* or NULL */
	void (*raw)(struct mp_writer *w, struct mp_span bytes);
	void (*free)(struct mp_writer *w);
};

struct mp_writer {
	const struct mp_writer_ops *ops;
	FILE *out;
	size_t width; /* of a terminal; 0: no bound */
	bool color;
	int rc;
	size_t depth;
	bool list[WRITER_DEPTH]; /* at each depth */
	size_t items[WRITER_DEPTH];
};

struct mp_writer *mp_writer_json_new(void);
struct mp_writer *mp_writer_text_new(void);

#endif
