/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of a pipeline file, YAML or CBOR: what the sources make and the reader takes. Lives in
 * an arena of the source and is gone when the next one is made.
 */
#ifndef MP_CODEC_PIPELINE_VALUE_H
#define MP_CODEC_PIPELINE_VALUE_H

#include "mp/pipeline.h"

enum mp_value_kind {
	MP_VALUE_TEXT,
	MP_VALUE_UINT, /* CBOR only: numbers of YAML are plain text */
	MP_VALUE_BOOL, /* likewise */
	MP_VALUE_LIST,
	MP_VALUE_MAP,
	MP_VALUE_BAD, /* reported already */
};

struct mp_value {
	enum mp_value_kind kind;
	bool plain; /* text without quotes, so that it may stand for a number or a word */
	struct mp_pos pos;
	const char *s;          /* TEXT: no NUL inside, one after */
	uint64_t u;             /* UINT, BOOL */
	size_t count;           /* LIST: items; MAP: pairs */
	struct mp_value *first; /* LIST: items; MAP: key, value, key, value; every key is TEXT */
	struct mp_value *next;
};

#endif
