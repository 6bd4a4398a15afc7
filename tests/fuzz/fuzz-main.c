/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of a corpus directory, as an ordinary test: TAP, one line a file. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"

#define INPUT_MAX (4U << 20)

static int read_file(const char *directory, const char *name, struct buf *out)
{
	char path[4096], chunk[65536];
	size_t n;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	if (ferror(f) && !out->failed)
		out->failed = -EIO;
	(void)fclose(f);
	return out->failed;
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The input in memory of exactly its size, so that ASan sees a read past the end. */
static int run_one(const char *directory, const char *name)
{
	_cleanup_buf_ struct buf input = BUF_INIT(INPUT_MAX);
	_cleanup_free_ uint8_t *exact = NULL;
	int r = read_file(directory, name, &input);

	if (r < 0)
		return r;
	exact = malloc(input.length ? input.length : 1);
	if (!exact)
		return -ENOMEM;
	if (input.length > 0)
		memcpy(exact, input.data, input.length);
	(void)LLVMFuzzerTestOneInput(exact, input.length);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	int n, failed = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	n = scandir(argv[1], &entries, is_input, alphasort);
	if (n < 0) {
		(void)printf("Bail out! %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (n == 0) {
		(void)printf("Bail out! %s: the corpus is empty\n", argv[1]);
		return 1;
	}
	(void)printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		int r = run_one(argv[1], entries[i]->d_name);

		(void)printf("%s %d - %s\n", r < 0 ? "not ok" : "ok", i + 1, entries[i]->d_name);
		(void)fflush(stdout);
		failed |= r < 0;
		free(entries[i]);
	}
	free(entries);
	return failed;
}
