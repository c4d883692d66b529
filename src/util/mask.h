/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets out of what a command prints. Of a stream of bytes, every longest run that is covered by
 * occurrences of secrets becomes "***", however the stream is cut into pieces. An occurrence is
 *
 *   as it is     the value without line breaks at its end; of a value of several lines also each
 *                line of MP_MASK_LINE_MIN bytes or more; and with its quotes as a shell traces them
 *   URL          the value after %XX (digits of either case) and + for a space were undone
 *   JSON         the value after \" \\ \/ \b \f \n \r \t \uXXXX, surrogate pairs too, were undone;
 *                and \' \a \e \E \v \xXX \OOO as shells and Python have them
 *   base64       of either alphabet, padded or not, in lines or not: the value alone, and the
 *                digits that it alone decides wherever it stands in a longer text, where these are
 *                MP_MASK_BASE64_MIN or more. Two or four bits of a neighbour's digit stay readable.
 *   hex          digits of either case of a value of MP_MASK_HEX_MIN bytes or more, in lines or
 * not, with up to two blanks, colons or line breaks between bytes
 *
 * Escapes are undone one by one, so it does not matter which characters an encoder leaves alone.
 * What is encoded twice, encrypted, reversed or printed piece by piece is not found: masking is a
 * net for accidents, and no wall around a program that wants to tell.
 *
 * What could still become an occurrence is held back until it has or cannot any more, and no byte
 * longer; mp_masker_end() lets go of the rest. A line of less than MP_MASK_LINE_MIN bytes of a
 * value of several, blanks around lines and line breaks at the end of a value are no occurrences.
 * Pure; all memory is taken at the beginning, and wiped at the end.
 */
#ifndef MP_UTIL_MASK_H
#define MP_UTIL_MASK_H

#include "mp/base.h"

#define MP_MASK_TEXT       "***"
#define MP_MASK_LINE_MIN   4
#define MP_MASK_BASE64_MIN 4
#define MP_MASK_HEX_MIN    3

struct mp_mask;   /* what to look for; any number of maskers share it */
struct mp_masker; /* of one stream */

/* Empty values have no occurrence. Copies them; borrows alloc for its life. 0, MP_ENOMEM. */
int mp_mask_new(
	const struct mp_alloc *alloc, const struct mp_span *values, size_t n, struct mp_mask **out);
void mp_mask_free(struct mp_mask *mask); /* NULL is fine */

/* Gets the masked stream; called any number of times with pieces of it. */
typedef void mp_mask_emit(void *ctx, const uint8_t *p, size_t n);

/* Borrows the mask for its life. 0, MP_ENOMEM. */
int mp_masker_new(const struct mp_mask *mask, struct mp_masker **out);
void mp_masker_free(struct mp_masker *m); /* NULL is fine */

void mp_masker_feed(struct mp_masker *m, struct mp_span bytes, mp_mask_emit *emit, void *ctx);
/* The stream is over; the next byte begins another one. */
void mp_masker_end(struct mp_masker *m, mp_mask_emit *emit, void *ctx);

#endif
