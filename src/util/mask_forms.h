/* SPDX-License-Identifier: Apache-2.0 */
/* Inside mask.h: what is looked for in each way to read a stream, and how each undoes escapes. */
#ifndef MP_UTIL_MASK_FORMS_H
#define MP_UTIL_MASK_FORMS_H

#include "util/mask.h"
#include "util/match.h"

enum mp_mask_form {
	MP_MASK_PLAIN,
	MP_MASK_URL, /* '+' and ' ' are one: some encoders leave a plus alone, others mean a space
		      */
	MP_MASK_JSON,
	MP_MASK_BASE64,
	MP_MASK_HEX,
	MP_MASK_FORMS /* how many */
};

struct mp_mask {
	const struct mp_alloc *alloc;
	struct mp_match forms[MP_MASK_FORMS];
};

/* Bytes that one escape stands for, at most. */
#define MP_MASK_UNDO_MAX 4

/* Reads the beginning of n pending bytes, n above 0: what they stand for, and how many of them did,
 * 0 when more must come first; never with `end`. Returns 0 with *used above 0 for what is skipped.
 */
size_t mp_mask_undo(enum mp_mask_form form, const uint8_t *p, size_t n, bool end,
	uint8_t out[MP_MASK_UNDO_MAX], size_t *used);

/* Digits before what parts them, at least: view_skip() in mask.c. */
uint32_t mp_mask_unparted(enum mp_mask_form form);

/* The longest of all that is looked for. */
size_t mp_mask_longest(const struct mp_mask *mask);

#endif
