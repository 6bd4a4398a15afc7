/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the words of a file; the demo's agent is asked to mend it. */
#include <stdio.h>

static long count_words(FILE *f)
{
	long words = 0;
	int inside = 0;

	for (int c; (c = getc(f)) != EOF;) {
		int blank = c == ' ' || c == '\n';

		if (!blank && !inside)
			words++;
		inside = !blank;
	}
	return words;
}

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!f) {
		fprintf(stderr, "count: can't open %s\n", argc == 2 ? argv[1] : "a file that was not named");
		return 2;
	}
	printf("%ld words\n", count_words(f));
	return fclose(f) == 0 ? 0 : 1;
}
