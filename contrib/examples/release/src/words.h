/* SPDX-License-Identifier: Apache-2.0 */
/* Words and how often they came. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

struct word {
	char *text;
	unsigned long count;
};

struct words {
	struct word *list;
	size_t count;
	size_t room;
};

/* Counts one more of this word. 0, or -1 when there is no memory. */
int words_add(struct words *words, const char *text);

/* The most frequent first; equal ones in the order of the alphabet. */
void words_sort(struct words *words);

void words_free(struct words *words);

#endif
