/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seed corpus of fuzz-event: each sample frame, whole and cut with a size field that says so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "samples.h"

static int write_file(const char *directory, const char *name, const char *suffix, const struct frame *f)
{
	char path[4096];
	FILE *out;
	int bad;

	(void)snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
	out = fopen(path, "we");
	if (!out) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	bad = fwrite(f->data, 1, f->size, out) != f->size;
	bad |= fclose(out) != 0;
	return bad;
}

int main(int argc, char **argv)
{
	static struct frame f;
	int failed = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < samples_n; i++) {
		__u32 size;

		samples[i].make(&f);
		failed |= write_file(argv[1], samples[i].name, "", &f);
		f.size -= f.size / 8;
		size = (__u32)f.size;
		memcpy(f.data + offsetof(struct hd_header, size), &size, sizeof(size));
		failed |= write_file(argv[1], samples[i].name, ".cut", &f);
	}
	return failed;
}
