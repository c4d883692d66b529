/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <stdlib.h>
#include <string.h>

static struct word *
words_find(const struct words *words, const char *text)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->list[i].text, text) == 0)
			return &words->list[i];
	return NULL;
}

int
words_add(struct words *words, const char *text)
{
	struct word *word = words_find(words, text);
	size_t size = strlen(text) + 1;

	if (word != NULL) {
		word->count++;
		return 0;
	}
	if (words->count == words->room) {
		size_t room = words->room == 0 ? 16 : words->room * 2;
		struct word *list = realloc(words->list, room * sizeof(*list));

		if (list == NULL)
			return -1;
		words->list = list;
		words->room = room;
	}
	word = &words->list[words->count];
	word->count = 1;
	word->text = malloc(size);
	if (word->text == NULL)
		return -1;
	memcpy(word->text, text, size);
	words->count++;
	return 0;
}

static int
word_order(const void *a, const void *b)
{
	const struct word *x = a;
	const struct word *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->text, y->text);
}

void
words_sort(struct words *words)
{
	if (words->count > 0)
		qsort(words->list, words->count, sizeof(*words->list), word_order);
}

void
words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i].text);
	free(words->list);
}
