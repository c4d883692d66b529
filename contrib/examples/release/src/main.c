/* SPDX-License-Identifier: Apache-2.0 */
/* wordfreq: reads text, prints each word with how often it came. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "version.h"
#include "words.h"

#define WORD_MAX 255

/* The next word in small letters; 0 at the end of the text. */
static int
next_word(FILE *in, char word[WORD_MAX + 1])
{
	size_t n = 0;
	int c;

	while ((c = getc(in)) != EOF) {
		if (!isalpha(c) && n > 0)
			break;
		if (isalpha(c) && n < WORD_MAX)
			word[n++] = (char)tolower(c);
	}
	word[n] = '\0';
	return n > 0;
}

int
main(int argc, char **argv)
{
	struct words words = {NULL, 0, 0};
	char word[WORD_MAX + 1];
	int rc = 0;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("wordfreq " VERSION);
		return 0;
	}
	while (rc == 0 && next_word(stdin, word))
		rc = words_add(&words, word);
	words_sort(&words);
	for (size_t i = 0; rc == 0 && i < words.count; i++)
		printf("%lu %s\n", words.list[i].count, words.list[i].text);
	words_free(&words);
	if (rc != 0 || ferror(stdin) || fflush(stdout) != 0) {
		fputs("wordfreq: cannot read or write, or no memory\n", stderr);
		return 1;
	}
	return 0;
}
